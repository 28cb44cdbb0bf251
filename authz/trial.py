"""Trying a model: relations in memory, as a file says them, and what must be allowed, denied and shown.

Belongs here: the form of such files (docs/how-to/test-your-model.md), the world they describe, comparing. Does not
belong here: files, YAML, exit statuses (the command line).

Names need no records: whoever the file mentions exists.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, ParamSpec, TypeVar

from authz import names
from authz.answers import TOUCH, Ask, Change, Decision, Part
from authz.api import Relations
from authz.directory import DEFAULT_TENANT
from authz.model import IN_BUCKET, At, Facts, Kind
from authz.names import AddressName, SubjectName, WordError
from authz.schema import SchemaError
from storage.api import RelationError, put
from storage.memory import MemoryMetastore
from storage.native import Relations as Engine
from storage.records import keys
from storage.records.bucket import BucketRecord
from storage.records.group import GroupRecord, RoleRecord
from storage.records.pointer import encode_id
from storage.records.tenant import TenantRecord
from storage.records.user import UserRecord

_P = ParamSpec("_P")
_T = TypeVar("_T")

_NOW_US: Final = 1_735_689_600_000_000
"""When it is in a trial that does not say: the first moment of 2025, so that a file means the same every day."""
_ROWS: Final = 100_000
"""Relations, assertions and keys a file may have, together: they are held in memory several times."""
_KNOWN: Final = ("schema", "tenant", "now", "admins", "relations", "keys", "allowed", "denied", "lists")


class TrialError(ValueError):
    """The file cannot be meant; the message says where and what would be right."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An assertion that does not hold. `lines` say what was expected and what is."""

    where: str
    lines: tuple[str, ...]


@dataclass
class Outcome:
    """What a trial found."""

    asserted: int = 0
    failures: list[Failure] = field(default_factory=list)
    warnings: tuple[str, ...] = ()


class _World:
    """Rows for every name that is mentioned, and relations over an engine in memory."""

    def __init__(self, now_us: int) -> None:
        self.store = MemoryMetastore()
        self.now_us = now_us
        self.numbers: dict[tuple[str, str, str], int] = {}
        self.relations = Relations(Engine.in_memory(), self.store, clock_us=lambda: self.now_us, actions=_Actions())

    def number(self, word: str, tenant: str, name: str) -> tuple[int, bool]:
        """The number of a name, and whether it is new."""
        found = (word, tenant, name)
        fresh = found not in self.numbers
        return self.numbers.setdefault(found, len(self.numbers) + 1), fresh

    def tenant(self, name: str) -> int:
        number, fresh = self.number("tenant", "", name)
        if fresh:
            key = hashlib.sha256(name.encode()).digest()
            self._put(keys.tenant(number), TenantRecord(number, 1, key, name).encode())
            self._put(keys.tenant_name(name.encode()), encode_id(number))
        return number

    def _put(self, key: bytes, value: bytes) -> None:
        self.store.commit([], [put(key, value)])

    def subject(self, name: SubjectName, home: str, *, admin: bool = False) -> None:
        """Makes sure that a subject is there."""
        tenant = name.tenant or home
        if name.kind is Kind.TENANT_MEMBER:
            self.tenant(name.name or tenant)
        if name.name.startswith("#") or name.kind not in (Kind.USER, Kind.GROUP, Kind.ROLE):
            return
        owner, raw = self.tenant(tenant), name.name.encode()
        number, fresh = self.number(name.kind.name, tenant, name.name)
        if not fresh:
            return
        if name.kind is Kind.USER:
            identity = hashlib.sha256(b"user/%d" % number).digest()
            record = UserRecord(number, owner, 1, identity, name.name, tenant_admin=admin)
            self._put(keys.user(number), record.encode())
            self._put(keys.user_name(owner, raw), encode_id(number))
        elif name.kind is Kind.GROUP:
            self._put(keys.group(number), GroupRecord(number, owner, 1, name.name).encode())
            self._put(keys.group_name(owner, raw), encode_id(number))
        else:
            self._put(keys.role(number), RoleRecord(number, owner, 1, name.name).encode())
            self._put(keys.role_name(owner, raw), encode_id(number))

    def address(self, name: AddressName, home: str) -> None:
        """Makes sure that a place is there; buckets are of the tenant that is tried."""
        if name.at in (At.GROUP, At.ROLE):
            kind = Kind.GROUP if name.at is At.GROUP else Kind.ROLE
            self.subject(SubjectName(kind, name.tenant, name.name), home)
        elif name.at is At.TENANT:
            self.tenant(name.name or home)
        elif name.at in IN_BUCKET and not name.name.startswith("#"):
            number, fresh = self.number("bucket", "", name.name)
            if fresh:
                owner = self.tenant(home)
                record = BucketRecord(id=number, tenant=owner, owner=0, created_us=1)
                self._put(keys.bucket(name.name.encode()), record.encode())
                self._put(keys.tenant_bucket(owner, name.name.encode()), encode_id(number))


