"""`league nashconv` on runs whose frozen players have known policies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import arenas
from agents.checkpoint import CheckpointStore, Manifest
from agents.networks import Network
from agents.settings import NetworkConfig
from league.access import opened
from league.nashconv import distances
from league.runs import RunFolder, create
from league.settings import resolve
from matchmaking.records import Kind, Player, Role, new_id
from matchmaking.server import EmbeddedServer
from matchmaking.service import Matchmaker
from matchmaking.store import Store
from tests.league.test_cli import call, one_line

UNIFORM_KUHN = 11 / 12  # OpenSpiel's exploitability tests
ALWAYS_PASS = 2.0  # an ante from either seat, see tests/agents/test_exploitability.py


def freeze(
    run: RunFolder, matchmaker: Matchmaker, role: Role, version: int, pass_logit: float, memory: int = 0
) -> None:
    """A frozen player of Kuhn poker that prefers passing by `pass_logit` whatever it sees."""
    spec = arenas.make("kuhn_poker").spec
    network = Network(NetworkConfig(hidden=(4,), memory=memory), spec.observation_shape, spec.num_actions)
    parameters = {name: view[0] for name, view in network.layout.views(torch.zeros(1, network.layout.width)).items()}
    parameters["head.bias"][0, 0] = pass_logit
    manifest = Manifest(
        arena=spec.name,
        observation_shape=spec.observation_shape,
        num_actions=spec.num_actions,
        network=network.config.model_dump(mode="json"),
        steps=1000 * version,
    )
    matchmaker.register(
        Player(
            id=new_id("p"),
            name=f"{role.value}-1.v{version}",
            kind=Kind.FROZEN,
            role=role,
            checkpoint=CheckpointStore(run.checkpoints).save(parameters, manifest),
            version=str(version),
            steps=1000 * version,
        )
    )


@pytest.fixture(scope="module")
def kuhn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFolder]:
    """A run of Kuhn poker with two frozen main agents, an exploiter and a scripted player. Tests only read it."""
    run = create(tmp_path_factory.mktemp("kuhn"), resolve("kuhn_poker", environment={}), "kuhn")
    server = EmbeddedServer(run.redis)
    server.start()
    store = Store.create(server.url, run.name, "kuhn_poker")
    matchmaker = Matchmaker(store)
    matchmaker.register(Player(id=new_id("p"), name="random", kind=Kind.SCRIPTED))
    freeze(run, matchmaker, Role.MAIN_AGENT, 0, 50.0)
    freeze(run, matchmaker, Role.MAIN_EXPLOITER, 0, 50.0)
    freeze(run, matchmaker, Role.MAIN_AGENT, 1, 0.0)
    freeze(run, matchmaker, Role.LEAGUE_EXPLOITER, 0, 0.0, memory=3)
    store.close()
    yield run
    server.stop()


def test_all_frozen_main_agents_in_the_order_of_freezing(kuhn: RunFolder) -> None:
    with opened(kuhn) as matchmaker:
        first, second = distances(kuhn, matchmaker)
    assert [first.name, second.name] == ["main_agent-1.v0", "main_agent-1.v1"]
    assert [first.steps, second.steps] == [0, 1000]
    assert 0 <= first.seconds < second.seconds < 60
    assert first.nash_conv == pytest.approx(ALWAYS_PASS, abs=1e-6)
    assert second.nash_conv == pytest.approx(UNIFORM_KUHN, abs=1e-6)
    assert sum(second.improvements) == pytest.approx(second.nash_conv)


def test_named_players_as_json_in_the_order_given(kuhn: RunFolder) -> None:
    result = call("nashconv main_agent main_exploiter-1.v0 --json", run=kuhn)
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert (printed["run"], printed["arena"]) == ("kuhn", "kuhn_poker")
    assert [row["name"] for row in printed["players"]] == ["main_agent-1.v1", "main_exploiter-1.v0"]
    assert [row["nash_conv"] for row in printed["players"]] == pytest.approx([UNIFORM_KUHN, ALWAYS_PASS], abs=1e-6)


def test_a_table_for_people(kuhn: RunFolder) -> None:
    lines = call("nashconv", run=kuhn).stdout.splitlines()
    assert lines[0].split() == ["player", "time", "steps", "NashConv", "seat", "0", "seat", "1", "value"]
    assert [line.split()[0] for line in lines[1:]] == ["main_agent-1.v0", "main_agent-1.v1"]
    assert [line.split()[3] for line in lines[1:]] == ["2.0000", "0.9167"]


def test_other_arenas_and_players_without_a_policy_are_refused(kuhn: RunFolder, made_up: RunFolder) -> None:
    message = one_line(call("nashconv", run=made_up), 2)
    assert message == "exact NashConv works for runs of kuhn_poker and leduc_poker; this run's arena is connect_four"
    assert "random is scripted" in one_line(call("nashconv random", run=kuhn), 2)
    assert "did you mean 'main_agent" in one_line(call("nashconv main_agent-1.v7", run=kuhn), 2)
    assert "has a memory" in one_line(call("nashconv league_exploiter", run=kuhn), 2)


def test_a_run_that_has_frozen_nobody_says_so(tmp_path: Path) -> None:
    run = create(tmp_path, resolve("leduc_poker", environment={}), "young")
    server = EmbeddedServer(run.redis)
    server.start()
    try:
        store = Store.create(server.url, run.name, "leduc_poker")
        Matchmaker(store).register(Player(id=new_id("p"), name="random", kind=Kind.SCRIPTED))
        store.close()
        assert one_line(call("nashconv", run=run), 1) == "no main agent of this run has been frozen yet"
    finally:
        server.stop()
