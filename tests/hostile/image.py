"""An image for containers, made here: the Python of these tests and its numpy. No registry is asked for one."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import numpy as np

PYTHON = f"usr/local/lib/python{sys.version_info.major}.{sys.version_info.minor}"
PACKAGES = "packages"
LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idlelib", "ensurepip", "tkinter", "lib2to3"}
LOADERS = "lib*/ld-linux*.so*"


def build(tag: str) -> None:
    """Have the engine make an image of this name."""
    library, numpy = Path(sysconfig.get_path("stdlib")), Path(np.__file__).parent
    packages = [each for each in (numpy, numpy.with_name("numpy.libs")) if each.is_dir()]
    command = ["docker", "import", "--change", f"ENV PYTHONPATH=/{PACKAGES}", "-", tag]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as engine:
        assert engine.stdin is not None
        with engine.stdin, tarfile.open(fileobj=engine.stdin, mode="w|", dereference=True) as archive:
            archive.add(Path(sys.executable).resolve(), "usr/local/bin/python3")
            archive.add(library, PYTHON, filter=_wanted)
            for folder in packages:
                archive.add(folder, f"{PACKAGES}/{folder.name}", filter=_wanted)
            for path in _shared(numpy.parent, library):
                archive.add(path, str(path).lstrip("/"))
    assert engine.returncode == 0


def _wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if LEFT_OUT & set(Path(member.name).parts) or Path(member.name).name.startswith("config-"):
        return None
    member.uid = member.gid = 0
    member.mode |= 0o444 | (0o111 if member.isdir() else 0)
    return member


def _shared(*covered: Path) -> set[Path]:
    """The libraries that this very process uses, by all of their names, and the loader; not those of `covered`."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    mapped = {Path(line.split(maxsplit=5)[5]) for line in lines if ".so" in line}
    used = {path for path in mapped if not any(path.is_relative_to(each.resolve()) for each in covered)}
    links = (each for folder in {path.parent for path in used} for each in folder.iterdir() if each.is_symlink())
    return used | {each for each in links if each.resolve() in used} | set(Path("/").glob(LOADERS))
