"""Relations over the wire: what `panthera grant` gives a key may do at once, and what `revoke` takes it may not."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from running import PANTHERA, ROOT_KEY, ROOT_SECRET, Server, running


def panthera(server: Server, *words: str, status: int = 0) -> str:
    """What a command prints; it must end with this status."""
    command = [PANTHERA, *words]
    done = subprocess.run(command, env=server.env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def refused(act: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        act()
    return str(caught.value.response["Error"]["Code"])


def reading(client: Any, key: str = "2024/cat.jpg") -> Callable[[], bytes]:
    """Reads an object of bucket `photos`."""

    def read() -> bytes:
        content: bytes = client.get_object(Bucket="photos", Key=key)["Body"].read()
        return content

    return read


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Server]:
    """A server of its own: what is granted here must bother nobody."""
    with running(tmp_path / "data") as server:
        yield server
        assert server.stop() == 0
        done = subprocess.run(
            [PANTHERA, "verify", "--data", server.data], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, "note" in done.stdout) == (0, False), done.stdout


@pytest.fixture
def alice(shared: Server, make_client: Callable[..., Any]) -> Any:
    """A client with alice's key; she may do nothing yet. Root made bucket `photos` with two objects."""
    root = make_client(shared.url)
    root.create_bucket(Bucket="photos")
    for key in ("2024/cat.jpg", "2025/dog.jpg"):
        root.put_object(Bucket="photos", Key=key, Body=key.encode())
    panthera(shared, "user", "add", "default", "alice")
    key = json.loads(panthera(shared, "key", "add", "default", "alice", "--json"))
    return make_client(shared.url, key=key["access_key"], secret=key["secret_key"])


def test_a_grant_works_at_once_and_so_does_its_end(shared: Server, alice: Any) -> None:
    read = reading(alice)
    write = lambda: alice.put_object(Bucket="photos", Key="2024/new", Body=b"x")  # noqa: E731
    assert refused(read) == refused(write) == "AccessDenied"
    panthera(shared, "can", "user:alice", "s3:GetObject", "s3://photos/2024/cat.jpg", status=1)
    panthera(shared, "grant", "user:alice", "viewer", "s3://photos/2024/")
    assert read() == b"2024/cat.jpg" and refused(write) == "AccessDenied"
    assert refused(reading(alice, "2025/dog.jpg")) == "AccessDenied"
    said = panthera(shared, "can", "user:alice", "s3:GetObject", "s3://photos/2024/cat.jpg")
    assert said.startswith("allowed: user:alice is reader of s3://photos/2024/")
    panthera(shared, "grant", "user:alice", "editor", "s3://photos/2024/")
    write()
    alice.delete_object(Bucket="photos", Key="2024/new")
    panthera(shared, "revoke", "user:alice", "editor", "s3://photos/2024/")
    assert refused(read) == refused(write) == "AccessDenied"


def test_a_group_a_deny_and_a_condition(shared: Server, alice: Any) -> None:
    read = reading(alice)
    panthera(shared, "group", "add", "devs")
    panthera(shared, "group", "add-member", "devs", "user:alice")
    panthera(shared, "grant", "group:devs", "viewer", "s3://photos", "--if", "ip=127.0.0.0/8")
    assert read()
    panthera(shared, "grant", "user:alice", "deny_read", "s3://photos/2024/")
    assert refused(read) == "AccessDenied"
    panthera(shared, "revoke", "user:alice", "deny_read", "s3://photos/2024/")
    assert read()
    panthera(shared, "grant", "group:devs", "viewer", "s3://photos", "--if", "ip=10.0.0.0/8")
    assert refused(read) == "AccessDenied", "not from there"
    panthera(shared, "grant", "group:devs", "viewer", "s3://photos", "--if", "tls")
    assert refused(read) == "AccessDenied", "not over TLS"
    panthera(shared, "grant", "group:devs", "viewer", "s3://photos")
    assert read()
    panthera(shared, "group", "rm", "devs")
    assert refused(read) == "AccessDenied"


def test_relations_are_there_after_a_restart_and_go_with_the_bucket(
    tmp_path: Path, make_client: Callable[..., Any]
) -> None:
    with running(tmp_path / "data") as server:
        make_client(server.url).create_bucket(Bucket="photos")
        panthera(server, "user", "add", "default", "alice")
        panthera(server, "grant", "user:alice", "viewer", "s3://photos/a/", "--expires", "30d")
        server.kill()
    with running(tmp_path / "data") as server:
        panthera(server, "can", "user:alice", "read", "s3://photos/a/b")
        make_client(server.url).delete_bucket(Bucket="photos")
        assert json.loads(panthera(server, "relations", "--json")) == []


def test_a_watch_ends_when_the_server_does(shared: Server, alice: Any) -> None:
    token = b64encode(f"{ROOT_KEY}:{ROOT_SECRET}".encode()).decode()
    request = urllib.request.Request(f"{shared.admin}/v1/relations/watch", headers={"Authorization": f"Basic {token}"})
    with urllib.request.urlopen(request, timeout=30) as watch:
        assert watch.readline().startswith(b"id: ")
        panthera(shared, "grant", "user:alice", "viewer", "s3://photos")
        lines = iter(watch.readline, b"")
        change = next(json.loads(line[6:]) for line in lines if line.startswith(b'data: {"revision'))
        assert change["changes"][0]["relation"]["subject"] == "user:alice"
        assert shared.stop() == 0, "it does not wait for watchers"
        assert b"".join(lines).strip(b"\n") in (b"", b": heartbeat")
