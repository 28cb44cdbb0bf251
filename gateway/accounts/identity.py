"""Identity policies: managed policies of a tenant, and what hangs on its users, groups and roles.

Belongs here: what may hang on whom, Amazon's limits on it, how it changes. Does not belong here: HTTP, the policy
language (`authz/policy`), deciding anything (Rust reads the rows), who is in a group (relations).

Every change is one commit, and the core lets go of identities it remembers before that commit returns: what was
detached has ended when the call answers.
"""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from authz.directory import Directory, UnknownNameError
from authz.policy import (
    COMPILER_VERSION,
    IDENTITY_POLICY_CHARS,
    PolicyError,
    compile_identity_policy,
    counted_chars,
    parse_identity_policy,
    parse_trust_policy,
)
from gateway.accounts.holdings import attachments
from gateway.accounts.rows import repeated, shown_moment
from gateway.errors import AccountError, S3Error
from gateway.limits import (
    ADMIN_PAGE,
    ATTACHED_POLICIES,
    INLINE_GROUP_CHARS,
    INLINE_ROLE_CHARS,
    INLINE_USER_CHARS,
    MANAGED_POLICIES,
    POLICY_DESCRIPTION_CHARS,
    POLICY_NAME_CHARS,
    PRINCIPAL_TAGS,
)
from gateway.wire.tag_set import check_tags
from storage.api import Conflict, Guard, Metastore, Op, absent, delete, empty_range, equals, present, put
from storage.records import keys
from storage.records.group import GroupRecord, RoleRecord
from storage.records.identity import IdentityRecord, InlinePolicy
from storage.records.keys import AttachedAs, PrincipalOf
from storage.records.managed_policy import ManagedPolicyRecord
from storage.records.pointer import decode_id, encode_mark
from storage.records.tenant import TenantRecord
from storage.records.user import UserRecord

_log: Final = logging.getLogger("panthera.policy")

_NAME: Final = re.compile(r"[A-Za-z0-9_+=,.@-]+\Z")
_UNDECODABLE: Final = b"\0"
"""What stands for a policy that can no longer be compiled: Rust reads no version 0, and what it cannot read denies."""

Json = dict[str, Any]
Tags = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Sort:
    """What tells users, groups and roles apart."""

    of: PrincipalOf
    name_row: Callable[[int, bytes], bytes]
    row: Callable[[int], bytes]
    inline_chars: int


SORTS: Final = {
    "user": _Sort(PrincipalOf.USER, keys.user_name, keys.user, INLINE_USER_CHARS),
    "group": _Sort(PrincipalOf.GROUP, keys.group_name, keys.group, INLINE_GROUP_CHARS),
    "role": _Sort(PrincipalOf.ROLE, keys.role_name, keys.role, INLINE_ROLE_CHARS),
}
"""By the word for it."""
_WORDS: Final = {sort.of: word for word, sort in SORTS.items()}


@dataclass(frozen=True, slots=True)
class Who:
    """A user, group or role as a caller names it: the word for what it is, its name, its tenant's name."""

    word: str
    name: str
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class _Holder:
    """Somebody on whom policies hang, and the guards that it is still there when a commit says so."""

    tenant: int
    sort: _Sort
    number: int
    there: tuple[Guard, ...]

    @property
    def row(self) -> bytes:
        return keys.identity(self.tenant, self.sort.of, self.number)


