"""Uploads in parts and from forms through a mount: they lie in the owner's bucket, with the share's rights at every
call, and nothing of the owner's names comes back.
"""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sharing import User, ann, code, people

__all__ = ["ann", "people"]

_PART = 5 << 20
"""The least that AWS takes for a part that is not the last."""


class Partners:
    """eve has mounted ann's `pub/` as `partner/`."""

    def __init__(self, ann: Any, people: Callable[..., User]) -> None:
        self.ann, self.people = ann, people
        self.eve: Any = people("beta", "eve", admin=True)
        self.bucket = f"e-{uuid.uuid4().hex[:12]}"
        self.eve.s3.create_bucket(Bucket=self.bucket)
        self.eve.s3.put_object(Bucket=self.bucket, Key="mine.bin", Body=bytes(_PART))
        self.share: dict[str, Any] = {}

    def mount(self, can: str, user: Any = None, at: str = "") -> None:
        self.share = self.ann.share(f"s3://{self.ann.bucket}/pub/", can=can)
        place = at or f"s3://{self.bucket}/partner/"
        (user or self.eve).admin("POST", "/v1/mounts", {"token": self.share["token"], "at": place})

    def begin(self, key: str = "partner/big.bin") -> dict[str, str]:
        """A new upload of eve's with one part."""
        made = self.eve.s3.create_multipart_upload(Bucket=self.bucket, Key=key)
        assert (made["Bucket"], made["Key"]) == (self.bucket, key)
        place = {"Bucket": self.bucket, "Key": key, "UploadId": made["UploadId"]}
        self.eve.s3.upload_part(**place, PartNumber=1, Body=b"a" * _PART)
        return place

    def reveals(self, answer: Any) -> bool:
        """Whether an answer has anything of ann's."""
        told = str(answer)
        secrets = (self.ann.bucket, self.ann.tenant, "pub/", self.ann.s3.list_buckets()["Owner"]["ID"], "'ann'")
        return any(secret in told for secret in secrets)


@pytest.fixture
def partners(ann: Any, people: Callable[..., User]) -> Partners:
    return Partners(ann, people)


def complete(client: Any, place: dict[str, str]) -> Any:
    parts = client.list_parts(**place)["Parts"]
    listed = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]
    return client.complete_multipart_upload(**place, MultipartUpload={"Parts": listed})


def test_a_whole_upload_goes_to_the_owners_bucket_under_the_importers_names(partners: Partners) -> None:
    partners.mount("edit")
    eve, ann, place = partners.eve, partners.ann, partners.begin()
    copied = eve.s3.upload_part_copy(**place, PartNumber=2, CopySource=f"{partners.bucket}/mine.bin")
    eve.s3.upload_part_copy(**place, PartNumber=3, CopySource=f"{partners.bucket}/partner/a.txt")
    parts = eve.s3.list_parts(**place)
    me = eve.s3.list_buckets()["Owner"]["ID"]
    assert (parts["Bucket"], parts["Key"]) == (partners.bucket, "partner/big.bin")
    assert (parts["Initiator"]["ID"], parts["Owner"]["ID"]) == (me, me)
    listed = eve.s3.list_multipart_uploads(Bucket=partners.bucket)
    assert [(one["Key"], one["UploadId"]) for one in listed["Uploads"]] == [(place["Key"], place["UploadId"])]
    assert (listed["Uploads"][0]["Initiator"]["ID"], listed["Uploads"][0]["Owner"]["ID"]) == (me, me)
    theirs = ann.s3.list_multipart_uploads(Bucket=ann.bucket)["Uploads"]
    assert [(one["Key"], one["Initiator"]["DisplayName"]) for one in theirs] == [("pub/big.bin", "ann")]
    done = complete(eve.s3, place)
    assert (done["Bucket"], done["Key"]) == (partners.bucket, "partner/big.bin")
    assert done["Location"].endswith(f"/{partners.bucket}/partner/big.bin")
    assert not any(partners.reveals(answer) for answer in (copied, parts, listed, done))
    whole = b"a" * _PART + bytes(_PART) + b"pub/a.txt"
    assert ann.s3.get_object(Bucket=ann.bucket, Key="pub/big.bin")["Body"].read() == whole
    assert eve.s3.get_object(Bucket=partners.bucket, Key="partner/big.bin")["Body"].read() == whole
    assert code(complete, eve.s3, place) == "NoSuchUpload"


