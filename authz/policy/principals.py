"""Who a statement is about: the forms of Principal, and what they are resolved to.

Belongs here: reading the names. Does not belong here: finding tenants and users (`gateway/ops/policy.py` brings a
function for it).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from authz.policy.errors import BAD_PRINCIPAL, PolicyError

Json = None | bool | str | list["Json"] | dict[str, "Json"]


class Named(StrEnum):
    """How a principal is named."""

    EVERYONE = "everyone"
    ACCOUNT = "account"
    USER = "user"
    ROLE = "role"
    CANONICAL_USER = "canonical user"
    OUTSIDER = "outsider"
    """Services and federated identities: valid, and none of them ever asks here."""


class PrincipalKind(IntEnum):
    """What a principal is in compiled bytes (Rust: `policy/principal.rs`)."""

    EVERYONE = 0
    ACCOUNT = 1
    USER = 2
    ROLE = 3


@dataclass(frozen=True, slots=True)
class Principal:
    """One name of a Principal element: the account (12 digits, or a tenant's name) and the name inside it."""

    named: Named
    account: str = ""
    name: str = ""

    @property
    def text(self) -> str:
        """A name that tells it from every other."""
        return f"{self.named.value}/{self.account}/{self.name}"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A principal by its numbers. `number` is a user's or a role's, 0 for an account."""

    kind: PrincipalKind
    tenant: int
    number: int = 0


NOBODY: Final = None
"""What a resolver answers for a principal that was there when the policy was stored and is gone: it matches nobody."""

Resolver = Callable[[Principal], Resolved | None]
"""Finds a principal; PolicyError(BAD_PRINCIPAL) for one that does not exist, NOBODY for one that is gone."""

_ACCOUNT: Final = r"(?P<account>[A-Za-z0-9_+=,.@-]{1,64})"
_IAM_ARN: Final = re.compile(
    rf"arn:aws:iam::{_ACCOUNT}:(?:(?P<root>root)|(?P<kind>user|role)/(?P<name>[A-Za-z0-9_+=,.@/-]{{1,512}}))\Z"
)
_CANONICAL_ID: Final = re.compile(r"[0-9a-f]{64}\Z")
_ACCOUNT_ID: Final = re.compile(r"[0-9]{12}\Z")
_OUTSIDER: Final = re.compile(r"[A-Za-z0-9_+=,.@:/-]{1,2048}\Z")

EVERYONE: Final = Principal(Named.EVERYONE)


def account_id(tenant: int) -> str:
    """A tenant's number in the form of an AWS account id."""
    return f"{tenant:012}"


def account_arn(tenant: int) -> str:
    """What policies call a tenant as a whole; its root user acts as it."""
    return f"arn:aws:iam::{account_id(tenant)}:root"


def user_arn(tenant: int, name: str) -> str:
    """What policies call a user."""
    return f"arn:aws:iam::{account_id(tenant)}:user/{name}"


def parse_principals(value: Json) -> tuple[Principal, ...]:
    """Reads a Principal or NotPrincipal element. PolicyError."""
    if value == "*":
        return (EVERYONE,)
    if not isinstance(value, dict) or not value:
        raise PolicyError(BAD_PRINCIPAL)
    found: list[Principal] = []
    for kind, names in value.items():
        for name in names if isinstance(names, list) else [names]:
            if not isinstance(name, str):
                raise PolicyError(BAD_PRINCIPAL)
            found.append(_parse(kind, name))
    if not found:
        raise PolicyError(BAD_PRINCIPAL)
    return tuple(dict.fromkeys(found))


def _parse(kind: str, name: str) -> Principal:
    if kind == "AWS":
        return _parse_aws(name)
    if kind == "CanonicalUser" and _CANONICAL_ID.match(name):
        return Principal(Named.CANONICAL_USER, "", name)
    if kind in ("Service", "Federated") and _OUTSIDER.match(name):
        return Principal(Named.OUTSIDER, kind, name)
    raise PolicyError(BAD_PRINCIPAL)


def _parse_aws(name: str) -> Principal:
    if name == "*":
        return EVERYONE
    if _ACCOUNT_ID.match(name):
        return Principal(Named.ACCOUNT, name)
    arn = _IAM_ARN.match(name)
    if arn is None:
        raise PolicyError(BAD_PRINCIPAL)
    if arn["root"]:
        return Principal(Named.ACCOUNT, arn["account"])
    return Principal(Named.USER if arn["kind"] == "user" else Named.ROLE, arn["account"], arn["name"])
