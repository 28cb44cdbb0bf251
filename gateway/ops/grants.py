"""From lists as clients write them to lists as records hold them, and back.

Belongs here: who a grantee is, what a canned list says, and which lists a bucket takes. Does not belong here: the form
of documents and headers (`wire/acl.py`), what a list allows (Rust, crate `authz`). Families share this file: lists come
with the creation of buckets, with PutBucketAcl and PutObjectAcl, and stand in the way of changing the ownership.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.errors import Code, S3Error
from gateway.limits import ADDRESS_USERS, DISPLAY_NAME_CHARS
from gateway.model import Call
from gateway.ops.context import Owner, owner_of
from gateway.wire import acl as wire
from gateway.wire.acl import PERMISSIONS, Asked, How, Shown
from gateway.wire.xml import document, text, tree
from storage.records import keys
from storage.records.acl import Grant, Kind, Permission, decode_acl, encode_acl, full_control
from storage.records.bucket import BucketRecord, Ownership, PublicAccessBlock
from storage.records.pointer import decode_id
from storage.records.user import UserRecord

OWNERSHIPS: Final = {
    "BucketOwnerEnforced": Ownership.BUCKET_OWNER_ENFORCED,
    "BucketOwnerPreferred": Ownership.BUCKET_OWNER_PREFERRED,
    "ObjectWriter": Ownership.OBJECT_WRITER,
}
"""Amazon's words. `gateway/config.py` has the same."""

_GROUPS: Final = {
    wire.ALL_USERS: Kind.ALL_USERS,
    wire.AUTHENTICATED_USERS: Kind.AUTHENTICATED_USERS,
    wire.LOG_DELIVERY: Kind.LOG_DELIVERY,
}
_URIS: Final = {kind: uri for uri, kind in _GROUPS.items()}
_PUBLIC: Final = frozenset({Kind.ALL_USERS, Kind.AUTHENTICATED_USERS})

_CANNED: Final[Mapping[str, tuple[tuple[Kind, Permission], ...]]] = {
    "public-read": ((Kind.ALL_USERS, Permission.READ),),
    "public-read-write": ((Kind.ALL_USERS, Permission.READ), (Kind.ALL_USERS, Permission.WRITE)),
    "authenticated-read": ((Kind.AUTHENTICATED_USERS, Permission.READ),),
    "log-delivery-write": ((Kind.LOG_DELIVERY, Permission.WRITE), (Kind.LOG_DELIVERY, Permission.READ_ACP)),
}
"""What canned lists grant to groups beside the owner's FULL_CONTROL. `aws-exec-read` grants to a service of Amazon's
that is not here, so that the owner's grant is all of it."""
_FOR_BUCKET_OWNER: Final = {
    "bucket-owner-read": Permission.READ,
    "bucket-owner-full-control": Permission.FULL_CONTROL,
}

OWNERSHIP_DOCUMENT: Final = "ownershipControls"

