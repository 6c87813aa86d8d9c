"""A bot's process plays: what it sees, what it may be, where what it prints goes."""

from __future__ import annotations

import numpy as np
import pytest

from agents.bots.core import FailureCode
from tests.agents.bots.bots import LINES, acting
from tests.agents.bots.refereed import ALL, EMPTY, Referee


def test_a_class_sees_observation_mask_and_clock(referee: Referee) -> None:
    code = """
        import numpy as np

        class Bot:
            def __init__(self, spec):
                assert spec.arena == "connect_four" and spec.agents == ("player_0", "player_1")
                assert spec.observation_shape == (2, 6, 7) and spec.num_actions == 7
                assert spec.turns == "sequential" and spec.max_steps == 42 and spec.move == 0.2

            def reset(self, seed, agent):
                assert seed == 5 and agent == "player_0"

            def act(self, observation, action_mask, clock):
                assert observation.dtype == np.float32 and observation.shape == (2, 6, 7)
                assert action_mask.dtype == np.bool_ and action_mask.tolist() == [False] * 6 + [True]
                assert clock.move == 0.2 and clock.bank == 0.3
                assert observation[1, 5, 6] == 0.5 and observation.sum() == 0.5
                observation[:] = 0
                return np.int64(6)
    """
    process = referee.start(code)
    process.reset("m_1/0", 5, "player_0")
    observation, mask = EMPTY.copy(), np.zeros(7, np.bool_)
    observation[1, 5, 6], mask[6] = 0.5, True
    assert process.act(observation, mask, 0) == 6


@pytest.mark.parametrize("source", ["random.randrange(7)", "np.random.randint(7)"])
def test_a_function_plays_and_is_reproducible_by_the_seed(referee: Referee, source: str) -> None:
    code = f"import random\nimport numpy as np\nact = lambda observation, action_mask, clock: {source}\n"
    first, second = (referee.start(code, entry="bot:act") for _ in range(2))
    moves = []
    for process, seed in ((first, 5), (first, 5), (first, 6), (second, 6)):
        process.reset(None, seed, "player_0")
        moves.append([process.act(EMPTY, ALL, step) for step in range(20)])
    assert moves[0] == moves[1] != moves[2] == moves[3]


def test_a_class_may_do_without_init_and_reset(referee: Referee) -> None:
    process = referee.start("class Bot:\n    def act(self, observation, action_mask, clock):\n        return 3\n")
    process.reset(None, 1, "player_0")
    assert process.act(EMPTY, ALL, 0) == 3


def test_a_process_plays_match_after_match(referee: Referee) -> None:
    process = referee.start(acting("return self.moves"))
    for match in range(3):
        process.reset(f"m_1/{match}", match, "player_1")
        assert process.act(EMPTY, ALL, 0) == 2 * match + 1
        assert process.act(EMPTY, ALL, 2) == 2 * match + 2


def test_a_command_plays_over_json_lines(referee: Referee) -> None:
    moves = referee.play(LINES, 20, language="command")
    assert len(set(moves)) > 1
    assert referee.play(LINES, 20, language="command") == moves


def test_prints_and_stderr_go_to_the_log_and_harm_nobody(referee: Referee) -> None:
    body = """
        print("hello", end=" ")
        os.write(1, b"from 1\\n")
        sys.stderr.write("and \\x1b[31mred\\n")
        if self.moves == 2: raise ValueError("two")
        return 0
    """
    record = referee.failure(acting(body, head="import os, sys\n"), moves=2)
    assert record.code is FailureCode.CRASH
    assert record.step == 1
    for text in ("hello", "from 1\n", r"and \x1b[31mred"):
        assert record.stderr.count(text) == 2
    assert "\x1b" not in record.stderr


def test_of_a_long_log_the_end_is_kept(referee: Referee) -> None:
    body = "print('x' * 50_000); print('the end'); raise ValueError"
    record = referee.failure(acting(body))
    assert record.stderr.endswith("the end\n")
    assert len(record.stderr) <= 4000
