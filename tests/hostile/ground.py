"""The ground on which hostile bots are let loose: a league's things around them, and a referee."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import redis
import torch

import arenas.registry as arenas
from agents.bots.actor import BotActor
from agents.bots.core import Clocks, FailureCode, FailureRecord, Limits, Phase
from agents.bots.nursery import Nursery
from agents.bots.source import BotSource, Language
from agents.scripted import make
from arenas.core import Arena
from arenas.match import play_matches
from arenas.random import derive_seeds
from matchmaking.server import EmbeddedServer
from tests.agents.bots.bots import LINES, RANDOM, acting, write_bot

ARENA = arenas.make("connect_four")
SPEC = ARENA.spec
EMPTY, ALL = np.zeros(SPEC.observation_shape, np.float32), np.ones(SPEC.num_actions, np.bool_)
LIMITS = Limits(memory=256 * 1024**2, output=50_000, message=4096, threads=16, files=32)
CLOCKS = Clocks(start=10.0, move=5.0, bank=5.0)
"""For bots that fail at once: nobody waits so long."""
HURRY = Clocks(start=0.6, move=0.1, bank=0.2)
"""For bots that use up their time."""
ANY = -1
PAIRING = "m_hostile"
NO_TIME = "no answer within the 0.1 s of a move and the rest of its bank"
DENIED = " (the sandbox does not allow it)"


@dataclass(frozen=True)
class Attack:
    """A hostile bot and its exact end.

    Attributes:
        name: of the test.
        code: of `bot.py`; `$WORD` stands for a thing of the host's, see `Host`.
        expected: the code of its record.
        message: what its record's message is, with anything for an ellipsis.
        phase: of its record.
        step: of its record; the bot moves in steps 0, 2, 4 ... `ANY` where that is chance.
        language, entry: how the bot is run.
        clocks: its time.
        stderr: something that its log holds.
        frame: something that its traceback holds.
    """

    name: str
    code: str
    expected: FailureCode
    message: str
    phase: Phase = Phase.ACT
    step: int | None = 2
    language: Language = "python"
    entry: str = "bot:Bot"
    clocks: Clocks = CLOCKS
    stderr: str = ""
    frame: str = ""

    def __str__(self) -> str:
        return self.name


def tries(name: str, line: str, message: str, *, head: str = "", **known: Any) -> Attack:
    """A Python bot that moves once and then tries something that is denied, and lets the exception out."""
    return Attack(
        name,
        acting(f"if self.moves == 2:\n    {line}\nreturn int(action_mask.nonzero()[0][0])", head=head),
        FailureCode.SANDBOX_DENIED,
        message + DENIED,
        frame='File "bot.py", line ',
        **known,
    )


def answers(name: str, expression: str, expected: FailureCode, message: str, *, head: str = "", **known: Any) -> Attack:
    """A Python bot that moves once and then answers something else."""
    code = acting(f"if self.moves == 2:\n    return {expression}\nreturn int(action_mask.nonzero()[0][0])", head=head)
    return Attack(name, code, expected, message, **known)


def says(name: str, line: str, expected: FailureCode, message: str, **known: Any) -> Attack:
    """A bot of another language that moves once and then does `line` in place of answering.

    In `line`, `out(BYTES)` writes as it is, `request` is what was asked, and `say` answers properly.
    """
    code = LINES.replace(
        'say(id=request["id"], action=dice.choice(legal))',
        "moves += 1\n            if moves == 2:\n                "
        + line.strip().replace("\n", "\n                ")
        + '\n            else:\n                say(id=request["id"], action=legal[0])',
    ).replace(
        "for line in sys.stdin:", "out, moves = (lambda data: os.write(1, data)), 0\n\n    for line in sys.stdin:"
    )
    code = code.replace("import json", "import os, time, json")
    return Attack(name, code, expected, message, language="command", **known)


@dataclass
class Host:
    """What a host has that nobody may touch, all of it open to everybody: nothing but the sandbox protects it.

    Attributes:
        folder: of the run; hostile bots lie below, as they would.
        server: Redis, on a unix socket.
        port: of a TCP server; also of a UDP one.
        abstract: name of an abstract unix socket.
    """

    folder: Path
    server: EmbeddedServer
    port: int
    abstract: str
    secret: str = "a secret of the host's"
    bots: int = 0
    asked: int = 0

    @property
    def words(self) -> dict[str, str]:
        """What `$WORD` in a bot's code stands for."""
        return {
            "RUN": str(self.folder),
            "REDIS": self.redis,
            "PORT": str(self.port),
            "ABSTRACT": self.abstract,
            "REFEREE": str(os.getpid()),
            "HOME": str(Path.home()),
            "ROOT": str(Path(__file__).resolve().parents[2]),
        }

    @property
    def redis(self) -> str:
        """Path of Redis's socket."""
        return self.server.url.removeprefix("unix://").split("?")[0]

    def connections(self) -> int:
        """How many Redis has had; asking is one more."""
        self.asked += 1
        with redis.Redis(unix_socket_path=self.redis) as client:
            return int(client.info("stats")["total_connections_received"]) - self.asked

    def source(self, attack: Attack, **words: str) -> BotSource:
        """The bot, stored beside the others of the run."""
        code = attack.code
        for word, value in (self.words | words).items():
            code = code.replace(f"${word}", value)
        self.bots += 1
        return write_bot(self.folder / "bots" / f"{self.bots:03}", code, entry=attack.entry, language=attack.language)

    def prints(self) -> dict[Path, str]:
        """Of everything below the run but Redis's own files."""
        inner = (path for path in self.folder.iterdir() if path.name not in ("bots", "redis"))
        return {path: each for part in (*inner, self.folder / "bots/other") for path, each in prints(part).items()}


