"""`league match`: a small unrated challenge."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

import arenas
from agents.checkpoint import CheckpointStore, Manifest
from agents.networks import Network
from agents.scripted.registry import ScriptedPlayerError
from agents.settings import NetworkConfig
from arenas.replay import MatchRecord, replay
from league.challenge import LOOK, Keep, challenge, summarise
from league.cli import main
from league.errors import InputError
from league.replaying import read_records
from league.runs import RunFolder
from matchmaking.service import Matchmaker
from matchmaking.sprt import Sprt, Verdict


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


def test_figures_come_from_the_pairs() -> None:
    """The seat decides: single matches look like noise, pairs say that the two are equal."""
    played = summarise("x", "a", "b", 0, "wl" * 100)
    assert played.pairs == (0, 0, 100, 0, 0)
    assert (played.score, played.elo) == (0.5, 0.0)
    assert played.superiority == pytest.approx(0.5)
    assert played.score_high - played.score_low < 0.03, "and by single matches 0.14"
    won = summarise("x", "a", "b", 0, "ww" * 10)
    assert (won.score_high, won.elo, won.elo_high) == (1.0, None, None), "JSON has no infinity"
    assert won.elo_low == pytest.approx(269.66, abs=0.01), "a score of exp(-1.92 / 10)"
    lost = summarise("x", "a", "b", 0, "ll" * 10)
    assert (lost.elo, lost.elo_low) == (None, None)
    assert lost.elo_high == pytest.approx(-269.66, abs=0.01)
    assert lost.superiority == pytest.approx(1 - won.superiority)


def test_a_sequential_test_stops_when_it_is_decided() -> None:
    arena = arenas.make("tic_tac_toe")
    whole = challenge(arena, "perfect", "random", games=2000, seed=1)
    played = challenge(arena, "perfect", "random", games=2000, seed=1, sprt=Sprt(0, 100))
    assert played.sprt is not None and whole.sprt is None
    assert played.sprt.verdict is Verdict.H1
    assert played.sprt.llr >= played.sprt.upper == pytest.approx(2.944, abs=1e-3)
    assert played.games < 200 and played.games % (2 * LOOK) == 0
    again = challenge(arena, "perfect", "random", games=played.games, seed=1)
    assert again.pairs == played.pairs, "the matches are those that are played without a test"
    reverse = challenge(arena, "random", "perfect", games=2000, seed=1, sprt=Sprt(0, 100))
    assert reverse.sprt is not None and reverse.sprt.verdict is Verdict.H0
    capped = challenge(arena, "random", "random", games=50, seed=1, sprt=Sprt(0, 5))
    assert capped.games == 50
    assert capped.sprt is not None and capped.sprt.verdict is Verdict.UNDECIDED
    assert capped.pairs == challenge(arena, "random", "random", games=50, seed=1).pairs, "over several looks, too"


def call(*words: str) -> Result:
    return CliRunner().invoke(main, ["match", "perfect", "random", "--arena", "tic_tac_toe", *words])


def test_what_a_person_reads() -> None:
    result = call("-n", "400", "--sprt", "elo0=0, elo1=50, alpha=0.01")
    lines = result.stdout.splitlines()
    assert "Elo difference +" in lines[3] and "95 % interval +" in lines[3]
    assert lines[4].startswith("  likelihood of superiority 9") or "100.0%" in lines[4]
    assert lines[5].startswith("  seat-swapped pairs by points: 0: 0, 0.5: ")
    assert lines[-1].startswith("  SPRT after ")
    assert "H1 accepted: Elo 50 rather than 0; log-likelihood ratio " in lines[-1]
    assert lines[-1].endswith("in (-2.99, 4.55), alpha 0.01, beta 0.05")
    assert "undecided between Elo 0 (H0) and 5 (H1)" in call("-n", "2", "--sprt", "elo0=0,elo1=5").stdout
    report = json.loads(call("-n", "400", "--sprt", "elo0=0,elo1=50", "--json").stdout)
    assert (report["sprt"]["verdict"], report["sprt"]["elo1"], report["sprt"]["alpha"]) == ("H1", 50.0, 0.05)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("elo0=0", "elo1 missing, as in elo0=0,elo1=20"),
        ("", "'': there is no ''; valid: alpha, beta, elo0, elo1"),
        ("elo0=0,elo2=5", "'elo2=5': there is no 'elo2'; did you mean 'elo1'?"),
        ("elo0=0,elo1=x", "'elo1=x': elo1 has to be a number, as in elo1=20"),
        ("elo0=0,elo1", "'elo1': elo1 has to be a number, as in elo1=20"),
        ("elo0=0,elo1=5,alpha=", "'alpha=': alpha has to be a number, as in alpha=0.05"),
        ("elo0=0,elo0=1,elo1=5", "elo0 is given twice"),
        ("elo0=20,elo1=0", "elo0 has to be below elo1, not 20 and 0"),
        ("elo0=0,elo1=nan", "elo0 has to be below elo1, not 0 and nan"),
        ("elo0=0,elo1=5,beta=0.9", "alpha and beta have to be between 0 and 0.5, not 0.05 and 0.9"),
    ],
)
def test_a_test_that_is_not_written_right(text: str, message: str) -> None:
    result = call("--sprt", text)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].endswith(message)


def test_where_is_played_is_a_run_or_an_arena() -> None:
    both = call("--run", "x")
    neither = CliRunner().invoke(main, ["match", "perfect", "random"])
    assert (both.exit_code, neither.exit_code) == (2, 2)
    assert both.stderr.endswith("--run brings its own arena: give either --run or --arena\n")
    assert neither.stderr.endswith("; or name the game with --arena\n")


RAISES = "def act(observation, action_mask, clock):\n    raise ValueError('no idea')\n"


def test_every_match_can_be_kept_and_played_again_to_the_same_end(tmp_path: Path) -> None:
    (tmp_path / "raises.py").write_text(RAISES)
    kept = tmp_path / "kept.json"
    for a, b in (("random", "random"), (str(tmp_path / "raises.py"), "perfect")):
        words = ["match", a, b, "-n", "4", "--arena", "tic_tac_toe", "--sprt", "elo0=0,elo1=20", "--save", str(kept)]
        result = CliRunner().invoke(main, [*words, "--isolation", "none"])
        assert result.exit_code == 0, result.output
        matches = read_records(kept)
        assert [match.id for match in matches] == [f"match/{number}" for number in range(4)]
        arena = arenas.make("tic_tac_toe")
        for match in matches:
            *_, last = replay(arena, match)
            assert last.last
        names = ("raises", "perfect") if b == "perfect" else ("random#1", "random#2")
        assert [match.players for match in matches] == 2 * [names, names[::-1]]
        won = sum(match.returns[match.players.index(names[0])] > 0 for match in matches)
        assert f"  {won} won" in result.stdout
        assert f"wrote {kept}" in result.stdout
    assert [note.code for match in matches for note in match.forfeits] == ["CRASH"] * 4
    shown = CliRunner().invoke(main, ["replay", str(kept)])
    assert shown.stdout.count("raises forfeits (CRASH: ValueError: no idea)") == 4


def test_where_matches_are_kept_has_to_be_known_again() -> None:
    words = ["match", "random", "perfect", "--arena", "tic_tac_toe", "--save", "kept.txt"]
    assert "a name that ends in .json" in CliRunner().invoke(main, words).stderr


def test_where_matches_cannot_be_kept_nothing_is_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("league.challenge.play_pairs", None)
    (tmp_path / "file").touch()
    (tmp_path / "folder.json").mkdir()
    for path in (tmp_path / "file" / "kept.json", tmp_path / "folder.json", tmp_path / f"{'x' * 300}.json"):
        result = call("--save", str(path))
        assert result.exit_code in (1, 2)
        assert str(path) in result.stderr.splitlines()[-1], result.output
    many = call("-n", "10001", "--save", str(tmp_path / "kept.json"))
    assert many.exit_code == 2
    assert many.stderr.splitlines()[-1].endswith("--save keeps at most 10,000 matches, and -n is 10,001")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder.json"]


def test_a_result_is_not_lost_with_its_matches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("league.replaying.LARGEST", 100)
    for words in ((), ("--json",)):
        result = call("-n", "2", "--save", str(tmp_path / "kept.json"), *words)
        assert result.exit_code == 2
        assert "2 matches take " in result.stderr.splitlines()[-1]
        assert "won" in result.stdout or json.loads(result.stdout)["games"] == 2
    assert not list(tmp_path.iterdir())


def test_matches_are_kept_with_the_options_of_their_arena(tmp_path: Path) -> None:
    kept: list[MatchRecord] = []
    arena = arenas.make("rock_paper_scissors", rounds=3)
    played = challenge(arena, "random", "random", games=4, keep=Keep(kept.extend, {"rounds": 3}))
    assert (len(kept), played.games) == (4, 4)
    for record in kept:
        *_, last = replay(arenas.make(record.arena, **record.options), record)
        assert last.last
