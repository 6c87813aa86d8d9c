"""The published board: contract of its rows, ranks, flags, independence of order, speed."""

from __future__ import annotations

import time
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchmaking.bench_standings import random_log
from matchmaking.bradley_terry import ELO
from matchmaking.records import Forfeit, Kind, MatchResult, Player, Rating, Role
from matchmaking.standings import Flag, Standing, StandingsSettings, Status, standings
from tests.matchmaking.simulated import members, result, simulated_log

KEYS = {
    *("rank", "rank_low", "rank_high", "id", "name", "kind", "role", "rating", "rating_low", "rating_high"),
    *("trueskill_mu", "trueskill_sigma", "elo", "games", "wins", "draws", "losses", "score", "superiority"),
    *("nash_weight", "worst_matchup", "forfeit_rate", "version", "status"),
}


def test_rows_have_the_keys_of_the_contract() -> None:
    assert set(Standing.model_fields) == KEYS


def test_a_row_says_what_the_log_says() -> None:
    players = members(3)
    players[1] = players[1].model_copy(update={"role": Role.MAIN_AGENT})
    log = [result(0, "p000", "p001", "wwdl" * 20), result(1, "p001", "p002", "wwww" * 20)]
    ratings = {"p001": Rating(mu=27.0, sigma=1.5, elo=1033.0)}
    board = standings(log, players, ratings)
    rows = {row.id: row for row in board.players}
    middle = rows["p001"]
    assert (middle.games, middle.wins, middle.draws, middle.losses) == (160, 100, 20, 40)
    assert middle.score == pytest.approx(100 * 110 / 160)
    assert middle.worst_matchup == "name-0"
    assert (middle.trueskill_mu, middle.trueskill_sigma, middle.elo) == (27.0, 1.5, 1033.0)
    assert (rows["p000"].elo, rows["p000"].forfeit_rate) == (None, 0.0)
    assert (middle.role, middle.version) == (Role.MAIN_AGENT, "0")
    assert [row.rank for row in board.players] == [1, 2, 3]
    assert [row.id for row in board.players] == ["p000", "p001", "p002"]
    assert np.mean([row.rating for row in board.players if row.rating]) == pytest.approx(1000.0)
    assert board.players[-1].superiority is None
    assert sum(row.nash_weight or 0.0 for row in board.players) == pytest.approx(1.0)
    assert board.matches == 160


def test_ratings_recover_the_truth_and_the_seat() -> None:
    truth = np.array([-300.0, -100.0, 0.0, 120.0, 280.0])
    board = standings(simulated_log(truth, 2000, 10, np.random.default_rng(0), seat=60.0), members(5))
    for row in board.players:
        assert row.rating == pytest.approx(1000.0 + truth[int(row.id[1:])], abs=12.0)
    assert board.seat_advantage_low < 60.0 < board.seat_advantage_high
    assert board.seat_advantage == pytest.approx(60.0, abs=6.0)
    assert board.draw_rate == pytest.approx(np.exp(-1.0) / (2 + np.exp(-1.0)), abs=0.01)


def test_rank_ranges_are_those_of_overlapping_intervals() -> None:
    log = simulated_log([-300.0, 0.0, 10.0, 20.0, 300.0], 150, 5, np.random.default_rng(1))
    rows = standings(log, members(5)).players
    assert [(row.rank_low, row.rank_high) for row in rows] == [(1, 1), (2, 4), (2, 4), (2, 4), (5, 5)]
    for row in rows:
        assert row.rating_low is not None
        assert row.rating_high is not None
        above = sum(other.rating_low > row.rating_high for other in rows if other.rating_low is not None)
        below = sum(other.rating_high < row.rating_low for other in rows if other.rating_high is not None)
        assert (row.rank_low, row.rank_high) == (1 + above, 5 - below)


def test_superiority_is_a_half_for_equals_and_near_one_for_a_clear_lead() -> None:
    equal = standings([result(0, "p000", "p001", "wl" * 50)], members(2)).players
    assert equal[0].superiority == pytest.approx(0.5)
    clear = standings([result(0, "p000", "p001", "wwwwwlwwwwlw" * 25)], members(2)).players
    assert clear[0].id == "p000"
    assert clear[0].superiority is not None
    assert 0.99 < clear[0].superiority <= 1.0
    low, high = clear[0].rating_low, clear[0].rating_high
    assert low is not None
    assert high is not None
    # Two players' distance has twice the spread of each one's distance to their mean: 2 * 1.96 * se / 2.
    assert high - low == pytest.approx(1.96 * ELO * np.sqrt(1 / 250 + 1 / 50), rel=0.02)


