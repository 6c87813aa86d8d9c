"""The matchmaker's verbs together, as learners, evaluators and the rater use them."""

from __future__ import annotations

import random
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from matchmaking.bot_records import BotRecord, BotState
from matchmaking.errors import MatchmakingError, UnknownPlayerError
from matchmaking.fold import RatingFold
from matchmaking.records import EpisodeCount, Forfeit, Kind, LearnerStatus, Lease, Pairing, Player, Rating, Role
from matchmaking.run_records import Reported
from matchmaking.schedule import FAIR_TURN, Games, Pairs, informative
from matchmaking.server import EmbeddedServer
from matchmaking.service import MAX_EXPIRIES, MAX_TRIES, Matchmaker
from matchmaking.store import Store
from tests.matchmaking.conftest import make_players

PAST = -1.0
"""Seconds of a lease that has expired when it is given."""


@pytest.fixture
def matchmaker(store: Store) -> Matchmaker:
    return Matchmaker(store, pairs=2, rng=random.Random(1))


def test_a_small_league(matchmaker: Matchmaker) -> None:
    learner = matchmaker.register(Player(id="l", name="main_agent-1", kind=Kind.LEARNER, role=Role.MAIN_AGENT))
    assert matchmaker.lease("evaluator-0") is None, "one learner alone has nothing to play"
    frozen = [
        matchmaker.register(
            Player(id=f"f{n}", name=f"main_agent-1.v{n}", kind=Kind.FROZEN, role=Role.MAIN_AGENT, parent="l")
        )
        for n in range(2)
    ]
    assert matchmaker.players(since=1) == frozen
    matchmaker.report_episodes([EpisodeCount(player="l", opponent="f0", seat=1, wins=2, draws=0, losses=1)])
    assert matchmaker.payoff_row("l")["f0"].win_rate == pytest.approx(2 / 3)
    status = LearnerStatus(player="l", steps=10, generation=2, pool_win_rate=0.6, samples_per_second=5.0, episodes=3)
    matchmaker.store.processes.set_status(status)
    assert matchmaker.store.processes.statuses() == {"l": status}

    lease = matchmaker.lease("evaluator-0")
    assert lease is not None
    assert {lease.pairing.a, lease.pairing.b} == {"f0", "f1"}
    assert matchmaker.heartbeat(lease) is not None
    outcomes = "wwww" if lease.pairing.a == "f1" else "llll"
    assert matchmaker.report_match(lease, outcomes) is Reported.RECORDED
    RatingFold(matchmaker.store).step()
    ratings = matchmaker.ratings()
    assert ratings["f1"].mu > 25.0 > ratings["f0"].mu
    board = matchmaker.standings()
    assert [row.name for row in board.players] == ["main_agent-1.v1", "main_agent-1.v0"]
    assert learner.id not in [row.id for row in board.players]


def test_a_pairing_is_reported_whole(matchmaker: Matchmaker) -> None:
    make_players(matchmaker.store, 2)
    lease = matchmaker.lease("w")
    assert lease is not None
    with pytest.raises(MatchmakingError, match="has 4 matches and the report 2 outcomes"):
        matchmaker.report_match(lease, "wl")
    assert matchmaker.matches() == []
    assert matchmaker.abort(lease, "board is on fire", drop=True)
    assert matchmaker.matches() == []
    assert matchmaker.ratings() == {}


def test_forfeits_are_reported_with_the_outcomes(matchmaker: Matchmaker) -> None:
    make_players(matchmaker.store, 2)
    lease = matchmaker.lease("w")
    assert lease is not None
    a, b = lease.pairing.a, lease.pairing.b
    forfeits = [
        Forfeit(match=0, player=a, code="TIMEOUT"),
        Forfeit(match=2, player=a, code="CRASH"),
        Forfeit(match=2, player=b, code="OOM"),
        Forfeit(match=3, player=b, code="CRASH"),
    ]
    for wrong, said in (("wldw", "match 0"), ("llww", "match 2"), ("lldl", "match 3")):
        with pytest.raises(MatchmakingError, match=rf"{said} of pairing .* was forfeited by .*, so its outcome is"):
            matchmaker.report_match(lease, wrong, forfeits)
    with pytest.raises(MatchmakingError, match="match 4 of"):
        matchmaker.report_match(lease, "wldw", [Forfeit(match=4, player=a, code="CRASH")])
    with pytest.raises(MatchmakingError, match=r"stranger forfeits in pairing .*, which it does not play"):
        matchmaker.report_match(lease, "wldw", [Forfeit(match=0, player="stranger", code="CRASH")])
    assert matchmaker.matches() == []
    assert matchmaker.report_match(lease, "lldw", forfeits) is Reported.RECORDED
    (result,) = matchmaker.matches()
    assert result.forfeits == tuple(forfeits)


