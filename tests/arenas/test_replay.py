"""Replays: what is written down is played again to the same end, and anything else is an error with its step."""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any

import pytest
import torch
from pydantic import ValidationError

import arenas
from arenas.core import Arena
from arenas.match import FORFEIT, NOT_PLAYED, play_pairs
from arenas.replay import ForfeitNote, MatchRecord, ReplayError, moments, replay, write_down
from tests.arenas.test_forfeits import Failing
from tests.arenas.toy_arenas import Counting, Guess, Random, Recording, Relay

ARENAS: dict[str, Arena] = {name: arenas.make(name) for name in arenas.names()} | {
    "guess": Guess(),
    "relay": Relay(),
    "duel": Guess(2, teams=((0, 1),), truncates=True),
}


def records(arena: Arena, *, fail: tuple[int, ...] = (), pairs: int = 6, at: int = 1) -> list[MatchRecord]:
    played = play_pairs(arena, Counting(), Failing(fail, at=at), pairs, seed=11, record=True)
    return [
        write_down(play, id=f"m_x/{play.match}", arena=arena.spec.name, names=("anna", "ben")) for play in played.plays
    ]


@pytest.mark.parametrize("name", ARENAS)
def test_a_record_comes_out_as_it_is_written(name: str) -> None:
    arena = ARENAS[name]
    for record in records(arena, fail=(1, 4), at=0 if name == "rock_paper_scissors" else 1):
        again = MatchRecord.model_validate_json(record.model_dump_json())
        assert again == record
        frames = list(replay(arena, again))
        assert [frame.step for frame in frames] == list(range(len(record.actions))) + [record.length] * (
            len(frames) - len(record.actions)
        )
        assert frames[-1].last
        assert not any(frame.last for frame in frames[:-1])
        assert frames[-1].returns == pytest.approx(record.returns)
        assert len(frames) == len(record.actions) + 1
        assert frames[0].moved == ()
        if record.forfeits:
            assert FORFEIT in [action for _, action in frames[-1].moved]
            assert frames[-1].picture == frames[-2].picture, "the game has not seen it"
            assert frames[-1].step == frames[-2].step


def test_the_seats_and_the_picture() -> None:
    first, second = records(ARENAS["tic_tac_toe"], pairs=1)
    assert (first.players, second.players) == (("anna", "ben"), ("ben", "anna"))
    frames = list(replay(ARENAS["tic_tac_toe"], first))
    assert frames[0].picture == "\n".join([". . ."] * 3)
    for number, frame in enumerate(frames[1:]):
        assert frame.moved == ((f"player_{number % 2}", first.actions[number]),)
        assert frame.picture.count("X") == number // 2 + 1
        assert frame.picture.count("O") == (number + 1) // 2


def test_an_arena_without_a_picture_is_replayed_without_one() -> None:
    (record, _) = records(ARENAS["relay"], pairs=1)
    assert {frame.picture for frame in replay(ARENAS["relay"], record)} == {""}


@pytest.mark.parametrize("name", ["leduc_poker", "guess", "relay"])
def test_moments_show_what_the_players_saw(name: str) -> None:
    """So that a bot can be asked again."""
    arena, spy = ARENAS[name], Recording()
    played = play_pairs(arena, spy, Random(), 1, seed=5, record=True)
    record = write_down(played.plays[1], id="x", arena=arena.spec.name, names=("a", "b"))  # the spy's last match
    shown = [
        (moment.seen.observation[0, agent], moment.seen.action_mask[0, agent])
        for moment in moments(arena, record)
        for agent in moment.played
        if agent in arena.spec.teams[1]
    ]
    asked = [
        (seen.observation[row], seen.action_mask[row])
        for seen, _, live in spy.calls
        for row in torch.nonzero(live)[:, 0]
    ]
    assert len(shown) == len(asked) > 0
    for (there, legal), (here, mask) in zip(asked, shown, strict=True):
        assert torch.equal(there, here)
        assert torch.equal(legal, mask)


