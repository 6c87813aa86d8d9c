"""The vocabulary of submitted bots: how one fails, what it may use, how its time is counted.

A bot is somebody's program. It runs in a process of its own (`agents.bots.process`), confined (`agents.bots.sandbox`),
and speaks with the referee over a private channel (`agents.bots.protocol`). Nothing here imports torch.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class FailureCode(StrEnum):
    """Why a bot lost a match, or was rejected."""

    IMPORT_ERROR = "IMPORT_ERROR"  # its file cannot be loaded, or its command cannot be started
    INIT_TIMEOUT = "INIT_TIMEOUT"  # it was not ready within the start-up grace
    CRASH = "CRASH"  # it raised, or its process ended
    TIMEOUT = "TIMEOUT"  # its time for the move and its bank are used up
    INVALID_ACTION = "INVALID_ACTION"  # an answer of the wrong type, out of range, or masked
    PROTOCOL = "PROTOCOL"  # what it sent is no answer: malformed, too long, twice, out of turn, or a flood of output
    OOM = "OOM"  # it used more memory than its limit
    SANDBOX_DENIED = "SANDBOX_DENIED"  # it ended over something that the sandbox does not allow
    INFRA = "INFRA"  # a fault of the host's: says nothing about the bot and is never rated


class Phase(StrEnum):
    """What the bot was asked for when it failed."""

    IMPORT = "import"  # loading its file, or starting its command
    INIT = "init"  # `Bot(spec)`
    RESET = "reset"  # `reset(seed, agent)`
    ACT = "act"  # `act(observation, action_mask, clock)`
    IDLE = "idle"  # nothing: it was another's turn, or the match had ended


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FailureRecord(_Model):
    """Exactly why a bot failed: what its author reads. All texts are its own process's and are not to be trusted.

    Attributes:
        code: the kind of failure.
        phase: what the bot was asked for.
        match: id of the match, such as `m_1f00.../3`; None outside of one.
        agent: the slot that it played; None before it had one.
        step: step of the match; None outside of one.
        message: one line for the author.
        traceback: cut to the bot's own frames; "" where there is none.
        stderr: the tail of what its process wrote to stderr (and, for Python bots, printed).
        action: what it answered, as text, where it answered.
        legal_actions: what would have been right, where that is known.
        milliseconds: wall time that it took for what it was asked.
        bank_milliseconds: what was left of its time bank.
    """

    code: FailureCode
    phase: Phase
    match: str | None = None
    agent: str | None = None
    step: int | None = None
    message: str
    traceback: str = ""
    stderr: str = ""
    action: str | None = None
    legal_actions: tuple[int, ...] | None = None
    milliseconds: float | None = None
    bank_milliseconds: float | None = None


class BotFailedError(Exception):
    """A bot failed; its process is gone.

    Attributes:
        record: why.
    """

    def __init__(self, record: FailureRecord) -> None:
        super().__init__(f"{record.code}: {record.message}")
        self.record = record


class InfraError(Exception):
    """The host failed, not the bot: no process could be started, the nursery died, a layer of the sandbox is gone.

    The match in question is no match: it rates nobody and is played again.
    """


class Clocks(_Model):
    """How long a bot may take, in seconds of wall time. Only one bot of a match thinks at a time.

    What a bot computes while nobody asks it (threads of its own, in its opponent's time) is taken off its bank, and it
    is stopped between its moves from then on.

    Attributes:
        start: to load and be ready to play.
        move: for every move, not saved up.
        bank: beyond the moves' time, for a whole match.
    """

    start: float = Field(default=10.0, gt=0, le=600)
    move: float = Field(default=1.0, gt=0, le=600)
    bank: float = Field(default=10.0, ge=0, le=3600)


class Limits(_Model):
    """What one process of a bot may use.

    Attributes:
        memory: bytes.
        cpu: seconds of CPU in its whole life, summed over threads; a backstop behind the clocks.
        output: bytes that it may write to its log (stdout and stderr of a Python bot, stderr of any other) in its life.
        message: bytes of one message to the referee.
        threads: how many at once, where the system can count them.
        files: open file descriptors.
    """

    memory: int = Field(default=1024**3, ge=16 * 1024**2)
    cpu: int = Field(default=3600, ge=1)
    output: int = Field(default=1024**2, ge=1024)
    message: int = Field(default=64 * 1024, ge=256)
    threads: int = Field(default=32, ge=1)
    files: int = Field(default=64, ge=8)


class Isolation(StrEnum):
    """How a bot's process is kept from everything else."""

    AUTO = "auto"  # all layers that this machine has; refuses where files or network would be open
    STRICT = "strict"  # those of auto inside bwrap's namespaces, as another uid
    DOCKER = "docker"  # in a container without network
    NONE = "none"  # no isolation beyond a process: for bots of one's own only
