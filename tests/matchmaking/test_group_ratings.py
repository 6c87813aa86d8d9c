"""Teams and free-for-alls: published values, the package beside it, extreme gaps, Elo."""

from __future__ import annotations

import math

import pytest
import trueskill
from hypothesis import given, settings
from hypothesis import strategies as st

from matchmaking.group_ratings import rate_groups
from matchmaking.ratings import RatingSettings, update_ratings
from matchmaking.records import Kind, MatchResult, Rating

LEARNERS = dict.fromkeys("abcdefgh", Kind.LEARNER)
FROZEN = dict.fromkeys("abcdefgh", Kind.FROZEN)


def skills(after: dict[str, Rating]) -> list[tuple[float, float]]:
    return [(after[player].mu, after[player].sigma) for player in sorted(after)]


@pytest.mark.parametrize(
    ("groups", "ranks", "expected"),
    [
        # Of new players, as in Jeff Moser's reference tests ("Computing Your Skill", 2010), which Microsoft's online
        # calculator was used to check.
        (["ab", "cd"], [0, 1], [(28.108, 7.774)] * 2 + [(21.892, 7.774)] * 2),
        (["ab", "cd"], [0, 0], [(25.0, 7.455)] * 4),
        (["a", "bc"], [0, 1], [(33.730, 7.317)] + [(16.270, 7.317)] * 2),
        (["abcd", "efgh"], [0, 1], [(27.198, 8.059)] * 4 + [(22.802, 8.059)] * 4),
        ("abc", [0, 1, 2], [(31.675, 6.656), (25.0, 6.208), (18.325, 6.656)]),
        ("abcd", [0, 1, 2, 3], [(33.207, 6.348), (27.401, 5.787), (22.599, 5.787), (16.793, 6.348)]),
        ("abc", [0, 0, 0], [(25.0, 5.698), (25.0, 5.695), (25.0, 5.698)]),
    ],
)
def test_published_values(groups: list[str], ranks: list[int], expected: list[tuple[float, float]]) -> None:
    found = skills(rate_groups({}, groups, ranks, LEARNERS))
    for player, (mu, sigma) in zip(found, expected, strict=True):
        assert player == pytest.approx((mu, sigma), abs=1e-3)


rating = st.builds(Rating, mu=st.floats(10.0, 40.0), sigma=st.floats(1.0, 25.0 / 3.0), elo=st.floats(0.0, 3000.0))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(rating, min_size=8, max_size=8),
    st.sampled_from([["ab", "cd"], ["a", "bc", "d"], ["ab", "cd", "ef", "gh"], list("abcdefgh"), ["abc", "d"]]),
    st.data(),
)
def test_agrees_with_the_plain_package(ratings: list[Rating], groups: list[str], data: st.DataObject) -> None:
    ranks = data.draw(st.lists(st.integers(0, 3), min_size=len(groups), max_size=len(groups)))
    before = dict(zip("abcdefgh", ratings, strict=True))
    plain = trueskill.TrueSkill(tau=0.0, backend="mpmath")
    teams = [
        tuple(plain.create_rating(before[player].mu, before[player].sigma) for player in group) for group in groups
    ]
    expected = [(skill.mu, skill.sigma) for team in plain.rate(teams, ranks=ranks) for skill in team]
    after = rate_groups(before, groups, ranks, FROZEN)
    for player, skill in zip("".join(groups), expected, strict=True):
        assert (after[player].mu, after[player].sigma) == pytest.approx(skill, abs=1e-5)
    gains = [after[group[0]].elo - before[group[0]].elo for group in groups]
    assert math.fsum(gains) == pytest.approx(0.0, abs=1e-6), "what one group gains others lose"


@settings(max_examples=60, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3), st.lists(st.integers(0, 2), min_size=4, max_size=4))
def test_extreme_gaps_never_raise(gap: float, sigma: float, ranks: list[int]) -> None:
    before = {player: Rating(mu=25.0 + gap * place, sigma=sigma) for place, player in enumerate("abcd")}
    for after in (
        rate_groups(before, list("abcd"), ranks, FROZEN),
        rate_groups(before, ["ab", "cd"], ranks[:2], FROZEN),
    ):
        for new in after.values():
            assert math.isfinite(new.mu) and math.isfinite(new.elo)
            assert 0.0 < new.sigma <= sigma * (1.0 + 1e-9)


def test_the_package_does_raise_there() -> None:
    plain = trueskill.TrueSkill(tau=0.0)
    strong, weak = plain.create_rating(255.0, 0.8), plain.create_rating(25.0, 0.8)
    with pytest.raises(FloatingPointError):
        plain.rate([(strong, strong), (weak, weak)], ranks=[1, 0])


def test_two_single_players_are_rated_as_in_a_duel() -> None:
    before = {"a": Rating(mu=27.0, sigma=4.0, elo=1100.0), "b": Rating(mu=22.0, sigma=7.0, elo=950.0)}
    duel = update_ratings(before, MatchResult(id="m", a="a", b="b", seed=0, outcomes="ld"), FROZEN)
    groups = rate_groups(rate_groups(before, "ab", [1, 0], FROZEN), "ab", [0, 0], FROZEN)
    for player in "ab":
        assert groups[player].model_dump() == pytest.approx(duel[player].model_dump(), abs=1e-5)


def test_tau_widens_learners_alone() -> None:
    certain = {player: Rating(sigma=0.1) for player in "ab"}
    after = rate_groups(certain, "ab", [0, 1], {"a": Kind.LEARNER, "b": Kind.BOT})
    assert after["a"].sigma > 0.1 > after["b"].sigma


def test_elo_of_a_free_for_all_is_that_of_its_duels() -> None:
    after = rate_groups({}, "abc", [0, 1, 2], FROZEN, RatingSettings(elo_k=32.0))
    assert [after[player].elo for player in "abc"] == [1016.0, 1000.0, 984.0]
    assert [(after[p].wins, after[p].draws, after[p].losses, after[p].games) for p in "abc"] == [
        (1, 0, 0, 1),
        (0, 0, 1, 1),
        (0, 0, 1, 1),
    ]
    shared = rate_groups({}, ["ab", "c", "d"], [0, 0, 1], FROZEN)
    assert [shared[p].draws for p in "abcd"] == [1, 1, 1, 0]
    assert shared["d"].losses == 1


def test_global_environment_of_the_package_is_neither_read_nor_written() -> None:
    before = rate_groups({}, ["ab", "cd"], [0, 1], FROZEN)
    try:
        trueskill.setup(mu=0.0, sigma=1.0, beta=0.1, tau=0.5, draw_probability=0.5)
        changed = trueskill.global_env()
        assert rate_groups({}, ["ab", "cd"], [0, 1], FROZEN) == before
        assert trueskill.global_env() is changed
    finally:
        trueskill.setup()


@pytest.mark.parametrize(
    ("groups", "ranks", "message"),
    [
        (["ab"], [0], "two or more groups"),
        (["a", "b"], [0], "1 ranks"),
        (["a", ""], [0, 1], "group 1 has no players"),
        (["ab", "bc"], [0, 1], "b is in the match twice"),
        (["a", "z"], [0, 1], "names z, whose kind is not known"),
    ],
)
def test_bad_matches_are_refused(groups: list[str], ranks: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rate_groups({}, groups, ranks, FROZEN)