def test_flags_and_status() -> None:
    log = [
        result(0, "p000", "p001", "ww" * 100),
        result(1, "p001", "p002", "wwll" * 50),
        result(2, "p003", "p004", "wl" * 100),
        result(3, "p005", "p001", "wl" * 2),
    ]
    board = standings(log, members(7))
    assert board.flags == {
        "p000": (Flag.ALL_WINS,),
        "p003": (Flag.DISCONNECTED,),
        "p004": (Flag.DISCONNECTED,),
    }
    status = {row.id: row.status for row in board.players}
    assert status["p001"] is Status.PROVISIONAL  # its rating hangs on the all-win player above: a wide interval
    assert status["p005"] is status["p003"] is status["p006"] is Status.PROVISIONAL
    sound = standings([result(0, "p000", "p001", "wwll" * 50)], members(2))
    assert {row.status for row in sound.players} == {Status.ESTABLISHED}
    strict = standings([result(0, "p000", "p001", "wwll" * 50)], members(2), settings=StandingsSettings(min_games=201))
    assert {row.status for row in strict.players} == {Status.PROVISIONAL}


def test_groups_that_only_the_prior_holds_apart_are_flagged() -> None:
    """Two good players who split their own matches and beat everybody else: how far ahead they are is not known."""
    log = [result(0, "p000", "p001", "wl" * 20), result(1, "p002", "p003", "wl" * 20), result(2, "p002", "p004", "wl")]
    log += [result(3, good, other, "ww" * 20) for good in ("p000", "p001") for other in ("p002", "p003")]
    board = standings(log, members(5))
    assert board.flags == {"p000": (Flag.SEPARATED,), "p001": (Flag.SEPARATED,)}
    assert standings([*log, result(4, "p003", "p000", "dl")], members(5)).flags == {}


def test_forfeits_are_losses_and_are_counted() -> None:
    """Match 1: a fails, so b wins; match 2: both fail, a draw; match 4: b fails by two of its agents."""
    failures = [(1, "p000"), (2, "p000"), (2, "p001"), (4, "p001"), (4, "p001")]
    forfeits = tuple(Forfeit(match=match, player=player, code="CRASH") for match, player in failures)
    clean = result(0, "p000", "p001", "wldlwlwl")
    log = [clean.model_copy(update={"forfeits": forfeits}), result(1, "p002", "p001", "wl")]
    board = standings(log, members(4))
    rates = {row.id: row.forfeit_rate for row in board.players}
    assert rates == {"p000": 25.0, "p001": 20.0, "p002": 0.0, "p003": None}
    rows = {row.id: row for row in board.players}
    assert (rows["p000"].wins, rows["p000"].draws, rows["p000"].losses) == (3, 1, 4)
    without = {row.id: row for row in standings([clean, log[1]], members(4)).players}
    assert [rows[id].rating for id in rates] == [without[id].rating for id in rates], "the letters say it all"


def test_players_without_games_come_last_without_numbers() -> None:
    rows = standings([result(0, "p002", "p001", "ww")], members(3)).players
    assert rows[-1].id == "p000"
    assert (rows[-1].rank, rows[-1].rating, rows[-1].score, rows[-1].worst_matchup, rows[-1].games) == (
        None,
        None,
        None,
        None,
        0,
    )
    empty = standings([], members(2))
    assert [row.rank for row in empty.players] == [None, None]
    assert standings([], []).players == ()


def test_a_withdrawn_player_stays_in_the_fit_without_a_row() -> None:
    log = simulated_log([0.0, 100.0, 200.0], 60, 5, np.random.default_rng(0))
    full = {row.id: row.rating for row in standings(log, members(3)).players}
    fewer = standings(log, members(2)).players
    assert {row.id: row.rating for row in fewer} == {id: full[id] for id in ("p000", "p001")}
    assert [row.rank for row in fewer] == [1, 2]