def test_planning_stops_while_enough_waits(matchmaker: Matchmaker) -> None:
    make_players(matchmaker.store, 4)
    planned = matchmaker.plan(5)
    assert len(planned) == matchmaker.store.queue.waiting() == 5
    assert matchmaker.plan(5) == []
    assert len(matchmaker.plan(2, at_most=5)) == 2


def test_planning_counts_what_was_played_and_what_waits(matchmaker: Matchmaker) -> None:
    players = make_players(matchmaker.store, 4)
    seen = set()
    for _ in range(6):
        lease = matchmaker.lease("w", ahead=1)
        assert lease is not None
        seen.add(frozenset((lease.pairing.a, lease.pairing.b)))
        matchmaker.report_match(lease, "wldd")
    assert len(seen) >= 5, "six pairings of four players hardly repeat"
    matchmaker.plan(6)
    waiting = {frozenset((pairing.a, pairing.b)) for pairing in matchmaker.store.queue.pending()}
    assert len(waiting) >= 5
    assert all(len(pair) == 2 for pair in waiting)
    assert len(players) == 4


def test_a_person_may_say_id_name_or_role(matchmaker: Matchmaker) -> None:
    role = Role.MAIN_AGENT
    matchmaker.register(Player(id="l", name="main_agent-1", kind=Kind.LEARNER, role=role))
    for n in range(3):
        matchmaker.register(Player(id=f"f{n}", name=f"main_agent-1.v{n}", kind=Kind.FROZEN, role=role, parent="l"))
    matchmaker.register(Player(id="s", name="alpha_beta:2", kind=Kind.SCRIPTED))
    assert matchmaker.find("f1").name == "main_agent-1.v1"
    assert matchmaker.find("alpha_beta:2").id == "s"
    assert matchmaker.find("main_agent-1").id == "l"
    assert matchmaker.find("main_agent").id == "f2"
    with pytest.raises(UnknownPlayerError, match="no player 'alpha_beta:22' in this run: did you mean 'alpha_beta:2'"):
        matchmaker.find("alpha_beta:22")
    with pytest.raises(UnknownPlayerError, match="no player 'main_exploiter'"):
        matchmaker.find("main_exploiter")


def test_a_scheduler_is_told_what_was_played_and_what_waits(store: Store) -> None:
    told: list[tuple[int, int, int]] = []
    a, b = sorted(player.id for player in make_players(store, 2))

    def spy(
        players: Sequence[Player], ratings: Mapping[str, Rating], games: Games, pairs: Pairs, rng: random.Random
    ) -> Iterator[Pairing]:
        told.append((games.met(a).get(b, 0), games.unrated(a), games.pairings))
        return informative(players, ratings, games, pairs, rng)

    matchmaker = Matchmaker(store, scheduler=spy, pairs=2)
    matchmaker.plan(2)
    lease = matchmaker.lease("w")
    assert lease is not None
    matchmaker.plan(1, at_most=1)
    matchmaker.report_match(lease, "wldd")
    matchmaker.plan(1, at_most=5)
    matchmaker.abort(_lease(matchmaker), "no process", drop=True)
    matchmaker.plan(1, at_most=5)
    assert told == [(0, 0, 0), (8, 8, 2), (12, 8, 3), (24, 20, 4)]


def _lease(matchmaker: Matchmaker) -> Lease:
    lease = matchmaker.lease("w")
    assert lease is not None
    return lease


def _in(lease: Lease, player: Player) -> bool:
    return player.id in (lease.pairing.a, lease.pairing.b)


def test_a_newcomer_does_not_wait_behind_the_queue(matchmaker: Matchmaker) -> None:
    make_players(matchmaker.store, 6)
    matchmaker.report_match(_lease(matchmaker), "wldd")  # eight were planned: seven wait
    assert matchmaker.store.queue.waiting() == 7
    bot = matchmaker.register(Player(id="bot", name="bot", kind=Kind.BOT))
    learner = matchmaker.register(Player(id="l", name="main_agent-1", kind=Kind.LEARNER))
    first = _lease(matchmaker)
    assert _in(first, bot) and not _in(first, learner)
    assert first.pairing.pairs == matchmaker.pairs.with_bot == 4
    assert matchmaker.store.queue.waiting() == 7, "and those that waited wait on"
    assert not _in(_lease(matchmaker), bot)
    other = Matchmaker(matchmaker.store, pairs=2)
    assert not _in(_lease(other), bot), "another evaluator does not seat it again"


