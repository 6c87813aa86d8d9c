"""Archives of strangers: what is in a good one arrives; what climbs, links, lies or swells is refused."""

from __future__ import annotations

import gzip
import io
import random
import resource
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from agents.bots.archive import unpack
from agents.bots.core import FailureCode
from agents.bots.manifest import BotRejectedError
from agents.bots.source import load_source
from agents.bots.staging import Bounds, Staging

BOT = b"class Bot: ...\n"
MEGABYTE = 1024**2


def _zip(path: Path, members: dict[str, bytes], modes: dict[str, int] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = (modes or {}).get(name, stat.S_IFREG | 0o644) << 16
            archive.writestr(member, content)
    return path


def _member(name: str, kind: bytes = tarfile.REGTYPE, **fields: str | int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    for field, value in fields.items():
        setattr(member, field, value)
    return member


def _tar(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member, content in members:
            if content:
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def _unpack(path: Path, bounds: Bounds | None = None) -> Path:
    folder = path.with_name("unpacked")
    folder.mkdir()
    unpack(path, Staging(folder, bounds or Bounds()))
    return folder


def _refusal(path: Path, bounds: Bounds | None = None) -> BotRejectedError:
    """Why an archive is refused; nothing but its own folder may have changed."""
    before = sorted(each for each in path.parent.rglob("*"))
    with pytest.raises(BotRejectedError) as caught:
        _unpack(path, bounds)
    inside = path.parent / "unpacked"
    after = sorted(each for each in path.parent.rglob("*") if inside not in (each, *each.parents))
    assert after == before
    assert not any(each.is_symlink() for each in inside.rglob("*"))
    return caught.value


def test_a_zip(tmp_path: Path) -> None:
    members = {"bot.toml": b'command = ["./run"]', "run": b"#!/bin/sh\n", "data/x.bin": b"\0\1", "data/": b""}
    folder = _unpack(_zip(tmp_path / "a.zip", members, {"run": stat.S_IFREG | 0o755, "data/": stat.S_IFDIR | 0o755}))
    assert {each.name for each in folder.iterdir()} == {"bot.toml", "run", "data"}
    assert (folder / "data" / "x.bin").read_bytes() == b"\0\1"
    assert (folder / "run").stat().st_mode & 0o777 == 0o555
    assert (folder / "bot.toml").stat().st_mode & 0o777 == 0o444


def test_a_tar(tmp_path: Path) -> None:
    members = [
        (_member("./", tarfile.DIRTYPE), b""),
        (_member("./bot.py", mode=0o644), BOT),
        (_member("./run", mode=0o6755), b"x"),
        (_member("__MACOSX/x"), b"junk"),
    ]
    folder = _unpack(_tar(tmp_path / "a.tar.gz", members))
    assert {each.name: each.stat().st_mode & 0o7777 for each in folder.iterdir()} == {"bot.py": 0o444, "run": 0o555}


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_a_folder_that_was_packed_whole(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"my_bot.{form}"
    if form == "zip":
        _zip(path, {"my_bot/bot.toml": b'entry = "bot:Bot"', "my_bot/bot.py": BOT})
    else:
        _tar(path, [(_member("my_bot/bot.toml"), b'entry = "bot:Bot"'), (_member("my_bot/bot.py"), BOT)])
    source = load_source(path)
    assert (source.name, source.entry) == ("my_bot", "bot:Bot")
    assert (source.folder / "bot.py").is_file()


def test_the_version_does_not_depend_on_the_packing(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "bot.py").write_bytes(BOT)
    zipped = _zip(tmp_path / "a.zip", {"bot.py": BOT})
    tarred = _tar(tmp_path / "a.tar.gz", [(_member("bot.py"), BOT)])
    assert len({load_source(path).version for path in (plain, zipped, tarred)}) == 1


CLIMBING = ["../evil", "a/../../evil", "/tmp/evil", "a/..", "..\\evil", "C:/evil", "C:\\evil", "\\evil"]


@pytest.mark.parametrize("name", CLIMBING)
def test_paths_that_leave_the_folder(tmp_path: Path, name: str) -> None:
    place = tmp_path / "zip"
    place.mkdir()
    refusal = _refusal(_zip(place / "a.zip", {name: b"x"}))
    assert refusal.record.code is FailureCode.SANDBOX_DENIED
    assert "absolute" in str(refusal) or "climb" in str(refusal)
    place = tmp_path / "tar"
    place.mkdir()
    refusal = _refusal(_tar(place / "a.tar.gz", [(_member(name), b"x")]))
    assert refusal.record.code is FailureCode.SANDBOX_DENIED


@pytest.mark.parametrize(
    "name", ["a//b", "a/./b", "a\nb", "a\x1b[2J", "\u202egnp.exe", "x" * 300, "/".join("abcdefghijklmno")]
)
def test_paths_that_are_no_plain_paths(tmp_path: Path, name: str) -> None:
    refusal = _refusal(_zip(tmp_path / "a.zip", {name: b"x"}))
    assert str(refusal).isprintable()


def test_links_in_a_zip(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", {"passwd": b"/etc/passwd"}, {"passwd": stat.S_IFLNK | 0o777})
    refusal = _refusal(path)
    assert str(refusal) == "'passwd' in the zip file is a symbolic link: a bot has regular files only"
    assert refusal.record.code is FailureCode.SANDBOX_DENIED


@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_special_files_in_a_zip(tmp_path: Path, kind: int) -> None:
    assert "special file" in str(_refusal(_zip(tmp_path / "a.zip", {"x": b""}, {"x": kind | 0o644})))


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (_member("x", tarfile.SYMTYPE, linkname="/etc/passwd"), "'x' in the tar.gz file is a symbolic link"),
        (_member("x", tarfile.LNKTYPE, linkname="/etc/passwd"), "'x' in the tar.gz file is a hard link"),
        (_member("x", tarfile.CHRTYPE, devmajor=1, devminor=5), "'x' in the tar.gz file is a special file"),
        (_member("x", tarfile.BLKTYPE, devmajor=8), "special file"),
        (_member("x", tarfile.FIFOTYPE), "special file"),
        (_member("x", tarfile.CONTTYPE), "special file"),
        (_member("x", b"Z"), "special file"),
    ],
)
def test_links_and_special_files_in_a_tar(tmp_path: Path, member: tarfile.TarInfo, message: str) -> None:
    refusal = _refusal(_tar(tmp_path / "a.tar.gz", [(_member("bot.py"), BOT), (member, b"")]))
    assert message in str(refusal)
    assert refusal.record.code is FailureCode.SANDBOX_DENIED


def test_a_file_through_a_link_of_the_same_archive(tmp_path: Path) -> None:
    """The old trick: a link out of the folder, then a file behind it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    link = _member("sub", tarfile.SYMTYPE, linkname=str(outside))
    _refusal(_tar(tmp_path / "a.tar.gz", [(link, b""), (_member("sub/evil"), b"x")]))
    assert list(outside.iterdir()) == []


def test_a_file_that_is_there_twice(tmp_path: Path) -> None:
    members = [(_member("bot.py"), BOT), (_member("bot.py"), b"other")]
    assert "twice" in str(_refusal(_tar(tmp_path / "a.tar.gz", members)))


def test_a_file_that_is_a_folder_too(tmp_path: Path) -> None:
    members = [(_member("a"), BOT), (_member("a/b"), b"other")]
    assert "'a/b' is a file and a folder" in str(_refusal(_tar(tmp_path / "a.tar.gz", members)))


def test_too_many_files(tmp_path: Path) -> None:
    members = {f"f{number}": b"" for number in range(20)}
    path = _zip(tmp_path / "a.zip", members)
    assert "more than 10 files" in str(_refusal(path, Bounds(files=10)))
    folders = [(_member(f"d{number}", tarfile.DIRTYPE), b"") for number in range(20)]
    (tmp_path / "tar").mkdir()
    assert "more than 10 files" in str(_refusal(_tar(tmp_path / "tar" / "a.tar.gz", folders), Bounds(files=10)))


def test_a_list_of_members_that_does_not_fit(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", {f"{number:0>200}": b"" for number in range(2000)})
    assert str(_refusal(path, Bounds(files=10))) == "the zip file lists more than 10 files"


def test_an_archive_that_is_too_large_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with path.open("wb") as file:
        file.truncate(1024**3)
    assert str(_refusal(path)).startswith("the archive has 1,073,741,824 bytes or more; at most 20,971,520")


def _bomb_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"zeros{number}", bytes(50 * MEGABYTE))
    return path


def test_a_zip_that_swells(tmp_path: Path) -> None:
    path = _bomb_zip(tmp_path / "bomb.zip")
    assert path.stat().st_size < MEGABYTE
    assert "has 209,715,200 bytes or more; at most 20,971,520" in str(_refusal(path))
    assert list((tmp_path / "unpacked").iterdir()) == []


def test_a_zip_that_swells_and_lies(tmp_path: Path) -> None:
    """Its headers say that each member has 10 bytes."""
    path = _bomb_zip(tmp_path / "bomb.zip")
    data = path.read_bytes().replace(struct.pack("<I", 50 * MEGABYTE), struct.pack("<I", 10))
    path.write_bytes(data)
    assert "damaged" in str(_refusal(path))
    assert sum(each.stat().st_size for each in (tmp_path / "unpacked").iterdir()) <= 10


def test_a_zip_whose_members_lie_before_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "bot.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bot.py", b"def act(o, m, c): return 0\n")
    data = bytearray(path.read_bytes())
    start = len(data) - 22 + 16  # where the end record has the place of the directory
    data[start : start + 4] = struct.pack("<I", struct.unpack("<I", data[start : start + 4])[0] + 10_000)
    path.write_bytes(data)
    assert "damaged" in str(_refusal(path))


def test_a_tar_that_swells(tmp_path: Path) -> None:
    path = _tar(tmp_path / "bomb.tar.gz", [(_member(f"zeros{number}"), bytes(15 * MEGABYTE)) for number in range(3)])
    assert path.stat().st_size < MEGABYTE
    assert "bytes or more; at most 20,971,520" in str(_refusal(path))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE])
def test_a_tar_whose_header_is_a_bomb(tmp_path: Path, kind: bytes) -> None:
    """A header of 200 MB of zeros, which `tarfile` would read into memory whole."""
    header = _member("x", kind)
    header.size = 200 * MEGABYTE
    path = tmp_path / "bomb.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT))
        for _ in range(200):
            file.write(bytes(MEGABYTE))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "bytes or more; at most 2,097,152" in str(_refusal(path, Bounds(size=2 * MEGABYTE)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # in KiB


def test_a_tar_whose_header_promises_more_than_there_is(tmp_path: Path) -> None:
    header = _member("x")
    header.size = 5 * MEGABYTE
    path = tmp_path / "short.tar.gz"
    path.write_bytes(gzip.compress(header.tobuf() + b"few"))
    assert "damaged" in str(_refusal(path))


@pytest.mark.parametrize("name", [".git/pack", "agent"])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE])
def test_a_tar_is_not_searched_beyond_its_end(tmp_path: Path, name: str, kind: bytes) -> None:
    """As many times around a loop as a member's header says, for hours: found by fuzzing."""
    header = _member(name, kind, size=2**36).tobuf(tarfile.GNU_FORMAT)
    path = tmp_path / "bot.tar.gz"
    path.write_bytes(gzip.compress(header + b"x" * 512))
    assert "has 68,719,476,736 bytes or more; at most" in str(_refusal(path))


def test_a_sparse_member(tmp_path: Path) -> None:
    header = _member("x")
    header.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(10**12), "GNU.sparse.name": "x"}
    path = tmp_path / "sparse.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        header.size = 1
        archive.addfile(header, io.BytesIO(b"x"))
    assert "special file" in str(_refusal(path))


def test_what_cannot_be_read(tmp_path: Path) -> None:
    encrypted = _zip(tmp_path / "a.zip", {"x": b"secret"})
    data = bytearray(encrypted.read_bytes())
    place = data.rindex(b"PK\x01\x02")
    data[place + 8] |= 1
    encrypted.write_bytes(data)
    assert "encrypted" in str(_refusal(encrypted))
    other = tmp_path / "b" / "a.zip"
    other.parent.mkdir()
    with zipfile.ZipFile(other, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x", b"x" * 100)
    assert "packed in an unusual way" in str(_refusal(other))
    text = tmp_path / "c" / "a.zip"
    text.parent.mkdir()
    text.write_text("no archive")
    assert str(_refusal(text)) == "'a.zip' is neither a zip nor a tar.gz file"


def test_a_zip_in_the_large_form(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", {"x": b"x"})
    data = path.read_bytes()
    end = data.rindex(b"PK\x05\x06")
    path.write_bytes(data[:end] + b"PK\x06\x07" + bytes(16) + data[end:])
    assert "more than 4 GiB" in str(_refusal(path))


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_damage_is_told_never_raised(tmp_path: Path, form: str) -> None:
    """Whatever bytes are changed or cut: a rejection, or an archive that is fine after all."""
    path = tmp_path / f"a.{form}"
    files = {f"d/f{number}.py": random.Random(number).randbytes(300) for number in range(5)}
    if form == "zip":
        _zip(path, files)
    else:
        _tar(path, [(_member(name), content) for name, content in files.items()])
    good = path.read_bytes()
    draw = random.Random(7)
    for number in range(300):
        data = bytearray(good)
        for _ in range(draw.randrange(1, 6)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        if number % 3 == 0:
            del data[draw.randrange(len(data)) :]
        path.write_bytes(data)
        folder = tmp_path / f"unpacked{number}"
        folder.mkdir()
        try:
            unpack(path, Staging(folder, Bounds(size=MEGABYTE)))
        except BotRejectedError:
            continue
