"""The live view of a league: a table in a terminal, plain lines elsewhere.

`league start` and `league watch` show the same: whoever has a `Snapshot` gives it to a `Reporter`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from league.snapshot import Snapshot
from league.text import SHORT_ROLES, amount, duration, number, percent, skill

WIDE = 100  # columns from which the roles are written out
BOARD_ROWS = 8
LONG_BOARD_ROWS = 20  # where nobody is trained
EVENT_ROWS = 5
LINE_EVERY = 10.0


class Reporter(Protocol):
    """Where a running league is shown."""

    def update(self, snapshot: Snapshot) -> None:
        """Show how the league stands now."""

    def line(self, text: str) -> None:
        """Say that something happened."""

    def close(self) -> None:
        """Show nothing more; the last picture stays."""


def make_reporter(console: Console) -> Reporter:
    """The live table where the console is a terminal, else plain lines."""
    return LiveReporter(console) if console.is_terminal and not console.is_dumb_terminal else LineReporter(console)


class Silent:
    """Shows nothing."""

    def update(self, snapshot: Snapshot) -> None:
        """Not shown."""

    def line(self, text: str) -> None:
        """Not shown."""

    def close(self) -> None:
        """There is nothing to close."""


class LiveReporter:
    """A table that is drawn anew in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines: deque[str] = deque(maxlen=EVENT_ROWS)
        self._snapshot: Snapshot | None = None
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
        self._live.start()

    def update(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._draw()

    def line(self, text: str) -> None:
        self._lines.append(f"{time.strftime('%H:%M:%S')}  {text}")
        self._draw()

    def close(self) -> None:
        self._live.stop()

    def _draw(self) -> None:
        events = tuple(self._lines)
        if self._snapshot is None:
            picture: RenderableType = Group(*(Text(event) for event in events))
        else:
            size = self._console.size
            picture = render(self._snapshot, size.width, height=size.height, events=events)
        self._live.update(picture, refresh=True)


class LineReporter:
    """One line every ten seconds, and events at once: for logs and pipes."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._next = -float("inf")
        self._last: Snapshot | None = None

    def update(self, snapshot: Snapshot) -> None:
        self._last = snapshot
        if self._clock() >= self._next:
            self._next = self._clock() + LINE_EVERY
            self._flush()

    def line(self, text: str) -> None:
        self._write(text)

    def close(self) -> None:
        self._flush()

    def _flush(self) -> None:
        if self._last is not None:
            self._write(summary(self._last))
            self._last = None

    def _write(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def summary(snapshot: Snapshot) -> str:
    """The whole snapshot in one line."""
    parts = [duration(snapshot.elapsed)]
    if snapshot.time_left is not None:
        parts[0] += f" ({duration(snapshot.time_left)} left)"
    parts += [
        f"{row.name} {amount(row.steps)} steps, pool {percent(row.pool_win_rate)}, elo {number(row.elo, 0)}"
        for row in snapshot.learners
    ]
    if snapshot.learners:
        parts.append(f"{amount(snapshot.samples_per_second)} samples/s")
        members = f"{snapshot.frozen} frozen"
    else:
        members = f"{snapshot.population} players"
    parts.append(f"{members}{_bots(snapshot)}, {amount(snapshot.rated_games)} rated games")
    if not snapshot.learners and snapshot.board:
        parts.append(f"best {snapshot.board[0].name}, elo {number(snapshot.board[0].elo, 0)}")
    return " | ".join(parts)


def _bots(snapshot: Snapshot) -> str:
    """How many bots there are, as the middle of a sentence; nothing where there are none."""
    if not snapshot.bots and not snapshot.suspended:
        return ""
    bots = "1 bot" if snapshot.bots == 1 else f"{snapshot.bots} bots"
    return f", {bots}" + (f" ({snapshot.suspended} suspended)" if snapshot.suspended else "")


def render(
    snapshot: Snapshot, width: int, *, height: int | None = None, events: tuple[str, ...] = ()
) -> RenderableType:
    """The live picture for a terminal of `width` columns, with fewer rows of the board where `height` is small."""
    wide = width >= WIDE
    most = BOARD_ROWS if snapshot.learners else LONG_BOARD_ROWS
    room = most if height is None else height - len(snapshot.learners) - len(events) - 14
    parts: list[RenderableType] = [_headline(snapshot)]
    if snapshot.learners:
        parts.append(learner_table(snapshot, wide))
    if snapshot.board and room > 0:
        parts.append(Text())
        parts.append(board_table(snapshot, wide, min(room, most)))
    elif not snapshot.learners:
        parts.append(Text("\nNobody has been rated yet: `league submit BOT --name NAME` enters a bot.", style="dim"))
    if events:
        parts.append(Rule(style="dim"))
        parts += [Text(event, style="dim", no_wrap=True, overflow="ellipsis") for event in events]
    return Group(*parts)


def _headline(snapshot: Snapshot) -> Text:
    left = "" if snapshot.time_left is None else f", {duration(snapshot.time_left)} left"
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(snapshot.run, style="bold cyan")
    text.append(f"  {snapshot.arena}", style="bold")
    text.append(f"  {snapshot.state} {duration(snapshot.elapsed)}{left}")
    rate = snapshot.rated_games_per_second
    rated = "" if rate is None else f" ({amount(rate)}/s)"
    text.append("\n")
    speed = f"{amount(snapshot.samples_per_second)} samples/s, " if snapshot.learners else ""
    text.append(
        f"{speed}{snapshot.population} players in the pool{_bots(snapshot)}, "
        f"{amount(snapshot.rated_games)} rated games{rated}",
        style="dim",
    )
    return text


def learner_table(snapshot: Snapshot, wide: bool) -> Table:
    """The players in training."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), expand=False, show_edge=False)
    table.add_column("role", no_wrap=True, style="cyan")
    table.add_column("player", no_wrap=True, style="bold", overflow="ellipsis", max_width=32 if wide else 20)
    headings = ("steps", "vs pool", "TrueSkill", "Elo", "samples/s", "games/s", "frozen")
    for heading in headings if wide else ("steps", "vs pool", "TrueSkill", "Elo", "smp/s", "gam/s", "frz"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in snapshot.learners:
        role = MISSING_ROLE if row.role is None else str(row.role) if wide else SHORT_ROLES[row.role]
        table.add_row(
            role,
            escape(row.name),
            amount(row.steps),
            percent(row.pool_win_rate),
            skill(row.mu, row.sigma),
            number(row.elo, 0),
            amount(row.samples_per_second),
            amount(row.games_per_second),
            str(row.frozen),
        )
    return table


MISSING_ROLE = "-"


def board_table(snapshot: Snapshot, wide: bool, rows: int) -> Table:
    """The best rated players."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), expand=False, show_edge=False)
    table.add_column("#", justify="right", style="dim")
    table.add_column("rated player", no_wrap=True, style="bold", overflow="ellipsis", max_width=36 if wide else 28)
    table.add_column("kind", no_wrap=True, style="cyan")
    for heading in ("TrueSkill", "Elo", "score", "games"):
        table.add_column(heading, justify="right", no_wrap=True)
    for place, row in enumerate(snapshot.board[:rows], start=1):
        table.add_row(
            str(place),
            escape(row.name),
            str(row.kind),
            skill(row.mu, row.sigma),
            number(row.elo, 0),
            percent(row.score),
            amount(row.games),
        )
    return table
