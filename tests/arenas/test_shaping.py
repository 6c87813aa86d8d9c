"""Difference rewards against their definition, and potential-based shaping against exact solutions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import arenas
from arenas import potentials
from arenas.check import check
from arenas.core import Arena, State, Step
from arenas.games.foraging import ACTIONS, LOAD, NORTH, STAY
from arenas.random import derive_seeds, uniforms
from arenas.shaping import DifferenceRewards, Potential, PotentialShaping, layers
from arenas.wrapping import WrappedArena

GRID_GAMES: tuple[tuple[str, dict[str, object]], ...] = (
    ("foraging", {"size": 5, "players": 3, "foods": 2, "force_coop": False, "penalty": 0.1, "masks": False}),
    ("soccer", {"players": 2, "rows": 3, "columns": 5}),
    ("prisoners_dilemma", {}),
)


def played(arena: Arena, batch: int = 16, steps: int = 6) -> tuple[State, Tensor, Tensor | None]:
    """States some random steps into episodes, legal actions in them, and the chance of the next step."""
    seeds = derive_seeds(5, batch)
    spec = arena.spec
    state = arena.reset(uniforms(seeds, 0, spec.reset_uniforms))
    for number in range(steps + 1):
        mask = arena.observe(state).action_mask
        draws = uniforms(seeds, number, mask[0].numel(), 1).view(mask.shape)
        actions = torch.where(mask, draws, -1.0).argmax(dim=2)
        chance = uniforms(seeds, number, spec.step_uniforms, 2) if spec.step_uniforms else None
        if number == steps:
            return state, actions, chance
        state = arena.step(state, actions, chance).state
    raise AssertionError


def team_reward(arena: Arena, step: Step, agent: int) -> Tensor:
    (team,) = (team for team in arena.spec.teams if agent in team)
    return step.rewards[:, list(team)].sum(dim=1)


@pytest.mark.parametrize(("name", "options"), GRID_GAMES)
def test_a_difference_is_what_the_team_gets_less_what_it_would_have_got(name: str, options: dict[str, object]) -> None:
    arena = arenas.make(name, **options)
    state, actions, chance = played(arena, batch=512)
    legal = arena.observe(state).action_mask
    found = False
    for default in (0, None):
        given = DifferenceRewards(arena, default).step(state, actions, chance)
        plain = arena.step(state, actions, chance)
        assert torch.equal(given.terminated, plain.terminated)
        assert all(torch.equal(given.state[key], plain.state[key]) for key in plain.state)
        for agent in range(arena.spec.num_agents):
            sums, count = torch.zeros(2, len(actions))
            for choice in range(arena.spec.num_actions) if default is None else [default]:
                other = actions.clone()
                other[:, agent] = choice
                allowed = legal[:, agent, choice]
                sums += torch.where(allowed, team_reward(arena, arena.step(state, other, chance), agent), 0.0)
                count += allowed
            expected = torch.where(count > 0, team_reward(arena, plain, agent) - sums / count.clamp(min=1), 0.0)
            torch.testing.assert_close(given.rewards[:, agent], expected)
            found = found or bool((expected != 0).any())
    assert found  # the states are such that something is at stake


def test_who_of_two_was_needed() -> None:
    """Two agents of level 1 at a food of level 2: it takes both, so the whole reward is the doing of each."""
    arena = arenas.make("foraging", players=3, foods=1)
    (state, *_) = played(arena, batch=1, steps=0)
    state |= {
        "agents": torch.tensor([[[2, 3, 1], [4, 3, 1], [6, 6, 1]]]),
        "foods": torch.tensor([[[3, 3, 2]]]),
        "spawned": torch.tensor([2]),
    }
    step = DifferenceRewards(arena, default=STAY).step(state, torch.tensor([[LOAD, LOAD, STAY]]))
    assert step.rewards.tolist() == [[1.0, 1.0, 0.0]]
    mean = DifferenceRewards(arena).step(state, torch.tensor([[LOAD, LOAD, STAY]]))  # of 5 legal actions
    assert mean.rewards[0].tolist() == pytest.approx([0.8, 0.8, 0.0])
    alone = DifferenceRewards(arena, default=LOAD).step(state, torch.tensor([[LOAD, STAY, NORTH]]))
    assert alone.rewards.tolist() == [[0.0, -1.0, 0.0]]  # the third cannot load where it is: no difference


def test_where_nothing_is_played_and_where_nobody_can_act_there_is_no_difference() -> None:
    arena = arenas.make("foraging", size=5, players=3, foods=2, penalty=0.5, masks=False)
    state, actions, _ = played(arena, batch=64)
    actions = torch.full_like(actions, LOAD)
    live = torch.arange(64) % 2 == 0
    all_of_it = DifferenceRewards(arena).step(state, actions)
    step = DifferenceRewards(arena).step(state, actions, live=live)
    assert (all_of_it.rewards != 0).any()
    assert torch.equal(step.rewards, torch.where(live[:, None], all_of_it.rewards, 0.0))
    assert torch.equal(step.state["steps"], state["steps"] + live)


@pytest.mark.parametrize("name", ["spread", "tag", "speaker_listener"])
def test_in_the_particle_world_an_action_shows_a_step_late(name: str) -> None:
    arena = arenas.make(name)
    state, actions, _ = played(arena, batch=1024)
    assert arena.spec.reward_delay == 1
    other = (actions + 1) % (3 if name == "speaker_listener" else 5)
    assert torch.equal(arena.step(state, actions).rewards, arena.step(state, other).rewards)
    with pytest.raises(ValueError, match="by 1, so that with steps = 1 every difference is 0; take 2 or more"):
        DifferenceRewards(arena, default=0, steps=1)
    shaped = DifferenceRewards(arena, default=0)
    assert shaped.steps == 2
    given = shaped.step(state, actions).rewards
    (team, *_) = arena.spec.teams
    assert (given[:, team[-1]] != 0).any()
    for agent in team:
        without = actions.clone()
        without[:, agent] = 0
        sums = []
        for joint in (actions, without):
            first = arena.step(state, joint)
            sums.append(team_reward(arena, first, agent) + team_reward(arena, arena.step(first.state, joint), agent))
        torch.testing.assert_close(given[:, agent], sums[0] - sums[1], atol=1e-5, rtol=1e-5)


def test_who_cannot_do_the_same_again_takes_the_first_legal_action_and_an_ended_episode_pays_no_more() -> None:
    arena = arenas.make("foraging", players=2, foods=1, penalty=0.25)
    (state, *_) = played(arena, batch=1, steps=0)
    state |= {
        "agents": torch.tensor([[[2, 3, 1], [4, 3, 1]]]),
        "foods": torch.tensor([[[3, 3, 2]]]),
        "spawned": torch.tensor([2]),
    }
    shaped = DifferenceRewards(arena, default=STAY, steps=2)
    # Both: 1, and then it is over. Without the first: the second loads in vain, twice.
    assert shaped.step(state, torch.tensor([[LOAD, LOAD]])).rewards.tolist() == [[1.5, 1.5]]
    # The first walks away and cannot load again: it costs nobody anything, as would its staying.
    assert shaped.step(state, torch.tensor([[NORTH, STAY]])).rewards.tolist() == [[0.0, 0.0]]


class Strict(WrappedArena):
    """An arena that takes no illegal action: what comes of one is unspecified."""

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        mask = self.arena.observe(state).action_mask
        legal = mask.gather(2, actions.unsqueeze(2)).squeeze(2) | ~mask.any(dim=2)
        assert (legal if live is None else legal | ~live[:, None]).all()
        return self.arena.step(state, actions, uniforms, live)


@pytest.mark.parametrize("default", [LOAD, None])
def test_no_counterfactual_plays_what_is_not_legal(default: int | None) -> None:
    arena = Strict(arenas.make("foraging", size=5, players=3))
    state, actions, _ = played(arena)
    assert not arena.observe(state).action_mask.all()
    DifferenceRewards(arena, default, steps=3).step(state, actions)


def test_the_sum_of_differences_has_another_aim_than_the_team() -> None:
    """Why an algorithm that learns one value of the team's sum is not given them (`agents.teams.credit`)."""
    payoff = torch.tensor([[0.0, 1.0], [1.0, 1.2]])
    without = payoff[0]  # the other's default is action 0
    differences = (payoff - without[None, :]) + (payoff - without[:, None])
    assert divmod(int(payoff.argmax()), 2) == (1, 1)
    assert divmod(int(differences.argmax()), 2) != (1, 1)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("foraging", {"max_episode_steps": 9}),
        ("spread", {"max_cycles": 5}),
        ("soccer", {"max_steps": 9}),
        ("tag", {"max_cycles": 5}),
    ],
)
def test_a_shaped_arena_conforms(name: str, options: dict[str, object]) -> None:
    arena = arenas.make(name, **options)
    assert check(DifferenceRewards(arena, default=0)) == []
    (of_it,) = potentials.POTENTIALS[name]
    assert check(PotentialShaping(arena, potentials.find(arena, of_it), 0.9)) == []


