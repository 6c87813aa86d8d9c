"""Card games and rock-paper-scissors: hands played by the rules as they are written down."""

from __future__ import annotations

import pytest
import torch

import arenas
from arenas.core import Arena
from arenas.games.cards import deal

KUHN, LEDUC = arenas.make("kuhn_poker"), arenas.make("leduc_poker")
JACK, QUEEN, KING = 0, 1, 2
FOLD, CALL, RAISE = 0, 1, 2


def hand(arena: Arena, cards: list[int], actions: list[int]) -> tuple[list[float], list[list[bool]], str]:
    """Chips at the end, the legal actions along the way and the last picture."""
    state = arena.reset(torch.zeros(1, arena.spec.reset_uniforms))
    state["cards"] = torch.tensor([cards])
    legal = []
    for number, action in enumerate(actions):
        legal.append(arena.observe(state).action_mask[0].tolist())
        step = arena.step(state, torch.tensor([action]))
        state = step.state
        assert bool(step.terminated) == (number == len(actions) - 1)
    return step.rewards[0].tolist(), legal, arena.render(state, 0)


@pytest.mark.parametrize(
    ("cards", "actions", "chips"),
    [
        ([KING, JACK], [0, 0], [1, -1]),
        ([JACK, KING], [0, 0], [-1, 1]),
        ([KING, JACK], [0, 1, 0], [-1, 1]),  # folds the better card
        ([KING, JACK], [0, 1, 1], [2, -2]),
        ([JACK, QUEEN], [1, 0], [1, -1]),  # a bluff
        ([JACK, QUEEN], [1, 1], [-2, 2]),
    ],
)
def test_kuhn(cards: list[int], actions: list[int], chips: list[float]) -> None:
    rewards, legal, _ = hand(KUHN, cards, actions)
    assert rewards == chips
    assert legal == [[True, True]] * len(actions)


@pytest.mark.parametrize(
    ("cards", "actions", "chips"),
    [
        ([4, 0, 2], [CALL, CALL, CALL, CALL], [1, -1]),  # king against jack
        ([0, 4, 1], [CALL, CALL, CALL, CALL], [1, -1]),  # a pair of jacks against a king
        ([2, 3, 4], [CALL, CALL, CALL, CALL], [0, 0]),  # both hold queens
        ([4, 0, 2], [RAISE, FOLD], [1, -1]),
        ([4, 0, 2], [RAISE, RAISE, FOLD], [-3, 3]),
        ([4, 0, 2], [RAISE, RAISE, CALL, CALL, CALL], [5, -5]),
        ([4, 0, 2], [CALL, RAISE, RAISE, CALL, CALL, RAISE, RAISE, CALL], [13, -13]),  # the dearest and longest hand
        ([4, 0, 1], [RAISE, CALL, CALL, RAISE, FOLD], [-3, 3]),
    ],
)
def test_leduc(cards: list[int], actions: list[int], chips: list[float]) -> None:
    assert hand(LEDUC, cards, actions)[0] == chips


def test_leduc_legal_actions() -> None:
    """No fold without a raise to answer, no third raise in a round, and the count starts anew in the second."""
    _, legal, _ = hand(LEDUC, [4, 0, 2], [CALL, RAISE, RAISE, CALL, CALL, RAISE, RAISE, CALL])
    free, facing, capped = [False, True, True], [True, True, True], [True, True, False]
    assert legal == [free, free, facing, capped, free, free, facing, capped]


def test_leduc_public_card_is_shown_after_the_first_round() -> None:
    state = LEDUC.reset(torch.zeros(1, 3))
    state["cards"] = torch.tensor([[0, 1, 4]])
    for shown, action in ((False, CALL), (False, CALL), (True, CALL), (True, CALL)):
        for viewer in (0, 1):
            assert LEDUC.observe(state, viewer).observation[0, 5:8].tolist() == [0, 0, float(shown)]
        state = LEDUC.step(state, torch.tensor([action])).state


def test_pictures() -> None:
    assert hand(KUHN, [KING, JACK], [0, 1, 0])[2] == "player_0: K  player_1: J\npass bet pass"
    expected = "player_0: K (3)  player_1: J (7)  public: Q\nraise call / call raise fold"
    assert hand(LEDUC, [4, 0, 2], [RAISE, CALL, CALL, RAISE, FOLD])[2] == expected
    rps = arenas.make("rock_paper_scissors")
    step = rps.step(rps.reset(torch.zeros(1, 0)), torch.tensor([[0, 2]]))
    assert rps.render(step.state, 0) == "round 1 of 1, newest first\nplayer_0: rock\nplayer_1: scissors"


def test_rock_paper_scissors() -> None:
    rps = arenas.make("rock_paper_scissors")
    hands = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    step = rps.step(rps.reset(torch.zeros(9, 0)), hands)
    assert step.rewards[:, 0].tolist() == [0, -1, 1, 1, 0, -1, -1, 1, 0]
    assert step.terminated.all()
    assert rps.observe(step.state).observation.shape == (9, 2, 1)


def test_rounds_are_remembered() -> None:
    """The share of rounds to play, then one's own and the other's hand, newest round first."""
    rps = arenas.make("rock_paper_scissors", rounds=3)
    state = rps.reset(torch.zeros(1, 0))
    assert rps.observe(state).observation[0].tolist() == [[1.0] + [0.0] * 12] * 2
    for hands, ends in (([0, 2], False), ([1, 1], False), ([2, 0], True)):
        step = rps.step(state, torch.tensor([hands]))
        assert bool(step.terminated) == ends
        if not ends:
            state = step.state
    rock, paper, scissors = [1, 0, 0], [0, 1, 0], [0, 0, 1]
    first, second = rps.observe(state).observation[0].tolist()
    assert first[1:] == [*paper, *paper, *rock, *scissors]
    assert second[1:] == [*paper, *paper, *scissors, *rock]
    assert first[0] == pytest.approx(1 / 3)


def test_deal_is_a_permutation_at_the_edges() -> None:
    """Also for the smallest and the largest uniforms that there are."""
    edge = torch.tensor([0.0, 1 - 2.0**-24])
    cards = deal(torch.cartesian_prod(edge, edge, edge), 6)
    assert cards.min() == 0
    assert cards.max() == 5
    assert all(len(set(row)) == 3 for row in cards.tolist())
