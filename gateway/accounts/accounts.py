"""Tenants, users and access keys: what exists and how it changes.

Belongs here: the rules of accounts over the record store, for the admin API and for the first start. Does not belong
here: HTTP, printing, authentication of S3 requests (Rust reads the credential rows).

A removal takes several commits and may stop between any two of them: first the row that grants anything is disabled,
so nothing can be added below it, then what is below goes, then the name. Asking again finishes it.
"""

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from authz.policy.principals import account_arn, account_id, user_arn
from gateway.accounts.holdings import removal, tenant_removal
from gateway.accounts.rows import Rows, check_name, next_number, repeated, shown_moment
from gateway.auditing import concerning
from gateway.errors import AccountError
from gateway.limits import (
    ACCESS_KEY_MAX,
    ACCESS_KEY_MIN,
    DISPLAY_NAME_CHARS,
    SECRET_KEY_MAX,
    SECRET_KEY_MIN,
)
from storage.api import Metastore, Op, absent, add, delete, empty_range, equals, put
from storage.records import keys
from storage.records.credential import CredentialRecord
from storage.records.pointer import STORE_FORMAT, decode_format, decode_id, encode_format, encode_id
from storage.records.tenant import TenantRecord
from storage.records.user import UserRecord

DEFAULT_TENANT: Final = "default"
ROOT_USER: Final = "root"

_ACCESS_KEY: Final = re.compile(r"[A-Za-z0-9._-]+\Z")
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RootKey:
    """The credentials of the root user."""

    access_key: str
    secret_key: str


