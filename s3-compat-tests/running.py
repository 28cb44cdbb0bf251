"""A real server process on ports of its own, for every test that talks to one.

What belongs here: starting `panthera serve`, waiting for its `ready` line, ending it, a certificate for it. Nothing
about what is tested.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PANTHERA = ROOT / ".venv" / "bin" / "panthera"
ROOT_KEY, ROOT_SECRET = "PANTHERAROOTKEY00000", "panthera-root-secret-for-tests-only-0000"
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60


@dataclass
class Server:
    """A started server: its addresses as URLs, its process, and what it was told."""

    process: subprocess.Popen[str]
    endpoints: list[str]
    admin: str
    data: Path
    log: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The first S3 endpoint."""
        return self.endpoints[0]

    def kill(self) -> None:
        """SIGKILL, as a power cut of the process."""
        self.process.send_signal(signal.SIGKILL)
        self._ended()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.process.terminate()
        return self._ended()

    def _ended(self) -> int:
        status = self.process.wait(timeout=STOP_TIMEOUT_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status


def start(data: Path, *words: str | Path, env: Mapping[str, str] | None = None, within: Sequence[str] = ()) -> Server:
    """Starts a server on `data`, by the command `within` if given. RuntimeError with the log when it never gets ready."""
    settings = {"PANTHERA_ROOT_ACCESS_KEY": ROOT_KEY, "PANTHERA_ROOT_SECRET_KEY": ROOT_SECRET, **(env or {})}
    command: list[str | Path] = [PANTHERA, "serve", "--data", data, "--admin-listen", "127.0.0.1:0"]
    if "--s3-listen" not in words:
        command += ["--s3-listen", "127.0.0.1:0"]
    log = data.parent / f"{data.name}.log"
    with log.open("a") as sink:
        process = subprocess.Popen(
            [*within, *command, *words], env=os.environ | settings, stdout=subprocess.PIPE, stderr=sink, text=True
        )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ready"):
            urls = re.findall(r"https?://[^\s,]+", line)
            return Server(process, urls[:-1], urls[-1], data, log, settings | {"PANTHERA_ADMIN_URL": urls[-1]})
    process.wait(timeout=STOP_TIMEOUT_S)
    raise RuntimeError(f"the server ended with status {process.returncode} before it was ready:\n{log.read_text()}")


@contextmanager
def running(data: Path, *words: str | Path, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A started server that is ended at the end."""
    server = start(data, *words, env=env)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


def certificate(home: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost: (certificate, key)."""
    cert, key = home / "cert.pem", home / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    words += ["-addext", "basicConstraints=critical,CA:FALSE"]  # rustls takes no authority for a server
    words += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:*.localhost,IP:127.0.0.1"]
    subprocess.run([*words, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key
