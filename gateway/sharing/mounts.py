"""Mounts: shares of other tenants, seen under a prefix of one's own bucket.

Belongs here: the rules by which a mount is made, shown and removed. Does not belong here: HTTP; where a key
leads that lies below a mount, and who may go there (the data plane finds the share anew at every access).

Whoever mounts holds the share's token; from then on the share's audience decides who comes through. A token that means
nothing, a share that has ended and one that is for others are refused in the same words.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Final

from authz import names
from authz.deciding import Question, decide
from authz.directory import Directory, Target, UnknownNameError
from authz.model import RELATIONS, At, Facts, Place
from authz.names import WordError
from gateway.accounts.rows import repeated, shown_moment
from gateway.auditing import About, Decided, concerning, noting
from gateway.errors import AccountError
from gateway.limits import ADMIN_PAGE, MOUNTS, PASSWORD_PAUSE_S
from gateway.sharing.shares import Who, secret_of
from storage.api import Conflict, Guard, Metastore, absent, delete, empty_range, equals, put
from storage.native import Relations as Engine
from storage.native import audit_reasons
from storage.records import keys
from storage.records.bucket import BucketRecord
from storage.records.share import MountRecord, SharePointer, ShareRecord
from storage.records.tenant import TenantRecord
from storage.records.user import UserRecord

Json = dict[str, Any]

_REASONS: Final = {name: number for number, name in audit_reasons()}
_NO_SHARE: Final = "there is no such share"
_MEMBER: Final = RELATIONS.index("member")
_EXPORTED: Final = RELATIONS.index("exported")


class Mounts:
    """The mounts of one store. Methods block on the store; any thread may call them.

    AccountError for what the rules refuse; WordError and UnknownNameError for what cannot be meant.
    """

    def __init__(
        self,
        store: Metastore,
        engine: Engine,
        clock_us: Callable[[], int],
        password: Callable[[int, int, bytes], bool | None],
    ) -> None:
        """`password` says whether one is that of a tenant's share; None: too many were wrong."""
        self._store = store
        self._engine = engine
        self._clock_us = clock_us
        self._password = password

    def add(self, who: Who, token: str, at: str, password: str | None = None) -> Json:
        """Mounts the share of a token under a prefix that has no keys. Who manages the prefix may.

        A share that counts downloads, and one of a single object, are for their links alone.
        """
        target, bucket = self._place(who, at)
        share = self._share(who, token)
        if share.object or share.downloads:
            raise AccountError("refused", "a share of one object, or with a number of downloads, is used by its link")
        if share.password is not None:
            self._open(who, share, password)
        self._decided(who, share, "granted", allowed=True)
        record = MountRecord(share.tenant, share.share, who.user, self._clock_us())

        def attempt() -> None:
            self._free(target, at)
            prefix = target.place.path
            used = [empty_range(*rows) for rows in _key_ranges(target.place.number, prefix)]
            row = keys.mount(target.place.number, prefix)
            try:
                self._commit(bucket, target, 1, [*used, absent(row)], put(row, record.encode()))
            except Conflict as conflict:
                if 1 <= conflict.guard <= len(used):
                    words = f"there are keys, versions or open uploads under {at}: mount where there are none"
                    raise AccountError("conflict", words) from None
                raise

        repeated(attempt)
        return self._show(bucket, target.place.path, record)

    def remove(self, who: Who, at: str) -> None:
        """Removes a mount: its keys are not seen here any more. Nothing happens to them."""
        target, bucket = self._place(who, at)
        row = keys.mount(target.place.number, target.place.path)

        def attempt() -> None:
            value = self._store.get(row)
            if value is None:
                raise UnknownNameError(f"nothing is mounted at {at}")
            self._commit(bucket, target, -1, [equals(row, value)], delete(row))

        repeated(attempt)

    def all(self, who: Who) -> list[Json]:
        """The mounts in buckets that the caller manages, by bucket and prefix."""
        found = []
        start, end = keys.tenant_bucket_range(who.tenant)
        first = start
        while rows := self._store.scan(first, end, ADMIN_PAGE):
            for row, _ in rows:
                name = row[len(start) :].decode()
                value = self._store.get(keys.bucket(name.encode()))
                record = None if value is None else BucketRecord.decode(value)
                if record is not None and record.mounts:
                    found += [self._show(name, prefix, one) for prefix, one in self._of(who, record)]
            first = rows[-1][0] + b"\0"
        return found

    def _of(self, who: Who, bucket: BucketRecord) -> list[tuple[bytes, MountRecord]]:
        start, end = keys.mount_range(bucket.id)
        rows = self._store.scan(start, end, MOUNTS)
        return [
            (row[5:], MountRecord.decode(value))
            for row, value in rows
            if self._manages(who, Target(bucket.tenant, Place(At.PREFIX, bucket.id, row[5:])))
        ]

    # The two sides.

    def _place(self, who: Who, at: str) -> tuple[Target, str]:
        """The prefix and its bucket's name. It is the caller's tenant's, and the caller manages it."""
        address = names.parse_address(at)
        if address.at is not At.PREFIX:
            raise WordError(f"{at!r} is no place for a mount: s3://BUCKET/PREFIX/ is")
        try:
            address.path.decode()
        except UnicodeDecodeError as error:
            raise WordError("a prefix that is no UTF-8 cannot be mounted on") from error
        target = Directory(self._store, who.tenant).target(address, who.tenant)
        if not self._manages(who, target):
            raise AccountError("refused", "you do not manage that prefix")
        return target, address.name

    def _manages(self, who: Who, target: Target) -> bool:
        return decide(self._engine, Question(who.subject, who.admin, "manage", target, Facts())).allowed

    def _share(self, who: Who, token: str) -> ShareRecord:
        """The share, if it gives anything to the caller now."""
        secret = secret_of(token)
        row = None if secret is None else self._store.get(keys.share_secret(hashlib.sha256(secret).digest()))
        if row is None:
            raise AccountError("missing", _NO_SHARE)
        pointer = SharePointer.decode(row)
        value = self._store.get(keys.share(pointer.tenant, pointer.share))
        share = None if value is None else ShareRecord.decode(value)
        if share is None:
            raise AccountError("missing", _NO_SHARE)
        refusal = self._refusal(who, share)
        if refusal is not None:
            self._decided(who, share, refusal)
            raise AccountError("missing", _NO_SHARE)
        return share

    def _decided(self, who: Who, share: ShareRecord, reason: str, *, allowed: bool = False) -> None:
        """Writes down for the owner who would mount its share, as for whoever opens its link."""
        if who.tenant == share.tenant:
            return
        about = About(
            tenant=share.tenant,
            action="panthera:MountShare",
            bucket=share.bucket,
            name=share.bucket_name,
            key=share.path or None,
            detail=f"share:#{share.share}",
            decided=Decided(allowed, _REASONS[reason]),
        )
        with noting(about):
            self._store.commit([], [])

    def _open(self, who: Who, share: ShareRecord, password: str | None) -> None:
        """AccountError unless it is the share's password. Tries are counted with those at its link."""
        holds = password is not None and self._password(share.tenant, share.share, password.encode())
        if holds is None:
            raise AccountError("busy", "too many passwords of that share were wrong", retry_after_s=PASSWORD_PAUSE_S)
        if not holds:
            self._decided(who, share, "share_password")
            raise AccountError("refused", "the share's password is needed")

    def _refusal(self, who: Who, share: ShareRecord) -> str | None:
        """Why the share gives nothing, in the audit log's words, as the data plane asks (`object/src/shares.rs`)."""
        if share.revoked:
            return "share_revoked"
        if share.expires_us and share.expires_us <= self._clock_us():
            return "share_expired"
        named = share.bearer or who.tenant in share.tenants or any(self._member(who, group) for group in share.groups)
        if not named:
            return "share_not_for_caller"
        return None if self._is_backed(share) else "share_orphaned"

    def _is_backed(self, share: ShareRecord) -> bool:
        """Whether its creator, its tenant and its bucket are there."""
        rows = keys.tenant(share.tenant), keys.user(share.creator), keys.bucket(share.bucket_name.encode())
        tenant, creator, bucket = (self._store.get(row) for row in rows)
        if tenant is None or creator is None or bucket is None:
            return False
        if TenantRecord.decode(tenant).disabled or UserRecord.decode(creator).disabled:
            return False
        return BucketRecord.decode(bucket).id == share.bucket

    def _member(self, who: Who, group: tuple[int, int]) -> bool:
        tenant, number = group
        asked = (tenant, Place(At.GROUP, number).value, Facts().value)
        principal = (who.subject.bits, False)
        return all(self._engine.stands(principal, relation, *asked) for relation in (_MEMBER, _EXPORTED))

    # Rows.

    def _free(self, target: Target, at: str) -> None:
        """AccountError when another mount is in the way, or there are as many as can be."""
        start, end = keys.mount_range(target.place.number)
        rows = self._store.scan(start, end, MOUNTS + 1)
        if len(rows) >= MOUNTS:
            raise AccountError("conflict", f"a bucket has at most {MOUNTS} mounts")
        prefix = target.place.path
        if any(row[5:].startswith(prefix) or prefix.startswith(row[5:]) for row, _ in rows):
            raise AccountError("conflict", f"{at} is, contains or lies under a mount")

    def _commit(self, name: str, target: Target, change: int, guards: list[Guard], op: Any) -> None:  # noqa: ANN401
        """The change with the bucket's record and its fence: writes that began before are planned again."""
        row = keys.bucket(name.encode())
        value = self._store.get(row)
        before = None if value is None else BucketRecord.decode(value)
        if value is None or before is None or before.id != target.place.number:
            raise UnknownNameError(f"there is no bucket {name}")
        after = before.replace(mounts=before.mounts + change, generation=before.generation + 1)
        fence = put(keys.fence(after.id), after.fence(after.generation).encode())
        with concerning(before.tenant, before.id, name, target.place.path):
            self._store.commit([equals(row, value), *guards], [put(row, after.encode()), fence, op])

    def _show(self, bucket: str, prefix: bytes, record: MountRecord) -> Json:
        row = self._store.get(keys.user(record.creator))
        return {
            "at": f"s3://{bucket}/{prefix.decode()}",
            "created_by": f"#{record.creator}" if row is None else UserRecord.decode(row).name,
            "created": shown_moment(record.created_us),
        }


def _key_ranges(bucket: int, prefix: bytes) -> list[keys.Range]:
    """The rows of everything under a prefix: objects, versions, open uploads."""
    escaped = prefix.replace(b"\x00", b"\x00\xff")
    number = bucket.to_bytes(4, "big")
    return [
        keys.prefix_range(kind + number + path)
        for kind, path in ((keys.OBJECT, prefix), (keys.VERSION, escaped), (keys.UPLOAD, escaped))
    ]
