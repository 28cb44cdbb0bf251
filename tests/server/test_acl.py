"""Access control lists and object ownership over the wire, with stock boto3: what is stored, shown and refused.

Who gets in by a list is `test_acl_access.py`.
"""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from person import Person
from running import PANTHERA, running

ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"


def refused(act: Callable[..., Any], **words: Any) -> tuple[int, str]:
    """Status and code of the refusal that this must be."""
    with pytest.raises(ClientError) as caught:
        act(**words)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, make_client: Callable[..., Any]) -> Iterator[tuple[Any, ...]]:
    """A server whose operator chose ObjectWriter; ann and bob of two tenants."""
    with running(tmp_path_factory.mktemp("acl") / "data", "--default-object-ownership", "ObjectWriter") as server:
        yield Person(server, make_client, "ann"), Person(server, make_client, "bob")


@pytest.fixture
def ann(site: tuple[Any, ...]) -> Person:
    return site[0]  # type: ignore[no-any-return]


@pytest.fixture
def bob(site: tuple[Any, ...]) -> Person:
    return site[1]  # type: ignore[no-any-return]


@pytest.fixture
def name() -> str:
    return f"acl-{uuid.uuid4().hex[:12]}"


def grants(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """Who (id or URI) may do what."""
    listed = [(grant["Grantee"], grant["Permission"]) for grant in answer["Grants"]]
    return [(grantee.get("ID") or grantee["URI"], permission) for grantee, permission in listed]


def test_lists_of_a_bucket(ann: Person, bob: Person, name: str) -> None:
    s3 = ann.s3
    s3.create_bucket(Bucket=name, ACL="public-read")
    shown = s3.get_bucket_acl(Bucket=name)
    assert grants(shown) == [(ALL_USERS, "READ"), (ann.id, "FULL_CONTROL")]
    assert shown["Owner"] == {"ID": ann.id, "DisplayName": "ann"}
    s3.put_bucket_acl(Bucket=name, GrantRead=f'id="{bob.id}"', GrantWriteACP=f"emailAddress={ann.email.upper()}")
    assert grants(s3.get_bucket_acl(Bucket=name)) == [(bob.id, "READ"), (ann.id, "WRITE_ACP")]
    policy = {part: s3.get_bucket_acl(Bucket=name)[part] for part in ("Owner", "Grants")}
    policy["Grants"].append({"Grantee": {"Type": "Group", "URI": ALL_USERS}, "Permission": "READ_ACP"})
    s3.put_bucket_acl(Bucket=name, AccessControlPolicy=policy)
    assert grants(s3.get_bucket_acl(Bucket=name))[0] == (ALL_USERS, "READ_ACP")
    policy["Grants"][0]["Grantee"]["ID"] = "_foo"
    assert refused(s3.put_bucket_acl, Bucket=name, AccessControlPolicy=policy) == (400, "InvalidArgument")
    policy["Owner"]["ID"], policy["Grants"] = bob.id, []
    assert refused(s3.put_bucket_acl, Bucket=name, AccessControlPolicy=policy) == (403, "AccessDenied")
    nobody = {"GrantRead": "emailAddress=nobody@example.com"}
    for address in ("nobody@example.com", bob.email):  # whether there is a Bob elsewhere is not told
        found = refused(s3.put_bucket_acl, Bucket=name, GrantRead=f"emailAddress={address}")
        assert found == (400, "UnresolvableGrantByEmailAddress")
    assert refused(s3.put_bucket_acl, Bucket=name, ACL="private", **nobody) == (400, "InvalidRequest")
    assert refused(s3.put_bucket_acl, Bucket=name) == (400, "MissingSecurityHeader")
    s3.put_bucket_acl(Bucket=name, ACL="private")
    assert grants(s3.get_bucket_acl(Bucket=name)) == [(ann.id, "FULL_CONTROL")]


def test_lists_come_with_objects_of_every_making(ann: Person, bob: Person, name: str) -> None:
    s3 = ann.s3
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="put", Body=b"x", ACL="public-read")
    s3.copy_object(Bucket=name, Key="copy", CopySource={"Bucket": name, "Key": "put"}, GrantRead=f"id={bob.id}")
    s3.copy_object(Bucket=name, Key="bare", CopySource={"Bucket": name, "Key": "put"})
    upload = s3.create_multipart_upload(Bucket=name, Key="parts", ACL="public-read")["UploadId"]
    part = s3.upload_part(Bucket=name, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=name, Key="parts", UploadId=upload, MultipartUpload=parts)
    public, own = [(ALL_USERS, "READ"), (ann.id, "FULL_CONTROL")], [(ann.id, "FULL_CONTROL")]
    for key, expected in (("put", public), ("copy", [(bob.id, "READ")]), ("bare", own), ("parts", public)):
        assert grants(s3.get_object_acl(Bucket=name, Key=key)) == expected, key
    before = s3.head_object(Bucket=name, Key="put")
    s3.put_object_acl(Bucket=name, Key="put", ACL="private")
    after = s3.head_object(Bucket=name, Key="put")
    assert grants(s3.get_object_acl(Bucket=name, Key="put")) == own
    assert (before["ETag"], before["LastModified"]) == (after["ETag"], after["LastModified"])
    assert refused(s3.put_object, Bucket=name, Key="no", ACL="log-delivery-write") == (400, "InvalidArgument")
    assert refused(s3.head_object, Bucket=name, Key="no")[0] == 404


