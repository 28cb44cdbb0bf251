"""Patterns: text with `*`, `?` and policy variables, as tokens and as bytes.

Belongs here: how a pattern is read, matched where that is decided before any request (actions, a bucket's name), and
encoded. Does not belong here: what is matched with what at a request (Rust, `policy/pattern.rs`).

Source: IAM User Guide, "Policy elements: variables and tags". Variables exist in version 2012-10-17 only; `${*}`,
`${?}` and `${$}` are these characters themselves.
"""

from dataclasses import dataclass
from typing import Final

from authz.policy import keys

STAR: Final = "*"
ONE: Final = "?"

_LITERAL, _STAR, _ONE, _VARIABLE = 1, 2, 3, 4


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that stands for itself."""

    text: str


@dataclass(frozen=True, slots=True)
class Wildcard:
    """`*` (any text, also none) or `?` (one character)."""

    kind: str


@dataclass(frozen=True, slots=True)
class Variable:
    """The value of a condition key at the time of the request, or the default when it has none."""

    key: int
    suffix: str
    default: str | None


Token = Literal | Wildcard | Variable
Pattern = tuple[Token, ...]


class PatternError(Exception):
    """A variable that cannot be read: no closing brace, no such key, a default without quotes."""


def parse_pattern(text: str, *, wildcards: bool = True, variables: bool = True) -> Pattern:
    """Reads a pattern. PatternError."""
    tokens: list[Token] = []
    plain = ""
    at = 0
    while at < len(text):
        char = text[at]
        if variables and text.startswith("${", at):
            token, at = _variable(text, at)
            if isinstance(token, Literal):
                plain += token.text
                continue
        elif wildcards and char in (STAR, ONE):
            token, at = Wildcard(char), at + 1
        else:
            plain, at = plain + char, at + 1
            continue
        if plain:
            tokens.append(Literal(plain))
            plain = ""
        if not (token == Wildcard(STAR) and tokens[-1:] == [token]):
            tokens.append(token)
    if plain:
        tokens.append(Literal(plain))
    return tuple(tokens)


def _variable(text: str, at: int) -> tuple[Token, int]:
    """The variable that begins at `at`, and where the text goes on."""
    special = text[at + 2 : at + 4]
    if special in ("*}", "?}", "$}"):
        return Literal(special[0]), at + 4
    name_end = at + 2
    while name_end < len(text) and text[name_end] not in ",}":
        name_end += 1
    found = keys.find(text[at + 2 : name_end].strip())
    if found is None or name_end == len(text):
        raise PatternError(text[at:])
    if text[name_end] == "}":
        return Variable(*found, None), name_end + 1
    opening = text.find("'", name_end)
    closing = text.find("'", opening + 1)
    end = text.find("}", closing + 1)
    if min(opening, closing, end) < 0 or text[name_end + 1 : opening].strip() or text[closing + 1 : end].strip():
        raise PatternError(text[at:])
    return Variable(*found, text[opening + 1 : closing]), end + 1


def encode_pattern(pattern: Pattern) -> bytes:
    """The pattern as Rust reads it; the layout stands in `policy/pattern.rs`."""
    out = bytearray()
    for token in pattern:
        if isinstance(token, Literal):
            out += bytes([_LITERAL]) + sized(token.text.encode())
        elif isinstance(token, Wildcard):
            out.append(_STAR if token.kind == STAR else _ONE)
        else:
            suffix = token.suffix.encode()
            out += bytes([_VARIABLE, token.key, len(suffix)]) + suffix
            out += b"\0" if token.default is None else b"\1" + sized(token.default.encode())
    return bytes(out)


def sized(data: bytes) -> bytes:
    """Bytes behind their u16 length."""
    return len(data).to_bytes(2, "little") + data


def is_fixed(pattern: Pattern) -> bool:
    """Whether only one text matches, the same at every request."""
    return all(isinstance(token, Literal) for token in pattern)


def matches(pattern: Pattern, text: str) -> bool:
    """Whether the text can match; a variable counts as `*`, for it can be any text."""
    return len(_units(pattern)) in _states(pattern, text)


def can_begin_with(pattern: Pattern, text: str) -> bool:
    """Whether some text that begins so can match."""
    return bool(_states(pattern, text))


def _units(pattern: Pattern) -> list[str | None]:
    """One unit a character: None for any text, `""` for one character."""
    units: list[str | None] = []
    for token in pattern:
        if isinstance(token, Literal):
            units.extend(token.text)
        elif token == Wildcard(ONE):
            units.append("")
        else:
            units.append(None)
    return units


def _states(pattern: Pattern, text: str) -> set[int]:
    """Before which units matching can stand after the text: all at once, so the time is bounded by length x length."""
    units = _units(pattern)

    def closed(states: set[int]) -> set[int]:
        for state in sorted(states):
            at = state
            while at < len(units) and units[at] is None:
                at += 1
                states.add(at)
        return states

    states = closed({0})
    for char in text:
        after: set[int] = set()
        for state in states:
            if state < len(units):
                unit = units[state]
                if unit is None:
                    after.add(state)
                elif unit in ("", char):
                    after.add(state + 1)
        if not after:
            return after
        states = closed(after)
    return states
