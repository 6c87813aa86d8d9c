"""The names that a Python file defines, found by parsing it in a process of its own; nothing of it is run.

Run as a script: source on stdin, an `Outline` as JSON on stdout. A file can be written so that the parser takes all
memory or fails; here that hurts nobody.
"""

from __future__ import annotations

import ast
import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Literal

MEMORY = 2 * 1024**3  # bytes
SECONDS = 20


@dataclass(frozen=True)
class Name:
    """A name at the top level of a module.

    Attributes:
        kind: how it is bound there; `bound` is by an import or an assignment.
        line: where.
        parameters: names of a function's positional parameters.
        any_number: whether it takes any number of them.
    """

    kind: Literal["class", "function", "bound"]
    line: int
    parameters: tuple[str, ...] = ()
    any_number: bool = False


@dataclass(frozen=True)
class Outline:
    """What a module defines at its top level.

    Attributes:
        names: in the order of the file.
        star: whether it imports `*` from somewhere: then there may be more names.
        error: why it cannot be parsed; "" where it can.
        line: where the error is.
        text: the line of the error.
    """

    names: dict[str, Name] = field(default_factory=dict)
    star: bool = False
    error: str = ""
    line: int = 0
    text: str = ""


def outline(source: bytes) -> Outline:
    """The outline of a module's source; an error is in it, never raised."""
    command = [sys.executable, "-I", "-S", __file__]
    try:
        done = subprocess.run(command, input=source, capture_output=True, timeout=2 * SECONDS, check=True)
        found = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError):
        return Outline(error="it cannot be parsed within the limits of memory and time")
    names = {}
    for name, facts in found.pop("names").items():
        names[name] = Name(**facts | {"parameters": tuple(facts["parameters"])})
    return Outline(names, **found)


def parse(source: bytes) -> Outline:
    """`outline`, in this process."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        text = (error.text or "").strip()[:200]
        return Outline(error=error.msg, line=error.lineno or 0, text=text)
    except (ValueError, RecursionError, MemoryError) as error:
        return Outline(error=f"it cannot be parsed ({type(error).__name__}: {error})")
    names: dict[str, Name] = {}
    star = False
    for statement in _statements(tree.body):
        if isinstance(statement, ast.ImportFrom) and any(alias.name == "*" for alias in statement.names):
            star = True
        names.update(_bound(statement))
    return Outline(names, star)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of the module's own scope, also those inside of if, try and with."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If | ast.Try | ast.With):
            for part in ("body", "handlers", "orelse", "finalbody"):
                for inner in getattr(statement, part, []):
                    yield from _statements(inner.body if isinstance(inner, ast.ExceptHandler) else [inner])


def _bound(statement: ast.stmt) -> Iterator[tuple[str, Name]]:
    line = getattr(statement, "lineno", 0)
    if isinstance(statement, ast.ClassDef):
        yield statement.name, Name("class", line)
    elif isinstance(statement, ast.FunctionDef):
        arguments = statement.args
        names = tuple(each.arg for each in (*arguments.posonlyargs, *arguments.args))
        yield statement.name, Name("function", line, names, arguments.vararg is not None)
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        for alias in statement.names:
            yield alias.asname or alias.name.split(".")[0], Name("bound", line)
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            for node in ast.walk(target):
                if isinstance(node, ast.Name):
                    yield node.id, Name("bound", line)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    json.dump(asdict(parse(sys.stdin.buffer.read())), sys.stdout)
