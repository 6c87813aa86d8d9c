"""Other people's team games (the extra `teams`) as arenas, by PettingZoo's adapter; skipped where not installed."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
import torch

from arenas.core import Turns
from arenas.pettingzoo import PettingZooArena, from_pettingzoo

GYM, VMAS = "arenas/gymnasium_env", "arenas/vmas_env"
BATTLE = {"map_size": 16, "max_cycles": 20}
FOOTBALL: dict[str, Any] = {
    "scenario": "football", "max_steps": 20, "n_blue_agents": 2, "n_red_agents": 2, "ai_red_agents": False,
    "ai_blue_agents": False,
}  # fmt: skip
GAMES = [
    # package, environment, options, teams, agents, observation shape, actions, steps
    ("mpe2", "mpe2/simple_spread_v3", {}, [[0, 1, 2]], 3, (18,), 5, 25),
    ("lbforaging", GYM, {"id": "lbforaging:Foraging-8x8-2p-2f-coop-v3"}, [[0, 1]], 2, (12,), 6, 50),
    ("rware", GYM, {"id": "rware:rware-tiny-2ag-v2", "max_steps": 30}, [[0, 1]], 2, (71,), 5, 30),
    ("magent2", "magent2/environments/battle_v4", BATTLE, [[*range(6)], [*range(6, 12)]], 12, (13, 13, 5), 21, 20),
    ("vmas", VMAS, FOOTBALL, [[0, 1], [2, 3]], 4, None, 9, 20),
]


def made(package: str, name: str, options: dict[str, Any], teams: list[list[int]]) -> PettingZooArena:
    pytest.importorskip(package, reason=f"{name} needs {package}, of the extra `teams`")
    return from_pettingzoo(name, workers=1, teams=teams, **options)


@pytest.mark.parametrize(
    ("package", "name", "options", "teams", "agents", "shape", "actions", "steps"),
    GAMES,
    ids=[game[0] for game in GAMES],
)
def test_a_team_game_is_an_arena(
    package: str,
    name: str,
    options: dict[str, Any],
    teams: list[list[int]],
    agents: int,
    shape: tuple[int, ...] | None,
    actions: int,
    steps: int,
) -> None:
    with closing(made(package, name, options, teams)) as arena:
        spec = arena.spec
        assert spec.turns is Turns.SIMULTANEOUS
        assert spec.teams == tuple(map(tuple, teams))
        assert spec.num_agents == agents
        assert shape is None or spec.observation_shape == shape
        assert (spec.num_actions, spec.max_steps, spec.pure) == (actions, steps, False)
        seen = [play(arena, seed) for seed in (0.25, 0.25, 0.75)]
        assert torch.equal(seen[0], seen[1])  # the seed decides
        assert torch.equal(seen[0], seen[2]) == (package == "magent2")  # a battle always begins in the same order


def play(arena: PettingZooArena, seed: float) -> torch.Tensor:
    """An episode of random moves to its end, in two environments: everything that was seen and given."""
    random = torch.Generator().manual_seed(1)
    state = arena.reset(torch.full((2, 1), seed))
    live = torch.ones(2, dtype=torch.bool)
    seen: list[torch.Tensor] = []
    for _ in range(arena.spec.max_steps):
        observation, mask = arena.observe(state)
        draws = torch.rand(mask.shape, generator=random)
        step = arena.step(state, torch.where(mask, draws, -1.0).argmax(dim=2), live=live)
        assert torch.isfinite(step.rewards).all()
        seen += [observation.flatten(), step.rewards.flatten()]
        live = live & ~(step.terminated | step.truncated)
        state = step.state
        if not live.any():
            break
    assert not live.any()  # the game's own limit is the arena's
    return torch.cat(seen)


def test_a_gymnasium_game_of_one_agent_is_refused() -> None:
    with pytest.raises(Exception, match="CartPole-v1 is no game of several agents"):
        from_pettingzoo(GYM, id="CartPole-v1")
