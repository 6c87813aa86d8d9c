"""What it costs a team in training to meet 32 frozen teams instead of one, in soccer two against two.

A training step of MAPPO is measured, as a league makes it: 128 episodes against the teams in the lanes, then the
update. Learning rates are next to nothing, so that the episodes stay as they were. The cases take turns and the median
counts: seconds of CPU time, with one thread, or on the wall where a GPU computes.
"""

from __future__ import annotations

import statistics
import time

import torch

from agents.algorithms.mappo import MAPPO, Sampler
from agents.algorithms.mappo_settings import MAPPOConfig
from agents.teams.core import TeamSetup
from agents.teams.networks import TeamNetwork
from agents.teams.policy import TeamPolicy
from agents.teams.settings import TeamNetworkConfig
from arenas.registry import make
from league.bench import Figures, Rows
from league.team_trainer import HostedTeam, TeamPlan

ENVIRONMENTS, LANES, MAX_STEPS = 128, 32, 30
WARM_UP, ROUNDS = 2, 12
SHAPES = (
    TeamNetworkConfig(hidden=(64, 64), memory=0),
    TeamNetworkConfig(hidden=(64,), memory=64),
    TeamNetworkConfig(hidden=(128, 64), memory=0),
)
CASES = {"one_team": (1, 1), "32_teams": (LANES, 1), "32_teams_of_3_shapes": (LANES, len(SHAPES))}
"""Lanes, and shapes of network among the teams in them."""


def bench_teams() -> Rows:
    """Measure.

    Returns:
        For each case the milliseconds of a training step and of its episodes alone, and both over those of one team.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        hosted = {name: _case(lanes, shapes, device) for name, (lanes, shapes) in CASES.items()}
        steps: dict[str, list[float]] = {name: [] for name in CASES}
        episodes: dict[str, list[float]] = {name: [] for name in CASES}
        for number in range(WARM_UP + ROUNDS):
            for name, team in hosted.items():
                taken = _seconds(team, device)
                if number >= WARM_UP:
                    steps[name].append(taken[0])
                    episodes[name].append(taken[1])
    finally:
        torch.set_num_threads(threads)
    first = next(iter(CASES))
    rows: Rows = {}
    for name in CASES:
        step, play = statistics.median(steps[name]), statistics.median(episodes[name])
        rows[name] = Figures(
            step_ms=1000 * step,
            episodes_ms=1000 * play,
            step_ratio=step / statistics.median(steps[first]),
            episodes_ratio=play / statistics.median(episodes[first]),
        )
    return rows


def _case(lanes: int, shapes: int, device: torch.device) -> HostedTeam:
    """A team in training, and the frozen teams that it faces: all nearly alike, so that episodes are as long."""
    arena = make("soccer", turned=True, max_steps=MAX_STEPS)
    config = MAPPOConfig(learning_rate=1e-12, environments=ENVIRONMENTS, minibatches=8, epochs=4)
    hosted = HostedTeam(arena, TeamPlan("mappo", config, ENVIRONMENTS, lanes, 1.0, seed=0), device)
    setup, generator = TeamSetup(arena), torch.Generator().manual_seed(1)
    teams = []
    for lane in range(lanes):
        network = TeamNetwork(SHAPES[lane * shapes // lanes], setup.input_size, setup.num_actions, head_gain=0.01)
        teams.append(TeamPolicy(setup, network, network.initial(generator), temperature=1.0))
    hosted.lanes.load(teams)
    return hosted


def _seconds(hosted: HostedTeam, device: torch.device) -> tuple[float, float]:
    """Of a training step, and of its episodes: as many are played before it, and nothing is learned from them."""
    learner = hosted.learner
    assert isinstance(learner, MAPPO)
    assert learner.collector is not None
    begun = _now(device)
    learner.collector.collect(
        Sampler(learner.setup, learner.actor_network, learner.actor.parameters["actor"], learner.generator)
    )
    played = _now(device)
    learner.train_step()
    return _now(device) - played, played - begun


def _now(device: torch.device) -> float:
    if device.type != "cuda":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()
