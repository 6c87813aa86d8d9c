"""Scripted players of foraging and soccer: how well they do, and that they go by what an agent sees."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import arenas
from agents import scripted
from agents.scripted.foraging import ForagingHeuristic
from arenas.match import play_matches
from arenas.random import derive_seeds, uniforms

EPISODES = 120
TEN: dict[str, Any] = {"size": 10, "players": 3, "foods": 3, "force_coop": False}


def team_return(arena: str, actors: str, **options: Any) -> float:
    """The mean return of the first team, the sum over its agents."""
    made = arenas.make(arena, **options)
    playing = [scripted.make(player, made.spec) for player in actors.split()]
    played = play_matches(made, playing, derive_seeds(5, EPISODES)).returns
    return float(played[:, list(made.spec.teams[0])].sum(dim=1).mean())


@pytest.mark.parametrize(
    ("options", "least", "most"),
    [
        ({}, 0.98, 0.05),  # returns of the heuristic and of random play; 1 is all food
        (TEN, 0.85, 0.2),
        (TEN | {"sight": 2}, 0.35, 0.2),
        ({"size": 5, "players": 4, "foods": 3}, 0.85, 0.35),
    ],
)
def test_foragers_eat(options: dict[str, Any], least: float, most: float) -> None:
    assert team_return("foraging", "heuristic", **options) > least
    assert team_return("foraging", "random", **options) < most


def test_a_forager_without_food_in_sight_wanders() -> None:
    arena = arenas.make("foraging", sight=1, foods=1)
    player = scripted.make("heuristic", arena.spec)
    assert isinstance(player, ForagingHeuristic)
    seeds = derive_seeds(4, 400)
    view = arena.observe(arena.reset(uniforms(seeds, 0, arena.spec.reset_uniforms)), 0)
    blind = (view.observation[:, 2] == 0).nonzero()[:, 0]
    view = view._replace(observation=view.observation[blind], action_mask=view.action_mask[blind])
    actions = player.act(view, uniforms(seeds[blind], 0, 6, 1), torch.ones(len(blind), dtype=torch.bool))
    assert view.action_mask.gather(1, actions[:, None]).all()
    assert (torch.bincount(actions, minlength=6)[1:5] > len(blind) / 6).all(), "it has a favourite direction"


@pytest.mark.parametrize(("players", "turned"), [(1, False), (2, True), (3, False), (4, True)])
def test_soccer_teams_beat_random_play_on_both_sides(players: int, turned: bool) -> None:
    options = {"players": players, "turned": turned}
    assert team_return("soccer", "heuristic random", **options) > 0.98
    assert team_return("soccer", "random heuristic", **options) < -0.98
    assert abs(team_return("soccer", "heuristic heuristic", **options)) < 0.3  # 3.3 standard errors


def test_soccer_is_the_same_turned() -> None:
    """Half a turn is only another way to look at the pitch: the same games, move by move."""
    plays = []
    for turned in (False, True):
        arena = arenas.make("soccer", turned=turned)
        actors = [scripted.make("heuristic", arena.spec)] * 2
        plays.append(play_matches(arena, actors, derive_seeds(8, 100), record=True))
    assert torch.equal(plays[0].returns, plays[1].returns)
    assert torch.equal(plays[0].lengths, plays[1].lengths)


def test_anchors() -> None:
    assert scripted.anchors("foraging") == ("random", "heuristic")
    assert scripted.anchors("soccer") == ("random", "heuristic")
    assert scripted.anchors("prisoners_dilemma") == ("random", "always_cooperate", "tit_for_tat", "always_defect")
