"""Records in Redis: whatever stands under a key of a run, whoever reads it is told so."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, cast

from redis.exceptions import ResponseError

from league.snapshot import SnapshotReader
from matchmaking.bot_records import BotRecord
from matchmaking.errors import MatchmakingError, NameTakenError
from matchmaking.fold import RatingFold
from matchmaking.rebuild import rebuild
from matchmaking.records import EpisodeCount, Heartbeat, Kind, Pairing, Player
from matchmaking.run_records import Command, Ticket
from matchmaking.server import EmbeddedServer, connect
from matchmaking.service import Matchmaker
from matchmaking.store import Store
from tests.fuzz.core import Door
from tests.fuzz.mutate import SCALARS, json_text, raw

RUN = "made-up"
SEPARATOR = b"\0\1\0"


def a_run(url: str) -> None:
    """A run with a key of every kind: `matchmaking.store` lists them."""
    store = Store.create(url, RUN, "tic_tac_toe")
    matchmaker = Matchmaker(store, rng=random.Random(1))
    kinds = (Kind.LEARNER, Kind.FROZEN, Kind.SCRIPTED)
    players = [
        store.register(Player(id=f"p_{number}", name=f"player-{number}", kind=kinds[number % 3])) for number in range(6)
    ]
    bot = Player(id="p_bot", name="deep", kind=Kind.BOT, version="0" * 64)
    record = BotRecord(player=bot.id, lineage="deep", author="a", language="python", entry="bot:Bot", size=3)
    assert store.bots.enter(bot, record, supersedes=None, entered=0)
    store.bots.record_failures(bot.id, "m_0", [True, False], ['{"code": "CRASH"}'])
    from matchmaking.bot_records import BotState

    store.bots.set_state(bot.id, BotState.SUSPENDED, "it kept failing")
    store.set_fact("deadline", "1700000000.5")
    counts = [EpisodeCount(player="p_0", opponent="p_1", seat=0, wins=3, draws=1, losses=2)]
    store.report_episodes(counts, Ticket("client", 1))
    store.processes.beat(Heartbeat(process="learner-0", pid=3, numbers={"samples_per_second": 5.0}))
    from matchmaking.records import LearnerStatus

    status = LearnerStatus(player="p_0", steps=5, generation=1, pool_win_rate=0.5, samples_per_second=3.0, episodes=9)
    store.processes.set_status(status)
    store.processes.send(Command(target="all", name="stop"))
    pairs = [(players[1], players[2]), (players[4], players[5]), (players[1], bot), (players[2], players[4])]
    store.queue.enqueue([Pairing(id=f"m_{n}", a=a.id, b=b.id, pairs=1, seed=n) for n, (a, b) in enumerate(pairs)])
    for outcome in ("wl", "dd"):
        lease = store.queue.lease("evaluator-0", 1000.0)
        assert lease is not None
        store.queue.report(lease, outcome)
    lease = store.queue.lease("evaluator-0", 1000.0)
    assert lease is not None
    store.queue.abort(lease, "no host", give_up_after=1)
    store.queue.lease("evaluator-1", 1000.0)
    store.queue.enqueue([Pairing(id="m_9", a="p_1", b="p_2", pairs=1, seed=3)])
    fold = RatingFold(store)
    while fold.step():
        pass
    assert matchmaker.ratings()
    store.close()


def _samples(client: Any) -> list[bytes]:
    """Every place of every key: how it is written, key, field, value."""
    found = []
    for key in sorted(client.keys("*")):
        match client.type(key):
            case b"hash":
                for field, value in client.hgetall(key).items():
                    found.append(SEPARATOR.join((b"HSET", key, field, value)))
            case b"list":
                for index, value in enumerate(client.lrange(key, 0, -1)):
                    found.append(SEPARATOR.join((b"LSET", key, str(index).encode(), value)))
            case b"zset":
                for member, score in client.zrange(key, 0, -1, withscores=True):
                    found.append(SEPARATOR.join((b"ZADD", key, str(score).encode(), member)))
            case other:
                raise AssertionError(f"{key!r} is a {other!r}: nobody writes that")
    return found


def bent(rng: Random, samples: Sequence[bytes]) -> bytes:
    """A place with another value, another field, a key of another type, or none."""
    command, key, field, value = rng.choice(samples).split(SEPARATOR)
    match rng.randrange(12):
        case 0:
            command = rng.choice((b"SET", b"DEL", b"HDEL", b"LPUSH", b"SADD"))
        case 1 | 2:
            field = raw(rng, [field]) if command == b"HSET" else field
            if command == b"ZADD":
                field = rng.choice((b"inf", b"-inf", b"0", b"1e300"))
        case 3 | 4:
            value = raw(rng, [value])
        case 5:
            value = rng.choice(SCALARS).text.encode()
        case 6:
            value = rng.choice(samples).split(SEPARATOR)[3]
        case _:
            try:
                value = json_text(rng, [value])
            except ValueError:  # it is no JSON
                value = raw(rng, [value])
    return SEPARATOR.join((command, key, field, value))


def _write(client: Any, data: bytes) -> None:
    parts = data.split(SEPARATOR)
    if len(parts) != 4:
        return
    command, key, field, value = parts
    if command in (b"SET", b"LPUSH", b"SADD"):
        client.delete(key)
        client.execute_command(command, key, value)
    elif command == b"DEL":
        client.delete(key)
    elif command == b"HDEL":
        client.execute_command(command, key, field)
    else:
        client.execute_command(command, key, field, value)


def _readers(url: str) -> list[Callable[[], object]]:
    """What reads a run, each with a view of its own: what one has read before is not asked for again."""

    def of_store(read: Callable[[Store], object]) -> Callable[[], object]:
        def call() -> object:
            store = Store.open(url, RUN)
            try:
                return read(store)
            finally:
                store.close()

        return call

    def lease(store: Store) -> None:
        service = Matchmaker(store, pairs=1, rng=random.Random(1))
        held = service.lease("evaluator-1", 30.0)
        if held is not None:
            service.heartbeat(held)
            service.report_match(held, "wl" * held.pairing.pairs if held.pairing.pairs < 100 else "wl")
        other = service.lease("evaluator-2", 30.0)
        if other is not None:
            service.abort(other, "why not")

    def name_is_taken(store: Store) -> None:
        with suppress(NameTakenError):
            store.register(Player(id="p_newer", name="player-1", kind=Kind.SCRIPTED))

    def fold(store: Store) -> None:
        step = RatingFold(store)
        while step.step():
            pass

    counts = [EpisodeCount(player="p_1", opponent="p_0", seat=0, wins=1, draws=0, losses=0)]
    return [
        of_store(lambda store: SnapshotReader(Matchmaker(store)).read()),
        of_store(lambda store: (store.facts, store.reported("client"), store.index("p_1"))),
        of_store(lambda store: (store.payoff_row("p_0"), store.payoff_pairs(), store.episode_rows(0, 100))),
        of_store(lambda store: (store.queue.pending(), store.queue.dropped(), store.queue.matches())),
        of_store(lambda store: (store.processes.heartbeats(), store.processes.commands("learner-0", 0))),
        of_store(lambda store: (store.bots.all(), store.bots.failures("p_bot"), store.bots.streak("p_bot"))),
        of_store(lambda store: (store.ratings.state(), store.ratings.history())),
        of_store(lambda store: Matchmaker(store).standings()),
        of_store(rebuild),
        of_store(lambda store: store.report_episodes(counts)),
        of_store(fold),
        of_store(lease),
        of_store(lambda store: store.register(Player(id="p_new", name="new", kind=Kind.SCRIPTED))),
        of_store(name_is_taken),
        of_store(lambda store: store.processes.send(Command(target="all", name="stop"))),
    ]  # fmt: skip


@contextmanager
def records(scratch: Path) -> Iterator[Door]:
    server = EmbeddedServer(scratch / "r")
    server.start()
    client = cast(Any, connect(server.url))
    try:
        client.config_set("appendonly", "no")  # nobody needs these again
        a_run(server.url)
        dumps = {key: client.dump(key) for key in client.keys("*")}
        readers = _readers(server.url)

        def enter(data: bytes) -> None:
            restore = client.pipeline(transaction=True)
            restore.flushall()
            for key, dump in dumps.items():
                restore.restore(key, 0, dump)
            restore.execute()
            try:
                _write(client, data)
            except ResponseError:
                return  # Redis itself does not take it
            refused: MatchmakingError | None = None
            for read in readers:
                try:
                    read()
                except MatchmakingError as error:
                    refused = error
            if refused is not None:
                raise refused

        yield Door(_samples(client), bent, (MatchmakingError,), enter)
    finally:
        client.close()
        server.stop()