class Accounts(Rows):
    """The accounts of one store. Methods block on the store; any thread may call them."""

    def __init__(self, store: Metastore, clock_us: Callable[[], int], entropy: Callable[[], bytes]) -> None:
        super().__init__(store)
        self._clock_us = clock_us
        self._entropy = entropy

    # What the server needs of itself.

    def bootstrap(self, root: RootKey, *, replaces: str | None = None) -> None:
        """Makes sure of the store's format, the first tenant, the root user and its key.

        `replaces` is the access key root had before; it goes when it is another one.
        """
        if self._store.get(keys.FORMAT) is None:
            self._store.commit([absent(keys.FORMAT)], [put(keys.FORMAT, encode_format(STORE_FORMAT))])
        elif (found := decode_format(self._store.get(keys.FORMAT) or b"")) != STORE_FORMAT:
            raise AccountError("invalid", f"the data is of format {found}, this version reads format {STORE_FORMAT}")
        if self._find_tenant(DEFAULT_TENANT) is None:
            self.add_tenant(DEFAULT_TENANT)
        tenant = self._tenant(DEFAULT_TENANT)
        if self._find_user(tenant[1], ROOT_USER) is None:
            self._new_user(DEFAULT_TENANT, ROOT_USER, admin=True, root=True)
        user = self._user(tenant[1], ROOT_USER)[1]
        self._index_users(user)
        wanted = self._credential(user, root.access_key, root.secret_key)
        row = keys.credential(root.access_key.encode())
        kept = self._store.get(row)
        if kept is None or not _same_root(CredentialRecord.decode(kept), wanted):
            self._store.commit([], [put(row, wanted.encode())])
        if replaces is not None and replaces != root.access_key:
            stale = self._store.get(keys.credential(replaces.encode()))
            if stale is not None and CredentialRecord.decode(stale).root:
                self._store.commit([], [delete(keys.credential(replaces.encode()))])

    def root_key(self, access_key: str | None) -> RootKey | None:
        """The stored root key with this id, else any root key, else None."""
        if access_key is not None and (row := self._store.get(keys.credential(access_key.encode()))) is not None:
            record = CredentialRecord.decode(row)
            if record.signs_for_root:
                return RootKey(access_key, record.secret_key.decode())
        for found, record in self._credentials():
            if record.signs_for_root:
                return RootKey(found, record.secret_key.decode())
        return None

    def new_key(self) -> RootKey:
        """Credentials nobody has."""
        return RootKey(_letters(self._entropy()), self._entropy().hex())

    def is_root(self, access_key: str, secret_key: str) -> bool:
        """Whether these are credentials of the root user."""
        record = self.credential(access_key, secret_key)
        return record is not None and record.root

    def credential(self, access_key: str, secret_key: str) -> CredentialRecord | None:
        """The credential these are, if it is in force; the comparison takes the same time wherever they differ.

        A session's key alone is none: without its token nobody may use what the session was limited to.
        """
        row = self._store.get(keys.credential(access_key.encode())) if access_key else None
        if row is None:
            return None
        record = CredentialRecord.decode(row)
        expired = record.expires_us and record.expires_us <= self._clock_us()
        same = hmac.compare_digest(record.secret_key, secret_key.encode())
        session = record.session_token is not None or record.session_policy is not None
        return record if same and not (record.disabled or expired or session) else None

    # Tenants.

    def tenants(self) -> list[Json]:
        """Every tenant, by name."""
        shown = []
        for key, value in self._scan(*keys.kind_range(keys.TENANT_NAME)):
            row = self._store.get(keys.tenant(decode_id(value)))
            if row is not None:
                shown.append(self._show_tenant(key[1:].decode(), TenantRecord.decode(row)))
        return shown

    def tenant(self, name: str) -> Json:
        """One tenant."""
        return self._show_tenant(name, self._tenant(name)[1])

    def add_tenant(self, name: str) -> Json:
        """A new tenant with a key of its own for deduplication."""
        check_name("tenant", name)
        domain_key = self._entropy()

        def attempt() -> Json:
            if self._find_tenant(name) is not None:
                raise AccountError("conflict", f"tenant {name} exists")
            number, counter = next_number(self._store, keys.NEXT_TENANT)
            record = TenantRecord(id=number, created_us=self._clock_us(), domain_key=domain_key, name=name)
            guards = [counter, absent(keys.tenant_name(name.encode()))]
            puts = [
                put(keys.tenant(number), record.encode()),
                put(keys.tenant_name(name.encode()), encode_id(number)),
                add(keys.NEXT_TENANT, 1),
            ]
            self._store.commit(guards, puts)
            return self._show_tenant(name, record)

        return repeated(attempt)

    def remove_tenant(self, name: str) -> int:
        """Removes a tenant without buckets, its users, keys, groups, roles and policies. The number it had."""
        if name == DEFAULT_TENANT:
            raise AccountError("refused", f"tenant {name} holds the root user")
        number = self._tenant(name)[1].id

        def disable() -> None:
            row, record = self._tenant(name)
            if record.disabled:
                return
            start, end = keys.tenant_bucket_range(number)
            if self._store.scan(start, end, 1):
                raise AccountError("conflict", f"tenant {name} has buckets")
            disabled = replace(record, disabled=True)
            self._store.commit([row.unchanged, empty_range(start, end)], [put(row.key, disabled.encode())])

        repeated(disable)
        for user in self.users(name):
            self._remove_user(self._tenant(name)[1], user["name"])
        rows = [delete(keys.tenant_name(name.encode())), delete(keys.tenant(number))]
        self._store.commit([], [*rows, *tenant_removal(self._store, number)])
        return number

    # Users.

    def users(self, tenant: str | None = None) -> list[Json]:
        """The users of a tenant, or of all, by tenant and name."""
        names = [tenant] if tenant is not None else [shown["name"] for shown in self.tenants()]
        shown = []
        for name in names:
            owner = self._tenant(name)[1]
            start, end = keys.user_name_range(owner.id)
            for _, value in self._scan(start, end):
                row = self._store.get(keys.user(decode_id(value)))
                if row is not None:
                    shown.append(_show_user(name, UserRecord.decode(row)))
        return shown

    def user(self, tenant: str, name: str) -> Json:
        """One user."""
        return _show_user(tenant, self._user(self._tenant(tenant)[1], name)[1])

    def add_user(self, tenant: str, name: str, *, admin: bool = False, display_name: str = "", email: str = "") -> Json:
        """A new user of a tenant."""
        check_name("user", name)
        for what, value in (("display name", display_name), ("e-mail address", email)):
            if len(value) > DISPLAY_NAME_CHARS or not (value.isprintable() or not value):
                raise AccountError("invalid", f"the {what} has at most {DISPLAY_NAME_CHARS} printable characters")
        return self._new_user(tenant, name, admin=admin, display_name=display_name, email=email)

    def _new_user(self, tenant: str, name: str, **more: Any) -> Json:  # noqa: ANN401 - fields of UserRecord
        canonical_id = self._entropy()

        def attempt() -> Json:
            tenant_row, owner = self._tenant(tenant)
            if owner.disabled:
                raise AccountError("conflict", f"tenant {tenant} is being removed")
            if self._find_user(owner, name) is not None:
                raise AccountError("conflict", f"user {name} of tenant {tenant} exists")
            number, counter = next_number(self._store, keys.NEXT_USER)
            record = UserRecord(
                id=number,
                tenant=owner.id,
                created_us=self._clock_us(),
                canonical_id=canonical_id,
                name=name,
                tenant_admin=more.get("admin", False),
                root=more.get("root", False),
                display_name=more.get("display_name") or None,
                email=more.get("email") or None,
            )
            guards = [counter, tenant_row.unchanged, absent(keys.user_name(owner.id, name.encode()))]
            puts = [
                put(keys.user(number), record.encode()),
                put(keys.user_name(owner.id, name.encode()), encode_id(number)),
                *(put(row, encode_id(number)) for row in _found_by(record)),
                add(keys.NEXT_USER, 1),
            ]
            self._store.commit(guards, puts)
            return _show_user(tenant, record)

        return repeated(attempt)

    def remove_user(self, tenant: str, name: str) -> UserRecord:
        """Removes a user's keys and name. Its record stays, disabled: owners of objects must stay answerable."""
        return self._remove_user(self._tenant(tenant)[1], name)

    def _remove_user(self, tenant: TenantRecord, name: str) -> UserRecord:
        removed = self._user(tenant, name)[1]

        def disable() -> None:
            row, record = self._user(tenant, name)
            if record.root:
                raise AccountError("refused", "the root user stays")
            if not record.disabled:
                self._store.commit([row.unchanged], [put(row.key, replace(record, disabled=True).encode())])

        repeated(disable)
        own = [found for found, record in self._credentials() if record.user == removed.id]
        deletes = [delete(keys.credential(found.encode())) for found in own]
        deletes += [delete(row) for row in _found_by(removed)]

        def forget() -> None:
            guards, policies = removal(self._store, tenant.id, keys.PrincipalOf.USER, removed.id)
            self._store.commit(guards, [*deletes, *policies, delete(keys.user_name(tenant.id, name.encode()))])

        repeated(forget)
        return removed

    def _index_users(self, root: UserRecord) -> None:
        """Gives users of a store from before grants the rows by which grantees are found.

        Root's row comes last: where it is, all are.
        """
        last = keys.canonical_id(root.canonical_id)
        if self._store.get(last) is not None:
            return
        for _, value in self._scan(*keys.kind_range(keys.USER)):
            record = UserRecord.decode(value)
            if not record.disabled and record.id != root.id:
                self._store.commit([], [put(row, encode_id(record.id)) for row in _found_by(record)])
        self._store.commit([], [put(row, encode_id(root.id)) for row in _found_by(root)])

    # Keys.

    def keys(self, tenant: str | None = None, user: str | None = None) -> list[Json]:
        """Access keys without their secrets: of everybody, of a tenant, or of a user."""
        if user is not None and tenant is None:
            raise AccountError("invalid", "a user is named with its tenant")
        people = {(shown["tenant"], shown["name"]): shown for shown in self.users(tenant)}
        if user is not None and (tenant, user) not in people:
            raise AccountError("missing", f"tenant {tenant} has no user {user}")
        by_number = {shown["id"]: place for place, shown in people.items() if user is None or place[1] == user}
        shown = []
        for access_key, record in self._credentials():
            if (place := by_number.get(record.user)) is not None:
                shown.append(_show_key(access_key, record, place))
        return shown

    def add_key(self, tenant: str, user: str, *, access_key: str | None = None, secret_key: str | None = None) -> Json:
        """A new access key, generated unless both halves are given. The answer is the only one with its secret."""
        if (access_key is None) != (secret_key is None):
            raise AccountError("invalid", "access_key and secret_key belong together")
        key = self.new_key() if access_key is None or secret_key is None else RootKey(access_key, secret_key)
        _check_key(key)

        def attempt() -> Json:
            user_row, record = self._user(self._tenant(tenant)[1], user)
            if record.disabled:
                raise AccountError("conflict", f"user {user} is being removed")
            row = keys.credential(key.access_key.encode())
            if self._store.get(row) is not None:
                raise AccountError("conflict", f"access key {key.access_key} exists")
            credential = self._credential(record, key.access_key, key.secret_key)
            self._store.commit([user_row.unchanged, absent(row)], [put(row, credential.encode())])
            return _show_key(key.access_key, credential, (tenant, user)) | {"secret_key": key.secret_key}

        return repeated(attempt)

    def remove_key(self, access_key: str) -> None:
        """Removes an access key; the last one by which the root user signs stays."""
        self._change_key(access_key, lambda row, _: delete(row), ends=True)

    def disable_key(self, access_key: str, *, disabled: bool) -> None:
        """Makes an access key sign no longer, or again. What it signs is refused when this returns."""
        self._change_key(access_key, lambda row, key: put(row, replace(key, disabled=disabled).encode()), ends=disabled)

    def _change_key(self, access_key: str, change: Callable[[bytes, CredentialRecord], Op], *, ends: bool) -> None:
        def attempt() -> None:
            row = keys.credential(access_key.encode())
            value = self._store.get(row)
            if value is None:
                raise AccountError("missing", f"there is no access key {access_key}")
            record = CredentialRecord.decode(value)
            guards = [equals(row, value)]
            if ends and record.root:
                rows = self._scan(*keys.kind_range(keys.CREDENTIAL))
                others = (equals(k, v) for k, v in rows if k != row and CredentialRecord.decode(v).signs_for_root)
                # It signs still when this is committed: two keys that end at once do not each count on the other.
                guards += islice(others, 1)
                if len(guards) == 1:
                    raise AccountError("refused", "the last key of the root user stays")
            with concerning(record.tenant):
                self._store.commit(guards, [change(row, record)])

        repeated(attempt)

    def _credential(self, user: UserRecord, access_key: str, secret_key: str) -> CredentialRecord:
        _check_key(RootKey(access_key, secret_key))
        return CredentialRecord(
            tenant=user.tenant,
            user=user.id,
            created_us=self._clock_us(),
            canonical_id=user.canonical_id,
            secret_key=secret_key.encode(),
            display_name=user.display_name or user.name,
            tenant_admin=user.tenant_admin,
            root=user.root,
        )

    def _show_tenant(self, name: str, record: TenantRecord) -> Json:
        buckets = sum(1 for _ in self._scan(*keys.tenant_bucket_range(record.id)))
        return {
            "name": name,
            "id": record.id,
            "account_id": account_id(record.id),
            "arn": account_arn(record.id),
            "created": shown_moment(record.created_us),
            "buckets": buckets,
        }