Grants = tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The list a request asks for: a canned one, or grants and, from a document, the owner it names."""

    canned: str | None = None
    asked: tuple[Asked, ...] = ()
    owner_id: str | None = None


def wanted_by_headers(headers: Mapping[str, str], canned: frozenset[str]) -> Wanted | None:
    """The list the headers ask for, None without any. InvalidArgument; InvalidRequest when they ask twice."""
    name, asked = wire.canned_of(headers, canned), wire.grants_of_headers(headers)
    if name is not None and asked is not None:
        raise S3Error(Code.INVALID_REQUEST, "Specifying both Canned ACLs and Header Grants is not allowed")
    return None if name is None and asked is None else Wanted(name, asked or ())


def wanted_by(call: Call, canned: frozenset[str]) -> Wanted:
    """The list a Put…Acl asks for, in headers or in its body.

    UnexpectedContent for both, MissingSecurityHeader for neither, MalformedACLError, InvalidArgument, InvalidRequest.
    """
    wanted = wanted_by_headers(call.headers, canned)
    if not call.body.strip():
        if wanted is None:
            fields = (("MissingHeaderName", "x-amz-acl"),)
            raise S3Error(Code.MISSING_SECURITY_HEADER, "Your request was missing a required header", fields)
        return wanted
    if wanted is not None:
        raise S3Error(Code.UNEXPECTED_CONTENT, "This request does not support content")
    owner_id, asked = wire.parse_policy(call.body)
    return Wanted(None, asked, owner_id)


def resolved(call: Call, wanted: Wanted, owner: int, bucket_owner: int) -> Grants:
    """The grants of a list for something of `owner`'s in a bucket of `bucket_owner`'s.

    InvalidArgument for an id that is nobody's; UnresolvableGrantByEmailAddress, AmbiguousGrantByEmailAddress;
    AccessDenied when the document names another owner: a list gives nothing away.
    """
    identity = owner_of(call, owner)
    if wanted.owner_id is not None and wanted.owner_id != identity.canonical_id:
        raise S3Error(Code.ACCESS_DENIED)
    if wanted.canned is None:
        return tuple(_resolved(call, asked, owner, identity) for asked in wanted.asked)
    grants = [full_control(owner)]
    grants += (Grant(kind, 0, permission) for kind, permission in _CANNED.get(wanted.canned, ()))
    share = _FOR_BUCKET_OWNER.get(wanted.canned)
    if share is not None and bucket_owner != owner:
        grants.append(Grant(Kind.USER, bucket_owner, share))
    return tuple(grants)


def _resolved(call: Call, asked: Asked, owner: int, identity: Owner) -> Grant:
    permission = Permission[asked.permission]
    if asked.how is How.URI:
        return Grant(_GROUPS[asked.value], 0, permission)
    if asked.how is How.ID:
        # An owner who was removed keeps what is his.
        number = owner if asked.value == identity.canonical_id else _user_of_id(call, asked.value)
    else:
        number = _user_of_address(call, asked.value)
    return Grant(Kind.USER, number, permission)


def _user_of_id(call: Call, canonical_id: str) -> int:
    row = None
    if canonical_id != wire.ANONYMOUS_ID:
        row = call.store.get(keys.canonical_id(bytes.fromhex(canonical_id)))
    if row is None:
        raise wire.invalid_argument("Invalid id", "CanonicalUser/ID", canonical_id)
    return decode_id(row)


def _user_of_address(call: Call, address: str) -> int:
    """The one user of an address in the caller's own tenant: which addresses others know is nobody's business."""
    known = 0 < len(address) <= DISPLAY_NAME_CHARS
    rows = call.store.scan(*keys.email_range(address.encode()), ADDRESS_USERS) if known else []
    found = [number for number in (decode_id(value) for _, value in rows) if _is_own(call, number)]
    if not found:
        raise S3Error(Code.UNRESOLVABLE_GRANT, fields=(("EmailAddress", address),))
    if len(found) > 1:
        raise S3Error(Code.AMBIGUOUS_GRANT, fields=(("EmailAddress", address),))
    return found[0]


def _is_own(call: Call, number: int) -> bool:
    row = call.store.get(keys.user(number))
    return row is not None and UserRecord.decode(row).tenant == call.caller.tenant


def compiled(grants: Grants, owner: int) -> bytes | None:
    """The list as the record of something of `owner`'s holds it: what every new thing has is not stored."""
    return None if grants == (full_control(owner),) else encode_acl(grants)


def check_blocked(bucket: BucketRecord, grants: Grants) -> None:
    """AccessDenied for a public list where the bucket's Block Public Access says BlockPublicAcls.

    Public is a grant to everybody, or to everybody who signs (AWS: "The meaning of public").
    """
    blocks = PublicAccessBlock.BLOCK_PUBLIC_ACLS in (bucket.public_access_block or PublicAccessBlock(0))
    if blocks and any(grant.kind in _PUBLIC for grant in grants):
        raise S3Error(Code.ACCESS_DENIED)


def grants_others(acl: bytes | None, owner: int) -> bool:
    """Whether a compiled list has a grant for somebody else than the owner."""
    return acl is not None and any((grant.kind, grant.user) != (Kind.USER, owner) for grant in decode_acl(acl))


def check_unlisted(call: Call, wanted: Wanted, bucket: BucketRecord) -> None:
    """What may be asked for where lists are disabled: nothing but what holds, the bucket's owner's FULL_CONTROL, by the
    canned list's name or by an equivalent document (AWS: "Controlling ownership of objects and disabling ACLs").

    AccessControlListNotSupported.
    """
    holds = wanted.canned == "bucket-owner-full-control"
    if wanted.canned is None:
        holds = resolved(call, wanted, bucket.owner, bucket.owner) == (full_control(bucket.owner),)
    if not holds:
        raise S3Error(Code.ACL_NOT_SUPPORTED)


def ownership_document(ownership: Ownership) -> bytes:
    """The OwnershipControls that say this."""
    word = next(name for name, known in OWNERSHIPS.items() if known is ownership)
    return document(tree("OwnershipControls", tree("Rule", text("ObjectOwnership", word))))


def list_document(call: Call, owner: int, acl: bytes | None) -> bytes:
    """The AccessControlPolicy of something of `owner`'s with this compiled list."""
    identity = owner_of(call, owner)
    people = {owner: identity}
    shown = []
    for grant in (full_control(owner),) if acl is None else decode_acl(acl):
        if grant.kind is Kind.USER and grant.user not in people:
            people[grant.user] = owner_of(call, grant.user)
        for permission in _words(grant.permissions):
            if grant.kind is Kind.USER:
                who = people[grant.user]
                shown.append(Shown(permission, None, who.canonical_id, who.display_name))
            else:
                shown.append(Shown(permission, _URIS[grant.kind]))
    return wire.policy_document(identity.canonical_id, identity.display_name, shown)


def _words(permissions: Permission) -> list[str]:
    """What the wire calls the permissions of a grant; it has no word for most combinations."""
    if permissions == Permission.FULL_CONTROL:
        return ["FULL_CONTROL"]
    return [word for word in PERMISSIONS if word != "FULL_CONTROL" and Permission[word] & permissions]
