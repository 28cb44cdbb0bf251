"""The words a schema is made of: types, subjects, the built-in relations and permissions, and the limits.

Belongs here: what the engine (`rust/crates/authz`) has, as the compiler must know it. Does not belong here: syntax. The
numbers are those of rows (meta/FORMAT.md) and never change.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

SOURCE_BYTES: Final = 64 * 1024
"""Longest source: it is stored beside the compiled form and read whole."""
NAME_CHARS: Final = 48
"""Longest name: it stands in a byte-counted field and in error messages."""
OWN_RELATIONS: Final = 11
"""Relations of a tenant's own: a mask has 32 bits, of which 19 are built in and 2 are the engine's."""
PERMISSIONS: Final = 64
"""Permissions of a schema, the built-in ones included."""
CLAUSES: Final = 16
"""Clauses of a compiled permission: a check tries each, so they bound its time."""
DEPTH: Final = 32
"""Parentheses in one another: the parser recurses."""
TERMS: Final = 1024
"""Combinations looked at while a permission is multiplied out: bounds the compiler's time and memory."""

OWN_NUMBERS: Final = range(19, 19 + OWN_RELATIONS)
TENANT_ADMIN: Final = "tenant_admin"
TENANT_ADMIN_BIT: Final = 1 << 30


class Class(IntEnum):
    """What a relation does: gives rights, takes them away, or marks a place."""

    ALLOW = 0
    DENY = 1
    FLAG = 2


TARGETS: Final = {"tenant": 1, "bucket": 2, "prefix": 4, "object": 8, "group": 16, "role": 32, "share": 64}
"""Types that relations stand on, with their bits."""
PLACE: Final = "place"
"""The definition that stands for tenant, bucket, prefix and object together."""
PLACE_TARGETS: Final = 15

SUBJECTS: Final = {
    "anyone": 1 << 1,
    "authenticated": 1 << 2,
    "tenant#member": 1 << 3,
    "user": 1 << 4,
    "service": 1 << 5,
    "group#member": 1 << 6,
    "role#assignee": 1 << 7,
    "share": 1 << 8,
}
"""Who a relation can be granted to; bits by the engine's kinds of grantees."""
ITSELF: Final = 1
"""The subject of a flag."""

_NAMED: Final = sum(SUBJECTS.values()) & ~(SUBJECTS["anyone"] | SUBJECTS["authenticated"])
_PUBLIC: Final = sum(SUBJECTS.values())
_PERSONS: Final = SUBJECTS["user"] | SUBJECTS["service"] | SUBJECTS["group#member"]


@dataclass(frozen=True)
class BuiltIn:
    """A relation the engine has: number, class, and the most it may stand on and be granted to."""

    number: int
    kind: Class
    targets: int
    subjects: int


def _built_in() -> dict[str, BuiltIn]:
    allow, deny, flag = Class.ALLOW, Class.DENY, Class.FLAG
    places, group, role, share = PLACE_TARGETS, 16, 32, 64
    rows = [
        ("owner", allow, places | share, _NAMED),
        ("admin", allow, 1 | 2, _NAMED),
        ("reader", allow, places, _PUBLIC),
        ("writer", allow, places, _PUBLIC),
        ("deleter", allow, places, _PUBLIC),
        ("lister", allow, 1 | 2 | 4, _PUBLIC),
        ("sharer", allow, places, _PUBLIC),
        ("compliance", allow, 2, _NAMED),
        ("deny_read", deny, places, _PUBLIC),
        ("deny_write", deny, places, _PUBLIC),
        ("deny_delete", deny, places, _PUBLIC),
        ("deny_list", deny, places, _PUBLIC),
        ("deny_all", deny, places, _PUBLIC),
        ("isolated", flag, 4, ITSELF),
        ("member", allow, group, _PERSONS | SUBJECTS["tenant#member"]),
        ("manager", allow, group | role | share, _NAMED),
        ("assignee", allow, role, _PERSONS),
        ("exported", flag, group, ITSELF),
        ("open", flag, group, ITSELF),
    ]
    return {name: BuiltIn(number, *row) for number, (name, *row) in enumerate(rows)}  # type: ignore[arg-type]


BUILT_IN: Final = _built_in()

ASKED: Final = (
    "read",
    "write",
    "delete",
    "list",
    "share",
    "manage",
    "compliance",
    "discover",
    "delete_version",
    "know",
)
"""Permissions that S3 actions need, in the order of their numbers: every schema defines them."""

KEYWORDS: Final = frozenset(
    {"use", "subjects", "definition", "relation", "deny", "flag", "permission", "parent", "default", TENANT_ADMIN}
)


class SchemaError(ValueError):
    """The schema is wrong at a place. `line` and `column` count from 1; the message says what would be right."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {message}")
        self.message = message
        self.line = line
        self.column = column


def targets_text(bits: int) -> str:
    """Types by name, for messages."""
    return ", ".join(name for name, bit in TARGETS.items() if bits & bit)


def subjects_text(bits: int) -> str:
    """Subject types as a schema writes them."""
    return " | ".join(name for name, bit in SUBJECTS.items() if bits & bit)
