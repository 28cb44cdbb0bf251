"""Documents to bytes: what Rust evaluates.

Belongs here: the layout of a compiled policy. Does not belong here: what is valid (`document`), who a principal is (the
caller's function). Pure: the same document and the same answers of the resolver give the same bytes.

Little-endian. A policy: u8 version, u8 flags (1 public, 2 identity), u16 statements, then each statement behind its u32
length: u8 flags (1 deny, 2 every action, 4 has principals, 8 NotPrincipal, 16 NotResource); 32 bytes of action bits;
with principals a u16 count and for each u8 kind, u32 tenant, u32 number; u16 resources, each u8 kind (0 any; 1 a
bucket: its name; 2 objects of a bucket: its name, pattern of the key; 3 pattern of the path); u16 conditions, each
behind its u32 length (`conditions.encode_condition`); the Sid's bytes and, last, their u16 length. Names and patterns
stand behind a u16 length.
"""

from typing import Final

from authz.policy.actions import ACTION_BITS
from authz.policy.conditions import encode_condition
from authz.policy.document import Document, Statement
from authz.policy.pattern import STAR, Literal, Pattern, Wildcard, encode_pattern, sized
from authz.policy.principals import EVERYONE, Named, PrincipalKind, Resolved, Resolver
from authz.policy.public import is_public

COMPILER_VERSION: Final = 1
"""First byte of compiled policies. It grows with every change of layout, of the lists of names, or of meaning; a
section of another version is compiled again from its document when the server starts."""

_PUBLIC, _IDENTITY = 1, 2
_DENY, _EVERY_ACTION, _HAS_PRINCIPALS, _NOT_PRINCIPAL, _NOT_RESOURCE = 1, 2, 4, 8, 16
_ANY, _BUCKET, _OBJECTS, _PATH = 0, 1, 2, 3


def compile_bucket_policy(document: Document, resolve: Resolver) -> bytes:
    """The bytes of a bucket's policy. `resolve` raises PolicyError for a principal that does not exist."""
    return _policy(_PUBLIC if is_public(document) else 0, document, resolve)


def compile_identity_policy(document: Document) -> bytes:
    """The bytes of a policy that hangs on a user, group or role."""
    return _policy(_IDENTITY, document, lambda _: None)


def _policy(flags: int, document: Document, resolve: Resolver) -> bytes:
    head = bytes([COMPILER_VERSION, flags]) + len(document.statements).to_bytes(2, "little")
    return head + b"".join(_statement(statement, resolve) for statement in document.statements)


def _statement(statement: Statement, resolve: Resolver) -> bytes:
    flags = 0 if statement.allow else _DENY
    flags |= _EVERY_ACTION if statement.all_actions else 0
    flags |= _NOT_RESOURCE if statement.not_resource else 0
    body = statement.actions.to_bytes(ACTION_BITS // 8, "little")
    if statement.principals is not None:
        flags |= _HAS_PRINCIPALS | (_NOT_PRINCIPAL if statement.not_principal else 0)
        body += _principals(statement, resolve)
    body += _counted([_resource(pattern) for pattern in statement.resources])
    # A condition may be longer than a u16 can say: ten thousand numbers fit into a document.
    body += _counted([_long(encode_condition(condition)) for condition in statement.conditions])
    sid = statement.sid.encode()
    return _long(bytes([flags]) + body + sid + len(sid).to_bytes(2, "little"))


def _principals(statement: Statement, resolve: Resolver) -> bytes:
    found: dict[Resolved, None] = {}
    for principal in statement.principals or ():
        if principal == EVERYONE:
            found[Resolved(PrincipalKind.EVERYONE, 0)] = None
        elif principal.named is not Named.OUTSIDER and (resolved := resolve(principal)) is not None:
            found[resolved] = None
    return _counted(
        [bytes([one.kind]) + one.tenant.to_bytes(4, "little") + one.number.to_bytes(4, "little") for one in found]
    )


def _resource(pattern: Pattern) -> bytes:
    if pattern == (Wildcard(STAR),):
        return bytes([_ANY])
    first = pattern[0]
    if isinstance(first, Literal):
        bucket, slash, rest = first.text.partition("/")
        if slash:
            key = (*((Literal(rest),) if rest else ()), *pattern[1:])
            return bytes([_OBJECTS]) + sized(bucket.encode()) + sized(encode_pattern(key))
        if len(pattern) == 1:
            return bytes([_BUCKET]) + sized(bucket.encode())
    return bytes([_PATH]) + sized(encode_pattern(pattern))


def _counted(parts: list[bytes]) -> bytes:
    return len(parts).to_bytes(2, "little") + b"".join(parts)


def _long(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + data
