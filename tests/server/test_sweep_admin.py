"""Every operation of the admin API, asked by an administrator and by a user of another tenant: what a tenant has is
neither changed nor told from what it has not.

What belongs here: requests that come out of the operations' rows, so that a new row is swept by being there.
"""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from running import Server
from sharing import User, basic, people

from gateway.admin.app import OPERATIONS
from gateway.admin.operation import Access, Operation

__all__ = ["people"]

SWEPT = [row for row in OPERATIONS if row.access is not Access.NOBODY]
WORDS = {
    "action": "s3:GetObject",
    "can": "view",
    "document": '{"Version":"2012-10-17","Statement":[]}',
    "key": "k",
    "op": "touch",
    "is": "present",
    "relation": "reader",
    "source": "bogus",
    "value": "v",
}
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}'


@dataclass(frozen=True)
class Names:
    """What a request names: all of one tenant, all there or none."""

    tenant: str
    bucket: str
    user: str
    group: str
    policy: str
    key: str
    share: str
    token: str

    def value(self, name: str, schema: dict[str, Any], path: str) -> Any:
        """For a member of a body or a parameter."""
        named = {
            "tenant": self.tenant,
            "bucket": self.bucket,
            "user": self.user,
            "name": self.group,
            "policy": self.policy,
            "access_key": self.key,
            "share": self.share,
            "token": self.token,
            "at_least": self.token,
            "after": self.token,
            "cursor": self.token,
            "resource": f"s3://{self.bucket}/there/",
            "at": f"s3://{self.bucket}/mount/",
            "subject": f"user:{self.tenant}/{self.user}",
            "to": [f"tenant:{self.tenant}"],
        }
        if name in named:
            return named[name]
        kind = schema["type"]
        if kind == "object":
            return self.body(schema, path)
        if kind == "array":
            return [self.value("key", schema["items"], path)]
        if kind == "string":
            return schema["enum"][0] if "enum" in schema else WORDS.get(name, "x")
        return True if kind == "boolean" else schema.get("minimum", 1)

    def body(self, schema: dict[str, Any], path: str, *, whole: bool = False) -> dict[str, Any]:
        """A body with what it needs, and with everything."""
        members = schema["properties"] if whole else schema.get("required", ())
        return {name: self.value(name, schema["properties"][name], path) for name in members}

    def forget(self, text: str) -> str:
        """A text without the names."""
        for name in (self.tenant, self.bucket, self.user, self.group, self.policy, self.key, self.token):
            text = text.replace(name, "?")
        return text.replace(f"no share {self.share}", "no share ?")


@dataclass(frozen=True)
class Stage:
    server: Server
    owner: User
    here: Names
    gone: Names
    strangers: list[User]

    def send(self, who: User, row: Operation, names: Names, *, whole: bool) -> tuple[int, str]:
        path = row.path
        for name in ("tenant", "user", "name", "policy", "access_key", "share", "bucket"):
            path = path.replace(f"{{{name}}}", quote(str(names.value(name, {"type": "string"}, path))))
        path = path.replace("{flag}", "open")
        params = [one for one in row.params if one.place == "query" and (whole or one.needed)]
        query = "&".join(f"{one.name}={quote(str(names.value(one.name, one.shape.schema, path)))}" for one in params)
        body = None if row.body is None else json.dumps(names.body(row.body.schema, path, whole=whole))
        headers = {"authorization": basic(who.key, who.secret), "content-type": "application/json"}
        at = urlsplit(self.server.admin)
        connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=30)
        connection.request(row.method, f"{path}?{query}" if query else path, body, headers)
        answer = connection.getresponse()
        stream = row.stream and answer.status == 200
        text = answer.read1().decode() if stream else answer.read().decode()
        connection.close()
        return answer.status, text


@pytest.fixture(scope="module")
def stage(server: Server, make_client: Callable[..., Any]) -> Stage:
    user = people.__wrapped__(server, make_client)  # type: ignore[attr-defined]
    owner = user("home", "owner", admin=True)
    bucket = f"admin-{uuid.uuid4().hex[:12]}"
    owner.s3.create_bucket(Bucket=bucket)
    owner.s3.put_object(Bucket=bucket, Key="there/k", Body=b"x")
    owner.admin("POST", "/v1/groups", {"name": "grouped"})
    owner.admin("POST", "/v1/roles", {"name": "grouped"})
    owner.admin("POST", "/v1/policies", {"name": "policed", "document": POLICY})
    user("home", "alice-of-it")
    share = owner.share(f"s3://{bucket}/there/", to=[f"tenant:{owner.tenant}"])
    change = {"op": "touch", "subject": "user:alice-of-it", "relation": "reader", "resource": f"s3://{bucket}/there/"}
    token = owner.admin("POST", "/v1/relations", {"changes": [change]})["token"]
    here = Names(owner.tenant, bucket, "alice-of-it", "grouped", "policed", owner.key, str(share["share"]), token)
    swapped = lambda text: text[:-3] + ("abc" if text[-3:] != "abc" else "abd")  # noqa: E731
    gone = Names(*(swapped(name) for name in (here.tenant, here.bucket, here.user, here.group, here.policy, here.key)),
                 "4294967", "A" * len(token))  # fmt: skip
    strangers = [user("away", "mallory", admin=True), user("away", "clerk")]
    return Stage(server, owner, here, gone, strangers)


def state(stage: Stage) -> str:
    """What the tenant has, as its administrator sees it."""
    home, bucket = stage.here.tenant, stage.here.bucket
    asked = ("/v1/groups", "/v1/roles", "/v1/policies", "/v1/relations", "/v1/shares", "/v1/mounts", "/v1/schema",
             f"/v1/buckets/{bucket}/settings", f"/v1/users/{home}/{stage.here.user}/policies")  # fmt: skip
    return json.dumps([stage.owner.admin("GET", path) for path in asked])


@pytest.mark.parametrize("row", SWEPT, ids=[row.name for row in SWEPT])
@pytest.mark.parametrize("whole", [False, True], ids=["least", "whole"])
def test_another_tenant_is_not_there(row: Operation, whole: bool, stage: Stage) -> None:
    before = state(stage)
    for who in stage.strangers:
        found = stage.send(who, row, stage.here, whole=whole)
        missing = stage.send(who, row, stage.gone, whole=whole)
        assert found[0] == missing[0], (who.name, found, missing)
        if found[0] < 300 and not whole:
            # Its own: what it has, or has made by this.
            assert not any(name in found[1] for name in (stage.here.tenant, stage.here.bucket, stage.here.key))
        else:
            assert stage.here.forget(found[1]) == stage.gone.forget(missing[1]), who.name
        if row.access is Access.ROOT:
            assert found[0] == 401, found
    assert state(stage) == before


def test_the_sweep_reaches_what_is_there(stage: Stage) -> None:
    """Not every request is one that nobody could make: the owner's own answers differ."""
    told = set()
    for row in SWEPT:
        if row.method == "GET" and not row.stream and row.access is not Access.ROOT:
            answers = (stage.send(stage.owner, row, names, whole=True) for names in (stage.here, stage.gone))
            found, missing = answers
            if found[0] != missing[0] or stage.here.forget(found[1]) != stage.gone.forget(missing[1]):
                told.add(row.name)
    assert told >= {"listGroups", "getPolicy", "readRelations", "getShare", "getBucketSettings"}, told
