"""`league evaluate`: the same weights in our arena and in mpe2's own environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import arenas
from agents.checkpoint import CheckpointStore
from agents.teams.evaluation import student
from agents.teams.policy import save_team
from league.cli import main
from league.errors import InputError
from league.evaluating import Environment, Measured, evaluate, over_trainings, subjects
from tests.agents.teams.test_team_policy import policy
from tests.league.test_team_players import saved


def call(*words: object) -> Result:
    return CliRunner().invoke(main, ["evaluate", *map(str, words)])


def both(player: str, arena: str, episodes: int, **options: int) -> tuple[list[Measured], list[Measured]]:
    """What a player gets in our arena, and in mpe2's environment."""
    (subject,) = subjects(player, arena, options)
    places: tuple[Environment, Environment] = ("native", "mpe2")
    native, foreign = (evaluate(subject, place, episodes=episodes, seed=3) for place in places)
    return native, foreign


def assert_agree(native: Measured, foreign: Measured) -> None:
    """Means of independent episodes are apart by no more than both intervals together, which is 2.8 deviations."""
    assert native.environment == "native"
    assert foreign.environment.startswith("mpe2 1.")
    for scale in ("return_sum", "return_per_agent"):
        one, other = getattr(native, scale), getattr(foreign, scale)
        assert abs(one.mean - other.mean) <= one.high - one.mean + other.high - other.mean


@pytest.mark.parametrize("arena", ["spread", "speaker_listener", "tag"])
def test_our_arenas_and_mpe2_agree_on_the_heuristic(arena: str) -> None:
    """It gets far from what chance gets, so an observation or action that is another there would be seen."""
    native, foreign = both("heuristic", arena, 100)
    (chance, *_), _ = both("random", arena, 100) if arena != "tag" else (native, foreign)
    for ours, theirs in zip(native, foreign, strict=True):
        assert_agree(ours, theirs)
    if arena != "tag":
        assert native[0].return_sum.low is not None and chance.return_sum.high is not None
        assert native[0].return_sum.low > chance.return_sum.high
    else:
        assert [row.team for row in foreign] == ["predators", "prey"]
        assert foreign[0].return_sum.mean > 0 > foreign[1].return_sum.mean


@pytest.mark.parametrize("sharing", [True, False])
def test_the_same_weights_agree_in_both(sharing: bool, tmp_path: Path) -> None:
    arena, store = arenas.make("spread", N=2), CheckpointStore(tmp_path)
    path = store.path(save_team(store, policy(arena, sharing=sharing), 0))
    (native,), (foreign,) = both(str(path), "spread", 100, N=2)
    assert_agree(native, foreign)
    assert native.return_published is None, "two agents are not the paper's task"


def test_a_checkpoint_of_all_roles_plays_itself_in_both(tmp_path: Path) -> None:
    native, foreign = both(str(saved(tmp_path, "tag")), "tag", 50)
    for ours, theirs in zip(native, foreign, strict=True):
        assert ours.against == theirs.against == "itself"
        assert_agree(ours, theirs)


def test_every_scale_is_told_with_its_interval(tmp_path: Path) -> None:
    result = call(saved(tmp_path, "spread"), "--episodes", 20, "--json")
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)["measured"]
    assert (row["environment"], row["episodes"], row["against"], row["team"]) == ("native", 20, None, "team 0")
    total, each, published = (row[f"return_{scale}"] for scale in ("sum", "per_agent", "published"))
    for end in ("mean", "low", "high"):
        assert each[end] == pytest.approx(total[end] / 3)
        assert published[end] == pytest.approx(2 * total[end] - 75)
    assert total["low"] < total["mean"] < total["high"]
    assert "Papoudakis" in row["published_scale"]
    assert row["length"] == {"mean": 25.0, "low": 25.0, "high": 25.0}
    assert student([1.0]) == (1.0, None, None)


def test_a_folder_is_evaluated_seed_by_seed(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    quick = "--steps 400 --every 400 --episodes 8 --environments 4 --set network.hidden=[8] --set batch=4 --seeds 2"
    trained = CliRunner().invoke(main, f"train vdn spread {quick} -o {folder}")
    assert trained.exit_code == 0, trained.output
    result = call(folder, "--episodes", 8, "--json")
    told = json.loads(result.stdout)
    assert [row["training_seed"] for row in told["measured"]] == [0, 1]
    best = json.loads((folder / "seed-0" / "evaluations.json").read_text())["evaluations"]
    assert told["measured"][0]["return_sum"]["mean"] == pytest.approx(max(point["return_sum"] for point in best))
    (together,) = told["over_seeds"]
    mean = sum(row["return_sum"]["mean"] for row in told["measured"]) / 2
    assert together["return_sum"]["mean"] == pytest.approx(mean)
    assert together["return_sum"]["seeds"] == 2
    shown = call(folder, "--episodes", 8).stdout.splitlines()
    assert shown[1] == "seed 0, native"
    assert shown[-1].startswith("over 2 seeds, native: return of the team ")
    with pytest.raises(InputError, match="was trained in spread: leave arena and options out"):
        subjects(str(folder), "tag")
    assert over_trainings([]) == []


def test_against_somebody(tmp_path: Path) -> None:
    path = saved(tmp_path, "tag")
    told = json.loads(call(path, "--against", "heuristic", "--episodes", 20, "--json").stdout)["measured"]
    assert [(row["team"], row["against"]) for row in told] == [("predators", "heuristic"), ("prey", "heuristic")]
    shown = call(path, "--against", "heuristic", "--episodes", 20).stdout
    assert "native, prey against heuristic" in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("heuristic",), "--arena: which arena is heuristic to play?"),
        (("heuristic", "--arena", "foraging", "--environment", "mpe2"), "foraging is none of mpe2's; spread, speaker_"),
        (("heuristic", "--arena", "spread", "--against", "random"), "spread has one team, and nobody plays against it"),
        (("heuristic", "--arena", "spread", "--set", "N=4"), "options of the arena here, such as --set arena.N=4"),
        (("heuristic", "--arena", "sprad"), "did you mean spread?"),
        (("nothing.safetensors", "--arena", "spread"), "no such file"),
    ],
)
def test_bad_input_is_one_line(words: tuple[str, ...], message: str) -> None:
    result = call(*words)
    assert result.exit_code == (4 if "safetensors" in words[0] else 2), result.output
    (line,) = result.stderr.splitlines()
    assert message in line
