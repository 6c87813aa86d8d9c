"""A team as a player of matches, and its checkpoints."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from agents.checkpoint import CheckpointStore, Manifest
from agents.durable import CheckpointError
from agents.networks import Network
from agents.policy import PolicyAgent
from agents.settings import NetworkConfig
from agents.teams.all_roles import load_player
from agents.teams.core import TeamSetup
from agents.teams.evaluation import Evaluation, evaluate, over_seeds
from agents.teams.networks import TeamNetwork
from agents.teams.policy import TeamPolicy, load_team, save_team
from agents.teams.settings import TeamNetworkConfig
from arenas.core import Arena, Observation
from arenas.match import play_matches
from arenas.random import derive_seeds
from arenas.registry import make


def policy(arena: Arena, *, sharing: bool = True, memory: int = 8, seed: int = 0, team: int = 0) -> TeamPolicy:
    setup = TeamSetup(arena, team=team, sharing=sharing)
    network = TeamNetwork(TeamNetworkConfig(hidden=(8,), memory=memory), setup.input_size, setup.num_actions)
    weights = 3 * network.initial(torch.Generator().manual_seed(seed), setup.stack)
    return TeamPolicy(setup, network, weights, algorithm="qmix")


@pytest.mark.parametrize("sharing", [True, False])
@pytest.mark.parametrize("memory", [0, 8])
def test_a_match_is_the_same_alone_and_among_others(sharing: bool, memory: int) -> None:
    """Each row has its own memory, and what ends early does not disturb the rest."""
    arena = make("foraging", size=5, max_episode_steps=12)
    actor, seeds = policy(arena, sharing=sharing, memory=memory), derive_seeds(3, 6)
    together = play_matches(arena, [actor], seeds, record=True)
    assert together.actions is not None
    for row in range(6):
        alone = play_matches(arena, [actor], seeds[row : row + 1], record=True)
        assert alone.actions is not None
        steps = int(alone.lengths[0])
        assert torch.equal(alone.actions[0, :steps], together.actions[row, :steps])


@pytest.mark.parametrize("sharing", [True, False])
def test_one_policy_can_hold_both_teams(sharing: bool) -> None:
    arena, seeds = make("soccer"), derive_seeds(1, 5)
    one, other = (policy(arena, sharing=sharing, seed=4) for _ in range(2))
    both = play_matches(arena, [one, one], seeds, record=True)
    apart = play_matches(arena, [one, other], seeds, record=True)
    assert both.actions is not None
    assert apart.actions is not None
    assert torch.equal(both.actions, apart.actions)


def test_every_agent_acts_on_its_own_observation_alone() -> None:
    arena = make("spread")
    actor = policy(arena, sharing=False, memory=0)
    seen, mask = torch.randn(3 * 4, 18), torch.ones(3 * 4, 5, dtype=torch.bool)
    live, none = torch.ones(12, dtype=torch.bool), torch.empty(12, 0)
    actor.begin(12, torch.device("cpu"))
    first = actor.act(Observation(seen, mask), none, live)
    changed = seen.clone()
    changed[4:8] = torch.randn(4, 18)  # what the second agent sees
    second = actor.act(Observation(changed, mask), none, live)
    assert torch.equal(first[:4], second[:4])
    assert torch.equal(first[8:], second[8:])
    assert not torch.equal(first[4:8], second[4:8])


def test_rows_that_are_not_live_keep_their_memory() -> None:
    actor = policy(make("spread"))
    seen, mask = torch.randn(6, 18), torch.ones(6, 5, dtype=torch.bool)
    actor.begin(6, torch.device("cpu"))
    live = torch.tensor([True, False] * 3)
    actor.act(Observation(seen, mask), torch.empty(6, 0), live)
    assert actor._memory is not None
    assert (actor._memory[0].abs().sum(1) > 0).tolist() == live.tolist()


@pytest.mark.parametrize("sharing", [True, False])
def test_a_live_row_is_the_same_row_of_the_memory_when_both_teams_are_held(sharing: bool) -> None:
    arena = make("soccer", players=2)
    actor, size = policy(arena, sharing=sharing), math.prod(arena.spec.observation_shape)
    actor.sit(arena.spec.agents, range(3), range(3))
    actor.begin(2 * 2 * 3, torch.device("cpu"))
    live = torch.zeros(2, 2, 3, dtype=torch.bool)  # team, agent, match
    live[1, 0, 2] = True
    mask = torch.ones(12, arena.spec.num_actions, dtype=torch.bool)
    actor.act(Observation(torch.randn(12, size), mask), torch.empty(12, 0), live.flatten())
    assert actor._memory is not None
    moved = (actor._memory.abs().sum(2) > 0).reshape(2, 2, 3)  # agent, team, match
    assert torch.equal(moved.transpose(0, 1), live)


@pytest.mark.parametrize("sharing", [True, False])
def test_a_checkpoint_plays_as_what_it_was_made_from(sharing: bool, tmp_path: Path) -> None:
    arena = make("spread")
    made, store = policy(arena, sharing=sharing), CheckpointStore(tmp_path)
    sha = save_team(store, made, 123)
    loaded = load_team(store.path(sha), arena)
    assert loaded.record() == made.record()
    assert loaded.temperature == 0
    assert evaluate(loaded.setup, loaded, 4, 0) == evaluate(made.setup, made, 4, 0)
    assert save_team(store, loaded, 123) == sha


def test_a_copy_does_not_move_with_what_it_was_copied_from() -> None:
    made = policy(make("spread"))
    copied = TeamPolicy(made.setup, made.network, made.weights)
    made.weights.zero_()
    assert float(copied.weights.abs().sum()) > 0


@pytest.mark.parametrize(
    ("other", "options"), [("spread", {"N": 4}), ("foraging", {}), ("soccer", {}), ("connect_four", {})]
)
def test_a_checkpoint_of_another_arena_or_team_size_is_refused(
    other: str, options: dict[str, int], tmp_path: Path
) -> None:
    store = CheckpointStore(tmp_path)
    sha = save_team(store, policy(make("spread")), 0)
    with pytest.raises(CheckpointError, match=r"plays spread as team 0 of 3 .* not ") as caught:
        load_team(store.path(sha), make(other, **options))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [{"name": "other"}, {"agents": ("a", "b"), "teams": ((0, 1),)}])
def test_name_and_team_size_count_where_all_shapes_are_the_same(change: dict[str, Any], tmp_path: Path) -> None:
    store, arena = CheckpointStore(tmp_path), make("spread")
    sha = save_team(store, policy(make("spread")), 0)
    arena.spec = replace(arena.spec, **change)
    with pytest.raises(CheckpointError, match="plays spread as team 0 of 3"):
        load_team(store.path(sha), arena)


def test_tensors_that_are_not_the_networks_are_refused(tmp_path: Path) -> None:
    store, made = CheckpointStore(tmp_path), policy(make("spread"))
    narrow = TeamNetwork(TeamNetworkConfig(hidden=(7,), memory=8), made.setup.input_size, 5)
    made.network = TeamNetwork(TeamNetworkConfig(hidden=(8,), memory=8), made.setup.input_size, 5)
    wrong = TeamPolicy(made.setup, narrow, narrow.initial(torch.Generator()), algorithm="qmix")
    record = made.record()
    wrong.record = lambda: record  # type: ignore[method-assign]
    sha = save_team(store, wrong, 0)
    with pytest.raises(CheckpointError, match=r"tensor dense0.weight has shape \[1, 21, 7\].*\[1, 21, 8\]"):
        load_team(store.path(sha), make("spread"))


def test_returns_are_on_all_scales_and_published_only_where_the_task_is_the_papers() -> None:
    def of(name: str, **options: int) -> Evaluation:
        actor = policy(make(name, **options))
        return evaluate(actor.setup, actor, 3, 0)

    spread = of("spread")
    assert spread.return_per_agent == pytest.approx(spread.return_sum / 3)
    assert spread.return_published == pytest.approx(2 * spread.return_sum - 75)
    assert of("spread", N=4).return_published is None
    assert of("spread", max_cycles=30).return_published is None
    foraging = of("foraging")
    assert foraging.return_published == pytest.approx(foraging.return_sum)


def test_the_interval_over_seeds_is_students() -> None:
    """Five seeds: t at 97.5 % with 4 degrees of freedom is 2.776445 (any table of it)."""
    interval = over_seeds([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.776445 * (2.5**0.5) / 5**0.5
    assert interval.mean == 3
    assert interval.low == pytest.approx(3 - half, abs=1e-5)
    assert interval.high == pytest.approx(3 + half, abs=1e-5)
    assert over_seeds([1.0]).low is None
    with pytest.raises(ValueError, match="nothing to average over"):
        over_seeds([])


def test_a_checkpoint_is_loaded_as_the_kind_of_player_that_it_holds(tmp_path: Path) -> None:
    store, arena = CheckpointStore(tmp_path), make("spread")
    team = load_player(store.path(save_team(store, policy(arena), 0)), arena, temperature=1.0)
    assert isinstance(team, TeamPolicy)
    assert team.temperature == 0  # action values are no logits
    network = Network(NetworkConfig(hidden=(8,)), arena.spec.observation_shape, arena.spec.num_actions)
    weights = network.layout.views(network.initial(torch.Generator()))
    manifest = Manifest(
        arena="spread", observation_shape=arena.spec.observation_shape, num_actions=5,
        network=network.config.model_dump(mode="json"),
    )  # fmt: skip
    path = store.path(store.save({name: tensor[0] for name, tensor in weights.items()}, manifest))
    assert isinstance(load_player(path, arena, temperature=0.5), PolicyAgent)
    with pytest.raises(CheckpointError, match="single agent of spread, no team"):
        load_team(path, arena)
