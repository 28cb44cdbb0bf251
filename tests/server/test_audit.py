"""The audit log over the wire: two tenants, what one did to the other's, and who granted it.

What belongs here: what a client, an administrator and the operator see. How entries are written and lost is tested with
crate authz.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from running import PANTHERA, Server, running


class Stage:
    """`home` owns a bucket, of which `away`'s bob may read `open/`."""

    def __init__(self, server: Server, make_client: Callable[..., Any]) -> None:
        self.server = server
        mark = uuid.uuid4().hex[:8]
        self.home, self.away, self.bucket = f"home-{mark}", f"away-{mark}", f"audited-{mark}"
        for tenant, name, flags in ((self.home, "owner", ["--admin"]), (self.away, "bob", ["--admin"])):
            self.panthera("tenant", "add", tenant)
            self.panthera("user", "add", tenant, name, *flags)
        people = ((self.home, "owner"), (self.away, "bob"))
        self.keys = {name: self.panthera("key", "add", tenant, name) for tenant, name in people}
        self.owner, self.bob = (
            make_client(server.url, key=key["access_key"], secret=key["secret_key"]) for key in self.keys.values()
        )
        self.owner.create_bucket(Bucket=self.bucket)
        for key in ("open/1", "shut/1"):
            self.owner.put_object(Bucket=self.bucket, Key=key, Body=key.encode())
        self.granted = f"s3://{self.bucket}/open/"
        self.panthera("grant", f"user:{self.away}/bob", "reader", self.granted, as_text=True)

    def panthera(self, *words: str, who: str | None = None, as_text: bool = False) -> Any:
        env = os.environ | self.server.env
        if who is not None:
            key = self.keys[who]
            env |= {"PANTHERA_ACCESS_KEY": key["access_key"], "PANTHERA_SECRET_KEY": key["secret_key"]}
        flags = [] if as_text else ["--json"]
        done = subprocess.run([PANTHERA, *words, *flags], env=env, check=True, capture_output=True, text=True)
        return done.stdout if as_text else json.loads(done.stdout or "null")

    def log(self, *words: str, who: str | None = None) -> list[dict[str, Any]]:
        lines = self.panthera("audit", *words, "--json", who=who, as_text=True)
        return [json.loads(line) for line in lines.splitlines()]


@pytest.fixture(scope="module")
def stage(server: Server, make_client: Callable[..., Any]) -> Stage:
    return Stage(server, make_client)


def refused(call: Callable[[], Any]) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response


def test_what_a_stranger_was_allowed_and_denied_is_in_both_logs_with_the_request(stage: Stage) -> None:
    allowed = stage.bob.get_object(Bucket=stage.bucket, Key="open/1")["ResponseMetadata"]["RequestId"]
    denied = refused(lambda: stage.bob.get_object(Bucket=stage.bucket, Key="shut/1"))["ResponseMetadata"]["RequestId"]
    own = stage.owner.get_object(Bucket=stage.bucket, Key="shut/1")["ResponseMetadata"]["RequestId"]
    home = {entry["request_id"]: entry for entry in stage.log(who="owner")}
    assert own not in home, "nobody's own requests are written down"
    told = ("outcome", "reason", "action", "resource", "access_key", "side")
    assert [home[allowed][name] for name in told] == [
        "allowed",
        "granted",
        "s3:GetObject",
        f"s3://{stage.bucket}/open/1",
        None,
        "owner",
    ]
    assert [home[denied][name] for name in told[:2]] == ["denied", "foreign_tenant"]
    assert home[allowed]["subject"].startswith("user:#"), "names of other tenants' users are theirs"
    assert "revision" not in home[allowed]
    away = {entry["request_id"]: entry for entry in stage.log(who="bob")}
    assert [away[allowed][name] for name in told] == [
        "allowed",
        None,
        "s3:GetObject",
        f"s3://{stage.bucket}/open/1",
        stage.keys["bob"]["access_key"],
        "actor",
    ]
    assert away[denied]["outcome"] == "denied"
    both = [entry for entry in stage.log() if entry["request_id"] in (allowed, denied)]
    assert [entry["side"] for entry in both] == ["owner", "owner"], "root sees each once"
    assert both[0]["subject"] == f"user:{stage.away}/bob"
    assert both[0]["revision"] > 0


def test_grants_and_revokes_say_who_made_them(stage: Stage) -> None:
    stage.panthera("grant", "user:owner", "writer", f"s3://{stage.bucket}/mine/", "--tenant", stage.home, as_text=True)
    stage.panthera("revoke", "user:owner", "writer", f"s3://{stage.bucket}/mine/", "--tenant", stage.home, as_text=True)
    log = stage.log("--tenant", stage.home, "--resource", f"s3://{stage.bucket}/mine/")
    assert [entry["action"] for entry in log] == ["panthera:Grant", "panthera:Revoke"]
    assert {entry["subject"] for entry in log} == {"user:default/root"}
    assert all(entry["request_id"] and entry["source_ip"] == "127.0.0.1" for entry in log)
    change = log[0]["changes"][0]
    assert (change["op"], change["subject"], change["relation"]) == ("grant", "user:owner", "writer")
    assert log[1]["changes"][0]["op"] == "revoke"


def test_policies_and_lists_are_rights_too(stage: Stage) -> None:
    arn = f"arn:aws:s3:::{stage.bucket}/*"
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    put = stage.owner.put_bucket_policy(Bucket=stage.bucket, Policy=policy)["ResponseMetadata"]["RequestId"]
    gone = stage.owner.delete_bucket_policy(Bucket=stage.bucket)["ResponseMetadata"]["RequestId"]
    log = [(e["request_id"], e["action"], e["kind"], e["subject"]) for e in stage.log(who="owner") if e["resource"]]
    assert (put, "s3:PutBucketPolicy", "configuration", "user:owner") in log
    assert (gone, "s3:DeleteBucketPolicy", "configuration", "user:owner") in log