class _Actions(frozenset[str]):
    """Every action of Amazon's, by its form."""

    def __contains__(self, action: object) -> bool:
        return isinstance(action, str) and action.startswith("s3:") and action[3:].isalnum()


class Trial:
    """One file, read. `run` tries it."""

    def __init__(self, content: object) -> None:
        if not isinstance(content, Mapping):
            raise TrialError(f"a file of assertions is a mapping with any of {', '.join(_KNOWN)}")
        for name in content:
            if name not in _KNOWN:
                raise TrialError(f"{name!r} is not known here{names.did_you_mean(str(name), _KNOWN)}")
        self.schema = _text(content, "schema")
        self.home = _text(content, "tenant") or DEFAULT_TENANT
        self.now_us = _moment(content.get("now"), "now") or _NOW_US
        self.admins = [str(one) for one in _list(content, "admins")]
        self.given = [_row(one, f"relations[{i}]", _GRANT) for i, one in enumerate(_list(content, "relations"))]
        self.keys = [_address(one, f"keys[{i}]") for i, one in enumerate(_list(content, "keys"))]
        self.wanted = [
            (word, f"{word}[{i}]", _row(one, f"{word}[{i}]", _ASK))
            for word in ("allowed", "denied")
            for i, one in enumerate(_list(content, word))
        ]
        self.lists = [(f"lists[{i}]", _listing(one, f"lists[{i}]")) for i, one in enumerate(_list(content, "lists"))]
        rows = len(self.given) + len(self.keys) + len(self.wanted) + len(self.lists)
        if rows > _ROWS:
            raise TrialError(f"{rows} relations, keys and assertions; {_ROWS} can be")

    def run(self) -> Outcome:
        """Builds the world and compares. TrialError when it cannot be built, SchemaError when the schema is wrong."""
        world = _World(self.now_us)
        world.tenant(self.home)
        outcome = Outcome()
        if self.schema is not None:
            outcome.warnings = world.relations.schemas.apply(self.schema, self.home).warnings
        for admin in self.admins:
            world.subject(names.parse_subject(admin), self.home, admin=True)
        for where, row in ((f"relations[{i}]", row) for i, row in enumerate(self.given)):
            self._meaning(where, self._grant, world, row)
        for word, where, row in self.wanted:
            outcome.asserted += 1
            decision = self._meaning(where, self._decide, world, row)
            if decision.allowed != (word == "allowed"):
                outcome.failures.append(_differs(word, where, row, decision))
        for where, row in self.lists:
            outcome.asserted += 1
            failure = self._meaning(where, self._listed, world, where, row)
            if failure is not None:
                outcome.failures.append(failure)
        return outcome

    def _meaning(self, where: str, run: Callable[_P, _T], *args: _P.args, **more: _P.kwargs) -> _T:
        """Runs what may find that words have no meaning, and says where they stand."""
        try:
            return run(*args, **more)
        except (WordError, RelationError) as error:
            raise TrialError(f"{where}: {error}") from error

    def _mention(self, world: _World, row: Mapping[str, Any]) -> None:
        if not names.is_flag(row.get("relation", "")) and row["subject"] != "itself":
            world.subject(names.parse_subject(row["subject"]), self.home)
        if "resource" in row:
            world.address(names.parse_address(row["resource"]), self.home)

    def _grant(self, world: _World, row: Mapping[str, Any]) -> None:
        self._mention(world, row)
        # YAML reads a moment by itself, and a span as text.
        expires = row.get("expires")
        expires = expires.isoformat() if isinstance(expires, datetime) else expires
        conditions = row.get("conditions", ())
        change = Change(TOUCH, row["subject"], row["relation"], row["resource"], expires, conditions)
        world.relations.write([change], tenant=self.home)

    def _decide(self, world: _World, row: Mapping[str, Any]) -> Decision:
        self._mention(world, row)
        return world.relations.explain(row["subject"], row["action"], row["resource"], _ask(row, self.home))

    def _listed(self, world: _World, where: str, row: Mapping[str, Any]) -> Failure | None:
        self._mention(world, row)
        inside = names.parse_address(row["in"])
        if inside.at not in (At.BUCKET, At.PREFIX):
            raise WordError(f"{row['in']!r}: `in` is s3://BUCKET or s3://BUCKET/PREFIX/")
        world.address(inside, self.home)
        here = [key for key in self.keys if key.name == inside.name and key.path.startswith(inside.path)]
        visible = _visible(world.relations, row, inside, _ask(row, self.home))
        shown = {_shown(key) for key in here if any(a <= key.path and (b is None or key.path < b) for a, b in visible)}
        expected = set(row["shows"])
        if strange := expected - {_shown(key) for key in here}:
            raise WordError(f"{min(strange)!r} is not among `keys` below {row['in']}")
        lines = [f"- {key}  (expected, not shown)" for key in sorted(expected - shown)]
        lines += [f"+ {key}  (shown, not expected)" for key in sorted(shown - expected)]
        if not lines:
            return None
        return Failure(f"{where}: {row['subject']} lists {row['in']}", tuple(lines))