class Identities:
    """The identities of one store, for a viewer. Methods block on the store; any thread may call them.

    AccountError for what the rules refuse, UnknownNameError for what does not exist as far as the viewer may know.
    """

    def __init__(self, store: Metastore, clock_us: Callable[[], int], viewer: int | None = None) -> None:
        self._store = store
        self._clock_us = clock_us
        self._viewer = viewer

    def seen_from(self, tenant: int) -> "Identities":
        """The same for somebody who may know of this tenant only."""
        return Identities(self._store, self._clock_us, tenant)

    # Managed policies.

    def policies(self, tenant: str | None = None) -> list[Json]:
        """Those of a tenant by name, without their documents."""
        owner = self._owner(tenant)
        return [
            self._shown(owner, row[5:].decode(), ManagedPolicyRecord.decode(value))
            for row, value in self._managed(owner)
        ]

    def policy(self, name: str, tenant: str | None = None) -> Json:
        """One, with its document as it was given and with who has it."""
        owner = self._owner(tenant)
        record = ManagedPolicyRecord.decode(self._managed_row(owner, name)[1])
        return self._shown(owner, name, record) | {"document": record.document.decode()}

    def add_policy(self, name: str, document: str, *, description: str = "", tenant: str | None = None) -> Json:
        """A new one, attached to nobody."""
        _check_policy_name(name)
        if len(description) > POLICY_DESCRIPTION_CHARS or not (description.isprintable() or not description):
            raise AccountError("invalid", f"a description has at most {POLICY_DESCRIPTION_CHARS} printable characters")
        compiled = _compiled(document, IDENTITY_POLICY_CHARS)
        owner = self._owner(tenant)

        def attempt() -> Json:
            unchanged = self._tenant_there(owner)
            row = keys.managed_policy(owner, name.encode())
            if self._store.get(row) is not None:
                raise AccountError("conflict", f"policy {name} exists; give it another document with PUT")
            if len(self._store.scan(*keys.managed_policy_range(owner), MANAGED_POLICIES)) == MANAGED_POLICIES:
                raise AccountError("conflict", f"a tenant has at most {MANAGED_POLICIES} policies")
            now_us = self._clock_us()
            record = ManagedPolicyRecord(1, now_us, now_us, document.encode(), compiled, description or None)
            self._store.commit([unchanged, absent(row)], [put(row, record.encode())])
            return self._shown(owner, name, record)

        return repeated(attempt)

    def change_policy(self, name: str, document: str, *, tenant: str | None = None) -> Json:
        """Gives a policy another document. It is in force for everybody who has the policy when this returns."""
        compiled = _compiled(document, IDENTITY_POLICY_CHARS)
        owner = self._owner(tenant)

        def attempt() -> Json:
            row, value = self._managed_row(owner, name)
            before = ManagedPolicyRecord.decode(value)
            record = replace(
                before,
                number=before.number + 1,
                changed_us=self._clock_us(),
                document=document.encode(),
                compiled=compiled,
            )
            self._store.commit([equals(row, value)], [put(row, record.encode())])
            return self._shown(owner, name, record)

        return repeated(attempt)

    def remove_policy(self, name: str, *, tenant: str | None = None) -> None:
        """Removes one that nobody has."""
        owner = self._owner(tenant)

        def attempt() -> None:
            row, value = self._managed_row(owner, name)
            users = self._users_of(owner, name)
            if users["attached"] or users["bounds"]:
                named = ", ".join([*users["attached"], *users["bounds"]][:5])
                raise AccountError("conflict", f"policy {name} is attached: detach it first from {named}")
            self._store.commit(
                [equals(row, value), empty_range(*keys.attachments_of(owner, name.encode()))], [delete(row)]
            )

        repeated(attempt)

    # What hangs on somebody.

    def held(self, who: Who) -> Json:
        """Everything that hangs on a user, group or role, without documents."""
        record = self._record(self._holder(who))[1]
        shown: Json = {"attached": list(record.attached), "inline": [policy.name for policy in record.inline]}
        if who.word != "group":
            shown |= {"boundary": record.boundary, "tags": [{"key": key, "value": value} for key, value in record.tags]}
        return shown

    def attach(self, who: Who, policy: str) -> None:
        """Attaches a managed policy of the same tenant; attaching it again changes nothing."""

        def change(record: IdentityRecord) -> IdentityRecord:
            names = tuple(sorted({*record.attached, policy}))
            if len(names) > max(ATTACHED_POLICIES, len(record.attached)):
                raise AccountError("conflict", f"a {who.word} has at most {ATTACHED_POLICIES} attached policies")
            return replace(record, attached=names)

        self._change(who, change)

    def detach(self, who: Who, policy: str) -> None:
        """Detaches a managed policy. What it allowed has ended when this returns."""

        def change(record: IdentityRecord) -> IdentityRecord:
            if policy not in record.attached:
                raise UnknownNameError(f"policy {policy} is not attached to {who.word} {who.name}")
            return replace(record, attached=tuple(name for name in record.attached if name != policy))

        self._change(who, change)

    def inline(self, who: Who, policy: str) -> Json:
        """An inline policy's document, as it was given."""
        for found in self._record(self._holder(who))[1].inline:
            if found.name == policy:
                return {"name": policy, "document": found.document.decode()}
        raise UnknownNameError(f"{who.word} {who.name} has no inline policy {policy}")

    def put_inline(self, who: Who, policy: str, document: str) -> None:
        """Adds an inline policy or gives it another document."""
        _check_policy_name(policy)
        most = SORTS[who.word].inline_chars
        entry = InlinePolicy(policy, document.encode(), _compiled(document, most))

        def change(record: IdentityRecord) -> IdentityRecord:
            others = [found for found in record.inline if found.name != policy]
            inline = tuple(sorted([*others, entry], key=lambda found: found.name))
            if sum(counted_chars(found.document) for found in inline) > most:
                raise AccountError("conflict", f"the inline policies of a {who.word} have at most {most} characters")
            return replace(record, inline=inline)

        self._change(who, change)

    def remove_inline(self, who: Who, policy: str) -> None:
        """Removes an inline policy. What it allowed has ended when this returns."""

        def change(record: IdentityRecord) -> IdentityRecord:
            if all(found.name != policy for found in record.inline):
                raise UnknownNameError(f"{who.word} {who.name} has no inline policy {policy}")
            return replace(record, inline=tuple(found for found in record.inline if found.name != policy))

        self._change(who, change)

    def set_boundary(self, who: Who, policy: str | None) -> None:
        """Bounds a user or role: policies allow it only what this managed one allows, too. None ends that."""
        _only_people(who, "boundary")
        self._change(who, lambda record: replace(record, boundary=policy))

    def set_tags(self, who: Who, tags: Tags) -> None:
        """Replaces the tags of a user or role, for `aws:PrincipalTag`."""
        _only_people(who, "tags")
        _check_principal_tags(tags)
        self._change(who, lambda record: replace(record, tags=tuple(tags)))

    def trust_policy(self, who: Who) -> Json:
        """Who may assume a role: the document as it was given."""
        document = self._record(self._holder(who))[1].trust_policy
        if document is None:
            raise UnknownNameError(f"role {who.name} has no trust policy")
        return {"document": document.decode()}

    def set_trust_policy(self, who: Who, document: str) -> None:
        """Stores who may assume a role."""
        if who.word != "role":
            raise AccountError("invalid", f"a {who.word} has no trust policy: only roles do")
        try:
            parse_trust_policy(document.encode())
        except PolicyError as error:
            raise AccountError("invalid", f"the trust policy is refused: {error.message}") from error
        self._change(who, lambda record: replace(record, trust_policy=document.encode()))

    def _change(self, who: Who, change: Callable[[IdentityRecord], IdentityRecord]) -> None:
        """Commits a principal's identity as `change` makes it, with the rows by which policies know who has them."""

        def attempt() -> None:
            holder = self._holder(who)
            value, before = self._record(holder)
            after = change(before)
            if after == before:
                return
            place = (holder.tenant, holder.sort.of, holder.number)
            old, new = attachments(*place, before), attachments(*place, after)
            guards = [*holder.there, absent(holder.row) if value is None else equals(holder.row, value)]
            guards += [present(self._managed_row(holder.tenant, new[row])[0]) for row in new.keys() - old.keys()]
            stored = put(holder.row, replace(after, changed_us=self._clock_us()).encode())
            ops: list[Op] = [delete(holder.row) if after.empty else stored]
            ops += [put(row, encode_mark()) for row in new.keys() - old.keys()]
            ops += [delete(row) for row in old.keys() - new.keys()]
            self._store.commit(guards, ops)

        repeated(attempt)

    # Rows.

    def _owner(self, tenant: str | None) -> int:
        return Directory(self._store, self._viewer).start(tenant)

    def _tenant_there(self, tenant: int) -> Guard:
        row = keys.tenant(tenant)
        value = self._store.get(row)
        if value is None or TenantRecord.decode(value).disabled:
            raise AccountError("conflict", "the tenant is being removed")
        return equals(row, value)

    def _holder(self, who: Who) -> _Holder:
        sort, tenant = SORTS[who.word], self._owner(who.tenant)
        pointer = self._store.get(sort.name_row(tenant, who.name.encode()))
        row = b"" if pointer is None else sort.row(decode_id(pointer))
        value = self._store.get(row) if row else None
        if pointer is None or value is None:
            raise UnknownNameError(f"there is no {who.word} {who.name}")
        if sort.of is PrincipalOf.USER:
            user = UserRecord.decode(value)
            if user.root:
                raise AccountError("refused", "no policy is about the root user: give people users of their own")
            if user.disabled:
                raise AccountError("conflict", f"user {who.name} is being removed")
        return _Holder(tenant, sort, decode_id(pointer), (self._tenant_there(tenant), equals(row, value)))

    def _record(self, holder: _Holder) -> tuple[bytes | None, IdentityRecord]:
        value = self._store.get(holder.row)
        return value, IdentityRecord(0) if value is None else IdentityRecord.decode(value)

    def _managed(self, tenant: int) -> Iterator[tuple[bytes, bytes]]:
        start, end = keys.managed_policy_range(tenant)
        while rows := self._store.scan(start, end, ADMIN_PAGE):
            yield from rows
            start = rows[-1][0] + b"\0"

    def _managed_row(self, tenant: int, name: str) -> tuple[bytes, bytes]:
        row = keys.managed_policy(tenant, name.encode())
        value = self._store.get(row) if _NAME.match(name) and len(name) <= POLICY_NAME_CHARS else None
        if value is None:
            raise UnknownNameError(f"there is no policy {name}")
        return row, value

    def _users_of(self, tenant: int, name: str) -> dict[str, list[str]]:
        """Who has a policy, and whom it bounds, as `user:NAME`."""
        found: dict[str, list[str]] = {"attached": [], "bounds": []}
        start, end = keys.attachments_of(tenant, name.encode())
        while rows := self._store.scan(start, end, ADMIN_PAGE):
            for row, _ in rows:
                _, _, as_what, of, number = keys.parse_attachment(row)
                place = "attached" if as_what is AttachedAs.POLICY else "bounds"
                found[place].append(f"{_WORDS[of]}:{self._name_of(of, number)}")
            start = rows[-1][0] + b"\0"
        return found

    def _name_of(self, of: PrincipalOf, number: int) -> str:
        value = self._store.get(SORTS[_WORDS[of]].row(number))
        if value is None:
            return f"#{number}"
        if of is PrincipalOf.USER:
            return UserRecord.decode(value).name
        return (GroupRecord if of is PrincipalOf.GROUP else RoleRecord).decode(value).name

    def _shown(self, tenant: int, name: str, record: ManagedPolicyRecord) -> Json:
        return {
            "name": name,
            "tenant": Directory(self._store).tenant_name(tenant),
            "arn": f"arn:aws:iam::{tenant:012}:policy/{name}",
            "description": record.description or "",
            "number": record.number,
            "created": shown_moment(record.created_us),
            "changed": shown_moment(record.changed_us),
            **self._users_of(tenant, name),
        }


