"""The parts that every test needs: a real Redis of its own, the command, a prefix of its own.

    cargo build --release
    python -m venv venv && venv/bin/pip install -r tests/interop/requirements.txt
    ARROWREDIS_BIN=target/release/arrowredis venv/bin/pytest tests/interop

Nothing is skipped: without redis-server on the PATH or without the command the suite fails.
"""

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
import redis

from command import Command

# A server answers in milliseconds; this is for a machine that does something else.
START_SECONDS = 20
STARTS = 5

_numbers = itertools.count()


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory):
    """The port of a redis-server on loopback."""
    with server(tmp_path_factory.mktemp("redis")) as port:
        yield port


@pytest.fixture(scope="session")
def other_port(tmp_path_factory):
    """The port of a second one."""
    with server(tmp_path_factory.mktemp("other-redis")) as port:
        yield port


@contextlib.contextmanager
def server(folder):
    """A redis-server on a free loopback port, ended by its own process id."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.fail("redis-server is not on the PATH; install it: the suite needs a real server")
    # Another program may take a free port before the server does.
    for _ in range(STARTS):
        port = free_port()
        process = start(program, folder, port)
        try:
            if answers(process, port):
                yield port
                return
        finally:
            process.terminate()
            process.wait(timeout=START_SECONDS)
    pytest.fail(f"redis-server did not start; its log:\n{(folder / 'log').read_text()}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(program, folder, port):
    options = {
        "bind": "127.0.0.1",
        "port": port,
        "save": "",
        "appendonly": "no",
        "dir": folder,
        "logfile": folder / "log",
    }
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    return subprocess.Popen([program, *words])


def answers(server, port):
    """Waits until the server answers a ping and is the one that was started."""
    deadline = time.monotonic() + START_SECONDS
    with redis.Redis(host="127.0.0.1", port=port) as client:
        while server.poll() is None and time.monotonic() < deadline:
            try:
                return client.info("server")["process_id"] == server.pid
            except redis.exceptions.ConnectionError:
                time.sleep(0.01)
    return False


@pytest.fixture(scope="session")
def client(redis_port):
    """redis-py, connected to the server."""
    with redis.Redis(host="127.0.0.1", port=redis_port) as client:
        yield client


@pytest.fixture(scope="session")
def other_client(other_port):
    """redis-py, connected to the second server."""
    with redis.Redis(host="127.0.0.1", port=other_port) as client:
        yield client


@pytest.fixture(scope="session")
def arrowredis(redis_port):
    """The command, working on the server."""
    named = os.environ.get("ARROWREDIS_BIN")
    if not named:
        pytest.fail(
            "ARROWREDIS_BIN is not set; name the built command, for example target/release/arrowredis"
        )
    program = Path(named).absolute()
    if not os.access(program, os.X_OK) or program.is_dir():
        pytest.fail(f"ARROWREDIS_BIN names {program}, which is not there or not a program")
    return Command(program, f"redis://127.0.0.1:{redis_port}/0")


@pytest.fixture
def prefix():
    """A prefix that no other test uses."""
    return f"interop:{next(_numbers)}"
