"""Who gets in by an access control list: two tenants as two AWS accounts, and somebody who does not sign."""

from __future__ import annotations

import http.client
import json
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from person import Person
from running import running

DENIED = 403

World = tuple[Person, Person, Any]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, make_client: Callable[..., Any]) -> Iterator[World]:
    """Ann and bob of two tenants where lists count, and a client that does not sign."""
    with running(tmp_path_factory.mktemp("acl") / "data", "--default-object-ownership", "ObjectWriter") as server:
        config = Config(signature_version=UNSIGNED, retries={"max_attempts": 0})
        nobody = boto3.client("s3", endpoint_url=server.url, region_name="us-east-1", config=config)
        yield Person(server, make_client, "ann"), Person(server, make_client, "bob"), nobody


@pytest.fixture
def name(world: World) -> str:
    """A bucket of ann's."""
    found = f"acl-{uuid.uuid4().hex[:12]}"
    world[0].s3.create_bucket(Bucket=found)
    return found


def status(act: Callable[..., Any], **words: Any) -> int:
    """The status of the answer, refusal or not."""
    try:
        return int(act(**words)["ResponseMetadata"]["HTTPStatusCode"])
    except ClientError as error:
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


def attempts(s3: Any, bucket: str, key: str = "k") -> dict[str, bool]:
    """What this client may do with the bucket and the object in it. Writes come last, and of lists what was there."""
    of, to = {"Bucket": bucket}, {"Bucket": bucket, "Key": key}
    tried = {
        "list": status(s3.list_objects_v2, **of),
        "versions": status(s3.list_object_versions, **of),
        "uploads": status(s3.list_multipart_uploads, **of),
        "head bucket": status(s3.head_bucket, **of),
        "read list": status(s3.get_bucket_acl, **of),
        "get": status(s3.get_object, **to),
        "head": status(s3.head_object, **to),
        "attributes": status(s3.get_object_attributes, **to, ObjectAttributes=["ETag"]),
        "read object's list": status(s3.get_object_acl, **to),
        "put": status(s3.put_object, **of, Key="new", Body=b""),
        "delete": status(s3.delete_object, **of, Key="new"),
        "policy": status(s3.get_bucket_policy, **of),
        "tagging": status(s3.get_object_tagging, **to),
        "delete bucket": status(s3.delete_bucket, **of),
    }
    return {what: found != DENIED for what, found in tried.items()}


LISTING = {"list", "versions", "uploads", "head bucket"}
READING = {"get", "head", "attributes"}
BUCKET_GRANTS = {
    "READ": LISTING,
    "WRITE": {"put", "delete"},
    "READ_ACP": {"read list"},
    "WRITE_ACP": set(),
    "FULL_CONTROL": LISTING | {"put", "delete", "read list"},
}
OBJECT_GRANTS = {
    "READ": READING,
    "WRITE": set(),
    "READ_ACP": {"read object's list"},
    "WRITE_ACP": set(),
    "FULL_CONTROL": READING | {"read object's list"},
}


def allowed(found: dict[str, bool]) -> set[str]:
    return {what for what, may in found.items() if may}


def grant(permission: str, canonical_id: str) -> dict[str, str]:
    word = "".join(part if part == "ACP" else part.capitalize() for part in permission.split("_"))
    return {f"Grant{word}": f"id={canonical_id}"}


@pytest.mark.parametrize("permission", BUCKET_GRANTS)
def test_each_permission_of_a_bucket(world: World, name: str, permission: str) -> None:
    ann, bob, nobody = world
    ann.s3.put_object(Bucket=name, Key="k", Body=b"x")
    assert allowed(attempts(bob.s3, name)) == set()
    ann.s3.put_bucket_acl(Bucket=name, **grant(permission, bob.id))
    assert allowed(attempts(bob.s3, name)) == BUCKET_GRANTS[permission]
    writes = permission in ("WRITE_ACP", "FULL_CONTROL")
    assert (status(bob.s3.put_bucket_acl, Bucket=name, ACL="private") != DENIED) == writes
    assert allowed(attempts(nobody, name)) == set()


@pytest.mark.parametrize("permission", OBJECT_GRANTS)
def test_each_permission_of_an_object(world: World, name: str, permission: str) -> None:
    ann, bob, nobody = world
    ann.s3.put_object(Bucket=name, Key="k", Body=b"x", **({} if permission == "WRITE" else grant(permission, bob.id)))
    if permission == "WRITE":
        ann.s3.put_object_acl(Bucket=name, Key="k", **grant(permission, bob.id))
    ann.s3.put_object(Bucket=name, Key="other", Body=b"x")
    assert allowed(attempts(bob.s3, name)) == OBJECT_GRANTS[permission]
    assert allowed(attempts(bob.s3, name, "other")) == set()
    writes = permission in ("WRITE_ACP", "FULL_CONTROL")
    assert (status(bob.s3.put_object_acl, Bucket=name, Key="k", ACL="private") != DENIED) == writes
    assert allowed(attempts(nobody, name)) == set()