def recompile_identities(store: Metastore) -> int:
    """Compiles again what another version of the compiler left. How many rows changed.

    For the start, before the ports accept. A document that is no policy any more denies everything to who has it, until
    it is replaced, and is named in the log.
    """
    changed = 0
    for kind, anew in ((keys.MANAGED_POLICY, _managed_anew), (keys.IDENTITY, _identity_anew)):
        start, end = keys.kind_range(kind)
        while rows := store.scan(start, end, ADMIN_PAGE):
            for row, value in rows:
                if (after := anew(row, value)) is not None:
                    try:
                        store.commit([equals(row, value)], [put(row, after)])
                    except Conflict:  # nobody else writes before the ports accept; if somebody did, it is compiled
                        continue
                    changed += 1
            start = rows[-1][0] + b"\0"
    return changed


def _managed_anew(row: bytes, value: bytes) -> bytes | None:
    record = ManagedPolicyRecord.decode(value)
    if not _stale(record.compiled):
        return None
    return replace(record, compiled=_again(row, record.document, IDENTITY_POLICY_CHARS)).encode()


def _identity_anew(row: bytes, value: bytes) -> bytes | None:
    record = IdentityRecord.decode(value)
    if not any(_stale(policy.compiled) for policy in record.inline):
        return None
    inline = tuple(
        replace(policy, compiled=_again(row, policy.document, INLINE_ROLE_CHARS)) if _stale(policy.compiled) else policy
        for policy in record.inline
    )
    return replace(record, inline=inline).encode()


