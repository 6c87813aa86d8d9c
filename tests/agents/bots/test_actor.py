"""Bots as actors of matches."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

import arenas.registry as arenas
from agents.bots.actor import BotActor, bot_seed
from agents.bots.core import Clocks, FailureCode, InfraError, Phase
from agents.bots.nursery import Nursery
from agents.bots.process import BotProcess
from agents.bots.source import BotSource
from agents.scripted.random import RandomPlayer
from arenas.core import Arena, Observation
from arenas.match import play_matches, play_pairs
from tests.agents.bots.bots import LINES, RANDOM, acting, write_bot

ARENA = arenas.make("connect_four")
CLOCKS = Clocks(start=60.0, move=30.0)
CPU = torch.device("cpu")
FIRST = "return int(action_mask.argmax())"


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.fixture
def actors(nursery: Nursery) -> Iterator[Actors]:
    actors = Actors(nursery)
    yield actors
    for actor in actors.made:
        actor.close()


class Actors:
    """Makes actors that are closed after the test."""

    def __init__(self, nursery: Nursery) -> None:
        self.nursery, self.made = nursery, list[BotActor]()

    def make(self, source: BotSource, arena: Arena = ARENA) -> BotActor:
        actor = BotActor(self.nursery, source, arena.spec, CLOCKS, pairing="m_1")
        self.made.append(actor)
        return actor


def processes(actor: BotActor) -> list[int]:
    return [process.pid for process in actor._processes if process is not None and process.alive]


def test_a_match_depends_on_its_seed_not_on_the_batch_nor_on_the_language(actors: Actors, tmp_path: Path) -> None:
    python, lines = write_bot(tmp_path / "p", RANDOM), write_bot(tmp_path / "l", LINES, language="command")
    played = []
    for a, b, batch in ((python, python, 1), (python, python, 4), (lines, lines, 4), (python, lines, 2)):
        actor, other = actors.make(a), actors.make(b)
        played.append(play_pairs(ARENA, actor, other, 4, 9, batch=batch, record=True))
        assert actor.failures == other.failures == []
    assert played[0] == played[1] == played[2] == played[3]
    assert len({play.actions for play in played[0].plays}) == 8


def test_a_bot_plays_against_our_own_players(actors: Actors, tmp_path: Path) -> None:
    bot = actors.make(write_bot(tmp_path / "b", acting(FIRST)))
    played = play_pairs(ARENA, bot, RandomPlayer(ARENA.spec), 4, 3)
    assert len(played.outcomes) == 8
    assert played.forfeits == ()


def test_no_uniforms_are_made_for_a_bot(actors: Actors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    act = BotActor.act

    def watched(self: BotActor, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        given.append(tuple(uniforms.shape))
        return act(self, observation, uniforms, live)

    monkeypatch.setattr(BotActor, "act", watched)
    bot = actors.make(write_bot(tmp_path / "b", RANDOM))
    play_matches(ARENA, (bot, bot), torch.arange(3))
    assert set(given) == {(6, 0)}


def test_it_may_hold_both_seats_and_plays_where_all_move_at_once(actors: Actors, tmp_path: Path) -> None:
    both = actors.make(write_bot(tmp_path / "b", RANDOM))
    assert play_matches(ARENA, (both, both), torch.arange(3)).lengths.min() >= 7
    arena = arenas.make("rock_paper_scissors", rounds=4)
    hands = actors.make(write_bot(tmp_path / "c", RANDOM), arena)
    assert play_matches(arena, (hands, hands), torch.arange(3)).lengths.tolist() == [4, 4, 4]


def test_a_failure_is_a_forfeit_with_a_record_and_ends_one_match_only(actors: Actors, tmp_path: Path) -> None:
    body = "if self.spec and self.seed % 2 and observation[0].sum() == 2: raise ValueError('odd')\n" + FIRST
    code = acting(body).replace("    def act(", "    def reset(self, seed, agent): self.seed = seed\n    def act(")
    bot = actors.make(write_bot(tmp_path / "b", code))
    seeds = torch.arange(8)
    matches = list(range(1, 16, 2))
    expected = [bot_seed(seed, match, "player_1") % 2 == 1 for seed, match in enumerate(matches)]
    assert any(expected)
    assert not all(expected)
    played = play_matches(ARENA, (RandomPlayer(ARENA.spec), bot), seeds, numbers=matches)
    assert played.forfeits[:, 1].tolist() == expected
    assert not played.forfeits[:, 0].any()
    assert [row for row, _ in bot.failures] == [row for row, odd in enumerate(expected) if odd]
    for row, record in bot.failures:
        assert (record.code, record.phase, record.message) == (FailureCode.CRASH, Phase.ACT, "ValueError: odd")
        assert (record.match, record.agent, record.step) == (f"m_1/{matches[row]}", "player_1", 5)
        assert record.legal_actions is None or record.legal_actions
    assert len(processes(bot)) == 8 - len(bot.failures)


def test_live_processes_are_reused_and_failed_ones_replaced(actors: Actors, tmp_path: Path) -> None:
    bot = actors.make(write_bot(tmp_path / "b", acting("if self.moves == 20: raise ValueError\n" + FIRST)))
    other = RandomPlayer(ARENA.spec)
    play_matches(ARENA, (bot, other), torch.arange(3))
    first = processes(bot)
    assert len(first) == 3
    os.kill(first[1], signal.SIGKILL)
    play_matches(ARENA, (bot, other), torch.arange(2))
    assert [record.code for _, record in bot.failures] == [FailureCode.CRASH]
    assert bot.failures[0][1].message == "its process was killed by SIGKILL"
    play_matches(ARENA, (bot, other), torch.arange(2))
    assert bot.failures == []
    assert processes(bot)[0] == first[0]
    assert processes(bot)[1] not in first
    assert not Path(f"/proc/{first[2]}").exists()


def test_what_cannot_start_is_tried_once_not_in_every_row(
    actors: Actors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = []
    start = Nursery.start

    def counted(self: Nursery, *arguments: object) -> BotProcess:
        starts.append(arguments)
        return start(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Nursery, "start", counted)
    bot = actors.make(write_bot(tmp_path / "b", "import nothing_of_that_name"))
    played = play_matches(ARENA, (bot, RandomPlayer(ARENA.spec)), torch.arange(5))
    assert len(starts) == 1
    assert played.forfeits[:, 0].all()
    assert [record.match for _, record in bot.failures] == [f"m_1/{match}" for match in range(5)]
    assert {record.code for _, record in bot.failures} == {FailureCode.IMPORT_ERROR}


def test_only_one_bot_thinks_at_a_time(actors: Actors, tmp_path: Path) -> None:
    body = """
        import time
        begun = time.monotonic()
        time.sleep(0.02)
        print(begun, time.monotonic())
        if self.moves == 3: raise ValueError
        return 0
    """
    arena = arenas.make("rock_paper_scissors", rounds=9)
    one, two = (actors.make(write_bot(tmp_path / name, acting(body)), arena) for name in "ab")
    play_matches(arena, (one, two), torch.arange(3))
    records = [record for actor in (one, two) for _, record in actor.failures]
    thoughts = sorted(tuple(map(float, line.split())) for record in records for line in record.stderr.splitlines())
    assert len(thoughts) == 18
    assert all(end <= begin for (_, end), (begin, _) in pairwise(thoughts))


def test_the_nursery_s_end_is_nobody_s_forfeit(tmp_path: Path) -> None:
    with Nursery() as nursery:
        bot = BotActor(nursery, write_bot(tmp_path / "b", acting(FIRST)), ARENA.spec, CLOCKS)
        bot.sit(["player_0"], [1, 2], [0, 1])
        bot.begin(2, CPU)
        pid = processes(bot)[0]
        parent = int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])
        ends = [os.pidfd_open(pid) for pid in processes(bot)]
        os.kill(parent, signal.SIGKILL)
        for end in ends:  # the kernel ends them with their parent, but not in the same instant
            assert select.select([end], [], [], 30)[0]
            os.close(end)
        seen = Observation(torch.zeros(2, *ARENA.spec.observation_shape), torch.ones(2, 7, dtype=torch.bool))
        with pytest.raises(InfraError):
            bot.act(seen, torch.zeros(2, 7), torch.ones(2, dtype=torch.bool))
        assert bot.failures == []
        bot.begin(2, CPU)
        assert bot.act(seen, torch.zeros(2, 7), torch.ones(2, dtype=torch.bool)).tolist() == [0, 0]
        bot.close()


def test_rows_that_nobody_told_of_are_refused(actors: Actors, tmp_path: Path) -> None:
    bot = actors.make(write_bot(tmp_path / "b", RANDOM))
    with pytest.raises(ValueError, match="was told of 0 rows, but is to play 3"):
        bot.begin(3, CPU)


def test_seeds_of_bots_differ_and_tell_nothing() -> None:
    seeds = {bot_seed(seed, match, agent) for seed in range(5) for match in range(5) for agent in ("a", "b")}
    assert len(seeds) == 50
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert bot_seed(1, 2, "a") == bot_seed(1, 2, "a")