def test_everybody_and_everybody_who_signs(world: World, name: str) -> None:
    ann, bob, nobody = world
    ann.s3.put_object(Bucket=name, Key="open", Body=b"x", ACL="public-read")
    ann.s3.put_object(Bucket=name, Key="signed", Body=b"x", ACL="authenticated-read")
    for key, signs in (("open", True), ("signed", False)):
        assert (status(nobody.get_object, Bucket=name, Key=key) != DENIED) == signs
        assert status(bob.s3.get_object, Bucket=name, Key=key) == 200
    ann.s3.put_bucket_acl(Bucket=name, ACL="public-read-write")
    assert allowed(attempts(nobody, name, "open")) == LISTING | READING | {"put", "delete"}
    ann.s3.put_bucket_acl(Bucket=name, ACL="authenticated-read")
    assert allowed(attempts(nobody, name, "open")) == READING
    assert allowed(attempts(bob.s3, name, "open")) == READING | LISTING
    # What was granted is taken back with the next request.
    ann.s3.put_bucket_acl(Bucket=name, ACL="private")
    ann.s3.put_object_acl(Bucket=name, Key="open", ACL="private")
    assert allowed(attempts(bob.s3, name, "open")) == set()


def test_the_bucket_s_owner_and_what_others_wrote_there(world: World, name: str) -> None:
    ann, bob, _ = world
    ann.s3.put_bucket_acl(Bucket=name, ACL="public-read-write")
    for key, acl in (("his", None), ("shared", "bucket-owner-read"), ("given", "bucket-owner-full-control")):
        bob.s3.put_object(Bucket=name, Key=key, Body=b"x", **({"ACL": acl} if acl else {}))
    to = {"Bucket": name, "Key": "his"}
    assert bob.s3.get_object(**to)["Body"].read() == b"x"
    assert bob.s3.get_object_acl(**to)["Owner"]["ID"] == bob.id
    assert [status(act, **to) for act in (ann.s3.get_object, ann.s3.get_object_acl)] == [DENIED, DENIED]
    assert ann.s3.get_object(Bucket=name, Key="shared")["Body"].read() == b"x"
    assert status(ann.s3.get_object_acl, Bucket=name, Key="shared") == DENIED
    assert status(ann.s3.put_object_acl, Bucket=name, Key="given", ACL="private") == 200
    assert status(ann.s3.delete_object, **to) == 204
    # Where the bucket's owner owns everything, that is so at once, for what is there too.
    ann.s3.put_bucket_acl(Bucket=name, ACL="private")
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    ann.s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=rules)
    assert ann.s3.get_object_acl(Bucket=name, Key="shared")["Owner"]["ID"] == ann.id
    assert status(bob.s3.get_object, Bucket=name, Key="shared") == DENIED


def test_preferred_gives_what_is_given(world: World, name: str) -> None:
    ann, bob, _ = world
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    ann.s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=rules)
    ann.s3.put_bucket_acl(Bucket=name, **grant("WRITE", bob.id))
    bob.s3.put_object(Bucket=name, Key="k", Body=b"x", ACL="bucket-owner-full-control")
    assert ann.s3.get_object_acl(Bucket=name, Key="k")["Owner"]["ID"] == ann.id
    assert status(bob.s3.get_object, Bucket=name, Key="k") == DENIED


def test_an_upload_by_parts_of_a_guest(world: World, name: str) -> None:
    ann, bob, _ = world
    ann.s3.put_bucket_acl(Bucket=name, ACL="public-read-write")
    to = {"Bucket": name, "Key": "parts"}
    upload = bob.s3.create_multipart_upload(**to, ACL="public-read")["UploadId"]
    part = bob.s3.upload_part(**to, UploadId=upload, PartNumber=1, Body=b"x")
    listed = bob.s3.list_parts(**to, UploadId=upload)
    assert listed["Owner"]["ID"] == listed["Initiator"]["ID"] == bob.id
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    bob.s3.complete_multipart_upload(**to, UploadId=upload, MultipartUpload=parts)
    assert ann.s3.get_object(**to)["Body"].read() == b"x"
    assert bob.s3.get_object_acl(**to)["Owner"]["ID"] == bob.id
    other = bob.s3.create_multipart_upload(**to)["UploadId"]
    assert status(bob.s3.abort_multipart_upload, **to, UploadId=other) == 204


