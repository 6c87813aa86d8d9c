"""Bots that read or write files: the host's, those of other bots, their own."""

from __future__ import annotations

import pytest

from agents.bots.core import FailureCode, Phase
from tests.agents.bots.bots import acting
from tests.hostile.conftest import Convict
from tests.hostile.ground import DENIED, Attack, answers, tries

READ = "PermissionError: [Errno 13] Permission denied: "
DO = "PermissionError: [Errno 1] Operation not permitted"
HEAD = "import os, ctypes\n"

READS = [
    tries("passwd", "open('/etc/passwd').read()", f"{READ}'/etc/passwd'"),
    tries("shadow", "open('/etc/shadow').read()", f"{READ}'/etc/shadow'"),
    tries("hosts_names", "open('/etc/hosts').read()", f"{READ}'/etc/hosts'"),
    tries("league_toml", "open('$RUN/league.toml').read()", f"{READ}'$RUN/league.toml'"),
    tries("run_folder", "os.listdir('$RUN')", f"{READ}'$RUN'", head=HEAD),
    tries("other_bots", "os.listdir('$RUN/bots')", f"{READ}'$RUN/bots'", head=HEAD),
    tries("another_bot", "open('$RUN/bots/other/bot.py').read()", f"{READ}'$RUN/bots/other/bot.py'"),
    tries(
        "another_bot_by_climbing",
        "open('../other/bot.py').read()",
        f"{READ}'../other/bot.py'",
        head=HEAD,
    ),
    tries("replays", "open('$RUN/replays/m_1.json').read()", f"{READ}'$RUN/replays/m_1.json'"),
    tries("home", "os.listdir('$HOME')", f"{READ}'$HOME'", head=HEAD),
    tries("root_folder", "os.listdir('/')", f"{READ}'/'", head=HEAD),
    tries("repository", "open('$ROOT/agents/bots/process.py').read()", f"{READ}'$ROOT/agents/bots/process.py'"),
    tries("own_environ", "open('/proc/self/environ', 'rb').read()", f"{READ}'/proc/self/environ'"),
    tries("referee_environ", "open('/proc/$REFEREE/environ', 'rb')", f"{READ}'/proc/$REFEREE/environ'"),
    tries("referee_memory", "open('/proc/$REFEREE/mem', 'r+b', 0)", f"{READ}'/proc/$REFEREE/mem'"),
    tries("nursery_memory", "open('/proc/$NURSERY/mem', 'r+b', 0)", f"{READ}'/proc/$NURSERY/mem'"),
    tries("own_memory", "open('/proc/self/mem', 'r+b', 0)", f"{READ}'/proc/self/mem'"),
    tries("processes", "os.listdir('/proc')", f"{READ}'/proc'", head=HEAD),
    tries("referee_command_line", "open('/proc/$REFEREE/cmdline')", f"{READ}'/proc/$REFEREE/cmdline'"),
    tries("referee_descriptors", "os.readlink('/proc/$REFEREE/fd/0')", f"{READ}'/proc/$REFEREE/fd/0'", head=HEAD),
    tries("referee_program", "os.readlink('/proc/$REFEREE/exe')", f"{READ}'/proc/$REFEREE/exe'", head=HEAD),
    tries("kernel_log", "open('/dev/kmsg')", f"{READ}'/dev/kmsg'"),
    tries(
        "path_descriptor_opened_again",
        "fd = os.open('/etc/passwd', os.O_PATH); os.open('/proc/self/fd/%d' % fd, os.O_RDONLY)",
        f"{READ}'/proc/self/fd/…",
        head=HEAD,
    ),
    tries(
        "folder_descriptor",
        "os.open('passwd', os.O_RDONLY, dir_fd=os.open('/etc', os.O_PATH))",
        f"{READ}'passwd'",
        head=HEAD,
    ),
    tries("change_of_folder", "os.chdir('/etc'); open('passwd')", f"{READ}'passwd'", head=HEAD),
    tries("attributes", "os.listxattr('/etc/passwd')", f"{DO}: '/etc/passwd'", head=HEAD),
]

