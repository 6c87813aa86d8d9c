"""Submitting a bot: checked, stored, entered as a new version, within quotas; withdrawn; names that nobody else has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import arenas
from agents.bots.check import Report
from agents.bots.core import FailureCode
from agents.bots.manifest import BotRejectedError
from agents.bots.store import BotStore
from agents.checkpoint import CheckpointStore, Manifest
from agents.networks import Network
from agents.settings import NetworkConfig
from league import submission
from league.errors import InputError
from league.roster import Roster
from league.runs import RunFolder, create
from league.settings import resolve, set_layer
from league.submission import SubmissionRejectedError, find_bot, submit, withdraw
from matchmaking.bot_records import BotRecord, BotState
from matchmaking.records import Kind, Player, Role, new_id
from matchmaking.server import EmbeddedServer
from matchmaking.service import Matchmaker
from matchmaking.store import Store

BOT = "class Bot:\n    def __init__(self, spec): ...\n    def act(self, o, m, c): return m.argmax() + {0} * 0\n"
SETTINGS = ("bots.per_author=2", "bots.max_size=100000", "bots.clocks.start=30", "bots.clocks.move=10")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    flags = [set_layer(each) for each in SETTINGS]
    return create(tmp_path / "runs", resolve("tic_tac_toe", flags=flags, environment={}), "open")


@pytest.fixture
def matchmaker(server: EmbeddedServer) -> Iterator[Matchmaker]:
    store = Store.create(server.url, new_id("run"), "tic_tac_toe")
    yield Matchmaker(store)
    store.close()


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Bots are taken without being played; the versions that would have been."""
    checked: list[str] = []

    def check(source, arena, settings) -> Report:  # type: ignore[no-untyped-def]
        checked.append(source.version)
        facts = {name: getattr(source, name) for name in ("name", "version", "language", "size")}
        return Report(**facts, arena=arena.spec.name, ok=True)

    monkeypatch.setattr(submission, "check_source", check)
    return checked


def _bot(tmp_path: Path, number: int = 0) -> Path:
    path = tmp_path / f"bot{number}.py"
    path.write_text(BOT.format(number))
    return path


def _names(matchmaker: Matchmaker) -> list[str]:
    return [player.name for player in matchmaker.players()]


def _state(matchmaker: Matchmaker, player: Player) -> BotState:
    bot = matchmaker.store.bots.get(player.id)
    assert bot is not None
    return bot.state


def test_a_bot_is_checked_stored_and_entered(tmp_path: Path, run: RunFolder, matchmaker: Matchmaker) -> None:
    done = submit(run, matchmaker, _bot(tmp_path), "deep", "ann")
    assert done.entered
    assert done.report is not None
    assert done.report.ok
    assert len(done.report.tried) == 3
    player = matchmaker.find("deep")
    assert (player.kind, player.parent, player.checkpoint, player.role) == (Kind.BOT, None, None, None)
    assert player.version is not None
    assert BotStore(run.bots).load(player.version).entry == "bot:Bot"
    bot = matchmaker.store.bots.get(player.id)
    assert bot is not None
    assert (bot.lineage, bot.author, bot.language, bot.state) == ("deep", "ann", "python", BotState.ACTIVE)


def test_a_bot_that_fails_is_not_entered(tmp_path: Path, run: RunFolder, matchmaker: Matchmaker) -> None:
    path = tmp_path / "bad.py"
    path.write_text("class Bot:\n    def __init__(self, spec): ...\n    def act(self, o, mask, clock): return 99\n")
    with pytest.raises(
        SubmissionRejectedError, match=r"rejected: INVALID_ACTION \(act\): action 99 is none of"
    ) as caught:
        submit(run, matchmaker, path, "deep", "ann")
    assert caught.value.exit_code == 5
    assert {record.code for record in caught.value.report.failures} == {FailureCode.INVALID_ACTION}
    assert _names(matchmaker) == []
    assert matchmaker.store.bots.all() == {}
    assert list(run.bots.iterdir()) == []


def test_the_same_again_changes_nothing(
    tmp_path: Path, run: RunFolder, matchmaker: Matchmaker, unchecked: list[str]
) -> None:
    first = submit(run, matchmaker, _bot(tmp_path), "deep", "ann")
    again = submit(run, matchmaker, _bot(tmp_path), "deep", "ann")
    assert not again.entered
    assert again.report is None
    assert again.player.id == first.player.id
    assert _names(matchmaker) == ["deep"]
    assert len(unchecked) == 1


def test_a_new_version_supersedes_the_older(
    tmp_path: Path, run: RunFolder, matchmaker: Matchmaker, unchecked: list[str]
) -> None:
    players = [submit(run, matchmaker, _bot(tmp_path, number), "deep", "ann").player for number in range(3)]
    assert [player.name for player in players] == ["deep", "deep.v2", "deep.v3"]
    assert [player.parent for player in players] == [None, players[0].id, players[1].id]
    assert [player.version for player in players] == unchecked
    assert [_state(matchmaker, player) for player in players] == [BotState.SUPERSEDED] * 2 + [BotState.ACTIVE]
    back = submit(run, matchmaker, _bot(tmp_path, 0), "deep", "ann")  # the author's first idea was better
    assert (back.player.name, back.superseded) == ("deep.v4", "deep.v3")


