"""Any order of verbs on a real server, against a model in memory: none lost, none doubled, none rated by an abort."""

from __future__ import annotations

import pytest

from matchmaking.server import EmbeddedServer
from tests.league.supervised import ROOT
from tests.matchmaking.league_machine import IN_CI, explore
from tests.matchmaking.model_mutations import MUTATIONS, found


@pytest.mark.timeout(900)  # two seconds of a processor, of which a busy machine has little to give
def test_any_order_of_verbs(server: EmbeddedServer) -> None:
    explore(server, *IN_CI)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_any_order_of_verbs_for_long(server: EmbeddedServer) -> None:
    explore(server, examples=300, steps=60)


@pytest.mark.parametrize("name", MUTATIONS)
def test_what_a_mutation_changes_stands_there_once(name: str) -> None:
    edit = MUTATIONS[name]
    assert (ROOT / edit.file).read_text(encoding="utf-8").count(edit.old) == 1


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_store_is_found_in_the_size_of_ci(name: str) -> None:
    """From one start or another: each run of CI begins at another one, and a rare order of verbs is not in each."""
    assert any(found(MUTATIONS[name], start) for start in range(1, 11))
