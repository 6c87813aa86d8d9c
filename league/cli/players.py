"""`league players`, `league payoff`, `league leaderboard`: who is there, who beats whom, who is best."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from league.access import opened
from league.cli.group import LeagueGroup
from league.cli.options import AS_JSON, console, find_run, print_json, run_option
from league.export import document
from league.figures import HeatMap, diverging
from league.reports import board as boards
from league.reports import tables
from league.reports.charts import payoff_map
from league.runs import RunFolder
from league.text import MISSING, amount, number, percent, skill
from matchmaking.records import Player, Rating
from matchmaking.role_ratings import RoleStanding
from matchmaking.service import Matchmaker
from matchmaking.standings import Board, Status

RATE_WIDTH = 7  # columns of a win rate in the payoff


@click.group(cls=LeagueGroup, invoke_without_command=True)
@AS_JSON
@run_option
@click.pass_context
def players(ctx: click.Context, run: str | None, runs_dir: Path | None, as_json: bool) -> None:
    """List the players of a run, or `show PLAYER` one of them."""
    if ctx.invoked_subcommand is not None:
        ctx.obj = (run, runs_dir)
        return
    with opened(find_run(run, runs_dir)) as matchmaker:
        members, ratings = matchmaker.players(), matchmaker.ratings()
        info = matchmaker.store.info
    if as_json:
        rows = [_facts(player, ratings.get(player.id), members) for player in members]
        print_json({"run": info.name, "arena": info.arena, "players": rows})
        return
    table = Table("name", "kind", "role", "id", box=None, pad_edge=False)
    for heading in ("steps", "TrueSkill", "Elo", "games"):
        table.add_column(heading, justify="right")
    for player in members:
        rating = ratings.get(player.id)
        table.add_row(
            Text(player.name),
            player.kind.value,
            player.role.value if player.role else MISSING,
            Text(player.id),
            amount(player.steps) if player.checkpoint else MISSING,
            skill(rating.mu, rating.sigma) if rating else MISSING,
            number(rating.elo, 0) if rating else MISSING,
            amount(rating.games) if rating else "0",
        )
    console().print(table)


@players.command()
@click.argument("player")
@AS_JSON
@run_option
@click.pass_context
def show(ctx: click.Context, player: str, run: str | None, runs_dir: Path | None, as_json: bool) -> None:
    """Show PLAYER: an id, a name, or a role (its newest frozen player)."""
    outer_run, outer_dir = ctx.obj or (None, None)
    with opened(find_run(run or outer_run, runs_dir or outer_dir)) as matchmaker:
        members = matchmaker.players()
        found = matchmaker.find(player)
        facts = _facts(found, matchmaker.ratings().get(found.id), members)
        facts["payoff"] = _payoff_of(matchmaker, found, members)
    if as_json:
        print_json(facts)
        return
    rows = facts.pop("payoff")
    table = Table(show_header=False, box=None, pad_edge=False)
    for key, value in facts.items():
        table.add_row(key, Text(MISSING if value is None else str(value)))
    out = console()
    out.print(table)
    if isinstance(rows, list) and rows:
        met = Table("opponent in training", box=None, pad_edge=False)
        met.add_column("win rate", justify="right")
        met.add_column("games (decayed)", justify="right")
        for row in rows:
            met.add_row(Text(row["opponent"]), percent(row["win_rate"]), number(row["games"], 1))
        out.print()
        out.print(met)


@click.command()
@AS_JSON
@run_option
def payoff(run: str | None, runs_dir: Path | None, as_json: bool) -> None:
    """Show the learners' win rates in training, decayed: a row for each opponent."""
    with opened(find_run(run, runs_dir)) as matchmaker:
        if as_json:
            print_json(document(tables.payoff(matchmaker)))
            return
        chart = payoff_map(matchmaker)
    out = console()
    out.print(payoff_table(chart, out.width))


def payoff_table(chart: HeatMap, width: int) -> Table:
    """Win rates for a terminal: a row for each opponent, a column for each learner, numbered where names do not fit."""
    opponents = max((len(name) for name in chart.columns), default=0)
    fits = opponents + sum(max(len(name), RATE_WIDTH) + 1 for name in chart.rows) <= width
    numbers = [str(place) for place in range(1, len(chart.rows) + 1)]
    legend = "" if fits else "".join(f"\n{place}: {name}" for place, name in zip(numbers, chart.rows, strict=True))
    title = Text(f"Win rate of the learners in training{legend}")
    table = Table(title=title, title_justify="left", title_style="", box=None, pad_edge=False)
    table.add_column("against", no_wrap=True)
    for name in chart.rows if fits else numbers:
        table.add_column(Text(name), justify="right", no_wrap=True)
    for place, name in enumerate(chart.columns):
        table.add_row(Text(name), *(_rate_cell(values[place]) for values in chart.values))
    return table