outcomes = st.text("wdl", min_size=2, max_size=12).map(lambda text: text[: len(text) // 2 * 2])


@st.composite
def logs(draw: st.DrawFn) -> list[MatchResult]:
    """Up to 25 results of up to 6 players, some of whom fail."""
    log = []
    for number in range(draw(st.integers(0, 25))):
        a, b = draw(st.permutations(range(6)))[:2]
        letters = draw(outcomes)
        failed = draw(st.lists(st.integers(0, len(letters) - 1), max_size=2, unique=True))
        forfeits = [
            Forfeit(match=match, player=f"p{player:03}", code="CRASH")
            for match in failed
            for player in {"w": [b], "l": [a], "d": [a, b]}[letters[match]]
        ]
        log.append(result(number, f"p{a:03}", f"p{b:03}", letters).model_copy(update={"forfeits": tuple(forfeits)}))
    return log


def cut(line: MatchResult, mirrored: bool) -> list[MatchResult]:
    """The same matches as results of one pair each; mirrored, with the two players exchanged."""
    pieces = []
    for start in range(0, len(line.outcomes), 2):
        letters = line.outcomes[start : start + 2]
        shift = {0: 0, 1: 1}
        a, b = line.a, line.b
        if mirrored:
            letters = (letters[1] + letters[0]).translate(str.maketrans("wl", "lw"))
            shift, a, b = {0: 1, 1: 0}, b, a
        forfeits = tuple(
            forfeit.model_copy(update={"match": shift[forfeit.match - start]})
            for forfeit in line.forfeits
            if start <= forfeit.match < start + 2
        )
        pieces.append(MatchResult(id=f"{line.id}-{start}", a=a, b=b, seed=0, outcomes=letters, forfeits=forfeits))
    return pieces


@settings(max_examples=25, deadline=None)
@given(logs(), st.randoms(use_true_random=False), st.permutations(range(7)))
def test_neither_order_nor_cutting_changes_a_bit(log: list[MatchResult], source: Random, order: list[int]) -> None:
    """Results in any order, cut into single pairs, some told from the other side; players listed in any order."""
    expected = standings(log, members(7)).model_dump_json()
    shuffled = source.sample(log, len(log))
    pieces = [piece for line in log for piece in cut(line, source.random() < 0.5)]
    source.shuffle(pieces)
    players = [members(7)[index] for index in order]
    assert standings(shuffled, players).model_dump_json() == expected
    assert standings(iter(pieces), players).model_dump_json() == expected


def test_a_cycle_is_seen_by_nash_and_alpha_rank_and_not_by_the_rating() -> None:
    log = [result(n, f"p00{n}", f"p00{(n + 1) % 3}", "wwwwww" * 30) for n in range(3)]
    board = standings(log, members(3))
    rows = board.players
    assert [row.nash_weight for row in rows] == pytest.approx([1 / 3] * 3, abs=1e-6)
    assert board.alpha_rank == pytest.approx({row.id: 1 / 3 for row in rows})
    assert board.intransitivity == pytest.approx(1.0)
    assert [row.rating for row in rows] == pytest.approx([1000.0] * 3, abs=1e-6)
    assert {row.id: row.worst_matchup for row in rows} == {"p000": "name-2", "p001": "name-0", "p002": "name-1"}


def test_an_order_gives_all_the_weight_to_the_best_on_the_board() -> None:
    """Those who are not listed have no weight: p004 was withdrawn."""
    log = simulated_log([0.0, 100.0, 200.0, 300.0, 500.0], 600, 5, np.random.default_rng(0))
    board = standings(log, members(4))
    assert board.intransitivity is not None
    assert board.intransitivity < 0.02
    assert board.intransitivity_low == 0.0
    assert board.alpha_rank.keys() == {"p000", "p001", "p002", "p003"}
    assert board.alpha_rank["p003"] == pytest.approx(1.0, abs=1e-5)
    assert sum(row.nash_weight or 0.0 for row in board.players) == pytest.approx(1.0)
    assert board.players[0].nash_weight == pytest.approx(1.0)
    assert standings([], members(2)).intransitivity is None
    assert standings([], members(2)).alpha_rank == {}


def timed(players: int, matches: int, a_result: int) -> float:
    """Seconds of this process from the log's lines to the board: a busy machine is not the board's fault."""
    lines = [result.model_dump_json() for result in random_log(players, matches, a_result)]
    listed = [Player(id=f"p_{n:012x}", name=f"n{n}", kind=Kind.FROZEN) for n in range(players)]
    start = time.process_time()
    board = standings(map(MatchResult.model_validate_json, lines), listed)
    taken = time.process_time() - start
    assert board.matches == matches
    assert len([row for row in board.players if row.rank]) == players
    return taken


def test_128_players_take_half_a_second_at_most() -> None:
    timed(8, 100, 2)  # imports
    assert timed(128, 100_000, 32) <= 0.5


@pytest.mark.slow
@pytest.mark.parametrize("a_result", [2, 32])
def test_512_players_and_a_million_matches_take_ten_seconds_at_most(a_result: int) -> None:
    assert timed(512, 1_000_000, a_result) <= 10.0


def test_bots_and_frozen_players_share_the_board() -> None:
    players = [Player(id="x", name="bot", kind=Kind.BOT), Player(id="y", name="f", kind=Kind.FROZEN)]
    log = [MatchResult(id="m", a="x", b="y", seed=1, outcomes="wl")]
    assert {row.kind for row in standings(log, players).players} == {Kind.BOT, Kind.FROZEN}
