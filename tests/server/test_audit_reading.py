"""Reading the audit log over the admin API: pages while others write, the export, what a tenant is told of another, and
requests that nobody signed.

What belongs here: how entries are read. Which requests leave any is tested in `test_audit.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from running import ROOT_KEY, ROOT_SECRET, running
from sharing import User, ann, ask, basic, people

__all__ = ["ann", "people"]


@pytest.fixture
def eve(ann: Any, people: Callable[..., User]) -> User:
    """An administrator of another tenant who may read `pub/` of ann's bucket."""
    user = people("beta", "eve", admin=True)
    root = User(ann.server, "", "", ROOT_KEY, ROOT_SECRET, None)
    grant = {"op": "touch", "subject": f"user:{user.tenant}/eve", "relation": "reader",
             "resource": f"s3://{ann.bucket}/pub/"}  # fmt: skip
    root.admin("POST", "/v1/relations", {"changes": [grant]})
    return user


def reads(user: User, bucket: str, count: int) -> list[str]:
    """The requests of so many reads."""
    got = [user.s3.get_object(Bucket=bucket, Key="pub/a.txt") for _ in range(count)]
    return [one["ResponseMetadata"]["RequestId"] for one in got]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
def test_pages_hold_each_entry_once_while_others_write(ann: Any, eve: User, limit: int) -> None:
    wanted, cursor, found, pages = reads(eve, ann.bucket, 7), "", [], 0
    while pages == 0 or cursor:
        more = f"&cursor={cursor}" if cursor else ""
        page = ann.admin("GET", f"/v1/audit?since=1h&action=s3:GetObject&limit={limit}{more}")
        found += [one["request_id"] for one in page["entries"]]
        assert len(page["entries"]) <= limit
        cursor, pages = page["cursor"], pages + 1
        if pages <= 5:
            wanted += reads(eve, ann.bucket, 1)
    before_the_last = 7 + min(pages - 1, 5)
    assert found == wanted[:before_the_last], "in order, none twice, none left out"
    assert (pages > 1) == (limit < 7)
    status, problem = ann.try_admin("GET", "/v1/audit?cursor=AAAA")
    assert (status, problem["type"]) == (400, "/v1/problems/invalid")


def test_the_export_is_what_the_pages_are(ann: Any, eve: User) -> None:
    reads(eve, ann.bucket, 5)
    query = "since=1h&resource=s3://" + ann.bucket
    pages = ann.admin("GET", f"/v1/audit?{query}")["entries"]
    answer = ask(f"{ann.server.admin}/v1/audit/export?{query}", authorization=basic(ann.key, ann.secret))
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line) for line in answer.body.decode().splitlines()] == pages
    assert len(pages) == 6, "five reads and the grant"
    for wrong in ("since=never", "since=1h&until=2h", f"resource={ann.bucket}"):
        bad = ask(f"{ann.server.admin}/v1/audit/export?{wrong}", authorization=basic(ann.key, ann.secret))
        assert bad.status == 400, "before the first line"


def test_a_tenant_sees_its_own_log_and_no_names_of_another(ann: Any, eve: User, people: Callable[..., User]) -> None:
    reads(eve, ann.bucket, 1)
    with pytest.raises(ClientError):
        eve.s3.get_object(Bucket=ann.bucket, Key="secret.txt")
    logs = [user.admin("GET", "/v1/audit?since=1h")["entries"] for user in (ann, eve)]
    named = [change["subject"] for one in logs[0] for change in one.pop("changes")]
    assert named == [f"user:{eve.tenant}/eve"], "whom its own relations name a tenant sees by name, there and here"
    own, theirs = (json.dumps(log) for log in logs)
    assert eve.tenant not in own and "eve" not in own and eve.key not in own
    assert ann.tenant not in theirs and '"ann' not in theirs and ann.key not in theirs
    assert '"revision"' not in own + theirs
    for user, other in ((ann, eve), (eve, ann)):
        assert {one["tenant"] for one in user.admin("GET", "/v1/audit?since=1h")["entries"]} == {user.tenant}
        missing = user.try_admin("GET", f"/v1/audit?tenant={other.tenant}")
        nobody = user.try_admin("GET", "/v1/audit?tenant=there-is-none")
        assert (missing[0], nobody[0]) == (404, 404)
        assert missing[1]["detail"].replace(other.tenant, "X") == nobody[1]["detail"].replace("there-is-none", "X")
    assert people("acme", "nobody").try_admin("GET", "/v1/audit")[0] == 403, "who administers nothing reads nothing"
    assert ann.try_admin("POST", "/v1/audit/trim", {"before": "0s"})[0] == 401, "trimming is root's"


@pytest.mark.parametrize("anonymous", [True, False])
def test_unsigned_requests_are_written_down_when_the_operator_asks(
    anonymous: bool, tmp_path: Path, make_client: Callable[..., Any]
) -> None:
    words = ["--audit-anonymous"] if anonymous else []
    with running(tmp_path / "data", *words) as server:
        root = User(server, "", "", ROOT_KEY, ROOT_SECRET, make_client(server.url, key=ROOT_KEY, secret=ROOT_SECRET))
        root.s3.create_bucket(Bucket="open")
        root.s3.put_object(Bucket="open", Key="k", Body=b"x")
        change = {"op": "touch", "subject": "anyone", "relation": "reader", "resource": "s3://open/k"}
        root.admin("POST", "/v1/relations", {"changes": [change]})
        answers = ask(f"{server.url}/open/k"), ask(f"{server.url}/open/other")
        assert [one.status for one in answers] == [200, 403]
        entries = root.admin("GET", "/v1/audit?since=1h&subject=anyone")["entries"]
        told = [(one["request_id"], one["outcome"], one["reason"]) for one in entries]
        ids = [one.headers["x-amz-request-id"] for one in answers]
        wanted = [(ids[0], "allowed", "granted"), (ids[1], "denied", "anonymous")]
        assert told == (wanted if anonymous else [])
