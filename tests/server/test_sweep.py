"""Every row of the table of operations, asked by everybody who has no right: refused, and refused alike whether what it
names is there or not.

What belongs here: requests that come out of the rows, so that a new row is swept by being there. What a right allows is
tested with its family.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from running import ROOT_KEY, ROOT_SECRET, Server
from sharing import User, people

from gateway.ops.row import Auth, Row, Scope
from gateway.ops.table import TABLE

__all__ = ["people"]

ROWS = [row for row in TABLE if row.alias_of is None]
HERE, GONE, MOUNTED = "there/is-one", "there/is-not", "mount/is-one"
"""Keys of one length, so that bodies can be compared byte by byte: one that is there, one that is not, and one that
lies in a share of a third tenant."""
NO_ORDINAL, NO_TOKEN = "00060000000000ff", "A" * 44
BOUNDARY = "sweep"
VALUES = {"partNumber": "1", "id": "x", "annotationName": "x"}
FORM = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="key"\r\n\r\n{{key}}\r\n'
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n--{BOUNDARY}--\r\n'
)
DELETE = (
    "<Delete><Object><Key>{key}</Key></Object>"
    "<Object><Key>{key}</Key><VersionId>{version}</VersionId></Object></Delete>"
)
Request = tuple[str, str, bytes, dict[str, str]]
CONDITIONS = {"if-match": "*", "range": "bytes=0-0", "x-amz-object-attributes": "ETag", "x-amz-tagging": "a=b"}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True)
class Place:
    """What a request names: a bucket, a key in it, a version and an upload of the key."""

    bucket: str
    key: str
    version: str
    upload: str

    def forget(self, answer: Answer) -> tuple[int, list[tuple[str, str]], bytes]:
        """What an answer tells beside the names the request had and what differs from any request to the next."""
        headers = sorted(pair for pair in answer.headers if pair[0] not in ("date", "x-amz-request-id"))
        body = re.sub(rb"<RequestId>\w+</RequestId>", b"", answer.body)
        for name in (self.key, self.version, self.upload):
            body = body.replace(name.encode(), b"?" * len(name))
        return answer.status, headers, body


@dataclass(frozen=True)
class Stage:
    """A bucket that people of its own tenant and of another have no right to."""

    server: Server
    owner: User
    here: Place
    gone: Place
    mounted: Place
    strangers: dict[str, User | None]
    connection: http.client.HTTPConnection

    def send(self, who: User | None, request: Request) -> Answer:
        """Over a connection that stays: there are some ten thousand of them."""
        method, path, body, headers = request
        asked = AWSRequest(method, self.server.url + path, data=body, headers=headers)
        if who is not None:
            asked.headers["x-amz-content-sha256"] = hashlib.sha256(body).hexdigest()
            S3SigV4Auth(Credentials(who.key, who.secret), "s3", "us-east-1").add_auth(asked)
        self.connection.request(method, path, body, dict(asked.headers.items()))
        answer = self.connection.getresponse()
        told = [(name.lower(), value) for name, value in answer.getheaders()]
        return Answer(answer.status, told, answer.read())


def request_of(row: Row, place: Place, *, version: bool = False) -> Request:
    """A request that selects the row."""
    values = VALUES | {"uploadId": place.upload}
    query = [f"{word}={values[word]}" if word in values else word for word in row.selectors]
    query += [f"versionId={place.version}"] if version else []
    path = {
        Scope.SERVICE: "/",
        Scope.BUCKET: f"/{place.bucket}",
        Scope.OBJECT: f"/{place.bucket}/{place.key}",
        Scope.LINK: f"/-/{NO_TOKEN}/{place.key}",
        Scope.LINK_FOLDER: f"/-/{NO_TOKEN}/",
    }[row.scope]
    headers = {} if row.header is None else {row.header: f"{place.bucket}/{place.key}"}
    body = b""
    if row.auth is Auth.FORM:
        headers["content-type"] = f"multipart/form-data; boundary={BOUNDARY}"
        body = FORM.format(key=place.key).encode()
    if row.name == "DeleteObjects":
        body = DELETE.format(key=place.key, version=place.version).encode()
        headers["content-md5"] = md5(body)
    return row.method, path + ("?" + "&".join(query) if query else ""), body, headers


def md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def variants(row: Row, place: Place) -> Iterator[tuple[str, Request]]:
    """The row's request, and the same with what may be judged before the right is: versions, conditions, bad bodies."""
    method, path, body, headers = request_of(row, place)
    yield "plain", (method, path, body, headers)
    if "versionId" in row.params:
        yield "version", request_of(row, place, version=True)
    yield "conditions", (method, path, body, headers | CONDITIONS)
    yield "bad range", (method, path, body, headers | {"range": "bytes=9-1", "if-none-match": "*"})
    if row.auth is Auth.SIGNED and method in ("PUT", "POST"):
        yield "bad body", (method, path, b"<x", headers | {"content-md5": md5(b"<x")})
        yield "bad digest", (method, path, b"<x", headers | {"content-md5": md5(b"y")})
        yield "bad header", (method, path, body, headers | {"x-amz-acl": "bogus", "x-amz-storage-class": "bogus"})
    joint = "&" if "?" in path else "?"
    yield "two subresources", (method, f"{path}{joint}acl&tagging", body, headers)
    yield "bad version", (method, f"{path}{joint}versionId=bogus", body, headers)


