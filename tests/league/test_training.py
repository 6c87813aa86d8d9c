"""The trainer: who sits in the lanes and for how long, what counts, and a resume that changes no bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import arenas
from agents.core import Output
from agents.networks import Network
from agents.settings import NetworkConfig, PPOConfig, RolloutConfig
from agents.state_store import StateStore
from league.training import Iteration, Trainer, TrainingSetup
from matchmaking import rules
from matchmaking.population import Population
from matchmaking.records import Kind, Player, Role
from matchmaking.rules import Choice, OpponentRule
from matchmaking.rules.core import BaseRule

CPU = torch.device("cpu")
LEARNERS = {"a": Role.MAIN_AGENT, "b": Role.MAIN_EXPLOITER}
FROZEN = 6
Chooser = Callable[[int], str]


class ByPlan(BaseRule):
    """Says whom the plan says: the n-th choice is `plan(n)`."""

    def __init__(self, plan: Chooser) -> None:
        self.plan = plan
        self.asked: list[int] = []

    def choose_many(self, population: Population, learner: str, rng: np.random.Generator, count: int) -> list[Choice]:
        before = sum(self.asked)
        self.asked.append(count)
        return [Choice(self.plan(before + number), "plan") for number in range(count)]


def always(player: str) -> ByPlan:
    return ByPlan(lambda _: player)


def in_turn() -> ByPlan:
    """Each choice differs from the one before, and from what the same lane had before."""
    return ByPlan(lambda number: f"f{number % (FROZEN - 1)}")  # with four lanes: five is prime to that


class Elsewhere:
    """Weights of the players that are not hosted, and how often they were asked for."""

    def __init__(self, network: Network) -> None:
        generator = torch.Generator().manual_seed(5)
        names = [*(f"f{number}" for number in range(FROZEN)), "far"]
        rows = network.initial(generator, len(names))
        for view in network.layout.views(rows).values():  # what lies between the tensors stays zero
            view.add_(torch.randn(view.shape, generator=generator), alpha=0.3)
        self.weights = dict(zip(names, rows, strict=True))
        self.asked: list[str] = []

    def __call__(self, player: str) -> Tensor:
        self.asked.append(player)
        weights: Tensor = self.weights[player]
        return weights


def make_population() -> Population:
    population = Population(Player(id=id, name=id, kind=Kind.LEARNER, role=role) for id, role in LEARNERS.items())
    population.add(Player(id="far", name="far", kind=Kind.LEARNER, role=Role.MAIN_AGENT))
    for number in range(FROZEN):
        parent = "ab"[number % 2]
        name = f"f{number}"
        population.add(Player(id=name, name=name, kind=Kind.FROZEN, role=LEARNERS[parent], parent=parent))
    for learner in LEARNERS:
        population.host(learner)
        for number in range(FROZEN):
            population.record(learner, f"f{number}", 3 + number, 1, 8 - number)
    return population


def make(
    *chosen: OpponentRule, arena: str = "tic_tac_toe", seed: int = 0, memory: int = 0, **sizes: object
) -> tuple[Trainer, Elsewhere]:
    """A trainer of one player for each rule, and the weights of everybody else."""
    game = arenas.make(arena)
    network = Network(NetworkConfig(hidden=(8,), memory=memory), game.spec.observation_shape, game.spec.num_actions)
    rollout = RolloutConfig.model_validate({"lanes": 4, "environments": 16, "horizon": 8, "hold": 3} | sizes)
    ppo = PPOConfig.model_validate({"minibatch": 64, "mirror": bool(game.spec.symmetries)})
    setup = TrainingSetup(game, network, rollout, ppo, CPU, torch.float32, lambda program: program, seed)
    players = list(LEARNERS)[: len(chosen)]
    elsewhere = Elsewhere(network)
    initial = network.initial(torch.Generator().manual_seed(1)).expand(len(players), -1)
    by_player = dict(zip(players, chosen, strict=True))
    return Trainer(setup, players, by_player, initial, make_population(), elsewhere), elsewhere


def lanes_during(trainer: Trainer) -> tuple[Tensor, Iteration]:
    """Weights in the lanes during one iteration, which must be the same at each of its steps; and the iteration."""
    seen: list[Tensor] = []
    lanes = trainer.rollout.lanes
    evaluate = lanes.evaluate

    def watched(observation: Tensor, memory: Tensor | None = None) -> Output:
        seen.append(lanes.packed())
        return evaluate(observation, memory)

    lanes.evaluate = watched  # type: ignore[method-assign]
    iteration = trainer.iterate()
    lanes.evaluate = evaluate  # type: ignore[method-assign]
    assert len(seen) == trainer.setup.rollout.horizon
    assert all(torch.equal(weights, seen[0]) for weights in seen), "opponents change in the middle of a rollout"
    return seen[0], iteration


def games(iteration: Iteration) -> int:
    return sum(row.games for row in iteration.counts)


def test_opponents_are_held_and_change_between_rollouts_only() -> None:
    """malib#63 draws the opponent anew at each step."""
    rule = in_turn()
    trainer, elsewhere = make(rule, hold=3)
    lanes, hold, before = 4, 3, list[str | None]([None] * 4)
    for iteration in range(10):
        lane_weights, _ = lanes_during(trainer)
        changed = [row for row in range(lanes) if trainer.opponents[row] != before[row]]
        due = [row for row in range(lanes) if iteration == 0 or (row + iteration) % hold == 0]
        assert changed == due
        assert rule.asked[-1] == len(due)
        assert len(rule.asked) == iteration + 1, "the rule is asked once an iteration"
        for row, opponent in enumerate(trainer.opponents):
            assert opponent is not None
            assert torch.equal(lane_weights[row], elsewhere.weights[opponent])
        before = list(trainer.opponents)


