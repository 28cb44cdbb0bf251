"""The table of operations: what exists, what selects it, what it asks of authorization, who runs it.

Belongs here: one row for each operation of Amazon's model of S3, plus PostObject and CORS preflight, which the model
leaves out. Does not belong here: what an operation does (its family's file), how requests are matched (crate `front`).

`reveal="404"`: that a key is missing is told only to who may list the bucket, as AWS does for reads.

Rust receives the rows at start and matches the most specific one. A word that selects any row matches nothing unless
the row names it: `PUT /bucket/key?torrent` must never fall through to PutObject. `tests/gateway/test_table.py` holds
the table to botocore's model; `tools/s3_model.py` lists what a newer model adds.
"""

from collections.abc import Iterable
from typing import Final

from gateway.limits import ACL_BODY_BYTES, SMALL_BODY_BYTES, TAGGING_BODY_BYTES
from gateway.ops import (
    acl,
    buckets,
    cors,
    ownership,
    policy,
    public_access,
    service,
    tagging,
    unset,
    versioning,
)
from gateway.ops.row import Also, Auth, CoreRow, Handler, Row, Scope, TableError

_GET_PARAMS: Final = (
    "response-cache-control response-content-disposition response-content-encoding response-content-language"
    " response-content-type response-expires versionId partNumber"
)


def _row(
    name: str,
    target: str,
    action: str,
    *,
    version: str | None = None,
    also: Also = (),
    params: str = "",
    header: str | None = None,
    auth: Auth = Auth.SIGNED,
    event: str | None = None,
    reveal: str = "403",
    native: bool = False,
    handler: Handler | None = None,
    body: int = 0,
    checksum: bool = False,
    alias_of: str | None = None,
) -> Row:
    """A row from its readable form; `target` is "METHOD scope ?selector&selector=value".

    `version` is the action asked when the request names a version, `also` what is asked for what it carries.
    """
    method, scope, *query = target.split()
    return Row(
        name=name,
        method=method,
        scope=Scope(scope),
        selectors=tuple(query[0].removeprefix("?").split("&")) if query else (),
        params=tuple(params.split()),
        action=action,
        also=also if version is None else (("?versionId", version), *also),
        header=header,
        auth=auth,
        event=event,
        reveal=reveal,
        native=native,
        handler=handler,
        body_bytes=body,
        checksum=checksum,
        alias_of=alias_of,
    )


_TAGS: Final = (("x-amz-tagging", "s3:PutObjectTagging"),)
_ACL: Final = (("x-amz-acl", "s3:PutObjectAcl"), ("x-amz-grant-*", "s3:PutObjectAcl"))
_COMPARES: Final = (("if-match=", "s3:GetObject"), ("if-none-match=", "s3:GetObject"))
"""Whoever may not read an object must not find out about it by comparing it. Whether there is one, `*`, tells a write
anyway (AWS: "conditional deletes with a specific ETag value require both")."""
_CREATION: Final = (*_TAGS, *_ACL)
"""What creating an object may ask for beside s3:PutObject."""
_WRITE: Final = (*_CREATION, *_COMPARES)
_DELETION: Final = (
    *_COMPARES,
    ("x-amz-if-match-last-modified-time", "s3:GetObject"),
    ("x-amz-if-match-size", "s3:GetObject"),
)
_READ_TOO: Final = (("-versionId", "s3:GetObject"), ("+versionId", "s3:GetObjectVersion"))
_BYPASS: Final = (("x-amz-bypass-governance-retention", "s3:BypassGovernanceRetention"),)
_NEW_BUCKET: Final = (
    ("x-amz-acl", "s3:PutBucketAcl"),
    ("x-amz-grant-*", "s3:PutBucketAcl"),
    ("x-amz-object-ownership", "s3:PutBucketOwnershipControls"),
    ("x-amz-bucket-object-lock-enabled", "s3:PutBucketObjectLockConfiguration"),
)

