"""Environment steps a second of the native arenas, beside the environments of others that play the same game.

One environment step moves every agent of one environment once. Ours: choose among the legal actions by numbers that
were drawn before, step, start anew what has ended, show what all agents see, on one core. Theirs: uniformly random play
in a plain loop. Programs are compiled before anything is timed; the cases of an arena take turns and the median counts.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from random import choices, randrange
from typing import Any, NamedTuple

import torch
from torch import Tensor

import arenas
from agents.compute import pick_compiler
from arenas.core import Arena, State
from league.bench import Figures, Rows
from league.cores import idlest_cores

BATCHES = (1, 64, 1024, 4096)
WAYS = ("eager", "compiled")
ROUNDS, SECONDS = 5, 0.2
DRAWS = 8  # numbers for this many steps are drawn before, and used again and again

Advance = Callable[[], None]
"""Plays on by one call; an episode that has ended starts anew."""


class Contest(NamedTuple):
    """A native arena and whom it is measured beside.

    Attributes:
        arena: its name.
        peer: whose environment it is.
        play: makes that environment; each call of what it returns is one environment step of random play. It raises
            ImportError where the peer is not installed.
        options: of the arena.
        task: what tells its row from others of the same arena.
    """

    arena: str
    peer: str
    play: Callable[[], Advance]
    options: dict[str, Any] = {}  # noqa: RUF012  (read only)
    task: str = ""

    @property
    def name(self) -> str:
        """Of its row."""
        return f"{self.arena} {self.task}".rstrip()


def play_parallel(module: str) -> Advance:
    """Random play in a PettingZoo environment with the parallel interface, as its module makes it."""
    env = importlib.import_module(module).parallel_env()
    env.reset(seed=0)
    sizes = {agent: int(env.action_space(agent).n) for agent in env.possible_agents}

    def advance() -> None:
        if not env.agents:
            env.reset()
        env.step({agent: randrange(size) for agent, size in sizes.items()})

    return advance


def play_foraging(task: str) -> Advance:
    """Random play in an environment of lbforaging, without gymnasium's wrappers around it."""
    import gymnasium

    importlib.import_module("lbforaging")
    env: Any = gymnasium.make(task, disable_env_checker=True).unwrapped
    agents, actions = len(env.action_space), int(env.action_space[0].n)
    env.reset(seed=0)

    def advance() -> None:
        if env.step([randrange(actions) for _ in range(agents)])[2]:
            env.reset()

    return advance


def play_open_spiel(name: str) -> Advance:
    """Random play in a game of OpenSpiel without a choice of legal actions, whose observations are looked at."""
    import pyspiel

    importlib.import_module("open_spiel.python.games.iterated_prisoners_dilemma")
    game = pyspiel.load_game(name)
    seen = game.get_type().provides_observation_tensor
    actions, state = game.num_distinct_actions(), game.new_initial_state()

    def advance() -> None:
        nonlocal state
        if state.is_terminal():
            state = game.new_initial_state()
        if state.is_chance_node():
            _draw(state)
        if seen:
            _ = [state.observation_tensor(player) for player in (0, 1)]
        state.apply_actions([randrange(actions), randrange(actions)])
        _draw(state)

    return advance


def _draw(state: Any) -> None:
    """Let chance move by the probabilities of its outcomes."""
    outcomes, probabilities = zip(*state.chance_outcomes(), strict=True)
    state.apply_action(choices(outcomes, probabilities)[0])


TEN = {"size": 10, "players": 3, "foods": 3, "force_coop": False}
CONTESTS = (
    Contest(
        "foraging", "lbforaging", functools.partial(play_foraging, "Foraging-8x8-2p-2f-coop-v3"), {}, "8x8-2p-2f-coop"
    ),
    Contest("foraging", "lbforaging", functools.partial(play_foraging, "Foraging-10x10-3p-3f-v3"), TEN, "10x10-3p-3f"),
    Contest(
        "prisoners_dilemma",
        "open_spiel",
        functools.partial(play_open_spiel, "python_iterated_prisoners_dilemma"),
        {"rounds": 9999, "continuation": 0.875, "payoffs": (5, 10, 0, 1)},
    ),
    Contest("soccer", "open_spiel", functools.partial(play_open_spiel, "markov_soccer"), {"players": 1}, "1v1"),
    Contest("speaker_listener", "mpe2", functools.partial(play_parallel, "mpe2.simple_speaker_listener_v4")),
    Contest("spread", "mpe2", functools.partial(play_parallel, "mpe2.simple_spread_v3")),
    Contest("tag", "mpe2", functools.partial(play_parallel, "mpe2.simple_tag_v3")),
)