def test_each_key_of_a_batch_and_the_source_of_a_copy_are_decisions(stage: Stage) -> None:
    objects = {"Objects": [{"Key": "open/1"}, {"Key": "shut/1"}]}
    answer = stage.bob.delete_objects(Bucket=stage.bucket, Delete=objects)
    assert len(answer["Errors"]) == 2
    batch = answer["ResponseMetadata"]["RequestId"]
    own = f"own-{uuid.uuid4().hex[:8]}"
    stage.bob.create_bucket(Bucket=own)
    source = {"Bucket": stage.bucket, "Key": "open/1"}
    copy = stage.bob.copy_object(Bucket=own, Key="k", CopySource=source)["ResponseMetadata"]["RequestId"]
    log = [(e["request_id"], e["action"], e["resource"], e["outcome"]) for e in stage.log(who="owner")]
    for key in ("open/1", "shut/1"):
        assert log.count((batch, "s3:DeleteObject", f"s3://{stage.bucket}/{key}", "denied")) == 1
    assert log.count((copy, "s3:GetObject", f"s3://{stage.bucket}/open/1", "allowed")) == 1
    assert not any(resource and own in resource for _, _, resource, _ in log), (
        "the copy's target is its owner's business"
    )


def test_filters(stage: Stage) -> None:
    refused(lambda: stage.bob.get_object(Bucket=stage.bucket, Key="shut/1"))
    denied = stage.log("--denied", "--tenant", stage.home, "--subject", f"user:{stage.away}/bob")
    assert denied
    assert {entry["outcome"] for entry in denied} == {"denied"}
    assert not stage.log("--tenant", stage.home, "--until", "1h")
    table = stage.panthera("audit", "--tenant", stage.home, "--action", "S3:getobject", as_text=True)
    assert table.splitlines()[0].startswith("TIME")
    assert f"s3://{stage.bucket}/shut/1" in table


def test_following_prints_each_entry_once(stage: Stage) -> None:
    env = os.environ | stage.server.env
    command = [PANTHERA, "audit", "--follow", "--since", "1m", "--tenant", stage.home, "--json"]

    def ask() -> str:
        refusal = refused(lambda: stage.bob.get_object(Bucket=stage.bucket, Key="shut/1"))
        return refusal["ResponseMetadata"]["RequestId"]

    ids, printed = [ask()], []
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:  # a follower that stays silent meets the test's own deadline
            printed.append(json.loads(line)["request_id"])
            if printed[-1] == ids[-1]:
                if len(ids) == 4:
                    break
                ids.append(ask())
        process.terminate()
    assert [one for one in printed if one in ids] == ids


@pytest.fixture
def small(tmp_path: Any, make_client: Callable[..., Any]) -> Iterator[Callable[..., Stage]]:
    """Servers with settings of their own."""
    opened = []

    def start(*words: str) -> Stage:
        context = running(tmp_path / f"data{len(opened)}", *words)
        opened.append(context)
        return Stage(context.__enter__(), make_client)

    yield start
    for context in opened:
        context.__exit__(None, None, None)


@pytest.mark.parametrize("limit", ["--audit-max-bytes", "--audit-tenant-bytes"])
def test_a_full_log_refuses_strangers_and_grants_until_it_is_trimmed(small: Callable[..., Stage], limit: str) -> None:
    stage = small(limit, "6000")
    answer = None
    for _ in range(100):
        try:
            stage.bob.get_object(Bucket=stage.bucket, Key="open/1")
        except ClientError as error:
            answer = error.response
            break
    assert answer is not None, "it is full some time"
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (503, "ServiceUnavailable")
    hidden = refused(lambda: stage.bob.get_object(Bucket=stage.bucket, Key="shut/1"))
    assert hidden["Error"]["Code"] == "ServiceUnavailable", "what is refused for the log tells nothing of rights"
    assert stage.owner.get_object(Bucket=stage.bucket, Key="shut/1")["ContentLength"] == 6
    while True:
        words = [PANTHERA, "grant", f"user:{stage.away}/bob", "reader", f"s3://{stage.bucket}/more-{time.time_ns()}/"]
        done = subprocess.run(words, env=os.environ | stage.server.env, capture_output=True, text=True, check=False)
        if done.returncode:
            break
    assert "audit log is full" in done.stderr
    removed = stage.panthera("audit", "trim", "--before", "0s")
    assert removed["removed"] > 10
    assert stage.bob.get_object(Bucket=stage.bucket, Key="open/1")["ContentLength"] == 6
    trims = {entry["detail"] for entry in stage.log("--action", "panthera:TrimAudit")}
    before = [datetime.fromisoformat(detail.removeprefix("before ")) for detail in trims]
    assert before and all(abs(datetime.now(UTC) - moment) < timedelta(minutes=5) for moment in before)


def test_the_operator_may_choose_to_go_on_and_reads_what_was_lost(small: Callable[..., Stage]) -> None:
    stage = small("--audit-max-bytes", "1", "--audit-on-failure", "continue")
    assert stage.bob.get_object(Bucket=stage.bucket, Key="open/1")["ContentLength"] == 6
    assert not stage.log()
    with urllib.request.urlopen(stage.server.admin + "/metrics") as metrics:
        lost = [line for line in metrics.read().decode().splitlines() if line.startswith("panthera_audit_lost_total")]
    assert int(lost[0].split()[1]) > 2
    assert "audit entries lost" in stage.server.log.read_text()
