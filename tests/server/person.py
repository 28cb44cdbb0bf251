"""Somebody who uses a server: a tenant of its own, a key, clients.

What belongs here: making people with the command line. No expectations.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from typing import Any

from running import PANTHERA, Server


class Person:
    """Somebody with a tenant and a key, and boto3's client for it."""

    def __init__(self, server: Server, make: Callable[..., Any], name: str) -> None:
        env = os.environ | server.env

        def panthera(*words: str) -> dict[str, Any]:
            done = subprocess.run([PANTHERA, *words, "--json"], env=env, check=True, capture_output=True, text=True)
            found: dict[str, Any] = json.loads(done.stdout)
            return found

        self.arn = f"arn:aws:iam::{panthera('tenant', 'add', name)['id']:012}:user/tester"
        user = panthera(
            "user", "add", name, "tester", "--admin", "--display-name", name, "--email", f"{name}@example.com"
        )
        key = panthera("key", "add", name, "tester")
        self.id, self.email = user["canonical_id"], user["email"]
        self._make = lambda **config: make(server.url, key=key["access_key"], secret=key["secret_key"], **config)
        self.s3 = self._make()

    def client(self, **config: Any) -> Any:
        """Another client of the same person."""
        return self._make(**config)
