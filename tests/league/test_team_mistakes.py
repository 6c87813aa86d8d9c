"""Mistakes of people in leagues of teams: one line that says what is wrong and what would fit, and nothing is begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from league.toml import dumps
from tests.league.test_cli import call, one_line

MAPPO: dict[str, object] = {"algorithm": "mappo"}
TEAM_FILES: list[tuple[str, dict[str, object], str]] = [
    # rewards
    (
        "soccer",
        {"algorithm": "qmix", "rewards": {"credit": "difference"}},
        "teams.q.rewards: qmix learns from the team's sum, and the sum of difference rewards has another aim than the "
        "team: credit=difference fits ippo, iql, maddpg, mappo",
    ),
    (
        "soccer",
        {"algorithm": "iql", "settings": {"reward": "team"}, "rewards": {"credit": "difference"}},
        "teams.q.settings: credit=difference rewards each agent by itself, not with reward=team: leave that out",
    ),
    ("soccer", MAPPO | {"rewards": "difference"}, "teams.q.rewards = 'difference' is not valid: expected a table"),
    ("soccer", MAPPO | {"rewards": {"credit": "diference"}}, "did you mean 'difference'?"),
    ("soccer", MAPPO | {"rewards": {"credits": "arena"}}, "'teams.q.rewards.credits'; did you mean 'credit'?"),
    ("soccer", MAPPO | {"rewards": {"credit": "difference", "credit_default": 9}}, "its actions are 0 to 4"),
    ("soccer", MAPPO | {"rewards": {"credit_steps": 2}}, "are of difference rewards: set credit = 'difference' too"),
    ("soccer", MAPPO | {"rewards": {"potential_weight": 2.0}}, "none is named: set potential too"),
    ("soccer", MAPPO | {"rewards": {"potential": "cover"}}, "(mappo): soccer has no potential 'cover': it has ball"),
    ("tag", MAPPO | {"rewards": {"potential": "chas"}}, "teams.q.predators (mappo): tag has no potential 'chas': did"),
    ("tag", MAPPO | {"rewards": {"credit": "difference", "credit_steps": 1}}, "difference is 0; take 2 or more"),
    ("prisoners_dilemma", MAPPO | {"rewards": {"potential": "x"}}, "there are some of foraging, soccer, spread, tag"),
    # keys in the wrong place
    ("soccer", MAPPO | {"credit": "difference"}, "what a team is rewarded with is set by teams.q.rewards.credit"),
    ("soccer", MAPPO | {"settings": {"potential": "ball"}}, "is set by teams.q.rewards.potential"),
    ("soccer", MAPPO | {"curriculum": {"sizes": [1]}}, "'teams.q.curriculum'; a curriculum is for `league train`"),
    ("soccer", MAPPO | {"settings": {"curriculum": {"sizes": [1]}}}, "a curriculum is for `league train`"),
    ("soccer", MAPPO | {"settings": {"arena": {"players": 1}}}, "options are those of the league: arena_options"),
    ("soccer", MAPPO | {"learning_rate": 0.1}, "a setting of an algorithm is set by teams.q.settings.learning_rate"),
    ("soccer", MAPPO | {"settings": {"learning_rat": 0.1}}, "did you mean 'learning_rate'?"),
    # the arena
    ("spread", MAPPO, "spread has one team, and a league trains teams where two teams move together"),
    ("connect_four", MAPPO, "its agents move one after the other"),
    ("tag", {"algorithm": "ppo"}, "teams.q.algorithm: no algorithm 'ppo'; did you mean 'ippo'?"),
    ("tag", {"algorithm": "qmix", "settings": {"reward": "agent"}}, "teams.q.predators (qmix): qmix: value decompos"),
    ("tag", MAPPO | {"environments": 7}, "teams.q.environments = 7 is not valid: expected a multiple of 2"),
]


def check_refusal(words: str, message: str, runs: Path) -> None:
    """`league start` refuses these words in one line that holds the message, and makes no run."""
    assert message in one_line(call(f"start {words} --for 1s --runs-dir {runs}"), 2)
    assert not runs.exists()


@pytest.mark.parametrize(
    ("arena", "team", "message"), TEAM_FILES, ids=[f"{arena}-{number}" for number, (arena, *_) in enumerate(TEAM_FILES)]
)
def test_a_mistake_in_a_league_file_is_told_in_one_line(
    arena: str, team: dict[str, object], message: str, tmp_path: Path
) -> None:
    file = tmp_path / "league.toml"
    file.write_text(dumps({"arena": arena, "teams": {"q": team}}), encoding="utf-8")
    check_refusal(f"--config {file}", message, tmp_path / "runs")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("tag --players main_agent=2", "say how many by teams.mappo.count, or leave them out with `--players none`"),
        ("tag --set teams.mappo.reward=agent", "is set by teams.mappo.settings.reward"),
        ("tag --set teams.mappo.rewards.credit=diff", "teams.mappo.rewards.credit = 'diff' is not valid"),
        ("tag --set teams.mapo.role=main_agent", "the key 'teams.mapo.algorithm' is missing"),
        ("tag --set arena_options.num_adversaries=0", "num_adversaries has to be a whole number from 1, not 0"),
        ("tag --set arena_options.predators=2", "its options are num_good, num_adversaries"),
        ("foraging", "teams of 2: `league train ALGORITHM foraging` trains a team of it; without learners (--pl"),
        ("speaker_listener", "`league train ALGORITHM speaker_listener` trains a team of it"),
        ("tag --config {none}", "teams of 3 and 1: a league of teams names its learners in [teams]"),
    ],
)
def test_a_mistake_in_a_command_line_is_told_in_one_line(words: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "none.toml"
    file.write_text("[teams]\n", encoding="utf-8")
    check_refusal(words.format(none=file), message, tmp_path / "runs")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("mappo spread --set credit_steps=2", "credit_default and credit_steps are of difference rewards"),
        ("mappo spread --set potential_weight=2", "potential_weight multiplies a potential, and none is named"),
        ("mappo tag", "`league start tag` trains a league in it"),
        ("qmix soccer", "`league start soccer` trains a league in it"),
        ("qmx spread --set credit=difference", "no algorithm 'qmx'; did you mean 'qmix'?"),
        ("mappo spread --set rewards.credit=difference", "unknown key 'rewards'"),
    ],
)
def test_a_mistake_in_a_training_is_told_in_one_line(words: str, message: str, tmp_path: Path) -> None:
    assert message in one_line(call(f"train {words} -o {tmp_path / 'out'}"), 2)
    assert not (tmp_path / "out").exists()
