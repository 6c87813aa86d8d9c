"""The submitted bots as a table: whether each is matched, how often it fails, and how it failed last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pydantic import ValidationError

from agents.bots.core import FailureRecord
from league.export import Dataset
from league.reports.documents import BotRow
from league.reports.tables import dataset, time_cell
from league.views import Badge, Cell, Column, Tone, View, number_cell, text_cell
from matchmaking.bot_records import BotState
from matchmaking.records import MatchResult
from matchmaking.service import Matchmaker

MESSAGE = 300  # characters of a failure's message; `league bots errors NAME` shows all of it
TONES: dict[BotState, Tone] = {
    BotState.ACTIVE: "good",
    BotState.SUPERSEDED: "plain",
    BotState.WITHDRAWN: "plain",
    BotState.SUSPENDED: "bad",
}
COLUMNS = (
    Column("name", "Bot", text=True, pinned=True),
    Column("state", "State", "active bots are matched; where one is not, why", text=True),
    Column("author", "Author", text=True),
    Column("language", "Language", text=True),
    Column("games", "Games", "rated matches", falling=True),
    Column("forfeit_rate", "Forfeits", "rated matches in which it failed, in percent", falling=True),
    Column("streak", "In a row", "matches in a row that it has failed until now", falling=True),
    Column("last", "Last failure", "what failed, in which phase, in which match", text=True),
    Column("size", "Size", "of its files", falling=True),
    Column("submitted", "Submitted (UTC)", falling=True),
    Column("version", "Version", "hash of its content", text=True),
)


def bots(matchmaker: Matchmaker) -> Dataset:
    """The bots in the order of their submission."""
    registry = matchmaker.store.bots
    players = {player.id: player for player in matchmaker.players()}
    games, forfeits = _failed(matchmaker.matches())
    found = []
    for bot in registry.all().values():
        player, played, last = players[bot.player], games[bot.player], _last(registry.failures(bot.player))
        row = BotRow(
            name=player.name,
            id=bot.player,
            lineage=bot.lineage,
            version=player.version,
            author=bot.author,
            language=bot.language,
            entry=bot.entry,
            size=bot.size,
            submitted=bot.submitted,
            state=bot.state,
            reason=bot.reason,
            games=played,
            forfeits=forfeits[bot.player],
            forfeit_rate=100.0 * forfeits[bot.player] / played if played else None,
            failed_in_a_row=registry.streak(bot.player),
            last_failure_code=None if last is None else last.code.value,
            last_failure_phase=None if last is None else last.phase.value,
            last_failure_match=None if last is None else last.match,
            last_failure_message=None if last is None else " ".join(last.message.split())[:MESSAGE],
        )
        found.append(row)

    def view() -> View:
        counts = Counter(row.state.value for row in found)
        facts = tuple((state.value.capitalize(), str(counts[state.value])) for state in BotState if counts[state.value])
        return View(COLUMNS, [_cells(row) for row in found], facts, about="Submitted bots.")

    rows = [row.model_dump(mode="json") for row in found]
    return dataset(matchmaker, "bots", "Bots", tuple(BotRow.model_fields), rows, view)


def _failed(log: Iterable[MatchResult]) -> tuple[Counter[str], Counter[str]]:
    """Rated matches, and those in which the player failed, by player id."""
    games: Counter[str] = Counter()
    forfeits: Counter[str] = Counter()
    for result in log:
        games.update({result.a: len(result.outcomes), result.b: len(result.outcomes)})
        forfeits.update(forfeit.player for forfeit in result.forfeits)
    return games, forfeits


def _last(records: list[str]) -> FailureRecord | None:
    """The newest record; one of another version of this program tells nothing."""
    try:
        return FailureRecord.model_validate_json(records[-1]) if records else None
    except ValidationError:
        return None


def _cells(row: BotRow) -> list[Cell]:
    failure = " ".join(filter(None, (row.last_failure_code, row.last_failure_phase and f"in {row.last_failure_phase}")))
    return [
        text_cell(row.name),
        text_cell(row.state.value, note=row.reason, mark=Badge(TONES[row.state])),
        text_cell(row.author),
        text_cell(row.language, tip=row.entry),
        number_cell(row.games),
        number_cell(row.forfeit_rate, 1, " %"),
        number_cell(row.failed_in_a_row),
        text_cell(failure, note=row.last_failure_match or "", tip=row.last_failure_message or ""),
        _size(row.size),
        time_cell(row.submitted),
        Cell(f"{row.version[:10]}…", row.version, tip=row.version) if row.version else text_cell(None),
    ]


def _size(size: int) -> Cell:
    """Bytes as people read them."""
    for unit, name in ((1024**2, "MiB"), (1024, "KiB")):
        if size >= unit:
            return Cell(f"{size / unit:.1f} {name}", size)
    return Cell(f"{size} B", size)
