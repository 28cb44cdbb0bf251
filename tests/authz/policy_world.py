"""Who exists in the cases of policies, and how a case is compiled. Belongs here: nothing that is tested."""

import json

from authz.policy import (
    Named,
    PolicyError,
    PrincipalKind,
    Resolved,
    compile_bucket_policy,
    compile_identity_policy,
    parse_bucket_policy,
    parse_identity_policy,
)
from authz.policy.errors import BAD_PRINCIPAL

CANONICAL = "ab" * 32
ALICE = "arn:aws:iam::000000000001:user/alice"
USERS = {
    ("000000000001", "alice"): 11,
    ("000000000001", "bob"): 12,
    ("000000000001", "boss"): 13,
    ("000000000002", "carol"): 21,
}
ROLES = {("000000000001", "dev"): 31}
PEOPLE = {
    "nobody": {"kind": "anonymous"},
    "alice": {"kind": "user", "account": "000000000001", "name": "alice", "number": 11},
    "bob": {"kind": "user", "account": "000000000001", "name": "bob", "number": 12},
    "admin": {"kind": "user", "account": "000000000001", "name": "boss", "number": 13, "root": True},
    "carol": {"kind": "user", "account": "000000000002", "name": "carol", "number": 21, "canonical": CANONICAL},
    "dev": {"kind": "role", "account": "000000000001", "name": "dev", "number": 31},
}


def resolve(principal):
    """The principal of a case by its numbers."""
    tenant = int(principal.account or 0)
    if principal.named is Named.ACCOUNT and tenant in (1, 2):
        return Resolved(PrincipalKind.ACCOUNT, tenant)
    if principal.named is Named.CANONICAL_USER and principal.name == CANONICAL:
        return Resolved(PrincipalKind.USER, 2, 21)
    kind, known = (PrincipalKind.ROLE, ROLES) if principal.named is Named.ROLE else (PrincipalKind.USER, USERS)
    number = known.get((principal.account, principal.name))
    if number is None:
        raise PolicyError(BAD_PRINCIPAL)
    return Resolved(kind, tenant, number)


def compiled(document, *, identity=False, bucket="b") -> bytes:
    """The bytes of a document."""
    body = json.dumps(document, ensure_ascii=False).encode()
    if identity:
        return compile_identity_policy(parse_identity_policy(body))
    return compile_bucket_policy(parse_bucket_policy(body, bucket), resolve)
