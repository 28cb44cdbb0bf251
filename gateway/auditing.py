"""Changes of rights that are rows of their own (policies, lists, identities, keys) are written down in the commit that
makes them; decisions that Python makes about another tenant's resource, in a commit of their own.

Belongs here: what a request's commits are about, and a store that adds it to them. Does not belong here: relations,
whose engine does the same, decisions about S3's requests (crate `authz`), and reading the log (`audit_log.py`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final, Protocol

from authz.acting import Actor, acting
from storage.api import Guard, Metastore, Op
from storage.records.audit import AuditKind, AuditOutcome, AuditRecord

RIGHTS: Final = frozenset(
    {
        "s3:DeleteBucketPolicy",
        "s3:PutBucketAcl",
        "s3:PutBucketOwnershipControls",
        "s3:PutBucketPolicy",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutObjectAcl",
        "s3:PutObjectVersionAcl",
    }
)
"""Actions of S3 that change who may do what."""


@dataclass(frozen=True, slots=True)
class Decided:
    """How a decision ended, and the number of its reason (`storage.native.audit_reasons`)."""

    allowed: bool
    reason: int


@dataclass(frozen=True, slots=True)
class About:
    """What commits are about: whose log it goes to, the action, the bucket and key if there are any; `decided` of a
    decision, whose commit changes nothing.
    """

    tenant: int
    action: str
    bucket: int = 0
    name: str | None = None
    key: bytes | None = None
    detail: str | None = None
    decided: Decided | None = None


_ABOUT: Final[ContextVar[About | None]] = ContextVar("about", default=None)


@contextmanager
def noting(about: About) -> Iterator[None]:
    """Every commit to an `AuditedStore` inside says so in the audit log."""
    token = _ABOUT.set(about)
    try:
        yield
    finally:
        _ABOUT.reset(token)


@contextmanager
def concerning(tenant: int, bucket: int = 0, name: str | None = None, key: bytes | None = None) -> Iterator[None]:
    """Commits inside are about this: what a request names (a share's number, an access key) need not say whose it is.
    Outside of `noting` it does nothing.
    """
    about = _ABOUT.get()
    with nullcontext() if about is None else noting(replace(about, tenant=tenant, bucket=bucket, name=name, key=key)):
        yield


class AuditedMetastore(Metastore, Protocol):
    """A store that writes audit entries with its commits."""

    def commit(self, guards: Sequence[Guard], ops: Sequence[Op], audit: Sequence[tuple[int, bytes]] = ()) -> int:
        """As a Metastore's. RelationError of kind `audit` when the entries cannot be written: nothing changed then."""


class AuditedStore:
    """A Metastore whose commits leave an audit entry when the request is about rights."""

    def __init__(self, store: AuditedMetastore) -> None:
        self._store = store
        self.get: Final = store.get
        self.scan: Final = store.scan

    def commit(self, guards: Sequence[Guard], ops: Sequence[Op]) -> int:
        """See `storage.api.Metastore`."""
        about = _ABOUT.get()
        if about is None:
            return self._store.commit(guards, ops)
        return self._store.commit(guards, ops, [(about.tenant, _entry(about, acting()).encode())])


def _entry(about: About, actor: Actor) -> AuditRecord:
    return AuditRecord(
        action=about.action,
        who=actor.who,
        kind=AuditKind.CONFIGURATION if about.decided is None else AuditKind.DECISION,
        outcome=_outcome(about.decided),
        reason=0 if about.decided is None else about.decided.reason,
        bucket=about.bucket,
        request_id=actor.request_id or None,
        access_key=actor.access_key,
        source_ip=None if actor.source_ip is None else ip_address(actor.source_ip).packed,
        name=about.name,
        key=about.key,
        detail=about.detail,
    )


def _outcome(decided: Decided | None) -> AuditOutcome:
    if decided is None:
        return AuditOutcome.DONE
    return AuditOutcome.ALLOWED if decided.allowed else AuditOutcome.DENIED
