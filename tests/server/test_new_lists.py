"""Who may write but not share says no access control list of what it writes, whatever way it is said: headers, what a
presigner moved into the query, fields of a form, copies, uploads in parts. One decision covers them all.
"""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError
from sharing import User, people

__all__ = ["people"]

LIST = {"ACL": "public-read"}
GRANT = {"GrantRead": "uri=http://acs.amazonaws.com/groups/global/AllUsers"}
TAGS = "<Tagging>\n<TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>"


class Pair:
    """ann's bucket, where lists count, and bob who may write there."""

    def __init__(self, people: Callable[..., User], make_client: Callable[..., Any]) -> None:
        self.ann, self.bob = people("acme", "ann", admin=True), people("acme", "bob")
        bob = self.bob
        self.signer = make_client(bob.server.url, key=bob.key, secret=bob.secret, signature_version="s3v4")
        self.bucket = f"l-{uuid.uuid4().hex[:12]}"
        self.ann.s3.create_bucket(Bucket=self.bucket, ObjectOwnership="ObjectWriter")
        self.ann.s3.put_object(Bucket=self.bucket, Key="source", Body=b"x")
        self.relate("touch", "writer")
        self.relate("touch", "reader")

    def relate(self, op: str, relation: str, key: str = "") -> None:
        change = {"op": op, "subject": "user:bob", "relation": relation, "resource": f"s3://{self.bucket}/{key}"}
        self.ann.admin("POST", "/v1/relations", {"changes": [change]})

    def ways(self, key: str, said: dict[str, str]) -> dict[str, str]:
        """The outcome of every way to write a key with a list: the error's code, or nothing."""
        place = {"Bucket": self.bucket, "Key": key}
        copy = {"CopySource": f"{self.bucket}/source"}
        return {
            "put": self.code(self.bob.s3.put_object, **place, **said, Body=b"x"),
            "copy": self.code(self.bob.s3.copy_object, **place, **said, **copy),
            "parts": self.code(self.bob.s3.create_multipart_upload, **place, **said),
            "hoisted": self.hoisted(place, said),
        }

    def code(self, call: Callable[..., Any], **arguments: Any) -> str:
        try:
            call(**arguments)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return ""

    def hoisted(self, place: dict[str, str], said: dict[str, str]) -> str:
        """A presigned PUT whose list is in its query."""
        query = {"ACL": "x-amz-acl", "GrantRead": "x-amz-grant-read"}
        events = self.signer.meta.events

        def hoist(request: Any, **_: Any) -> None:
            request.url += "".join(f"?{query[name]}={quote(value, safe='')}" for name, value in said.items())

        events.register("before-sign.s3.PutObject", hoist, unique_id="hoist")
        url = self.signer.generate_presigned_url("put_object", Params=place)
        events.unregister("before-sign.s3.PutObject", unique_id="hoist")
        return curl("-X", "PUT", "-d", "x", url)

    def form(self, key: str, *fields: tuple[str, str], headers: tuple[str, ...] = ()) -> str:
        """A form with these fields; empty when it was taken."""
        conditions: list[Any] = [["starts-with", f"${name}", ""] for name, _ in fields]
        form = self.bob.s3.generate_presigned_post(self.bucket, key, Conditions=conditions)
        sent = [*form["fields"].items(), *fields]
        words = [word for name, value in sent for word in ("--form-string", f"{name}={value}")]
        flags = [word for header in headers for word in ("-H", header)]
        return curl(*flags, *words, "-F", "file=x", form["url"])


def curl(*words: str) -> str:
    """The code of the error document that comes back."""
    told = subprocess.run(["curl", "-sS", *words], capture_output=True, check=True, text=True).stdout
    return told.partition("<Code>")[2].partition("</Code>")[0]


@pytest.fixture
def pair(people: Callable[..., User], make_client: Callable[..., Any]) -> Pair:
    return Pair(people, make_client)


def test_who_may_not_share_says_no_list_in_any_way(pair: Pair) -> None:
    for said in (LIST, GRANT):
        assert pair.ways("new", said) == dict.fromkeys(("put", "copy", "parts", "hoisted"), "AccessDenied"), said
    for field in (("acl", LIST["ACL"]), ("x-amz-acl", LIST["ACL"]), ("x-amz-grant-read", GRANT["GrantRead"])):
        assert pair.form("new", field) == "AccessDenied", field
    assert pair.form("new", ("acl", "private"), ("x-amz-acl", "public-read")) == "AccessDenied"
    assert pair.code(pair.ann.s3.head_object, Bucket=pair.bucket, Key="new") == "404"
    assert pair.form("new") == "" and pair.code(pair.bob.s3.put_object, Bucket=pair.bucket, Key="new", Body=b"") == ""


def test_who_may_share_says_it_in_every_way(pair: Pair) -> None:
    pair.relate("touch", "sharer", "mine/")
    assert pair.ways("mine/new", LIST) == dict.fromkeys(("put", "copy", "parts", "hoisted"), "")
    assert pair.form("mine/new", ("acl", "public-read")) == ""
    assert pair.ways("new", LIST)["put"] == "AccessDenied", "there and nowhere else"
    assert pair.form("new", ("acl", "public-read")) == "AccessDenied"


def test_what_a_form_means_is_in_its_fields(pair: Pair) -> None:
    assert pair.form("new", headers=("x-amz-acl: public-read",)) == "", "a header of a form's request means nothing"
    pair.ann.s3.put_bucket_policy(Bucket=pair.bucket, Policy=deny_tagging(pair.bucket))
    assert pair.form("new", ("tagging", TAGS)) == "AccessDenied", "a document of several lines is one all the same"
    assert pair.form("new") == ""


def deny_tagging(bucket: str) -> str:
    return (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:PutObjectTagging",'
        f' "Resource": "arn:aws:s3:::{bucket}/*"}}]}}'
    )
