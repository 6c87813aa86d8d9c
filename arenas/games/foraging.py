"""Level-based foraging: agents walk on a grid and load food together, as lbforaging 2.0.0 has it.

The game is of Albrecht and Ramamoorthy, "A game-theoretic model and best-response learning method for ad hoc
coordination in multiagent systems" (AAMAS 2013); tasks such as 8x8-2p-2f-coop are those of Papoudakis et al.,
"Benchmarking Multi-Agent Deep Reinforcement Learning Algorithms in Cooperative Tasks" (NeurIPS 2021).

Cells are numbered on the grid with a rim of one cell around it, so that no step wraps into the next row.
"""

from __future__ import annotations

import torch
from torch import Tensor

from arenas.core import Arena, ArenaSpec, Observation, State, Step, Turns, select
from arenas.games.cards import deal

STAY, NORTH, SOUTH, WEST, EAST, LOAD = range(6)
ACTIONS = 6
MAX_LEVEL = 2  # of an agent; levels begin at 1
GROUP = 3  # no food asks for more than the levels of the three weakest agents together
SMALLEST, LARGEST = 3, 64  # rows and columns


class Foraging(Arena):
    """Food of a level is loaded by neighbours who choose to load at once and whose levels sum to at least as much.

    Actions: 0 stay, 1 north, 2 south, 3 west, 4 east, 5 load. A step into food or off the grid is illegal, and so is
    loading without food beside; played all the same, an illegal action is a stay. Other agents are no obstacle to the
    mask: of several who want into the same cell (those included who stay in it) nobody moves, two neighbours can change
    places, and who follows an agent that then cannot move shares its cell, all as in lbforaging.
    Observation [3 F + 3 P]: (row, column, level) of the food in sight, in reading order, then of the agents in sight,
    oneself first; -1, -1, 0 for what is not there. Rows and columns count from the corner of the part of the grid that
    is in sight. As in lbforaging, near the upper and left edge agents (not food) are seen further than `sight`.
    State, int64: `agents` [B, P] and `foods` [B, F], their cells, food in reading order; `agent_levels` [B, P];
    `food_levels` [B, F], 0 where food is eaten or found no place; `spawned` [B], the levels of all food at the start;
    `steps` [B].
    Rewards: each who loads gets its level's share of the group's levels, times the food's share of `spawned`, so that
    the agents' returns sum to 1 when all is eaten; a failed attempt costs `penalty`.
    Ends: terminated when nothing is left; truncated after `max_episode_steps`.

    The distribution of starts is that of a new environment of lbforaging: later resets there also avoid the cells where
    agents stood when the episode before had ended.
    """

    def __init__(
        self,
        size: int = 8,
        players: int = 2,
        foods: int = 2,
        sight: int | None = None,
        force_coop: bool = True,
        max_episode_steps: int = 50,
        penalty: float = 0.0,
        masks: bool = True,
    ) -> None:
        """The defaults are lbforaging's `Foraging-8x8-2p-2f-coop-v3`; `size=10, players=3, foods=3, force_coop=False`
        is `Foraging-10x10-3p-3f-v3`.

        Args:
            size: rows and columns.
            players: P, the agents, all of one team.
            foods: F; where the grid has no room for so many, fewer.
            sight: how many cells away something is seen; the whole grid unless given.
            force_coop: all food has the highest level; else levels are uniform from 1 to the highest.
            max_episode_steps: after which an episode is truncated.
            penalty: what an attempt to load that fails costs each who took part.
            masks: whether action masks tell illegal actions; without, every action is allowed, as EPyMARL trains.
        """
        for name, value, low, high in (
            ("size", size, SMALLEST, LARGEST),
            ("players", players, 1, size * size // 2),
            ("foods", foods, 1, size * size // 4),
            ("sight", size if sight is None else sight, 1, LARGEST),
            ("max_episode_steps", max_episode_steps, 1, 1_000_000),
        ):
            if not isinstance(value, int) or not low <= value <= high:
                raise ValueError(f"{name} has to be a whole number from {low} to {high}, not {value!r}")
        if not penalty >= 0:
            raise ValueError(f"penalty has to be a number from 0, not {penalty!r}")
        self.size, self.players, self.foods = size, players, foods
        self.sight = size if sight is None else sight
        self.force_coop, self.penalty, self.masks = force_coop, float(penalty), masks
        self.stride = size + 2
        self.offsets = (0, -self.stride, self.stride, -1, 1, 0)
        self.spec = ArenaSpec(
            name="foraging",
            agents=tuple(f"player_{agent}" for agent in range(players)),
            teams=(tuple(range(players)),),
            observation_shape=(3 * (foods + players),),
            num_actions=ACTIONS,
            turns=Turns.SIMULTANEOUS,
            max_steps=max_episode_steps,
            reset_uniforms=2 * (players + foods),
            truncates=True,
            description="Level-based foraging: agents load food together",
        )

    def reset(self, uniforms: Tensor) -> State:
        batch, players, size = len(uniforms), self.players, self.size
        where, strong, place, heavy = torch.split(uniforms, [players, players, self.foods, self.foods], dim=1)
        cells = self._inside(uniforms.device)
        agents = cells[deal(where, size * size)]
        levels = 1 + (strong * MAX_LEVEL).to(torch.int64)
        highest = levels.sort(dim=1).values[:, :GROUP].sum(dim=1, keepdim=True)
        foods, placed = self._place_food(place, agents, cells)
        food_levels = highest if self.force_coop else 1 + (heavy * highest).to(torch.int64)
        foods, order = foods.sort(dim=1)
        food_levels = (food_levels * placed).gather(1, order)
        return {
            "agents": agents,
            "agent_levels": levels,
            "foods": foods,
            "food_levels": food_levels,
            "spawned": food_levels.sum(dim=1),
            "steps": torch.zeros(batch, dtype=torch.int64, device=uniforms.device),
        }

    def _inside(self, device: torch.device) -> Tensor:
        """int64 [size * size]: the cells of the grid without its rim, in reading order."""
        line = torch.arange(1, self.size + 1, device=device)
        return (line[:, None] * self.stride + line).flatten()

    def _place_food(self, uniforms: Tensor, agents: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Places of food, one after the other, uniform over the cells that the ones before leave free.

        Free is a cell off the edge of the grid, without an agent, with no food among its eight neighbours nor two cells
        away in its row or column: so nobody is ever beside two foods.

        Returns:
            Cells int64 [B, F], the number behind the last cell where there was no room, and whether there was, bool.
        """
        row, column = cells // self.stride, cells % self.stride
        interior = (torch.minimum(row, column) > 1) & (torch.maximum(row, column) < self.size)
        free = interior & (cells != agents[:, :, None]).all(dim=1)
        down, across = (row[:, None] - row).abs(), (column[:, None] - column).abs()
        apart = (torch.maximum(down, across) > 1) & ((torch.minimum(down, across) > 0) | (down + across > 2))
        places, found = [], []
        for draw in uniforms.unbind(1):
            rank = free.cumsum(dim=1)
            room = rank[:, -1]
            chosen = (rank <= (draw * room).to(torch.int64)[:, None]).sum(dim=1).clamp(max=len(cells) - 1)
            free = free & apart[chosen]
            places.append(torch.where(room > 0, cells[chosen], self.stride**2))
            found.append(room > 0)
        return torch.stack(places, dim=1), torch.stack(found, dim=1)

    def turn(self, state: State) -> Tensor:
        return torch.zeros_like(state["steps"])

    def _beside(self, state: State) -> Tensor:
        """bool [B, P, 4, F]: which food lies north, south, west and east of an agent."""
        steps = torch.tensor(self.offsets[NORTH:LOAD], device=state["agents"].device)
        around = state["agents"][:, :, None] + steps
        return (around[..., None] == state["foods"][:, None, None, :]) & (state["food_levels"] > 0)[:, None, None, :]

    def _legal(self, agents: Tensor, beside: Tensor) -> Tensor:
        """bool [B, P, 6]."""
        row, column = agents // self.stride, agents % self.stride
        open_side = torch.stack((row > 1, row < self.size, column > 1, column < self.size), dim=2)
        taken = beside.any(dim=3)
        moves = open_side & ~taken
        return torch.cat((torch.ones_like(moves[..., :1]), moves, taken.any(dim=2, keepdim=True)), dim=2)

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        legal = self._legal(state["agents"], self._beside(state))
        if not self.masks:
            legal = torch.ones_like(legal)
        seen = torch.cat((self._see_food(state), self._see_agents(state)), dim=2).flatten(2).to(dtype)
        return Observation(seen, legal) if agent is None else Observation(seen[:, agent], legal[:, agent])

    def _places(self, cells: Tensor) -> Tensor:
        """Cells [...] as rows and columns of the grid, int64 [..., 2]."""
        return torch.stack((cells // self.stride - 1, cells % self.stride - 1), dim=-1)

    def _see_food(self, state: State) -> Tensor:
        """float32 [B, P, F, 3]."""
        viewer = self._places(state["agents"])[:, :, None]
        places = self._places(state["foods"])[:, None]
        near = ((places - viewer).abs() <= self.sight).all(dim=3)
        levels = state["food_levels"][:, None].expand_as(near)
        shown = torch.cat((places - (viewer - self.sight).clamp(min=0), levels[..., None]), dim=3)
        return _pack(shown, near & (levels > 0))

    def _see_agents(self, state: State) -> Tensor:
        """float32 [B, P, P, 3]: each agent's view of itself, then of the others in their order."""
        players, places = self.players, self._places(state["agents"])
        start = (places - self.sight).clamp(min=0)
        order = [[viewer, *(other for other in range(players) if other != viewer)] for viewer in range(players)]
        seen = torch.tensor(order, device=places.device)
        relative = places[:, seen] - start[:, :, None]
        inside = ((relative >= 0) & (relative <= 2 * self.sight)).all(dim=3)
        shown = torch.cat((relative, state["agent_levels"][:, seen][..., None]), dim=3)
        return _pack(shown, inside) if self.sight < self.size else shown.to(torch.float32)

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        beside = self._beside(state)
        legal = self._legal(state["agents"], beside)
        actions = torch.where(legal.gather(2, actions[..., None])[..., 0], actions, STAY)
        wanted = state["agents"] + torch.tensor(self.offsets, device=actions.device)[actions]
        alone = (wanted[:, :, None] == wanted[:, None, :]).sum(dim=2) == 1
        rewards, eaten = self._load(state, beside.any(dim=2) & (actions == LOAD)[..., None])
        after = {
            **state,
            "agents": torch.where(alone, wanted, state["agents"]),
            "food_levels": torch.where(eaten, 0, state["food_levels"]),
            "steps": state["steps"] + 1,
        }
        done = (after["food_levels"] == 0).all(dim=1)
        late = (after["steps"] >= self.spec.max_steps) & ~done
        if live is not None:
            after, rewards, done, late = select(live, after, state), rewards * live[:, None], done & live, late & live
        return Step(after, rewards, done, late)

    def _load(self, state: State, loading: Tensor) -> tuple[Tensor, Tensor]:
        """What comes of the attempts to load, `loading` bool [B, P, F].

        Returns:
            Rewards float32 [B, P], and whether a food is eaten, bool [B, F].
        """
        levels = state["agent_levels"]
        strength = (loading * levels[..., None]).sum(dim=1)
        eaten = (strength >= state["food_levels"]) & (strength > 0)
        worth = (levels[..., None] * state["food_levels"][:, None]).to(torch.float32)
        share = worth / (strength * state["spawned"][:, None])[:, None].clamp(min=1)
        return torch.where(loading, torch.where(eaten[:, None], share, -self.penalty), 0.0).sum(dim=2), eaten

    def render(self, state: State, index: int) -> str:
        """Food as its level, agents as letters with their level, `a1`; `.` where nothing is."""
        grid = [[" ." for _ in range(self.size)] for _ in range(self.size)]
        foods, agents = (self._places(state[name][index]).tolist() for name in ("foods", "agents"))
        for (row, column), level in zip(foods, state["food_levels"][index].tolist(), strict=True):
            if level:
                grid[row][column] = f" {level}"
        levels = state["agent_levels"][index].tolist()
        for number, ((row, column), level) in enumerate(zip(agents, levels, strict=True)):
            grid[row][column] = f"{chr(ord('a') + number % 26)}{level}"
        head = f"step {int(state['steps'][index])} of {self.spec.max_steps}"
        return "\n".join([head, *(" ".join(line) for line in grid)])


def _pack(shown: Tensor, visible: Tensor) -> Tensor:
    """Move what is visible to the front, in its order.

    Args:
        shown: int64 [B, P, K, 3]: row, column, level.
        visible: bool [B, P, K].

    Returns:
        float32 [B, P, K, 3]; -1, -1, 0 behind the visible ones.
    """
    nothing = torch.tensor((-1.0, -1.0, 0.0), device=shown.device)
    slots = torch.arange(visible.shape[2], device=shown.device)
    goes_to = (visible.cumsum(dim=2) - 1)[:, :, None, :] == slots[:, None]  # [B, P, slot, K]
    chosen = (goes_to & visible[:, :, None, :])[..., None] * (shown - nothing)[:, :, None]
    return chosen.sum(dim=3) + nothing
