"""The evaluator on a real Redis: what it plays counts once, and what goes wrong rates nobody."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

import arenas
from agents.checkpoint import CheckpointStore, Manifest
from agents.core import Agent
from agents.networks import Network
from agents.scripted import make
from agents.settings import NetworkConfig
from arenas.core import Arena, Observation
from league.config import LeagueConfig
from league.evaluator import DUE_PAIRINGS, Evaluator
from league.flags import unplayable
from league.process import Place, Process
from league.runs import RunFolder, create
from league.throttle import Throttle
from matchmaking.fold import RatingFold
from matchmaking.records import Kind, Pairing, Player, Role, new_id
from matchmaking.server import EmbeddedServer
from matchmaking.service import Matchmaker
from matchmaking.store import Store

PAIRS = 4


class Bench:
    """A run in Redis and an evaluator on it, in this process."""

    def __init__(self, root: Path, url: str, arena: str, lease_seconds: float = 30.0) -> None:
        evaluation = {"pairs": PAIRS, "lease_seconds": lease_seconds}
        config = LeagueConfig.model_validate({"arena": arena, "redis": url, "evaluation": evaluation})
        self.run: RunFolder = create(root, config, new_id("run"))
        self.store = Store.create(url, self.run.name, arena)
        self.process = Process("evaluator", Place(self.run, 0), config, self.store)
        self.arena: Arena = arenas.make(arena)
        self.evaluator = Evaluator(self.process, self.arena, Throttle(1.0))
        self.matchmaker = Matchmaker(self.store, pairs=PAIRS)

    def scripted(self, name: str) -> Player:
        return self.store.register(Player(id=f"p_{name}", name=name, kind=Kind.SCRIPTED))

    def frozen(self, name: str) -> Player:
        """A frozen player with weights as they are at the start."""
        spec = self.arena.spec
        config = NetworkConfig(hidden=(8,))
        network = Network(config, spec.observation_shape, spec.num_actions)
        weights = network.layout.views(network.initial(torch.Generator().manual_seed(0)))
        manifest = Manifest(
            arena=spec.name,
            observation_shape=spec.observation_shape,
            num_actions=spec.num_actions,
            network=config.model_dump(mode="json"),
            parent=name,  # makes the content, and so the hash, its own
        )
        checkpoints = CheckpointStore(self.run.checkpoints)
        sha = checkpoints.save({key: value[0] for key, value in weights.items()}, manifest)
        player = Player(id=f"p_{name}", name=name, kind=Kind.FROZEN, role=Role.MAIN_AGENT, checkpoint=sha)
        return self.store.register(player)

    def queue(self, a: Player, b: Player, number: int = 0) -> Pairing:
        pairing = Pairing(id=f"m_{number}", a=a.id, b=b.id, pairs=PAIRS, seed=number)
        self.store.queue.enqueue([pairing])
        return pairing

    def rate(self) -> None:
        fold = RatingFold(self.store)
        while fold.step():
            pass


MakeBench = Callable[..., Bench]


@pytest.fixture
def bench(server: EmbeddedServer, tmp_path: Path) -> Iterator[MakeBench]:
    made: list[Bench] = []

    def open_bench(arena: str = "tic_tac_toe", lease_seconds: float = 30.0) -> Bench:
        made.append(Bench(tmp_path, server.url, arena, lease_seconds))
        return made[-1]

    yield open_bench
    for one in made:
        one.store.close()


class Watched:
    """An agent before each of whose answers something happens; `answer`, where given, takes the answer's place."""

    def __init__(self, inner: Agent, before: Callable[[], None], answer: int | None = None) -> None:
        self.spec = inner.spec
        self._inner = inner
        self._before = before
        self._answer = answer

    def begin(self, batch: int, device: torch.device) -> None:
        self._inner.begin(batch, device)

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        self._before()
        if self._answer is not None:
            return torch.full(live.shape, self._answer)
        return self._inner.act(observation, uniforms, live)


def once(monkeypatch: pytest.MonkeyPatch, happening: Callable[[], None]) -> list[str]:
    """Let something happen in the middle of the next pairing of scripted players.

    Returns:
        An entry for each answer that was asked for after it.
    """
    waiting = [happening]
    after: list[str] = []

    def before() -> None:
        if waiting:
            waiting.pop()()
        else:
            after.append("answer")

    monkeypatch.setattr("league.roster.make", lambda name, spec: Watched(make(name, spec), before))
    return after


def test_scripted_players_are_rated_as_they_are(bench: MakeBench) -> None:
    table = bench("connect_four")
    weak, strong = table.scripted("random"), table.scripted("alpha_beta:2")
    for _ in range(3):
        assert table.evaluator.play_next(), "where nothing waits, it plans"
    results = table.matchmaker.matches()
    assert len(results) == 3
    assert {frozenset((result.a, result.b)) for result in results} == {frozenset((weak.id, strong.id))}
    assert all(len(result.outcomes) == 2 * PAIRS for result in results)
    assert all(result.worker == "evaluator-0" for result in results)
    table.rate()
    ratings = table.matchmaker.ratings()
    assert ratings[strong.id].elo > ratings[weak.id].elo + 20
    assert ratings[strong.id].games == 3 * 2 * PAIRS


def test_a_frozen_player_plays_from_its_checkpoint(bench: MakeBench) -> None:
    table = bench()
    pairing = table.queue(table.frozen("main_agent-1.v0"), table.scripted("perfect"))
    assert table.evaluator.play_next()
    (result,) = table.matchmaker.matches()
    assert result.id == pairing.id
    assert result.count("w") == 0, "nobody beats the perfect player"
    assert result.count("l") > 0


