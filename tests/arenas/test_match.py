"""Matches: the same seed gives the same match however it is batched, and nobody sees or plays what is not theirs."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor

import arenas
from arenas.core import Arena, Observation, State, Step
from arenas.games.connect_four import ConnectFour
from arenas.match import (
    NOT_PLAYED,
    RESET_STREAM,
    STEP_STREAM,
    Actor,
    ActorError,
    IllegalActionError,
    MatchOutcomes,
    PairsPlayed,
    play_matches,
    play_pairs,
)
from arenas.random import derive_seeds, uniforms
from tests.arenas.toy_arenas import Constant, Counting, Guess, Random, Recording, Relay

SEEDS = derive_seeds(5, 37)
ARENAS: dict[str, Arena] = {name: arenas.make(name) for name in arenas.names()} | {"guess": Guess(), "relay": Relay()}


def sit(arena: Arena, kind: type[Random]) -> list[Random]:
    """One actor of a kind for each team."""
    return [kind() for _ in arena.spec.teams]


def assert_equal(one: MatchOutcomes, other: MatchOutcomes) -> None:
    for name in ("returns", "lengths", "truncated"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    assert one.actions is not None
    assert other.actions is not None
    steps = min(one.actions.shape[1], other.actions.shape[1])  # as long as its own batch's longest match
    assert torch.equal(one.actions[:, :steps], other.actions[:, :steps])
    assert bool((one.actions[:, steps:] == NOT_PLAYED).all())
    assert bool((other.actions[:, steps:] == NOT_PLAYED).all())


def rows(outcomes: MatchOutcomes, chosen: slice) -> MatchOutcomes:
    assert outcomes.actions is not None
    return MatchOutcomes(*(tensor[chosen] for tensor in outcomes if tensor is not None))


@pytest.mark.parametrize("name", ARENAS)
@pytest.mark.parametrize("kind", [Random, Counting])
def test_reproducible(name: str, kind: type[Random]) -> None:
    """As OpenRL's test_reproducibility asks: the same seed gives the same result, serial or parallel."""
    arena = ARENAS[name]
    together = play_matches(arena, sit(arena, kind), SEEDS, record=True)
    assert_equal(together, play_matches(arena, sit(arena, kind), SEEDS, record=True))
    for part in (slice(0, 5), slice(5, 30), slice(30, 37), slice(12, 13)):
        assert_equal(rows(together, part), play_matches(arena, sit(arena, kind), SEEDS[part], record=True))


@pytest.mark.parametrize("name", ARENAS)
def test_seeds_and_games_differ(name: str) -> None:
    arena = ARENAS[name]
    actors = [Random()] * len(arena.spec.teams)
    one = play_matches(arena, actors, SEEDS, record=True)
    for other in (
        play_matches(arena, actors, SEEDS + 1, record=True),
        play_matches(arena, actors, SEEDS, game=1, record=True),
    ):
        assert one.actions is not None
        assert other.actions is not None
        assert one.actions.shape != other.actions.shape or not torch.equal(one.actions, other.actions)


@pytest.mark.parametrize("name", ARENAS)
def test_one_object_may_hold_all_seats(name: str) -> None:
    """Each agent has rows of its own, so a memory is not shared between the seats."""
    arena = ARENAS[name]
    apart = play_matches(arena, sit(arena, Counting), SEEDS, record=True)
    assert_equal(apart, play_matches(arena, [Counting()] * len(arena.spec.teams), SEEDS, record=True))


@pytest.mark.parametrize("name", ARENAS)
def test_log_replays(name: str) -> None:
    """Seeds and logged actions are enough to play the matches again."""
    arena = ARENAS[name]
    outcomes = play_matches(arena, sit(arena, Random), SEEDS, record=True)
    assert outcomes.actions is not None
    state = arena.reset(uniforms(SEEDS, 0, arena.spec.reset_uniforms, RESET_STREAM))
    live, returns = torch.ones(37, dtype=torch.bool), torch.zeros_like(outcomes.returns)
    for number, actions in enumerate(outcomes.actions.unbind(1)):
        assert torch.equal((actions != NOT_PLAYED).view(37, -1).any(dim=1), live)
        assert torch.equal(live, number < outcomes.lengths)
        chance = uniforms(SEEDS, number, arena.spec.step_uniforms, STEP_STREAM)
        step = arena.step(state, actions.clamp(min=0), chance, live)
        returns += step.rewards
        state, live = step.state, live & ~(step.terminated | step.truncated)
    assert not live.any()
    assert torch.equal(returns, outcomes.returns)


