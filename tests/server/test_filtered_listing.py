"""Listings show what the caller may know of, over the wire: boto3's paginators against what is granted."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from running import PANTHERA, Server, running
from sharing import code

KEYS = [
    *(f"photos/{year}/{month:02}/{number}.jpg" for year in (2023, 2024) for month in (1, 2) for number in range(8)),
    *(f"secret/merger-{number}/plan.txt" for number in range(30)),
    "readme.txt",
]
SIZES = (1, 5, 16, 53, 100, 1000)


class Site:
    """A server with ann, who administers a tenant, bob, who is in it, and eve of another; and what ann grants."""

    def __init__(self, server: Server, make: Callable[..., Any]) -> None:
        self.env = os.environ | server.env
        self._make, self._url = make, server.url
        self.panthera("tenant", "add", "studio")
        self.panthera("tenant", "add", "agency")
        self.ann = self._person("studio", "ann", "--admin")
        self.bob = self._person("studio", "bob")
        self.eve = self._person("agency", "eve")
        config = Config(signature_version=UNSIGNED, retries={"max_attempts": 0})
        self.nobody = boto3.client("s3", endpoint_url=server.url, region_name="us-east-1", config=config)

    def panthera(self, *words: str) -> Any:
        done = subprocess.run([PANTHERA, *words, "--json"], env=self.env, check=True, capture_output=True, text=True)
        return json.loads(done.stdout)

    def grant(self, subject: str, relation: str, resource: str, *more: str) -> None:
        self.panthera("grant", subject, relation, resource, "--tenant", "studio", *more)

    def revoke(self, subject: str, relation: str, resource: str) -> None:
        self.panthera("revoke", subject, relation, resource, "--tenant", "studio")

    def _person(self, tenant: str, name: str, *more: str) -> Any:
        self.panthera("user", "add", tenant, name, *more)
        key = self.panthera("key", "add", tenant, name)
        return self._make(self._url, key=key["access_key"], secret=key["secret_key"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, make_client: Callable[..., Any]) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("filtered") / "data") as server:
        yield Site(server, make_client)


@pytest.fixture
def bucket(site: Site) -> str:
    """A bucket of ann's with objects, older versions and open uploads under the same keys."""
    name = f"b-{uuid.uuid4().hex[:12]}"
    site.ann.create_bucket(Bucket=name)
    site.ann.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for key in KEYS:
        site.ann.put_object(Bucket=name, Key=key, Body=b"1")
    for key in KEYS[::3]:
        site.ann.put_object(Bucket=name, Key=key, Body=b"22")
        site.ann.create_multipart_upload(Bucket=name, Key=key)
    return name


