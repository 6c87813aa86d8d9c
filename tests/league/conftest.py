"""A made-up run on a real Redis server: learners, frozen and scripted players, training results, rated matches."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from league.runs import RunFolder, create
from league.settings import resolve
from matchmaking.fold import RatingFold
from matchmaking.records import EpisodeCount, Kind, LearnerStatus, Player, Role, new_id
from matchmaking.server import EmbeddedServer
from matchmaking.service import Matchmaker
from matchmaking.store import Store

ROLES = (Role.MAIN_AGENT, Role.MAIN_EXPLOITER)
VERSIONS = 3
EVIL = "<script>alert('&')</script>|,\"x\""
"""A name that is markup in HTML and Markdown, and has CSV's separators."""


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of this machine reaches a configuration, and runs are looked for in a folder of the test's own."""
    for name in ("LEAGUE_RUNS", "LEAGUE_SEED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LEAGUE_RUNS", str(tmp_path / "runs"))


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tournaments lie in the folder where one is."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFolder]:
    """The run `made-up`, not running, whose server is up for the session. Tests only read it."""
    run = create(tmp_path_factory.mktemp("made"), resolve("connect_four", environment={}), "made-up")
    server = EmbeddedServer(run.redis)
    server.start()
    store = Store.create(server.url, run.name, "connect_four")
    fill(Matchmaker(store, rng=random.Random(3)))
    store.close()
    yield run
    server.stop()


@pytest.fixture
def matchmaker(made_up: RunFolder) -> Iterator[Matchmaker]:
    """The matchmaker of the made-up run."""
    store = Store.open(EmbeddedServer(made_up.redis).url, made_up.name)
    yield Matchmaker(store)
    store.close()


@pytest.fixture
def store(server: EmbeddedServer) -> Iterator[Store]:
    """An empty run of Connect Four."""
    opened = Store.create(server.url, new_id("run"), "connect_four")
    yield opened
    opened.close()


def fill(matchmaker: Matchmaker) -> None:
    """Let a league have happened: later versions are stronger, and one scripted player has a nasty name."""
    rng = random.Random(1)
    strength = {}
    learners = [
        matchmaker.register(Player(id=new_id("p"), name=f"{role}-1", kind=Kind.LEARNER, role=role)) for role in ROLES
    ]
    for name, level in (("random", -3.0), (EVIL, 0.0)):
        strength[matchmaker.register(Player(id=new_id("p"), name=name, kind=Kind.SCRIPTED)).id] = level
    frozen = []
    for version in range(VERSIONS):
        for learner in learners:
            player = Player(
                id=new_id("p"),
                name=f"{learner.name}.v{version}",
                kind=Kind.FROZEN,
                role=learner.role,
                parent=learner.id,
                checkpoint=f"{version}" * 64,
                version=str(version),
                steps=1_000_000 * version,
            )
            strength[matchmaker.register(player).id] = 1.5 * version - 2.0
            frozen.append(player)
    for learner in learners:
        matchmaker.report_episodes(
            [EpisodeCount(player=learner.id, opponent=other.id, seat=0, wins=20, draws=2, losses=7) for other in frozen]
        )
        status = LearnerStatus(
            player=learner.id,
            steps=3_200_000,
            generation=VERSIONS,
            pool_win_rate=0.71,
            samples_per_second=20_000,
            episodes=99_999,
        )
        matchmaker.store.processes.set_status(status)
    for _ in range(40):
        lease = matchmaker.lease("evaluator-0")
        assert lease is not None
        pairing = lease.pairing
        chance = 1 / (1 + math.exp(strength[pairing.b] - strength[pairing.a]))
        letters = "".join("w" if rng.random() < chance else rng.choice("dl") for _ in range(2 * pairing.pairs))
        matchmaker.report_match(lease, letters)
    fold = RatingFold(matchmaker.store)
    while fold.step():
        pass