def test_stock_transfers_of_large_files_work(partners: Partners, tmp_path: Path) -> None:
    partners.mount("contribute")
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(os.urandom(16 << 20))
    partners.eve.s3.upload_file(str(source), partners.bucket, "partner/file.bin")
    head = partners.ann.s3.head_object(Bucket=partners.ann.bucket, Key="pub/file.bin", PartNumber=1)
    assert head["PartsCount"] == 2
    partners.eve.s3.download_file(partners.bucket, "partner/file.bin", str(back))
    assert back.read_bytes() == source.read_bytes()


def test_errors_have_the_importers_names(partners: Partners) -> None:
    partners.mount("edit")
    place = partners.begin()
    for call, more in (
        (partners.eve.s3.complete_multipart_upload, {"MultipartUpload": {"Parts": [{"PartNumber": 9, "ETag": "x"}]}}),
        (partners.eve.s3.complete_multipart_upload, {"IfMatch": "x", "MultipartUpload": {
            "Parts": [{"PartNumber": 1, "ETag": partners.eve.s3.list_parts(**place)["Parts"][0]["ETag"]}]}}),
        (partners.eve.s3.upload_part_copy, {"PartNumber": 2, "CopySource": f"{partners.bucket}/partner/none"}),
        (partners.eve.s3.list_parts, {"UploadId": "none"}),
    ):  # fmt: skip
        with pytest.raises(ClientError) as error:
            call(**{**place, **more})
        assert not partners.reveals(error.value.response["Error"]), error.value.response


def test_a_revoke_between_two_parts_ends_it(partners: Partners) -> None:
    partners.mount("edit")
    place = partners.begin()
    partners.ann.admin("DELETE", f"/v1/shares/{partners.share['share']}")
    s3 = partners.eve.s3
    assert code(s3.upload_part, **place, PartNumber=2, Body=b"x") == "AccessDenied"
    assert code(s3.list_parts, **place) == "AccessDenied"
    assert code(s3.abort_multipart_upload, **place) == "AccessDenied"
    listed = {"Parts": [{"PartNumber": 1, "ETag": "x"}]}
    assert code(s3.complete_multipart_upload, **place, MultipartUpload=listed) == "AccessDenied"
    assert code(s3.create_multipart_upload, Bucket=place["Bucket"], Key=place["Key"]) == "AccessDenied"
    assert s3.list_multipart_uploads(Bucket=partners.bucket).get("Uploads", []) == []
    theirs = partners.ann.s3.list_multipart_uploads(Bucket=partners.ann.bucket)["Uploads"]
    assert [one["Key"] for one in theirs] == ["pub/big.bin"], "the owner sees what is left and may end it"
    partners.ann.s3.abort_multipart_upload(Bucket=partners.ann.bucket, Key="pub/big.bin", UploadId=place["UploadId"])


def test_a_share_to_read_takes_no_upload_and_no_form(partners: Partners) -> None:
    partners.mount("view")
    place = {"Bucket": partners.bucket, "Key": "partner/big.bin"}
    assert code(partners.eve.s3.create_multipart_upload, **place) == "AccessDenied"
    form = partners.eve.s3.generate_presigned_post(partners.bucket, "partner/f.txt")
    fields = [word for name, value in form["fields"].items() for word in ("-F", f"{name}={value}")]
    words = ["curl", "-sS", *fields, "-F", "file=hello;filename=f.txt", form["url"]]
    told = subprocess.run(words, capture_output=True, check=True, text=True).stdout
    assert "<Code>AccessDenied</Code>" in told and not partners.reveals(told)
    assert "pub/f.txt" not in str(partners.ann.s3.list_objects_v2(Bucket=partners.ann.bucket))


