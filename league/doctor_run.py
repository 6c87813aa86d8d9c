"""What `league doctor` looks at in a run: its folder, its Redis, and whether all that they refer to is there and sound.

A finding that is bad says what mends it. Nothing is changed, but that an embedded Redis that is started for the look
drops a torn end of its append-only file, as it does at every start.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator

from agents.bots.manifest import BotRejectedError
from agents.bots.store import BotStore, BotStoreError
from agents.checkpoint import CheckpointError, CheckpointStore
from agents.durable import is_sha256
from agents.state_store import StateStore
from arenas.replay import ReplayError
from league.access import opened
from league.config import LeagueConfig
from league.doctor import Finding, Grade
from league.errors import LeagueError
from league.gc import collect
from league.lock import held
from league.replays import ReplayStore
from league.runs import FOLDERS, RunFolder
from league.telling import told
from league.text import size
from league.tournament import FOLDER as TOURNAMENTS
from league.tournament import REPLAYS
from league.watermark import Watermark
from matchmaking import appendonly
from matchmaking.errors import (
    AccessDeniedError,
    DamagedLogError,
    MatchmakingError,
    SchemaMismatchError,
    ServerNotFoundError,
    ServerStartError,
    UnknownRunError,
)
from matchmaking.rebuild import rebuild
from matchmaking.records import Kind
from matchmaking.server import EmbeddedServer
from matchmaking.service import Matchmaker
from matchmaking.store import Store

CLOCKS = 30.0  # seconds by which two clocks may differ
NEARLY = 0.9  # of the memory that a server may use
RESTORE = "`league restore FILE` makes a run of a backup"


def examine_run(run: RunFolder) -> Iterator[Finding]:
    """Look at a run."""
    try:
        config = run.config()
    except LeagueError as error:
        yield _bad("configuration", str(error), f"correct {run.config_file.name}; {RESTORE}")
        return
    yield _ok("configuration", f"{run.config_file}: {config.arena}")
    yield _folder(run)
    try:
        yield from _appendonly(run, config)
        with opened(run, config) as matchmaker:
            yield from _live(run, matchmaker)
    except MatchmakingError as error:
        yield _bad("Redis", str(error), _mend_redis(run, config, error))
    except OSError as error:
        yield _bad("disk of the run", told(error)[0], "make room, or make the folder writable")


def _live(run: RunFolder, matchmaker: Matchmaker) -> Iterator[Finding]:
    """What is looked at with Redis."""
    info = matchmaker.store.info
    yield _ok("Redis", f"answers, run {info.name!r}, schema {info.schema_version}")
    yield from _server(matchmaker.store)
    yield _watermark(run, matchmaker.store)
    checks: list[Callable[[RunFolder, Matchmaker], Finding]] = [_checkpoints, _states, _bots, _replays, _segments]
    for check in (*checks, _projections, _garbage):
        yield check(run, matchmaker)


def _ok(what: str, detail: str) -> Finding:
    return Finding(grade=Grade.OK, what=what, detail=detail)


def _note(what: str, detail: str, mend: str = "") -> Finding:
    return Finding(grade=Grade.NOTE, what=what, detail=detail, mend=mend)


def _bad(what: str, detail: str, mend: str) -> Finding:
    return Finding(grade=Grade.BAD, what=what, detail=detail, mend=mend)


def _folder(run: RunFolder) -> Finding:
    """Whether a league could write there; root may write whatever the bits say, but not on a read-only disk."""
    for path in (run.path, *(run.path / part for part in FOLDERS)):
        if not path.is_dir():
            return _bad("run folder", f"{path} is missing", f"mkdir {path}, and look at what else this says")
        if os.statvfs(path).f_flag & os.ST_RDONLY or not os.access(path, os.W_OK | os.X_OK):
            mend = f"make it writable (chmod u+rwx {path}, or mount its disk for writing)"
            return _bad("run folder", f"{path} cannot be written to", mend)
    return _ok("run folder", f"{run.path} can be written to")


def _appendonly(run: RunFolder, config: LeagueConfig) -> Iterator[Finding]:
    """Whether the embedded server can read what it wrote; one that runs has done so."""
    if config.redis is not None or EmbeddedServer(run.redis).running():
        return
    paths = appendonly.files(run.redis)
    for path in paths:
        if not path.is_file():
            yield _bad("append-only file", f"{path} is missing", RESTORE)
            return
    try:
        found = [appendonly.condition(path) for path in paths]
    except ServerNotFoundError:
        return  # that is said elsewhere
    except ServerStartError as error:
        yield _bad("append-only file", str(error), RESTORE)
        return
    if not any(each is None or each.size for each in found):
        yield _note("append-only file", f"there is none in {run.redis}: Redis holds nothing of this run")
        return
    for each in found:
        if each is None:
            yield _note("append-only file", f"one in {run.redis} can only be looked at where it can be written")
        elif each.snapshot:
            yield _bad("append-only file", f"{each.path}: its snapshot cannot be read: {each.snapshot}", RESTORE)
        elif each.sound < each.size:
            lost = f"{each.path}: of {each.size:,} bytes {each.sound:,} can be read as whole writes"
            yield _note(
                "append-only file", f"{lost}; where only the end of the last file is torn, Redis drops it as it starts"
            )
        else:
            yield _ok("append-only file", f"{each.size:,} bytes, whole")


def _mend_redis(run: RunFolder, config: LeagueConfig, error: MatchmakingError) -> str:
    """What to do about a run that cannot be opened."""
    accept = f"{RESTORE}; `league rebuild {run.name} --accept-loss` goes on with what is left"
    if isinstance(error, SchemaMismatchError):
        return "use the version of this program that wrote the run"
    if isinstance(error, AccessDeniedError):
        return f"use a user of this run (`league redis-acl {run.name}`)"
    if isinstance(error, UnknownRunError):
        return RESTORE
    if isinstance(error, ServerStartError):
        return f"look at {EmbeddedServer(run.redis).log}; where the append-only file is damaged, {accept}"
    return "start the server, or correct `redis` in league.toml" if config.redis else accept


def _server(store: Store) -> Iterator[Finding]:
    """The server's clock, memory and settings."""
    apart = store.session.now() - time.time()
    if abs(apart) > CLOCKS:
        yield _note(
            "clocks",
            f"Redis's clock is {abs(apart):,.0f} s {'ahead of' if apart > 0 else 'behind'} this machine's: leases and "
            "dates in tables go by Redis's alone",
            "set both by NTP",
        )
    info = store.session.server()
    if info is None:
        yield _note("Redis settings", "this user may not ask for its memory and settings")
        return
    used, most = int(info["used_memory"]), int(info.get("maxmemory", 0))
    if most and info.get("maxmemory_policy") != "noeviction":
        mend = "CONFIG SET maxmemory-policy noeviction"
        yield _bad("Redis settings", f"it throws keys away when its {size(most)} are full", mend)
    if most and used > NEARLY * most:
        yield _bad("Redis settings", f"it uses {size(used)} of the {size(most)} that it may", "raise its maxmemory")
    if not info.get("aof_enabled"):
        mend = "CONFIG SET appendonly yes; CONFIG SET appendfsync always"
        yield _note("Redis settings", "it keeps no append-only file: what it holds is lost with it", mend)
    elif info.get("aof_last_write_status") != "ok" or info.get("aof_last_bgrewrite_status") != "ok":
        yield _bad("Redis settings", "it could not write its append-only file: is its disk full?", "make room")
    else:
        yield _ok("Redis settings", f"{size(used)} in use, every write is kept")


