"""On whose behalf somebody shares, mounts and revokes: its own, or, for root, of a user of the tenant it is about.

Belongs here: from what a request says to a user. Does not belong here: what that user may do (`shares.py`,
`mounts.py`).

A share stands in the right of the user who made it, and that is a user of the tenant whose bucket it is. Root is none
of other tenants': it names one, or the tenant has one administrator and that is meant.
"""

from typing import Final

from authz import names
from authz.directory import Directory, UnknownNameError
from authz.model import IN_BUCKET, Kind
from authz.names import SubjectName, WordError
from gateway.errors import AccountError
from gateway.sharing.shares import Who
from storage.api import Metastore
from storage.records import keys
from storage.records.pointer import decode_id
from storage.records.user import UserRecord

_NAMED: Final = 3
"""Administrators named in a message."""


class Behalf:
    """Who asks and what it says.

    UnknownNameError for a tenant or user there is not, AccountError for what is not allowed and for what is not clear.
    """

    def __init__(self, store: Metastore, caller: Who, *, root: bool, tenant: str | None, user: str | None) -> None:
        self._store = store
        self._caller = caller
        self._root = root
        self._directory = Directory(store, None if root else caller.tenant)
        self._tenant = None if tenant is None else self._directory.tenant(tenant)
        self._user = user

    def at(self, resource: str, *, makes: bool = True) -> Who:
        """For something in a bucket: its tenant says whose. What is made needs a user in whose right it stands."""
        if not self._root:
            return self._self()
        address = names.parse_address(resource)
        if address.at not in IN_BUCKET:
            raise WordError(f"{resource!r} is in no bucket: write s3://BUCKET/PREFIX/")
        owner = self._directory.target(address, self._caller.tenant).tenant
        if self._tenant not in (None, owner):
            raise UnknownNameError(f"there is no bucket {address.name} in tenant {self._name(self._tenant)}")
        return self._somebody(owner) if makes else self._any_of(owner)

    def of_share(self, number: int) -> Who:
        """For a share by its number, which counts within a tenant."""
        if not self._root:
            return self._self()
        if self._tenant is not None:
            return self._any_of(self._tenant)
        rows = (keys.share(tenant, number) for tenant in self._tenants()) if 0 < number < 2**32 else ()
        found = [int.from_bytes(row[1:5], "big") for row in rows if self._store.get(row) is not None]
        if len(found) > 1:
            several = ", ".join(sorted(self._name(tenant) for tenant in found))
            raise AccountError("invalid", f"there is a share {number} in each of {several}: say which tenant")
        if not found:
            raise UnknownNameError(f"there is no share {number}")
        return self._any_of(found[0])

    def everywhere(self) -> list[Who]:
        """For lists: one who sees everything of each tenant meant."""
        if not self._root:
            return [self._self()]
        return [self._any_of(tenant) for tenant in (self._tenants() if self._tenant is None else [self._tenant])]

    def _self(self) -> Who:
        if self._user is not None:
            own = self._directory.subject(SubjectName(Kind.USER, None, self._user), self._caller.tenant)
            if own != self._caller.subject:
                raise AccountError("refused", "only root acts for others")
        return self._caller

    def _any_of(self, tenant: int) -> Who:
        """For looking and revoking, which root may wherever it is."""
        return Who(tenant, self._caller.user, admin=True)

    def _somebody(self, tenant: int) -> Who:
        """The user in whose right something is made."""
        if self._user is not None:
            found = self._directory.subject(SubjectName(Kind.USER, None, self._user), tenant)
            return Who(tenant, found.number, admin=self._directory.administers(found))
        if tenant == self._caller.tenant:
            return self._caller
        admins = self._directory.administrators(tenant)
        if len(admins) == 1:
            return Who(tenant, admins[0].number, admin=True)
        named = ", ".join(self._user_name(one.number) for one in admins[:_NAMED])
        which = f" (administrators are {named})" if admins else ""
        where = f"it stands in the right of a user of tenant {self._name(tenant)}"
        raise AccountError("invalid", f"{where}: say which with `user`, here --user{which}")

    def _tenants(self) -> list[int]:
        start, end = keys.kind_range(keys.TENANT_NAME)
        found: list[int] = []
        while rows := self._store.scan(start, end, 1_000):
            found += [decode_id(value) for _, value in rows]
            start = rows[-1][0] + b"\0"
        return found

    def _name(self, tenant: int | None) -> str:
        return "" if tenant is None else self._directory.tenant_name(tenant)

    def _user_name(self, number: int) -> str:
        row = self._store.get(keys.user(number))
        return f"#{number}" if row is None else UserRecord.decode(row).name
