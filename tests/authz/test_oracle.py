"""The engine, asked from Python, against the naive evaluator on random worlds while they change.

`FUZZ_AUTHZ_SECONDS=600 pytest tests/authz/test_oracle.py -s` goes on that long from FUZZ_AUTHZ_SEED; `make fuzz-authz`
does that. A mismatch is printed as the fewest changes and the one question that still show it.
"""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass

import oracle as o
import pytest
import worlds

from authz.model import PERMISSIONS, RELATIONS
from storage.api import RelationError
from storage.native import Relations as Engine

SEEDS = range(40)
LEAST = 150_000
"""Comparisons of the seeds above; with those of Rust's own differential test more than 250 000 in `make test`."""
ROUNDS = 4
PAGES = (1, 2, 5, 1000)


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to compare. `kind` names the method of `World` that does."""

    kind: str
    who: o.Subject
    admin: bool
    permission: str
    tenant: int
    place: o.Place
    moment: o.Moment
    keys: tuple[bytes, ...] = ()
    page: int = 1

    def __str__(self) -> str:
        admin = " (administers its tenant)" if self.admin else ""
        about = worlds.shown_place(self.tenant, self.place)
        return f"{self.kind}: may {worlds.shown_subject(self.who)}{admin} {self.permission} {about} at {self.moment}"


class World:
    """An engine and the oracle, told the same."""

    def __init__(self) -> None:
        self.engine = Engine.in_memory()
        self.oracle = o.Oracle()
        self.compared = 0

    def change(self, word: str, fact: o.Fact) -> str | None:
        """Both do it or both refuse it."""
        subject = bits(fact.grantee)
        change = (word, fact.place, RELATIONS.index(fact.relation), subject, fact.expires, fact.condition)
        expected = word == "delete" or self.oracle.may_write(fact)
        try:
            self.engine.write(fact.tenant, [change])
        except RelationError as error:
            return f"refused: {error}" if expected or error.kind != "invalid" else None
        if not expected:
            return "written, and must be refused"
        (self.oracle.remove if word == "delete" else self.oracle.put)(fact)
        return None

    def differs(self, asked: Question) -> str | None:
        """What is wrong with the engine's answer."""
        compare = {"objects": self.objects, "places": self.places, "subjects": self.subjects}
        return compare[asked.kind](asked)

    def objects(self, asked: Question) -> str | None:
        """check, explain, bulk check and the list of ranges, for every key of a bucket."""
        who, wanted = (bits(asked.who), asked.admin), PERMISSIONS.index(asked.permission)
        bucket, stands = asked.place[1], self.oracle.stands_for(asked.who, asked.moment)
        objects = [(o.AT_OBJECT, bucket, key) for key in asked.keys]
        expected = [self.expected(asked, place, stands) for place in objects]
        for place, allowed in zip(objects, expected, strict=True):
            if self.engine.answer(who, wanted, asked.tenant, place, asked.moment)[0] != allowed:
                return f"check of {place[2]!r}: the engine says {not allowed}"
        at = (asked.tenant, bucket)
        verdicts = self.engine.check_keys(who, wanted, at, list(asked.keys), asked.moment)[1]
        ranges, cursor = [], None
        while True:
            found, cursor, _ = self.engine.lookup_resources(who, wanted, at, asked.page, asked.moment, cursor)
            ranges += found
            if cursor is None:
                break
        for key, allowed, verdict in zip(asked.keys, expected, verdicts, strict=True):
            if bool(verdict) != allowed:
                return f"bulk check of {key!r}: the engine says {not allowed}"
            if any(start <= key and (end is None or key < end) for start, end in ranges) != allowed:
                return f"list: {key!r} must be {'in' if allowed else 'outside'} {ranges}"
        self.compared += 3 * len(objects)
        return None

    def expected(self, asked: Question, place: o.Place, stands=None) -> bool:
        return self.oracle.check(asked.who, asked.admin, asked.permission, (asked.tenant, place), asked.moment, stands)

    def places(self, asked: Question) -> str | None:
        """check and explain of one place; the deciding tuple must exist and suffice."""
        who, wanted = (bits(asked.who), asked.admin), PERMISSIONS.index(asked.permission)
        allowed = self.expected(asked, asked.place)
        if self.engine.answer(who, wanted, asked.tenant, asked.place, asked.moment)[0] != allowed:
            return f"check: the engine says {not allowed}"
        answer, deciding = self.engine.explain(who, wanted, asked.tenant, asked.place, asked.moment)
        self.compared += 2
        if answer[0] != allowed:
            return f"explain: the engine says {not allowed}"
        if deciding is None:
            return None if asked.admin or not allowed else "explain: allowed by nothing"
        place, relation, grantee = deciding
        who_named = (grantee >> 60, grantee >> 32 & 0xFFF_FFFF, grantee & 0xFFFF_FFFF)
        named = (asked.tenant, place, RELATIONS[relation], who_named)
        if named not in self.oracle.facts:
            return f"explain: {named} is no tuple"
        return None if self.suffices(asked, named, allowed) else f"explain: {named} does not suffice"

    def suffices(self, asked: Question, named: tuple, allowed: bool) -> bool:
        """With the named tuple as the only allow (or as the only deny, if it was refused) the answer is the same."""
        if (named[2] in o.DENIES) == allowed:
            return False
        alone = o.Oracle()
        for fact in self.oracle.facts.values():
            same_class = fact.place[0] in o.ON_PATH and fact.relation not in o.FLAGS
            if fact.key == named or not same_class or (fact.relation in o.DENIES) == allowed:
                alone.put(fact)
        admin = asked.admin and not allowed
        at = (asked.tenant, asked.place)
        return alone.check(asked.who, admin, asked.permission, at, asked.moment) == allowed

    def subjects(self, asked: Question) -> str | None:
        """The lookup of subjects against the check of each. Members of other tenants' groups are not ours to tell."""
        subjects, classes, not_classes, excluded, cursor = set(), set(), set(), set(), None
        while True:
            page = self.engine.lookup_subjects(
                PERMISSIONS.index(asked.permission), asked.tenant, asked.place, asked.page, asked.moment, cursor
            )
            subjects |= set(page[0])
            classes, not_classes, cursor = set(page[1]), set(page[2]), page[4]
            excluded |= set(page[3])
            if cursor is None:
                break
        for who, admin in worlds.principals():
            stands = self.oracle.stands_for(who, asked.moment)
            if admin or any(s[0] == o.GROUP and s[1] != asked.tenant for s in stands[1]):
                continue
            around = [] if who[0] == o.SHARE else [(o.ANYONE, 0, 0)]
            if who[0] in (o.USER, o.SERVICE):
                around = [(o.TENANT_MEMBER, who[1], 0), (o.AUTHENTICATED, 0, 0), *around]
            nearest = next((c for c in map(bits, around) if c in classes | not_classes), None)
            found = bits(who) in subjects or (nearest in classes and bits(who) not in excluded)
            place = (asked.tenant, asked.place)
            if found != self.oracle.check(who, False, asked.permission, place, asked.moment, stands):
                return f"{worlds.shown_subject(who)} must {'not ' if found else ''}be among who may"
            self.compared += 1
        return None