def change(record: MatchRecord, **fields: Any) -> MatchRecord:
    return record.model_copy(update=fields)


def test_what_does_not_come_out_names_its_step() -> None:
    arena = ARENAS["tic_tac_toe"]
    record = next(each for each in records(arena) if each.returns[0] > 0)
    moves = record.actions
    cases: list[tuple[MatchRecord, int | None, str]] = [
        (
            change(record, actions=(moves[0], moves[0], *moves[2:])),
            1,
            "player_1 plays .* at step 1 of .*, which is not legal",
        ),
        (change(record, actions=(9, *moves[1:])), 0, "player_0 plays 9 at step 0"),
        (change(record, actions=(FORFEIT,)), 0, "the teams \\[0\\] forfeit, but its record names others"),
        (
            change(record, actions=moves[:-1]),
            len(moves) - 1,
            f"goes on after step {len(moves) - 1}, where its record ends",
        ),
        (change(record, actions=(*moves, moves[0])), len(moves), f"ended at step {len(moves)}, but its record goes on"),
        (change(record, actions=((1, 2),)), 0, "no step of tic_tac_toe"),
        (change(record, returns=(-1.0, 1.0)), len(moves), "ends with a return of 1 for agent 0, its record says -1"),
        (change(record, truncated=True), len(moves), "ends by the rules at step"),
        (change(record, forfeits=(ForfeitNote(team=1),)), None, "ends without the forfeit that its record names"),
        (change(record, arena="chess"), None, "is a match of chess, not of tic_tac_toe"),
        (change(record, returns=(1.0,)), None, "has 2 teams and 1 agents; tic_tac_toe has 2 and 2"),
        (change(record, schema_version=99), None, "is written in schema 99"),
    ]
    for wrong, step, message in cases:
        with pytest.raises(ReplayError) as caught:
            list(replay(arena, wrong))
        assert re.search(message, str(caught.value)), str(caught.value)
        assert step is None or caught.value.step == step


def test_another_seed_is_another_match() -> None:
    arena = ARENAS["guess"]
    caught = 0
    for record in records(arena):
        try:
            list(replay(arena, change(record, seed=record.seed + 1)))
        except ReplayError:
            caught += 1
    assert caught > 8  # of 12: the hidden numbers differ, so the returns or the length do


def test_out_of_turn() -> None:
    class Dying(Guess):
        """Agent 1 has nothing to choose."""

        def observe(self, *arguments: Any, **options: Any) -> Any:
            seen = super().observe(*arguments, **options)
            seen.action_mask[:, 1] = False
            return seen

    arena = Dying()
    played = play_pairs(arena, Random(), Random(), 1, seed=3, record=True).plays[0]
    record = write_down(played, id="x", arena="guess", names=("a", "b"))
    assert all(step[1] == NOT_PLAYED for step in record.actions if isinstance(step, tuple))
    list(replay(arena, record))
    with pytest.raises(ReplayError, match="agent_1 plays 2 at step 0 of x, out of turn"):
        list(replay(arena, change(record, actions=((0, 2), *record.actions[1:]))))


def test_a_foreign_arena() -> None:
    for name in ("pettingzoo:classic/tictactoe-v3", "openspiel:leduc_poker"):
        with closing(arenas.make(name)) as arena:
            for record in records(arena, pairs=2, fail=(3,)):
                frames = list(replay(arena, record))
                assert frames[-1].last


@pytest.mark.parametrize("change", [{"seed": 2**63}, {"seed": -(2**63) - 1}, {"game": -1}, {"game": 2**31}])
def test_numbers_that_no_tensor_holds_are_of_no_record(change: dict[str, int]) -> None:
    (record, _) = records(ARENAS["tic_tac_toe"], pairs=1)
    with pytest.raises(ValidationError, match=next(iter(change))):
        MatchRecord.model_validate_json(record.model_copy(update=change).model_dump_json())
