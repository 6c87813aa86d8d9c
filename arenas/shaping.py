"""Other rewards for the same game: difference rewards and potential-based shaping.

Difference rewards (Wolpert & Tumer, "Optimal payoff functions for members of collectives", 2002) tell an agent what it
did for its team, with G the team's reward and c_n a default action in place of the agent's own:

    D_n(s, a) = G(s, a) - G(s, (a_-n, c_n)).

The second term does not depend on what n did, so D_n rises with n's action exactly where G does, and the others'
doings are taken out of it. Rules here are pure functions: the counterfactual is one more step from the same state, with
the same chance.

Potential-based shaping (Ng, Harada & Russell, "Policy invariance under reward transformations", 1999) adds

    F(s, s') = gamma Phi(s') - Phi(s)

to the team's reward, with Phi = 0 where an episode is over; no other additive bonus leaves every optimal policy as it
is. With several agents the Nash equilibria stay too, and each team may have a Phi of its own (Devlin & Kudenko, AAMAS
2011). An episode that is cut by a limit
from outside goes on in the learner's mind where it bootstraps from the final observation, and then its last potential
stands; where the learner takes the limit for an end, it is 0 there as well (Grzes, AAMAS 2017).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from arenas.core import Arena, State, Step, Turns
from arenas.wrapping import WrappedArena

Potential = Callable[[State], Tensor]
"""float32 [B, teams]: how good states are for each of the arena's teams."""


class Rewarded(WrappedArena):
    """An arena whose agents are rewarded otherwise; nothing else of a step changes."""

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        step = self.arena.step(state, actions, uniforms, live)
        return step._replace(rewards=self.rewards(state, actions, uniforms, live, step))

    @abstractmethod
    def rewards(
        self, state: State, actions: Tensor, uniforms: Tensor | None, live: Tensor | None, step: Step
    ) -> Tensor:
        """float32 [B, N]: the rewards in place of those of a step that the arena inside has taken."""


def layers(arena: Arena) -> tuple[Arena, tuple[Rewarded, ...]]:
    """The arena with its own rewards, and what changes them, from the innermost on."""
    found: list[Rewarded] = []
    while isinstance(arena, Rewarded):
        found.insert(0, arena)
        arena = arena.arena
    return arena, tuple(found)