@pytest.fixture(scope="module")
def stage(server: Server, make_client: Callable[..., Any]) -> Stage:
    user = people.__wrapped__(server, make_client)  # type: ignore[attr-defined]
    owner = user("home", "owner", admin=True)
    bucket = f"sweep-{uuid.uuid4().hex[:12]}"
    owner.s3.create_bucket(Bucket=bucket)
    owner.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = owner.s3.put_object(Bucket=bucket, Key=HERE, Body=b"secret", Tagging="a=b")["VersionId"]
    upload = owner.s3.create_multipart_upload(Bucket=bucket, Key=HERE)["UploadId"]
    removed = user("away", "removed")
    root = User(server, "default", "root", ROOT_KEY, ROOT_SECRET, None)
    root.admin("PATCH", f"/v1/keys/{removed.key}", {"disabled": True})
    strangers = {
        "an administrator of another tenant": user("away", "mallory", admin=True),
        "a user of another tenant": user("away", "clerk"),
        "a user of the tenant": user("home", "alice"),
        "a key that is disabled": removed,
        "nobody": None,
    }
    third = user("third", "sharer", admin=True)
    shared = f"third-{uuid.uuid4().hex[:12]}"
    third.s3.create_bucket(Bucket=shared)
    third.s3.put_object(Bucket=shared, Key=HERE, Body=b"secret")
    token = third.share(f"s3://{shared}/there/", can="edit")["token"]
    owner.admin("POST", "/v1/mounts", {"token": token, "at": f"s3://{bucket}/mount/"})
    here = Place(bucket, HERE, version, upload)
    gone, mounted = (Place(bucket, key, NO_ORDINAL, NO_ORDINAL) for key in (GONE, MOUNTED))
    at = urlsplit(server.url)
    return Stage(server, owner, here, gone, mounted, strangers, http.client.HTTPConnection(at.hostname or "", at.port))


def expected(row: Row, who: str) -> set[int]:
    """The statuses with which the plain request may end."""
    disabled = who == "a key that is disabled"
    if row.scope is Scope.SERVICE and row.handler is None and who.startswith("an admin"):
        return {501}  # it is nobody's: whoever administers its tenant may ask for what is not there
    if row.name == "ListBuckets" and who != "nobody" and not disabled:
        return {200}  # of what it may know; see below
    if row.name == "DeleteObjects" and not disabled:
        return {200}  # each key is refused in the document
    if row.name == "CreateBucket" and who == "an administrator of another tenant":
        return {409}  # names of buckets are one for all
    return {403}


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_who_has_no_right_is_refused_and_learns_nothing(row: Row, stage: Stage) -> None:
    for who, stranger in stage.strangers.items():
        places = (stage.here, stage.gone, stage.mounted)
        for (what, there), *others in zip(*(variants(row, place) for place in places), strict=True):
            about = f"{row.name}, {what}, by {who}"
            found = stage.send(stranger, there)
            for place, (_, other) in zip(places[1:], others, strict=True):
                assert stage.here.forget(found) == place.forget(stage.send(stranger, other)), (about, place.key)
            assert b"secret" not in found.body and b"<ETag>" not in found.body, about
            if what == "plain":
                assert found.status in expected(row, who), (about, found.body)
                if row.name == "ListBuckets":
                    assert stage.here.bucket.encode() not in found.body
                if row.name == "DeleteObjects" and found.status == 200:
                    assert found.body.count(b"<Code>AccessDenied</Code>") == 2 and b"<Deleted>" not in found.body
            else:
                assert found.status >= 400 or found.status in expected(row, who), (about, found.body)
    still = stage.owner.s3.get_object(Bucket=stage.here.bucket, Key=HERE)
    assert still["Body"].read() == b"secret" and still["VersionId"] == stage.here.version
    assert "Versions" in stage.owner.s3.list_object_versions(Bucket=stage.here.bucket, Prefix=HERE)
    assert "Versions" not in stage.owner.s3.list_object_versions(Bucket=stage.here.bucket, Prefix=GONE)


def test_the_sweep_can_tell_what_is_there_from_what_is_not(stage: Stage) -> None:
    told = set()
    for row in ROWS:
        if row.scope is Scope.OBJECT and row.method in ("GET", "HEAD"):
            there, missing = (stage.send(stage.owner, request_of(row, place)) for place in (stage.here, stage.gone))
            if stage.here.forget(there) != stage.gone.forget(missing):
                told.add(row.name)
    assert told >= {"GetObject", "HeadObject", "GetObjectTagging", "GetObjectAcl", "ListParts"}


def test_a_foreign_source_of_a_copy_is_refused_alike(stage: Stage) -> None:
    mallory = stage.strangers["an administrator of another tenant"]
    assert mallory is not None
    own = f"own-{uuid.uuid4().hex[:12]}"
    mallory.s3.create_bucket(Bucket=own)
    upload = mallory.s3.create_multipart_upload(Bucket=own, Key="k")["UploadId"]
    for path in (f"/{own}/k", f"/{own}/k?partNumber=1&uploadId={upload}"):
        for more in ({}, {"x-amz-copy-source-if-none-match": "*"}, {"x-amz-copy-source-range": "bytes=0-0"}):
            answers = []
            for place in (stage.here, stage.gone):
                for source in (f"{place.bucket}/{place.key}", f"{place.bucket}/{place.key}?versionId={place.version}"):
                    sent = ("PUT", path, b"", {"x-amz-copy-source": source} | more)
                    answers.append(place.forget(stage.send(mallory, sent)))
            assert answers.count(answers[0]) == 4 and answers[0][0] == 403, answers
