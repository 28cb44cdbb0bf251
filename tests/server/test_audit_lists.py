"""Access control lists that come as headers of an upload are grants: they stand in the audit log with the commit that
stores the object.

What belongs here: which writes leave such an entry, whose, and that nothing is stored when it cannot be written. The
entries of PutObjectAcl itself are tested in `test_audit.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from running import ROOT_KEY, ROOT_SECRET, running
from sharing import User, people

__all__ = ["people"]

PART = b"p" * (5 << 20)


@pytest.fixture
def owner(people: Callable[..., User]) -> Any:
    """An administrator with a bucket in which lists count."""
    user: Any = people("acme", "ann", admin=True)
    user.bucket = f"lists-{uuid.uuid4().hex[:12]}"
    user.s3.create_bucket(Bucket=user.bucket, ObjectOwnership="ObjectWriter")
    return user


def lists(user: Any, answer: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    """What the user's log says of lists that a request gave: outcome, who, where."""
    entries = user.admin("GET", "/v1/audit?since=1h&action=s3:PutObjectAcl")["entries"]
    request = answer["ResponseMetadata"]["RequestId"]
    found = [one for one in entries if one["request_id"] == request and one["kind"] == "configuration"]
    return [(one["outcome"], one["subject"], one["resource"]) for one in found]


def test_an_upload_with_a_list_is_a_grant_and_one_without_is_none(owner: Any) -> None:
    def put(key: str, **more: Any) -> list[tuple[str, str, str | None]]:
        return lists(owner, owner.s3.put_object(Bucket=owner.bucket, Key=key, Body=b"x", **more))

    assert put("plain") == put("private", ACL="private") == []
    assert put("public", ACL="public-read") == [("done", "user:ann", f"s3://{owner.bucket}/public")]
    assert put("public", ACL="public-read") == [("done", "user:ann", f"s3://{owner.bucket}/public")], "each time"
    everybody = "uri=http://acs.amazonaws.com/groups/global/AllUsers"
    assert put("header", GrantRead=everybody) == [("done", "user:ann", f"s3://{owner.bucket}/header")]
    source = {"Bucket": owner.bucket, "Key": "public"}
    plain = owner.s3.copy_object(Bucket=owner.bucket, Key="copy", CopySource=source)
    assert lists(owner, plain) == [], "a copy does not take its source's list"
    listed = owner.s3.copy_object(Bucket=owner.bucket, Key="copy", CopySource=source, ACL="authenticated-read")
    assert lists(owner, listed) == [("done", "user:ann", f"s3://{owner.bucket}/copy")]


def test_an_upload_in_parts_says_who_asked_for_the_list_and_who_put_it_in_force(owner: Any) -> None:
    def upload(**more: Any) -> list[list[tuple[str, str, str | None]]]:
        where = {"Bucket": owner.bucket, "Key": "parts"}
        begun = owner.s3.create_multipart_upload(**where, **more)
        where["UploadId"] = begun["UploadId"]
        part = owner.s3.upload_part(**where, PartNumber=1, Body=PART)
        made = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        done = owner.s3.complete_multipart_upload(**where, MultipartUpload=made)
        return [lists(owner, one) for one in (begun, part, done)]

    assert upload() == [[], [], []]
    entry = ("done", "user:ann", f"s3://{owner.bucket}/parts")
    assert upload(ACL="public-read") == [[entry], [], [entry]]


def test_who_uploads_from_another_tenant_has_a_copy(owner: Any, people: Callable[..., User]) -> None:
    eve = people("beta", "eve", admin=True)
    root = User(owner.server, "", "", ROOT_KEY, ROOT_SECRET, None)
    changes = [
        {"op": "touch", "subject": f"user:{eve.tenant}/eve", "relation": relation, "resource": f"s3://{owner.bucket}"}
        for relation in ("writer", "sharer")
    ]
    root.admin("POST", "/v1/relations", {"changes": changes})
    put = eve.s3.put_object(Bucket=owner.bucket, Key="theirs", Body=b"x", ACL="public-read")
    (outcome, who, where), *more = lists(owner, put)
    assert (outcome, where, more) == ("done", f"s3://{owner.bucket}/theirs", [])
    assert who.startswith("user:#") and eve.tenant not in who
    assert lists(eve, put) == [("done", "user:eve", f"s3://{owner.bucket}/theirs")]
    plain = eve.s3.put_object(Bucket=owner.bucket, Key="theirs", Body=b"x")
    assert lists(owner, plain) == lists(eve, plain) == []


def test_a_bucket_made_with_a_list_grants_too(owner: Any) -> None:
    def made(**more: Any) -> list[str]:
        name = f"made-{uuid.uuid4().hex[:12]}"
        answer = owner.s3.create_bucket(Bucket=name, ObjectOwnership="ObjectWriter", **more)
        entries = owner.admin("GET", f"/v1/audit?since=1h&resource=s3://{name}")["entries"]
        assert {one["request_id"] for one in entries} <= {answer["ResponseMetadata"]["RequestId"]}
        return [one["action"] for one in entries]

    assert made() == []
    assert made(ACL="public-read") == ["s3:PutBucketAcl"]


def test_what_cannot_be_written_down_is_not_stored(tmp_path: Path, make_client: Callable[..., Any]) -> None:
    with running(tmp_path / "data", "--audit-max-bytes", "1") as server:
        root = make_client(server.url, key=ROOT_KEY, secret=ROOT_SECRET)
        root.create_bucket(Bucket="full", ObjectOwnership="ObjectWriter")
        root.put_object(Bucket="full", Key="plain", Body=b"x")
        with pytest.raises(ClientError) as caught:
            root.put_object(Bucket="full", Key="public", Body=b"x", ACL="public-read")
        assert caught.value.response["Error"]["Code"] == "ServiceUnavailable"
        with pytest.raises(ClientError) as caught:
            root.create_bucket(Bucket="full-2", ObjectOwnership="ObjectWriter", ACL="public-read")
        assert caught.value.response["Error"]["Code"] == "ServiceUnavailable"
        assert [one["Key"] for one in root.list_objects_v2(Bucket="full")["Contents"]] == ["plain"]
        assert [one["Name"] for one in root.list_buckets()["Buckets"]] == ["full"]
