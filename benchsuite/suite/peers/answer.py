"""What a peer's process prints for the suite to read."""

import json


def answer(seconds, rows, stored_bytes=None, **more):
    """Prints seconds inside the verb, rows that came out of it, and bytes over the wire."""
    print(json.dumps({"seconds": seconds, "rows": rows, "bytes": stored_bytes, **more}))