# fmt: off
_MODEL: Final = (
    # Service
    _row("ListBuckets", "GET service", "s3:ListAllMyBuckets", handler=service.list_buckets,
         params="max-buckets continuation-token prefix bucket-region"),
    _row("ListDirectoryBuckets", "GET service ?max-directory-buckets", "s3express:ListAllMyDirectoryBuckets",
         params="continuation-token"),
    # Buckets
    _row("CreateBucket", "PUT bucket", "s3:CreateBucket", also=_NEW_BUCKET, handler=buckets.create_bucket,
         body=SMALL_BODY_BYTES),
    _row("HeadBucket", "HEAD bucket", "s3:ListBucket", handler=buckets.head_bucket),
    _row("DeleteBucket", "DELETE bucket", "s3:DeleteBucket", handler=buckets.delete_bucket),
    _row("GetBucketLocation", "GET bucket ?location", "s3:GetBucketLocation", handler=buckets.get_bucket_location),
    _row("CreateSession", "GET bucket ?session", "s3express:CreateSession"),
    # Objects
    _row("PutObject", "PUT object", "s3:PutObject", also=_WRITE, native=True, event="s3:ObjectCreated:Put"),
    _row("PostObject", "POST bucket", "s3:PutObject", also=_CREATION, native=True,
         event="s3:ObjectCreated:Post", auth=Auth.FORM),
    _row("CopyObject", "PUT object", "s3:PutObject", also=_WRITE, native=True, header="x-amz-copy-source",
         event="s3:ObjectCreated:Copy"),
    _row("GetObject", "GET object", "s3:GetObject", version="s3:GetObjectVersion", native=True, params=_GET_PARAMS,
         reveal="404"),
    _row("HeadObject", "HEAD object", "s3:GetObject", version="s3:GetObjectVersion", native=True, params=_GET_PARAMS,
         reveal="404"),
    _row("GetObjectAttributes", "GET object ?attributes", "s3:GetObjectAttributes",
         version="s3:GetObjectVersionAttributes", also=_READ_TOO, native=True, params="versionId",
         reveal="404"),
    _row("DeleteObject", "DELETE object", "s3:DeleteObject", version="s3:DeleteObjectVersion",
         also=(*_BYPASS, *_DELETION), native=True, params="versionId",
         event="s3:ObjectRemoved:Delete"),
    _row("DeleteObjects", "POST bucket ?delete", "s3:DeleteObject", also=_BYPASS, native=True,
         event="s3:ObjectRemoved:Delete"),
    _row("RenameObject", "PUT object ?renameObject", "s3:PutObject"),
    _row("RestoreObject", "POST object ?restore", "s3:RestoreObject", params="versionId",
         event="s3:ObjectRestore:Post"),
    _row("SelectObjectContent", "POST object ?select&select-type=2", "s3:GetObject", reveal="404"),
    _row("GetObjectTorrent", "GET object ?torrent", "s3:GetObjectTorrent", version="s3:GetObjectVersionTorrent",
         reveal="404"),
    _row("WriteGetObjectResponse", "POST bucket", "s3-object-lambda:WriteGetObjectResponse",
         header="x-amz-request-route"),
    # Multipart uploads
    _row("CreateMultipartUpload", "POST object ?uploads", "s3:PutObject", also=_CREATION, native=True),
    _row("UploadPart", "PUT object ?partNumber&uploadId", "s3:PutObject", native=True),
    _row("UploadPartCopy", "PUT object ?partNumber&uploadId", "s3:PutObject", native=True, header="x-amz-copy-source"),
    _row("CompleteMultipartUpload", "POST object ?uploadId", "s3:PutObject", also=_COMPARES, native=True,
         event="s3:ObjectCreated:CompleteMultipartUpload"),
    _row("AbortMultipartUpload", "DELETE object ?uploadId", "s3:AbortMultipartUpload", native=True),
    _row("ListParts", "GET object ?uploadId", "s3:ListMultipartUploadParts", native=True,
         params="max-parts part-number-marker"),
    _row("ListMultipartUploads", "GET bucket ?uploads", "s3:ListBucketMultipartUploads", native=True,
         params="delimiter encoding-type key-marker max-uploads prefix upload-id-marker"),
    # Listings
    _row("ListObjects", "GET bucket", "s3:ListBucket", native=True,
         params="delimiter encoding-type marker max-keys prefix"),
    _row("ListObjectsV2", "GET bucket ?list-type=2", "s3:ListBucket", native=True,
         params="delimiter encoding-type max-keys prefix continuation-token fetch-owner start-after"),
    _row("ListObjectVersions", "GET bucket ?versions", "s3:ListBucketVersions", native=True,
         params="delimiter encoding-type key-marker max-keys prefix version-id-marker"),
    # Versioning
    _row("GetBucketVersioning", "GET bucket ?versioning", "s3:GetBucketVersioning",
         handler=versioning.get_bucket_versioning),
    _row("PutBucketVersioning", "PUT bucket ?versioning", "s3:PutBucketVersioning",
         handler=versioning.put_bucket_versioning, body=SMALL_BODY_BYTES, checksum=True),
    # Tagging
    _row("GetObjectTagging", "GET object ?tagging", "s3:GetObjectTagging", version="s3:GetObjectVersionTagging",
         handler=tagging.get_object_tagging,
         params="versionId", reveal="404"),
    _row("PutObjectTagging", "PUT object ?tagging", "s3:PutObjectTagging", version="s3:PutObjectVersionTagging",
         handler=tagging.put_object_tagging,
         params="versionId", event="s3:ObjectTagging:Put", body=TAGGING_BODY_BYTES, checksum=True),
    _row("DeleteObjectTagging", "DELETE object ?tagging", "s3:DeleteObjectTagging",
         version="s3:DeleteObjectVersionTagging",
         handler=tagging.delete_object_tagging, params="versionId", event="s3:ObjectTagging:Delete"),
    _row("GetBucketTagging", "GET bucket ?tagging", "s3:GetBucketTagging", handler=tagging.get_bucket_tagging),
    _row("PutBucketTagging", "PUT bucket ?tagging", "s3:PutBucketTagging", handler=tagging.put_bucket_tagging,
         body=TAGGING_BODY_BYTES, checksum=True),
    _row("DeleteBucketTagging", "DELETE bucket ?tagging", "s3:PutBucketTagging", handler=tagging.delete_bucket_tagging),
    # Access control lists
    _row("GetBucketAcl", "GET bucket ?acl", "s3:GetBucketAcl", handler=acl.get_bucket_acl),
    _row("PutBucketAcl", "PUT bucket ?acl", "s3:PutBucketAcl", handler=acl.put_bucket_acl, body=ACL_BODY_BYTES),
    _row("GetObjectAcl", "GET object ?acl", "s3:GetObjectAcl", version="s3:GetObjectVersionAcl",
         handler=acl.get_object_acl, params="versionId",
         reveal="404"),
    _row("PutObjectAcl", "PUT object ?acl", "s3:PutObjectAcl", version="s3:PutObjectVersionAcl", params="versionId",
         event="s3:ObjectAcl:Put", handler=acl.put_object_acl, body=ACL_BODY_BYTES),
    # Policy, public access, ownership, attributes
    _row("GetBucketPolicy", "GET bucket ?policy", "s3:GetBucketPolicy", handler=policy.get_bucket_policy),
    _row("PutBucketPolicy", "PUT bucket ?policy", "s3:PutBucketPolicy", handler=policy.put_bucket_policy,
         body=SMALL_BODY_BYTES, checksum=True),
    _row("DeleteBucketPolicy", "DELETE bucket ?policy", "s3:DeleteBucketPolicy", handler=policy.delete_bucket_policy),
    _row("GetBucketPolicyStatus", "GET bucket ?policyStatus", "s3:GetBucketPolicyStatus",
         handler=policy.get_bucket_policy_status),
    _row("GetPublicAccessBlock", "GET bucket ?publicAccessBlock", "s3:GetBucketPublicAccessBlock",
         handler=public_access.get_public_access_block),
    _row("PutPublicAccessBlock", "PUT bucket ?publicAccessBlock", "s3:PutBucketPublicAccessBlock",
         handler=public_access.put_public_access_block, body=SMALL_BODY_BYTES, checksum=True),
    _row("DeletePublicAccessBlock", "DELETE bucket ?publicAccessBlock", "s3:PutBucketPublicAccessBlock",
         handler=public_access.delete_public_access_block),
    _row("GetBucketOwnershipControls", "GET bucket ?ownershipControls", "s3:GetBucketOwnershipControls",
         handler=ownership.get_bucket_ownership_controls),
    _row("PutBucketOwnershipControls", "PUT bucket ?ownershipControls", "s3:PutBucketOwnershipControls",
         handler=ownership.put_bucket_ownership_controls, body=SMALL_BODY_BYTES, checksum=True),
    _row("DeleteBucketOwnershipControls", "DELETE bucket ?ownershipControls", "s3:PutBucketOwnershipControls",
         handler=ownership.delete_bucket_ownership_controls),
    _row("GetBucketAbac", "GET bucket ?abac", "s3:GetBucketAbac", handler=unset.get_bucket_abac),
    _row("PutBucketAbac", "PUT bucket ?abac", "s3:PutBucketAbac"),
    # CORS, website
    _row("GetBucketCors", "GET bucket ?cors", "s3:GetBucketCORS", handler=unset.get_bucket_cors),
    _row("PutBucketCors", "PUT bucket ?cors", "s3:PutBucketCORS"),
    _row("DeleteBucketCors", "DELETE bucket ?cors", "s3:PutBucketCORS"),
    _row("GetBucketWebsite", "GET bucket ?website", "s3:GetBucketWebsite", handler=unset.get_bucket_website),
    _row("PutBucketWebsite", "PUT bucket ?website", "s3:PutBucketWebsite"),
    _row("DeleteBucketWebsite", "DELETE bucket ?website", "s3:DeleteBucketWebsite"),
    # Lifecycle
    _row("GetBucketLifecycleConfiguration", "GET bucket ?lifecycle", "s3:GetLifecycleConfiguration",
         handler=unset.get_bucket_lifecycle_configuration),
    _row("PutBucketLifecycleConfiguration", "PUT bucket ?lifecycle", "s3:PutLifecycleConfiguration"),
    _row("DeleteBucketLifecycle", "DELETE bucket ?lifecycle", "s3:PutLifecycleConfiguration"),
    _row("GetBucketLifecycle", "GET bucket ?lifecycle", "s3:GetLifecycleConfiguration",
         alias_of="GetBucketLifecycleConfiguration"),
    _row("PutBucketLifecycle", "PUT bucket ?lifecycle", "s3:PutLifecycleConfiguration",
         alias_of="PutBucketLifecycleConfiguration"),
    # Encryption
    _row("GetBucketEncryption", "GET bucket ?encryption", "s3:GetEncryptionConfiguration",
         handler=unset.get_bucket_encryption),
    _row("PutBucketEncryption", "PUT bucket ?encryption", "s3:PutEncryptionConfiguration"),
    _row("DeleteBucketEncryption", "DELETE bucket ?encryption", "s3:PutEncryptionConfiguration"),
    _row("UpdateObjectEncryption", "PUT object ?encryption", "s3:UpdateObjectEncryption", params="versionId"),
    # Object lock
    _row("GetObjectLockConfiguration", "GET bucket ?object-lock", "s3:GetBucketObjectLockConfiguration",
         handler=unset.get_object_lock_configuration),
    _row("PutObjectLockConfiguration", "PUT bucket ?object-lock", "s3:PutBucketObjectLockConfiguration"),
    _row("GetObjectRetention", "GET object ?retention", "s3:GetObjectRetention", handler=unset.get_object_retention,
         params="versionId", reveal="404"),
    _row("PutObjectRetention", "PUT object ?retention", "s3:PutObjectRetention", also=_BYPASS, params="versionId"),
    _row("GetObjectLegalHold", "GET object ?legal-hold", "s3:GetObjectLegalHold", handler=unset.get_object_legal_hold,
         params="versionId", reveal="404"),
    _row("PutObjectLegalHold", "PUT object ?legal-hold", "s3:PutObjectLegalHold", params="versionId"),
    # Replication, notification, logging
    _row("GetBucketReplication", "GET bucket ?replication", "s3:GetReplicationConfiguration",
         handler=unset.get_bucket_replication),
    _row("PutBucketReplication", "PUT bucket ?replication", "s3:PutReplicationConfiguration"),
    _row("DeleteBucketReplication", "DELETE bucket ?replication", "s3:PutReplicationConfiguration"),
    _row("GetBucketNotificationConfiguration", "GET bucket ?notification", "s3:GetBucketNotification",
         handler=unset.get_bucket_notification_configuration),
    _row("PutBucketNotificationConfiguration", "PUT bucket ?notification", "s3:PutBucketNotification"),
    _row("GetBucketNotification", "GET bucket ?notification", "s3:GetBucketNotification",
         alias_of="GetBucketNotificationConfiguration"),
    _row("PutBucketNotification", "PUT bucket ?notification", "s3:PutBucketNotification",
         alias_of="PutBucketNotificationConfiguration"),
    _row("GetBucketLogging", "GET bucket ?logging", "s3:GetBucketLogging", handler=unset.get_bucket_logging),
    _row("PutBucketLogging", "PUT bucket ?logging", "s3:PutBucketLogging"),
    # Request payment, acceleration
    _row("GetBucketRequestPayment", "GET bucket ?requestPayment", "s3:GetBucketRequestPayment",
         handler=unset.get_bucket_request_payment),
    _row("PutBucketRequestPayment", "PUT bucket ?requestPayment", "s3:PutBucketRequestPayment"),
    _row("GetBucketAccelerateConfiguration", "GET bucket ?accelerate", "s3:GetAccelerateConfiguration",
         handler=unset.get_bucket_accelerate_configuration),
    _row("PutBucketAccelerateConfiguration", "PUT bucket ?accelerate", "s3:PutAccelerateConfiguration"),
    # Analytics configurations
    _row("GetBucketAnalyticsConfiguration", "GET bucket ?analytics&id", "s3:GetAnalyticsConfiguration",
         handler=unset.get_bucket_analytics_configuration),
    _row("PutBucketAnalyticsConfiguration", "PUT bucket ?analytics&id", "s3:PutAnalyticsConfiguration"),
    _row("DeleteBucketAnalyticsConfiguration", "DELETE bucket ?analytics&id", "s3:PutAnalyticsConfiguration"),
    _row("ListBucketAnalyticsConfigurations", "GET bucket ?analytics", "s3:GetAnalyticsConfiguration",
         handler=unset.list_bucket_analytics_configurations, params="continuation-token"),
    # Inventory configurations
    _row("GetBucketInventoryConfiguration", "GET bucket ?inventory&id", "s3:GetInventoryConfiguration",
         handler=unset.get_bucket_inventory_configuration),
    _row("PutBucketInventoryConfiguration", "PUT bucket ?inventory&id", "s3:PutInventoryConfiguration"),
    _row("DeleteBucketInventoryConfiguration", "DELETE bucket ?inventory&id", "s3:PutInventoryConfiguration"),
    _row("ListBucketInventoryConfigurations", "GET bucket ?inventory", "s3:GetInventoryConfiguration",
         handler=unset.list_bucket_inventory_configurations, params="continuation-token"),
    # Metrics configurations
    _row("GetBucketMetricsConfiguration", "GET bucket ?metrics&id", "s3:GetMetricsConfiguration",
         handler=unset.get_bucket_metrics_configuration),
    _row("PutBucketMetricsConfiguration", "PUT bucket ?metrics&id", "s3:PutMetricsConfiguration"),
    _row("DeleteBucketMetricsConfiguration", "DELETE bucket ?metrics&id", "s3:PutMetricsConfiguration"),
    _row("ListBucketMetricsConfigurations", "GET bucket ?metrics", "s3:GetMetricsConfiguration",
         handler=unset.list_bucket_metrics_configurations, params="continuation-token"),
    # Intelligent tiering configurations
    _row("GetBucketIntelligentTieringConfiguration", "GET bucket ?intelligent-tiering&id",
         "s3:GetIntelligentTieringConfiguration", handler=unset.get_bucket_intelligent_tiering_configuration),
    _row("PutBucketIntelligentTieringConfiguration", "PUT bucket ?intelligent-tiering&id",
         "s3:PutIntelligentTieringConfiguration"),
    _row("DeleteBucketIntelligentTieringConfiguration", "DELETE bucket ?intelligent-tiering&id",
         "s3:PutIntelligentTieringConfiguration"),
    _row("ListBucketIntelligentTieringConfigurations", "GET bucket ?intelligent-tiering",
         "s3:GetIntelligentTieringConfiguration", handler=unset.list_bucket_intelligent_tiering_configurations,
         params="continuation-token"),
    # Metadata tables
    _row("CreateBucketMetadataConfiguration", "POST bucket ?metadataConfiguration",
         "s3:CreateBucketMetadataTableConfiguration"),
    _row("GetBucketMetadataConfiguration", "GET bucket ?metadataConfiguration",
         "s3:GetBucketMetadataTableConfiguration", handler=unset.get_bucket_metadata_configuration),
    _row("DeleteBucketMetadataConfiguration", "DELETE bucket ?metadataConfiguration",
         "s3:DeleteBucketMetadataTableConfiguration"),
    _row("CreateBucketMetadataTableConfiguration", "POST bucket ?metadataTable",
         "s3:CreateBucketMetadataTableConfiguration"),
    _row("GetBucketMetadataTableConfiguration", "GET bucket ?metadataTable", "s3:GetBucketMetadataTableConfiguration",
         handler=unset.get_bucket_metadata_table_configuration),
    _row("DeleteBucketMetadataTableConfiguration", "DELETE bucket ?metadataTable",
         "s3:DeleteBucketMetadataTableConfiguration"),
    _row("UpdateBucketMetadataInventoryTableConfiguration", "PUT bucket ?metadataInventoryTable",
         "s3:UpdateBucketMetadataInventoryTableConfiguration"),
    _row("UpdateBucketMetadataJournalTableConfiguration", "PUT bucket ?metadataJournalTable",
         "s3:UpdateBucketMetadataJournalTableConfiguration"),
    _row("UpdateBucketMetadataAnnotationTableConfiguration", "PUT bucket ?metadataAnnotationTable",
         "s3:UpdateBucketMetadataAnnotationTableConfiguration"),
    # Annotations
    _row("PutObjectAnnotation", "PUT object ?annotation&annotationName", "s3:PutObjectAnnotation", params="versionId"),
    _row("GetObjectAnnotation", "GET object ?annotation&annotationName", "s3:GetObjectAnnotation", params="versionId",
         reveal="404"),
    _row("DeleteObjectAnnotation", "DELETE object ?annotation&annotationName", "s3:DeleteObjectAnnotation",
         params="versionId"),
    _row("ListObjectAnnotations", "GET object ?annotation", "s3:ListObjectAnnotations",
         params="versionId max-annotation-results annotation-prefix continuation-token", reveal="404"),
)
_LINKS: Final = (
    _row("GetSharedObject", "GET link", "s3:GetObject", native=True, auth=Auth.LINK, reveal="404"),
    _row("HeadSharedObject", "HEAD link", "s3:GetObject", native=True, auth=Auth.LINK, reveal="404"),
    _row("PutSharedObject", "PUT link", "s3:PutObject", also=_WRITE, native=True, auth=Auth.LINK,
         event="s3:ObjectCreated:Put"),
    # A bearer names no sources: without a row of its own, a copy would be stored as the empty body it comes with.
    _row("CopySharedObject", "PUT link", "s3:PutObject", auth=Auth.LINK, header="x-amz-copy-source"),
    _row("ListSharedFolder", "GET link-folder", "s3:ListBucket", native=True, auth=Auth.LINK,
         params="list-type delimiter encoding-type max-keys continuation-token start-after"),
    _row("HeadSharedFolder", "HEAD link-folder", "s3:ListBucket", native=True, auth=Auth.LINK),
)
"""Our own operations: through a share link (`/-/TOKEN/...`) without a signature."""
# fmt: on