def test_versions_have_lists_of_their_own(ann: Person, name: str) -> None:
    s3 = ann.s3
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket=name, Key="k", Body=b"1")["VersionId"]
    s3.put_object(Bucket=name, Key="k", Body=b"2")
    s3.put_object_acl(Bucket=name, Key="k", VersionId=old, ACL="public-read")
    assert grants(s3.get_object_acl(Bucket=name, Key="k", VersionId=old))[0] == (ALL_USERS, "READ")
    assert grants(s3.get_object_acl(Bucket=name, Key="k")) == [(ann.id, "FULL_CONTROL")]
    assert refused(s3.get_object_acl, Bucket=name, Key="k", VersionId="0" * 16) == (404, "NoSuchVersion")
    assert refused(s3.get_object_acl, Bucket=name, Key="none") == (404, "NoSuchKey")


def test_where_the_buckets_owner_owns_everything(ann: Person, name: str) -> None:
    s3 = ann.s3
    s3.create_bucket(Bucket=name, ObjectOwnership="BucketOwnerEnforced")
    s3.put_object(Bucket=name, Key="k", ACL="bucket-owner-full-control")
    unsupported = (400, "AccessControlListNotSupported")
    for acl in ("private", "public-read"):
        assert refused(s3.put_object, Bucket=name, Key="k", ACL=acl) == unsupported
        assert refused(s3.put_object_acl, Bucket=name, Key="k", ACL=acl) == unsupported
        assert refused(s3.put_bucket_acl, Bucket=name, ACL=acl) == unsupported
        assert refused(s3.create_multipart_upload, Bucket=name, Key="k", ACL=acl) == unsupported
        source = {"Bucket": name, "Key": "k"}
        assert refused(s3.copy_object, Bucket=name, Key="c", CopySource=source, ACL=acl) == unsupported
    s3.put_bucket_acl(
        Bucket=name, AccessControlPolicy={k: s3.get_bucket_acl(Bucket=name)[k] for k in ("Owner", "Grants")}
    )


def test_ownership_controls(ann: Person, name: str) -> None:
    s3, bucket = ann.s3, {"Bucket": name}

    def put(word: str) -> None:
        s3.put_bucket_ownership_controls(**bucket, OwnershipControls={"Rules": [{"ObjectOwnership": word}]})

    s3.create_bucket(**bucket, ACL="public-read")
    missing = (404, "OwnershipControlsNotFoundError")
    assert refused(s3.get_bucket_ownership_controls, **bucket) == missing
    assert refused(lambda: put("BucketOwnerEnforced")) == (400, "InvalidBucketAclWithObjectOwnership")
    s3.put_bucket_acl(**bucket, ACL="private")
    for word in ("BucketOwnerPreferred", "ObjectWriter", "BucketOwnerEnforced"):
        put(word)
        rules = s3.get_bucket_ownership_controls(**bucket)["OwnershipControls"]["Rules"]
        assert rules == [{"ObjectOwnership": word}]
    s3.delete_bucket_ownership_controls(**bucket)
    assert refused(s3.get_bucket_ownership_controls, **bucket) == missing
    taken = {"ObjectOwnership": "BucketOwnerEnforced", "ACL": "public-read"}
    refusal = refused(s3.create_bucket, Bucket=f"{name}-2", **taken)
    assert refusal == (400, "InvalidBucketAclWithObjectOwnership")


def test_new_buckets_have_no_lists_unless_the_operator_says_so(s3: Any, bucket: str) -> None:
    rules = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    refusal = refused(s3.create_bucket, Bucket=f"{bucket}-2", ACL="public-read")
    assert refusal == (400, "InvalidBucketAclWithObjectOwnership")


def test_a_checked_store_knows_its_lists(tmp_path: Path, make_client: Callable[..., Any]) -> None:
    with running(tmp_path / "data", "--default-object-ownership", "ObjectWriter") as server:
        s3 = make_client(server.url)
        s3.create_bucket(Bucket="lists", ACL="public-read-write")
        s3.put_object(Bucket="lists", Key="k", Body=b"x", ACL="authenticated-read")
        s3.create_multipart_upload(Bucket="lists", Key="open", ACL="public-read")
    done = subprocess.run([PANTHERA, "verify", "--data", tmp_path / "data"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_public_lists_are_refused_where_they_are_blocked(ann: Person, bob: Person, name: str) -> None:
    s3 = ann.s3
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    denied = (403, "AccessDenied")
    for acl in ("public-read", "public-read-write", "authenticated-read"):
        assert refused(s3.put_bucket_acl, Bucket=name, ACL=acl) == denied
        assert refused(s3.put_object_acl, Bucket=name, Key="k", ACL=acl) == denied
        assert refused(s3.put_object, Bucket=name, Key="new", ACL=acl) == denied
        assert refused(s3.create_multipart_upload, Bucket=name, Key="new", ACL=acl) == denied
    s3.put_bucket_acl(Bucket=name, GrantRead=f"id={bob.id}")
    s3.put_object(Bucket=name, Key="new", ACL="private")
