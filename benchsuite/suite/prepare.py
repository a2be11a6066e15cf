"""The data of a run: files of ArrowRedis' own making, and how long their chunks are once stored."""

import dataclasses

from suite import plan
from suite.process import Failed, measure


def prepare(tools, server):
    """Makes all files anew, and returns the tools with the sizes of their chunks."""
    tools.data.mkdir(parents=True, exist_ok=True)
    files = {codec: (plan.TABLE, codec) for codec in plan.CODECS}
    files["small"] = (plan.SMALL_CHUNKS, "zstd")
    sizes = {}
    for name, (shape, codec) in files.items():
        measure(tools.generate(tools.file(name), shape, codec))
        server.clear()
        stored = measure(tools.split(name)).answer
        sizes[name] = server.sizes(shape.keys("ours"))
        if stored["rows"] != shape.rows or sum(sizes[name]) != stored["bytes"]:
            raise Failed(f"what was stored of {name}.arrow is not what was made")
    server.clear()
    return dataclasses.replace(tools, sizes=sizes)


def clean(tools):
    """Removes what only one block needs, which is large."""
    for name in ("made", "gigabyte", "gigabyte-back"):
        (tools.data / f"{name}.arrow").unlink(missing_ok=True)
