"""Condition blocks: operators, their values, and the bytes of both.

Belongs here: what an operator's name and values may be. Does not belong here: evaluation (Rust, `policy/condition.rs`,
which has the layout).

Source: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Conditions with multiple keys or values".
"""

import base64
import binascii
import ipaddress
import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final

from authz.policy import keys
from authz.policy.errors import BAD_KEY, SYNTAX, PolicyError
from authz.policy.pattern import Pattern, PatternError, encode_pattern, parse_pattern, sized
from authz.policy.principals import Json


class Operator(IntEnum):
    """The operators by their number in compiled bytes."""

    StringEquals = 1
    StringNotEquals = 2
    StringEqualsIgnoreCase = 3
    StringNotEqualsIgnoreCase = 4
    StringLike = 5
    StringNotLike = 6
    NumericEquals = 7
    NumericNotEquals = 8
    NumericLessThan = 9
    NumericLessThanEquals = 10
    NumericGreaterThan = 11
    NumericGreaterThanEquals = 12
    DateEquals = 13
    DateNotEquals = 14
    DateLessThan = 15
    DateLessThanEquals = 16
    DateGreaterThan = 17
    DateGreaterThanEquals = 18
    Bool = 19
    BinaryEquals = 20
    IpAddress = 21
    NotIpAddress = 22
    ArnEquals = 23
    ArnNotEquals = 24
    ArnLike = 25
    ArnNotLike = 26
    Null = 27


IF_EXISTS, FOR_ALL, FOR_ANY = 1, 2, 4
"""Bits of a condition's flags."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Value = Pattern | float | int | bool | bytes | Network
"""By operator: pattern (String, Arn, Bool), number, microseconds since 1970, truth (Null), bytes, network."""

_QUALIFIERS: Final = {"ForAllValues": FOR_ALL, "ForAnyValue": FOR_ANY}
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?\Z")
_EPOCH_SECONDS: Final = re.compile(r"-?[0-9]{1,12}\Z")
_DATE: Final = re.compile(
    r"(?P<year>[0-9]{4})(-(?P<month>[0-9]{2})(-(?P<day>[0-9]{2})"
    r"(T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(:(?P<second>[0-9]{2})(\.(?P<fraction>[0-9]{1,9}))?)?"
    r"(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2}))?)?)?\Z"
)
_ARN_COLONS: Final = 5
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STRINGS: Final = frozenset(Operator(number) for number in range(Operator.StringEquals, Operator.StringNotLike + 1))
_ARNS: Final = frozenset({Operator.ArnEquals, Operator.ArnNotEquals, Operator.ArnLike, Operator.ArnNotLike})


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator on one key: all conditions of a statement must hold, of several values one must."""

    operator: Operator
    flags: int
    key: int
    suffix: str
    values: tuple[Value, ...]


def parse_conditions(block: Json, *, variables: bool, foreign_keys: bool) -> tuple[Condition, ...]:
    """Reads a Condition element. `foreign_keys`: keys of other services are valid and never present. PolicyError."""
    if not isinstance(block, dict):
        raise PolicyError(SYNTAX)
    found: list[Condition] = []
    for name, pairs in block.items():
        operator, flags = _operator(name)
        if not isinstance(pairs, dict):
            raise PolicyError(SYNTAX)
        for key, value in pairs.items():
            number, suffix = _key(key, foreign=foreign_keys)
            texts = [_text(item) for item in (value if isinstance(value, list) else [value])]
            if not texts:
                raise PolicyError(SYNTAX)
            values = tuple(_value(operator, text, variables=variables) for text in texts)
            found.append(Condition(operator, flags, number, suffix, values))
    return tuple(found)


def encode_condition(condition: Condition) -> bytes:
    """The condition as Rust reads it: u8 operator, flags, key, length of the suffix; suffix; u16 values; the values."""
    suffix = condition.suffix.encode()
    head = bytes([condition.operator, condition.flags, condition.key, len(suffix)]) + suffix
    values = b"".join(_encoded(condition.operator, value) for value in condition.values)
    return head + len(condition.values).to_bytes(2, "little") + values