def bits(subject: o.Subject) -> int:
    """A subject as the engine has it."""
    return subject[0] << 60 | subject[1] << 32 | subject[2]


def questions(rng: random.Random, oracle: o.Oracle) -> list[Question]:
    """What is asked of a world as it stands."""
    keys = {worlds.key(rng) for _ in range(12)}
    for fact in oracle.facts.values():
        if fact.place[0] in (o.AT_PREFIX, o.AT_OBJECT):
            keys |= {fact.place[2], fact.place[2] + b"z"}
    asked = []
    for _ in range(3):
        moment = worlds.moment(rng)
        for _ in range(4):
            who, admin, tenant = worlds.asker(rng, list(oracle.facts.values()))
            bucket = worlds.skewed(rng, worlds.BUCKETS)
            about = (who, admin, worlds.permission(rng), tenant)
            everything = (o.AT_BUCKET, bucket, b"")
            asked.append(Question("objects", *about, everything, moment, tuple(sorted(keys)), rng.choice(PAGES)))
            places = [worlds.asked_place(rng) for _ in range(4)]
            places += [f.place for f in oracle.facts.values() if f.place[0] in o.ON_PATH and rng.randrange(3) == 0]
            asked += [Question("places", *about, place, moment) for place in places]
        about = ((o.ANYONE, 0, 0), False, worlds.permission(rng), rng.choice(worlds.TENANTS))
        asked.append(Question("subjects", *about, worlds.asked_place(rng), moment, page=rng.choice(PAGES)))
    return asked


def run(seed: int) -> int:
    """One world from its beginning. The comparisons made."""
    rng, world = random.Random(seed), World()
    done: list[tuple[str, o.Fact]] = []
    for _ in range(ROUNDS):
        for _ in range(rng.randint(*worlds.STEPS)):
            for step in worlds.steps(rng, list(world.oracle.facts.values())):
                done.append(step)
                if wrong := world.change(*step):
                    pytest.fail(report(seed, done, None, wrong))
        for asked in questions(rng, world.oracle):
            if wrong := world.differs(asked):
                pytest.fail(report(seed, done, asked, wrong))
    return world.compared


def again(steps, asked: Question | None) -> str | None:
    """What is wrong when these steps are done in a new world and this is asked (or the last step is looked at)."""
    world, wrong = World(), None
    for step in steps:
        wrong = world.change(*step)
        if wrong and asked:
            return None
    return world.differs(asked) if asked else wrong


def report(seed: int, steps, asked: Question | None, wrong: str) -> str:
    """The failure with the fewest steps and keys that still show it."""
    at = len(steps) - 1
    while at >= 0:
        fewer = steps[:at] + steps[at + 1 :]
        if found := again(fewer, asked):
            steps, wrong = fewer, found
        at -= 1
    for key in asked.keys if asked else ():
        rest = tuple(k for k in asked.keys if k != key)
        fewer = Question(*(getattr(asked, name) if name != "keys" else rest for name in Question.__slots__))
        if found := again(steps, fewer):
            asked, wrong = fewer, found
    told = "\n".join(f"{word}{worlds.shown([fact])}" for word, fact in steps)
    return f"seed {seed}\n{told}\n{asked}\n=> {wrong}"


def test_the_engine_agrees_with_the_oracle():
    compared = sum(run(seed) for seed in SEEDS)
    assert compared >= LEAST


@pytest.mark.skipif("FUZZ_AUTHZ_SECONDS" not in os.environ, reason="make fuzz-authz")
@pytest.mark.timeout(0)
def test_the_engine_agrees_with_the_oracle_for_long():
    seconds, first = float(os.environ["FUZZ_AUTHZ_SECONDS"]), int(os.environ.get("FUZZ_AUTHZ_SEED", "1000000"))
    began, seed, compared = time.monotonic(), first, 0
    while time.monotonic() - began < seconds or seed == first:
        compared += run(seed)
        seed += 1
    print(f"python: {compared} comparisons, seeds {first} to {seed - 1}, {time.monotonic() - began:.0f} s")
    assert compared > 0
