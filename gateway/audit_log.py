"""Reading the audit log: entries of one tenant or of all in the order of time, filtered, in pages, with names.

Belongs here: which entries, and how one is shown to whom. Does not belong here: what is written down (crate `authz`,
`auditing.py`), the routes (`admin/audit.py`).

A tenant sees its own log. Of others it is told numbers, never names, revisions or positions in the log: those count
what others do.
"""

import hashlib
import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, Final

from authz.directory import Directory
from authz.model import Kind, Subject
from authz.names import WordError, parse_span, parse_subject, show_moment
from authz.shown import packed, stored, unpacked
from authz.vocabulary import vocabulary_of
from gateway.limits import ADMIN_PAGE, AUDIT_ROWS_PER_PAGE
from storage.api import Metastore
from storage.native import Relations as Engine
from storage.native import audit_changes, audit_reasons
from storage.records import keys
from storage.records.audit import AuditKind, AuditOutcome, AuditRecord
from storage.records.tenant import TenantRecord

Json = dict[str, Any]

OUTCOMES: Final = tuple(outcome.name.lower() for outcome in AuditOutcome)
_REASONS: Final = dict(audit_reasons())
_NAME_BYTES: Final = 16
_NAMES: Final = b"audit entry"
_FIRST: Final = bytes(_NAME_BYTES)
_END_US: Final = (1 << 64) - 1
_ADDRESSES: Final = ("s3://", "tenant", "group:", "role:", "share:")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries; every part that is given must match. Moments are spans back from now (`1h`) or ISO 8601."""

    since: str | None = None
    until: str | None = None
    subject: str | None = None
    action: str | None = None
    outcome: str | None = None
    resource: str | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    """An entry where it stands. `secret` is its tenant's, and shown to nobody."""

    secret: bytes = field(repr=False)
    at_us: int
    tenant: int
    sequence: int
    record: AuditRecord

    @property
    def name(self) -> bytes:
        """Names the entry and tells nothing: its sequence counts what others do, too, and could be guessed at."""
        row = keys.audit(self.tenant, self.at_us, self.sequence)
        return hashlib.blake2b(row, key=self.secret, person=_NAMES, digest_size=_NAME_BYTES).digest()


