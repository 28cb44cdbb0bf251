"""Tags of objects and buckets: the six operations, and which sets are refused."""

from typing import Any

import pytest
from world import World, refused, xml

from gateway.errors import Code
from gateway.limits import BUCKET_TAGS, OBJECT_TAGS, TAG_KEY_CHARS, TAG_VALUE_CHARS
from gateway.model import Answer
from storage.records import keys
from storage.records.bucket import Ownership
from storage.records.object import ObjectRecord


def document(*tags: tuple[str, str]) -> bytes:
    inner = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in tags)
    return f'<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet>{inner}</TagSet></Tagging>'.encode()


def pairs(answer: Answer) -> list[tuple[str | None, str | None]]:
    return [(tag.findtext("Key"), tag.findtext("Value")) for tag in xml(answer).iterfind("TagSet/Tag")]


def enable(world: World) -> None:
    body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    world.call("PutBucketVersioning", "bucket", body=body)


def test_tags_of_an_object_are_replaced_read_and_removed_and_nothing_else_changes(world: World) -> None:
    number = world.bucket()
    before = world.put_current(number, b"k", size=5, etag=b"e" * 16, tags=(("old", "1"),), cache_control=b"max-age=1")
    answer = world.call("PutObjectTagging", "bucket", b"k", body=document(("b", "2"), ("a", "")))
    assert (answer.status, answer.headers) == (200, ())
    assert pairs(world.call("GetObjectTagging", "bucket", b"k")) == [("a", ""), ("b", "2")], "in key order, as AWS"
    after = ObjectRecord.decode(world.store.get(keys.object(number, b"k")))
    assert after.replace(tags=before.tags) == before
    assert world.call("DeleteObjectTagging", "bucket", b"k").status == 204
    assert pairs(world.call("GetObjectTagging", "bucket", b"k")) == []


def test_versions_have_tags_of_their_own(world: World) -> None:
    number = world.bucket()
    world.put_noncurrent(number, b"k", 0x10, null_version=True, tags=(("v", "null"),))
    world.put_noncurrent(number, b"k", 0x11, tags=(("v", "old"),))
    world.put_current(number, b"k", ordinal=0x12, null_version=False, tags=(("v", "new"),))
    enable(world)

    def tag(version: str | None) -> tuple[list[tuple[str | None, str | None]], str]:
        answer = world.call("GetObjectTagging", "bucket", b"k", query={"versionId": version} if version else {})
        return pairs(answer), dict(answer.headers)["x-amz-version-id"]

    assert tag(None) == ([("v", "new")], f"{0x12:016x}")
    assert tag(f"{0x12:016x}") == ([("v", "new")], f"{0x12:016x}")
    assert tag(f"{0x11:016x}") == ([("v", "old")], f"{0x11:016x}")
    assert tag("null") == ([("v", "null")], "null")
    answer = world.call("PutObjectTagging", "bucket", b"k", query={"versionId": "null"}, body=document(("x", "y")))
    assert dict(answer.headers)["x-amz-version-id"] == "null"
    assert [tag(v)[0] for v in ("null", None)] == [[("x", "y")], [("v", "new")]]


@pytest.mark.parametrize(
    "op", ["GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging", "GetObjectAcl", "PutObjectAcl"]
)
def test_a_right_to_one_version_is_none_to_another(op: str) -> None:
    world = World(ownership=Ownership.OBJECT_WRITER)
    number = world.bucket()
    world.put_noncurrent(number, b"k", 0x11, tags=(("v", "old"),))
    world.put_current(number, b"k", ordinal=0x12, null_version=False, tags=(("v", "new"),))
    enable(world)
    body = document(("x", "y")) if op == "PutObjectTagging" else b""
    more: dict[str, Any] = {"body": body, "headers": {"x-amz-acl": "public-read"} if op == "PutObjectAcl" else {}}
    before = world.store.scan(b"", b"\xff", 1000)
    for version, met in ((None, 0x12), (f"{0x12:016x}", 0x12), (f"{0x11:016x}", 0x11)):
        query = {"versionId": version} if version else {}
        for decided in (0, met - 1, met + 1):
            act = lambda: world.call(op, "bucket", b"k", query=query, decided=decided, **more)  # noqa: B023, E731
            refused(Code.SERVICE_UNAVAILABLE, act)
        assert world.store.scan(b"", b"\xff", 1000) == before
    for version, met in ((None, 0x12), (f"{0x11:016x}", 0x11)):
        query = {"versionId": version} if version else {}
        assert world.call(op, "bucket", b"k", query=query, decided=met, **more).status in (200, 204)