def test_what_differences_do_not_fit() -> None:
    with pytest.raises(ValueError, match="connect_four: its agents move in turns, but a difference reward asks"):
        DifferenceRewards(arenas.make("connect_four"))
    with pytest.raises(ValueError, match="spread has no action 5: its actions are 0 to 4"):
        DifferenceRewards(arenas.make("spread"), default=5)


# Potential-based shaping, solved exactly: two agents and a food in the middle of three by three cells.

GAMMA = 0.9
CELLS = [(row, column) for row in range(3) for column in range(3) if (row, column) != (1, 1)]
PAIRS = [(a, b) for a in CELLS for b in CELLS]
OVER = len(PAIRS)  # the state after all


def all_states(arena: Arena) -> State:
    """One environment for each place of the two agents, none of them late."""
    agents = torch.tensor([[[*a, 1], [*b, 1]] for a, b in PAIRS])
    return {
        "agents": agents,
        "foods": torch.tensor([[[1, 1, 2]]]).repeat(OVER, 1, 1),
        "spawned": torch.full((OVER,), 2),
        "steps": torch.zeros(OVER, dtype=torch.int64),
    }


def solved(arena: Arena) -> tuple[Tensor, Tensor]:
    """By value iteration: V* [S + 1], and which joint actions are optimal, bool [S, A * A]."""
    state = all_states(arena)
    number = {pair: row for row, pair in enumerate(PAIRS)}
    rewards, following = [], []
    for joint in ((a, b) for a in range(ACTIONS) for b in range(ACTIONS)):
        step = arena.step(state, torch.tensor([joint]).repeat(OVER, 1))
        places = step.state["agents"][:, :, :2].tolist()
        rewards.append(step.rewards.sum(dim=1).double())
        after = torch.tensor([number[tuple(a), tuple(b)] for a, b in places])
        following.append(torch.where(step.terminated, OVER, after))
    reward, after = torch.stack(rewards, dim=1), torch.stack(following, dim=1)
    value = torch.zeros(OVER + 1, dtype=torch.float64)
    for _ in range(400):
        joint_values = reward + GAMMA * value[after]
        value[:OVER] = joint_values.amax(dim=1)
    return value, joint_values >= value[:OVER, None] - 1e-6


