"""Bucket policies over the wire, with two tenants and nobody: what a policy grants, refuses and cannot take away.

Belongs here: a policy from PutBucketPolicy to the answer of another request. Does not belong here: the language
(`tests/authz/test_policy_language.py`), what the handlers store (`tests/gateway/test_policy.py`).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from person import Person
from raw import exchange
from running import running

World = tuple[Person, Person, Any]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, make_client: Callable[..., Any]) -> Iterator[World]:
    """Ann and bob of two tenants, and a client that does not sign."""
    with running(tmp_path_factory.mktemp("policies") / "data") as server:
        config = Config(signature_version=UNSIGNED, retries={"max_attempts": 0})
        nobody = boto3.client("s3", endpoint_url=server.url, region_name="us-east-1", config=config)
        yield Person(server, make_client, "ann"), Person(server, make_client, "bob"), nobody


@pytest.fixture
def name(world: World) -> str:
    """A bucket of ann's with two objects in it."""
    found = f"policy-{uuid.uuid4().hex[:12]}"
    world[0].s3.create_bucket(Bucket=found)
    for key in ("public/a", "private/a"):
        world[0].s3.put_object(Bucket=found, Key=key, Body=key.encode())
    return found


def code(act: Callable[..., Any], **words: Any) -> str:
    """The error's code; `OK` when there is none."""
    try:
        act(**words)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "OK"


def put(world: World, name: str, *statements: dict[str, Any]) -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    answer = world[0].s3.put_bucket_policy(Bucket=name, Policy=document)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert world[0].s3.get_bucket_policy(Bucket=name)["Policy"] == document


