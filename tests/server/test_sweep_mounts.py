"""Every row of the table of operations, asked through mounts of each cap: what the share offers works, everything else
is refused, nothing lands in the importer's own rows and nothing of the owner's names comes back.

What belongs here: requests that come out of the rows, so that a new row is swept by being there. What an operation does
through a mount in detail is tested in `test_mount*.py`.
"""

from __future__ import annotations

import http.client
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from running import Server
from sharing import people
from test_sweep import DELETE, NO_ORDINAL, NO_TOKEN, ROWS, Answer, Place, Request, Stage, md5, request_of

from gateway.ops.row import Row, Scope

__all__ = ["people"]

CAPS = ("view", "contribute", "edit")
KEY, BELOW = "kept-by-the-owner/is-one", "is-one"
TAGGING = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"

VIEW, CONTRIBUTE, EDIT = 0, 1, 2
"""The least cap with which a row is answered; 501 where an operation is nowhere implemented."""
ALLOWED = {
    "GetObject": (VIEW, 200),
    "HeadObject": (VIEW, 200),
    "GetObjectAttributes": (VIEW, 200),
    "GetObjectTagging": (VIEW, 200),
    "GetObjectTorrent": (VIEW, 501),
    "SelectObjectContent": (VIEW, 501),
    "PutObject": (CONTRIBUTE, 200),
    "CopyObject": (CONTRIBUTE, 400),  # onto itself
    "PutObjectTagging": (CONTRIBUTE, 200),
    "DeleteObjectTagging": (CONTRIBUTE, 204),
    "RenameObject": (CONTRIBUTE, 501),
    "RestoreObject": (CONTRIBUTE, 501),
    "CreateMultipartUpload": (CONTRIBUTE, 200),
    "UploadPart": (CONTRIBUTE, 200),
    "UploadPartCopy": (CONTRIBUTE, 200),
    "CompleteMultipartUpload": (CONTRIBUTE, 400),  # without a document
    "AbortMultipartUpload": (CONTRIBUTE, 204),
    "ListParts": (CONTRIBUTE, 200),
    "DeleteObject": (EDIT, 204),
    "OptionsObject": (VIEW, 403),  # no CORS here
}
"""Of an object below a mount. What is not named is refused whatever the cap."""
OF_A_VERSION = {"GetObject", "HeadObject", "GetObjectAttributes", "GetObjectTagging", "PutObjectTagging",
                "DeleteObjectTagging", "GetObjectTorrent", "RestoreObject"}  # fmt: skip
"""Which of them may name one."""
GETS = ("acl", "cors", "encryption", "lifecycle", "logging", "ownership_controls", "policy", "replication", "tagging",
        "versioning", "website")  # fmt: skip


@dataclass(frozen=True)
class Partners:
    """eve has mounted what ann keeps, once for each cap; and has a bucket that looks the same and is all her own."""

    stage: Stage
    ann: Any
    eve: Any
    theirs: str
    own: str
    """ann's bucket, and eve's with the mounts."""
    version: str
    secrets: tuple[str, ...]

    def place(self, cap: str, upload: str) -> Place:
        return Place(self.own, f"{cap}/{BELOW}", self.version, upload)

    def send(self, request: Request) -> Answer:
        return self.stage.send(self.eve, request)

    def told(self, answer: Answer) -> list[str]:
        """What an answer has of ann's. A version's id is how a version is named."""
        whole = repr(answer.headers) + answer.body.decode("utf-8", "replace")
        return [secret for secret in self.secrets if secret in whole]

    def kept(self) -> dict[str, Any]:
        """Everything ann has: objects with their tags and lists, uploads, the bucket's configuration."""
        s3, bucket = self.ann.s3, self.theirs
        versions = s3.list_object_versions(Bucket=bucket)
        found: dict[str, Any] = {"versions": versions.get("Versions"), "markers": versions.get("DeleteMarkers")}
        for one in versions.get("Versions", []):
            named = {"Bucket": bucket, "Key": one["Key"], "VersionId": one["VersionId"]}
            found[f"tags of {one['Key']} {one['VersionId']}"] = s3.get_object_tagging(**named)["TagSet"]
            found[f"list of {one['Key']} {one['VersionId']}"] = s3.get_object_acl(**named)["Grants"]
        found["uploads"] = s3.list_multipart_uploads(Bucket=bucket).get("Uploads")
        return found | configuration(s3, bucket)


