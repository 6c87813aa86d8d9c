"""What the card games share: dealing from uniforms, and settling a pot between two players."""

from __future__ import annotations

import torch
from torch import Tensor


def deal(uniforms: Tensor, deck: int) -> Tensor:
    """Deal cards without replacement, every order equally likely.

    Args:
        uniforms: [B, K] in [0, 1): one a card.
        deck: how many cards there are, numbered from 0.

    Returns:
        int64 [B, K]: K different cards in the order of dealing.
    """
    dealt: list[Tensor] = []
    for place in range(uniforms.shape[1]):
        left = deck - place
        card = (uniforms[:, place] * left).to(torch.int64).clamp(max=left - 1)  # the n-th of the cards that are left
        if dealt:
            for earlier in torch.stack(dealt, dim=1).sort(dim=1).values.unbind(1):
                card = card + (card >= earlier)
        dealt.append(card)
    return torch.stack(dealt, dim=1)


def settle(stakes: Tensor, advantage: Tensor) -> Tensor:
    """Chips that player 0 wins of player 1 when a hand of two players ends.

    Nobody can fold without owing chips, so unequal stakes mean that the one with less in the pot has folded.

    Args:
        stakes: int64 [B, 2]: what each has put into the pot.
        advantage: int64 [B]: above 0 where player 0 has the better hand, below 0 where player 1 has, 0 for a tie.

    Returns:
        int64 [B].
    """
    owed = stakes[:, 0] - stakes[:, 1]
    return torch.sign(torch.where(owed == 0, advantage, owed)) * stakes.amin(dim=1)


def one_hot(index: Tensor, size: int) -> Tensor:
    """bool [..., size]: true at `index`; all false where the index is outside of [0, size)."""
    return index[..., None] == torch.arange(size, device=index.device)
