"""Removing the relations of what is removed: a bucket, a user, a group, a role, a tenant (and its schema).

Belongs here: finding such relations and deleting them. Does not belong here: removing the thing itself.

Numbers are never given twice, so what stays behind (after a crash, say) gives nothing to anybody; `panthera verify`
tells it as a note. Removing it is housekeeping, and happens after the commit that makes it inert.
"""

from collections.abc import Callable, Iterator
from typing import Final

from authz.acting import acting
from authz.model import ChangeValue, Place, Subject, TupleValue
from authz.writing import CHANGES
from storage.native import Relations as Engine

_DELETE: Final = "delete"


class Forgetting:
    """Removes relations through the engine. Methods block on the store; they may be repeated."""

    def __init__(self, engine: Engine, clock_us: Callable[[], int]) -> None:
        self._engine = engine
        self._clock_us = clock_us

    def bucket(self, tenant: int, number: int) -> int:
        """Everything granted on or in a bucket. How many relations there were, as of all below."""
        return self._forget(tenant, lambda: self._read(tenant, bucket=number))

    def place(self, tenant: int, place: Place) -> int:
        """Everything at exactly this place: the members of a group."""
        return self._forget(tenant, lambda: self._read(tenant, at=place))

    def subject(self, tenant: int, subject: Subject) -> int:
        """Everything this subject was granted in a tenant. Looks at every relation of the tenant."""
        return self._forget(tenant, lambda: self._read(tenant, subject=subject))

    def tenant(self, tenant: int) -> int:
        """Everything granted in a tenant, and its schema."""
        count = self._forget(tenant, lambda: self._read(tenant))
        self._engine.remove_schema(tenant, now_us=self._clock_us(), by=acting().value)
        return count

    def _read(
        self, tenant: int, *, at: Place | None = None, bucket: int | None = None, subject: Subject | None = None
    ) -> Iterator[TupleValue]:
        cursor: bytes | None = None
        while True:
            found, cursor = self._engine.read(
                tenant,
                CHANGES,
                at=None if at is None else at.value,
                bucket=bucket,
                grantee=None if subject is None else subject.bits,
                cursor=cursor,
            )
            yield from found
            if cursor is None:
                return

    def _forget(self, tenant: int, read: Callable[[], Iterator[TupleValue]]) -> int:
        count = 0
        changes: list[ChangeValue] = []

        def flush() -> None:
            if changes:
                self._engine.write(tenant, changes, now_us=self._clock_us(), by=acting().value)
                changes.clear()

        for place, relation, grantee, _, _ in read():
            changes.append((_DELETE, place, relation, grantee, None, None))
            count += 1
            if len(changes) == CHANGES:
                flush()
        flush()
        return count
