"""What is asked of relations and what is answered, with names instead of numbers.

Belongs here: immutable values. Does not belong here: how they come about (`api.py`), JSON (`gateway/admin`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from authz.model import NO_FACTS, Facts

PAGE_DEFAULT: Final = 100
"""Entries of a page when nobody says how many."""

BY_RELATIONS: Final = "relations"
BY_ALL: Final = "all"
"""What an answer was weighed by: relations alone, or every source that decides about a request."""

CREATE: Final = "create"
TOUCH: Final = "touch"
DELETE: Final = "delete"
CHANGE_WORDS: Final = (CREATE, TOUCH, DELETE)
PRECONDITION_WORDS: Final = ("present", "absent")


@dataclass(frozen=True, slots=True)
class Ask:
    """What else a question says.

    `facts` are of the request that is asked about. `at_least` is a token of an earlier answer: what was written by then
    is seen. `tenant` is whose groups, roles and other names without a tenant are meant; buckets say whose they are.
    """

    facts: Facts = NO_FACTS
    at_least: str | None = None
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Which page: the cursor of the page before, and how many entries at most."""

    cursor: str | None = None
    limit: int = PAGE_DEFAULT


@dataclass(frozen=True, slots=True)
class Filter:
    """Which relations are meant; all parts that are given must match. `resource` is exactly one, `bucket` all in it."""

    resource: str | None = None
    bucket: str | None = None
    relation: str | None = None
    subject: str | None = None


ASK: Final = Ask()
FIRST: Final = Part()
EVERYTHING: Final = Filter()


@dataclass(frozen=True, slots=True)
class Change:
    """One change: `create` (must not be there), `touch` (set, replacing expiry and conditions) or `delete`.

    `relation` may be a bundle. A relation that is a flag (`isolated`, `exported`, `open`) has no subject.
    """

    word: str
    subject: str
    relation: str
    resource: str
    expires: str | None = None
    conditions: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Precondition:
    """What must be so just before the changes: the relation is `present`, expired or not, or `absent`."""

    word: str
    subject: str
    relation: str
    resource: str


@dataclass(frozen=True, slots=True)
class Written:
    """The revision at which the changes are in force, a token for it, and what the writer may want to know."""

    revision: int
    token: str | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """A relation as it is stored."""

    resource: str
    relation: str
    subject: str
    expires: str | None = None
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of a policy: `policy` is empty for the bucket's own and for a boundary, `index` counts from 0."""

    policy: str
    group: int | None
    sid: str
    index: int


@dataclass(frozen=True, slots=True)
class Decision:
    """Allowed or not, and why.

    `reason` is `granted`, `tenant_admin`, `denied` (a deny relation applies) or `not_granted`; about Amazon's actions
    also what policies and lists say (`policy_denied` …). `decided_by` is the relation that decided: of denies the
    topmost, of allows the nearest; `statement` is the statement of a policy. `valid_until` is when an expiry may
    change it.
    """

    allowed: bool
    reason: str
    action: str
    permission: str
    revision: int
    token: str | None
    valid_until: str | None = None
    conditional: bool = False
    decided_by: Stored | None = None
    statement: Statement | None = None


@dataclass(frozen=True, slots=True)
class Bulk:
    """One verdict for each key, in the order asked.

    By relations alone all are at `revision`. About Amazon's actions, which more than relations decide, none is from an
    older one.
    """

    allowed: tuple[bool, ...]
    revision: int
    token: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Relations; `cursor` asks for the next page and is None after the last. A page may be short and not the last."""

    relations: tuple[Stored, ...]
    cursor: str | None
    revision: int
    token: str | None


@dataclass(frozen=True, slots=True)
class FoundRange:
    """Keys from `start` to before `end` (None: to the bucket's end), and how people would write that."""

    shown: str
    start: bytes
    end: bytes | None


@dataclass(frozen=True, slots=True)
class Dependence:
    """A statement whose condition asks the request: what else is sent decides whether it applies.

    `holder` is whose policy it is, `user:alice`; it and `policy` are empty for the bucket's own.
    """

    effect: str
    holder: str
    policy: str
    sid: str
    index: int
    on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resources:
    """Keys on which a subject may do an action; ascending and disjoint, cut where a page ends.

    `weighed` is `relations`, or `all`: policies, lists and the public access block, too. In the ranges of `only_stored`
    something asks each object itself (a list, a tag, a wildcard in a policy): there, only stored keys are told.
    """

    ranges: tuple[FoundRange, ...]
    cursor: str | None
    revision: int
    token: str | None
    weighed: str = BY_RELATIONS
    only_stored: tuple[FoundRange, ...] = ()
    depends_on: tuple[Dependence, ...] = ()


@dataclass(frozen=True, slots=True)
class Subjects:
    """Who may do an action on a place.

    By relations: `classes` are anyone, authenticated and members of tenants, except those in `excluded_classes` and
    `excluded`; `administrators` have it because their record says that they administer the tenant, and are on the first
    page. Where `weighed` is `all`, the whole decision was asked for each: users of the place's tenant are all named one
    by one, administrators on every page, and nobody is excluded who is not in a class. `elsewhere` are users of other
    tenants whom something names, as far as their own tenant lets them; `unlisted` are sentences about whom a source
    allows and nobody can list.
    """

    subjects: tuple[str, ...]
    classes: tuple[str, ...]
    excluded_classes: tuple[str, ...]
    excluded: tuple[str, ...]
    administrators: tuple[str, ...]
    cursor: str | None
    revision: int
    token: str | None
    weighed: str = BY_RELATIONS
    elsewhere: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    depends_on: tuple[Dependence, ...] = ()


@dataclass(frozen=True, slots=True)
class LoggedChange:
    """A relation that was set, or is gone."""

    gone: bool
    relation: Stored


@dataclass(frozen=True, slots=True)
class LogEntry:
    """Everything that one write changed."""

    revision: int
    token: str | None
    tenant: str
    at: str
    changes: tuple[LoggedChange, ...] = ()
