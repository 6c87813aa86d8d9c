"""Live ratings of matches between teams and of free-for-alls, by the `trueskill` package's factor graph.

Two players have a closed form (`matchmaking.ratings`); more need message passing (Herbrich, Minka, Graepel, NIPS 2006,
section 3), which the package has. Its environment is built for each call: the functions of its module share a global
one. Its own normal tails raise FloatingPointError where the weaker side has won by far; here they are those of
`matchmaking.ratings`, which hold for every finite gap.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from matchmaking.ratings import DEFAULT, RatingSettings, draw_corrections, elo_expectation, win_corrections
from matchmaking.records import Kind, Rating

_MOST = 1.0 - 1e-12  # of a variance that one result can take away: the package divides by what is left


def rate_groups(
    ratings: Mapping[str, Rating],
    groups: Sequence[Sequence[str]],
    ranks: Sequence[int],
    kinds: Mapping[str, Kind],
    settings: RatingSettings = DEFAULT,
) -> dict[str, Rating]:
    """Rate one match of two or more groups; a group of one is a player of a free-for-all.

    Args:
        ratings: the ratings before; players that are missing start at `Rating()`. Not changed.
        groups: player ids by group.
        ranks: place of each group; lower is better, equal places are a draw.
        kinds: kind of every player.
        settings: constants.

    Returns:
        The ratings after, of those who played. TrueSkill is the package's. Elo is that of duels between all groups, a
        group being as strong as the mean of its players, each duel with K / (n - 1): for two single players it is the
        usual Elo. A win is the first place alone, a draw the first place shared.

    Raises:
        ValueError: fewer than two groups, an empty one, a player twice, or one of unknown kind.
    """
    _check(groups, ranks, kinds)
    before = {player: ratings.get(player, Rating()) for player in chain.from_iterable(groups)}
    environment = _environment(settings)
    skills = [
        tuple(
            environment.create_rating(before[player].mu, math.hypot(before[player].sigma, settings.tau(kinds[player])))
            for player in group
        )
        for group in groups
    ]
    rated = environment.rate(skills, ranks=list(ranks))
    gains = _elo_gains([[before[player].elo for player in group] for group in groups], ranks, settings.elo_k)
    best, shared = min(ranks), ranks.count(min(ranks)) > 1
    after: dict[str, Rating] = {}
    for group, skill, gain, rank in zip(groups, rated, gains, ranks, strict=True):
        first = rank == best
        for player, (mu, sigma) in zip(group, skill, strict=True):
            old = before[player]
            after[player] = Rating(
                mu=mu,
                sigma=sigma,
                elo=old.elo + gain,
                games=old.games + 1,
                wins=old.wins + int(first and not shared),
                draws=old.draws + int(first and shared),
                losses=old.losses + int(not first),
            )
    return after


def _check(groups: Sequence[Sequence[str]], ranks: Sequence[int], kinds: Mapping[str, Kind]) -> None:
    if len(groups) < 2 or len(ranks) != len(groups):
        raise ValueError(f"expected two or more groups and a rank for each, not {len(groups)} with {len(ranks)} ranks")
    seen: set[str] = set()
    for number, group in enumerate(groups):
        if not group:
            raise ValueError(f"group {number} has no players")
        for player in group:
            if player not in kinds:
                raise ValueError(f"group {number} names {player}, whose kind is not known")
            if player in seen:
                raise ValueError(f"{player} is in the match twice")
            seen.add(player)


def _environment(settings: RatingSettings) -> Any:
    """The package's environment with our tails; tau is 0, as each player's own was added to its sigma before."""
    import trueskill  # late: duels do without it

    environment = trueskill.TrueSkill(beta=settings.beta, tau=0.0, draw_probability=settings.draw_probability)
    environment.v_win = lambda t, margin: win_corrections(t, margin)[0]
    environment.w_win = lambda t, margin: min(win_corrections(t, margin)[1], _MOST)
    environment.v_draw = lambda t, margin: draw_corrections(t, margin)[0]
    environment.w_draw = lambda t, margin: min(draw_corrections(t, margin)[1], _MOST)
    return environment


def _elo_gains(groups: Sequence[Sequence[float]], ranks: Sequence[int], k: float) -> list[float]:
    means = [math.fsum(group) / len(group) for group in groups]
    gains = []
    for own, place in zip(means, ranks, strict=True):
        surprises = [
            (1.0 if place < other_place else 0.5 if place == other_place else 0.0) - elo_expectation(own, other)
            for other, other_place in zip(means, ranks, strict=True)
        ]  # against itself: a half of a half, nothing
        gains.append(k / (len(groups) - 1) * math.fsum(surprises))
    return gains
