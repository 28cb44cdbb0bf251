"""Every limit of the control plane, with its reason. Where Rust has the same limit, a test holds both to one value.

Belongs here: named constants. Does not belong here: settings (`config.py`), limits of object operations (crate `base`).
"""

from typing import Final

BUCKET_NAME_MIN: Final = 3
"""Shortest bucket name (AWS: bucket naming rules)."""

BUCKET_NAME_MAX: Final = 63
"""Longest bucket name (AWS: bucket naming rules; a DNS label)."""

OBJECT_TAGS: Final = 10
"""Tags of an object (AWS)."""

BUCKET_TAGS: Final = 50
"""Tags of a bucket (AWS)."""

TAG_KEY_CHARS: Final = 128
"""Longest tag key in characters (AWS)."""

TAG_VALUE_CHARS: Final = 256
"""Longest tag value in characters (AWS)."""

XML_DEPTH: Final = 16
"""Nesting of any XML body; S3's deepest document has 8 levels."""

XML_NODES: Final = 20_000
"""Elements of any control document. The largest allowed (1000 lifecycle rules) stays below; more is an attack."""

ACL_GRANTS: Final = 100
"""Grants of an access control list (AWS)."""

ADDRESS_USERS: Final = 100
"""Users of one e-mail address, of all tenants, that are looked at for the caller's own: each costs a read."""

ACL_BODY_BYTES: Final = 512 << 10
"""Body of a list: 100 grants with long display names, every character written as a reference, stay below."""

SMALL_BODY_BYTES: Final = 64 << 10
"""Body of a document with a handful of elements (CreateBucket, versioning, ownership)."""

TAGGING_BODY_BYTES: Final = 1 << 20
"""Body of a tagging document: 50 tags of 128 + 256 characters, every character written as a reference, stays below."""

PAGE_BUCKETS: Final = 10_000
"""Most buckets on a page of ListBuckets, and the page when the client names none (AWS: max-buckets)."""

NAME_CHARS: Final = 64
"""Longest name of a tenant or a user (IAM user names)."""

ACCESS_KEY_MIN: Final = 3
"""Shortest access key id somebody may choose (MinIO has the same floor, and its users bring their keys)."""

ACCESS_KEY_MAX: Final = 128
"""Longest access key id (IAM)."""

SECRET_KEY_MIN: Final = 8
"""Shortest secret somebody may choose: below it, an exhaustive search of a captured signature is practical."""

SECRET_KEY_MAX: Final = 256
"""Longest secret; it is HMAC key material, and longer than the hash's block gains nothing."""

ADMIN_BODY_BYTES: Final = 64 << 10
"""Body of an admin request: a few names."""

AUDIT_ROWS_PER_PAGE: Final = 20_000
"""Audit entries a page looks at before it ends early: a tenth of a second, whatever the filters leave out."""

ADMIN_PAGE: Final = 1_000
"""Most entries the admin API reads from the store at once."""

HANDLER_THREADS: Final = 8
"""Control requests running at once. They wait for commits, not for the processor."""

DISPLAY_NAME_CHARS: Final = 256
"""Longest display name and e-mail address (254 is the longest address there is)."""

COMMIT_ATTEMPTS: Final = 8
"""Times a handler repeats a batch whose guard did not hold before it answers that the client should try again."""

GROUP_DESCRIPTION_CHARS: Final = 1_000
"""Longest description of a group or role (IAM: roles)."""

ATTACHED_POLICIES: Final = 10
"""Managed policies attached to one user, group or role (IAM's default quota)."""

MANAGED_POLICIES: Final = 1_500
"""Managed policies of a tenant (IAM's default quota)."""

INLINE_USER_CHARS: Final = 2_048
"""All inline policies of a user together, white space outside of texts not counted (IAM)."""

INLINE_GROUP_CHARS: Final = 5_120
"""The same of a group (IAM)."""

INLINE_ROLE_CHARS: Final = 10_240
"""The same of a role (IAM)."""

POLICY_NAME_CHARS: Final = 128
"""Longest name of a managed or inline policy (IAM)."""

POLICY_DESCRIPTION_CHARS: Final = 1_000
"""Longest description of a managed policy (IAM)."""

PRINCIPAL_TAGS: Final = 50
"""Tags of a user or role (IAM)."""

POLICY_BODY_BYTES: Final = 1 << 20
"""Body of an admin request with a policy: IAM's longest, 131 072 characters, each written as an escape, stays below."""

RELATIONS_BODY_BYTES: Final = 4 << 20
"""Body of a write of relations: a thousand changes with the longest keys and some conditions stay below."""

BULK_KEYS: Final = 100_000
"""Keys of a bulk check over HTTP: milliseconds of work."""

BULK_BODY_BYTES: Final = 16 << 20
"""Body of a bulk check: that many keys of common length."""

PRECONDITIONS: Final = 100
"""Preconditions of a write (the engine's limit, `write::PRECONDITIONS`)."""

IDEMPOTENCY_KEY_BYTES: Final = 128
"""Longest idempotency key (the engine's limit, `write::IDEMPOTENCY_KEY_BYTES`)."""

WATCHERS: Final = 256
"""Watches at once: each is a connection and a glance at the revision, twenty times a second."""

TENANT_WATCHERS: Final = 64
"""Those of one tenant, or of root: no tenant takes the places of all."""

WATCH_HEARTBEAT_S: Final = 15.0
"""Between two signs of life of a watch: below the half minute at which proxies give a silent connection up."""

SHARE_AUDIENCE: Final = 64
"""Tenants and groups a share can be for; a group has any number of members."""

SHARE_DOWNLOADS: Final = 1_000_000
"""Most downloads a limited share can allow; each is a commit."""

PASSWORD_ITERATIONS: Final = 600_000
"""Of PBKDF2-HMAC-SHA256, as OWASP asks for: a tenth of a second or more for each guess."""

PASSWORD_MIN: Final = 4
"""Shortest password of a share in bytes. It stands beside a secret of 256 bits; it need not be strong alone."""

PASSWORD_MAX: Final = 1024
"""Longest password of a share in bytes (`front`: `PASSWORD_BYTES`)."""

PASSWORD_PAUSE_S: Final = 30
"""When a share with too many wrong passwords looks at one more (`front`: `ANOTHER_AFTER`)."""

MOUNTS: Final = 100
"""Mounts of a bucket: each access to a bucket that has some reads them all."""
