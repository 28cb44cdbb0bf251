"""What may not be read must not be found out by the way: by comparing it, copying from it, asking about it through a
share, or by a form that says one thing to who decides and another to who stores.

What belongs here: requests that are allowed something, and try to learn or do more. Who has no right at all is swept
(`test_sweep.py`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError
from raw import exchange, signed
from running import ROOT_KEY, ROOT_SECRET, Server
from sharing import User, ann, ask, basic, people

__all__ = ["ann", "people"]

SECRET = b"nobody should know this"
ETAG = f'"{hashlib.md5(SECRET).hexdigest()}"'
OTHER = f'"{hashlib.md5(b"").hexdigest()}"'


def code(call: Callable[..., Any], **arguments: Any) -> str:
    """The code of the error that a call ends with, or its status."""
    try:
        return str(call(**arguments)["ResponseMetadata"]["HTTPStatusCode"])
    except ClientError as error:
        return str(error.response["Error"]["Code"])


def grant(admin: User, subject: str, relations: tuple[str, ...], resource: str, op: str = "touch") -> None:
    changes = [{"op": op, "subject": subject, "relation": one, "resource": resource} for one in relations]
    admin.admin("POST", "/v1/relations", {"changes": changes})


def policy(admin: Any, *statements: dict[str, Any], bucket: str | None = None) -> None:
    """Gives the bucket a policy; `Resource` is what is in it."""
    name = bucket or admin.bucket
    whole = [{"Principal": "*", "Resource": f"arn:aws:s3:::{name}/*"} | one for one in statements]
    admin.s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": whole}))


@pytest.fixture
def bob(ann: Any, people: Callable[..., User]) -> Any:
    """Somebody who may write and delete in `drop/`, and read nothing."""
    user: Any = people("acme", "bob")
    ann.s3.put_object(Bucket=ann.bucket, Key="drop/secret", Body=SECRET)
    grant(ann, "user:bob", ("writer", "deleter"), f"s3://{ann.bucket}/drop/")
    return user


def test_who_may_only_write_does_not_learn_by_comparing(ann: Any, bob: Any) -> None:
    place = {"Bucket": ann.bucket, "Key": "drop/secret"}
    assert code(bob.s3.get_object, **place) == "AccessDenied"
    for etag in (ETAG, OTHER, f"*, {OTHER}"):
        assert code(bob.s3.put_object, **place, Body=b"", IfMatch=etag) == "AccessDenied"
        assert code(bob.s3.put_object, **place, Body=b"", IfNoneMatch=etag) == "AccessDenied"
        assert code(bob.s3.copy_object, **place, CopySource=f"{ann.bucket}/drop/mine", IfMatch=etag) == "AccessDenied"
        assert code(bob.s3.delete_object, **place, IfMatch=etag) == "AccessDenied"
    for size in (len(SECRET), 0):
        assert code(bob.s3.delete_object, **place, IfMatchSize=size) == "AccessDenied"
        entries = [{"Key": "drop/secret", "Size": size}, {"Key": "drop/secret", "ETag": ETAG}]
        done = bob.s3.delete_objects(Bucket=ann.bucket, Delete={"Objects": entries})
        assert [one["Code"] for one in done["Errors"]] == ["AccessDenied"] * 2
    upload = bob.s3.create_multipart_upload(**place)["UploadId"]
    part = bob.s3.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    whole = {"UploadId": upload, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part}]}}
    assert code(bob.s3.complete_multipart_upload, **place, **whole, IfMatch=ETAG) == "AccessDenied"
    assert ann.s3.get_object(**place)["Body"].read() == SECRET, "nothing was changed"


def test_whether_there_is_something_may_be_asked_by_who_writes(ann: Any, bob: Any) -> None:
    place = {"Bucket": ann.bucket, "Key": "drop/secret"}
    assert code(bob.s3.put_object, **place, Body=b"", IfNoneMatch="*") == "PreconditionFailed"
    assert code(bob.s3.put_object, Bucket=ann.bucket, Key="drop/new", Body=b"", IfNoneMatch="*") == "200"
    assert code(bob.s3.delete_object, Bucket=ann.bucket, Key="drop/new", IfMatch="*") == "204"
    grant(ann, "user:bob", ("reader",), f"s3://{ann.bucket}/drop/")
    assert code(bob.s3.put_object, **place, Body=b"", IfMatch=OTHER) == "PreconditionFailed"
    assert code(bob.s3.put_object, **place, Body=b"", IfMatch=ETAG) == "200"


def test_completing_again_tells_nothing_to_who_may_not_read(ann: Any, bob: Any) -> None:
    place = {"Bucket": ann.bucket, "Key": "drop/parts"}
    upload = ann.s3.create_multipart_upload(**place)["UploadId"]
    etag = ann.s3.upload_part(**place, UploadId=upload, PartNumber=1, Body=SECRET)["ETag"]
    whole = {"UploadId": upload, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": etag}]}}
    ann.s3.complete_multipart_upload(**place, **whole)
    assert code(ann.s3.complete_multipart_upload, **place, **whole) == "200", "a repeated request is answered again"
    assert code(bob.s3.complete_multipart_upload, **place, **whole) == "NoSuchUpload"


def test_attributes_need_the_right_to_read(ann: Any) -> None:
    place = {"Bucket": ann.bucket, "Key": "secret.txt", "ObjectAttributes": ["ETag", "ObjectSize"]}
    policy(ann, {"Effect": "Deny", "Action": "s3:GetObject"})
    assert code(ann.s3.get_object_attributes, **place) == "AccessDenied"
    policy(ann, {"Effect": "Deny", "Action": "s3:GetObjectVersion"})
    assert code(ann.s3.get_object_attributes, **place) == "200"
    assert code(ann.s3.get_object_attributes, **place, VersionId="null") == "AccessDenied"


def test_who_may_list_names_is_not_told_which_versions_there_are(ann: Any) -> None:
    """One that is there and one that is not read alike, and neither as if the key were missing."""
    policy(ann, {"Effect": "Deny", "Action": "s3:GetObjectVersion"})
    for version in ("null", "0123456789abcdef"):
        assert code(ann.s3.get_object, Bucket=ann.bucket, Key="secret.txt", VersionId=version) == "AccessDenied"
    assert code(ann.s3.get_object, Bucket=ann.bucket, Key="no-such-key") == "NoSuchKey"


def test_no_version_is_shown_by_what_was_decided_about_another(ann: Any) -> None:
    """An object changes between what is public and what is secret, under a policy that looks at its tags."""
    condition = {"StringEquals": {"s3:ExistingObjectTag/class": "public"}}
    policy(ann, {"Effect": "Allow", "Action": "s3:GetObject", "Condition": condition})
    place, done = {"Bucket": ann.bucket, "Key": "flipping"}, threading.Event()
    ann.s3.put_object(**place, Body=b"public", Tagging="class=public")
    told: set[tuple[int, bytes]] = set()

    def look() -> None:
        at = urlsplit(ann.server.url)
        connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=30)
        while not done.is_set():
            connection.request("GET", f"/{ann.bucket}/flipping")
            answer = connection.getresponse()
            body = answer.read()
            told.add((answer.status, body if answer.status == 200 else b""))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(150):  # without the check some 8 of 100 changes let a reader see the secret
        ann.s3.put_object(**place, Body=SECRET, Tagging="class=secret")
        ann.s3.put_object(**place, Body=b"public", Tagging="class=public")
    done.set()
    for thread in threads:
        thread.join()
    assert {(200, b"public"), (403, b"")} <= told <= {(200, b"public"), (403, b""), (503, b"")}


def test_a_copy_is_no_way_around_what_is_said_of_tags(ann: Any) -> None:
    source = {"CopySource": f"{ann.bucket}/tagged"}
    ann.s3.put_object(Bucket=ann.bucket, Key="tagged", Body=b"x", Tagging="class=public")
    denied = {"Null": {"s3:RequestObjectTag/class": "false"}}
    for statement in (
        {"Effect": "Deny", "Action": "s3:GetObjectTagging"},
        {"Effect": "Deny", "Action": "s3:PutObjectTagging"},
        {"Effect": "Deny", "Action": "s3:PutObjectTagging", "Condition": denied},
    ):
        policy(ann, statement)
        assert code(ann.s3.copy_object, Bucket=ann.bucket, Key="copy", **source) == "AccessDenied", statement
        assert code(ann.s3.copy_object, Bucket=ann.bucket, Key="bare", **source, TaggingDirective="REPLACE") == "200"
    ann.s3.delete_bucket_policy(Bucket=ann.bucket)
    assert code(ann.s3.copy_object, Bucket=ann.bucket, Key="copy", **source) == "200"
    assert ann.s3.get_object_tagging(Bucket=ann.bucket, Key="copy")["TagSet"] == [{"Key": "class", "Value": "public"}]


def test_the_owner_that_a_request_expects_is_compared(ann: Any) -> None:
    account = ann.s3.get_bucket_acl(Bucket=ann.bucket)["Owner"]["ID"]
    place = {"Bucket": ann.bucket, "Key": "copy", "CopySource": f"{ann.bucket}/secret.txt"}
    assert code(ann.s3.copy_object, **place, ExpectedSourceBucketOwner=account) == "200"
    assert code(ann.s3.copy_object, **place, ExpectedSourceBucketOwner="0" * 64) == "AccessDenied"
    url = ann.s3.generate_presigned_url("get_object", Params={"Bucket": ann.bucket, "Key": "secret.txt"})
    assert ask(url).status == 200
    # A header that a presigner moved into the query, unsigned here: who is nobody is refused for that alone.
    policy(ann, {"Effect": "Allow", "Action": "s3:GetObject"})
    bare = f"{ann.server.url}/{ann.bucket}/secret.txt"
    assert ask(bare).status == 200
    assert ask(bare + "?x-amz-expected-bucket-owner=999999999999").code == "AccessDenied"


def test_a_copy_whose_source_stands_in_the_url_is_a_copy(ann: Any, bob: Any) -> None:
    """Presigners move headers into the query: else it is stored as the empty body it comes with."""
    place = {"Bucket": ann.bucket, "Key": "drop/copy", "CopySource": f"{ann.bucket}/secret.txt"}
    for who, status in ((ann, 200), (bob, 403)):
        assert ask(who.s3.generate_presigned_url("copy_object", Params=place), "PUT").status == status
    assert ann.s3.get_object(Bucket=ann.bucket, Key="drop/copy")["Body"].read() == b"secret.txt"


def form(server: Server, bucket: str, fields: list[tuple[str, str]], **headers: str) -> int:
    """The status of an anonymous form."""
    part = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    file = '--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n--b--\r\n'
    body = "".join(part.format(*field) for field in fields) + file
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    at = urlsplit(server.url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=30)
    connection.request("POST", f"/{bucket}", body, {"content-type": "multipart/form-data; boundary=b"} | sent)
    return connection.getresponse().status


@pytest.mark.parametrize(
    ("condition", "refused", "taken", "headers"),
    [
        ({"StringEquals": {"s3:x-amz-acl": "public-read"}}, [("acl", "public-read"), ("x-amz-acl", "private")], [], {}),
        ({"Null": {"s3:if-none-match": "true"}}, [], None, {"if_none_match": "*"}),
        (
            {"StringNotEquals": {"s3:x-amz-storage-class": "STANDARD_IA"}},
            [],
            [("x-amz-storage-class", "STANDARD_IA")],
            {"x_amz_storage_class": "STANDARD_IA"},
        ),
        (
            {"StringNotEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}},
            [],
            [("acl", "bucket-owner-full-control")],
            {"x_amz_acl": "bucket-owner-full-control"},
        ),
    ],
    ids=["two fields of one meaning", "a condition", "a class", "a list"],
)
def test_a_form_is_judged_by_what_it_stores(
    ann: Any, condition: Any, refused: Any, taken: Any, headers: dict[str, str]
) -> None:
    bucket = f"f-{uuid.uuid4().hex[:12]}"
    ann.s3.create_bucket(Bucket=bucket, ObjectOwnership="ObjectWriter")
    writes = ["s3:PutObject", "s3:PutObjectAcl"]
    deny = {"Effect": "Deny", "Action": "s3:PutObject", "Condition": condition}
    policy(ann, {"Effect": "Allow", "Action": writes}, deny, bucket=bucket)
    assert form(ann.server, bucket, [("key", "k"), *refused], **headers) == 403
    if taken is not None:
        assert form(ann.server, bucket, [("key", "k"), *taken]) == 204


def test_a_forms_list_is_what_the_right_to_set_lists_is_asked_for(ann: Any, make_client: Callable[..., Any]) -> None:
    bucket = f"f-{uuid.uuid4().hex[:12]}"
    ann.s3.create_bucket(Bucket=bucket, ObjectOwnership="ObjectWriter")
    only = {"StringEquals": {"s3:x-amz-acl": "private"}}
    policy(
        ann,
        {"Effect": "Allow", "Action": "s3:PutObject"},
        {"Effect": "Allow", "Action": "s3:PutObjectAcl", "Condition": only},
        bucket=bucket,
    )
    assert form(ann.server, bucket, [("key", "k"), ("acl", "private")]) == 204
    assert form(ann.server, bucket, [("key", "k"), ("acl", "public-read")]) == 403
    assert form(ann.server, bucket, [("key", "k"), ("acl", "public-read")], x_amz_acl="private") == 403
    nobody = make_client(ann.server.url, signature_version=UNSIGNED)
    assert code(nobody.put_object, Bucket=bucket, Key="k", Body=b"", ACL="public-read") == "AccessDenied"


def test_a_share_tells_nothing_once_its_creator_may_not(ann: Any, people: Callable[..., User]) -> None:
    bob, eve = people("acme", "bob"), people("beta", "eve", admin=True)
    rights, place = ("reader", "lister", "sharer"), f"s3://{ann.bucket}/pub/"
    grant(ann, "user:bob", rights, place)
    made = bob.share(place)
    bucket = f"e-{uuid.uuid4().hex[:12]}"
    eve.s3.create_bucket(Bucket=bucket)
    eve.admin("POST", "/v1/mounts", {"token": made["token"], "at": f"s3://{bucket}/in/"})
    assert ask(made["url"] + "none").code == code(eve.s3.get_object, Bucket=bucket, Key="in/none") == "NoSuchKey"
    for lost in (("reader", "lister"), ("sharer",)):
        grant(ann, "user:bob", lost, place, op="delete")
        for key in ("a.txt", "none"):
            assert ask(made["url"] + key).code == "AccessDenied", (lost, key)
            assert code(eve.s3.get_object, Bucket=bucket, Key=f"in/{key}") == "AccessDenied", (lost, key)
        grant(ann, "user:bob", lost, place)
    assert ask(made["url"] + "a.txt").status == 200


def test_what_is_left_of_a_share_of_many_is_counted(ann: Any) -> None:
    url = ann.share(f"s3://{ann.bucket}/pub/", downloads=2)["url"]
    assert ask(url + "a.txt").status == 200
    assert ask(url + "sub/b.txt", range="bytes=1-").status == 206, "of another object: counted, too"
    for key in ("a.txt", "sub/b.txt"):
        assert ask(url + key, range="bytes=1-").code == "AccessDenied"


def watched(user: User, began: threading.Event) -> Iterator[bytes]:
    """What the stream of changes says, line by line, until it ends; `began` is set when the server has answered."""
    at = urlsplit(user.server.admin)
    connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=30)
    connection.request("GET", "/v1/relations/watch", headers={"authorization": basic(user.key, user.secret)})
    answer = connection.getresponse()
    began.set()
    while line := answer.readline():
        yield line


def test_who_is_removed_watches_no_longer(ann: Any, people: Callable[..., User]) -> None:
    carl = people("acme", "carl", admin=True)
    lines: list[bytes] = []
    began = threading.Event()
    thread = threading.Thread(target=lambda: lines.extend(watched(carl, began)))
    thread.start()
    assert began.wait(timeout=30)
    grant(ann, "user:carl", ("reader",), f"s3://{ann.bucket}/before/")
    deadline = time.monotonic() + 30
    while not any(b"/before/" in line for line in lines) and time.monotonic() < deadline:
        time.sleep(0.05)
    root = User(ann.server, "default", "root", ROOT_KEY, ROOT_SECRET, None)
    root.admin("DELETE", f"/v1/keys/{carl.key}")
    grant(ann, "user:carl", ("reader",), f"s3://{ann.bucket}/after/")
    thread.join(timeout=30)
    assert not thread.is_alive(), "the stream ends"
    assert any(b"/before/" in line for line in lines) and not any(b"/after/" in line for line in lines)


def presigned_v2(user: User, path: str) -> str:
    """A URL for GET as SigV2 has it: no parameter but those of its list is signed."""
    expires = int(time.time()) + 60
    mac = hmac.new(user.secret.encode(), f"GET\n\n\n{expires}\n{path}".encode(), "sha1").digest()
    query = {"AWSAccessKeyId": user.key, "Expires": expires, "Signature": base64.b64encode(mac).decode()}
    return f"{user.server.url}{path}?{urlencode(query)}"


def test_a_presigned_url_of_the_old_kind_signs_what_it_asks_for(ann: Any) -> None:
    url = presigned_v2(ann, f"/{ann.bucket}")
    assert ask(url).status == 200, "a listing"
    assert ask(url + "&list-type=2").status == 200, "its other form, which old signers do not sign"
    for word in ("publicAccessBlock", "ownershipControls", "policyStatus", "encryption", "acl"):
        assert ask(f"{url}&{word}").status == 403, word
    url = presigned_v2(ann, f"/{ann.bucket}/secret.txt")
    assert ask(url).status == 200
    for word in ("retention", "legal-hold", "attributes", "tagging"):
        assert ask(f"{url}&{word}").status == 403, word


def test_a_header_that_is_not_signed_is_no_part_of_the_request(ann: Any) -> None:
    data = signed(ann.server.url, "PUT", f"/{ann.bucket}/k", b"x", key=ann.key, secret=ann.secret)
    for header in (b"x-amz-acl: public-read", b"x-amz-copy-source: b/k", b"x-amz-tagging: a=b"):
        answer = exchange(ann.server.url, data.replace(b"\r\n", b"\r\n" + header + b"\r\n", 1))
        assert answer is not None and answer.code == "AccessDenied", header
