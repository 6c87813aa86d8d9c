"""Submitted bots among the evaluator's players, on a real Redis and in real processes."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.bots.core import FailureCode, InfraError
from agents.bots.nursery import Nursery
from agents.bots.process import BotProcess
from agents.bots.store import BotStore
from arenas.replay import replay
from league.evaluator import FAULTS
from league.flags import unplayable
from league.replays import ReplayStore
from matchmaking.bot_records import BotState
from matchmaking.processes import Processes
from matchmaking.records import Heartbeat, Kind, Pairing, Player
from matchmaking.server import EmbeddedServer
from matchmaking.service import Matchmaker
from tests.league.houses import FIRST, MATCHES, PAIRS, RAISES, House

SLEEPS = """
import time

def act(observation, action_mask, clock):
    if observation.sum() < 2:
        time.sleep({seconds})
    return int(action_mask.argmax())
"""
ILLEGAL = """
def act(observation, action_mask, clock):
    return int(action_mask.argmin()) if not action_mask.all() else 0
"""
UNLUCKY = """
class Bot:
    def __init__(self, spec):
        pass

    def reset(self, seed, agent):
        self.fails = agent == "player_0"

    def act(self, observation, action_mask, clock):
        if self.fails:
            raise RuntimeError("I only play second")
        return int(action_mask.argmax())
