"""Where the processor time of the gateway goes: perf on the server while the generator runs.

Belongs here: one load, one profile, printed. Does not: figures to compare (run.py; a profiled server is a slower one).

    python bench/perf.py get-4k            flat profile by function
    python bench/perf.py put-4k --graph    with callers (from DWARF; slow, large)
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import process
import run
import stores
from stores import KIB, MIB

# Frames of the kernel included: on the small cases they are half of the time.
RECORD = ["perf", "record", "--freq", "1999", "--quiet"]
REPORT = ["perf", "report", "--stdio", "--no-children", "--percent-limit", "0.5"]


def loads(bench: stores.Bench) -> dict[str, tuple[bool, dict[str, Any]]]:
    """Name -> (needs the full store, options of the generator)."""
    full = bench.full_options
    write = {"op": "put", "bucket": stores.BUCKET, "seed": bench.seed()}
    return {
        "get-4k": (True, {**full, "op": "get", "connections": 64}),
        "head": (True, {**full, "op": "head", "connections": 64}),
        "list": (True, {**full, "op": "list", "connections": 4}),
        "list-delimiter": (True, {**full, "op": "list-delimiter", "connections": 4}),
        "put-4k": (False, {**write, "size": 4 * KIB, "connections": 64, "dirs": 1000}),
        "put-64m": (False, {**write, "size": 64 * MIB, "connections": 1}),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Profile of the gateway under one load.")
    parser.add_argument("load", help="get-4k, head, list, list-delimiter, put-4k or put-64m")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--graph", action="store_true", help="with callers")
    parser.add_argument("--full", action="store_true", help="the store of 1 000 000 objects instead of 50 000")
    parser.add_argument("--data", type=Path, default=run.HERE / "results" / "data")
    parser.add_argument("--command", type=Path, default=run.COMMAND)
    options = parser.parse_args()
    process.build()
    scale = stores.FULL if options.full else stores.QUICK
    bench = stores.Bench(scale, options.command, options.data, run.HERE / "results", fresh=False)
    try:
        known = loads(bench)
        if options.load not in known:
            raise process.BenchError(f"{options.load}: one of {', '.join(known)}")
        full, wanted = known[options.load]
        server = bench.full() if full else bench.scratch()
        load = process.load_in_background(server, **wanted, duration=options.seconds + 4)
        file = run.HERE / "results" / f"{options.load}.perf"
        graph = ["--call-graph", "dwarf,16384"] if options.graph else []
        target = ["--output", str(file), "--pid", str(server.pid), "--", "sleep", str(options.seconds)]
        subprocess.run(["sleep", "1"], check=True)
        recorded = subprocess.run([*RECORD, *graph, *target], check=False)
        load.wait()
        if recorded.returncode not in {0, -2}:
            raise process.BenchError("perf did not record; apt-get install linux-perf, or callgrind as in the README")
        print(f"{options.load}: {file}", file=sys.stderr)
        return subprocess.run([*REPORT, "--input", str(file)], check=False).returncode
    finally:
        bench.close()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except process.BenchError as error:
        print(f"perf: {error}", file=sys.stderr)
        sys.exit(2)
