"""Shares: places of a tenant's that are offered to others, by link or to named tenants and groups.

Belongs here: the rules by which a share is made, shown and revoked. Does not belong here: HTTP, what a share's bearer
may do (the data plane asks its relations and its creator's rights at every access).

Order matters. A share is made record first and its relations last: without them it gives nothing. It is revoked record
first: every access reads the record, so it has ended when that commit returns; the relations go after it.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Final

from authz import names
from authz.acting import acting
from authz.deciding import Question, decide
from authz.directory import Directory, Target, UnknownNameError
from authz.model import BUNDLES, IN_BUCKET, RELATIONS, At, ChangeValue, Facts, Kind, Place, Subject
from authz.names import WordError
from authz.writing import notes_on
from gateway.accounts.rows import next_number, repeated, shown_moment
from gateway.auditing import concerning
from gateway.errors import AccountError
from gateway.limits import (
    ADMIN_PAGE,
    PASSWORD_ITERATIONS,
    PASSWORD_MAX,
    PASSWORD_MIN,
    SHARE_AUDIENCE,
    SHARE_DOWNLOADS,
)
from storage.api import Metastore, absent, add, equals, put
from storage.native import Relations as Engine
from storage.records import keys
from storage.records.bucket import BucketRecord
from storage.records.share import (
    NO_RIGHT,
    SALT_BYTES,
    Cap,
    DownloadsRecord,
    PasswordHash,
    SharePointer,
    ShareRecord,
)
from storage.records.user import UserRecord

Json = dict[str, Any]

ANYONE: Final = "anyone-with-the-link"
CAN: Final = {"view": "viewer", "contribute": "contributor", "edit": "editor"}
"""What a share offers, in a person's word, and the bundle it is."""

_RELATIONS: Final = {"reader": Cap.READER, "lister": Cap.LISTER, "writer": Cap.WRITER, "deleter": Cap.DELETER}
_PERMISSIONS: Final = {Cap.READER: "read", Cap.LISTER: "list", Cap.WRITER: "write", Cap.DELETER: "delete"}
_KIND_PREFIX, _KIND_OBJECT = b"\x01", b"\x02"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{44}\Z")
_NOBODY: Final = 2**28 - 1
"""The tenant of names that nobody has. Whoever asks is told the same: which tenants there are is nobody's business."""


