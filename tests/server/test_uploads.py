"""Who may abort an upload in parts and list its parts: its initiator, its account, the bucket's owner, and whom a right
names. AWS: "Multipart upload API and permissions".
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sharing import User, people

__all__ = ["people"]


def code(call: Callable[..., Any], **arguments: Any) -> str:
    """The code of the error the call ends with; empty for none."""
    try:
        call(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


class Yard:
    """A bucket of ann's into which bob and carl may write and nothing else."""

    def __init__(self, people: Callable[..., User]) -> None:
        self.ann = people("acme", "ann", admin=True)
        self.bob, self.carl = people("acme", "bob"), people("acme", "carl")
        self.eve = people("beta", "eve", admin=True)
        self.bucket = f"u-{uuid.uuid4().hex[:12]}"
        self.ann.s3.create_bucket(Bucket=self.bucket)
        for name in ("bob", "carl"):
            self.relate("touch", f"user:{name}", "writer")

    def relate(self, op: str, subject: str, relation: str, key: str = "") -> None:
        change = {"op": op, "subject": subject, "relation": relation, "resource": f"s3://{self.bucket}/{key}"}
        self.ann.admin("POST", "/v1/relations", {"changes": [change]})

    def policy(self, *statements: dict[str, Any]) -> None:
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **each} for each in statements]}
        self.ann.s3.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(document))

    def begin(self, user: User, key: str = "big") -> dict[str, str]:
        """A new upload of the user's with one part."""
        upload = user.s3.create_multipart_upload(Bucket=self.bucket, Key=key)["UploadId"]
        place = {"Bucket": self.bucket, "Key": key, "UploadId": upload}
        user.s3.upload_part(**place, PartNumber=1, Body=b"part")
        return place


@pytest.fixture
def yard(people: Callable[..., User]) -> Yard:
    return Yard(people)


def test_the_initiator_needs_no_other_right(yard: Yard) -> None:
    place = yard.begin(yard.bob)
    yard.relate("delete", "user:bob", "writer")
    assert code(yard.bob.s3.upload_part, **place, PartNumber=2, Body=b"x") == "AccessDenied"
    assert [part["Size"] for part in yard.bob.s3.list_parts(**place)["Parts"]] == [4]
    assert yard.bob.s3.list_parts(**place)["Initiator"]["DisplayName"] == "bob"
    yard.bob.s3.abort_multipart_upload(**place)
    assert yard.ann.s3.list_multipart_uploads(Bucket=yard.bucket).get("Uploads", []) == []


def test_who_may_write_cannot_end_what_others_upload(yard: Yard) -> None:
    place = yard.begin(yard.bob)
    for user in (yard.carl, yard.eve):
        assert code(user.s3.abort_multipart_upload, **place) == "AccessDenied"
        assert code(user.s3.list_parts, **place) == "AccessDenied"
        assert code(user.s3.list_multipart_uploads, Bucket=yard.bucket) == "AccessDenied"
    yard.relate("touch", "user:carl", "reader")
    assert code(yard.carl.s3.abort_multipart_upload, **place) == "AccessDenied", "nor who reads"
    assert code(yard.carl.s3.list_parts, **place) == "AccessDenied"
    assert code(yard.carl.s3.list_multipart_uploads, Bucket=yard.bucket) == "AccessDenied"
    assert len(yard.ann.s3.list_parts(**place)["Parts"]) == 1
    yard.ann.s3.abort_multipart_upload(**place)
    assert code(yard.ann.s3.abort_multipart_upload, **place) == "NoSuchUpload"


def test_a_right_says_so(yard: Yard) -> None:
    place = yard.begin(yard.bob)
    yard.relate("touch", "user:carl", "lister")
    assert len(yard.carl.s3.list_parts(**place)["Parts"]) == 1
    uploads = yard.carl.s3.list_multipart_uploads(Bucket=yard.bucket)["Uploads"]
    assert [upload["Initiator"]["DisplayName"] for upload in uploads] == ["bob"]
    assert code(yard.carl.s3.abort_multipart_upload, **place) == "AccessDenied"
    yard.relate("touch", "user:carl", "deleter")
    yard.carl.s3.abort_multipart_upload(**place)
    place = yard.begin(yard.bob)
    arn = f"arn:aws:s3:::{yard.bucket}/*"
    yard.relate("delete", "user:carl", "deleter")
    yard.policy({"Principal": "*", "Action": "s3:AbortMultipartUpload", "Resource": arn})
    yard.carl.s3.abort_multipart_upload(**place)


def test_a_deny_wins_over_the_initiator(yard: Yard) -> None:
    place = yard.begin(yard.bob)
    arn = f"arn:aws:s3:::{yard.bucket}/*"
    actions = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
    yard.policy({"Effect": "Deny", "Principal": "*", "Action": actions, "Resource": arn})
    for user in (yard.bob, yard.ann):
        assert code(user.s3.abort_multipart_upload, **place) == "AccessDenied"
        assert code(user.s3.list_parts, **place) == "AccessDenied"
    yard.ann.s3.delete_bucket_policy(Bucket=yard.bucket)
    yard.relate("touch", "user:bob", "deny_delete")
    assert code(yard.bob.s3.abort_multipart_upload, **place) == "AccessDenied"
    assert code(yard.bob.s3.list_parts, **place) == ""
    yard.relate("touch", "user:bob", "deny_all")
    assert code(yard.bob.s3.list_parts, **place) == "AccessDenied"


def test_a_guest_ends_its_own_upload_and_so_does_its_account(yard: Yard, people: Callable[..., User]) -> None:
    fay, gus = people("beta", "fay"), people("beta", "gus")
    write = {"Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{yard.bucket}/*"}
    yard.policy({"Principal": "*", **write})
    own = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **write}]})
    for name in ("fay", "gus"):
        yard.eve.admin("PUT", f"/v1/users/{yard.eve.tenant}/{name}/policies/own", {"document": own})
    first, second, third = (yard.begin(fay, key) for key in ("first", "second", "third"))
    assert code(gus.s3.abort_multipart_upload, **first) == "AccessDenied", "another user of the account"
    fay.s3.abort_multipart_upload(**first)
    assert len(yard.eve.s3.list_parts(**second)["Parts"]) == 1
    yard.eve.s3.abort_multipart_upload(**second)
    yard.ann.s3.abort_multipart_upload(**third)


def test_who_may_write_learns_that_an_upload_is_gone_and_others_do_not(yard: Yard) -> None:
    place = yard.begin(yard.bob)
    yard.bob.s3.abort_multipart_upload(**place)
    for user, expected in ((yard.bob, "NoSuchUpload"), (yard.carl, "NoSuchUpload"), (yard.eve, "AccessDenied")):
        assert code(user.s3.abort_multipart_upload, **place) == expected, user.name
        assert code(user.s3.list_parts, **place) == expected, user.name
        assert code(user.s3.list_parts, **{**place, "UploadId": "none"}) == expected, user.name
