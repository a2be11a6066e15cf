"""The command: what can be asked of a run. Started by `benchsuite/run`, which builds what is needed."""

import argparse
import dataclasses
import datetime
import os
import shlex
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from suite import chart, machine, plan, prepare, report, rounds
from suite.process import Failed
from suite.server import redis_server

SUITE = Path(__file__).resolve().parent.parent
ROOT = SUITE.parent


def main():
    args = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        found, folder = _run(args)
    except Failed as failed:
        sys.exit(f"benchsuite: {failed}")
    report.write(folder, found)
    (folder / "chart.svg").write_text(chart.chart(found))
    print(report.markdown(found))
    print(f"Written: {folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder}", file=sys.stderr)


def _arguments():
    parser = argparse.ArgumentParser("benchsuite/run", description="Runs all peers side by side.")
    parser.add_argument("--name", default="run", help="names the results' folder, after the date")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="one round, to see that all works")
    parser.add_argument(
        "--only", action="append", metavar="WORK", help="run the blocks whose names hold this; repeatable"
    )
    parser.add_argument(
        "--without", action="append", metavar="PEER", default=[], help="leave a peer out; repeatable"
    )
    parser.add_argument("--binary", type=Path, help="an arrowredis to measure, instead of building it")
    parser.add_argument("--no-build", action="store_true", help="take what was built before")
    parser.add_argument("--out", type=Path, default=SUITE / "runs", help="where the results' folder goes")
    return parser.parse_args()


def _run(args):
    number = 1 if args.quick else args.rounds
    os.environ["PYTHONPATH"] = str(SUITE)
    with redis_server() as server:
        tools = prepare.prepare(_tools(args, server), server)
        about = machine.machine(), machine.versions(tools, server, ROOT)
        if args.binary:
            about[1]["commit"] = "unknown, given by --binary"
        try:
            with _flight_server(tools) as tools:
                chosen = _chosen(plan.blocks(tools), args.only, args.without)
                samples = rounds.run(chosen, number, server, ROOT)
        finally:
            prepare.clean(tools)
    command = shlex.join(["benchsuite/run", *_public(sys.argv[1:])])
    folder = args.out / f"{datetime.date.today()}-{args.name}"
    return report.results(*about, command, number, samples), folder


def _tools(args, server):
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = SUITE / ".work" / "target" / "release"
    return plan.Tools(
        arrowredis=str((args.binary or target / "release" / "arrowredis").resolve()),
        ceiling=str(built / "ceiling"),
        opendal=str(built / "opendal-peer"),
        python=sys.executable,
        address=server.address,
        url=server.url,
        flight_port=0,
        data=SUITE / ".work" / "data",
        sizes={},
    )


@contextmanager
def _flight_server(tools):
    """Serves the table without compression while the blocks run; it idles unless it is asked."""
    argv = tools.peer("flight", "serve", tools.file("uncompressed"))
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        port = process.stdout.readline().strip()
        if not port:
            raise Failed("the Flight server did not start")
        yield dataclasses.replace(tools, flight_port=int(port))
    finally:
        process.terminate()
        process.wait()


def _chosen(blocks, only, without):
    chosen = [
        block.without(without)
        for block in blocks
        if not only or any(part in block.name for part in only)
    ]
    if not chosen:
        raise Failed(f"expected one of: {', '.join(block.name for block in blocks)}")
    return chosen


def _public(words):
    """The command's words without what is where on this machine."""
    return [Path(word).name if word.startswith("/") else word for word in words]


if __name__ == "__main__":
    main()
