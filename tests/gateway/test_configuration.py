"""Versioning, and the answers about configuration nobody has stored."""

import time
from concurrent.futures import ThreadPoolExecutor

import botocore.session
import pytest
from botocore.parsers import create_parser
from world import World, refused, xml

from gateway.errors import Code
from gateway.limits import COMMIT_ATTEMPTS
from gateway.ops.table import TABLE
from storage.records import keys
from storage.records.bucket import BucketRecord
from storage.records.fence import FenceRecord, Versioning

DOCUMENTS = {
    "GetBucketAcl",
    "GetBucketOwnershipControls",
    "GetBucketAbac",
    "GetBucketNotificationConfiguration",
    "GetBucketLogging",
    "GetBucketRequestPayment",
    "GetBucketAccelerateConfiguration",
    "ListBucketAnalyticsConfigurations",
    "ListBucketInventoryConfigurations",
    "ListBucketMetricsConfigurations",
    "ListBucketIntelligentTieringConfigurations",
}
CODES = {
    "GetBucketPolicy": "NoSuchBucketPolicy",
    "GetBucketPolicyStatus": "NoSuchBucketPolicy",
    "GetPublicAccessBlock": "NoSuchPublicAccessBlockConfiguration",
    "GetBucketCors": "NoSuchCORSConfiguration",
    "GetBucketWebsite": "NoSuchWebsiteConfiguration",
    "GetBucketLifecycleConfiguration": "NoSuchLifecycleConfiguration",
    "GetBucketEncryption": "ServerSideEncryptionConfigurationNotFoundError",
    "GetBucketReplication": "ReplicationConfigurationNotFoundError",
    "GetObjectLockConfiguration": "ObjectLockConfigurationNotFoundError",
    "GetBucketMetadataConfiguration": "MetadataConfigurationNotFound",
    "GetBucketMetadataTableConfiguration": "MetadataConfigurationNotFound",
    "GetBucketAnalyticsConfiguration": "NoSuchConfiguration",
    "GetBucketInventoryConfiguration": "NoSuchConfiguration",
    "GetBucketMetricsConfiguration": "NoSuchConfiguration",
    "GetBucketIntelligentTieringConfiguration": "NoSuchConfiguration",
    "GetBucketTagging": "NoSuchTagSet",
}


def parsed(op: str, body: bytes) -> dict[str, object]:
    """What botocore reads in our document."""
    model = botocore.session.get_session().get_service_model("s3").operation_model(op)
    answer = {"headers": {}, "body": body, "status_code": 200}
    found = create_parser("rest-xml").parse(answer, model.output_shape)
    del found["ResponseMetadata"]
    return found


@pytest.mark.parametrize(("op", "code"), CODES.items())
def test_absence_with_a_code_of_its_own(world: World, op: str, code: str) -> None:
    world.bucket()
    assert refused(Code(code), lambda: world.call(op, "bucket")).fields == (("BucketName", "bucket"),)


@pytest.mark.parametrize(
    ("op", "wanted"),
    [
        ("GetBucketAbac", {"AbacStatus": {"Status": "Disabled"}}),
        ("GetBucketNotificationConfiguration", {}),
        ("GetBucketLogging", {}),
        ("GetBucketRequestPayment", {"Payer": "BucketOwner"}),
        ("GetBucketAccelerateConfiguration", {}),
        ("GetBucketVersioning", {}),
        ("ListBucketAnalyticsConfigurations", {"IsTruncated": False}),
        ("ListBucketInventoryConfigurations", {"IsTruncated": False}),
        ("ListBucketMetricsConfigurations", {"IsTruncated": False}),
        ("ListBucketIntelligentTieringConfigurations", {"IsTruncated": False}),
    ],
)
def test_absence_that_is_a_document_reads_as_nothing_for_botocore(
    world: World, op: str, wanted: dict[str, object]
) -> None:
    world.bucket()
    assert parsed(op, world.call(op, "bucket").body) == wanted


def test_every_get_of_a_buckets_configuration_is_answered() -> None:
    configuration = [
        row for row in TABLE if row.method == "GET" and row.scope.value == "bucket" and row.selectors and not row.native
    ]
    unanswered = {row.name for row in configuration if row.handler is None and row.alias_of is None}
    assert unanswered == {"CreateSession"}
    served = {row.name for row in configuration if row.handler}
    assert served == DOCUMENTS | set(CODES) | {"GetBucketVersioning", "GetBucketLocation"}


