"""Taking a right away, by every way there is: once it has returned, no request is allowed by what it took.

Belongs here: a right that works, its end, and readers that read without pause over connections that stay open. Does not
belong here: what else a change of rights does. Every route is asked 1000 times after its end has returned, the relation
10 000 times. (Under a model checker: `rust/crates/authz/tests/model`.)
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from raw import ANSWER_TIMEOUT_S, signed
from running import ROOT_KEY, ROOT_SECRET
from sharing import User, ann, people

__all__ = ["ann", "people"]

REQUESTS = 1000
REQUESTS_OF_THE_RELATION = 10_000
READERS = 4
WARM = 20
"""Requests of each reader that are allowed before the end: what is kept by then is what could be served too long."""

REFUSED = (403, 404)


class Line:
    """A connection that stays open and asks the same again and again."""

    def __init__(self, url: str, request: bytes) -> None:
        at = urlsplit(url)
        self._address = (at.hostname, at.port)
        self._request = request
        self._file: Any = None

    def ask(self) -> int:
        """The status of one more answer."""
        if self._file is None:
            sock = socket.create_connection(self._address, timeout=ANSWER_TIMEOUT_S)
            self._file = sock.makefile("rwb")
            sock.close()  # the file keeps it open
        self._file.write(self._request)
        self._file.flush()
        status, length, stays = int(self._file.readline().split()[1]), 0, True
        while (line := self._file.readline().lower()) != b"\r\n":
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            stays &= not (line.startswith(b"connection:") and b"close" in line)
        assert len(self._file.read(length)) == length
        if not stays:
            self.close()
        return status

    def close(self) -> None:
        """The next question opens it again."""
        if self._file is not None:
            self._file.close()
        self._file = None


@dataclass
class Route:
    """What is asked, where, and what ends the right to it."""

    url: str
    request: bytes
    end: Callable[[], Any]


@dataclass
class Cast:
    """Ann administers a tenant and has a bucket; bob is a user of it without rights; root sees all."""

    ann: Any
    bob: User
    root: User
    people: Callable[..., User]

    @property
    def url(self) -> str:
        return self.ann.server.url

    def asked_by(self, user: User, bucket: str, key: str) -> bytes:
        return signed(self.url, "GET", f"/{bucket}/{key}", key=user.key, secret=user.secret)

    def route(self, end: Callable[[], Any], request: bytes | None = None) -> Route:
        """Bob reads one of ann's objects, until `end`."""
        return Route(self.url, request or self.asked_by(self.bob, self.ann.bucket, "pub/a.txt"), end)

    def anonymous(self, end: Callable[[], Any], path: str | None = None) -> Route:
        """The same by somebody who does not sign."""
        host = urlsplit(self.url).netloc
        path = path or f"/{self.ann.bucket}/pub/a.txt"
        return Route(self.url, f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode(), end)

    def change(self, op: str, subject: str, relation: str, path: str = "pub/") -> Any:
        resource = f"s3://{self.ann.bucket}/{path}" if path else f"s3://{self.ann.bucket}"
        change = {"op": op, "subject": subject, "relation": relation, "resource": resource}
        return self.ann.admin("POST", "/v1/relations", {"changes": [change]})

    def group(self, name: str, *members: str) -> None:
        self.ann.admin("POST", "/v1/groups", {"name": name})
        for member in members:
            self.ann.admin("POST", f"/v1/groups/{name}/members", {"subject": member})

    def leaves(self, member: str, group: str) -> Callable[[], Any]:
        return lambda: self.ann.admin("DELETE", f"/v1/groups/{group}/members?subject={quote(member)}")

    def policy(self, effect: str, principal: Any, action: str = "s3:GetObject") -> None:
        statement = {"Effect": effect, "Principal": principal, "Action": action}
        statement["Resource"] = f"arn:aws:s3:::{self.ann.bucket}/*"
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.ann.s3.put_bucket_policy(Bucket=self.ann.bucket, Policy=document)

    def identity(self, effect: str = "Allow") -> dict[str, str]:
        statement = {"Effect": effect, "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{self.ann.bucket}/*"}
        return {"document": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}

    @property
    def bobs_row(self) -> str:
        return f"/v1/users/{self.bob.tenant}/bob"

    def lists_count(self, ownership: str = "ObjectWriter") -> None:
        rules = {"Rules": [{"ObjectOwnership": ownership}]}
        self.ann.s3.put_bucket_ownership_controls(Bucket=self.ann.bucket, OwnershipControls=rules)

    def object_acl(self, acl: str) -> None:
        self.ann.s3.put_object_acl(Bucket=self.ann.bucket, Key="pub/a.txt", ACL=acl)

    def block(self, word: str) -> None:
        self.ann.s3.put_public_access_block(Bucket=self.ann.bucket, PublicAccessBlockConfiguration={word: True})