def noise(state: State) -> Tensor:
    """Any function of the state is a potential: this one knows nothing of the game, and its end is not 0."""
    agents = state["agents"].double()
    return (
        torch.sin(7 * agents[:, 0, 0] + 3 * agents[:, 0, 1] + 5 * agents[:, 1, 0] + 11 * agents[:, 1, 1])[:, None] - 4
    )


class Bonus(PotentialShaping):
    """Shaping as it should not be: the good of the next state is paid, and never taken back."""

    def rewards(
        self, state: State, actions: Tensor, uniforms: Tensor | None, live: Tensor | None, step: Step
    ) -> Tensor:
        return step.rewards + self.potential(step.state) / 2


@pytest.mark.parametrize("potential", [noise, potentials.find(arenas.make("foraging"), "gather")])
def test_shaping_leaves_every_optimal_joint_action_as_it_is(potential: Potential) -> None:
    arena = arenas.make("foraging", size=3, foods=1, max_episode_steps=10**6)
    value, best = solved(arena)
    assert float(value[:OVER].max()) == pytest.approx(1.0)
    assert 0 < int(best.sum()) < best.numel() / 2
    shaped_value, shaped_best = solved(PotentialShaping(arena, potential, GAMMA))
    assert torch.equal(best, shaped_best)
    torch.testing.assert_close(shaped_value[:OVER], value[:OVER] - potential(all_states(arena))[:, 0].double())


@pytest.mark.parametrize(
    "wrong",
    [
        lambda arena: PotentialShaping(arena, noise, 0.7 * GAMMA),  # another gamma than the learner's
        lambda arena: Bonus(arena, noise, GAMMA),
    ],
)
def test_other_bonuses_change_what_is_optimal(wrong: Callable[[Arena], Arena]) -> None:
    arena = arenas.make("foraging", size=3, foods=1, max_episode_steps=10**6)
    assert not torch.equal(solved(arena)[1], solved(wrong(arena))[1])


