"""Identity policies over the wire: what they allow and deny, and that a change has happened when it is answered."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from running import ROOT_KEY, ROOT_SECRET, Server, running

from gateway.remote import Remote

ROUNDS = 30
"""Changes of the race: each is a commit to disk, which is where a stale answer could slip in."""


def policy(effect: str, action: str | list[str], resource: str, **more: Any) -> str:
    statement = {"Effect": effect, "Action": action, "Resource": f"arn:aws:s3:::{resource}", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@dataclass
class People:
    """Users of one server and the admin API as root."""

    server: Server
    remote: Remote
    make_client: Callable[..., Any]

    def user(self, **more: Any) -> tuple[str, Any]:
        """A new user's route and S3 client."""
        name = f"u-{uuid.uuid4().hex[:10]}"
        self.remote.call("POST", "/v1/users", {"tenant": "default", "name": name, **more})
        key = self.remote.call("POST", "/v1/keys", {"tenant": "default", "user": name})
        client = self.make_client(self.server.url, key=key["access_key"], secret=key["secret_key"])
        return f"/v1/users/default/{name}", client

    def managed(self, document: str) -> str:
        """A new managed policy's name."""
        name = f"p-{uuid.uuid4().hex[:10]}"
        self.remote.call("POST", "/v1/policies", {"name": name, "document": document})
        return name

    def inline(self, who: str, document: str, name: str = "own") -> None:
        self.remote.call("PUT", f"{who}/policies/{name}", {"document": document})


@pytest.fixture
def people(server: Server, make_client: Callable[..., Any]) -> People:
    return People(server, Remote(server.admin, ROOT_KEY, ROOT_SECRET), make_client)


