"""A policy document: from bytes to checked statements.

Belongs here: the grammar, Amazon's limits on it and Amazon's sentences for what breaks them. Does not belong here: the
parts with files of their own (`principals`, `actions`, `pattern`, `conditions`), and bytes (`compiler`).

Source: IAM User Guide, "Grammar of the IAM JSON policy language"; S3 User Guide, "Bucket policies".
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from authz.policy import actions, errors
from authz.policy.actions import Level
from authz.policy.conditions import Condition, parse_conditions
from authz.policy.errors import PolicyError
from authz.policy.pattern import (
    Pattern,
    PatternError,
    can_begin_with,
    is_fixed,
    matches,
    parse_pattern,
)
from authz.policy.principals import Json, Principal, parse_principals

BUCKET_POLICY_BYTES: Final = 20 << 10
"""Longest bucket policy (AWS: bucket policies are limited to 20 KB in size)."""

IDENTITY_POLICY_CHARS: Final = 6_144
"""Longest identity policy, white space outside of texts not counted (IAM: managed policy size)."""

TRUST_POLICY_CHARS: Final = 2_048
"""Longest trust policy of a role, counted likewise (IAM: role trust policy length)."""

IDENTITY_POLICY_BYTES: Final = 128 << 10
"""Longest identity policy with its white space (IAM: a policy document parameter has at most 131 072 characters)."""

DEPTH: Final = 8
"""Nesting of a document. The grammar needs 5 levels; deeper is an attack on the parser's stack."""

_VARIABLES_SINCE: Final = "2012-10-17"
_ELEMENTS: Final = frozenset({"Sid", "Effect", "Condition", "Principal", "Action", "Resource"}) | frozenset(
    {"NotPrincipal", "NotAction", "NotResource"}
)
_VERSIONS: Final = ("2008-10-17", _VARIABLES_SINCE)
_SERVICE: Final = ("arn", "aws", "s3", "", "")
"""The first five parts of every ARN of S3 here."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that passed every check. `principals` is None in an identity policy.

    `actions` is a set of numbers as bits, NotAction already turned around; `all_actions` also means those to come.
    `resources` are patterns of the path after the ARN's fifth colon; those of other services are left out.
    """

    allow: bool
    sid: str
    principals: tuple[Principal, ...] | None
    not_principal: bool
    actions: int
    all_actions: bool
    resources: tuple[Pattern, ...]
    not_resource: bool
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A policy. `bucket` is the bucket it hangs on, None for a policy of a user, group or role."""

    statements: tuple[Statement, ...]
    bucket: str | None


def parse_bucket_policy(body: bytes, bucket: str) -> Document:
    """Reads a bucket's policy. PolicyError with the sentence S3 answers with MalformedPolicy."""
    if body[:1] != b"{":
        raise PolicyError(errors.NOT_AN_OBJECT)
    if len(body) > BUCKET_POLICY_BYTES:
        raise PolicyError(errors.TOO_LARGE, too_large=True)
    return _Reader(bucket).document(_load(body))


def parse_identity_policy(body: bytes, most_chars: int = IDENTITY_POLICY_CHARS) -> Document:
    """Reads a policy of a user, group or role. PolicyError with IAM's sentence for MalformedPolicyDocument."""
    return _Reader(None).document(_bounded(body, most_chars))


def parse_trust_policy(body: bytes) -> Document:
    """Reads who may assume a role: statements with a principal and without a resource. PolicyError likewise."""
    return _Reader(None, trust=True).document(_bounded(body, TRUST_POLICY_CHARS))


def _bounded(body: bytes, most_chars: int) -> dict[str, Json]:
    if body[:1] != b"{":
        raise PolicyError(errors.NOT_AN_OBJECT)
    if len(body) > IDENTITY_POLICY_BYTES or counted_chars(body) > most_chars:
        raise PolicyError(errors.TOO_LARGE, too_large=True)
    return _load(body)


def counted_chars(body: bytes) -> int:
    """Characters of a document as IAM counts them."""
    count, in_text, escaped = 0, False, False
    for char in body.decode("utf-8", "replace"):
        if in_text or not char.isspace():
            count += 1
        if char == '"' and not escaped:
            in_text = not in_text
        escaped = in_text and char == "\\" and not escaped
    return count


