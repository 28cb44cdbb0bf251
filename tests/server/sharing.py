"""People of fresh tenants, what they ask with and without a signature, what they share: for tests of shares, mounts.

What belongs here: users with their keys and clients, plain requests. Nothing about what is tested.
"""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError
from running import ROOT_KEY, ROOT_SECRET, Server

Make = Callable[..., Any]


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Any
    body: bytes

    @property
    def code(self) -> str:
        """The code of an error document."""
        return self.body.decode().partition("<Code>")[2].partition("</Code>")[0]


def code(call: Callable[..., Any], *words: Any, **arguments: Any) -> str:
    """The code of the error that a client's call must end with."""
    with pytest.raises(ClientError) as error:
        call(*words, **arguments)
    return str(error.value.response["Error"]["Code"])


def ask(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    """One request without a signature."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, method=method, data=body, headers=names)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())


def basic(name: str, secret: str) -> str:
    """A value for Authorization."""
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


@dataclass
class User:
    """A user of a tenant: its key, its S3 client, its way to the admin API."""

    server: Server
    tenant: str
    name: str
    key: str
    secret: str
    s3: Any

    def admin(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The answer of the admin API. AssertionError with its words when it refuses."""
        status, answer = self.try_admin(method, path, body)
        assert status < 300, answer
        return answer

    def try_admin(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Status and JSON."""
        sent = None if body is None else json.dumps(body).encode()
        content = {"content_type": "application/json"}
        got = ask(self.server.admin + path, method, sent, authorization=basic(self.key, self.secret), **content)
        return got.status, json.loads(got.body) if got.body else {}

    def share(self, resource: str, **more: Any) -> dict[str, Any]:
        """A new share; `url` is where its link leads."""
        made = self.admin("POST", "/v1/shares", {"resource": resource, **more})
        return {**made, "url": self.server.url + made["link"]}


@pytest.fixture
def people(server: Server, make_client: Make) -> Callable[..., User]:
    """Makes users of fresh tenants: `people("acme", "ann", admin=True)`."""
    root = User(server, "default", "root", ROOT_KEY, ROOT_SECRET, None)
    suffix = uuid.uuid4().hex[:8]
    made: set[str] = set()

    def make(tenant: str, name: str, *, admin: bool = False) -> User:
        full = f"{tenant}-{suffix}"
        if full not in made:
            root.admin("POST", "/v1/tenants", {"name": full})
            made.add(full)
        root.admin("POST", "/v1/users", {"tenant": full, "name": name, "admin": admin})
        key = root.admin("POST", "/v1/keys", {"tenant": full, "user": name})
        client = make_client(server.url, key=key["access_key"], secret=key["secret_key"])
        return User(server, full, name, key["access_key"], key["secret_key"], client)

    return make


@pytest.fixture
def ann(people: Callable[..., User]) -> User:
    """An administrator with a bucket that has a few objects in it."""
    user = people("acme", "ann", admin=True)
    user.bucket = f"b-{uuid.uuid4().hex[:12]}"  # type: ignore[attr-defined]
    user.s3.create_bucket(Bucket=user.bucket)  # type: ignore[attr-defined]
    for key in ("pub/a.txt", "pub/sub/b.txt", "pub/ü & <b>.txt", "secret.txt"):
        user.s3.put_object(Bucket=user.bucket, Key=key, Body=key.encode())  # type: ignore[attr-defined]
    return user


def keys(answer: Answer, element: str = "Key") -> list[str]:
    """The texts of an element of a listing."""
    return [part.partition("<")[0] for part in answer.body.decode().split(f"<{element}>")[1:]]
