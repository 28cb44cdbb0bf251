"""One question and its answer: may this subject do this action on that, everything by numbers.

Belongs here: where relations alone decide and where every source does. Does not belong here: names (`api.py`), the
decision itself (Rust).
"""

from collections.abc import Callable
from dataclasses import dataclass

from authz.answers import Statement
from authz.directory import Target
from authz.model import Facts, PlaceValue, Subject
from authz.vocabulary import BUILT_IN, Vocabulary, vocabulary_of
from storage.native import Relations as Engine
from storage.native import permission_of_action


@dataclass(frozen=True, slots=True)
class Question:
    """May this subject do this on that; everything a number. `admin`: its record says it administers its tenant.

    `bucket` is the name of the target's bucket, empty without one.
    """

    subject: Subject
    admin: bool
    action: str
    target: Target
    facts: Facts
    bucket: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The engine's answer and, if asked for, the tuple that decided: place, relation, grantee."""

    allowed: bool
    denied: bool
    tenant_admin: bool
    revision: int
    valid_until_us: int
    conditional: bool
    deciding: tuple[PlaceValue, int, int] | None = None
    said: str | None = None
    statement: Statement | None = None

    @property
    def reason(self) -> str:
        """One word for it."""
        if self.said is not None:
            return self.said
        if self.allowed:
            return "tenant_admin" if self.deciding is None and self.tenant_admin else "granted"
        return "denied" if self.denied else "not_granted"


def permission_of(action: str, words: Vocabulary = BUILT_IN) -> int:
    """The permission an action needs of relations: its own name, or what one of Amazon's actions needs."""
    return words.permissions.index(action) if action in words.permissions else permission_of_action(action)


Whole = Callable[[Question], Verdict | None]
"""The whole decision about one of Amazon's actions, policies and lists included; None when relations alone decide:
about a permission by name, or for a subject that sends no requests."""


def decide(engine: Engine, question: Question, *, explain: bool = False, whole: Whole | None = None) -> Verdict:
    """The one place where a question becomes a decision: checks of every kind come through here."""
    if whole is not None and (verdict := whole(question)) is not None:
        return verdict
    who = (question.subject.bits, question.admin)
    wanted = permission_of(question.action, vocabulary_of(engine, question.target.tenant))
    asked = (wanted, question.target.tenant, question.target.place.value)
    if not explain:
        return Verdict(*engine.answer(who, *asked, question.facts.value))
    answer, deciding = engine.explain(who, *asked, question.facts.value)
    return Verdict(*answer, deciding=deciding)