def _load(body: bytes) -> dict[str, Json]:
    """JSON without repeated names, numbers as they were written, bounded in depth."""
    try:
        text = body.decode()
        _bound_depth(text)
        root: Json = json.loads(
            text, object_pairs_hook=_unique, parse_int=str, parse_float=str, parse_constant=_no_constant
        )
        json.dumps(root, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except ValueError as error:
        raise PolicyError(errors.INVALID_JSON) from error
    if not isinstance(root, dict):
        raise PolicyError(errors.NOT_AN_OBJECT)
    return root


def _bound_depth(text: str) -> None:
    depth, in_text, escaped = 0, False, False
    for char in text:
        if in_text:
            in_text = char != '"' or escaped
            escaped = char == "\\" and not escaped
        elif char == '"':
            in_text = True
        elif char in "{[":
            depth += 1
            if depth > DEPTH:
                raise ValueError("too deep")
        elif char in "}]":
            depth -= 1


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise PolicyError(errors.SYNTAX)
    return found


def _no_constant(name: str) -> Json:
    raise ValueError(name)


class _Reader:
    """Reads one document. `bucket` None: an identity policy, or with `trust` a role's trust policy."""

    def __init__(self, bucket: str | None, *, trust: bool = False) -> None:
        self._bucket = bucket
        self._trust = trust
        self._variables = False

    def document(self, root: dict[str, Json]) -> Document:
        _only(root, {"Version", "Id", "Statement"})
        version = root.get("Version", _VERSIONS[0])
        if version not in _VERSIONS:
            raise PolicyError(errors.BAD_VERSION)
        if not isinstance(root.get("Id", ""), str):
            raise PolicyError(errors.SYNTAX)
        # Before 2012-10-17 `${` is text like any other.
        self._variables = version == _VARIABLES_SINCE
        _required(root, "Statement")
        listed = root["Statement"]
        items = listed if isinstance(listed, list) else [listed]
        if not items:
            raise PolicyError(errors.EMPTY_STATEMENT)
        statements = tuple(self._statement(item) for item in items)
        if self._bucket is None:
            sids = [statement.sid for statement in statements if statement.sid]
            if len(set(sids)) != len(sids):
                raise PolicyError(errors.REPEATED_SID)
        return Document(statements, self._bucket)

    def _statement(self, item: Json) -> Statement:
        if not isinstance(item, dict):
            raise PolicyError(errors.SYNTAX)
        _only(
            item,
            {"Sid", "Effect", "Condition"}
            | {no + x for no in ("", "Not") for x in ("Principal", "Action", "Resource")},
        )
        _required(item, "Effect")
        effect = item["Effect"]
        if effect not in ("Allow", "Deny"):
            raise PolicyError(f"Invalid effect: {effect}")
        principals, not_principal = self._principals(item)
        bits, every, patterns = self._actions(item)
        resources, not_resource, levels = self._resources(item)
        if self._bucket is not None and "Action" in item and "Resource" in item:
            for matched in patterns:
                if not actions.levels(matched) & levels:
                    raise PolicyError(errors.NOT_APPLICABLE)
        if not_principal and effect == "Allow":
            raise PolicyError(errors.ALLOW_NOT_PRINCIPAL)
        conditions = parse_conditions(
            item.get("Condition", {}), variables=self._variables, foreign_keys=self._bucket is None
        )
        return Statement(
            allow=effect == "Allow",
            sid=self._sid(item.get("Sid", "")),
            principals=principals,
            not_principal=not_principal,
            actions=bits,
            all_actions=every,
            resources=resources,
            not_resource=not_resource,
            conditions=conditions,
        )

    def _sid(self, value: Json) -> str:
        if not isinstance(value, str):
            raise PolicyError(errors.SYNTAX)
        if self._bucket is None and value and not (value.isascii() and value.isalnum()):
            raise PolicyError(errors.BAD_SID)
        return value

    def _principals(self, item: dict[str, Json]) -> tuple[tuple[Principal, ...] | None, bool]:
        if self._bucket is None and not self._trust:
            if "Principal" in item or "NotPrincipal" in item:
                raise PolicyError(errors.HAS_PRINCIPAL)
            return None, False
        value, turned = _either(item, "Principal")
        return parse_principals(value), turned

    def _actions(self, item: dict[str, Json]) -> tuple[int, bool, list[int]]:
        """The set of actions, whether it is every action, and what each pattern matches."""
        value, turned = _either(item, "Action")
        texts = _texts(value, errors.BAD_ACTION)
        patterns = [self._matched(text) for text in texts]
        bits = 0
        for matched in patterns:
            bits |= matched
        every = any(text == "*" or text.lower() == "s3:*" for text in texts)
        if turned:
            return 0 if every else actions.ALL & ~bits, False, patterns
        return bits, every, patterns

    def _matched(self, text: str) -> int:
        if self._trust and not text.lower().startswith("sts:"):
            raise PolicyError(errors.TRUST_ACTION)
        if text == "*":
            return actions.ALL
        service, colon, name = text.partition(":")
        if not colon or not service or not name:
            raise PolicyError(errors.BAD_ACTION)
        if self._trust:
            return 0
        # A wildcard in the service's name reaches S3 only in an identity policy, as in IAM.
        ours = service.lower() == "s3" or (
            self._bucket is None and matches(parse_pattern(service.lower(), variables=False), "s3")
        )
        if not ours:
            if self._bucket is None:
                return 0
            raise PolicyError(errors.BAD_ACTION)
        bits = actions.matching(name)
        if not bits or (self._bucket is not None and not actions.levels(bits) & {Level.BUCKET, Level.OBJECT}):
            raise PolicyError(errors.BAD_ACTION)
        return bits

    def _resources(self, item: dict[str, Json]) -> tuple[tuple[Pattern, ...], bool, set[Level]]:
        """Patterns of paths, whether they are turned around, and what they can be: the bucket, objects in it."""
        found: list[Pattern] = []
        levels: set[Level] = set()
        if self._trust:
            if named := {"Resource", "NotResource"} & item.keys():
                raise PolicyError(f"Has prohibited field {min(named)}")
            return (), False, levels
        value, turned = _either(item, "Resource")
        for text in _texts(value, errors.BAD_RESOURCE):
            pattern = self._path(text)
            if pattern is None:
                continue
            found.append(pattern)
            reached = set() if self._bucket is None else _reached(pattern, self._bucket)
            if self._bucket is not None and not reached:
                raise PolicyError(errors.BAD_RESOURCE)
            levels |= reached
        return tuple(found), turned, levels

    def _path(self, text: str) -> Pattern | None:
        """What comes after `arn:aws:s3:::`; None for a resource of another service in an identity policy."""
        parts = ["arn", "aws", "s3", "", "", "*"] if text == "*" else text.split(":", 5)
        if len(parts) < 6 or not parts[5]:
            raise PolicyError(errors.BAD_RESOURCE)
        try:
            path = parse_pattern(parts[5], variables=self._variables)
            heads = [parse_pattern(part, variables=False) for part in parts[:5]]
        except PatternError as error:
            raise PolicyError(errors.BAD_RESOURCE) from error
        if not all(matches(head, part) for head, part in zip(heads, _SERVICE, strict=True)):
            if self._bucket is None and is_fixed(heads[0]) and parts[0] == "arn":
                return None
            raise PolicyError(errors.BAD_RESOURCE)
        return path


def _reached(pattern: Pattern, bucket: str) -> set[Level]:
    """What a pattern can match of a bucket."""
    reached: set[Level] = set()
    if matches(pattern, bucket):
        reached.add(Level.BUCKET)
    if can_begin_with(pattern, bucket + "/"):
        reached.add(Level.OBJECT)
    return reached


def _only(item: dict[str, Json], known: Collection[str]) -> None:
    for name in item:
        if name not in known:
            raise PolicyError(f"Unknown field {name}")


def _required(item: dict[str, Json], name: str) -> None:
    if item.get(name) is None:
        raise PolicyError(f"Missing required field {name}")


def _either(item: dict[str, Json], name: str) -> tuple[Json, bool]:
    """The element or its negation, which is True then; exactly one of them must be there."""
    turned = f"Not{name}" in item
    if turned and name in item:
        raise PolicyError(errors.SYNTAX)
    if not turned:
        _required(item, name)
    return item[f"Not{name}" if turned else name], turned


def _texts(value: Json, message: str) -> list[str]:
    """A text or a list of at least one."""
    items = value if isinstance(value, list) else [value]
    texts = [item for item in items if isinstance(item, str)]
    if not items or len(texts) != len(items):
        raise PolicyError(message)
    return texts
