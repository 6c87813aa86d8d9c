"""Kaggle's agents run unchanged, and see what they would see there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import arenas.registry as arenas
from agents.bots.actor import BotActor
from agents.bots.core import BotFailedError, Clocks, FailureCode, Phase
from agents.bots.harness_kaggle import GAMES, Struct, configuration
from agents.bots.harness_python import Spec
from agents.bots.nursery import Nursery
from agents.bots.source import BotSource, load_source
from agents.scripted.random import RandomPlayer
from arenas.core import Arena
from arenas.match import play_pairs
from tests.agents.bots import kaggle_agents
from tests.agents.bots.bots import write_bot

CLOCKS = Clocks(start=60.0, move=30.0)
CONNECT_FOUR, TIC_TAC_TOE = arenas.make("connect_four"), arenas.make("tic_tac_toe")


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


def load(folder: Path, code: str) -> BotSource:
    """An agent as it is submitted: a bare file."""
    file = folder / "submission.py"
    file.write_text(code, encoding="utf-8")
    return load_source(file)


def told(arena: Arena) -> Spec:
    spec = arena.spec
    values = {
        name: getattr(spec, name) for name in ("agents", "teams", "observation_shape", "num_actions", "max_steps")
    }
    return Spec({"arena": spec.name, "turns": spec.turns.value, **values}, {"move": 1.5, "bank": 9.0})


@pytest.mark.parametrize(
    ("code", "arena", "least"),
    [
        (kaggle_agents.N_STEP, CONNECT_FOUR, 7),
        (kaggle_agents.BITBOARD, CONNECT_FOUR, 6),
        (kaggle_agents.ONE_ARGUMENT, CONNECT_FOUR, 4),
        (kaggle_agents.ONE_ARGUMENT, arenas.make("connect_four", threats=True), 4),
        (kaggle_agents.TIC_TAC_TOE, TIC_TAC_TOE, 5),
        (kaggle_agents.ROCK_PAPER_SCISSORS, arenas.make("rock_paper_scissors", rounds=12), 0),
        (kaggle_agents.ROCK_PAPER_SCISSORS, arenas.make("rock_paper_scissors"), 0),
    ],
)
def test_an_agent_runs_unchanged_and_plays_well_on_either_seat(
    nursery: Nursery, tmp_path: Path, code: str, arena: Arena, least: int
) -> None:
    source = load(tmp_path, code)
    assert source.language == "kaggle"
    bot = BotActor(nursery, source, arena.spec, CLOCKS, pairing="m_1")
    played = play_pairs(arena, bot, RandomPlayer(arena.spec), 4, 11, batch=2)
    bot.close()
    assert played.forfeits == (), bot.failures
    assert played.outcomes.count("w") >= least


def test_connect_four_s_board_has_its_top_row_first_and_marks_by_seat() -> None:
    spec = told(CONNECT_FOUR)
    state = CONNECT_FOUR.reset(torch.zeros(1, 0))
    for column in (3, 3, 0):  # player_0, player_1, player_0
        state = CONNECT_FOUR.step(state, torch.tensor([column])).state
    board = [0] * 42
    board[35 + 3], board[28 + 3], board[35 + 0] = 1, 2, 1
    for seat in (0, 1):
        planes = CONNECT_FOUR.observe(state, seat).observation[0].numpy()
        seen = GAMES["connect_four"](spec, seat)(planes, 8.5)
        assert seen == {"board": board, "mark": seat + 1, "step": 3, "remainingOverageTime": 8.5}
        assert seen.board is seen["board"]
        assert all(type(cell) is int for cell in seen.board)
    assert (
        configuration(spec).items() >= {"columns": 7, "rows": 6, "inarow": 4, "actTimeout": 1.5, "timeout": 1.5}.items()
    )


def test_tic_tac_toe_s_board_is_row_by_row() -> None:
    state = TIC_TAC_TOE.reset(torch.zeros(1, 0))
    for cell in (5, 1):
        state = TIC_TAC_TOE.step(state, torch.tensor([cell])).state
    planes = TIC_TAC_TOE.observe(state, 0).observation[0].numpy()
    seen = GAMES["tic_tac_toe"](told(TIC_TAC_TOE), 0)(planes, 1.0)
    assert (seen.board, seen.mark, seen.step) == ([0, 2, 0, 0, 0, 1, 0, 0, 0], 1, 2)


def test_rock_paper_scissors_tells_the_last_hand_and_the_score() -> None:
    arena = arenas.make("rock_paper_scissors", rounds=5)
    state = arena.reset(torch.zeros(1, 0))
    see = [GAMES["rock_paper_scissors"](told(arena), seat) for seat in (0, 1)]
    seen = []
    for hands in ([1, 0], [2, 2], [2, 0], [0, 1]):
        views = arena.observe(state).observation[0].numpy()
        seen.append([see[seat](views[seat], 1.0) for seat in (0, 1)])
        state = arena.step(state, torch.tensor([hands])).state
    facts = [[(view.step, view.lastOpponentAction, view.reward) for view in views] for views in seen]
    assert facts == [
        [(0, None, 0), (0, None, 0)],
        [(1, 0, 1), (1, 1, -1)],
        [(2, 2, 1), (2, 2, -1)],
        [(3, 0, 0), (3, 2, 0)],
    ]


def test_a_struct_is_a_dict_with_attributes() -> None:
    struct = Struct(board=[1], mark=2)
    assert struct.board == struct["board"] == struct.get("board")
    assert {**struct} == {"board": [1], "mark": 2}
    struct.step = 4
    assert struct["step"] == 4
    with pytest.raises(AttributeError):
        _ = struct.missing
    assert not hasattr(struct, "missing")


def test_siblings_of_the_file_are_new_in_each_match_too(nursery: Nursery, tmp_path: Path) -> None:
    source = write_bot(
        tmp_path / "b", "import memory\ndef agent(o, c): return memory.next()\n", entry="bot:agent", language="kaggle"
    )
    (source.folder / "memory.py").write_text(
        "n = -1\ndef next():\n    global n\n    n += 1\n    return n\n", encoding="utf-8"
    )
    process = nursery.start(source, CONNECT_FOUR.spec, CLOCKS)
    for match in range(3):
        process.reset(str(match), match, "player_1")
        seen = np.zeros(CONNECT_FOUR.spec.observation_shape, np.float32)
        assert [process.act(seen, np.ones(7, np.bool_), step) for step in range(3)] == [0, 1, 2]
    process.kill()


@pytest.mark.parametrize(
    ("code", "arena", "code_of_failure", "phase", "message"),
    [
        (
            "def agent(o, c): return 0",
            "kuhn_poker",
            FailureCode.CRASH,
            Phase.INIT,
            "a Kaggle agent plays connect_four, tic",
        ),
        (
            "def other(o, c): return 0",
            "connect_four",
            FailureCode.IMPORT_ERROR,
            Phase.IMPORT,
            "bot.py defines no function agent",
        ),
    ],
)
def test_what_cannot_play_is_told_why(
    nursery: Nursery, tmp_path: Path, code: str, arena: str, code_of_failure: FailureCode, phase: Phase, message: str
) -> None:
    source = write_bot(tmp_path / "b", code, entry="bot:agent", language="kaggle")
    with pytest.raises(BotFailedError) as caught:
        nursery.start(source, arenas.make(arena).spec, CLOCKS)
    record = caught.value.record
    assert (record.code, record.phase) == (code_of_failure, phase)
    assert message in record.message
