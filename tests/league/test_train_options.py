"""`league train` with credit, shaping and a curriculum: what is learned from, what is written, what does not fit."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from agents.checkpoint import CheckpointStore
from agents.teams.policy import load_team
from arenas.padding import PaddedTeam
from arenas.registry import make
from arenas.shaping import DifferenceRewards, PotentialShaping
from league.trained import Training, read_training
from league.training_seeds import SeedTraining
from league.training_teams import Plan, make_learner, plan
from tests.league.test_cli import call, one_line

Q_LEARNING = ["batch=4", "network.hidden=[8]", "updates_per_episode=0.25", "buffer=40"]
ACTOR_CRITIC = ["actor_network.hidden=[8]", "critic_network.hidden=[8]"]
SMALL = {
    "iql": Q_LEARNING, "vdn": Q_LEARNING, "qmix": Q_LEARNING, "coma": ACTOR_CRITIC,
    "maddpg": [*ACTOR_CRITIC, "batch=4", "buffer=40", "updates_per_episode=0.25"],
    "mappo": [*ACTOR_CRITIC, "epochs=1"], "ippo": [*ACTOR_CRITIC, "epochs=1"],
}  # fmt: skip
OWN = ("iql", "ippo", "maddpg", "mappo")


def planned(
    algorithm: str, assignments: Sequence[str], arena: str = "spread", *, steps: int = 200, every: int = 100
) -> Plan:
    return plan(
        algorithm, arena, steps=steps, every=every, episodes=3, environments=4,
        assignments=[*SMALL[algorithm], *assignments],
    )  # fmt: skip


def run(chosen: Plan, folder: Path, asked: Callable[[], bool] = lambda: False) -> Training:
    with SeedTraining(chosen, folder, 0) as training:
        training.run(lambda seed, point: None, asked)
        return training.record


@pytest.mark.parametrize("algorithm", sorted(SMALL))
def test_every_algorithm_learns_from_shaped_rewards_and_those_with_own_rewards_from_differences(
    algorithm: str,
) -> None:
    options = ["potential=cover"] + (["credit=difference", "credit_default=0"] if algorithm in OWN else [])
    chosen = planned(algorithm, options)
    assert dict(chosen.config).get("reward") == ("agent" if algorithm in OWN else dict(chosen.config).get("reward"))
    learner = make_learner(chosen, make("spread"), 0)
    shaped = learner.setup.arena
    assert isinstance(shaped, PotentialShaping)
    assert isinstance(shaped.arena, DifferenceRewards) == (algorithm in OWN)
    learner.train_step()
    assert learner.environment_steps == 100


def test_differences_are_trained_on_and_the_arenas_own_rewards_evaluated(tmp_path: Path) -> None:
    with_it = run(planned("iql", ["credit=difference"]), tmp_path / "a")
    without = run(planned("iql", ["reward=agent"]), tmp_path / "b")
    assert with_it.credit.credit == "difference"
    assert with_it.settings == without.settings  # credit=difference asks for reward=agent by itself
    assert with_it.evaluations[0].return_sum == without.evaluations[0].return_sum  # untrained, in the same arena
    assert with_it.evaluations[-1].checkpoint != without.evaluations[-1].checkpoint


def test_a_curriculum_by_steps_is_written_down(tmp_path: Path) -> None:
    record = run(
        planned("vdn", ["arena.N=3", "curriculum.sizes=[1, 2]", "curriculum.steps=[100, 250]"], steps=500), tmp_path
    )
    assert [(stage.agents, stage.begun) for stage in record.stages] == [(1, 0), (2, 100), (3, 400)]
    assert [point.steps for point in record.evaluations] == [0, 100, 200, 300, 400, 500]
    assert read_training(tmp_path).stages == record.stages
    store = CheckpointStore(tmp_path / "checkpoints")
    begun = []
    for point in (record.evaluations[0], record.evaluations[-1]):
        _, manifest = store.load(point.checkpoint)
        begun.append(manifest.network["curriculum"])
        load_team(store.path(point.checkpoint), make("spread"))  # the whole team's, at every stage
    assert begun[0] == [{"agents": 1, "begun": 0}]
    assert begun[1] == [stage.model_dump() for stage in record.stages]


def test_a_curriculum_by_returns_waits_for_them(tmp_path: Path) -> None:
    sizes = ["arena.N=3", "curriculum.sizes=[2]"]
    never = run(planned("iql", [*sizes, "curriculum.returns=[0]"]), tmp_path / "never")  # no return of spread is 0
    assert [stage.agents for stage in never.stages] == [2]
    waited = [point.stage_return_sum for point in never.evaluations]
    assert all(each is not None and each < 0 for each in waited)
    assert waited[0] != never.evaluations[0].return_sum  # of two agents, not of three
    at_once = run(planned("iql", [*sizes, "curriculum.returns=[-1000]"]), tmp_path / "once")
    assert [(stage.agents, stage.begun) for stage in at_once.stages] == [(2, 0), (3, 0)]
    assert at_once.evaluations[1].stage_return_sum is None


def test_one_that_was_interrupted_within_a_stage_goes_on_in_it(tmp_path: Path) -> None:
    chosen = planned("qmix", ["curriculum.sizes=[1, 2]", "curriculum.steps=[100, 250]"], steps=600, every=300)
    whole = run(chosen, tmp_path / "whole")
    for stop in (1, 3, 5):  # after so many training steps, in each of the stages
        folder = tmp_path / str(stop)
        counter = itertools.count()
        run(chosen, folder, lambda counter=counter, stop=stop: next(counter) >= stop)  # type: ignore[misc]
        again = run(chosen, folder)
        assert again.stages == whole.stages
        assert [point.checkpoint for point in again.evaluations] == [point.checkpoint for point in whole.evaluations]


def test_a_stage_is_the_small_game_and_goes_on_with_what_was_learned() -> None:
    chosen = planned("mappo", ["curriculum.sizes=[2]", "curriculum.steps=[100]"])
    arena = make("spread")
    small, whole = (make_learner(chosen, arena, 0, stage) for stage in (0, 1))
    assert isinstance(small.setup.arena, PaddedTeam)
    assert whole.setup.arena is arena
    small.train_step()
    whole.load_state(small.state())
    assert all(torch.equal(tensor, small.state()[name]) for name, tensor in whole.state().items())


MISFITS: list[tuple[str, str]] = [
    # rewards
    ("qmix spread --set credit=difference", "credit=difference fits ippo, iql, maddpg, mappo"),
    ("coma spread --set credit=difference", "coma learns from the team's sum"),
    ("iql spread --set credit=difference --set reward=team", "not with reward=team: leave that out"),
    ("iql spread --set credit=diference", "credit = 'diference' is not valid; did you mean 'difference'?"),
    ("iql spread --set credit=difference --set credit_default=5", "spread has no action 5: its actions are 0 to 4"),
    ("iql spread --set credit=difference --set credit_steps=1", "every difference is 0; take 2 or more"),
    ("qmix spread --set potential=gather", "spread has no potential 'gather': it has cover"),
    ("qmix speaker_listener --set potential=cover", "no potential: there are some of foraging, soccer, spread, tag"),
    # curricula
    ("qmix spread --set curriculum=2", "set one by one, as curriculum.sizes=[2]"),
    ("qmix spread --set curriculum.sizes=[2]", "nothing says when a stage ends: give steps or returns"),
    ("qmix spread --set curriculum.size=[2]", "unknown key 'curriculum.size'; did you mean 'sizes'?"),
    ("qmix spread --set curriculum.sizes=[3] --set curriculum.steps=[9]", "below the team's own 3, and 3 is not"),
    ("qmix speaker_listener --set curriculum.sizes=[1] --set curriculum.steps=[9]", "fits foraging, spread"),
    ("iql spread --set sharing=false --set curriculum.sizes=[1] --set curriculum.steps=[9]", "set sharing = true"),
    # rewards that are not common, and critics of one value
    ("qmix spread --set reward=agent", "set reward = 'team', the sum over the agents, or train iql"),
    ("vdn foraging --set reward=agent", "set reward = 'team', the sum over the agents, or train iql"),
    ("mappo spread --set critic=team --set reward=agent", "take critic = 'agent' or 'observation'"),
    ("ippo spread --set critic=team", "ippo's critic sees the agent's own observation"),
    # continuous actions
    (
        "qmix pettingzoo:mpe2/simple_spread_v3 --set arena.continuous_actions=true",
        "continuous actions are not supported",
    ),
    # team sizes
    ("qmix spread --set arena.N=0", "N has to be a whole number from 1, not 0"),
    ("vdn foraging --set arena.players=99", "players has to be a whole number from 1 to 32, not 99"),
    ("mappo pettingzoo:mpe2/simple_spread_v3", "with arena.teams=[[0, 1, 2]] its agents are one team"),
    # turns, several teams
    ("iql kuhn_poker", "its agents move in turns"),
    ("maddpg soccer", "it has 2 teams, and `league train` takes arenas of one team"),
    # unknown options
    ("coma spread --set epocs=3", "unknown key 'epocs'"),
    ("iql foraging --set arena.player=3", "arena 'foraging' has no option 'player': did you mean players?"),
]


@pytest.mark.parametrize(("words", "message"), MISFITS, ids=[words for words, _ in MISFITS])
def test_what_does_not_fit_is_told_in_one_line_that_says_what_would(words: str, message: str, tmp_path: Path) -> None:
    if "mpe2" in words:
        pytest.importorskip("mpe2", reason="the arena needs mpe2, of the extras `parity` and `teams`")
    assert message in one_line(call("train", *words.split(), "-o", str(tmp_path / "out")), 2)
    assert not (tmp_path / "out").exists()


def checkpoint(folder: Path, arena: str, **options: Any) -> Path:
    """Of an untrained team of an arena."""
    assignments = [f"arena.{key}={value}" for key, value in options.items()]
    record = run(planned("iql", assignments, arena, steps=1), folder)
    return CheckpointStore(folder / "checkpoints").path(record.evaluations[0].checkpoint)


def test_a_checkpoint_of_another_arena_or_team_size_is_told_what_it_plays(tmp_path: Path) -> None:
    three, two = checkpoint(tmp_path / "3", "spread"), checkpoint(tmp_path / "2", "spread", N=2)
    told = one_line(call("match", str(three), "random", "--arena", "foraging", "-n", "2"), 2)
    assert "plays spread" in told
    assert "foraging" in told
    told = one_line(call("match", str(two), "random", "--arena", "spread", "-n", "2"), 2)
    assert "plays spread as team 0 of 2" in told
    assert "teams of 3" in told
