"""The Redis server of a run: started on a free port, asked a few things, ended by its process id."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager

from suite.process import Failed

HOST = "127.0.0.1"
START_SECONDS = 10
# Names a program to start in place of redis-server, such as valkey-server.
PROGRAM = "BENCHSUITE_SERVER"


def program():
    named = os.environ.get(PROGRAM)
    for name in [named] if named else ["redis-server", "valkey-server"]:
        found = shutil.which(name)
        if found:
            return found
    raise Failed(f"no Redis server found; install one, or name a program in {PROGRAM}")


@contextmanager
def redis_server():
    """Yields a running server without persistence, which holds nothing and is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        port = _free_port()
        options = ["--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no"]
        process = subprocess.Popen(
            [program(), *options, "--daemonize", "no"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield _connected(port, process)
        finally:
            process.terminate()
            process.wait()


def _free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def _connected(port, process):
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            server = Server(port)
            server.ask("PING")
            return server
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"{program()} did not start: {error}") from error
            time.sleep(0.02)


class Server:
    """Just enough of a client to prepare a measurement; nothing is measured through it."""

    def __init__(self, port):
        self.address = f"{HOST}:{port}"
        self.url = f"redis://{HOST}:{port}/0"
        self._socket = socket.create_connection((HOST, port))
        self._replies = self._socket.makefile("rb")

    def ask(self, *words):
        return self.ask_all([words])[0]

    def ask_all(self, commands):
        """Sends all commands at once, and returns their replies."""
        request = b""
        for words in commands:
            encoded = [word.encode() for word in words]
            request += b"*%d\r\n" % len(encoded)
            request += b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)
        self._socket.sendall(request)
        return [self._reply() for _ in commands]

    def _reply(self):
        line = self._replies.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server hung up")
        kind, rest = line[:1], line[1:-2].decode()
        match kind:
            case b"+":
                return rest
            case b":":
                return int(rest)
            case b"$":
                size = int(rest)
                return None if size < 0 else self._replies.read(size + 2)[:-2].decode()
            case b"*":
                return [self._reply() for _ in range(int(rest))]
        raise Failed(f"the server says {rest}")

    def clear(self):
        self.ask("FLUSHALL", "SYNC")

    def sizes(self, keys):
        """The lengths of the values of these keys."""
        sizes = self.ask_all([("STRLEN", key) for key in keys])
        if 0 in sizes:
            raise Failed("a chunk is absent or empty")
        return sizes

    def cpu_seconds(self):
        """What the server has used of all cores since it was started."""
        info = self.info("cpu")
        return float(info["used_cpu_sys"]) + float(info["used_cpu_user"])

    def info(self, section):
        pairs = (line.partition(":") for line in self.ask("INFO", section).splitlines())
        return {name: value for name, colon, value in pairs if colon}