def test_an_episode_counts_only_with_one_opponent_from_first_move_to_last() -> None:
    """No game of Connect Four ends within three moves of the learner: whoever changes so often never counts."""
    sizes = {"arena": "connect_four", "horizon": 1, "hold": 3}
    changing, _ = make(in_turn(), **sizes)  # type: ignore[arg-type]
    same, _ = make(always("f0"), **sizes)  # type: ignore[arg-type]
    ended = 0
    for _ in range(40):
        assert games(changing.iterate()) == 0
        ended += int(changing.rollout.experience.ended.sum())
    assert ended > 10, "games do end, they just do not count"
    assert sum(games(same.iterate()) for _ in range(40)) > 10, "the same opponent again is no change"


def test_counts_are_those_of_the_rollout() -> None:
    trainer, _ = make(in_turn(), in_turn(), arena="rock_paper_scissors")
    for _ in range(6):
        before = list(trainer.opponents)
        iteration = trainer.iterate()
        table = trainer.rollout.counts()
        expected: dict[tuple[str, str, int], list[int]] = {}
        for row, opponent in enumerate(trainer.opponents):
            assert opponent is not None
            for seat in range(2):
                sums = expected.setdefault(("ab"[row // 4], opponent, seat), [0, 0, 0])
                expected["ab"[row // 4], opponent, seat] = [
                    a + b for a, b in zip(sums, table[row, seat].tolist(), strict=True)
                ]
        found = {(row.player, row.opponent, row.seat): [row.wins, row.draws, row.losses] for row in iteration.counts}
        assert found == {key: sums for key, sums in expected.items() if any(sums)}
        changed = sum(now != then for now, then in zip(trainer.opponents, before, strict=True))
        voided = changed * trainer.setup.rollout.lane_size  # one episode was under way in each environment
        assert games(iteration) == int(trainer.rollout.experience.ended.sum()) - voided
        assert iteration.samples == {"a": 128, "b": 128}


def test_self_play_is_never_counted() -> None:
    """DI-engine records self-play as draws in the payoff."""
    alone, _ = make(always("a"))
    mixed, _ = make(ByPlan(lambda number: "a" if number % 2 else "f0"))
    counted = 0
    for _ in range(8):
        assert alone.iterate().counts == []
        rows = mixed.iterate().counts
        assert {row.opponent for row in rows} <= {"f0"}
        by_lane = mixed.rollout.counts().sum((1, 2)).tolist()
        assert sum(row.games for row in rows) == by_lane[0] + by_lane[2]
        counted += by_lane[1] + by_lane[3]
    assert counted > 10, "games against itself did end"


def test_live_opponents_are_refreshed_each_iteration_and_frozen_ones_never() -> None:
    plan = ["a", "b", "far", "f0"]
    trainer, elsewhere = make(ByPlan(lambda number: plan[number % 4]), always("f1"), hold=1000)
    trainer.iterate()
    frozen = elsewhere.weights["f0"].clone()
    elsewhere.weights["f0"].add_(1.0)
    elsewhere.asked.clear()
    for _ in range(3):
        masters = trainer.ppo.masters.clone()
        elsewhere.weights["far"] = elsewhere.weights["far"] * 1.1
        lane_weights, _ = lanes_during(trainer)
        assert torch.equal(lane_weights[0], masters[0])
        assert torch.equal(lane_weights[1], masters[1])
        assert torch.equal(lane_weights[2], elsewhere.weights["far"])
        assert torch.equal(lane_weights[3], frozen)
        assert not torch.equal(trainer.ppo.masters, masters)
    assert set(elsewhere.asked) == {"far"}, "frozen weights are read when a lane gets them, and then no more"


def test_a_lane_shares_no_memory_with_a_live_player() -> None:
    trainer, _ = make(always("a"))
    trainer.iterate()
    lane = trainer.rollout.lanes.packed()[0]
    trainer.ppo.masters.add_(1.0)
    assert torch.equal(trainer.rollout.lanes.packed()[0], lane)


def test_a_restart_voids_what_is_under_way_and_touches_nobody_else() -> None:
    sizes = {"arena": "connect_four", "horizon": 1, "hold": 1000}
    against = ByPlan(lambda number: ["a", "f0", "f1", "f2"][number % 4])
    trainer, _ = make(always("f0"), against, **sizes)  # type: ignore[arg-type]
    for _ in range(20):
        trainer.iterate()
    weights = torch.linspace(-1, 1, trainer.setup.network.layout.width)
    other = {name: tensor[1].clone() for name, tensor in trainer.ppo.state().items()}
    trainer.restart("a", weights)
    assert torch.equal(trainer.ppo.masters[0], weights)
    assert all(torch.equal(tensor[1], other[name]) for name, tensor in trainer.ppo.state().items())
    mine = theirs = 0
    for number in range(12):
        for row in trainer.iterate().counts:
            assert row.opponent != "a" or number >= 3, "an opponent that began afresh is not the same player"
            mine += row.player == "a" and number < 3  # no game that starts now ends within three moves
            theirs += row.player == "b"
    assert mine == 0
    assert theirs > 0


@pytest.mark.parametrize(("rule", "memory"), [("alphastar", 0), ("openai_five", 0), ("alphastar_paper", 5)])
def test_a_resumed_trainer_gives_the_same_bits(tmp_path: Path, rule: str, memory: int) -> None:
    whole = make(*(rules.make(rule) for _ in LEARNERS), memory=memory)[0]
    run(whole, 5)
    slot = StateStore(tmp_path)
    tensors, extra = whole.state()
    slot.save(tensors, {"trainer": extra})
    expected = run(whole, 6)
    resumed = make(*(rules.make(rule) for _ in LEARNERS), memory=memory, seed=99)[0]
    saved = slot.load()
    assert saved is not None
    resumed.load_state(saved.tensors, saved.extra["trainer"])  # type: ignore[arg-type]
    assert resumed.iteration == 5
    assert run(resumed, 6) == expected
    assert games(expected[-1]) > 0
    (ours, rest), (theirs, other_rest) = whole.state(), resumed.state()
    assert rest == other_rest
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


def run(trainer: Trainer, iterations: int) -> list[Iteration]:
    """Iterate as a learner process does, rules and payoff learning from what was counted."""
    result = []
    for _ in range(iterations):
        result.append(trainer.iterate())
        for player, rule in trainer.rules.items():
            rule.observe(trainer.population, [row for row in result[-1].counts if row.player == player])
    return result


def test_qualities_survive_a_resume() -> None:
    first, _ = make(rules.make("openai_five", past=1.0))
    run(first, 10)
    quality = first.rules["a"].state()["quality"]["a"]
    assert min(quality.values()) < 0, "somebody was beaten"
    second, _ = make(rules.make("openai_five", past=1.0), seed=3)
    second.load_state(*first.state())
    assert second.rules["a"].state()["quality"]["a"] == quality


def test_a_state_shares_no_memory_with_the_training() -> None:
    trainer, _ = make(in_turn())
    trainer.iterate()
    tensors, extra = trainer.state()
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    opponents = list(extra["opponents"])  # type: ignore[arg-type]
    other, _ = make(in_turn(), seed=1)
    other.load_state(tensors, extra)
    for _ in range(3):
        trainer.iterate()
        other.iterate()
    assert all(torch.equal(tensor, before[name]) for name, tensor in tensors.items())
    assert extra["opponents"] == opponents


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors, extra: extra.update(players=["b", "c"]), r"players \['b', 'c'\], not of \['a'\]"),
        (lambda tensors, extra: tensors.update({"ppo.masters": torch.zeros(1, 7)}), "masters does not fit"),
        (lambda tensors, extra: tensors.update({"rollout.lanes": torch.zeros(3, 7)}), "lanes does not fit"),
        (lambda tensors, extra: tensors.update(generator=torch.zeros(16, dtype=torch.uint8)), "another kind of device"),
        (lambda tensors, extra: extra.update(rules={"a": {"quality": {}}}), "keeps no state"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(
    change: Callable[[dict[str, Tensor], dict[str, Any]], None], message: str
) -> None:
    trainer, _ = make(in_turn())
    tensors, extra = trainer.state()
    change(tensors, extra)
    with pytest.raises(ValueError, match=message):
        make(in_turn())[0].load_state(tensors, extra)


def test_branches_are_counted_by_player() -> None:
    trainer, _ = make(rules.make("naive"), in_turn(), hold=2)
    totals: dict[str, dict[str, int]] = {}
    for _ in range(4):
        _add(totals, trainer.iterate().branches)
    assert totals == {"a": {"self_play": 4 + 3 * 2}, "b": {"plan": 4 + 3 * 2}}


def _add(totals: dict[str, dict[str, int]], branches: dict[str, dict[str, int]]) -> None:
    for player, taken in branches.items():
        for branch, number in taken.items():
            row = totals.setdefault(player, {})
            row[branch] = row.get(branch, 0) + number
