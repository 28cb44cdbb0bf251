"""Tags, batches of deletes and repeated requests through a mount: what each share lets its importer do, asked of both
sides, as on a bucket of the importer's own.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sharing import User, ann, ask, code, people

__all__ = ["ann", "people"]

CAPS = ("view", "contribute", "edit")
TAGS = [{"Key": "colour", "Value": "blue"}]


class Partners:
    """eve has mounted ann's `pub/` once for each cap, as `view/`, `contribute/` and `edit/`."""

    def __init__(self, ann: Any, people: Callable[..., User]) -> None:
        self.ann = ann
        self.eve: Any = people("beta", "eve", admin=True)
        self.s3, self.bucket = self.eve.s3, f"e-{uuid.uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.shares: dict[str, Any] = {}
        for can in CAPS:
            self.shares[can] = ann.share(f"s3://{ann.bucket}/pub/", can=can, to=[f"tenant:{self.eve.tenant}"])
            at = f"s3://{self.bucket}/{can}/"
            self.eve.admin("POST", "/v1/mounts", {"token": self.shares[can]["token"], "at": at})
        ann.s3.put_object(Bucket=ann.bucket, Key="pub/tagged", Body=b"tagged", Tagging="colour=blue")
        self.s3.put_object(Bucket=self.bucket, Key="own", Body=b"own", Tagging="colour=blue")

    def at(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": key}

    def copy(self, source: str, to: str, **more: Any) -> Any:
        return self.s3.copy_object(**self.at(to), CopySource=f"{self.bucket}/{source}", **more)

    def tags(self, key: str) -> Any:
        return self.s3.get_object_tagging(**self.at(key))["TagSet"]

    def theirs(self, key: str) -> Any:
        """The tags of what lies in ann's bucket."""
        return self.ann.s3.get_object_tagging(Bucket=self.ann.bucket, Key=key)["TagSet"]


@pytest.fixture
def partners(ann: Any, people: Callable[..., User]) -> Partners:
    return Partners(ann, people)


def test_a_copy_takes_its_tags_into_out_of_and_between_mounts(partners: Partners) -> None:
    partners.copy("own", "contribute/in")
    assert partners.theirs("pub/in") == TAGS
    for can in CAPS:
        partners.copy(f"{can}/tagged", f"out-{can}")
        assert partners.tags(f"out-{can}") == TAGS
        partners.copy(f"{can}/tagged", f"edit/from-{can}")
        assert partners.theirs(f"pub/from-{can}") == TAGS
    partners.copy("view/tagged", "contribute/other", TaggingDirective="REPLACE", Tagging="colour=red")
    assert partners.theirs("pub/other") == [{"Key": "colour", "Value": "red"}]
    assert code(partners.copy, "own", "view/in") == "AccessDenied"
    assert code(partners.copy, "edit/tagged", "view/in2") == "AccessDenied"


def says(effect: str, action: str, resource: str) -> str:
    """A policy with one statement about everybody."""
    statement = {"Effect": effect, "Principal": "*", "Action": action, "Resource": f"arn:aws:s3:::{resource}"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.parametrize("side", ["owner", "importer"])
def test_what_either_side_denies_of_tags_holds_for_copies(partners: Partners, side: str) -> None:
    client, bucket = (partners.ann.s3, partners.ann.bucket) if side == "owner" else (partners.s3, partners.bucket)
    client.put_bucket_policy(Bucket=bucket, Policy=says("Deny", "s3:PutObjectTagging", f"{bucket}/*/in"))
    if side == "owner":
        client.put_bucket_policy(Bucket=bucket, Policy=says("Deny", "s3:PutObjectTagging", f"{bucket}/pub/in"))
    assert code(partners.copy, "own", "edit/in") == "AccessDenied"
    partners.copy("own", "edit/elsewhere")
    client.put_bucket_policy(Bucket=bucket, Policy=says("Deny", "s3:GetObjectTagging", f"{bucket}/*/tagged"))
    if side == "owner":
        client.put_bucket_policy(Bucket=bucket, Policy=says("Deny", "s3:GetObjectTagging", f"{bucket}/pub/tagged"))
    assert code(partners.copy, "view/tagged", "out") == "AccessDenied"
    assert code(partners.tags, "view/tagged") == "AccessDenied"
    partners.copy("view/tagged", "out", TaggingDirective="REPLACE")
    assert partners.tags("out") == []


def test_tags_are_read_and_written_as_the_share_offers(partners: Partners) -> None:
    s3, red = partners.s3, {"TagSet": [{"Key": "colour", "Value": "red"}]}
    for can in CAPS:
        assert partners.tags(f"{can}/tagged") == TAGS
    assert code(s3.put_object_tagging, **partners.at("view/tagged"), Tagging=red) == "AccessDenied"
    assert code(s3.delete_object_tagging, **partners.at("view/tagged")) == "AccessDenied"
    assert partners.theirs("pub/tagged") == TAGS
    s3.put_object_tagging(**partners.at("contribute/tagged"), Tagging=red)
    assert partners.theirs("pub/tagged") == red["TagSet"]
    s3.delete_object_tagging(**partners.at("edit/tagged"))
    assert partners.theirs("pub/tagged") == []
    for call, more in ((s3.get_object_tagging, {}), (s3.put_object_tagging, {"Tagging": red})):
        with pytest.raises(ClientError) as error:
            call(**partners.at("edit/none"), **more)
        assert error.value.response["Error"]["Code"] == "NoSuchKey"
        assert error.value.response["Error"]["Key"] == "edit/none"
    s3.put_object(**partners.at("edit/new"), Body=b"x", Tagging="colour=blue")
    assert partners.theirs("pub/new") == TAGS
    partners.ann.admin("DELETE", f"/v1/shares/{partners.shares['edit']['share']}")
    assert code(s3.put_object_tagging, **partners.at("edit/new"), Tagging=red) == "AccessDenied"
    assert partners.theirs("pub/new") == TAGS


def test_tags_of_a_version_are_those_of_the_owners(partners: Partners) -> None:
    ann, s3 = partners.ann, partners.s3
    ann.s3.put_bucket_versioning(Bucket=ann.bucket, VersioningConfiguration={"Status": "Enabled"})
    old = ann.s3.put_object(Bucket=ann.bucket, Key="pub/v", Body=b"1", Tagging="n=1")["VersionId"]
    ann.s3.put_object(Bucket=ann.bucket, Key="pub/v", Body=b"2", Tagging="n=2")
    got = s3.get_object_tagging(**partners.at("view/v"), VersionId=old)
    assert (got["VersionId"], got["TagSet"]) == (old, [{"Key": "n", "Value": "1"}])
    partners.copy(f"view/v?versionId={old}", "out")
    assert partners.tags("out") == [{"Key": "n", "Value": "1"}]


def test_lists_of_who_may_what_are_the_owners(partners: Partners) -> None:
    ann, s3 = partners.ann, partners.s3
    about = {"subject": f"share:{partners.shares['edit']['share']}", "resource": f"s3://{ann.bucket}/pub/"}
    ann.admin("POST", "/v1/relations", {"changes": [{"op": "touch", "relation": "sharer", **about}]})
    for can in CAPS:
        assert code(s3.get_object_acl, **partners.at(f"{can}/tagged")) == "AccessDenied"
        assert code(s3.put_object_acl, **partners.at(f"{can}/tagged"), ACL="private") == "AccessDenied"
        assert code(s3.get_object_retention, **partners.at(f"{can}/tagged")) == "AccessDenied"


def deleted(client: Any, bucket: str, *objects: dict[str, Any], **more: Any) -> tuple[list[str], list[tuple[str, str]]]:
    """What a batch deleted, and what it refused."""
    done = client.delete_objects(Bucket=bucket, Delete={"Objects": list(objects)}, **more)
    refused = [(one["Key"], one["Code"]) for one in done.get("Errors", [])]
    return [one["Key"] for one in done.get("Deleted", [])], refused


def test_a_batch_deletes_here_and_behind_mounts(partners: Partners) -> None:
    ann, s3, bucket = partners.ann, partners.s3, partners.bucket
    wanted = ["own", "view/a.txt", "contribute/a.txt", "edit/a.txt", "edit/none", "edit/"]
    for key in ("pub/", "pub/x"):
        ann.s3.put_object(Bucket=ann.bucket, Key=key)
    done, refused = deleted(s3, bucket, *({"Key": key} for key in wanted))
    assert done == ["own", "edit/a.txt", "edit/none", "edit/"]
    assert refused == [("view/a.txt", "AccessDenied"), ("contribute/a.txt", "AccessDenied")]
    theirs = [one["Key"] for one in ann.s3.list_objects_v2(Bucket=ann.bucket)["Contents"]]
    assert theirs == ["pub/sub/b.txt", "pub/tagged", "pub/x", "pub/ü & <b>.txt", "secret.txt"]
    done, refused = deleted(s3, bucket, {"Key": "edit/x", "ETag": '"no"'}, {"Key": "edit/x", "VersionId": "null"})
    assert refused == [("edit/x", "PreconditionFailed"), ("edit/x", "AccessDenied")] and done == []
    ann.admin("DELETE", f"/v1/shares/{partners.shares['edit']['share']}")
    assert deleted(s3, bucket, {"Key": "edit/x"}) == ([], [("edit/x", "AccessDenied")])
    assert ann.s3.head_object(Bucket=ann.bucket, Key="pub/x")


def test_who_may_not_delete_here_deletes_nothing_there(partners: Partners, people: Callable[..., User]) -> None:
    bob = people("beta", "bob")
    assert deleted(bob.s3, partners.bucket, {"Key": "edit/a.txt"}) == ([], [("edit/a.txt", "AccessDenied")])
    about = {"subject": "user:bob", "relation": "deleter", "resource": f"s3://{partners.bucket}/edit/"}
    partners.eve.admin("POST", "/v1/relations", {"changes": [{"op": "touch", **about}]})
    known = partners.s3.head_object(**partners.at("edit/a.txt"))["ETag"]
    assert deleted(bob.s3, partners.bucket, {"Key": "edit/a.txt", "ETag": known})[1], "who may not read may not compare"
    assert deleted(bob.s3, partners.bucket, {"Key": "edit/a.txt"}) == (["edit/a.txt"], [])


def test_a_completed_upload_is_completed_again(partners: Partners) -> None:
    s3 = partners.s3
    for can in ("contribute", "edit"):
        place = {**partners.at(f"{can}/big"), "UploadId": ""}
        place["UploadId"] = s3.create_multipart_upload(**partners.at(f"{can}/big"), Tagging="colour=blue")["UploadId"]
        part = s3.upload_part(**place, PartNumber=1, Body=b"part")["ETag"]
        listed = {"Parts": [{"PartNumber": 1, "ETag": part}]}
        first, again = (s3.complete_multipart_upload(**place, MultipartUpload=listed) for _ in range(2))
        same = ("Bucket", "Key", "Location", "ETag", "ChecksumCRC32")
        assert [first.get(name) for name in same] == [again.get(name) for name in same]
        assert partners.theirs("pub/big") == TAGS
        other = {"Parts": [{"PartNumber": 1, "ETag": '"' + "0" * 32 + '"'}]}
        assert code(s3.complete_multipart_upload, **place, MultipartUpload=other) == "NoSuchUpload"
        hidden = {"subject": f"share:{partners.shares[can]['share']}", "relation": "deny_read"}
        resource = f"s3://{partners.ann.bucket}/pub/big"
        partners.ann.admin("POST", "/v1/relations", {"changes": [{"op": "touch", **hidden, "resource": resource}]})
        assert code(s3.complete_multipart_upload, **place, MultipartUpload=listed) == "NoSuchUpload", "not its to read"


def test_who_reads_on_one_side_only_is_not_told_of_a_completed_upload(
    partners: Partners, people: Callable[..., User]
) -> None:
    bob = people("beta", "bob")
    for relation in ("writer", "reader"):
        about = {"subject": "user:bob", "relation": relation, "resource": f"s3://{partners.bucket}/edit/"}
        partners.eve.admin("POST", "/v1/relations", {"changes": [{"op": "touch", **about}]})
    place = {**partners.at("edit/big"), "UploadId": ""}
    place["UploadId"] = bob.s3.create_multipart_upload(**partners.at("edit/big"))["UploadId"]
    listed = {"Parts": [{"PartNumber": 1, "ETag": bob.s3.upload_part(**place, PartNumber=1, Body=b"x")["ETag"]}]}
    bob.s3.complete_multipart_upload(**place, MultipartUpload=listed)
    bob.s3.complete_multipart_upload(**place, MultipartUpload=listed)
    partners.eve.admin("POST", "/v1/relations", {"changes": [{"op": "delete", **about}]})
    assert code(bob.s3.complete_multipart_upload, **place, MultipartUpload=listed) == "NoSuchUpload"


def test_who_may_list_and_not_read_is_told_of_a_missing_key_in_the_own_names(partners: Partners) -> None:
    ann, link = partners.ann, partners.ann.share(f"s3://{partners.ann.bucket}/pub/")
    for share in (partners.shares["edit"], link):
        hidden = {"subject": f"share:{share['share']}", "relation": "deny_read", "resource": f"s3://{ann.bucket}/pub/"}
        ann.admin("POST", "/v1/relations", {"changes": [{"op": "touch", **hidden}]})
    with pytest.raises(ClientError) as error:
        partners.s3.get_object(**partners.at("edit/none"))
    assert error.value.response["Error"]["Code"] == "NoSuchKey"
    assert error.value.response["Error"]["Key"] == "edit/none"
    told = ask(f"{link['url']}none")
    assert (told.code, b"<Key>none</Key>" in told.body) == ("NoSuchKey", True), told.body
    assert b"pub/" not in told.body


def test_the_owner_reads_of_each_key_of_a_batch_and_of_tags(partners: Partners) -> None:
    ann, place = partners.ann, f"s3://{partners.ann.bucket}/pub/tagged"

    def said(answer: Any) -> list[tuple[str, str, str]]:
        request = answer["ResponseMetadata"]["RequestId"]
        entries = ann.admin("GET", "/v1/audit?since=1h")["entries"]
        found = [(one["outcome"], one["action"], one["resource"]) for one in entries if one["request_id"] == request]
        return sorted(found)

    read = partners.s3.get_object_tagging(**partners.at("view/tagged"))
    assert said(read) == [("allowed", "s3:GetObjectTagging", place)]
    copied = partners.copy("own", "edit/tagged")
    assert said(copied) == [("allowed", "s3:PutObject", place), ("allowed", "s3:PutObjectTagging", place)]
    objects = [{"Key": "view/tagged"}, {"Key": "edit/tagged"}, {"Key": "own"}]
    batch = partners.s3.delete_objects(Bucket=partners.bucket, Delete={"Objects": objects})
    assert said(batch) == [("allowed", "s3:DeleteObject", place), ("denied", "s3:DeleteObject", place)]


def test_the_name_of_a_mounted_bucket_is_no_object_and_becomes_none(partners: Partners) -> None:
    """Tools that show folders ask for `partner/` itself: 404, as for any folder that was not made."""
    ann, s3, place = partners.ann, partners.s3, partners.at("whole/")
    token = ann.share(f"s3://{ann.bucket}", can="edit")["token"]
    partners.eve.admin("POST", "/v1/mounts", {"token": token, "at": f"s3://{partners.bucket}/whole/"})
    assert code(s3.head_object, **place) == "404"
    assert code(s3.get_object_tagging, **place) == "NoSuchKey"
    assert code(partners.copy, "whole/", "out") == "NoSuchKey"
    upload = {**place, "UploadId": "0" * 16}
    for call, more in (
        (s3.put_object, place),
        (s3.create_multipart_upload, place),
        (s3.copy_object, {**place, "CopySource": f"{partners.bucket}/own"}),
        (s3.delete_object, place),
        (s3.upload_part, {**upload, "PartNumber": 1}),
        (s3.complete_multipart_upload, {**upload, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": "x"}]}}),
        (s3.list_parts, upload),
        (s3.abort_multipart_upload, upload),
    ):
        assert code(call, **more) == "AccessDenied"
    assert deleted(s3, partners.bucket, {"Key": "whole/"})[0] == []
    shown = [one["Key"] for one in s3.list_objects_v2(Bucket=partners.bucket, Prefix="whole/")["Contents"]]
    theirs = [one["Key"] for one in ann.s3.list_objects_v2(Bucket=ann.bucket)["Contents"]]
    assert shown == [f"whole/{key}" for key in theirs]


def test_what_is_missing_of_a_copy_is_named_as_the_request_names_it(partners: Partners) -> None:
    def told(source: str) -> dict[str, str]:
        with pytest.raises(ClientError) as error:
            partners.s3.copy_object(**partners.at("edit/in"), CopySource=source)
        found: dict[str, str] = error.value.response["Error"]
        return found

    missing = told(f"{partners.bucket}/none")
    assert (missing["Code"], missing["Key"]) == ("NoSuchKey", "none")
    nowhere = told("there-is-no-such-bucket/k")
    assert (nowhere["Code"], nowhere["BucketName"]) == ("NoSuchBucket", "there-is-no-such-bucket")
    behind = told(f"{partners.bucket}/view/none")
    assert behind["Code"] == "NoSuchKey" and "pub/" not in str(behind)
