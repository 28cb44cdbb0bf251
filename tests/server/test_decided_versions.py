"""A right that a version's list gives is a right to that version: one that takes its place while the request's body is
on the way is neither changed nor compared by it.
"""

from __future__ import annotations

import hashlib
import socket
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from raw import ANSWER_TIMEOUT_S, Answer, read_answer, signed
from sharing import User, people

__all__ = ["people"]

EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"
SECRET = b"what took its place"


class Pair:
    """ann's bucket, where lists count and bob may write; he may do more with `k`, which says so in its list."""

    def __init__(self, people: Callable[..., User]) -> None:
        self.ann, self.bob = people("acme", "ann", admin=True), people("acme", "bob")
        self.bucket = f"d-{uuid.uuid4().hex[:12]}"
        self.ann.s3.create_bucket(Bucket=self.bucket, ObjectOwnership="ObjectWriter")
        change = {"op": "touch", "subject": "user:bob", "relation": "writer", "resource": f"s3://{self.bucket}"}
        self.ann.admin("POST", "/v1/relations", {"changes": [change]})
        self.owner = self.ann.s3.list_buckets()["Owner"]["ID"]
        him = f"id={self.bob.s3.list_buckets()['Owner']['ID']}"
        self.ann.s3.put_object(Bucket=self.bucket, Key="k", Body=b"first", GrantRead=him, GrantWriteACP=him)

    def replace(self) -> None:
        self.ann.s3.put_object(Bucket=self.bucket, Key="k", Body=SECRET)

    def grantees(self) -> list[str]:
        grants = self.ann.s3.get_object_acl(Bucket=self.bucket, Key="k")["Grants"]
        return [grant["Grantee"].get("ID") or grant["Grantee"]["URI"] for grant in grants]

    def put(self, query: str, body: bytes, meanwhile: Callable[[], None], **headers: str) -> Answer:
        """bob's request on `k`; `meanwhile` is done when it is decided about and its body is waited for."""
        url, keys = self.bob.server.url, {"key": self.bob.key, "secret": self.bob.secret}
        said = {name.replace("_", "-"): value for name, value in headers.items()} | {"Expect": "100-continue"}
        sent = signed(url, "PUT", f"/{self.bucket}/k{query}", body, said, **keys)
        head = sent[: len(sent) - len(body)]
        at = urlsplit(url)
        with socket.create_connection((at.hostname, at.port), timeout=ANSWER_TIMEOUT_S) as sock:
            sock.sendall(head)
            asked = b""
            while not asked.endswith(b"\r\n\r\n"):
                piece = sock.recv(1)
                assert piece, asked
                asked += piece
            assert asked.startswith(b"HTTP/1.1 100"), asked
            meanwhile()
            sock.sendall(body)
            answer = read_answer(sock)
        assert answer is not None
        return answer


@pytest.fixture
def pair(people: Callable[..., User]) -> Pair:
    return Pair(people)


def test_a_list_is_given_to_the_version_that_was_decided_about(pair: Pair) -> None:
    grantee = f'<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>{EVERYBODY}</URI>'
    grant = f"<Grant>{grantee}</Grantee><Permission>FULL_CONTROL</Permission></Grant>"
    body = (
        f"<AccessControlPolicy><Owner><ID>{pair.owner}</ID></Owner>"
        f"<AccessControlList>{grant}</AccessControlList></AccessControlPolicy>"
    ).encode()
    answer = pair.put("?acl", body, pair.replace)
    assert (answer.status, answer.code) == (503, "ServiceUnavailable")
    assert pair.grantees() == [pair.owner]
    assert pair.ann.s3.get_object(Bucket=pair.bucket, Key="k")["Body"].read() == SECRET
    him: Any = f"id={pair.bob.s3.list_buckets()['Owner']['ID']}"
    pair.ann.s3.put_object_acl(Bucket=pair.bucket, Key="k", GrantWriteACP=him)
    assert pair.put("?acl", body, lambda: None).status == 200
    assert pair.grantees() == [EVERYBODY]


def test_a_write_compares_with_the_version_that_was_decided_about(pair: Pair) -> None:
    for guess in (hashlib.md5(SECRET).hexdigest(), "0" * 32):
        pair.ann.s3.delete_object(Bucket=pair.bucket, Key="k")
        him = f"id={pair.bob.s3.list_buckets()['Owner']['ID']}"
        pair.ann.s3.put_object(Bucket=pair.bucket, Key="k", Body=b"first", GrantRead=him)
        answer = pair.put("", b"mine", pair.replace, If_Match=guess)
        assert (answer.status, answer.code) == (503, "ServiceUnavailable"), "nobody learns whether it was right"
        assert pair.ann.s3.get_object(Bucket=pair.bucket, Key="k")["Body"].read() == SECRET
    pair.ann.s3.put_object(Bucket=pair.bucket, Key="k", Body=b"first", GrantRead=him)
    first = hashlib.md5(b"first").hexdigest()
    assert pair.put("", b"mine", lambda: None, If_Match="0" * 32).status == 412
    assert pair.put("", b"mine", lambda: None, If_Match=first).status == 200