def configuration(s3: Any, bucket: str) -> dict[str, Any]:
    """What is configured of a bucket; the code where nothing is."""
    found: dict[str, Any] = {}
    for name in GETS:
        try:
            answer = getattr(s3, f"get_bucket_{name}" + ("_configuration" if name == "lifecycle" else ""))(
                Bucket=bucket
            )
            found[name] = {key: value for key, value in answer.items() if key != "ResponseMetadata"}
        except s3.exceptions.ClientError as error:
            found[name] = error.response["Error"]["Code"]
    return found


@pytest.fixture(scope="module")
def partners(server: Server, make_client: Callable[..., Any]) -> Partners:
    make = people.__wrapped__(server, make_client)  # type: ignore[attr-defined]
    ann, eve = make("acme", "ann", admin=True), make("beta", "eve", admin=True)
    theirs, own = (f"{who}-{uuid.uuid4().hex[:12]}" for who in ("theirs", "own"))
    ann.s3.create_bucket(Bucket=theirs)
    ann.s3.put_bucket_versioning(Bucket=theirs, VersioningConfiguration={"Status": "Enabled"})
    version = ann.s3.put_object(Bucket=theirs, Key=KEY, Body=b"first")["VersionId"]
    ann.s3.put_object(Bucket=theirs, Key=KEY, Body=b"content", Tagging="a=b")
    ann.s3.create_multipart_upload(Bucket=theirs, Key="kept-by-the-owner/hidden-upload")
    eve.s3.create_bucket(Bucket=own)
    eve.s3.put_object(Bucket=own, Key="a", Body=b"own")
    for cap in CAPS:
        token = ann.share(f"s3://{theirs}/kept-by-the-owner/", can=cap)["token"]
        eve.admin("POST", "/v1/mounts", {"token": token, "at": f"s3://{own}/{cap}/"})
    at = urlsplit(server.url)
    none = Place("", "", NO_ORDINAL, NO_ORDINAL)
    connection = http.client.HTTPConnection(at.hostname or "", at.port)
    stage = Stage(server, eve, none, none, none, {}, connection)
    owner = ann.s3.list_buckets()["Owner"]["ID"]
    secrets = (theirs, "kept-by-the-owner", ann.tenant, owner, ">ann<", "hidden-upload")
    return Partners(stage, ann, eve, theirs, own, version, secrets)


@pytest.fixture
def upload(partners: Partners) -> Iterator[Callable[[str], str]]:
    """Begins an upload of eve's through the mount of a cap, where she may. What was done is undone afterwards."""

    def begin(cap: str) -> str:
        if cap == "view":
            return NO_ORDINAL
        made = partners.eve.s3.create_multipart_upload(Bucket=partners.own, Key=f"{cap}/{BELOW}")
        return str(made["UploadId"])

    yield begin
    partners.ann.s3.put_object(Bucket=partners.theirs, Key=KEY, Body=b"content", Tagging="a=b")
    uploads = partners.ann.s3.list_multipart_uploads(Bucket=partners.theirs)["Uploads"]
    for one in uploads:
        if one["Key"] == KEY:
            partners.ann.s3.abort_multipart_upload(Bucket=partners.theirs, Key=KEY, UploadId=one["UploadId"])


def filled(row: Row, request: Request) -> Request:
    """The request with what the row needs to be answered."""
    method, path, body, headers = request
    headers = headers | {"x-amz-object-attributes": "ETag"}
    if row.name == "PutObjectTagging":
        body, headers = TAGGING, headers | {"content-md5": md5(TAGGING)}
    return method, path, body, headers


def expected(row: Row, cap: str, *, version: bool) -> int:
    """The status of a row's request for an object below a mount."""
    if row.name == "ListParts" and cap == "view":
        return 404  # there is no upload, and who may list is told
    least, status = ALLOWED.get(row.name, (len(CAPS), 0))
    if CAPS.index(cap) < least or (version and row.name not in OF_A_VERSION):
        return 403
    return status


