"""Compiled policies read back: what Rust evaluates, as values.

Belongs here: the layout of `compiler.py` in the other direction, as far as questions about a policy as a whole need it:
whom, which actions, which keys, which condition keys. Does not belong here: evaluating anything (Rust).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from authz.policy import actions, keys
from authz.policy.actions import ACTION_BITS, ACTIONS, Level
from authz.policy.compiler import COMPILER_VERSION
from authz.policy.pattern import STAR, Literal, Pattern, Variable, Wildcard, can_begin_with, matches
from authz.policy.principals import PrincipalKind, Resolved

_DENY, _EVERY_ACTION, _HAS_PRINCIPALS, _NOT_PRINCIPAL, _NOT_RESOURCE = 1, 2, 4, 8, 16
_ANY, _BUCKET, _OBJECTS, _PATH = 0, 1, 2, 3
_LITERAL, _STAR, _ONE, _VARIABLE = 1, 2, 3, 4
_EXISTING_TAG: Final = keys.KEYS.index("s3:ExistingObjectTag/")
_NOT_OF_THE_REQUEST: Final = frozenset(
    keys.KEYS.index(name)
    for name in (
        "",
        "aws:username",
        "aws:userid",
        "aws:PrincipalArn",
        "aws:PrincipalAccount",
        "aws:PrincipalType",
        "aws:PrincipalTag/",
        "aws:ResourceAccount",
        "s3:ResourceAccount",
        "s3:ExistingObjectTag/",
    )
)
"""Condition keys whose value is the same whatever is sent: they are of who asks, or of what is asked about."""

NUMBERS: Final = {f"s3:{name}": number for number, name in enumerate(ACTIONS)}
"""Actions, as everybody writes them, by number."""

LEVELS: Final = {name: actions.LEVELS[number] for name, number in NUMBERS.items()}
"""What each is done on."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Which keys of a bucket a resource can mean: those that begin with `prefix`, or exactly that key.

    `plain` is without wildcards and variables before the end: then all of them are meant.
    """

    prefix: bytes
    exact: bool
    plain: bool


@dataclass(frozen=True, slots=True)
class Said:
    """A statement. `principals` is None in an identity policy; `asks` are condition keys that requests answer."""

    index: int
    sid: str
    allow: bool
    actions: int
    every_action: bool
    principals: tuple[Resolved, ...] | None
    not_principal: bool
    resources: tuple[tuple[int, str, Pattern], ...]
    not_resource: bool
    asks: tuple[str, ...]
    conditional: bool
    by_object: bool

    def means(self, action: str) -> bool:
        """Whether it is about the action."""
        number = NUMBERS.get(action)
        return self.every_action or (number is not None and bool(self.actions >> number & 1))

    def can_be_on(self, bucket: str, key: bytes | None) -> bool:
        """Whether it can be about a bucket (no key) or a key; a variable can have any value."""
        found = any(_fits(resource, bucket, key) for resource in self.resources)
        variable = any(isinstance(token, Variable) for _, _, pattern in self.resources for token in pattern)
        return found is not self.not_resource or variable

    def reaches(self, bucket: str) -> list[Reach]:
        """The keys of a bucket that it names, whether it is about them or about all others."""
        found = [_reach(resource, bucket) for resource in self.resources]
        return [reach for reach in found if reach is not None]


def statements(compiled: bytes) -> tuple[Said, ...]:
    """What a policy says; nothing for bytes that Rust cannot read either, which deny everything."""
    if compiled[:1] != bytes([COMPILER_VERSION]):
        return ()
    rest = _Bytes(compiled, 4)
    count = int.from_bytes(compiled[2:4], "little")
    return tuple(_statement(index, _Bytes(rest.take(rest.number(4)))) for index in range(count))


class _Bytes:
    """Reads on."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self._at = at

    def take(self, length: int) -> bytes:
        self._at += length
        return self._data[self._at - length : self._at]

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length), "little")

    def sized(self) -> bytes:
        return self.take(self.number(2))

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)

    @property
    def more(self) -> bool:
        return self._at < len(self._data)


