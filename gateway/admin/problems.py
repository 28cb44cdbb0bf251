"""Problem documents (RFC 9457): every way a request can end that is not its answer.

Belongs here: kinds of problems with their status and type, and from which error each comes. Does not belong here: what
is refused and why.
"""

import dataclasses
import json
import logging
from dataclasses import dataclass
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from authz.directory import UnknownNameError
from authz.names import WordError
from authz.schema import SchemaError
from authz.schemas import OrphansError
from gateway.errors import AccountError
from storage.api import RelationError

_log: Final = logging.getLogger("panthera.admin")

MEDIA: Final = "application/problem+json"
_TYPE: Final = "urn:panthera:problem:"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem."""

    status: int
    title: str


KINDS: Final = {
    "invalid": Kind(400, "The request cannot be meant"),
    "schema": Kind(400, "The schema is wrong"),
    "limit": Kind(400, "A limit was met"),
    "bad-token": Kind(400, "The consistency token is not one of this store and tenant"),
    "unauthorized": Kind(401, "Credentials are needed"),
    "forbidden": Kind(403, "The caller may not do this"),
    "refused": Kind(403, "This is never done"),
    "missing": Kind(404, "There is no such thing"),
    "method": Kind(405, "The route takes other methods"),
    "conflict": Kind(409, "It exists, or changes at this moment"),
    "orphans": Kind(409, "Relations would lose their meaning"),
    "exists": Kind(409, "A relation to create is there"),
    "trimmed": Kind(410, "The log does not reach back that far"),
    "precondition": Kind(412, "A precondition did not hold"),
    "idempotency": Kind(422, "The idempotency key belongs to another request"),
    "internal": Kind(500, "Our fault"),
    "not-yet": Kind(503, "The revision is not reached yet"),
    "busy": Kind(503, "Too much at once"),
    "audit": Kind(507, "The change could not be written down in the audit log"),
}
_RELATION: Final = {"schema_changed": "conflict", "bad_token": "bad-token", "not_yet": "not-yet"}
_HTTP: Final = {404: "missing", 405: "method"}


class Refusal(Exception):  # noqa: N818 - it is one
    """Ends a request with a problem of this kind."""

    def __init__(self, kind: str, detail: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = headers


def problem(
    kind: str, detail: str, *, headers: dict[str, str] | None = None, more: dict[str, Any] | None = None
) -> Response:
    """The document."""
    known = KINDS[kind]
    body = {"type": _TYPE + kind, "title": known.title, "status": known.status, "detail": detail, **(more or {})}
    return Response(json.dumps(body), known.status, headers, media_type=MEDIA)


async def refusal(_request: Request, error: Exception) -> Response:
    """From a Refusal."""
    assert isinstance(error, Refusal)  # noqa: S101 - told to mypy; registered for nothing else
    return problem(error.kind, error.detail, headers=error.headers)


async def account_problem(_request: Request, error: Exception) -> Response:
    """From an AccountError."""
    return problem(error.kind if isinstance(error, AccountError) else "invalid", str(error))


async def word_problem(_request: Request, error: Exception) -> Response:
    """From a WordError or UnknownNameError."""
    return problem("missing" if isinstance(error, UnknownNameError) else "invalid", str(error))


async def relation_problem(_request: Request, error: Exception) -> Response:
    """From a RelationError. `index` says which change or precondition it is about."""
    kind = error.kind if isinstance(error, RelationError) else "invalid"
    number = error.number if isinstance(error, RelationError) else None
    # Revisions are not told: they count what other tenants do, too.
    about = {"index": number} if kind in ("exists", "precondition") else None
    detail = {
        "trimmed": "the log does not reach back that far: read the relations, then watch from their token",
        "schema_changed": "the schema is being changed by others: try again",
        "not_yet": "what the token stands for is not here yet: try again",
    }.get(kind, str(error))
    return problem(_RELATION.get(kind, kind), detail, more=about)


async def schema_problem(_request: Request, error: Exception) -> Response:
    """From a SchemaError: `line` and `column` say where."""
    where = {"line": error.line, "column": error.column} if isinstance(error, SchemaError) else None
    return problem("schema", str(error), more=where)


async def orphans_problem(_request: Request, error: Exception) -> Response:
    """From an OrphansError: `relations` are the first of them."""
    found = error.relations if isinstance(error, OrphansError) else ()
    return problem("orphans", str(error), more={"relations": [dataclasses.asdict(one) for one in found]})


async def http_problem(_request: Request, error: Exception) -> Response:
    """From the framework."""
    if isinstance(error, HTTPException):
        headers = None if error.headers is None else dict(error.headers)
        return problem(_HTTP.get(error.status_code, "invalid"), error.detail, headers=headers)
    return problem("internal", "internal error")


async def crash(request: Request, error: Exception) -> Response:
    """From what nobody thought of."""
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem("internal", "internal error; the log says more")


HANDLERS: Final[dict[Any, Any]] = {
    Refusal: refusal,
    AccountError: account_problem,
    WordError: word_problem,
    UnknownNameError: word_problem,
    RelationError: relation_problem,
    SchemaError: schema_problem,
    OrphansError: orphans_problem,
    HTTPException: http_problem,
    Exception: crash,
}