def relation(cast: Cast) -> Route:
    cast.change("touch", "user:bob", "reader")
    return cast.route(lambda: cast.change("delete", "user:bob", "reader"))


def relation_denied(cast: Cast) -> Route:
    cast.change("touch", "user:bob", "reader")
    return cast.route(lambda: cast.change("touch", "user:bob", "deny_read", ""))


def presigned(cast: Cast) -> Route:
    cast.change("touch", "user:bob", "reader")
    at = {"Bucket": cast.ann.bucket, "Key": "pub/a.txt"}
    url = urlsplit(cast.bob.s3.generate_presigned_url("get_object", Params=at))
    made = cast.anonymous(lambda: cast.change("delete", "user:bob", "reader"), f"{url.path}?{url.query}")
    assert url.netloc == urlsplit(cast.url).netloc
    return made


def membership(cast: Cast) -> Route:
    cast.group("devs", "user:bob")
    cast.change("touch", "group:devs", "reader")
    return cast.route(cast.leaves("user:bob", "devs"))


def group_in_a_group(cast: Cast) -> Route:
    cast.group("devs", "user:bob")
    cast.group("all", "group:devs")
    cast.change("touch", "group:all", "reader")
    return cast.route(cast.leaves("group:devs", "all"))


def group_removed(cast: Cast) -> Route:
    cast.group("devs", "user:bob")
    cast.change("touch", "group:devs", "reader")
    return cast.route(lambda: cast.ann.admin("DELETE", "/v1/groups/devs"))


def bucket_policy_deleted(cast: Cast) -> Route:
    cast.policy("Allow", {"AWS": f"arn:aws:iam::{cast.bob.tenant}:user/bob"})
    return cast.route(lambda: cast.ann.s3.delete_bucket_policy(Bucket=cast.ann.bucket))


def bucket_policy_replaced(cast: Cast) -> Route:
    cast.change("touch", "user:bob", "reader")
    cast.policy("Allow", "*", "s3:PutObject")
    return cast.route(lambda: cast.policy("Deny", "*"))


def public_policy_restricted(cast: Cast) -> Route:
    cast.policy("Allow", "*")
    return cast.anonymous(lambda: cast.block("RestrictPublicBuckets"))


def object_acl(cast: Cast) -> Route:
    cast.lists_count()
    cast.object_acl("public-read")
    return cast.anonymous(lambda: cast.object_acl("private"))


def bucket_acl(cast: Cast) -> Route:
    cast.lists_count()
    cast.ann.s3.put_bucket_acl(Bucket=cast.ann.bucket, ACL="public-read")
    end = lambda: cast.ann.s3.put_bucket_acl(Bucket=cast.ann.bucket, ACL="private")  # noqa: E731
    return cast.anonymous(end, f"/{cast.ann.bucket}?list-type=2")


def public_acls_ignored(cast: Cast) -> Route:
    cast.lists_count()
    cast.object_acl("public-read")
    return cast.anonymous(lambda: cast.block("IgnorePublicAcls"))


def ownership_enforced(cast: Cast) -> Route:
    cast.lists_count()
    cast.object_acl("public-read")
    return cast.anonymous(lambda: cast.lists_count("BucketOwnerEnforced"))


def identity_policy(cast: Cast) -> Route:
    cast.ann.admin("PUT", f"{cast.bobs_row}/policies/own", cast.identity())
    return cast.route(lambda: cast.ann.admin("DELETE", f"{cast.bobs_row}/policies/own"))


def managed_policy_denies(cast: Cast) -> Route:
    cast.ann.admin("POST", "/v1/policies", {"name": "reads", **cast.identity()})
    cast.ann.admin("PUT", f"{cast.bobs_row}/attached/reads")
    return cast.route(lambda: cast.ann.admin("PUT", "/v1/policies/reads", cast.identity("Deny")))


def policy_of_a_group(cast: Cast) -> Route:
    cast.group("devs", "user:bob")
    cast.ann.admin("PUT", "/v1/groups/devs/policies/own", cast.identity())
    return cast.route(cast.leaves("user:bob", "devs"))


def share(cast: Cast) -> Route:
    made = cast.ann.share(f"s3://{cast.ann.bucket}/pub/a.txt")
    return cast.anonymous(lambda: cast.ann.admin("DELETE", f"/v1/shares/{made['share']}"), made["link"])


