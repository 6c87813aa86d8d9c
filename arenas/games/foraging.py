"""Level-based foraging: agents walk on a grid and load food together, as lbforaging 2.0.0 has it.

The game is of Albrecht and Ramamoorthy, "A game-theoretic model and best-response learning method for ad hoc
coordination in multiagent systems" (AAMAS 2013); tasks such as 8x8-2p-2f-coop are those of Papoudakis et al.,
"Benchmarking Multi-Agent Deep Reinforcement Learning Algorithms in Cooperative Tasks" (NeurIPS 2021).

Inside, tensors have the environments as their last dimension (`B` in the comments on shapes): the other dimensions are
as small as 2 or 3, and arithmetic is fast where the innermost dimension is long. The state is a view of such tensors.
"""

from __future__ import annotations

import torch
from torch import Tensor

from arenas.core import Arena, ArenaSpec, Observation, State, Step, Turns, select
from arenas.games.cards import deal
from arenas.padding import Entities

STAY, NORTH, SOUTH, WEST, EAST, LOAD = range(6)
ACTIONS = 6
MAX_LEVEL = 2  # of an agent; levels begin at 1
GROUP = 3  # no food asks for more than the levels of the three weakest agents together
SMALLEST, LARGEST = 3, 64  # rows and columns
LARGEST_PENALTY = 1_000_000
ROW_STEPS, COLUMN_STEPS = (0, -1, 1, 0, 0, 0), (0, 0, 0, -1, 1, 0)  # what an action adds
NOTHING = (-1, -1, 0)  # row, column and level of what is not there


