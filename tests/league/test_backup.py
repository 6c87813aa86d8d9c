"""A run as one file: taken while the league lives, brought back elsewhere whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.state_store import StateStore
from league import backup as backing
from league import restore as restoring
from league.access import opened
from league.backup import STORE, BackupError, backup
from league.compaction import compact
from league.doctor import Grade, examine
from league.errors import InputError, RunError, StateMismatchError
from league.learner import Learner
from league.process import Place, Process
from league.restore import DRAFT, restore
from league.runs import RunFolder
from matchmaking.dump import FAILURES, HASHES, LISTS, SETS, Dump, dump
from matchmaking.errors import MatchmakingError, SchemaMismatchError
from matchmaking.fold import RatingFold
from matchmaking.rebuild import rebuild
from matchmaking.records import Kind, Pairing
from matchmaking.server import EmbeddedServer, connect
from matchmaking.session import Session
from matchmaking.store import Store
from tests.league.learners import League, after, rules, stop_after

SETTINGS: dict[str, object] = {"roles": rules(main_agent=after(2)), "redis": None}


def play(store: Store, matches: int, seed: int = 0) -> None:
    """Let frozen players meet."""
    rng = random.Random(seed)
    frozen = [player.id for player in store.players() if player.kind is Kind.FROZEN]
    begun = store.queue.num_matches()
    for number in range(begun, begun + matches):
        a, b = rng.sample(frozen, 2)
        store.queue.enqueue([Pairing(id=f"m_{number}", a=a, b=b, pairs=2, seed=number)])
        lease = store.queue.lease("w", 60)
        assert lease is not None
        store.queue.report(lease, "".join(rng.choices("wdl", k=4)))
    while RatingFold(store).step():
        pass


@pytest.fixture(scope="module")
def league(tmp_path_factory: pytest.TempPathFactory) -> Iterator[League]:
    """A run that was trained for a few iterations; part of its logs lies in files. Tests only read it."""
    made = League(tmp_path_factory.mktemp("runs"), SETTINGS)
    learner = made.learner()
    stop_after(learner, 5)
    learner.run()
    store = Store.open(made.server.url, made.run.name, files=made.run.logs)
    play(store, 30)
    for number in range(12):
        store.report_rows([(0, 3 + number % 2, 0, number, 1, 2)])
    compact(store, keep=2, segment=5)
    a, b = [player.id for player in store.players() if player.kind is Kind.FROZEN][:2]
    store.queue.enqueue([Pairing(id="waits", a=a, b=b, pairs=1, seed=1)])
    assert store.queue.lease("gone", 600) is not None
    store.close()
    (made.run.logs / "learner-0.log").write_text("12:00:00 INFO trained\n")
    yield made
    made.close()


@pytest.fixture(scope="module")
def file(league: League, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "mine.tar.gz"
    backup(league.run, path)
    return path


def everything(run: RunFolder) -> tuple[object, ...]:
    """What a run's tables are made of; its logs must give what is derived from them."""
    with opened(run) as matchmaker:
        store = matchmaker.store
        assert rebuild(store).exact
        return (
            store.players(),
            store.queue.matches(),
            store.episode_rows(0, store.episode_reports()),
            store.payoff_pairs(),
            store.ratings.state(),
            store.ratings.history(),
            store.processes.statuses(),
            store.facts,
            matchmaker.standings().players,
        )


def bad(run: RunFolder) -> list[str]:
    return [finding.detail for finding in examine(run.path.parent, run) if finding.grade is Grade.BAD]


def test_elsewhere_it_is_the_same_run(league: League, file: Path, tmp_path: Path) -> None:
    run = restore(file, tmp_path / "runs", "other")
    assert everything(run) == everything(league.run)
    assert bad(run) == []
    assert (run.logs / "learner-0.log").read_text() == "12:00:00 INFO trained\n"
    assert [path.name for path in run.path.parent.iterdir() if path.name.startswith(DRAFT)] == []
    words = b"".join(path.read_bytes() for path in run.path.rglob("*") if path.is_file() and path.suffix != ".json")
    assert str(league.run.path).encode() not in words

    server = EmbeddedServer(run.redis)
    server.start()
    store = Store.open(server.url, run.name, files=run.logs)
    lease = store.queue.lease("me", 60)
    assert lease is not None and lease.pairing.id == "waits", "who held it is not here: it is handed out again"
    learner = Learner(Process("learner", Place(run, 0), run.config(), store))
    before = league.learner()
    assert learner.careers == before.careers
    for player in learner.players:
        assert learner.weights(player).equal(before.weights(player))
    stop_after(learner, 3)
    learner.run()
    play(store, 5)
    assert rebuild(store).exact
    store.close()
    server.stop()
    assert bad(run) == []