OBJECT_ROWS = [row for row in ROWS if row.scope is Scope.OBJECT]
BUCKET_ROWS = [row for row in ROWS if row.scope is Scope.BUCKET and row.name != "DeleteObjects"]


@pytest.mark.parametrize("row", OBJECT_ROWS, ids=[row.name for row in OBJECT_ROWS])
def test_an_object_below_a_mount_is_what_the_share_offers(
    row: Row, partners: Partners, upload: Callable[[str], str]
) -> None:
    versions = (False, True) if "versionId" in row.params else (False,)
    asked = [(cap, version, partners.place(cap, upload(cap))) for cap in CAPS for version in versions]
    before = partners.kept()
    # Those that must change nothing come first.
    for cap, version, place in sorted(asked, key=lambda one: expected(row, one[0], version=one[1]) < 400):
        wanted = expected(row, cap, version=version)
        if wanted < 400 and before:
            assert partners.kept() == before
            before = {}
        answer = partners.send(filled(row, request_of(row, place, version=version)))
        about = f"{row.name} with {cap}, version: {version}"
        assert answer.status == wanted, (about, answer.body)
        assert not partners.told(answer), (about, answer)
    assert not before or partners.kept() == before


@pytest.mark.parametrize("row", OBJECT_ROWS, ids=[row.name for row in OBJECT_ROWS])
def test_what_is_missing_below_a_mount_is_said_in_the_importers_names(row: Row, partners: Partners) -> None:
    for cap in CAPS:
        place = replace(partners.place(cap, NO_ORDINAL), key=f"{cap}/is-not", version=NO_ORDINAL)
        for version in (False, True) if "versionId" in row.params else (False,):
            method, path, body, headers = filled(row, request_of(row, place, version=version))
            if row.name in ("PutObject", "CreateMultipartUpload"):
                headers |= {"content-md5": md5(b"something else"), "x-amz-checksum-algorithm": "bogus"}
            answer = partners.send((method, path, body, headers))
            assert answer.status >= 400 or row.name == "DeleteObject", (row.name, answer)
            assert not partners.told(answer), (row.name, cap, version, answer)


def test_the_bucket_that_has_mounts_is_the_importers(partners: Partners) -> None:
    before = partners.kept()
    for row, cap in ((row, cap) for row in BUCKET_ROWS for cap in CAPS):
        answer = partners.send(request_of(row, partners.place(cap, NO_ORDINAL)))
        assert not partners.told(answer), (row.name, answer)
        assert answer.status != 500, (row.name, answer)
        if row.name in ("ListObjects", "ListObjectsV2"):
            assert answer.status == 200 and answer.body.count(b"<Key>") == 1 + len(CAPS)
        if row.name == "DeleteBucket":
            assert (answer.status, b"BucketNotEmpty" in answer.body) == (409, True)
    assert partners.kept() == before


def test_a_batch_is_each_of_its_keys(partners: Partners) -> None:
    row = next(row for row in ROWS if row.name == "DeleteObjects")
    kept = partners.kept()
    for cap in CAPS:
        answer = partners.send(request_of(row, partners.place(cap, NO_ORDINAL)))
        assert answer.status == 200 and not partners.told(answer)
        refused = answer.body.count(b"<Code>AccessDenied</Code>")
        assert refused == (1 if cap == "edit" else 2), answer.body
        assert (partners.kept() == kept) == (cap != "edit")
    assert DELETE.count("<Object>") == 2, "a version for good is no share's to delete"


def test_nothing_lies_in_the_importers_rows(partners: Partners) -> None:
    """After all the others: what was written through mounts is behind them."""
    for cap in CAPS:
        partners.eve.admin("DELETE", f"/v1/mounts?at=s3://{partners.own}/{cap}/")
    s3, own = partners.eve.s3, partners.own
    versions = s3.list_object_versions(Bucket=own)
    assert [one["Key"] for one in versions["Versions"]] == ["a"]
    assert "DeleteMarkers" not in versions
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=own)


def test_the_table_of_what_is_allowed_names_rows_that_are_there() -> None:
    assert set(ALLOWED) <= {row.name for row in OBJECT_ROWS} and ALLOWED.keys() >= OF_A_VERSION
    assert NO_TOKEN  # links are swept with the shares they are of