class Foraging(Arena):
    """Food of a level is loaded by neighbours who choose to load at once and whose levels sum to at least as much.

    Actions: 0 stay, 1 north, 2 south, 3 west, 4 east, 5 load. A step into food or off the grid is illegal, and so is
    loading without food beside; played all the same, an illegal action is a stay. Other agents are no obstacle to the
    mask: of several who want into the same cell (those included who stay in it) nobody moves, two neighbours can change
    places, and who follows an agent that then cannot move shares its cell, all as in lbforaging.
    Observation [3 F + 3 P]: (row, column, level) of the food in sight, in reading order, then of the agents in sight,
    oneself first; -1, -1, 0 for what is not there. Rows and columns count from the corner of the part of the grid that
    is in sight. As in lbforaging, near the upper and left edge agents (not food) are seen further than `sight`.
    State, int64: `agents` [B, P, 3] and `foods` [B, F, 3], rows, columns and levels, the food that is left in reading
    order, then -1, -1, 0; `spawned` [B], the levels of all food at the start; `steps` [B].
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
        if not 0 <= penalty <= LARGEST_PENALTY:
            raise ValueError(f"penalty has to be a number from 0 to {LARGEST_PENALTY:,}, not {penalty!r}")
        self.size, self.players, self.foods = size, players, foods
        self.sight = size if sight is None else sight
        self.force_coop, self.penalty, self.masks = force_coop, float(penalty), masks
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

    def entities(self) -> tuple[Entities, ...]:
        """See `arenas.padding.Resizable`."""
        return Entities(self.foods, NOTHING), Entities(self.players, NOTHING)

    def resized(self, agents: int) -> Arena:
        """See `arenas.padding.Resizable`."""
        return Foraging(
            self.size, agents, self.foods, self.sight, self.force_coop, self.spec.max_steps, self.penalty, self.masks
        )

    def reset(self, uniforms: Tensor) -> State:
        batch, players, size, device = len(uniforms), self.players, self.size, uniforms.device
        where, strong, place, heavy = torch.split(uniforms, [players, players, self.foods, self.foods], dim=1)
        agents, levels = deal(where, size * size), 1 + (strong * MAX_LEVEL).to(torch.int64)
        highest = levels.sort(dim=1).values[:, :GROUP].sum(dim=1, keepdim=True)
        foods, order = self._place_food(place, agents).sort(dim=1)
        weights = highest.expand(-1, self.foods) if self.force_coop else 1 + (heavy * highest).to(torch.int64)
        weights = weights.gather(1, order)
        found = (foods < size * size)[..., None]
        nothing = torch.tensor(NOTHING, device=device)
        left = torch.where(found, torch.stack((foods // size, foods % size, weights), dim=2), nothing)
        return {
            "agents": _batch_innermost(torch.stack((agents // size, agents % size, levels), dim=2)),
            "foods": _batch_innermost(left),
            "spawned": left[..., 2].sum(dim=1),
            "steps": torch.zeros(batch, dtype=torch.int64, device=device),
        }

    def renew(self, state: State, ended: Tensor, uniforms: Tensor) -> State:
        """As in `Arena`; where a look at `ended` costs little, only the episodes that are over are started."""
        if ended.device.type != "cpu" or torch.compiler.is_compiling():
            return super().renew(state, ended, uniforms)
        over = ended.nonzero()[:, 0]
        if not len(over):
            return state
        fresh = self.reset(uniforms[over])
        return {name: tensor.clone().index_copy_(0, over, fresh[name]) for name, tensor in state.items()}

    def _place_food(self, uniforms: Tensor, agents: Tensor) -> Tensor:
        """Places of food, one after the other, uniform over the cells that the ones before leave free.

        Free is a cell off the edge of the grid, without an agent, with no food among its eight neighbours nor two cells
        away in its row or column: so nobody is ever beside two foods.

        Args:
            uniforms: [B, F].
            agents: int64 [B, P], cells in reading order.

        Returns:
            Cells int64 [B, F]; their number `size * size` where there was no room.
        """
        cells = torch.arange(self.size**2, device=agents.device)
        row, column = cells // self.size, cells % self.size
        interior = (torch.minimum(row, column) > 0) & (torch.maximum(row, column) < self.size - 1)
        free = interior.repeat(len(agents), 1).scatter(1, agents, False)
        down, across = (row[:, None] - row).abs(), (column[:, None] - column).abs()
        apart = (torch.maximum(down, across) > 1) & ((torch.minimum(down, across) > 0) | (down + across > 2))
        places = []
        for draw in uniforms.unbind(1):
            rank = free.cumsum(dim=1, dtype=torch.int32)
            room = rank[:, -1:]
            nth = (draw[:, None] * room).to(torch.int32)
            chosen = torch.searchsorted(rank, nth, right=True)[:, 0].clamp(max=len(cells) - 1)
            free = free & apart[chosen]
            places.append(torch.where(room[:, 0] > 0, chosen, len(cells)))
        return torch.stack(places, dim=1)

    def turn(self, state: State) -> Tensor:
        return torch.zeros_like(state["steps"])

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        agents, foods = (state[name].permute(1, 2, 0) for name in ("agents", "foods"))
        players = self.players
        order = [[viewer, *(other for other in range(players) if other != viewer)] for viewer in range(players)]
        others = agents[torch.tensor(order, device=agents.device)]  # [viewer, P, 3, B]
        if self.sight < self.size:
            food, others = self._in_sight(agents, foods), self._in_sight_by_corner(agents, others)
        else:
            food = foods.expand(players, -1, -1, -1)
        seen = torch.cat((food, others), dim=1).permute(3, 0, 1, 2).to(dtype).flatten(2)
        legal = self._legal(agents, _sides(agents, foods).amax(dim=1))
        return Observation(seen, legal) if agent is None else Observation(seen[:, agent], legal[:, agent])

    def _legal(self, agents: Tensor, side: Tensor) -> Tensor:
        """The legal actions, bool [B, P, 6].

        Args:
            agents: [P, 3, B].
            side: [P, B], on which side of each agent there is food, 0 for none.
        """
        if not self.masks:
            return torch.ones((side.shape[1], self.players, ACTIONS), dtype=torch.bool, device=side.device)
        row, column = agents[:, 0], agents[:, 1]
        last = self.size - 1
        inside = torch.stack((row > 0, row < last, column > 0, column < last))
        moves = inside & (side != torch.arange(NORTH, LOAD, device=side.device)[:, None, None])
        return torch.cat((torch.ones_like(moves[:1]), moves, (side > 0)[None])).permute(2, 1, 0).contiguous()

    def _in_sight(self, agents: Tensor, foods: Tensor) -> Tensor:
        """The food that each agent sees, as it sees it, [P, F, 3, B]."""
        viewer = agents[:, None, :2]
        near = ((foods[:, :2] - viewer).abs() <= self.sight).all(dim=2) & (foods[:, 2] > 0)
        return _pack(self._from_corner(viewer, foods.expand(len(agents), -1, -1, -1)), near)

    def _in_sight_by_corner(self, agents: Tensor, others: Tensor) -> Tensor:
        """The agents that each agent sees, as it sees them, [P, P, 3, B]: here places are compared with the corner."""
        shown = self._from_corner(agents[:, None, :2], others)
        return _pack(shown, ((shown[:, :, :2] >= 0) & (shown[:, :, :2] <= 2 * self.sight)).all(dim=2))

    def _from_corner(self, viewer: Tensor, shown: Tensor) -> Tensor:
        """Places from the corner of what the viewers [P, 1, 2, B] see of the grid, with the levels."""
        return torch.cat((shown[:, :, :2] - (viewer - self.sight).clamp(min=0), shown[:, :, 2:]), dim=2)

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        agents, foods = (state[name].permute(1, 2, 0) for name in ("agents", "foods"))
        actions, sides = actions.T, _sides(agents, foods)
        loading = (sides > 0) & (actions == LOAD)[:, None]
        rewards, eaten = self._load(agents[:, 2], foods[:, 2], loading, state["spawned"])
        after = {
            "agents": self._move(agents, actions, sides.amax(dim=1)).permute(2, 0, 1),
            "foods": _pack(foods[None], (~eaten & (foods[:, 2] > 0))[None])[0].permute(2, 0, 1),
            "spawned": state["spawned"],
            "steps": state["steps"] + 1,
        }
        done = (after["foods"][:, 0, 2] == 0).clone()
        late = (after["steps"] >= self.spec.max_steps) & ~done
        rewards = rewards.T.contiguous()
        if live is not None:
            after, rewards, done, late = select(live, after, state), rewards * live[:, None], done & live, late & live
        return Step(after, rewards, done, late)

    def _move(self, agents: Tensor, actions: Tensor, side: Tensor) -> Tensor:
        """Agents [P, 3, B] after their actions [P, B]; `side` as in `_legal`."""
        down, across = (torch.tensor(steps, device=side.device)[actions] for steps in (ROW_STEPS, COLUMN_STEPS))
        stay = actions == side  # into food
        row, column = agents[:, 0] + torch.where(stay, 0, down), agents[:, 1] + torch.where(stay, 0, across)
        row, column = row.clamp(0, self.size - 1), column.clamp(0, self.size - 1)
        wanted = row * self.size + column
        alone = (wanted[:, None] == wanted).sum(dim=1) == 1
        return torch.stack(
            (torch.where(alone, row, agents[:, 0]), torch.where(alone, column, agents[:, 1]), agents[:, 2]), dim=1
        )

    def _load(self, levels: Tensor, weights: Tensor, loading: Tensor, spawned: Tensor) -> tuple[Tensor, Tensor]:
        """What comes of the attempts to load.

        Args:
            levels: of the agents, [P, B].
            weights: levels of the foods, [F, B].
            loading: who tries to load what, bool [P, F, B].
            spawned: [B].

        Returns:
            Rewards float32 [P, B], and whether a food is eaten, bool [F, B].
        """
        strength = (loading * levels[:, None]).sum(dim=0)
        eaten = (strength >= weights) & (strength > 0)
        share = levels[:, None] * weights / (strength * spawned).clamp(min=1)
        return torch.where(loading, torch.where(eaten, share, -self.penalty), 0.0).sum(dim=1), eaten

    def render(self, state: State, index: int) -> str:
        """Food as its level, agents as letters with their level, `a1`; `.` where nothing is."""
        grid = [[" ." for _ in range(self.size)] for _ in range(self.size)]
        for row, column, level in state["foods"][index].tolist():
            if level:
                grid[row][column] = f" {level}"
        for number, (row, column, level) in enumerate(state["agents"][index].tolist()):
            grid[row][column] = f"{chr(ord('a') + number % 26)}{level}"
        head = f"step {int(state['steps'][index])} of {self.spec.max_steps}"
        return "\n".join([head, *(" ".join(line) for line in grid)])


def _batch_innermost(tensor: Tensor) -> Tensor:
    """The same tensor [B, K, 3], laid out in memory with the environments innermost."""
    return tensor.permute(1, 2, 0).contiguous().permute(2, 0, 1)


def _sides(agents: Tensor, foods: Tensor) -> Tensor:
    """On which side of an agent a food lies, as the action that would step there; 0 where it is not beside it.

    Args:
        agents: [P, 3, B].
        foods: [F, 3, B]; what is not there is at (-1, -1), beside nobody.

    Returns:
        int64 [P, F, B]; of an agent at most one is not 0, because food never lies so near to other food.
    """
    down, across = (foods[:, axis] - agents[:, None, axis] for axis in (0, 1))
    side = torch.where(across == 0, (down + 1 + 2 * NORTH) >> 1, (across + 1 + 2 * WEST) >> 1)
    return torch.where(down.abs() + across.abs() == 1, side, 0)


def _pack(shown: Tensor, visible: Tensor) -> Tensor:
    """Move what is visible to the front, in its order.

    Args:
        shown: int64 [V, K, 3, B]: row, column, level.
        visible: bool [V, K, B].

    Returns:
        int64 [V, K, 3, B]; NOTHING behind the visible ones.
    """
    nothing = torch.tensor(NOTHING, device=shown.device)[:, None]
    slots = torch.arange(visible.shape[1], device=shown.device)[:, None, None]
    goes_to = torch.where(visible, visible.cumsum(dim=1) - 1, -1)
    chosen = goes_to[:, None] == slots  # [V, slot, K, B]
    return (chosen[:, :, :, None] * (shown - nothing)[:, None]).sum(dim=2) + nothing