def _stale(compiled: bytes) -> bool:
    return compiled[:1] not in (bytes([COMPILER_VERSION]), _UNDECODABLE)


def _again(row: bytes, document: bytes, most_chars: int) -> bytes:
    try:
        return compile_identity_policy(parse_identity_policy(document, most_chars))
    except PolicyError as error:
        _log.error("policy in row %s is no longer valid and denies everything: %s", row.hex(), error.message)
        return _UNDECODABLE


def _compiled(document: str, most_chars: int) -> bytes:
    try:
        return compile_identity_policy(parse_identity_policy(document.encode(), most_chars))
    except PolicyError as error:
        raise AccountError("invalid", f"the policy is refused: {error.message}") from error


def _check_policy_name(name: str) -> None:
    if len(name) > POLICY_NAME_CHARS or _NAME.match(name) is None:
        rule = f"1 to {POLICY_NAME_CHARS} letters, digits and _+=,.@-"
        raise AccountError("invalid", f"{name!r} cannot be the name of a policy: {rule}")


def _only_people(who: Who, what: str) -> None:
    if who.word == "group":
        raise AccountError("invalid", f"a group has no {what}: only users and roles do")


def _check_principal_tags(tags: Tags) -> None:
    """What IAM takes: 50 tags whose keys differ in more than letter case."""
    if len(tags) > PRINCIPAL_TAGS:
        raise AccountError("invalid", f"a user or role has at most {PRINCIPAL_TAGS} tags")
    if len({key.casefold() for key, _ in tags}) != len(tags):
        raise AccountError("invalid", "keys of tags must differ in more than letter case")
    try:
        check_tags(tags, limit=PRINCIPAL_TAGS)
    except S3Error as error:
        raise AccountError("invalid", str(error.message)) from error