def test_newcomers_of_an_empty_queue_are_planned_first(matchmaker: Matchmaker) -> None:
    old = make_players(matchmaker.store, 4)
    for _ in range(12):
        matchmaker.report_match(_lease(matchmaker), "wldd")
        RatingFold(matchmaker.store).step()
    while matchmaker.store.queue.waiting():
        matchmaker.report_match(_lease(matchmaker), "wldd")
    new = [matchmaker.register(Player(id=f"b{n}", name=f"b{n}", kind=Kind.BOT)) for n in range(2)]
    planned = matchmaker.plan(2)
    assert {player.id for player in new} <= {player for each in planned for player in (each.a, each.b)}
    assert len(old) == 4


def test_a_pairing_that_always_breaks_off_blocks_nobody(matchmaker: Matchmaker) -> None:
    """Whenever two of the players meet the host fails; the others, and each of the two with others, go on."""
    players = make_players(matchmaker.store, 5)
    cursed = {players[0].id, players[1].id}
    faults, played = 0, []
    for _ in range(80):
        lease = _lease(matchmaker)
        if {lease.pairing.a, lease.pairing.b} == cursed:
            faults += 1
            assert matchmaker.abort(lease, "no process could be started")
        else:
            matchmaker.report_match(lease, "wldd")
            RatingFold(matchmaker.store).step()
            played.append(lease.pairing)
    assert faults % MAX_TRIES == 0 and faults <= 12
    assert len(matchmaker.store.queue.dropped()) == faults // MAX_TRIES > 0
    games = Counter(player for pairing in played for player in (pairing.a, pairing.b))
    assert min(games[player.id] for player in players) >= 15


def test_a_player_that_never_can_play_takes_turns_from_nobody_for_long(matchmaker: Matchmaker) -> None:
    players = make_players(matchmaker.store, 5)
    broken, played = players[2].id, Counter[str]()
    for _ in range(400):
        lease = _lease(matchmaker)
        if broken in (lease.pairing.a, lease.pairing.b):
            matchmaker.abort(lease, "its machine is gone")
        else:
            matchmaker.report_match(lease, "wldd")
            RatingFold(matchmaker.store).step()
            played.update((lease.pairing.a, lease.pairing.b))
    assert sum(played.values()) // 2 >= 100, "every try of the broken one costs a lease; the rest still plays"
    assert min(played[player.id] for player in players if player.id != broken) >= 30


def test_a_worker_that_stops_says_nothing_against_a_pairing(matchmaker: Matchmaker) -> None:
    make_players(matchmaker.store, 2)
    matchmaker.plan(1)
    for _ in range(3 * MAX_TRIES):
        assert matchmaker.abort(_lease(matchmaker), "stopping", fault=False)
    assert matchmaker.store.queue.dropped() == []


def test_a_pairing_whose_lease_expires_again_and_again_is_given_up(matchmaker: Matchmaker) -> None:
    """It is all that waits: without an end, workers would hand it to each other for good."""
    queue = matchmaker.store.queue
    queue.enqueue([Pairing(id="m_1", a="a", b="b", pairs=2, seed=1)])
    leases = [matchmaker.lease(f"w{n % 2}", PAST, ahead=0) for n in range(MAX_EXPIRIES)]
    seen = [(lease.pairing.id, lease.expiries) for lease in leases if lease is not None]
    assert seen == [("m_1", number) for number in range(MAX_EXPIRIES)]
    assert queue.dropped() == [], "the last lease counts until somebody asks for another"
    assert [matchmaker.lease("w2", ahead=0) for _ in range(2)] == [None, None]
    (dropped,) = queue.dropped()
    assert (dropped.id, dropped.pairs, dropped.reason) == ("m_1", 2, f"{MAX_EXPIRIES} leases on it expired")
    assert queue.pending() == []
    for key in ("holders", "leases", "expiries"):
        assert matchmaker.store.session.read("EXISTS", key) == 0, key
    last = leases[-1]
    assert last is not None
    assert matchmaker.report_match(last, "wldd") is Reported.REFUSED
    assert matchmaker.heartbeat(last) is None
    assert not matchmaker.abort(last, "too late")
    assert queue.enqueue([last.pairing]) == 0
    assert len(queue.dropped()) == 1
    assert matchmaker.matches() == []


