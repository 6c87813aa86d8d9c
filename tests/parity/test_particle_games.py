"""The particle world against mpe2: observations, states and rewards of the same actions from the same start.

Both sides run freely from the start to the end of an episode. Our side computes in float64, as mpe2 does, so the only
difference is the order of additions. Contacts are stiff and magnify it: 1,000 episodes stay within 1e-9 (`EXACT`), and
rewards, which are float32 by contract, within the rounding of float32. In float32 whole episodes would drift apart
where bodies touch, so there each step starts anew from our state: `ROUNDED` says how near one step stays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from mpe2 import simple_speaker_listener_v4, simple_spread_v3, simple_tag_v3
from scipy import stats

import arenas
from agents import scripted
from arenas.core import Arena, Observation, State
from arenas.games.particles import DT
from arenas.games.speaker_listener import LANDMARKS, SILENT
from arenas.match import SeatedActor, play_matches
from arenas.random import derive_seeds, uniforms

EPISODES = 1000
EXACT = (1e-9, 1e-9)
ROUNDED = (1e-5, 2e-5)
"""Relative and absolute. One step in float32: a place is rounded to 6e-8, a contact force is 100 times as steep as the
distance, and a step adds a tenth of it: 6e-8 * 100 * 0.1 = 6e-7 a contact; several bodies, and room to be safe."""

Array = np.ndarray[Any, Any]
PEERS = {"spread": simple_spread_v3, "speaker_listener": simple_speaker_listener_v4, "tag": simple_tag_v3}
OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("spread", {"N": 5, "local_ratio": 0.2, "max_cycles": 12}),
    ("spread", {"N": 1}),
    ("speaker_listener", {"max_cycles": 40}),
    ("tag", {"num_good": 2, "num_adversaries": 4, "num_obstacles": 1, "max_cycles": 40}),
    ("tag", {"num_good": 3, "num_adversaries": 1, "num_obstacles": 0}),
]


class Peer:
    """mpe2's environment, put into states of ours. Behind its checking wrappers, which take most of the time."""

    def __init__(self, name: str, **options: Any) -> None:
        self.env = PEERS[name].raw_env(**options)
        self.world, self.scenario = self.env.world, self.env.scenario
        self.movers = [agent for agent in self.world.agents if agent.movable]

    def put(self, state: dict[str, Array], index: int) -> None:
        """Start an episode in environment `index` of a state of ours."""
        self.env.reset(seed=index)
        self.set(state, index)

    def set(self, state: dict[str, Array], index: int) -> None:
        for agent, place, speed in zip(self.movers, state["position"][index], state["velocity"][index], strict=True):
            agent.state.p_pos, agent.state.p_vel = place.astype(np.float64), speed.astype(np.float64)
        for landmark, place in zip(self.world.landmarks, state["landmark"][index], strict=True):
            landmark.state.p_pos = place.astype(np.float64)
        if "goal" in state:
            speaker, word = self.world.agents[0], int(state["word"][index])
            speaker.goal_b = self.world.landmarks[int(state["goal"][index])]
            speaker.state.c = np.eye(LANDMARKS)[word] if word != SILENT else np.zeros(LANDMARKS)

    def seen(self) -> list[Array]:
        """What each agent sees, in float64: the environment rounds it to float32 on its way out."""
        return [np.asarray(self.scenario.observation(agent, self.world)) for agent in self.world.agents]

    def step(self, actions: list[int]) -> tuple[list[float], bool, bool]:
        """Rewards in the order of the agents, whether the episode was terminated, whether it was truncated."""
        for action in actions:
            self.env.step(action)
        rewards = [self.env.rewards[agent] for agent in self.env.possible_agents]
        return rewards, any(self.env.terminations.values()), all(self.env.truncations.values())


def begin(arena: Arena, episodes: int, dtype: torch.dtype, spread: float = 1.0) -> State:
    """Random starts, drawn in or out by a factor, so that bodies touch or are outside."""
    seeds = derive_seeds(7, episodes)
    state = arena.reset(uniforms(seeds, 0, arena.spec.reset_uniforms).to(dtype))
    return {**state, "position": state["position"] * spread}


