"""Inputs that are nearly right: valid samples, changed in their bytes or in their structure.

Every function takes a generator of random numbers and valid samples and gives one input; the same generator gives the
same input.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random
from typing import Any, NamedTuple

Shape = Callable[[Random, Sequence[bytes]], bytes]

TOKENS = (
    b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\r\n", b"\n", b"\x1b[2J", b"\xe2\x80\xa8", b'"', b"'",
    b"[", b"]", b"{", b"}", b",", b":", b"=", b"#", b"\\u", b"\\ud800", b"-", b"NaN", b"1e999", b"9" * 5000, b"null",
    b"[" * 3000, b'{"a":' * 3000, b"x" * 70_000, b"../", b"/dev/zero", b"\x7f", "\u202e".encode(), "é".encode(),
)  # fmt: skip


class Raw(NamedTuple):
    """A node of a document that is written as it stands."""

    text: str


class Pairs(NamedTuple):
    """A table whose keys may come twice."""

    items: list[tuple[str, Any]]


def _nested(opening: str, closing: str, inner: str, depth: int) -> Raw:
    return Raw(opening * depth + inner + closing * depth)


SCALARS = (
    Raw("true"), Raw("false"), Raw("0"), Raw("1"), Raw("-1"), Raw("-0.0"), Raw("0.5"), Raw("2"), Raw("1e308"),
    Raw("1e999"), Raw("-1e999"), Raw("2147483648"), Raw("9223372036854775807"), Raw("9223372036854775808"),
    Raw("-9223372036854775809"), Raw("1" + "0" * 400), Raw("1" + "0" * 5000), Raw("1000000"), Raw("1000000000000"),
    Raw('""'), Raw('"a"'), Raw('"\\u0000"'), Raw('"\\u001b[2J"'), Raw('"\\u202e"'), Raw('"../../etc/passwd"'),
    Raw('"/dev/zero"'), Raw('"' + "x" * 100_000 + '"'), Raw('"nan"'), Raw('"-1"'), Raw('"1e999"'),
    Raw('"%s{0}{}$HOME"'),
    Raw("[]"), Raw("[[]]"), Raw("[0, 1]"), Raw('["a", "a"]'), Raw("[" + "0," * 3000 + "0]"),
)  # fmt: skip
OF_JSON = (
    Raw("null"), Raw("NaN"), Raw("Infinity"), Raw("-Infinity"), Raw('"\\ud800"'), Raw('"\\udc00\\ud800"'), Raw("{}"),
    Raw('{"a": 1, "a": 2}'), Raw('{"": {}}'), _nested("[", "]", "", 500), _nested("[", "]", "", 50_000),
    _nested('{"a":', "}", "1", 500), _nested('{"a":', "}", "1", 50_000), Raw("[" * 100_000),
)  # fmt: skip
OF_TOML = (
    Raw("nan"), Raw("inf"), Raw("-inf"), Raw("0xffffffffffffffffffff"), Raw("1979-05-27T07:32:00Z"), Raw("07:32:00"),
    Raw("1979-05-27"), Raw("{}"), Raw("{a = 1}"), Raw("'''\nx\n'''"), Raw('"\\ud800"'), Raw('"\\UFFFFFFFF"'),
    _nested("[", "]", "", 200), _nested("[", "]", "", 5000), _nested("{a = ", "}", "1", 200),
    _nested("{a = ", "}", "1", 5000),
)  # fmt: skip
KEYS = ("", "a", "schema", "schema_version", "id", "__class__", "x" * 5000, "a.b", "\u202e", "\n", "name", "0")


def raw(rng: Random, samples: Sequence[bytes]) -> bytes:
    """A sample with some bytes changed, moved, repeated, cut out or put in."""
    data = bytearray(rng.choice(samples))
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        start = rng.randrange(len(data) + 1)
        stop = min(len(data), start + rng.choice((1, 2, 8, 64, 1000)))
        match rng.randrange(8):
            case 0 if data:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            case 1:
                del data[start:]
            case 2:
                del data[start:stop]
            case 3:
                data[start:start] = data[start:stop] * rng.choice((1, 2, 50))
            case 4:
                data[start:start] = rng.choice(TOKENS)
            case 5:
                data[start:stop] = rng.randbytes(stop - start)
            case 6:
                data[start:stop] = rng.choice(TOKENS)
            case _:
                other = rng.choice(samples)
                data[start:] = other[rng.randrange(len(other) + 1) :]
    return bytes(data)


def _places(node: Any, found: list[tuple[Any, Any]]) -> None:
    """Every place of a document: what holds it, and where in that."""
    if isinstance(node, Pairs):
        for index, (_, value) in enumerate(node.items):
            found.append((node.items, index))
            _places(value, found)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            found.append((node, index))
            _places(value, found)


def _as_pairs(node: Any) -> Any:
    if isinstance(node, dict):
        return Pairs([(key, _as_pairs(value)) for key, value in node.items()])
    return [_as_pairs(each) for each in node] if isinstance(node, list) else node


def _bent(rng: Random, tree: Any, values: Sequence[Raw]) -> Any:
    """A document of which one to three places are not what they were."""
    box = [tree]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places: list[tuple[Any, Any]] = [(box, 0)]
        _places(box[0], places)
        holder, index = rng.choice(places)
        entry = holder[index]
        key, value = entry if type(entry) is tuple else (None, entry)  # of a table: a key and its value
        action = rng.randrange(10)
        if action < 6:
            value = rng.choice(values)
        elif action == 6 and holder is not box:
            del holder[index]
            continue
        elif action == 7 and holder is not box:
            holder.insert(index, entry)
            continue
        elif action == 8 and key is not None:
            key = rng.choice(KEYS)
        elif isinstance(value, list | Pairs):
            inner = value.items if isinstance(value, Pairs) else value
            rng.shuffle(inner)
        else:
            donor, at = rng.choice(places)
            value = deepcopy(donor[at][1] if type(donor[at]) is tuple else donor[at])
        holder[index] = value if key is None else (key, value)
    return box[0]


JSON, TOML = ": ", " = "
"""What stands between a key and its value."""


def _text(node: Any, equals: str) -> str:
    """A document as JSON, or as a value of TOML."""
    if isinstance(node, Raw):
        return node.text
    if isinstance(node, Pairs):
        return "{" + ", ".join(f"{json.dumps(key)}{equals}{_text(value, equals)}" for key, value in node.items) + "}"
    if isinstance(node, list):
        return "[" + ", ".join(_text(each, equals) for each in node) + "]"
    return json.dumps(node)


def json_text(rng: Random, samples: Sequence[bytes]) -> bytes:
    """A JSON document."""
    if rng.random() < 0.25:
        return raw(rng, samples)
    tree = _as_pairs(json.loads(rng.choice(samples)))
    return _text(_bent(rng, tree, SCALARS + OF_JSON), JSON).encode()


def json_lines(rng: Random, samples: Sequence[bytes]) -> bytes:
    """Some lines of JSON, of which one is bent."""
    if rng.random() < 0.2:
        return raw(rng, samples)
    lines = rng.choice(samples).splitlines() or [b"{}"]
    place = rng.randrange(len(lines))
    lines[place] = json_text(rng, [lines[place]])
    end = rng.choice((b"\n", b"\n", b"\n", b"", b"\r\n", b"\n\n"))
    return b"\n".join(lines) + end


def toml_text(rng: Random, samples: Sequence[bytes]) -> bytes:
    """A TOML document."""
    if rng.random() < 0.3:
        return raw(rng, samples)
    tree = _bent(rng, _as_pairs(tomllib.loads(rng.choice(samples).decode())), SCALARS + OF_TOML)
    if not isinstance(tree, Pairs):
        return _text(tree, TOML).encode()
    return "".join(f"{json.dumps(key)}{TOML}{_text(value, TOML)}\n" for key, value in tree.items).encode()


def gzipped(shape: Shape) -> Shape:
    """A compressed document: bent before it is compressed, or after. The samples are not compressed."""

    def draw(rng: Random, samples: Sequence[bytes]) -> bytes:
        if rng.random() < 0.25:
            return raw(rng, [gzip.compress(each, mtime=0) for each in samples])
        if rng.random() < 0.02:
            return gzip.compress(b"[" * 30_000_000, mtime=0)
        return gzip.compress(shape(rng, samples), compresslevel=1, mtime=0)

    return draw


def tensors(rng: Random, samples: Sequence[bytes]) -> bytes:
    """A safetensors file: its length, its header, the JSON within the header, or the numbers are changed."""
    data = rng.choice(samples)
    size = int.from_bytes(data[:8], "little")
    header, body = data[8 : 8 + size], data[8 + size :]
    match rng.randrange(8):
        case 0:
            return raw(rng, samples)
        case 1:
            return rng.choice((0, 1, size - 1, size + 1, 2**31, 2**63, 2**64 - 1)).to_bytes(8, "little") + data[8:]
        case 2 | 3:
            header = json_text(rng, [header])
        case 4 | 5:  # what the tensors stand for
            tree = json.loads(header)
            meta = tree["__metadata__"]
            meta["header"] = json_text(rng, [meta["header"].encode()]).decode("utf-8", "replace")
            header = json.dumps(tree).encode()
        case 6:
            body = rng.choice((b"\xff" * len(body), bytes(len(body)), rng.randbytes(len(body)), b"", body[:-1]))
        case _:  # shapes of as many numbers
            tree = json.loads(header)
            name = rng.choice([each for each in tree if each != "__metadata__"])
            entry = tree[name]
            change = rng.randrange(4)
            if change == 0:
                entry["shape"] = entry["shape"][::-1]
            elif change == 1:
                entry["shape"] = [*entry["shape"], 1]
            elif change == 2:
                entry["dtype"] = rng.choice(("F64", "I64", "BOOL", "BF16", "U8", "F8_E4M3", "I32", "x"))
            else:
                tree[name + "x"] = tree.pop(name)
            header = json.dumps(tree).encode()
    return len(header).to_bytes(8, "little") + header + body


NAMES = (
    "bot.py", "bot.toml", "../x", "/etc/passwd", "a/" * 200 + "x", "x" * 5000, "", ".", "..", "a\x00b", "a\\b", "C:x",
    "bot.py/", "bot.py/x", "\u202e", "a\nb", "é", "./bot.py", "__pycache__/x", "CON", "a//b", " ",
)  # fmt: skip


def zip_archive(rng: Random, samples: Sequence[bytes]) -> bytes:
    """A zip of odd members, or a valid one with bytes changed."""
    if rng.random() < 0.5:
        return raw(rng, samples)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for number in range(rng.choice((0, 1, 2, 5))):
            info = zipfile.ZipInfo(f"f{number}")
            info.filename = rng.choice(NAMES)
            info.external_attr = rng.choice((0, 0o100644, 0o120777, 0o040755, 0o060644, 0o010644, 0o177777)) << 16
            info.date_time = rng.choice(((1980, 1, 1, 0, 0, 0), (2107, 12, 31, 23, 59, 58)))
            content = rng.choice((b"", b"def act(o, m, c): return 0\n", rng.randbytes(100), bytes(3_000_000)))
            try:
                archive.writestr(info, content, compress_type=rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
            except (UnicodeEncodeError, ValueError):
                continue
    data = out.getvalue()
    return raw(rng, [data]) if rng.random() < 0.4 else data


def tar_archive(rng: Random, samples: Sequence[bytes]) -> bytes:
    """A tar.gz of odd members, or one with bytes changed inside or outside of the compression."""
    draw = rng.random()
    if draw < 0.2:
        return raw(rng, samples)
    if draw < 0.5:
        return gzip.compress(raw(rng, [gzip.decompress(each) for each in samples]), compresslevel=1, mtime=0)
    out = io.BytesIO()
    form = rng.choice((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for _ in range(rng.choice((0, 1, 2, 5))):
            info = tarfile.TarInfo(rng.choice(NAMES))
            content = rng.choice((b"", b"def act(o, m, c): return 0\n", bytes(3_000_000)))
            info.size = len(content)
            info.mode = rng.choice((0, 0o644, 0o755, 0o7777777))
            info.type = rng.choice((tarfile.REGTYPE, tarfile.REGTYPE, *(bytes([each]) for each in b"1234567LKxgSV")))
            info.linkname = rng.choice(NAMES)
            info.pax_headers = rng.choice(({}, {"size": "999999999999"}, {"path": "../x"}, {"mtime": "x"}))
            try:
                archive.addfile(info, io.BytesIO(content))
            except (UnicodeEncodeError, ValueError, OverflowError, tarfile.TarError):
                continue
    data = out.getvalue()
    return gzip.compress(raw(rng, [data]) if rng.random() < 0.4 else data, compresslevel=1, mtime=0)


def words(rng: Random, samples: Sequence[bytes]) -> bytes:
    """Words of a command, NUL between them: one or two are replaced, repeated or left out."""
    found = rng.choice(samples).split(b"\0")
    for _ in range(rng.choice((1, 1, 2))):
        place = rng.randrange(len(found)) if found else 0
        match rng.randrange(6):
            case 0 if found:
                del found[place]
            case 1 if found:
                found.insert(place, found[place])
            case 2:
                found.insert(place, rng.choice(rng.choice(samples).split(b"\0")))
            case 3 if found:
                found[place] = rng.choice(SCALARS).text.strip('"').encode()[:5000]
            case _ if found:
                found[place] = raw(rng, [found[place]])[:5000]
    return b"\0".join(each.replace(b"\0", b"") for each in found)
