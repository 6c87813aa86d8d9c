"""Files of a run folder: tournaments, replays, parts of logs, and what a training writes down."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import arenas
from arenas.replay import MatchRecord, ReplayError, replay
from league import tournament as tournaments
from league.errors import LeagueError
from league.replaying import read_records
from league.replays import ReplayStore
from league.tournament_tables import Report
from matchmaking.errors import MatchmakingError
from tests.fuzz.core import Door
from tests.fuzz.mutate import gzipped, json_lines, json_text


def _settings(kind: str, players: int = 4) -> tournaments.Settings:
    return tournaments.Settings.model_validate(
        {
            "name": "cup", "format": kind, "arena": "tic_tac_toe", "pairs": 2, "seed": 5, "created": 1.5,
            "players": [
                {"name": f"random#{number}", "text": "random", "kind": "scripted", "version": None}
                for number in range(players)
            ],
        }
    )  # fmt: skip


def _played(kind: str) -> bytes:
    """The journal of a tournament that is half over."""
    settings = _settings(kind)
    schedule, lines, results = settings.schedule(), [], dict[str, str]()
    for _ in range(3):
        waiting = schedule.plan(results).open(results)
        if not waiting:
            break
        each = waiting[0]
        results[each.id] = "wdlw"[: 2 * each.pairs].ljust(2 * each.pairs, "w")
        record = {
            "id": each.id, "a": each.a, "b": each.b, "seed": settings.seed_of(each.id), "outcomes": results[each.id],
            "forfeits": [{"match": 0, "player": each.a, "code": "CRASH"}], "seconds": 0.5, "finished": 2.5,
        }  # fmt: skip
        lines.append(json.dumps(record))
    return ("\n".join(lines) + "\n").encode()


@contextmanager
def tournament_settings(scratch: Path) -> Iterator[Door]:
    folder = scratch / "cup"
    folder.mkdir()

    def enter(data: bytes) -> None:
        (folder / tournaments.SETTINGS).write_bytes(data)
        found = tournaments.load(folder)
        if len(found.settings.players) < 100 and found.settings.pairs < 100:
            Report(found, found.read()).standings()

    kinds = ("round-robin", "gauntlet", "swiss", "knockout")
    yield Door([_settings(kind).model_dump_json().encode() for kind in kinds], json_text, (LeagueError,), enter)


@contextmanager
def journal(scratch: Path) -> Iterator[Door]:
    folders = []
    kinds = ("round-robin", "swiss", "knockout")
    for kind in kinds:
        folder = scratch / kind
        folder.mkdir()
        (folder / tournaments.SETTINGS).write_text(_settings(kind).model_dump_json())
        folders.append(tournaments.load(folder))

    def enter(data: bytes) -> None:
        refused: LeagueError | None = None
        for each in folders:
            (each.path / tournaments.JOURNAL).write_bytes(data)
            try:
                each.journal().close()
                report = Report(each, each.read())
                report.standings()
                report.encounters()
                report.crosstable()
            except LeagueError as error:
                refused = error
        if refused is not None:
            raise refused

    yield Door([_played(kind) for kind in kinds], json_lines, (LeagueError,), enter)


RECORD = {
    "schema_version": 1, "id": "m_1/0", "arena": "tic_tac_toe", "options": {}, "seed": 7, "game": 0,
    "players": ["a", "b"], "actions": [0, 3, 1, 4, 2], "forfeits": [], "returns": [1.0, -1.0], "truncated": False,
}  # fmt: skip
LOST = RECORD | {"actions": [0, -2], "forfeits": [{"team": 1, "code": "CRASH", "message": "x"}], "returns": [0.0, 0.0]}


def _watch(records: list[MatchRecord]) -> None:
    arena = arenas.make("tic_tac_toe")
    for record in records:
        for _ in replay(arena, record):
            pass


@contextmanager
def replays(scratch: Path) -> Iterator[Door]:
    store, path = ReplayStore(scratch), scratch / "m_1.jsonl.gz"

    def enter(data: bytes) -> None:
        path.write_bytes(data)
        _watch(store.load("m_1") or [])

    samples = ["\n".join(json.dumps(each) for each in (RECORD, LOST)).encode() + b"\n"]
    yield Door(samples, gzipped(json_lines), (ReplayError,), lambda data: enter(_packed(data)))


def _packed(data: bytes) -> bytes:
    """A valid sample comes without its compression."""
    return gzip.compress(data, mtime=0) if data[:1] == b"{" else data


@contextmanager
def match_file(scratch: Path) -> Iterator[Door]:
    path = scratch / "match.json"
    sample = json.dumps({"schema": "league/match/1", "matches": [RECORD, LOST]}).encode()

    def enter(data: bytes) -> None:
        path.write_bytes(data)
        _watch(read_records(path))

    yield Door([sample], json_text, (LeagueError, ReplayError), enter)


@contextmanager
def segment(scratch: Path) -> Iterator[Door]:
    """A part of a log, whose name in Redis is right: the hash is that of what lies there."""
    import hashlib
    from typing import Any, cast

    from matchmaking.logs import Log, Segment
    from matchmaking.records import MatchResult

    class OneFile:
        """Redis, as far as a log's reader asks it."""

        run = "run"
        record = b""

        def read(self, command: str, key: str, *arguments: Any) -> Any:
            if command == "HGET":
                return b"2"
            return [self.record] if key.startswith("segments") else ([] if command == "LRANGE" else 0)

    lines = [
        MatchResult(id=f"m_{number}", a="p_1", b="p_2", seed=number, outcomes="wl").model_dump_json().encode()
        for number in range(2)
    ]
    (scratch / "matches").mkdir()
    fake = OneFile()

    def enter(data: bytes) -> None:
        content = _packed(data)
        made = Segment(first=0, count=2, sha256=hashlib.sha256(content).hexdigest(), size=len(content))
        fake.record = made.model_dump_json().encode()
        log = Log(cast(Any, fake), "matches", scratch)
        log.path(made).write_bytes(content)
        try:
            log.read()
        finally:
            log.path(made).unlink()

    yield Door([b"\n".join(lines) + b"\n"], gzipped(json_lines), (MatchmakingError,), enter)


EVALUATION = {
    "steps": 100, "seconds": 1.0, "episodes": 32, "return_sum": -20.5, "return_mean": -6.8, "length": 25.0,
    "return_published": -20.5, "published_scale": "mpe2", "win_rate": None, "rate": 0.3, "checkpoint": "0" * 64,
}  # fmt: skip
TRAINING = {
    "schema": 1, "algorithm": "qmix", "preset": "epymarl", "arena": "spread", "arena_options": {}, "settings": {},
    "seed": 0, "environments": 8, "hardware": "cpu", "evaluations": [],
}  # fmt: skip


@contextmanager
def evaluations(scratch: Path) -> Iterator[Door]:
    from league import trained

    fields = trained.Point.model_fields
    point = {name: EVALUATION.get(name, 1.0) for name in fields}
    sample = json.dumps(TRAINING | {"evaluations": [point, point]}).encode()

    def enter(data: bytes) -> None:
        (scratch / trained.EVALUATIONS).write_bytes(data)
        found = trained.read_trainings(scratch)
        trained.summarise(list(found.values())).model_dump_json()

    yield Door([sample], json_text, (LeagueError,), enter)