def share_whose_creator_loses_the_right(cast: Cast) -> Route:
    for bundle in ("reader", "sharer"):
        cast.change("touch", "user:bob", bundle, "pub/a.txt")
    made = cast.bob.share(f"s3://{cast.ann.bucket}/pub/a.txt")
    return cast.anonymous(lambda: cast.change("delete", "user:bob", "reader", "pub/a.txt"), made["link"])


def _mounted(cast: Cast) -> tuple[User, str, dict[str, Any], bytes]:
    eve = cast.people("beta", "eve", admin=True)
    bucket = f"e-{eve.tenant}"
    eve.s3.create_bucket(Bucket=bucket)
    made = cast.ann.share(f"s3://{cast.ann.bucket}/pub/", to=[f"tenant:{eve.tenant}"])
    at = f"s3://{bucket}/theirs/"
    eve.admin("POST", "/v1/mounts", {"token": made["token"], "at": at})
    return eve, at, made, cast.asked_by(eve, bucket, "theirs/a.txt")


def mounted_share(cast: Cast) -> Route:
    _, _, made, request = _mounted(cast)
    return cast.route(lambda: cast.ann.admin("DELETE", f"/v1/shares/{made['share']}"), request)


def mount(cast: Cast) -> Route:
    eve, at, _, request = _mounted(cast)
    return cast.route(lambda: eve.admin("DELETE", f"/v1/mounts?at={quote(at)}"), request)


def key_disabled(cast: Cast) -> Route:
    cast.change("touch", "user:bob", "reader")
    return cast.route(lambda: cast.root.admin("PATCH", f"/v1/keys/{cast.bob.key}", {"disabled": True}))


def key_removed(cast: Cast) -> Route:
    cast.change("touch", "user:bob", "reader")
    return cast.route(lambda: cast.root.admin("DELETE", f"/v1/keys/{cast.bob.key}"))


def user_removed(cast: Cast) -> Route:
    cast.change("touch", "user:bob", "reader")
    return cast.route(lambda: cast.root.admin("DELETE", cast.bobs_row))


ROUTES = (
    relation_denied, presigned, membership, group_in_a_group, group_removed, bucket_policy_deleted,
    bucket_policy_replaced, public_policy_restricted, object_acl, bucket_acl, public_acls_ignored, ownership_enforced,
    identity_policy, managed_policy_denies, policy_of_a_group, share, share_whose_creator_loses_the_right,
    mounted_share, mount, key_disabled, key_removed, user_removed,
)  # fmt: skip


@pytest.fixture
def cast(ann: Any, people: Callable[..., User]) -> Cast:
    root = User(ann.server, "default", "root", ROOT_KEY, ROOT_SECRET, None)
    return Cast(ann, people("acme", "bob"), root, people)


def none_after_the_end(route: Route, requests: int) -> None:
    """Readers read without pause; whatever was asked after the end had returned must be refused."""
    ended, gave_up = threading.Event(), threading.Event()
    before: list[list[int]] = [[] for _ in range(READERS)]
    after: list[list[int]] = [[] for _ in range(READERS)]
    warm = threading.Semaphore(0)

    def reads(place: int) -> None:
        line = Line(route.url, route.request)
        try:
            while len(after[place]) < requests // READERS and not gave_up.is_set():
                late = ended.is_set()
                (after if late else before)[place].append(line.ask())
                if not late and len(before[place]) == WARM:
                    warm.release()
        finally:
            line.close()
            warm.release()

    readers = [threading.Thread(target=reads, args=(place,)) for place in range(READERS)]
    for reader in readers:
        reader.start()
    try:
        assert all(warm.acquire(timeout=60) for _ in readers)
        route.end()
        ended.set()
    except BaseException:
        gave_up.set()
        raise
    finally:
        for reader in readers:
            reader.join(120)
    assert {status for statuses in before for status in statuses[:WARM]} == {200}, "it was allowed before"
    late = [status for statuses in after for status in statuses]
    assert len(late) == requests
    assert [status for status in late if status not in REFUSED] == []


def test_no_request_is_allowed_after_a_relation_was_revoked(cast: Cast) -> None:
    none_after_the_end(relation(cast), REQUESTS_OF_THE_RELATION)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.__name__)
def test_no_request_is_allowed_after_the_right_was_taken(cast: Cast, route: Callable[[Cast], Route]) -> None:
    none_after_the_end(route(cast), REQUESTS)
