"""The conformance check behind `league arenas check NAME`: is this arena what `arenas.core` says an arena is?

For authors of arenas. Random episodes are played and looked at step by step (`arenas.check_steps`; what only teams and
unlike agents have is in `arenas.check_teams`), then played again in other ways that must not make a difference.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from arenas.check_steps import Moment, StepInspector, check_observation
from arenas.check_teams import check_team_spec
from arenas.core import Arena, ArenaSpec, Observation, State, Symmetry, Turns
from arenas.findings import BrokenArenaError, Finding, Report, agree, first
from arenas.match import FIRST_AGENT_STREAM, RESET_STREAM, STEP_STREAM
from arenas.random import derive_seeds, uniforms

EPISODES = 64


def check(arena: Arena, episodes: int = EPISODES, seed: int = 0, device: torch.device | None = None) -> list[Finding]:
    """Look for defects of an arena.

    Looked at are: the spec by itself; shapes, types and finiteness of all that the arena gives; legal actions while an
    episode is live; `max_steps`; each agent's own view; what pads the views and actions of unlike agents; the global
    state; common rewards; that the same uniforms give the same game, alone or in any batch; that episodes which are not
    live stay as they are; that `renew` touches ended episodes only and starts them as `reset` does; that a pure arena
    writes to no state; that the symmetries are symmetries.

    Args:
        arena: the arena.
        episodes: how many random episodes to play at once, at least 2.
        seed: of the random play.
        device: where to play; the CPU unless told otherwise.

    Returns:
        What was found; nothing in a sound arena. An exception of the arena is a finding too.
    """
    if episodes < 2:
        raise ValueError(f"a check needs at least 2 episodes, not {episodes}")
    report = Report()
    try:
        _check_spec(arena.spec, report)
        if not report.findings:
            _check_play(arena, derive_seeds(seed, episodes, device=device), report)
    except BrokenArenaError:
        pass
    except Exception as error:  # whatever somebody else's arena raises is a finding about it
        report.add(_blame(error), f"raised {type(error).__name__}: {error}", "no exception in legal play")
    return report.findings


def _blame(error: Exception) -> str:
    """The innermost line that is neither ours nor torch's."""
    ours = {str(Path(__file__).with_name(name)) for name in ("check.py", "check_steps.py", "check_teams.py")}
    frames = traceback.extract_tb(error.__traceback__)
    library = str(Path(torch.__file__).parent)
    theirs = [frame for frame in frames if frame.filename not in ours and not frame.filename.startswith(library)]
    frame = theirs[-1] if theirs else frames[-1]
    return f"{Path(frame.filename).name}, line {frame.lineno}, in {frame.name}"


def _check_spec(spec: ArenaSpec, report: Report) -> None:
    agents, where = list(range(len(spec.agents))), f"spec of {spec.name!r}"
    report.expect(bool(agents), where, "there are no agents", "at least one agent")
    report.expect(
        len(set(spec.agents)) == len(agents), where, f"agents are {spec.agents}", "every agent has its own name"
    )
    grouped = sorted(agent for team in spec.teams for agent in team)
    report.expect(
        grouped == agents and all(spec.teams), where, f"teams are {spec.teams}", "every agent is in exactly one team"
    )
    for name in ("num_actions", "max_steps"):
        value = getattr(spec, name)
        report.expect(value >= 1, where, f"{name} is {value}", f"{name} is at least 1")
    for name in ("reset_uniforms", "step_uniforms"):
        value = getattr(spec, name)
        report.expect(value >= 0, where, f"{name} is {value}", f"{name} is at least 0")
    shape = spec.observation_shape
    report.expect(all(size >= 1 for size in shape), where, f"observation_shape is {shape}", "all sizes are at least 1")
    width = torch.Size(shape).numel()
    check_team_spec(spec, report)
    for number, symmetry in enumerate(spec.symmetries):
        for name, order, size in (
            ("observation", symmetry.observation, width),
            ("action", symmetry.action, spec.num_actions),
        ):
            right = f"{name} of a symmetry is a permutation of 0 to {size - 1}"
            report.expect(
                sorted(order) == list(range(size)), f"{where}, symmetry {number}", f"{name} is {order}", right
            )


