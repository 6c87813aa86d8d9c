"""The training of teams by algorithms of their own against teams of all kinds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from agents.checkpoint import CheckpointError, CheckpointStore
from agents.teams import registry
from agents.teams.all_roles import Teams
from agents.teams.policy import TeamPolicy, load_team, save_team
from arenas.core import Arena
from arenas.registry import make
from league import team_trainer
from league.team_trainer import HostedTeam, TeamPlan, TeamTrainer, compact, whole
from league.team_weights import CAPACITY, OpponentTeams, publish_teams
from league.training import Iteration
from league.weights import LiveWeights
from matchmaking.population import Population
from matchmaking.records import Kind, Player, Role
from matchmaking.rules.core import BaseRule, Choice
from tests.agents.teams.test_team_policy import policy

CPU = torch.device("cpu")
SETTINGS: dict[str, dict[str, object]] = {
    "qmix": {"buffer": 16, "batch": 4, "network": {"hidden": [8], "memory": 4}},
    "mappo": {"environments": 8, "epochs": 1},
    "ippo": {"environments": 8, "epochs": 1},
}
FROZEN = ("small", "large", "separate")


class InTurn(BaseRule):
    """The opponents of a list, one after the other, over and over."""

    def __init__(self, *opponents: str) -> None:
        self.opponents, self.next = opponents, 0

    def choose_many(self, population: Population, learner: str, rng: np.random.Generator, count: int) -> list[Choice]:
        rng.random()  # whatever else is chosen must not depend on it
        first, self.next = self.next, self.next + count
        return [Choice(self.opponents[(first + each) % len(self.opponents)], "turn") for each in range(count)]

    def state(self) -> dict[str, int]:
        return {"next": self.next}

    def load_state(self, state: dict[str, int]) -> None:
        self.next = state["next"]


def pitch() -> Arena:
    return make("soccer", players=2, rows=3, columns=5, max_steps=6, turned=True)


def plan(algorithm: str, *, environments: int = 8, lanes: int = 4, temperature: float = 1.0) -> TeamPlan:
    config = registry.find(algorithm).settings().model_validate(SETTINGS[algorithm])
    return TeamPlan(algorithm, config, environments, lanes, temperature, seed=3)


def frozen_team(player: str) -> Teams | None:
    """Frozen teams of three shapes; nobody has seen any other."""
    if player not in FROZEN:
        return None
    return (policy(pitch(), sharing=player != "separate", memory=4 if player == "small" else 0, seed=len(player)),)


def trainer(*opponents: str, algorithms: Sequence[str] = ("qmix", "mappo", "ippo")) -> TeamTrainer:
    """A trainer of teams that are called as their algorithms are, in a league with the frozen teams."""
    names = [*algorithms, "elsewhere"]
    players = [Player(id=name, name=name, kind=Kind.LEARNER, role=Role.MAIN_AGENT) for name in names]
    players += [Player(id=name, name=name, kind=Kind.FROZEN, checkpoint=name) for name in FROZEN]
    population = Population(players)
    rule = {name: InTurn(*opponents) for name in algorithms}
    return TeamTrainer(pitch(), {name: plan(name) for name in algorithms}, rule, population, frozen_team, CPU, seed=0)


def games(iteration: Iteration) -> dict[tuple[str, str, int], int]:
    return {(row.player, row.opponent, row.seat): row.games for row in iteration.counts}


def test_every_opponent_is_met_from_both_seats_and_every_episode_counts_once() -> None:
    training = trainer("small", "large", "separate", "mappo", algorithms=("qmix", "mappo"))
    iteration = training.iterate()
    assert iteration.branches == {"qmix": {"turn": 4}}
    seen = {("qmix", name, seat): 1 for name in ("small", "large", "separate", "mappo") for seat in (0, 1)}
    assert games(iteration) == seen
    assert iteration.samples["mappo"] == 0 < iteration.samples["qmix"] <= 8 * 6
    assert {name for name, figures in iteration.figures.items() if figures} == {"qmix"}


def test_lanes_of_one_opponent_are_added_up() -> None:
    iteration = trainer("small", "large").iterate()
    assert games(iteration) == {("qmix", name, seat): 2 for name in ("small", "large") for seat in (0, 1)}


def test_teams_of_one_shape_stand_together_and_are_counted_as_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who wins is told apart: the learner cannot lose to a team that it always beats."""
    training = trainer("large", "small", "separate", "small", algorithms=("mappo",))
    hosted = training.hosted["mappo"]
    lanes: list[TeamPolicy] = []
    monkeypatch.setattr(hosted.lanes, "load", lanes.extend)
    line_up, _ = training._line_up("mappo", "mappo")
    assert sorted(line_up) == ["large", "separate", "small", "small"]
    assert line_up.index("small") + 1 == len(line_up) - 1 - line_up[::-1].index("small")
    for name, team in zip(line_up, lanes, strict=True):
        expected = frozen_team(name)
        assert expected is not None
        assert torch.equal(team.weights, expected[0].weights)


