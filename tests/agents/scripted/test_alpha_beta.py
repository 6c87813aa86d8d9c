"""The batched search is held to a plain recursive negamax, and the player to known facts of Connect Four."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable

import pytest
import torch
from torch import Tensor

import arenas
from agents.scripted.alpha_beta import AlphaBeta, bitboards
from agents.scripted.connect_four_search import landing_cells, move_values, safe_moves
from agents.scripted.random import RandomPlayer
from arenas.games.connect_four import COLUMNS, FULL_BOARD, ROWS, STRIDE, ConnectFour, completing
from arenas.match import play_pairs

SPEC = arenas.make("connect_four").spec
FULL_COLUMN = -2  # what `move_values` says of a column that takes no stone

Position = tuple[int, int]  # stones of the side to move, of the other side

LINES = [
    sum(1 << (STRIDE * (column + step * across) + row + step * up) for step in range(4))
    for across, up in ((1, 0), (0, 1), (1, 1), (1, -1))
    for column in range(COLUMNS)
    for row in range(ROWS)
    if column + 3 * across < COLUMNS and 0 <= row + 3 * up < ROWS
]


def stone_in(occupied: int, column: int) -> int | None:
    for row in range(ROWS):
        bit = 1 << (STRIDE * column + row)
        if not occupied & bit:
            return bit
    return None


def has_line(stones: int) -> bool:
    return any(stones & line == line for line in LINES)


def slow_value(mine: int, theirs: int, depth: int) -> int:
    if depth == 0 or mine | theirs == FULL_BOARD:
        return 0
    values = (slow_move_value(mine, theirs, column, depth) for column in range(COLUMNS))
    return max(value for value in values if value != FULL_COLUMN)


def slow_move_value(mine: int, theirs: int, column: int, depth: int) -> int:
    stone = stone_in(mine | theirs, column)
    if stone is None:
        return FULL_COLUMN
    return 1 if has_line(mine | stone) else -slow_value(theirs, mine | stone, depth - 1)


def play(columns: Iterable[int]) -> Position | None:
    """The position after moves of both sides in turn; None where the game would have ended on the way."""
    mine = theirs = 0
    for column in columns:
        stone = stone_in(mine | theirs, column)
        if stone is None or has_line(mine | stone):
            return None
        mine, theirs = theirs, mine | stone
    return mine, theirs


def position(columns: str) -> Position:
    found = play(map(int, columns))
    assert found is not None
    return found


def random_positions(count: int, seed: int, fewest: int = 0) -> list[Position]:
    source = random.Random(seed)
    found: list[Position] = []
    while len(found) < count:
        start = play(source.randrange(COLUMNS) for _ in range(source.randrange(fewest, ROWS * COLUMNS)))
        if start is not None:
            found.append(start)
    return found


def tensors(positions: list[Position]) -> tuple[Tensor, Tensor]:
    mine, theirs = torch.tensor(positions).unbind(1)
    return mine, theirs


def values(columns: str, depth: int) -> list[int]:
    return move_values(*tensors([position(columns)]), depth)[0].tolist()


def best(columns: str, depth: int) -> set[int]:
    found = values(columns, depth)
    return {column for column in range(COLUMNS) if found[column] == max(found)}


@pytest.mark.parametrize(
    ("depth", "count", "fewest"),
    [(1, 300, 0), (2, 300, 0), (3, 150, 0), (4, 60, 0), (4, 200, 26), (5, 60, 26), (6, 40, 28), (8, 40, 32)],
)
def test_search_agrees_with_plain_negamax(depth: int, count: int, fewest: int) -> None:
    positions = random_positions(count, seed=depth, fewest=fewest)

    found = move_values(*tensors(positions), depth)

    expected = [[slow_move_value(*each, column, depth) for column in range(COLUMNS)] for each in positions]
    assert found.tolist() == expected
    assert {-1, 0, 1} <= set(found.flatten().tolist()) or depth == 1


@pytest.mark.slow
def test_search_agrees_with_plain_negamax_at_depth_6_everywhere() -> None:
    positions = random_positions(60, seed=60)
    expected = [[slow_move_value(*each, column, 6) for column in range(COLUMNS)] for each in positions]
    assert move_values(*tensors(positions), 6).tolist() == expected


def test_a_batch_larger_than_a_chunk_gives_what_its_positions_give_alone() -> None:
    positions = random_positions(3000, seed=9, fewest=10) + [position("")] * 3
    together = move_values(*tensors(positions), 5)
    alone = torch.cat([move_values(*tensors(positions[first : first + 7]), 5) for first in range(0, 3003, 1001)])
    assert torch.equal(together[[first + step for first in range(0, 3003, 1001) for step in range(7)]], alone)


def test_bit_tricks_agree_with_the_rules() -> None:
    positions = random_positions(500, seed=1)
    mine, theirs = tensors(positions)
    occupied = mine | theirs
    landing, safe, winning = landing_cells(occupied), safe_moves(theirs, occupied), completing(theirs)
    for number, (own, other) in enumerate(positions):
        stones = [stone for column in range(COLUMNS) if (stone := stone_in(own | other, column)) is not None]
        assert int(landing[number]) == sum(stones)
        board = [1 << bit for bit in range(STRIDE * COLUMNS) if FULL_BOARD >> bit & 1]
        winners = [cell for cell in board if not (own | other) & cell and has_line(other | cell)]
        assert int(winning[number]) & ~(own | other) == sum(winners)
        unpunished = [stone for stone in stones if slow_value(other, own | stone, 1) != 1]
        assert int(safe[number]) == sum(unpunished)


def test_takes_a_win_at_depth_1_and_sees_no_threat() -> None:
    assert best("010101", 1) == {0}  # three in column 0 against three in column 1
    assert best("01010", 1) == set(range(COLUMNS))  # the other side threatens: invisible one ply ahead


def test_blocks_at_depth_2() -> None:
    assert values("01010", 2) == [0, -1, -1, -1, -1, -1, -1]


def test_an_open_three_is_lost_at_depth_2_and_made_at_depth_3() -> None:
    open_two = "3040"  # the side to move holds d1 and e1, and b1, c1, f1, g1 are empty: c1 or f1 threatens both ends
    assert best(open_two, 2) == set(range(COLUMNS))
    assert best(open_two, 3) == {2, 5}
    assert values(open_two, 3) == [0, 0, 1, 0, 0, 1, 0]
    assert best(open_two[:-1], 2) == set(range(COLUMNS))  # the defender to move sees nothing with 2 or 3 plies
    assert best(open_two[:-1], 3) == set(range(COLUMNS))
    assert best(open_two[:-1], 4) == {2, 5}  # with 4 it has to take one of those
    assert values("30402", 2) == [-1] * COLUMNS  # the double threat stands


def test_a_win_now_is_no_better_than_a_forced_win_later() -> None:
    ready = "0606334403"  # the side to move wins with a4; c1 makes d1, e1 an open three beside that threat
    assert best(ready, 1) == {0}
    assert {0, 2} <= best(ready, 3)


def test_the_last_stone_of_a_full_board_is_a_draw() -> None:
    source = random.Random(3)
    while True:
        columns = [column for column in range(COLUMNS) for _ in range(ROWS)]
        source.shuffle(columns)
        almost = play(columns[:-1])
        if almost is not None and slow_value(*almost, 1) == 0:
            break
    for depth in (1, 2, 3, 6):
        found = move_values(*tensors([almost]), depth)[0].tolist()
        assert sorted(found) == [FULL_COLUMN] * 6 + [0]


@pytest.mark.parametrize("threats", [False, True])
def test_reads_the_board_whatever_other_planes_there_are(threats: bool) -> None:
    arena = ConnectFour(threats=threats)
    state = arena.reset(torch.zeros(1, 0))
    for column in (3, 3, 0, 6, 2):
        state = arena.step(state, torch.tensor([column])).state
    for dtype in (torch.float32, torch.bfloat16):
        mine, theirs = bitboards(arena.observe(state, dtype=dtype).observation)
        assert (mine, theirs) == (state["mine"], state["theirs"])


def test_draws_uniformly_among_the_best_moves_from_the_uniforms_alone() -> None:
    arena = ConnectFour()
    state = {name: tensor.expand(7000).clone() for name, tensor in arena.reset(torch.zeros(1, 0)).items()}
    uniforms = torch.rand((7000, COLUMNS), generator=torch.Generator().manual_seed(0))
    live = torch.ones(7000, dtype=torch.bool)
    player = AlphaBeta(SPEC, 4)

    actions = player.act(arena.observe(state), uniforms, live)

    counts = torch.bincount(actions, minlength=COLUMNS).to(torch.float64)
    chi_squared = float(((counts - 1000) ** 2 / 1000).sum())
    assert chi_squared < 22.5  # 6 degrees of freedom: exceeded once in 1,000
    part = player.act(arena.observe({name: tensor[:9] for name, tensor in state.items()}), uniforms[:9], live[:9])
    assert torch.equal(part, actions[:9])


def test_ended_matches_are_left_out() -> None:
    arena = ConnectFour()
    state = arena.reset(torch.zeros(2, 0))
    full = torch.tensor([FULL_BOARD & 0x2AAAAAAAAAAA, 0]), torch.tensor([FULL_BOARD & ~0x2AAAAAAAAAAA, 0])
    observation = arena.observe({**state, "mine": full[0], "theirs": full[1]})
    actions = AlphaBeta(SPEC, 4).act(observation, torch.rand(2, COLUMNS), torch.tensor([False, True]))
    assert bool(observation.action_mask[1, actions[1]])
    nobody = AlphaBeta(SPEC, 4).act(observation, torch.rand(2, COLUMNS), torch.tensor([False, False]))
    assert nobody.tolist() == [0, 0]


def test_more_plies_win_more() -> None:
    arena = arenas.make("connect_four")
    random_player, two, four = RandomPlayer(SPEC), AlphaBeta(SPEC, 2), AlphaBeta(SPEC, 4)
    against_random = play_pairs(arena, two, random_player, pairs=100, seed=1).outcomes
    against_two = play_pairs(arena, four, two, pairs=100, seed=2).outcomes
    assert score(against_random) > 0.9
    assert score(against_two) > 0.65


def score(outcomes: str) -> float:
    return (outcomes.count("w") + outcomes.count("d") / 2) / len(outcomes)


def test_a_thousand_games_against_depth_4_take_seconds() -> None:
    arena = arenas.make("connect_four")
    began = time.perf_counter()
    play_pairs(arena, AlphaBeta(SPEC, 4), RandomPlayer(SPEC), pairs=500, seed=3)
    assert time.perf_counter() - began < 20  # 0.1 s here: only a change of order shows on a busy machine


def test_a_depth_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 ply"):
        AlphaBeta(SPEC, 0)
