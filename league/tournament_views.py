"""How people see a tournament's standings and encounters in md and html."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from league.journal import Played
from league.reports.crosstable import Score, spoken
from league.tournament import Settings
from league.views import Cell, Column, Shares, View, filled, number_cell, text_cell
from matchmaking.tournaments.core import Encounter, Place, Plan
from matchmaking.tournaments.tally import Tally

TIE_BREAKS = {
    "buchholz": ("Buchholz", "the points of all opponents; a bye counts as an opponent of one's own points"),
    "sonneborn_berger": ("S-B", "Sonneborn-Berger: points made, each worth what the opponent has reached"),
    "match_points": ("Match points", "a point a match that is won, half a point a draw"),
    "wins": ("Wins", "matches won"),
    "direct": ("Direct", "points against those of equal points"),
}
"""Head and meaning of the tie-breaks."""


def standings_view(
    settings: Settings,
    plan: Plan,
    places: Sequence[Place],
    tallies: Mapping[str, Tally],
    forfeits: Mapping[str, int],
    tie_breaks: Sequence[str],
) -> View:
    """The players in their order, with what decided it."""
    kinds = {member.name: member.kind for member in settings.players}
    byes = Counter(bye.player for bye in plan.byes)
    columns = [Column("rank", "#"), Column("player", "Player", text=True, pinned=True)]
    if tie_breaks:  # a knockout is decided by who is left
        columns.append(Column("points", "Points", "what the order follows from", falling=True))
    columns += [Column(name, *TIE_BREAKS[name], falling=True) for name in tie_breaks]
    columns += [
        Column("score", "Score", "points a match, in percent; the bar shows wins, draws and losses", falling=True),
        Column("games", "Matches", falling=True),
        Column("byes", "Byes", "rounds without an opponent", falling=True),
        Column("forfeits", "Forfeits", "matches lost by a failure", falling=True),
        Column("note", "How it ended", text=True),
    ]
    rows = []
    for place in places:
        own = tallies[place.player]
        score = Score(own.wins, own.draws, own.losses)
        share = None if score.share is None else 100.0 * score.share
        values = [place.points, *place.tie_breaks] if tie_breaks else []
        rows.append(
            [
                number_cell(place.rank),
                text_cell(place.player, note=kinds[place.player].value),
                *(_points(value) for value in values),
                number_cell(share, 1, " %", mark=Shares(*score), tip=spoken(score))
                if own.matches
                else number_cell(None),
                number_cell(own.matches),
                number_cell(byes[place.player] or None),
                number_cell(forfeits.get(place.player) or None),
                text_cell(place.note),
            ]
        )
    facts = (
        ("Format", f"double {settings.format.value}" if settings.double else settings.format.value),
        ("Pairs an encounter", str(settings.pairs)),
        ("Seed", str(settings.seed)),
    )
    return filled(View(tuple(columns), rows, facts=facts, about=" ".join(f"{note}." for note in plan.notes)))


def encounters_view(encounters: Sequence[Encounter], played: Mapping[str, Played]) -> View:
    """The encounters that were played, in the order of the plan, from the view of a."""
    columns = (
        Column("round", "Round", text=True),
        Column("a", "Player a", text=True, pinned=True),
        Column("b", "Player b", text=True),
        Column("points", "Points of a", "of so many matches, in small print", falling=True),
        Column("score", "Score of a", "in percent; the bar shows wins, draws and losses", falling=True),
        Column("forfeits", "Forfeits", "matches lost by a failure: who, why, how often", text=True),
        Column("id", "Id", text=True),
        Column("seed", "Seed", "with it the same matches are played again"),
    )
    rows = [_encounter(each, played[each.id]) for each in encounters if each.id in played]
    return filled(View(columns, rows))


def _encounter(encounter: Encounter, record: Played) -> list[Cell]:
    score = Score(*(record.outcomes.count(letter) for letter in "wdl"))
    failed = Counter((forfeit.player, forfeit.code) for forfeit in record.forfeits)
    return [
        text_cell(encounter.label),
        text_cell(encounter.a),
        text_cell(encounter.b),
        number_cell(score.points, 1, note=f"of {score.games}"),
        number_cell(100.0 * (score.share or 0.0), 1, " %", mark=Shares(*score), tip=spoken(score)),
        text_cell(", ".join(f"{name} {code} ×{count}" for (name, code), count in failed.items())),
        text_cell(encounter.id),
        Cell(str(record.seed), record.seed),
    ]


def _points(value: float) -> Cell:
    """`3`, `2.5`, `0.75`: as many decimals as it has, up to two."""
    return Cell(f"{value:.2f}".rstrip("0").rstrip("."), value)