def test_a_backup_of_a_living_league(file: Path, tmp_path: Path) -> None:
    """Copied while reports and results come in and logs are moved into files."""
    alive = restore(file, tmp_path / "runs", "alive")
    server = EmbeddedServer(alive.redis)
    server.start()
    store = Store.open(server.url, alive.name, files=alive.logs)
    done = threading.Event()

    def live() -> None:
        mine = Store.open(server.url, alive.name, files=alive.logs)
        while not done.is_set():
            mine.report_rows([(0, 3, 0, 3, 1, 2)])
            play(mine, 1)
            compact(mine, keep=2, segment=4)
        mine.close()

    living = threading.Thread(target=live)
    living.start()
    try:
        for number in range(3):
            backup(alive, tmp_path / f"{number}.tar.gz")
    finally:
        done.set()
        living.join()
    whole = store.queue.matches()
    for number in range(3):
        run = restore(tmp_path / f"{number}.tar.gz", tmp_path / "runs", f"copy-{number}")
        _, matches, *_ = everything(run)
        assert isinstance(matches, list)
        assert len(matches) >= 30 and matches == whole[: len(matches)]
        assert bad(run) == []
    store.close()
    server.stop()


def test_states_and_redis_are_of_one_moment(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A learner that saves while Redis is read: a state with a copy that Redis does not know could not be resumed."""
    run = restore(file, tmp_path / "runs")
    states = StateStore(run.checkpoints, "learner-0")
    calls: list[int] = []

    def saving(session: Session) -> Dump:
        if not calls:
            saved = states.load()
            assert saved is not None
            states.save(saved.tensors, dict(saved.extra) | {"new": True})
        calls.append(1)
        return dump(session)

    monkeypatch.setattr(backing, "dump", saving)
    backup(run, tmp_path / "copy.tar.gz")
    assert len(calls) == 2
    copy = restore(tmp_path / "copy.tar.gz", tmp_path / "others")
    found = StateStore(copy.checkpoints, "learner-0").load()
    assert found is not None and "new" in found.extra


def test_every_key_of_a_run_is_taken(league: League) -> None:
    store = Store.open(league.server.url, league.run.name)
    prefix = store.session.key("")
    with connect(league.server.url) as client:
        names = {key.decode().removeprefix(prefix) for key in client.scan_iter(f"{prefix}*")}
    known = {*LISTS, *HASHES, *SETS, "heartbeats"}
    assert {name for name in names - known if not name.startswith((FAILURES, "aside:"))} == set()
    assert {"clients", "payoff", "archived", "segments:matches", "leases", "holders"} <= dump(store.session).keys()
    store.close()


def test_into_a_shared_redis_and_no_address_in_the_file(league: League, file: Path, tmp_path: Path) -> None:
    own_server = EmbeddedServer(tmp_path / "shared")
    own_server.start()
    run = restore(file, tmp_path / "runs", redis=own_server.url)
    assert run.config().redis == own_server.url
    assert everything(run) == everything(league.run)
    again = restore(file, tmp_path / "others", redis=own_server.url)
    assert everything(again) == everything(league.run), "killed between Redis and the folder, it is done again"
    with opened(run) as matchmaker:
        matchmaker.store.set_fact("something", "new")
    with pytest.raises(MatchmakingError, match="in this Redis already: choose another name"):
        restore(file, tmp_path / "more", redis=own_server.url)
    second = tmp_path / "second.tar.gz"
    backup(run, second)
    with tarfile.open(second) as archive:
        config = archive.extractfile("league.toml")
        assert config is not None and b"redis" not in config.read()
    own_server.stop()


def test_a_run_that_lacks_something_is_not_backed_up(file: Path, tmp_path: Path) -> None:
    run = restore(file, tmp_path / "runs")
    checkpoint = next(path for path in run.checkpoints.iterdir() if len(path.stem) == 64)
    checkpoint.unlink()
    with pytest.raises(StateMismatchError, match=f"{checkpoint.name} is missing or damaged"):
        backup(run, tmp_path / "x.tar.gz")
    assert not (tmp_path / "x.tar.gz").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_nothing_is_overwritten(league: League, file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exists"):
        backup(league.run, file)
    with pytest.raises(RunError, match="exists"):
        restore(file, league.run.path.parent)


def test_an_interrupted_restore_leaves_no_run(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class KilledError(BaseException):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    root = tmp_path / "runs"
    monkeypatch.setattr(restoring, "put", killed)
    monkeypatch.setattr(restoring, "_remove", lambda _: None)  # who is killed tidies nothing up
    with pytest.raises(KilledError):
        restore(file, root)
    monkeypatch.undo()
    assert [path.name[: len(DRAFT)] for path in root.iterdir()] == [DRAFT]
    run = restore(file, root)
    assert sorted(path.name for path in root.iterdir()) == [".newest", run.name]


def repacked(file: Path, target: Path, change: object) -> Path:
    """The archive with its members changed: a function of their list [(info, content)]."""
    assert callable(change)
    with tarfile.open(file) as archive:
        members = [(info, _content(archive, info)) for info in archive]
    with gzip.open(target, "wb") as zipped, tarfile.open(fileobj=zipped, mode="w|") as archive:
        for info, content in change(members):
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content))
    return target


def _content(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    content = archive.extractfile(info)
    return content.read() if content is not None else b""


Members = list[tuple[tarfile.TarInfo, bytes]]


def renamed(members: Members, name: str, content: bytes = b"evil", kind: bytes = tarfile.REGTYPE) -> Members:
    """With another file, which the manifest names too."""
    manifest = json.loads(members[0][1])
    digest = hashlib.sha256(content).hexdigest()
    manifest["entries"].append({"path": name, "size": len(content), "sha256": digest, "executable": False})
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return [(members[0][0], json.dumps(manifest).encode()), *members[1:], (info, content)]


def altered(members: Members, name: str) -> Members:
    return [(i, bytes([c[0] ^ 1]) + c[1:] if i.name == name else c) for i, c in members]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m[1:], "does not begin with manifest.json"),
        (lambda m: m[:-1], "is missing"),
        (lambda m: altered(m, m[1][0].name), "is not what its manifest says"),
        (lambda m: [*m, (tarfile.TarInfo("logs/more"), b"x")], "is not in its manifest"),
        (lambda m: [*m, m[-1]], "is not in its manifest"),
        (lambda m: renamed(m, "logs/../../evil"), "could climb"),
        (lambda m: renamed(m, "/etc/evil"), "is no file of a run"),
        (lambda m: renamed(m, "redis/redis.conf"), "is no file of a run"),
        (lambda m: renamed(m, ".supervisor"), "is no file of a run"),
        (lambda m: renamed(m, "logs/link", kind=tarfile.SYMTYPE), "is not the regular file"),
        (lambda m: renamed(m, "logs/link", kind=tarfile.LNKTYPE), "is not the regular file"),
        (lambda m: renamed(m, "logs/pipe", kind=tarfile.FIFOTYPE), "is not the regular file"),
        (lambda m: [(m[0][0], m[0][1].replace(b'"size":', b'"size":9999999999', 1)), *m[1:]], "unpacks to"),
        (lambda m: [(m[0][0], b'{"schema": 2}'), *m[1:]], "none of schema 1"),
    ],
)
def test_an_archive_of_a_stranger(file: Path, tmp_path: Path, change: object, message: str) -> None:
    root = tmp_path / "runs"
    with pytest.raises(BackupError, match=message) as caught:
        restore(repacked(file, tmp_path / "evil.tar.gz", change), root)
    assert "\n" not in str(caught.value)
    assert list(root.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.tar.gz", "runs"]


def test_a_bomb_and_a_torn_file(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restoring, "MOST_MANIFEST", 2**20)
    bomb = tmp_path / "bomb.tar.gz"
    with gzip.open(bomb, "wb") as zipped:
        header = tarfile.TarInfo("x" * 50)
        header.type, header.size = tarfile.XHDTYPE, 2**36
        zipped.write(header.tobuf(tarfile.GNU_FORMAT))
        for _ in range(4):
            zipped.write(bytes(2**20))
    torn = tmp_path / "torn.tar.gz"
    content = file.read_bytes()
    torn.write_bytes(content[: len(content) * 2 // 3])
    noise = tmp_path / "noise.tar.gz"
    noise.write_bytes(random.Random(1).randbytes(5000))
    for path in (bomb, torn, noise):
        with pytest.raises(BackupError, match=path.name):
            restore(path, tmp_path / "runs")
        assert list((tmp_path / "runs").iterdir()) == []


def test_a_store_of_another_schema_or_of_noise(file: Path, tmp_path: Path) -> None:
    def with_store(content: bytes) -> Path:
        def change(members: Members) -> Members:
            manifest = json.loads(members[0][1])
            for entry in manifest["entries"]:
                if entry["path"] == STORE:
                    entry |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            rest = [(i, content if i.name == STORE else c) for i, c in members[1:]]
            return [(members[0][0], json.dumps(manifest).encode()), *rest]

        return repacked(file, tmp_path / "evil.tar.gz", change)

    with pytest.raises(SchemaMismatchError, match="schema 99"):
        restore(with_store(b'{"run": {"schema": "99", "arena": "x"}}'), tmp_path / "runs")
    noise = (b"[]", b"{", b'{"run": ["x"]}', b'{"run": {"schema": 1}}', b'{"run": {}, "other": []}', b"[" * 10**5)
    for content in noise:
        with pytest.raises(BackupError, match="is not what a run has in Redis"):
            restore(with_store(content), tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []
