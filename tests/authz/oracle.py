"""The naive evaluator: what docs/explanation/authorization.md says, as sets and recursion, without any cleverness.

Belongs here: facts (tuples) as plain values, which of them may be written, and the answer to every question. Does not
belong here: the engine, random worlds (`worlds.py`), comparing (`test_oracle.py`). Nothing of `authz` or of Rust's own
oracle is used, so that a mistake there is not repeated here.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

# Kinds of subjects and of places, with the numbers that cross the border to the engine.
ITSELF, ANYONE, AUTHENTICATED, TENANT_MEMBER, USER, SERVICE, GROUP, ROLE, SHARE = range(9)
AT_TENANT, AT_GROUP, AT_ROLE, AT_SHARE, AT_BUCKET, AT_PREFIX, AT_OBJECT = range(7)
ON_PATH = {AT_TENANT, AT_BUCKET, AT_PREFIX, AT_OBJECT}

# A subject is (kind, tenant, number); a place is (kind, number, path), within a tenant that is said beside it.
Subject = tuple[int, int, int]
Place = tuple[int, int, bytes]
# Networks, window (weekdays, from, to), TLS, seconds since MFA.
Condition = tuple[tuple[tuple[str, int], ...], tuple[int, int, int] | None, bool, int | None]
# Now, source address, TLS, moment of MFA (0: known to be without); None is "not known".
Moment = tuple[int, str | None, bool | None, int | None]

NAMED = {USER, SERVICE, GROUP, ROLE, TENANT_MEMBER, SHARE}
PUBLIC = NAMED | {AUTHENTICATED, ANYONE}
TAKES = {
    "owner": (ON_PATH | {AT_SHARE}, NAMED),
    "admin": ({AT_TENANT, AT_BUCKET}, NAMED),
    "lister": ({AT_TENANT, AT_BUCKET, AT_PREFIX}, PUBLIC),
    "compliance": ({AT_BUCKET}, NAMED),
    "isolated": ({AT_PREFIX}, {ITSELF}),
    "member": ({AT_GROUP}, {USER, SERVICE, GROUP, TENANT_MEMBER}),
    "manager": ({AT_GROUP, AT_ROLE, AT_SHARE}, NAMED),
    "assignee": ({AT_ROLE}, {USER, SERVICE, GROUP}),
    "exported": ({AT_GROUP}, {ITSELF}),
    "open": ({AT_GROUP}, {ITSELF}),
}
for name in "reader writer deleter sharer deny_read deny_write deny_delete deny_list deny_all".split():
    TAKES[name] = (ON_PATH, PUBLIC)
DENIES = {name for name in TAKES if name.startswith("deny_")}
FLAGS = {"isolated", "exported", "open"}
FULL = {"owner", "admin"}
# Marks an allow that `isolated` lets pass: of the tenant's owners and administrators, and of the bucket's owners.
PASSES = "!"
# Permission: relations that give it, denies that take it away, beside deny_all which takes every one.
GIVEN = {
    "read": (FULL | {"reader"}, {"deny_read"}),
    "write": (FULL | {"writer"}, {"deny_write"}),
    "delete": (FULL | {"deleter"}, {"deny_delete"}),
    "list": (FULL | {"lister"}, {"deny_list"}),
    "share": (FULL | {"sharer"}, set()),
    "manage": (FULL, set()),
    "compliance": ({"compliance"}, set()),
    "delete_version": (FULL, {"deny_delete"}),
    "know": (FULL | {"reader", "writer", "deleter", "lister", "sharer", "compliance"}, set()),
}
PERMISSIONS = (*GIVEN, "discover")


@dataclass(frozen=True, slots=True)
class Fact:
    """A tuple: who stands how to what, until when (the first moment at which it is over), under which condition."""

    tenant: int
    place: Place
    relation: str
    grantee: Subject
    expires: int | None = None
    condition: Condition | None = None

    @property
    def key(self):
        return (self.tenant, self.place, self.relation, self.grantee)

    @property
    def container(self) -> Subject | None:
        """The group or role that it is about."""
        kind = {AT_GROUP: GROUP, AT_ROLE: ROLE}.get(self.place[0])
        return None if kind is None else (kind, self.tenant, self.place[1])


def both(a: bool | None, b: bool | None) -> bool | None:
    """And, of three values."""
    if a is False or b is False:
        return False
    return True if a and b else None


def in_window(window: tuple[int, int, int], now: int) -> bool:
    """Minute by minute: over midnight it is the window of the day on which it began. 1970-01-01 was a Thursday."""
    weekdays, first, end = window
    day, minute = divmod(now // 60_000_000, 1440)
    length = (end - first) if first < end else (end - first + 1440)
    for began in (day, day - 1):
        since = (day - began) * 1440 + minute - first
        if weekdays >> (began + 3) % 7 & 1 and 0 <= since < length:
            return True
    return False


def condition_holds(condition: Condition, moment: Moment) -> bool | None:
    networks, window, tls, mfa = condition
    now, source, secure, proved = moment
    parts: list[bool | None] = []
    if networks:
        inside = None
        if source is not None:
            address = ipaddress.ip_address(source)
            address = getattr(address, "ipv4_mapped", None) or address
            inside = any(address in ipaddress.ip_network(net, strict=False) for net in map("%s/%d".__mod__, networks))
        parts.append(inside)
    if window is not None:
        parts.append(in_window(window, now))
    if tls:
        parts.append(secure)
    if mfa is not None:
        parts.append(None if proved is None else proved != 0 and 0 <= now - proved <= mfa * 1_000_000)
    answer: bool | None = True
    for part in parts:
        answer = both(answer, part)
    return answer


def holds(fact: Fact, moment: Moment) -> bool | None:
    if fact.expires is not None and moment[0] >= fact.expires:
        return False
    return True if fact.condition is None else condition_holds(fact.condition, moment)


def above(place: Place) -> list[Place]:
    """From the tenant down to the place itself. A key's parents stand in its text."""
    kind, bucket, path = place
    if kind == AT_TENANT:
        return [(AT_TENANT, 0, b"")]
    prefixes = [(AT_PREFIX, bucket, path[: i + 1]) for i in range(len(path)) if path[i : i + 1] == b"/"]
    return [(AT_TENANT, 0, b""), (AT_BUCKET, bucket, b""), *prefixes, *([place] if kind == AT_OBJECT else [])]


