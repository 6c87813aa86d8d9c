"""`python -m tests.league.exact_resume --moments 20 --seed 1`: a learner killed and stopped at random moments.

Two runs of one seed, learner processes with a Redis of their own: one goes to its end; the other is killed (SIGKILL) or
stopped (SIGTERM) at random moments and started again each time. Every line that either wrote of its choices, all that
is saved, all frozen copies, the payoff and the log of episodes must be equal, bit for bit.

The learners are forked from this process, which has torch loaded and computes nothing itself: autograd's threads do not
survive a fork.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from league.process import Place, run_process
from tests.chaos.forking import Forked, fork
from tests.league.fakes.noting_learner import NOTES, work
from tests.league.interruptions import Outcome, outcome
from tests.league.learners import League
from tests.league.supervised import until

PATIENCE = 3000.0  # seconds: on a machine that others use, a long run takes its time
LAST = 0.95  # share of a run before which its last interruption comes

BOARD: dict[str, object] = {
    "arena": "connect_four",
    "network": {"hidden": [32], "memory": 8},
    "rollout": {
        "lanes": 8, "environments": 64, "horizon": 16, "hold": 3,
        "noisy_environments": 0.125, "opened_environments": 0.25,
    },
    "ppo": {"minibatch": 256, "mirror": True},
    "roles": {
        "main_agent": {"min_steps": 0, "max_steps": 9_000, "win_rate": 1.0},
        "main_exploiter": {"min_steps": 4_000, "max_steps": 9_000, "win_rate": 0.6, "reset_probability": 1.0},
        "league_exploiter": {"min_steps": 4_000, "max_steps": 9_000, "win_rate": 0.6, "reset_probability": 0.5},
    },
}  # fmt: skip
"""Connect Four: episodes and memories span iterations, copies are frozen by win rate and by timeout."""

SMALL = {"epochs": 1, "actor_network": {"hidden": [8]}, "critic_network": {"hidden": [8]}}
TEAMS: dict[str, object] = {
    "arena": "soccer",
    "arena_options": {"players": 2, "rows": 3, "columns": 5, "max_steps": 6, "turned": True},
    "teams": {
        "qmix": {
            "algorithm": "qmix", "environments": 8,
            "settings": {"buffer": 64, "batch": 8, "updates_per_episode": 0.5, "network": {"hidden": [8], "memory": 4}},
        },
        "mappo": {
            "algorithm": "mappo", "role": "main_exploiter", "temperature": 1.0, "environments": 8, "settings": SMALL,
        },
        "ippo": {
            "algorithm": "ippo", "role": "league_exploiter", "temperature": 1.0, "environments": 8, "settings": SMALL,
        },
    },
    "rollout": {"lanes": 4},
    "roles": {
        "main_agent": {"min_steps": 0, "max_steps": 1_000, "win_rate": 1.0},
        "main_exploiter": {"min_steps": 500, "max_steps": 1_000, "win_rate": 0.6, "reset_probability": 1.0},
        "league_exploiter": {"min_steps": 500, "max_steps": 1_000, "win_rate": 0.6, "reset_probability": 0.5},
    },
}  # fmt: skip
"""Three algorithms in one process: a replay buffer that wraps around, networks with a memory, resets."""

LEAGUES = {"board": BOARD, "teams": TEAMS}


class Interruption(NamedTuple):
    """What happened once.

    Attributes:
        how: SIGKILL or SIGTERM.
        iteration: the last one that had begun.
        back: iterations that had begun and were begun again.
    """

    how: str
    iteration: int
    back: int


class Compared(NamedTuple):
    """Two runs of one seed.

    Attributes:
        samples: of all learners, in the uninterrupted run.
        copies: frozen players.
        interruptions: of the other run.
        differences: what is not bit-equal, by name; empty where all is.
    """

    samples: int
    copies: int
    interruptions: list[Interruption]
    differences: list[str]


class LearnerProcess:
    """A run whose one learner is a process that can be killed; Redis lives on."""

    def __init__(self, root: Path, settings: dict[str, object]) -> None:
        self.league = League(root, settings)
        self.notes = self.league.run.logs / NOTES
        self.log = self.league.run.logs / "learner-0.log"
        self._process: Forked | None = None

    def start(self) -> None:
        arguments = Place(self.league.run, 0).arguments()
        self._process = fork("learner-0", lambda: run_process("learner", work, arguments), self.log)

    def choices(self) -> list[list[object]]:
        """What was written down so far: iteration, opponents, branches."""
        text = self.notes.read_text() if self.notes.exists() else ""
        return [json.loads(line) for line in text.split("\n")[:-1]]

    def iteration(self, lines: int) -> int:
        """The last iteration that had begun, by the notes after so many lines; -1 where there are none."""
        written = self.choices()[lines:]
        return int(str(written[-1][0])) if written else -1

    def reach(self, iteration: int) -> None:
        """Wait until this start of the process has begun an iteration."""
        assert self._process is not None
        lines, process = len(self.choices()), self._process

        def there() -> bool:
            assert process.poll() is None, f"it ended before iteration {iteration}, with {process.returncode}"
            return self.iteration(lines) >= iteration

        until(there, f"iteration {iteration}", PATIENCE)

    def end(self, number: signal.Signals | None = None) -> None:
        """Let it run to its end, or send a signal and wait."""
        assert self._process is not None
        if number is not None:
            os.kill(self._process.pid, number)
        code = self._process.wait(PATIENCE)
        self._process = None
        expected = -number if number is signal.SIGKILL else 0
        assert code == expected, f"exit code {code}: {self.log.read_text()[-2000:]}"

    def outcome(self) -> Outcome:
        return outcome(self.league.store, self.league.run.checkpoints)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self.league.close()


def compare(root: Path, settings: dict[str, object], moments: int, seed: int) -> Compared:
    """Run twice, once with interruptions.

    Args:
        root: an empty folder.
        settings: of the league; with a limit of steps.
        moments: interruptions.
        seed: of when, and by which signal.
    """
    whole, parts = LearnerProcess(root / "whole", settings), LearnerProcess(root / "parts", settings)
    try:
        whole.start()
        whole.end()
        rng, iterations = random.Random(seed), len(whole.choices())
        signals = [signal.SIGTERM if number % 3 == 0 else signal.SIGKILL for number in range(moments)]
        rng.shuffle(signals)
        interruptions = []
        for number, iteration in zip(signals, sorted(rng.sample(range(int(LAST * iterations)), moments)), strict=True):
            before = len(parts.choices())
            parts.start()
            parts.reach(iteration)
            time.sleep(rng.random() * 0.02)  # so that it is hit anywhere in an iteration
            parts.end(number)
            interruptions.append(Interruption(number.name, parts.iteration(before), _again(parts.choices(), before)))
        parts.start()
        parts.end()
        expected = whole.outcome()
        careers = expected.state["careers"].values()
        return Compared(
            samples=sum(career["steps"] for career in careers),
            copies=len(expected.frozen),
            interruptions=interruptions,
            differences=[*_different(expected, parts.outcome()), *_chosen_otherwise(whole.choices(), parts.choices())],
        )
    finally:
        whole.close()
        parts.close()


def _again(choices: Sequence[list[object]], before: int) -> int:
    """How many iterations of a start had begun in an earlier one."""
    seen = {entry[0] for entry in choices[:before]}
    return sum(entry[0] in seen for entry in choices[before:])


def _different(expected: Outcome, found: Outcome) -> list[str]:
    differences = [f"state {key}" for key in expected.state if found.state.get(key) != expected.state[key]]
    differences += [f"tensor {key}" for key in expected.tensors if found.tensors.get(key) != expected.tensors[key]]
    for name in ("frozen", "payoff", "episodes"):
        if getattr(expected, name) != getattr(found, name):
            differences.append(name)
    return differences or ([] if expected == found else ["something that only one of the two has"])


def _chosen_otherwise(expected: Sequence[list[object]], found: Sequence[list[object]]) -> list[str]:
    """Iterations in which the interrupted run ever chose others than the uninterrupted one."""
    right = {int(str(entry[0])): entry for entry in expected}
    wrong = [f"choices of iteration {entry[0]}" for entry in found if entry != right.get(int(str(entry[0])))]
    missing = right.keys() - {int(str(entry[0])) for entry in found}
    return [*wrong, *(f"iteration {iteration} was never begun" for iteration in sorted(missing))]


def main() -> int:
    """Compare once and say what came of it; gives 0 where all is bit-equal, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.league.exact_resume", description=__doc__)
    parser.add_argument("--moments", type=int, default=20, help="interruptions (default: 20)")
    parser.add_argument("--samples", type=int, default=200_000, help="of each of the three learners (default: 200000)")
    parser.add_argument("--league", choices=LEAGUES, default="board", help="a duel or teams (default: board)")
    parser.add_argument("--seed", type=int, default=0, help="of the run and of its interruptions (default: 0)")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    settings = LEAGUES[given.league] | {"seed": given.seed, "run": {"steps": given.samples, "tensorboard": False}}
    with tempfile.TemporaryDirectory(prefix="league-resume-") as root:
        began = time.monotonic()
        compared = compare(Path(root), settings, given.moments, given.seed)
    for interruption in compared.interruptions:
        print(f"  {interruption.how} in iteration {interruption.iteration}: {interruption.back} begun again")
    print(
        f"{given.league}, seed {given.seed}: {compared.samples:,} learner samples, {compared.copies} frozen copies, "
        f"{len(compared.interruptions)} interruptions, {time.monotonic() - began:.0f} s: "
        + ("bit-equal" if not compared.differences else f"DIFFERENT: {', '.join(compared.differences[:20])}")
    )
    return bool(compared.differences)


if __name__ == "__main__":
    sys.exit(main())