def test_the_default_acl_gives_the_owner_everything(world: World) -> None:
    world.put_current(world.bucket(), b"k")
    owner = {"DisplayName": "root", "ID": world.root.canonical_id}
    grant = {"Grantee": {**owner, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}
    for op, key in (("GetBucketAcl", b""), ("GetObjectAcl", b"k")):
        assert parsed(op, world.call(op, "bucket", key).body) == {"Owner": owner, "Grants": [grant]}
    refused(Code.NO_SUCH_KEY, lambda: world.call("GetObjectAcl", "bucket", b"none"))


def test_a_removed_owner_is_still_named(world: World) -> None:
    ann = world.other()
    world.call("CreateBucket", "theirs", caller=ann)
    world.accounts.remove_user("other", "ann")
    assert xml(world.call("GetBucketAcl", "theirs", caller=ann)).findtext("Owner/ID") == ann.canonical_id


def test_retention_needs_object_lock_once_the_object_exists(world: World) -> None:
    world.put_current(world.bucket(), b"k")
    for op in ("GetObjectRetention", "GetObjectLegalHold"):
        refused(Code.INVALID_REQUEST, lambda op=op: world.call(op, "bucket", b"k"))
        refused(Code.NO_SUCH_KEY, lambda op=op: world.call(op, "bucket", b"none"))


def test_preflight_is_refused_as_aws_does_without_a_cors_document(world: World) -> None:
    refused(Code.ACCESS_FORBIDDEN, lambda: world.call("OptionsObject", "bucket", b"k"))


def put_versioning(world: World, inner: bytes) -> int:
    body = b"<VersioningConfiguration>%s</VersioningConfiguration>" % inner
    return world.call("PutBucketVersioning", "bucket", body=body).status


def test_versioning_goes_into_the_record_and_the_fence_together(world: World) -> None:
    number = world.bucket()
    for status, state in (
        ("Enabled", Versioning.ENABLED),
        ("Suspended", Versioning.SUSPENDED),
        ("Enabled", Versioning.ENABLED),
    ):
        fence = world.store.get(keys.fence(number))
        generation = BucketRecord.decode(world.store.get(keys.bucket(b"bucket"))).generation
        assert put_versioning(world, f"<Status>{status}</Status>".encode()) == 200
        assert xml(world.call("GetBucketVersioning", "bucket")).findtext("Status") == status
        record = BucketRecord.decode(world.store.get(keys.bucket(b"bucket")))
        assert (record.versioning, record.generation) == (state, generation + 1)
        assert world.store.get(keys.fence(number)) != fence
        assert FenceRecord.decode(world.store.get(keys.fence(number))).versioning == state


def test_the_same_status_again_leaves_the_fence_and_so_disturbs_no_write(world: World) -> None:
    number = world.bucket()
    put_versioning(world, b"<Status>Enabled</Status>")
    fence = world.store.get(keys.fence(number))
    put_versioning(world, b"<Status>Enabled</Status><MfaDelete>Disabled</MfaDelete>")
    assert world.store.get(keys.fence(number)) == fence


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        (b"", Code.ILLEGAL_VERSIONING_CONFIGURATION),
        (b"<Status>On</Status>", Code.MALFORMED_XML),
        (b"<Status>enabled</Status>", Code.MALFORMED_XML),
        (b"<Status/>", Code.MALFORMED_XML),
        (b"<Status>Enabled</Status><Status>Enabled</Status>", Code.MALFORMED_XML),
        (b"<Status>Enabled</Status><X/>", Code.MALFORMED_XML),
        (b"<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>", Code.NOT_IMPLEMENTED),
        (b"<Status>Enabled</Status><MFADelete>Enabled</MFADelete>", Code.NOT_IMPLEMENTED),
    ],
)
def test_bad_versioning_changes_nothing(world: World, inner: bytes, code: Code) -> None:
    world.bucket()
    refused(code, lambda: put_versioning(world, inner))
    assert xml(world.call("GetBucketVersioning", "bucket")).find("Status") is None


def test_as_many_as_like_configure_one_bucket_at_once(world: World) -> None:
    number = world.bucket()
    store, many = world.store, 4 * COMMIT_ATTEMPTS

    class Slow:
        """Whose commits take so long that all the others have read by then."""

        get, scan = staticmethod(store.get), staticmethod(store.scan)

        @staticmethod
        def commit(guards: object, ops: object) -> int:
            time.sleep(0.002)
            return store.commit(guards, ops)

    world.store = Slow()
    before = BucketRecord.decode(store.get(keys.bucket(b"bucket"))).generation
    with ThreadPoolExecutor(many) as pool:
        statuses = list(pool.map(lambda _: put_versioning(world, b"<Status>Enabled</Status>"), range(many)))
    assert statuses == [200] * many
    after = BucketRecord.decode(store.get(keys.bucket(b"bucket")))
    assert (after.id, after.generation - before) == (number, many)
