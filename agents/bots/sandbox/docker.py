"""`docker`: a bot in a container without network, speaking JSON lines on stdin and stdout.

For bots that need libraries which the host does not have. The engine, and whoever may talk to it, is trusted with the
host: `auto` and `strict` trust nobody. The image has to be there already; nothing is pulled while a match waits.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

INSTALL = "docker is not installed (https://docs.docker.com/engine/install/)"
INSIDE = "/bot"
"""Where the bot's folder lies in its container."""
_PATIENCE = 10.0  # seconds for an engine to answer


def run_command(
    folder: Path,
    argv: Sequence[str],
    *,
    image: str,
    name: str,
    memory: int,
    cpu: int,
    files: int,
    threads: int,
    label: str,
    environment: Mapping[str, str],
    volumes: Sequence[str] = (),
) -> list[str]:
    """The command line that runs a bot in a container; its stdin, stdout and stderr are the bot's.

    Args:
        folder: the bot's own, absolute; read-only at `/bot`, which is the working directory.
        argv: what is run there.
        image: has the bot's language.
        name: of the container, for `remove_command`.
        memory: bytes, without swap.
        cpu: seconds of CPU in its life.
        files: open descriptors.
        threads: threads and processes at once.
        label: of the containers that `sweep_command` removes together.
        environment: what the bot finds besides what the image gives.
        volumes: what else is mounted, as docker writes it.

    Raises:
        ValueError: the folder's path has a colon or is not absolute, or there is nothing to run.
    """
    if not folder.is_absolute() or ":" in str(folder):
        raise ValueError(f"docker cannot mount {str(folder)!r}: an absolute path without a colon is needed")
    if not argv:
        raise ValueError("a command is needed, such as ./my_bot")
    return [
        *("docker", "run", "--interactive", "--init", "--pull", "never", "--name", name, "--label", label),
        *("--network", "none", "--ipc", "none", "--hostname", "bot", "--log-driver", "none"),
        *("--read-only", "--user", "65534:65534", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--memory", str(memory), "--memory-swap", str(memory), "--cpus", "1"),
        *("--pids-limit", str(threads + 1)),  # the engine's init is one of them
        *("--ulimit", f"nofile={files}", "--ulimit", f"cpu={cpu}", "--ulimit", "fsize=0", "--ulimit", "core=1"),
        *(word for name_value in environment.items() for word in ("--env", "=".join(name_value))),
        *(word for volume in volumes for word in ("--volume", volume)),
        *("--volume", f"{folder}:{INSIDE}:ro", "--workdir", INSIDE, "--entrypoint", argv[0], image, *argv[1:]),
    ]


def state_command(name: str) -> list[str]:
    """Prints how a container is doing, or how it has ended, as JSON."""
    return ["docker", "container", "inspect", "--format", "{{json .State}}", name]


def remove_command(name: str) -> list[str]:
    """Ends a container at once, if need be, and removes it. Killing `docker run` alone would leave it running."""
    return ["docker", "rm", "--force", "--volumes", name]


def sweep_command(label: str) -> list[str]:
    """Waits for the end of its stdin, and removes all containers with this label unless a line came before.

    Twice, for the engine may be about to make one whose client has just been started.
    """
    script = """
        read -r said && exit
        for pause in 0 5; do
            sleep $pause
            left=$(docker ps --all --quiet --filter label=$0)
            [ -z "$left" ] || docker rm --force --volumes $left
        done
    """
    return ["sh", "-c", script, label]


def trouble() -> str:
    """Asks the engine for its version. "" where one answers, else why not, in one line."""
    if shutil.which("docker") is None:
        return INSTALL
    line = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return f"the docker engine did not answer within {_PATIENCE:g} s"
    if done.returncode == 0 and done.stdout.strip():
        return ""
    return (done.stderr.strip().splitlines() or ["no docker engine answers"])[-1]
