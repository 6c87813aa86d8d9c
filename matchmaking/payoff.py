"""Payoff: decayed counters of training episodes between two players (AlphaStar's pseudocode, class `Payoff`).

The published rule multiplies games, wins, draws and losses of a pair by `decay` before each +1. A batch of n episodes
whose order is not known is entered as n episodes of the batch's mean outcome, which has a closed form:

    counter <- counter * decay^n + share * (1 - decay^n) / (1 - decay),

with share = 1 for the games and wins/n, draws/n, losses/n for the others. For n = 1 it is the published rule, and
splitting a batch of like outcomes changes nothing. `scripts/` does the same in Lua; both use C doubles, C's `pow` and
the same order of operations, so that they agree to the last bit.
"""

from __future__ import annotations

from matchmaking.records import Counters

DECAY = 0.99
"""AlphaStar's decay for each episode: a pair remembers about its last hundred."""


def batch_factors(games: int, decay: float) -> tuple[float, float]:
    """What a batch multiplies the old counters by, and the weight that the batch itself enters with.

    Args:
        games: episodes of the batch, at least 1.
        decay: in (0, 1]; 1 forgets nothing.

    Returns:
        (decay^games, (1 - decay^games) / (1 - decay)); the second is `games` where decay is 1.

    Raises:
        ValueError: no games, or a decay outside of (0, 1].
    """
    if games < 1:
        raise ValueError(f"a batch needs at least one game, not {games}")
    if not 0.0 < decay <= 1.0:
        raise ValueError(f"decay must be above 0 and at most 1, not {decay}")
    if decay == 1.0:
        return 1.0, float(games)
    keep = decay**games
    return keep, (1.0 - keep) / (1.0 - decay)


def add(counters: Counters, wins: int, draws: int, losses: int, decay: float = DECAY) -> Counters:
    """The counters after a batch of episodes; an empty batch changes nothing.

    Raises:
        ValueError: a negative count, or a decay outside of (0, 1].
    """
    if min(wins, draws, losses) < 0:
        raise ValueError(f"counts cannot be negative: {wins} wins, {draws} draws, {losses} losses")
    games = wins + draws + losses
    if games == 0:
        return counters
    keep, gain = batch_factors(games, decay)
    return Counters(
        games=counters.games * keep + gain,
        wins=counters.wins * keep + wins / games * gain,
        draws=counters.draws * keep + draws / games * gain,
        losses=counters.losses * keep + losses / games * gain,
    )
