"""Access control lists on the wire: the AccessControlPolicy document in and out, and the headers that stand for one.

Belongs here: what a list looks like and which mistakes AWS names how. Does not belong here: who a grantee is
(`ops/grants.py`). The headers of object writes are read in Rust (`crates/wire/src/acl.rs`); both sides refuse the same.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.errors import Code, S3Error
from gateway.limits import ACL_GRANTS
from gateway.wire.xml import XSI_NAMESPACE, Element, Tree, document, parse, text, tree

GROUPS: Final = "http://acs.amazonaws.com/groups/"
ALL_USERS: Final = GROUPS + "global/AllUsers"
AUTHENTICATED_USERS: Final = GROUPS + "global/AuthenticatedUsers"
LOG_DELIVERY: Final = GROUPS + "s3/LogDelivery"
GROUP_URIS: Final = (ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY)

PERMISSIONS: Final = ("READ", "WRITE", "READ_ACP", "WRITE_ACP", "FULL_CONTROL")
"""In the order in which grants of headers are stored: headers have none of their own."""

BUCKET_CANNED: Final = frozenset(
    (
        "private",
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "log-delivery-write",
        "bucket-owner-read",
        "bucket-owner-full-control",
    )
)
"""The last two say nothing about a bucket; AWS ignores them there ("Canned ACL")."""

OBJECT_CANNED: Final = BUCKET_CANNED - {"log-delivery-write"}

ANONYMOUS_ID: Final = "65a011a29cdf8ec533ec3d1ccaae921c"
"""The canonical id AWS gives to whoever does not sign."""

_ID: Final = re.compile(r"[0-9a-f]{64}\Z")
_SCHEMA: Final = "The XML you provided was not well-formed or did not validate against our published schema"


class How(StrEnum):
    """How a grantee is named: the words of the headers."""

    ID = "id"
    URI = "uri"
    EMAIL = "emailAddress"


@dataclass(frozen=True, slots=True)
class Asked:
    """A grant as a client asks for it."""

    permission: str
    how: How
    value: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A grant as a client reads it: of a group by its URI, or of a user."""

    permission: str
    uri: str | None = None
    canonical_id: str = ""
    display_name: str = ""


def malformed_acl() -> S3Error:
    """The error for a document that is no list."""
    return S3Error(Code.MALFORMED_ACL, _SCHEMA)


def invalid_argument(message: str | None, name: str, value: str) -> S3Error:
    """InvalidArgument, naming the argument."""
    return S3Error(Code.INVALID_ARGUMENT, message, (("ArgumentName", name), ("ArgumentValue", value)))


def canned_of(headers: Mapping[str, str], known: frozenset[str]) -> str | None:
    """The canned list the headers name. InvalidArgument when there is none of that name."""
    canned = headers.get("x-amz-acl")
    if canned is not None and canned not in known:
        raise invalid_argument(None, "x-amz-acl", canned)
    return canned


def grants_of_headers(headers: Mapping[str, str]) -> tuple[Asked, ...] | None:
    """What the `x-amz-grant-*` headers ask for, None without any. InvalidArgument for what is no grantee.

    A header that looks like one and is none is refused: `x-amz-grant-reed` would grant nothing.
    """
    given = {name: value for name, value in headers.items() if name.startswith("x-amz-grant-")}
    if not given:
        return None
    found: list[Asked] = []
    for permission in PERMISSIONS:
        name = "x-amz-grant-" + permission.lower().replace("_", "-")
        if (value := given.pop(name, None)) is not None:
            found += (_grantee(permission, name, item.strip()) for item in value.split(","))
    for name, value in given.items():
        raise invalid_argument("Argument format not recognized", name, value)
    return _bounded(found)


def _grantee(permission: str, header: str, item: str) -> Asked:
    """`id="…"`, `uri="…"` or `emailAddress="…"`; the quotes may be missing."""
    word, equals, value = item.partition("=")
    value = value.strip().removeprefix('"').removesuffix('"')
    if not equals or word not in list(How):
        raise invalid_argument("Argument format not recognized", header, item)
    return _checked(Asked(permission, How(word), value), word)


def parse_policy(body: bytes) -> tuple[str, tuple[Asked, ...]]:
    """The owner's canonical id and the grants of a document. MalformedACLError, InvalidArgument."""
    try:
        root = parse(body, "AccessControlPolicy")
        root.only("Owner", "AccessControlList")
        owner, listed = root.required("Owner"), root.required("AccessControlList")
        owner.only("ID", "DisplayName")
        listed.only("Grant")
        owner_id = owner.required("ID").leaf().strip()
        grants = [_grant(element) for element in listed.children]
    except S3Error as error:
        if error.code is Code.MALFORMED_XML:
            raise malformed_acl() from error
        raise
    if owner_id != ANONYMOUS_ID and not _ID.match(owner_id):
        raise invalid_argument("Invalid id", "CanonicalUser/ID", owner_id)
    return owner_id, _bounded(grants)


def _grant(element: Element) -> Asked:
    element.only("Grantee", "Permission")
    permission = element.required("Permission").leaf().strip()
    grantee = element.required("Grantee")
    kinds = {
        "CanonicalUser": (How.ID, "ID", "CanonicalUser/ID"),
        "Group": (How.URI, "URI", "Group/URI"),
        "AmazonCustomerByEmail": (How.EMAIL, "EmailAddress", "AmazonCustomerByEmail/EmailAddress"),
    }
    kind = kinds.get(grantee.attributes.get("type", ""))
    if permission not in PERMISSIONS or kind is None:
        raise malformed_acl()
    how, name, argument = kind
    # A second grantee that is passed over would be one that somebody relies on.
    grantee.only(name, "DisplayName")
    return _checked(Asked(permission, how, grantee.required(name).leaf().strip()), argument)


def _checked(asked: Asked, argument: str) -> Asked:
    if asked.how is How.ID and asked.value != ANONYMOUS_ID and not _ID.match(asked.value):
        raise invalid_argument("Invalid id", argument, asked.value)
    if asked.how is How.URI and asked.value not in GROUP_URIS:
        raise invalid_argument("Invalid group uri", argument, asked.value)
    return asked


def _bounded(grants: list[Asked]) -> tuple[Asked, ...]:
    if len(grants) > ACL_GRANTS:
        raise S3Error(Code.MALFORMED_ACL, f"An access control list has at most {ACL_GRANTS} grants")
    return tuple(grants)


def policy_document(owner_id: str, owner_name: str, grants: Iterable[Shown]) -> bytes:
    """The document of a list. Grants have no order; those of groups come first, as ceph/s3-tests wants them."""
    ordered = sorted(grants, key=lambda grant: grant.uri is None)
    owner = tree("Owner", text("ID", owner_id), text("DisplayName", owner_name))
    return document(tree("AccessControlPolicy", owner, tree("AccessControlList", *map(_shown, ordered))))


def _shown(grant: Shown) -> Tree:
    if grant.uri is not None:
        grantee = _typed("Group", text("URI", grant.uri))
    else:
        grantee = _typed("CanonicalUser", text("ID", grant.canonical_id), text("DisplayName", grant.display_name))
    return tree("Grant", grantee, text("Permission", grant.permission))


def _typed(kind: str, *identity: Tree) -> Tree:
    return Tree("Grantee", identity, (("xmlns:xsi", XSI_NAMESPACE), ("xsi:type", kind)))
