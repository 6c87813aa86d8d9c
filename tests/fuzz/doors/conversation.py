"""What a bot answers, how it ends, and what it writes besides."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, cast

import numpy as np

import arenas
from agents.bots.channel import Channel
from agents.bots.core import BotFailedError, Clocks, InfraError, Isolation, Limits
from agents.bots.diagnosis import Ended
from agents.bots.process import BotProcess
from agents.bots.source import BotSource
from tests.fuzz.core import Door
from tests.fuzz.mutate import json_text, raw

PIPE = 1 << 20


class _Keeper:
    """A nursery whose bot has ended as the door wants."""

    def __init__(self) -> None:
        self.code = 0

    def reap(self, pid: int, pidfd: int) -> Ended:
        return Ended(self.code, 10_000_000, 0.1)


class _Told(Channel):
    """The referee's end, with a bot behind it that has its answers ready."""

    feed: int  # where the answers go in
    asked: int  # where the requests come out
    answers: list[bytes]

    def send(self, request: bytes, deadline: float) -> None:
        super().send(request, deadline)
        os.read(self.asked, 1 << 20)
        self.answer()

    def answer(self) -> None:
        if not self.answers:
            return
        text = self.answers.pop(0)
        os.write(self.feed, text[:PIPE])
        if not text.endswith(b"\n") or not self.answers:
            os.close(self.feed)
            self.feed = -1
            self.answers.clear()


CONVERSATION = (
    b'{"type": "confined"}', b'{"type": "ready"}', b'{"id": 1, "ok": true}', b'{"id": 2, "action": 0}',
    b'{"id": 3, "action": 4}',
)  # fmt: skip
CONFESSION = (
    b'{"type": "confined"}', b'{"type": "ready"}', b'{"id": 1, "ok": true}',
    b'{"id": 2, "error": {"type": "ValueError", "message": "x", "causes": ["OSError"], "traceback": "File x"}}',
)  # fmt: skip
EXCUSE = (
    b'{"type": "confined"}',
    b'{"type": "error", "error": {"type": "MemoryError", "message": "", "traceback": "t"}}',
)


def talk(rng: Random, samples: Sequence[bytes]) -> bytes:
    """A conversation, one of whose lines is not right; behind a NUL how its process ends and what it wrote."""
    lines = rng.choice(samples).splitlines()
    place = rng.randrange(1, len(lines))
    lines[place] = json_text(rng, [lines[place]])
    if rng.random() < 0.2:
        return raw(rng, [b"\n".join(lines) + b"\n"])
    code = rng.choice((0, 1, -9, -11, -24, -31, -40, 255))
    log = raw(rng, [b"Traceback: MemoryError\n", b"hello\n", b"Permission denied\n"])
    return b"\n".join(lines) + rng.choice((b"\n", b"\n", b"")) + b"\0" + str(code).encode() + b"\0" + log


@contextmanager
def answers(scratch: Path) -> Iterator[Door]:
    arena = arenas.make("tic_tac_toe")
    source = BotSource(scratch, "bot", "0" * 64, "command", "", ("./bot",), (), 1)
    clocks, mask = Clocks(start=1.0, move=1.0, bank=1.0), np.ones(9, dtype=bool)
    dead = subprocess.Popen(["true"], start_new_session=True)
    dead_fd = os.pidfd_open(dead.pid)
    keeper = _Keeper()

    def enter(data: bytes) -> None:
        lines, _, end = data.partition(b"\0")
        code, _, log = end.partition(b"\0")
        keeper.code = int(code) if code.lstrip(b"-").isdigit() and len(code) < 4 else 1
        (reader, feed), (asked, writer), (noise, bot_log) = os.pipe(), os.pipe(), os.pipe()
        fcntl.fcntl(feed, fcntl.F_SETPIPE_SZ, PIPE)  # nobody reads while an answer is put in
        os.write(bot_log, log[:60_000])
        os.close(bot_log)
        process = BotProcess(
            cast(Any, keeper), dead.pid, os.dup(dead_fd), (reader, writer, noise), source=source, spec=arena.spec,
            clocks=clocks, limits=Limits(), isolation=Isolation.NONE,
        )  # fmt: skip
        channel = process._channel
        channel.__class__ = _Told
        told = cast(_Told, channel)
        told.feed, told.asked, told.answers = feed, asked, lines.splitlines(keepends=True)
        try:
            told.answer()
            process.start()
            process.reset("m_1/0", 5, "player_1")
            for step in range(2):
                process.act(np.zeros(arena.spec.observation_shape, dtype=np.float32), mask, step)
        except BotFailedError as error:
            error.record.model_dump_json().encode()
            raise
        finally:
            process.kill()
            os.close(asked)
            if told.feed >= 0:
                os.close(told.feed)

    samples = [b"\n".join(each) + b"\n" for each in (CONVERSATION, CONFESSION, EXCUSE)]
    try:
        yield Door(samples, talk, (BotFailedError, InfraError), enter)
    finally:
        os.close(dead_fd)
        dead.wait()