class DifferenceRewards(Rewarded):
    """Every agent is rewarded with D_n.

    Args:
        arena: a simultaneous arena whose rules are pure functions.
        default: c_n; None takes the mean of G over the agent's legal actions (as the aristocrat utility of Wolpert and
            Tumer does, there by the agent's own probabilities). D_n is 0 where the default is not legal, or nothing is.
        steps: over how many steps G is summed, each agent doing the same again, or the first legal action where it
            cannot. More than one is for arenas whose rewards trail the actions (`ArenaSpec.reward_delay`); as few
            as show anything unless given.

    Raises:
        ValueError: the arena has turns, its rules are no pure functions, or an argument does not fit it.
    """

    def __init__(self, arena: Arena, default: int | None = None, steps: int | None = None) -> None:
        spec = arena.spec
        if spec.turns is not Turns.SIMULTANEOUS or not spec.pure:
            why = "its agents move in turns" if spec.pure else "its rules run in other processes"
            raise ValueError(
                f"{spec.name}: {why}, but a difference reward asks what else one of several actions at once would "
                "have brought, by rules that are pure functions, as those of the native arenas are"
            )
        if default is not None and not 0 <= default < spec.num_actions:
            raise ValueError(f"{spec.name} has no action {default}: its actions are 0 to {spec.num_actions - 1}")
        least = 1 + spec.reward_delay
        if steps is not None and steps < least:
            raise ValueError(
                f"{spec.name}: rewards trail the actions by {spec.reward_delay}, so that with steps = {steps} every "
                f"difference is 0; take {least} or more"
            )
        super().__init__(arena, replace(spec, common_reward=spec.common_reward and spec.num_agents == 1))
        self.default, self.steps = default, least if steps is None else steps
        team_of = [next(number for number, team in enumerate(spec.teams) if n in team) for n in range(spec.num_agents)]
        self._team_of = torch.tensor(team_of)

    def rewards(
        self, state: State, actions: Tensor, uniforms: Tensor | None, live: Tensor | None, step: Step
    ) -> Tensor:
        achieved = self._team_return(step, actions, uniforms, live)
        without, possible = self._without(state, actions, uniforms, live)
        return torch.where(possible, achieved - without, 0.0)

    def _without(
        self, state: State, actions: Tensor, uniforms: Tensor | None, live: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """float32 [B, N], G(s, (a_-n, c_n)); and bool [B, N], whether agent n has such an alternative."""
        legal = self.arena.observe(state).action_mask  # [B, N, A]
        batch, agents, count = legal.shape
        choices = range(count) if self.default is None else (self.default,)
        # One more batched step: rows [choices, agents, B], in each of which one agent does something else.
        joint = actions.expand(len(choices), agents, -1, -1).clone()
        for row, choice in enumerate(choices):
            for agent in range(agents):
                joint[row, agent, :, agent] = torch.where(legal[:, agent, choice], choice, actions[:, agent])
        times = len(choices) * agents

        def tiled(tensor: Tensor) -> Tensor:
            return tensor.repeat(times, *[1] * (tensor.dim() - 1))

        chance = None if uniforms is None else tiled(uniforms)
        alive = None if live is None else tiled(live)
        rows = joint.flatten(0, 2)
        step = self.arena.step({name: tiled(tensor) for name, tensor in state.items()}, rows, chance, alive)
        returns = self._team_return(step, rows, chance, alive).view(len(choices), agents, batch, agents)
        own = returns.diagonal(dim1=1, dim2=3)  # [choices, B, N]: each agent's team in the row in which it is the one
        weights = legal[..., list(choices)].permute(2, 0, 1).to(own.dtype)
        return (own * weights).sum(dim=0) / weights.sum(dim=0).clamp(min=1), weights.any(dim=0)

    def _team_return(self, step: Step, actions: Tensor, uniforms: Tensor | None, live: Tensor | None) -> Tensor:
        """float32 [B, N]: what each agent's team gets in this step and the following ones, see `steps`."""
        rewards = step.rewards
        for _ in range(self.steps - 1):
            going = ~(step.terminated | step.truncated)
            live = going if live is None else live & going
            mask = self.arena.observe(step.state).action_mask
            again = mask.gather(2, actions.unsqueeze(2)).squeeze(2)
            actions = torch.where(again, actions, mask.to(torch.uint8).argmax(dim=2))
            step = self.arena.step(step.state, actions, uniforms, live)
            rewards = rewards + step.rewards
        team_of = self._team_of.to(rewards.device)
        return rewards @ (team_of[:, None] == team_of).to(rewards.dtype)


class PotentialShaping(Rewarded):
    """Each team is given F of its own potential beside what it earns, every agent of it an equal share.

    Args:
        arena: a simultaneous arena.
        potential: Phi.
        discount: gamma of the learner: with another one the optimal policies may change.
        truncation_ends: whether the learner takes a limit from outside for the end of the task.
    """

    def __init__(self, arena: Arena, potential: Potential, discount: float, *, truncation_ends: bool = False) -> None:
        super().__init__(arena)
        self.potential, self.discount, self.truncation_ends = potential, discount, truncation_ends
        teams = arena.spec.teams
        share = torch.zeros(len(teams), arena.spec.num_agents)
        for number, team in enumerate(teams):
            share[number, list(team)] = 1 / len(team)
        self._share = share

    def rewards(
        self, state: State, actions: Tensor, uniforms: Tensor | None, live: Tensor | None, step: Step
    ) -> Tensor:
        over = step.terminated | step.truncated if self.truncation_ends else step.terminated
        following = torch.where(over[:, None], 0.0, self.potential(step.state))
        bonus = self.discount * following - self.potential(state)
        if live is not None:
            bonus = torch.where(live[:, None], bonus, 0.0)
        return step.rewards + bonus @ self._share.to(bonus)
