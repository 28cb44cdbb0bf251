"""Real clients, unmodified, against a real server: one module per client.

What belongs here: the server over HTTP and over TLS, and each client's own environment (from PyPI, cached under
`.venv/clients`). A client's defaults are used: no option here turns a checksum or a signature version off.
"""

from __future__ import annotations

import subprocess
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from endpoint import Site
from running import ROOT, certificate, running

CLIENTS = ROOT / ".venv" / "clients"


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