class AuditLog:
    """The log of a store as root sees it, or one tenant (`viewer`)."""

    def __init__(self, store: Metastore, engine: Engine, now_us: int, viewer: int | None = None) -> None:
        self._store = store
        self._engine = engine
        self._now_us = now_us
        self._viewer = viewer
        self._directory = Directory(store, viewer)

    def page(
        self, wanted: Wanted, *, tenant: str | None = None, cursor: str | None = None, limit: int = ADMIN_PAGE
    ) -> tuple[list[Json], str | None]:
        """Entries, oldest first, and where the next page begins; None after the last. A page may be short."""
        since = 0 if wanted.since is None else self.moment(wanted.since)
        until = _END_US if wanted.until is None else self.moment(wanted.until)
        if since >= until:
            raise WordError(f"nothing lies between {wanted.since} and {wanted.until}: since is the earlier moment")
        _begins(wanted.resource)
        after = _FIRST
        if cursor is not None:
            since, after = _place(cursor)
        subject = self._subject(wanted, tenant)
        found: list[Json] = []
        looked = 0
        last: _Row | None = None
        for row in _behind(self._rows(tenant, since, until), since, after):
            if len(found) == limit or looked == AUDIT_ROWS_PER_PAGE:
                return found, None if last is None else packed(last.at_us.to_bytes(8, "big") + last.name)
            looked, last = looked + 1, row
            # Who sees all logs sees the owner's entry, of which this is a copy.
            if self._everybody(tenant) and row.record.acting:
                continue
            if _fits(row.record, wanted, subject) and _lies(shown := self._shown(row), wanted):
                found.append(shown)
        return found, None

    def tenant(self, name: str) -> int:
        """A tenant's number. UnknownNameError."""
        return self._directory.tenant(name)

    def _rows(self, tenant: str | None, since: int, until: int) -> Iterator[_Row]:
        """Rows of the logs that may be seen, in the order of time."""
        logs = list(self._logs()) if self._everybody(tenant) else [self._directory.start(tenant)]
        # All are read side by side: together no more than one page at once.
        ahead = max(1, ADMIN_PAGE // max(1, len(logs)))
        # Sequences of one process and moment ascend, of two they are as good as any order.
        found = (self._log(one, since, until, ahead) for one in logs)
        return heapq.merge(*found, key=lambda row: (row.at_us, row.tenant, row.sequence))

    def _everybody(self, tenant: str | None) -> bool:
        return tenant is None and self._viewer is None

    def _logs(self) -> Iterator[int]:
        """Tenants that have entries, also those that are gone."""
        start, end = keys.kind_range(keys.AUDIT)
        while found := self._store.scan(start, end, 1):
            tenant = keys.parse_audit(found[0][0])[0]
            yield tenant
            start = keys.successor(found[0][0][:5])

    def _log(self, tenant: int, since: int, until: int, ahead: int) -> Iterator[_Row]:
        start, end = keys.audit(tenant, since, 0), keys.audit(tenant, until, 0)
        value = self._store.get(keys.tenant(tenant))
        # Only root sees the log of a tenant that is gone.
        secret = b"" if value is None else TenantRecord.decode(value).domain_key
        while found := self._store.scan(start, end, ahead):
            for key, value in found:
                _, at_us, sequence = keys.parse_audit(key)
                yield _Row(secret, at_us, tenant, sequence, AuditRecord.decode(value))
            start = found[-1][0] + b"\0"

    def moment(self, text: str) -> int:
        """A span back from now, or a moment in ISO 8601, in microseconds. WordError."""
        try:
            return max(0, self._now_us - parse_span(text) * 1_000_000)
        except WordError:
            pass
        try:
            moment = datetime.fromisoformat(text)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
            return min(_END_US, max(0, int(moment.timestamp() * 1_000_000)))
        except (ValueError, OverflowError) as error:
            raise WordError(f"{text!r} is no moment: write 1h, 30d or 2030-01-31T12:00:00Z") from error

    def _subject(self, wanted: Wanted, tenant: str | None) -> int | None:
        if wanted.subject is None:
            return None
        named = parse_subject(wanted.subject)
        return self._directory.subject(named, self._directory.start(tenant), anywhere=True).bits

    def _shown(self, row: _Row) -> Json:
        record = row.record
        moment = datetime.fromtimestamp(row.at_us / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        shown: Json = {
            "id": row.name.hex(),
            "time": moment,
            "tenant": self._directory.tenant_name(row.tenant),
            "side": "actor" if record.acting else "owner",
            "kind": record.kind.name.lower(),
            "action": record.action,
            "outcome": record.outcome.name.lower(),
            "reason": _REASONS.get(record.reason, f"#{record.reason}") if record.reason else None,
            "subject": self._show_subject(Subject.of(record.who), row.tenant),
            "request_id": record.request_id,
            "access_key": record.access_key,
            "source_ip": None if record.source_ip is None else str(ip_address(record.source_ip)),
            "resource": _address(record),
            "changes": self._changes(row),
            "detail": _detail(record),
        }
        if self._viewer is None:
            shown["revision"] = record.revision or None
        return shown

    def _show_subject(self, subject: Subject, tenant: int) -> str:
        if subject.kind is Kind.ITSELF:
            return "server"
        if self._viewer not in (None, subject.tenant) and subject.kind is not Kind.ANYONE:
            return f"{subject.kind.name.lower()}:#{subject.tenant}/#{subject.number}"
        return self._directory.show_subject(subject, tenant)

    def _changes(self, row: _Row) -> list[Json]:
        shown = []
        for (key, _), (is_set, value) in zip(row.record.changes, audit_changes(row.record.changes), strict=True):
            tenant = int.from_bytes(key[1:5], "big")
            one = stored(self._directory, tenant, value, vocabulary_of(self._engine, tenant))
            shown.append(
                {
                    "op": "grant" if is_set else "revoke",
                    "subject": one.subject,
                    "relation": one.relation,
                    "resource": one.resource,
                    "expires": one.expires,
                    "conditions": list(one.conditions),
                }
            )
        return shown


def _address(record: AuditRecord) -> str | None:
    if not record.name:
        return None
    key = b"" if record.key is None else b"/" + record.key
    return f"s3://{record.name}{key.decode('utf-8', 'surrogateescape')}"


def _detail(record: AuditRecord) -> str | None:
    """Of a trim the moment for people, which its row has in microseconds."""
    if record.kind is not AuditKind.TRIM or record.detail is None:
        return record.detail
    word, _, number = record.detail.partition(" ")
    return f"{word} {show_moment(int(number))}" if number.isdecimal() else record.detail


def _fits(record: AuditRecord, wanted: Wanted, subject: int | None) -> bool:
    """What an entry itself says."""
    return (
        (subject is None or record.who == subject)
        and (wanted.outcome is None or record.outcome.name.lower() == wanted.outcome)
        and (wanted.action is None or record.action.lower() == wanted.action.lower())
    )


def _lies(shown: Json, wanted: Wanted) -> bool:
    """Whether it is about a resource whose address begins so."""
    if wanted.resource is None:
        return True
    places = [shown["resource"], *(change["resource"] for change in shown["changes"])]
    return any(place is not None and place.startswith(wanted.resource) for place in places)


def _begins(resource: str | None) -> None:
    """WordError for what no address begins with: it would find nothing, ever."""
    if resource is not None and not resource.startswith(_ADDRESSES):
        raise WordError(f"{resource!r} is how no address begins: write s3://BUCKET or s3://BUCKET/PREFIX")


def _place(cursor: str) -> tuple[int, bytes]:
    data = unpacked(cursor, "cursor")
    if len(data) != 8 + _NAME_BYTES:
        raise WordError(f"{cursor!r} is no cursor of this server")
    return int.from_bytes(data[:8], "big"), data[8:]


def _behind(rows: Iterator[_Row], since: int, after: bytes) -> Iterator[_Row]:
    """Rows behind the one with this name, which is of the first moment; all, when there is none."""
    first: list[_Row] = []
    for row in rows:
        if row.at_us != since or after == _FIRST:
            yield from first
            yield row
            yield from rows
            return
        first = [] if row.name == after else [*first, row]
    yield from first
