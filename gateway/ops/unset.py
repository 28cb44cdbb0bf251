"""The answers AWS gives about configuration nobody has stored.

Belongs here: GETs of configuration whose PUT we do not have yet. Terraform and SDKs read them on every refresh and
take anything but AWS's own answer for a failure. Does not belong here: configuration we store; a family that learns
to store its document takes its GET from here into its own file.
"""

from typing import Final, Never

from gateway.errors import Code, S3Error
from gateway.model import Answer, Call, xml_answer
from gateway.ops.context import bucket_of, find_object
from gateway.ops.row import Handler
from gateway.wire.xml import Tree, document, text, tree


def _missing(code: Code) -> Handler:
    """A handler for configuration whose absence has a code of its own."""

    def handler(call: Call) -> Never:
        bucket_of(call)
        raise S3Error(code, fields=(("BucketName", call.bucket),))

    return handler


def _default(root: Tree) -> Handler:
    """A handler for configuration whose absence is a document."""
    body = document(root)

    def handler(call: Call) -> Answer:
        bucket_of(call)
        return xml_answer(body)

    return handler


def _object_lock_missing(call: Call) -> Never:
    """Retention and legal hold in a bucket without object lock: InvalidRequest, once the object exists."""
    find_object(call)
    raise S3Error(Code.INVALID_REQUEST, "Bucket is missing Object Lock Configuration")


def _no_configurations(root: str) -> Handler:
    return _default(tree(root, text("IsTruncated", value=False)))


get_bucket_cors: Final = _missing(Code.NO_SUCH_CORS_CONFIGURATION)
get_bucket_website: Final = _missing(Code.NO_SUCH_WEBSITE_CONFIGURATION)
get_bucket_lifecycle_configuration: Final = _missing(Code.NO_SUCH_LIFECYCLE_CONFIGURATION)
get_bucket_encryption: Final = _missing(Code.ENCRYPTION_NOT_FOUND)
get_bucket_replication: Final = _missing(Code.REPLICATION_NOT_FOUND)
get_object_lock_configuration: Final = _missing(Code.OBJECT_LOCK_NOT_FOUND)
get_bucket_metadata_configuration: Final = _missing(Code.METADATA_CONFIGURATION_NOT_FOUND)
get_bucket_metadata_table_configuration: Final = _missing(Code.METADATA_CONFIGURATION_NOT_FOUND)
get_bucket_analytics_configuration: Final = _missing(Code.NO_SUCH_CONFIGURATION)
get_bucket_inventory_configuration: Final = _missing(Code.NO_SUCH_CONFIGURATION)
get_bucket_metrics_configuration: Final = _missing(Code.NO_SUCH_CONFIGURATION)
get_bucket_intelligent_tiering_configuration: Final = _missing(Code.NO_SUCH_CONFIGURATION)

get_bucket_abac: Final = _default(tree("AbacStatus", text("Status", "Disabled")))
get_bucket_notification_configuration: Final = _default(tree("NotificationConfiguration"))
get_bucket_logging: Final = _default(tree("BucketLoggingStatus"))
get_bucket_request_payment: Final = _default(tree("RequestPaymentConfiguration", text("Payer", "BucketOwner")))
get_bucket_accelerate_configuration: Final = _default(tree("AccelerateConfiguration"))

list_bucket_analytics_configurations: Final = _no_configurations("ListBucketAnalyticsConfigurationResult")
list_bucket_inventory_configurations: Final = _no_configurations("ListInventoryConfigurationsResult")
list_bucket_metrics_configurations: Final = _no_configurations("ListMetricsConfigurationsResult")
list_bucket_intelligent_tiering_configurations: Final = _no_configurations(
    "ListBucketIntelligentTieringConfigurationsOutput"
)

get_object_retention: Final = _object_lock_missing
get_object_legal_hold: Final = _object_lock_missing
