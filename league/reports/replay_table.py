"""The pairings whose matches are stored move by move, as a table."""

from __future__ import annotations

from pathlib import Path

from league.export import Dataset
from league.reports.crosstable import Score, spoken
from league.reports.documents import ReplayRow
from league.reports.tables import SHOWN, dataset, newest, time_cell
from league.views import Cell, Column, Shares, View, number_cell, text_cell
from matchmaking.service import Matchmaker

COLUMNS = (
    Column("finished", "Time (UTC)", falling=True),
    Column("a", "Player a", text=True, pinned=True),
    Column("b", "Player b", text=True),
    Column("score", "Score of a", "points a game, in percent; the bar shows wins, draws, losses", falling=True),
    Column("games", "Matches", falling=True),
    Column("forfeits", "Forfeits", "matches in which somebody failed", falling=True),
    Column("command", "To watch", "the number after the stroke is the match: 0 is the first", text=True),
)


def replays(matchmaker: Matchmaker, folder: Path) -> Dataset:
    """The rated pairings with stored matches, in the order of the log.

    Args:
        matchmaker: of the run.
        folder: where its replays lie.
    """
    # Imported here: what a replay holds is told by the arenas, which bring torch.
    from league.replays import ReplayStore

    names = {player.id: player.name for player in matchmaker.players()}
    stored = ReplayStore(folder).stored()
    found = [
        ReplayRow(
            id=result.id,
            finished=result.finished,
            a=names[result.a],
            b=names[result.b],
            games=len(result.outcomes),
            wins=result.count("w"),
            draws=result.count("d"),
            losses=result.count("l"),
            outcomes=result.outcomes,
            forfeits=len({forfeit.match for forfeit in result.forfeits}),
        )
        for result in matchmaker.matches()
        if result.id in stored
    ]

    def view() -> View:
        cells = [_cells(row) for row in found[: -SHOWN - 1 : -1]]
        about = newest("Pairings whose matches are stored move by move.", len(cells), len(found))
        return View(COLUMNS, cells, about=about)

    rows = [row.model_dump(mode="json") for row in found]
    return dataset(matchmaker, "replays", "Replays", tuple(ReplayRow.model_fields), rows, view)


def _cells(row: ReplayRow) -> list[Cell]:
    score = Score(row.wins, row.draws, row.losses)
    share = None if score.share is None else 100 * score.share
    return [
        time_cell(row.finished),
        text_cell(row.a),
        text_cell(row.b),
        number_cell(share, 1, " %", mark=Shares(*score), tip=spoken(score)),
        number_cell(row.games),
        number_cell(row.forfeits),
        text_cell(f"league replay {row.id}/0"),
    ]
