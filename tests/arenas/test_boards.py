"""Tic-tac-toe and Connect Four against published counts, and positions by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import arenas
from arenas.core import Arena, State
from arenas.games.tic_tac_toe import TicTacToe

TIC_TAC_TOE, CONNECT_FOUR = arenas.make("tic_tac_toe"), arenas.make("connect_four")


def expand(arena: Arena, state: State) -> tuple[Tensor, State, Tensor, Tensor]:
    """All successors: the index of the parent, the state, the reward of player_0, whether the game has ended."""
    parents, actions = torch.nonzero(arena.observe(state).action_mask, as_tuple=True)
    step = arena.step({name: tensor[parents] for name, tensor in state.items()}, actions)
    return parents, step.state, step.rewards[:, 0], step.terminated


def play(arena: Arena, moves: list[int]) -> tuple[State, list[float], bool]:
    state = arena.reset(torch.zeros(1, 0))
    rewards, ended = [0.0, 0.0], False
    for move in moves:
        assert not ended
        step = arena.step(state, torch.tensor([move]))
        state, rewards, ended = step.state, step.rewards[0].tolist(), bool(step.terminated)
    return state, rewards, ended


def test_all_games_of_tic_tac_toe() -> None:
    """255,168 games: 131,184 won by the first, 77,904 by the second, 46,080 drawn (Henry Bottomley, 2001)."""
    state = TIC_TAC_TOE.reset(torch.zeros(1, 0))
    ways, weight = torch.ones(1, dtype=torch.int64), torch.ones(1, dtype=torch.float64)
    games, chance = dict.fromkeys((1.0, -1.0, 0.0), 0), dict.fromkeys((1.0, -1.0, 0.0), 0.0)
    for ply in range(9):
        parents, state, rewards, ended = expand(TIC_TAC_TOE, state)
        ways, weight = ways[parents], weight[parents] / (9 - ply)
        for result in games:
            chosen = ended & (rewards == result)
            games[result] += int(ways[chosen].sum())
            chance[result] += float(weight[chosen].sum())
        state = {name: tensor[~ended] for name, tensor in state.items()}
        ways, weight = ways[~ended], weight[~ended]
    assert games == {1.0: 131_184, -1.0: 77_904, 0.0: 46_080}
    assert chance[1.0] == pytest.approx(737 / 1260)  # of random games
    assert chance[0.0] == pytest.approx(16 / 126)


def test_positions_of_connect_four() -> None:
    """Positions after n plies, those won included (John Tromp, OEIS A212693)."""
    state, counts = CONNECT_FOUR.reset(torch.zeros(1, 0)), []
    for _ in range(8):
        _, state, _, ended = expand(CONNECT_FOUR, state)
        boards = torch.stack((state["mine"], state["theirs"]), dim=1).numpy()
        distinct = torch.from_numpy(np.unique(boards, axis=0, return_index=True)[1])
        counts.append(len(distinct))
        alive = distinct[~ended[distinct]]
        state = {name: tensor[alive] for name, tensor in state.items()}
    assert counts == [7, 49, 238, 1120, 4263, 16422, 54859, 184275]


@pytest.mark.parametrize(
    ("moves", "result"),
    [
        ([0, 3, 1, 4, 2], [1, -1]),  # a row
        ([0, 1, 4, 2, 8], [1, -1]),  # a diagonal
        ([2, 1, 4, 0, 6], [1, -1]),  # the other
        ([0, 2, 1, 5, 3, 8], [-1, 1]),  # a column, by the second
        ([0, 1, 2, 4, 3, 5, 7, 6, 8], [0, 0]),  # nobody
        ([0, 1, 2, 3, 4, 5, 7, 6, 8], [1, -1]),  # with the last mark
    ],
)
def test_ends_of_tic_tac_toe(moves: list[int], result: list[float]) -> None:
    _, rewards, ended = play(TIC_TAC_TOE, moves)
    assert ended
    assert rewards == result


@pytest.mark.parametrize("moves", [[1, 0, 2, 8, 3], [2, 0, 3, 8, 4], [4, 0, 5, 8, 6], [5, 0, 6, 8, 7]])
def test_lines_do_not_wrap_around_the_edge(moves: list[int]) -> None:
    """The first side's cells are neighbours in number, not on the board."""
    assert play(TIC_TAC_TOE, moves)[1:] == ([0, 0], False)


def test_symmetries_of_the_square() -> None:
    symmetries = TicTacToe.spec.symmetries
    assert len({symmetry.action for symmetry in symmetries} | {tuple(range(9))}) == 8
    for symmetry in symmetries:
        assert symmetry.action[4] == 4
        assert {symmetry.action[corner] for corner in (0, 2, 6, 8)} == {0, 2, 6, 8}
    composed = {tuple(a.action[i] for i in b.action) for a in symmetries for b in symmetries}
    assert composed == {symmetry.action for symmetry in symmetries} | {tuple(range(9))}  # a group


def test_pictures() -> None:
    assert TIC_TAC_TOE.render(play(TIC_TAC_TOE, [4, 0, 8])[0], 0) == "O . .\n. X .\n. . X"
    rows = CONNECT_FOUR.render(play(CONNECT_FOUR, [3, 3, 0])[0], 0).splitlines()
    assert rows[-3:] == [". . . O . . .", "X . . X . . .", "0 1 2 3 4 5 6"]
