"""The rules for names that clients choose: buckets, and tenants and users of the admin API.

Belongs here: what may be a name, as pure functions. Does not belong here: whether a name is taken (the store knows).
"""

import ipaddress
import re
from typing import Final

from gateway.errors import Code, S3Error
from gateway.limits import BUCKET_NAME_MAX, BUCKET_NAME_MIN, NAME_CHARS

_BUCKET: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\Z")
_LABEL_EDGES: Final = ("..", ".-", "-.")
_RESERVED_PREFIXES: Final = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES: Final = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+=,.@-]*\Z")


def check_bucket_name(name: str) -> None:
    """InvalidBucketName unless AWS would take the name (Amazon S3 User Guide, "Bucket naming rules")."""
    fine = (
        BUCKET_NAME_MIN <= len(name) <= BUCKET_NAME_MAX
        and _BUCKET.match(name) is not None
        and not any(pair in name for pair in _LABEL_EDGES)
        and not name.startswith(_RESERVED_PREFIXES)
        and not name.endswith(_RESERVED_SUFFIXES)
        and not _looks_like_address(name)
    )
    if not fine:
        raise S3Error(Code.INVALID_BUCKET_NAME, fields=(("BucketName", name),))


def _looks_like_address(name: str) -> bool:
    """Four numbers with dots between them, in range or not: a host header could not tell them apart."""
    parts = name.split(".")
    if len(parts) == 4 and all(part.isdigit() for part in parts):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_account_name(name: str) -> bool:
    """Whether a tenant or a user may have this name: IAM's characters, at most 64 of them."""
    return len(name) <= NAME_CHARS and _NAME.match(name) is not None
