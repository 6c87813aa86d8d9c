"""Bots on the disk by the hash of their content: whole or not at all, read-only, verified whenever one is loaded."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from agents.bots import store as stored
from agents.bots.manifest import BotRejectedError
from agents.bots.source import BotSource
from agents.bots.staging import Bounds
from agents.bots.store import STALE, BotStore, BotStoreError

BOT = "class Bot: ...\n"


@pytest.fixture
def store(tmp_path: Path) -> BotStore:
    return BotStore(tmp_path / "bots")


@pytest.fixture
def bot(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    (folder / "data").mkdir(parents=True)
    (folder / "bot.py").write_text(BOT)
    (folder / "data" / "weights").write_bytes(b"\1\2\3")
    return folder


def test_a_bot_is_stored_under_its_version(store: BotStore, bot: Path) -> None:
    source = store.add(bot)
    assert source.folder == store.folder / source.version
    assert [each.name for each in store.folder.iterdir()] == [source.version]
    assert store.load(source.version, "mine") == source
    assert (source.folder / "data" / "weights").read_bytes() == b"\1\2\3"


def test_stored_files_are_read_only_and_a_run_can_be_deleted(store: BotStore, bot: Path) -> None:
    folder = store.add(bot).folder
    assert {each.stat().st_mode & 0o222 for each in folder.rglob("*") if each.is_file()} == {0}
    assert {each.stat().st_mode & 0o777 for each in (folder, folder / "data")} == {0o755}


def test_the_same_content_again_changes_nothing(store: BotStore, bot: Path) -> None:
    first = store.add(bot)
    before = first.folder.stat().st_ino
    assert store.add(bot) == first
    assert first.folder.stat().st_ino == before
    assert len(list(store.folder.iterdir())) == 1


def test_what_the_author_does_later_does_not_reach_the_store(store: BotStore, bot: Path) -> None:
    source = store.add(bot)
    (bot / "bot.py").write_text("class Bot: evil\n")
    assert (source.folder / "bot.py").read_text() == BOT
    assert store.add(bot).version != source.version


def test_what_is_no_bot_leaves_nothing(store: BotStore, bot: Path) -> None:
    (bot / "bot.py").write_text("x = 1\n")
    with pytest.raises(BotRejectedError, match="defines no bot"):
        store.add(bot)
    with pytest.raises(BotRejectedError, match="at most 2 are taken"):
        store.add(bot, Bounds(size=2))
    assert list(store.folder.iterdir()) == []


def _damage(source: BotSource, how: str) -> None:
    file = source.folder / "bot.py"
    if how == "changed":
        file.chmod(0o644)
        file.write_text(BOT.replace("...", "0"))
    elif how == "executable":
        file.chmod(0o555)
    elif how == "missing":
        file.unlink()
    elif how == "more":
        (source.folder / "more").write_text("")
    else:
        file.unlink()
        file.symlink_to("/etc/passwd")


@pytest.mark.parametrize("how", ["changed", "executable", "missing", "more", "link"])
def test_damage_is_found_and_mended(store: BotStore, bot: Path, how: str) -> None:
    source = store.add(bot)
    _damage(source, how)
    with pytest.raises(BotStoreError, match=f"bot {source.version} in .* is damaged") as caught:
        store.load(source.version)
    assert caught.value.exit_code == 4
    assert store.add(bot) == source
    assert store.load(source.version, "mine") == source
    assert [each.name for each in store.folder.iterdir()] == [source.version]


def test_versions_that_are_not_there(store: BotStore) -> None:
    with pytest.raises(BotStoreError, match=f"there is no bot {'0' * 64}"):
        store.load("0" * 64)
    for text in ("../../etc", "0" * 63, "G" * 64, ""):
        with pytest.raises(BotStoreError, match="is no version of a bot"):
            store.load(text)


def test_drafts_of_killed_processes_are_swept(store: BotStore, bot: Path) -> None:
    store.folder.mkdir()
    old, young = store.folder / ".draft-1", store.folder / ".draft-2"
    for draft in (old, young):
        (draft / "bot").mkdir(parents=True)
    os.utime(old, (time.time() - 2 * STALE,) * 2)
    store.add(bot)
    assert not old.exists()
    assert young.exists()


def test_another_process_was_faster(store: BotStore, bot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bot is put in place between our look and our renaming."""
    flush = stored._flush

    def late(folder: Path) -> None:
        monkeypatch.setattr(stored, "_flush", flush)
        BotStore(store.folder).add(bot)
        flush(folder)

    monkeypatch.setattr(stored, "_flush", late)
    source = store.add(bot)
    assert store.load(source.version, "mine") == source
    assert [each.name for each in store.folder.iterdir()] == [source.version]


def test_many_store_the_same_bot_at_once(store: BotStore, bot: Path) -> None:
    found: list[BotSource] = []
    barrier = threading.Barrier(4)

    def add() -> None:
        barrier.wait()
        found.append(BotStore(store.folder).add(bot))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert [each.name for each in store.folder.iterdir()] == [found[0].version]
