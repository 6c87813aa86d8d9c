"""`league match`: a small unrated challenge."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import arenas
from agents.checkpoint import CheckpointStore, Manifest
from agents.networks import Network
from agents.scripted.registry import ScriptedPlayerError
from agents.settings import NetworkConfig
from league.challenge import challenge, summarise, wilson
from league.cli import main
from league.errors import InputError
from league.runs import RunFolder
from matchmaking.service import Matchmaker


def save_checkpoint(folder: Path) -> Path:
    """A network for tic-tac-toe as it is before it has learned anything."""
    spec = arenas.make("tic_tac_toe").spec
    config = NetworkConfig(hidden=(8,))
    network = Network(config, spec.observation_shape, spec.num_actions)
    flat = network.initial(torch.Generator().manual_seed(0))
    parameters = {name: view[0] for name, view in network.layout.views(flat).items()}
    manifest = Manifest(
        arena=spec.name,
        observation_shape=spec.observation_shape,
        num_actions=spec.num_actions,
        network=config.model_dump(mode="json"),
    )
    store = CheckpointStore(folder)
    return store.path(store.save(parameters, manifest))


def test_the_perfect_player_does_not_lose() -> None:
    played = challenge(arenas.make("tic_tac_toe"), "perfect", "random", games=60, seed=1)
    assert played.games == 60
    assert played.losses == 0
    assert played.score > 0.8
    assert played.score_low < played.score <= played.score_high
    assert played == challenge(arenas.make("tic_tac_toe"), "perfect", "random", games=60, seed=1)


def test_a_checkpoint_plays_by_its_path(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path)
    played = challenge(arenas.make("tic_tac_toe"), str(path), "perfect", games=20)
    assert played.wins == 0
    result = CliRunner().invoke(main, ["match", str(path), "random", "-n", "10", "--arena", "tic_tac_toe", "--json"])
    assert json.loads(result.stdout)["games"] == 10


def test_a_damaged_checkpoint_is_a_state_that_does_not_match(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path)
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    result = CliRunner().invoke(main, ["match", str(path), "random", "--arena", "tic_tac_toe"])
    assert result.exit_code == 4
    assert "sha256" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_players_of_a_run(made_up: RunFolder, matchmaker: Matchmaker) -> None:
    arena = arenas.make("connect_four")
    with pytest.raises(InputError, match="main_agent-1 cannot play"):
        challenge(arena, "main_agent-1", "random", run=made_up, matchmaker=matchmaker)
    with pytest.raises(InputError, match=r"main_agent-1\.v2 cannot play: .*no such file"):
        challenge(arena, "main_agent", "random", run=made_up, matchmaker=matchmaker)
    with pytest.raises(ScriptedPlayerError, match="no scripted player 'nobody': in connect_four there are alpha_beta"):
        challenge(arena, "nobody", "random")


def test_counts_by_seat() -> None:
    played = summarise("x", "a", "b", 0, "wlddww")
    assert (played.wins, played.draws, played.losses, played.games) == (3, 2, 1, 6)
    assert (played.wins_by_seat, played.draws_by_seat, played.losses_by_seat) == ((2, 1), (1, 1), (0, 1))
    assert played.score == pytest.approx(4 / 6)


def test_the_interval_is_wilsons() -> None:
    low, high = wilson(0.5, 100)  # Wilson 1927; the textbook's value for 50 of 100
    assert low == pytest.approx(0.4038, abs=1e-4)
    assert high == pytest.approx(0.5962, abs=1e-4)
    assert wilson(1.0, 10)[1] == pytest.approx(1.0)
    assert 0.0 <= wilson(0.0, 10)[0] < 1e-9