BEFORE = [  # as soon as a line of theirs runs
    Attack(
        "at_import",
        "open('/etc/passwd').read()\n",
        FailureCode.SANDBOX_DENIED,
        f"{READ}'/etc/passwd'{DENIED}",
        Phase.IMPORT,
        None,
        frame='File "bot.py", line 1',
    ),
    Attack(
        "at_init",
        "class Bot:\n def __init__(self, spec): open('$RUN/league.toml')\n def act(self): pass\n",
        FailureCode.SANDBOX_DENIED,
        f"{READ}'$RUN/league.toml'{DENIED}",
        Phase.INIT,
        None,
        frame="in __init__",
    ),
    Attack(
        "at_reset",
        acting("return 0") + "    def reset(self, seed, agent): open('/etc/passwd')\n",
        FailureCode.SANDBOX_DENIED,
        f"{READ}'/etc/passwd'{DENIED}",
        Phase.RESET,
        None,
        frame="in reset",
    ),
    Attack(
        "by_a_command_at_once",
        "open('/etc/passwd')\n",
        FailureCode.SANDBOX_DENIED,
        "its process exited with status 1 over something that the sandbox does not allow",
        Phase.IMPORT,
        None,
        language="command",
        stderr="PermissionError: [Errno 13] Permission denied: '/etc/passwd'",
    ),
    Attack(
        "by_kaggle_s_agent",
        "def agent(observation, configuration):\n    return open('/etc/passwd')\n",
        FailureCode.SANDBOX_DENIED,
        f"{READ}'/etc/passwd'{DENIED}",
        step=0,
        language="kaggle",
        entry="bot:agent",
    ),
]

IMPORT = answers(
    "import_of_the_league",
    "__import__('league')",
    FailureCode.CRASH,
    "ModuleNotFoundError: No module named 'league'",
    head="import sys; sys.path.insert(0, '$ROOT')\n",
)

WRITES = [
    tries("run_folder", "open('$RUN/owned', 'w')", f"{READ}'$RUN/owned'"),
    tries("league_toml", "open('$RUN/league.toml', 'w')", f"{READ}'$RUN/league.toml'"),
    tries("tmp", "open('/tmp/league-hostile-owned', 'w')", f"{READ}'/tmp/league-hostile-owned'"),
    tries("shared_memory", "open('/dev/shm/league-hostile-owned', 'w')", f"{READ}'/dev/shm/league-hostile-owned'"),
    tries("own_folder", "open('notes', 'w')", f"{READ}'notes'", head=HEAD),
    tries("own_code", "open('bot.py', 'a')", f"{READ}'bot.py'", head=HEAD),
    tries("another_bot", "open('$RUN/bots/other/bot.py', 'a')", f"{READ}'$RUN/bots/other/bot.py'"),
    tries("removal", "os.remove('$RUN/league.toml')", f"{DO}: '$RUN/league.toml'", head=HEAD),
    tries("renaming", "os.rename('$RUN/logs', '$RUN/gone')", f"{DO}: '$RUN/logs' -> '$RUN/gone'", head=HEAD),
    tries("folder", "os.mkdir('inner')", f"{DO}: 'inner'", head=HEAD),
    tries("truncation", "os.truncate('$RUN/league.toml', 0)", f"{DO}: '$RUN/league.toml'", head=HEAD),
    tries("mode", "os.chmod('bot.py', 0o4777)", f"{DO}: 'bot.py'", head=HEAD),
    tries("owner", "os.chown('$RUN/league.toml', 1, 1)", f"{DO}: '$RUN/league.toml'", head=HEAD),
    tries("times", "os.utime('$RUN/league.toml')", f"{DO}", head=HEAD),
    tries("symlink", "os.symlink('/etc/passwd', 'link')", f"{DO}: '/etc/passwd' -> 'link'", head=HEAD),
    tries("hard_link", "os.link('$RUN/league.toml', 'link')", f"{DO}: '$RUN/league.toml' -> 'link'", head=HEAD),
    tries("named_pipe", "os.mkfifo('pipe')", DO + "…", head=HEAD),
    tries("device", "os.mknod('sda', 0o60666, os.makedev(8, 0))", DO + "…", head=HEAD),
    tries("anonymous_file", "os.memfd_create('code')", DO, head=HEAD),
    tries("standard_input", "os.ftruncate(0, 100)", DO, head=HEAD),
]


@pytest.mark.parametrize("attack", [*BEFORE, *READS, IMPORT], ids=str)
def test_read(convict: Convict, attack: Attack) -> None:
    record = convict(attack)
    assert "secret" not in record.stderr + record.message + (record.action or "")


@pytest.mark.parametrize("attack", WRITES, ids=str)
def test_write(convict: Convict, attack: Attack) -> None:
    convict(attack)
