"""Who holds which policy: the compiled policies that can bear on somebody's question about a bucket.

Belongs here: reading identity rows. Does not belong here: what policies say (`policy/reading.py`), who is in a group:
policies of every group of a tenant count as possible.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from authz.model import Kind, Subject
from authz.policy.reading import Said, statements
from storage.api import Metastore
from storage.records import keys
from storage.records.group import GroupRecord
from storage.records.identity import IdentityRecord
from storage.records.keys import PrincipalOf
from storage.records.managed_policy import ManagedPolicyRecord
from storage.records.share import ShareRecord
from storage.records.user import UserRecord

_ROWS: Final = 1_000
"""Rows of groups read at once."""


@dataclass(frozen=True, slots=True)
class Held:
    """A statement, the policy it is in (empty: the bucket's) and whose that is (`user:alice`; empty: the bucket's)."""

    said: Said
    policy: str = ""
    holder: str = ""


def of_bucket(compiled: bytes | None) -> list[Held]:
    """The statements of a bucket's policy."""
    return [] if compiled is None else [Held(said) for said in statements(compiled)]


def of_subject(store: Metastore, who: Subject) -> list[Held]:
    """The statements that hang on a user; of a share, on who made it."""
    if who.kind is Kind.SHARE:
        row = store.get(keys.share(who.tenant, who.number))
        return [] if row is None else of_subject(store, creator_of(who, row))
    row = store.get(keys.user(who.number)) if who.kind is Kind.USER else None
    name = f"user:#{who.number}" if row is None else f"user:{UserRecord.decode(row).name}"
    return [] if row is None else list(_held(store, who.tenant, PrincipalOf.USER, who.number, name))


def creator_of(share: Subject, row: bytes) -> Subject:
    """The user in whose right a share acts."""
    return Subject(Kind.USER, share.tenant, ShareRecord.decode(row).creator)


def of_groups(store: Metastore, tenant: int) -> Iterator[Held]:
    """The statements that hang on any group of a tenant."""
    first = keys.identity(tenant, PrincipalOf.GROUP, 0)
    end = keys.identity(tenant, PrincipalOf(PrincipalOf.GROUP + 1), 0)
    while rows := store.scan(first, end, _ROWS):
        for row, _ in rows:
            number = int.from_bytes(row[-4:], "big")
            record = store.get(keys.group(number))
            name = f"group:#{number}" if record is None else f"group:{GroupRecord.decode(record).name}"
            yield from _held(store, tenant, PrincipalOf.GROUP, number, name)
        first = rows[-1][0] + b"\0"


def _held(store: Metastore, tenant: int, of: PrincipalOf, number: int, holder: str) -> Iterator[Held]:
    row = store.get(keys.identity(tenant, of, number))
    if row is None:
        return
    record = IdentityRecord.decode(row)
    found = [(one.name, one.compiled) for one in record.inline]
    for name in (*record.attached, *((record.boundary,) if record.boundary else ())):
        managed = store.get(keys.managed_policy(tenant, name.encode()))
        if managed is not None:
            found.append((name, ManagedPolicyRecord.decode(managed).compiled))
    for name, compiled in found:
        for said in statements(compiled):
            yield Held(said, name, holder)