def test_play_against_oneself_or_somebody_unseen_counts_nowhere() -> None:
    for name in ("qmix", "elsewhere"):
        iteration = trainer(name).iterate()
        assert iteration.counts == []
        assert iteration.samples["qmix"] > 0


def test_a_live_opponent_plays_with_its_present_weights_at_its_temperature() -> None:
    training = trainer("mappo", algorithms=("mappo",))
    loaded: list[TeamPolicy] = []
    load = training.hosted["mappo"].lanes.load

    def noted(teams: Sequence[TeamPolicy]) -> None:
        loaded.append(teams[0])
        load(teams)

    training.hosted["mappo"].lanes.load = noted  # type: ignore[method-assign]
    for _ in range(3):
        before = training.weights("mappo")
        training.iterate()
        assert torch.equal(loaded[-1].weights.flatten(), before)
        assert not torch.equal(training.weights("mappo"), before)
        assert loaded[-1].temperature == 1.0
        assert loaded[-1].draws


def test_who_has_the_fewest_samples_is_trained_next() -> None:
    training = trainer("small")
    totals = dict.fromkeys(training.players, 0)
    for _ in range(9):
        least = min(totals.values())
        iteration = training.iterate()
        trained = next(player for player, samples in iteration.samples.items() if samples)
        assert totals[trained] == least
        totals[trained] += iteration.samples[trained]
    assert min(totals.values()) > 0


def test_a_reset_forgets_everything_of_one_team_and_nothing_of_the_others() -> None:
    training = trainer("small")
    first = {player: training.weights(player) for player in training.players}
    for _ in range(6):
        training.iterate()
    trained = {player: training.weights(player) for player in training.players}
    training.reset("qmix")
    hosted = training.hosted["qmix"]
    assert hosted.learner.environment_steps == hosted.learner.updates == 0
    assert hosted.samples > 0, "what it was trained on is not taken back"
    fresh = training.weights("qmix")
    assert not torch.equal(fresh, trained["qmix"])
    assert not torch.equal(fresh, first["qmix"]), "each life begins from weights of its own"
    for player in ("mappo", "ippo"):
        assert torch.equal(training.weights(player), trained[player])
        assert not torch.equal(trained[player], first[player])


def check_that_it_goes_on_alike(one: TeamTrainer, other: TeamTrainer) -> None:
    """`other`, made alike, takes over the state of `one` and does the same from there on, to the last bit."""
    tensors, extra = one.state()
    other.load_state({name: tensor.clone() for name, tensor in tensors.items()}, extra)
    for _ in range(5):
        a, b = one.iterate(), other.iterate()
        assert (a.counts, a.samples, a.branches) == (b.counts, b.samples, b.branches)
    for player in one.players:
        assert torch.equal(one.weights(player), other.weights(player))


@pytest.mark.parametrize("worth", [1, 10**9])
def test_it_goes_on_from_its_state_to_the_last_bit(worth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team_trainer, "WORTH_COMPACTING", worth)
    one, other = (trainer("small", "mappo", "separate", "qmix", "large") for _ in range(2))
    for _ in range(4):
        one.iterate()
    one.reset("ippo")
    for _ in range(2):
        one.iterate()
    check_that_it_goes_on_alike(one, other)