def _preflights(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Preflight comes to the address of the request it announces, whatever that request's query is."""
    words = {word.partition("=")[0] for row in rows for word in (*row.selectors, *row.params)}
    every = " ".join(sorted(words))
    return tuple(
        _row(name, f"OPTIONS {scope}", "s3:GetBucketCORS", auth=Auth.NONE, handler=cors.preflight, params=every)
        for name, scope in (("OptionsBucket", "bucket"), ("OptionsObject", "object"))
    )


def _checked(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The rows, or TableError when two of them could not be told apart or an alias leads nowhere."""
    names: dict[str, Row] = {}
    keys: dict[object, str] = {}
    for row in rows:
        if row.name in names:
            raise TableError(f"{row.name} has two rows")
        names[row.name] = row
        if row.alias_of is None and (other := keys.setdefault(row.match_key, row.name)) != row.name:
            raise TableError(f"{row.name} and {other} are selected by the same request")
    for row in rows:
        if row.alias_of is not None and names[row.alias_of].match_key != row.match_key:
            raise TableError(f"{row.name} is no alias of {row.alias_of}")
    return rows


TABLE: Final = _checked(_MODEL + _LINKS + _preflights(_MODEL))
"""Every row. Deprecated aliases are rows too: they share the address of the row that serves them."""

HANDLERS: Final = {row.name: row for row in TABLE if row.handler is not None and row.alias_of is None}
"""The rows this package serves, by name."""


ACTIONS: Final = tuple(sorted({row.action for row in TABLE} | {action for row in TABLE for _, action in row.also}))
"""Amazon's actions that some operation asks for."""


def core_rows() -> list[CoreRow]:
    """The rows as Rust receives them: without aliases, which no request can select."""
    return [row.to_core() for row in TABLE if row.alias_of is None]
