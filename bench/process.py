"""The processes of a run: the gateway, the bare server, nginx, and the generator. Belongs here: starting, pinning,
killing and asking them. Does not: what is measured and what it must come to (cases.py, report.py)."""

import json
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
LOAD = ROOT / "rust" / "target" / "release" / "panthera-load"
SERVER_CORE, CLIENT_CORE = 0, 1
READY_S = 120.0
STOP_S = 60.0
ACCESS_KEY, SECRET_KEY = "benchmarkkey00000000", "benchmark-secret-of-forty-characters-000"


class BenchError(Exception):
    """A case could not be measured; the others go on."""


def build() -> None:
    """The generator in release mode."""
    command = ["cargo", "build", "--release", "--quiet", "--package", "panthera-load"]
    subprocess.run(command, cwd=ROOT / "rust", check=True)


def decisions(tuples: int) -> dict[str, float]:
    """Nanoseconds of the processor that one decision takes with so many tuples, by who asks."""
    example = ["cargo", "run", "--release", "--quiet", "--package", "panthera-authz", "--example", "bench_authz"]
    command = [*example, "--", str(tuples), "1", "decisions"]
    printed = subprocess.run(command, cwd=ROOT / "rust", check=True, capture_output=True, text=True).stdout
    found = re.findall(r"^30 decision of a GET, (.+?) {2,}\d+ % +(\d+) ns", printed, re.MULTILINE)
    if not found:
        raise BenchError("bench_authz printed no row 30")
    return {who: float(nanoseconds) for who, nanoseconds in found}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _on_core(core: int) -> Callable[[], None]:
    core = core if core in os.sched_getaffinity(0) else min(os.sched_getaffinity(0))
    return lambda: os.sched_setaffinity(0, {core})


def environment() -> dict[str, str]:
    keys = {"PANTHERA_ROOT_ACCESS_KEY": ACCESS_KEY, "PANTHERA_ROOT_SECRET_KEY": SECRET_KEY}
    return {**os.environ, **keys}


class Process:
    """A server pinned to its core. `start` returns the seconds until it said `ready`."""

    def __init__(self, command: list[str], target: str, log: Path) -> None:
        self.command, self.target, self.log = command, target, log
        self.child: subprocess.Popen[str] | None = None
        self._errors: IO[str] | None = None

    @property
    def pid(self) -> int:
        if self.child is None or self.child.poll() is not None:
            raise BenchError(f"{self.command[0]} is not running; see {self.log}")
        return self.child.pid

    def start(self) -> float:
        self._errors = self.log.open("a")
        start = time.perf_counter()
        self.child = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=environment(), cwd=ROOT,
            preexec_fn=_on_core(SERVER_CORE),
        )  # fmt: skip
        self._await_ready(start + READY_S)
        seconds = time.perf_counter() - start
        self._await_port()
        return seconds

    def _await_port(self) -> None:
        """nginx has no word for being ready; for the others this is one connection."""
        host, port = self.target.rsplit(":", 1)
        for _ in range(100):
            try:
                socket.create_connection((host, int(port)), timeout=1.0).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise BenchError(f"{self.target} does not accept connections; see {self.log}")

    def _await_ready(self, deadline: float) -> None:
        assert self.child is not None
        assert self.child.stdout is not None
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.child.stdout, selectors.EVENT_READ)
            while time.perf_counter() < deadline:
                if not waiting.select(timeout=1.0):
                    continue
                line = self.child.stdout.readline()
                if line.startswith("ready"):
                    return
                if not line:
                    raise BenchError(f"{' '.join(self.command)} ended before it was ready; see {self.log}")
        self.kill()
        raise BenchError(f"{' '.join(self.command)}: not ready within {READY_S:.0f} s; see {self.log}")

    def kill(self) -> None:
        """`kill -9`."""
        if self.child is not None:
            self.child.kill()
            self._reap()

    def stop(self) -> None:
        if self.child is None:
            return
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
        self._reap()

    def _reap(self) -> None:
        assert self.child is not None
        self.child.wait()
        if self.child.stdout is not None:
            self.child.stdout.close()
        if self._errors is not None:
            self._errors.close()
        self.child = None


def gateway(command: Path, data: Path, log: Path) -> Process:
    if not command.exists():
        raise BenchError(f"{command} is missing: make build")
    s3, admin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    arguments = ["serve", "--data", str(data), "--s3-listen", s3, "--admin-listen", admin]
    return Process([str(command), *arguments], s3, log)


def bare(size: str, log: Path) -> Process:
    """Hyper with nothing behind it."""
    target = f"127.0.0.1:{free_port()}"
    return Process([str(LOAD), "limit", "--listen", target, "--size", size], target, log)


NGINX = """
daemon off; master_process off; worker_processes 1; pid {dir}/pid; error_log {dir}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; default_type application/octet-stream;
  open_file_cache max=16; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
  uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  server {{ listen {target}; location / {{ root {dir}; try_files /object =404; }} }}
}}
"""


def nginx(directory: Path, size: int, log: Path) -> Process | None:
    """One nginx worker serving a file from the page cache; None when nginx is not installed."""
    command = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if command is None:
        return None
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "object").write_bytes(os.urandom(size))
    target = f"127.0.0.1:{free_port()}"
    (directory / "nginx.conf").write_text(NGINX.format(dir=directory, target=target))
    script = f'echo ready; exec "{command}" -c "{directory}/nginx.conf" -e "{directory}/error.log"'
    return Process(["/bin/sh", "-c", script], target, log)


def _load_command(options: dict[str, Any]) -> list[str]:
    words = [str(LOAD), "run"]
    for name, value in options.items():
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def load(server: Process, **options: Any) -> dict[str, Any]:
    """One run of the generator against `server`; its report. Every answer must have been right."""
    command = _load_command({"target": server.target, "watch_pid": server.pid, **options})
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment(), preexec_fn=_on_core(CLIENT_CORE)
    )
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command)}: {done.stderr.strip()}")
    report: dict[str, Any] = json.loads(done.stdout)
    report["options"] = options
    if report["errors"] or not report["count"]:
        raise BenchError(f"{options.get('op')}: {report['errors']} wrong answers: {report['error_kinds']}")
    return report


def load_in_background(server: Process, **options: Any) -> subprocess.Popen[bytes]:
    """A run nobody asks about: load while something else happens."""
    command = _load_command({"target": server.target, **options})
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, stdout=quiet, stderr=quiet, env=environment(), preexec_fn=_on_core(CLIENT_CORE))


def ceilings(directory: Path) -> dict[str, float]:
    """Rates of this machine, on the core the gateway gets."""
    directory.mkdir(parents=True, exist_ok=True)
    command = [str(LOAD), "ceilings", "--dir", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, preexec_fn=_on_core(SERVER_CORE))
    rates: dict[str, float] = json.loads(done.stdout)
    return rates
