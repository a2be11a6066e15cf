"""What a run was made on and with. No name of the machine, no folder, no registry."""

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

PACKAGES = ("pyarrow", "numpy", "redis", "hiredis", "uvloop", "polars", "polars-redis")
CRATES = ("opendal", "arrow-ipc")


def machine():
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    huge = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    chosen = re.search(r"\[(\w+)\]", huge.read_text()) if huge.exists() else None
    return {
        "cpu": cpu[1].strip() if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory[1]) / 2**20, 1),
        # Without what whoever built it appended.
        "kernel": f"{platform.system()} {re.match(r'[0-9.]+', platform.release())[0]}",
        "transparent_huge_pages": chosen[1] if chosen else "none",
        "load_before": round(os.getloadavg()[0], 2),
    }


def versions(tools, server, root):
    info = server.info("server")
    name = "valkey" if "valkey_version" in info else "redis"
    found = {
        "arrowredis": _said([tools.arrowredis, "--version"]).split()[-1],
        "commit": _commit(root),
        f"{name}-server": info[f"{name}_version"],
        "rustc": _said(["rustc", "--version"]).split()[1],
        "python": platform.python_version(),
    }
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "absent"
    locked = (root / "benchsuite" / "Cargo.lock").read_text()
    for crate in CRATES:
        version = re.search(rf'name = "{crate}"\nversion = "([^"]+)"', locked)
        found[f"{crate} (Rust)"] = version[1]
    return found


def _commit(root):
    commit = _said(["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"])
    changed = _said(["git", "-C", str(root), "status", "--porcelain", "--", "crates", "Cargo.lock"])
    return f"{commit}, changed" if changed else commit


def _said(argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
