"""How often the random worlds get to each kind of decision, so that a change of their generator cannot lose one unseen.

Belongs here: kinds of decisions and their least counts. A kind is a step to another world: where the answer is another
one there, just that step decided. The engine is not needed for it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import oracle as o
import pytest
import worlds
from oracle import Fact
from test_oracle import ROUNDS, Question, questions

SEEDS = range(40)
KEYS = 6
"""Of each question: enough to get everywhere in seconds."""
LEAST = 20
"""Of each kind, in these seeds; a run of 10^6 comparisons has some hundred times as many."""

Which = Callable[[o.Oracle, o.Moment, Fact], bool]


@dataclass(frozen=True, slots=True)
class Kind:
    """`answer` here, and the opposite in the world that `step` leads to; asked only `when`."""

    answer: bool
    step: Callable[[o.Oracle, o.Moment], Iterable[Fact]]
    when: Callable[[o.Oracle, Question, o.Place], bool] = lambda *_: True


def without(which: Which):
    return lambda world, moment: [f for f in world.facts.values() if not which(world, moment, f)]


def forever(which: Which):
    """Facts that are over, as if they were not."""

    def step(world: o.Oracle, moment: o.Moment) -> Iterable[Fact]:
        for fact in world.facts.values():
            over = fact.expires is not None and moment[0] >= fact.expires
            yield replace(fact, expires=None) if over and which(world, moment, fact) else fact

    return step


def shown(world: o.Oracle, _moment: o.Moment) -> Iterable[Fact]:
    """Every group exported and open."""
    flags = {(tenant, n, flag) for tenant in worlds.TENANTS for n in range(1, worlds.GROUPS + 1) for flag in o.FLAGS}
    more = [Fact(tenant, (o.AT_GROUP, n, b""), flag, (o.ITSELF, 0, 0)) for tenant, n, flag in flags]
    return [*world.facts.values(), *(fact for fact in more if fact.relation != "isolated")]


def unconditional(world: o.Oracle, moment: o.Moment) -> Iterable[Fact]:
    """What an allow's condition leaves unknown, as if it held."""
    for fact in world.facts.values():
        unknown = allows(fact) and fact.condition is not None and o.holds(fact, moment) is None
        yield replace(fact, condition=None) if unknown else fact


def membership(fact: Fact) -> bool:
    return fact.relation in ("member", "assignee")


def denies(fact: Fact) -> bool:
    return fact.relation in o.DENIES


def allows(fact: Fact) -> bool:
    return fact.place[0] in o.ON_PATH and fact.relation not in o.DENIES | o.FLAGS


def chief(fact: Fact) -> bool:
    return fact.place[0] in (o.AT_TENANT, o.AT_BUCKET) and fact.relation in o.FULL


def cut(world: o.Oracle, asked: Question, place: o.Place) -> bool:
    """Something on the way is isolated."""
    return any(f.relation == "isolated" for step in o.above(place) for f in world.standing(asked.tenant, step))


def denied(world: o.Oracle, asked: Question, place: o.Place) -> bool:
    return bool(world.gathered(asked.who, (asked.tenant, place), asked.moment)[1])


def by_share(_world: o.Oracle, asked: Question, _place: o.Place) -> bool:
    return asked.who[0] == o.SHARE


def abroad(fact: Fact) -> bool:
    return fact.grantee[0] in o.NAMED and fact.grantee[1] != fact.tenant


