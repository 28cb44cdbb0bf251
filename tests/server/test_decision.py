"""The decision over the wire: relations, policies, lists and identity together, with two tenants and nobody.

What belongs here: what only the combination shows. Each source alone is tested with its family.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError
from running import PANTHERA, Server


class Account:
    """A user with a key, and its client."""

    def __init__(self, server: Server, make_client: Callable[..., Any], tenant: str, name: str, *, admin: bool) -> None:
        self.server, self.tenant, self.name = server, tenant, name
        flags = ["--admin"] if admin else []
        shown = self.panthera("user", "add", tenant, name, *flags)
        key = self.panthera("key", "add", tenant, name)
        self.canonical_id = shown["canonical_id"]
        self.s3 = make_client(server.url, key=key["access_key"], secret=key["secret_key"])

    def panthera(self, *words: str) -> Any:
        env = os.environ | self.server.env
        done = subprocess.run([PANTHERA, *words, "--json"], env=env, check=True, capture_output=True, text=True)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def grant(self, verb: str, *words: str) -> None:
        self.panthera(verb, *words, "--tenant", self.tenant)


class Stage:
    """Two tenants: `home` owns the bucket."""

    def __init__(self, server: Server, make_client: Callable[..., Any]) -> None:
        mark = uuid.uuid4().hex[:8]
        self.home, self.away = f"home-{mark}", f"away-{mark}"
        self.bucket = f"decided-{mark}"
        root = Account.__new__(Account)
        root.server = server
        for tenant in (self.home, self.away):
            root.panthera("tenant", "add", tenant)
        self.owner = Account(server, make_client, self.home, "owner", admin=True)
        self.alice = Account(server, make_client, self.home, "alice", admin=False)
        self.mallory = Account(server, make_client, self.away, "mallory", admin=True)
        self.clerk = Account(server, make_client, self.away, "clerk", admin=False)
        self.nobody = make_client(server.url, signature_version=UNSIGNED)
        self.owner.s3.create_bucket(Bucket=self.bucket)
        for key in ("a/1", "a/2", "b/1"):
            self.owner.s3.put_object(Bucket=self.bucket, Key=key, Body=key.encode())

    def policy(self, *statements: dict[str, Any]) -> None:
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        self.owner.s3.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(document))

    def statement(self, effect: str, action: Any, resource: str = "/*", principal: Any = "*", **more: Any) -> Any:
        arn = f"arn:aws:s3:::{self.bucket}{resource}"
        return {"Effect": effect, "Action": action, "Resource": arn, "Principal": principal} | more

    def may(self, client: Any, key: str = "a/1") -> int:
        """The status of a GET."""
        return status(client.get_object, Bucket=self.bucket, Key=key)


def status(call: Callable[..., Any], **arguments: Any) -> int:
    try:
        return int(call(**arguments)["ResponseMetadata"]["HTTPStatusCode"])
    except ClientError as error:
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


@pytest.fixture
def stage(server: Server, make_client: Callable[..., Any]) -> Stage:
    return Stage(server, make_client)


def test_nothing_is_allowed_that_nothing_grants(stage: Stage) -> None:
    for client in (stage.alice.s3, stage.mallory.s3, stage.clerk.s3, stage.nobody):
        assert stage.may(client) == 403
        assert stage.may(client, "missing") == 403
        assert status(client.list_objects_v2, Bucket=stage.bucket) == 403
        assert status(client.put_object, Bucket=stage.bucket, Key="x", Body=b"") == 403


def test_a_policy_for_everyone_needs_the_other_account_behind_its_user(stage: Stage) -> None:
    stage.policy(stage.statement("Allow", "s3:GetObject", "/a/*"))
    assert stage.may(stage.nobody) == 200
    assert stage.may(stage.alice.s3) == 200
    assert stage.may(stage.mallory.s3) == 200
    assert stage.may(stage.clerk.s3) == 403, "its own account gives it nothing"
    assert stage.may(stage.nobody, "b/1") == 403


def test_a_relation_of_the_owner_suffices_across_tenants(stage: Stage) -> None:
    subject = f"user:{stage.away}/clerk"
    stage.owner.grant("grant", subject, "reader", f"s3://{stage.bucket}/a/")
    assert stage.may(stage.clerk.s3) == 200
    assert stage.may(stage.clerk.s3, "b/1") == 403
    stage.owner.grant("revoke", subject, "reader", f"s3://{stage.bucket}/a/")
    assert {stage.may(stage.clerk.s3) for _ in range(50)} == {403}


def test_a_deny_of_any_source_wins_over_every_allow(stage: Stage) -> None:
    stage.owner.grant("grant", f"user:{stage.home}/alice", "reader", f"s3://{stage.bucket}")
    stage.policy(stage.statement("Allow", "s3:*"), stage.statement("Deny", "s3:GetObject", "/a/2"))
    assert (stage.may(stage.alice.s3), stage.may(stage.alice.s3, "a/2")) == (200, 403)
    assert stage.may(stage.owner.s3, "a/2") == 403
    stage.owner.grant("grant", f"user:{stage.home}/alice", "deny_read", f"s3://{stage.bucket}/b/")
    assert stage.may(stage.alice.s3, "b/1") == 403
    assert stage.may(stage.owner.s3, "b/1") == 200
    assert stage.may(stage.nobody, "b/1") == 200


def test_the_owners_admin_undoes_a_policy_that_denies_everything(stage: Stage) -> None:
    everything = stage.statement("Deny", "s3:*", "")
    everything["Resource"] = [everything["Resource"], everything["Resource"] + "/*"]
    stage.policy(everything)
    assert stage.may(stage.owner.s3) == 403
    assert status(stage.owner.s3.get_bucket_policy, Bucket=stage.bucket) == 200
    assert status(stage.owner.s3.delete_bucket_policy, Bucket=stage.bucket) == 204
    assert stage.may(stage.owner.s3) == 200


def test_conditions_see_the_request(stage: Stage) -> None:
    def when(condition: dict[str, Any]) -> int:
        stage.policy(stage.statement("Allow", "s3:GetObject", Condition=condition))
        return stage.may(stage.nobody)

    assert when({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}) == 200
    assert when({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}) == 403
    assert when({"Bool": {"aws:SecureTransport": "false"}}) == 200
    assert when({"Bool": {"aws:SecureTransport": "true"}}) == 403
    assert when({"StringLike": {"aws:UserAgent": "Boto3*"}}) == 200
    assert when({"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}) == 403
    tagged = {"StringEquals": {"s3:ExistingObjectTag/public": "yes"}}
    assert when(tagged) == 403
    tags = {"TagSet": [{"Key": "public", "Value": "yes"}]}
    stage.owner.s3.put_object_tagging(Bucket=stage.bucket, Key="a/1", Tagging=tags)
    assert stage.may(stage.nobody) == 200


def test_tags_in_a_document_are_seen_before_the_decision(stage: Stage) -> None:
    condition = {"StringEquals": {"s3:RequestObjectTag/team": "red"}}
    principal = {"AWS": f"arn:aws:iam::{account_of(stage)}:user/alice"}
    stage.policy(stage.statement("Allow", "s3:PutObjectTagging", principal=principal, Condition=condition))

    def tag(value: str) -> int:
        tags = {"TagSet": [{"Key": "team", "Value": value}]}
        return status(stage.alice.s3.put_object_tagging, Bucket=stage.bucket, Key="a/1", Tagging=tags)

    assert (tag("red"), tag("blue")) == (200, 403)


def test_tags_hidden_in_a_presigned_url_ask_for_their_right(stage: Stage, server: Server) -> None:
    principal = {"AWS": f"arn:aws:iam::{account_of(stage)}:user/alice"}

    def put(*actions: str) -> int:
        stage.policy(stage.statement("Allow", list(actions), principal=principal))
        params = {"Bucket": stage.bucket, "Key": "new", "Tagging": "team=red"}
        url = stage.alice.s3.generate_presigned_url("put_object", Params=params)
        assert "x-amz-tagging" in url.lower()
        # Plain: urllib would add a Content-Type, which the signature does not have.
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
        connection.request("PUT", url.removeprefix(server.url), body=b"")
        answer = connection.getresponse()
        assert b"Signature" not in answer.read()
        connection.close()
        return answer.status

    assert put("s3:PutObject") == 403
    assert put("s3:PutObject", "s3:PutObjectTagging") == 200


def account_of(stage: Stage) -> str:
    """The account id of the home tenant: that of the bucket's policy's owner, as expected-bucket-owner takes it."""
    for number in range(1, 10_000):
        if status(stage.owner.s3.head_bucket, Bucket=stage.bucket, ExpectedBucketOwner=f"{number:012}") == 200:
            return f"{number:012}"
    raise AssertionError("no account id fits")


def test_the_public_is_kept_out_whatever_lets_it_in(stage: Stage) -> None:
    stage.policy(stage.statement("Allow", "s3:GetObject", "/a/*"))
    stage.owner.grant("grant", "anyone", "reader", f"s3://{stage.bucket}/b/")
    stage.owner.grant("grant", f"user:{stage.away}/clerk", "reader", f"s3://{stage.bucket}/b/")
    assert (stage.may(stage.nobody), stage.may(stage.nobody, "b/1")) == (200, 200)
    block = {"RestrictPublicBuckets": True}
    stage.owner.s3.put_public_access_block(Bucket=stage.bucket, PublicAccessBlockConfiguration=block)
    assert (stage.may(stage.nobody), stage.may(stage.nobody, "b/1")) == (403, 403)
    assert stage.may(stage.mallory.s3) == 403
    assert stage.may(stage.alice.s3) == 200, "of the owner's tenant"


def test_a_missing_key_is_told_to_who_may_list_its_name(stage: Stage) -> None:
    listed = {"StringLike": {"s3:prefix": "a/*"}}
    stage.policy(
        stage.statement("Allow", "s3:GetObject"), stage.statement("Allow", "s3:ListBucket", "", Condition=listed)
    )
    assert stage.may(stage.nobody, "a/none") == 404
    assert stage.may(stage.nobody, "b/none") == 403


def test_a_presigned_url_has_its_signers_present_rights(stage: Stage, server: Server) -> None:
    import urllib.error
    import urllib.request

    place = (f"user:{stage.home}/alice", "reader", f"s3://{stage.bucket}/a/")
    stage.owner.grant("grant", *place)
    url = stage.alice.s3.generate_presigned_url("get_object", Params={"Bucket": stage.bucket, "Key": "a/1"})
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"a/1"
    stage.owner.grant("revoke", *place)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url)
    assert refused.value.code == 403


def test_a_batch_of_deletes_asks_for_each_key(stage: Stage) -> None:
    stage.owner.grant("grant", f"user:{stage.home}/alice", "deleter", f"s3://{stage.bucket}/a/")
    keys = [{"Key": key} for key in ("a/1", "b/1")]
    answer = stage.alice.s3.delete_objects(Bucket=stage.bucket, Delete={"Objects": keys})
    assert [one["Key"] for one in answer["Deleted"]] == ["a/1"]
    assert [(one["Key"], one["Code"]) for one in answer["Errors"]] == [("b/1", "AccessDenied")]
    assert stage.may(stage.owner.s3, "b/1") == 200
