"""One ply of many games, as pure tensor programs: what `agents.rollout` compiles and calls.

The learner and its opponents move through the same programs; rewards, outcomes and endings are always the learner's.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from arenas.core import Arena, Observation, State, select

OUTCOMES = 3  # win, draw, loss of the learner
CODES = 1 + 2 * OUTCOMES  # 0: no countable episode ended; 1 + seat * 3 + outcome


class Games(NamedTuple):
    """Games under way.

    Attributes:
        state: of the arena.
        seat: int64 [B], the learner's.
        fresh: bool [B]: the episode will count.
        margin: float32 [B], by how much the learner's return of this episode exceeds the opponent's so far.
        observation: what the agent to move sees, or all agents of a simultaneous arena.
    """

    state: State
    seat: Tensor
    fresh: Tensor
    margin: Tensor
    observation: Observation


class Luck(NamedTuple):
    """The uniforms of one ply: [B, A] for the action, and for resets and steps what the arena's spec asks for."""

    action: Tensor
    reset: Tensor
    step: Tensor


class Ply(NamedTuple):
    """What one ply gave.

    Attributes:
        games: the games after it, new ones where an episode ended.
        action: int64 [B], of the side that moved.
        log_probability: float32 [B], of that action.
        reward: float32 [B], the learner's.
        ended: bool [B].
        truncated: bool [B]: ended by a limit.
        code: int64 [B], see `CODES`.
        final: [B, *shape], the learner's view of a truncated episode's last position; elsewhere of no meaning.
    """

    games: Games
    action: Tensor
    log_probability: Tensor
    reward: Tensor
    ended: Tensor
    truncated: Tensor
    code: Tensor
    final: Tensor


