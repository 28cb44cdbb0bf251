"""The Python face of the relationship engine, with names: write, check, explain, look up, watch.

Belongs here: names to numbers and back around each question, tokens. Does not belong here: the decision (Rust), HTTP.
Raises WordError for what cannot be meant, UnknownNameError for names nothing has, RelationError for what the engine
refuses, StoreError for the store. Methods block on the store; `asynchronous.py` has the same for an event loop.

    relations = Relations(core.relations(), core, clock_us=lambda: time.time_ns() // 1000)
    relations.grant("group:devs", "viewer", "s3://photos/2024/", expires="30d", conditions=["ip=10.0.0.0/8"])
    relations.check("user:alice", "read", "s3://photos/2024/cat.jpg").allowed
    relations.explain("user:alice", "s3:GetObject", "s3://photos/2024/cat.jpg").decided_by
    relations.revoke("group:devs", "viewer", "s3://photos/2024/")  # in force when it returns

Where nanoseconds count, ask with numbers and without this class: `relations.engine.check(grantee, permission, tenant,
bucket, key)`.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from authz import names
from authz.acting import acting
from authz.answers import (
    ASK,
    BY_ALL,
    DELETE,
    EVERYTHING,
    FIRST,
    TOUCH,
    Ask,
    Bulk,
    Change,
    Decision,
    Filter,
    FoundRange,
    LogEntry,
    Page,
    Part,
    Precondition,
    Resources,
    Stored,
    Subjects,
    Written,
)
from authz.backwards import Backwards, People
from authz.deciding import Question, Whole, decide, permission_of
from authz.directory import Directory, Target
from authz.model import IN_BUCKET, At, EntryValue, Facts, Kind, Place, Subject, TupleValue
from authz.names import WordError
from authz.policy.reading import LEVELS, Level
from authz.schemas import Schemas
from authz.shown import Pages, bits_of, entry, key_range, stored, token, unpacked
from authz.vocabulary import Vocabulary, vocabulary_of
from authz.writing import Plan, Planner
from storage.api import Metastore, RelationError
from storage.native import Relations as Engine
from storage.records import keys
from storage.records.bucket import BucketRecord

BULK_KEYS: Final = 1_000_000
"""Most keys of a bulk check (the engine's limit, `bulk::BULK_KEYS`)."""

PAGE: Final = 1_000
"""Most entries of any page."""

START: Final = "start"
"""Where the log begins, for those who have no token yet."""

NOBODY: Final = Subject(Kind.ANYONE)
"""Stands where a question has no subject yet."""

LOG_PAGE: Final = 100
"""Revisions read from the log at once."""


class Relations:
    """The relations of one store, as seen by the server's root, or from within one tenant (`seen_from`).

    A subject without a tenant is of the resource's tenant. See `Ask` for what else a question may say.
    """

    def __init__(
        self,
        engine: Engine,
        store: Metastore,
        *,
        clock_us: Callable[[], int],
        actions: Collection[str] = (),
        viewer: int | None = None,
        whole: Whole | None = None,
    ) -> None:
        self.engine: Final = engine
        self._whole = whole
        self.viewer: Final = viewer
        self._store = store
        self._clock_us = clock_us
        self._actions = actions

    def seen_from(self, tenant: int) -> "Relations":
        """The same relations for somebody who may know of this tenant only."""
        more: dict[str, Any] = {"clock_us": self._clock_us, "actions": self._actions, "whole": self._whole}
        return Relations(self.engine, self._store, viewer=tenant, **more)

    @property
    def schemas(self) -> Schemas:
        """What tenants' relations and permissions are, and changing that."""
        return Schemas(self.engine, self._store, self.viewer)

    # Writing.

    def grant(
        self,
        subject: str,
        relation: str,
        resource: str,
        *,
        expires: str | None = None,
        conditions: Sequence[str] = (),
        tenant: str | None = None,
    ) -> Written:
        """Sets a relation or a bundle, replacing the expiry and conditions it had.

        >>> relations.grant("user:alice", "editor", "s3://photos/2024/", expires="12h", conditions=["tls"])
        """
        return self.write([Change(TOUCH, subject, relation, resource, expires, conditions)], tenant=tenant)

    def revoke(self, subject: str, relation: str, resource: str, *, tenant: str | None = None) -> Written:
        """Removes a relation or a bundle, if it is there. When this returns, nothing is allowed by it any more."""
        return self.write([Change(DELETE, subject, relation, resource)], tenant=tenant)

    def write(
        self,
        changes: Sequence[Change],
        *,
        preconditions: Sequence[Precondition] = (),
        idempotency_key: str | None = None,
        tenant: str | None = None,
    ) -> Written:
        """All changes or none. All resources belong to one tenant.

        With an idempotency key a request that is repeated is answered as before and not done again. Without one the
        notes say which removals found nothing, as things stood right before the write.
        """
        directory, own = self._start(tenant)
        now_us = self._clock_us()
        plan = Planner(self._store, directory, now_us, self._words).plan(changes, preconditions, own)
        key = None if idempotency_key is None else idempotency_key.encode()
        if key is None:
            plan.notes += self._not_there(plan, changes)
        by = acting().value
        try:
            revision = self.engine.write(plan.tenant, plan.changes, plan.preconditions, key, now_us, by)
        except RelationError as error:
            raise plan.located(error) from error
        return Written(revision, token(self.engine, plan.tenant, revision), tuple(plan.notes))

    def _not_there(self, plan: Plan, changes: Sequence[Change]) -> list[str]:
        """Of each removal of what is not there, a note; of a bundle when nothing of it is there."""
        missing = {place for place, change in enumerate(changes) if change.word == DELETE}
        for place, (_, at, relation, who, _, _) in zip(plan.of_changes, plan.changes, strict=True):
            if place in missing and self.engine.has(plan.tenant, at, relation, who):
                missing.remove(place)
        asked = (changes[place] for place in sorted(missing))
        return [f"it was not there: {one.subject or 'itself'} {one.relation} {one.resource}" for one in asked]

    # Asking about one resource.

    def manages(self, who: Subject, *, admin: bool) -> bool:
        """Whether somebody may manage its own tenant; `admin` is what its key says."""
        target = Target(who.tenant, Place(At.TENANT))
        return decide(self.engine, Question(who, admin, "manage", target, self._facts(ASK))).allowed

    def check(self, subject: str, action: str, resource: str, ask: Ask = ASK) -> Decision:
        """Whether the subject may do the action, a permission's name or one of Amazon's, on the resource.

        >>> relations.check("user:alice", "s3:GetObject", "s3://photos/cat.jpg", Ask(Facts(source_ip="10.1.2.3")))
        """
        return self._decide((subject, action, resource), ask, explain=False)

    def explain(self, subject: str, action: str, resource: str, ask: Ask = ASK) -> Decision:
        """A check that says which relation decided."""
        return self._decide((subject, action, resource), ask, explain=True)

    def expand(self, resource: str, ask: Ask = ASK) -> Page:
        """Every relation at a place and above it, from the tenant down."""
        directory, own = self._start(ask.tenant)
        target = directory.target(names.parse_address(resource), own)
        self._reach(target.tenant, ask)
        revision = self.engine.revision()
        found = self.engine.expand(target.tenant, target.place.value)
        return self._page(directory, target.tenant, found, None, revision)

    # Asking about many.

    def check_keys(self, subject: str, action: str, bucket: str, asked: Sequence[str], ask: Ask = ASK) -> Bulk:
        """Many keys of one bucket; fastest when keys of a folder stand together.

        By relations alone all are at one revision. About Amazon's actions every source is asked as it is then; the
        revision is the least of the relations'.
        """
        if len(asked) > BULK_KEYS:
            raise WordError(f"{len(asked)} keys; a bulk check has at most {BULK_KEYS}")
        directory, target, who, wanted = self._many(subject, action, bucket, ask)
        place = (target.tenant, target.place.number)
        question = Question(who, directory.administers(who), wanted, target, self._facts(ask), _bucket_name(bucket))
        if (backwards := self._backwards(question)) is not None:
            _on_keys(wanted)
            found, revision = backwards.keys([names.key_bytes(key) for key in asked])
            return Bulk(tuple(found), revision, token(self.engine, target.tenant, revision))
        principal = (who.bits, question.admin)
        permission = permission_of(wanted, self._words(target.tenant))
        when = self._facts(ask).value
        try:
            revision, verdicts = self.engine.check_keys(principal, permission, place, list(asked), when)
        except UnicodeEncodeError:
            # A key that is no UTF-8 stands here as lone surrogates, which the engine cannot borrow as text.
            plain = [names.key_bytes(key) for key in asked]
            revision, verdicts = self.engine.check_keys(principal, permission, place, plain, when)
        return Bulk(tuple(map(bool, verdicts)), revision, token(self.engine, target.tenant, revision))

    def what_can(self, subject: str, action: str, bucket: str, ask: Ask = ASK, part: Part = FIRST) -> Resources:
        """The keys of a bucket on which the subject may do the action, as ranges (LookupResources)."""
        directory, target, who, wanted = self._many(subject, action, bucket, ask)
        _on_keys(wanted)
        name = directory.show_place(target.place, target.tenant)
        question = Question(who, directory.administers(who), wanted, target, self._facts(ask), _bucket_name(bucket))
        found: Sequence[tuple[bytes, bytes | None]]
        more: dict[str, Any] = {}
        if (backwards := self._backwards(question)) is not None:
            pages = Pages.WEIGHED_RANGES
            places = backwards.places(pages.after(part.cursor), _limit(part))
            found, after, revision = places.ranges, places.cursor, places.revision
            more = {"weighed": BY_ALL, "only_stored": _ranges(name, places.only_stored)}
            more["depends_on"] = tuple(places.depends_on)
        else:
            pages = Pages.RANGES
            found, after, revision = self.engine.lookup_resources(
                (who.bits, question.admin),
                permission_of(wanted, self._words(target.tenant)),
                (target.tenant, target.place.number),
                _limit(part),
                question.facts.value,
                pages.after(part.cursor),
            )
        behind = token(self.engine, target.tenant, revision)
        return Resources(_ranges(name, found), pages.cursor(after), revision, behind, **more)

    def who_can(self, action: str, resource: str, ask: Ask = ASK, part: Part = FIRST) -> Subjects:
        """Who may do the action on the resource (LookupSubjects)."""
        directory, own = self._start(ask.tenant)
        target = directory.target(names.parse_address(resource), own)
        self._reach(target.tenant, ask)
        words = self._words(target.tenant)
        wanted = names.parse_action(action, self._actions, words)
        _fitting(wanted, target, resource)
        question = Question(NOBODY, admin=False, action=wanted, target=target, facts=self._facts(ask))
        if (backwards := self._backwards(replace(question, bucket=_bucket_name(resource)))) is not None:
            behind = Pages.WEIGHED_SUBJECTS.after(part.cursor)
            return self._people(directory, target, backwards.people(behind, _limit(part), self.viewer))
        after = Pages.SUBJECTS.after(part.cursor)
        subjects, classes, not_classes, excluded, more, revision = self.engine.lookup_subjects(
            permission_of(wanted, words),
            target.tenant,
            target.place.value,
            _limit(part),
            self._facts(ask).value,
            None if after is None else bits_of(after),
        )
        all_admins = directory.administrators(target.tenant) if after is None else []
        asked = [replace(question, subject=who, admin=True) for who in all_admins]
        admins = [one.subject.bits for one in asked if decide(self.engine, one).allowed]

        def shown(found: list[int]) -> tuple[str, ...]:
            return tuple(directory.show_subject(Subject.of(bits), target.tenant) for bits in found)

        return Subjects(
            subjects=shown(subjects),
            classes=shown(classes),
            excluded_classes=shown(not_classes),
            excluded=shown([bits for bits in excluded if bits not in admins]),
            administrators=shown([bits for bits in admins if bits not in subjects]),
            cursor=Pages.SUBJECTS.cursor(None if more is None else more.to_bytes(8, "big")),
            revision=revision,
            token=token(self.engine, target.tenant, revision),
        )

    def read(self, wanted: Filter = EVERYTHING, ask: Ask = ASK, part: Part = FIRST) -> Page:
        """A page of a tenant's relations, as they are stored."""
        directory, own = self._start(ask.tenant)
        if wanted.resource is not None and wanted.bucket is not None:
            raise WordError("give resource or bucket, not both")
        target = None if wanted.resource is None else directory.target(names.parse_address(wanted.resource), own)
        inside = None if wanted.bucket is None else _bucket(directory, wanted.bucket, own)
        owner = next((found.tenant for found in (target, inside) if found is not None), own)
        self._reach(owner, ask)
        who = None
        if wanted.subject is not None:
            who = directory.subject(names.parse_subject(wanted.subject), owner, anywhere=True).bits
        revision = self.engine.revision()
        found, after = self.engine.read(
            owner,
            _limit(part),
            at=None if target is None else target.place.value,
            bucket=None if inside is None else inside.place.number,
            relation=None if wanted.relation is None else names.parse_relation(wanted.relation, self._words(owner)),
            grantee=who,
            cursor=Pages.RELATIONS.after(part.cursor),
        )
        return self._page(directory, owner, found, after, revision)

    # The log.

    def position(self, after: str | None, tenant: str | None) -> tuple[int, int | None]:
        """Where watching begins, and of which tenant (None: all).

        `after` is a token, for root also a revision, `start` for the very beginning, None for now. RelationError
        `trimmed` when the log does not reach back that far.
        """
        number = None if self.viewer is None and tenant is None else self._start(tenant)[1]
        if after is None:
            start = self.engine.revision()
        elif after == START:
            start = 0
        elif self.viewer is None and after.isascii() and after.isdigit() and len(after) < 20:
            start = int(after)
            if start > self.engine.revision():
                raise RelationError("not_yet", f"revision {start} is not there yet", start)
        elif number is None:
            raise WordError("a token is of one tenant: say which, or begin from a revision")
        else:
            start = self.engine.accept(number, unpacked(after, "token"))
        self.engine.watch(start, number).poll(0)
        return start, number

    def mark(self, revision: int, tenant: int | None) -> str:
        """What `position` takes to go on behind a revision: for root the revision, within a tenant a token."""
        if self.viewer is None or tenant is None:
            return str(revision)
        return token(self.engine, tenant, revision) or START

    def entries(self, found: Sequence[EntryValue]) -> list[LogEntry]:
        """Entries of the log with names."""
        directory = Directory(self._store, self.viewer)
        return [entry(self.engine, directory, one) for one in found]

    def watch(
        self, after: str | None = None, *, heartbeat_s: float = 15.0, tenant: str | None = None
    ) -> Iterator[LogEntry | None]:
        """Changes after a token or revision, without a gap and in order; None whenever nothing happens for a while.

        RelationError `trimmed` when the log does not reach back that far: read the relations, then watch from there.
        Time is no change: a relation that was written with an expiry is over at that moment, and no entry says so.
        """
        log = self.engine.watch(*self.position(after, tenant))
        while True:
            found = log.poll(LOG_PAGE)
            yield from self.entries(found)
            if not found and not log.wait(heartbeat_s):
                yield None

    # Inside.

    def _backwards(self, question: Question) -> Backwards | None:
        """What answers backwards about one of Amazon's actions; None where relations alone answer."""
        row = self._store.get(keys.bucket(question.bucket.encode())) if question.action.startswith("s3:") else None
        if self._whole is None or row is None or question.target.place.at not in IN_BUCKET:
            return None
        return Backwards((self.engine, self._store), self._whole, question, BucketRecord.decode(row))

    def _people(self, directory: Directory, target: Target, found: People) -> Subjects:
        def shown(some: Sequence[Subject]) -> tuple[str, ...]:
            return tuple(directory.show_subject(who, target.tenant) for who in some)

        return Subjects(
            subjects=shown(found.subjects),
            classes=shown(found.classes),
            excluded_classes=shown(found.excluded_classes),
            excluded=(),
            administrators=shown(found.administrators),
            cursor=Pages.WEIGHED_SUBJECTS.cursor(found.cursor),
            revision=found.revision,
            token=token(self.engine, target.tenant, found.revision),
            weighed=BY_ALL,
            elsewhere=shown(found.elsewhere),
            unlisted=tuple(found.unlisted),
            depends_on=tuple(found.depends_on),
        )

    def _words(self, tenant: int) -> Vocabulary:
        return vocabulary_of(self.engine, tenant)

    def _start(self, tenant: str | None) -> tuple[Directory, int]:
        directory = Directory(self._store, self.viewer)
        return directory, directory.start(tenant)

    def _many(self, subject: str, action: str, bucket: str, ask: Ask) -> tuple[Directory, Target, Subject, str]:
        directory, own = self._start(ask.tenant)
        target = _bucket(directory, bucket, own)
        self._reach(target.tenant, ask)
        who = _principal(directory, subject, target.tenant)
        words = self._words(target.tenant)
        return directory, target, who, names.parse_action(action, self._actions, words)

    def _decide(self, asked: tuple[str, str, str], ask: Ask, *, explain: bool) -> Decision:
        subject, action, resource = asked
        directory, own = self._start(ask.tenant)
        address = names.parse_address(resource)
        target = directory.target(address, own)
        if target.place.at not in IN_BUCKET | {At.TENANT}:
            raise WordError(f"{resource!r}: actions are on the tenant, a bucket, a prefix or an object")
        words = self._words(target.tenant)
        wanted = names.parse_action(action, self._actions, words)
        who = _principal(directory, subject, target.tenant)
        self._reach(target.tenant, ask)
        _fitting(wanted, target, resource)
        bucket = address.name if address.at in IN_BUCKET else ""
        question = Question(who, directory.administers(who), wanted, target, self._facts(ask), bucket)
        verdict = decide(self.engine, question, explain=explain, whole=self._whole)
        by: Stored | None = None
        if verdict.deciding is not None:
            by = stored(directory, target.tenant, (*verdict.deciding, None, None), words)
        return Decision(
            allowed=verdict.allowed,
            reason=verdict.reason,
            action=wanted,
            permission=words.permissions[permission_of(wanted, words)],
            revision=verdict.revision,
            token=token(self.engine, target.tenant, verdict.revision),
            valid_until=names.show_moment(verdict.valid_until_us or None),
            conditional=verdict.conditional,
            decided_by=by,
            statement=verdict.statement,
        )

    def _facts(self, ask: Ask) -> Facts:
        """What is known of the request, at its moment: now, when it says none."""
        return ask.facts if ask.facts.now_us else replace(ask.facts, now_us=self._clock_us())

    def _reach(self, tenant: int, ask: Ask) -> None:
        """Makes sure that what is asked next sees what the token stands for."""
        if ask.at_least is not None:
            self.engine.accept(tenant, unpacked(ask.at_least, "token"))

    def _page(
        self, directory: Directory, tenant: int, found: Sequence[TupleValue], after: bytes | None, revision: int
    ) -> Page:
        words = self._words(tenant)
        shown = tuple(stored(directory, tenant, value, words) for value in found)
        return Page(shown, Pages.RELATIONS.cursor(after), revision, token(self.engine, tenant, revision))


def _principal(directory: Directory, text: str, tenant: int) -> Subject:
    who = directory.subject(names.parse_subject(text), tenant)
    if who.kind not in (Kind.USER, Kind.SERVICE, Kind.SHARE, Kind.ANYONE):
        raise WordError(f"{text!r} asks for nothing itself: ask for user:NAME, share:NUMBER or anyone")
    return who


def _bucket(directory: Directory, text: str, tenant: int) -> Target:
    target = directory.target(names.parse_address(text if text.startswith("s3://") else f"s3://{text}"), tenant)
    if target.place.at is not At.BUCKET:
        raise WordError(f"{text!r} is more than a bucket: write s3://BUCKET")
    return target


def _on_keys(action: str) -> None:
    """WordError for one of Amazon's actions that is done on a bucket."""
    if LEVELS.get(action) is Level.BUCKET:
        raise WordError(f"{action} is done on a bucket, not on its keys: ask `can`, or what one may `list`")


def _fitting(action: str, target: Target, resource: str) -> None:
    """WordError for one of Amazon's actions that is done on a bucket, asked about something inside."""
    if target.place.at in (At.PREFIX, At.OBJECT) and LEVELS.get(action) is Level.BUCKET:
        inside = "list" if action.startswith("s3:List") else "manage"
        bucket = f"s3://{_bucket_name(resource)}"
        raise WordError(f"{action} is done on a bucket: ask about {bucket}; inside, ask whether one may {inside}")


def _bucket_name(text: str) -> str:
    """The bucket's name in an address."""
    return text.removeprefix("s3://").partition("/")[0]


def _ranges(name: str, found: Sequence[tuple[bytes, bytes | None]]) -> tuple[FoundRange, ...]:
    return tuple(FoundRange(key_range(name, start, end), start, end) for start, end in found)


def _limit(part: Part) -> int:
    if not 1 <= part.limit <= PAGE:
        raise WordError(f"a page has 1 to {PAGE} entries, not {part.limit}")
    return part.limit