def _check_play(arena: Arena, seeds: Tensor, report: Report) -> None:
    _check_start(arena, seeds, report)
    base, _ = _play(arena, seeds, report=report)
    if report.findings:
        return  # what follows compares ways of playing, and would only repeat that
    again, _ = _play(arena, seeds)
    _compare(base, again, report, "playing the same seeds again", "the same uniforms and actions give the same game")
    half = len(seeds) // 2
    part, _ = _play(arena, seeds[:half])
    cut = [Moment(*(tensor[:half] for tensor in moment)) for moment in base]
    _compare(cut, part, report, f"playing {half} instead of {len(seeds)}", "an episode is the same in any batch")
    _check_renew(arena, seeds, base, report)
    for number, symmetry in enumerate(arena.spec.symmetries):
        _check_symmetry(arena, seeds, base, symmetry, where=f"symmetry {number}", report=report)


def _start(arena: Arena, seeds: Tensor) -> State:
    return arena.reset(uniforms(seeds, 0, arena.spec.reset_uniforms, RESET_STREAM))


def _check_start(arena: Arena, seeds: Tensor, report: Report) -> None:
    state = _start(arena, seeds)
    for name, tensor in state.items():
        right = f"every tensor of the state has the {len(seeds)} environments as its first dimension"
        shape = list(tensor.shape)
        report.expect(shape[:1] == [len(seeds)], "reset", f"the state {name!r} is {shape}", right)
    if report.findings:
        raise BrokenArenaError
    check_observation(arena, arena.observe(state), arena.turn(state), len(seeds), "observe after reset", report)


def _play(
    arena: Arena,
    seeds: Tensor,
    *,
    script: Sequence[Tensor] | None = None,
    report: Report | None = None,
    steps: int | None = None,
) -> tuple[list[Moment], State]:
    """Play episodes to their end, or at most `steps` of their steps.

    Args:
        arena: the arena.
        seeds: int64 [B].
        script: the actions of each step; random legal ones without it.
        report: where to put what is wrong with the steps; nothing is looked at without it.
        steps: `max_steps` unless given.

    Returns:
        What happened, and the state that came of it.
    """
    spec, state = arena.spec, _start(arena, seeds)
    inspector = StepInspector(arena, seeds, report) if report else None
    live = torch.ones(len(seeds), dtype=torch.bool, device=seeds.device)
    moments: list[Moment] = []
    limit = min(spec.max_steps if steps is None else steps, spec.max_steps if script is None else len(script))
    while len(moments) < limit and live.any():
        number = len(moments)
        seen, turn = arena.observe(state), arena.turn(state)
        if inspector:
            inspector.before(state, seen, turn, live, number)
        actions = _random_actions(arena, seen, seeds, number) if script is None else script[number]
        chance = uniforms(seeds, number, spec.step_uniforms, STEP_STREAM) if spec.step_uniforms else None
        held = {name: tensor.clone() for name, tensor in state.items()} if arena.spec.pure and report else {}
        step = arena.step(state, actions, chance, live)
        moment = Moment(*seen, turn, live, actions, step.rewards, step.terminated, step.truncated)
        if report and inspector:
            _check_step_shapes(arena, moment, step.state, state, where=f"step {number}", report=report)
            inspector.after(state, moment, step, chance, number)
            _check_untouched(held, state, where=f"step {number}", report=report)
        moments.append(moment)
        state, live = step.state, live & ~(step.terminated | step.truncated)
    if report and live.any():
        what = f"an episode goes on after max_steps = {spec.max_steps}"
        report.add(f"episode {first(live)}", what, "max_steps is an upper bound on the steps of an episode")
    return moments, state


def _random_actions(arena: Arena, seen: Observation, seeds: Tensor, number: int) -> Tensor:
    agents = arena.spec.num_agents if arena.spec.turns is Turns.SIMULTANEOUS else 1
    random = uniforms(seeds, number, agents * arena.spec.num_actions, FIRST_AGENT_STREAM).view(seen.action_mask.shape)
    return torch.where(seen.action_mask, random, -1.0).argmax(dim=-1)


