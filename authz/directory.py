"""Names and numbers: what a name of a tenant, user, group, role or bucket means, and how a number is shown.

Belongs here: looking up records, and who may learn what. Does not belong here: how names are written (`names.py`),
changing anything.

Somebody who looks from within a tenant sees that tenant only: what lies elsewhere reads exactly as if it did not exist.
What is no longer there is shown by its number, `user:#7`, and can be named so where relations are found or removed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Protocol

from authz.model import IN_BUCKET, At, Kind, Place, Subject
from authz.names import AddressName, SubjectName
from storage.api import Metastore
from storage.records import keys
from storage.records.bucket import BucketRecord
from storage.records.group import GroupRecord, RoleRecord
from storage.records.pointer import decode_id
from storage.records.tenant import TenantRecord
from storage.records.user import UserRecord

DEFAULT_TENANT: Final = "default"
"""The tenant every server has, and the one root means when it names none."""

PAGE: Final = 1_000
"""Rows read at once when names are listed."""

_NUMBER_MAX: Final = (1 << 32) - 1
_TENANT_MAX: Final = (1 << 28) - 1


class UnknownNameError(Exception):
    """A name that nothing has, as far as the one who asks may know."""


class Named(Protocol):
    """A record with a tenant and a name."""

    @property
    def tenant(self) -> int:
        """Whose it is."""

    @property
    def name(self) -> str:
        """What it is called."""


@dataclass(frozen=True, slots=True)
class Target:
    """A place and the tenant that owns it."""

    tenant: int
    place: Place


@dataclass(frozen=True, slots=True)
class _Kind:
    """Where the rows of users, groups or roles are."""

    word: str
    pointer: Callable[[int, bytes], bytes]
    row: Callable[[int], bytes]
    decode: Callable[[bytes], Named]


_USERS: Final = _Kind("user", keys.user_name, keys.user, UserRecord.decode)
_GROUPS: Final = _Kind("group", keys.group_name, keys.group, GroupRecord.decode)
_ROLES: Final = _Kind("role", keys.role_name, keys.role, RoleRecord.decode)
_BY_KIND: Final = {Kind.USER: _USERS, Kind.GROUP: _GROUPS, Kind.ROLE: _ROLES}
_BY_PLACE: Final = {At.GROUP: _GROUPS, At.ROLE: _ROLES}
_NUMBERED: Final = {Kind.SERVICE: "service", Kind.SHARE: "share"}


class Directory:
    """Looks from within tenant `viewer`, or from nowhere (None: the server's root, who sees everything).

    Meant for one request: it remembers the names of buckets it has read.
    """

    def __init__(self, store: Metastore, viewer: int | None = None) -> None:
        self._store = store
        self._viewer = viewer
        self._buckets: dict[int, dict[int, str]] = {}

    # Names to numbers.

    def tenant(self, name: str) -> int:
        """A tenant's number. UnknownNameError, like all below."""
        number = _number(name, _TENANT_MAX)
        if number is None:
            pointer = self._store.get(keys.tenant_name(name.encode()))
            number = None if pointer is None else decode_id(pointer)
        if number is None or self._viewer not in (None, number):
            raise UnknownNameError(f"there is no tenant {name}")
        return number

    def start(self, tenant: str | None) -> int:
        """The tenant a request is about: the one it names, else the viewer's own, else `default`."""
        if tenant is None and self._viewer is not None:
            return self._viewer
        return self.tenant(DEFAULT_TENANT if tenant is None else tenant)

    def subject(self, name: SubjectName, tenant: int, *, anywhere: bool = False) -> Subject:
        """Who is meant; names without a tenant are of `tenant`.

        `anywhere` is for removing and finding relations: subjects of other tenants may be named, because a tenant sees
        whom its own relations name. One that does not exist is then somebody who has no relations.
        """
        if anywhere and self._viewer is not None and name.tenant is not None:
            try:
                return Directory(self._store).subject(name, tenant, anywhere=True)
            except UnknownNameError:
                number = 0 if name.kind is Kind.TENANT_MEMBER else _NUMBER_MAX
                return Subject(name.kind, _TENANT_MAX, number)
        if name.kind in (Kind.ANYONE, Kind.AUTHENTICATED, Kind.ITSELF):
            return Subject(name.kind)
        own = tenant if name.tenant is None else self.tenant(name.tenant)
        if name.kind is Kind.TENANT_MEMBER:
            return Subject(name.kind, own)
        if name.kind in _NUMBERED:
            number = _numbered(_NUMBERED[name.kind], name.name)
            # A grant to a share that is yet to be would be waiting for whoever makes it.
            if name.kind is Kind.SHARE and not anywhere and self._store.get(keys.share(own, number)) is None:
                raise UnknownNameError(f"there is no share {number} in tenant {self.tenant_name(own)}")
            return Subject(name.kind, own, number)
        kind = _BY_KIND[name.kind]
        subject = Subject(name.kind, own, self._named(kind, own, name.name))
        # A number of nobody, of somebody elsewhere, of somebody to come: all the same to who names it, and no subject.
        if not anywhere and name.name.startswith("#") and not self._is_of(kind, own, subject.number):
            raise UnknownNameError(f"there is no {kind.word} {name.name} in tenant {self.tenant_name(own)}")
        return subject

    def target(self, name: AddressName, tenant: int) -> Target:
        """What is meant; a bucket's tenant is its own, other names without a tenant are of `tenant`."""
        if name.at in IN_BUCKET:
            owner, number = self._bucket(name.name, tenant)
            return Target(owner, Place(name.at, number, name.path))
        own = tenant if name.tenant is None else self.tenant(name.tenant)
        if name.at is At.TENANT:
            return Target(own, Place(At.TENANT))
        if name.at is At.SHARE:
            return Target(own, Place(At.SHARE, _numbered("share", name.name)))
        return Target(own, Place(name.at, self._named(_BY_PLACE[name.at], own, name.name)))

    def administers(self, subject: Subject) -> bool:
        """Whether a user's record says that it administers its tenant."""
        row = self._store.get(keys.user(subject.number)) if subject.kind is Kind.USER else None
        record = None if row is None else UserRecord.decode(row)
        return record is not None and record.tenant == subject.tenant and record.tenant_admin and not record.disabled

    def administrators(self, tenant: int) -> list[Subject]:
        """Users whose record says that they administer the tenant. Reads every user of it."""
        start, end = keys.user_name_range(tenant)
        found = []
        while rows := self._store.scan(start, end, PAGE):
            users = (Subject(Kind.USER, tenant, decode_id(value)) for _, value in rows)
            found += [user for user in users if self.administers(user)]
            start = rows[-1][0] + b"\0"
        return found

    def _is_of(self, kind: _Kind, tenant: int, number: int) -> bool:
        row = self._store.get(kind.row(number))
        return row is not None and kind.decode(row).tenant == tenant

    def _named(self, kind: _Kind, tenant: int, name: str) -> int:
        number = _number(name, _NUMBER_MAX)
        if number is None:
            pointer = self._store.get(kind.pointer(tenant, name.encode()))
            number = None if pointer is None else decode_id(pointer)
        if number is None:
            words = f"there is no {kind.word} {name} in tenant {self.tenant_name(tenant)}"
            raise UnknownNameError(words + self._near(kind, tenant, name))
        return number

    def _near(self, kind: _Kind, tenant: int, name: str) -> str:
        """What may be meant, of the first names there are."""
        start = kind.pointer(tenant, b"")
        rows = self._store.scan(*keys.prefix_range(start), PAGE)
        near = get_close_matches(name, [row[len(start) :].decode() for row, _ in rows], 1)
        return f"; did you mean {near[0]}?" if near else ""

    def _bucket(self, name: str, tenant: int) -> tuple[int, int]:
        """Tenant and number. One that is gone, `#7`, is of `tenant`."""
        number = _number(name, _NUMBER_MAX)
        if number is not None:
            return tenant, number
        row = self._store.get(keys.bucket(name.encode()))
        record = None if row is None else BucketRecord.decode(row)
        if record is None or self._viewer not in (None, record.tenant):
            raise UnknownNameError(f"there is no bucket {name}")
        return record.tenant, record.id

    # Numbers to names.

    def tenant_name(self, number: int) -> str:
        """A tenant's name."""
        row = self._store.get(keys.tenant(number))
        return f"#{number}" if row is None else TenantRecord.decode(row).name

    def show_subject(self, subject: Subject, tenant: int) -> str:
        """As `parse_subject` reads it, in a request about `tenant`."""
        if subject.kind in (Kind.ANYONE, Kind.AUTHENTICATED, Kind.ITSELF):
            return subject.kind.name.lower()
        if subject.kind is Kind.TENANT_MEMBER:
            return f"tenant:{self.tenant_name(subject.tenant)}"
        own = "" if subject.tenant == tenant else f"{self.tenant_name(subject.tenant)}/"
        if subject.kind in _NUMBERED:
            return f"{_NUMBERED[subject.kind]}:{own}#{subject.number}"
        kind = _BY_KIND[subject.kind]
        return f"{kind.word}:{own}{self._name_of(kind, subject.tenant, subject.number)}"

    def show_place(self, place: Place, tenant: int) -> str:
        """As `parse_address` reads it, in a request about `tenant`."""
        if place.at in IN_BUCKET:
            path = place.path.decode("utf-8", "surrogateescape")
            name = self._bucket_name(tenant, place.number)
            return f"s3://{name}/{path}" if path else f"s3://{name}"
        if place.at is At.TENANT:
            return f"tenant:{self.tenant_name(tenant)}"
        if place.at is At.SHARE:
            return f"share:#{place.number}"
        kind = _BY_PLACE[place.at]
        return f"{kind.word}:{self._name_of(kind, tenant, place.number)}"

    def _name_of(self, kind: _Kind, tenant: int, number: int) -> str:
        """The name, if it still leads to this number: names may be given again, numbers never."""
        row = self._store.get(kind.row(number))
        record = None if row is None else kind.decode(row)
        if record is not None and record.tenant == tenant:
            pointer = self._store.get(kind.pointer(tenant, record.name.encode()))
            if pointer is not None and decode_id(pointer) == number:
                return record.name
        return f"#{number}"

    def _bucket_name(self, tenant: int, number: int) -> str:
        known = self._buckets.get(tenant)
        if known is None:
            known = self._buckets[tenant] = {}
            start, end = keys.tenant_bucket_range(tenant)
            while rows := self._store.scan(start, end, PAGE):
                known |= {decode_id(value): key[5:].decode() for key, value in rows}
                start = rows[-1][0] + b"\0"
        return known.get(number, f"#{number}")


def _number(name: str, most: int) -> int | None:
    """The number in `#7`; None for a name."""
    if not name.startswith("#"):
        return None
    number = int(name[1:])
    if number > most:
        raise UnknownNameError(f"{name} is above the greatest number there can be")
    return number


def _numbered(word: str, name: str) -> int:
    number = _number(name, _NUMBER_MAX)
    if number is None:
        raise UnknownNameError(f"there is no {word} {name}")
    return number
