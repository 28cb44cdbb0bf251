"""Operations on schemas: show, apply. What they mean is `authz/schemas.py`.

Belongs here: JSON to calls and back. Does not belong here: the language.
"""

from typing import Any, Final

from authz.schema import SOURCE_BYTES
from gateway.admin.operation import Access, Call, Operation, Param
from gateway.admin.shapes import array, flag, number, record, text

_TENANT: Final = text("Whose; the caller's own, or `default` for root")
_BODY_BYTES: Final = 4 * SOURCE_BYTES
"""Most bytes of a body: a source with every character escaped, nearly, and what stands around it."""
_REVISION: Final = number("That brought it, 0 for the built-in one; root alone sees it")


def _show(call: Call) -> Any:  # noqa: ANN401 - JSON, as below
    return call.relations.schemas.show(call.tenant)


def _apply(call: Call) -> Any:  # noqa: ANN401
    body = call.body
    return call.relations.schemas.apply(body["source"], call.tenant, dry_run=body.get("dry_run", False))


OPERATIONS: Final = (
    Operation(
        "GET",
        "/v1/schema",
        "getSchema",
        "The schema of a tenant: relations, who may hold them, and permissions",
        _show,
        Access.TENANT,
        params=(Param("tenant", _TENANT),),
        answer=record(
            needs={
                "tenant": text(),
                "built_in": flag("The tenant has none of its own; `source` is the default schema"),
                "source": text(),
                "relations": array(text()),
                "permissions": array(text()),
            },
            may={"revision": _REVISION},
        ),
        problems=("missing",),
    ),
    Operation(
        "PUT",
        "/v1/schema",
        "applySchema",
        "Put a schema in force; refused with the relations that it has no place for",
        _apply,
        Access.TENANT,
        body=record(
            needs={"source": text("In the schema language")},
            may={"tenant": _TENANT, "dry_run": flag("Say what would happen, and do nothing")},
        ),
        body_bytes=_BODY_BYTES,
        answer=record(
            needs={
                "tenant": text(),
                "dry_run": flag(),
                "added": array(text("A relation")),
                "removed": array(text("A relation")),
                "warnings": array(text()),
            },
            may={"revision": _REVISION},
        ),
        problems=("missing", "schema", "limit", "orphans", "conflict"),
    ),
)
