"""Whether an answer of the admin API is one that its own description promises.

Belongs here: JSON Schema as far as the description uses it. Does not belong here: expectations of any operation.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from gateway.admin import openapi
from gateway.admin.app import OPERATIONS

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "boolean": bool,
    "null": type(None),
}


@cache
def _document() -> Any:
    return openapi.document(OPERATIONS)


def promised(method: str, path: str, status: int, body: Any) -> None:
    """AssertionError for a status or a body that the description does not have. Unknown routes are not looked at."""
    asked = path.partition("?")[0].split("/")
    fitting = [known for known in _document()["paths"] if _fits(known.split("/"), asked)]
    row = next((found for known in sorted(fitting, key=_places) if (found := _row(known, method))), None)
    if row is None:
        assert status in (404, 405), (method, path, status)
        return
    assert str(status) in row["responses"], f"{method} {path} may not answer {status}: {body}"
    for media, content in row["responses"][str(status)].get("content", {}).items():
        schema = content["schema"]
        if "$ref" in schema:
            schema = _document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if media.endswith("json") and "x-ndjson" not in media:
            _check(schema, body, f"{method} {path} {status}")


def _row(known: str, method: str) -> Any:
    return _document()["paths"][known].get(method.lower())


def _places(known: str) -> int:
    return known.count("{")


def _fits(known: list[str], asked: list[str]) -> bool:
    pairs = zip(known, asked, strict=False)
    return len(known) == len(asked) and all(re.fullmatch(r"\{.*\}", one) or one == other for one, other in pairs)


def _check(schema: Any, value: Any, where: str) -> None:
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    fits = any(isinstance(value, _TYPES[kind]) and (kind == "boolean" or value is not True) for kind in kinds)
    assert fits or not kinds, f"{where} is {value!r}, not {kinds}"
    assert "enum" not in schema or value in schema["enum"], f"{where} is {value!r}"
    if isinstance(value, dict) and "properties" in schema:
        missing = set(schema.get("required", ())) - value.keys()
        assert not missing, f"{where} is without {missing}"
        for name, member in value.items():
            known = name in schema["properties"]
            assert known or schema.get("additionalProperties", True), f"{where} has {name}"
            if known:
                _check(schema["properties"][name], member, f"{where}.{name}")
    if isinstance(value, list) and "items" in schema:
        for member in value:
            _check(schema["items"], member, f"{where}[]")