def _watermark(run: RunFolder, store: Store) -> Finding:
    """Whether Redis has all that it once had."""
    try:
        lost = Watermark(run).lost(store)
    except LeagueError as error:
        return _bad("what Redis had", str(error), f"`league rebuild {run.name} --accept-loss` writes a new one")
    if lost:
        mend = f"{RESTORE}; `league rebuild {run.name} --accept-loss` goes on with what is left"
        return _bad("what Redis had", f"lost: {', '.join(lost)}", mend)
    return _ok("what Redis had", "all of it is there")


def _first(what: str, faults: Iterable[str], number: int, sound: str, mend: str, grade: Grade = Grade.BAD) -> Finding:
    """One finding of many things: the first fault and how many more, or that all is well."""
    found = list(faults)
    if not found:
        return _ok(what, f"{number:,}, {sound}")
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Finding(grade=grade, what=what, detail=f"{found[0]}{more}", mend=mend)


def _checkpoints(run: RunFolder, matchmaker: Matchmaker) -> Finding:
    """Every frozen player's checkpoint is there and is what its name says."""
    store = CheckpointStore(run.checkpoints)
    frozen = [player for player in matchmaker.players() if player.checkpoint is not None]

    def faults() -> Iterator[str]:
        for player in frozen:
            try:
                store.load(player.checkpoint or "")
            except CheckpointError as error:
                yield f"{player.name}: {error}"

    mend = f"copy it from a backup or another machine (any file of that hash will do); {RESTORE}"
    return _first("checkpoints", faults(), len(frozen), "each is what its name says", mend)


