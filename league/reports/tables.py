"""The tables of a run, read from its store: rows for programs, a view for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from league.export import Dataset
from league.reports.charts import payoff_map, rating_curves
from league.reports.crosstable import Entrant, Score, crosstable, spoken
from league.reports.documents import MatchRow, PayoffRow, RatingRow
from league.views import Cell, Column, Shares, View, number_cell, text_cell
from matchmaking.records import Counters, MatchResult, Player
from matchmaking.run_records import RatingPoint
from matchmaking.service import Matchmaker

SHOWN = 2000  # rows of a log that people are shown: the newest


def dataset(
    matchmaker: Matchmaker,
    key: str,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Mapping[str, object]],
    view: Callable[[], View],
    facts: Mapping[str, object] | None = None,
) -> Dataset:
    """A table of the run."""
    info = matchmaker.store.info
    return Dataset(f"{title} of {info.name}", key, info.name, info.arena, tuple(columns), rows, facts or {}, view)


def payoff(matchmaker: Matchmaker) -> Dataset:
    """Decayed win rates from training: one row for each player and each opponent that it has met."""
    players = matchmaker.players()
    pairs = matchmaker.store.payoff_pairs()
    rows: list[dict[str, object]] = []
    for (first, second), counters in sorted(pairs.items()):
        rows.append(_payoff_row(players[first], players[second], counters))
        rows.append(_payoff_row(players[second], players[first], _mirrored(counters)))

    def view() -> View:
        columns = (
            Column("player", "Player", text=True, pinned=True),
            Column("opponent", "Opponent", text=True),
            Column("win_rate", "Win rate", "wins and half of the draws; the newest games count most", falling=True),
            Column("games", "Games", "decayed: each game makes the earlier ones count 1 % less", falling=True),
        )
        cells = [
            (
                text_cell(str(row["player"])),
                text_cell(str(row["opponent"])),
                _rate(*(float(str(row[key])) for key in ("win_rate", "wins", "draws", "losses"))),
                number_cell(float(str(row["games"])), 1),
            )
            for row in rows
        ]
        return View(columns, cells, figures=(payoff_map(matchmaker, pairs),), about="Win rates in training, decayed.")

    return dataset(matchmaker, "payoff", "Payoff", tuple(PayoffRow.model_fields), rows, view)


def ratings(matchmaker: Matchmaker) -> Dataset:
    """TrueSkill and Elo after each result of the log: one row for each change of a player's rating."""
    players = {player.id: player for player in matchmaker.players()}
    history = matchmaker.store.ratings.history()
    rows = [_rating_row(point, players[point.player]) for point in history]

    def view() -> View:
        columns = (
            Column("matches", "Result", "number of the result in the log; each is a pairing of several matches"),
            Column("time", "Time (UTC)", falling=True),
            Column("player", "Player", text=True, pinned=True),
            Column("trueskill", "TrueSkill", "mu, and sigma in small print", falling=True),
            Column("elo", "Elo", falling=True),
        )
        cells = [
            (
                number_cell(point.position),
                time_cell(point.at),
                text_cell(players[point.player].name),
                number_cell(point.mu, 2, note=f"±{point.sigma:.2f}"),
                number_cell(point.elo, 1),
            )
            for point in history[: -SHOWN - 1 : -1]
        ]
        about = newest("Live ratings after each result.", len(cells), len(rows))
        return View(columns, cells, figures=(rating_curves(matchmaker),), about=about)

    return dataset(matchmaker, "ratings", "Ratings over time", tuple(RatingRow.model_fields), rows, view)


def matches(matchmaker: Matchmaker) -> Dataset:
    """The log of rated matches, one row for each pairing, from a's view."""
    names = {player.id: player.name for player in matchmaker.players()}
    log = matchmaker.matches()
    rows = [_match_row(result, names) for result in log]

    def view() -> View:
        columns = (
            Column("finished", "Time (UTC)", falling=True),
            Column("a", "Player a", text=True, pinned=True),
            Column("b", "Player b", text=True),
            Column("score", "Score of a", "points a game, in percent; the bar shows wins, draws, losses", falling=True),
            Column("games", "Games", falling=True),
            Column("forfeits", "Forfeits", "matches lost by a failure: who, why, how often", text=True),
            Column("id", "Id", text=True),
            Column("seed", "Seed", "with it the same matches are played again"),
        )
        cells = [_match_cells(result, names) for result in log[: -SHOWN - 1 : -1]]
        return View(columns, cells, about=newest("Rated pairings, from the view of a.", len(cells), len(rows)))

    return dataset(matchmaker, "matches", "Rated matches", tuple(MatchRow.model_fields), rows, view)


def crosstable_of_run(matchmaker: Matchmaker) -> Dataset:
    """Wins, draws and losses between every two players of the board, in its order."""
    info = matchmaker.store.info
    ranking = [Entrant(row.id, row.name) for row in matchmaker.standings().players if row.games]
    return crosstable(f"Crosstable of {info.name}", info.name, info.arena, ranking, matchmaker.matches())


def time_cell(at: float) -> Cell:
    """A moment, to the second."""
    return Cell(f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}", at)


def newest(about: str, shown: int, all_rows: int) -> str:
    """What is seen, and how much of it where that is not all."""
    return about if shown == all_rows else f"{about} The newest {shown:,} of {all_rows:,}; csv and json hold all."


def _mirrored(counters: Counters) -> Counters:
    return counters.model_copy(update={"wins": counters.losses, "losses": counters.wins})


def _rate(rate: float, wins: float, draws: float, losses: float) -> Cell:
    return number_cell(100 * rate, 1, " %", mark=Shares(wins, draws, losses))


def _payoff_row(player: Player, opponent: Player, counters: Counters) -> dict[str, object]:
    return {"player": player.name, "opponent": opponent.name, **counters.model_dump(), "win_rate": counters.win_rate}


def _rating_row(point: RatingPoint, player: Player) -> dict[str, object]:
    return {
        "time": point.at,
        "matches": point.position,
        "player": player.name,
        "kind": player.kind.value,
        "role": None if player.role is None else player.role.value,
        "mu": point.mu,
        "sigma": point.sigma,
        "elo": point.elo,
    }


def _match_row(result: MatchResult, names: Mapping[str, str]) -> dict[str, object]:
    lost = Counter(forfeit.player for forfeit in result.forfeits)
    return {
        "id": result.id,
        "finished": result.finished,
        "a": names[result.a],
        "b": names[result.b],
        "seed": result.seed,
        "games": len(result.outcomes),
        "wins": result.count("w"),
        "draws": result.count("d"),
        "losses": result.count("l"),
        "outcomes": result.outcomes,
        "forfeits_a": lost[result.a],
        "forfeits_b": lost[result.b],
        "forfeits": [forfeit.model_dump() | {"player": names[forfeit.player]} for forfeit in result.forfeits],
        "worker": result.worker,
    }


def _match_cells(result: MatchResult, names: Mapping[str, str]) -> tuple[Cell, ...]:
    score = Score(result.count("w"), result.count("d"), result.count("l"))
    share = None if score.share is None else 100 * score.share
    failed = Counter((names[forfeit.player], forfeit.code) for forfeit in result.forfeits)
    return (
        time_cell(result.finished),
        text_cell(names[result.a]),
        text_cell(names[result.b]),
        number_cell(share, 1, " %", mark=Shares(*score), tip=spoken(score)),
        number_cell(score.games),
        text_cell(", ".join(f"{name} {code} ×{count}" for (name, code), count in failed.items())),
        text_cell(result.id),
        Cell(str(result.seed), result.seed),
    )
