"""The part of the conformance check for what only some arenas have: unlike agents, a global state, common rewards."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from arenas.core import Arena, ArenaSpec, Observation, State, Turns
from arenas.findings import Report, agree, first


def check_team_spec(spec: ArenaSpec, report: Report) -> None:
    """The fields about teams by themselves, and against each other."""
    where, agents = f"spec of {spec.name!r}", spec.num_agents
    named = len(set(spec.roles)) == len(spec.roles) == len(spec.teams) and all(spec.roles)
    right = "roles is empty, or names each team by a name of its own"
    report.expect(not spec.roles or named, where, f"roles is {spec.roles}", right)
    for name, most in (
        ("action_counts", spec.num_actions),
        ("observation_sizes", math.prod(spec.observation_shape)),
    ):
        values = getattr(spec, name)
        sound = len(values) == agents and all(1 <= value <= most for value in values)
        right = f"{name} is empty, or has for each of the {agents} agents a number from 1 to {most}"
        report.expect(not values or sound, where, f"{name} is {values}", right)
        largest = f"{name} of some agent is {most}: what no agent has is in the spec for nothing"
        report.expect(not values or not sound or max(values) == most, where, f"{name} is {values}", largest)
    shape = spec.state_shape
    report.expect(all(size >= 1 for size in shape), where, f"state_shape is {shape}", "all sizes are at least 1")
    report.expect(
        not shape or spec.turns is Turns.SIMULTANEOUS,
        where,
        f"state_shape is {shape}, but turns are sequential",
        "only a simultaneous arena has a global state",
    )


def check_padding(spec: ArenaSpec, seen: Observation, turn: Tensor, where: str, report: Report) -> None:
    """Actions that an agent does not have are never legal, and what pads its observation is zero."""
    everyone = spec.turns is Turns.SIMULTANEOUS

    def behind(sizes: tuple[int, ...], width: int) -> Tensor:
        """bool [N, width], or [B, width] of the agents to move: the places that an agent does not have."""
        limits = torch.tensor(sizes, device=turn.device)
        limits = limits if everyone else limits[turn]
        return torch.arange(width, device=turn.device) >= limits[:, None]

    if spec.action_counts:
        wrong = (seen.action_mask & behind(spec.action_counts, spec.num_actions)).flatten(1).any(dim=1)
        if wrong.any():
            right = f"the legal actions of an agent are among its own, action_counts = {spec.action_counts}"
            report.add(f"{where}, episode {first(wrong)}", "an action that its agent does not have is legal", right)
    if spec.observation_sizes:
        flat = seen.observation.flatten(2 if everyone else 1)
        wrong = ((flat != 0) & behind(spec.observation_sizes, flat.shape[-1])).flatten(1).any(dim=1)
        if wrong.any():
            right = f"an observation is zero behind its agent's own size, observation_sizes = {spec.observation_sizes}"
            report.add(f"{where}, episode {first(wrong)}", "what pads an observation is not zero", right)


def check_global_state(arena: Arena, state: State, seen: Observation, where: str, report: Report) -> None:
    """Shape, type and values of the global state of a simultaneous arena."""
    spec, batch = arena.spec, len(seen.observation)
    if spec.turns is not Turns.SIMULTANEOUS:
        return
    whole = arena.global_state(state)
    report.expect_tensor("global_state", whole, (batch, *spec.global_shape), torch.float32, where)
    report.expect(torch.isfinite(whole).all(), where, "global_state has NaN or infinity", "the global state is finite")
    half = arena.global_state(state, torch.bfloat16).dtype
    right = "global_state gives the dtype asked"
    report.expect(half == torch.bfloat16, where, f"asked for bfloat16, global_state is {half}", right)
    if not spec.state_shape:
        same = agree(whole, seen.observation.flatten(1))
        if not same.all():
            right = "without a state_shape it is the observations of all agents, one after the other"
            report.add(
                f"{where}, episode {first(~same)}", "global_state is something else than the observations", right
            )


def check_common_reward(spec: ArenaSpec, rewards: Tensor, where: str, report: Report) -> None:
    """Where the spec says so, a team's agents are rewarded alike; `rewards` is [B, N]."""
    if not spec.common_reward:
        return
    for team in spec.teams:
        own = rewards[:, list(team)]
        unlike = ~agree(own, own[:, :1].expand_as(own))
        if unlike.any():
            right = "spec.common_reward is False, or all agents of a team get the same reward"
            report.add(f"{where}, episode {first(unlike)}", f"agents of team {team} are rewarded unlike", right)