def test_what_replaces_a_version_between_two_attempts_is_not_changed() -> None:
    world = World()
    number = world.bucket()
    world.put_current(number, b"k", ordinal=0x12)
    commit = world.store.commit

    def faster(*words: Any) -> int:
        world.store.commit = commit
        world.put_current(number, b"k", ordinal=0x13)
        return commit(*words)

    world.store.commit = faster
    refused(Code.SERVICE_UNAVAILABLE, lambda: world.call("DeleteObjectTagging", "bucket", b"k", decided=0x12))


def test_what_is_not_there_has_awss_code(world: World) -> None:
    number = world.bucket()
    world.put_noncurrent(number, b"gone", 0x20, delete_marker=True)
    body = document(("a", "b"))
    for op in ("GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging"):

        def ask(key: bytes, version: str | None = None, op: str = op) -> object:
            return world.call(op, "bucket", key, query={"versionId": version} if version else {}, body=body)

        refused(Code.NO_SUCH_KEY, lambda ask=ask: ask(b"none"))
        refused(Code.NO_SUCH_KEY, lambda ask=ask: ask(b"gone"))
        refused(Code.METHOD_NOT_ALLOWED, lambda ask=ask: ask(b"gone", f"{0x20:016x}"))
        refused(Code.NO_SUCH_VERSION, lambda ask=ask: ask(b"gone", f"{0x21:016x}"))
        refused(Code.NO_SUCH_VERSION, lambda ask=ask: ask(b"gone", "null"))
        for bad in ("x", "20", f"{0x20:016X}", "+" * 16, f"{0x20:017x}"):
            if bad != f"{0x20:016x}":
                refused(Code.INVALID_ARGUMENT, lambda ask=ask, bad=bad: ask(b"gone", bad))


def test_an_object_that_changes_meanwhile_is_read_again(world: World) -> None:
    number = world.bucket()
    world.put_current(number, b"k")
    store = world.store
    moves = iter([lambda: (world.put_noncurrent(number, b"k", 1), world.put_current(number, b"k", ordinal=2))])

    class Racing:
        get, scan = staticmethod(store.get), staticmethod(store.scan)

        @staticmethod
        def commit(guards: object, ops: object) -> int:
            for move in moves:
                move()
            return store.commit(guards, ops)

    world.store = Racing()
    world.call("PutObjectTagging", "bucket", b"k", body=document(("a", "b")))
    found = ObjectRecord.decode(store.get(keys.object(number, b"k")))
    assert (found.ordinal, found.tags) == (2, (("a", "b"),))


def test_an_object_that_never_stands_still_is_operation_aborted(world: World) -> None:
    number = world.bucket()
    world.put_current(number, b"k")
    store, count = world.store, iter(range(10, 1000))

    class Racing:
        get, scan = staticmethod(store.get), staticmethod(store.scan)

        @staticmethod
        def commit(guards: object, ops: object) -> int:
            world.put_current(number, b"k", ordinal=next(count))
            return store.commit(guards, ops)

    inner = world.store

    def put_current(bucket: int, key: bytes, ordinal: int) -> None:
        inner.commit([], [("put", keys.object(bucket, key), ObjectRecord(ordinal=ordinal, null_version=True).encode())])

    world.put_current = put_current  # type: ignore[method-assign, assignment]
    world.store = Racing()
    refused(Code.OPERATION_ABORTED, lambda: world.call("PutObjectTagging", "bucket", b"k", body=document()))