_GRANT: Final = ("subject", "relation", "resource")
_ASK: Final = ("subject", "action", "resource")
_MORE: Final[dict[tuple[str, ...], tuple[str, ...]]] = {
    _GRANT: ("expires", "conditions"),
    _ASK: ("source_ip", "tls", "mfa_at", "now"),
}


def _text(content: Mapping[str, Any], name: str) -> str | None:
    value = content.get(name)
    if value is not None and not isinstance(value, str):
        raise TrialError(f"{name} is text")
    return value


def _list(content: Mapping[str, Any], name: str) -> list[Any]:
    value = content.get(name)
    if value is not None and not isinstance(value, list):
        raise TrialError(f"{name} is a list")
    return value or []


def _row(value: object, where: str, wanted: tuple[str, ...]) -> dict[str, Any]:
    """`SUBJECT RELATION RESOURCE` as one text, or a mapping that has these and more."""
    if isinstance(value, str):
        words = value.split(maxsplit=2)
        if len(words) == 2 and wanted is _GRANT and names.is_flag(words[0]):
            words = ["itself", *words]
        if len(words) != 3:
            raise TrialError(f"{where}: {value!r} is not {' '.join(word.upper() for word in wanted)}")
        return dict(zip(wanted, words, strict=True))
    if not isinstance(value, Mapping):
        raise TrialError(f"{where} is text, as `{' '.join(word.upper() for word in wanted)}`, or a mapping of these")
    _members(value, where, wanted, _MORE[wanted])
    return dict(value)


def _members(value: Mapping[Any, Any], where: str, needed: Iterable[str], may: Iterable[str]) -> None:
    for name in needed:
        if name not in value:
            raise TrialError(f"{where}: {name} is missing")
    known = [*needed, *may]
    for name in value:
        if name not in known:
            raise TrialError(f"{where}: {name!r} is not known here{names.did_you_mean(str(name), known)}")


def _listing(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TrialError(f"{where} is a mapping of subject, in and shows")
    _members(value, where, ("subject", "in", "shows"), ("action", *_MORE[_ASK]))
    if not isinstance(value["shows"], list):
        raise TrialError(f"{where}: shows is a list of addresses, empty for none")
    return {"action": "discover", **value}


def _address(value: object, where: str) -> AddressName:
    try:
        found = names.parse_address(str(value))
    except WordError as error:
        raise TrialError(f"{where}: {error}") from error
    if found.at not in (At.OBJECT, At.PREFIX):
        raise TrialError(f"{where}: {value!r} is no key: write s3://BUCKET/KEY")
    return found


def _shown(key: AddressName) -> str:
    return f"s3://{key.name}/{key.path.decode('utf-8', 'surrogateescape')}"


def _moment(value: object, where: str) -> int | None:
    """YAML reads most moments by itself."""
    if value is None:
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError as error:
        raise TrialError(f"{where}: {value!r} is no moment: write 2025-01-31T12:00:00Z") from error
    if moment.tzinfo is None:
        raise TrialError(f"{where}: {value!r} has no time zone: write Z for UTC")
    return int(moment.timestamp() * 1_000_000)


def _ask(row: Mapping[str, Any], tenant: str) -> Ask:
    facts = Facts(
        source_ip=row.get("source_ip"),
        tls=row.get("tls"),
        mfa_us=_moment(row.get("mfa_at"), "mfa_at"),
        now_us=_moment(row.get("now"), "now") or 0,
    )
    return Ask(facts, tenant=tenant)


def _visible(
    relations: Relations, row: Mapping[str, Any], inside: AddressName, ask: Ask
) -> list[tuple[bytes, bytes | None]]:
    found: list[tuple[bytes, bytes | None]] = []
    cursor = None
    while True:
        page = relations.what_can(row["subject"], row["action"], f"s3://{inside.name}", ask, Part(cursor, 1000))
        found += [(one.start, one.end) for one in page.ranges]
        cursor = page.cursor
        if cursor is None:
            return found


def _differs(word: str, where: str, row: Mapping[str, Any], decision: Decision) -> Failure:
    by = decision.decided_by
    why = {
        "granted": "something grants it",
        "tenant_admin": "the subject administers the tenant",
        "denied": "a deny relation applies",
        "not_granted": "nothing grants it",
    }[decision.reason]
    if by is not None:
        why = f"{by.subject} has {by.relation} on {by.resource}"
    is_now = "allowed" if decision.allowed else "denied"
    asked = f"{row['subject']} {row['action']} {row['resource']}"
    return Failure(f"{where}: {asked}", (f"- {word}  (expected)", f"+ {is_now}  (because {why})"))


__all__ = ["Failure", "Outcome", "SchemaError", "Trial", "TrialError"]
