"""From a text to something that plays."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import arenas
from agents.bots.core import Isolation
from agents.bots.manifest import BotRejectedError
from agents.bots.source import load_source
from agents.checkpoint import CheckpointError
from agents.scripted.registry import ScriptedPlayerError
from arenas.match import BATCH, play_pairs
from league.cli import main
from league.config import BotsConfig
from league.entrants import Entrants, batch_of, codes
from league.errors import InputError
from matchmaking.bot_records import BotRecord, BotState
from matchmaking.errors import UnknownPlayerError
from matchmaking.records import Kind, Player
from matchmaking.server import EmbeddedServer
from tests.league.houses import ARENA, FIRST, RAISES, House
from tests.league.test_challenge import save_checkpoint

OPEN = BotsConfig(isolation=Isolation.NONE)


@pytest.fixture
def entrants() -> Iterator[Entrants]:
    with Entrants(arenas.make(ARENA), bots=OPEN) as found:
        yield found


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    server = EmbeddedServer(tmp_path / "redis")
    server.start()
    home = House(tmp_path, server.url)
    yield home
    home.evaluator.close()
    home.store.close()
    server.stop()


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_what_needs_no_run(entrants: Entrants, tmp_path: Path) -> None:
    scripted = entrants.find("perfect")
    assert (scripted.name, scripted.kind, scripted.version, scripted.bot) == ("perfect", Kind.SCRIPTED, None, None)
    checkpoint = save_checkpoint(tmp_path)
    frozen = entrants.find(str(checkpoint))
    assert (frozen.kind, frozen.version) == (Kind.FROZEN, checkpoint.stem)
    renamed = tmp_path / "mine.safetensors"
    renamed.write_bytes(checkpoint.read_bytes())
    assert entrants.find(str(renamed)).version == checkpoint.stem, "the content says who it is, not the file's name"
    path = write(tmp_path / "my_bot.py", FIRST)
    bot = entrants.find(str(path))
    assert (bot.name, bot.kind, bot.version) == ("my_bot", Kind.BOT, load_source(path).version)
    assert bot.bot is not None


@pytest.mark.parametrize("how", ["folder", "./folder", "folder.zip", "folder/bot.py", "absolute"])
def test_a_bot_is_found_however_its_path_is_written(
    how: str, entrants: Entrants, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "folder" / "bot.py", FIRST)
    shutil.make_archive("folder", "zip", tmp_path / "folder")
    found = entrants.find(str(tmp_path / "folder") if how == "absolute" else how)
    assert found.kind is Kind.BOT


def test_two_bots_play_and_their_failures_are_counted(entrants: Entrants, tmp_path: Path) -> None:
    first, raising = (
        entrants.find(str(write(tmp_path / f"{name}.py", text))) for name, text in (("first", FIRST), ("bad", RAISES))
    )
    assert batch_of((first, raising), OPEN) == OPEN.lanes
    assert batch_of((entrants.find("random"),), OPEN) == BATCH
    played = play_pairs(arenas.make(ARENA), first.actor, raising.actor, 3, 1, batch=2)
    assert {side for _, side in played.forfeits} == {1}
    failures = raising.take_failures()
    assert codes(failures) == {"CRASH": len(played.forfeits)}
    assert sorted(record.match or "" for record in failures) == sorted(str(match) for match, _ in played.forfeits)
    assert raising.take_failures() == []
    assert first.take_failures() == []


def test_what_is_not_there(entrants: Entrants, tmp_path: Path) -> None:
    with pytest.raises(ScriptedPlayerError, match="no scripted player 'nobody'"):
        entrants.find("nobody")
    with pytest.raises(BotRejectedError, match=r"there is no .*nothing\.py"):
        entrants.find(str(tmp_path / "nothing.py"))
    with pytest.raises(CheckpointError, match="no such file"):
        entrants.find("nothing.safetensors")
    other = write(tmp_path / "other" / "bot.toml", 'entry = "bot:act"\narenas = ["connect_four"]\n').parent
    write(other / "bot.py", FIRST)
    with pytest.raises(InputError, match="plays connect_four, not tic_tac_toe"):
        entrants.find(str(other))


def test_players_of_a_run(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bot = house.enter("anna", FIRST)
    newer = Player(id="p_newer", name="anna.v2", kind=Kind.BOT, version=bot.version, parent=bot.id)
    record = BotRecord(player=newer.id, lineage="anna", author="a", language="python", entry="bot:act", size=1)
    house.store.bots.enter(newer, record, supersedes=bot.id, entered=1)
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "anna" / "bot.py", RAISES)  # a folder of the same name is not what is meant
    write(tmp_path / "ben" / "bot.py", FIRST)
    with Entrants(house.arena, run=house.run, matchmaker=house.matchmaker) as entrants:
        assert entrants.settings.isolation is Isolation.NONE, "the run's own settings"
        other = Entrants(house.arena, run=house.run, isolation=Isolation.STRICT)
        assert other.settings == entrants.settings.model_copy(update={"isolation": Isolation.STRICT})
        assert entrants.find("anna").name == "anna.v2", "the newest version that is active"
        assert entrants.find("p_anna").name == "anna"
        assert entrants.find("anna.v2").version == bot.version
        assert entrants.find(f".{os.sep}anna").version != bot.version
        assert entrants.find("ben").kind is Kind.BOT
        assert entrants.find("random").kind is Kind.SCRIPTED
        with pytest.raises(UnknownPlayerError, match="did you mean 'anna'"):
            entrants.find("ana")
        house.store.bots.set_state(newer.id, BotState.WITHDRAWN)
        assert entrants.find("anna").name == "anna.v2", "nobody is active: the newest"


def test_a_match_between_bots_on_the_command_line(tmp_path: Path) -> None:
    first, raising = write(tmp_path / "first.py", FIRST), write(tmp_path / "bad.py", RAISES)
    result = CliRunner().invoke(
        main, ["match", str(first), str(raising), "-n", "4", "--arena", ARENA, "--isolation", "none"]
    )
    assert result.exit_code == 0, result.output
    assert f"forfeits: 4 of {raising} (CRASH 4)" in result.stdout
    rejected = CliRunner().invoke(main, ["match", str(tmp_path / "no.py"), "random", "--arena", ARENA])
    assert rejected.exit_code == 5
    assert len(rejected.stderr.splitlines()) == 1