def _statement(index: int, rest: _Bytes) -> Said:
    flags = rest.number(1)
    named_actions = rest.number(ACTION_BITS // 8)
    principals = None
    if flags & _HAS_PRINCIPALS:
        principals = tuple(
            Resolved(PrincipalKind(rest.number(1)), rest.number(4), rest.number(4)) for _ in range(rest.number(2))
        )
    resources = tuple(_resource(rest) for _ in range(rest.number(2)))
    conditions = [rest.take(rest.number(4)) for _ in range(rest.number(2))]
    named = [(data[2], data[4 : 4 + data[3]].decode()) for data in conditions]
    named += [
        (token.key, token.suffix) for *_, pattern in resources for token in pattern if isinstance(token, Variable)
    ]
    asks = [keys.KEYS[number] + suffix for number, suffix in named if number not in _NOT_OF_THE_REQUEST]
    tagged = bytes([_VARIABLE, _EXISTING_TAG])
    return Said(
        index=index,
        sid=rest.rest()[:-2].decode(),
        allow=not flags & _DENY,
        actions=named_actions,
        every_action=bool(flags & _EVERY_ACTION),
        principals=principals,
        not_principal=bool(flags & _NOT_PRINCIPAL),
        resources=resources,
        not_resource=bool(flags & _NOT_RESOURCE),
        asks=tuple(dict.fromkeys(asks)),
        conditional=bool(conditions),
        by_object=any(data[2] == _EXISTING_TAG or tagged in data for data in conditions),
    )


def _resource(rest: _Bytes) -> tuple[int, str, Pattern]:
    kind = rest.number(1)
    name = rest.sized().decode() if kind in (_BUCKET, _OBJECTS) else ""
    pattern = tuple(_tokens(_Bytes(rest.sized()))) if kind in (_OBJECTS, _PATH) else ()
    return kind, name, pattern


def _tokens(rest: _Bytes) -> Iterator[Literal | Wildcard | Variable]:
    while rest.more:
        kind = rest.number(1)
        if kind == _LITERAL:
            yield Literal(rest.sized().decode())
        elif kind == _VARIABLE:
            number, suffix = rest.number(1), rest.take(rest.number(1)).decode()
            yield Variable(number, suffix, rest.sized().decode() if rest.number(1) else None)
        else:
            yield Wildcard(STAR if kind == _STAR else "?")


def _fits(resource: tuple[int, str, Pattern], bucket: str, key: bytes | None) -> bool:
    kind, name, pattern = resource
    if kind == _ANY:
        return True
    if kind == _BUCKET:
        return key is None and name == bucket
    text = None if key is None else key.decode("utf-8", "surrogateescape")
    if kind == _OBJECTS:
        return text is not None and name == bucket and matches(pattern, text)
    return matches(pattern, bucket if text is None else f"{bucket}/{text}")


def _reach(resource: tuple[int, str, Pattern], bucket: str) -> Reach | None:
    kind, name, pattern = resource
    if kind == _ANY:
        return Reach(b"", exact=False, plain=True)
    if kind == _BUCKET or (kind == _OBJECTS and name != bucket):
        return None
    if kind == _PATH:
        # The bucket's name is behind a wildcard, or ends in one.
        if not can_begin_with(pattern, bucket + "/"):
            return None
        head = pattern[:-1]
        begins = not head or (len(head) == 1 and isinstance(head[0], Literal) and bucket.startswith(head[0].text))
        return Reach(b"", exact=False, plain=pattern[-1] == Wildcard(STAR) and begins)
    first = pattern[0] if pattern else Literal("")
    text = first.text.encode() if isinstance(first, Literal) else b""
    rest = pattern[1:] if isinstance(first, Literal) else pattern
    return Reach(text, exact=not rest, plain=rest in ((), (Wildcard(STAR),)))


__all__ = ["LEVELS", "NUMBERS", "Level", "Reach", "Said", "statements"]