def test_the_same_pairing_gives_the_same_outcomes(bench: MakeBench) -> None:
    table = bench()
    a, b = table.frozen("main_agent-1.v0"), table.scripted("random")
    for number in (0, 1):
        table.store.queue.enqueue([Pairing(id=f"m_{number}", a=a.id, b=b.id, pairs=PAIRS, seed=7)])
        assert table.evaluator.play_next()
    one, other = table.matchmaker.matches()
    assert one.outcomes == other.outcomes


def test_nothing_to_play(bench: MakeBench) -> None:
    table = bench()
    table.scripted("random")
    assert not table.evaluator.play_next()


def test_a_damaged_checkpoint_is_flagged_and_the_rest_goes_on(bench: MakeBench) -> None:
    table = bench()
    damaged, sound, weak = table.frozen("damaged"), table.frozen("sound"), table.scripted("random")
    assert damaged.checkpoint is not None
    path = CheckpointStore(table.run.checkpoints).path(damaged.checkpoint)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    table.queue(weak, damaged)
    for _ in range(6):
        assert table.evaluator.play_next()
    assert {player for result in table.matchmaker.matches() for player in (result.a, result.b)} == {sound.id, weak.id}
    dropped = table.store.queue.dropped()
    assert all(damaged.id in (each.a, each.b) for each in dropped)
    reasons = [each.reason for each in dropped if "damaged cannot play" in each.reason]
    assert len(reasons) == 1, "it is not asked to play again"
    assert damaged.checkpoint in reasons[0]
    assert set(unplayable(table.store)) == {damaged.id}
    assert damaged.id not in {player.id for player in table.evaluator.due()}


def test_a_lost_lease_is_given_up_in_the_middle(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    table = bench(lease_seconds=0.2)
    pairing = table.queue(table.scripted("random"), table.scripted("perfect"))

    def lose() -> None:
        time.sleep(0.3)
        lease = table.matchmaker.lease("another", 30.0)
        assert lease is not None
        assert lease.pairing.id == pairing.id

    after = once(monkeypatch, lose)
    assert table.evaluator.play_next()
    assert after == [], "it plays no further than it knows"
    assert table.matchmaker.matches() == []
    assert table.store.queue.dropped() == []
    assert [waiting.id for waiting in table.store.queue.pending()] == [pairing.id], "it is the other's to play"


def test_a_late_report_is_refused_and_counts_nothing_twice(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    table = bench(lease_seconds=1000.0)
    table.queue(table.scripted("random"), table.scripted("perfect"))
    others = "dd" * PAIRS

    def overtake() -> None:
        table.store.session.read("ZADD", "leases", 1, "m_0")  # as if the deadline had passed
        lease = table.matchmaker.lease("another", 30.0)
        assert lease is not None
        assert table.matchmaker.report_match(lease, others) == "recorded"

    once(monkeypatch, overtake)
    assert table.evaluator.play_next()
    (result,) = table.matchmaker.matches()
    assert (result.worker, result.outcomes) == ("another", others)
    table.rate()
    assert {rating.games for rating in table.matchmaker.ratings().values()} == {2 * PAIRS}


def test_a_stop_gives_the_pairing_back(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    table = bench()
    pairing = table.queue(table.scripted("random"), table.scripted("perfect"))
    once(monkeypatch, table.process.stop)
    assert table.evaluator.play_next()
    assert table.matchmaker.matches() == []
    assert table.store.queue.waiting() == 1
    again = table.matchmaker.lease("another", 30.0)
    assert again is not None
    assert again.pairing == pairing


def test_a_fault_of_the_machine_gives_the_pairing_back(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    table = bench()
    table.queue(table.scripted("random"), table.scripted("perfect"))

    def fail() -> None:
        raise MemoryError

    once(monkeypatch, fail)
    with pytest.raises(MemoryError):
        table.evaluator.play_next()
    assert table.matchmaker.matches() == []
    assert table.store.queue.waiting() == 1


def test_an_agent_that_breaks_the_rules_rates_nobody(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    table = bench()
    table.queue(table.scripted("random"), table.scripted("perfect"))
    monkeypatch.setattr("league.roster.make", lambda name, spec: Watched(make(name, spec), lambda: None, answer=99))
    assert table.evaluator.play_next()
    assert table.matchmaker.matches() == []
    assert "played the illegal action 99" in table.store.queue.dropped()[0].reason


def test_it_finishes_when_everybody_had_what_is_owed(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    table = bench()
    for name in ("random", "perfect"):
        table.scripted(name)
    table.frozen("main_agent-1.v0")
    monkeypatch.setattr(Process, "finishing", True)
    monkeypatch.setattr(Process, "beat", lambda *_: table.rate())
    table.evaluator.run()
    games = {player: rating.games for player, rating in table.matchmaker.ratings().items()}
    assert len(games) == 3
    assert min(games.values()) >= 2 * PAIRS * DUE_PAIRINGS
    assert sum(games.values()) <= 2 * 2 * PAIRS * DUE_PAIRINGS * 3, "and not much more"


def test_a_pairing_is_leased_once_among_several_evaluators(bench: MakeBench) -> None:
    table = bench()
    table.scripted("random")
    table.scripted("perfect")
    other = Evaluator(
        Process("evaluator", Place(table.run, 1), table.process.config, table.store), table.arena, Throttle(1.0)
    )
    for _ in range(6):
        assert table.evaluator.play_next()
        assert other.play_next()
    results = table.matchmaker.matches()
    assert len({result.id for result in results}) == len(results) == 12
    assert {result.worker for result in results} == {"evaluator-0", "evaluator-1"}
