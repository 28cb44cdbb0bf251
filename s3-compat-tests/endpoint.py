"""Where a real client is pointed, and the environment it is run in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from running import ROOT_KEY, ROOT_SECRET, Server


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
