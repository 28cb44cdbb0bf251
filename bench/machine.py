"""What the figures were measured on. Belongs here: reading the machine's description. Does not: measuring anything."""

import os
import platform
import subprocess
from pathlib import Path


def _first(path: str, key: str) -> str:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "unknown")


def _file_system(directory: Path) -> str:
    """Type and options of the mount that holds `directory` (the longest mount point that is a parent of it)."""
    wanted = str(directory.resolve())
    best = ("", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, point, kind, options, *_ = line.split()
        inside = wanted == point or wanted.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[0]):
            best = (point, f"{kind} ({options})")
    return best[1]


def revision() -> str:
    """The commit, and whether something was changed since."""
    where = Path(__file__).resolve().parent.parent
    command = ["git", "-C", str(where), "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def describe(directory: Path) -> dict[str, str]:
    """Names and values for the report; `directory` is where the data lies."""
    memory_kib = int(_first("/proc/meminfo", "MemTotal").split()[0])
    virtual = "hypervisor" in _first("/proc/cpuinfo", "flags")
    return {
        "processor": _first("/proc/cpuinfo", "model name") + (" (virtual machine)" if virtual else ""),
        "cores": str(os.cpu_count()),
        "memory": f"{memory_kib / 2**20:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "file system": _file_system(directory),
        "python": platform.python_version(),
        "revision": revision(),
    }


def load_average() -> float:
    """Processes that wanted to run during the last minute: more than two here means that others took part."""
    return os.getloadavg()[0]
