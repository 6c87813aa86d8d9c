"""Numbers and durations as people read them, in the live view, tables and exports alike."""

from __future__ import annotations

from matchmaking.records import Role

SHORT_ROLES = {
    Role.MAIN_AGENT: "MA",
    Role.MAIN_EXPLOITER: "ME",
    Role.LEAGUE_EXPLOITER: "LE",
    Role.TEAM: "team",
}
MISSING = "–"


def amount(value: float | None) -> str:
    """`812`, `12.3k`, `4.56M`, `1.20G`."""
    if value is None:
        return MISSING
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= unit:
            scaled = value / (1e3 if letter == "k" else unit)
            return f"{scaled:.{2 if scaled < 10 else 1 if scaled < 100 else 0}f}{letter}"
    return f"{value:.0f}"


def size(number: int) -> str:
    """`812 B`, `12.3 KiB`, `4.5 MiB`, `1.2 GiB`."""
    value = float(number)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def percent(value: float | None) -> str:
    """`61.2%` of 0.612."""
    return MISSING if value is None else f"{100 * value:.1f}%"


def duration(seconds: float | None) -> str:
    """`45s`, `4m12s`, `3h05m`, `2d04h`."""
    if seconds is None:
        return MISSING
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def number(value: float | None, digits: int = 1) -> str:
    """A plain decimal, or a dash."""
    return MISSING if value is None else f"{value:.{digits}f}"


def skill(mu: float | None, sigma: float | None) -> str:
    """`27.4 ±1.2`: TrueSkill's mu and sigma."""
    return MISSING if mu is None or sigma is None else f"{mu:.1f} ±{sigma:.1f}"