@dataclass
class Oracle:
    """All tuples, and what follows from them."""

    facts: dict[tuple, Fact] = field(default_factory=dict)
    at: dict[tuple[int, Place], list[Fact]] = field(default_factory=dict)

    def put(self, fact: Fact) -> None:
        """A tuple that may be there already, then with its former expiry and condition."""
        self.remove(fact)
        self.facts[fact.key] = fact
        self.at.setdefault((fact.tenant, fact.place), []).append(fact)

    def remove(self, fact: Fact) -> None:
        if old := self.facts.pop(fact.key, None):
            self.at[old.tenant, old.place].remove(old)

    def may_write(self, fact: Fact) -> bool:
        """Whether such a tuple can be, now."""
        places, subjects = TAKES[fact.relation]
        if fact.place[0] not in places or fact.grantee[0] not in subjects or fact.container == fact.grantee:
            return False
        if (fact.relation in FLAGS and fact.expires) or (fact.relation in DENIES | FLAGS and fact.condition):
            return False
        if fact.grantee[0] in (ITSELF, ANYONE, AUTHENTICATED) or fact.grantee[1] == fact.tenant:
            return True
        if fact.grantee[0] == ROLE or (fact.grantee[0] == GROUP and not self.flagged(fact.grantee, "exported")):
            return False
        return fact.relation != "assignee" and (fact.relation != "member" or self.flagged(fact.container, "open"))

    def flagged(self, group: Subject | None, flag: str) -> bool:
        return group is not None and (group[1], (AT_GROUP, group[2], b""), flag, (ITSELF, 0, 0)) in self.facts

    def stands_for(self, who: Subject, moment: Moment) -> tuple[set[Subject], set[Subject]]:
        """All that somebody is: surely, and possibly. Groups by going round until nothing is added, so circles end."""
        everybody: set[Subject] = {(ANYONE, 0, 0)}
        # What everybody may is not a share's; what nobody may is not either.
        sure: set[Subject] = set() if who[0] == SHARE else set(everybody)
        if who[0] in (USER, SERVICE):
            sure |= {(AUTHENTICATED, 0, 0), (TENANT_MEMBER, who[1], 0), who}
        if who[0] == SHARE:
            sure.add(who)
        memberships = [fact for fact in self.facts.values() if fact.relation in ("member", "assignee")]
        surely = [fact for fact in memberships if holds(fact, moment) is True and self.crosses(fact)]
        # What may not give any more may still take away.
        perhaps = [fact for fact in memberships if holds(fact, moment) is not False]
        return closure(sure, surely), closure(sure | everybody, perhaps)

    def crosses(self, fact: Fact) -> bool:
        """A membership from another tenant gives while the group is open and, if a group comes, that is exported."""
        if fact.grantee[1] == fact.tenant:
            return True
        seen = fact.grantee[0] != GROUP or self.flagged(fact.grantee, "exported")
        return seen and self.flagged(fact.container, "open")

    def gathered(self, who: Subject, place: tuple[int, Place], moment: Moment, stands=None) -> tuple[set, set, bool]:
        """Relations that allow, relations that deny, and whether the tenant's owner or an admin of it asks."""
        tenant, at = place
        sure, possible = stands or self.stands_for(who, moment)
        allows: set[str] = set()
        denies: set[str] = set()
        tenant_admin = False
        for step in above(at):
            here = self.standing(tenant, step)
            if any(fact.relation == "isolated" for fact in here):
                allows = {relation for relation in allows if relation.endswith(PASSES)}
            for fact in here:
                answer, relation = holds(fact, moment), fact.relation
                if relation in DENIES:
                    if answer is not False and fact.grantee in possible:
                        denies.add(relation)
                elif relation not in FLAGS and answer is True and self.gives(fact.grantee, sure, tenant):
                    passes = relation == "owner" if step[0] == AT_BUCKET else relation in FULL
                    allows.add(relation + PASSES if passes and step[0] in (AT_TENANT, AT_BUCKET) else relation)
                    tenant_admin |= step[0] == AT_TENANT and relation in FULL
        return {relation.rstrip(PASSES) for relation in allows}, denies, tenant_admin

    def gives(self, grantee: Subject, sure: set[Subject], tenant: int) -> bool:
        """Another tenant's group gives something only while it is exported; another tenant's role nothing."""
        if grantee not in sure:
            return False
        return grantee[0] not in (GROUP, ROLE) or grantee[1] == tenant or self.flagged(grantee, "exported")

    def standing(self, tenant: int, step: Place) -> list[Fact]:
        return self.at.get((tenant, step), [])

    def check(self, who, admin: bool, permission: str, place: tuple[int, Place], moment: Moment, stands=None) -> bool:
        """`admin`: the subject's record says that it administers its tenant. `stands`: its `stands_for`, if known."""
        allows, denies, tenant_admin = self.gathered(who, place, moment, stands)
        if admin and who[1] == place[0]:
            allows, tenant_admin = allows | {"admin"}, True
        return decided(permission, allows, denies, tenant_admin=tenant_admin)


def decided(permission: str, allows: set[str], denies: set[str], *, tenant_admin: bool) -> bool:
    if permission == "discover":
        listed = decided("list", allows, denies, tenant_admin=tenant_admin)
        return listed or (decided("read", allows, denies, tenant_admin=tenant_admin) and "deny_list" not in denies)
    if permission == "manage" and tenant_admin:
        return True
    gives, takes = GIVEN[permission]
    return bool(gives & allows) and not (takes | {"deny_all"}) & denies


def closure(start: set[Subject], memberships: list[Fact]) -> set[Subject]:
    found = set(start)
    while True:
        more = {fact.container for fact in memberships if fact.grantee in found} - found
        if not more:
            return found
        found |= more