CLASSES = (o.ANYONE, o.AUTHENTICATED, o.TENANT_MEMBER)
KINDS = {
    "denied through a membership whose condition cannot be known": Kind(
        False, without(lambda w, m, f: membership(f) and o.holds(f, m) is None)
    ),
    "denied through a membership of a hidden or closed group": Kind(
        False, without(lambda w, m, f: membership(f) and not w.crosses(f))
    ),
    "denied through a membership that expires": Kind(
        False, without(lambda w, m, f: membership(f) and f.expires is not None and o.holds(f, m) is not False)
    ),
    "not denied through a membership that is over": Kind(True, forever(lambda w, m, f: membership(f))),
    "not denied by what is over": Kind(True, forever(lambda w, m, f: denies(f))),
    "not allowed by what is over": Kind(False, forever(lambda w, m, f: allows(f))),
    "not allowed through a membership that is over": Kind(False, forever(lambda w, m, f: membership(f))),
    "not allowed, for it is isolated": Kind(False, without(lambda w, m, f: f.relation == "isolated")),
    "a share ends at what is isolated": Kind(False, without(lambda w, m, f: f.relation == "isolated"), by_share),
    "who owns above passes what is isolated": Kind(True, without(lambda w, m, f: chief(f)), cut),
    "denied from above what is isolated": Kind(
        False, without(lambda w, m, f: denies(f) and f.place[0] in (o.AT_TENANT, o.AT_BUCKET)), cut
    ),
    "denied through a group": Kind(False, without(lambda w, m, f: denies(f) and f.grantee[0] == o.GROUP)),
    "denied to a class": Kind(False, without(lambda w, m, f: denies(f) and f.grantee[0] in CLASSES)),
    "a share is denied what nobody may": Kind(
        False, without(lambda w, m, f: denies(f) and f.grantee[0] == o.ANYONE), by_share
    ),
    "allowed through a group in a group": Kind(
        True, without(lambda w, m, f: membership(f) and f.grantee[0] == o.GROUP)
    ),
    "allowed through a role": Kind(True, without(lambda w, m, f: f.relation == "assignee")),
    "allowed through another tenant's group": Kind(
        True, without(lambda w, m, f: allows(f) and abroad(f) and f.grantee[0] == o.GROUP)
    ),
    "allowed to a member from another tenant": Kind(True, without(lambda w, m, f: membership(f) and abroad(f))),
    "not allowed through what is hidden or closed": Kind(False, shown),
    "allowed under a condition": Kind(True, without(lambda w, m, f: allows(f) and f.condition is not None)),
    "not allowed under a condition that cannot be known": Kind(False, unconditional),
    "managed through a deny by the tenant's own": Kind(
        True,
        without(lambda w, m, f: chief(f) and f.place[0] == o.AT_TENANT),
        lambda w, asked, p: asked.permission == "manage" and denied(w, asked, p),
    ),
}


def world_of(facts: Iterable[Fact]) -> o.Oracle:
    world = o.Oracle()
    for fact in facts:
        world.put(fact)
    return world


def reached(counts: Counter, world: o.Oracle, asked: list[Question], rng: random.Random) -> None:
    """Counts the kinds that decide these questions. All are of one moment."""
    moment = asked[0].moment
    others = {name: world_of(kind.step(world, moment)) for name, kind in KINDS.items()}
    for question in asked:
        about, stands = (question.who, question.admin, question.permission), {}
        for key in rng.sample(question.keys, min(KEYS, len(question.keys))):
            place = (o.AT_OBJECT, question.place[1], key)
            answer = world.check(*about, (question.tenant, place), moment)
            for name, kind in KINDS.items():
                if kind.answer != answer or not kind.when(world, question, place):
                    continue
                other = others[name]
                if name not in stands:
                    stands[name] = other.stands_for(question.who, moment)
                counts[name] += other.check(*about, (question.tenant, place), moment, stands[name]) != answer


@pytest.fixture(scope="module")
def counts() -> Counter:
    counts: Counter = Counter()
    for seed in SEEDS:
        rng, world = random.Random(seed), o.Oracle()
        for _ in range(ROUNDS):
            for _ in range(rng.randint(*worlds.STEPS)):
                for word, fact in worlds.steps(rng, list(world.facts.values())):
                    if word == "delete":
                        world.remove(fact)
                    elif world.may_write(fact):
                        world.put(fact)
            asked = [q for q in questions(rng, world) if q.kind == "objects"]
            for moment in {q.moment for q in asked}:
                reached(counts, world, [q for q in asked if q.moment == moment], random.Random(seed))
    return counts


@pytest.mark.parametrize("kind", KINDS)
def test_the_worlds_get_to_each_kind_of_decision(kind, counts):
    assert counts[kind] >= LEAST, counts
