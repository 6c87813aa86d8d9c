"""The state that a process needs to go on as if it had not stopped: one named slot, replaced as a whole."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError
from torch import Tensor

from agents.durable import (
    SUFFIX,
    CheckpointError,
    decode,
    encode,
    is_sha256,
    read,
    read_verified,
    remove_leftovers,
    sha256,
    write_durably,
)


class SavedState(NamedTuple):
    """What was saved: tensors by name, and everything else as JSON."""

    tensors: dict[str, Tensor]
    extra: dict[str, JsonValue]


class _Pointer(BaseModel):
    """The file that says which states are kept, the current one first."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    kept: tuple[Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")], ...] = Field(min_length=1)


class StateStore:
    """One slot of a folder, with one writer: the current state and the one before it.

    A state is written whole before the pointer moves to it, and an older one is removed only after: whenever the
    process is killed, the pointer names a complete state. A damaged state is an error, never a silent step back;
    whoever wants the older state asks for it by name.
    """

    def __init__(self, folder: Path, name: str = "state", keep: int = 2) -> None:
        """Args: folder; name of the slot, unique in the folder; how many states to keep, at least 1."""
        if keep < 1:
            raise ValueError(f"a slot keeps at least 1 state, not {keep}")
        self.folder = folder
        self.name = name
        self.keep = keep

    @property
    def pointer(self) -> Path:
        """The file that names the current state."""
        return self.folder / f"{self.name}.json"

    def path(self, sha: str) -> Path:
        """Where the state `sha` stands."""
        return self.folder / f"{self.name}-{sha}{SUFFIX}"

    def save(self, tensors: Mapping[str, Tensor], extra: Mapping[str, JsonValue]) -> str:
        """Replace the current state; on the disk when this returns.

        Returns:
            The sha256 of the new state.

        Raises:
            CheckpointError: the disk is full or refuses; a whole state is current, the one before unless only the last
                flush failed.
        """
        data = encode(tensors, json.dumps(extra, sort_keys=True))
        sha = sha256(data)
        before = self.kept()
        kept = (sha, *(older for older in before if older != sha))[: self.keep]
        self._remove_all_but(before)
        write_durably(self.path(sha), data)
        write_durably(self.pointer, _Pointer(kept=kept).model_dump_json().encode())
        self._remove_all_but(kept)
        return sha

    def load(self, sha: str | None = None) -> SavedState | None:
        """The current state, or an older one that is kept; None where nothing was ever saved.

        Raises:
            CheckpointError: pointer or state is damaged or missing; the message names the file and both hashes.
        """
        if sha is None:
            kept = self.kept()
            if not kept:
                return None
            sha = kept[0]
        path = self.path(sha)
        tensors, header = decode(path, read_verified(path, sha))
        try:
            extra = json.loads(header)
        except (ValueError, RecursionError) as error:
            raise CheckpointError(path, f"what is saved beside its tensors is no JSON ({error})") from error
        if not isinstance(extra, dict):
            raise CheckpointError(path, "what is saved beside its tensors is no object of JSON")
        return SavedState(tensors, extra)

    def kept(self) -> list[str]:
        """The sha256 of the states that are kept, the current one first; empty where nothing was ever saved."""
        if not self.pointer.exists():
            return []
        try:
            return list(_Pointer.model_validate_json(read(self.pointer)).kept)
        except ValidationError as error:
            raise CheckpointError(self.pointer, f"not a pointer of schema 1 ({error.errors()[0]['msg']})") from error

    def _remove_all_but(self, kept: Collection[str]) -> None:
        remove_leftovers(self.folder, self.name)
        for path in self.folder.glob(f"{self.name}-*{SUFFIX}"):
            sha = path.stem.removeprefix(f"{self.name}-")
            if is_sha256(sha) and sha not in kept:
                path.unlink(missing_ok=True)
