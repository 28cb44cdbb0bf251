"""Tenants, users, credentials, buckets: that names lead to ids and back, and that nothing names what is not there.

Belongs here: rows the control plane writes. Does not belong here: objects (`objects.py`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from storage.verify import rows
from storage.verify.directory import BrokenRows, Rows
from storage.verify.report import Report
from storage.verify.row_keys import KINDS, bucket_of, u32

_Row = TypeVar("_Row")
_COUNTERS = {b"next/bucket", b"next/user", b"next/tenant", b"next/group", b"next/role"}
_ELSEWHERE = {b"epoch", b"authz"}
"""Names whose rows are checked by those who know them (`relations.py`)."""
_BEGINNINGS = (b"next/share/", b"audit/")
"""How the names begin that `shares.py` and `audit.py` check."""
_FORMAT = 1


def shown(key: bytes) -> str:
    """A key in words that are safe on a terminal."""
    return ascii(key.decode("utf-8", "surrogateescape"))


@dataclass(slots=True)
class Catalog:
    """Everything there is but objects, by number; buckets, users and names also as they stand in their rows."""

    tenants: dict[int, rows.TenantRow] = field(default_factory=dict)
    users: dict[int, rows.UserRow] = field(default_factory=dict)
    groups: dict[int, rows.GroupRow] = field(default_factory=dict)
    roles: dict[int, rows.GroupRow] = field(default_factory=dict)
    buckets: dict[int, rows.BucketRow] = field(default_factory=dict)
    names: dict[int, bytes] = field(default_factory=dict)
    """Names of buckets."""

    def domain_key(self, bucket: int) -> bytes | None:
        """The key of the chunks of a bucket; None when its rows are damaged."""
        row = self.buckets.get(bucket)
        tenant = None if row is None else self.tenants.get(row.tenant)
        return None if tenant is None else tenant.domain_key

    def bucket_name(self, bucket: int) -> str:
        """For people."""
        name = self.names.get(bucket)
        return f"bucket {bucket}" if name is None else name.decode("utf-8", "backslashreplace")


def scanned(stored: Rows, prefix: bytes, report: Report) -> Iterator[tuple[bytes, bytes]]:
    """Rows under a prefix, to the place where pages are damaged."""
    last = prefix
    try:
        for key, value in stored.under(prefix):
            last = key
            yield key, value
    except BrokenRows as error:
        report.problem(f"rows behind {shown(last)}", f"cannot be read: {error}")


def _decoded(
    stored: Rows, kind: bytes, read: Callable[[bytes], _Row], report: Report
) -> Iterator[tuple[bytes, bytes, _Row]]:
    """Key, value and record of each row of a kind; what does not decode is a problem."""
    for key, value in scanned(stored, kind, report):
        try:
            yield key, value, read(value)
        except rows.BadRow as bad:
            report.problem(f"row {shown(key)}", str(bad))


def read_catalog(stored: Rows, report: Report) -> Catalog:
    """Reads what rescue needs, too: tenants, users, buckets."""
    catalog = Catalog()
    for key, _, tenant in _decoded(stored, b"T", rows.read_tenant, report):
        if key[1:] != u32(tenant.id):
            report.problem(f"row {shown(key)}", f"holds tenant {tenant.id}")
        catalog.tenants[tenant.id] = tenant
    for key, _, user in _decoded(stored, b"U", rows.read_user, report):
        if key[1:] != u32(user.id):
            report.problem(f"row {shown(key)}", f"holds user {user.id}")
        catalog.users[user.id] = user
    for kind, found in ((b"g", catalog.groups), (b"e", catalog.roles)):
        for key, _, group in _decoded(stored, kind, rows.read_group, report):
            if key[1:] != u32(group.id):
                report.problem(f"row {shown(key)}", f"holds number {group.id}")
            found[group.id] = group
    for key, _, bucket in _decoded(stored, b"b", rows.read_bucket, report):
        if bucket.id in catalog.buckets:
            other = catalog.bucket_name(bucket.id)
            report.problem(f"bucket {shown(key[1:])}", f"has the number of bucket {other}")
            continue
        catalog.buckets[bucket.id] = bucket
        catalog.names[bucket.id] = key[1:]
    report.counts["tenants"] = len(catalog.tenants)
    report.counts["buckets"] = len(catalog.buckets)
    return catalog


def check_accounts(stored: Rows, catalog: Catalog, report: Report) -> None:
    """Everything `read_catalog` read, and the rows that point at it."""
    _store_rows(stored, catalog, report)
    _tenants(stored, catalog, report)
    _users(stored, catalog, report)
    _groups(stored, catalog, report)
    _credentials(stored, catalog, report)
    _buckets(stored, catalog, report)
    _unknown_kinds(stored, report)


def _store_rows(stored: Rows, catalog: Catalog, report: Report) -> None:
    highest = {
        b"next/bucket": max(catalog.buckets, default=0),
        b"next/user": max(catalog.users, default=0),
        b"next/tenant": max(catalog.tenants, default=0),
        b"next/group": max(catalog.groups, default=0),
        b"next/role": max(catalog.roles, default=0),
    }
    for key, value in scanned(stored, b"m", report):
        name, where = key[1:], f"row {shown(key)}"
        try:
            if name in _COUNTERS:
                (given,) = rows.read_counters(value, 1)
                if given < highest.pop(name):
                    report.problem(where, f"is {given}, below a number that was given")
            elif name == b"format":
                if value != _FORMAT.to_bytes(4, "little"):
                    report.problem(where, "is not format 1")
            elif name not in _ELSEWHERE and not name.startswith(_BEGINNINGS):
                report.problem(where, "is a name that is not known")
        except rows.BadRow as bad:
            report.problem(where, str(bad))
    for name, most in highest.items():
        if most:
            report.problem(f"row {shown(b'm' + name)}", "is missing")


def _tenants(stored: Rows, catalog: Catalog, report: Report) -> None:
    named = set()
    for key, _, number in _decoded(stored, b"n", lambda data: rows.read_pointer(data, 4), report):
        tenant = catalog.tenants.get(number)
        if tenant is None or tenant.name.encode() != key[1:]:
            report.problem(f"tenant name {shown(key[1:])}", f"leads to tenant {number}, which has not this name")
        named.add(number)
    for number in catalog.tenants.keys() - named:
        report.problem(f"tenant {number}", "has no name row")


def _users(stored: Rows, catalog: Catalog, report: Report) -> None:
    named = set()
    for key, _, number in _decoded(stored, b"N", lambda data: rows.read_pointer(data, 4), report):
        user = catalog.users.get(number)
        if user is None or u32(user.tenant) + user.name.encode() != key[1:]:
            report.problem(f"user name {shown(key[5:])}", f"leads to user {number}, who has not this name")
        named.add(number)
    for number, user in catalog.users.items():
        # A removed user keeps its record, disabled and nameless, also when its tenant is gone.
        if number not in named and not user.disabled:
            report.problem(f"user {number}", "has no name row")
        if user.tenant not in catalog.tenants and not user.disabled:
            report.problem(f"user {number}", f"belongs to tenant {user.tenant}, which is missing")


def _groups(stored: Rows, catalog: Catalog, report: Report) -> None:
    for word, kind, found in (("group", b"G", catalog.groups), ("role", b"E", catalog.roles)):
        named = set()
        for key, _, number in _decoded(stored, kind, lambda data: rows.read_pointer(data, 4), report):
            group = found.get(number)
            if group is None or u32(group.tenant) + group.name.encode() != key[1:]:
                report.problem(f"{word} name {shown(key[5:])}", f"leads to {word} {number}, which has not this name")
            named.add(number)
        for number, group in found.items():
            if number not in named:
                report.problem(f"{word} {number}", "has no name row")
            if group.tenant not in catalog.tenants:
                report.problem(f"{word} {number}", f"belongs to tenant {group.tenant}, which is missing")


def _credentials(stored: Rows, catalog: Catalog, report: Report) -> None:
    for key, _, credential in _decoded(stored, b"k", rows.read_credential, report):
        where = f"access key {shown(key[1:])}"
        user = catalog.users.get(credential.user)
        if user is None:
            report.problem(where, f"belongs to user {credential.user}, who is missing")
            continue
        if user.tenant != credential.tenant:
            report.problem(where, f"names tenant {credential.tenant}, its user belongs to {user.tenant}")
        if user.canonical_id != credential.canonical_id:
            report.problem(where, "has another canonical id than its user")
        if credential.flags & ~user.flags & ~1:
            report.problem(where, "may do more than its user")


def _buckets(stored: Rows, catalog: Catalog, report: Report) -> None:
    listed = set()
    for key, _, number in _decoded(stored, b"B", lambda data: rows.read_pointer(data, 4), report):
        bucket = catalog.buckets.get(number)
        if bucket is None or u32(bucket.tenant) + catalog.names[number] != key[1:]:
            report.problem(f"bucket {shown(key[5:])} of a tenant", f"leads to bucket {number}, which is not this")
        listed.add(number)
    fenced = set()
    for key, _, fence in _decoded(stored, b"f", rows.read_fence, report):
        bucket = _bucket_of(key, catalog, report)
        if bucket is None or len(key) != 5:
            continue
        fenced.add(bucket.id)
        if (fence.versioning, fence.lock) != (bucket.versioning, bucket.lock):
            report.problem(f"fence of bucket {catalog.bucket_name(bucket.id)}", "says something else than the bucket")
    for key, _, _ in _decoded(stored, b"c", rows.read_document, report):
        _bucket_of(key, catalog, report)
    for number, bucket in catalog.buckets.items():
        where = f"bucket {catalog.bucket_name(number)}"
        if bucket.tenant not in catalog.tenants:
            report.problem(where, f"belongs to tenant {bucket.tenant}, which is missing")
        if bucket.owner not in catalog.users:
            report.problem(where, f"is owned by user {bucket.owner}, who is missing")
        if number not in listed:
            report.problem(where, "is not listed at its tenant")
        if number not in fenced:
            report.problem(where, "has no fence")


def _bucket_of(key: bytes, catalog: Catalog, report: Report) -> rows.BucketRow | None:
    try:
        bucket = catalog.buckets.get(bucket_of(key))
    except rows.BadRow as bad:
        report.problem(f"row {shown(key)}", str(bad))
        return None
    if bucket is None:
        report.problem(f"row {shown(key)}", "belongs to a bucket that is missing")
    return bucket


def _unknown_kinds(stored: Rows, report: Report) -> None:
    for kind in set(range(256)) - set(KINDS):
        for key, _ in scanned(stored, bytes([kind]), report):
            report.problem(f"row {shown(key)}", "is of a kind that is not known")