def test_what_others_upload_is_not_there(partners: Partners) -> None:
    partners.mount("edit")
    ann, eve = partners.ann, partners.eve
    upload = ann.s3.create_multipart_upload(Bucket=ann.bucket, Key="pub/own.bin")["UploadId"]
    foreign = {"Bucket": partners.bucket, "Key": "partner/own.bin", "UploadId": upload}
    assert eve.s3.list_multipart_uploads(Bucket=partners.bucket).get("Uploads", []) == []
    assert code(eve.s3.list_parts, **foreign) == "NoSuchUpload"
    assert code(eve.s3.upload_part, **foreign, PartNumber=1, Body=b"x") == "NoSuchUpload"
    assert code(eve.s3.abort_multipart_upload, **foreign) == "NoSuchUpload"
    place = partners.begin()
    fay: Any = partners.people("gamma", "fay", admin=True)
    fay.s3.create_bucket(Bucket=f"{partners.bucket}-f")
    fay.admin("POST", "/v1/mounts", {"token": partners.share["token"], "at": f"s3://{partners.bucket}-f/in/"})
    assert fay.s3.list_multipart_uploads(Bucket=f"{partners.bucket}-f").get("Uploads", []) == []
    other = {"Bucket": f"{partners.bucket}-f", "Key": "in/big.bin", "UploadId": place["UploadId"]}
    assert code(fay.s3.list_parts, **other) == "NoSuchUpload"
    assert code(fay.s3.abort_multipart_upload, **other) == "NoSuchUpload"
    assert (
        code(fay.s3.abort_multipart_upload, **{**other, "Bucket": ann.bucket, "Key": "pub/big.bin"}) == "AccessDenied"
    )
    assert len(eve.s3.list_parts(**place)["Parts"]) == 1


def test_who_may_only_write_ends_what_it_initiated(partners: Partners) -> None:
    partners.mount("contribute")
    place = partners.begin()
    assert code(partners.eve.s3.delete_object, Bucket=partners.bucket, Key="partner/a.txt") == "AccessDenied"
    bob: Any = partners.people("beta", "bob")
    about = {"subject": "user:bob", "relation": "writer", "resource": f"s3://{partners.bucket}/partner/"}
    partners.eve.admin("POST", "/v1/relations", {"changes": [{"op": "touch", **about}]})
    assert code(bob.s3.abort_multipart_upload, **place) == "AccessDenied", "another user of the importer's"
    own = bob.s3.create_multipart_upload(Bucket=partners.bucket, Key="partner/bobs")["UploadId"]
    bobs = {"Bucket": partners.bucket, "Key": "partner/bobs", "UploadId": own}
    assert bob.s3.list_parts(**bobs)["Initiator"]["DisplayName"] == "bob"
    bob.s3.abort_multipart_upload(**bobs)
    partners.eve.s3.abort_multipart_upload(**place)
    assert partners.ann.s3.list_multipart_uploads(Bucket=partners.ann.bucket).get("Uploads", []) == []


def test_listed_uploads_stand_in_order_on_pages_of_any_size(partners: Partners) -> None:
    partners.mount("edit")
    s3 = partners.eve.s3
    keys = ["a", "partner/1", "partner/1", "partner/sub/2", "z"]
    for key in keys:
        s3.create_multipart_upload(Bucket=partners.bucket, Key=key)
    pages = s3.get_paginator("list_multipart_uploads")
    for size in (1, 2, 3, 1000):
        found = pages.paginate(Bucket=partners.bucket, PaginationConfig={"PageSize": size})
        uploads = [(one["Key"], one["UploadId"]) for page in found for one in page.get("Uploads", [])]
        assert [key for key, _ in uploads] == keys and len(set(uploads)) == len(keys), size
    rolled = s3.list_multipart_uploads(Bucket=partners.bucket, Delimiter="/")
    assert [one["Prefix"] for one in rolled["CommonPrefixes"]] == ["partner/"]
    assert [one["Key"] for one in rolled["Uploads"]] == ["a", "z"]
    below = s3.list_multipart_uploads(Bucket=partners.bucket, Prefix="partner/", Delimiter="/")
    assert [one["Prefix"] for one in below["CommonPrefixes"]] == ["partner/sub/"]


def test_a_form_stores_through_a_mount(partners: Partners) -> None:
    partners.mount("edit")
    conditions = [["starts-with", "$key", "partner/"], {"success_action_status": "201"}]
    form = partners.eve.s3.generate_presigned_post(partners.bucket, "partner/${filename}", Conditions=conditions)
    fields = [word for name, value in form["fields"].items() for word in ("-F", f"{name}={value}")]
    words = ["curl", "-sS", *fields, "-F", "success_action_status=201", "-F", "file=hello;filename=f.txt", form["url"]]
    told = subprocess.run(words, capture_output=True, check=True, text=True).stdout
    assert f"<Bucket>{partners.bucket}</Bucket><Key>partner/f.txt</Key>" in told, told
    assert not partners.reveals(told)
    assert partners.ann.s3.get_object(Bucket=partners.ann.bucket, Key="pub/f.txt")["Body"].read() == b"hello"
    partners.ann.admin("DELETE", f"/v1/shares/{partners.share['share']}")
    told = subprocess.run(words, capture_output=True, check=True, text=True).stdout
    assert "<Code>AccessDenied</Code>" in told
