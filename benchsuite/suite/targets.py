"""The figures to reach, and how each follows from the samples.

A ratio is that of two samples of one round; its median over the rounds is what counts. Times that are
compared are those inside the verb.
"""

import os
from dataclasses import dataclass
from statistics import median

from suite import plan

CORES = os.cpu_count()
# Rows a second that the original itself generated, recorded on two cores of this kind. It is not part
# of the run, and the rewrite that is, is faster.
RECORDED_ROWS = 218_000
RECORDED = "the original, as recorded"
MOST_MEMORY = 256_000_000
MOST_START_SECONDS = 0.010


@dataclass(frozen=True)
class Outcome:
    work: str
    beside: str
    # A ratio, where more is better; or bytes or seconds, where less is.
    measured: float
    target: float
    unit: str
    rounds: int

    @property
    def reached(self):
        if self.unit == "×":
            return self.measured >= self.target
        return self.measured < self.target

    def as_json(self):
        return vars(self) | {"reached": self.reached}


def seconds(samples, work, peer, field="seconds"):
    """A peer's time of each round; the median of a round with several."""
    rounds = {}
    for sample in samples.get(work, {}).get(peer, []):
        rounds.setdefault(sample["round"], []).append(sample[field])
    return {number: median(values) for number, values in rounds.items()}


def best(samples, work, kind):
    """The times of the setting of a bound whose median is the least, and its name."""
    peers = [peer for peer in samples.get(work, {}) if peer.startswith(kind)]
    settings = {peer: seconds(samples, work, peer) for peer in peers}
    # "SET alone" is where "SET alone, over old values" begins.
    if kind != plan.OVERWRITE:
        settings = {peer: s for peer, s in settings.items() if not peer.startswith(plan.OVERWRITE)}
    if not settings:
        return None, {}
    name = min(settings, key=lambda peer: median(settings[peer].values()))
    return name, settings[name]


def ratios(other, ours):
    """How many times as long the other one takes, round by round."""
    return [other[number] / ours[number] for number in ours if number in other]


def outcomes(samples):
    """The figures to reach of all work that was measured."""
    return [outcome for outcome in _all(samples) if outcome is not None]


def _all(samples):
    def beside(work, peer, factor):
        return _outcome(work, peer, seconds(samples, work, peer), ours(work), factor)

    def ours(work):
        return seconds(samples, work, plan.OURS)

    recorded = plan.TABLE.rows / RECORDED_ROWS
    for work, factor in (("gen zstd", 30), ("gen uncompressed", 80)):
        always = dict.fromkeys(ours(work), recorded)
        yield _outcome(work, RECORDED, always, ours(work), factor)
        yield beside(work, plan.SEED, factor)
    yield beside("gen zstd", plan.COMPRESS, 0.85)
    for codec in plan.CODECS:
        work = f"split {codec}"
        name, ceiling = best(samples, work, plan.SET)
        yield _outcome(work, name, ceiling, ours(work), 0.85)
    yield beside("split zstd", plan.SEED, 12)
    yield beside("split uncompressed", plan.SEED, 5)
    yield beside("split to zstd", plan.COMPRESS, 0.85)
    name, ceiling = best(samples, "read uncompressed", plan.GET)
    yield _outcome("read uncompressed", name, ceiling, ours("read uncompressed"), 0.85)
    yield beside("read uncompressed", plan.SEED, 4)
    for codec, factor in (("lz4", 2.5), ("zstd", 2)):
        work = f"read {codec}"
        bound = decoding_bound(samples, work)
        yield _outcome(work, "GET alone, or decompression beside the server", bound, ours(work), 0.85)
        yield beside(work, plan.SEED, factor)
    yield beside("read uncompressed", plan.FLIGHT, 1.5)
    yield beside("split 4,000 chunks", plan.SEED, 25)
    yield beside("read 4,000 chunks", plan.SEED, 10)
    for work in ("gen 1 GB", "split 1 GB", "read 1 GB to a file", "read 1 GB to a stream"):
        peaks = [sample["peak"] for sample in samples.get(work, {}).get(plan.OURS, [])]
        if peaks:
            yield Outcome(work, "peak memory", max(peaks), MOST_MEMORY, "bytes", len(peaks))
    starts = [sample["wall"] for sample in samples.get("start-up", {}).get(plan.OURS, [])]
    if starts:
        yield Outcome("start-up", "--version", median(starts), MOST_START_SECONDS, "s", len(starts))


def _outcome(work, beside, other, ours, factor):
    measured = ratios(other, ours)
    if not measured:
        return None
    return Outcome(work, beside, median(measured), factor, "×", len(measured))


def decoding_bound(samples, work):
    """The least time to read what is compressed: that of the wire, or, if it is longer, that in which
    all cores decompress the buffers and the server, which is on the same cores, sends them."""
    name, wire = best(samples, work, plan.GET)
    if name is None:
        return {}
    server = seconds(samples, work, name, "server_cpu")
    alone = seconds(samples, work, plan.DECOMPRESS)
    return {
        number: max(wire[number], alone[number] + server[number] / CORES)
        for number in wire
        if number in alone
    }
