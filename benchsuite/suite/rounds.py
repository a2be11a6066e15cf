"""Runs the blocks round by round, and collects the samples."""

import sys
import time
from pathlib import Path

from suite import memory
from suite.plan import Lane
from suite.process import Failed, measure

# Of what a process answers, what is kept: names of files and servers are nobody's business.
KEPT = (
    "seconds",
    "rows",
    "bytes",
    "stored_bytes",
    "raw_bytes",
    "publish_seconds",
    "fetch_seconds",
    "parse_seconds",
    "store_seconds",
)


class Samples:
    """What was measured: for each work and peer, one sample or more of each round."""

    def __init__(self):
        self.by_work = {}

    def add(self, step, number, sample, server_cpu, failed):
        kept = {name: value for name, value in sample.as_json().items() if name in KEPT}
        cost = {"wall": sample.wall, "cpu": sample.cpu, "peak": sample.peak}
        entry = {"round": number, **kept, **cost, "server_cpu": server_cpu, "failed_before": failed}
        self.by_work.setdefault(step.work, {}).setdefault(step.peer, []).append(entry)


def run(blocks, rounds, server, root):
    samples = Samples()
    start = time.monotonic()
    for number in range(rounds):
        for block in blocks:
            lanes = [lane for lane in block.lanes if _takes_part(lane, number, rounds)]
            # Each round begins with another one: being first, or after a certain other, is no advantage.
            turn = number % len(lanes) if lanes else 0
            for lane in lanes[turn:] + lanes[:turn]:
                server.clear()
                for step in lane.steps * lane.repeat:
                    _measure(step, number, server, root, samples)
            print(
                f"round {number + 1} of {rounds}, {time.monotonic() - start:4.0f} s: {block.name}",
                file=sys.stderr,
                flush=True,
            )
    server.clear()
    return samples.by_work


def _takes_part(lane: Lane, number, rounds):
    """Spreads a lane's rounds evenly over all."""
    if lane.rounds is None or lane.rounds >= rounds:
        return True
    return any(number == part * rounds // lane.rounds for part in range(lane.rounds))


def _measure(step, number, server, root, samples):
    sample, server_cpu, failed = _attempt(step, server, root)
    answer = sample.answer
    if step.rows is not None and answer.get("rows") != step.rows:
        raise Failed(f"{step.peer}, {step.work}: {answer.get('rows')} rows instead of {step.rows}")
    if step.stored_bytes is not None and answer.get("stored_bytes") != step.stored_bytes:
        raise Failed(f"{step.peer}, {step.work}: other bytes than {step.stored_bytes}")
    samples.add(step, number, sample, server_cpu, failed)


def _attempt(step, server, root):
    if step.makes:
        Path(step.makes).unlink(missing_ok=True)
    for failed in range(step.attempts):
        memory.settle(step.argv)
        before = server.cpu_seconds()
        try:
            sample = measure(step.argv, step.stdin, cwd=root, discard_output=step.discard_output)
            return sample, server.cpu_seconds() - before, failed
        except Failed:
            if failed + 1 == step.attempts:
                raise
