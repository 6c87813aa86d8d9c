"""Players of an arena whose teams are not alike, in training: a team for each role, and what a league makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from agents.checkpoint import CheckpointStore
from agents.teams import registry
from agents.teams.all_roles import AllRoles, Teams, load_player, player_of, save_roles
from agents.teams.credit_settings import Credit, CreditConfig
from agents.teams.policy import TeamPolicy
from arenas.core import Arena
from arenas.registry import make
from arenas.shaping import DifferenceRewards, PotentialShaping, layers
from league.team_trainer import HostedTeam, TeamPlan, TeamTrainer
from league.team_weights import OpponentTeams, publish_teams
from league.weights import LiveWeights
from matchmaking.population import Population
from matchmaking.records import Kind, Player, Role
from matchmaking.service import Matchmaker
from tests.agents.teams.test_all_roles import player as both_roles
from tests.league.learners import League, rules
from tests.league.test_team_league import rated_pairs
from tests.league.test_team_trainer import CPU, InTurn, check_that_it_goes_on_alike, games, plan

FROZEN = ("old", "older")
NETWORK = {"hidden": [8], "memory": 0}


def chase() -> Arena:
    return make("tag", num_good=2, max_cycles=5)


def frozen(player: str) -> Teams | None:
    """Frozen players of two shapes; nobody has seen any other."""
    return both_roles(chase(), seed=len(player), sharing=player == "old").teams if player in FROZEN else None


def trainer(*opponents: str, algorithms: Sequence[str] = ("mappo", "ippo")) -> TeamTrainer:
    players = [Player(id=name, name=name, kind=Kind.LEARNER, role=Role.MAIN_AGENT) for name in (*algorithms, "unseen")]
    players += [Player(id=name, name=name, kind=Kind.FROZEN, checkpoint=name) for name in FROZEN]
    rule = {name: InTurn(*opponents) for name in algorithms}
    plans = {name: plan(name, lanes=2) for name in algorithms}
    return TeamTrainer(chase(), plans, rule, Population(players), frozen, CPU, seed=0)


def test_the_roles_of_a_player_are_trained_in_turns_each_in_its_own_seat() -> None:
    training = trainer("old", "ippo", algorithms=("mappo", "ippo"))
    assert training.parts["mappo"] == ("mappo.predators", "mappo.prey")
    seats: dict[str, list[int]] = {"mappo": [], "ippo": []}
    for _ in range(8):
        iteration = training.iterate()
        (player,) = (name for name, samples in iteration.samples.items() if samples)
        assert iteration.samples[player] == 8 * 5
        (seat,) = {row.seat for row in iteration.counts}
        seats[player].append(seat)
        met = ("old", "ippo") if player == "mappo" else ("old",)  # against itself nothing counts
        assert games(iteration) == {(player, name, seat): 4 for name in met}
    assert seats == {"mappo": [0, 1, 0, 1], "ippo": [0, 1, 0, 1]}
    figures = iteration.figures["mappo"]
    assert {name.partition("_")[0] for name in figures} == {"predators", "prey"}
    assert len(figures) % 2 == 0


@pytest.mark.parametrize(("part", "facing"), [("mappo.predators", 1), ("mappo.prey", 0)])
def test_a_role_faces_the_other_role_of_its_opponents(part: str, facing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    training = trainer("older", "ippo", "mappo", "unseen", algorithms=("mappo", "ippo"))
    lanes: list[TeamPolicy] = []
    hosted = training.hosted[part]
    monkeypatch.setattr(hosted.lanes, "load", lanes.extend)
    expected = {name: training._team(name) or training._own("mappo") for name in ("older", "ippo", "mappo", "unseen")}
    for _ in range(2):
        line_up, _branches = training._line_up("mappo", part)
        for name, team in zip(line_up, lanes[-2:], strict=True):
            assert torch.equal(team.weights, expected[name][facing].weights)
            assert team.setup.team == facing
    assert len(lanes) == 4


def test_a_training_step_changes_one_role_and_a_reset_both() -> None:
    training = trainer("old", algorithms=("mappo",))
    first = training._own("mappo")
    assert first[0].weights.shape == first[1].weights.shape
    assert not torch.equal(first[0].weights, first[1].weights), "each role begins by itself"
    training.iterate()
    then = training._own("mappo")
    assert not torch.equal(then[0].weights, first[0].weights)
    assert torch.equal(then[1].weights, first[1].weights)
    assert len(training.weights("mappo")) == sum(team.weights.numel() for team in first)
    training.reset("mappo")
    for fresh, team in zip(training._own("mappo"), first, strict=True):
        assert not torch.equal(fresh.weights, team.weights)
    assert all(hosted.learner.environment_steps == 0 for hosted in training.hosted.values())


def test_it_goes_on_from_its_state_to_the_last_bit() -> None:
    one, other = (trainer("old", "ippo", "older", "mappo") for _ in range(2))
    for _ in range(3):
        one.iterate()
    one.reset("ippo")
    one.iterate()
    check_that_it_goes_on_alike(one, other)


def test_both_roles_stand_in_one_checkpoint_and_in_one_live_file(tmp_path: Path) -> None:
    training, store, live = trainer("old"), CheckpointStore(tmp_path), LiveWeights(tmp_path / "live")
    sha = training.checkpoint("mappo", store, steps=17)
    _, manifest = store.load(sha)
    assert (manifest.steps, manifest.parent) == (17, "mappo")
    made = load_player(store.path(sha), chase())
    assert isinstance(made, AllRoles)
    assert [team.temperature for team in made.teams] == [1.0, 1.0]
    training.publish("mappo", live)
    players = {
        "f": Player(id="f", name="f", kind=Kind.FROZEN, checkpoint=sha),
        "mappo": Player(id="mappo", name="mappo", kind=Kind.LEARNER),
    }
    teams = OpponentTeams(chase(), store, live, players.__getitem__, CPU)
    for name in players:
        found = teams(name)
        assert found is not None
        assert torch.equal(torch.cat([team.weights.flatten() for team in found]), training.weights("mappo"))
        assert player_of(found).record() == made.record()
    publish_teams(live, "mappo", both_roles(chase(), seed=5, sharing=False).teams)
    found = teams("mappo")
    assert found is not None
    assert save_roles(store, AllRoles(found), 0) == save_roles(store, both_roles(chase(), seed=5, sharing=False), 0)


@pytest.mark.parametrize("role", [0, 1])
def test_a_role_learns_from_the_rewards_that_its_plan_names(role: int) -> None:
    config = registry.find("ippo").settings().model_validate({"environments": 4, "epochs": 1, "reward": "agent"})
    credit = CreditConfig(credit=Credit.DIFFERENCE, potential="chase", potential_weight=2.0)
    hosted = HostedTeam(chase(), TeamPlan("ippo", config, 4, 1, 1.0, 3, credit), CPU, role)
    arena, changed = layers(hosted.versus.arena)
    assert changed == ()
    inner, outer = hosted.versus._rewarded
    assert isinstance(inner, DifferenceRewards)
    assert isinstance(outer, PotentialShaping)
    assert outer.discount == dict(config)["discount"]
    opponents = both_roles(chase()).teams
    hosted.lanes.load([opponents[1 - role]])
    assert hosted.learner.train_step()
    assert hosted.policy().spec is arena.spec


def test_a_league_rates_what_it_trains_in_both_roles(tmp_path: Path) -> None:
    ppo = {"epochs": 1, "environments": 8, "actor_network": NETWORK, "critic_network": NETWORK}
    soon: dict[str, object] = {"min_steps": 0, "max_steps": 80}
    league = League(
        tmp_path,
        {
            "arena": "tag",
            "arena_options": {"max_cycles": 5},
            "teams": {
                "mappo": {"algorithm": "mappo", "settings": ppo},
                "ippo": {"algorithm": "ippo", "role": "main_exploiter", "settings": ppo},
            },
            "rollout": {"lanes": 2},
            "run": {"steps": 200, "tensorboard": False},
            "evaluation": {"anchors": ["heuristic"], "pairs": 2},
            "roles": rules(main_agent=soon, main_exploiter=soon),
        },
    )
    try:
        league.learner().run()
        names = {player.id: player.name for player in league.store.players()}
        assert {"mappo.v0", "mappo.v1", "ippo.v0"} <= set(names.values())
        ids = {name: player for player, name in names.items()}
        met = {names[opponent] for opponent in league.store.payoff_row(ids["ippo"])}
        assert "mappo" in met, "the exploiter has met the live main agent"
        assert rated_pairs(league)
        roles = make("tag").spec.roles
        rated = {
            (row.name.partition(".")[0], row.role) for row in Matchmaker(league.store).standings(roles=roles).by_role
        }
        assert rated == {(name, role) for name in ("mappo", "ippo", "heuristic") for role in roles}
    finally:
        league.close()
