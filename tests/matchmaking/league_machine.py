"""The verbs of a league in any order, on a real server and on a model in memory, which must agree at every step."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from matchmaking.bot_records import BotRecord, BotState
from matchmaking.errors import NameTakenError
from matchmaking.fold import RatingFold
from matchmaking.rebuild import rebuild
from matchmaking.records import EpisodeCount, Kind, LearnerStatus, Lease, Pairing, Player, Role
from matchmaking.run_records import Ticket
from matchmaking.server import EmbeddedServer, connect
from matchmaking.service import MAX_EXPIRIES, Matchmaker
from matchmaking.store import Store
from tests.matchmaking.league_model import LeagueModel

CLOCK = st.sampled_from([1000.0, 2000.0])
"""Seconds by which the clock is moved. The test's own time is not noticed among them."""
LEASE = st.sampled_from([500.0, 1500.0, 2500.0])
WORKERS = st.sampled_from(["evaluator-0", "evaluator-1"])
COUNTS = st.just((0, 0, 0)) | st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
LEARNERS = st.integers(0, 1)
IN_CI = (12, 30)  # examples, steps


class LeagueMachine(RuleBasedStateMachine):
    """Learners, evaluators, raters, authors of bots and the clock, in any order."""

    url = ""
    leases = Bundle("leases")

    @initialize()
    def begin(self) -> None:
        self.store = Store.create(self.url, f"model-{secrets.token_hex(6)}", "connect_four")
        self.client = connect(self.url)
        self.model = LeagueModel(self.store.info.decay, MAX_EXPIRIES)
        self._begin_processes()
        self.last_token = 0
        self.newest: dict[str, Lease] = {}  # of each pairing
        self.fresh = 0  # pairings that were queued to be played at once
        self.learners = [self._registered(Player(id=f"l{n}", name=f"l{n}", kind=Kind.LEARNER)) for n in (0, 1)]
        for n in (0, 1):
            self._registered(Player(id=f"s{n}", name=f"s{n}", kind=Kind.SCRIPTED))
        self.streams: dict[str, list[list[EpisodeCount]]] = {player.id: [] for player in self.learners}

    def _begin_processes(self) -> None:
        self.matchmaker = Matchmaker(self.store, pairs=1, bot_pairs=1)
        self.folds = [RatingFold(self.store), RatingFold(self.store)]

    def teardown(self) -> None:
        if hasattr(self, "store"):
            assert rebuild(self.store).exact
            self.client.close()
            self.store.close()

    def _registered(self, player: Player) -> Player:
        stored = self.store.register(player)
        self.model.players.append(stored)
        return stored

    # Players.

    @rule(name=st.sampled_from(["x", "y", "l0"]), kind=st.sampled_from([Kind.SCRIPTED, Kind.FROZEN]))
    def register(self, name: str, kind: Kind) -> None:
        player, taken = Player(id=f"{name}-{kind}", name=name, kind=kind), self.model.named(name)
        if taken is None:
            self._registered(player)
        elif taken.id == player.id:
            assert self.store.register(player) == taken, "the same player again is the player that there is"
        else:
            with pytest.raises(NameTakenError):
                self.store.register(player)

    @rule(which=LEARNERS, again=st.booleans())
    def freeze(self, which: int, again: bool) -> None:
        """A learner's copy enters, or enters once more after a kill: the same id, the same fields."""
        parent = self.learners[which]
        number = sum(player.parent == parent.id for player in self.model.players) - again
        assume(number >= 0)
        name = f"{parent.name}.v{number}"
        copy = Player(id=f"p-{name}", name=name, kind=Kind.FROZEN, role=Role.MAIN_AGENT, parent=parent.id)
        if again:
            assert self.store.register(copy) == self.model.named(name)
        else:
            self._registered(copy)

    @rule(which=LEARNERS)
    def reset(self, which: int) -> None:
        """A learner begins anew: its status tells of one generation more, and of no step less."""
        learner = self.learners[which]
        before = self.model.statuses.get(learner.id)
        steps, generation = (before.steps + 10, before.generation + 1) if before else (10, 1)
        status = LearnerStatus(
            player=learner.id, steps=steps, generation=generation, pool_win_rate=0.5, samples_per_second=1.0, episodes=0
        )
        self.store.processes.set_status(status)
        self.model.statuses[learner.id] = status

    @rule(number=st.integers(0, 2))
    def submit(self, number: int) -> None:
        name = f"b{number}"
        player = Player(id=name, name=name, kind=Kind.BOT, created=1.0)
        bots = self.store.bots
        known = self.model.named(name) is not None
        record = BotRecord(player=name, lineage=name, author="me", language="python", entry="bot:Bot", size=1)
        assert bots.enter(player, record, supersedes=None, entered=bots.count())
        if not known:
            self.model.players.append(player)

    @precondition(lambda self: self.model.of(Kind.BOT))
    @rule(data=st.data(), state=st.sampled_from([BotState.WITHDRAWN, BotState.SUSPENDED, BotState.ACTIVE]))
    def withdraw(self, data: st.DataObject, state: BotState) -> None:
        """A bot is matched no more, or again."""
        self._set_state(data.draw(st.sampled_from([player.id for player in self.model.of(Kind.BOT)])), state)

    def _set_state(self, bot: str, state: BotState) -> None:
        assert self.store.bots.set_state(bot, state, "for a test")
        self.model.withdrawn.discard(bot)
        if state is not BotState.ACTIVE:
            self.model.withdrawn.add(bot)

    # Training.

    @rule(which=LEARNERS, opponent=st.integers(0, 30), batches=st.lists(st.lists(COUNTS, max_size=3), max_size=3))
    def train(self, which: int, opponent: int, batches: list[list[tuple[int, int, int]]]) -> None:
        """A learner reports new batches."""
        learner = self.learners[which]
        met = self.model.players[opponent % len(self.model.players)]
        stream = self.streams[learner.id]
        stream += [
            [
                EpisodeCount(player=learner.id, opponent=met.id, seat=0, wins=wins, draws=draws, losses=losses)
                for wins, draws, losses in batch
            ]
            for batch in batches
        ]
        self._report(learner, len(stream) - len(batches))

    @rule(which=LEARNERS, back=st.integers(1, 4))
    def train_again(self, which: int, back: int) -> None:
        """A learner was killed, trains again what it has reported before, and reports it again."""
        learner = self.learners[which]
        self._report(learner, max(0, len(self.streams[learner.id]) - back))

    def _report(self, learner: Player, since: int) -> None:
        batches = self.streams[learner.id][since:]
        answer = self.store.report_stream(batches, Ticket(learner.name, since + 1))
        index = self.store.index
        rows = [
            [(index(c.player), index(c.opponent), c.seat, c.wins, c.draws, c.losses) for c in counts]
            for counts in batches
        ]
        assert answer == self.model.report(learner.name, since + 1, rows)

    # Rated matches.

    @rule(numbers=st.lists(st.integers(0, 19), min_size=1, max_size=3, unique=True), data=st.data())
    def enqueue(self, numbers: list[int], data: st.DataObject) -> None:
        ids = [player.id for player in self.model.of(Kind.SCRIPTED, Kind.FROZEN, Kind.BOT)]
        a, b = data.draw(st.lists(st.sampled_from(ids), min_size=2, max_size=2, unique=True))
        pairings = [Pairing(id=f"m_{number}", a=a, b=b, pairs=1, seed=number) for number in numbers]
        assert self.store.queue.enqueue(pairings) == self.model.enqueue(pairings)

    @precondition(lambda self: self.model.pairings)
    @rule(data=st.data(), which=st.sampled_from(["any", "played", "given up"]))
    def enqueue_again(self, data: st.DataObject, which: str) -> None:
        """A call whose reply was lost is repeated, however late: what it queued waits, or was played, or given up."""
        ids = {"any": set[str](), "played": {entry[0] for entry in self.model.log}, "given up": self.model.dropped}
        known = list(self.model.pairings.values())
        pairing = data.draw(st.sampled_from([each for each in known if each.id in ids[which]] or known))
        assert self.store.queue.enqueue([pairing]) == self.model.enqueue([pairing]) == 0

    @rule(count=st.integers(1, 3))
    def plan(self, count: int) -> None:
        waiting = len(self.model.queue)
        pairings = self.matchmaker.plan(count, at_most=2)
        assert len(pairings) == (count if waiting <= 2 else 0)
        allowed = {player.id for player in self.model.of(Kind.SCRIPTED, Kind.FROZEN, Kind.BOT)} - self.model.withdrawn
        assert all({pairing.a, pairing.b} <= allowed for pairing in pairings)
        assert self.model.enqueue(pairings) == len(pairings)

    @rule(target=leases, workers=st.lists(WORKERS, min_size=1, max_size=3), seconds=LEASE)
    def lease(self, workers: list[str], seconds: float) -> Any:
        given = [self._lease(worker, seconds) for worker in workers]
        return multiple(*(lease for lease in given if lease is not None))

    def _lease(self, worker: str, seconds: float) -> Lease | None:
        expected = self.model.lease()
        lease = self.matchmaker.lease(worker, seconds, ahead=0)
        assert (lease.pairing if lease else None) == expected
        if lease is None:
            return None
        assert not self.model.withdrawn & {lease.pairing.a, lease.pairing.b}
        assert lease.token > self.last_token
        self.last_token = lease.token
        self.newest[lease.pairing.id] = lease
        self.model.handed_out(lease, seconds)
        return lease

    @precondition(lambda self: self.model.pending())
    @rule(target=leases, worker=WORKERS, all_of_them=st.booleans())
    def kill(self, worker: str, all_of_them: bool) -> Any:
        """Workers die over what they play, one after the other, until it is given up, and nobody else asks."""
        given = []
        times = (MAX_EXPIRIES + 1) * len(self.model.pending()) if all_of_them else 2
        for _ in range(min(times, 30)):
            if lease := self._lease(worker, 500.0):
                given.append(lease)
                self.clock(1000.0)
        return multiple(*given)

    @rule(seconds=CLOCK)
    def clock(self, seconds: float) -> None:
        """Time passes: for Redis all deadlines come nearer, which is the same."""
        key = self.store.session.key("leases")
        for name in self.client.zrange(key, 0, -1):
            assert isinstance(name, bytes)
            self.client.zincrby(key, -seconds, name)
        self.model.now += seconds

    @rule(lease=leases, seconds=LEASE)
    def heartbeat(self, lease: Lease, seconds: float) -> None:
        extended = self.matchmaker.heartbeat(lease, seconds)
        assert (extended is not None) == self.model.extend(lease, seconds)

    @rule(lease=leases, other=st.sampled_from([-1, 1, 1000]))
    def stranger(self, lease: Lease, other: int) -> None:
        """Whoever comes with a token that is not the newest is refused, and changes nothing."""
        theirs = lease.model_copy(update={"token": lease.token + other})
        assume(not self.model.holds(theirs))
        assert self.matchmaker.heartbeat(theirs, 1500.0) is None
        assert not self.store.queue.abort(theirs, "a stranger's", 1)

    @rule(lease=leases, outcomes=st.sampled_from(["wl", "dd", "ww"]), times=st.integers(1, 2))
    def report(self, lease: Lease, outcomes: str, times: int) -> None:
        for _ in range(times):
            answer = self.matchmaker.report_match(lease, outcomes)
            assert answer is self.model.report_match(lease, outcomes)

    @rule(lease=leases, give_up_after=st.sampled_from([0, 1, 2]))
    def abort(self, lease: Lease, give_up_after: int) -> None:
        assert self.store.queue.abort(lease, "reason", give_up_after) == self.model.abort(lease, give_up_after)

    def _late(self) -> list[Lease]:
        """Leases that have expired and whose pairings wait, not handed out again yet: they still count."""
        model = self.model
        return [lease for name, lease in self.newest.items() if model.holds(lease) and name in model.queue]

    @precondition(lambda self: self._late())
    @rule(data=st.data(), what=st.sampled_from(["heartbeat", "report", "abort"]))
    def late(self, data: st.DataObject, what: str) -> None:
        """A worker that was given up comes back in time."""
        self._come_back(data.draw(st.sampled_from(self._late())), what)

    def _come_back(self, lease: Lease, what: str) -> None:
        if what == "heartbeat":
            assert self.matchmaker.heartbeat(lease, 1500.0) is not None
            assert self.model.extend(lease, 1500.0)
        elif what == "report":
            assert self.matchmaker.report_match(lease, "wl") is self.model.report_match(lease, "wl")
        else:
            assert self.store.queue.abort(lease, "reason") == self.model.abort(lease, 0)

    def _play_soon(self, count: int, a: str = "s0") -> None:
        """Queue pairings that nobody has played yet, of players that are never withdrawn unless another is given."""
        for _ in range(count):
            self.fresh += 1
            pairing = Pairing(id=f"f_{self.fresh}", a=a, b="s1", pairs=1, seed=self.fresh)
            assert self.store.queue.enqueue([pairing]) == self.model.enqueue([pairing]) == 1

    @rule(target=leases, number=st.integers(0, 2), state=st.sampled_from([BotState.WITHDRAWN, BotState.SUSPENDED]))
    def leave(self, number: int, state: BotState) -> Any:
        """A bot is matched no more while a pairing waits for it, and workers ask for all that waits."""
        self.submit(number)
        self._play_soon(1, a=f"b{number}")
        self._set_state(f"b{number}", state)
        given = [self._lease("evaluator-0", 2500.0) for _ in range(min(len(self.model.queue), 6))]
        return multiple(*(lease for lease in given if lease is not None))

    @rule(target=leases, what=st.sampled_from(["heartbeat", "report", "abort", "nothing"]))
    def slow(self, what: str) -> Any:
        """Two workers are given up, and one of them comes back before its pairing is handed out again."""
        self._play_soon(2)
        given = [self._lease(worker, 500.0) for worker in ("evaluator-0", "evaluator-1")]
        self.clock(1000.0)
        given.append(self._lease("evaluator-0", 2500.0))
        if what != "nothing":
            self._come_back(self._late()[-1], what)
        return multiple(*(lease for lease in given if lease is not None))

    @rule(first=st.integers(0, 1))
    def race(self, first: int) -> None:
        """Two raters at the same results: each takes in what the other has just taken in, as it believes."""
        self._play_soon(2)
        for _ in range(2):
            lease = self._lease("evaluator-0", 2500.0)
            assert lease is not None
            self.report(lease, "wl", times=1)
        self.rate([(first, 1), (1 - first, 1), (first, 1)])

    @rule(turns=st.lists(st.tuples(st.integers(0, 1), st.integers(1, 2)), min_size=1, max_size=4))
    def rate(self, turns: list[tuple[int, int]]) -> None:
        """Two raters, which do not know of each other, take turns."""
        for which, limit in turns:
            before = self.store.ratings.position()
            done = self.folds[which].step(limit)
            assert self.store.ratings.position() == before + done
            assert done <= limit

    @rule()
    def restart(self) -> None:
        """All processes were started anew: nothing is known that is not in Redis."""
        self.store.close()
        self.store = Store.open(self.url, self.store.info.name)
        self._begin_processes()

    @invariant()
    def agrees(self) -> None:
        store, model = self.store, self.model
        assert store.players() == model.players
        assert {bot.player for bot in store.bots.all().values() if bot.state is not BotState.ACTIVE} == model.withdrawn
        assert store.processes.statuses() == model.statuses
        assert store.queue.waiting() == len(model.queue)
        assert {pairing.id for pairing in store.queue.pending()} == model.pending()
        assert {dropped.id for dropped in store.queue.dropped()} == model.dropped
        results = store.queue.matches()
        assert [(result.id, result.outcomes) for result in results] == [entry[:2] for entry in model.log]
        rated = store.ratings.state()
        assert rated.ratings == model.ratings(results[: rated.position])

    @invariant()
    def payoff_agrees(self) -> None:
        assert self.store.payoff_pairs() == self.model.payoff()
        assert self.store.episode_rows(0, self.store.episode_reports() + 1) == self.model.reports


def explore(server: EmbeddedServer, examples: int, steps: int, start: int | None = None) -> None:
    """Try orders of verbs on a server, from a fixed start where one is given: then none that fails is made shorter."""
    machine = type("Machine", (LeagueMachine,), {"url": server.url})
    phases = tuple(Phase) if start is None else (Phase.generate,)
    run_state_machine_as_test(
        machine if start is None else seed(start)(machine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
        ),
    )
