"""Errors of the control plane, and the one place that says which codes it may answer.

Belongs here: exceptions that end a request or the start of the server. Does not belong here: status and message of an
S3 code, which stand once, in `rust/crates/base/src/error.rs`; `tests/tidy` checks that each name below exists there.
"""

from enum import StrEnum


class Code(StrEnum):
    """The S3 error codes Python handlers answer with; Rust knows status and message."""

    ACCESS_DENIED = "AccessDenied"
    ACCESS_FORBIDDEN = "AccessForbidden"
    ACL_NOT_SUPPORTED = "AccessControlListNotSupported"
    AMBIGUOUS_GRANT = "AmbiguousGrantByEmailAddress"
    BAD_DIGEST = "BadDigest"
    BUCKET_ALREADY_EXISTS = "BucketAlreadyExists"
    BUCKET_ALREADY_OWNED_BY_YOU = "BucketAlreadyOwnedByYou"
    BUCKET_NOT_EMPTY = "BucketNotEmpty"
    ILLEGAL_VERSIONING_CONFIGURATION = "IllegalVersioningConfigurationException"
    INTERNAL_ERROR = "InternalError"
    INVALID_ARGUMENT = "InvalidArgument"
    INVALID_BUCKET_ACL_WITH_OWNERSHIP = "InvalidBucketAclWithObjectOwnership"
    INVALID_BUCKET_NAME = "InvalidBucketName"
    INVALID_DIGEST = "InvalidDigest"
    INVALID_LOCATION_CONSTRAINT = "InvalidLocationConstraint"
    INVALID_REQUEST = "InvalidRequest"
    INVALID_TAG = "InvalidTag"
    MALFORMED_ACL = "MalformedACLError"
    MALFORMED_POLICY = "MalformedPolicy"
    MALFORMED_XML = "MalformedXML"
    METADATA_CONFIGURATION_NOT_FOUND = "MetadataConfigurationNotFound"
    METHOD_NOT_ALLOWED = "MethodNotAllowed"
    MISSING_REQUEST_BODY = "MissingRequestBodyError"
    MISSING_SECURITY_HEADER = "MissingSecurityHeader"
    NO_SUCH_BUCKET = "NoSuchBucket"
    NO_SUCH_BUCKET_POLICY = "NoSuchBucketPolicy"
    NO_SUCH_CONFIGURATION = "NoSuchConfiguration"
    NO_SUCH_CORS_CONFIGURATION = "NoSuchCORSConfiguration"
    NO_SUCH_KEY = "NoSuchKey"
    NO_SUCH_LIFECYCLE_CONFIGURATION = "NoSuchLifecycleConfiguration"
    NO_SUCH_PUBLIC_ACCESS_BLOCK = "NoSuchPublicAccessBlockConfiguration"
    NO_SUCH_TAG_SET = "NoSuchTagSet"
    NO_SUCH_VERSION = "NoSuchVersion"
    NO_SUCH_WEBSITE_CONFIGURATION = "NoSuchWebsiteConfiguration"
    NOT_IMPLEMENTED = "NotImplemented"
    OBJECT_LOCK_NOT_FOUND = "ObjectLockConfigurationNotFoundError"
    OPERATION_ABORTED = "OperationAborted"
    OWNERSHIP_CONTROLS_NOT_FOUND = "OwnershipControlsNotFoundError"
    REPLICATION_NOT_FOUND = "ReplicationConfigurationNotFoundError"
    ENCRYPTION_NOT_FOUND = "ServerSideEncryptionConfigurationNotFoundError"
    SERVICE_UNAVAILABLE = "ServiceUnavailable"
    SLOW_DOWN = "SlowDown"
    UNEXPECTED_CONTENT = "UnexpectedContent"
    UNRESOLVABLE_GRANT = "UnresolvableGrantByEmailAddress"


class S3Error(Exception):
    """An answer that is an error: a code of the closed list, a message, extra elements of the document, headers.

    `message=None` answers with the code's own message. `fields` become elements, in order: `("BucketName", "b")`.
    """

    def __init__(self, code: Code, message: str | None = None, fields: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(code.value, message, fields)
        self.code = code
        self.message = message
        self.fields = fields


class SettingError(Exception):
    """A setting the server refuses: its name, where its value came from, and why. The process exits 2."""

    def __init__(self, name: str, origin: str, reason: str) -> None:
        super().__init__(f"{name} ({origin}): {reason}")
        self.name = name
        self.origin = origin
        self.reason = reason


class AccountError(Exception):
    """A change to tenants, users or keys that cannot be made.

    `kind` says whose fault it is: `invalid` (400), `missing` (404), `conflict` (409), `refused` (403), `busy` (503:
    it may be tried again after so many seconds).
    """

    def __init__(self, kind: str, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.retry_after_s = retry_after_s
