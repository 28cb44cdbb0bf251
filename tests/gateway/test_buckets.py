"""CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation, ListBuckets."""

import pytest
from world import World, refused, xml

from gateway.errors import Code
from gateway.limits import PAGE_BUCKETS
from storage.api import put
from storage.records import keys
from storage.records.bucket import BucketRecord
from storage.records.fence import FenceRecord

CONSTRAINT = b"<CreateBucketConfiguration><LocationConstraint>%s</LocationConstraint></CreateBucketConfiguration>"


def names(world: World, **query: str) -> list[str]:
    answer = world.call("ListBuckets", query={name.replace("_", "-"): value for name, value in query.items()})
    return [element.text or "" for element in xml(answer).iterfind("Buckets/Bucket/Name")]


def test_a_new_bucket_is_a_record_a_name_and_a_fence(world: World) -> None:
    answer = world.call("CreateBucket", "bucket")
    assert (answer.status, answer.headers) == (200, (("location", "/bucket"),))
    record = BucketRecord.decode(world.store.get(keys.bucket(b"bucket")))
    assert (record.tenant, record.owner, record.created_us, record.generation) == (
        world.root.tenant,
        world.root.user,
        world.now_us,
        1,
    )
    assert FenceRecord.decode(world.store.get(keys.fence(record.id))).generation == 1
    assert names(world) == ["bucket"]


def test_numbers_of_buckets_are_never_given_twice(world: World) -> None:
    first = world.bucket()
    world.call("DeleteBucket", "bucket")
    assert world.bucket() == first + 1


def test_an_own_bucket_again_is_fine_in_us_east_1_and_a_conflict_elsewhere(world: World) -> None:
    number = world.bucket()
    assert world.call("CreateBucket", "bucket").status == 200
    assert world.number("bucket") == number
    world.region = "eu-west-1"
    refused(Code.BUCKET_ALREADY_OWNED_BY_YOU, lambda: world.call("CreateBucket", "bucket"))


def test_another_tenants_name_is_taken(world: World) -> None:
    world.bucket()
    other = world.other()
    for region in ("us-east-1", "eu-west-1"):
        world.region = region
        refused(Code.BUCKET_ALREADY_EXISTS, lambda: world.call("CreateBucket", "bucket", caller=other))


def test_a_bad_name_stores_nothing(world: World) -> None:
    refused(Code.INVALID_BUCKET_NAME, lambda: world.call("CreateBucket", "Bucket"))
    assert names(world) == []


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-amz-bucket-object-lock-enabled": "true"}, Code.NOT_IMPLEMENTED),
        ({"x-amz-bucket-object-lock-enabled": "maybe"}, Code.INVALID_ARGUMENT),
        ({"x-amz-acl": "mine"}, Code.INVALID_ARGUMENT),
        ({"x-amz-object-ownership": "Nobody"}, Code.INVALID_ARGUMENT),
        ({"x-amz-bucket-namespace": "account-regional"}, Code.NOT_IMPLEMENTED),
    ],
)
def test_what_a_bucket_cannot_have_yet_is_refused_and_not_ignored(
    world: World, headers: dict[str, str], code: Code
) -> None:
    refused(code, lambda: world.call("CreateBucket", "bucket", headers=headers))
    assert names(world) == []


def test_headers_that_ask_for_what_is_anyway_are_fine(world: World) -> None:
    headers = {
        "x-amz-bucket-object-lock-enabled": "False",
        "x-amz-acl": "private",
        "x-amz-object-ownership": "BucketOwnerEnforced",
        "x-amz-bucket-namespace": "global",
    }
    assert world.call("CreateBucket", "bucket", headers=headers).status == 200


