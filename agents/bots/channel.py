"""The referee's end of a bot's channel and log: never blocks beyond a deadline, never keeps more than its bounds."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable

from agents.bots.protocol import CHUNK, shown

LOG_TAIL = 8192
"""Bytes of a bot's log that are kept."""
WATCH = 0.05
"""Seconds after which a bot that thinks, or is asked again, is looked at: does it keep to its limits."""


class ChannelError(Exception):
    """Why there is no answer."""


class NoTimeError(ChannelError):
    """The deadline has passed."""


class HungUpError(ChannelError):
    """The other end is closed."""


class MisconductError(ChannelError):
    """What came breaks the protocol's bounds. The message says how, for the bot's author."""


class Channel:
    """Requests out, one line back, and the bot's log drained meanwhile.

    Args:
        reader: descriptor of what the bot answers.
        writer: descriptor of what it is asked; may be the same.
        log: descriptor of what it writes besides. All three are closed by `close`.
        message: most bytes of one answer.
        output: most bytes of log.
        watch: called every `WATCH` seconds while an answer is waited for, and before a request where it is as long ago,
            whatever the bot answers or writes meanwhile; may raise.
    """

    def __init__(
        self, reader: int, writer: int, log: int, *, message: int, output: int, watch: Callable[[], None]
    ) -> None:
        self._reader, self._writer, self._log = reader, writer, log
        self._message, self._output, self._watch = message, output, watch
        self._looked = 0.0  # when `watch` was called last
        self._written = 0  # bytes of log so far
        self._tail = b""
        self._rest = b""  # what came behind a line where that is allowed
        for fd in {reader, writer, log}:
            os.set_blocking(fd, False)
        self._poll = select.poll()
        self._poll.register(reader, select.POLLIN)
        self._poll.register(log, select.POLLIN)
        self._open = True

    @property
    def log(self) -> bytes:
        """The end of what the bot wrote to its log."""
        return self._tail

    def check(self) -> None:
        """Take what is in the log, and see that nothing came that was not asked for and that it keeps to its limits.

        Raises:
            ChannelError: something did, or the other end is closed.
        """
        self._look()
        if self._rest:
            self._unasked(self._rest)
        for fd, _ in self._poll.poll(0):
            if fd == self._reader:
                self._unasked(self._take())
            else:
                self.drain()

    def send(self, request: bytes, deadline: float) -> None:
        """Send a request. A bot that does not read uses up its own time.

        Args:
            request: what to send.
            deadline: of `time.monotonic`.

        Raises:
            ChannelError: it did not go.
        """
        sent = 0
        writable = None
        while True:
            try:
                sent += os.write(self._writer, request[sent:] if sent else request)
            except BlockingIOError:
                pass
            except (BrokenPipeError, ConnectionResetError):
                raise HungUpError from None
            if sent == len(request):
                return
            left = deadline - time.monotonic()
            if left <= 0:
                raise NoTimeError
            if writable is None:
                writable = select.poll()
                writable.register(self._writer, select.POLLOUT)
            writable.poll(min(left, WATCH) * 1000)
            self.drain()
            self._look()

    def line(self, deadline: float, *, more: bool = False) -> bytes:
        """Wait for one line; with `more`, further ones may follow at once.

        Raises:
            ChannelError: there is none.
        """
        data, self._rest = self._rest, b""
        while (end := data.find(b"\n")) < 0 and len(data) <= self._message:
            data += self._read(deadline)
        if not 0 <= end <= self._message:
            raise MisconductError(f"sent a line of more than {self._message:,} bytes")
        if end + 1 < len(data):
            if not more:
                raise MisconductError("sent more than one line in answer to one request")
            self._rest = data[end + 1 :]
        return data[:end]

    def _read(self, deadline: float) -> bytes:
        """Some bytes from the bot."""
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise NoTimeError
            for fd, _ in self._poll.poll(min(left, WATCH) * 1000):
                if fd == self._reader:
                    return self._take()
                self.drain()
            self._look()

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked >= WATCH:
            self._looked = now
            self._watch()

    def _take(self) -> bytes:
        """What there is to read."""
        try:
            data = os.read(self._reader, CHUNK)
        except ConnectionResetError:  # the process ended with a request unread
            data = b""
        if not data:
            raise HungUpError
        return data

    @staticmethod
    def _unasked(data: bytes) -> None:
        raise MisconductError(f"answered twice or out of turn: {shown(data)}")

    def drain(self) -> None:
        """Take what is in the log.

        Raises:
            MisconductError: it is more than its limit.
        """
        while self._log >= 0:
            try:
                data = os.read(self._log, CHUNK)
            except BlockingIOError:
                return
            if not data:
                self._poll.unregister(self._log)
                os.close(self._log)
                self._log = -1
                return
            self._written += len(data)
            self._tail = (self._tail + data)[-LOG_TAIL:]
            if self._written > self._output:
                raise MisconductError(f"wrote more than {self._output:,} bytes to its log")

    def close(self) -> None:
        """Close the descriptors."""
        if self._open:
            self._open = False
            for fd in {self._reader, self._writer, self._log} - {-1}:
                os.close(fd)