def test_versions_go_by_the_bucket_s_owner_only(world: World, name: str) -> None:
    ann, bob, _ = world
    ann.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    ann.s3.put_bucket_acl(Bucket=name, ACL="public-read-write")
    version = bob.s3.put_object(Bucket=name, Key="k", Body=b"x")["VersionId"]
    assert bob.s3.get_object(Bucket=name, Key="k", VersionId=version)["Body"].read() == b"x"
    assert status(bob.s3.delete_object, Bucket=name, Key="k") == 204
    assert status(bob.s3.delete_object, Bucket=name, Key="k", VersionId=version) == DENIED
    assert status(ann.s3.delete_object, Bucket=name, Key="k", VersionId=version) == 204


def test_public_grants_that_are_ignored(world: World, name: str) -> None:
    ann, bob, nobody = world
    ann.s3.put_bucket_acl(Bucket=name, ACL="public-read")
    ann.s3.put_object(Bucket=name, Key="k", Body=b"x", ACL="public-read")
    assert allowed(attempts(bob.s3, name)) == LISTING | READING
    settings = {"IgnorePublicAcls": True}
    ann.s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=settings)
    ann.s3.put_bucket_acl(Bucket=name, ACL="public-read")
    for client in (bob.s3, nobody):
        assert allowed(attempts(client, name)) == set()
    ann.s3.put_object_acl(Bucket=name, Key="k", **grant("READ", bob.id))
    assert allowed(attempts(bob.s3, name)) == READING
    ann.s3.delete_public_access_block(Bucket=name)
    assert allowed(attempts(nobody, name)) == LISTING


def test_what_came_unsigned(world: World, name: str) -> None:
    ann, bob, nobody = world
    ann.s3.put_bucket_acl(Bucket=name, ACL="public-read-write")
    nobody.put_object(Bucket=name, Key="k", Body=b"x")
    owner = "65a011a29cdf8ec533ec3d1ccaae921c"
    assert [entry["Owner"]["ID"] for entry in bob.s3.list_objects(Bucket=name)["Contents"]] == [owner]
    assert nobody.get_object(Bucket=name, Key="k")["Body"].read() == b"x"
    assert [status(s3.get_object, Bucket=name, Key="k") for s3 in (ann.s3, bob.s3)] == [DENIED, DENIED]


def test_a_copy_needs_to_read_its_source(world: World, name: str) -> None:
    ann, bob, _ = world
    ann.s3.put_object(Bucket=name, Key="k", Body=b"x")
    mine = f"{name}-bob"
    bob.s3.create_bucket(Bucket=mine)
    source = {"Bucket": name, "Key": "k"}
    assert status(bob.s3.copy_object, Bucket=mine, Key="c", CopySource=source) == DENIED
    ann.s3.put_object_acl(Bucket=name, Key="k", ACL="public-read")
    assert status(bob.s3.copy_object, Bucket=mine, Key="c", CopySource=source) == 200


@pytest.mark.parametrize("where", ["header", "query"])
def test_a_list_is_not_slipped_in(world: World, name: str, where: str) -> None:
    """Who may put objects by a policy, and not their lists, makes none public: by no way of saying so."""
    ann, bob, _ = world
    statement = {"Effect": "Allow", "Principal": {"AWS": bob.arn}, "Action": "s3:PutObject"}
    policy = {"Version": "2012-10-17", "Statement": [{**statement, "Resource": f"arn:aws:s3:::{name}/*"}]}
    ann.s3.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
    assert status(bob.s3.put_object, Bucket=name, Key="fine", Body=b"") == 200
    if where == "header":
        assert status(bob.s3.put_object, Bucket=name, Key="k", Body=b"", ACL="public-read") == DENIED
    else:
        assert put_hoisted(bob, name) == DENIED
    assert status(ann.s3.head_object, Bucket=name, Key="k") == 404


def put_hoisted(person: Person, bucket: str) -> int:
    """Sends a presigned PUT whose list stands in the query, as the presigners of some SDKs write it."""
    signer = person.client(signature_version="s3v4")

    def hoist(request: Any, **_: Any) -> None:
        request.url += ("&" if "?" in request.url else "?") + "x-amz-acl=public-read"

    signer.meta.events.register("before-sign.s3.PutObject", hoist)
    url = urllib.parse.urlsplit(signer.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"}))
    connection = http.client.HTTPConnection(url.netloc)
    connection.request("PUT", f"{url.path}?{url.query}", body=b"")
    return connection.getresponse().status