@pytest.mark.parametrize(
    ("constraint", "region", "location"),
    [
        (b"eu-west-1", "eu-west-1", "eu-west-1"),
        (b"us-east-1", "us-east-1", None),
        (b"", "us-east-1", None),
        (b"EU", "EU", "EU"),
    ],
)
def test_a_location_constraint_becomes_the_region(
    world: World, constraint: bytes, region: str, location: str | None
) -> None:
    world.call("CreateBucket", "bucket", body=CONSTRAINT % constraint)
    assert dict(world.call("HeadBucket", "bucket").headers)["x-amz-bucket-region"] == region
    root = xml(world.call("GetBucketLocation", "bucket"))
    assert (root.tag, root.text) == ("LocationConstraint", location)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (CONSTRAINT % b"Middle Earth", Code.INVALID_LOCATION_CONSTRAINT),
        (CONSTRAINT % (b"a" * 64), Code.INVALID_LOCATION_CONSTRAINT),
        (b"<CreateBucketConfiguration><X/></CreateBucketConfiguration>", Code.MALFORMED_XML),
        (b"<Tagging/>", Code.MALFORMED_XML),
        (b"{}", Code.MALFORMED_XML),
        (b"<CreateBucketConfiguration><Bucket/></CreateBucketConfiguration>", Code.NOT_IMPLEMENTED),
    ],
)
def test_a_body_that_makes_no_sense_makes_no_bucket(world: World, body: bytes, code: Code) -> None:
    refused(code, lambda: world.call("CreateBucket", "bucket", body=body))
    assert names(world) == []


def test_tags_of_the_body_are_the_buckets_tags(world: World) -> None:
    body = (
        b"<CreateBucketConfiguration><Tags><Tag><Key>k</Key><Value>v</Value></Tag></Tags></CreateBucketConfiguration>"
    )
    world.call("CreateBucket", "bucket", body=body)
    assert xml(world.call("GetBucketTagging", "bucket")).findtext("TagSet/Tag/Key") == "k"


def test_a_missing_bucket_is_missing_for_every_operation(world: World) -> None:
    for op in (
        "HeadBucket",
        "DeleteBucket",
        "GetBucketLocation",
        "GetBucketVersioning",
        "GetBucketAcl",
        "GetBucketPolicy",
    ):
        assert refused(Code.NO_SUCH_BUCKET, lambda op=op: world.call(op, "bucket")).fields == (
            ("BucketName", "bucket"),
        )


def test_deleting_removes_every_row_of_the_bucket_and_of_no_other(world: World) -> None:
    world.bucket("other-bucket")
    before = world.store.scan(b"", b"\xff", 1000)
    number = world.bucket()
    tagging = b"<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>"
    world.call("PutBucketTagging", "bucket", body=tagging)
    open_upload = [
        put(keys.upload(number, b"k", 5), b"\1upload"),
        put(keys.upload_through(number, 2, 3, b"k", 5), b"\1"),
        put(keys.part(number, 5, 1), b"\1part"),
        put(keys.tally(number, keys.TallyOf.PARTS), bytes(16)),
    ]
    world.store.commit([], open_upload)
    assert world.call("DeleteBucket", "bucket").status == 204
    after = world.store.scan(b"", b"\xff", 1000)
    assert [row for row in after if row[0] != keys.NEXT_BUCKET] == [row for row in before if row[0] != keys.NEXT_BUCKET]


def test_a_bucket_with_an_object_a_version_or_a_marker_stays(world: World) -> None:
    number = world.bucket()
    world.put_current(number, b"k")
    refused(Code.BUCKET_NOT_EMPTY, lambda: world.call("DeleteBucket", "bucket"))
    world.store.commit([], [("delete", keys.object(number, b"k"), None)])
    world.put_noncurrent(number, b"k", 7, delete_marker=True)
    refused(Code.BUCKET_NOT_EMPTY, lambda: world.call("DeleteBucket", "bucket"))
    assert names(world) == ["bucket"]