def sample(logits: Tensor, mask: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """Draw actions from masked logits by the Gumbel-max trick.

    Args:
        logits: float32 [B, A].
        mask: bool [B, A].
        uniforms: float32 [B, A] in [0, 1).

    Returns:
        Actions int64 [B] and their log-probabilities [B].
    """
    log_policy = torch.where(mask, logits, -1e9).log_softmax(-1)
    gumbel = -(-uniforms.clamp(1e-9, 1 - 1e-7).log()).log()
    action = torch.where(mask, log_policy + gumbel, -torch.inf).argmax(-1)
    return action, log_policy.gather(1, action[:, None])[:, 0]


def align(flag: Tensor, like: Tensor) -> Tensor:
    """bool [B] as [B, 1, ...], to go with a tensor [B, ...]."""
    return flag.view(-1, *([1] * (like.dim() - 1)))


class Programs:
    """The plies of an arena.

    Args:
        arena: the game; two teams of one agent each.
        dtype: of observations.
        countable: bool [B]: environments whose episodes may count.
        opened: bool [B]: environments whose episodes begin with an opening.
    """

    def __init__(self, arena: Arena, dtype: torch.dtype, countable: Tensor, opened: Tensor) -> None:
        self.arena, self.dtype, self.countable, self.opened = arena, dtype, countable, opened

    def observe(self, state: State) -> Observation:
        """What the agent to move sees, or all agents of a simultaneous arena, in the compute precision."""
        return self.arena.observe(state, dtype=self.dtype)

    def ply(self, games: Games, logits: Tensor, luck: Luck, live: Tensor, openings: State | None) -> Ply:
        """The side to move plays, in the environments where `live` (bool [B]) is true.

        Args:
            games: of a sequential arena.
            logits: float32 [B, A].
            luck: randomness.
            live: where this side is to move.
            openings: positions that episodes of `opened` environments begin with.
        """
        action, log_probability = sample(logits, games.observation.action_mask, luck.action)
        return self._advance(games, action, action, log_probability, luck, live, openings)

    def noisy_ply(
        self,
        games: Games,
        logits: Tensor,
        luck: Luck,
        live: Tensor,
        openings: State | None,
        noise: Tensor,
        coin: Tensor,
    ) -> Ply:
        """`ply` with a uniformly random legal action where `coin` is below `noise` (both [B])."""
        return self.ply(games, torch.where((coin < noise)[:, None], 0.0, logits), luck, live, openings)

    def joint_ply(
        self, games: Games, sides: tuple[Observation, Observation], logits: Tensor, reply: Tensor, luck: Luck,
        reply_uniforms: Tensor, noise: Tensor, coin: Tensor,
    ) -> Ply:  # fmt: skip
        """Both sides of a simultaneous arena play; `sides` is what the learner and the opponent see."""
        action, log_probability = sample(logits, sides[0].action_mask, luck.action)
        partly_random = torch.where((coin < noise)[:, None], 0.0, reply)
        answer, _ = sample(partly_random, sides[1].action_mask, reply_uniforms)
        first = torch.where(games.seat == 0, action, answer)
        joint = torch.stack((first, action + answer - first), dim=1)
        return self._advance(games, joint, action, log_probability, luck, None, None)

    def _advance(
        self, games: Games, actions: Tensor, chosen: Tensor, log_probability: Tensor, luck: Luck, live: Tensor | None,
        openings: State | None,
    ) -> Ply:  # fmt: skip
        """Step, count what ended from the learner's side, and start anew with the seats swapped."""
        spec, seat = self.arena.spec, games.seat
        after = self.arena.step(games.state, actions, luck.step, live)
        lead = after.rewards[:, 0] - after.rewards[:, 1]
        reward = torch.where(seat == 0, after.rewards[:, 0], after.rewards[:, 1])
        ended = after.terminated | after.truncated
        # As in rated matches: whoever returned more has won, also where the sum is not zero.
        margin = games.margin + torch.where(seat == 0, lead, -lead)
        outcome = torch.where(margin > 0, 0, torch.where(margin < 0, 2, 1))
        # In a foreign arena each view is a round trip to its processes, and hardly any step ends by a limit.
        viewed = spec.truncates and (spec.pure or bool(after.truncated.any()))
        final = self._final_view(after.state, seat) if viewed else reward
        state = self.arena.renew(after.state, ended, luck.reset)
        if openings is not None:
            state = select(ended & self.opened, openings, state)
        following = Games(
            state=state,
            seat=torch.where(ended, 1 - seat, seat),
            fresh=torch.where(ended, self.countable, games.fresh),
            margin=torch.where(ended, 0.0, margin),
            observation=self.observe(state),
        )
        code = torch.where(ended & games.fresh, 1 + seat * OUTCOMES + outcome, 0)
        return Ply(following, chosen, log_probability, reward, ended, after.truncated, code, final)

    def _final_view(self, state: State, seat: Tensor) -> Tensor:
        views = [self.arena.observe(state, agent, self.dtype).observation for agent in (0, 1)]
        return torch.where(align(seat == 0, views[0]), views[0], views[1])

    def random_openings(self, start: State, plies: Tensor, most: int, uniforms: Tensor, steps: Tensor) -> State:
        """Positions some random plies from the start, or the start where they ended the game.

        Args:
            start: new episodes of a sequential arena.
            plies: int64 [B], how many, at most `most`.
            most: the longest opening.
            uniforms: float32 [most, B, A].
            steps: float32 [most, B, step_uniforms].
        """
        state, ended = start, torch.zeros_like(self.opened)
        for ply in range(most):
            mask = self.observe(state).action_mask
            action, _ = sample(torch.zeros(mask.shape, device=mask.device), mask, uniforms[ply])
            after = self.arena.step(state, action, steps[ply], (plies > ply) & ~ended)
            state, ended = after.state, ended | after.terminated | after.truncated
        return select(ended, start, state)


def sides(games: Games) -> tuple[Observation, Observation]:
    """The learner's and the opponent's view of a simultaneous arena: [B, ...] each."""
    views, masks = games.observation
    first = games.seat == 0
    view_first, mask_first = align(first, views[:, 0]), first[:, None]
    mine = Observation(
        torch.where(view_first, views[:, 0], views[:, 1]), torch.where(mask_first, masks[:, 0], masks[:, 1])
    )
    theirs = Observation(
        torch.where(view_first, views[:, 1], views[:, 0]), torch.where(mask_first, masks[:, 1], masks[:, 0])
    )
    return mine, theirs
