"""The leaderboard as a table and as a page."""

from __future__ import annotations

from arenas.registry import roles
from league.export import Dataset
from league.figures import Figure
from league.reports.charts import rating_curves, score_map, strength_curves
from league.reports.crosstable import Score, spoken
from league.reports.tables import dataset
from league.runs import RunFolder
from league.views import EMPTY, Badge, Cell, Column, Interval, Shares, View, filled, number_cell, text_cell
from matchmaking.records import Kind
from matchmaking.role_ratings import RoleStanding
from matchmaking.service import Matchmaker
from matchmaking.standings import Board, Flag, Standing, Status

COLUMNS = (
    Column("rank", "Rank", "by rating; in small print the ranks that the 95 % intervals allow"),
    Column("name", "Player", text=True, pinned=True),
    Column(
        "rating",
        "Rating",
        "Bradley-Terry fit of all rated matches, on the Elo scale around 1000, with its 95 % interval",
        falling=True,
    ),
    Column("score", "Score", "points a game, in percent; the bar shows wins, draws and losses", falling=True),
    Column("games", "Games", falling=True),
    Column("wins", "W–D–L", "wins, draws and losses in rated matches", falling=True),
    Column(
        "superiority",
        "LOS",
        "likelihood of superiority: the probability of being stronger than the player of the next row",
        falling=True,
    ),
    Column("nash_weight", "Nash", "weight in the mixture of players that nobody on the board beats", falling=True),
    Column("alpha_rank", "α-rank", "weight in the long run of evolution among the players on the board", falling=True),
    Column("worst_matchup", "Worst against", "the opponent against whom the score is lowest", text=True),
    Column("trueskill_mu", "TrueSkill", "live rating: mu, and sigma in small print", falling=True),
    Column("elo", "Elo", "live rating; depends on the order of the matches", falling=True),
    Column(
        "kind",
        "Kind",
        "the role of a frozen player, else what the player is; of a bot the first digits of its content's hash",
        text=True,
    ),
    Column("forfeit_rate", "Forfeits", "games lost by a failure, in percent", falling=True),
    Column("status", "Status", "established: games enough, and a narrow interval", text=True),
)
BY_ROLE = 3
"""Where the columns of ratings by role stand among them: behind the rating."""


def published(matchmaker: Matchmaker, run: RunFolder) -> Board:
    """The board of a run; everybody is rated by role as well where the arena's teams are not alike."""
    config = run.config()
    return matchmaker.standings(roles=roles(config.arena, **config.arena_options))


def leaderboard(matchmaker: Matchmaker, run: RunFolder) -> Dataset:
    """The published board: every player but the learners, whose weights change, best first."""
    board = published(matchmaker, run)
    rows = [row.model_dump(mode="json") for row in board.players]
    facts = board.model_dump(mode="json", exclude={"players"})
    learners = any(player.kind is Kind.LEARNER for player in matchmaker.players())

    def view() -> View:
        curves = [strength_curves(matchmaker, board)] if learners else []
        curves = [chart for chart in (*curves, rating_curves(matchmaker)) if chart.series]
        figures: tuple[Figure, ...] = (score_map(matchmaker.matches(), board), *curves)
        columns = (*COLUMNS[:BY_ROLE], *map(_role_column, roles_of(board)), *COLUMNS[BY_ROLE:])
        cells = [_cells(row, board) for row in board.players]
        about = "Ratings from all rated matches, with 95 % intervals."
        return filled(View(columns, cells, _facts(board), figures, about))

    return dataset(matchmaker, "players", "Leaderboard", tuple(Standing.model_fields), rows, view, facts)


def roles_of(board: Board) -> tuple[str, ...]:
    """The roles in which the players of a board are rated, if any."""
    return tuple(dict.fromkeys(row.role for row in board.by_role))


def rating_in(board: Board, player: str, role: str) -> RoleStanding | None:
    """A player's row in a role; None where it has not played it."""
    return next((row for row in board.by_role if (row.id, row.role) == (player, role)), None)


def _role_column(role: str) -> Column:
    meaning = f"rating of the matches as {role}, around the mean of all who played them, with its 95 % interval"
    return Column(f"role_{role}", f"As {role}", meaning, falling=True)


def _facts(board: Board) -> tuple[tuple[str, str], ...]:
    margin = (board.seat_advantage_high - board.seat_advantage_low) / 2
    seat = f"Playing the {board.by_role[0].role}" if board.by_role else "First seat"
    facts = [
        ("Players", f"{len(board.players):,}"),
        ("Rated matches", f"{board.matches:,}"),
        (f"{seat} is worth", f"{board.seat_advantage:+.0f} ± {margin:.0f} points"),
        ("Draws between equals", f"{100 * board.draw_rate:.1f} %"),
    ]
    if board.intransitivity is not None:
        ends = (board.intransitivity_low, board.intransitivity_high)
        spread = "" if None in ends else f" ({100 * (ends[0] or 0.0):.0f} to {100 * (ends[1] or 0.0):.0f})"
        facts.append(("Results no rating explains", f"{100 * board.intransitivity:.0f} %{spread}"))
    return tuple(facts)


def _cells(row: Standing, board: Board) -> list[Cell]:
    score = Score(row.wins, row.draws, row.losses)
    return [
        _rank(row),
        text_cell(row.name),
        _rating(row),
        *(_rating(rating_in(board, row.id, role)) for role in roles_of(board)),
        number_cell(row.score, 1, " %", mark=Shares(*score), tip=spoken(score)) if row.games else EMPTY,
        number_cell(row.games),
        Cell("–".join(map(str, score)), row.wins) if row.games else EMPTY,
        number_cell(None if row.superiority is None else 100 * row.superiority, 1, " %"),
        number_cell(row.nash_weight, 2),
        number_cell(board.alpha_rank.get(row.id), 2),
        text_cell(row.worst_matchup),
        number_cell(row.trueskill_mu, 1, note=f"±{row.trueskill_sigma:.1f}" if row.trueskill_sigma else ""),
        number_cell(row.elo),
        _kind(row),
        number_cell(row.forfeit_rate, 1, " %") if row.forfeit_rate or row.kind is Kind.BOT else EMPTY,
        _status(row, board.flags.get(row.id, ())),
    ]


def _rank(row: Standing) -> Cell:
    if row.rank is None:
        return EMPTY
    certain = row.rank_low == row.rank_high
    return number_cell(row.rank, note="" if certain else f"{row.rank_low}–{row.rank_high}")


def _rating(row: Standing | RoleStanding | None) -> Cell:
    if row is None or row.rating is None or row.rating_low is None or row.rating_high is None:
        return EMPTY
    half = (row.rating_high - row.rating_low) / 2
    tip = f"95 % interval {row.rating_low:.0f} to {row.rating_high:.0f}"
    return Cell(
        f"{row.rating:.0f}", row.rating, f"±{half:.0f}", tip, Interval(row.rating_low, row.rating, row.rating_high)
    )


def _kind(row: Standing) -> Cell:
    hashed = row.version if row.kind is Kind.BOT and row.version else ""
    return text_cell((row.role or row.kind).value.replace("_", " "), note=hashed[:7], tip=hashed)


def _status(row: Standing, flags: tuple[Flag, ...]) -> Cell:
    if row.status is Status.ESTABLISHED:
        return text_cell(row.status.value, mark=Badge("good"))
    notes = ", ".join(flag.value.replace("_", " ") for flag in flags)
    return text_cell(row.status.value, note=notes, mark=Badge("warning" if flags else "plain"))