def test_a_bucket_deleted_and_made_again_meanwhile_is_another_bucket(world: World) -> None:
    world.bucket()
    stale = world.store.get(keys.bucket(b"bucket"))
    world.call("DeleteBucket", "bucket")
    world.bucket()
    from gateway.ops.buckets import delete_bucket
    from gateway.ops.versioning import put_bucket_versioning

    call = make_call(world, stale)
    refused(Code.NO_SUCH_BUCKET, lambda: delete_bucket(call))
    refused(Code.NO_SUCH_BUCKET, lambda: put_bucket_versioning(call))


def make_call(world: World, record: bytes):
    from gateway.model import Call, Place

    body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    return Call(
        op="X",
        request_id="R",
        bucket="bucket",
        key=b"",
        query={},
        headers={},
        body=body,
        caller=world.root,
        now_us=world.now_us,
        bucket_record=record,
        store=world.store,
        place=Place("us-east-1"),
    )


def test_buckets_are_listed_in_name_order_for_their_tenant_only(world: World) -> None:
    for name in ("zebra", "apple", "mango"):
        world.bucket(name)
    world.call("CreateBucket", "theirs", caller=world.other())
    root = xml(world.call("ListBuckets"))
    assert names(world) == ["apple", "mango", "zebra"]
    assert root.findtext("Owner/ID") == world.root.canonical_id
    assert root.findtext("Buckets/Bucket/CreationDate") == "2025-11-21T04:40:00.123Z"
    assert root.findtext("Buckets/Bucket/BucketRegion") == "us-east-1"
    assert root.find("ContinuationToken") is None
    assert root.find("Prefix") is None


def test_pages_follow_one_another_and_the_last_has_no_token(world: World) -> None:
    wanted = [f"bucket-{n:02}" for n in range(7)]
    for name in wanted:
        world.bucket(name)
    got, token = [], None
    while True:
        query = {"max-buckets": "3"} | ({"continuation-token": token} if token else {})
        root = xml(world.call("ListBuckets", query=query))
        got.append([element.text for element in root.iterfind("Buckets/Bucket/Name")])
        token = root.findtext("ContinuationToken")
        if token is None:
            break
    assert got == [wanted[:3], wanted[3:6], wanted[6:]]
    assert xml(world.call("ListBuckets", query={"max-buckets": "7"})).find("ContinuationToken") is None


def test_prefix_and_region_filter(world: World) -> None:
    for name, region in (("aa-1", b"eu-west-1"), ("aa-2", b""), ("ab-1", b"eu-west-1"), ("b-11", b"")):
        world.call("CreateBucket", name, body=CONSTRAINT % region)
    assert names(world, prefix="aa") == ["aa-1", "aa-2"]
    assert names(world, prefix="zz") == []
    assert names(world, bucket_region="eu-west-1") == ["aa-1", "ab-1"]
    assert names(world, bucket_region="eu-west-1", prefix="ab") == ["ab-1"]
    root = xml(world.call("ListBuckets", query={"bucket-region": "eu-west-1", "max-buckets": "1"}))
    token = root.findtext("ContinuationToken") or ""
    assert names(world, bucket_region="eu-west-1", max_buckets="1", continuation_token=token) == ["ab-1"]


@pytest.mark.parametrize("value", ["0", "-1", str(PAGE_BUCKETS + 1), "x", "1e3", "", "9" * 400, "١"])
def test_max_buckets_out_of_range_is_refused(world: World, value: str) -> None:
    refused(Code.INVALID_ARGUMENT, lambda: world.call("ListBuckets", query={"max-buckets": value}))


@pytest.mark.parametrize("token", ["", "x", "!!!!", "AAAA", "MQ==", "Mf8="])
def test_a_token_we_did_not_give_is_refused(world: World, token: str) -> None:
    refused(Code.INVALID_ARGUMENT, lambda: world.call("ListBuckets", query={"continuation-token": token}))


def test_the_largest_page_may_be_asked_for(world: World) -> None:
    assert names(world, max_buckets=str(PAGE_BUCKETS)) == []