@pytest.fixture
def filled(s3: Any, bucket: str) -> str:
    """A bucket with an object of the team and one of nobody's."""
    for key in ("team/a", "other/a"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return bucket


def refused(code: str, act: Callable[..., Any], **words: Any) -> None:
    with pytest.raises(ClientError) as caught:
        act(**words)
    assert caught.value.response["Error"]["Code"] == code


def read(client: Any, bucket: str, key: str) -> bytes:
    body: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


def test_a_user_reads_what_its_policy_says_and_nothing_else(people: People, filled: str) -> None:
    who, client = people.user()
    refused("AccessDenied", client.get_object, Bucket=filled, Key="team/a")
    people.inline(who, policy("Allow", "s3:GetObject", f"{filled}/team/*"))
    assert read(client, filled, "team/a") == b"team/a"
    refused("AccessDenied", client.get_object, Bucket=filled, Key="other/a")
    refused("AccessDenied", client.put_object, Bucket=filled, Key="team/b", Body=b"")
    refused("AccessDenied", client.delete_object, Bucket=filled, Key="team/a")
    refused("AccessDenied", client.get_bucket_location, Bucket=filled)
    people.remote.call("DELETE", f"{who}/policies/own")
    refused("AccessDenied", client.get_object, Bucket=filled, Key="team/a")


def test_a_managed_policy_is_in_force_when_attach_detach_and_change_return(people: People, filled: str) -> None:
    who, client = people.user()
    name = people.managed(policy("Allow", "s3:GetObject", f"{filled}/team/*"))
    refused("AccessDenied", client.get_object, Bucket=filled, Key="team/a")
    people.remote.call("PUT", f"{who}/attached/{name}")
    assert read(client, filled, "team/a") == b"team/a"
    document = policy("Allow", "s3:GetObject", f"{filled}/other/*")
    people.remote.call("PUT", f"/v1/policies/{name}", {"document": document})
    refused("AccessDenied", client.get_object, Bucket=filled, Key="team/a")
    assert read(client, filled, "other/a") == b"other/a"
    people.remote.call("DELETE", f"{who}/attached/{name}")
    refused("AccessDenied", client.get_object, Bucket=filled, Key="other/a")


def test_an_explicit_deny_wins_over_an_administrator_but_not_over_root(people: People, filled: str, s3: Any) -> None:
    who, client = people.user(admin=True)
    assert read(client, filled, "team/a") == b"team/a"
    people.inline(who, policy("Deny", "s3:GetObject", f"{filled}/team/*"))
    refused("AccessDenied", client.get_object, Bucket=filled, Key="team/a")
    assert read(client, filled, "other/a") == b"other/a"
    assert read(s3, filled, "team/a") == b"team/a"


def test_a_group_gives_its_members_its_policies_while_they_are_in_it(people: People, filled: str) -> None:
    who, client = people.user()
    group = f"g-{uuid.uuid4().hex[:10]}"
    people.remote.call("POST", "/v1/groups", {"name": group})
    people.inline(f"/v1/groups/{group}", policy("Allow", "s3:GetObject", f"{filled}/team/*"))
    refused("AccessDenied", client.get_object, Bucket=filled, Key="team/a")
    member = f"user:{who.rpartition('/')[2]}"
    people.remote.call("POST", f"/v1/groups/{group}/members", {"subject": member})
    assert read(client, filled, "team/a") == b"team/a"
    people.remote.call("DELETE", f"/v1/groups/{group}/members?subject={member}")
    refused("AccessDenied", client.get_object, Bucket=filled, Key="team/a")
    people.remote.call("POST", f"/v1/groups/{group}/members", {"subject": member})
    assert read(client, filled, "team/a") == b"team/a"
    people.remote.call("DELETE", f"/v1/groups/{group}")
    refused("AccessDenied", client.get_object, Bucket=filled, Key="team/a")


def test_a_boundary_leaves_what_both_allow(people: People, filled: str) -> None:
    who, client = people.user()
    people.inline(who, policy("Allow", "s3:GetObject", f"{filled}/*"))
    fence = people.managed(policy("Allow", "s3:*", f"{filled}/team/*"))
    people.remote.call("PUT", f"{who}/boundary", {"policy": fence})
    assert read(client, filled, "team/a") == b"team/a"
    refused("AccessDenied", client.get_object, Bucket=filled, Key="other/a")
    refused("AccessDenied", client.put_object, Bucket=filled, Key="team/b", Body=b"")
    people.remote.call("DELETE", f"{who}/boundary")
    assert read(client, filled, "other/a") == b"other/a"


def test_an_administrator_with_a_boundary_is_bounded(people: People, filled: str) -> None:
    who, client = people.user(admin=True)
    fence = people.managed(policy("Allow", "s3:GetObject", f"{filled}/team/*"))
    people.remote.call("PUT", f"{who}/boundary", {"policy": fence})
    assert read(client, filled, "team/a") == b"team/a"
    refused("AccessDenied", client.get_object, Bucket=filled, Key="other/a")


def test_conditions_know_who_asks(people: People, filled: str) -> None:
    who, client = people.user()
    name = who.rpartition("/")[2]
    arn = f"arn:aws:iam::000000000001:user/{name}"
    people.remote.call("PUT", f"{who}/tags", {"tags": [{"key": "Team", "value": "team"}]})
    people.inline(who, policy("Allow", "s3:GetObject", f"{filled}/${{aws:PrincipalTag/team}}/*"))
    assert read(client, filled, "team/a") == b"team/a"
    refused("AccessDenied", client.get_object, Bucket=filled, Key="other/a")
    for key, value, other in (
        ("aws:username", name, "nobody"),
        ("aws:PrincipalArn", arn, arn + "x"),
        ("aws:PrincipalTag/Team", "team", "other"),
    ):
        asked = {"Condition": {"StringEquals": {key: value}}}
        people.inline(who, policy("Allow", "s3:GetObject", f"{filled}/*", **asked))
        assert read(client, filled, "other/a") == b"other/a"
        asked = {"Condition": {"StringEquals": {key: other}}}
        people.inline(who, policy("Allow", "s3:GetObject", f"{filled}/*", **asked))
        refused("AccessDenied", client.get_object, Bucket=filled, Key="other/a")


def test_no_request_uses_a_policy_whose_end_has_returned(people: People, filled: str) -> None:
    who, client = people.user()
    name = people.managed(policy("Allow", "s3:GetObject", f"{filled}/team/*"))
    over = threading.Event()

    def hammer() -> None:
        while not over.is_set():
            try:
                client.get_object(Bucket=filled, Key="team/a")["Body"].read()
            except ClientError:
                continue

    threads = [threading.Thread(target=hammer) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(ROUNDS):
            people.remote.call("PUT", f"{who}/attached/{name}")
            assert read(client, filled, "team/a") == b"team/a"
            people.remote.call("DELETE", f"{who}/attached/{name}")
            refused("AccessDenied", client.get_object, Bucket=filled, Key="team/a")
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_a_disabled_key_signs_nothing_until_it_is_enabled(people: People, filled: str) -> None:
    who, client = people.user(admin=True)
    name = who.rpartition("/")[2]
    key = people.remote.call("GET", f"/v1/keys?tenant=default&user={name}")[0]["access_key"]
    assert read(client, filled, "team/a") == b"team/a"
    people.remote.call("PATCH", f"/v1/keys/{key}", {"disabled": True})
    refused("InvalidAccessKeyId", client.get_object, Bucket=filled, Key="team/a")
    people.remote.call("PATCH", f"/v1/keys/{key}", {"disabled": False})
    assert read(client, filled, "team/a") == b"team/a"


def test_a_removed_user_is_refused_at_once(people: People, filled: str) -> None:
    who, client = people.user(admin=True)
    assert read(client, filled, "team/a") == b"team/a"
    people.remote.call("DELETE", who)
    refused("InvalidAccessKeyId", client.get_object, Bucket=filled, Key="team/a")


def test_policies_outlive_the_process(tmp_path: Path, make_client: Callable[..., Any]) -> None:
    data = tmp_path / "data"
    with running(data) as server:
        people = People(server, Remote(server.admin, ROOT_KEY, ROOT_SECRET), make_client)
        root = make_client(server.url)
        root.create_bucket(Bucket="kept")
        root.put_object(Bucket="kept", Key="a", Body=b"a")
        who, client = people.user()
        people.inline(who, policy("Allow", "s3:GetObject", "kept/*"))
        secret = client._request_signer._credentials
        assert read(client, "kept", "a") == b"a"
        server.kill()
    with running(data) as server:
        again = make_client(server.url, key=secret.access_key, secret=secret.secret_key)
        assert read(again, "kept", "a") == b"a"
