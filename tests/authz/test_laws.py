"""Laws that hold in every world, whatever the rules are: how answers change when the world does in a known way.

Belongs here: laws seen from Python. Tenants are invisible to one another in `test_isolation.py`; Rust has laws of its
own in `crates/authz/tests/differential`.
"""

import random
from dataclasses import replace

import oracle as o
import pytest
import worlds
from test_oracle import World, bits

from authz.model import PERMISSIONS

SEEDS = range(8)
KEYS = [b"a/k", b"a/b/k", b"b/k", b"a/a/a", b"k"]
UNRELATED = 77
"""A user, group and bucket that no world has."""


def grown(seed: int) -> tuple[random.Random, World]:
    rng, world = random.Random(seed), World()
    for _ in range(60):
        for step in worlds.steps(rng, list(world.oracle.facts.values())):
            assert world.change(*step) is None
    return rng, world


def answers(world: World, moment: o.Moment, name=lambda subject: subject, home=lambda tenant: tenant) -> list[bytes]:
    """Every permission of everybody on some keys; `name` and `home` say what subjects and tenants are called there."""
    return [
        world.engine.check_keys((bits(name(who)), admin), wanted, (home(tenant), bucket), KEYS, moment)[1]
        for who, admin in worlds.principals()
        for tenant in worlds.TENANTS
        for bucket in worlds.BUCKETS
        for wanted in range(len(PERMISSIONS))
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_what_has_to_do_with_none_of_them_changes_nothing(seed):
    rng, world = grown(seed)
    moment = worlds.moment(rng)
    before = answers(world, moment)
    assert len({verdict for verdicts in before for verdict in verdicts}) == 2, "a world without an allow"
    tenant, nobody = worlds.TENANTS[0], (o.USER, worlds.TENANTS[0], UNRELATED)
    team = (o.AT_GROUP, UNRELATED, b"")
    for fact in (
        o.Fact(tenant, team, "member", nobody),
        o.Fact(tenant, (o.AT_BUCKET, 10, b""), "owner", nobody),
        o.Fact(tenant, (o.AT_BUCKET, 10, b""), "deny_all", (o.GROUP, tenant, UNRELATED)),
        o.Fact(tenant, (o.AT_BUCKET, UNRELATED, b""), "deny_all", (o.ANYONE, 0, 0)),
        o.Fact(tenant, (o.AT_PREFIX, 10, b"elsewhere/"), "reader", (o.ANYONE, 0, 0)),
    ):
        assert world.change("touch", fact) is None
        assert answers(world, moment) == before, fact


@pytest.mark.parametrize("seed", SEEDS)
def test_an_allow_takes_nothing_and_a_deny_gives_nothing(seed):
    rng, world = grown(seed)
    moment, tried = worlds.moment(rng), 0
    before = answers(world, moment)
    while tried < 10:
        fact = worlds.fact(rng)
        on_path = fact.place[0] in o.ON_PATH and fact.relation not in o.FLAGS
        if not on_path or fact.key in world.oracle.facts or not world.oracle.may_write(fact):
            continue
        assert world.change("touch", fact) is None
        after, tried = answers(world, moment), tried + 1
        more, less = (before, after) if fact.relation in o.DENIES else (after, before)
        assert all(a >= b for x, y in zip(more, less, strict=True) for a, b in zip(x, y, strict=True)), fact
        before = after


@pytest.mark.parametrize("seed", SEEDS)
def test_other_names_give_the_same_answers_under_those_names(seed):
    rng, world = grown(seed)
    moment, other = worlds.moment(rng), World()

    def home(tenant: int) -> int:
        return sum(worlds.TENANTS) - tenant if tenant else 0

    def name(subject: o.Subject) -> o.Subject:
        kind, tenant, number = subject
        return (kind, home(tenant), 1000 - number if kind == o.USER else number)

    facts = sorted(world.oracle.facts.values(), key=lambda fact: fact.relation not in o.FLAGS)
    shown = []
    for fact in facts:
        if not world.oracle.may_write(fact):
            # Its group was shown when it was written.
            assert world.change("delete", fact) is None
        else:
            shown.append(fact)
    for fact in shown:
        renamed = replace(fact, tenant=home(fact.tenant), grantee=name(fact.grantee))
        assert other.change("touch", renamed) is None
    assert answers(other, moment, name, home) == answers(world, moment)
