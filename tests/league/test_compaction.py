"""Older parts of the logs lie in files of the run folder; whoever reads a log, or replays it, sees no difference."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from league.compaction import compact
from league.files import replace_bytes
from matchmaking.errors import DamagedLogError, LogElsewhereError
from matchmaking.fold import RatingFold
from matchmaking.logs import LOGS, Log, pack
from matchmaking.rebuild import rebuild
from matchmaking.records import Kind, Pairing, Player
from matchmaking.run_records import Reported
from matchmaking.server import EmbeddedServer
from matchmaking.service import Matchmaker
from matchmaking.store import Store


@pytest.fixture
def store(server: EmbeddedServer, tmp_path: Path) -> Iterator[Store]:
    opened = Store.create(server.url, tmp_path.name, "connect_four", files=tmp_path / "logs")
    for number in range(4):
        opened.register(Player(id=f"p_{number}", name=f"player-{number}", kind=Kind.FROZEN))
    yield opened
    opened.close()


def play(store: Store, reports: int, matches: int, seed: int = 0) -> None:
    """Let training and rated matches happen."""
    rng = random.Random(seed)
    for _ in range(reports):
        a, b = rng.sample(range(4), 2)
        store.report_rows([(a, b, 0, rng.randrange(9), rng.randrange(3), rng.randrange(9))])
    begun = store.queue.num_matches()
    for number in range(begun, begun + matches):
        a, b = rng.sample(range(4), 2)
        store.queue.enqueue([Pairing(id=f"m_{number}", a=f"p_{a}", b=f"p_{b}", pairs=2, seed=number)])
        lease = store.queue.lease("w", 60)
        assert lease is not None
        store.queue.report(lease, "".join(rng.choices("wdl", k=4)))
    while RatingFold(store).step(7):
        pass


def everything(store: Store) -> tuple[object, ...]:
    """What the logs hold, asked for in several ways."""
    matches = store.queue.matches()
    return (
        matches,
        list(store.queue.log(3)),
        [store.queue.matches(since, 5) for since in range(0, 40, 3)],
        [store.episode_rows(since, 4) for since in range(0, 60, 5)],
        store.episode_rows(0, store.episode_reports()),
        store.ratings.history(),
        store.ratings.history(11),
        store.queue.num_matches(),
        store.payoff_pairs(),
        store.ratings.state(),
        Matchmaker(store).standings().players,
    )


def test_a_log_is_the_same_wherever_its_entries_lie(store: Store) -> None:
    play(store, 50, 40)
    before = everything(store)
    fresh = Store.open(store.session.url, store.info.name, files=store.logs["matches"]._folder)
    assert compact(store, keep=5, segment=10) == 40 + 30 + 70
    for name in LOGS:
        assert 5 <= store.logs[name].in_redis() < 15
    assert everything(store) == before
    assert everything(fresh) == before, "one that was opened before knows nothing of the files and finds them"
    assert rebuild(store).exact
    fresh.close()


def test_a_league_goes_on_over_its_files(store: Store) -> None:
    play(store, 30, 20)
    compact(store, keep=1, segment=5)
    play(store, 30, 20, seed=1)
    compact(store, keep=1, segment=5)
    found = rebuild(store)
    assert found.exact
    assert (found.reports, found.matches) == (60, 40)
    assert [result.seed for result in store.queue.matches()] == list(range(40))


def test_a_rebuild_over_files_mends_what_is_wrong(store: Store) -> None:
    play(store, 40, 30)
    compact(store, keep=1, segment=5)
    before = everything(store)
    store.session._execute("HDEL", store.session.key("payoff"), "0:1")
    store.session._execute("HDEL", store.session.key("ratings"), "p_1")
    found = rebuild(store, replace=True)
    assert found.replaced
    assert found.payoff_differences == (("p_0", "p_1"),)
    assert found.rating_differences == ("p_1",)
    assert everything(store) == before
    assert store.logs["rating_history"].in_redis() == 60, "the curves were written anew"
    compact(store, keep=1, segment=5)
    assert everything(store) == before
    assert rebuild(store).exact


def test_what_is_not_rated_stays(store: Store) -> None:
    play(store, 0, 10)
    for number in range(10, 20):
        store.queue.enqueue([Pairing(id=f"m_{number}", a="p_0", b="p_1", pairs=1, seed=number)])
        lease = store.queue.lease("w", 60)
        assert lease is not None
        store.queue.report(lease, "wl")
    compact(store, keep=1, segment=4)
    assert store.logs["matches"].in_redis() == 20 - 8


def test_a_repeated_report_of_the_kept_counts_once(store: Store) -> None:
    play(store, 0, 9)
    store.queue.enqueue([Pairing(id="m_9", a="p_0", b="p_1", pairs=1, seed=9)])
    lease = store.queue.lease("w", 60)
    assert lease is not None
    assert store.queue.report(lease, "wl") is Reported.RECORDED
    compact(store, keep=1, segment=3)
    assert store.queue.report(lease, "wl") is Reported.RECORDED
    assert store.queue.enqueue([lease.pairing]) == 0
    assert store.queue.num_matches() == 10
    indexed = store.session.read("HKEYS", "match_index")
    assert sorted(indexed) == [b"m_9"], "what lies in files is not kept in Redis as well"


def test_killed_between_file_and_record(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is there, Redis has not let go: the next one writes the same file, and nothing is there twice."""
    play(store, 20, 0)
    before = everything(store)
    monkeypatch.setattr(Log, "let_go", lambda *_: False)
    assert compact(store, keep=2, segment=9) == 0
    folder = store.logs["episodes"]._folder
    assert folder is not None
    (orphan,) = (folder / "episodes").iterdir()
    monkeypatch.undo()
    assert everything(store) == before
    assert compact(store, keep=2, segment=9) == 18
    assert orphan in (folder / "episodes").iterdir()
    assert len(list((folder / "episodes").iterdir())) == 2
    assert everything(store) == before


