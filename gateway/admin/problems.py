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
PAGES: Final = "/v1/problems/"
"""Where the page about a kind is, on the same port: `type` is a reference to it, relative to the request."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem, and what to do about it."""

    status: int
    title: str
    advice: str


KINDS: Final = {
    "invalid": Kind(
        400,
        "The request cannot be meant",
        "`detail` says which word cannot be meant and what would be right. Members and parameters that are "
        "not known are refused, too: check their spelling in the admin API's description.",
    ),
    "schema": Kind(
        400,
        "The schema is wrong",
        "`line` and `column` say where the source is wrong. Try it with `panthera schema test` before applying it.",
    ),
    "limit": Kind(
        400,
        "A limit was met",
        "The answer would need more than one request may take. Ask for less at once, or narrow the question.",
    ),
    "bad-token": Kind(
        400,
        "The consistency token is not one of this store and tenant",
        "A token is of one tenant and one store, and is given back as it came. Read the relations again and "
        "go on with the token of that answer.",
    ),
    "unauthorized": Kind(
        401,
        "Credentials are needed",
        "Send HTTP Basic with an access key and its secret; the server's root or a tenant's administrator, as"
        " the operation says. A disabled, removed or expired key is none.",
    ),
    "forbidden": Kind(
        403,
        "The caller may not do this",
        "The key is good, but its user does not administer the tenant. Ask one who does, or be granted admin "
        "on the tenant.",
    ),
    "refused": Kind(
        403,
        "This is never done",
        "A rule of the server forbids it whoever asks; `detail` names the rule.",
    ),
    "missing": Kind(
        404,
        "There is no such thing",
        "Nothing has that name or number, as far as who asks may know: what is another tenant's reads the "
        "same. Names without a tenant are of the tenant the request is about.",
    ),
    "method": Kind(
        405,
        "The route takes other methods",
        "The path is right and the method is not: see the admin API's description.",
    ),
    "conflict": Kind(
        409,
        "It exists, or changes at this moment",
        "Somebody has the name already, or the same thing is being changed at this moment. Look at it, then try again.",
    ),
    "orphans": Kind(
        409,
        "Relations would lose their meaning",
        "The new schema has no place for the relations that are listed. Remove or move them first, or keep "
        "what they need.",
    ),
    "exists": Kind(
        409,
        "A relation to create is there",
        "A change said `create` and the relation is there; `index` says which. Use `touch` to replace it.",
    ),
    "trimmed": Kind(
        410,
        "The log does not reach back that far",
        "The log is kept for a while only. Read the relations, then watch from that answer's token.",
    ),
    "precondition": Kind(
        412,
        "A precondition did not hold",
        "`index` says which precondition did not hold; nothing was changed. Read again and decide anew.",
    ),
    "idempotency": Kind(
        422,
        "The idempotency key belongs to another request",
        "The same Idempotency-Key came with another body. Use a new key for a new request.",
    ),
    "internal": Kind(
        500,
        "Our fault",
        "The server's log says what happened. Nothing is wrong with the request as far as that is known.",
    ),
    "not-yet": Kind(
        503,
        "The revision is not reached yet",
        "The token stands for something this server has not seen yet. Try again in a moment.",
    ),
    "busy": Kind(
        503,
        "Too much at once",
        "Wait for as long as Retry-After says and try again.",
    ),
    "audit": Kind(
        507,
        "The change could not be written down in the audit log",
        "The audit log is full or cannot be written, and the server is set to refuse what it cannot write "
        "down. Trim the log or give it room.",
    ),
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
    body = {"type": PAGES + kind, "title": known.title, "status": known.status, "detail": detail, **(more or {})}
    return Response(json.dumps(body), known.status, headers, media_type=MEDIA)


def page(kind: str) -> str:
    """The page about a kind, in Markdown. KeyError."""
    known = KINDS[kind]
    return f"# {known.title}\n\nKind `{kind}`, status {known.status}.\n\n{known.advice}\n"


async def refusal(_request: Request, error: Exception) -> Response:
    """From a Refusal."""
    assert isinstance(error, Refusal)  # noqa: S101 - told to mypy; registered for nothing else
    return problem(error.kind, error.detail, headers=error.headers)


async def account_problem(_request: Request, error: Exception) -> Response:
    """From an AccountError."""
    kind, later = (error.kind, error.retry_after_s) if isinstance(error, AccountError) else ("invalid", None)
    return problem(kind, str(error), headers=None if later is None else {"retry-after": str(later)})


async def word_problem(_request: Request, error: Exception) -> Response:
    """From a WordError or UnknownNameError."""
    return problem("missing" if isinstance(error, UnknownNameError) else "invalid", str(error))


async def text_problem(_request: Request, _error: Exception) -> Response:
    """From a UnicodeEncodeError: nothing but half a surrogate pair cannot be written, and only a request brings one."""
    return problem("invalid", "a text has half a surrogate pair in it, which stands for no character")


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
    UnicodeEncodeError: text_problem,
    OrphansError: orphans_problem,
    HTTPException: http_problem,
    Exception: crash,
}
