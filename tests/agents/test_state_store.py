"""The learner's state: the current one is whole at any moment, and damage is never passed over."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from pydantic import JsonValue

from agents.durable import CheckpointError, encode, sha256
from agents.state_store import StateStore

EXTRA: dict[str, JsonValue] = {
    "steps": 12,
    "rate": 0.1 + 0.2,
    "lanes": ["p_1", None],
    "random": 2**127,
    "nested": {"é": True},
}


def tensors(number: int) -> dict[str, torch.Tensor]:
    return {"weights": torch.full((4, 3), float(number)), "rng": torch.arange(16, dtype=torch.uint8)}


@pytest.fixture
def store(tmp_path: Path) -> StateStore:
    return StateStore(tmp_path / "learner", "learner-0")


def number_of(store: StateStore, sha: str | None = None) -> float:
    state = store.load(sha)
    assert state is not None
    return float(state.tensors["weights"][0, 0])


def test_nothing_saved_is_none(store: StateStore) -> None:
    assert store.load() is None
    assert store.kept() == []


def test_what_is_saved_comes_back_to_the_bit(store: StateStore) -> None:
    store.save(tensors(1), EXTRA)
    state = store.load()
    assert state is not None
    assert state.extra == EXTRA
    assert all(torch.equal(state.tensors[name], tensor) for name, tensor in tensors(1).items())
    assert state.tensors["rng"].dtype == torch.uint8


def test_a_state_shares_no_memory_with_what_it_was_saved_from(store: StateStore) -> None:
    live = tensors(1)
    store.save(live, EXTRA)
    live["weights"].add_(1)
    assert number_of(store) == 1


def test_the_newest_state_is_current_and_the_one_before_is_kept(store: StateStore) -> None:
    first, second, third = (store.save(tensors(number), EXTRA) for number in range(3))
    assert store.kept() == [third, second]
    assert number_of(store) == 2
    assert number_of(store, second) == 1
    assert not store.path(first).exists()
    assert len(list(store.folder.iterdir())) == 3  # two states and the pointer


def test_the_same_state_again_is_one_state(store: StateStore) -> None:
    first, second = store.save(tensors(1), EXTRA), store.save(tensors(2), EXTRA)
    assert store.save(tensors(1), EXTRA) == first
    assert store.kept() == [first, second]
    assert number_of(store) == 1


def test_slots_of_one_folder_do_not_touch_each_other(store: StateStore) -> None:
    other = StateStore(store.folder, "learner-0-b", keep=1)
    store.save(tensors(1), EXTRA)
    for number in range(3):
        other.save(tensors(number), EXTRA)
        store.save(tensors(10 + number), EXTRA)
    assert (number_of(store), number_of(other)) == (12, 2)


def test_a_damaged_current_state_is_an_error_and_the_kept_one_is_there_by_name(store: StateStore) -> None:
    store.save(tensors(1), EXTRA)
    current = store.save(tensors(2), EXTRA)
    path = store.path(current)
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(CheckpointError, match="damaged") as caught:
        store.load()

    assert (caught.value.path, caught.value.expected) == (path, current)
    assert caught.value.found == sha256(path.read_bytes())
    assert number_of(store, store.kept()[1]) == 1


def test_a_missing_current_state_is_an_error(store: StateStore) -> None:
    current = store.save(tensors(1), EXTRA)
    store.path(current).unlink()
    with pytest.raises(CheckpointError, match=f"no such file: expected sha256 {current}"):
        store.load()


@pytest.mark.parametrize("content", ["", "{}", '{"schema":1,"kept":[]}', '{"schema":2,"kept":["' + "0" * 64 + '"]}'])
def test_a_damaged_pointer_is_an_error_for_reader_and_writer(store: StateStore, content: str) -> None:
    store.save(tensors(1), EXTRA)
    store.pointer.write_text(content)
    with pytest.raises(CheckpointError, match=r"learner-0\.json: not a pointer of schema 1"):
        store.load()
    with pytest.raises(CheckpointError, match="not a pointer"):
        store.save(tensors(2), EXTRA)


@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_a_disk_that_fills_at_any_flush_leaves_the_old_state(
    store: StateStore, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """A save flushes state, folder, pointer, folder: whichever fails, a whole state is current and saving goes on."""
    store.save(tensors(1), EXTRA)
    fsync, calls = os.fsync, 0

    def fills_up(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fills_up)
        with pytest.raises(CheckpointError, match="the disk is full"):
            store.save(tensors(2), EXTRA)

    assert number_of(store) == (1 if call < 4 else 2)  # the last flush comes after the pointer has moved
    store.save(tensors(3), EXTRA)
    assert number_of(store) == 3
    assert len(list(store.folder.iterdir())) == 3


def test_a_writer_killed_again_and_again_always_leaves_a_whole_state(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import sys, torch
        from pathlib import Path
        from agents.state_store import StateStore
        store = StateStore(Path(sys.argv[1]), "s")
        number = int(store.load().extra["number"]) if store.load() else 0
        while True:
            number += 1
            store.save({"weights": torch.full((200_000,), float(number))}, {"number": number})
            print(number, flush=True)
        """
    )
    store = StateStore(tmp_path, "s")
    for patience in (1, 3):
        with subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            said = [int(writer.stdout.readline()) for _ in range(patience)][-1]
            writer.send_signal(signal.SIGKILL)
        state = store.load()
        assert state is not None
        assert state.extra["number"] in range(said, said + 50)
        assert bool((state.tensors["weights"] == float(str(state.extra["number"]))).all())
    store.save(tensors(0), EXTRA)
    assert len(list(tmp_path.iterdir())) == 3  # what the killed writers left is gone


@pytest.mark.parametrize("extra", ["", "[", "[" * 100_000, "[1]", "null"])
def test_a_state_whose_json_is_none_is_an_error(store: StateStore, extra: str) -> None:
    store.save({"a": torch.zeros(1)}, {})
    data = encode({"a": torch.zeros(1)}, extra)
    store.path(sha256(data)).write_bytes(data)
    store.pointer.write_text(json.dumps({"schema": 1, "kept": [sha256(data)]}))
    with pytest.raises(CheckpointError, match="what is saved beside its tensors is no "):
        store.load()
