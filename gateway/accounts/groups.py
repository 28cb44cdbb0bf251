"""Groups and roles: what exists and how it changes. Who is in them are relations.

Belongs here: the rules of their records, members as relations. Does not belong here: HTTP, tenants and users
(`accounts.py`), what a group may do (`authz`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from authz.answers import DELETE, TOUCH, Ask, Change, Filter, Page, Part, Written
from authz.api import Relations
from authz.directory import Directory, UnknownNameError
from authz.model import At, Kind, Place, Subject
from gateway.accounts.forgetting import Forgetting
from gateway.accounts.holdings import removal
from gateway.accounts.rows import check_name, next_number, repeated, shown_moment
from gateway.errors import AccountError
from gateway.limits import ADMIN_PAGE, GROUP_DESCRIPTION_CHARS
from storage.api import Metastore, absent, add, delete, equals, put
from storage.records import keys
from storage.records.group import GroupRecord, RoleRecord
from storage.records.pointer import decode_id, encode_id
from storage.records.tenant import TenantRecord

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sort:
    """What tells groups from roles."""

    word: str
    counter: bytes
    row: Callable[[int], bytes]
    name_row: Callable[[int, bytes], bytes]
    names: Callable[[int], keys.Range]
    record: type[GroupRecord]
    at: At
    kind: Kind
    of: keys.PrincipalOf
    inside: str
    """The relation of those who are in it."""


GROUP: Final = Sort(
    "group", keys.NEXT_GROUP, keys.group, keys.group_name, keys.group_name_range, GroupRecord, At.GROUP, Kind.GROUP,
    keys.PrincipalOf.GROUP, "member",
)  # fmt: skip
ROLE: Final = Sort(
    "role", keys.NEXT_ROLE, keys.role, keys.role_name, keys.role_name_range, RoleRecord, At.ROLE, Kind.ROLE,
    keys.PrincipalOf.ROLE, "assignee",
)  # fmt: skip
FLAGS: Final = ("exported", "open")


class Groups:
    """The groups or the roles of one store, for a viewer. Methods block on the store; any thread may call them.

    AccountError for what the rules refuse; WordError, UnknownNameError and RelationError as `authz.api` raises them.
    """

    def __init__(self, sort: Sort, store: Metastore, relations: Relations, clock_us: Callable[[], int]) -> None:
        self._sort = sort
        self._store = store
        self._relations = relations
        self._clock_us = clock_us

    def seen_from(self, tenant: int) -> "Groups":
        """The same for somebody who may know of this tenant only."""
        return Groups(self._sort, self._store, self._relations.seen_from(tenant), self._clock_us)

    def all(self, tenant: str | None = None) -> list[Json]:
        """Those of a tenant, by name."""
        owner = self._owner(tenant)
        start, end = self._sort.names(owner)
        shown = []
        while rows := self._store.scan(start, end, ADMIN_PAGE):
            for _, value in rows:
                row = self._store.get(self._sort.row(decode_id(value)))
                if row is not None:
                    shown.append(self._show(self._sort.record.decode(row)))
            start = rows[-1][0] + b"\0"
        return shown

    def add(self, name: str, *, tenant: str | None = None, description: str = "") -> Json:
        """A new one, with nobody in it."""
        check_name(self._sort.word, name)
        if len(description) > GROUP_DESCRIPTION_CHARS or not (description.isprintable() or not description):
            raise AccountError("invalid", f"a description has at most {GROUP_DESCRIPTION_CHARS} printable characters")
        owner = self._owner(tenant)

        def attempt() -> Json:
            row = keys.tenant(owner)
            value = self._store.get(row)
            if value is None or TenantRecord.decode(value).disabled:
                raise AccountError("conflict", "the tenant is being removed")
            pointer = self._sort.name_row(owner, name.encode())
            if self._store.get(pointer) is not None:
                raise AccountError("conflict", f"{self._sort.word} {name} exists")
            number, fresh = next_number(self._store, self._sort.counter)
            record = self._sort.record(number, owner, self._clock_us(), name, description or None)
            puts = [
                put(self._sort.row(number), record.encode()),
                put(pointer, encode_id(number)),
                add(self._sort.counter, 1),
            ]
            self._store.commit([fresh, equals(row, value), absent(pointer)], puts)
            return self._show(record)

        return repeated(attempt)

    def remove(self, name: str, *, tenant: str | None = None) -> None:
        """Removes it. Its members lose what it gave before this returns.

        Members go before the name does: if this stops half-way, nobody is in a group that cannot be named any more.
        They go again afterwards, for who was added in between.
        """
        owner = self._owner(tenant)
        number = self._number(owner, name)
        forgetting = Forgetting(self._relations.engine, self._clock_us)
        forgetting.place(owner, Place(self._sort.at, number))

        def forget() -> None:
            guards, policies = removal(self._store, owner, self._sort.of, number)
            names = [delete(self._sort.name_row(owner, name.encode())), delete(self._sort.row(number))]
            self._store.commit(guards, [*names, *policies])

        repeated(forget)
        forgetting.place(owner, Place(self._sort.at, number))
        forgetting.subject(owner, Subject(self._sort.kind, owner, number))

    def members(self, name: str, *, tenant: str | None = None, part: Part = Part()) -> Page:  # noqa: B008 - frozen
        """Who is in it or manages it, and its flags, as relations."""
        self._number(self._owner(tenant), name)
        return self._relations.read(Filter(resource=f"{self._sort.word}:{name}"), Ask(tenant=tenant), part)

    def add_member(
        self, name: str, subject: str, *, relation: str = "", expires: str | None = None, tenant: str | None = None
    ) -> Written:
        """Puts a user or group into it, or, with relation `manager`, lets it be managed."""
        change = Change(TOUCH, subject, relation or self._sort.inside, f"{self._sort.word}:{name}", expires)
        return self._relations.write([change], tenant=tenant)

    def remove_member(self, name: str, subject: str, *, relation: str = "", tenant: str | None = None) -> Written:
        """Takes it out. What membership gave has ended when this returns."""
        change = Change(DELETE, subject, relation or self._sort.inside, f"{self._sort.word}:{name}")
        return self._relations.write([change], tenant=tenant)

    def flag(self, name: str, flag: str, *, on: bool, tenant: str | None = None) -> Written:
        """Sets or clears `exported` (other tenants may name the group) or `open` (it may have members of others)."""
        if flag not in FLAGS:
            raise AccountError("invalid", f"{flag!r} is no flag of a group; there are {', '.join(FLAGS)}")
        change = Change(TOUCH if on else DELETE, "", flag, f"{self._sort.word}:{name}")
        return self._relations.write([change], tenant=tenant)

    def _owner(self, tenant: str | None) -> int:
        return Directory(self._store, self._relations.viewer).start(tenant)

    def _number(self, owner: int, name: str) -> int:
        pointer = self._store.get(self._sort.name_row(owner, name.encode()))
        if pointer is None:
            raise UnknownNameError(f"there is no {self._sort.word} {name}")
        return decode_id(pointer)

    def _show(self, record: GroupRecord) -> Json:
        shown: Json = {
            "name": record.name,
            "tenant": Directory(self._store).tenant_name(record.tenant),
            "description": record.description or "",
            "created": shown_moment(record.created_us),
        }
        # Within a tenant without its number: that counts those of others, too.
        return shown if self._relations.viewer is not None else {"id": record.id, **shown}
