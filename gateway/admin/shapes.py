"""Shapes of JSON: one description that checks what comes in and is what OpenAPI says.

Belongs here: the few words of JSON Schema the admin API needs, and checking against them. Does not belong here: what
any member means.
"""

from dataclasses import dataclass
from typing import Any, Final

from gateway.errors import AccountError

Json = dict[str, Any]

_WORDS: Final = {"string": "a text", "boolean": "a boolean", "integer": "a whole number", "array": "a list"}


@dataclass(frozen=True, slots=True)
class Shape:
    """A JSON Schema that `checked` understands."""

    schema: Json

    def __or__(self, more: Json) -> "Shape":
        return Shape(self.schema | more)


def text(description: str = "", *, most: int = 0, words: tuple[str, ...] = ()) -> Shape:
    """A string of at most `most` characters (0: what the body's limit allows), or one of `words`."""
    schema: Json = {"type": "string"}
    if most:
        schema["maxLength"] = most
    if words:
        schema["enum"] = list(words)
    return _described(schema, description)


def flag(description: str = "") -> Shape:
    """A boolean."""
    return _described({"type": "boolean"}, description)


def number(description: str = "", *, least: int | None = None, most: int | None = None) -> Shape:
    """A whole number."""
    schema: Json = {"type": "integer"}
    if least is not None:
        schema["minimum"] = least
    if most is not None:
        schema["maximum"] = most
    return _described(schema, description)


def array(of: Shape, description: str = "", *, least: int = 0, most: int = 0) -> Shape:
    """A list."""
    schema: Json = {"type": "array", "items": of.schema}
    if least:
        schema["minItems"] = least
    if most:
        schema["maxItems"] = most
    return _described(schema, description)


def record(
    description: str = "", *, needs: dict[str, Shape] | None = None, may: dict[str, Shape] | None = None
) -> Shape:
    """An object with exactly these members; those of `may` can be left out."""
    members = (needs or {}) | (may or {})
    schema: Json = {"type": "object", "properties": {name: member.schema for name, member in members.items()}}
    if needs:
        schema["required"] = list(needs)
    schema["additionalProperties"] = False
    return _described(schema, description)


def maybe(shape: Shape) -> Shape:
    """The same or null; in answers only, where nothing is checked."""
    return Shape({**shape.schema, "type": [shape.schema["type"], "null"]})


def _described(schema: Json, description: str) -> Shape:
    return Shape({**schema, "description": description} if description else schema)


def check(schema: Json, value: object, where: str = "") -> None:
    """AccountError `invalid` with the first thing that is not as the shape says."""
    kind = schema["type"]
    if kind == "object":
        _check_record(schema, value, where)
    elif kind == "array":
        _check_array(schema, value, where)
    elif kind == "boolean":
        _need(isinstance(value, bool), where, f"must be {_WORDS[kind]}")
    elif kind == "integer":
        fits = isinstance(value, int) and not isinstance(value, bool)
        _need(fits, where, f"must be {_WORDS[kind]}")
        least, most = schema.get("minimum", value), schema.get("maximum", value)
        _need(fits and least <= value <= most, where, f"must be {least} to {most}")
    else:
        _check_text(schema, value, where)


def _check_text(schema: Json, value: object, where: str) -> None:
    _need(isinstance(value, str), where, f"must be {_WORDS['string']}")
    words = schema.get("enum")
    _need(words is None or value in words, where, f"must be one of {', '.join(words or ())}")
    most = schema.get("maxLength")
    _need(most is None or len(str(value)) <= most, where, f"has more than {most} characters")


def _check_array(schema: Json, value: object, where: str) -> None:
    if not isinstance(value, list):
        raise AccountError("invalid", f"{where} must be {_WORDS['array']}")
    least, most = schema.get("minItems", 0), schema.get("maxItems", len(value))
    _need(least <= len(value), where, f"has {len(value)} entries; {least} are needed")
    _need(len(value) <= most, where, f"has {len(value)} entries; {most} can be")
    for place, member in enumerate(value):
        check(schema["items"], member, f"{where}[{place}]")


def _check_record(schema: Json, value: object, where: str) -> None:
    if not isinstance(value, dict):
        raise AccountError("invalid", f"{where} must be an object" if where else "a JSON object is needed")
    inside = f"{where}." if where else ""
    for name in schema.get("required", ()):
        _need(name in value, f"{inside}{name}", "is missing")
    for name, member in value.items():
        _need(name in schema["properties"], f"{inside}{name}", "is not known here")
        check(schema["properties"][name], member, f"{inside}{name}")


def _need(condition: bool, where: str, what: str) -> None:  # noqa: FBT001 - an assertion
    if not condition:
        raise AccountError("invalid", f"{where} {what}")