"""


MakeHouse = Callable[..., House]


@pytest.fixture
def house(server: EmbeddedServer, tmp_path: Path) -> Iterator[MakeHouse]:
    made: list[House] = []

    def open_house(**settings: object) -> House:
        made.append(House(tmp_path, server.url, **settings))
        return made[-1]

    yield open_house
    for one in made:
        one.evaluator.close()
        one.store.close()


def children() -> set[int]:
    """Processes that this one, or a nursery of it, has started."""
    found: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                found[int(entry.name)] = int(fields[1])
    ours = {os.getpid()}
    while more := {pid for pid, parent in found.items() if parent in ours} - ours:
        ours |= more
    return ours - {os.getpid()}


def test_a_bot_is_rated_beside_our_own_players(house: MakeHouse) -> None:
    home = house()
    bot = home.enter("first", FIRST)
    perfect = home.store.register(Player(id="p_perfect", name="perfect", kind=Kind.SCRIPTED))
    home.play(bot, perfect)
    (result,) = home.matchmaker.matches()
    assert len(result.outcomes) == MATCHES
    assert result.forfeits == ()
    assert result.count("w") == 0
    assert home.store.bots.failures(bot.id) == []
    for _ in range(4):  # what the matchmaker itself plans has the bots' number of pairs
        assert home.evaluator.play_next()
    assert all(len(each.outcomes) == MATCHES for each in home.matchmaker.matches() if bot.id in (each.a, each.b))


def test_a_newcomer_does_not_wait_behind_what_is_planned(house: MakeHouse) -> None:
    home = house()
    home.store.register(Player(id="p_perfect", name="perfect", kind=Kind.SCRIPTED))
    assert home.evaluator.play_next()
    assert home.store.queue.waiting() > 1
    bot = home.enter("first", FIRST)
    assert home.evaluator.play_next()
    newest = home.matchmaker.matches()[-1]
    assert bot.id in (newest.a, newest.b)


def test_a_failing_bot_forfeits_and_its_author_learns_why(house: MakeHouse) -> None:
    home = house()
    raising = home.enter("raising", RAISES)
    home.play(home.random, raising)
    (result,) = home.matchmaker.matches()
    forfeited = {forfeit.match for forfeit in result.forfeits}
    assert forfeited, "random takes a second field in every match that goes on so long"
    assert all(forfeit.player == raising.id and forfeit.code == "CRASH" for forfeit in result.forfeits)
    assert {result.outcomes[match] for match in forfeited} == {"w"}
    records = home.failures(raising)
    assert [record.match for record in records] == [f"m_0/{match}" for match in sorted(forfeited)]
    for record in records:
        assert (record.code, record.message) == (FailureCode.CRASH, "RuntimeError: the centre was taken")
        assert record.agent == ("player_1" if int((record.match or "").partition("/")[2]) % 2 == 0 else "player_0")
        assert "the centre was taken" in record.traceback
        assert record.step is not None
        assert record.step % 2 == (record.agent == "player_1"), "the step of the match, not the bot's own count"


def test_an_illegal_move_of_a_bot_is_its_forfeit_and_of_ours_a_fault(house: MakeHouse) -> None:
    home = house()
    bot = home.enter("illegal", ILLEGAL)
    home.play(bot, home.random)
    (result,) = home.matchmaker.matches()
    assert [forfeit.code for forfeit in result.forfeits] == ["INVALID_ACTION"] * MATCHES
    assert result.outcomes == "l" * MATCHES
    assert home.store.queue.dropped() == []


def test_a_bot_out_of_time(house: MakeHouse) -> None:
    home = house(clocks={"start": 20.0, "move": 0.05, "bank": 0.0})
    bot = home.enter("slow", SLEEPS.format(seconds=30))
    begun = time.monotonic()
    home.play(bot, home.random)
    assert time.monotonic() - begun < 20
    (result,) = home.matchmaker.matches()
    assert [forfeit.code for forfeit in result.forfeits] == ["TIMEOUT"] * MATCHES


def test_two_failing_bots_in_one_match_and_whose_letter_it_is(house: MakeHouse) -> None:
    home = house()
    one, other = home.enter("one", UNLUCKY), home.enter("other", FIRST)
    home.play(one, other)
    (result,) = home.matchmaker.matches()
    assert [(forfeit.match, forfeit.player) for forfeit in result.forfeits] == [(0, one.id), (2, one.id)]
    assert (result.outcomes[0], result.outcomes[2]) == ("l", "l")
    assert home.failures(other) == []


def test_replays_come_with_the_result(house: MakeHouse) -> None:
    home = house()
    raising = home.enter("raising", RAISES)
    home.play(home.random, raising)
    (result,) = home.matchmaker.matches()
    stored = ReplayStore(home.run.replays).load("m_0")
    assert stored is not None
    assert [record.id for record in stored] == [f"m_0/{number}" for number in range(MATCHES)]
    for number, record in enumerate(stored):
        assert record.players == (("random", "raising") if number % 2 == 0 else ("raising", "random"))
        assert list(replay(home.arena, record))[-1].last
        notes = [(note.code, note.message) for note in record.forfeits]
        here = [forfeit.match for forfeit in result.forfeits]
        assert notes == ([("CRASH", "RuntimeError: the centre was taken")] if number in here else [])
    assert [path.name for path in home.run.replays.iterdir()] == ["m_0.jsonl.gz"], "no draft is left"


def test_matches_of_our_own_are_not_stored_unless_asked_for(house: MakeHouse) -> None:
    home = house()
    perfect = home.store.register(Player(id="p_perfect", name="perfect", kind=Kind.SCRIPTED))
    home.play(home.random, perfect)
    assert list(home.run.replays.iterdir()) == []


def test_a_report_that_is_not_taken_leaves_nothing_behind(house: MakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    home = house()
    raising = home.enter("raising", RAISES)
    report = Matchmaker.report_match

    def overtaken(self: Matchmaker, *arguments: object) -> object:
        self.store.session.read("ZADD", "leases", 1, "m_0")  # as if the deadline had passed
        lease = self.store.queue.lease("another", 30.0)
        assert lease is not None
        report(self, lease, "d" * MATCHES)
        return report(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Matchmaker, "report_match", overtaken)
    home.play(home.random, raising)
    (result,) = home.matchmaker.matches()
    assert result.worker == "another"
    assert home.failures(raising) == []
    assert list(home.run.replays.iterdir()) == []


def test_a_bot_that_keeps_failing_is_suspended_with_the_reason(house: MakeHouse) -> None:
    home = house(suspend_after=2 * MATCHES - 1)
    bot, sound = home.enter("illegal", ILLEGAL), home.enter("sound", FIRST)
    home.play(bot, home.random, 0)
    assert home.store.bots.all()[bot.id].state is BotState.ACTIVE
    home.play(home.random, bot, 1)
    record = home.store.bots.all()[bot.id]
    assert record.state is BotState.SUSPENDED
    assert record.reason.startswith(f"it failed {2 * MATCHES} matches in a row, the last by INVALID_ACTION in act: ")
    home.store.queue.enqueue([Pairing(id="m_9", a=bot.id, b=sound.id, pairs=PAIRS, seed=9)])
    for _ in range(3):
        assert home.evaluator.play_next()
    late = home.matchmaker.matches()[2:]
    assert late
    assert all(bot.id not in (result.a, result.b) for result in late)
    assert "m_9" in [dropped.id for dropped in home.store.queue.dropped()], "what waited for it is not stuck"
    assert bot.id not in {player.id for player in home.evaluator.due()}
    assert home.store.bots.all()[sound.id].state is BotState.ACTIVE


def test_one_good_match_between_failures_keeps_a_bot_in(house: MakeHouse) -> None:
    home = house(suspend_after=2)
    bot = home.enter("unlucky", UNLUCKY)
    for number in range(3):
        home.play(bot, home.random, number)
    assert len(home.failures(bot)) == 3 * PAIRS
    assert home.store.bots.all()[bot.id].state is BotState.ACTIVE


def test_a_fault_of_the_host_rates_nobody_and_does_not_block_the_rest(
    house: MakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("league.evaluator.IDLE", 0.0)
    home = house()
    bot = home.enter("first", FIRST)
    perfect = home.store.register(Player(id="p_perfect", name="perfect", kind=Kind.SCRIPTED))

    def fail(*_: object, **__: object) -> None:
        raise InfraError("no more processes on this machine")

    monkeypatch.setattr(Nursery, "start", fail)
    for _ in range(4 * FAULTS):
        assert home.evaluator.play_next()
    assert unplayable(home.store) == {bot.id: "first cannot play: no more processes on this machine"}
    assert home.failures(bot) == []
    results = home.matchmaker.matches()
    assert results
    assert {player for result in results for player in (result.a, result.b)} == {home.random.id, perfect.id}
    assert bot.id not in {player.id for player in home.evaluator.due()}


def test_a_bot_whose_files_were_changed_is_not_played(house: MakeHouse) -> None:
    home = house()
    bot = home.enter("first", FIRST)
    path = BotStore(home.run.bots).path(bot.version or "") / "bot.py"
    path.chmod(0o644)
    path.write_text(FIRST + "# changed")
    home.play(bot, home.random)
    assert home.matchmaker.matches() == []
    assert "is damaged: its files hash to" in unplayable(home.store)[bot.id]


def test_the_lease_is_kept_while_a_bot_thinks(house: MakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """A move takes longer than the lease lasts, and another evaluator waits for it to be lost."""
    home = house()
    bot = home.enter("thinker", SLEEPS.format(seconds=1.5))
    home.evaluator._seconds = 1.0
    beats: list[str] = []
    monkeypatch.setattr(Processes, "beat", lambda self, heartbeat: beats.append(heartbeat.process))
    done = threading.Event()
    taken: list[object] = []

    def wait_for_it() -> None:
        while not done.wait(0.05):
            taken.extend(filter(None, [home.store.queue.lease("another", 30.0)]))

    home.store.queue.enqueue([Pairing(id="m_0", a=bot.id, b=home.random.id, pairs=1, seed=0)])
    home.evaluator._matchmaker._known = len(home.store.players())
    other = threading.Thread(target=wait_for_it)
    start = Nursery.start

    def begin(*arguments: Any) -> object:
        if not other.is_alive():
            other.start()
        return start(*arguments)

    monkeypatch.setattr(Nursery, "start", begin)
    assert home.evaluator.play_next()
    done.set()
    other.join()
    assert taken == []
    (result,) = home.matchmaker.matches()
    assert (result.id, result.worker) == ("m_0", "evaluator-0")
    assert len(beats) >= 3, "and it gave signs of life"


@pytest.mark.parametrize("reason", ["stop", "lease"])
def test_a_thinking_bot_does_not_keep_an_evaluator_that_is_done(
    house: MakeHouse, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    home = house(clocks={"start": 20.0, "move": 600.0})
    bot = home.enter("thinker", SLEEPS.format(seconds=300))
    home.evaluator._seconds = 4.0
    send, act = Processes.beat, BotProcess.act
    thinking: list[bool] = []

    def interrupt(self: Processes, heartbeat: Heartbeat) -> None:
        if thinking and reason == "stop":
            home.process.stop()
        elif thinking:
            home.store.session.read("HDEL", "holders", "m_0")
        send(self, heartbeat)

    def think(*arguments: Any) -> int:
        thinking.append(True)
        return act(*arguments)

    monkeypatch.setattr(Processes, "beat", interrupt)
    monkeypatch.setattr(BotProcess, "act", think)
    begun = time.monotonic()
    home.play(bot, home.random)
    assert thinking
    assert time.monotonic() - begun < 120, "not the 300 s that it wants to think"
    assert home.matchmaker.matches() == []
    assert home.failures(bot) == [], "it is not the bot's fault"


def test_no_process_outlives_its_pairing_and_the_nursery_ends_with_the_evaluator(house: MakeHouse) -> None:
    home = house()
    before = children()
    home.play(home.enter("first", FIRST), home.enter("raising", RAISES))
    with_nursery = children() - before
    assert len(with_nursery) == 1, "one nursery, and none of its bots"
    home.evaluator.close()
    gc.collect()
    assert children() - before == set()
