"""The matchmaker's verbs together, as learners, evaluators and the rater use them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

import pytest

from matchmaking.errors import MatchmakingError, UnknownPlayerError
from matchmaking.fold import RatingFold
from matchmaking.records import EpisodeCount, Forfeit, Kind, LearnerStatus, Pairing, Player, Rating, Role
from matchmaking.run_records import Reported
from matchmaking.schedule import Games, informative
from matchmaking.service import Matchmaker
from matchmaking.store import Store
from tests.matchmaking.conftest import make_players


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
    told: list[dict[tuple[str, str], int]] = []

    def spy(
        players: Sequence[Player], ratings: Mapping[str, Rating], games: Games, pairs: int, rng: random.Random
    ) -> Iterator[Pairing]:
        told.append(dict(games))
        return informative(players, ratings, games, pairs, rng)

    a, b = sorted(player.id for player in make_players(store, 2))
    matchmaker = Matchmaker(store, scheduler=spy, pairs=2)
    matchmaker.plan(2)
    lease = matchmaker.lease("w")
    assert lease is not None
    matchmaker.plan(1, at_most=1)
    matchmaker.report_match(lease, "wldd")
    matchmaker.plan(1, at_most=5)
    assert told == [{}, {(a, b): 8}, {(a, b): 12}]