def test_tags_of_a_bucket(world: World) -> None:
    world.bucket()
    refused(Code.NO_SUCH_TAG_SET, lambda: world.call("GetBucketTagging", "bucket"))
    assert world.call("PutBucketTagging", "bucket", body=document(("Hello", "World"))).status == 204
    assert pairs(world.call("GetBucketTagging", "bucket")) == [("Hello", "World")]
    assert world.call("DeleteBucketTagging", "bucket").status == 204
    assert world.call("DeleteBucketTagging", "bucket").status == 204
    refused(Code.NO_SUCH_TAG_SET, lambda: world.call("GetBucketTagging", "bucket"))


def many(count: int) -> bytes:
    return document(*((f"k{n}", "v") for n in range(count)))


@pytest.mark.parametrize(("op", "limit"), [("PutObjectTagging", OBJECT_TAGS), ("PutBucketTagging", BUCKET_TAGS)])
def test_counts_and_lengths_hold_at_their_limit_and_one_more_is_refused(world: World, op: str, limit: int) -> None:
    world.put_current(world.bucket(), b"k")

    def tag(body: bytes) -> object:
        return world.call(op, "bucket", b"k", body=body)

    tag(many(limit))
    refused(Code.INVALID_TAG, lambda: tag(many(limit + 1)))
    tag(document(("ü" * TAG_KEY_CHARS, "😀" * 0 + "ü" * TAG_VALUE_CHARS)))
    refused(Code.INVALID_TAG, lambda: tag(document(("k" * (TAG_KEY_CHARS + 1), ""))))
    refused(Code.INVALID_TAG, lambda: tag(document(("k", "v" * (TAG_VALUE_CHARS + 1)))))


@pytest.mark.parametrize("key", ["", "aws:x", "AWS:x", "a\tb", "a&lt;b", "a*b", "a;b", "a\u0001"[:1] + "!"])
def test_keys_that_aws_refuses(world: World, key: str) -> None:
    world.bucket()
    refused(Code.INVALID_TAG, lambda: world.call("PutBucketTagging", "bucket", body=document((key, "v"))))


@pytest.mark.parametrize("key", ["a b", "+-=._:/@", "Größe", "ключ", "名前", "xaws:y", "١"])
def test_keys_that_aws_takes(world: World, key: str) -> None:
    world.bucket()
    world.call("PutBucketTagging", "bucket", body=document((key, key)))
    assert pairs(world.call("GetBucketTagging", "bucket")) == [(key, key)]


@pytest.mark.parametrize(
    "body",
    [
        b"<Tagging/>",
        b"<Tagging><TagSet/><TagSet/></Tagging>",
        b"<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>",
        b"<Tagging><TagSet><Tag><Value>k</Value></Tag></TagSet></Tagging>",
        b"<Tagging><TagSet><Tag><Key>k</Key><Key>k</Key><Value/></Tag></TagSet></Tagging>",
        b"<Tagging><TagSet><Tag><Key><b/></Key><Value/></Tag></TagSet></Tagging>",
        b"<Tagging><TagSet><X/></TagSet></Tagging>",
        b"<Tagging><TagSet/>text</Tagging>",
        b"<TagSet/>",
    ],
)
def test_documents_that_are_no_tagging_are_malformed(world: World, body: bytes) -> None:
    world.bucket()
    refused(Code.MALFORMED_XML, lambda: world.call("PutBucketTagging", "bucket", body=body))


def test_the_same_key_twice_is_refused(world: World) -> None:
    world.bucket()
    refused(Code.INVALID_TAG, lambda: world.call("PutBucketTagging", "bucket", body=document(("k", "1"), ("k", "2"))))