def test_a_lineage_is_its_authors(tmp_path: Path, run: RunFolder, matchmaker: Matchmaker, unchecked: list[str]) -> None:
    submit(run, matchmaker, _bot(tmp_path), "deep", "ann")
    with pytest.raises(BotRejectedError, match="the name 'deep' belongs to ann; choose another --name"):
        submit(run, matchmaker, _bot(tmp_path, 1), "deep", "bob")
    with pytest.raises(BotRejectedError, match="'DEEP' is taken in this run by 'deep', which differs in upper"):
        submit(run, matchmaker, _bot(tmp_path, 1), "DEEP", "bob")


def test_an_author_has_so_many_bots(
    tmp_path: Path, run: RunFolder, matchmaker: Matchmaker, unchecked: list[str]
) -> None:
    for number, name in enumerate(("one", "two")):
        submit(run, matchmaker, _bot(tmp_path, number), name, "ann")
    with pytest.raises(BotRejectedError) as caught:
        submit(run, matchmaker, _bot(tmp_path, 2), "three", "ann")
    assert str(caught.value) == (
        "ann may have 2 active bots in this run and has one, two: take one out with `league bots withdraw one`"
    )
    assert len(unchecked) == 2
    submit(run, matchmaker, _bot(tmp_path, 2), "three", "bob")
    submit(run, matchmaker, _bot(tmp_path, 3), "two", "ann")  # another version needs no more room
    withdraw(matchmaker, "one", "by ann")
    submit(run, matchmaker, _bot(tmp_path, 4), "four", "ann")
    assert _names(matchmaker) == ["one", "two", "three", "two.v2", "four"]


