"""Soccer beyond one against one, and seen after half a turn. Parity with OpenSpiel is in tests/parity."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch

import arenas
from arenas.check import check
from arenas.core import State
from arenas.games.soccer import DOWN, EXCHANGED, LEFT, OFF, RIGHT, STAND, TURNED, UP, Soccer
from arenas.random import derive_seeds, uniforms
from arenas.registry import ArenaOptionError


@pytest.mark.parametrize("players", [1, 2, 3, 4])
@pytest.mark.parametrize("options", [{}, {"turned": True}, {"rows": 7, "columns": 8, "passes": False, "max_steps": 30}])
def test_conforms(players: int, options: dict[str, object]) -> None:
    assert check(arenas.make("soccer", players=players, **options), episodes=16) == []


def put(arena: Soccer, pitch: str) -> State:
    """A state as in a picture: letters a to d are team a, w to z team b, a capital has the ball, O is the ball."""
    agents, ball = [0] * (2 * arena.players), OFF
    for row, line in enumerate(pitch.split()):
        for column, piece in enumerate(line):
            cell = (row + 1) * arena.stride + column + 1
            if piece != ".":
                ball = cell if piece.isupper() else ball
            if piece not in ".O":
                number = "abcd".find(piece.lower())
                agents["wxyz".index(piece.lower()) + arena.players if number < 0 else number] = cell
    return {"agents": torch.tensor([agents]), "ball": torch.tensor([ball]), "steps": torch.tensor([0])}


def picture(arena: Soccer, state: State) -> str:
    lines = [["."] * arena.columns for _ in range(arena.rows)]
    ball = state["ball"].item()
    names = "abcd"[: arena.players] + "wxyz"[: arena.players]
    for piece, cell in (("O", ball), *zip(names, state["agents"][0].tolist(), strict=True)):
        if cell != OFF:
            place = lines[cell // arena.stride - 1]
            place[cell % arena.stride - 1] = piece.upper() if cell == ball else piece
    return " ".join("".join(line) for line in lines)


def move(arena: Soccer, pitch: str, actions: tuple[int, ...], order: tuple[int, ...]) -> tuple[str, list[float]]:
    """What a pitch looks like after a step in which the agents move in this order, and the rewards."""
    chance = torch.empty(1, len(order))
    chance[0, list(order)] = torch.arange(len(order)) / len(order)
    step = arena.step(put(arena, pitch), torch.tensor([actions]), chance)
    return picture(arena, step.state), step.rewards[0].tolist()


def short(passes: bool = True) -> Soccer:
    return Soccer(players=2, rows=4, columns=6, passes=passes)


@pytest.mark.parametrize(
    ("before", "actions", "order", "after"),
    [
        ("...... .Aw... .bx... ......", (RIGHT, UP, STAND, STAND), (0, 1, 2, 3), "...... .aW... .bx... ......"),  # lost
        ("...... .Aw... .bx... ......", (STAND, UP, LEFT, LEFT), (2, 3, 0, 1), "...... .Aw... .bx... ......"),  # kept
        ("...... .Aw... .bx... ......", (DOWN, STAND, STAND, STAND), (0, 1, 2, 3), "...... .aw... .Bx... ......"),
        ("...... .Ab... ...w.. ....x.", (RIGHT, RIGHT, STAND, STAND), (0, 1, 2, 3), "...... .a.B.. ...w.. ....x."),
        ("...... .Ab... ...w.. ....x.", (RIGHT, RIGHT, STAND, STAND), (1, 0, 2, 3), "...... ..Ab.. ...w.. ....x."),
        ("...... .aO... ..bw.. ....x.", (RIGHT, UP, LEFT, STAND), (1, 0, 2, 3), "...... .aB... ..w... ....x."),
        ("...... .aO... ..bw.. ....x.", (RIGHT, UP, LEFT, STAND), (2, 0, 1, 3), "...... ..A... ..bw.. ....x."),
        ("A..... b..... .w.x.. ......", (UP, LEFT, STAND, STAND), (0, 1, 2, 3), "A..... b..... .w.x.. ......"),  # edges
    ],
)
def test_moves_of_teams(before: str, actions: tuple[int, ...], order: tuple[int, ...], after: str) -> None:
    assert move(short(), before, actions, order) == (after, [0.0] * 4)


def test_without_passes_a_team_mate_is_a_wall() -> None:
    before = "...... .Aw... .bx... ......"
    assert move(short(passes=False), before, (DOWN, STAND, STAND, STAND), (0, 1, 2, 3))[0] == before
    lost = move(short(passes=False), before, (RIGHT, STAND, STAND, STAND), (0, 1, 2, 3))[0]
    assert lost == "...... .aW... .bx... ......"


@pytest.mark.parametrize("row", [0, 1, 2, 3])
@pytest.mark.parametrize("players", [1, 2, 4])
def test_goals(row: int, players: int) -> None:
    """Through the middle half of the other team's end line, never through one's own; each agent has its share."""
    arena = Soccer(players=players, rows=4, columns=9)
    for carrier, column, action, winner in (
        (0, 8, RIGHT, 1),
        (players, 0, LEFT, -1),
        (0, 0, LEFT, 0),
        (players, 8, RIGHT, 0),
    ):
        agents = [arena.stride * (1 + agent // players) + 4 + agent % players for agent in range(2 * players)]
        agents[carrier] = (row + 1) * arena.stride + column + 1
        state = {"agents": torch.tensor([agents]), "ball": torch.tensor([agents[carrier]]), "steps": torch.tensor([0])}
        actions = torch.full((1, 2 * players), STAND)
        actions[0, carrier] = action
        step = arena.step(state, actions, torch.rand(1, 2 * players))
        goal = winner * (row in (1, 2))
        assert step.terminated.item() == bool(goal)
        assert step.rewards[0].tolist() == [goal / players] * players + [-goal / players] * players
        assert (step.state["agents"][0, carrier].item() == OFF) == bool(goal)


def test_a_team_wins_one_whatever_its_size() -> None:
    for players in (1, 2, 3, 4):
        assert (torch.full((players,), 1 / players).sum()) == 1


def test_every_order_of_moves_is_equally_likely() -> None:
    """Four agents around one free cell: who comes first gets it. Of the others, one after the other, none moves."""
    draws = uniforms(derive_seeds(11, 24_000), 0, 4)
    orders = [tuple(row) for row in draws.argsort(dim=1, stable=True).tolist()]
    counts = torch.tensor([orders.count(order) for order in permutations(range(4))])
    assert ((counts - 1000.0) ** 2 / 1000).sum() < 23 + 5 * (2 * 23) ** 0.5  # chi-square, five sigmas
    arena = short()
    state = put(arena, "..a... .b.w.. ..x... O.....")
    many = {name: tensor.expand(24_000, *tensor.shape[1:]) for name, tensor in state.items()}
    actions = torch.tensor([DOWN, RIGHT, LEFT, UP]).expand(24_000, -1)
    after = arena.step(many, actions, draws).state["agents"]
    assert torch.equal((after != many["agents"]).to(torch.int64).argmax(dim=1), draws.argmin(dim=1))
    assert ((after != many["agents"]).sum(dim=1) == 1).all()


@pytest.mark.parametrize("players", [1, 2, 3, 4])
def test_starts_are_mirror_images(players: int) -> None:
    arena = Soccer(players=players)
    state = arena.reset(torch.tensor([[0.0], [0.999]]))
    planes = arena.global_state(state)
    half = planes[:, list(EXCHANGED)].flip(2, 3)
    assert torch.equal(planes[0], half[1])
    assert not torch.equal(planes[0], planes[1])
    assert planes[0, 0].sum() == planes[0, 2].sum() == players


@pytest.mark.parametrize("players", [1, 2, 3])
def test_turned_team_b_sees_and_does_what_team_a_would(players: int) -> None:
    """The same game in other coordinates: b's actions are turned, b's view is what a has in the mirrored state."""
    plain, turned = Soccer(players=players), Soccer(players=players, turned=True)
    seeds, batch = derive_seeds(2, 200), 200
    one = other = plain.reset(uniforms(seeds, 0, 1))
    middle = plain._number(plain.rows - 1, plain.columns - 1) + plain._number(0, 0)
    for number in range(60):
        actions = (uniforms(seeds, number, 2 * players, 3) * 5).to(torch.int64)
        chance = uniforms(seeds, number, 2 * players, 4)
        theirs = torch.tensor(TURNED)[actions[:, players:]]
        seen, plainly = turned.observe(other).observation, plain.observe(one).observation
        assert torch.equal(seen[:, :players], plainly[:, :players])
        mirrored = {
            "agents": torch.where(one["agents"] == OFF, OFF, middle - one["agents"]).roll(players, 1),
            "ball": torch.where(one["ball"] == OFF, OFF, middle - one["ball"]), "steps": one["steps"],
        }  # fmt: skip
        assert torch.equal(seen[:, players:], plain.observe(mirrored).observation[:, :players])
        first = plain.step(one, actions, chance)
        second = turned.step(other, torch.cat((actions[:, :players], theirs), dim=1), chance)
        assert all(torch.equal(first.state[name], second.state[name]) for name in one)
        assert torch.equal(first.rewards, second.rewards)
        draws = torch.zeros(batch, 1)
        one, other = (
            arena.renew(step.state, step.terminated, draws) for arena, step in ((plain, first), (turned, second))
        )


def test_the_limit_is_a_truncation_and_a_goal_with_the_last_step_does_not_count() -> None:
    arena = Soccer(players=1, max_steps=1)
    chance = torch.zeros(1, 2)
    late = arena.step(put(arena, "..... ....A .w... ....."), torch.tensor([[RIGHT, STAND]]), chance)
    assert (late.terminated.item(), late.truncated.item(), late.rewards.abs().sum().item()) == (True, False, 0.0)
    over = arena.step(put(arena, "..... ....A .w... ....."), torch.tensor([[STAND, STAND]]), chance)
    assert (over.terminated.item(), over.truncated.item()) == (False, True)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"players": 5}, "players has to be a whole number from 1 to 4, not 5"),
        ({"rows": 2}, "rows has to be a whole number from 3 to 64, not 2"),
        ({"players": 4, "rows": 3}, "rows has to be a whole number from 4 to 64, not 3"),
        ({"columns": 4}, "columns has to be a whole number from 5 to 64, not 4"),
        ({"player": 2}, "did you mean players"),
    ],
)
def test_options_are_checked(options: dict[str, object], says: str) -> None:
    with pytest.raises(ArenaOptionError, match=says):
        arenas.make("soccer", **options)


def test_render() -> None:
    arena = Soccer(players=1)
    text = arena.render(put(arena, "..... ...W. .a... ....."), 0)
    assert text == "step 0 of 999\n|. . . . .|\n . . . B . \n . a . . . \n|. . . . .|"
