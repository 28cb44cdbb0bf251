"""OpenAPI 3.1 out of the rows of the admin API.

Belongs here: turning rows into the document. Does not belong here: any fact about an operation.
"""

from collections.abc import Sequence
from typing import Final

from gateway.admin import problems
from gateway.admin.operation import Access, Operation, Param
from gateway.admin.shapes import Json

API_VERSION: Final = "1"
"""Of the routes, as `/v1` says; the program's version is another thing."""

_ACCESS: Final = {
    Access.NOBODY: "No credentials.",
    Access.USER: "Any user, within what it may do and see.",
    Access.TENANT: "Root, or an administrator of the tenant for its own tenant.",
    Access.ROOT: "Root.",
}
_PROBLEM: Final[Json] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "`/v1/problems/KIND`, the page about it"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "index": {"type": "integer", "description": "Which change or precondition it is about"},
        "line": {"type": "integer", "description": "Where a schema is wrong"},
        "column": {"type": "integer", "description": "Where a schema is wrong"},
        "relations": {"type": "array", "items": {"type": "object"}, "description": "Those a schema has no place for"},
    },
}


def kinds_of(operation: Operation) -> tuple[str, ...]:
    """Every kind of problem the operation may end with."""
    kinds = [*operation.problems, "invalid", "internal"]
    if operation.access is not Access.NOBODY:
        kinds.append("unauthorized")
    if operation.access is Access.TENANT:
        kinds.append("forbidden")
    return tuple(sorted(set(kinds), key=lambda kind: (problems.KINDS[kind].status, kind)))


def document(operations: Sequence[Operation]) -> Json:
    """The whole document."""
    paths: dict[str, Json] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Panthera admin API", "version": API_VERSION, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM},
            "securitySchemes": {
                "accessKey": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "An access key and its secret: of the root user, or of a tenant's administrator.",
                }
            },
        },
    }


def _operation(operation: Operation) -> Json:
    shown: Json = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": _ACCESS[operation.access],
        "security": [] if operation.access is Access.NOBODY else [{"accessKey": []}],
        "responses": _responses(operation),
    }
    inside = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    parameters: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in inside
    ]
    parameters += [_parameter(param) for param in operation.params]
    if parameters:
        shown["parameters"] = parameters
    if operation.body is not None:
        content = {"application/json": {"schema": operation.body.schema}}
        shown["requestBody"] = {"required": True, "content": content}
    return shown


def _parameter(param: Param) -> Json:
    schema = {name: value for name, value in param.shape.schema.items() if name != "description"}
    shown: Json = {"name": param.name, "in": param.place, "required": param.needed, "schema": schema}
    if "description" in param.shape.schema:
        shown["description"] = param.shape.schema["description"]
    return shown


def _responses(operation: Operation) -> Json:
    good: Json = {"description": operation.summary}
    if operation.answer is not None:
        good["content"] = {operation.media: {"schema": operation.answer.schema}}
    found: Json = {str(status): dict(good) for status in (operation.status, *operation.also)}
    for kind in kinds_of(operation):
        known = problems.KINDS[kind]
        status = str(known.status)
        if status in found:
            found[status]["description"] += f"; {known.title}"
            continue
        content = {problems.MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        found[status] = {"description": known.title, "content": content}
    return found
