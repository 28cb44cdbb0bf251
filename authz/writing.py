"""From changes with names to changes with numbers.

Belongs here: planning a write. Does not belong here: doing it (`api.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from authz import names
from authz.answers import CHANGE_WORDS, DELETE, PRECONDITION_WORDS, Change, Precondition
from authz.directory import Directory, Target, UnknownNameError
from authz.model import ITSELF, At, ChangeValue, PlaceValue, Subject
from authz.names import WordError
from authz.vocabulary import Vocabulary
from storage.api import Metastore, RelationError
from storage.records import keys

CHANGES: Final = 1_000
"""Most changes of one write after bundles are expanded (the engine's limit, `write::CHANGES`)."""


@dataclass(slots=True)
class Plan:
    """What the engine is to write, whose it is, and what the writer may want to know."""

    tenant: int = 0
    changes: list[ChangeValue] = field(default_factory=list)
    preconditions: list[tuple[str, PlaceValue, int, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    of_changes: list[int] = field(default_factory=list)
    of_preconditions: list[int] = field(default_factory=list)
    """For each change and precondition the place of what it was asked with: a bundle is several."""

    def located(self, error: RelationError) -> RelationError:
        """The error about what was asked, where the engine's is about what it became."""
        if error.kind == "exists" and error.number is not None:
            place = self.of_changes[error.number]
            return RelationError(error.kind, f"change {place} creates a relation that is there", place)
        if error.kind == "precondition" and error.number is not None:
            place = self.of_preconditions[error.number]
            return RelationError(error.kind, f"precondition {place} did not hold", place)
        return error


class Planner:
    """Plans writes of one moment."""

    def __init__(self, store: Metastore, directory: Directory, now_us: int, words: Callable[[int], Vocabulary]) -> None:
        self._store = store
        self._directory = directory
        self._now_us = now_us
        self._words = words

    def plan(self, changes: Sequence[Change], preconditions: Sequence[Precondition], tenant: int) -> Plan:
        """The whole write; names without a tenant are of `tenant`. WordError, UnknownNameError."""
        if not changes:
            raise WordError("nothing to write: a write has changes")
        plan = Plan()
        for place, change in enumerate(changes):
            with _about(f"change {place}", alone=len(changes) == 1):
                target = self._target(plan, change.resource, tenant)
                planned = self._change(change, target)
            plan.changes += planned
            plan.of_changes += [place] * len(planned)
            if change.word != DELETE:
                plan.notes += notes_on(self._store, change.resource, target)
        for place, condition in enumerate(preconditions):
            with _about(f"precondition {place}"):
                needed = self._precondition(plan, condition, tenant)
            plan.preconditions += needed
            plan.of_preconditions += [place] * len(needed)
        if len(plan.changes) > CHANGES:
            raise WordError(f"{len(plan.changes)} changes with bundles spelled out; a write has at most {CHANGES}")
        return plan

    def _target(self, plan: Plan, resource: str, tenant: int) -> Target:
        target = self._directory.target(names.parse_address(resource), tenant)
        if plan.tenant not in (0, target.tenant):
            raise WordError("the resources of one write belong to one tenant")
        plan.tenant = target.tenant
        return target

    def _change(self, change: Change, target: Target) -> list[ChangeValue]:
        word = _word(change.word, CHANGE_WORDS)
        who = self._who(change.subject, change.relation, target, anywhere=word == DELETE)
        expires, condition = None, None
        if word != DELETE:
            expires = None if change.expires is None else names.parse_expiry(change.expires, self._now_us)
            condition = names.parse_conditions(change.conditions)
        when = None if condition is None else condition.value
        relations = names.parse_relations(change.relation, target.place.at, self._words(target.tenant))
        return [(word, target.place.value, relation, who.bits, expires, when) for relation in relations]

    def _precondition(self, plan: Plan, condition: Precondition, tenant: int) -> list[tuple[str, PlaceValue, int, int]]:
        target = self._target(plan, condition.resource, tenant)
        word = _word(condition.word, PRECONDITION_WORDS)
        who = self._who(condition.subject, condition.relation, target, anywhere=True)
        relations = names.parse_relations(condition.relation, target.place.at, self._words(target.tenant))
        return [(word, target.place.value, relation, who.bits) for relation in relations]

    def _who(self, subject: str, relation: str, target: Target, *, anywhere: bool) -> Subject:
        if names.is_flag(relation):
            if subject not in ("", "itself"):
                raise WordError(f"{relation} marks the place and has no subject; leave it out, or write itself")
            return ITSELF
        return self._directory.subject(names.parse_subject(subject), target.tenant, anywhere=anywhere)


def notes_on(store: Metastore, resource: str, target: Target) -> Iterator[str]:
    """What is allowed and probably not what was meant by the address of a place that is given to somebody."""
    if target.place.at is not At.OBJECT:
        return
    bucket, key = target.place.number, target.place.path
    below = keys.prefix_range(keys.object(bucket, key + b"/"))
    if store.get(keys.object(bucket, key)) is None and store.scan(*below, 1):
        yield (
            f"{resource} is an object's address. There is no such object, but there are some below {resource}/ - a "
            "prefix ends in /"
        )
    elif b"*" in key and store.get(keys.object(bucket, key)) is None:
        yield f"{resource} is taken as it stands: there are no wildcards, and a prefix ends in /"


@contextmanager
def _about(which: str, *, alone: bool = False) -> Iterator[None]:
    """Says which of many a mistake is in."""
    try:
        yield
    except (WordError, UnknownNameError) as error:
        if alone:
            raise
        raise type(error)(f"{which}: {error}") from error


def _word(word: str, known: Sequence[str]) -> str:
    if word not in known:
        raise WordError(f"{word!r} is none of {', '.join(known)}")
    return word
