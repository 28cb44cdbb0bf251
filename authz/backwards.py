"""The questions backwards about one of Amazon's actions: who may do it here, and where may this subject do it.

Belongs here: finding candidates, asking the whole decision for each, pages. Does not belong here: the decision
(`deciding.py`, Rust); permissions by name, which relations alone answer (`api.py`).

An answer is a filter over candidates and nothing else: what is listed is what a check of the same question allows. A
relation's condition and a policy's see the same request: from nowhere, without TLS, unless the question says.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from authz.answers import Dependence
from authz.borders import Borders, by_bucket, by_policies, by_relations
from authz.deciding import Question, Verdict, Whole, decide, permission_of
from authz.directory import Directory
from authz.holders import Held, creator_of, of_bucket, of_groups, of_subject
from authz.model import PERMISSIONS, At, Facts, Kind, Place, Subject
from authz.named import Named
from authz.names import WordError
from authz.shown import NO_CURSOR, bits_of
from authz.vocabulary import vocabulary_of
from storage.api import Metastore
from storage.native import Relations as Engine
from storage.records import keys
from storage.records.bucket import BucketRecord
from storage.records.pointer import decode_id

EXAMINED: Final = 10_000
"""Questions asked for one page: a fraction of a second. A page that ends there is short and has a cursor."""

_ROWS: Final = 1_000
_KEY_BYTES: Final = 1_024
_NOWHERE: Final = "0.0.0.0"  # noqa: S104 - an address that no network is meant by, as the data plane has it
_THROUGHOUT: Final = frozenset({"granted", "tenant_admin"})
"""Reasons that stand wherever the relations are the same and nothing denies."""
_NAMED, _RELATED, _OWN = b"e", b"r", b"u"
"""Candidates whom policies and lists name; whom relations name; users of the tenant. First byte of a cursor."""

Range = tuple[bytes, bytes | None]


@dataclass(frozen=True, slots=True)
class Places:
    """A page of keys."""

    ranges: list[Range]
    only_stored: list[Range]
    cursor: bytes | None
    revision: int
    depends_on: list[Dependence]


@dataclass(frozen=True, slots=True)
class People:
    """A page of subjects."""

    subjects: list[Subject]
    administrators: list[Subject]
    classes: list[Subject]
    excluded_classes: list[Subject]
    elsewhere: list[Subject]
    unlisted: list[str]
    cursor: bytes | None
    revision: int
    depends_on: list[Dependence]


def supposed(facts: Facts) -> Facts:
    """What the whole decision supposes where nothing is said."""
    return replace(facts, source_ip=facts.source_ip or _NOWHERE, tls=bool(facts.tls))


class Backwards:
    """Both questions about one bucket. `question` says who, for the keys; its place says where, for the people."""

    def __init__(self, parts: tuple[Engine, Metastore], whole: Whole, question: Question, record: BucketRecord) -> None:
        self._engine, self._store = parts
        self._whole = whole
        self._question = replace(question, facts=supposed(question.facts))
        self._record = record
        self._permission = permission_of(question.action, vocabulary_of(self._engine, question.target.tenant))

    # Where may this subject do it?

    def places(self, after: bytes | None, limit: int) -> Places:
        """The keys on which the subject may do the action, from the cursor on."""
        start = after or b""
        held = self._held()
        borders = Borders()
        by_policies(borders, self._question, held)
        by_bucket(borders, self._question, self._record)
        by_relations(borders, self._engine, self._question, self._lenses(), start)
        page, only = _Page(limit), list[Range]()
        cursor = borders.until
        for first, end in borders.pieces(start):
            asked = None if borders.varies(first) else self._decide(_real(first, end))
            whole = asked is not None and (asked.reason in _THROUGHOUT or not borders.adds(first))
            if asked is not None and whole:
                stopped = None if page.take(first, end, asked.allowed) else first
            else:
                only.append((first, end))
                stopped = self._stored(page, first, end)
            if stopped is not None:
                cursor = stopped
                break
        depends = [_dependence(one) for one in held if one.said.means(self._question.action) and one.said.asks]
        return Places(page.ranges, _joined(only), cursor, borders.revision, depends)

    def _stored(self, page: "_Page", first: bytes, end: bytes | None) -> bytes | None:
        """Asks for each stored key of a span; where it stopped before the end."""
        number = self._record.id
        low, high = keys.object_range(number)
        row, high = low + first, high if end is None else low + end
        while rows := self._store.scan(row, high, _ROWS):
            for found, _ in rows:
                key = found[len(low) :]
                if not page.take(key, key + b"\0", self._decide(key).allowed, alone=True):
                    return key
            row = rows[-1][0] + b"\0"
        return None

    def _decide(self, key: bytes) -> Verdict:
        target = self._question.target
        place = Place(At.OBJECT, target.place.number, key)
        question = replace(self._question, target=replace(target, place=place))
        return decide(self._engine, question, whole=self._whole)

    def _may(self, question: Question) -> bool:
        return decide(self._engine, question, whole=self._whole).allowed

    def _held(self) -> list[Held]:
        """Every statement that can bear on the subject's question."""
        who = self._question.subject
        found = [*of_bucket(self._record.policy), *of_subject(self._store, who)]
        if who.kind in (Kind.USER, Kind.SHARE):
            found += of_groups(self._store, who.tenant)
        return found

    def _lenses(self) -> list[tuple[int, bool, int]]:
        """Through whose eyes relations are looked at: the subject's, and of a share its creator's, who shares it."""
        who, admin = self._question.subject, self._question.admin
        lenses = [(who.bits, False, self._permission)] + ([(who.bits, True, self._permission)] if admin else [])
        row = self._store.get(keys.share(who.tenant, who.number)) if who.kind is Kind.SHARE else None
        if row is not None:
            creator = creator_of(who, row)
            share = PERMISSIONS.index("share")
            administers = Directory(self._store).administers(creator)
            lenses += [
                (creator.bits, admin, wanted) for wanted in (self._permission, share) for admin in {False, administers}
            ]
        return lenses

    # And of these keys?

    def keys(self, asked: Sequence[bytes]) -> tuple[list[bool], int]:
        """Whether the subject may do it on each, in any order: keys between the same borders cost one question."""
        held = self._held()
        verdicts = [False] * len(asked)
        borders, known, revision = Borders(), dict[bytes, Verdict](), None
        firsts: list[bytes] = []
        for key, at in sorted((key, at) for at, key in enumerate(asked)):
            if not firsts or (borders.until is not None and key >= borders.until):
                borders, known = Borders(), {}
                by_policies(borders, self._question, held)
                by_bucket(borders, self._question, self._record)
                by_relations(borders, self._engine, self._question, self._lenses(), key)
                firsts = [first for first, _ in borders.pieces(b"")]
                revision = borders.revision if revision is None else revision
            first = firsts[bisect_right(firsts, key) - 1]
            if borders.varies(first) or borders.adds(first):
                verdicts[at] = self._decide(key).allowed
                continue
            if first not in known:
                known[first] = self._decide(key)
            verdicts[at] = known[first].allowed
        return verdicts, self._engine.revision() if revision is None else revision

    # Who may do it here?

    def people(self, after: bytes | None, limit: int, viewer: int | None) -> People:
        """Who may do the action on the place. Users of other tenants are asked for by root; within a tenant nobody
        learns what another tenant lets its users do.
        """
        directory = Directory(self._store)
        named = Named(self._store, self._question, self._record, within=viewer is not None)
        subjects: list[Subject] = []
        administrators: list[Subject] = []
        elsewhere: list[Subject] = []
        asked: list[Subject] = []
        cursor = None
        for examined, (who, mark) in enumerate(self._candidates(named, after), 1):
            if viewer is not None and who.kind is Kind.USER and who.tenant != self._record.tenant:
                if not named.denied(who):
                    elsewhere.append(who)
            else:
                asked.append(who)
                admin = directory.administers(who)
                if self._may(replace(self._question, subject=who, admin=admin)):
                    (administrators if admin else subjects).append(who)
            if len(subjects) + len(administrators) + len(elsewhere) >= limit or examined == EXAMINED:
                cursor = mark
                break
        classes, excluded, revision = self._classes(named)
        return People(
            subjects,
            administrators,
            classes,
            excluded,
            elsewhere,
            named.unlisted() if after is None else [],
            cursor,
            revision,
            self._dependences(named, asked, first=after is None),
        )

    def _dependences(self, named: Named, asked: list[Subject], *, first: bool) -> list[Dependence]:
        """Statements that can be about the place and ask the request: the bucket's, those asked about's, groups'."""
        held = [*named.held, *of_groups(self._store, self._record.tenant)] if first else []
        for who in asked:
            held += of_subject(self._store, who)
        fits = (one for one in held if one.said.means(self._question.action) and one.said.asks)
        return [_dependence(one) for one in fits if one.said.can_be_on(self._question.bucket, named.key)]

    def _candidates(self, named: Named, after: bytes | None) -> Iterator[tuple[Subject, bytes]]:
        """Everybody who may be allowed, each once, with the cursor behind it."""
        phase, rest = (_NAMED, b"") if after is None else (after[:1], after[1:])
        if phase not in (_NAMED, _RELATED, _OWN):
            raise WordError(f"that {NO_CURSOR}")
        if phase == _NAMED:
            passed = int.from_bytes(rest, "big")
            for number, who in enumerate(named.subjects[passed:], passed + 1):
                yield who, _NAMED + number.to_bytes(4, "big")
            phase, rest = _RELATED, b""
        if phase == _RELATED:
            already = set(named.subjects)
            for who in self._related(rest):
                own = who.kind is Kind.USER and who.tenant == self._record.tenant
                if not own and who not in already and who.kind not in (Kind.GROUP, Kind.ROLE):
                    yield who, _RELATED + who.bits.to_bytes(8, "big")
            rest = b""
        start, end = keys.user_name_range(self._record.tenant)
        row = start + rest + b"\0" if rest else start
        while rows := self._store.scan(row, end, _ROWS):
            for name, value in rows:
                yield Subject(Kind.USER, self._record.tenant, decode_id(value)), _OWN + name[len(start) :]
            row = rows[-1][0] + b"\0"

    def _lookup(self, cursor: int | None, limit: int) -> tuple[list[int], list[int], list[int], int | None, int]:
        target = self._question.target
        asked = (self._permission, target.tenant, target.place.value, limit, self._question.facts.value, cursor)
        subjects, classes, not_classes, _, more, revision = self._engine.lookup_subjects(*asked)
        return subjects, classes, not_classes, more, revision

    def _related(self, after: bytes) -> Iterator[Subject]:
        cursor = bits_of(after) if after else None
        while True:
            subjects, _, _, cursor, _ = self._lookup(cursor, _ROWS)
            yield from (Subject.of(bits) for bits in subjects)
            if cursor is None:
                return

    def _classes(self, named: Named) -> tuple[list[Subject], list[Subject], int]:
        """Classes that relations allow and no policy denies as a whole."""
        subjects, classes, not_classes, _, revision = self._lookup(None, _ROWS)
        groups = [who for who in map(Subject.of, subjects) if who.kind in (Kind.GROUP, Kind.ROLE)]
        public = (Kind.ANYONE, Kind.AUTHENTICATED) if named.restricted else ()
        found = [who for who in map(Subject.of, classes) if who.kind not in public] + groups
        kept = [who for who in found if not named.denied(who)]
        return kept, [Subject.of(bits) for bits in not_classes], revision


