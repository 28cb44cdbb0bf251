"""Tenants are invisible to one another: whatever one of two tenants with the same names and numbers does, every
verdict, list, explanation, tuple, token and watch event of the other stays what it was.

Belongs here: invariance under random changes of the other tenant. Names across tenants on purpose (shares, exported
groups) are not meant: the worlds of this file have none.
"""

import random

import oracle as o
import pytest
import worlds
from test_oracle import World, bits

from authz.model import PERMISSIONS, RELATIONS
from storage.api import RelationError

MINE, OTHER = worlds.TENANTS
SEEDS = range(6)


def own(rng: random.Random, tenant: int) -> o.Fact:
    """A random tuple that names nobody of another tenant."""
    while True:
        fact = worlds.fact(rng)
        if fact.tenant == tenant and fact.grantee[1] in (0, tenant):
            return fact


def change(world: World, rng: random.Random, tenant: int) -> None:
    there = [fact for fact in world.oracle.facts.values() if fact.tenant == tenant]
    word, fact = ("delete", rng.choice(there)) if there and rng.randrange(4) == 0 else ("touch", own(rng, tenant))
    assert world.change(word, fact) is None


def seen(world: World, keys: list[bytes], moment: o.Moment) -> list[object]:
    """All that tenant MINE can be told, revisions aside: those count for the whole store."""
    engine, everything = world.engine, []
    for who, admin in worlds.principals():
        if who[1] == OTHER:
            continue
        for wanted in range(len(PERMISSIONS)):
            asked = ((bits(who), admin), wanted)
            for bucket in worlds.BUCKETS:
                at = (MINE, bucket)
                everything.append(engine.check_keys(*asked, at, keys, moment)[1])
                everything.append(engine.lookup_resources(*asked, at, 1000, moment)[0])
                place = (o.AT_OBJECT, bucket, keys[wanted % len(keys)])
                answer, deciding = engine.explain(*asked, MINE, place, moment)
                everything.append((*answer[:3], *answer[4:], deciding))
    for wanted in range(len(PERMISSIONS)):
        place = (o.AT_OBJECT, worlds.BUCKETS[0], keys[wanted % len(keys)])
        everything.append(engine.lookup_subjects(wanted, MINE, place, 1000, moment)[:5])
        everything.append(engine.expand(MINE, place))
    everything.append(engine.read(MINE, 1000))
    return everything


def told(world: World) -> list[object]:
    """Every event that a watch of MINE has ever got."""
    watch, entries = world.engine.watch(0, MINE), []
    while page := watch.poll(100):
        entries += [(revision, at, tenant, events) for revision, at, tenant, events in page]
    assert {entry[2] for entry in entries} <= {MINE}
    return entries


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_another_tenant_does_shows(seed):
    rng, world = random.Random(seed), World()
    for _ in range(60):
        change(world, rng, MINE)
    keys = sorted({worlds.key(rng) for _ in range(20)} | {f.place[2] + b"z" for f in world.oracle.facts.values()})
    moment = worlds.moment(rng)
    token = world.engine.token(MINE, world.engine.revision())
    accepted, before, events = world.engine.accept(MINE, token), seen(world, keys, moment), told(world)
    assert any(1 in verdicts for verdicts in before if isinstance(verdicts, bytes)), "a world without an allow"
    waiting = world.engine.watch(world.engine.revision(), MINE)
    for step in range(80):
        change(world, rng, OTHER)
        if step % 20 == 0:
            assert seen(world, keys, moment) == before, f"seed {seed}"
    assert seen(world, keys, moment) == before, f"seed {seed}"
    assert world.engine.accept(MINE, token) == accepted
    assert told(world) == events and waiting.poll(100) == []


def test_a_token_of_one_tenant_is_none_of_the_other():
    world = World()
    fact = o.Fact(MINE, (o.AT_BUCKET, 10, b""), "reader", (o.USER, MINE, 1))
    assert world.change("touch", fact) is None
    token = world.engine.token(MINE, world.engine.revision())
    with pytest.raises(RelationError) as refused:
        world.engine.accept(OTHER, token)
    assert refused.value.kind == "bad_token"


def test_a_refusal_does_not_say_whether_the_other_tenant_has_such_a_group():
    """The same words for a group that is there and not exported, and for one that is not there."""
    world, said = World(), []
    member = o.Fact(OTHER, (o.AT_GROUP, 1, b""), "member", (o.USER, OTHER, 1))
    assert world.change("touch", member) is None
    for number in (1, 2):
        group = bits((o.GROUP, OTHER, number))
        place = (o.AT_BUCKET, 10, b"")
        with pytest.raises(RelationError) as refused:
            world.engine.write(MINE, [("touch", place, RELATIONS.index("reader"), group, None, None)])
        said.append(str(refused.value).replace(f"/{number}#", "/N#"))
    assert said[0] == said[1]
