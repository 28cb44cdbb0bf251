"""What the rules of accounts, groups, policies and shares have in common over the record store.

Belongs here: finding a tenant's or user's row, numbers that are given once, trying again when a guard fails, what a
name may be and how a moment is shown. Does not belong here: any of the rules.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from gateway.errors import AccountError
from gateway.limits import ADMIN_PAGE, COMMIT_ATTEMPTS
from gateway.wire.names import is_account_name
from storage.api import Conflict, Guard, Metastore, absent, counters, equals
from storage.records import keys
from storage.records.credential import CredentialRecord
from storage.records.pointer import decode_id
from storage.records.tenant import TenantRecord
from storage.records.user import UserRecord

Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """A record's row as it was read, for the guard of the commit that follows."""

    key: bytes
    value: bytes

    @property
    def unchanged(self) -> Guard:
        """The guard that nobody changed it since."""
        return equals(self.key, self.value)


class Rows:
    """The rows of tenants, users and keys of one store."""

    def __init__(self, store: Metastore) -> None:
        self._store = store

    def _scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Every row of the range, read by pages."""
        while rows := self._store.scan(start, end, ADMIN_PAGE):
            yield from rows
            start = rows[-1][0] + b"\0"

    def _find_tenant(self, name: str) -> tuple[Row, TenantRecord] | None:
        pointer = self._store.get(keys.tenant_name(name.encode()))
        if pointer is None:
            return None
        key = keys.tenant(decode_id(pointer))
        value = self._store.get(key)
        return None if value is None else (Row(key, value), TenantRecord.decode(value))

    def _tenant(self, name: str) -> tuple[Row, TenantRecord]:
        found = self._find_tenant(name)
        if found is None:
            raise AccountError("missing", f"there is no tenant {name}")
        return found

    def _find_user(self, tenant: TenantRecord, name: str) -> tuple[Row, UserRecord] | None:
        pointer = self._store.get(keys.user_name(tenant.id, name.encode()))
        if pointer is None:
            return None
        key = keys.user(decode_id(pointer))
        value = self._store.get(key)
        return None if value is None else (Row(key, value), UserRecord.decode(value))

    def _user(self, tenant: TenantRecord, name: str) -> tuple[Row, UserRecord]:
        found = self._find_user(tenant, name)
        if found is None:
            raise AccountError("missing", f"tenant {tenant.name} has no user {name}")
        return found

    def _credentials(self) -> Iterator[tuple[str, CredentialRecord]]:
        for key, value in self._scan(*keys.kind_range(keys.CREDENTIAL)):
            yield key[1:].decode(), CredentialRecord.decode(value)


def next_number(store: Metastore, counter: bytes) -> tuple[int, Guard]:
    """The number after the last one given, and the guard that nobody takes it meanwhile."""
    value = store.get(counter)
    return (1, absent(counter)) if value is None else (counters(value)[0] + 1, equals(counter, value))


def repeated(attempt: Callable[[], T]) -> T:
    """Runs until its guards hold: somebody else changed the same account meanwhile."""
    for _ in range(COMMIT_ATTEMPTS):
        try:
            return attempt()
        except Conflict:
            continue
    raise AccountError("conflict", "the account keeps changing; try again")


def check_name(what: str, name: str) -> None:
    """AccountError unless an account may have the name."""
    if not is_account_name(name):
        raise AccountError("invalid", f"{name!r} cannot be the name of a {what}: letters, digits and _+=,.@- only")


def shown_moment(us: int) -> str:
    """A moment as answers show it."""
    return datetime.fromtimestamp(us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