def _operator(name: str) -> tuple[Operator, int]:
    qualifier, colon, plain = name.rpartition(":")
    flags = _QUALIFIERS.get(qualifier, 0)
    base = plain.removesuffix("IfExists")
    if base != plain:
        flags |= IF_EXISTS
    operator = Operator.__members__.get(base)
    if operator is None or (colon and not flags & (FOR_ALL | FOR_ANY)) or (operator is Operator.Null and flags):
        raise PolicyError(f"Invalid Condition type : {name}")
    return operator, flags


def _key(name: str, *, foreign: bool) -> tuple[int, str]:
    found = keys.find(name)
    if found is None:
        prefix, colon, rest = name.partition(":")
        if foreign and colon and prefix and rest:
            return keys.ABSENT, ""
        raise PolicyError(BAD_KEY)
    return found


def _text(value: Json) -> str:
    """Numbers arrive as they were written; JSON's true and false are their names."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    raise PolicyError(SYNTAX)


def _value(operator: Operator, text: str, *, variables: bool) -> Value:
    try:
        if operator in _STRINGS:
            like = operator in (Operator.StringLike, Operator.StringNotLike)
            return parse_pattern(text, wildcards=like, variables=variables)
        if operator in _ARNS:
            return _arn(text, variables=variables)
        if operator is Operator.Bool:
            if not (variables and "${" in text):
                _truth(text)
            return parse_pattern(text, wildcards=False, variables=variables)
        return _plain_value(operator, text)
    except PatternError as error:
        raise PolicyError(SYNTAX) from error
    except (ValueError, OverflowError, binascii.Error) as error:
        raise PolicyError(SYNTAX) from error


def _plain_value(operator: Operator, text: str) -> Value:
    """Values without variables. ValueError."""
    if operator is Operator.Null:
        return _truth(text)
    if operator in (Operator.IpAddress, Operator.NotIpAddress):
        return ipaddress.ip_network(text, strict=False)
    if operator is Operator.BinaryEquals:
        return base64.b64decode(text, validate=True)
    if operator < Operator.DateEquals:
        if not _NUMBER.match(text):
            raise ValueError(text)
        return float(text)
    return moment_us(text)


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _arn(text: str, *, variables: bool) -> Pattern:
    """Each of the six parts may have wildcards of its own; a variable may stand for several parts."""
    if text.count(":") < _ARN_COLONS and not (variables and "${" in text):
        raise ValueError(text)
    return parse_pattern(text, variables=variables)


def moment_us(text: str) -> int:
    """Microseconds since 1970 of a date of ISO 8601 as W3C profiles it, or of seconds since 1970. ValueError."""
    if _EPOCH_SECONDS.match(text) and len(text) != 4:
        return int(text) * 1_000_000
    parts = _DATE.match(text)
    if parts is None:
        raise ValueError(text)
    at = [int(parts[name] or least) for name, least in (("year", 0), ("month", 1), ("day", 1))]
    of_day = [int(parts[name] or 0) for name in ("hour", "minute", "second")]
    micros = int((parts["fraction"] or "").ljust(6, "0")[:6])
    moment = datetime(*at, *of_day, micros, tzinfo=UTC) - _offset(parts["zone"])  # type: ignore[misc,arg-type]
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone == "Z":
        return timedelta()
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    return timedelta(minutes=minutes if zone[0] == "+" else -minutes)


def _encoded(operator: Operator, value: Value) -> bytes:
    if isinstance(value, tuple):
        return sized(encode_pattern(value))
    if isinstance(value, bytes):
        return sized(value)
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return bytes([value.version, value.prefixlen]) + value.network_address.packed.ljust(16, b"\0")
    if operator is Operator.Null:
        return bytes([bool(value)])
    return struct.pack("<d", value) if isinstance(value, float) else struct.pack("<q", value)