@dataclass(frozen=True, slots=True)
class Who:
    """The user whose key asks."""

    tenant: int
    user: int
    admin: bool

    @property
    def subject(self) -> Subject:
        """As relations know it."""
        return Subject(Kind.USER, self.tenant, self.user)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a new share is to be, as people write it. `downloads` 0 is without limit."""

    resource: str
    can: str = "view"
    to: Sequence[str] = (ANYONE,)
    expires: str | None = None
    password: str | None = None
    downloads: int = 0


@dataclass(frozen=True, slots=True)
class _Audience:
    bearer: bool
    tenants: tuple[int, ...]
    groups: tuple[tuple[int, int], ...]


class Shares:
    """The shares of one store. Methods block on the store; any thread may call them.

    AccountError for what the rules refuse; WordError and UnknownNameError for what cannot be meant.
    """

    def __init__(
        self, store: Metastore, engine: Engine, clock_us: Callable[[], int], entropy: Callable[[], bytes]
    ) -> None:
        self._store = store
        self._engine = engine
        self._clock_us = clock_us
        self._entropy = entropy

    def create(self, who: Who, offer: Offer) -> Json:
        """A new share. The answer is the only one with its token.

        Nobody can share more than the own right: `share` and everything the share offers are needed at the place.
        """
        now_us = self._clock_us()
        target = self._target(who, offer.resource)
        cap = self._cap(who, target, offer.can)
        audience = self._audience(who, offer.to)
        expires_us = 0 if offer.expires is None else names.parse_expiry(offer.expires, now_us)
        if not 0 <= offer.downloads <= SHARE_DOWNLOADS:
            raise AccountError("invalid", f"downloads are 1 to {SHARE_DOWNLOADS}; leave them out for any number")
        secret = self._entropy()
        record = ShareRecord(
            tenant=target.tenant,
            share=0,
            bucket=target.place.number,
            creator=who.user,
            created_us=now_us,
            secret_sha256=hashlib.sha256(secret).digest(),
            bucket_name=names.parse_address(offer.resource).name,
            path=target.place.path,
            cap=cap,
            object=target.place.at is At.OBJECT,
            bearer=audience.bearer,
            expires_us=expires_us,
            downloads=offer.downloads,
            tenants=audience.tenants,
            groups=audience.groups,
            password=None if offer.password is None else self._password(offer.password),
            audience=tuple(offer.to),
        )
        record = self._store_new(record)
        relations = self._relations(record, "create")
        self._engine.write(record.tenant, relations, now_us=now_us, by=acting().value)
        kind = _KIND_OBJECT if record.object else _KIND_PREFIX
        token = base64.urlsafe_b64encode(kind + secret).decode()
        path = f"/-/{token}" if record.object else f"/-/{token}/"
        notes = list(notes_on(self._store, offer.resource, target))
        return self._show(record) | {"token": token, "link": path, "notes": notes}

    def all(self, who: Who) -> list[Json]:
        """Shares of the caller's tenant, those made last at the end: an administrator sees all, others their own."""
        start, end = keys.share_range(who.tenant)
        shown = []
        while rows := self._store.scan(start, end, ADMIN_PAGE):
            records = (ShareRecord.decode(value) for _, value in rows)
            shown += [self._show(record) for record in records if self._concerns(who, record)]
            start = rows[-1][0] + b"\0"
        return shown

    def show(self, who: Who, number: int) -> Json:
        """One share, with its downloads so far."""
        _, record = self._found(who, number)
        row = self._store.get(keys.downloads(record.tenant, record.share))
        return self._show(record) | {"downloaded": 0 if row is None else DownloadsRecord.decode(row).count}

    def revoke(self, who: Who, number: int) -> None:
        """Ends a share: when this returns, nothing is allowed by it any more. May be repeated."""
        self._found(who, number)
        row = keys.share(who.tenant, number)

        def attempt() -> ShareRecord:
            value, record = self._found(who, number)
            if record.revoked:
                return record
            ended = replace(record, revoked=True, generation=record.generation + 1)
            # The way from the secret to it stays: who still tries the link leaves an entry in the owner's audit log.
            with _concerned(record):
                self._store.commit([equals(row, value)], [put(row, ended.encode())])
            return ended

        record = repeated(attempt)
        relations = self._relations(record, "delete")
        self._engine.write(record.tenant, relations, now_us=self._clock_us(), by=acting().value)

    # The parts of a new share.

    def _target(self, who: Who, resource: str) -> Target:
        """The place, which is of the caller's tenant. What it may not see is not there."""
        address = names.parse_address(resource)
        if address.at not in IN_BUCKET:
            raise WordError(f"{resource!r} cannot be shared: s3://BUCKET, s3://BUCKET/PREFIX/ or s3://BUCKET/KEY can")
        try:
            address.path.decode()
        except UnicodeDecodeError as error:
            raise WordError("a key that is no UTF-8 cannot be shared") from error
        return Directory(self._store, who.tenant).target(address, who.tenant)

    def _cap(self, who: Who, target: Target, can: str) -> Cap:
        if can not in CAN:
            raise WordError(f"{can!r} is nothing a share can offer: {', '.join(CAN)}")
        cap = NO_RIGHT
        for relation in BUNDLES[CAN[can]]:
            if relation != "lister" or target.place.at is not At.OBJECT:
                cap |= _RELATIONS[relation]
        wanted = ["share", *(word for right, word in _PERMISSIONS.items() if right in cap)]
        missing = [word for word in wanted if not self._may(who, word, target)]
        if missing:
            raise AccountError("refused", f"you may not {' or '.join(missing)} there, so you cannot share it")
        return cap

    def _may(self, who: Who, permission: str, target: Target) -> bool:
        return decide(self._engine, Question(who.subject, who.admin, permission, target, Facts())).allowed

    def _audience(self, who: Who, given: Sequence[str]) -> _Audience:
        """Whom it is for. Names of other tenants are taken as they are: whether they exist is not told."""
        if not 1 <= len(given) <= SHARE_AUDIENCE:
            raise WordError(f"a share is for 1 to {SHARE_AUDIENCE} tenants and groups, or for {ANYONE}")
        if ANYONE in given:
            if len(given) > 1:
                raise WordError(f"{ANYONE} is everybody: name nobody else beside it")
            return _Audience(bearer=True, tenants=(), groups=())
        tenants, groups = set(), set()
        for text in given:
            if ":" not in text:
                raise _nobody(text)
            name = names.parse_subject(text)
            if name.kind is Kind.TENANT_MEMBER:
                tenants.add(self._number(who, text).tenant)
            elif name.kind is Kind.GROUP:
                found = self._number(who, text)
                groups.add((found.tenant, found.number))
            else:
                raise _nobody(text)
        return _Audience(bearer=False, tenants=tuple(sorted(tenants)), groups=tuple(sorted(groups)))

    def _number(self, who: Who, text: str) -> Subject:
        name = names.parse_subject(text)
        try:
            return Directory(self._store).subject(name, who.tenant)
        except UnknownNameError:
            return Subject(name.kind, _NOBODY, 0)

    def _password(self, text: str) -> PasswordHash:
        if not PASSWORD_MIN <= len(text.encode()) <= PASSWORD_MAX:
            raise AccountError("invalid", f"a password has {PASSWORD_MIN} to {PASSWORD_MAX} bytes")
        salt = self._entropy()[:SALT_BYTES]
        hashed = hashlib.pbkdf2_hmac("sha256", text.encode(), salt, PASSWORD_ITERATIONS)
        return PasswordHash(PASSWORD_ITERATIONS, salt, hashed)

    # Rows.

    def _store_new(self, record: ShareRecord) -> ShareRecord:
        """Stores it under the tenant's next number, while its bucket and creator are there."""

        def attempt() -> ShareRecord:
            counter = keys.next_share(record.tenant)
            number, fresh = next_number(self._store, counter)
            new = replace(record, share=number)
            bucket, user = keys.bucket(record.bucket_name.encode()), keys.user(record.creator)
            values = [self._store.get(row) for row in (bucket, user)]
            if values[0] is None or BucketRecord.decode(values[0]).id != record.bucket:
                raise UnknownNameError(f"there is no bucket {record.bucket_name}")
            if values[1] is None or UserRecord.decode(values[1]).disabled:
                raise AccountError("conflict", "your user is being removed")
            guards = [fresh, equals(bucket, values[0]), equals(user, values[1]), absent(_secret_row(new))]
            puts = [
                put(keys.share(new.tenant, number), new.encode()),
                put(_secret_row(new), SharePointer(new.tenant, number).encode()),
                add(counter, 1),
            ]
            with _concerned(new):
                self._store.commit(guards, puts)
            return new

        return repeated(attempt)

    def _relations(self, record: ShareRecord, word: str) -> list[ChangeValue]:
        who = Subject(Kind.SHARE, record.tenant, record.share).bits
        expires = record.expires_us or None if word == "create" else None
        named = (name for name, right in _RELATIONS.items() if right in record.cap)
        return [(word, place_of(record).value, RELATIONS.index(name), who, expires, None) for name in named]

    def _found(self, who: Who, number: int) -> tuple[bytes, ShareRecord]:
        """A share the caller may know of; for others it is not there."""
        value = self._store.get(keys.share(who.tenant, number)) if 0 < number < 2**32 else None
        if value is not None and self._concerns(who, record := ShareRecord.decode(value)):
            return value, record
        raise UnknownNameError(f"there is no share {number}")

    def _concerns(self, who: Who, record: ShareRecord) -> bool:
        if record.creator == who.user:
            return True
        target = Target(who.tenant, Place(At.TENANT))
        return self._may(who, "manage", target)

    def _show(self, record: ShareRecord) -> Json:
        row = self._store.get(keys.user(record.creator))
        path = record.path.decode()
        return {
            "tenant": Directory(self._store).tenant_name(record.tenant),
            "share": record.share,
            "resource": f"s3://{record.bucket_name}/{path}",
            "can": [name for name, right in _RELATIONS.items() if right in record.cap],
            "to": list(record.audience),
            "expires": shown_moment(record.expires_us) if record.expires_us else None,
            "password": record.password is not None,
            "downloads": record.downloads or None,
            "created_by": f"#{record.creator}" if row is None else UserRecord.decode(row).name,
            "created": shown_moment(record.created_us),
            "state": self._state(record),
        }

    def _state(self, record: ShareRecord) -> str:
        """Why it gives nothing, by the record and what it hangs on; whether its relations and its creator's rights are
        there is asked at each access.
        """
        if record.revoked:
            return "revoked"
        if record.expires_us and record.expires_us <= self._clock_us():
            return "expired"
        user = self._store.get(keys.user(record.creator))
        bucket = self._store.get(keys.bucket(record.bucket_name.encode()))
        stands = user is not None and not UserRecord.decode(user).disabled
        stands = stands and bucket is not None and BucketRecord.decode(bucket).id == record.bucket
        return "open" if stands else "orphaned"


def _nobody(text: str) -> WordError:
    return WordError(f"{text!r}: a share is for tenant:NAME, group:TENANT/NAME or {ANYONE}")


def _concerned(record: ShareRecord) -> AbstractContextManager[None]:
    """What is committed inside is about the share's place, in the audit log of its tenant."""
    return concerning(record.tenant, record.bucket, record.bucket_name, record.path or None)


def place_of(record: ShareRecord) -> Place:
    """The place of a share's relations."""
    at = At.OBJECT if record.object else At.PREFIX if record.path else At.BUCKET
    return Place(at, record.bucket, record.path)


def secret_of(token: str) -> bytes | None:
    """The secret in a token; None for what no token can be."""
    if not _TOKEN.match(token):
        return None
    plain = base64.urlsafe_b64decode(token)
    return plain[1:] if plain[:1] in (_KIND_PREFIX, _KIND_OBJECT) else None


def _secret_row(record: ShareRecord) -> bytes:
    return keys.share_secret(record.secret_sha256)
