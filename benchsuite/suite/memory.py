"""The memory of the machine, made ready before each measurement.

A virtual machine may have given memory back to its host, and take it anew, page by page and at ten times
the cost, on behalf of whoever comes next; and what was in the page cache may be gone. Neither is what is
to be compared.
"""

import subprocess
import sys
from pathlib import Path

# As much as the largest peer takes, and the server beside it; in huge pages, which other pages are made of.
TOUCHED_BYTES = 640 << 20
READ_AT_ONCE = 1 << 22

# In a process of its own: what is started from one that was large counts as that large.
TOUCH = f"""
import mmap
memory = mmap.mmap(-1, {TOUCHED_BYTES}, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_HUGEPAGE)
for place in range(0, {TOUCHED_BYTES}, 4096):
    memory[place] = 1
"""


def settle(argv):
    """Touches memory and gives it back, and reads the files that a command names."""
    subprocess.run([sys.executable, "-S", "-c", TOUCH], check=True)
    for path in map(Path, argv[1:]):
        if path.suffix == ".arrow" and path.is_file():
            with path.open("rb", buffering=0) as file:
                while file.read(READ_AT_ONCE):
                    pass
