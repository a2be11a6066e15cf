"""The results as JSON and as Markdown."""

import json
from statistics import median

from suite import plan
from suite.targets import outcomes, ratios, seconds

TABLE_WORK = [f"{verb} {codec}" for verb in ("read", "split") for codec in plan.CODECS]
WORK = ["gen zstd", "gen uncompressed", *TABLE_WORK, "split to zstd"]
WORK += ["split 4,000 chunks", "read 4,000 chunks"]
# Slower or faster by less than this is neither.
NOISE = 0.02


def results(machine, versions, command, rounds, samples):
    return {
        "command": command,
        "rounds": rounds,
        "machine": machine,
        "versions": versions,
        "targets": [outcome.as_json() for outcome in outcomes(samples)],
        "summary": {work: summary(samples, work) for work in samples},
        "samples": samples,
    }


def summary(samples, work):
    """Of each peer: the median time, its range, and how many times as long as ours it takes."""
    ours = seconds(samples, work, plan.OURS)
    found = {}
    for peer, taken in samples[work].items():
        times = [sample["seconds"] for sample in taken]
        shared = ratios(seconds(samples, work, peer), ours)
        found[peer] = {
            "seconds": median(times),
            "least_seconds": min(times),
            "most_seconds": max(times),
            "wall_seconds": median(sample["wall"] for sample in taken),
            "cpu_seconds": median(sample["cpu"] for sample in taken),
            "peak_bytes": max(sample["peak"] for sample in taken),
            "bytes": _moved(taken[-1]),
            "times_ours": median(shared) if shared else None,
            "samples": len(taken),
            "failed": sum(sample["failed_before"] for sample in taken),
        }
    return found


def _moved(sample):
    return sample.get("bytes") or sample.get("stored_bytes")


def write(folder, found):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    (folder / "results.md").write_text(markdown(found))


def markdown(found):
    parts = [
        "# Side by side",
        _made_with(found),
        "![Seconds that each peer takes](chart.svg)",
        "## Figures to reach",
        "A ratio says how many times as long the other one takes, round by round; the median counts. "
        "Of a bound it is the share that is reached: 1.00 is all that the machine allows.",
        _targets(found["targets"]),
        "## Where another one is ahead",
        _ahead(found["summary"]),
        "## Every peer",
        "Median seconds inside the verb, least and most; seconds of the whole process; how many times as "
        "long as ArrowRedis it takes (below 1.00 it is faster); bytes moved a second; the largest peak "
        "memory. Bounds and local files are for scale: they do less.",
    ]
    for work in [*WORK, *(work for work in found["summary"] if work not in WORK)]:
        if work in found["summary"]:
            parts += [f"### {work}", _peers(found["summary"][work])]
            parts += _failed(found["summary"][work])
    return "\n\n".join(parts) + "\n"


def _made_with(found):
    machine, versions = found["machine"], found["versions"]
    about = [
        f"- Command: `{found['command']}`, {found['rounds']} rounds",
        f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['kernel']}, huge pages: {machine['transparent_huge_pages']}, "
        f"load before: {machine['load_before']}",
        "- Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()),
    ]
    return "\n".join(about)


def _targets(targets):
    rows = [
        [
            target["work"],
            target["beside"],
            _figure(target["measured"], target["unit"]),
            ("≥ " if target["unit"] == "×" else "< ") + _figure(target["target"], target["unit"]),
            "reached" if target["reached"] else "**not reached**",
            str(target["rounds"]),
        ]
        for target in targets
    ]
    head = ["work", "beside", "measured", "target", "", "pairs"]
    return _table(head, rows, right={2, 3, 5})


def _figure(value, unit):
    match unit:
        case "×":
            return f"{value:.2f} ×"
        case "bytes":
            return f"{value / 1e6:.0f} MB"
        case _:
            return f"{value * 1000:.1f} ms"


def _ahead(summaries):
    lines = []
    for work, peers in summaries.items():
        for peer, figures in peers.items():
            ratio = figures["times_ours"]
            if is_peer(peer) and ratio is not None and ratio < 1 - NOISE:
                lines.append(f"- {work}: **{peer}** takes {ratio:.2f} of our time.")
    return "\n".join(lines) or "Nowhere."


def is_peer(name):
    return name != plan.OURS and not name.startswith(plan.BOUNDS)


def _peers(peers):
    ordered = sorted(peers.items(), key=lambda item: item[1]["seconds"])
    rows = []
    for peer, figures in ordered:
        ratio, moved = figures["times_ours"], figures["bytes"]
        rows.append([
            f"**{peer}**" if peer == plan.OURS else peer,
            f"{figures['seconds']:.3f}",
            f"{figures['least_seconds']:.3f} to {figures['most_seconds']:.3f}",
            f"{figures['wall_seconds']:.3f}",
            f"{ratio:.2f}" if ratio is not None else "",
            f"{moved / figures['seconds'] / 1e9:.2f}" if moved else "",
            f"{figures['peak_bytes'] / 1e6:.0f}",
        ])
    head = ["", "seconds", "range", "process", "× ours", "GB/s", "peak MB"]
    return _table(head, rows, right={1, 2, 3, 4, 5, 6})


def _failed(peers):
    return [
        f"{peer} failed {figures['failed']} times and was run again."
        for peer, figures in peers.items()
        if figures["failed"]
    ]


def _table(head, rows, right):
    marks = ["---:" if at in right else "---" for at in range(len(head))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, marks, *rows])