def test_threads_that_share_a_log_read_the_same(store: Store) -> None:
    """A thread that learns of a moved part between another's two steps does not mislead it."""
    play(store, 60, 0)
    log, before = store.logs["episodes"], store.logs["episodes"].read()
    read = store.session.read
    moved: list[int] = []

    def interrupted(command: str, key: str, *arguments: str | bytes | int | float) -> object:
        answer = read(command, key, *arguments)
        if command == "LRANGE" and key == "episodes" and not moved:
            moved.append(1)
            compact(store, keep=5, segment=10)
            assert log.length() == 60, "the other thread knows of it now"
        return answer

    store.session.read = interrupted  # type: ignore[method-assign]
    assert log.read(3) == before[3:]
    assert moved


def test_letting_go_twice_and_of_the_wrong_entries(store: Store) -> None:
    play(store, 6, 0)
    log = store.logs["episodes"]
    entries = log.read(0, 3)
    record, content = pack(0, entries)
    assert not log.let_go(record, [*entries[:2], b"[]"])
    replace_bytes(log.path(record), content)
    assert log.let_go(record, entries)
    assert log.let_go(record, entries), "a repeated call is the same call"
    assert log.length() == 6
    assert log.read() == [*entries, *log.read(3)]
    wrong, _ = pack(0, log.read(3))
    assert not log.let_go(wrong, log.read(3))


@pytest.mark.parametrize("harm", ["missing", "altered"])
def test_a_file_that_is_not_what_it_was(store: Store, harm: str) -> None:
    play(store, 20, 0)
    compact(store, keep=1, segment=5)
    log = store.logs["episodes"]
    path = log.path(log.segments()[1])
    if harm == "missing":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[20] ^= 1
        path.write_bytes(content)
    assert len(store.episode_rows(0, 5)) == 5, "the others can be read"
    with pytest.raises(DamagedLogError, match=path.name):
        store.episode_rows(0, 20)
    with pytest.raises(DamagedLogError, match=path.name):
        rebuild(store)


def test_a_process_without_the_folder_is_told_so(store: Store) -> None:
    play(store, 20, 0)
    compact(store, keep=1, segment=5)
    other = Store.open(store.session.url, store.info.name)
    assert other.episode_reports() == 20
    assert len(other.episode_rows(16, 3)) == 3
    with pytest.raises(LogElsewhereError, match="lie in its run folder"):
        other.episode_rows(3, 3)
    other.close()
