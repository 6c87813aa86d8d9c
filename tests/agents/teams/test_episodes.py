"""Collected episodes, the buffer, and what networks are fed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from agents.teams.core import TeamMisfitError, TeamSetup
from agents.teams.episodes import Collector, EpisodeBuffer, discounted_sums
from arenas.registry import make
from tests.agents.teams.toys import Clock, TwoStep, random_episodes

CPU = torch.device("cpu")


class FirstLegal:
    """Plays the first legal action and remembers what it saw."""

    def __init__(self) -> None:
        self.lives: list[list[bool]] = []

    def begin(self, batch: int) -> None:
        self.lives.clear()

    def act(self, observation: Tensor, action_mask: Tensor, live: Tensor) -> Tensor:
        self.lives.append(live.tolist())
        return action_mask.int().argmax(dim=2)


def test_episodes_end_each_at_its_own_step_with_their_true_final_observation() -> None:
    setup = TeamSetup(Clock(3, lengths=(1, 3, 2)))
    behaviour = FirstLegal()
    episodes = Collector(setup, 3, 0, CPU).collect(behaviour)
    assert episodes.filled.tolist() == [[True, False, False], [True, True, True], [True, True, False]]
    assert episodes.lengths.tolist() == [1, 3, 2]
    assert episodes.truncated.tolist() == [[True, False, False], [False, False, True], [False, True, False]]
    assert not episodes.terminated.any()
    assert episodes.returns.tolist() == [2.0, 6.0, 4.0]
    for row, length in enumerate((1, 3, 2)):
        assert episodes.observation[row, length, 0].argmax() == length  # behind the last step, not a new episode
    assert behaviour.lives == [[True, True, True], [False, True, True], [False, True, False]]


@pytest.mark.parametrize("sharing", [True, False])
def test_observations_that_were_made_are_found_in_what_networks_are_fed(sharing: bool) -> None:
    setup = TeamSetup(Clock(3, lengths=(1, 3, 2)), sharing=sharing)
    episodes = Collector(setup, 3, 0, CPU).collect(FirstLegal())
    assert episodes.observed.tolist() == [[True, True, False, False], [True] * 4, [True, True, True, False]]
    told = episodes.observed[:, :, None, None].float().expand_as(episodes.observation)
    for of_network in setup.inputs(told)[..., 0]:
        assert torch.equal(of_network.bool(), setup.rows(episodes.observed))


def test_the_global_state_is_the_arenas_own_or_all_observations() -> None:
    own = Collector(TeamSetup(TwoStep()), 2, 0, CPU).collect(FirstLegal())
    assert own.state.shape == (2, 3, 3)
    assert own.state[0].tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]
    clock = Collector(TeamSetup(Clock(2)), 2, 0, CPU).collect(FirstLegal())
    assert torch.equal(clock.state, clock.observation.flatten(2))


def test_an_episode_is_the_same_whatever_it_is_collected_with() -> None:
    setup = TeamSetup(make("spread"))
    one, all_at_once = Collector(setup, 2, 7, CPU), Collector(setup, 4, 7, CPU).collect(FirstLegal())
    one.collect(FirstLegal())
    second = one.collect(FirstLegal())
    torch.testing.assert_close(second.reward, all_at_once.reward[2:])


def test_arenas_of_two_teams_are_refused() -> None:
    with pytest.raises(TeamMisfitError, match=r"2 teams.*one team"):
        Collector(TeamSetup(make("rock_paper_scissors")), 1, 0, CPU)
    with pytest.raises(TeamMisfitError, match="one after the other"):
        TeamSetup(make("connect_four"))


def test_the_buffer_keeps_the_newest_and_samples_without_repeats() -> None:
    setup, generator = TeamSetup(Clock(3)), torch.Generator().manual_seed(0)
    buffer = EpisodeBuffer(setup, 5, CPU)
    batches = [random_episodes(setup, 2, generator) for _ in range(4)]
    for batch in batches:
        buffer.add(batch)
    assert buffer.count == 5
    newest = torch.cat([batch.reward for batch in batches])[-5:]
    sample = buffer.sample(5, generator)
    order = sample.reward.sum((1, 2)).argsort()
    torch.testing.assert_close(sample.reward[order], newest[newest.sum((1, 2)).argsort()])
    torch.testing.assert_close(sample.state, sample.observation.flatten(2))


def test_a_sample_is_cut_to_its_longest_episode() -> None:
    setup = TeamSetup(Clock(4, lengths=(1, 2)))
    buffer = EpisodeBuffer(setup, 2, CPU)
    buffer.add(Collector(setup, 2, 0, CPU).collect(FirstLegal()))
    sample = buffer.sample(2, torch.Generator())
    assert sample.reward.shape == (2, 2, 2)
    assert sample.observation.shape[:2] == (2, 3)


@pytest.mark.parametrize(("sharing", "ids"), [(True, True), (True, False), (False, True)])
def test_what_goes_in_agent_by_agent_comes_back_in_its_place(sharing: bool, ids: bool) -> None:
    setup = TeamSetup(make("spread"), sharing=sharing, agent_ids=ids)
    seen = torch.randn(4, 5, 3, setup.observation_size)
    inputs = setup.inputs(seen)
    assert inputs.shape == (setup.stack, 5, 4 * 3 // setup.stack, setup.input_size)
    torch.testing.assert_close(setup.by_agent(inputs)[..., : setup.observation_size], seen)
    if sharing and ids:
        assert torch.equal(setup.by_agent(inputs)[2, 1, :, setup.observation_size :], torch.eye(3))
    else:
        assert setup.input_size == setup.observation_size


@pytest.mark.parametrize("shape", [(4, 7), (4, 7, 3)])
@pytest.mark.parametrize("rate", [0.0, 0.72, 1.0])
def test_discounted_sums_are_the_recursion(shape: tuple[int, ...], rate: float) -> None:
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(3))
    expected, later = torch.zeros_like(values), torch.zeros_like(values[:, 0])
    for step in reversed(range(7)):
        later = expected[:, step] = values[:, step] + rate * later
    torch.testing.assert_close(discounted_sums(values, rate), expected)
