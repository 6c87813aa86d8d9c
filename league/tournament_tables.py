"""What a tournament shows: its standings, its crosstable and its encounters, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from rich.table import Table
from rich.text import Text

from league.export import FORMATS, Dataset, render
from league.files import replace_text
from league.journal import Played
from league.reports.crosstable import Entrant, Score, crosstable, scores
from league.reports.documents import EncounterRow, StandingRow
from league.text import MISSING, number, percent
from league.tournament import Tournament
from league.tournament_views import TIE_BREAKS, encounters_view, standings_view
from league.views import View
from matchmaking.tournaments.core import Place, Plan
from matchmaking.tournaments.tally import Tally, tally


class Report:
    """A tournament as it stands.

    Args:
        tournament: which.
        played: its encounters so far.

    Attributes:
        plan: what they fix.
        places: the order of the players.
        finished: whether everything has been played.
    """

    def __init__(self, tournament: Tournament, played: Mapping[str, Played]) -> None:
        results = {id: record.outcomes for id, record in played.items()}
        schedule = tournament.schedule
        self._tournament, self._played, self._results = tournament, played, results
        self.plan: Plan = schedule.plan(results)
        self.places: list[Place] = schedule.table(results)
        self.finished = self.plan.finished and not self.plan.open(results)
        self._tallies: dict[str, Tally] = tally(schedule.players, self.plan.encounters, results)
        self._forfeits = Counter(forfeit.player for record in played.values() for forfeit in record.forfeits)
        self._members = {member.name: member for member in tournament.settings.players}

    def standings(self) -> Dataset:
        """A row a player, the best first; in JSON the encounters, byes and decisions, too."""
        settings = self._tournament.settings
        facts = {
            "format": settings.format.value,
            "pairs": settings.pairs,
            "seed": settings.seed,
            "finished": self.finished,
            "notes": list(self.plan.notes),
            "byes": [{"round": bye.round, "player": bye.player} for bye in self.plan.byes],
            "encounters": self._encounter_rows(),
        }
        tie_breaks = self._tournament.schedule.tie_breaks
        columns = tuple(
            name for name, field in StandingRow.model_fields.items() if field.is_required() or name in tie_breaks
        )
        rows = [self._row(place) for place in self.places]

        def view() -> View:
            return standings_view(
                settings, self.plan, self.places, self._tallies, self._forfeits, self._tournament.schedule.tie_breaks
            )

        return self._dataset("Standings", "players", columns, rows, facts, view)

    def crosstable(self) -> Dataset:
        """Wins, draws and losses between every two players who have met."""
        title = f"Crosstable of {self._tournament.name}"
        return crosstable(
            title, self._tournament.name, self._tournament.settings.arena, self._ranking(), self._played.values()
        )

    def encounters(self) -> Dataset:
        """A row an encounter that was played, from the view of a."""
        rows = self._encounter_rows()
        columns = tuple(EncounterRow.model_fields)
        view = partial(encounters_view, self.plan.encounters, self._played)
        return self._dataset("Encounters", "encounters", columns, rows, {}, view)

    def write(self, folder: Path) -> list[Path]:
        """Write all three tables in all formats.

        Returns:
            The files.
        """
        tables = {"standings": self.standings(), "crosstable": self.crosstable(), "encounters": self.encounters()}
        paths = []
        for name, data in tables.items():
            for form in FORMATS:
                path = folder / f"{name}.{form}"
                replace_text(path, render(data, form))
                paths.append(path)
        return paths

    # For the terminal.

    def standings_table(self, width: int) -> Table:
        """The standings; where the terminal is narrow without the tie-breaks."""
        schedule = self._tournament.schedule
        wide = width >= 100
        tie_breaks = [name for name in schedule.tie_breaks if name != "wins"] if wide else []
        table = Table(box=None, pad_edge=False)
        table.add_column("rank", justify="right")
        table.add_column("player", no_wrap=True, overflow="ellipsis", max_width=30)
        counted = bool(schedule.tie_breaks)  # a knockout is decided by who is left
        heads = (["points"] if counted else []) + [TIE_BREAKS[name][0] for name in tie_breaks] + ["W-D-L", "score"]
        failed = any(self._forfeits.values())
        for head in (*heads, *(["forfeits"] if failed else [])):
            table.add_column(head, justify="right", no_wrap=True)
        noted = any(place.note for place in self.places)
        if noted:
            table.add_column("", no_wrap=True)
        for place in self.places:
            own = self._tallies[place.player]
            values = dict(zip(schedule.tie_breaks, place.tie_breaks, strict=True))
            table.add_row(
                str(place.rank),
                Text(place.player, style="bold"),
                *([_points(place.points)] if counted else []),
                *(_points(values[name]) for name in tie_breaks),
                f"{own.wins}-{own.draws}-{own.losses}",
                percent(own.points / own.matches) if own.matches else MISSING,
                *([str(self._forfeits[place.player])] if failed else []),
                *([place.note] if noted else []),
            )
        return table

    def crosstable_table(self, width: int) -> Table | None:
        """Everybody against everybody as `wins-draws-losses`; None where it is too wide to be read."""
        ranking = self._ranking()
        table = scores(ranking, self._played.values())
        cells = {key: f"{score.wins}-{score.draws}-{score.losses}" for key, score in table.items()}
        cell = max((len(text) for text in cells.values()), default=1)
        names = min(30, max(len(player.name) for player in ranking))
        if 4 + names + (cell + 1) * len(ranking) > width:
            return None
        shown = Table(box=None, pad_edge=False)
        shown.add_column("", justify="right")
        shown.add_column("against", no_wrap=True, overflow="ellipsis", max_width=30)
        for place in range(1, len(ranking) + 1):
            shown.add_column(str(place), justify="center", no_wrap=True)
        for row, player in enumerate(ranking):
            line = [
                _cell(cells.get((row, column)), table.get((row, column)), row == column)
                for column in range(len(ranking))
            ]
            shown.add_row(str(row + 1), Text(player.name), *line)
        return shown

    def _ranking(self) -> list[Entrant]:
        return [Entrant(place.player, place.player) for place in self.places]

    def _row(self, place: Place) -> dict[str, object]:
        own, member = self._tallies[place.player], self._members[place.player]
        return {
            "rank": place.rank,
            "name": place.player,
            "kind": member.kind.value,
            "version": member.version,
            "points": place.points,
            **dict(zip(self._tournament.schedule.tie_breaks, place.tie_breaks, strict=True)),
            "games": own.matches,
            "wins": own.wins,
            "draws": own.draws,
            "losses": own.losses,
            "match_points": own.points,
            "score": 100.0 * own.points / own.matches if own.matches else None,
            "forfeits": self._forfeits[place.player],
            "note": place.note,
        }

    def _encounter_rows(self) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        for each in self.plan.encounters:
            record = self._played.get(each.id)
            if record is None:
                continue
            lost = Counter(forfeit.player for forfeit in record.forfeits)
            rows.append(
                {
                    "id": each.id,
                    "round": each.round,
                    "label": each.label,
                    "a": each.a,
                    "b": each.b,
                    "games": len(record.outcomes),
                    "wins": record.outcomes.count("w"),
                    "draws": record.outcomes.count("d"),
                    "losses": record.outcomes.count("l"),
                    "outcomes": record.outcomes,
                    "seed": record.seed,
                    "forfeits_a": lost[each.a],
                    "forfeits_b": lost[each.b],
                    "seconds": record.seconds,
                    "finished": record.finished,
                }
            )
        return rows

    def _dataset(
        self,
        title: str,
        key: str,
        columns: tuple[str, ...],
        rows: Sequence[Mapping[str, object]],
        facts: Mapping[str, object],
        view: Callable[[], View],
    ) -> Dataset:
        name, arena = self._tournament.name, self._tournament.settings.arena
        return Dataset(f"{title} of {name}", key, name, arena, columns, rows, facts, view)


def _points(value: float) -> str:
    """`3`, `2.5`, `0.75`: as many decimals as it has, up to two."""
    return number(value, 2).rstrip("0").rstrip(".")


def _cell(text: str | None, score: Score | None, own: bool) -> Text:
    if score is None or score.share is None:
        return Text("·" if own else "", style="dim")
    style = "green" if score.share > 0.5 else "red" if score.share < 0.5 else ""
    return Text(text or "", style=style)
