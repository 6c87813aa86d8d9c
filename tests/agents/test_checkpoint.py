"""Checkpoints: content-addressed, verified, never half written, never sharing memory with what they were made of."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from agents.checkpoint import CheckpointError, CheckpointStore, Manifest, read_checkpoint
from agents.core import Parameters
from agents.durable import encode, sha256

MANIFEST = Manifest(
    arena="connect_four",
    observation_shape=(2, 6, 7),
    num_actions=7,
    network={"trunk": "mlp", "hidden": [8, 8]},
    steps=1000,
    parent="p_1",
    temperature=0.5,
    created_by="test",
)


def parameters() -> Parameters:
    generator = torch.Generator().manual_seed(0)
    return {
        "first.weight": torch.randn(84, 8, generator=generator),
        "first.bias": torch.zeros(8),
        "half": torch.randn(3, generator=generator).to(torch.bfloat16),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 4),
    }


def same(found: Parameters, expected: Parameters) -> bool:
    return found.keys() == expected.keys() and all(
        found[name].dtype == tensor.dtype and torch.equal(found[name], tensor) for name, tensor in expected.items()
    )


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(tmp_path / "checkpoints")


def test_what_is_saved_comes_back(store: CheckpointStore) -> None:
    sha = store.save(parameters(), MANIFEST)
    found, manifest = store.load(sha)
    assert same(found, parameters())
    assert manifest == MANIFEST
    assert store.exists(sha)
    assert store.list() == [sha]


def test_the_name_is_the_sha256_of_the_file(store: CheckpointStore) -> None:
    sha = store.save(parameters(), MANIFEST)
    assert store.path(sha).name == f"{sha}.safetensors"
    assert sha256(store.path(sha).read_bytes()) == sha


def test_the_same_content_has_the_same_name_whatever_the_order(store: CheckpointStore, tmp_path: Path) -> None:
    sha = store.save(parameters(), MANIFEST)
    turned = dict(reversed(parameters().items()))
    assert CheckpointStore(tmp_path / "other").save(turned, MANIFEST) == sha
    assert store.save(turned, MANIFEST) == sha
    assert store.list() == [sha]


def test_another_tensor_or_another_manifest_has_another_name(store: CheckpointStore) -> None:
    sha = store.save(parameters(), MANIFEST)
    changed = parameters()
    changed["first.bias"][3] = 1e-30
    assert store.save(changed, MANIFEST) != sha
    assert store.save(parameters(), MANIFEST.model_copy(update={"steps": 1001})) != sha
    assert len(store.list()) == 3


def test_a_checkpoint_shares_no_memory_with_live_weights(store: CheckpointStore) -> None:
    """ray#35393: a league's frozen opponent went on learning because its weights were the learner's own."""
    stack = torch.randn(3, 84, 8, requires_grad=True)
    live = {"weight": stack[1], "tied": stack[1], "transposed": stack[1].T}  # views of the learner's stack
    before = stack[1].detach().clone()

    sha = store.save(live, MANIFEST)
    first, _ = store.load(sha)
    with torch.no_grad():
        stack.add_(1)
    second, _ = store.load(sha)
    first["weight"].zero_()

    assert torch.equal(second["weight"], before)
    assert torch.equal(second["transposed"], before.T)
    assert not second["weight"].requires_grad
    assert second["weight"].data_ptr() != second["transposed"].data_ptr()
    assert torch.equal(store.load(sha)[0]["weight"], before)


@pytest.mark.parametrize("damage", ["flip", "cut", "grow", "empty"])
def test_a_damaged_file_names_itself_and_both_hashes(store: CheckpointStore, damage: str) -> None:
    sha = store.save(parameters(), MANIFEST)
    path = store.path(sha)
    data = path.read_bytes()
    flipped = data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]
    path.write_bytes({"flip": flipped, "cut": data[:-7], "grow": data + b"\0", "empty": b""}[damage])

    with pytest.raises(CheckpointError) as caught:
        store.load(sha)

    found = sha256(path.read_bytes())
    assert (caught.value.path, caught.value.expected, caught.value.found) == (path, sha, found)
    assert str(path) in str(caught.value)
    assert f"expected sha256 {sha}, found {found}" in str(caught.value)