def listed(s3: Any, what: str, bucket: str, size: int = 1000, **words: Any) -> tuple[list[str], list[str]]:
    """Keys and common prefixes of all pages."""
    keys, prefixes = [], []
    for page in s3.get_paginator(what).paginate(Bucket=bucket, PaginationConfig={"PageSize": size}, **words):
        entries = [page.get(element, []) for element in ("Contents", "Versions", "DeleteMarkers", "Uploads")]
        here = [entry["Key"] for some in entries for entry in some]
        common = [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        assert len(here) + len(common) <= size
        if "KeyCount" in page:
            assert page["KeyCount"] == len(here) + len(common)
        keys += here
        prefixes += common
    return keys, prefixes


def test_who_reads_a_folder_lists_the_bucket_and_sees_that_folder(site: Site, bucket: str) -> None:
    assert code(site.bob.list_objects_v2, Bucket=bucket) == "AccessDenied"
    assert code(site.bob.head_bucket, Bucket=bucket) == "403"
    site.grant("user:bob", "reader", f"s3://{bucket}/photos/2024/")
    wanted = [key for key in KEYS if key.startswith("photos/2024/")]
    older = [key for key in KEYS[::3] if key.startswith("photos/2024/")]
    for size in SIZES:
        for what in ("list_objects", "list_objects_v2"):
            assert listed(site.bob, what, bucket, size) == (wanted, [])
        assert listed(site.bob, "list_object_versions", bucket, size) == (sorted(wanted + older), [])
        # Breadcrumbs down to what may be seen, and no other folder.
        for prefix, shown in (("", ["photos/"]), ("photos/", ["photos/2024/"]), ("secret/", [])):
            assert listed(site.bob, "list_objects_v2", bucket, size, Prefix=prefix, Delimiter="/") == ([], shown)
    assert code(site.bob.list_multipart_uploads, Bucket=bucket) == "AccessDenied", "what others upload he does not read"
    site.bob.head_bucket(Bucket=bucket)
    assert code(site.bob.get_object, Bucket=bucket, Key="photos/2024/none") == "NoSuchKey"
    assert code(site.bob.get_object, Bucket=bucket, Key="photos/2023/none") == "AccessDenied"
    assert code(site.nobody.list_objects_v2, Bucket=bucket) == "AccessDenied"
    site.revoke("user:bob", "reader", f"s3://{bucket}/photos/2024/")
    assert code(site.bob.list_objects_v2, Bucket=bucket) == "AccessDenied"
    site.grant("user:bob", "lister", f"s3://{bucket}/photos/2024/")
    for size in SIZES:
        assert listed(site.bob, "list_multipart_uploads", bucket, size) == (older, [])


def test_no_grant_is_named_as_what_denies_the_list_of_a_whole_bucket(site: Site, bucket: str) -> None:
    site.grant("user:bob", "viewer", f"s3://{bucket}")
    place = f"s3://{bucket}"

    def asked(action: str, *, json: bool = False) -> str:
        words = [PANTHERA, "can", "user:bob", action, place, "--tenant", "studio", *(["--json"] if json else [])]
        return subprocess.run(words, env=site.env, check=False, capture_output=True, text=True).stdout

    assert asked("s3:ListBucket").startswith(f"allowed: user:bob is lister of {place}")
    site.grant("user:bob", "deny_list", f"{place}/secret/")
    assert listed(site.bob, "list_objects_v2", bucket, Delimiter="/") == (["readme.txt"], ["photos/"])
    assert f"names in {place} are denied to user:bob, or may be; a listing shows the others" in asked("s3:ListBucket")
    assert '"decided_by": null' in asked("s3:ListBucket", json=True)
    site.grant("user:bob", "deny_list", place)
    assert f"user:bob has deny_list on {place}, which denies s3:ListBucket" in asked("s3:ListBucket")


def test_what_is_denied_leaves_no_trace_in_a_listing(site: Site, bucket: str) -> None:
    site.grant("user:bob", "reader", f"s3://{bucket}")
    site.grant("user:bob", "deny_read", f"s3://{bucket}/secret/")
    wanted = [key for key in KEYS if not key.startswith("secret/")]
    for size in SIZES:
        for what in ("list_objects", "list_objects_v2"):
            assert listed(site.bob, what, bucket, size) == (wanted, [])
        assert listed(site.bob, "list_objects_v2", bucket, size, Delimiter="/") == (["readme.txt"], ["photos/"])
    assert listed(site.bob, "list_objects_v2", bucket, Prefix="secret/") == ([], [])
    assert listed(site.ann, "list_objects_v2", bucket) == (sorted(KEYS), [])


def test_a_revoke_between_two_pages_is_in_force_on_the_second(site: Site, bucket: str) -> None:
    for month in ("01", "02"):
        site.grant("user:bob", "reader", f"s3://{bucket}/photos/2024/{month}/")
    first = site.bob.list_objects_v2(Bucket=bucket, MaxKeys=3)
    assert [entry["Key"] for entry in first["Contents"]] == [f"photos/2024/01/{n}.jpg" for n in range(3)]
    site.revoke("user:bob", "reader", f"s3://{bucket}/photos/2024/01/")
    token = first["NextContinuationToken"]
    rest = site.bob.list_objects_v2(Bucket=bucket, ContinuationToken=token)
    assert [entry["Key"] for entry in rest["Contents"]] == [f"photos/2024/02/{n}.jpg" for n in range(8)]
    assert rest["IsTruncated"] is False
    # A token is a position and no right.
    assert code(site.eve.list_objects_v2, Bucket=bucket, ContinuationToken=token) == "AccessDenied"


def test_a_grant_that_expires_ends_in_listings_too(site: Site, bucket: str) -> None:
    site.grant("user:bob", "reader", f"s3://{bucket}/readme.txt")
    site.grant("user:bob", "reader", f"s3://{bucket}/photos/", "--expires", "5s")
    assert len(listed(site.bob, "list_objects_v2", bucket)[0]) > 1
    deadline = time.monotonic() + 30
    while listed(site.bob, "list_objects_v2", bucket) != (["readme.txt"], []):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_strict_bucket_answers_as_amazons_do(site: Site, bucket: str) -> None:
    site.grant("user:bob", "reader", f"s3://{bucket}/photos/2024/")
    site.grant("user:bob", "lister", f"s3://{bucket}/photos/2023/")
    site.panthera("bucket", "set", f"s3://{bucket}", "--listing", "strict")
    assert code(site.bob.list_objects_v2, Bucket=bucket) == "AccessDenied"
    assert code(site.bob.list_objects_v2, Bucket=bucket, Prefix="photos/2024/") == "AccessDenied"
    assert code(site.bob.head_bucket, Bucket=bucket) == "403"
    wanted = [key for key in KEYS if key.startswith("photos/2023/")]
    assert listed(site.bob, "list_objects_v2", bucket, Prefix="photos/2023/") == (wanted, [])
    assert listed(site.ann, "list_objects_v2", bucket) == (sorted(KEYS), [])
    site.panthera("bucket", "set", f"s3://{bucket}", "--listing", "filtered")
    both = [key for key in KEYS if key.startswith("photos/")]
    assert listed(site.bob, "list_objects_v2", bucket) == (both, [])


def test_buckets_are_listed_to_who_may_do_something_in_them(site: Site, bucket: str) -> None:
    def buckets(s3: Any) -> list[str]:
        return [one["Name"] for one in s3.list_buckets()["Buckets"]]

    other = f"b-{uuid.uuid4().hex[:12]}"
    site.ann.create_bucket(Bucket=other)
    assert {bucket, other} <= set(buckets(site.ann))
    assert bucket not in buckets(site.bob)
    assert bucket not in buckets(site.eve)
    site.grant("user:bob", "writer", f"s3://{bucket}/inbox/")
    site.grant("user:agency/eve", "reader", f"s3://{bucket}/photos/2024/01/1.jpg")
    assert bucket in buckets(site.bob)
    assert other not in buckets(site.bob)
    assert buckets(site.eve) == [bucket]
    pages = site.bob.get_paginator("list_buckets").paginate(PaginationConfig={"PageSize": 1})
    one_by_one = [[one["Name"] for one in page["Buckets"]] for page in pages]
    assert one_by_one == [[name] for name in buckets(site.bob)], "every page is full"
    assert listed(site.eve, "list_objects_v2", bucket) == (["photos/2024/01/1.jpg"], [])
    # What is open to everybody is listed to nobody.
    site.grant("anyone", "reader", f"s3://{other}")
    assert buckets(site.eve) == [bucket]
    assert code(site.nobody.list_buckets) == "AccessDenied"
    site.revoke("user:agency/eve", "reader", f"s3://{bucket}/photos/2024/01/1.jpg")
    assert buckets(site.eve) == []
