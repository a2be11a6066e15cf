"""One measurement: a fresh process, its answer, and what it cost."""

import json
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass


# What takes longer than this hangs.
LONGEST_SECONDS = 300


class Failed(Exception):
    """A process that is part of the run did not do what it was to do."""


@dataclass(frozen=True)
class Sample:
    """Times in seconds, sizes in bytes."""

    # Inside the verb, as the process says; of the whole process if it says nothing.
    seconds: float
    # From starting the process until it was gone.
    wall: float
    # Of all cores, in the process and in the children that it waited for.
    cpu: float
    # The largest that the process was; of one process, where it had children.
    peak: int
    answer: dict

    def as_json(self):
        measured = {"seconds": self.seconds, "wall": self.wall, "cpu": self.cpu, "peak": self.peak}
        more = {name: value for name, value in self.answer.items() if name != "seconds"}
        return measured | more


def measure(argv, stdin="", cwd=None, discard_output=False):
    """Runs a command and takes its last line as JSON, if it prints any."""
    with (
        tempfile.TemporaryFile("w+") as given,
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
    ):
        given.write(stdin)
        given.seek(0)
        start = time.perf_counter()
        stdout = subprocess.DEVNULL if discard_output else out
        process = subprocess.Popen(argv, stdin=given, stdout=stdout, stderr=err, cwd=cwd)
        status, usage = _wait(process)
        wall = time.perf_counter() - start
        out.seek(0)
        err.seek(0)
        if status != 0:
            raise Failed(f"{' '.join(argv)}\nended with {status}: {err.read().strip()[-2000:]}")
        lines = out.read().splitlines()
    answer = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return Sample(
        seconds=answer.get("seconds", wall),
        wall=wall,
        cpu=usage.ru_utime + usage.ru_stime,
        peak=usage.ru_maxrss * 1024,
        answer=answer,
    )


def _wait(process):
    """Waits as `wait4` does, which tells what the process used, and not for ever."""

    def end(*_):
        process.kill()

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(LONGEST_SECONDS)
    try:
        _, status, usage = os.wait4(process.pid, 0)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage
