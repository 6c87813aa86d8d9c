"""OpenSpiel's games as arenas."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

import arenas
from arenas.check import check
from arenas.core import Turns
from arenas.openspiel import OpenSpielArena, from_openspiel
from arenas.registry import ArenaOptionError, UnknownArenaError


@pytest.mark.parametrize(
    "name",
    [
        "openspiel:connect_four",
        "openspiel:leduc_poker",
        "openspiel:kuhn_poker(players=3)",
        "openspiel:goofspiel(num_cards=4)",
        "openspiel:matrix_rps",
        "openspiel:liars_dice",
        "openspiel:markov_soccer(horizon=30)",
    ],
)
def test_the_conformance_check_finds_nothing(name: str) -> None:
    assert check(arenas.make(name), episodes=16) == []


def test_spec_of_a_sequential_game() -> None:
    spec = from_openspiel("leduc_poker").spec
    assert spec.name == "openspiel:leduc_poker"
    assert (spec.turns, spec.num_agents, spec.num_actions, spec.max_steps) == (Turns.SEQUENTIAL, 2, 3, 8)
    assert spec.observation_shape == (30,)  # the information state
    assert (spec.pure, spec.truncates, spec.reset_uniforms) == (False, False, 1)
    assert from_openspiel("leduc_poker", observation="observation").spec.observation_shape == (16,)
    assert from_openspiel("connect_four").spec.observation_shape == (3, 6, 7)  # perfect information: the observation


def test_options_are_the_games_parameters() -> None:
    assert from_openspiel("kuhn_poker", players=3).spec.num_agents == 3
    assert from_openspiel("kuhn_poker(players=4)").spec.num_agents == 4
    assert from_openspiel("kuhn_poker", players=4, teams=[[0, 1], [2, 3]]).spec.teams == ((0, 1), (2, 3))


def returns(arena: OpenSpielArena, uniforms: Tensor) -> Tensor:
    """Returns [B, N] of games in which everyone plays the first legal action."""
    state, total = arena.reset(uniforms), torch.zeros(len(uniforms), arena.spec.num_agents)
    live = torch.ones(len(uniforms), dtype=torch.bool)
    while live.any():
        step = arena.step(state, arena.observe(state).action_mask.to(torch.int64).argmax(-1), live=live)
        state, total, live = step.state, total + step.rewards, live & ~step.terminated
    return total


def test_chance_follows_from_the_uniforms_and_is_fair() -> None:
    arena = from_openspiel("kuhn_poker")
    uniforms = torch.rand(3000, 1, generator=torch.Generator().manual_seed(0))
    first = returns(arena, uniforms)
    assert torch.equal(returns(arena, uniforms), first)
    assert set(first.flatten().tolist()) == {-1.0, 1.0}  # pass, pass: the higher card takes the ante
    assert abs(float(first[:, 0].mean())) < 4 / 3000**0.5
    cards = arena.observe(arena.reset(uniforms)).observation[:, 2:5].sum(0)  # of player_0, one-hot
    assert cards.sum() == 3000
    assert (cards - 1000).abs().max() < 4 * (3000 * 2 / 9) ** 0.5


def test_rewards_of_a_simultaneous_game() -> None:
    arena = from_openspiel("matrix_rps")
    state = arena.reset(torch.zeros(3, 1))
    step = arena.step(state, torch.tensor([[0, 1], [1, 0], [2, 2]]))
    assert step.rewards.tolist() == [[-1, 1], [1, -1], [0, 0]]
    assert step.terminated.all()


def test_rewards_are_those_of_the_step() -> None:
    """Laser tag rewards each tag by 1, so a step can never be worth more, whatever a game has brought so far."""
    arena = from_openspiel("laser_tag(horizon=300)")
    random = torch.Generator().manual_seed(0)
    state, total = arena.reset(torch.rand(4, 1, generator=random)), torch.zeros(4, 2)
    for _ in range(300):
        step = arena.step(state, torch.randint(arena.spec.num_actions, (4, 2), generator=random))
        state, total = step.state, total + step.rewards
        assert step.rewards.abs().max() <= 1
    assert step.terminated.all()
    assert total.abs().max() > 1


def test_a_game_goes_on_from_its_newest_state_only() -> None:
    arena = from_openspiel("tic_tac_toe")
    old = arena.reset(torch.zeros(2, 1))
    arena.step(old, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="newest state"):
        arena.step(old, torch.tensor([0, 1]))


def test_render_is_openspiels_text() -> None:
    arena = from_openspiel("tic_tac_toe")
    state = arena.step(arena.reset(torch.zeros(2, 1)), torch.tensor([0, 4])).state
    assert arena.render(state, 1) == "...\n.x.\n..."


@pytest.fixture
def quiet(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """OpenSpiel must not print its list of 126 games beside our line."""
    yield
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("quiet")
def test_an_unknown_game_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownArenaError, match=r"no game 'leduc_pokr'; did you mean openspiel:leduc_poker\?"):
        from_openspiel("leduc_pokr")


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("name", "options"), [("kuhn_poker", {"player": 3}), ("kuhn_poker(player=3)", {})])
def test_an_unknown_parameter_is_named_with_the_nearest(name: str, options: dict[str, int]) -> None:
    with pytest.raises(ArenaOptionError, match=r"no parameter 'player': did you mean players\?"):
        from_openspiel(name, **options)  # type: ignore[arg-type]  # a name that is not a parameter, on purpose


@pytest.mark.parametrize("game", ["openspiel:kuhn_poker", "pettingzoo:classic/tictactoe_v3"])
def test_an_option_called_name_is_one_like_any_other(game: str) -> None:
    with pytest.raises(ArenaOptionError, match="'name'"):
        arenas.make(game, name="other")


def test_a_wrong_value_is_one_line() -> None:
    with pytest.raises(ArenaOptionError, match=r"with \{'players': 'x'\}: Wrong type for parameter players[^\n]*$"):
        from_openspiel("kuhn_poker", players="x")


@pytest.mark.parametrize(
    ("players", "why"),
    [(["x"], r"\['x'\]\}: dictionary update"), (10**30, r"10{30}\}: Unable to cast[^\n]*$")],
)
def test_a_value_that_is_none_of_a_parameters_is_one_line(players: object, why: str) -> None:
    """A sequence is taken for a game with parameters of its own: both found by fuzzing."""
    with pytest.raises(ArenaOptionError, match=rf"could not be made with \{{'players': {why}"):
        from_openspiel("kuhn_poker", players=players)


@pytest.mark.parametrize(
    ("name", "message"),
    [("mfg_garnet", "mean-field"), ("tic_tac_toe:", "no game"), ("deep_sea(size=3", "could not be made|no parameter")],
)
def test_games_that_do_not_fit(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_openspiel(name)


def test_a_tensor_that_the_game_does_not_have() -> None:
    with pytest.raises(ArenaOptionError, match="has no 'information_state' tensor; it has 'observation'"):
        from_openspiel("tic_tac_toe", observation="information_state")
