"""A Python bot's harness in a container, where there is no nursery: requests on stdin, answers on stdout.

Run as a script with the bot's folder, its entry and its language. What the bot prints goes to stderr, its log.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[2])

if __name__ == "__main__":
    sys.path.insert(0, ROOT)
    from agents.bots.harness_python import serve

    sys.path.remove(ROOT)
    reader, writer = os.dup(0), os.dup(1)
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    os.dup2(2, 1)
    os._exit(serve(reader, writer, *sys.argv[1:]))
