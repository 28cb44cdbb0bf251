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
STEPS = (20, 80)
"""Of a round, from and to: a world has some 30 to 150 tuples."""
SEGMENTS = (b"a", b"b", b"", b"..", b"a\0", b"\xff", b"a:b#c@*", b"A", "\u00e9".encode(), "e\u0301".encode())
OFTEN = ("owner", "reader", "lister", "deny_read", "deny_list")
"""Relations that meet one another in one permission, and are therefore written often."""
SECOND, DAY = 1_000_000, 86_400_000_000
NOTHING = ((), None, False, None)
NETWORKS = (("10.0.0.0", 8), ("10.1.0.0", 16), ("fd00::", 8), ("0.0.0.0", 0))
ADDRESSES = (None, "10.1.1.1", "10.2.0.1", "11.1.1.1", "::ffff:10.1.1.1", "fd00::7")
KINDS = ("itself", "anyone", "authenticated", "tenant members of", "user", "service", "group", "role", "share")
PLACES = ("tenant", "group", "role", "share", "bucket", "prefix", "object")


def skewed(rng: random.Random, some):
    """The first half of the time: much must come together in few places for anything hard to happen."""
    return some[0] if rng.randrange(2) else rng.choice(some)


def key(rng: random.Random) -> bytes:
    some = SEGMENTS if rng.randrange(4) == 0 else SEGMENTS[:2]
    parts = [skewed(rng, some) + b"/" for _ in range(rng.randrange(4))]
    last = rng.choice(SEGMENTS) if rng.randrange(4) or not parts else b""
    return b"".join(parts) + last or b"x"


def place(rng: random.Random) -> o.Place:
    bucket, kind = skewed(rng, BUCKETS), rng.randrange(10)
    if kind in (0, 8, 9):
        return (o.AT_BUCKET, bucket, b"")
    path = key(rng)
    return (o.AT_PREFIX, bucket, path.rstrip(b"/") + b"/") if kind < 6 else (o.AT_OBJECT, bucket, path)


def asked_place(rng: random.Random) -> o.Place:
    return (o.AT_TENANT, 0, b"") if rng.randrange(10) == 0 else place(rng)


def asker(rng: random.Random, facts: list[Fact]) -> tuple[o.Subject, bool, int]:
    """Who asks, whether its record says that it administers its tenant, and whose resource. Often a member, at home."""
    members = [f for f in facts if f.relation == "member" and f.grantee[0] == o.USER]
    if members and rng.randrange(2):
        member = rng.choice([f for f in members if f.grantee[1] != f.tenant] or members)
        member = rng.choice((member, rng.choice(members)))
        return member.grantee, False, member.tenant
    tenant = skewed(rng, TENANTS)
    often = ((o.USER, tenant, user(rng)), (o.SHARE, tenant, 1))
    who, admin = (rng.choice(often), False) if rng.randrange(3) else rng.choice(principals())
    return who, admin, skewed(rng, TENANTS)


def permission(rng: random.Random) -> str:
    return rng.choice(("read", "read", "discover", "manage") if rng.randrange(2) else o.PERMISSIONS)


def principals() -> list[tuple[o.Subject, bool]]:
    everyone: list[tuple[o.Subject, bool]] = [((o.ANYONE, 0, 0), False)]
    for tenant in TENANTS:
        everyone += [((o.USER, tenant, n), False) for n in range(1, USERS + 1)]
        everyone += [((o.SERVICE, tenant, 1), False), ((o.SHARE, tenant, 1), False), ((o.USER, tenant, 9), True)]
    return everyone


def grantee(rng: random.Random, home: int) -> o.Subject:
    tenant = rng.choice(TENANTS) if rng.randrange(2) == 0 else home
    number = rng.randrange(16)
    few = {0: (o.ANYONE, 0, 0), 1: (o.AUTHENTICATED, 0, 0), 2: (o.TENANT_MEMBER, tenant, 0), 3: (o.SERVICE, tenant, 1)}
    few |= {4: (o.ROLE, home, 1), 14: (o.ROLE, tenant, 1), 5: (o.SHARE, tenant, 1), 15: (o.SHARE, home, 1)}
    if number in few:
        return few[number]
    return (o.GROUP, tenant, group(rng)) if number < 10 else (o.USER, tenant, user(rng))


def user(rng: random.Random) -> int:
    return skewed(rng, range(1, USERS + 1))


def group(rng: random.Random) -> int:
    return skewed(rng, range(1, GROUPS + 1))