def _joined(spans: list[Range]) -> list[Range]:
    """Spans in order, those that touch as one."""
    found: list[Range] = []
    for start, end in spans:
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _dependence(one: Held) -> Dependence:
    said = one.said
    effect = "allow" if said.allow else "deny"
    return Dependence(effect, one.holder, one.policy, said.sid, said.index, said.asks)


class _Page:
    """Ranges as they are found; `take` answers False for what has no place on this page any more."""

    def __init__(self, limit: int) -> None:
        self.ranges: list[Range] = []
        self._limit = limit
        self._asked = 0
        self._open = False

    def take(self, start: bytes, end: bytes | None, allowed: bool, *, alone: bool = False) -> bool:  # noqa: FBT001
        self._asked += 1
        if self._asked > EXAMINED:
            return False
        if not allowed:
            return True
        if self._open and not alone and self.ranges[-1][1] == start:
            self.ranges[-1] = (self.ranges[-1][0], end)
            return True
        if len(self.ranges) == self._limit:
            return False
        self.ranges.append((start, end))
        self._open = not alone
        return True


def _real(start: bytes, end: bytes | None) -> bytes:
    """A key that could be stored, at the start of a piece or soon behind it, to ask for the whole piece."""
    wanted = keys.successor(start[:_KEY_BYTES]) if len(start) > _KEY_BYTES else start or b"\0"
    try:
        wanted.decode()
    except UnicodeDecodeError as error:
        # The end of a prefix is its last byte plus one, which may begin no character: the next that does.
        head, tail = wanted[: error.start], wanted[error.start :]
        firsts = (chr(code).encode() for code in (*range(0x80, 0x800, 0x40), *range(0x800, 0xD800, 0x40), 0x10000))
        wanted = next((head + one for one in firsts if one > tail), wanted)
    return wanted if end is None or wanted < end else start
