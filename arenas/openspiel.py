"""OpenSpiel's games as arenas.

The games run in this process, one pyspiel state an environment: a step costs microseconds, so there is nothing to gain
from worker processes. Chance is drawn from a generator of each environment that is seeded by its reset's uniform.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pyspiel
import torch
from torch import Tensor

from arenas.core import ArenaSpec, State, Step, Turns
from arenas.foreign import ForeignArena, NoArenaError, seeds_of, teams_of
from arenas.registry import ArenaOptionError, UnknownArenaError
from arenas.spelling import did_you_mean

PREFIX = "openspiel:"
ObservationKind = Literal["observation", "information_state"]


class OpenSpielArena(ForeignArena):
    """A game of OpenSpiel as an arena.

    One batch is alive at a time, and a game goes on from its newest state only (`arenas.foreign.Serials`). Rewards are
    the gain in returns over the step. Players are called player_0, player_1, ... In a sequential game that is over,
    `turn` is the player after the one that moved last. In a simultaneous game, a player with no move in a node may only
    play action 0, which goes nowhere.

    State: `observation` [B, *shape] or [B, N, *shape], `action_mask` likewise, `turn` int64 [B], `serial` int64 [B].
    """

    def __init__(self, game: Any, spec: ArenaSpec, kind: ObservationKind) -> None:
        super().__init__(spec)
        self._game, self._kind = game, kind
        self._states: list[Any] = []
        self._random: list[random.Random] = []
        self._seats = spec.num_agents if spec.turns is Turns.SIMULTANEOUS else 1
        self._allocate(0)

    def reset(self, uniforms: Tensor) -> State:
        batch = len(uniforms)
        self._device = uniforms.device
        self._states, self._random = [None] * batch, [random.Random()] * batch
        self._serials.begin(batch)
        self._allocate(batch)
        return self._restart(torch.ones(batch, dtype=torch.bool), uniforms)

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        batch = len(self._states)
        moves = torch.ones(batch, dtype=torch.bool) if live is None else live.cpu()
        self._serials.require_newest(state, moves)
        rewards = np.zeros((batch, self.spec.num_agents), np.float32)
        ended = np.zeros(batch, np.bool_)
        chosen = actions.cpu().view(batch, self._seats).tolist()
        for row in moves.nonzero()[:, 0].tolist():
            game = self._states[row]
            before = game.returns()
            self._play(row, game, chosen[row])
            rewards[row] = np.subtract(game.returns(), before)
            ended[row] = game.is_terminal()
            self._publish(row)
        self._serials.advance(moves)
        terminated = torch.from_numpy(ended).to(self._device)
        return Step(self._state(), torch.from_numpy(rewards).to(self._device), terminated, torch.zeros_like(terminated))

    def render(self, state: State, index: int) -> str:
        self._serials.require_newest(state, torch.arange(len(self._states)) == index)
        return str(self._states[index])

    def close(self) -> None:
        self._states, self._random = [], []

    def _allocate(self, batch: int) -> None:
        width = int(np.prod(self.spec.observation_shape))
        self._observation = np.zeros((batch, self._seats, width), np.float32)
        self._mask = np.zeros((batch, self._seats, self.spec.num_actions), np.bool_)
        self._turn = np.zeros(batch, np.int64)

    def _restart(self, ended: Tensor, uniforms: Tensor) -> State:
        seeds = seeds_of(uniforms).tolist()
        for row in ended.nonzero()[:, 0].tolist():
            self._random[row] = random.Random(seeds[row])
            self._states[row] = self._game.new_initial_state()
            self._turn[row] = 0
            self._chance(row, self._states[row])
            self._publish(row)
        self._serials.advance(ended)
        return self._state()

    def _play(self, row: int, game: Any, actions: list[int]) -> None:
        if game.is_simultaneous_node():
            game.apply_actions(actions)
        else:
            player = game.current_player()
            game.apply_action(actions[player if self._seats > 1 else 0])
            self._turn[row] = (player + 1) % self.spec.num_agents  # stays where the game is over
        self._chance(row, game)

    def _chance(self, row: int, game: Any) -> None:
        while game.is_chance_node():
            outcomes, weights = zip(*game.chance_outcomes(), strict=True)
            game.apply_action(self._random[row].choices(outcomes, weights)[0])

    def _seen(self, row: int, player: int) -> list[float]:
        game = self._states[row]
        tensor: list[float] = (
            game.observation_tensor(player) if self._kind == "observation" else game.information_state_tensor(player)
        )
        return tensor

    def _publish(self, row: int) -> None:
        game = self._states[row]
        if self._seats == 1:
            if not game.is_terminal():
                self._turn[row] = game.current_player()
            player = int(self._turn[row])
            self._observation[row, 0] = self._seen(row, player)
            self._mask[row, 0] = game.legal_actions_mask(player)
            return
        self._turn[row] = 0
        for player in range(self._seats):
            self._observation[row, player] = self._seen(row, player)
            mask = game.legal_actions_mask(player)
            self._mask[row, player] = mask
            self._mask[row, player, 0] |= not any(mask)

    def _state(self) -> State:
        batch, spec = len(self._states), self.spec
        seats = (spec.num_agents,) if self._seats > 1 else ()
        return {
            "observation": self._copy(self._observation).view(batch, *seats, *spec.observation_shape),
            "action_mask": self._copy(self._mask).view(batch, *seats, spec.num_actions),
            "turn": self._copy(self._turn),
            "serial": self._serials.now.to(self._device),
        }

    def _seen_by(self, agent: int, observation: Tensor, rows: Tensor) -> Tensor:
        view = observation.clone()
        for row in rows.nonzero()[:, 0].tolist():
            seen = torch.tensor(self._seen(row, agent), dtype=torch.float32)
            view[row] = seen.view(self.spec.observation_shape).to(view.device)
        return view


def from_openspiel(
    name: str,
    /,
    *,
    observation: ObservationKind | None = None,
    teams: Sequence[Sequence[int]] | None = None,
    **options: Any,
) -> OpenSpielArena:
    """Make an arena of a game of OpenSpiel.

    Args:
        name: as OpenSpiel's `load_game` takes it (`leduc_poker`, `kuhn_poker(players=3)`), with or without
            `openspiel:` in front.
        observation: which tensor a player sees; by default the information state where the game is not one of perfect
            information and has it, else the observation.
        teams: indices of the players of each team; by default every player is a team of its own.
        options: the game's parameters.

    Raises:
        UnknownArenaError: no such game; the message has the nearest name.
        ArenaOptionError: a parameter or tensor that the game does not have.
        NoArenaError: the game does not fit an arena (mean-field games, chance that is only sampled, no tensors).
    """
    identity = name.removeprefix(PREFIX)
    full = f"{PREFIX}{identity}"
    game = _load(identity, full, options)
    kind, shape = _tensor(full, game, observation)
    players = int(game.num_players())
    sequential = game.get_type().dynamics == pyspiel.GameType.Dynamics.SEQUENTIAL
    spec = ArenaSpec(
        name=full,
        agents=tuple(f"player_{player}" for player in range(players)),
        teams=teams_of(full, teams, players),
        observation_shape=shape,
        num_actions=int(game.num_distinct_actions()),
        turns=Turns.SEQUENTIAL if sequential or players == 1 else Turns.SIMULTANEOUS,
        max_steps=int(game.max_game_length()),
        reset_uniforms=1,
        pure=False,
        description=f"OpenSpiel's {game.get_type().long_name}",
    )
    return OpenSpielArena(game, spec, kind)


def _load(identity: str, full: str, options: dict[str, Any]) -> Any:
    """The game; names and parameters are checked first, since OpenSpiel prints its errors to the terminal as well."""
    games = {each.short_name: each for each in pyspiel.registered_games()}
    short = identity.split("(", maxsplit=1)[0]
    if short not in games:
        hint = did_you_mean(short, games, before="; ", shown=lambda near: f"{PREFIX}{near}")
        raise UnknownArenaError(f"OpenSpiel has no game {short!r}{hint}")
    kind = games[short]
    known = list(kind.parameter_specification)
    written = re.findall(r"(?:\(|,)(\w+)=", identity) if "(" not in identity.partition("(")[2] else []
    for option in [*written, *options]:
        if option not in known:
            hint = did_you_mean(option, known, after=" ")
            takes = f"its parameters are {', '.join(known)}" if known else "it takes no parameters"
            raise ArenaOptionError(f"{full} has no parameter {option!r}: {hint}{takes}")
    if kind.dynamics == pyspiel.GameType.Dynamics.MEAN_FIELD:
        raise NoArenaError(f"{full} is a mean-field game: it has a distribution where an arena has agents")
    if kind.chance_mode == pyspiel.GameType.ChanceMode.SAMPLED_STOCHASTIC:
        raise NoArenaError(f"{full} samples its chance inside of OpenSpiel: the same seed would not give the same game")
    try:
        return pyspiel.load_game(identity, options) if options else pyspiel.load_game(identity)
    except (RuntimeError, TypeError, ValueError) as error:  # SpielError is a RuntimeError, and so is what pybind raises
        given = f" with {options}" if options else ""
        raise ArenaOptionError(f"{full} could not be made{given}: {str(error).splitlines()[0]}") from error


def _tensor(full: str, game: Any, wanted: ObservationKind | None) -> tuple[ObservationKind, tuple[int, ...]]:
    """Which tensor a player sees, and its shape."""
    kind = game.get_type()
    has: dict[ObservationKind, bool] = {
        "observation": kind.provides_observation_tensor,
        "information_state": kind.provides_information_state_tensor,
    }
    perfect = kind.information == pyspiel.GameType.Information.PERFECT_INFORMATION
    order: tuple[ObservationKind, ...] = ("observation", "information_state")
    available = [each for each in (order if perfect else order[::-1]) if has[each]]
    if not available:
        raise NoArenaError(f"{full} shows its players no tensor (neither an information state nor an observation)")
    if wanted is not None and wanted not in available:
        raise ArenaOptionError(f"{full} has no {wanted!r} tensor; it has {' and '.join(map(repr, available))}")
    chosen = wanted or available[0]
    shape = game.observation_tensor_shape() if chosen == "observation" else game.information_state_tensor_shape()
    return chosen, tuple(int(size) for size in shape)