def bench_arenas() -> Rows:
    """Measure, each arena in a process of its own that is pinned to the idlest core.

    Returns:
        A row for each arena, of steps a second: the peer's; `eager_B` and `compiled_B` for batches of B environments;
        `times_peer`, the fastest of ours over the peer. Where nothing can be measured a word says why.
    """
    rows: Rows = {}
    for contest in CONTESTS:
        command = [sys.executable, "-m", "league.bench_arenas", contest.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the process of {contest.name} ended with {done.returncode}: {done.stderr.strip()}")
        rows[contest.name] = json.loads(done.stdout)
    return rows


def measure(
    contest: Contest,
    batches: Sequence[int] = BATCHES,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
    compiler: str = "auto",
) -> Figures:
    """The row of a contest; see `bench_arenas`. `compiler` is `auto`, `on` or `off` (`agents.compute`)."""
    wrap, how = pick_compiler(compiler, torch.device("cpu"))
    ways: dict[str, Callable[[Any], Any]] = {"eager": lambda function: function}
    if not how.startswith("eager"):
        ways["compiled"] = wrap
    cases: dict[str, tuple[Advance, int]] = {}
    with contextlib.suppress(ImportError):
        cases["peer"] = contest.play(), 1
    for name, way in ways.items():
        for batch in batches:
            cases[f"{name}_{batch}"] = _play_ours(arenas.make(contest.arena, **contest.options), batch, way), batch
    measured: dict[str, list[float]] = {case: [] for case in cases}
    for _ in range(rounds):
        for case, (advance, batch) in cases.items():
            measured[case].append(batch * _calls_per_second(advance, seconds))
    rates = {case: statistics.median(each) for case, each in measured.items()}
    row: Figures = {"peer": contest.peer, "peer_steps_per_s": rates.pop("peer", "not installed")}
    row |= {f"{name}_{batch}_steps_per_s": rates.get(f"{name}_{batch}", "-") for name in WAYS for batch in batches}
    theirs = row["peer_steps_per_s"]
    row["times_peer"] = max(rates.values()) / theirs if isinstance(theirs, float) else "-"
    return row


@torch.inference_mode()
def _play_ours(arena: Arena, batch: int, wrap: Callable[[Any], Any]) -> Advance:
    """Steps of a batch, the first of them, which may compile, taken."""
    spec = arena.spec

    def advance(state: State, draws: Tensor, fresh: Tensor, chance: Tensor) -> tuple[State, Tensor, Tensor]:
        seen, legal = arena.observe(state)
        step = arena.step(state, torch.where(legal, draws, -1.0).argmax(dim=-1), chance)
        return arena.renew(step.state, step.terminated | step.truncated, fresh), seen, step.rewards

    program = wrap(advance)
    draws = torch.rand((DRAWS, batch, spec.num_agents, spec.num_actions)).unbind(0)
    fresh = torch.rand((DRAWS, batch, spec.reset_uniforms)).unbind(0)
    chance = torch.rand((DRAWS, batch, spec.step_uniforms)).unbind(0)
    state, number = arena.reset(fresh[0]), 0

    @torch.inference_mode()
    def play() -> None:
        nonlocal state, number
        number = (number + 1) % DRAWS
        state, _, _ = program(state, draws[number], fresh[number], chance[number])

    for _ in range(DRAWS):
        play()
    return play


def _calls_per_second(advance: Advance, seconds: float) -> float:
    calls, begun = 0, time.perf_counter()
    while (now := time.perf_counter()) < begun + seconds:
        advance()
        calls += 1
    return calls / (now - begun)


if __name__ == "__main__":
    os.sched_setaffinity(0, idlest_cores()[:1])
    torch.set_num_threads(1)
    print(json.dumps(measure(next(contest for contest in CONTESTS if contest.name == sys.argv[1]))))
