"""What is refused through shares and mounts stands in their owner's audit log, with the reason that the client is not
told.

What belongs here: links, mounts and copies from mounts whose share does not stand, over the wire. What a share that
stands allows is tested in `test_shares.py` and `test_mounts.py`.
"""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from running import ROOT_KEY, ROOT_SECRET
from sharing import User, ann, ask, basic, people

__all__ = ["ann", "people"]

Told = tuple[str, str, str | None, str | None]


def log(user: User, path: str = "") -> list[dict[str, Any]]:
    """The user's own log."""
    entries: list[dict[str, Any]] = user.admin("GET", f"/v1/audit?since=1h{path}")["entries"]
    return entries


def said(user: User, request_id: str) -> list[Told]:
    """Outcome, action, reason and resource of a request's entries in the user's log."""
    found = [one for one in log(user) if one["request_id"] == request_id]
    return [(one["outcome"], one["action"], one["reason"], one["resource"]) for one in found]


def told(user: User, url: str, *words: Any, **headers: str) -> list[Told]:
    """What the user's log says of a request to a link."""
    return said(user, ask(url, *words, **headers).headers["x-amz-request-id"])


def refused(call: Callable[..., Any], **arguments: Any) -> str:
    """The request that was refused."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    return str(caught.value.response["ResponseMetadata"]["RequestId"])


def test_a_link_that_ended_says_why_to_its_owner(ann: Any) -> None:
    place = f"s3://{ann.bucket}/pub/a.txt"

    def denied(reason: str, action: str = "s3:GetObject") -> list[Told]:
        return [("denied", action, reason, place)]

    revoked = ann.share(f"s3://{ann.bucket}/pub/", can="contribute")
    assert told(ann, revoked["url"] + "a.txt") == [("allowed", "s3:GetObject", "granted", place)]
    ann.admin("DELETE", f"/v1/shares/{revoked['share']}")
    assert told(ann, revoked["url"] + "a.txt") == denied("share_revoked")
    assert told(ann, revoked["url"] + "a.txt", "PUT", b"x") == denied("share_revoked", "s3:PutObject")
    listing = ("denied", "s3:ListBucket", "share_revoked", f"s3://{ann.bucket}")
    assert told(ann, revoked["url"]) == [listing]
    expired = ann.share(place, expires="1s")
    time.sleep(1.1)
    assert told(ann, expired["url"]) == denied("share_expired")
    named = ann.share(f"s3://{ann.bucket}/pub/", to=[f"tenant:{ann.tenant}"])
    assert told(ann, named["url"] + "a.txt") == denied("share_not_for_caller")
    assert told(ann, ann.share(place)["url"] + "/other.txt") == denied("share_elsewhere")
    secret = ann.share(f"s3://{ann.bucket}/pub/", password="open sesame")
    assert told(ann, secret["url"] + "a.txt") == denied("share_password")
    assert told(ann, secret["url"] + "a.txt", authorization=basic("x", "wrong")) == denied("share_password")
    right = told(ann, secret["url"] + "a.txt", authorization=basic("x", "open sesame"))
    assert right == [("allowed", "s3:GetObject", "granted", place)]
    entries = [one for one in log(ann) if one["reason"] and one["reason"].startswith("share_")]
    assert {one["source_ip"] for one in entries} == {"127.0.0.1"}
    assert {one["detail"] for one in entries} > {f"share:#{revoked['share']}", f"share:#{secret['share']}"}


def test_who_mounts_a_share_or_tries_to_is_told_to_its_owner(ann: Any, eve: Any) -> None:
    def mounting(share: dict[str, Any], at: str, **more: str) -> tuple[int, list[Told]]:
        before = len(log(ann, "&action=panthera:MountShare"))
        body = {"token": share["token"], "at": f"s3://{eve.bucket}/{at}/", **more}
        status, _ = eve.try_admin("POST", "/v1/mounts", body)
        new = log(ann, "&action=panthera:MountShare")[before:]
        assert {one["detail"] for one in new} <= {f"share:#{share['share']}"}
        return status, [(one["outcome"], one["action"], one["reason"], one["resource"]) for one in new]

    place, action = f"s3://{ann.bucket}/pub/", "panthera:MountShare"
    secret = ann.share(place, password="open sesame")
    assert mounting(secret, "a") == (403, [("denied", action, "share_password", place)])
    assert mounting(secret, "a", password="wrong") == (403, [("denied", action, "share_password", place)])
    assert mounting(secret, "a", password="open sesame") == (201, [("allowed", action, "granted", place)])
    ann.admin("DELETE", f"/v1/shares/{secret['share']}")
    assert mounting(secret, "b") == (404, [("denied", action, "share_revoked", place)])
    named = ann.share(place, to=[f"tenant:{ann.tenant}"])
    assert mounting(named, "b") == (404, [("denied", action, "share_not_for_caller", place)])
    own = [one for one in log(eve, f"&action={action}") if one["outcome"] != "done"]
    assert [one["outcome"] for one in own] == ["denied", "denied", "allowed", "denied", "denied"]
    assert {(one["reason"], one["resource"], one["detail"]) for one in own} == {(None, None, None)}
    assert ann.bucket not in str(own) and ann.tenant not in str(own)


def test_what_a_share_grants_is_its_creators_doing(ann: Any) -> None:
    share = ann.share(f"s3://{ann.bucket}/pub/")
    ann.admin("DELETE", f"/v1/shares/{share['share']}")
    by_share = f"share:#{share['share']}"
    changes = [one for one in log(ann) if any(change["subject"] == by_share for change in one["changes"])]
    assert [(one["action"], one["subject"]) for one in changes] == [
        ("panthera:Grant", "user:ann"),
        ("panthera:Revoke", "user:ann"),
    ]


def test_a_link_that_is_used_up_says_so_after_what_it_allowed(ann: Any) -> None:
    made, place = ann.share(f"s3://{ann.bucket}/pub/", downloads=1), f"s3://{ann.bucket}/pub/a.txt"
    allowed = ("allowed", "s3:GetObject", "granted", place)
    assert told(ann, made["url"] + "a.txt") == [allowed]
    assert told(ann, made["url"] + "a.txt") == [allowed, ("denied", "s3:GetObject", "share_used_up", place)]


def test_a_creator_that_is_gone_is_a_reason(ann: Any, people: Callable[..., User]) -> None:
    bob = people("acme", "bob", admin=True)
    made = bob.share(f"s3://{ann.bucket}/pub/")
    User(ann.server, "", "", ROOT_KEY, ROOT_SECRET, None).admin("DELETE", f"/v1/users/{bob.tenant}/bob")
    orphan = ("denied", "s3:GetObject", "share_orphaned", f"s3://{ann.bucket}/pub/a.txt")
    assert told(ann, made["url"] + "a.txt") == [orphan]


def test_a_token_that_means_no_share_is_nobodys_business(ann: Any) -> None:
    root = User(ann.server, "", "", ROOT_KEY, ROOT_SECRET, None)
    for token in (base64.urlsafe_b64encode(b"\x01" + bytes(32)).decode(), "AAAA"):
        answer = ask(f"{ann.server.url}/-/{token}/a.txt")
        assert answer.code == "AccessDenied"
        assert said(root, answer.headers["x-amz-request-id"]) == []


@pytest.fixture
def eve(people: Callable[..., User]) -> Any:
    """An administrator of another tenant, with a bucket."""
    user: Any = people("beta", "eve", admin=True)
    user.bucket = f"e-{uuid.uuid4().hex[:12]}"
    user.s3.create_bucket(Bucket=user.bucket)
    return user


def test_a_mount_whose_share_ended_says_why_to_the_owner_and_not_to_the_mounter(
    ann: Any, eve: Any, people: Callable[..., User]
) -> None:
    made = ann.share(f"s3://{ann.bucket}/pub/", to=[f"tenant:{eve.tenant}"])
    eve.admin("POST", "/v1/mounts", {"token": made["token"], "at": f"s3://{eve.bucket}/partner/"})
    key = {"Bucket": eve.bucket, "Key": "partner/a.txt"}
    eve.s3.get_object(**key)
    ann.admin("DELETE", f"/v1/shares/{made['share']}")
    place = f"s3://{ann.bucket}/pub/a.txt"
    read = refused(eve.s3.get_object, **key)
    assert said(ann, read) == [("denied", "s3:GetObject", "share_revoked", place)]
    copied = refused(eve.s3.copy_object, Bucket=eve.bucket, Key="mine", CopySource=key)
    assert said(ann, copied) == [("denied", "s3:GetObject", "share_revoked", place)]
    listed = eve.s3.list_objects_v2(Bucket=eve.bucket)["ResponseMetadata"]["RequestId"]
    assert said(ann, listed) == [("denied", "s3:ListBucket", "share_revoked", f"s3://{ann.bucket}")]
    for request in (read, copied, listed):
        assert [one[0] for one in said(eve, request)] == ["denied"], "that it was refused is the own side's, too"
    copies = [one for one in log(eve) if one["request_id"] in (read, copied, listed)]
    assert {one["reason"] for one in copies} == {None}
    assert ann.bucket not in str(copies), "and where it would have led is not"
    # Who may not even do it on this side is nobody whom the owner must hear of.
    other = people("beta", "nobody")
    assert said(ann, refused(other.s3.get_object, **key)) == []
    assert ask(f"{ann.server.url}/{eve.bucket}/partner/a.txt").code == "AccessDenied"
    assert len([one for one in log(ann) if one["reason"] == "share_revoked"]) == 3


def test_what_root_does_stands_in_the_log_of_the_tenant_it_is_about(ann: Any, people: Callable[..., User]) -> None:
    root, alice = User(ann.server, "default", "root", ROOT_KEY, ROOT_SECRET, None), people("acme", "alice")
    place = f"s3://{ann.bucket}/pub/"
    made = root.admin(
        "POST", "/v1/shares", {"resource": place, "can": "contribute", "downloads": 7, "password": "sesame"}
    )
    root.admin("DELETE", f"/v1/shares/{made['share']}?tenant={ann.tenant}")
    other = root.admin("POST", "/v1/shares", {"resource": place})
    mount = f"s3://{ann.bucket}/mounted/"
    root.admin("POST", "/v1/mounts", {"token": other["token"], "at": mount})
    root.admin("DELETE", f"/v1/mounts?at={mount}")
    root.admin("PUT", f"/v1/buckets/{ann.bucket}/settings", {"listing": "strict"})
    root.admin("PATCH", f"/v1/keys/{alice.key}", {"disabled": True})
    root.admin("DELETE", f"/v1/keys/{alice.key}")
    entries = [one for one in log(ann) if one["kind"] == "configuration"]
    found = [(one["action"], one["resource"], one["detail"]) for one in entries]
    assert found[-8:] == [
        ("panthera:CreateShare", place, "can=contribute downloads=7"),
        ("panthera:RevokeShare", place, f"share={made['share']}"),
        ("panthera:CreateShare", place, None),
        ("panthera:MountShare", mount, None),
        ("panthera:UnmountShare", mount, None),
        ("panthera:ChangeBucketSettings", f"s3://{ann.bucket}", f"bucket={ann.bucket} listing=strict"),
        ("panthera:ChangeKey", None, f"access_key={alice.key} disabled=true"),
        ("panthera:RemoveKey", None, f"access_key={alice.key}"),
    ]
    assert {one["subject"] for one in entries[-8:]} == {"user:#1/#1"}


def test_deleting_a_configuration_does_not_read_as_putting_it(ann: Any) -> None:
    ann.s3.put_public_access_block(
        Bucket=ann.bucket, PublicAccessBlockConfiguration={"BlockPublicPolicy": True, "BlockPublicAcls": True}
    )
    ann.s3.delete_public_access_block(Bucket=ann.bucket)
    found = [(one["action"], one["detail"]) for one in log(ann, f"&resource=s3://{ann.bucket}")]
    action = "s3:PutBucketPublicAccessBlock"
    assert found == [(action, "PutPublicAccessBlock"), (action, "DeletePublicAccessBlock")]