def prints(place: Path) -> dict[Path, str]:
    """Kinds, modes, owners, times and contents of a file, or of a folder and all below."""
    found = {}
    for path in (place, *place.rglob("*")):
        facts = path.lstat()
        small = path.is_file() and facts.st_size < 2**20
        content = hashlib.sha256(path.read_bytes()).hexdigest() if small else facts.st_size
        found[path] = f"{facts.st_mode:o} {facts.st_uid} {facts.st_nlink} {facts.st_mtime_ns} {content}"
    return found


@contextmanager
def host() -> Iterator[Host]:
    """A run's folder with Redis in it, and servers on the machine."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="league-hostile-", dir="/tmp")))
        server = EmbeddedServer(folder / "redis")
        server.start()
        stack.callback(server.stop)
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = tcp.getsockname()[1]
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", port))
        name = f"league-hostile-{os.getpid()}"
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0{name}")
        abstract.listen()
        made = Host(folder, server, port, name)
        for inner in ("bots/other", "checkpoints", "replays", "logs"):
            (folder / inner).mkdir(parents=True)
        (folder / "league.toml").write_text(f"# {made.secret}\n", encoding="ascii")
        (folder / "bots/other/bot.py").write_text(f"SECRET = {made.secret!r}\n", encoding="ascii")
        (folder / "replays/m_1.json").write_text("{}\n", encoding="ascii")
        for path, folders, files in os.walk(folder):
            for inner in (*folders, *files):
                Path(path, inner).chmod(0o777)
        folder.chmod(0o777)
        yield made


@dataclass(frozen=True)
class Match:
    """How a hostile bot's match went: it forfeited with a record, or it played to the end."""

    forfeited: bool
    record: FailureRecord | None


def play(nursery: Nursery, source: BotSource, clocks: Clocks = CLOCKS, *, arena: Arena = ARENA) -> Match:
    """One whole match of a bot, which begins, against random play: as the evaluator would play it."""
    actor = BotActor(nursery, source, arena.spec, clocks, pairing=PAIRING)
    try:
        played = play_matches(arena, [actor, make("random", arena.spec)], derive_seeds(1, 1))
    finally:
        actor.close()
    forfeited = played.forfeits[0].tolist()
    assert not forfeited[1], "the opponent lost for what the bot did"
    assert bool(actor.failures) == forfeited[0]
    return Match(forfeited[0], actor.failures[0][1] if actor.failures else None)


def good_bot(host: Host, nursery: Nursery) -> None:
    """The referee goes on: a good bot plays a whole match with the same nursery."""
    match = play(nursery, host.source(Attack("good", RANDOM, FailureCode.INFRA, "")))
    assert not match.forfeited, match.record


def hold(attack: Attack, record: FailureRecord | None, words: dict[str, str]) -> None:
    """Compare a record with what is expected of it."""
    assert record is not None, "it was not caught: it played its match to the end"
    expected = attack.message
    for word, value in words.items():
        expected = expected.replace(f"${word}", value)
    shown = (record.code.value, record.phase.value, record.step, record.message)
    step = record.step if attack.step == ANY else attack.step
    assert shown[:3] == (attack.expected.value, attack.phase.value, step), shown
    pattern = ".*".join(re.escape(part) for part in expected.split("…"))
    assert re.fullmatch(pattern, record.message), shown
    assert attack.stderr in record.stderr
    assert attack.frame in record.traceback
    assert record.agent == ("player_0" if attack.step is not None or attack.phase is not Phase.IMPORT else record.agent)
    assert record.match == f"{PAIRING}/0"
    for text in (record.message, record.traceback, record.stderr, record.action or ""):
        assert all(letter.isprintable() or letter in "\n\t" for letter in text), repr(text)
        assert len(text) <= 4100


def quick(attack: Attack, **changes: Any) -> Attack:
    """The same attack, a little different."""
    return replace(attack, **changes)


def children(pid: int) -> list[int]:
    """The processes that a process has started and that are still there, dead or alive."""
    try:
        return [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text(encoding="ascii").split()
        ]
    except FileNotFoundError:
        return []


def interpreter(nursery: Nursery) -> int:
    """The nursery's own process; fails where there is not exactly one."""
    (found,) = nursery._interpreters.values()
    assert found.alive
    return found._process.pid


def descriptors() -> int:
    """How many this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


torch.set_num_threads(1)