def _states(run: RunFolder, matchmaker: Matchmaker) -> Finding:
    """Every learner's saved state can be loaded."""
    pointers = sorted(run.checkpoints.glob("*.json"))

    def faults() -> Iterator[str]:
        for pointer in pointers:
            try:
                StateStore(run.checkpoints, pointer.stem).load()
            except CheckpointError as error:
                yield str(error)

    return _first("learners' states", faults(), len(pointers), "each can be loaded", RESTORE)


def _bots(run: RunFolder, matchmaker: Matchmaker) -> Finding:
    """Every submitted bot is there and is what its version says."""
    store, checkpoints = BotStore(run.bots), CheckpointStore(run.checkpoints)
    players = [player for player in matchmaker.players() if player.kind is Kind.BOT and is_sha256(player.version or "")]
    records = matchmaker.store.bots.all()

    def faults() -> Iterator[str]:
        for player in players:
            version = player.version or ""
            record = records.get(player.id)
            try:
                if record is not None and record.language == "checkpoint":
                    checkpoints.load(version)
                else:
                    store.load(version)
            except BotRejectedError:  # it is whole, and its interpreter is not on this machine
                continue
            except (BotStoreError, CheckpointError) as error:
                yield f"{player.name}: {error}"

    mend = "submit the same bot again (`league submit`), or withdraw it (`league bots withdraw`)"
    return _first("bots", faults(), len(players), "each is what its version says", mend)


def _replays(run: RunFolder, matchmaker: Matchmaker) -> Finding:
    """Every stored replay can be read, those of tournaments too."""
    folders = [run.replays, *sorted((run.path / TOURNAMENTS).glob(f"*/{REPLAYS}"))]
    stored = [(store, pairing) for store in map(ReplayStore, folders) for pairing in sorted(store.stored())]

    def faults() -> Iterator[str]:
        for store, pairing in stored:
            try:
                store.load(pairing)
            except ReplayError as error:
                yield str(error)

    mend = "delete it: ratings do not depend on it; matches without bots are played again from their seeds"
    return _first("replays", faults(), len(stored), "each can be read", mend, Grade.NOTE)


def _segments(run: RunFolder, matchmaker: Matchmaker) -> Finding:
    """Every part of a log that was moved into a file is there and is what it was."""
    logs = [(log, segment) for log in matchmaker.store.logs.values() for segment in log.segments()]

    def faults() -> Iterator[str]:
        for log, segment in logs:
            try:
                log.load(segment)
            except DamagedLogError as error:
                yield str(error)

    mend = f"copy it from a backup: its name and hash are those of the file there; {RESTORE}"
    return _first("parts of logs", faults(), len(logs), "each is what it was", mend)


def _projections(run: RunFolder, matchmaker: Matchmaker) -> Finding:
    """Payoff and ratings are what the logs say."""
    try:
        rebuilt = rebuild(matchmaker.store)
    except DamagedLogError as error:
        return _bad("logs", f"payoff and ratings cannot be recomputed: {error}", "see `parts of logs` above")
    except MatchmakingError as error:
        return _note("logs", str(error))
    if rebuilt.exact:
        detail = f"payoff and ratings are exactly what {rebuilt.reports} reports and {rebuilt.matches} results say"
        return _ok("logs", detail)
    wrong = len(rebuilt.payoff_differences) + len(rebuilt.rating_differences)
    return _bad("logs", f"{wrong} stored values are not what the logs say", f"`league rebuild {run.name}` repairs them")


def _garbage(run: RunFolder, matchmaker: Matchmaker) -> Finding:
    """What nothing refers to takes little."""
    found = collect(run, matchmaker)
    total = sum(each.size for each in found)
    if not found:
        return _ok("left over", "nothing")
    state = "" if held(run) else "; nobody runs this run"
    mend = f"`league gc {run.name}` shows them"
    return _note("left over", f"{len(found)} files of {size(total)} that nothing refers to{state}", mend)
