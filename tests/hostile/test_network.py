"""Bots that want to speak with somebody: the league's Redis first."""

from __future__ import annotations

import pytest

from agents.bots.core import FailureCode
from tests.hostile.conftest import Convict
from tests.hostile.ground import Attack, Host, answers, says, tries

DO = "PermissionError: [Errno 1] Operation not permitted"
HEAD = "import socket, ctypes, os\n"
LIBC = HEAD + (
    "libc = ctypes.CDLL(None, use_errno=True)\n"
    "def call(*numbers):\n"
    "    if libc.syscall(*map(ctypes.c_long, numbers)) < 0:\n"
    "        number = ctypes.get_errno()\n"
    "        raise OSError(number, os.strerror(number))\n"
)
SOCKETS = [
    tries("redis", "socket.socket(socket.AF_UNIX).connect('$REDIS')", DO, head=HEAD),
    tries("tcp", "socket.create_connection(('127.0.0.1', $PORT))", DO, head=HEAD),
    tries("tcp6", "socket.socket(socket.AF_INET6).connect(('::1', $PORT))", DO, head=HEAD),
    tries("listening", "socket.create_server(('127.0.0.1', 0))", DO + "…", head=HEAD),
    tries("udp", "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', $PORT))", DO, head=HEAD),
    tries("abstract", r"socket.socket(socket.AF_UNIX).connect('\0$ABSTRACT')", DO, head=HEAD),
    tries("netlink", "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", DO, head=HEAD),
    tries("packets", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", DO, head=HEAD),
    tries("icmp", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", DO, head=HEAD),
    tries("vsock", "socket.socket(socket.AF_VSOCK).connect((2, 1))", DO, head=HEAD),
    tries("kernel_crypto", "socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)", DO, head=HEAD),
    tries("datagram_pair", "socket.socketpair(type=socket.SOCK_DGRAM)[0].sendto(b'x', '$REDIS')", DO, head=HEAD),
    tries("pair_connected", "socket.socketpair()[0].connect('$REDIS')", DO, head=HEAD),
    tries("channel_connected", "self.kept = socket.socket(fileno=3); self.kept.connect('$REDIS')", DO, head=HEAD),
    tries(
        "descriptor_over_the_channel",
        "socket.send_fds(socket.socket(fileno=3), [b'{}'], [1])",
        DO,
        head=HEAD,
    ),
    tries("system_call_itself", "call(41, 1, 1, 0)", DO, head=LIBC),  # socket on x86_64; preadv2 on aarch64
]


@pytest.mark.parametrize("attack", SOCKETS, ids=str)
def test_socket(convict: Convict, host: Host, attack: Attack) -> None:
    before = host.connections()
    convict(attack)
    assert host.connections() == before


CLIENTS = [
    answers(
        "redis_client",
        "redis.Redis(unix_socket_path='$REDIS', retry=Retry(NoBackoff(), 0)).flushall()",
        FailureCode.SANDBOX_DENIED,
        "…Error…Operation not permitted…",
        head="import redis\nfrom redis.backoff import NoBackoff\nfrom redis.retry import Retry\n",
    ),
    answers(
        "download",
        "urllib.request.urlopen('http://127.0.0.1:$PORT/').read()",
        FailureCode.SANDBOX_DENIED,
        "URLError: <urlopen error …> (the sandbox does not allow it)",
        head="import urllib.request\n",
    ),
    says(
        "command",
        "import socket; socket.socket(socket.AF_UNIX).connect('$REDIS')",
        FailureCode.SANDBOX_DENIED,
        "its process exited with status 1 over something that the sandbox does not allow",
        stderr="PermissionError: [Errno 1] Operation not permitted",
    ),
]


@pytest.mark.parametrize("attack", CLIENTS, ids=str)
def test_client(convict: Convict, host: Host, attack: Attack) -> None:
    before = host.connections()
    convict(attack)
    assert host.connections() == before
