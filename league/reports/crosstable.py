"""Everybody against everybody: a pure function from a ranking and matches, for leagues and tournaments alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

from league.export import Dataset
from league.reports.documents import CrosstableRow
from league.text import MISSING
from league.views import Cell, Column, Shade, Shares, View, number_cell, text_cell
from matchmaking.records import MatchResult

SHOWN = 40  # players in the table for people: more cannot be read


class Entrant(NamedTuple):
    """Who is in a crosstable."""

    id: str
    name: str


class Score(NamedTuple):
    """Matches of one player against another, or against all."""

    wins: int = 0
    draws: int = 0
    losses: int = 0

    @property
    def games(self) -> int:
        return self.wins + self.draws + self.losses

    @property
    def points(self) -> float:
        return self.wins + 0.5 * self.draws

    @property
    def share(self) -> float | None:
        """Points a game; None without games."""
        return self.points / self.games if self.games else None

    def plus(self, other: Score) -> Score:
        """Both together."""
        return Score(self.wins + other.wins, self.draws + other.draws, self.losses + other.losses)

    def facts(self) -> dict[str, object]:
        """The columns of an export."""
        counts = {"games": self.games, "wins": self.wins, "draws": self.draws, "losses": self.losses}
        return {**counts, "points": self.points, "score": None if self.share is None else 100.0 * self.share}


Table = dict[tuple[int, int], Score]


def scores(ranking: Sequence[Entrant], results: Iterable[MatchResult]) -> Table:
    """Scores by the places of two players in the ranking, in both directions; who never met is missing."""
    place = {entrant.id: index for index, entrant in enumerate(ranking)}
    table: Table = {}
    for result in results:
        a, b = place.get(result.a), place.get(result.b)
        if a is None or b is None:
            continue
        score = Score(result.count("w"), result.count("d"), result.count("l"))
        table[a, b] = table.get((a, b), Score()).plus(score)
        table[b, a] = table.get((b, a), Score()).plus(Score(*score[::-1]))
    return table


def crosstable(title: str, run: str, arena: str, ranking: Sequence[Entrant], results: Iterable[MatchResult]) -> Dataset:
    """Wins, draws and losses between every two players.

    Args:
        title: for people.
        run: name of the run or the tournament.
        arena: name of its arena.
        ranking: the players, best first: rank 1, 2, ...
        results: the matches; those of players out of the ranking are left out.

    Returns:
        A row for each two players who have met, in both directions; in JSON the totals as `players`, too. People see a
        square, as far as it can be read.
    """
    table = scores(ranking, results)
    totals = [Score() for _ in ranking]
    for (player, _), score in table.items():
        totals[player] = totals[player].plus(score)
    players = [
        {"rank": rank, "id": entrant.id, "name": entrant.name, **total.facts()}
        for rank, (entrant, total) in enumerate(zip(ranking, totals, strict=True), 1)
    ]
    rows = [
        {
            "rank": player + 1,
            "player": ranking[player].name,
            "opponent_rank": opponent + 1,
            "opponent": ranking[opponent].name,
            **score.facts(),
        }
        for (player, opponent), score in sorted(table.items())
    ]
    columns = tuple(CrosstableRow.model_fields)
    view = partial(_square, ranking, table, totals)
    return Dataset(title, "crosstable", run, arena, columns, rows, {"players": players}, view)


def _square(ranking: Sequence[Entrant], table: Table, totals: Sequence[Score]) -> View:
    shown = ranking[:SHOWN]
    columns = [
        Column("rank", "#", "place in the ranking"),
        Column("player", "Player", text=True, pinned=True),
        Column("points", "Points", "a point a win, half a point a draw", falling=True),
        Column("score", "Score", "points a game, in percent; the bar shows wins, draws and losses", falling=True),
        Column("games", "Games", falling=True),
    ]
    columns += [
        Column(f"vs{rank}", str(rank), f"against {entrant.name}", falling=True, centred=True)
        for rank, entrant in enumerate(shown, 1)
    ]
    rows = []
    for player, entrant in enumerate(shown):
        total = totals[player]
        share = None if total.share is None else 100.0 * total.share
        cells = [
            number_cell(player + 1),
            text_cell(entrant.name),
            number_cell(total.points, 1),
            number_cell(share, 1, " %", mark=Shares(*total), tip=spoken(total)),
            number_cell(total.games),
        ]
        cells += [_met(entrant, other, table.get((player, place))) for place, other in enumerate(shown)]
        rows.append(cells)
    about = "Wins, draws and losses of the row's player against the player of that number."
    if len(shown) < len(ranking):
        about += f" The best {len(shown)} of {len(ranking)} are shown; csv and json hold all."
    return View(tuple(columns), rows, about=about)


def _met(player: Entrant, opponent: Entrant, score: Score | None) -> Cell:
    if player.id == opponent.id:
        return Cell("×", mark=Shade(None))
    if score is None:
        return Cell(MISSING, mark=Shade(None))
    tip = f"{player.name} against {opponent.name}: {spoken(score)}"
    return Cell("–".join(map(str, score)), score.share, tip=tip, mark=Shade(score.share))


def spoken(score: Score) -> str:
    """`12 wins, 1 draw, 0 losses`."""
    words = (("win", "wins"), ("draw", "draws"), ("loss", "losses"))
    return ", ".join(f"{count} {one if count == 1 else many}" for count, (one, many) in zip(score, words, strict=True))
