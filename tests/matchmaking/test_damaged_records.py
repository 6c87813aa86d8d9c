"""Keys of Redis that hold what this program did not write: whoever reads them says so, and which."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from matchmaking.errors import DamagedRecordError
from matchmaking.fold import RatingFold
from matchmaking.rebuild import rebuild
from matchmaking.records import EpisodeCount, Kind, MatchResult, Player, Rating
from matchmaking.server import connect
from matchmaking.service import Matchmaker
from matchmaking.store import Store
from tests.matchmaking.conftest import make_players

Read = Callable[[Store], object]
RESULT = MatchResult(id="m_1", a="nobody", b="somebody", seed=1, outcomes="wl").model_dump_json()
UNKNOWN = '{"id": "p", "name": "n", "kind": "bot", "x": 1}'
MANY = f'{{"games": 1{"0" * 400}}}'
FAR = '{"mu": 1e300, "sigma": 1, "elo": 1000}'


def lease(store: Store) -> object:
    return Matchmaker(store).lease("evaluator-0")


CASES: dict[str, tuple[tuple[str | bytes, ...], Read, str]] = {
    "no number": (("HSET", "run", "decay", "x"), lambda store: Store.open(store.session.url, store.info.name), "run"),
    "a field missing": (("HDEL", "run", "decay"), lambda store: Store.open(store.session.url, store.info.name), "run"),
    "no text": (("HSET", "facts", "a", b"\xff"), lambda store: store.facts, "facts"),
    "no JSON": (("RPUSH", "players", "{"), lambda store: store.players(), "players"),
    "too deep": (("RPUSH", "players", "[" * 100_000), lambda store: store.players(), "players"),
    "an unknown field": (("RPUSH", "players", UNKNOWN), lambda store: store.players(), "players"),
    "no counters": (("HSET", "payoff", "0:1", "x"), lambda store: store.payoff_pairs(), "payoff"),
    "no pair": (("HSET", "payoff", "0", b"\0" * 32), lambda store: store.payoff_pairs(), "payoff"),
    "a row too short": (("RPUSH", "episodes", "[[1, 2]]"), lambda store: store.episode_rows(0, 9), "episodes"),
    "a row of texts": (("RPUSH", "episodes", '[["a",1,0,1,2,3]]'), lambda store: store.episode_rows(0, 9), "episodes"),
    "rows too deep": (("RPUSH", "episodes", "[" * 100_000), lambda store: store.episode_rows(0, 9), "episodes"),
    "a row of nobody": (("RPUSH", "episodes", "[[7,8,0,1,0,0]]"), rebuild, "payoff"),
    "no ticket": (("HSET", "clients", "c", "x"), lambda store: store.reported("c"), "clients"),
    "no time": (("HSET", "heartbeats", "x", "{}"), lambda store: store.processes.heartbeats(), "heartbeats"),
    "no status": (("HSET", "learners", "p", "{}"), lambda store: store.processes.statuses(), "learners"),
    "no command": (("RPUSH", "commands", "[]"), lambda store: store.processes.commands("x", 0), "commands"),
    "no pairing": (("HSET", "pairings", "m", '{"id": 1}'), lambda store: store.queue.pending(), "pairings"),
    "a drop of nothing": (("HSET", "dropped", "m", "null"), lambda store: store.queue.dropped(), "dropped"),
    "no result": (("RPUSH", "matches", "NaN"), lambda store: store.queue.matches(), "matches"),
    "a result of nobody": (("RPUSH", "matches", RESULT), lambda store: RatingFold(store).step(), "matches"),
    "no position": (("HSET", "fold", "position", "x"), lambda store: store.ratings.position(), "fold"),
    "a position too far": (("HSET", "fold", "position", "5"), rebuild, "stand for 5 results"),
    "infinite": (("HSET", "ratings", "p", '{"mu": Infinity}'), lambda store: store.ratings.state(), "ratings"),
    "far off": (("HSET", "ratings", "p", FAR), lambda store: store.ratings.state(), "ratings"),
    "too many": (("HSET", "ratings", "p", MANY), lambda store: store.ratings.state(), "ratings"),
    "no point": (("RPUSH", "rating_history", "{}"), lambda store: store.ratings.history(), "rating_history"),
    "no bot": (("HSET", "bots", "p", "[]"), lambda store: store.bots.all(), "bots"),
    "no streak": (("HSET", "bot_streaks", "p", "x"), lambda store: store.bots.streak("p"), "bot_streaks"),
    "no failure": (("RPUSH", "bot_failures:p", b"\xff"), lambda store: store.bots.failures("p"), "bot_failures:p"),
    "no number of files": (("HSET", "archived", "matches", "x"), lambda store: store.queue.matches(), "archived"),
    "another type": (("SET", "matches", "x"), lambda store: store.queue.matches(), "WRONGTYPE"),
    "another type for a script": (("SET", "queue", "x"), lease, "WRONGTYPE"),
    "no token for a script": (("HSET", "run", "token", "x"), lease, "not an integer"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_was_not_written_by_us_is_told(case: str, store: Store) -> None:
    (command, key, *rest), read, named = CASES[case]
    make_players(store, 3)
    with connect(store.session.url) as client:
        client.execute_command(command, store.session.key(str(key)), *rest)
    with pytest.raises(DamagedRecordError) as caught:
        read(store)
    assert named in str(caught.value) and "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert caught.value.exit_code == 4


def test_what_was_written_is_read(store: Store) -> None:
    a, b, _ = make_players(store, 3)
    store.report_episodes([EpisodeCount(player=a.id, opponent=b.id, seat=0, wins=1, draws=0, losses=0)])
    assert store.ratings.commit(0, 0, {a.id: Rating(mu=0.1 + 0.2)})
    assert store.register(Player(id="p_new", name="new", kind=Kind.BOT)) in store.players()
    assert store.ratings.state().ratings == {a.id: Rating(mu=0.1 + 0.2)}
    assert len(store.episode_rows(0, 5)) == len(store.payoff_pairs()) == 1