def test_two_who_submit_at_once_do_not_both_take_the_last_place(
    tmp_path: Path, run: RunFolder, matchmaker: Matchmaker, unchecked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one enters between our look at the quota and our entry."""
    submit(run, matchmaker, _bot(tmp_path), "one", "ann")
    enter = matchmaker.store.bots.enter
    others = iter(["two"])

    def late(player: Player, bot: BotRecord, *, supersedes: str | None, entered: int) -> bool:
        name = next(others, None)
        if name is not None:
            other = player.model_copy(update={"id": new_id("p"), "name": name})
            record = bot.model_copy(update={"player": other.id, "lineage": name})
            assert enter(other, record, supersedes=None, entered=entered)
        return enter(player, bot, supersedes=supersedes, entered=entered)

    monkeypatch.setattr(matchmaker.store.bots, "enter", late)
    with pytest.raises(BotRejectedError, match="ann may have 2 active bots in this run and has one, two"):
        submit(run, matchmaker, _bot(tmp_path, 1), "three", "ann")
    assert _names(matchmaker) == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("main_agent", "is a role's or a learner's"),
        ("Main_Agent-7", "is a role's or a learner's"),
        ("random", "is a scripted player's"),
        ("Random", "is a scripted player's"),
        ("frozen", "is taken in this run"),
        ("p_0000", "is taken in this run"),
        ("a.v2", "is no name for a bot"),
        ("<b>x</b>", "is no name for a bot"),
        ("a\x1b[31m", "is no name for a bot"),
        ("x" * 41, "is no name for a bot: it is 41 long"),
    ],
)
def test_names_that_are_not_free(
    tmp_path: Path, run: RunFolder, matchmaker: Matchmaker, unchecked: list[str], name: str, message: str
) -> None:
    matchmaker.register(Player(id="p_0000", name="frozen", kind=Kind.FROZEN, role=Role.MAIN_AGENT))
    with pytest.raises(BotRejectedError, match=message):
        submit(run, matchmaker, _bot(tmp_path), name, "ann")
    assert unchecked == []


@pytest.mark.parametrize("author", ["", "  ", "a\nb", "\x1b[2J", "x" * 65, "\u202ebob"])
def test_authors_that_are_none(tmp_path: Path, run: RunFolder, matchmaker: Matchmaker, author: str) -> None:
    with pytest.raises(InputError, match="is no author: 1 to 64 printable characters"):
        submit(run, matchmaker, _bot(tmp_path), "deep", author)


def test_bots_that_are_too_large_or_play_something_else(
    tmp_path: Path, run: RunFolder, matchmaker: Matchmaker, unchecked: list[str]
) -> None:
    big = tmp_path / "big.py"
    big.write_text(BOT + "#" * 100_000)
    with pytest.raises(BotRejectedError, match="at most 100,000 are taken"):
        submit(run, matchmaker, big, "deep", "ann")
    other = tmp_path / "other"
    other.mkdir()
    (other / "bot.py").write_text(BOT)
    (other / "bot.toml").write_text('entry = "bot:Bot"\narenas = ["connect_four"]\n')
    with pytest.raises(BotRejectedError, match="it plays 'connect_four', not tic_tac_toe"):
        submit(run, matchmaker, other, "deep", "ann")
    assert unchecked == []
    assert list(run.bots.iterdir()) == []


def test_a_suspended_bot_has_to_be_mended(
    tmp_path: Path, run: RunFolder, matchmaker: Matchmaker, unchecked: list[str]
) -> None:
    first = submit(run, matchmaker, _bot(tmp_path), "deep", "ann").player
    matchmaker.store.bots.set_state(first.id, BotState.SUSPENDED, "5 failing matches in a row")
    with pytest.raises(BotRejectedError, match=r"this very bot is suspended \(5 failing matches in a row\): mend it"):
        submit(run, matchmaker, _bot(tmp_path), "deep", "ann")
    assert submit(run, matchmaker, _bot(tmp_path, 1), "deep", "ann").superseded == "deep"


def test_a_bot_is_withdrawn_and_comes_back(
    tmp_path: Path, run: RunFolder, matchmaker: Matchmaker, unchecked: list[str]
) -> None:
    first = submit(run, matchmaker, _bot(tmp_path), "deep", "ann").player
    assert withdraw(matchmaker, "deep", "by ann") == (first, True)
    assert withdraw(matchmaker, "deep", "again") == (first, False)
    found = matchmaker.store.bots.get(first.id)
    assert found is not None
    assert (found.state, found.reason) == (BotState.WITHDRAWN, "by ann")
    back = submit(run, matchmaker, _bot(tmp_path), "deep", "ann")
    assert back.entered
    assert (back.player.name, back.player.parent, back.superseded) == ("deep.v2", first.id, None)


def test_bots_are_found_by_lineage_version_and_id(
    tmp_path: Path, run: RunFolder, matchmaker: Matchmaker, unchecked: list[str]
) -> None:
    first, second = (submit(run, matchmaker, _bot(tmp_path, number), "deep", "ann").player for number in range(2))
    assert find_bot(matchmaker, "deep")[0] == second
    assert find_bot(matchmaker, "deep.v2")[0] == second
    assert find_bot(matchmaker, first.id)[0] == first
    withdraw(matchmaker, "deep.v2", "by ann")
    assert find_bot(matchmaker, "deep")[0] == second
    with pytest.raises(InputError, match=r"no bot 'depe' in run .*; did you mean 'deep'\?"):
        find_bot(matchmaker, "depe")


def _checkpoint(folder: Path, arena: str) -> Path:
    spec = arenas.make(arena).spec
    config = NetworkConfig.model_validate({"hidden": [8]})
    slots = Network(config, spec.observation_shape, spec.num_actions).layout.slots
    manifest = Manifest(
        arena=arena,
        observation_shape=spec.observation_shape,
        num_actions=spec.num_actions,
        network=config.model_dump(mode="json"),
    )
    store = CheckpointStore(folder)
    return store.path(store.save({name: torch.full(slot.shape, 0.1) for name, slot in slots.items()}, manifest))


def test_a_checkpoint_is_entered(tmp_path: Path, run: RunFolder, matchmaker: Matchmaker) -> None:
    path = _checkpoint(tmp_path / "theirs", "tic_tac_toe").rename(tmp_path / "mine.safetensors")
    done = submit(run, matchmaker, path, "net", "ann")
    player = done.player
    # Not frozen: learners do not train against a stranger's network, nor count it among their own past.
    assert (player.kind, player.role, player.version) == (Kind.BOT, None, player.checkpoint)
    assert player.checkpoint is not None
    checkpoints = CheckpointStore(run.checkpoints)
    assert checkpoints.path(player.checkpoint).read_bytes() == path.read_bytes()
    assert Roster(arenas.make("tic_tac_toe"), checkpoints, 1.0, lambda _: player).agent(player.id) is not None
    assert not submit(run, matchmaker, path, "net", "ann").entered


def test_checkpoints_that_are_refused(tmp_path: Path, run: RunFolder, matchmaker: Matchmaker) -> None:
    with pytest.raises(BotRejectedError, match=r"plays connect_four .*, not tic_tac_toe"):
        submit(run, matchmaker, _checkpoint(tmp_path, "connect_four"), "net", "ann")
    with pytest.raises(BotRejectedError, match="there is no file"):
        submit(run, matchmaker, tmp_path / "nothing.safetensors", "net", "ann")
    junk = tmp_path / "junk.safetensors"
    junk.write_bytes(b"\x80\x04" * 100)
    with pytest.raises(BotRejectedError, match="not a file that this program wrote"):
        submit(run, matchmaker, junk, "net", "ann")
    with junk.open("wb") as file:
        file.truncate(1024**3)
    with pytest.raises(BotRejectedError, match="has 1,073,741,824 bytes; at most 100,000"):
        submit(run, matchmaker, junk, "net", "ann")
    assert list(run.checkpoints.iterdir()) == []
