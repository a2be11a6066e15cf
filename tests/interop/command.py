"""Runs the arrowredis command as a user would: a process, its exit code and what it printed."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

DONE, UNEXPECTED, USAGE, STORE, DATA, DIFFERENT = range(6)

# Far more than anything here takes; a command that hangs fails its test.
SECONDS = 60


@dataclass(frozen=True)
class Command:
    """The program and the Redis database that it works on."""

    program: Path
    url: str

    def run(self, *arguments, exit=DONE):
        """Runs to the end; fails unless the exit code is the expected one."""
        line = [self.program, *arguments]
        if arguments[0] != "gen" and "--file1" not in arguments:
            line += ["--redis-url", self.url]
        line = [str(word) for word in line]
        done = subprocess.run(line, capture_output=True, timeout=SECONDS, check=False)
        shown = [
            f"$ {' '.join(line)}",
            f"exit code: expected {exit}, found {done.returncode}",
            f"stdout: {done.stdout[:2000].decode(errors='replace')}",
            f"stderr: {done.stderr[:5000].decode(errors='replace')}",
        ]
        assert done.returncode == exit, "\n".join(shown)
        assert b"panicked" not in done.stderr and b"this is a bug" not in done.stderr, "\n".join(shown)
        return done

    def refused(self, *arguments, exit):
        """Runs what must fail; returns the message, which must be one line that begins with "error:"."""
        lines = self.run(*arguments, exit=exit).stderr.decode().splitlines()
        assert len(lines) == 1 and lines[0].startswith("error: "), lines
        return lines[0]

    def report(self, *arguments, exit=DONE):
        """Runs with --json; returns the report, which must be all that is on stdout."""
        return json.loads(self.run(*arguments, "--json", exit=exit).stdout)

    def gen(self, out, *options):
        self.run("gen", "--out", out, *options)
        return out

    def split(self, inp, prefix, *options):
        """Stores a file; returns the report."""
        return self.report("split", "--inp", inp, "--prefix", prefix, *options)

    def read_to_file(self, prefix, out, *options):
        self.run("read", "--prefix", prefix, "--out", out, *options)
        return out

    def read_to_stdout(self, prefix, *options):
        """The Arrow stream that `read --out -` prints."""
        return self.run("read", "--prefix", prefix, "--out", "-", *options).stdout

    def verify(self, file1, file2, exit=DONE):
        return self.run("verify", "--file1", file1, "--file2", file2, exit=exit)
