"""The league as one learner process sees it: its players, and the payoff rows of the learners that it hosts.

Everything that an opponent rule asks lies in arrays that grow geometrically, so that a question costs the same order of
time as one pass over the frozen players (about 20 us for 10,000), and adding a player costs nothing noticeable.

A player's index is its position in the order of registration. Rules draw by index: the same registrations, records and
random numbers give the same opponents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from matchmaking.payoff import DECAY, batch_factors
from matchmaking.pfsp import Floats
from matchmaking.records import Counters, Kind, Player, Role
from matchmaking.spelling import did_you_mean

Indices = NDArray[np.int64]

_GAMES, _WINS, _DRAWS, _LOSSES = range(4)


class _IndexList:
    """A list of indices that is an array: appends are amortised, reads are a view that cannot be written to."""

    def __init__(self) -> None:
        self._array = np.empty(16, dtype=np.int64)
        self._length = 0

    def append(self, index: int) -> None:
        if self._length == len(self._array):
            self._array = np.concatenate([self._array, np.empty_like(self._array)])
        self._array[self._length] = index
        self._length += 1

    def view(self) -> Indices:
        view = self._array[: self._length]
        view.flags.writeable = False
        return view


class _PayoffRow:
    """One player's counters against everyone, [4, capacity], with the win rates kept beside them."""

    def __init__(self, capacity: int) -> None:
        self.counters = np.zeros((4, capacity))
        self.rates = np.full(capacity, 0.5)

    def reserve(self, capacity: int) -> None:
        missing = capacity - len(self.rates)
        if missing > 0:
            self.counters = np.concatenate([self.counters, np.zeros((4, missing))], axis=1)
            self.rates = np.concatenate([self.rates, np.full(missing, 0.5)])

    def set(self, index: int, games: float, wins: float, draws: float, losses: float) -> None:
        self.counters[:, index] = (games, wins, draws, losses)
        self.rates[index] = (wins + 0.5 * draws) / games if games > 0 else 0.5

    def add(self, index: int, wins: int, draws: int, losses: int, decay: float) -> None:
        """The arithmetic of `payoff.add`, operation by operation, on Python floats: numpy's power is not C's."""
        total = wins + draws + losses
        keep, gain = batch_factors(total, decay)
        old = self.counters[:, index].tolist()
        self.set(
            index,
            old[_GAMES] * keep + gain,
            old[_WINS] * keep + wins / total * gain,
            old[_DRAWS] * keep + draws / total * gain,
            old[_LOSSES] * keep + losses / total * gain,
        )


class Population:
    """Players in the order of their registration, and a payoff row for each hosted learner.

    Players must be added in the order in which the league registered them: a learner's frozen players then stand in the
    order of freezing, which the check for forgetting relies on.
    """

    def __init__(self, players: Iterable[Player] = (), decay: float = DECAY) -> None:
        self._decay = decay
        self._players: list[Player] = []
        self._index: dict[str, int] = {}
        self._frozen = _IndexList()
        self._frozen_of: dict[str, _IndexList] = {}
        self._frozen_with_role: dict[Role, _IndexList] = {}
        self._learners: list[Player] = []
        self._rows: dict[str, _PayoffRow] = {}
        self._capacity = 64
        for player in players:
            self.add(player)

    def __len__(self) -> int:
        return len(self._players)

    def __contains__(self, player: object) -> bool:
        return player in self._index

    @property
    def players(self) -> Sequence[Player]:
        """All players, in the order of registration."""
        return self._players

    @property
    def learners(self) -> Sequence[Player]:
        """The live learners, in the order of registration."""
        return self._learners

    @property
    def main_agents(self) -> list[str]:
        """Ids of the live learners whose role is main agent."""
        return [player.id for player in self._learners if player.role is Role.MAIN_AGENT]

    @property
    def frozen(self) -> Indices:
        """Indices of the frozen players, in the order of freezing; read-only."""
        return self._frozen.view()

    def add(self, player: Player) -> None:
        """Register a player; the same player again changes nothing.

        Raises:
            ValueError: the id is taken by a player that differs.
        """
        if player.id in self._index:
            if self.player(player.id) != player:
                raise ValueError(f"player {player.id} is registered already, as {self.player(player.id).name}")
            return
        index = len(self._players)
        if index == self._capacity:
            self._capacity *= 2
            for row in self._rows.values():
                row.reserve(self._capacity)
        self._players.append(player)
        self._index[player.id] = index
        if player.kind is Kind.LEARNER:
            self._learners.append(player)
        elif player.kind is Kind.FROZEN:
            self._frozen.append(index)
            if player.parent is not None:
                self._frozen_of.setdefault(player.parent, _IndexList()).append(index)
            if player.role is not None:
                self._frozen_with_role.setdefault(player.role, _IndexList()).append(index)

    def host(self, learner: str) -> None:
        """Keep a payoff row for this learner; it starts without games.

        Raises:
            ValueError: no such player, or it is not a learner.
        """
        kind = self.player(learner).kind
        if kind is not Kind.LEARNER:
            raise ValueError(f"only learners are hosted; {learner} is {kind.value}")
        if learner not in self._rows:
            self._rows[learner] = _PayoffRow(self._capacity)

    @property
    def hosted(self) -> list[str]:
        """Ids of the learners that have a payoff row here, in the order of `host`."""
        return list(self._rows)

    def index(self, player: str) -> int:
        """Position of a player in the order of registration.

        Raises:
            ValueError: no such player; the message names the nearest id.
        """
        try:
            return self._index[player]
        except KeyError:
            hint = did_you_mean(player, self._index, "none has an id like it")
            raise ValueError(f"no player {player!r} in this league of {len(self)}: {hint}") from None

    def player(self, player: str) -> Player:
        """The record of a player; see `index` for errors."""
        return self._players[self.index(player)]

    def id(self, index: int) -> str:
        """Id of the player at an index."""
        return self._players[index].id

    def frozen_of(self, parent: str) -> Indices:
        """Indices of the players frozen from one learner, in the order of freezing; read-only."""
        return self._frozen_of.get(parent, _NOBODY).view()

    def frozen_with_role(self, role: Role) -> Indices:
        """Indices of the frozen players of a role, in the order of freezing; read-only."""
        return self._frozen_with_role.get(role, _NOBODY).view()

    def record(self, player: str, opponent: str, wins: int, draws: int, losses: int) -> None:
        """Enter a batch of episodes, from `player`'s view, into the rows of both, where they are hosted.

        Raises:
            ValueError: unknown players, negative counts, neither side hosted, or a player against itself: self-play
                says nothing of strength and is not in the payoff.
        """
        if player == opponent:
            raise ValueError(f"self-play of {player} does not belong in the payoff")
        if min(wins, draws, losses) < 0:
            raise ValueError(f"counts cannot be negative: {wins} wins, {draws} draws, {losses} losses")
        mine, theirs = self.index(player), self.index(opponent)
        if player not in self._rows and opponent not in self._rows:
            raise ValueError(f"neither {player} nor {opponent} is hosted here")
        if wins + draws + losses == 0:
            return
        if player in self._rows:
            self._rows[player].add(theirs, wins, draws, losses, self._decay)
        if opponent in self._rows:
            self._rows[opponent].add(mine, losses, draws, wins, self._decay)

    def load_row(self, learner: str, row: Mapping[str, Counters]) -> None:
        """Replace a hosted learner's whole row by stored counters, keyed by opponent; the others have no games."""
        self._row(learner)
        self._rows[learner] = _PayoffRow(self._capacity)
        self.update_row(learner, row)

    def update_row(self, learner: str, row: Mapping[str, Counters]) -> None:
        """Replace a hosted learner's counters against some opponents by stored ones."""
        mine = self._row(learner)
        for opponent, counters in row.items():
            mine.set(self.index(opponent), counters.games, counters.wins, counters.draws, counters.losses)

    def counters(self, learner: str, opponent: str) -> Counters:
        """The counters of a hosted learner against one opponent."""
        games, wins, draws, losses = self._row(learner).counters[:, self.index(opponent)].tolist()
        return Counters(games=games, wins=wins, draws=draws, losses=losses)

    def row(self, learner: str) -> tuple[list[str], Floats]:
        """Ids of the n opponents that a hosted learner has met, and its counters [4, n] against them (games, wins,
        draws, losses): what `load_row` puts back."""
        counters = self._row(learner).counters[:, : len(self)]
        met = np.flatnonzero(counters[_GAMES])
        return [self.id(index) for index in met.tolist()], counters[:, met]

    def games(self, learner: str, indices: Indices) -> Floats:
        """[n] decayed numbers of games of a hosted learner against the players at `indices`."""
        games: Floats = self._row(learner).counters[_GAMES, indices]
        return games

    def win_rate(self, learner: str, opponent: str) -> float:
        """Win rate of a hosted learner against one player; 0.5 with no games, so also against itself."""
        return float(self._row(learner).rates[self.index(opponent)])

    def win_rates(self, learner: str, indices: Indices | None = None) -> Floats:
        """[n] win rates of a hosted learner against the players at `indices`; without them against all frozen ones."""
        return self._row(learner).rates[self.frozen if indices is None else indices]

    def _row(self, learner: str) -> _PayoffRow:
        try:
            return self._rows[learner]
        except KeyError:
            raise ValueError(
                f"no payoff row of {learner} here; hosted are: {', '.join(self._rows) or 'none'}"
            ) from None


_NOBODY = _IndexList()
