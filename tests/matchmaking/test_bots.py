"""Submitted bots in Redis: entered in one step, superseded, withdrawn, suspended; failures are counted once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from matchmaking.bot_records import BotRecord, BotState
from matchmaking.bots import KEPT_FAILURES
from matchmaking.errors import NameTakenError, UnknownPlayerError
from matchmaking.records import Kind, Player, new_id
from matchmaking.server import EmbeddedServer
from matchmaking.service import Matchmaker
from matchmaking.store import Store
from tests.matchmaking.lossy_proxy import LossyProxy


@pytest.fixture
def proxy(server: EmbeddedServer, tmp_path: Path) -> Iterator[LossyProxy]:
    with LossyProxy(server.socket, tmp_path / "proxy.sock") as running:
        yield running


@pytest.fixture
def lossy(store: Store, proxy: LossyProxy) -> Iterator[Store]:
    """The run of `store`, through a connection that loses replies."""
    opened = Store.open(proxy.url, store.info.name)
    yield opened
    opened.close()


def _bot(name: str, lineage: str = "", author: str = "ann") -> tuple[Player, BotRecord]:
    player = Player(id=new_id("p"), name=name, kind=Kind.BOT, version="0" * 64)
    record = BotRecord(
        player=player.id, lineage=lineage or name, author=author, language="python", entry="bot:Bot", size=43
    )
    return player, record


def _entered(store: Store, name: str, lineage: str = "", supersedes: str | None = None) -> str:
    player, record = _bot(name, lineage)
    assert store.bots.enter(player, record, supersedes=supersedes, entered=store.bots.count())
    return player.id


def test_a_bot_is_entered_with_its_player(store: Store) -> None:
    player, record = _bot("Deep-C4")
    assert store.bots.enter(player, record, supersedes=None, entered=0)
    assert [each.name for each in store.players()] == ["Deep-C4"]
    found = store.bots.get(player.id)
    assert found is not None
    assert found.submitted > 1e9
    assert found == record.model_copy(update={"submitted": found.submitted})
    assert store.bots.all() == {player.id: found}
    assert store.bots.get("p_nobody") is None


def test_the_same_entry_again_changes_nothing(store: Store) -> None:
    player, record = _bot("a")
    assert store.bots.enter(player, record, supersedes=None, entered=0)
    assert store.bots.enter(player, record, supersedes=None, entered=0)
    assert len(store.players()) == store.bots.count() == 1


def test_who_decided_on_an_old_view_has_to_decide_again(store: Store) -> None:
    _entered(store, "a")
    player, record = _bot("b")
    assert not store.bots.enter(player, record, supersedes=None, entered=0)
    assert [each.name for each in store.players()] == ["a"]
    assert store.bots.count() == 1


def test_a_name_is_entered_once(store: Store) -> None:
    store.register(Player(id=new_id("p"), name="random", kind=Kind.SCRIPTED))
    player, record = _bot("random")
    with pytest.raises(NameTakenError, match="'random' belongs to another player"):
        store.bots.enter(player, record, supersedes=None, entered=0)
    assert store.bots.count() == 0
    assert len(store.players()) == 1


def test_of_many_at_once_one_a_view_is_entered(store: Store, server: EmbeddedServer) -> None:
    barrier = threading.Barrier(8)
    answers: list[bool] = []

    def submit(number: int) -> None:
        mine = Store.open(server.url, store.info.name)
        player, record = _bot(f"bot{number}")
        barrier.wait()
        answers.append(mine.bots.enter(player, record, supersedes=None, entered=0))
        mine.close()

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False] * 7 + [True]
    assert len(store.players()) == 1


@pytest.mark.parametrize("before", [BotState.ACTIVE, BotState.SUSPENDED, BotState.WITHDRAWN])
def test_a_new_version_supersedes_what_still_stood(store: Store, before: BotState) -> None:
    old = _entered(store, "a")
    if before is not BotState.ACTIVE:
        store.bots.set_state(old, before, "so it was")
    _entered(store, "a.v2", "a", supersedes=old)
    found = store.bots.get(old)
    assert found is not None
    if before is BotState.WITHDRAWN:
        assert (found.state, found.reason) == (BotState.WITHDRAWN, "so it was")
    else:
        assert (found.state, found.reason) == (BotState.SUPERSEDED, "by a.v2")


def test_a_state_is_set_only_from_where_it_may_be(store: Store) -> None:
    bot = _entered(store, "a")
    assert store.bots.set_state(bot, BotState.WITHDRAWN, "by its\nauthor", only_from=[BotState.ACTIVE])
    assert not store.bots.set_state(bot, BotState.SUSPENDED, "failed", only_from=[BotState.ACTIVE])
    found = store.bots.get(bot)
    assert found is not None
    assert (found.state, found.reason) == (BotState.WITHDRAWN, "by its author")
    with pytest.raises(UnknownPlayerError, match="'p_x' is no submitted bot"):
        store.bots.set_state("p_x", BotState.ACTIVE)


def test_a_lineage_stands_for_its_newest_active_version(store: Store) -> None:
    first = _entered(store, "a")
    second = _entered(store, "a.v2", "a", supersedes=first)
    _entered(store, "b")

    def newest() -> str | None:
        found = store.bots.newest("a")
        return None if found is None else found.player

    assert newest() == second
    store.bots.set_state(first, BotState.ACTIVE)
    store.bots.set_state(second, BotState.WITHDRAWN)
    assert newest() == first
    store.bots.set_state(first, BotState.WITHDRAWN)
    assert newest() == second
    assert store.bots.newest("c") is None
    store.bots.set_state(second, BotState.ACTIVE)
    matchmaker = Matchmaker(store)
    assert [matchmaker.find(name).id for name in ("a", "a.v2", first)] == [second, second, first]


def test_failing_matches_in_a_row_are_counted_over_pairings(store: Store) -> None:
    bot = _entered(store, "a")
    assert store.bots.record_failures(bot, "m_1", [False, True, True], ["{}", "{}"]) == 2
    assert store.bots.streak(bot) == 2
    assert store.bots.record_failures(bot, "m_2", [True, False, True], ["{}", "{}"]) == 3
    assert store.bots.streak(bot) == 1
    assert store.bots.record_failures(bot, "m_3", [False, False], []) == 0
    assert store.bots.streak(bot) == 0
    with pytest.raises(UnknownPlayerError, match="'p_x' is no submitted bot"):
        store.bots.record_failures("p_x", "m_1", [True], ["{}"])


def test_a_pairing_counts_once(store: Store) -> None:
    bot = _entered(store, "a")
    assert store.bots.record_failures(bot, "m_1", [True, True], ["1", "2"]) == 2
    assert store.bots.record_failures(bot, "m_2", [False], []) == 0
    assert store.bots.record_failures(bot, "m_3", [True], ["3"]) == 1
    assert store.bots.record_failures(bot, "m_1", [True, True], ["1", "2"]) == 2
    assert store.bots.record_failures(bot, "m_2", [False], []) == 0
    assert store.bots.streak(bot) == 1
    assert store.bots.failures(bot) == ["1", "2", "3"]


def test_the_newest_failures_are_kept(store: Store) -> None:
    bot, other = _entered(store, "a"), _entered(store, "b")
    for number in range(6):
        records = [f'"{number}.{each}"' for each in range(30)]
        store.bots.record_failures(bot, f"m_{number}", [True] * 30, records)
    kept = store.bots.failures(bot)
    assert len(kept) == KEPT_FAILURES
    assert kept[-1] == '"5.29"'
    assert kept[0] == '"2.20"'
    assert store.bots.failures(other) == []


def test_a_bot_that_is_taken_back_begins_anew(store: Store) -> None:
    bot = _entered(store, "a")
    store.bots.record_failures(bot, "m_1", [True] * 5, [])
    store.bots.set_state(bot, BotState.SUSPENDED, "5 failing matches in a row")
    assert store.bots.streak(bot) == 5
    store.bots.set_state(bot, BotState.ACTIVE, "")
    assert store.bots.streak(bot) == 0


def test_replies_may_be_lost(store: Store, lossy: Store, proxy: LossyProxy) -> None:
    player, record = _bot("a")
    for _ in range(2):  # the second time the server knows the scripts by their hash
        proxy.lose = 1
        assert lossy.bots.enter(player, record, supersedes=None, entered=0)
    proxy.lose = 1
    assert lossy.bots.record_failures(player.id, "m_1", [True, True], ["1", "2"]) == 2
    proxy.lose = 1
    assert lossy.bots.set_state(player.id, BotState.SUSPENDED, "x", only_from=[BotState.ACTIVE])
    assert proxy.lost == 4
    assert store.bots.failures(player.id) == ["1", "2"]
    assert store.bots.streak(player.id) == 2
    found = store.bots.get(player.id)
    assert found is not None
    assert found.state is BotState.SUSPENDED


def test_a_repeated_change_does_not_undo_a_later_one(store: Store, lossy: Store, proxy: LossyProxy) -> None:
    """The reply to a suspension is lost, the bot is taken back, and only then is the suspension sent again."""
    bot = _entered(store, "a")
    session = lossy.session
    ticket = ("client-1", 1, bot, "suspended", "x", "active")
    keys = ["clients", "bots", "bot_states", "bot_streaks"]
    assert session.call("set_bot_state", keys, *ticket) == 1
    assert store.bots.set_state(bot, BotState.ACTIVE)
    assert session.call("set_bot_state", keys, *ticket) == 1
    found = store.bots.get(bot)
    assert found is not None
    assert found.state is BotState.ACTIVE


def test_put_keeps_what_was_written_first(store: Store) -> None:
    player, record = _bot("a")
    store.register(player)
    first = store.bots.put(record)
    assert first.submitted > 1e9
    assert store.bots.put(record.model_copy(update={"author": "bob"})) == first
    assert store.bots.get(player.id) == first