@pytest.mark.parametrize("name", ARENAS)
def test_pairs_do_not_depend_on_the_batch(name: str) -> None:
    arena = ARENAS[name]
    whole = play_pairs(arena, Random(), Counting(), 20, seed=3, record=True)
    for batch in (1, 7, 20):
        assert play_pairs(arena, Random(), Counting(), 20, seed=3, batch=batch, record=True) == whole
    parts = [
        play_pairs(arena, Random(), Counting(), pairs, seed=3, start=start, batch=4, record=True)
        for start, pairs in ((0, 15), (15, 5))
    ]
    assert PairsPlayed(*(one + other for one, other in zip(*parts, strict=True))) == whole
    assert re.fullmatch("([wdl][wdl]){20}", whole.outcomes)
    assert play_pairs(arena, Random(), Counting(), 8, seed=3).outcomes == whole.outcomes[:16]


def test_outcomes_are_from_the_first_players_view() -> None:
    rps = arenas.make("rock_paper_scissors")
    rock, paper = Constant(0), Constant(1)
    assert play_pairs(rps, rock, paper, 3, seed=0).outcomes == "llllll"
    assert play_pairs(rps, paper, rock, 3, seed=0).outcomes == "wwwwww"
    assert play_pairs(rps, rock, Constant(0), 3, seed=0).outcomes == "dddddd"


class FirstWins(ConnectFour):
    """Whoever sits in seat 0 wins with the first stone."""

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        step = super().step(state, actions, uniforms, live)
        won = torch.ones_like(step.terminated) if live is None else live
        reward = won.to(torch.float32)
        return Step(step.state, torch.stack((reward, -reward), dim=1), won, step.truncated)


def test_first_letter_is_with_the_first_player_in_seat_0() -> None:
    assert play_pairs(FirstWins(), Random(), Random(), 3, seed=0).outcomes == "wlwlwl"


def test_pair_has_the_same_chance_in_both_games() -> None:
    kuhn = arenas.make("kuhn_poker")
    a, b = Recording(), Recording()
    first = play_matches(kuhn, (a, b), SEEDS)
    cards_of_a_first = a.calls[0][0].observation[:, 2:5]
    play_matches(kuhn, (b, a), SEEDS, game=1)
    cards_of_b_first = b.calls[0][0].observation[:, 2:5]
    assert torch.equal(cards_of_a_first, cards_of_b_first)
    assert first.returns.shape == (37, 2)


def test_games_of_a_pair_are_independent_otherwise() -> None:
    """Two uniform players of rock-paper-scissors: each of the nine outcomes of a pair comes up equally often."""
    letters = play_pairs(arenas.make("rock_paper_scissors"), Random(), Random(), 9000, seed=1).outcomes
    counts = [sum(letters[i : i + 2] == x + y for i in range(0, len(letters), 2)) for x in "wdl" for y in "wdl"]
    assert sum(counts) == 9000
    assert sum((count - 1000) ** 2 / 1000 for count in counts) < 26  # chi-square with 8 degrees, p = 0.001


@pytest.mark.parametrize("name", ["connect_four", "guess", "relay"])
def test_uniforms_are_fresh_at_each_call_and_for_each_seat(name: str) -> None:
    a, b = Recording(), Recording()
    play_matches(ARENAS[name], (a, b), SEEDS)
    draws = torch.cat([drawn.flatten() for actor in (a, b) for _, drawn, _ in actor.calls]).tolist()
    assert len(set(draws)) > 0.999 * len(draws)


@pytest.mark.parametrize("name", ["leduc_poker", "relay", "connect_four"])
def test_rows_that_are_not_to_act_are_blank(name: str) -> None:
    """Not even the view of the other side leaks into the rows where an actor is not to move."""
    a, b = Recording(), Recording()
    play_matches(ARENAS[name], (a, b), SEEDS)
    for observation, _, live in a.calls + b.calls:
        assert bool((observation.observation[~live] == 0).all())
        assert not observation.action_mask[~live].any()
        assert bool(observation.action_mask[live].any(dim=1).all())


class Watching(ConnectFour):
    """Connect Four that remembers which environments it was asked to step."""

    def __init__(self) -> None:
        super().__init__()
        self.stepped: list[Tensor] = []

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        assert live is not None
        self.stepped.append(live)
        return super().step(state, actions, uniforms, live)


