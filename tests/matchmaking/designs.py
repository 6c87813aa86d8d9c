"""Leagues whose true strengths are known: who plays whom and how often, in the ways that leagues really do."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matchmaking.bradley_terry import ELO, Fit, fit, probabilities
from matchmaking.counts import Counts, aggregate
from matchmaking.pfsp import Floats
from matchmaking.ratings import update_ratings
from matchmaking.records import Kind, MatchResult, Player, Rating
from matchmaking.schedule import Games, Pairs, informative

Generator = np.random.Generator


class Design(NamedTuple):
    """How a league is made.

    Attributes:
        strengths: draws the true strengths, in points.
        play: plays matches between players of those strengths (in log-odds).
        seat: the first seat's advantage, in points.
        draw: kappa.
    """

    strengths: Callable[[Generator], Floats]
    play: Callable[[Floats, Generator, float, float], Counts]
    seat: float = 40.0
    draw: float = -1.0

    def simulate(self, rng: Generator) -> tuple[Floats, Fit]:
        """The true strengths, in log-odds and of mean 0, and the fit of a league between them."""
        truth = self.strengths(rng) / ELO
        counts = self.play(truth, rng, self.seat / ELO, self.draw)
        assert len(counts.players) == len(truth), "everybody plays"
        return truth - truth.mean(), fit(counts)


def normal(players: int, spread: float) -> Callable[[Generator], Floats]:
    return lambda rng: rng.normal(0.0, spread, players)


def with_outliers(players: int, spread: float, *outliers: float) -> Callable[[Generator], Floats]:
    return lambda rng: np.concatenate([rng.normal(0.0, spread, players - len(outliers)), outliers])


def ladder(players: int, step: float) -> Callable[[Generator], Floats]:
    """A learner's copies, each stronger than the last, and two fixed players far below."""
    return lambda rng: np.concatenate([[-900.0, -300.0], np.cumsum(np.abs(rng.normal(0.0, step, players - 2)))])


def balanced(pairs: int) -> Callable[[Floats, Generator, float, float], Counts]:
    """Everybody against everybody, `pairs` seat-swapped pairs."""
    return lambda truth, rng, seat, draw: _play_table(np.full((len(truth), len(truth)), pairs), truth, rng, seat, draw)


def unequal(mean: float) -> Callable[[Floats, Generator, float, float], Counts]:
    """Some play a hundred times as much as others; `mean` pairs on the average."""

    def play(truth: Floats, rng: Generator, seat: float, draw: float) -> Counts:
        zeal = rng.lognormal(-0.5, 1.0, len(truth))
        pairs = rng.poisson(mean * np.outer(zeal, zeal))
        pairs[np.arange(len(truth) - 1), np.arange(1, len(truth))] += 1  # nobody is left out
        return _play_table(pairs, truth, rng, seat, draw)

    return play


def adaptive(pairings: int, pairs: int = 4, batch: int = 8, joining: int = 0) -> Callable[..., Counts]:
    """The league's own scheduler on its own live ratings, asked anew after each batch.

    Args:
        pairings: between everybody, or after each newcomer.
        pairs: seat-swapped pairs in each.
        batch: pairings planned at once.
        joining: of the players, how many come one after another; the rest are there from the start.
    """

    def play(truth: Floats, rng: Generator, seat: float, draw: float) -> Counts:
        source = random.Random(int(rng.integers(1 << 30)))
        players = [Player(id=f"p{n:03}", name=f"n{n}", kind=Kind.FROZEN) for n in range(len(truth))]
        kinds = {player.id: player.kind for player in players}
        ratings: dict[str, Rating] = {}
        games = Games()
        log: list[MatchResult] = []
        for present in range(len(truth) - joining, len(truth) + 1):
            goal = len(log) + pairings
            while len(log) < goal:
                plan = informative(players[:present], ratings, games, Pairs(pairs, pairs), source)
                for pairing in islice(plan, min(batch, goal - len(log))):
                    i, j = int(pairing.a[1:]), int(pairing.b[1:])
                    home = _letters(truth[i] - truth[j] + seat, draw, pairs, rng, "wdl")
                    away = _letters(truth[j] - truth[i] + seat, draw, pairs, rng, "ldw")
                    outcomes = "".join(map("".join, zip(home, away, strict=True)))
                    log.append(MatchResult(id=pairing.id, a=pairing.a, b=pairing.b, seed=0, outcomes=outcomes))
                    ratings |= update_ratings(ratings, log[-1], kinds)
                    games.add(pairing.a, pairing.b, 2 * pairs)
        return aggregate(log)

    return play


DESIGNS = {
    "balanced": Design(normal(12, 200.0), balanced(10)),
    "balanced, few games": Design(normal(16, 200.0), balanced(2)),
    "no draws, no seat advantage": Design(normal(12, 200.0), balanced(10), seat=0.0, draw=-8.0),
    "mostly draws": Design(normal(12, 200.0), balanced(10), draw=2.0),
    "large seat advantage": Design(normal(12, 200.0), balanced(10), seat=250.0),
    "wide pool": Design(normal(12, 500.0), balanced(20)),
    "strong and weak outliers": Design(with_outliers(14, 100.0, 700.0, -700.0), balanced(12)),
    "one far above": Design(with_outliers(12, 100.0, 1100.0), balanced(20)),
    "unequal games": Design(normal(16, 200.0), unequal(6.0)),
    "adaptive, short": Design(normal(30, 200.0), adaptive(120)),
    "adaptive, close players": Design(normal(30, 60.0), adaptive(120)),
    "adaptive, long": Design(normal(20, 300.0), adaptive(300)),
    "adaptive, outliers": Design(with_outliers(16, 100.0, 600.0, -600.0), adaptive(120)),
    "adaptive, growing": Design(ladder(24, 40.0), adaptive(8, joining=20)),
}


def errors(design: Design, leagues: int, seed: int) -> tuple[Floats, Floats]:
    """Errors in units of their standard errors over many leagues: of all ratings, and of the seat's advantage."""
    rng = np.random.default_rng(seed)
    of_ratings, of_seat = [], []
    for _ in range(leagues):
        truth, fitted = design.simulate(rng)
        of_ratings.append((fitted.strength - truth) / np.sqrt(np.diag(fitted.covariance)))
        of_seat.append((fitted.seat - design.seat / ELO) / fitted.seat_error)
    return np.concatenate(of_ratings), np.asarray(of_seat)


def covered(errors: Floats, width: float = 1.0) -> float:
    """Share of the 95 % intervals that hold the truth, were they `width` times as wide."""
    return float((np.abs(errors) <= 1.959964 * width).mean())


def _play_table(pairs: NDArray[np.int64], truth: Floats, rng: Generator, seat: float, draw: float) -> Counts:
    """`pairs[i, j]` seat-swapped pairs for i < j."""
    first, second = np.nonzero(np.triu(pairs, 1))
    first, second = np.concatenate([first, second]), np.concatenate([second, first])
    chances = np.stack(probabilities(truth[first] - truth[second] + seat, draw), axis=1)
    outcomes = rng.multinomial(pairs[np.minimum(first, second), np.maximum(first, second)], chances)
    names = tuple(f"p{n:03}" for n in range(len(truth)))
    return Counts(names, first, second, outcomes, np.zeros(len(names), dtype=np.int64))


def _letters(delta: float, draw: float, number: int, rng: Generator, letters: str) -> list[str]:
    chances = np.concatenate(probabilities(np.asarray([delta]), draw))
    return [letters[place] for place in rng.choice(3, size=number, p=chances)]
