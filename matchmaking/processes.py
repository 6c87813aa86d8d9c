"""What processes say of themselves, and what they are told: heartbeats, learner statuses, commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import NamedTuple

from matchmaking.intact import intact
from matchmaking.records import Heartbeat, LearnerStatus
from matchmaking.run_records import Command, Ticket
from matchmaking.session import Session


class Orders(NamedTuple):
    """Commands to a process, and the number to ask for the next ones with."""

    commands: list[Command]
    seen: int


class Processes:
    """Heartbeats, statuses and commands of one run."""

    def __init__(self, session: Session, turn: Callable[[], AbstractContextManager[Ticket]]) -> None:
        self._session = session
        self._turn = turn

    def beat(self, heartbeat: Heartbeat) -> None:
        """Leave a sign of life; the server's clock dates it."""
        self._session.call("beat", ["heartbeats"], heartbeat.process, heartbeat.model_dump_json())

    def heartbeats(self) -> list[Heartbeat]:
        """The last sign of life of every process, by name."""
        stored: Mapping[bytes, bytes] = self._session.read("HGETALL", "heartbeats")
        beats = []
        with intact(self._session.run, "heartbeats"):
            for value in stored.values():
                at, text = value.split(b" ", 1)
                beats.append(Heartbeat.model_validate_json(text).model_copy(update={"at": float(at)}))
        return sorted(beats, key=lambda beat: beat.process)

    def set_status(self, status: LearnerStatus) -> None:
        """Replace what is known of a learner."""
        self._session.call("set_field", ["learners"], status.player, status.model_dump_json(), 0)

    def statuses(self) -> dict[str, LearnerStatus]:
        """The last status of every learner, by player id."""
        stored: Mapping[bytes, bytes] = self._session.read("HGETALL", "learners")
        with intact(self._session.run, "learners"):
            return {player.decode(): LearnerStatus.model_validate_json(text) for player, text in stored.items()}

    def send(self, command: Command) -> None:
        """Give a command; each process sees it once."""
        if not command.at:
            command = command.model_copy(update={"at": self._session.now()})
        with self._turn() as (client, number):
            self._session.call("send_command", ["clients", "commands"], client, number, command.model_dump_json())

    def num_commands(self) -> int:
        """How many commands were ever given: a process that starts asks for those after it."""
        return int(self._session.read("LLEN", "commands"))

    def commands(self, process: str, since: int) -> Orders:
        """The commands to `process`, or to all, that follow the first `since`."""
        texts = self._session.read("LRANGE", "commands", since, -1)
        with intact(self._session.run, "commands"):
            commands = [Command.model_validate_json(text) for text in texts]
        return Orders([order for order in commands if order.target in (process, "all")], since + len(commands))
