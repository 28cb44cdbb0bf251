"""Random worlds in which everything meets everything: tuples, keys, subjects, moments, from a seed; and how they read.

Belongs here: making and printing. Does not belong here: what follows from a world (`oracle.py`).
"""

from __future__ import annotations

import random

import oracle as o
from oracle import Fact

TENANTS = (1, 2)
BUCKETS = (10, 11)
USERS, GROUPS = 4, 5
SEGMENTS = (b"a", b"b", b"", b"..", b"a\0", b"\xff", b"a:b#c@*", b"A", "\u00e9".encode(), "e\u0301".encode())
OFTEN = ("owner", "reader", "lister", "deny_read", "deny_list")
"""Relations that meet one another in one permission, and are therefore written often."""
SECOND, DAY = 1_000_000, 86_400_000_000
NOTHING = ((), None, False, None)
NETWORKS = (("10.0.0.0", 8), ("10.1.0.0", 16), ("fd00::", 8), ("0.0.0.0", 0))
ADDRESSES = (None, "10.1.1.1", "10.2.0.1", "11.1.1.1", "::ffff:10.1.1.1", "fd00::7")
KINDS = ("itself", "anyone", "authenticated", "tenant members of", "user", "service", "group", "role", "share")
PLACES = ("tenant", "group", "role", "share", "bucket", "prefix", "object")


def key(rng: random.Random) -> bytes:
    some = SEGMENTS if rng.randrange(4) == 0 else SEGMENTS[:2]
    parts = [rng.choice(some) + b"/" for _ in range(rng.randrange(4))]
    last = rng.choice(SEGMENTS) if rng.randrange(4) or not parts else b""
    return b"".join(parts) + last or b"x"


def place(rng: random.Random) -> o.Place:
    bucket, kind = rng.choice(BUCKETS), rng.randrange(8)
    if kind == 0:
        return (o.AT_BUCKET, bucket, b"")
    path = key(rng)
    return (o.AT_PREFIX, bucket, path.rstrip(b"/") + b"/") if kind < 5 else (o.AT_OBJECT, bucket, path)


def asked_place(rng: random.Random) -> o.Place:
    return (o.AT_TENANT, 0, b"") if rng.randrange(10) == 0 else place(rng)


def permission(rng: random.Random) -> str:
    return rng.choice(("read", "discover", "manage") if rng.randrange(2) else o.PERMISSIONS)


def principals() -> list[tuple[o.Subject, bool]]:
    everyone: list[tuple[o.Subject, bool]] = [((o.ANYONE, 0, 0), False)]
    for tenant in TENANTS:
        everyone += [((o.USER, tenant, n), False) for n in range(1, USERS + 1)]
        everyone += [((o.SERVICE, tenant, 1), False), ((o.SHARE, tenant, 1), False), ((o.USER, tenant, 9), True)]
    return everyone


def grantee(rng: random.Random, home: int) -> o.Subject:
    tenant = rng.choice(TENANTS) if rng.randrange(4) == 0 else home
    number = rng.randrange(14)
    few = {0: (o.ANYONE, 0, 0), 1: (o.AUTHENTICATED, 0, 0), 2: (o.TENANT_MEMBER, tenant, 0), 3: (o.SERVICE, tenant, 1)}
    few |= {4: (o.ROLE, tenant, 1), 5: (o.SHARE, tenant, 1)}
    if number in few:
        return few[number]
    if number < 10:
        return (o.GROUP, tenant, rng.randint(1, GROUPS))
    return (o.USER, tenant, rng.randint(1, USERS))


def condition(rng: random.Random) -> o.Condition:
    networks = tuple(rng.sample(NETWORKS, rng.randint(1, 2)))
    window = (rng.choice((127, rng.randint(1, 127))), rng.randrange(1440), rng.randrange(1441))
    whole = (networks, window, True, rng.randrange(60))
    kept = rng.choice(((0,), (1,), (2,), (3,), (0, 2), (1, 3)))
    parts = [part if i in kept else empty for i, (part, empty) in enumerate(zip(whole, NOTHING, strict=True))]
    return (parts[0], parts[1], parts[2], parts[3])


def moment(rng: random.Random) -> o.Moment:
    """Within some days, near the moments at which facts expire and windows begin."""
    now = rng.randrange(3) * DAY + rng.choice((rng.randint(1, 200) * SECOND, rng.randrange(1, DAY)))
    mfa = rng.choice((None, 0, max(1, now - rng.randrange(70) * SECOND), now + SECOND))
    return (now, rng.choice(ADDRESSES), rng.choice((None, True, False)), mfa)


def fact(rng: random.Random) -> Fact:
    """A tuple that often makes sense; sometimes it must be refused."""
    tenant, kind = rng.choice(TENANTS), rng.randrange(20)
    group, itself = (o.AT_GROUP, rng.randint(1, GROUPS), b""), (o.ITSELF, 0, 0)
    if kind < 2:
        return Fact(tenant, group, ("exported", "open")[kind], itself)
    if kind == 2:
        return Fact(tenant, place(rng), "isolated", itself)
    expires = rng.randrange(3) * DAY + rng.randint(1, 200) * SECOND if rng.randrange(5) == 0 else None
    when = condition(rng) if rng.randrange(5) == 0 else None
    who = grantee(rng, tenant)
    if kind < 8:
        return Fact(tenant, group, "member", who, expires, when)
    if kind == 8:
        return Fact(tenant, (o.AT_ROLE, 1, b""), "assignee", who, expires, when)
    if kind == 9:
        return Fact(tenant, (o.AT_TENANT, 0, b""), rng.choice(tuple(o.TAKES)), who, expires, when)
    denies = kind == 10
    usual = OFTEN if rng.randrange(2) else tuple(o.TAKES)
    relation = rng.choice([name for name in usual if (name in o.DENIES) == denies and name not in o.FLAGS])
    return Fact(tenant, place(rng), relation, who, expires, None if denies and rng.randrange(9) else when)


def shown_subject(subject: o.Subject) -> str:
    kind, tenant, number = subject
    return KINDS[kind] + ("" if kind <= o.AUTHENTICATED else f" {tenant}/{number}")


def shown_place(tenant: int, at: o.Place) -> str:
    return f"{PLACES[at[0]]} {at[1]} {at[2]!r} of tenant {tenant}"


def shown(facts) -> str:
    """One line a fact."""
    lines = []
    for one in facts:
        more = (f" until {one.expires}" if one.expires else "") + (f" if {one.condition}" if one.condition else "")
        lines.append(f"  {shown_subject(one.grantee)} is {one.relation} of {shown_place(one.tenant, one.place)}{more}")
    return "\n".join(lines)
