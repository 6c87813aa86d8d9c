"""The part of the conformance check that looks at one step of an episode at a time."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from arenas.check_teams import check_common_reward, check_global_state, check_padding
from arenas.core import Arena, Observation, State, Step, Turns
from arenas.findings import BrokenArenaError, Report, agree, first
from arenas.random import uniforms

COIN_STREAM = 1_000_000  # away from the streams of `arenas.match`


class Moment(NamedTuple):
    """One step of B episodes: what was seen, who was to move, what was played, what came of it."""

    observation: Tensor
    action_mask: Tensor
    turn: Tensor
    live: Tensor
    actions: Tensor
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor


def check_observation(arena: Arena, seen: Observation, turn: Tensor, batch: int, where: str, report: Report) -> None:
    """Shapes, types and finiteness of what an arena shows, and who is to move."""
    spec = arena.spec
    many = (spec.num_agents,) if spec.turns is Turns.SIMULTANEOUS else ()
    report.expect_tensor("turn", turn, (batch,), torch.int64, where)
    report.expect_tensor("observation", seen.observation, (batch, *many, *spec.observation_shape), torch.float32, where)
    report.expect_tensor("action_mask", seen.action_mask, (batch, *many, spec.num_actions), torch.bool, where)
    seats = spec.num_agents if spec.turns is Turns.SEQUENTIAL else 1
    if not ((turn >= 0) & (turn < seats)).all():
        report.add(where, f"turn is between {int(turn.min())} and {int(turn.max())}", f"turn is in [0, {seats})")
        raise BrokenArenaError
    finite = torch.isfinite(seen.observation)
    report.expect(finite.all(), where, "an observation has NaN or infinity", "all observations are finite")
    check_padding(spec, seen, turn, where, report)


class StepInspector:
    """Looks at every step of a batch of episodes while it is played, and reports what is wrong."""

    def __init__(self, arena: Arena, seeds: Tensor, report: Report) -> None:
        self._arena, self._seeds, self._report = arena, seeds, report

    def before(self, state: State, seen: Observation, turn: Tensor, live: Tensor, number: int) -> None:
        """Look at what is seen before the step."""
        where = f"observe at step {number}"
        check_observation(self._arena, seen, turn, len(self._seeds), where, self._report)
        check_global_state(self._arena, state, seen, where, self._report)
        some = seen.action_mask.flatten(1).any(dim=1) | ~live
        if not some.all():
            right = "a legal action in every episode that is live"
            self._report.add(f"{where}, episode {first(~some)}", "no action is legal", right)
            raise BrokenArenaError
        half = self._arena.observe(state, dtype=torch.bfloat16).observation.dtype
        self._report.expect(
            half == torch.bfloat16,
            where,
            f"asked for bfloat16, the observation is {half}",
            "observe gives the dtype asked",
        )
        for agent in range(self._arena.spec.num_agents):
            self._check_view(state, seen, turn, live, agent=agent, where=f"observe(agent={agent}) at step {number}")

    def after(self, old: State, moment: Moment, step: Step, chance: Tensor | None, number: int) -> None:
        """Look at what a step gave."""
        where, report, live = f"step {number}", self._report, moment.live
        both = step.terminated & step.truncated
        report.expect(~both.any(), where, "an episode is terminated and truncated at once", "at most one of the two")
        if not self._arena.spec.truncates:
            right = "spec.truncates is True, or no episode is truncated"
            report.expect(~step.truncated.any(), where, "an episode is truncated, but spec.truncates is False", right)
        check_common_reward(self._arena.spec, step.rewards, where, report)
        report.expect(torch.isfinite(step.rewards).all(), where, "a reward is NaN or infinite", "rewards are finite")
        idle = (step.rewards != 0).any(dim=1) | step.terminated | step.truncated
        if (idle & ~live).any():
            report.add(
                f"{where}, episode {first(idle & ~live)}",
                "an episode that is not live is rewarded or ends",
                "no reward and no end where `live` is false",
            )
        if not self._arena.spec.pure:
            self._check_still(moment, self._arena.observe(step.state), where)
            return
        self._check_frozen(old, step.state, ~live, where)
        self._check_pause(old, moment, step, chance, number)

    def _check_view(
        self, state: State, seen: Observation, turn: Tensor, live: Tensor, *, agent: int, where: str
    ) -> None:
        spec, batch, report = self._arena.spec, len(self._seeds), self._report
        own = self._arena.observe(state, agent)
        shape = (batch, *spec.observation_shape)
        report.expect_tensor("observation of one agent", own.observation, shape, torch.float32, where)
        mask_shape = (batch, spec.num_actions)
        report.expect_tensor("action_mask of one agent", own.action_mask, mask_shape, torch.bool, where)
        if spec.turns is Turns.SIMULTANEOUS:
            same = agree(own.observation, seen.observation[:, agent]) & agree(
                own.action_mask, seen.action_mask[:, agent]
            )
            right = "the same as this agent's row of observe()"
        else:
            to_move = live & (turn == agent)
            equal = agree(own.observation, seen.observation) & agree(own.action_mask, seen.action_mask)
            same = torch.where(to_move, equal, ~own.action_mask.any(dim=1) | ~live)
            right = "the view of observe() for the agent to move, an all-false mask for the others"
        if not same.all():
            report.add(f"{where}, episode {first(~same)}", "an agent's own view disagrees with observe()", right)

    def _check_frozen(self, old: State, new: State, frozen: Tensor, where: str) -> None:
        """Compare the state of episodes that are not live."""
        for name, tensor in new.items():
            moved = frozen & ~agree(tensor, old[name])
            if moved.any():
                self._report.add(
                    f"{where}, episode {first(moved)}",
                    f"the state {name!r} of an episode that is not live changed",
                    "where `live` is false the state stays",
                )

    def _check_still(self, moment: Moment, seen: Observation, where: str) -> None:
        """Behind processes, what can be told of an episode that is not live is what it shows."""
        same = agree(seen.observation, moment.observation) | moment.live
        if not same.all():
            what = "what an episode that is not live shows changed"
            self._report.add(f"{where}, episode {first(~same)}", what, "where `live` is false the state stays")

    def _check_pause(self, old: State, moment: Moment, step: Step, chance: Tensor | None, number: int) -> None:
        """Step again with half of the live episodes paused: the others must not notice."""
        coin = uniforms(self._seeds, number, 1, COIN_STREAM)[:, 0] < 0.5
        going = moment.live & coin
        again = self._arena.step(old, moment.actions, chance, going)
        where, report = f"step {number}", self._report
        self._check_frozen(old, again.state, ~going, where)
        silent = (again.rewards == 0).all(dim=1) & ~again.terminated & ~again.truncated
        if not (silent | going).all():
            report.add(
                f"{where}, episode {first(~(silent | going))}",
                "an episode that is not live is rewarded or ends",
                "no reward and no end where `live` is false",
            )
        same = agree(again.rewards, step.rewards) & (again.terminated == step.terminated)
        for name, tensor in again.state.items():
            same = same & agree(tensor, step.state[name])
        if not (same | ~going).all():
            report.add(
                f"{where}, episode {first(~same & going)}",
                "pausing other episodes changes this one",
                "what happens in an episode depends on no other one",
            )
