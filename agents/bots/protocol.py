"""What the referee and a bot's process say to each other. `docs/bot-protocol.md` is the same for people.

A request to a bot of another language is a JSON line. A request to a Python bot is a frame, read by our own harness in
the bot's process: `HEADER` and then JSON, or for a move the observation and the mask as they lie in memory. Every
answer is one JSON line. Whatever comes from a bot is somebody else's text: it is bounded, and checked, and
`printable` before it is shown.

Only the standard library, so that the harness can use it.
"""

from __future__ import annotations

import json
import struct
import unicodedata
from typing import Any

VERSION = 1
HEADER = struct.Struct("<IIIIdd")
"""Of a frame: bytes of it in all, kind, id, 0, seconds for the move, seconds in the bank. What follows is aligned."""
JSON_FRAME, ACT_FRAME = 0, 1
CHUNK = 65536


class ReplyError(ValueError):
    """A line is no answer. The message says why, and is fit to be shown."""


def json_frame(message: dict[str, Any]) -> bytes:
    """A request to a Python bot, other than for a move."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return HEADER.pack(HEADER.size + len(body), JSON_FRAME, 0, 0, 0.0, 0.0) + body


def json_line(message: dict[str, Any]) -> bytes:
    """A request to a bot of another language."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def act_frame(number: int, observation: bytes, mask: bytes, move: float, bank: float) -> bytes:
    """A request for a move.

    Args:
        number: its id.
        observation: float32 in the order of its shape, little endian.
        mask: one byte an action, 0 or 1.
        move: seconds for the move.
        bank: seconds left in the bank.
    """
    size = HEADER.size + len(observation) + len(mask)
    return HEADER.pack(size, ACT_FRAME, number, 0, move, bank) + observation + mask


def parse(line: bytes) -> dict[str, Any]:
    """A bot's line.

    Raises:
        ReplyError: it is no JSON object.
    """
    try:
        message = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise ReplyError(f"sent a line that is not UTF-8: {shown(line)}") from None
    except ValueError:
        raise ReplyError(f"sent a line that is not JSON: {shown(line)}") from None
    except RecursionError:
        raise ReplyError(f"sent JSON nested too deep: {shown(line)}") from None
    if not isinstance(message, dict):
        raise ReplyError(f"sent JSON that is no object: {shown(line)}")
    return message


def shown(line: bytes, limit: int = 80) -> str:
    """The beginning of a bot's line, for a message."""
    return printable(line.decode("utf-8", "backslashreplace").rstrip("\r\n"), limit) or "an empty line"


def printable(text: object, limit: int, *, lines: bool = False, end: bool = False) -> str:
    """A bot's text, fit to be shown: bounded, and without characters that a terminal or a page would obey.

    Args:
        text: what the bot said; something else than a string is shown as its JSON.
        limit: most characters.
        lines: keep line ends and tabs; otherwise they are escaped like the rest.
        end: keep the end of a long text, not its beginning.
    """
    if not isinstance(text, str):
        text = json.dumps(text)
    if len(text) > limit:
        text = "…" + text[-limit + 1 :] if end else text[: limit - 1] + "…"
    if text.isascii() and text.isprintable():
        return text
    kept = "\n\t" if lines else ""
    return "".join(c if c in kept or not _obeyed(c) else c.encode("unicode_escape").decode() for c in text)


def _obeyed(character: str) -> bool:
    """Control and format characters, lone surrogates, private and unassigned ones, separators of lines."""
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