def test_a_damaged_file_is_healed_by_saving_the_same_policy_again(store: CheckpointStore) -> None:
    sha = store.save(parameters(), MANIFEST)
    store.path(sha).write_bytes(b"torn")
    assert store.save(parameters(), MANIFEST) == sha
    assert same(store.load(sha)[0], parameters())


def test_a_missing_file_names_itself_and_the_hash(store: CheckpointStore) -> None:
    sha = "0" * 64
    with pytest.raises(CheckpointError, match=f"{sha}.safetensors: no such file: expected sha256 {sha}") as caught:
        store.load(sha)
    assert caught.value.found is None
    assert not store.exists(sha)
    assert store.list() == []


@pytest.mark.parametrize("name", ["", "abc", "../" + "0" * 61, "G" * 64, "A" * 64])
def test_what_is_no_sha256_is_refused(store: CheckpointStore, name: str) -> None:
    with pytest.raises(CheckpointError, match="64 hexadecimal digits"):
        store.load(name)


def test_a_foreign_file_under_its_right_hash_is_refused(store: CheckpointStore) -> None:
    store.folder.mkdir()
    for data in (b"not tensors at all", encode({"weight": torch.zeros(1)}, '{"schema":1,"arena":"x"}')):
        path = store.path(sha256(data))
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match=r"not a file that this|manifest is not one of schema 1"):
            store.load(path.stem)


def test_a_manifest_of_another_schema_is_refused(store: CheckpointStore) -> None:
    store.folder.mkdir()
    data = encode(parameters(), MANIFEST.model_dump_json().replace('"schema":1', '"schema":2'))
    path = store.path(sha256(data))
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="not one of schema 1: schema: Input should be 1"):
        store.load(path.stem)


def test_a_pickle_is_never_read(store: CheckpointStore) -> None:
    store.folder.mkdir()
    pickled = store.folder / "weights.pt"
    torch.save(parameters(), pickled)
    path = store.path(sha256(pickled.read_bytes()))
    pickled.rename(path)
    with pytest.raises(CheckpointError, match="not a file that this program wrote"):
        store.load(path.stem)


def test_a_checkpoint_by_path(store: CheckpointStore, tmp_path: Path) -> None:
    sha = store.save(parameters(), MANIFEST)
    renamed = tmp_path / "mine.safetensors"
    renamed.write_bytes(store.path(sha).read_bytes())
    assert read_checkpoint(renamed)[1] == MANIFEST
    assert read_checkpoint(store.path(sha))[1] == MANIFEST
    store.path(sha).write_bytes(encode(parameters(), MANIFEST.model_copy(update={"steps": 1}).model_dump_json()))
    with pytest.raises(CheckpointError, match=f"expected sha256 {sha}"):
        read_checkpoint(store.path(sha))


@pytest.mark.parametrize("failing", ["write", "fsync"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_full_disk_is_one_clear_line_and_leaves_nothing_behind(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, failing: str, code: int
) -> None:
    kept = store.save(parameters(), MANIFEST)

    def refuse(*arguments: object) -> int:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as broken:
        broken.setattr(os, failing, refuse)
        message = r"the disk is full \([\d,]+ bytes to write\)" if code == errno.ENOSPC else "cannot be written"
        with pytest.raises(CheckpointError, match=f"{message}.*; nothing was lost"):
            store.save(parameters(), MANIFEST.model_copy(update={"steps": 2}))

    assert store.list() == [kept]
    assert [path.name for path in store.folder.iterdir()] == [f"{kept}.safetensors"]
    assert same(store.load(kept)[0], parameters())


def test_short_writes_are_continued(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:100]))
    assert same(store.load(store.save(parameters(), MANIFEST))[0], parameters())


def test_content_is_flushed_before_it_has_its_name_and_the_folder_after(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def watch_fsync(descriptor: int) -> None:
        events.append("folder" if Path(f"/proc/self/fd/{descriptor}").resolve().is_dir() else "file")
        fsync(descriptor)

    def watch_replace(self: Path, target: Path) -> Path:
        events.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", watch_fsync)
    monkeypatch.setattr(Path, "replace", watch_replace)
    store.save(parameters(), MANIFEST)
    assert events == ["file", "rename", "folder"]
