"""A check plays a bot on every seat under the real sandbox and says why it fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import arenas
from agents.bots import check as checking
from agents.bots.check import Report, check_bot, check_checkpoint, fits
from agents.bots.core import Clocks, FailureCode, Phase
from agents.bots.manifest import BotRejectedError
from agents.bots.nursery import Nursery
from agents.bots.source import load_source
from agents.checkpoint import CheckpointStore, Manifest
from agents.networks import Network
from agents.settings import NetworkConfig
from arenas.core import Arena

CLOCKS = Clocks(start=20.0, move=10.0, bank=10.0)  # for machines that are busy
FIRST = "class Bot:\n    def __init__(self, spec): ...\n    def act(self, observation, action_mask, clock):\n"


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.fixture(scope="module")
def tic_tac_toe() -> Arena:
    return arenas.make("tic_tac_toe")


def _check(tmp_path: Path, code: str, arena: Arena, nursery: Nursery, clocks: Clocks = CLOCKS) -> Report:
    path = tmp_path / "mine.py"
    path.write_text(code)
    return check_bot(load_source(path), arena, nursery, clocks)


def test_a_bot_that_is_fine(tmp_path: Path, tic_tac_toe: Arena, nursery: Nursery) -> None:
    report = _check(tmp_path, f"{FIRST}        return action_mask.argmax()\n", tic_tac_toe, nursery)
    assert report.ok
    assert report.complete
    assert report.failures == ()
    assert [(each.opponent, each.agent, each.matches) for each in report.tried] == [
        ("itself", None, 2),
        ("random", "player_0", 2),
        ("random", "player_1", 2),
    ]
    against_random = report.tried[1:]
    assert all(each.won + each.drawn + each.lost == each.matches for each in against_random)
    assert (report.name, report.language, report.arena) == ("mine", "python", "tic_tac_toe")
    assert report.layers == tuple(nursery.layers())
    assert report.start_milliseconds is not None
    assert report.move_milliseconds is not None
    assert report.slowest_milliseconds is not None
    assert 0 < report.move_milliseconds <= report.slowest_milliseconds < 10_000
    assert 14 <= report.moves <= 2 * 9 + 4 * 5  # both sides of a match against itself


def test_every_seat_is_tried(tmp_path: Path, tic_tac_toe: Arena, nursery: Nursery) -> None:
    """A bot that cannot play second."""
    moves = "        assert observation.sum() % 2 == 0, 'I only move first'\n        return action_mask.argmax()\n"
    code = FIRST + moves
    report = _check(tmp_path, code, tic_tac_toe, nursery)
    assert not report.ok
    assert [each.failed for each in report.tried] == [2, 0, 2]
    assert {(record.code, record.phase, record.agent) for record in report.failures} == {
        (FailureCode.CRASH, Phase.ACT, "player_1")
    }
    assert report.failures[0].message == "AssertionError: I only move first"
    assert "bot.py" in report.failures[0].traceback
    assert [record.match for record in report.failures] == ["check/0", "check/1", "check/4", "check/5"]


def test_a_bot_that_cannot_start_is_not_asked_to_play(tmp_path: Path, tic_tac_toe: Arena, nursery: Nursery) -> None:
    report = _check(tmp_path, f"import no_such_module\n{FIRST}        return 0\n", tic_tac_toe, nursery)
    assert not report.ok
    assert not report.complete
    assert report.tried == ()
    assert [(record.code, record.phase) for record in report.failures] == [(FailureCode.IMPORT_ERROR, Phase.IMPORT)]
    assert report.start_milliseconds is None


def test_an_author_does_not_wait_for_ever(
    tmp_path: Path, tic_tac_toe: Arena, nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "PATIENCE", 0.0)
    code = f"import time\n{FIRST}        time.sleep(100)\n"
    report = _check(tmp_path, code, tic_tac_toe, nursery, Clocks(start=20.0, move=0.1, bank=0.1))
    assert not report.ok
    assert not report.complete
    assert len(report.tried) < 3
    monkeypatch.setattr(checking, "PATIENCE", 0.3)
    report = _check(tmp_path, code, tic_tac_toe, nursery, Clocks(start=20.0, move=0.1, bank=0.1))
    assert {record.code for record in report.failures} == {FailureCode.TIMEOUT}


def test_simultaneous_moves(tmp_path: Path, nursery: Nursery) -> None:
    arena = arenas.make("rock_paper_scissors", rounds=3)
    report = _check(tmp_path, "def agent(observation, configuration):\n    return 1\n", arena, nursery)
    assert report.ok
    assert report.moves == 2 * 2 * 3 + 4 * 3


def test_a_kaggle_agent_for_a_game_that_kaggle_has_not(tmp_path: Path, nursery: Nursery) -> None:
    with pytest.raises(BotRejectedError, match=r"a Kaggle agent plays connect_four, .*, not kuhn_poker"):
        _check(tmp_path, "def agent(obs, config): return 0\n", arenas.make("kuhn_poker"), nursery)


def test_a_bot_for_other_arenas(tmp_path: Path) -> None:
    (tmp_path / "bot.py").write_text("class Bot: ...\n")
    (tmp_path / "bot.toml").write_text('entry = "bot:Bot"\narenas = ["conect_four", "go"]\n')
    source = load_source(tmp_path)
    with pytest.raises(BotRejectedError) as caught:
        fits(source, "connect_four")
    assert str(caught.value) == (
        "its bot.toml says that it plays 'conect_four', 'go', not connect_four: "
        "'conect_four' should read 'connect_four'"
    )
    with pytest.raises(BotRejectedError, match="not chess: add 'chess' to `arenas` if it does"):
        fits(source, "chess")
    fits(source, "go")


def _checkpoint(folder: Path, arena: Arena, weight: float) -> Path:
    spec = arena.spec
    config = NetworkConfig.model_validate({"hidden": [8]})
    network = Network(config, spec.observation_shape, spec.num_actions)
    parameters = {name: torch.full(slot.shape, weight) for name, slot in network.layout.slots.items()}
    manifest = Manifest(
        arena=spec.name,
        observation_shape=spec.observation_shape,
        num_actions=spec.num_actions,
        network=config.model_dump(mode="json"),
    )
    store = CheckpointStore(folder)
    return store.path(store.save(parameters, manifest))


def test_a_checkpoint(tmp_path: Path, tic_tac_toe: Arena) -> None:
    path = _checkpoint(tmp_path, tic_tac_toe, 0.1)
    report = check_checkpoint(path, tic_tac_toe, "mine", path.stem)
    assert report.ok
    assert (report.language, report.version, report.size) == ("checkpoint", path.stem, path.stat().st_size)
    assert report.moves > 0
    with pytest.raises(BotRejectedError, match=r"plays tic_tac_toe .*, not connect_four"):
        check_checkpoint(path, arenas.make("connect_four"), "mine", path.stem)


def test_a_checkpoint_of_no_numbers(tmp_path: Path, tic_tac_toe: Arena) -> None:
    path = _checkpoint(tmp_path, tic_tac_toe, float("nan"))
    with pytest.raises(BotRejectedError, match=r"tensor .* has values that are no numbers"):
        check_checkpoint(path, tic_tac_toe, "mine", path.stem)
