"""A league on a Redis that others use as well: through TLS, as the worker's user, and its password is shown nowhere."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from league.cli import main
from league.passwords import passwords
from league.settings import save, set_layer
from tests.league.supervised import ROOT, SupervisedRun, alive, until
from tests.matchmaking.shared_server import SharedServer, tls

RUN = "test"


class Ground:
    """A shared server with a run's users, behind TLS."""

    def __init__(self, folder: Path, server: SharedServer, port: int, certificate: Path) -> None:
        self.words = passwords(folder / "words.toml")
        self._server, self._port, self._certificate = server, port, certificate

    def url(self, role: str) -> str:
        base = self._server.url(f"league-{RUN}-{role}", self.words[role], self._port, "rediss")
        return f"{base}?ssl_ca_certs={self._certificate}"


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    written = CliRunner().invoke(main, ["redis-acl", RUN, "--passwords", str(tmp_path / "words.toml")])
    assert written.exit_code == 0
    assert (tmp_path / "words.toml").stat().st_mode & 0o777 == 0o600
    server = SharedServer(tmp_path, written.output)
    with tls(tmp_path, server.port) as (port, certificate):
        yield Ground(tmp_path, server, port, certificate)
    server.close()


def command_lines() -> dict[int, str]:
    """Of all processes that can be seen, as `ps` shows them."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and alive(int(entry.name)):
            try:
                found[int(entry.name)] = (entry / "cmdline").read_bytes().decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def test_a_league_with_a_password_through_tls(ground: Ground, tmp_path: Path) -> None:
    test = SupervisedRun(tmp_path / "runs", redis=ground.url("worker"))
    try:
        test.start()
        test.started("evaluator-0")
        until(lambda: "rater-0 of run" in text_of(test.run.logs), "a rater")
        shown = "\n".join(command_lines().values())
        test.send(signal.SIGINT)
        code, output = test.wait(120)
    finally:
        test.close()
    assert code == 130, output
    assert test.run.config_file.stat().st_mode & 0o777 == 0o600
    everything = "\n".join([output, shown, *(text_of(test.run.path / part) for part in ("logs", "metrics", "exports"))])
    assert "league.rater" in everything
    assert not [word for word in ground.words.values() if word in everything]

    save(test.config.model_copy(update={"redis": ground.url("reader")}), test.run.config_file)
    place = [RUN, "--runs-dir", str(tmp_path / "runs")]
    looked = CliRunner().invoke(main, ["status", "--json", *place])
    assert looked.exit_code == 0, looked.output
    refused = CliRunner().invoke(main, ["stop", *place])
    assert refused.exit_code == 2 and "is not running" in refused.output
    try:
        test.start()
        code, output = test.wait(120)
    finally:
        test.close()
    assert code == 3
    assert output.count("error: ") == 1 and "needs its worker's user" in output.splitlines()[-1]
    assert not [word for word in ground.words.values() if word in looked.output + output]


def test_a_password_on_the_command_line_is_overwritten(tmp_path: Path) -> None:
    """`ps` shows what is in the memory in which the kernel handed the words over."""
    words = ["redis://me:S3cret@127.0.0.1:1/0", "x=rediss://:An0ther@host", "plain"]
    program = "import sys; from league.passwords import hide; hide(sys.argv); print(sys.argv[1], flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program, *words], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == words[0], "the program itself still knows it"
        shown = command_lines()[process.pid]
        process.communicate("\n", timeout=20)
    assert "S3cret" not in shown and "An0ther" not in shown
    assert "redis://me:******@127.0.0.1:1/0" in shown and "plain" in shown


def text_of(folder: Path) -> str:
    """All text in a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
    return "\n".join(path.read_bytes().decode(errors="replace") for path in files)


def test_a_setting_that_is_refused_does_not_quote_a_password() -> None:
    assert set_layer("redis=redis://me:secret@host").source == "--set redis=redis://me:***@host"


def test_a_file_of_passwords_that_is_something_else(tmp_path: Path) -> None:
    path = tmp_path / "words.toml"
    path.write_text('worker = "a"\n')
    refused = CliRunner().invoke(main, ["redis-acl", RUN, "--passwords", str(path)])
    assert refused.exit_code == 2
    assert "expected two lines" in refused.output and refused.output.count("\n") == 1
