"""Words of the command line, and the URL of a Redis."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from click.testing import CliRunner

from league.cli import main
from league.runs import create
from league.settings import resolve, set_layer
from matchmaking.errors import MatchmakingError
from matchmaking.server import EmbeddedServer, connect, masked
from matchmaking.service import Matchmaker
from matchmaking.store import Store
from tests.fuzz.core import Door
from tests.fuzz.mutate import raw, words

CODES = {0, 1, 2, 3, 4, 5}
LINES = (
    "players", "players --json", "players show random", "players show main_agent-1.v1", "payoff --json", "leaderboard",
    "leaderboard --json", "status --json", "runs --json", "arenas list --json", "arenas show connect_four",
    "arenas show spread --json", "replay m_1/0", "replay m_1 --json", "bots list", "bots show deep", "bots errors deep",
    "bots withdraw deep", "bots new mine --arena tic_tac_toe", "nashconv random --arena kuhn_poker",
    "match random perfect --arena tic_tac_toe -n 2 --seed 3 --json", "match random random -n 2",
    "match random perfect --arena tic_tac_toe -n 2 --sprt elo0=0,elo1=20,alpha=0.1", "rebuild --json",
    "tournament --resume cup", "tournament random perfect --format swiss --resume x", "players --run made-up",
    "export leaderboard --format csv", "export payoff --format json", "redis-acl made-up",
)  # fmt: skip


class CommandRefusedError(Exception):
    """The command ended with an exit code other than 0, and one line."""


@contextmanager
def command_line(scratch: Path) -> Iterator[Door]:
    from tests.league.conftest import fill

    root = scratch / "runs"
    server = EmbeddedServer(scratch / "r")
    server.start()
    try:
        run = create(root, resolve("connect_four", flags=[set_layer(f"redis={server.url}")], environment={}), "made-up")
        store = Store.create(server.url, run.name, "connect_four")
        fill(Matchmaker(store))
        store.close()
        os.environ["LEAGUE_RUNS"] = str(root)
        runner = CliRunner()

        def enter(data: bytes) -> None:
            result = runner.invoke(main, [each.decode("utf-8", "surrogateescape") for each in data.split(b"\0")])
            if result.exception is not None and not isinstance(result.exception, SystemExit):
                raise result.exception
            if result.exit_code not in CODES:
                raise AssertionError(f"exit code {result.exit_code}")
            if result.exit_code:
                raise CommandRefusedError(result.stderr)

        yield Door([line.encode().replace(b" ", b"\0") for line in LINES], words, (CommandRefusedError,), enter)
    finally:
        server.stop()


@contextmanager
def redis_url(scratch: Path) -> Iterator[Door]:
    samples = (
        b"redis://127.0.0.1:1/0", b"rediss://user:pass@127.0.0.1:1/3?ssl_cert_reqs=none", b"unix:///nowhere.sock?db=1",
        b"redis://:secret@[::1]:1/0?socket_timeout=1&health_check_interval=3", b"redis://127.0.0.1:1",
    )  # fmt: skip

    def enter(data: bytes) -> None:
        url = data.decode("utf-8", "surrogateescape")
        masked(url)
        connect(url).close()

    yield Door(samples, raw, (MatchmakingError,), enter)
