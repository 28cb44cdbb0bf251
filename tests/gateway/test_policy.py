"""Bucket policies and Block Public Access: what is stored, what is refused, what is compiled again."""

import base64
import hashlib
import json

import pytest
from world import World, refused

from authz.policy import BUCKET_POLICY_BYTES, COMPILER_VERSION
from gateway.errors import Code
from gateway.ops.policy import recompile
from storage.api import put
from storage.records import keys
from storage.records.bucket import BucketRecord, PublicAccessBlock
from storage.records.pointer import decode_document

OPEN = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/*"}


def policy(**changes):
    return json.dumps({"Version": "2012-10-17", "Statement": [OPEN | changes]}).encode()


def fails(world: World, code: Code, op: str, bucket: str, **more):
    return refused(code, lambda: world.call(op, bucket, **more))


def record(world: World) -> BucketRecord:
    return BucketRecord.decode(world.store.get(keys.bucket(b"photos")))


@pytest.fixture
def world() -> World:
    made = World()
    made.call("CreateBucket", "photos")
    return made


def block(world: World, *settings: str) -> None:
    named = "".join(f"<{name}>true</{name}>" for name in settings)
    body = f"<PublicAccessBlockConfiguration>{named}</PublicAccessBlockConfiguration>"
    assert world.call("PutPublicAccessBlock", "photos", body=body.encode()).status == 200


def test_a_policy_comes_back_byte_for_byte(world) -> None:
    body = b'{ "Version":"2012-10-17",\n "Statement":' + json.dumps(OPEN).encode() + b"}"
    before = record(world)
    assert world.call("PutBucketPolicy", "photos", body=body).status == 204
    answer = world.call("GetBucketPolicy", "photos")
    assert (answer.status, answer.body, dict(answer.headers)["content-type"]) == (200, body, "application/json")
    after = record(world)
    assert after.policy is not None
    assert after.policy[0] == COMPILER_VERSION
    assert after.generation == before.generation + 1
    assert world.call("DeleteBucketPolicy", "photos").status == 204
    assert record(world).policy is None
    assert fails(world, Code.NO_SUCH_BUCKET_POLICY, "GetBucketPolicy", "photos")
    assert world.call("DeleteBucketPolicy", "photos").status == 204


@pytest.mark.parametrize("op", ["GetBucketPolicy", "GetBucketPolicyStatus"])
def test_without_a_policy_there_is_no_such_policy(world, op) -> None:
    error = fails(world, Code.NO_SUCH_BUCKET_POLICY, op, "photos")
    assert error.fields == (("BucketName", "photos"),)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Policies must be valid JSON and the first byte must be '{'"),
        (policy(Resource="arn:aws:s3:::other/*"), "Policy has invalid resource"),
        (policy(Principal={"AWS": "arn:aws:iam::000000000001:user/nobody"}), "Invalid principal in policy"),
        (policy(Principal={"AWS": "arn:aws:iam::000000000001:role/nobody"}), "Invalid principal in policy"),
        (policy(Principal={"CanonicalUser": "0" * 64}), "Invalid principal in policy"),
        (policy(Sid="x" * BUCKET_POLICY_BYTES), "Policy exceeds the maximum allowed document size."),
    ],
)
def test_what_is_no_policy_is_malformed(world, body, message) -> None:
    error = fails(world, Code.MALFORMED_POLICY, "PutBucketPolicy", "photos", body=body)
    assert error.message == message
    assert record(world).policy is None


def test_principals_are_found_when_the_policy_is_stored(world) -> None:
    ann = world.other()
    names = [
        "arn:aws:iam::default:user/root",
        f"{world.root.tenant:012}",
        f"arn:aws:iam::{ann.tenant:012}:user/ann",
        "arn:aws:iam::other:root",
    ]
    body = policy(Principal={"AWS": names, "CanonicalUser": ann.canonical_id})
    assert world.call("PutBucketPolicy", "photos", body=body).status == 204
    kept = json.loads(decode_document(world.store.get(keys.document(record(world).id, "policyPrincipals"))))
    assert kept == {
        "user/default/root": [2, world.root.tenant, world.root.user],
        f"account/{world.root.tenant:012}/": [1, world.root.tenant, 0],
        f"user/{ann.tenant:012}/ann": [2, ann.tenant, ann.user],
        "account/other/": [1, ann.tenant, 0],
        f"canonical user//{ann.canonical_id}": [2, ann.tenant, ann.user],
    }


def test_what_another_tenant_does_not_have_is_not_told_from_what_it_has(world) -> None:
    world.other()
    for name in ("arn:aws:iam::other:user/ann", "arn:aws:iam::other:user/bob", "arn:aws:iam::999999999999:root"):
        assert world.call("PutBucketPolicy", "photos", body=policy(Principal={"AWS": name})).status == 204
    assert world.call("GetBucketPolicyStatus", "photos").body.count(b"<IsPublic>false</IsPublic>") == 1


def test_the_status_says_whether_the_policy_is_public(world) -> None:
    world.call("PutBucketPolicy", "photos", body=policy())
    assert b"<IsPublic>true</IsPublic>" in world.call("GetBucketPolicyStatus", "photos").body
    world.call("PutBucketPolicy", "photos", body=policy(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/24"}}))
    assert b"<IsPublic>false</IsPublic>" in world.call("GetBucketPolicyStatus", "photos").body


def test_a_bucket_that_blocks_public_policies_takes_others(world) -> None:
    block(world, "BlockPublicPolicy")
    fails(world, Code.ACCESS_DENIED, "PutBucketPolicy", "photos", body=policy())
    assert record(world).policy is None
    assert world.call("PutBucketPolicy", "photos", body=policy(Effect="Deny")).status == 204
    block(world, "BlockPublicAcls", "IgnorePublicAcls", "RestrictPublicBuckets")
    assert world.call("PutBucketPolicy", "photos", body=policy()).status == 204


def test_a_block_is_stored_shown_and_removed(world) -> None:
    fails(world, Code.NO_SUCH_PUBLIC_ACCESS_BLOCK, "GetPublicAccessBlock", "photos")
    block(world, "BlockPublicAcls", "RestrictPublicBuckets")
    assert record(world).public_access_block == PublicAccessBlock(9)
    shown = world.call("GetPublicAccessBlock", "photos").body
    for name, truth in (
        ("BlockPublicAcls", "true"),
        ("IgnorePublicAcls", "false"),
        ("BlockPublicPolicy", "false"),
        ("RestrictPublicBuckets", "true"),
    ):
        assert f"<{name}>{truth}</{name}>".encode() in shown
    assert world.call("DeletePublicAccessBlock", "photos").status == 204
    fails(world, Code.NO_SUCH_PUBLIC_ACCESS_BLOCK, "GetPublicAccessBlock", "photos")
    assert world.call("DeletePublicAccessBlock", "photos").status == 204


@pytest.mark.parametrize(
    "body",
    [
        b"<Other/>",
        b"<PublicAccessBlockConfiguration><BlockPublicAcls>maybe</BlockPublicAcls></PublicAccessBlockConfiguration>",
        b"<PublicAccessBlockConfiguration><Unknown>true</Unknown></PublicAccessBlockConfiguration>",
        b"<PublicAccessBlockConfiguration>%s</PublicAccessBlockConfiguration>"
        % (b"<BlockPublicAcls>true</BlockPublicAcls>" * 2),
    ],
)
def test_what_is_no_block_is_malformed(world, body) -> None:
    fails(world, Code.MALFORMED_XML, "PutPublicAccessBlock", "photos", body=body)
    assert record(world).public_access_block is None


def test_a_bucket_that_is_not_there_has_no_configuration(world) -> None:
    for op in ("GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy", "GetBucketPolicyStatus"):
        fails(world, Code.NO_SUCH_BUCKET, op, "missing", body=policy(Resource="arn:aws:s3:::missing/*"))


def older(world: World) -> bytes:
    """The record with a policy of an older compiler, and the policy as it should be."""
    now = record(world)
    assert now.policy is not None
    stale = now.replace(policy=b"\xf0" + now.policy[1:])
    world.store.commit([], [put(keys.bucket(b"photos"), stale.encode())])
    return now.policy


def test_a_policy_of_another_compiler_is_compiled_again(world) -> None:
    world.accounts.add_user("default", "bob")
    body = policy(Principal={"AWS": "arn:aws:iam::default:user/bob"})
    world.call("PutBucketPolicy", "photos", body=body)
    wanted = older(world)
    world.accounts.remove_user("default", "bob")
    world.accounts.add_user("default", "bob")
    before = record(world)
    assert recompile(world.store) == 1
    assert record(world).policy == wanted, "the policy is about the bob of then"
    assert record(world).generation == before.generation + 1
    assert recompile(world.store) == 0


def test_a_document_that_is_no_policy_any_more_denies(world, caplog) -> None:
    world.call("PutBucketPolicy", "photos", body=policy())
    older(world)
    row = keys.document(record(world).id, "policy")
    world.store.commit([], [put(row, b'\x01{"Statement":[]}')])
    assert recompile(world.store) == 1
    assert record(world).policy == b"\0"
    assert "photos" in caplog.text
    assert recompile(world.store) == 0


def test_the_body_is_checked_by_its_checksum(world) -> None:
    digest = hashlib.md5(b"other", usedforsecurity=False).digest()
    headers = {"content-md5": base64.b64encode(digest).decode()}
    fails(world, Code.BAD_DIGEST, "PutBucketPolicy", "photos", body=policy(), headers=headers)
    assert record(world).policy is None
