"""Real clients, unmodified, against a real server: one module per client.

What belongs here: the server over HTTP and over TLS, and each client's own environment (from PyPI, cached under
`.venv/clients`). A client's defaults are used: no option here turns a checksum or a signature version off.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from running import ROOT, ROOT_KEY, ROOT_SECRET, Server, certificate, running

CLIENTS = ROOT / ".venv" / "clients"


@dataclass
class Site:
    """Where a client is pointed: the endpoint, the file with its CA (TLS only), and the environment for a subprocess."""

    server: Server
    url: str
    ca: Path | None
    access_key: str = ROOT_KEY
    secret_key: str = ROOT_SECRET

    @property
    def host(self) -> str:
        """`host:port`."""
        return self.url.split("://", 1)[1]

    def env(self, home: Path) -> dict[str, str]:
        """What an AWS client reads, and a home of its own so that nothing of this machine's configuration counts."""
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "RCLONE_"))}
        keep |= {"HOME": str(home), "AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}
        keep |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
        if self.ca:
            keep |= {"AWS_CA_BUNDLE": str(self.ca), "SSL_CERT_FILE": str(self.ca), "REQUESTS_CA_BUNDLE": str(self.ca)}
        return keep


@pytest.fixture(scope="session", params=["http", "https"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server of its own for each scheme: clients behave differently over TLS."""
    home = tmp_path_factory.mktemp(request.param)
    if request.param == "http":
        with running(home / "data") as server:
            yield Site(server, server.url.replace("127.0.0.1", "localhost"), None)
    else:
        cert, key = certificate(home)
        with running(home / "data", "--tls-cert", cert, "--tls-key", key) as server:
            yield Site(server, server.url.replace("127.0.0.1", "localhost"), cert)


@pytest.fixture(scope="session")
def client_env() -> Callable[[str, str], Path]:
    """Makes (once) an environment with one requirement and gives the folder of its commands."""

    def make(name: str, requirement: str) -> Path:
        home = CLIENTS / name
        stamp = home / "complete"
        if not stamp.exists() or stamp.read_text() != requirement:
            venv.create(home, with_pip=True, clear=True)
            subprocess.run([home / "bin" / "python", "-m", "pip", "install", "-q", *requirement.split()], check=True)
            stamp.write_text(requirement)
        return home / "bin"

    return make


@pytest.fixture
def bucket(site: Site, request: pytest.FixtureRequest) -> Iterator[str]:
    """A name for the test's bucket; the test makes the bucket with its own client."""
    yield f"t-{abs(hash((request.node.nodeid, site.url))) % 10**12}"


@pytest.fixture
def run(site: Site, tmp_path: Path) -> Callable[..., str]:
    """Runs a client's command against the site and gives its standard output; a failure shows everything it said."""

    def go(*words: str | Path, check: bool = True, env: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            words, env=site.env(tmp_path) | (env or {}), cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(map(str, words))}\nstatus {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    return go
