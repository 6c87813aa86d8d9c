"""The iterated prisoner's dilemma, with the last joint action in sight.

R. Axelrod, "The Evolution of Cooperation" (1984), whose payoffs are the default; with the payoffs (5, 10, 0, 1) and a
probability of 0.875 to go on it is OpenSpiel's `python_iterated_prisoners_dilemma`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from arenas.core import Arena, ArenaSpec, Observation, State, Step, Turns, select
from arenas.games.cards import one_hot

COOPERATE, DEFECT = range(2)
START = 0
"""The place in the observation for: nothing was played yet. The joint action (own, other) is at 1 + 2 own + other."""
NAMES = ("cooperate", "defect")
LARGEST = 1_000_000  # beside it a float32 still tells payoffs apart that differ by a tenth
PAYOFFS = (3.0, 5.0, 0.0, 1.0)


class PrisonersDilemma(Arena):
    """Both cooperate or defect at once, round after round; a sum of rewards counts, not who has more.

    Actions: 0 cooperate, 1 defect.
    Observation [5], one-hot: the start, or the last round's joint action with the viewer's own first: both cooperated,
    only the other defected, only the viewer defected, both defected. The number of the round is not seen.
    State, int64: `last` [B, 2], the actions of the last round, -1 before the first; `round` [B].
    Rewards, every round: `payoffs` in the order reward (both cooperate), temptation (only oneself defects), sucker's
    payoff (only the other defects), punishment (both defect).
    Ends: terminated after `rounds`. With `continuation` another round follows with that probability, which terminates,
    and `rounds` becomes a limit outside of the rules, which truncates.
    """

    def __init__(self, rounds: int = 10, continuation: float | None = None, payoffs: Sequence[float] = PAYOFFS) -> None:
        """Args:
        rounds: how many are played, or at most with `continuation`.
        continuation: in (0, 1), the probability that another round follows; the number of rounds is fixed without it.
        payoffs: reward, temptation, sucker's payoff, punishment. A prisoner's dilemma has temptation > reward >
            punishment > sucker's payoff.
        """
        if not isinstance(rounds, int) or rounds < 1:
            raise ValueError(f"rounds has to be a whole number from 1, not {rounds!r}")
        if continuation is not None and not 0 < continuation < 1:
            raise ValueError(f"continuation has to be a probability between 0 and 1, not {continuation!r}")
        if len(payoffs) != 4 or not all(abs(payoff) <= LARGEST for payoff in payoffs):
            raise ValueError(f"payoffs have to be four numbers of at most {LARGEST:,} either way, not {payoffs!r}")
        reward, temptation, sucker, punishment = map(float, payoffs)
        if not temptation > reward > punishment > sucker:
            raise ValueError(
                "payoffs (reward, temptation, sucker's payoff, punishment) have to be ordered "
                f"temptation > reward > punishment > sucker's payoff, not {tuple(payoffs)}"
            )
        self.rounds, self.continuation = rounds, continuation
        self.payoffs = (reward, sucker, temptation, punishment)  # by 2 * own action + the other's
        self.spec = ArenaSpec(
            name="prisoners_dilemma",
            agents=("player_0", "player_1"),
            teams=((0,), (1,)),
            observation_shape=(5,),
            num_actions=2,
            turns=Turns.SIMULTANEOUS,
            max_steps=rounds,
            step_uniforms=0 if continuation is None else 1,
            truncates=continuation is not None,
            common_reward=True,
            description="Iterated prisoner's dilemma, the last round in sight",
        )

    def reset(self, uniforms: Tensor) -> State:
        batch, device = len(uniforms), uniforms.device
        return {
            "last": torch.full((batch, 2), -1, dtype=torch.int64, device=device),
            "round": torch.zeros(batch, dtype=torch.int64, device=device),
        }

    def turn(self, state: State) -> Tensor:
        return torch.zeros_like(state["round"])

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        last = state["last"]
        joint = torch.where(last < 0, START, 1 + 2 * last + last.flip(1))
        seen = one_hot(joint, *self.spec.observation_shape).to(dtype)
        legal = torch.ones((*last.shape, len(NAMES)), dtype=torch.bool, device=last.device)
        return Observation(seen, legal) if agent is None else Observation(seen[:, agent], legal[:, agent])

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        rewards = torch.tensor(self.payoffs, device=actions.device)[2 * actions + actions.flip(1)]
        after = {"last": actions, "round": state["round"] + 1}
        over = after["round"] >= self.rounds
        if self.continuation is None:
            ended, late = over, torch.zeros_like(over)
        else:
            assert uniforms is not None, "whether another round follows is drawn: uniforms are needed"
            ended = uniforms[:, 0] >= self.continuation
            late = over & ~ended
        if live is not None:
            after, rewards, ended, late = select(live, after, state), rewards * live[:, None], ended & live, late & live
        return Step(after, rewards, ended, late)

    def render(self, state: State, index: int) -> str:
        last = [NAMES[action] if action >= 0 else "-" for action in state["last"][index].tolist()]
        return f"round {int(state['round'][index])} of {self.rounds}\nplayer_0: {last[0]}  player_1: {last[1]}"
