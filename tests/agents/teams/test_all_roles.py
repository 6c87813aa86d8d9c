"""A player of an arena of unequal roles, and its checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from agents.checkpoint import CheckpointError, CheckpointMisfitError, CheckpointStore
from agents.scripted import make as scripted
from agents.teams.all_roles import AllRoles, load_player, load_roles, save_roles
from agents.teams.policy import TeamPolicy, save_team
from arenas.core import Arena
from arenas.match import play_matches, play_pairs
from arenas.random import derive_seeds
from arenas.registry import make
from tests.agents.teams.test_team_policy import policy


def player(arena: Arena, *, seed: int = 0, sharing: bool = True, memory: int = 8) -> AllRoles:
    return AllRoles([policy(arena, team=team, seed=seed + team, sharing=sharing, memory=memory) for team in range(2)])


def split(whole: AllRoles) -> list[TeamPolicy]:
    return [TeamPolicy(each.setup, each.network, each.weights) for each in whole.teams]


@pytest.mark.parametrize("sharing", [True, False])
def test_it_plays_the_role_that_it_is_seated_as(sharing: bool) -> None:
    arena, seeds = make("tag", num_good=2), derive_seeds(3, 5)
    whole, other = player(arena, sharing=sharing), scripted("heuristic", arena.spec)
    predators, prey = split(whole)
    for actors, apart in (([whole, other], [predators, other]), ([other, whole], [other, prey])):
        played, expected = (play_matches(arena, each, seeds, record=True) for each in (actors, apart))
        assert played.actions is not None and expected.actions is not None
        assert torch.equal(played.actions, expected.actions)


def test_it_plays_both_roles_against_itself() -> None:
    arena, seeds = make("tag"), derive_seeds(4, 5)
    whole = player(arena)
    both = play_matches(arena, [whole, whole], seeds, record=True)
    apart = play_matches(arena, split(whole), seeds, record=True)
    assert both.actions is not None and apart.actions is not None
    assert torch.equal(both.actions, apart.actions)
    again = play_matches(arena, [whole, player(arena, seed=9)], seeds, record=True)
    assert again.actions is not None
    assert torch.equal(again.actions[:, 0, :3], both.actions[:, 0, :3]), "seated anew, it is not told of both any more"


def test_pairs_do_not_depend_on_the_batch() -> None:
    arena = make("tag")
    whole, other = player(arena), player(arena, seed=5)
    assert play_pairs(arena, whole, other, 5, 1) == play_pairs(arena, whole, other, 5, 1, batch=2)


def test_a_checkpoint_plays_as_what_it_was_made_from(tmp_path: Path) -> None:
    arena, store = make("tag"), CheckpointStore(tmp_path)
    made = player(arena, sharing=False)
    made.teams[1].temperature = 0.5
    sha = save_roles(store, made, 7)
    loaded = load_player(store.path(sha), arena)
    assert isinstance(loaded, AllRoles)
    assert [team.temperature for team in loaded.teams] == [0.0, 0.5]
    assert loaded.draws, "one of the two takes chances"
    assert save_roles(store, loaded, 7) == sha


def test_a_single_role_is_no_player_of_matches(tmp_path: Path) -> None:
    arena, store = make("tag"), CheckpointStore(tmp_path)
    sha = save_team(store, policy(arena, team=1), 0)
    with pytest.raises(
        CheckpointMisfitError, match=r"the prey of tag alone: .* a team for each role, predators \(3\) and prey \(1\)"
    ):
        load_player(store.path(sha), arena)


@pytest.mark.parametrize(("other", "options"), [("tag", {"num_good": 2}), ("soccer", {}), ("spread", {})])
def test_roles_of_another_arena_or_team_size_are_refused(other: str, options: dict[str, int], tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    sha = save_roles(store, player(make("tag")), 0)
    with pytest.raises(CheckpointMisfitError, match=r"plays tag as team 0 of 3 and team 1 of 1 .* not ") as caught:
        load_player(store.path(sha), make(other, **options))
    assert "\n" not in str(caught.value)


def test_a_manifest_that_describes_no_teams(tmp_path: Path) -> None:
    arena, store = make("tag"), CheckpointStore(tmp_path)
    path = store.path(save_team(store, policy(arena), 0))
    with pytest.raises(CheckpointError, match=r"describes no team: network\.kind"):
        load_roles(path, arena)


def test_every_team_needs_its_policy() -> None:
    arena = make("tag")
    with pytest.raises(ValueError, match="tag has 2 teams: one policy for each, in their order"):
        AllRoles([policy(arena, team=1), policy(arena, team=0)])
