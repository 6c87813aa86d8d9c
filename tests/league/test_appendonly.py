"""Append-only files of one part, and of several that a manifest names, as Redis 7 and Valkey write them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from league.appendonly import accept
from league.config import LeagueConfig
from league.doctor import Finding, Grade
from league.doctor_run import examine_run
from league.errors import StateMismatchError
from league.runs import RunFolder, create
from matchmaking.appendonly import PARTS, condition, files
from matchmaking.errors import ServerStartError
from matchmaking.program import find_server
from matchmaking.server import EmbeddedServer, connect

MANIFEST = "appendonly.aof.manifest"
BASE, FIRST, SECOND = (f"appendonly.aof.{name}" for name in ("2.base.aof", "9.incr.aof", "10.incr.aof"))
OLD = "appendonly.aof.1.incr.aof"  # which a rewrite has made of no use
NAMED = f"""\
file {BASE} seq 2 type b
file {OLD} seq 1 type h
file {FIRST} seq 9 type i
file {SECOND} seq 10 type i
"""
NAMED_BY_8 = NAMED.replace("9 type i", "9 type i startoffset 0 endoffset 287").replace(
    "10 type i", "10 type i startoffset 287"
)


def writes(key: str, count: int) -> bytes:
    """What a server notes of so many writes."""
    return b"".join(b"*3\r\n$3\r\nSET\r\n$1\r\n%s\r\n$1\r\n%d\r\n" % (key.encode(), n) for n in range(count))


SELECT = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    made = create(tmp_path, LeagueConfig(arena="tic_tac_toe"), "test")
    yield made
    EmbeddedServer(made.redis).stop()


@pytest.fixture(params=[NAMED, NAMED_BY_8], ids=["7", "8"])
def parts(run: RunFolder, request: pytest.FixtureRequest) -> Path:
    """Three files that are read, one that is not, and the manifest that says so, as Redis 7 or as Redis 8 writes it."""
    folder = run.redis / PARTS
    folder.mkdir()
    (folder / MANIFEST).write_text(request.param)
    for name, key in ((BASE, "a"), (FIRST, "b"), (SECOND, "c")):
        (folder / name).write_bytes(SELECT + writes(key, 9))
    (folder / OLD).write_bytes(b"nobody reads this")
    return folder


def said(run: RunFolder) -> list[Finding]:
    """What `league doctor` says of the files."""
    return [each for each in examine_run(run) if each.what == "append-only file"]


def test_the_manifest_says_which_files_are_read_and_in_what_order(run: RunFolder, parts: Path) -> None:
    assert [path.name for path in files(run.redis)] == [BASE, FIRST, SECOND]
    found = [condition(path) for path in files(run.redis)]
    assert all(each is not None and each.sound == each.size > 200 and not each.snapshot for each in found)
    assert [each.grade for each in said(run)] == [Grade.OK] * 3
    assert list(accept(run)) == []


def test_before_redis_7_there_is_one_file(run: RunFolder) -> None:
    assert files(run.redis) == []
    path = run.redis / "appendonly.aof"
    path.write_bytes(SELECT)
    assert files(run.redis) == [path]


def test_what_was_written_after_a_damage_goes_with_it(run: RunFolder, parts: Path) -> None:
    """The later file is whole, and builds upon what is lost."""
    whole = {name: (parts / name).read_bytes() for name in (BASE, FIRST, SECOND)}
    (parts / FIRST).write_bytes(whole[FIRST][:-3])
    lines = list(accept(run))
    # The first at the end: while it is torn, nobody takes the second for what is left.
    assert [line.partition(": cut off ")[0] for line in lines] == [str(parts / SECOND), str(parts / FIRST)]
    assert (parts / BASE).read_bytes() == whole[BASE]
    assert (parts / FIRST).read_bytes() == SELECT + writes("b", 8)
    assert (parts / SECOND).read_bytes() == b""
    assert (parts / f"{FIRST}.damaged").read_bytes() == whole[FIRST][:-3]
    assert (parts / f"{SECOND}.damaged").read_bytes() == whole[SECOND]
    assert list(accept(run)) == []


def test_nothing_is_cut_off_before_all_files_were_looked_at(run: RunFolder, parts: Path) -> None:
    torn = (parts / FIRST).read_bytes()[:-3]
    (parts / FIRST).write_bytes(torn)
    (parts / SECOND).unlink()
    with pytest.raises(StateMismatchError, match=r"10\.incr\.aof: it is missing"):
        list(accept(run))
    assert (parts / FIRST).read_bytes() == torn
    assert not list(parts.glob("*.damaged"))


def test_a_checker_that_hangs_is_told(run: RunFolder, parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def frozen(command: list[str], *, timeout: float, **_: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "run", frozen)
        found = said(run)
        assert [each.grade for each in found] == [Grade.BAD]
        assert "does not get to the end of" in found[0].detail and BASE in found[0].detail
        with pytest.raises(ServerStartError, match=r"does not get to the end of .* within 120 s"):
            list(accept(run))


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        ("snapshot", "its snapshot cannot be read: (Unexpected EOF|Wrong signature|Can't handle RDB format version)"),
        ("missing", "2.base.aof is missing"),
        ("unnamed", "manifest is missing"),
    ],
)
def test_without_its_beginning_nothing_is_gone_on_with(run: RunFolder, parts: Path, harm: str, reason: str) -> None:
    if harm == "snapshot":
        (parts / BASE).write_bytes(b"REDIS0009\xfa\x09redis-ver\x05")
    else:
        (parts / (BASE if harm == "missing" else MANIFEST)).unlink()
    before = {path.name: path.read_bytes() for path in parts.iterdir()}
    findings = [each for each in said(run) if each.grade is not Grade.OK]
    assert [each.grade for each in findings] == [Grade.BAD]
    assert re.search(reason, findings[0].detail) and "league restore" in findings[0].mend
    with pytest.raises(StateMismatchError, match=r"makes no sense without it: `league restore`"):
        list(accept(run))
    assert {path.name: path.read_bytes() for path in parts.iterdir()} == before


def needs_parts() -> None:
    """Leave a test out where the server writes one file."""
    version = subprocess.run([find_server(), "--version"], capture_output=True, text=True, check=True).stdout
    if int(re.findall(r"v=(\d+)", version)[0]) < 7:
        pytest.skip(f"the server at hand is older than Redis 7: {version}")


def test_a_server_since_redis_7_leaves_a_damage_in_the_middle_alone(run: RunFolder, parts: Path) -> None:
    """Left to itself it cuts the end off, ends, and reads all that is left when it is started again."""
    needs_parts()
    torn = SELECT + writes("b", 9)[:-3]
    (parts / FIRST).write_bytes(torn)
    for _ in range(2):
        assert [each.grade for each in said(run)] == [Grade.OK, Grade.NOTE, Grade.OK]
        with pytest.raises(ServerStartError, match="Unexpected end of file"):
            EmbeddedServer(run.redis).start()
        assert (parts / FIRST).read_bytes() == torn
    assert len(list(accept(run))) == 2
    EmbeddedServer(run.redis).start()


def test_a_server_since_redis_7_drops_the_torn_end_of_the_last_file(run: RunFolder, parts: Path) -> None:
    needs_parts()
    (parts / SECOND).write_bytes(SELECT + writes("c", 9)[:-3])
    server = EmbeddedServer(run.redis)
    server.start()
    with connect(server.url) as client:
        assert client.mget("a", "b", "c") == [b"8", b"8", b"7"]


def test_a_server_since_redis_7_does_not_drop_the_torn_end_of_what_others_follow(run: RunFolder, parts: Path) -> None:
    """As the one file of an older server is followed by what Redis 7 writes."""
    needs_parts()
    torn = SELECT + writes("a", 9)[:-3]
    (parts / BASE).write_bytes(torn)
    (parts / MANIFEST).write_text(f"file {BASE} seq 2 type b\nfile {FIRST} seq 9 type i\n")
    for _ in range(2):
        with pytest.raises(ServerStartError, match="Unexpected end of file"):
            EmbeddedServer(run.redis).start()
    assert (parts / BASE).read_bytes() == torn


def test_a_server_since_redis_7_reads_what_is_left(run: RunFolder, parts: Path) -> None:
    needs_parts()
    (parts / SECOND).write_bytes(SELECT + writes("c", 9)[:-3])
    assert len(list(accept(run))) == 1
    server = EmbeddedServer(run.redis)
    server.start()
    with connect(server.url) as client:
        assert client.mget("a", "b", "c") == [b"8", b"8", b"7"]
    server.stop()
    assert [each.grade for each in said(run)] == [Grade.OK] * 3


def test_a_server_since_redis_7_takes_over_the_one_file_and_rewrites_it(run: RunFolder) -> None:
    needs_parts()
    (run.redis / "appendonly.aof").write_bytes(SELECT + writes("a", 9))
    server = EmbeddedServer(run.redis)
    server.start()
    with connect(server.url) as client:
        assert client.get("a") == b"8"
        client.set("b", "1")
        assert [path.name for path in files(run.redis)] == ["appendonly.aof", "appendonly.aof.1.incr.aof"]
        client.bgrewriteaof()
    server.stop()
    server.start()
    with connect(server.url) as client:
        assert client.mget("a", "b") == [b"8", b"1"]
    server.stop()
    assert {each.grade for each in said(run)} == {Grade.OK}
