"""Users of a shared Redis: workers may do all that a league does, readers may look, and neither sees another's keys."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import exceptions

import matchmaking
from matchmaking.acl import READING, acl_file, reader_commands, scripted, user, worker_commands
from matchmaking.dump import dump, put
from matchmaking.errors import AccessDeniedError, RedisUnreachableError
from matchmaking.rebuild import rebuild
from matchmaking.server import connect
from matchmaking.service import Matchmaker
from matchmaking.store import Store
from tests.league.conftest import fill
from tests.matchmaking.shared_server import ADMIN, SharedServer, tls

RUN = "league.one"
WORKER, READER = "w:/@ secret", "r?&# secret"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedServer]:
    server = SharedServer(tmp_path_factory.mktemp("shared"), acl_file(RUN, WORKER, READER))
    yield server
    server.close()


@pytest.fixture(scope="module")
def worker(shared: SharedServer) -> Iterator[Store]:
    """A run that the worker's user has filled: everything that a league does was allowed to it."""
    store = Store.create(shared.url(user("worker", RUN), WORKER), RUN, "connect_four")
    fill(Matchmaker(store, rng=random.Random(3)))
    yield store
    store.close()


def test_passwords_are_in_the_file_as_hashes_only() -> None:
    text = acl_file(RUN, WORKER, READER)
    assert WORKER not in text and READER not in text
    assert [line.split()[1] for line in text.splitlines()] == [f"league-{RUN}-worker", f"league-{RUN}-reader"]
    with pytest.raises(ValueError, match="no name of a run"):
        acl_file("a ~*", WORKER, READER)


def test_reading_uses_the_commands_that_a_reader_has() -> None:
    sources = [path.read_text() for path in Path(matchmaking.__file__).parent.glob("*.py")]
    used = {command for text in sources for command in re.findall(r'\.read\(\s*"([A-Z]+)"', text)}
    assert used <= set(READING)
    assert "HGETALL" in used


def test_a_workers_commands_are_those_of_the_scripts() -> None:
    assert {"ZADD", "HSETNX", "LTRIM", "RPUSH", "LPUSH"} <= set(scripted()) <= set(worker_commands())
    for dangerous in ("FLUSHALL", "KEYS", "CONFIG", "SHUTDOWN", "SCAN", "ACL"):
        assert dangerous not in worker_commands()
    assert not set(reader_commands()) & {"EVAL", "EVALSHA", "HSET", "RPUSH", "DEL"}


def test_what_a_script_chooses_while_it_runs_is_known() -> None:
    scripts = (Path(matchmaking.__file__).parent / "scripts").glob("*.lua")
    chosen = {path.name for path in scripts if re.search(r"redis\.call\([^']", path.read_text())}
    assert chosen == {"enqueue.lua", "lease.lua"}, "each puts something at one of the ends of the queue"


def test_a_worker_may_rebuild(shared: SharedServer, worker: Store) -> None:
    with connect(shared.url("admin", ADMIN)) as admin:
        field = next(iter(admin.hgetall(worker.session.key("payoff"))))
        admin.hdel(worker.session.key("payoff"), field)
        admin.hdel(worker.session.key("ratings"), worker.queue.matches()[0].a)
    assert rebuild(worker, replace=True).replaced
    assert rebuild(worker).exact


def test_a_worker_may_put_a_backup_in_place(shared: SharedServer, worker: Store) -> None:
    held = dump(worker.session)
    put(worker.session, held)
    with connect(shared.url("admin", ADMIN)) as admin:
        admin.delete(*admin.keys(worker.session.key("*")))
    put(worker.session, held)
    assert rebuild(worker).exact and dump(worker.session) == held


def test_a_reader_sees_everything_and_changes_nothing(shared: SharedServer, worker: Store) -> None:
    reader = Store.open(shared.url(user("reader", RUN), READER), RUN)
    matchmaker = Matchmaker(reader)
    assert matchmaker.matches() == worker.queue.matches()
    assert matchmaker.standings().players == Matchmaker(worker).standings().players
    assert reader.payoff_pairs() == worker.payoff_pairs()
    assert rebuild(reader).exact
    for change in (
        lambda: reader.set_fact("a", "b"),
        lambda: matchmaker.lease("me"),
        lambda: Store.create(reader.session.url, RUN, "connect_four"),
        lambda: reader.session.read("DEL", "run"),
    ):
        with pytest.raises(AccessDeniedError, match="needs its worker's user") as caught:
            change()
        assert caught.value.exit_code == 3
        assert "\n" not in str(caught.value)
        assert READER not in str(caught.value)
    reader.close()


def test_each_run_has_its_own_keys(shared: SharedServer, worker: Store) -> None:
    for name, password in (("worker", WORKER), ("reader", READER)):
        url = shared.url(user(name, RUN), password)
        with pytest.raises(AccessDeniedError):
            Store.open(url, "league.two")
        with connect(url) as client:
            for command in (["KEYS", "*"], ["FLUSHALL"], ["CONFIG", "GET", "*"], ["ACL", "LIST"], ["SCRIPT", "FLUSH"]):
                with pytest.raises(exceptions.NoPermissionError):
                    client.execute_command(*command)
    with pytest.raises(AccessDeniedError):
        Store.create(worker.session.url, "league.two", "connect_four")


@pytest.mark.parametrize(("name", "password"), [("worker", "wrong"), ("nobody", WORKER)])
def test_a_wrong_password_is_one_line(shared: SharedServer, name: str, password: str) -> None:
    with pytest.raises(RedisUnreachableError, match="knows no such user and password") as caught:
        connect(shared.url(user(name, RUN), password))
    assert password not in str(caught.value) or password == "wrong"
    assert "\n" not in str(caught.value)


def test_no_password_where_one_is_asked_for(shared: SharedServer) -> None:
    with pytest.raises(RedisUnreachableError, match="asks for a password"):
        connect(f"redis://127.0.0.1:{shared.port}")


def test_tls_with_a_certificate_of_ones_own(shared: SharedServer, worker: Store, tmp_path: Path) -> None:
    with tls(tmp_path, shared.port) as (port, certificate):
        url = shared.url(user("reader", RUN), READER, port, "rediss")
        with pytest.raises(RedisUnreachableError, match=r"does not trust.*ssl_ca_certs=FILE") as caught:
            connect(url)
        assert READER not in str(caught.value)
        store = Store.open(f"{url}?ssl_ca_certs={certificate}", RUN)
        assert store.players() == worker.players()
        store.close()