def test_what_agents_see_in_a_grid_is_saved_in_a_byte_each_and_nothing_is_lost() -> None:
    seen = torch.randint(-3, 128, (300, 300), generator=torch.Generator().manual_seed(0)).float()
    assert compact(seen).dtype is torch.int8
    assert torch.equal(whole(compact(seen)), seen)
    for other in (seen + 0.5, seen * 100, seen[:9], seen.double(), seen.to(torch.int64)):
        assert compact(other) is whole(other) is other


def test_a_state_of_other_players_or_another_algorithm_is_refused() -> None:
    tensors, extra = trainer("small").state()
    with pytest.raises(ValueError, match=r"of the players \['qmix', 'mappo', 'ippo'\], not of \['qmix'\]"):
        trainer("small", algorithms=("qmix",)).load_state(tensors, extra)
    swapped = {name.replace("qmix.", "x.").replace("mappo.", "qmix.").replace("x.", "mappo."): tensor
               for name, tensor in tensors.items()}  # fmt: skip
    with pytest.raises(ValueError, match=r"qmix|saved"):
        trainer("small").load_state(swapped, extra)


@pytest.mark.parametrize(
    ("environments", "lanes", "size"), [(128, 32, 4), (8, 32, 2), (12, 4, 4), (10, 4, 10), (2, 1, 2), (64, 5, 16)]
)
def test_lanes_are_even_and_fill_the_environments(environments: int, lanes: int, size: int) -> None:
    assert plan("qmix", environments=environments, lanes=lanes).lane_size == size
    assert environments % size == 0


def test_a_frozen_team_is_a_checkpoint_like_any_other(tmp_path: Path) -> None:
    training, store = trainer("small"), CheckpointStore(tmp_path)
    training.iterate()
    sha = training.checkpoint("qmix", store, steps=17)
    _, manifest = store.load(sha)
    assert (manifest.steps, manifest.parent, manifest.temperature) == (17, "qmix", 1.0)
    assert torch.equal(load_team(store.path(sha), pitch()).weights.flatten(), training.weights("qmix"))


def test_teams_of_other_processes_are_read_when_they_change_and_frozen_ones_once(tmp_path: Path) -> None:
    store, live = CheckpointStore(tmp_path), LiveWeights(tmp_path / "live")
    frozen, now = (policy(pitch(), sharing=False, seed=seed) for seed in (1, 2))
    sha = save_team(store, frozen, steps=0)
    players = {
        "f": Player(id="f", name="f", kind=Kind.FROZEN, checkpoint=sha),
        "l": Player(id="l", name="l", kind=Kind.LEARNER),
        "s": Player(id="s", name="random", kind=Kind.SCRIPTED),
    }
    teams = OpponentTeams(pitch(), store, live, players.__getitem__, CPU)
    assert teams("l") is None
    now.temperature = 0.5
    for team in (now, frozen):
        publish_teams(live, "l", (team,))
        found = teams("l")
        assert found is not None
        (read,) = found
        assert torch.equal(read.weights, team.weights)
        assert read.temperature == team.temperature
        assert read.record() == team.record()
        assert teams("l") is found
    first = teams("f")
    assert first is not None
    assert torch.equal(first[0].weights, frozen.weights)
    store.path(sha).unlink()
    assert teams("f") is first
    live.path("l").write_bytes(b"")
    assert teams("l") is None
    with pytest.raises(ValueError, match="random is a scripted player: it has no weights"):
        teams("s")
    with pytest.raises(CheckpointError):
        OpponentTeams(pitch(), store, live, players.__getitem__, CPU)("f")
    assert CAPACITY >= 256


def test_a_team_that_cannot_be_made_says_so() -> None:
    with pytest.raises(ValueError, match="spread has one team"):
        HostedTeam(make("spread"), plan("qmix"), CPU)