def test_a_report_at_the_last_moment_counts_and_nothing_is_given_up(matchmaker: Matchmaker) -> None:
    matchmaker.store.queue.enqueue([Pairing(id="m_1", a="a", b="b", pairs=2, seed=1)])
    last = [matchmaker.lease("w", PAST, ahead=0) for _ in range(MAX_EXPIRIES)][-1]
    assert last is not None
    assert matchmaker.report_match(last, "wldd") is Reported.RECORDED
    assert matchmaker.lease("w", ahead=0) is None
    assert matchmaker.store.queue.dropped() == []


def test_what_a_late_worker_took_back_in_time_is_not_given_up(matchmaker: Matchmaker) -> None:
    queue = matchmaker.store.queue
    queue.enqueue([Pairing(id="m_late", a="a", b="b", pairs=2, seed=0)])
    late = _lease(matchmaker)
    for number in range(2 * MAX_EXPIRIES):
        queue.enqueue([Pairing(id=f"m_{number}", a="a", b="b", pairs=2, seed=0)])
        assert matchmaker.lease("dead", 2 * PAST, ahead=0) is not None
        assert matchmaker.heartbeat(late, PAST) is not None
        other = matchmaker.lease("w", ahead=0)
        assert other is not None and other.pairing.id == f"m_{number}", "it expired first; the late one waits"
        assert matchmaker.report_match(other, "wldd") is Reported.RECORDED
        assert matchmaker.heartbeat(late) is not None
    assert matchmaker.heartbeat(late, PAST) is not None
    again = _lease(matchmaker)
    assert (again.pairing.id, again.expiries) == ("m_late", 1)
    assert queue.dropped() == []


def test_who_is_not_active_is_left_out(store: Store) -> None:
    gone: set[str] = set()
    matchmaker = Matchmaker(store, pairs=1, bot_pairs=1, left_out=lambda: gone)
    players = make_players(store, 4, Kind.BOT)
    for player in players:
        store.bots.put(
            BotRecord(player=player.id, lineage=player.name, author="x", language="python", entry="", size=1)
        )
    matchmaker.plan(40)
    store.bots.set_state(players[0].id, BotState.SUSPENDED, "it kept failing")
    gone.add(players[1].id)
    for _ in range(30):
        lease = _lease(matchmaker)
        assert {lease.pairing.a, lease.pairing.b} == {players[2].id, players[3].id}
        matchmaker.report_match(lease, "wl")
    assert f"{players[0].id} is matched no more" in {dropped.reason for dropped in store.queue.dropped()}
    store.bots.set_state(players[0].id, BotState.ACTIVE)
    matchmaker.plan(8, at_most=100)
    assert players[0].id in {player for each in store.queue.pending() for player in (each.a, each.b)}


class _Evaluators(RuleBasedStateMachine):
    """Planners of any number, players that come, faults: in a bounded number of leases everybody has played."""

    url = ""

    @initialize(players=st.integers(2, 5))
    def begin(self, players: int) -> None:
        self.store = Store.create(self.url, f"starve-{secrets.token_hex(6)}", "connect_four")
        self.matchmakers = [Matchmaker(self.store, pairs=1, bot_pairs=2) for _ in range(2)]
        self.waited = {player.id: 0 for player in make_players(self.store, players)}

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()

    @rule(worker=st.integers(0, 1), ahead=st.integers(1, 8), letters=st.sampled_from(["wl", "ww", "dd"]))
    def play(self, worker: int, ahead: int, letters: str) -> None:
        matchmaker = self.matchmakers[worker]
        lease = matchmaker.lease(f"w{worker}", ahead=ahead)
        assert lease is not None
        matchmaker.report_match(lease, letters * lease.pairing.pairs)
        for player in self.waited:
            self.waited[player] += 1
        self.waited[lease.pairing.a] = self.waited[lease.pairing.b] = 0

    @rule()
    def rate(self) -> None:
        RatingFold(self.store).step()

    @precondition(lambda self: len(self.waited) < 7)
    @rule(kind=st.sampled_from([Kind.BOT, Kind.FROZEN]))
    def join(self, kind: Kind) -> None:
        player = self.store.register(Player(id=secrets.token_hex(4), name=secrets.token_hex(4), kind=kind))
        self.waited[player.id] = 0

    @invariant()
    def nobody_starves(self) -> None:
        # A turn in FAIR_TURN pairings for each player, behind at most 8 that wait, moved back by those who join.
        assert max(self.waited.values(), default=0) <= FAIR_TURN * len(self.waited) + 8 + 7


def test_nobody_starves_whatever_happens(server: EmbeddedServer) -> None:
    run_state_machine_as_test(
        type("Machine", (_Evaluators,), {"url": server.url}),
        settings=settings(
            max_examples=8, stateful_step_count=120, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
