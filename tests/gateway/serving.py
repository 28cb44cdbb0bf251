"""The admin API on a real socket, over a world without a server.

Belongs here: starting it, asking it. Does not belong here: what is tested.
"""

import base64
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from described import promised
from world import ROOT, World

from gateway.admin.app import AdminServices, admin_app
from gateway.bucket_settings import BucketSettings
from gateway.remote import Remote


class Facts:
    """A core that only has facts."""

    def metrics(self) -> str:
        return "panthera_up 1\n"

    def volumes(self) -> list[tuple[int, str, int, int, int, int]]:
        return [(1, "closed", 2, 30, 4, 50), (2, "open", 1, 10, 0, 20)]

    def trim_audit(self, before_us: int, tenant: int | None, by: object) -> tuple[int, bool]:
        self.trimmed = (before_us, tenant, by)
        return 3, False


@dataclass
class Admin:
    world: World
    url: str
    up: bool = True
    services: Any = field(default=None)

    @property
    def remote(self) -> Remote:
        return Remote(self.url, ROOT.access_key, ROOT.secret_key)

    def ask(
        self, method: str, path: str, body: object = None, *, key: tuple[str, str] | None = None, **headers: str
    ) -> tuple[int, Any]:
        """Status and JSON of an answer that is as described; as root unless a key is given."""
        pair = ":".join(key or (ROOT.access_key, ROOT.secret_key))
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, content, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, found = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, found = error.code, error.read()
            assert error.headers["content-type"] == "application/problem+json"
        body = json.loads(found) if found else None
        promised(method, path, status, body)
        return status, body

    def key(self, tenant: str, user: str) -> tuple[str, str]:
        """A new access key of a user."""
        made = self.world.accounts.add_key(tenant, user)
        return made["access_key"], made["secret_key"]


def services(world: World, ready: Callable[[], bool]) -> AdminServices:
    return AdminServices(
        core=Facts(),
        store=world.store,
        accounts=world.accounts,
        relations=world.relations,
        groups=world.groups,
        roles=world.roles,
        identities=world.identities,
        forgetting=world.forgetting,
        settings=BucketSettings(world.store),
        shares=world.shares,
        mounts=world.mounts,
        ready=ready,
        clock_us=lambda: world.now_us,
    )


@contextmanager
def served(world: World) -> Iterator[Admin]:
    """The admin API of a world."""
    here = Admin(world, "")
    here.services = services(world, lambda: here.up)
    app = admin_app(here.services)
    config = uvicorn.Config(app, port=0, lifespan="off", log_config=None, ws="none")
    server = uvicorn.Server(config)
    bound = config.bind_socket()
    bound.listen()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    here.url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    yield here
    here.up = False  # ends watches
    server.should_exit = True
    thread.join(10)
    bound.close()
    assert not thread.is_alive()