def foreigner(rng: random.Random, home: int) -> o.Subject:
    """Somebody of the other tenant, to be taken into a group."""
    tenant = sum(TENANTS) - home
    return rng.choice(((o.USER, tenant, user(rng)), (o.GROUP, tenant, group(rng))))


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
    tenant, kind = skewed(rng, TENANTS), rng.randrange(32)
    into, itself = (o.AT_GROUP, group(rng), b""), (o.ITSELF, 0, 0)
    if kind in (0, 1, 20, 21):
        return Fact(tenant, into, ("exported", "open")[kind % 2], itself)
    if kind == 2:
        return Fact(tenant, (o.AT_PREFIX, skewed(rng, BUCKETS), key(rng).partition(b"/")[0] + b"/"), "isolated", itself)
    # Memberships carry both more often: what denies through them is the hard part.
    often = 2 if 2 < kind < 8 else 5
    expires = rng.randrange(3) * DAY + rng.randint(1, 200) * SECOND if rng.randrange(often) == 0 else None
    when = condition(rng) if rng.randrange(often) == 0 else None
    who = grantee(rng, tenant)
    if kind < 8:
        return Fact(tenant, into, "member", who, expires, when)
    if kind in (22, 23):
        return Fact(tenant, into, "member", foreigner(rng, tenant), expires, when)
    if kind in (24, 25):
        denied = rng.choice(("deny_read", "deny_list", "deny_all"))
        return Fact(tenant, place(rng), denied, (o.GROUP, tenant, group(rng)), expires)
    if kind in (8, 26):
        return Fact(tenant, (o.AT_ROLE, 1, b""), "assignee", who, expires, when)
    if kind > 26:
        return Fact(tenant, place(rng), rng.choice(("reader", "reader", "owner", "lister")), who, expires, when)
    if kind == 9:
        return Fact(tenant, (o.AT_TENANT, 0, b""), rng.choice(tuple(o.TAKES)), who, expires, when)
    denies = kind == 10
    usual = OFTEN if rng.randrange(2) else tuple(o.TAKES)
    relation = rng.choice([name for name in usual if (name in o.DENIES) == denies and name not in o.FLAGS])
    return Fact(tenant, place(rng), relation, who, expires, None if denies and rng.randrange(9) else when)


def scene(rng: random.Random) -> list[Fact]:
    """Tuples that meet: somebody is allowed something, and gains or loses by way of a group, role or share."""
    home = skewed(rng, TENANTS)
    away, some, inner, itself = sum(TENANTS) - home, group(rng), group(rng), (o.ITSELF, 0, 0)
    into, bucket = (o.AT_GROUP, some, b""), (o.AT_BUCKET, skewed(rng, BUCKETS), b"")
    mine, theirs, team = (o.USER, home, user(rng)), (o.USER, away, user(rng)), (o.GROUP, home, some)
    expires = rng.randrange(3) * DAY + rng.randint(1, 200) * SECOND if rng.randrange(3) == 0 else None
    when = condition(rng) if rng.randrange(3) == 0 else None
    relation = rng.choice(("reader", "deny_read", "deny_all", "deny_list"))
    ends = {"grantee": team, "expires": expires} if relation != "reader" else {"grantee": team, "expires": None}
    of_team = Fact(home, bucket if rng.randrange(2) else place(rng), relation, **ends)
    share, role = (o.SHARE, home, 1), (o.ROLE, home, 1)
    return rng.choice(
        (
            [Fact(home, into, "member", mine, expires, when), of_team, Fact(home, bucket, "reader", mine)],
            [
                Fact(home, into, "member", (o.GROUP, home, inner), expires),
                Fact(home, (o.AT_GROUP, inner, b""), "member", mine, None, when),
                of_team,
            ],
            [
                Fact(home, into, "open", itself),
                Fact(home, into, "member", theirs, None, when),
                of_team,
                Fact(home, bucket, "reader", theirs),
            ],
            [
                Fact(away, into, "exported", itself),
                Fact(away, into, "member", theirs, expires),
                Fact(home, bucket, "reader", (o.GROUP, away, some)),
            ],
            [Fact(home, (o.AT_ROLE, 1, b""), "assignee", mine, expires), Fact(home, bucket, "reader", role)],
            [Fact(home, bucket, rng.choice(("reader", "owner")), who, None, condition(rng)) for who in (mine, share)],
            [
                Fact(home, bucket, "reader", share),
                Fact(home, place(rng), rng.choice(("deny_read", "deny_all")), (o.ANYONE, 0, 0), expires),
            ],
            [
                Fact(home, (o.AT_TENANT, 0, b""), rng.choice(("owner", "admin")), mine, expires),
                Fact(home, place(rng), "deny_all", (o.AUTHENTICATED, 0, 0), expires),
            ],
        )
    )


def steps(rng: random.Random, facts: list[Fact]) -> list[tuple[str, Fact]]:
    """What happens next. Groups are hidden and closed often: what counted until then is the rest of the world."""
    kind = rng.randrange(12)
    some = [fact for fact in facts if fact.relation in ("exported", "open")] if kind == 0 else facts
    if kind < 3:
        return [("delete", rng.choice(some))] if some else []
    return [("touch", one) for one in (scene(rng) if kind == 3 else [fact(rng)])]


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
