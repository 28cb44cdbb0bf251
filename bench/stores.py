"""The data directories of a run and the server that is up. Belongs here: filling, reusing, which server runs now
(one at a time: they share a core). Does not: what is asked of it (cases.py).

`full-N` holds N objects of 4 KiB and is kept between runs; `scratch` takes every write that is measured and is removed.
"""

import json
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
import process
from process import BenchError, Process

BUCKET = "bench"
SEED = 20260101
DIRECTORIES = 1000
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@dataclass(frozen=True)
class Scale:
    """How much is done: the whole thing, or `--quick`."""

    objects: int
    seconds: float
    repeats: int
    large: int
    free_bytes: int


FULL = Scale(objects=1_000_000, seconds=5.0, repeats=3, large=16, free_bytes=40 * GIB)
QUICK = Scale(objects=50_000, seconds=2.0, repeats=1, large=4, free_bytes=8 * GIB)

Report = dict[str, Any]


class Bench:
    """What the cases share."""

    def __init__(self, scale: Scale, command: Path, data: Path, results: Path, *, fresh: bool) -> None:
        self.command = command
        self.scale, self.data, self.results, self.fresh = scale, data, results, fresh
        results.mkdir(parents=True, exist_ok=True)
        data.mkdir(parents=True, exist_ok=True)
        self.log = results / "server.log"
        self.up: tuple[str, Process] | None = None
        self.facts: dict[str, Any] = {}
        self._seed = SEED
        self._limits: dict[str, Report] = {}
        self._ceilings: dict[str, float] = {}
        # What an interrupted run left has this run's names and bodies: writes would be deduplicated.
        shutil.rmtree(data / "scratch", ignore_errors=True)
        free = shutil.disk_usage(data).free
        if free < scale.free_bytes:
            raise BenchError(
                f"{data}: {free / GIB:.0f} GiB free, {scale.free_bytes / GIB:.0f} needed (--data, --quick)"
            )

    def seed(self) -> int:
        """Another seed for each run that writes: bodies never repeat, so nothing is deduplicated."""
        self._seed += 1
        return self._seed

    @property
    def ceilings(self) -> dict[str, float]:
        if not self._ceilings:
            self._ceilings = process.ceilings(self.data)
        return self._ceilings

    def close(self) -> None:
        self.down()
        shutil.rmtree(self.data / "scratch", ignore_errors=True)

    def down(self) -> None:
        if self.up is not None:
            self.up[1].stop()
            self.up = None

    def _bring_up(self, name: str, server: Process) -> float:
        self.down()
        seconds = server.start()
        self.up = (name, server)
        return seconds

    # --- the gateway -------------------------------------------------------------------------------------------

    def scratch(self) -> Process:
        if self.up is not None and self.up[0] == "scratch":
            return self.up[1]
        server = process.gateway(self.command, self.data / "scratch", self.log)
        self._bring_up("scratch", server)
        process.load(server, op="create-bucket", bucket=BUCKET)
        return server

    @property
    def full_options(self) -> dict[str, Any]:
        """How the names and bodies of the full store come about."""
        return {"bucket": BUCKET, "seed": SEED, "dirs": DIRECTORIES, "objects": self.scale.objects, "size": 4 * KIB}

    def full(self) -> Process:
        if self.up is not None and self.up[0] == "full":
            return self.up[1]
        directory = self.data / f"full-{self.scale.objects}"
        marker = self.data / f"full-{self.scale.objects}.json"
        if self.fresh or not marker.exists():
            self.fresh = False
            marker.unlink(missing_ok=True)
            shutil.rmtree(directory, ignore_errors=True)
            server = process.gateway(self.command, directory, self.log)
            self._bring_up("full", server)
            marker.write_text(json.dumps({**self._fill(server), "revision": machine.revision()}))
        else:
            server = process.gateway(self.command, directory, self.log)
            self._bring_up("full", server)
        self.facts["fill"] = json.loads(marker.read_text())
        return server

    def _fill(self, server: Process) -> Report:
        process.load(server, op="create-bucket", bucket=BUCKET)
        options = {name: value for name, value in self.full_options.items() if name != "objects"}
        return process.load(server, op="fill", connections=128, count=self.scale.objects, **options)

    def restart_full(self) -> float:
        """kill -9 in the middle of writes, and the seconds until the store is ready again."""
        server = self.full()
        # A seed of its own, or the second run on this store would write what is there already.
        options = {**self.full_options, "objects": None, "seed": int(time.time())}
        writer = process.load_in_background(server, op="put", connections=16, duration=30, **options)
        try:
            writer.wait(1.0)
        except subprocess.TimeoutExpired:
            pass
        else:
            raise BenchError("the writer ended before the server was killed")
        server.kill()
        writer.wait()
        self.up = None
        return self._bring_up("full", server)

    # --- the limits --------------------------------------------------------------------------------------------

    def limit(self, name: str, **options: Any) -> Report | None:
        """A run against bare hyper (`hyper`, `hyper-large`) or nginx; once per run of the harness."""
        key = f"{name} {json.dumps(options, sort_keys=True)}"
        if key not in self._limits:
            size, text = (64 * MIB, "64MiB") if name.endswith("-large") else (4 * KIB, "4KiB")
            if name.startswith("nginx"):
                server = process.nginx(self.data / name, size, self.log)
            else:
                server = process.bare(text, self.log)
            if server is None:
                return None
            self._bring_up(name, server)
            self._limits[key] = process.load(server, bucket=BUCKET, **options)
            self.down()
        return self._limits[key]

    # --- repeating ---------------------------------------------------------------------------------------------

    def timed(self) -> dict[str, Any]:
        """Options of a run of fixed length."""
        return {"duration": self.scale.seconds, "warmup": min(1.0, self.scale.seconds / 4)}

    def median(
        self, headline: Callable[[Report], float], server: Callable[[], Process], options: Report, *, new: bool = False
    ) -> tuple[Report, list[Report]]:
        """The run with the median headline, and all of them. `new` gives each a seed of its own."""
        runs = []
        for _ in range(self.scale.repeats):
            seed = {"seed": self.seed()} if new else {}
            runs.append(process.load(server(), **options, **seed))
        middle = statistics.median_low([headline(report) for report in runs])
        return next(report for report in runs if headline(report) == middle), runs


def per_cpu_second(report: Report) -> float:
    """Requests per CPU-second of the server."""
    return float(report["count"] / max(report["server_cpu_s"], 0.01))


def cpu_per_gib(report: Report) -> float:
    """CPU seconds of the server per GiB of bodies."""
    return float(report["server_cpu_s"] / (report["count"] * report["options"]["size"] / GIB))


def latency(report: Report, quantile: str = "p50_us") -> float:
    """Microseconds; of the only operation of the run."""
    return float(next(iter(report["ops"].values()))[quantile])