def _check_step_shapes(arena: Arena, moment: Moment, new: State, old: State, *, where: str, report: Report) -> None:
    batch = len(moment.live)
    report.expect_tensor("rewards", moment.rewards, (batch, arena.spec.num_agents), torch.float32, where)
    report.expect_tensor("terminated", moment.terminated, (batch,), torch.bool, where)
    report.expect_tensor("truncated", moment.truncated, (batch,), torch.bool, where)
    if {name: (t.shape, t.dtype) for name, t in new.items()} != {name: (t.shape, t.dtype) for name, t in old.items()}:
        right = "names, shapes and types of the state are those that reset gave"
        report.add(where, f"the state has other tensors ({', '.join(new)}) than before ({', '.join(old)})", right)
        raise BrokenArenaError


def _check_untouched(held: State, state: State, *, where: str, report: Report) -> None:
    for name, tensor in held.items():
        what = f"the state {name!r} that it was given changed"
        report.expect(agree(tensor, state[name]).all(), where, what, "a pure arena makes new tensors")


def _compare(base: list[Moment], other: list[Moment], report: Report, how: str, right: str) -> None:
    """Report the first difference between two ways of playing the same episodes."""
    for number, (one, two) in enumerate(zip(base, other, strict=False)):
        for name in Moment._fields:
            differs = ~agree(getattr(one, name), getattr(two, name)) & (one.live | (name == "live"))
            if differs.any():
                report.add(f"step {number}, episode {first(differs)}", f"{how} gives another {name}", right)
                return


def _check_renew(arena: Arena, seeds: Tensor, base: list[Moment], report: Report) -> None:
    """Renew every other episode in the middle of play."""
    moments, state = _play(arena, seeds, steps=len(base) // 2)
    ended = torch.arange(len(seeds), device=seeds.device) % 2 == 0
    before = _seen(arena, state)
    renewed = arena.renew(state, ended, uniforms(seeds, 0, arena.spec.reset_uniforms, RESET_STREAM))
    after = _seen(arena, renewed)
    anew = _seen(arena, _start(arena, seeds))
    where = f"renew after step {len(moments)}"
    same = torch.stack([agree(one, two) for one, two in zip(before, after, strict=True)]).all(dim=0) | ended
    if not same.all():
        what, right = "an episode that has not ended changed", "renew leaves it as it is"
        report.add(f"{where}, episode {first(~same)}", what, right)
    fresh = torch.stack([agree(one, two) for one, two in zip(anew, after, strict=True)]).all(dim=0) | ~ended
    if not fresh.all():
        what, right = "an ended episode was not started anew", "renew starts it as reset does from the same uniforms"
        report.add(f"{where}, episode {first(~fresh)}", what, right)


def _seen(arena: Arena, state: State) -> list[Tensor]:
    """All that can be known of a state: what it shows and, of a pure arena, what it is made of."""
    hidden = [state[name].clone() for name in sorted(state)] if arena.spec.pure else []
    return [*(tensor.clone() for tensor in arena.observe(state)), arena.turn(state).clone(), *hidden]


def _check_symmetry(
    arena: Arena, seeds: Tensor, base: list[Moment], symmetry: Symmetry, *, where: str, report: Report
) -> None:
    """Play the mirrored actions: everything that is seen has to be the mirror image of the game as it was."""
    order = torch.tensor(symmetry.observation, device=seeds.device)
    actions = torch.tensor(symmetry.action, device=seeds.device)
    seen_as = actions.argsort()  # original action -> mirrored action
    mirrored, _ = _play(arena, seeds, script=[seen_as[moment.actions] for moment in base])
    lead = base[0].observation.dim() - len(arena.spec.observation_shape)
    expected = [
        moment._replace(
            observation=moment.observation.flatten(lead)[..., order],
            action_mask=moment.action_mask[..., actions],
            actions=seen_as[moment.actions],
        )
        for moment in base
    ]
    flat = [moment._replace(observation=moment.observation.flatten(lead)) for moment in mirrored]
    right = f"{where}: the mirrored game is the same game, seen[i] = original[permutation[i]]"
    _compare(expected, flat, report, f"{where}: playing the mirrored actions", right)