@pytest.mark.parametrize("truncation_ends", [False, True])
def test_over_an_episode_the_bonuses_come_to_the_potentials_at_its_ends(truncation_ends: bool) -> None:
    """A limit from outside is an end or not, as the learner has it."""
    arena = arenas.make("spread", max_cycles=7)
    potential = potentials.find(arena, "cover", weight=2.0)
    shaped = PotentialShaping(arena, potential, GAMMA, truncation_ends=truncation_ends)
    state = start = arena.reset(uniforms(derive_seeds(0, 8), 0, arena.spec.reset_uniforms))
    total = torch.zeros(8)
    for number in range(7):
        actions = torch.randint(0, 5, (8, 3), generator=torch.Generator().manual_seed(number))
        live = torch.arange(8) > 1
        step, plain = (each.step(state, actions, live=live) for each in (shaped, arena))
        bonus = step.rewards - plain.rewards
        torch.testing.assert_close(bonus, bonus[:, :1].expand(-1, 3), atol=1e-6, rtol=0)  # everybody's
        total += GAMMA**number * bonus.sum(dim=1)
        state = step.state
    expected = (-potential(start) + (0.0 if truncation_ends else GAMMA**7 * potential(state)))[:, 0]
    expected[:2] = 0.0  # these were not live
    torch.testing.assert_close(total, expected, atol=1e-4, rtol=1e-4)


def test_potentials_by_hand() -> None:
    state = {
        "position": torch.tensor([[[0.0, 0.0], [1.0, 0.0]]]),
        "landmark": torch.tensor([[[0.0, 0.5], [0.9, 0.0]]]),
    }
    spread, foraging = (arenas.make(name).spec for name in ("spread", "foraging"))
    assert potentials.uncovered(state, spread).tolist() == [pytest.approx([-0.6])]
    eaten = {
        "agents": torch.tensor([[[0, 0, 1], [4, 4, 2]]]),
        "foods": torch.tensor([[[2, 2, 3], [-1, -1, 0]]]),
        "spawned": torch.tensor([4]),
    }
    assert potentials.to_gather(eaten, foraging).tolist() == [[-3.0]]  # 4 steps for each, three quarters left
    eaten["foods"][0, 0] = torch.tensor([-1, -1, 0])
    assert potentials.to_gather(eaten, foraging).tolist() == [[0.0]]


def test_each_team_has_its_own_potential_and_its_agents_share_it() -> None:
    arena = arenas.make("tag", num_good=2)
    potential = potentials.find(arena, "chase")
    state, actions, _ = played(arena)
    start = {**state, "position": torch.zeros(16, 5, 2)}
    start["position"][:, 3:, 0] = torch.tensor([0.5, 2.0])
    assert potential(start)[0].tolist() == [-2.5, 2.5]  # three predators in the middle, two prey beside it
    shaped, plain = (each.step(state, actions) for each in (PotentialShaping(arena, potential, GAMMA), arena))
    bonus = GAMMA * potential(plain.state) - potential(state)
    given = shaped.rewards - plain.rewards
    torch.testing.assert_close(given[:, :3], (bonus[:, :1] / 3).expand(-1, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(given[:, 3:], (bonus[:, 1:] / 2).expand(-1, 2), atol=1e-5, rtol=0)


def test_the_ball_is_worth_the_more_the_further_it_is_up_the_pitch() -> None:
    arena = arenas.make("soccer", players=1, rows=4, columns=5)
    ahead = potentials.find(arena, "ball")
    (state, *_) = played(arena, batch=4, steps=0)
    cells = [8, 10, 12, 0]  # of 7 in a row, with the rim: the first, the middle and the last column; out
    assert ahead({**state, "ball": torch.tensor(cells)}).tolist() == [[-1, 1], [0, 0], [1, -1], [0, 0]]
    assert arena.observe({**state, "ball": torch.tensor(cells)}).observation[0, 0, 4, 0, 0] == 1, "the loose ball"


def test_rewards_are_told_apart_from_the_game() -> None:
    arena = arenas.make("spread")
    inner = DifferenceRewards(arena)
    outer = PotentialShaping(inner, potentials.find(arena, "cover"), GAMMA)
    assert layers(outer) == (arena, (inner, outer))
    assert layers(arena) == (arena, ())


def test_what_potentials_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"spread has no potential 'covr': did you mean cover\? it has cover"):
        potentials.find(arenas.make("spread"), "covr")
    with pytest.raises(
        ValueError, match="speaker_listener has no potential: there are some of foraging, soccer, spread, tag"
    ):
        potentials.find(arenas.make("speaker_listener"), "cover")