def allow(name: str, path: str = "/*", action: Any = "s3:GetObject", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": f"arn:aws:s3:::{name}{path}"} | more


def test_a_policy_opens_a_folder_to_everybody(world: World, name: str) -> None:
    ann, bob, nobody = world
    assert code(nobody.get_object, Bucket=name, Key="public/a") == "AccessDenied"
    put(world, name, allow(name, "/public/*"))
    for s3 in (nobody, bob.s3, ann.s3):
        assert s3.get_object(Bucket=name, Key="public/a")["Body"].read() == b"public/a"
    for s3 in (nobody, bob.s3):
        assert code(s3.get_object, Bucket=name, Key="private/a") == "AccessDenied"
        assert code(s3.put_object, Bucket=name, Key="public/a", Body=b"") == "AccessDenied"
    assert ann.s3.get_bucket_policy_status(Bucket=name)["PolicyStatus"] == {"IsPublic": True}
    ann.s3.delete_bucket_policy(Bucket=name)
    assert code(nobody.get_object, Bucket=name, Key="public/a") == "AccessDenied"
    assert code(ann.s3.get_bucket_policy, Bucket=name) == "NoSuchBucketPolicy"


def test_a_deny_binds_the_owner_and_the_policy_stays_his(world: World, name: str) -> None:
    ann = world[0]
    put(world, name, allow(name, "", "s3:*", Effect="Deny"), allow(name, "/*", "s3:*", Effect="Deny"))
    assert code(ann.s3.get_object, Bucket=name, Key="public/a") == "AccessDenied"
    assert code(ann.s3.list_objects_v2, Bucket=name) == "AccessDenied"
    assert code(ann.s3.get_bucket_policy, Bucket=name) == "OK"
    assert code(ann.s3.delete_bucket_policy, Bucket=name) == "OK"
    assert code(ann.s3.get_object, Bucket=name, Key="public/a") == "OK"


def test_conditions_are_asked_of_the_request(world: World, name: str) -> None:
    _, bob, nobody = world
    put(
        world,
        name,
        allow(name, Condition={"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}),
        allow(name, Effect="Deny", Condition={"StringLike": {"aws:UserAgent": "*forbidden*"}}),
        allow(name, Effect="Deny", Condition={"StringEquals": {"s3:ExistingObjectTag/secret": "yes"}}),
        allow(name, "", "s3:ListBucket", Condition={"StringLike": {"s3:prefix": "public/*"}}),
    )
    assert code(nobody.get_object, Bucket=name, Key="public/a") == "OK"
    agent = boto3.client(
        "s3",
        endpoint_url=nobody.meta.endpoint_url,
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED, user_agent_extra="forbidden"),
    )
    assert code(agent.get_object, Bucket=name, Key="public/a") == "AccessDenied"
    tags = {"TagSet": [{"Key": "secret", "Value": "yes"}]}
    world[0].s3.put_object_tagging(Bucket=name, Key="public/a", Tagging=tags)
    assert code(nobody.get_object, Bucket=name, Key="public/a") == "AccessDenied"
    assert code(nobody.get_object, Bucket=name, Key="private/a") == "OK"
    assert code(bob.s3.list_objects_v2, Bucket=name, Prefix="public/") == "OK"


def test_conditional_writes_can_be_required_as_amazon_documents_it(world: World, name: str) -> None:
    """S3 User Guide, "Enforce conditional writes on Amazon S3 buckets", as an allow and as a deny."""
    bob, put_object = world[1], "s3:PutObject"
    conditional = allow(name, action=put_object, Condition={"Null": {"s3:if-none-match": "false"}})
    in_parts = allow(name, action=put_object, Condition={"Bool": {"s3:ObjectCreationOperation": "false"}})
    without = {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}
    refused = allow(name, action=put_object, Condition=without) | {"Effect": "Deny"}
    for number, statements in enumerate(([conditional, in_parts], [allow(name, action=put_object), refused])):
        put(world, name, *statements)
        place = {"Bucket": name, "Key": f"new/{number}"}
        assert code(bob.s3.put_object, **place, Body=b"") == "AccessDenied"
        assert code(bob.s3.put_object, **place, Body=b"", IfNoneMatch="*") == "OK"
        upload = {"Bucket": name, "Key": f"parts/{number}"}
        upload["UploadId"] = bob.s3.create_multipart_upload(**upload)["UploadId"]
        etag = bob.s3.upload_part(**upload, PartNumber=1, Body=b"x")["ETag"]
        whole = {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": etag}]}}
        assert code(bob.s3.complete_multipart_upload, **upload, **whole) == "AccessDenied"
        assert code(bob.s3.complete_multipart_upload, **upload, **whole, IfNoneMatch="*") == "OK"


@pytest.mark.parametrize("said", [["*", '"x"'], ['"x"', "*"], ["*", ""], [""], [","], ['"x"'], ["x"], ['*, "x"']])
def test_what_a_required_condition_says_keeps_what_is_there(world: World, name: str, said: list[str]) -> None:
    """The decision and the write read the header alike: one saw a star, the other a list with a star in it."""
    for required in ({"Null": {"s3:if-none-match": "false"}}, {"StringEquals": {"s3:if-none-match": "*"}}):
        put(world, name, allow(name, action=["s3:PutObject", "s3:GetObject"], Condition=required))
        lines = "".join(f"If-None-Match: {line}\r\n" for line in said)
        request = f"PUT /{name}/public/a HTTP/1.1\r\nHost: x\r\n{lines}Content-Length: 1\r\n\r\nx"
        answer = exchange(world[2].meta.endpoint_url, request.encode())
        assert answer is not None and answer.code == "AccessDenied"
        assert world[0].s3.get_object(Bucket=name, Key="public/a")["Body"].read() == b"public/a"


def test_grants_in_several_lines_are_the_list_that_a_policy_sees(world: World, name: str) -> None:
    ann, bob, nobody = world
    controls = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    ann.s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=controls)
    to_ann, to_all = f'id="{ann.id}"', 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'
    only = {"StringEquals": {"s3:x-amz-grant-read": to_ann}}
    put(world, name, allow(name, action=["s3:PutObject", "s3:PutObjectAcl"], Condition=only))
    for said, wanted in (([to_ann], 200), ([to_ann, to_all], 403), ([to_all, to_ann], 403)):
        lines = "".join(f"x-amz-grant-read: {line}\r\n" for line in said)
        request = f"PUT /{name}/new HTTP/1.1\r\nHost: x\r\n{lines}Content-Length: 1\r\n\r\nx"
        answer = exchange(nobody.meta.endpoint_url, request.encode())
        assert answer is not None and answer.status == wanted
    assert code(bob.s3.get_object, Bucket=name, Key="new") == "AccessDenied"


@pytest.mark.parametrize("written", ["{}/private/a", "/{}/private/a"])
def test_a_copy_has_one_source_however_it_is_written(world: World, name: str, written: str) -> None:
    ann = world[0]
    source = {"StringLike": {"s3:x-amz-copy-source": f"{name}/private/*"}}
    put(world, name, allow(name, action="s3:PutObject", Effect="Deny", Condition=source))
    assert code(ann.s3.copy_object, Bucket=name, Key="c", CopySource=f"{name}/public/a") == "OK"
    assert code(ann.s3.copy_object, Bucket=name, Key="c", CopySource=written.format(name)) == "AccessDenied"


def test_restricting_public_buckets_leaves_the_owners_tenant(world: World, name: str) -> None:
    ann, bob, nobody = world
    put(world, name, allow(name))
    block = {"RestrictPublicBuckets": True}
    ann.s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
    shown = ann.s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert {setting for setting, on in shown.items() if on} == {"RestrictPublicBuckets"}
    assert code(nobody.get_object, Bucket=name, Key="public/a") == "AccessDenied"
    assert code(bob.s3.get_object, Bucket=name, Key="public/a") == "AccessDenied"
    assert code(ann.s3.get_object, Bucket=name, Key="public/a") == "OK"
    ann.s3.delete_public_access_block(Bucket=name)
    assert code(nobody.get_object, Bucket=name, Key="public/a") == "OK"


def test_blocking_public_policies_refuses_them(world: World, name: str) -> None:
    ann = world[0]
    ann.s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration={"BlockPublicPolicy": True})
    document = json.dumps({"Statement": [allow(name)]})
    assert code(ann.s3.put_bucket_policy, Bucket=name, Policy=document) == "AccessDenied"
    assert code(ann.s3.get_bucket_policy, Bucket=name) == "NoSuchBucketPolicy"


def test_only_the_owners_people_configure(world: World, name: str) -> None:
    _, bob, nobody = world
    document = json.dumps({"Statement": [allow(name)]})
    for s3 in (bob.s3, nobody):
        assert code(s3.put_bucket_policy, Bucket=name, Policy=document) == "AccessDenied"
        assert code(s3.get_bucket_policy, Bucket=name) == "AccessDenied"
        assert code(s3.delete_bucket_policy, Bucket=name) == "AccessDenied"
        assert code(s3.put_public_access_block, Bucket=name, PublicAccessBlockConfiguration={}) == "AccessDenied"
        assert code(s3.get_public_access_block, Bucket=name) == "AccessDenied"


def test_a_policy_is_its_accounts_alone_also_when_it_allows_others_everything(world: World, name: str) -> None:
    ann, bob, nobody = world
    everything = allow(name, action="s3:*", Resource=[f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"])
    put(world, name, everything)
    document = json.dumps({"Statement": [everything]})
    for s3 in (bob.s3, nobody):
        assert s3.get_bucket_policy_status(Bucket=name)["PolicyStatus"] == {"IsPublic": True}
        with pytest.raises(ClientError) as caught:
            s3.put_bucket_policy(Bucket=name, Policy=document)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 405
        assert code(s3.put_bucket_policy, Bucket=name, Policy=document) == "MethodNotAllowed"
        assert code(s3.get_bucket_policy, Bucket=name) == "MethodNotAllowed"
        assert code(s3.delete_bucket_policy, Bucket=name) == "MethodNotAllowed"
    assert ann.s3.get_bucket_policy_status(Bucket=name)["PolicyStatus"] == {"IsPublic": True}


def test_a_document_that_is_no_policy_is_refused(world: World, name: str) -> None:
    s3 = world[0].s3
    assert code(s3.put_bucket_policy, Bucket=name, Policy="no") == "MalformedPolicy"
    other = json.dumps({"Statement": [allow("another-bucket")]})
    with pytest.raises(ClientError, match="Policy has invalid resource") as caught:
        s3.put_bucket_policy(Bucket=name, Policy=other)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
