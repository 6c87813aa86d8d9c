"""Trained teams as players: in `league match`, in rated matches on a real Redis, and submitted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import arenas
from agents.bots.manifest import BotRejectedError
from agents.checkpoint import CheckpointStore
from agents.teams.all_roles import save_roles
from agents.teams.policy import save_team
from league.cli import main
from league.config import LeagueConfig
from league.evaluator import Evaluator
from league.flags import unplayable
from league.process import Place, Process
from league.runs import create
from league.submission import submit
from league.throttle import Throttle
from matchmaking.records import Kind, Pairing, Player, new_id
from matchmaking.server import EmbeddedServer
from matchmaking.service import Matchmaker
from matchmaking.store import Store
from tests.agents.teams.test_all_roles import player
from tests.agents.teams.test_team_policy import policy

PAIRS = 3
TEAMS = ("spread", "soccer", "tag")


def saved(folder: Path, arena: str, seed: int = 0, **options: int) -> Path:
    """The checkpoint of a team, or of one for each role, that has learned nothing."""
    made, store = arenas.make(arena, **options), CheckpointStore(folder)
    if arena == "tag":
        return store.path(save_roles(store, player(made, seed=seed), 0))
    return store.path(save_team(store, policy(made, seed=seed), 0))


def match(a: Path | str, b: Path | str, arena: str, *words: str) -> Result:
    return CliRunner().invoke(main, ["match", str(a), str(b), "--arena", arena, "-n", "6", *words])


@pytest.mark.parametrize("arena", TEAMS)
def test_checkpoints_of_teams_play_each_other_and_the_heuristic(arena: str, tmp_path: Path) -> None:
    a, b = (saved(tmp_path, arena, seed) for seed in (0, 7))
    for other in (b, "heuristic"):
        result = match(a, other, arena, "--json")
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        assert found["games"] == found["wins"] + found["draws"] + found["losses"] == 6
        assert found["forfeits"] == [{}, {}]
    mirrored = json.loads(match("heuristic", a, arena, "--json").stdout)
    assert arena != "spread" or (mirrored["wins"], mirrored["losses"]) == (found["losses"], found["wins"])


@pytest.mark.parametrize(
    ("arena", "seats"),
    [("tag", ["as predators", "as prey"]), ("soccer", ["in seat 0", "in seat 1"]), ("spread", [])],
)
def test_seats_are_called_what_they_are(arena: str, seats: list[str]) -> None:
    told = match("heuristic", "random", arena).stdout.splitlines()
    assert [line.split(":")[0].strip() for line in told[6:]] == seats


@pytest.mark.parametrize(
    ("trained", "options", "arena"), [("spread", {"N": 4}, "spread"), ("spread", {}, "soccer"), ("tag", {}, "soccer")]
)
def test_a_checkpoint_that_does_not_fit_is_a_users_mistake(
    trained: str, options: dict[str, int], arena: str, tmp_path: Path
) -> None:
    result = match(saved(tmp_path, trained, **options), "random", arena)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert f"what was trained in {arena} with the same options fits" in result.stderr


class League:
    """A run without learners on a real Redis, and an evaluator on it in this process."""

    def __init__(self, root: Path, url: str, arena: str) -> None:
        players = {"main_agent": 0, "main_exploiter": 0, "league_exploiter": 0}
        layers = {"arena": arena, "redis": url, "evaluation": {"pairs": PAIRS}, "players": players}
        config = LeagueConfig.model_validate(layers)
        self.run = create(root / "runs", config, new_id("run"))
        self.store = Store.create(url, self.run.name, arena)
        self.arena = arenas.make(arena)
        process = Process("evaluator", Place(self.run, 0), config, self.store)
        self.evaluator = Evaluator(process, self.arena, Throttle(1.0))
        self.matchmaker = Matchmaker(self.store, pairs=PAIRS)

    def frozen(self, name: str, path: Path) -> Player:
        """A frozen player with the checkpoint at `path`."""
        place = self.run.checkpoints / path.name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(path.read_bytes())
        return self.store.register(Player(id=f"p_{name}", name=name, kind=Kind.FROZEN, checkpoint=path.stem))

    def play(self, a: Player, b: Player) -> str:
        """The outcomes of a rated pairing of these two, and no newcomer's before it."""
        pairing = Pairing(id=new_id("m"), a=a.id, b=b.id, pairs=PAIRS, seed=1)
        self.store.queue.enqueue([pairing], first=True)
        self.evaluator._matchmaker._known = len(self.store.players())
        assert self.evaluator.play_next()
        found = self.store.queue.matches()[-1]
        assert found.id == pairing.id
        return found.outcomes


@pytest.mark.parametrize("arena", TEAMS)
def test_frozen_teams_play_rated_matches(arena: str, server: EmbeddedServer, tmp_path: Path) -> None:
    league = League(tmp_path, server.url, arena)
    a, b = (league.frozen(name, saved(tmp_path, arena, seed)) for name, seed in (("a", 0), ("b", 7)))
    heuristic = league.store.register(Player(id="p_heuristic", name="heuristic", kind=Kind.SCRIPTED))
    assert len(league.play(a, b)) == len(league.play(b, heuristic)) == 2 * PAIRS
    assert not unplayable(league.store)


@pytest.mark.parametrize("arena", TEAMS)
def test_a_team_is_submitted_by_its_checkpoint(arena: str, server: EmbeddedServer, tmp_path: Path) -> None:
    league = League(tmp_path, server.url, arena)
    done = submit(league.run, league.matchmaker, saved(tmp_path, arena), "mine")
    assert done.report is not None and done.report.ok and done.report.language == "checkpoint"
    anchor = league.store.register(Player(id="p_heuristic", name="heuristic", kind=Kind.SCRIPTED))
    assert len(league.play(done.player, anchor)) == 2 * PAIRS
    other = "spread" if arena == "soccer" else "soccer"
    with pytest.raises(BotRejectedError, match=rf"not {arena} with teams of"):
        submit(league.run, league.matchmaker, saved(tmp_path, other), "other")


def test_players_of_unlike_roles_are_rated_by_role(server: EmbeddedServer, tmp_path: Path) -> None:
    league = League(tmp_path, server.url, "tag")
    heuristic, chance = (
        league.store.register(Player(id=f"p_{name}", name=name, kind=Kind.SCRIPTED)) for name in ("heuristic", "random")
    )
    outcomes = league.play(heuristic, chance)
    words = ["--run", league.run.name, "--runs-dir", str(league.run.path.parent)]
    told = json.loads(CliRunner().invoke(main, ["leaderboard", "--json", *words]).stdout)
    rows = {(row["name"], row["role"]): row for row in told["by_role"]}
    assert set(rows) == {(name, role) for name in ("heuristic", "random") for role in ("predators", "prey")}
    row = rows["heuristic", "predators"]
    assert (row["wins"], row["draws"], row["losses"]) == tuple(outcomes[0::2].count(letter) for letter in "wdl")
    assert rows["random", "prey"]["losses"] == row["wins"]
    shown = CliRunner().invoke(main, ["leaderboard", *words], env={"COLUMNS": "150"}).stdout
    assert "as predators" in shown and "as prey" in shown
    assert f"{row['rating']:.0f} ±{row['rating'] - row['rating_low']:.0f}" in shown
    page = CliRunner().invoke(main, ["export", "leaderboard", "--format", "html", "-o", "-", *words]).stdout
    assert "As prey" in page and "Playing the predators is worth" in page


def test_where_teams_are_alike_nobody_is_rated_by_role(server: EmbeddedServer, tmp_path: Path) -> None:
    league = League(tmp_path, server.url, "soccer")
    a, b = (
        league.store.register(Player(id=f"p_{name}", name=name, kind=Kind.SCRIPTED)) for name in ("heuristic", "random")
    )
    league.play(a, b)
    words = ["--run", league.run.name, "--runs-dir", str(league.run.path.parent)]
    assert json.loads(CliRunner().invoke(main, ["leaderboard", "--json", *words]).stdout)["by_role"] == []
    assert "as " not in CliRunner().invoke(main, ["leaderboard", *words]).stdout.splitlines()[1]


QUICK = "--steps 400 --every 200 --episodes 3 --environments 4 --set network.hidden=[8] --set batch=4"


def test_a_training_is_entered_into_a_run_at_its_end(server: EmbeddedServer, tmp_path: Path) -> None:
    league = League(tmp_path, server.url, "spread")
    out, run = tmp_path / "out", f"--runs-dir {league.run.path.parent}"
    words = f"train vdn spread {QUICK} -o {out} --submit {league.run.name} --name anna {run}"
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == f"its best is entered into run {league.run.name} as anna"
    (player,) = league.store.players()
    best = max(json.loads((out / "evaluations.json").read_text())["evaluations"], key=lambda each: each["return_sum"])
    assert (player.name, player.checkpoint) == ("anna", best["checkpoint"])
    again = CliRunner().invoke(main, f"submit {out} --name anna --run {league.run.name} --json {run}")
    assert json.loads(again.stdout)["entered"] is False
    anchor = league.store.register(Player(id="p_heuristic", name="heuristic", kind=Kind.SCRIPTED))
    outcomes = league.play(player, anchor)
    assert len(outcomes) == 2 * PAIRS, "a duel of one-team matches"
    matched = CliRunner().invoke(main, f"match {out} heuristic --arena spread -n 4 --json")
    assert json.loads(matched.stdout)["games"] == 4


def test_what_cannot_be_entered_is_not_trained(server: EmbeddedServer, tmp_path: Path) -> None:
    league = League(tmp_path, server.url, "spread")
    run = f"--submit {league.run.name} --runs-dir {league.run.path.parent} -o {tmp_path / 'out'}"
    for words, message in (
        ("foraging", "that run plays spread with teams of 3, and what is trained foraging with teams of 2"),
        ("spread --set arena.N=4", "plays spread with teams of 3, and what is trained spread with teams of 4"),
    ):
        result = CliRunner().invoke(main, f"train vdn {words} {QUICK} {run}")
        assert result.exit_code == 2, result.output
        assert message in result.stderr
    assert not (tmp_path / "out").exists()
    result = CliRunner().invoke(main, f"train vdn spread {QUICK} --name anna -o {tmp_path / 'out'}")
    assert (result.exit_code, "--submit" in result.stderr) == (2, True)