def test_finished_matches_are_not_stepped() -> None:
    arena, actor = Watching(), Recording()
    outcomes = play_matches(arena, (actor, Random()), SEEDS)
    asked = torch.stack(arena.stepped, dim=1)
    assert torch.equal(asked.sum(dim=1), outcomes.lengths)
    assert len(asked[0]) == outcomes.lengths.max()
    assert bool((torch.stack([live for _, _, live in actor.calls]).sum(dim=0) == (outcomes.lengths + 1) // 2).all())


def test_an_actor_holds_all_agents_of_its_team() -> None:
    ones, twos = Constant(1), Constant(2)
    outcomes = play_matches(Relay(), (ones, twos), SEEDS, record=True)
    assert outcomes.actions is not None
    assert outcomes.actions.tolist() == [[1, 2] * 4] * 37
    assert outcomes.returns[0].tolist() == [-1, 1, -1, 1]
    assert play_pairs(Relay(), ones, twos, 2, seed=0).outcomes == "llll"


def test_rows_of_a_team_are_agent_by_agent() -> None:
    team = Recording()
    play_matches(Guess(3, teams=((2, 0), (1,))), (team, Random()), SEEDS)
    observation, _, live = team.calls[0]
    assert team.batch == 74
    assert observation.observation[:, 0].tolist() == [2.0] * 37 + [0.0] * 37
    assert live.all()


def test_cooperative_arena_is_a_score_duel() -> None:
    """The same seeds, so the same hidden numbers: whoever collects more points wins; equal players draw."""
    arena = Guess(2, teams=((0, 1),))
    letters = play_pairs(arena, Constant(0), Constant(1), 30, seed=2).outcomes
    assert len(letters) == 60
    assert set(letters) == {"w", "d", "l"}
    assert letters == play_pairs(arena, Constant(0), Constant(1), 30, seed=2, batch=4).outcomes
    assert play_pairs(arena, Constant(0), Constant(0), 30, seed=2).outcomes == "d" * 60
    mirror = str.maketrans("wl", "lw")
    assert play_pairs(arena, Constant(1), Constant(0), 30, seed=2).outcomes == letters.translate(mirror)


def test_truncation_is_counted() -> None:
    assert play_matches(Guess(truncates=True), (Random(), Random()), SEEDS).truncated.all()
    assert not play_matches(Guess(), (Random(), Random()), SEEDS).truncated.any()


@pytest.mark.parametrize("action", [4, -1, 7, 2**40])
def test_illegal_action(action: int) -> None:
    """Column 4 is full after six stones; the others are no columns."""
    arena = arenas.make("connect_four")
    with pytest.raises(IllegalActionError) as caught:
        play_matches(arena, (Constant(4), Constant(action)), SEEDS)
    error = caught.value
    assert (error.actor, error.action) == ("Constant", action)
    if action == 4:
        assert (error.agent, error.step, error.match, error.legal) == ("player_0", 6, 0, [0, 1, 2, 3, 5, 6])
        expected = "Constant as player_0 played the illegal action 4 at step 6 of match 0: legal were 0, 1, 2, 3, 5, 6"
        assert str(error) == expected
    else:
        assert (error.agent, error.step) == ("player_1", 1)


def test_illegal_action_names_the_match_and_the_agent_of_a_team() -> None:
    class Slip(Recording):
        def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
            actions = super().act(observation, uniforms, live)
            actions[37 + 5] = 9  # the second agent of the team, match 5
            return actions

    with pytest.raises(
        IllegalActionError, match="recorder as agent_2 played the illegal action 9 at step 0 of match 5"
    ):
        play_matches(Guess(3, teams=((0, 2), (1,))), (Slip(), Random()), SEEDS)


@pytest.mark.parametrize("answer", [torch.zeros(37), torch.zeros(36, dtype=torch.int64), torch.zeros((37, 1)).long()])
def test_answer_of_the_wrong_kind(answer: Tensor) -> None:
    class Odd(Random):
        def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
            return answer

    with pytest.raises(ActorError, match=r"Odd answered at step 0 with .*: right would be torch.int64 \[37\]"):
        play_matches(arenas.make("tic_tac_toe"), (Odd(), Random()), SEEDS)


def test_misuse() -> None:
    actors: tuple[Actor, ...] = (Random(),)
    with pytest.raises(ValueError, match="has 2 teams, one actor each, but got 1"):
        play_matches(arenas.make("tic_tac_toe"), actors, SEEDS)
    with pytest.raises(ValueError, match="has 3 teams: pairs are played in arenas of one or two teams"):
        play_pairs(Guess(3), Random(), Random(), 1, seed=0)
    with pytest.raises(ValueError, match="at least 1, not 0 and"):
        play_pairs(Guess(), Random(), Random(), 0, seed=0)


def test_arena_that_does_not_end() -> None:
    class Endless(Guess):
        def step(
            self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None
        ) -> Step:
            step = super().step(state, actions, uniforms, live)
            return step._replace(terminated=torch.zeros_like(step.terminated))

    with pytest.raises(RuntimeError, match="37 of 37 matches go on after 4 steps"):
        play_matches(Endless(), (Random(), Random()), SEEDS)


def test_foreign_arena() -> None:
    arena = arenas.make("pettingzoo:classic/tictactoe-v3", workers=1)
    native = arenas.make("tic_tac_toe")
    seeds = SEEDS[:6]
    theirs = play_matches(arena, (Random(), Random()), seeds, record=True)
    arena.close()
    assert_equal(play_matches(native, (Random(), Random()), seeds, record=True), theirs)
