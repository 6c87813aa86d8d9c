"""The journal of a tournament: what is in it is on the disk, once, and a torn line is cut off."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from league.errors import StateMismatchError
from league.journal import Journal, JournalBusyError, Played, parse
from matchmaking.records import Forfeit


def record(number: int) -> Played:
    return Played(
        id=f"r1.{number}",
        a="a",
        b="b",
        seed=number,
        outcomes="wl",
        forfeits=(Forfeit(match=1, player="a", code="CRASH"),),
        seconds=0.5,
        finished=12.0,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_records_come_back_in_their_order(path: Path) -> None:
    with Journal(path) as journal:
        assert journal.played == {}
        for number in (2, 1, 3):
            journal.append(record(number))
    with Journal(path) as journal:
        assert list(journal.played.values()) == [record(2), record(1), record(3)]
        assert journal.results == {"r1.2": "wl", "r1.1": "wl", "r1.3": "wl"}
    assert path.read_bytes().count(b"\n") == 3


def test_a_torn_line_is_cut_off_wherever_it_was_torn(path: Path) -> None:
    with Journal(path) as journal:
        journal.append(record(1))
        whole = path.stat().st_size
        journal.append(record(2))
    content = path.read_bytes()
    for size in (*range(whole, len(content) - 1, 9), len(content) - 1):
        path.write_bytes(content[:size])
        assert list(parse(content[:size], path)) == ["r1.1"]
        with Journal(path) as journal:
            assert list(journal.played) == ["r1.1"]
            assert path.stat().st_size == whole
            journal.append(record(3))
        with Journal(path) as journal:
            assert list(journal.played.values()) == [record(1), record(3)]


def test_what_is_no_record_is_named_by_its_line(path: Path) -> None:
    good = record(1).model_dump_json()
    for wrong in ("{}", "nonsense", good.replace('"wl"', '"x"'), good.replace("}", ',"more":1}')):
        path.write_text(f"{good}\n{wrong}\n")
        with pytest.raises(StateMismatchError, match=r"journal\.jsonl, line 2: this is no record"):
            Journal(path)
    path.write_text(f"{good}\n{good}\n")
    with pytest.raises(StateMismatchError, match=r"line 2: encounter r1\.1 is there twice"):
        Journal(path)
    path.write_text(f"{good}\n")
    Journal(path).close()  # a journal that was refused is free again


def test_an_encounter_is_written_once(path: Path) -> None:
    with Journal(path) as journal:
        journal.append(record(1))
        with pytest.raises(ValueError, match=r"r1\.1 has been played already"):
            journal.append(record(1))
    assert path.read_bytes().count(b"\n") == 1


def test_one_at_a_time(path: Path) -> None:
    with Journal(path), pytest.raises(JournalBusyError, match="is being played by another process"):
        Journal(path)
    Journal(path).close()


def test_a_line_is_on_the_disk_before_anybody_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []

    def sync(file: int, real: object = os.fsync) -> None:
        assert callable(real)
        synced.append(path.read_bytes())
        real(file)

    with Journal(path) as journal:
        monkeypatch.setattr(os, "fsync", sync)
        journal.append(record(1))
        assert synced == [record(1).model_dump_json().encode() + b"\n"]


def test_a_full_disk_leaves_no_part_of_a_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def full(file: int, data: bytes) -> int:
        if len(data) < 50:
            raise OSError(28, "No space left on device")
        return write(file, data[: len(data) - 20])

    with Journal(path) as journal:
        journal.append(record(1))
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left") as raised:
            journal.append(record(2))
        assert raised.value.filename == str(path)
        monkeypatch.setattr(os, "write", write)
        assert list(journal.played) == ["r1.1"]
        journal.append(record(3))
    with Journal(path) as journal:
        assert list(journal.played) == ["r1.1", "r1.3"]
