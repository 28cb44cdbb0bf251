"""The words of relations as values: who, how, on what, until when; and the forms in which they cross to the engine.

Belongs here: numbers of kinds, relations and permissions, bundles. Does not belong here: how they are written
(`names.py`), which names have which numbers (`directory.py`). The engine's own list is in crate `authz`, `model.rs`;
`tests/authz` holds both to one another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from storage.native import permission_names, relation_names

RELATIONS: Final = tuple(relation_names())
"""Names of relations; the place is the number."""

PERMISSIONS: Final = tuple(permission_names())
"""Names of permissions; the place is the number."""

BUNDLES: Final = {
    "viewer": ("reader", "lister"),
    "contributor": ("reader", "lister", "writer"),
    "editor": ("reader", "lister", "writer", "deleter"),
}
"""Names for several relations at once; what is stored are the relations."""

FLAGS: Final = frozenset({"isolated", "exported", "open"})
"""Relations that mark a place and have no subject."""

NOT_ON_OBJECTS: Final = frozenset({"lister"})
"""What bundles leave out on a single object, below which there is nothing to list."""

_TENANT_BITS: Final = 28

# The border's forms, as in `storage/_core.pyi`.
ConditionValue = tuple[Sequence[tuple[str, int]], tuple[int, int, int] | None, bool, int | None]
PlaceValue = tuple[int, int, bytes]
MomentValue = tuple[int, str | None, bool | None, int | None]
TupleValue = tuple[PlaceValue, int, int, int | None, ConditionValue | None]
ChangeValue = tuple[str, PlaceValue, int, int, int | None, ConditionValue | None]
EntryValue = tuple[int, int, int, list[tuple[bool, TupleValue]]]


class Kind(IntEnum):
    """What a subject is."""

    ITSELF = 0
    ANYONE = 1
    AUTHENTICATED = 2
    TENANT_MEMBER = 3
    USER = 4
    SERVICE = 5
    GROUP = 6
    ROLE = 7
    SHARE = 8


class At(IntEnum):
    """What a place is."""

    TENANT = 0
    GROUP = 1
    ROLE = 2
    SHARE = 3
    BUCKET = 4
    PREFIX = 5
    OBJECT = 6


IN_BUCKET: Final = frozenset({At.BUCKET, At.PREFIX, At.OBJECT})


@dataclass(frozen=True, slots=True)
class Subject:
    """Who: kind, tenant and number. A group stands for its members, a role for its assignees."""

    kind: Kind
    tenant: int = 0
    number: int = 0

    @property
    def bits(self) -> int:
        """The grantee in 64 bits, as rows and the engine have it."""
        return self.kind << 60 | self.tenant << 32 | self.number

    @classmethod
    def of(cls, bits: int) -> "Subject":
        """From 64 bits."""
        return cls(Kind(bits >> 60), bits >> 32 & ((1 << _TENANT_BITS) - 1), bits & 0xFFFF_FFFF)


ITSELF: Final = Subject(Kind.ITSELF)
"""The subject of a flag."""


@dataclass(frozen=True, slots=True)
class Place:
    """On what, within its tenant. A prefix ends in `/`."""

    at: At
    number: int = 0
    path: bytes = b""

    @property
    def value(self) -> PlaceValue:
        """As it crosses to the engine."""
        return (int(self.at), self.number, self.path)

    @classmethod
    def of(cls, value: PlaceValue) -> "Place":
        """As it comes back."""
        return cls(At(value[0]), value[1], value[2])


@dataclass(frozen=True, slots=True)
class Condition:
    """What must be true of a request: networks (any of them), a window of the week in UTC, TLS, a recent MFA.

    `window` is weekdays (bit 0 Monday), first minute of the day, first minute that is no longer inside.
    """

    networks: Sequence[tuple[str, int]] = ()
    window: tuple[int, int, int] | None = None
    tls: bool = False
    mfa_s: int | None = None

    @property
    def value(self) -> ConditionValue:
        """As it crosses to the engine."""
        return (self.networks, self.window, self.tls, self.mfa_s)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a request. None is "not known" and makes no condition true; `mfa_us` 0 is "without MFA".

    `now_us` 0 is the present moment.
    """

    source_ip: str | None = None
    tls: bool | None = None
    mfa_us: int | None = None
    now_us: int = 0

    @property
    def value(self) -> MomentValue:
        """As it crosses to the engine."""
        return (self.now_us, self.source_ip, self.tls, self.mfa_us)


NO_FACTS: Final = Facts()
