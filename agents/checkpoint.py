"""Checkpoints: immutable policies in files named by the sha256 of their content.

The content is one policy's tensors and its manifest, so neither can be changed under an unchanged name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from agents.core import Parameters
from agents.durable import (
    SUFFIX,
    CheckpointError,
    CheckpointMisfitError,
    decode,
    encode,
    is_sha256,
    read,
    read_verified,
    sha256,
    write_durably,
)

__all__ = [
    "CheckpointError",
    "CheckpointMisfitError",
    "CheckpointStore",
    "Manifest",
    "check_tensors",
    "read_checkpoint",
]


class Manifest(BaseModel):
    """What a checkpoint says of itself. It holds no time and no host: the same policy has the same name everywhere.

    Attributes:
        schema_version: version of this record and of the file; `schema` in JSON.
        arena: name of the arena that the policy plays.
        observation_shape: shape of the observation that it takes.
        num_actions: number of actions that it chooses from.
        network: the network's configuration, as its own model dumps it.
        steps: learner samples that it was trained on.
        parent: id of the learner that it was copied from.
        temperature: the logits are divided by it when the policy acts; 0 plays the most likely action.
        created_by: program and version that wrote it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    arena: str
    observation_shape: tuple[int, ...]
    num_actions: int = Field(gt=0)
    network: dict[str, JsonValue]
    steps: int = Field(default=0, ge=0)
    parent: str | None = None
    temperature: float = Field(default=1.0, ge=0)
    created_by: str = ""


class CheckpointStore:
    """A folder of checkpoints. Any number of processes may write and read it at the same time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha: str) -> Path:
        """Where the checkpoint `sha` stands, or would stand."""
        if not is_sha256(sha):
            raise CheckpointError(self.folder, f"{sha!r} is no name of a checkpoint: 64 hexadecimal digits are")
        return self.folder / f"{sha}{SUFFIX}"

    def save(self, parameters: Parameters, manifest: Manifest) -> str:
        """Write a policy; the file shares nothing with the weights, which may change as soon as this returns.

        Args:
            parameters: the tensors of ONE policy, without the dimension of the stack.
            manifest: what the policy is.

        Returns:
            The sha256 of the content, which is the checkpoint's name.

        Raises:
            CheckpointError: the disk is full or refuses.
        """
        data = encode(parameters, manifest.model_dump_json())
        sha = sha256(data)
        path = self.path(sha)
        if not (path.is_file() and sha256(read(path)) == sha):
            write_durably(path, data)
        return sha

    def load(self, sha: str) -> tuple[Parameters, Manifest]:
        """The tensors of one policy (on the CPU, in memory of their own) and its manifest.

        Raises:
            CheckpointError: the file is missing, or its content is not what its name says.
        """
        path = self.path(sha)
        return _parse(path, read_verified(path, sha))

    def exists(self, sha: str) -> bool:
        """Whether a file stands at the checkpoint's name; only `load` looks into it."""
        return self.path(sha).is_file()

    def list(self) -> list[str]:
        """The names of all checkpoints, oldest file first."""
        files = [path for path in self.folder.glob(f"*{SUFFIX}") if is_sha256(path.stem)]
        return [path.stem for path in sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.stem))]


def read_checkpoint(path: Path) -> tuple[Parameters, Manifest]:
    """A checkpoint by its path. A file that carries a checkpoint's name must also have its content.

    Raises:
        CheckpointError: it is missing, damaged, or no checkpoint.
    """
    return _parse(path, read_verified(path, path.stem) if is_sha256(path.stem) else read(path))


def check_tensors(parameters: Parameters, shapes: Mapping[str, Sequence[int]], path: Path) -> None:
    """Make sure that a checkpoint holds the tensors of a network, all of them, float32, and no others.

    Args:
        parameters: what it holds.
        shapes: what the network has, by name.
        path: of the checkpoint, for messages.

    Raises:
        CheckpointError: it does not; it names the tensor.
    """
    for name in (*shapes, *parameters):
        if name not in parameters:
            raise CheckpointError(path, f"tensor {name} is missing; the network has it in shape {list(shapes[name])}")
        found = parameters[name]
        if name not in shapes:
            raise CheckpointError(path, f"tensor {name} of shape {list(found.shape)} has no place in the network")
        if list(found.shape) != list(shapes[name]):
            raise CheckpointError(
                path, f"tensor {name} has shape {list(found.shape)}; the network has it in {list(shapes[name])}"
            )
        if found.dtype != torch.float32:
            raise CheckpointError(path, f"tensor {name} is {found.dtype}; weights are saved as torch.float32")


def _parse(path: Path, data: bytes) -> tuple[Parameters, Manifest]:
    tensors, header = decode(path, data)
    try:
        return tensors, Manifest.model_validate_json(header)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CheckpointError(path, f"its manifest is not one of schema 1: {where}: {first['msg']}") from error
