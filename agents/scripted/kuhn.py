"""Kuhn poker's equilibria (H. W. Kuhn, "A simplified two-person poker", 1950).

Every equilibrium of the first player is given by one number, alpha in [0, 1/3], the probability of opening with a bet
on the jack; the second player has only one. The value of the game is -1/18 to the first player.
"""

from __future__ import annotations

import torch
from torch import Tensor

from agents.scripted.choice import pick_by_probability
from arenas.core import ArenaSpec, Observation
from arenas.games.kuhn_poker import CARDS

_HISTORY = 2 + CARDS  # in the observation after seat and card: (pass, bet) for each action so far


class KuhnEquilibrium:
    """Plays the equilibrium of parameter `alpha` from either seat."""

    def __init__(self, spec: ArenaSpec, alpha: float) -> None:
        """Args: spec of `kuhn_poker`; alpha in [0, 1/3]."""
        if not 0 <= alpha <= 1 / 3:
            raise ValueError(f"alpha has to lie in [0, 1/3], not {alpha}")
        self.spec = spec
        self.alpha = alpha

    def begin(self, batch: int, device: torch.device) -> None:
        """Nothing to forget: the observation holds the whole history."""

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        """Draw an action (see `agents.core.Agent.act`)."""
        return pick_by_probability(self.probabilities(observation.observation), uniforms)

    def probabilities(self, observation: Tensor) -> Tensor:
        """Probabilities of pass and bet, float32 [B, 2], from observations [B, 11]."""
        third = 1 / 3
        bets = torch.tensor(
            [  # on jack, queen and king
                [self.alpha, 0.0, 3 * self.alpha],  # to open
                [third, 0.0, 1.0],  # after a pass
                [0.0, third, 1.0],  # after a bet
                [0.0, self.alpha + third, 1.0],  # after one's own pass and a bet
            ],
            device=observation.device,
        ).clamp(max=1.0)
        seen = observation > 0.5
        card = seen[:, 2:_HISTORY].to(torch.int64).argmax(dim=1)
        passed, bet, answered = (seen[:, _HISTORY + place].to(torch.int64) for place in (0, 1, 3))
        bet_probability = bets[passed + 2 * bet + 2 * answered, card]
        return torch.stack((1 - bet_probability, bet_probability), dim=1)