def _rate_cell(value: float | None) -> Text:
    if value is None:
        return Text(MISSING, style="dim")
    red, green, blue = diverging(value)
    ink = "white" if abs(value - 0.5) > 0.32 else "black"
    return Text(f"{100 * value:3.0f} %".center(RATE_WIDTH), style=f"{ink} on rgb({red},{green},{blue})")


@click.command()
@AS_JSON
@run_option
def leaderboard(run: str | None, runs_dir: Path | None, as_json: bool) -> None:
    """Show the published ratings: a Bradley-Terry fit of all rated matches, with 95 % intervals."""
    folder = find_run(run, runs_dir)
    with opened(folder) as matchmaker:
        if as_json:
            print_json(document(boards.leaderboard(matchmaker, folder)))
        else:
            print_leaderboard(matchmaker, folder)


def print_leaderboard(matchmaker: Matchmaker, run: RunFolder) -> None:
    """The published board on the terminal."""
    board, info, out = boards.published(matchmaker, run), matchmaker.store.info, console()
    out.print(Text.assemble((f"Leaderboard of {info.name}", "bold"), f"  {info.arena}, {board.matches} rated matches"))
    out.print(board_table(board, out.width))


def board_table(board: Board, width: int) -> Table:
    """The board for a terminal: the columns of less weight are left out where it is narrow."""
    roles = boards.roles_of(board)
    table = Table(box=None, pad_edge=False)
    table.add_column("rank", justify="right")
    table.add_column("player", overflow="ellipsis", no_wrap=True, max_width=30)
    if width >= 120:
        table.add_column("role")
    for heading in ("rating", "95 %", *(f"as {role}" for role in roles), "TrueSkill", "Elo", "games", "score"):
        table.add_column(heading, justify="right", no_wrap=True)
    if width >= 120:
        table.add_column("Nash", justify="right")
        table.add_column("worst against", overflow="ellipsis", no_wrap=True, max_width=24)
    table.add_column("" if width < 100 else "status")
    for row in board.players:
        half = None if row.rating_low is None or row.rating is None else row.rating - row.rating_low
        cells: list[str | Text] = [
            MISSING if row.rank is None else str(row.rank),
            Text(row.name, style="bold"),
            *([row.role.value if row.role else row.kind.value] if width >= 120 else []),
            number(row.rating, 0),
            MISSING if half is None else f"±{half:.0f}",
            *(_in_role(boards.rating_in(board, row.id, role)) for role in roles),
            skill(row.trueskill_mu, row.trueskill_sigma),
            number(row.elo, 0),
            amount(row.games),
            MISSING if row.score is None else f"{row.score:.1f}%",
        ]
        if width >= 120:
            cells += [number(row.nash_weight, 2), Text(row.worst_matchup or MISSING)]
        cells.append(row.status.value if width >= 100 else "?" if row.status is Status.PROVISIONAL else "")
        table.add_row(*cells)
    return table


def _in_role(row: RoleStanding | None) -> str:
    return MISSING if row is None else f"{row.rating:.0f} ±{row.rating - row.rating_low:.0f}"


def _facts(player: Player, rating: Rating | None, members: list[Player]) -> dict[str, object]:
    names = {member.id: member.name for member in members}
    facts = player.model_dump(mode="json")
    facts["parent"] = None if player.parent is None else names.get(player.parent, player.parent)
    for key in ("mu", "sigma", "elo", "games", "wins", "draws", "losses"):
        facts[key] = None if rating is None else getattr(rating, key)
    return facts


def _payoff_of(matchmaker: Matchmaker, player: Player, members: list[Player]) -> list[dict[str, object]]:
    names = {member.id: member.name for member in members}
    row = matchmaker.payoff_row(player.id)
    return [
        {"opponent": names[opponent], "win_rate": counters.win_rate, "games": counters.games}
        for opponent, counters in row.items()
    ]