def _same_root(one: CredentialRecord, other: CredentialRecord) -> bool:
    return one.secret_key == other.secret_key and one.user == other.user and not one.disabled


def _check_key(key: RootKey) -> None:
    if not ACCESS_KEY_MIN <= len(key.access_key) <= ACCESS_KEY_MAX or not _ACCESS_KEY.match(key.access_key):
        raise AccountError("invalid", f"an access key has {ACCESS_KEY_MIN} to {ACCESS_KEY_MAX} of A-Z a-z 0-9 . _ -")
    secret = key.secret_key
    if not SECRET_KEY_MIN <= len(secret) <= SECRET_KEY_MAX or not (secret.isascii() and secret.isprintable()):
        raise AccountError("invalid", f"a secret has {SECRET_KEY_MIN} to {SECRET_KEY_MAX} printable ASCII characters")


def _letters(entropy: bytes) -> str:
    """An access key id in Amazon's form, 20 capitals and digits: 85 bits of it are random."""
    return "PAN" + "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in entropy[:17])


def _found_by(user: UserRecord) -> list[bytes]:
    """The rows that lead from what a grant may say to the user. Several users may have one address."""
    rows = [keys.canonical_id(user.canonical_id)]
    return [*rows, keys.email(user.email.encode(), user.id)] if user.email else rows


def _show_user(tenant: str, record: UserRecord) -> Json:
    return {
        "tenant": tenant,
        "name": record.name,
        "id": record.id,
        "admin": record.tenant_admin,
        "display_name": record.display_name or record.name,
        "email": record.email or "",
        "account_id": account_id(record.tenant),
        "arn": account_arn(record.tenant) if record.root else user_arn(record.tenant, record.name),
        "canonical_id": record.canonical_id.hex(),
        "created": shown_moment(record.created_us),
        "disabled": record.disabled,
    }


def _show_key(access_key: str, record: CredentialRecord, place: tuple[str, str]) -> Json:
    return {
        "access_key": access_key,
        "tenant": place[0],
        "user": place[1],
        "created": shown_moment(record.created_us),
        "disabled": record.disabled,
    }