def random_actions(arena: Arena, state: State, number: int) -> torch.Tensor:
    """Legal actions; each agent keeps a direction for a few steps, so that episodes get about."""
    mask = arena.observe(state).action_mask
    draws = uniforms(derive_seeds(11, len(mask)), number // 4, mask[0].numel(), 1).view(mask.shape)
    return torch.where(mask, draws, -1.0).argmax(dim=-1)


def numbers(state: State) -> dict[str, Array]:
    return {name: tensor.numpy() for name, tensor in state.items()}


def assert_seen(arena: Arena, state: State, peers: list[list[Array]], tolerance: tuple[float, float]) -> None:
    """Observations agent by agent, what pads them, and the global state."""
    dtype = state["position"].dtype
    ours = arena.observe(state, dtype=dtype).observation.numpy()
    for agent in range(arena.spec.num_agents):
        theirs = np.stack([seen[agent] for seen in peers])
        size = theirs.shape[1]
        assert (arena.spec.observation_sizes or (ours.shape[2],) * arena.spec.num_agents)[agent] == size
        np.testing.assert_allclose(ours[:, agent, :size], theirs, *tolerance, err_msg=arena.spec.agents[agent])
        assert not ours[:, agent, size:].any()
    whole = arena.global_state(state, dtype).numpy()
    np.testing.assert_allclose(whole, [np.concatenate(seen) for seen in peers], *tolerance, err_msg="global state")


def follow(name: str, options: dict[str, Any], episodes: int, spread: float = 1.0) -> Array:
    """Compare whole episodes, both running freely in float64; our rewards [B, T, N] are given for more questions."""
    arena = arenas.make(name, **options)
    state = begin(arena, episodes, torch.float64, spread)
    states, actions, rewards = [state], [], []
    for number in range(arena.spec.max_steps):
        actions.append(random_actions(arena, state, number))
        step = arena.step(state, actions[-1])
        state = step.state
        states.append(state)
        rewards.append(step.rewards.numpy())
        assert not step.terminated.any()
        assert bool(step.truncated.all()) == bool(step.truncated.any()) == (number == arena.spec.max_steps - 1)
    peer, script = Peer(name, **options), torch.stack(actions, dim=1).tolist()
    assert peer.env.possible_agents == list(arena.spec.agents)
    start = numbers(states[0])
    seen: list[list[list[Array]]] = [[] for _ in states]
    paid = np.zeros((episodes, len(rewards), arena.spec.num_agents))
    for episode in range(episodes):
        peer.put(start, episode)
        seen[0].append(peer.seen())
        for number, chosen in enumerate(script[episode]):
            paid[episode, number], terminated, truncated = peer.step(chosen)
            assert (terminated, truncated) == (False, number == len(rewards) - 1)
            seen[number + 1].append(peer.seen())
    for ours, theirs in zip(states, seen, strict=True):
        assert_seen(arena, ours, theirs, EXACT)
    ours_paid = np.stack(rewards, axis=1)
    np.testing.assert_allclose(ours_paid, paid, rtol=1e-6, atol=1e-7, err_msg="rewards")
    return ours_paid


@pytest.mark.parametrize("name", PEERS)
def test_whole_episodes(name: str) -> None:
    follow(name, {}, EPISODES)


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_whole_episodes_with_options(name: str, options: dict[str, Any]) -> None:
    follow(name, options, 40)


def test_crowds_touch() -> None:
    """Starts drawn together: most of the steps have contacts, so the forces above were not all zero."""
    spread = follow("spread", {}, 100, spread=0.2)
    assert (spread != spread[..., :1]).any(axis=2).mean() > 0.05, "fines differ between agents"
    tag = follow("tag", {}, 100, spread=0.3)
    assert (tag[..., 0] >= 10).mean() > 0.05


def test_prey_outside() -> None:
    """Starts drawn apart: every branch of the border's fine comes up."""
    prey = follow("tag", {"num_adversaries": 1}, 100, spread=3.0)[..., 1]
    assert (prey == -20).any(), "both coordinates at the cap"
    assert (prey == 0).any()
    assert ((prey < -1) & (prey > -9)).any()


@pytest.mark.parametrize("name", PEERS)
def test_float32_step_by_step(name: str) -> None:
    """The state that is compared is our own float32 one, handed over before each step."""
    arena, peer = arenas.make(name), Peer(name)
    state = begin(arena, 60, torch.float32, spread=0.5)
    for number in range(arena.spec.max_steps):
        actions = random_actions(arena, state, number)
        step = arena.step(state, actions)
        assert step.rewards.dtype == step.state["position"].dtype == torch.float32
        before, seen, paid = numbers(state), [], []
        for episode, chosen in enumerate(actions.tolist()):
            peer.put(before, episode)
            paid.append(peer.step(chosen)[0])
            seen.append(peer.seen())
        assert_seen(arena, step.state, seen, ROUNDED)
        np.testing.assert_allclose(step.rewards.numpy(), paid, *ROUNDED, err_msg=f"rewards of step {number}")
        state = step.state


@pytest.mark.parametrize("name", PEERS)
def test_float32_stays_near_float64(name: str) -> None:
    """Over 1,000 random episodes, each step of float32 beside float64, which is the same as mpe2 (above)."""
    arena = arenas.make(name)
    state = begin(arena, EPISODES, torch.float32)
    for number in range(arena.spec.max_steps):
        actions = random_actions(arena, state, number)
        exact = {key: tensor.double() if tensor.is_floating_point() else tensor for key, tensor in state.items()}
        single, double = arena.step(state, actions), arena.step(exact, actions)
        for key, tensor in single.state.items():
            np.testing.assert_allclose(tensor.numpy(), double.state[key].numpy(), *ROUNDED, err_msg=key)
        near = torch.isclose(single.rewards, double.rewards, *ROUNDED).all(dim=1)
        assert (~near).sum() <= 1, "a distance within rounding of a touch is a touch in one and none in the other"
        state = single.state


def test_the_environments_own_state() -> None:
    """`state()` of mpe2 is our global state, rounded as it rounds."""
    for name in PEERS:
        arena, peer = arenas.make(name), Peer(name)
        state = begin(arena, 3, torch.float64)
        peer.put(numbers(state), 2)
        theirs = peer.env.state()
        assert theirs.shape == arena.spec.global_shape
        np.testing.assert_allclose(arena.global_state(state)[2].numpy(), theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", PEERS)
def test_starts_are_distributed_alike(name: str) -> None:
    """Kolmogorov and Smirnov's test of each coordinate, ours against theirs, with fixed seeds; no coordinate depends on
    another; everything is at rest; goals are equally likely."""
    count = 1500
    arena, peer = arenas.make(name), Peer(name)
    ours = numbers(begin(arena, count, torch.float64))
    agents, landmarks, goals = [], [], []
    peer.env.reset(seed=3)
    for _ in range(count):
        peer.env.reset()
        agents.append([agent.state.p_pos for agent in peer.movers])
        landmarks.append([landmark.state.p_pos for landmark in peer.world.landmarks])
        assert not any(agent.state.p_vel.any() or agent.state.c.any() for agent in peer.world.agents)
        if name == "speaker_listener":
            goals.append(peer.world.landmarks.index(peer.world.agents[0].goal_b))
    assert not ours["velocity"].any()
    places = []
    for mine, theirs in ((ours["position"], agents), (ours["landmark"], landmarks)):
        flat, other = mine.reshape(count, -1), np.array(theirs).reshape(count, -1)
        places.append(flat)
        for one, two in zip(flat.T, other.T, strict=True):
            assert stats.ks_2samp(one, two).pvalue > 1e-3
            assert max(abs(one).max(), abs(two).max()) <= (0.9 if mine is ours["landmark"] and name == "tag" else 1.0)
    correlation = np.corrcoef(np.concatenate(places, axis=1).T) - np.eye(sum(each.shape[1] for each in places))
    assert abs(correlation).max() < 4.5 / count**0.5
    if goals:
        table = [np.bincount(each, minlength=LANDMARKS) for each in (ours["goal"], np.array(goals))]
        assert stats.chi2_contingency(table).pvalue > 1e-3
        assert (ours["word"] == SILENT).all()


def test_the_step_is_theirs() -> None:
    assert Peer("spread").world.dt == DT


def play_theirs(name: str, player: str, episodes: int, seed: int) -> Array:
    """The returns [episodes, N] of a scripted player in mpe2's own environments, from their observations and resets."""
    arena = arenas.make(name)
    spec, batch = arena.spec, torch.arange(episodes)
    envs = [PEERS[name].parallel_env() for _ in range(episodes)]
    views = [env.reset(seed=seed + number)[0] for number, env in enumerate(envs)]
    legal = arena.observe(begin(arena, episodes, torch.float32)).action_mask
    agent = scripted.make(player, spec)
    if isinstance(agent, SeatedActor):
        agent.sit(spec.agents, batch.tolist(), batch.tolist())
    agent.begin(len(spec.agents) * episodes, torch.device("cpu"))
    total = np.zeros((episodes, len(spec.agents)))
    for number in range(spec.max_steps):
        seen = torch.zeros((len(spec.agents), episodes, *spec.observation_shape))
        for index, each in enumerate(spec.agents):
            shown = torch.from_numpy(np.stack([view[each] for view in views]))
            seen[index, :, : shown.shape[1]] = shown
        rows = Observation(seen.flatten(0, 1), legal.transpose(0, 1).flatten(0, 1))
        draws = uniforms(derive_seeds(seed, len(rows.observation)), number, spec.num_actions)
        chosen = agent.act(rows, draws, rows.action_mask.any(dim=1)).view(len(spec.agents), episodes).T.tolist()
        for episode, (env, actions) in enumerate(zip(envs, chosen, strict=True)):
            views[episode], rewards, *_ = env.step(dict(zip(spec.agents, actions, strict=True)))
            total[episode] += [rewards[each] for each in spec.agents]
    assert not any(env.agents for env in envs), "all episodes have ended"
    return total


@pytest.mark.parametrize("player", ["random", "heuristic"])
@pytest.mark.parametrize("name", PEERS)
def test_the_same_player_earns_the_same_there(name: str, player: str) -> None:
    """Returns by agent of a scripted player in mpe2's environment and in our arena, within four standard errors."""
    arena, count = arenas.make(name), 100
    theirs = play_theirs(name, player, count, seed=100)
    actors = [scripted.make(player, arena.spec)] * len(arena.spec.teams)
    ours = play_matches(arena, actors, derive_seeds(1, 2000)).returns.double().numpy()
    error = np.sqrt(theirs.var(axis=0) / len(theirs) + ours.var(axis=0) / len(ours))
    assert (abs(theirs.mean(axis=0) - ours.mean(axis=0)) < 4 * error + 1e-9).all()
