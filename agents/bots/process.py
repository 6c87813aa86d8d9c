"""A bot's process, as the referee sees it: asked for moves against a clock, and gone when it fails.

Everything that comes from it is somebody else's: answers are validated here before a game sees them.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from agents.bots import diagnosis, host
from agents.bots.channel import Channel, ChannelError, HungUpError, MisconductError, NoTimeError
from agents.bots.core import BotFailedError, Clocks, FailureCode, FailureRecord, InfraError, Isolation, Limits, Phase
from agents.bots.diagnosis import Diagnosis, Ended
from agents.bots.protocol import VERSION, ReplyError, act_frame, json_frame, json_line, parse, printable
from agents.bots.source import BotSource
from agents.bots.watch import ROUND, OverLimitError, over_limit
from arenas.core import ArenaSpec

Array = np.ndarray[Any, Any]

SET_UP = 30.0  # seconds within which the host has confined a process
LAST_BREATH = 0.2  # seconds for a process that has closed its channel to end by itself
LAST_BREATH_CONTAINED = 5.0  # the same where an engine has to tell its client first
UNASKED = 0.25  # seconds of CPU in a match that a bot may use unasked, to collect its garbage and the like
CPUCLOCK_SCHED = 2  # of a process's clock, see the kernel's include/linux/posix-timers.h


class Keeper(Protocol):
    """Who started the process."""

    def reap(self, pid: int, pidfd: int) -> Ended | None:
        """How the process ended; None where it goes on."""


class BotProcess:
    """One running bot; it plays one match at a time. `Nursery.start` makes it, and it is ready then.

    Every failure raises `BotFailedError` with a complete record, and the process is gone by then.

    Args:
        keeper: who started it.
        pid: of the process, as its keeper knows it.
        pidfd: of the process; ours now.
        descriptors: what it answers, what it is asked, its log; ours now.
        source: what it is.
        spec: of the arena that it plays.
        clocks: its time.
        limits: what it may use.
        isolation: how it is confined.
        waiting: called again and again while it thinks; what it raises ends it.
    """

    def __init__(
        self,
        keeper: Keeper,
        pid: int,
        pidfd: int,
        descriptors: tuple[int, int, int],
        *,
        source: BotSource,
        spec: ArenaSpec,
        clocks: Clocks,
        limits: Limits,
        isolation: Isolation,
        waiting: Callable[[], None] | None = None,
    ) -> None:
        self._waiting = waiting
        self._keeper, self._inner_pid, self._pidfd = keeper, pid, pidfd
        self._limits, self._isolation = limits, isolation
        self._source, self._spec, self._clocks = source, spec, clocks
        self._speaks_frames = source.language != "command"
        self.pid = _pid_of(pidfd)
        self._cpu_clock = ~self.pid << 3 | CPUCLOCK_SCHED
        self._used, self._unasked = 0.0, UNASKED  # seconds of CPU until its last answer; those free from now on
        self.alive = True
        self.bank = clocks.bank
        self._channel = Channel(
            *descriptors, message=self._limits.message, output=self._limits.output, watch=self._watch
        )
        self._oom_kills = host.oom_kills()
        self._number = 0
        self._over: OverLimitError | None = None
        self._freezes = False  # it is stopped while nobody asks it
        if isolation is not Isolation.DOCKER:  # there the engine measures, and our process is but its client
            ROUND.join(self)
        self._phase, self._match, self._agent, self._step = Phase.IMPORT, None, None, None
        self._asked = time.monotonic()

    _match: str | None
    _agent: str | None
    _step: int | None

    def start(self) -> None:
        """Wait until it is confined, loaded and ready. Called once, by the nursery.

        Raises:
            BotFailedError: it is not ready within its time.
            InfraError: the host could not confine it.
        """
        try:
            first = parse(self._channel.line(time.monotonic() + SET_UP, more=True))
        except (ChannelError, ReplyError) as error:
            self.kill()
            raise InfraError(f"a bot's process could not be set up ({type(error).__name__} {error})") from error
        if first.get("type") != "confined":  # said by our own code: the bot's has not run yet
            self.kill()
            raise InfraError(f"a bot's process could not be confined: {first.get('message')}")
        self._asked = time.monotonic()
        deadline = self._asked + self._clocks.start
        try:
            with contextlib.suppress(HungUpError):  # what it has said before it ended is there to be read
                self._channel.send(self._greeting(), deadline)
            answer = parse(self._channel.line(deadline, more=True))
            if answer.get("type") == "imported" and self._speaks_frames:
                self._phase = Phase.INIT
                answer = parse(self._channel.line(deadline))
        except (ChannelError, ReplyError) as error:
            raise self._failure(error) from None
        if answer.get("type") == "error" and isinstance(answer.get("error"), dict):
            raise self._raised(answer["error"])
        if answer.get("type") != "ready":
            raise self._fail(FailureCode.PROTOCOL, 'its first line has to be {"type": "ready"}')
        self._phase = Phase.IDLE
        self._used = self._cpu()

    def reset(self, match: str | None, seed: int, agent: str) -> None:
        """Begin a match, with a full bank.

        Args:
            match: its id, for failure records.
            seed: what the bot may draw its randomness from; in [0, 2^32).
            agent: the slot that it plays.

        Raises:
            BotFailedError: it failed.
        """
        self._match, self._agent, self._step = match, agent, None
        self.bank, self._unasked = self._clocks.bank, UNASKED
        self._number += 1
        message = {"type": "reset", "id": self._number, "seed": seed, "agent": agent}
        answer = self._ask(Phase.RESET, json_frame(message) if self._speaks_frames else json_line(message))
        if answer.get("ok") is not True:
            raise self._fail(FailureCode.PROTOCOL, 'a reset is answered with {"id": ..., "ok": true}')
        self._phase = Phase.IDLE

    def act(self, observation: Array, mask: Array, step: int) -> int:
        """Ask for a move.

        Args:
            observation: float32 of the spec's observation_shape.
            mask: bool [A]: the legal actions.
            step: of the match, for failure records.

        Returns:
            A legal action.

        Raises:
            BotFailedError: it failed.
            ValueError: what it is to see has another shape than its spec says.
        """
        if observation.shape != self._spec.observation_shape:
            raise ValueError(f"an observation has shape {observation.shape}, not {self._spec.observation_shape}")
        self._step = step
        self._number += 1
        number, move, bank = self._number, self._clocks.move, self.bank
        if self._speaks_frames:
            request = act_frame(number, observation.tobytes(), mask.tobytes(), move, bank)
        else:
            request = json_line(
                {
                    "type": "act",
                    "id": number,
                    "observation": observation.ravel().tolist(),
                    "action_mask": [int(each) for each in mask],
                    "clock": {"move": move, "bank": bank},
                }
            )
        answer = self._ask(Phase.ACT, request, mask)
        action = answer.get("action")
        if type(action) is int and 0 <= action < len(mask) and mask[action]:
            self._phase = Phase.IDLE
            return action
        raise self._invalid(answer, mask)

    def kill(self) -> Ended | None:
        """End the process at once; how it ended, where its nursery still can tell."""
        if not self.alive:
            return None
        self.alive = False
        ROUND.leave(self)
        try:
            if self._isolation is Isolation.NONE:  # it may have started others
                with contextlib.suppress(OSError):
                    os.killpg(self.pid, signal.SIGKILL)
            self._signal(signal.SIGKILL)
            return self._keeper.reap(self._inner_pid, self._pidfd)
        except InfraError:
            return None
        finally:
            with contextlib.suppress(MisconductError):
                self._channel.drain()
            self._channel.close()
            os.close(self._pidfd)

    def _greeting(self) -> bytes:
        spec = self._spec
        message = {
            "type": "start",
            "protocol": VERSION,
            "spec": {
                "arena": spec.name,
                "agents": spec.agents,
                "teams": spec.teams,
                "observation_shape": spec.observation_shape,
                "num_actions": spec.num_actions,
                "turns": spec.turns.value,
                "max_steps": spec.max_steps,
            },
            "limits": {"message": self._limits.message},
            "clocks": {"start": self._clocks.start, "move": self._clocks.move, "bank": self._clocks.bank},
        }
        return json_frame(message) if self._speaks_frames else json_line(message)

    def _ask(self, phase: Phase, request: bytes, mask: Array | None = None) -> dict[str, Any]:
        """The answer to a request, its id checked and its time taken off the bank."""
        if not self.alive:
            raise InfraError("a bot was asked after its process had ended")
        self._asked = time.monotonic()
        try:
            if self._over is not None:
                raise self._over
            self._channel.check()
            if self._isolation is not Isolation.DOCKER:
                self._charge_unasked()
            if self._freezes:
                self._signal(signal.SIGCONT)
            self._phase = phase
            deadline = self._asked + self._clocks.move + self.bank
            self._channel.send(request, deadline)
            line = self._channel.line(deadline)
            if self._freezes:
                self._signal(signal.SIGSTOP)
            self._used = self._cpu()
            beyond = time.monotonic() - self._asked - self._clocks.move
            if beyond > 0:
                self.bank -= beyond
                if self.bank < 0:
                    raise NoTimeError
            answer = parse(line)
        except (ChannelError, ReplyError) as error:
            raise self._failure(error, mask) from None
        if "error" in answer and isinstance(answer["error"], dict):
            raise self._raised(answer["error"])
        if answer.get("id") != self._number or isinstance(answer["id"], bool):
            text = printable(answer.get("id"), 40)
            raise self._fail(FailureCode.PROTOCOL, f"answered request {text}, but was asked request {self._number}")
        return answer

    def _charge_unasked(self) -> None:
        """Take what it has computed since its last answer off its bank; who does so is stopped between its moves."""
        self._unasked -= self._cpu() - self._used
        if self._unasked < 0:
            self._freezes = True
            self.bank += self._unasked
            self._unasked = 0.0
            if self.bank < 0:
                self.bank = 0.0
                text = "computed while nobody had asked it until its bank was empty"
                raise OverLimitError(FailureCode.TIMEOUT, text)

    def _cpu(self) -> float:
        """Seconds of CPU in its life, all threads together."""
        try:
            return time.clock_gettime(self._cpu_clock)
        except OSError:  # it has ended
            return self._used

    def _watch(self) -> None:
        """Hold a process to the limits that the kernel does not hold it to."""
        if self._waiting is not None:
            try:
                self._waiting()
            except BaseException:  # whoever waits wants no answer any more
                self.kill()
                raise
        ROUND.make()
        if self._over is not None:
            raise self._over

    def measure(self) -> None:
        """End the process where it uses too much, whether it is asked or not; its next request tells why."""
        self._over = over_limit(self.pid, self._limits)
        if self._over is not None:
            ROUND.leave(self)
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    def _failure(self, error: ChannelError | ReplyError, mask: Array | None = None) -> BotFailedError:
        """Why there is no answer."""
        starting = self._phase in (Phase.IMPORT, Phase.INIT)
        legal = {} if mask is None else {"legal_actions": _legal(mask)}
        match error:
            case NoTimeError() if starting:
                text = f"not ready within {self._clocks.start:g} s"
                return self._fail(FailureCode.INIT_TIMEOUT, text)
            case NoTimeError():
                self.bank = 0.0
                text = f"no answer within the {self._clocks.move:g} s of a move and the rest of its bank"
                return self._fail(FailureCode.TIMEOUT, text, **legal)
            case HungUpError():
                return self._hung_up(legal)
            case OverLimitError():
                return self._fail(error.code, str(error), **legal)
            case _:
                return self._fail(FailureCode.PROTOCOL, str(error), **legal)

    def _hung_up(self, legal: dict[str, Any]) -> BotFailedError:
        """It closed its channel, most likely by ending."""
        waiting = select.poll()
        waiting.register(self._pidfd, select.POLLIN)
        breath = LAST_BREATH_CONTAINED if self._isolation is Isolation.DOCKER else LAST_BREATH
        if not waiting.poll(breath * 1000):
            return self._fail(FailureCode.PROTOCOL, "closed the channel on which it is to answer", **legal)
        milliseconds = self._milliseconds()
        ended = self.kill()
        if ended is None:
            said = printable(self._channel.log.decode("utf-8", "replace").strip(), 200, end=True)
            text = (
                "a bot's process has ended and nobody can tell how: most likely its nursery has died, or never ran it"
            )
            raise InfraError(f"{text}{said and ': '}{said}")
        if host.took(ended, self._limits, self._oom_kills):
            raise InfraError("the host ran out of memory, and its kernel ended a bot that kept to its limits")
        found = diagnosis.of_end(ended, self._log(), self._limits, self._isolation)
        if self._phase is Phase.IMPORT and found.code is FailureCode.CRASH:
            found = Diagnosis(FailureCode.IMPORT_ERROR, found.message)
        return self._fail(found.code, found.message, milliseconds=milliseconds, **legal)

    def _raised(self, error: dict[str, Any]) -> BotFailedError:
        """What the bot raised, as it says."""
        otherwise = FailureCode.IMPORT_ERROR if self._phase is Phase.IMPORT else FailureCode.CRASH
        found = diagnosis.of_error(error, self._limits, self._isolation, otherwise)
        text = printable(error.get("traceback", ""), diagnosis.MOST_TRACEBACK, lines=True, end=True)
        return self._fail(found.code, found.message, traceback=text)

    def _invalid(self, answer: dict[str, Any], mask: Array) -> BotFailedError:
        legal = _legal(mask)
        among = f"legal were {', '.join(map(str, legal))}"
        if "action" not in answer:
            return self._fail(FailureCode.PROTOCOL, 'a move is answered with {"id": ..., "action": ...}')
        action = answer["action"]
        text = printable(action, 100)
        if type(action) is not int:
            kind = printable(answer["type"], 40) if "type" in answer else _json_kind(action)
            message = f"an action is an integer, not {text} ({kind}); {among}"
        elif not 0 <= action < len(mask):
            message = f"action {text} is none of 0 to {len(mask) - 1}; {among}"
        else:
            message = f"action {text} is not legal here; {among}"
        return self._fail(FailureCode.INVALID_ACTION, message, action=text, legal_actions=legal)

    def _fail(self, code: FailureCode, message: str, **known: Any) -> BotFailedError:
        """The record of a failure; the process is gone when it is made."""
        known.setdefault("milliseconds", self._milliseconds())
        self.kill()
        return BotFailedError(
            FailureRecord(
                code=code,
                phase=self._phase,
                match=self._match,
                agent=self._agent,
                step=self._step,
                message=message,
                stderr=self._log(),
                bank_milliseconds=1000 * self.bank,
                **known,
            )
        )

    def _milliseconds(self) -> float:
        return 1000 * (time.monotonic() - self._asked)

    def _log(self) -> str:
        return printable(self._channel.log.decode("utf-8", "replace"), diagnosis.MOST_LOG, lines=True, end=True)


def _legal(mask: Array) -> tuple[int, ...]:
    return tuple(int(action) for action in np.flatnonzero(mask))


def _json_kind(value: object) -> str:
    names = {type(None): "null", bool: "a truth value", float: "a float", str: "a string", list: "a list"}
    return names.get(type(value), "an object")


def _pid_of(pidfd: int) -> int:
    """The process id in our own namespace."""
    for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text(encoding="ascii").splitlines():
        if line.startswith("Pid:"):
            return int(line.split()[1])
    raise InfraError("the kernel does not tell the process id of a pidfd")
