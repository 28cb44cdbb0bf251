"""What one operation of the admin API is: a row with its route, who may ask, its shapes, and a function from call to
answer. `/v1/openapi.json` says what the rows say.

Belongs here: rows, running one (credentials, query, body, answer). Does not belong here: what any operation does,
problems (`problems.py`), the list of all rows (`app.py`).

A row's function runs on a thread and may block. One that streams is a coroutine and answers with a response.
"""

import base64
import binascii
import dataclasses
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from secrets import token_hex
from typing import Any, Final, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from authz.acting import SERVER, Actor, ActorValue, acts
from authz.api import Relations
from authz.model import Kind, Subject
from gateway.accounts.accounts import Accounts
from gateway.accounts.forgetting import Forgetting
from gateway.accounts.groups import Groups
from gateway.accounts.identity import Identities
from gateway.admin.problems import Refusal
from gateway.admin.shapes import Json, Shape, check
from gateway.auditing import About, noting
from gateway.bucket_settings import BucketSettings
from gateway.errors import AccountError
from gateway.limits import ADMIN_BODY_BYTES
from gateway.sharing.mounts import Mounts
from gateway.sharing.shares import Shares, Who
from storage.api import Metastore
from storage.records import keys
from storage.records.credential import CredentialRecord
from storage.records.pointer import decode_id

REQUEST_ID_BYTES: Final = 8
"""Of the id under which an admin request is written down; S3's have as many."""
_TOLD: Final = frozenset(
    ("access_key", "admin", "can", "disabled", "downloads", "expires", "group", "listing", "name", "policy", "role")
) | {"subject", "to", "user"}
_CHALLENGE: Final = {"www-authenticate": 'Basic realm="panthera"'}


class CoreFacts(Protocol):
    """What the admin port shows of the core."""

    def metrics(self) -> str:
        """Prometheus text."""

    def volumes(self) -> list[tuple[int, str, int, int, int, int]]:
        """One row for each volume."""

    def trim_audit(self, before_us: int, tenant: int | None, by: ActorValue) -> tuple[int, bool]:
        """Removes audit entries from before a moment: how many, and whether there are more."""


@dataclass(frozen=True, slots=True)
class AdminServices:
    """What the operations work with. `ready` is false while the server drains; `watchers` counts those there
    are now, by tenant; None is root.
    """

    core: CoreFacts
    store: Metastore
    accounts: Accounts
    relations: Relations
    groups: Groups
    roles: Groups
    identities: Identities
    forgetting: Forgetting
    settings: BucketSettings
    shares: Shares
    mounts: Mounts
    ready: Callable[[], bool]
    clock_us: Callable[[], int]
    watchers: Counter[int | None] = field(default_factory=Counter)


class Access(StrEnum):
    """Whose credentials an operation takes: nobody's, any user's, an administrator's of a tenant or root's, root's."""

    NOBODY = "nobody"
    USER = "user"
    TENANT = "tenant"
    ROOT = "root"


@dataclass(frozen=True, slots=True)
class Call:
    """One request that may go on. `viewer` is the tenant whose administrator asks; None is root, who sees all."""

    services: AdminServices
    viewer: int | None
    path: dict[str, str]
    query: dict[str, Any]
    body: Json
    headers: dict[str, str]
    credential: CredentialRecord | None = None
    actor: Actor = SERVER

    @property
    def who(self) -> Who:
        """The user whose key asks."""
        if self.credential is None:
            raise Refusal("unauthorized", "credentials are needed", headers=_CHALLENGE)
        return Who(self.credential.tenant, self.credential.user, self.credential.tenant_admin or self.credential.root)

    @property
    def tenant(self) -> str | None:
        """The tenant the request names."""
        named = self.body.get("tenant", self.query.get("tenant"))
        return None if named is None else str(named)

    @property
    def relations(self) -> Relations:
        """Relations as the caller may see them."""
        return self.services.relations if self.viewer is None else self.services.relations.seen_from(self.viewer)

    def groups(self, word: str) -> Groups:
        """Groups or roles as the caller may see them."""
        found = self.services.groups if word == "group" else self.services.roles
        return found if self.viewer is None else found.seen_from(self.viewer)

    @property
    def identities(self) -> Identities:
        """Identities as the caller may see them."""
        found = self.services.identities
        return found if self.viewer is None else found.seen_from(self.viewer)


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter of the query or a header. Numbers are read as such."""

    name: str
    shape: Shape
    place: str = "query"
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One row. `answer` None is an answer without a body, `media` what the body is; `problems` are its own kinds."""

    method: str
    path: str
    name: str
    summary: str
    run: Callable[[Call], Any]
    access: Access = Access.ROOT
    params: tuple[Param, ...] = ()
    body: Shape | None = None
    body_bytes: int = ADMIN_BODY_BYTES
    status: int = 200
    also: tuple[int, ...] = ()
    """Other statuses that come with the same body."""
    answer: Shape | None = None
    media: str = "application/json"
    problems: tuple[str, ...] = field(default=())
    stream: bool = False


def endpoint(operation: Operation, services: AdminServices) -> Callable[[Request], Awaitable[Response]]:
    """The operation as a route: credentials first, then what was sent, then the operation."""

    async def serve(request: Request) -> Response:
        viewer, credential = None, None
        if operation.access is not Access.NOBODY:
            sent = request.headers.get("authorization", "")
            viewer, credential = await run_in_threadpool(viewer_of, sent, operation.access, services)
        call = Call(
            services=services,
            viewer=viewer,
            path=dict(request.path_params),
            query=_query(request, operation),
            body={} if operation.body is None else await _body(request, operation.body, operation.body_bytes),
            headers=dict(request.headers),
            credential=credential,
            actor=_actor(request, credential),
        )
        if operation.stream:
            response: Response = await operation.run(call)
            return response
        answer = await run_in_threadpool(_acted, operation, call)
        if isinstance(answer, Response):
            return answer
        if operation.answer is None:
            return Response(status_code=operation.status)
        return json_response(rendered(answer, viewer), operation.status)

    return serve


def _acted(operation: Operation, call: Call) -> Any:  # noqa: ANN401 - whatever the row's function answers
    """Runs it as the doing of who asks: what it changes is written down so."""
    with acts(call.actor):
        if operation.method == "GET":
            return operation.run(call)
        action = f"panthera:{operation.name[0].upper()}{operation.name[1:]}"
        with noting(About(_concerned(call), action, detail=_said(call))):
            return operation.run(call)


def _concerned(call: Call) -> int:
    """The tenant whose log a change goes to: the one the request names, if there is one, else who asks."""
    named = call.path.get("tenant") or call.tenant
    pointer = None if named is None else call.services.store.get(keys.tenant_name(named.encode()))
    own = Subject.of(call.actor.who).tenant
    return own if pointer is None or call.viewer not in (None, decode_id(pointer)) else decode_id(pointer)


def _said(call: Call) -> str | None:
    """What the request names, for people: never what might be a secret or a document."""
    said = call.path | {name: value for name, value in call.body.items() if name in _TOLD}
    return " ".join(f"{name}={_word(value)}" for name, value in said.items()) or None


def _word(value: object) -> str:
    if isinstance(value, list):
        return ",".join(_word(one) for one in value)
    return value if isinstance(value, str) else json.dumps(value)


def json_response(content: object, status: int = 200) -> Response:
    """JSON in ASCII: keys that are no UTF-8 pass as lone surrogates."""
    return Response(json.dumps(content), status, media_type="application/json")


def rendered(value: object, viewer: int | None) -> object:
    """A value of `authz.answers` as JSON. Within a tenant without revisions: they count what others do, too."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((one.name, getattr(value, one.name)) for one in dataclasses.fields(value))
        return {name: rendered(member, viewer) for name, member in fields if viewer is None or name != "revision"}
    if isinstance(value, list | tuple):
        return [rendered(member, viewer) for member in value]
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def viewer_of(sent: str, access: Access, services: AdminServices) -> tuple[int | None, CredentialRecord | None]:
    """The tenant whose administrator or user asks, None for root; and the credential. Refusal 401 or 403. `sent` is the
    header Authorization.
    """
    credential = services.accounts.credential(*_basic(sent))
    if credential is not None and credential.root:
        return None, credential
    if access is Access.ROOT:
        raise Refusal("unauthorized", "root credentials are needed", headers=_CHALLENGE)
    if credential is None:
        detail = "credentials of root or of an administrator of the tenant are needed"
        raise Refusal("unauthorized", detail, headers=_CHALLENGE)
    who = Subject(Kind.USER, credential.tenant, credential.user)
    if access is Access.USER:
        return credential.tenant, credential
    if not services.relations.manages(who, admin=credential.tenant_admin):
        raise Refusal("forbidden", "only root and the tenant's own administrators may do this")
    return credential.tenant, credential


def _actor(request: Request, credential: CredentialRecord | None) -> Actor:
    """Who asks, for the audit log."""
    if credential is None:
        return SERVER
    who = Subject(Kind.USER, credential.tenant, credential.user)
    access_key, _ = _basic(request.headers.get("authorization", ""))
    source_ip = None if request.client is None else request.client.host
    return Actor(who.bits, token_hex(REQUEST_ID_BYTES).upper(), access_key, source_ip)


def _basic(header: str) -> tuple[str, str]:
    """Access key and secret of `Authorization: Basic`, empty when there are none."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        access_key, _, secret_key = base64.b64decode(token, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return access_key, secret_key


def _query(request: Request, operation: Operation) -> dict[str, Any]:
    """The parameters the row knows, checked; one it does not know is a mistake and is refused."""
    known = {param.name: param for param in operation.params if param.place == "query"}
    found: dict[str, Any] = {}
    for name, given in request.query_params.multi_items():
        if name not in known:
            raise AccountError("invalid", f"{name} is not known here")
        value: object = given
        if known[name].shape.schema["type"] == "integer" and given.isascii() and given.isdigit() and len(given) < 20:
            value = int(given)
        check(known[name].shape.schema, value, name)
        if name in found:
            raise AccountError("invalid", f"{name} is given twice")
        found[name] = value
    for name, param in known.items():
        if param.needed and name not in found:
            raise AccountError("invalid", f"{name} is missing")
    return found


async def _body(request: Request, shape: Shape, most_bytes: int) -> Json:
    """The request's JSON, as the shape says."""
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > most_bytes:
            raise AccountError("invalid", f"more than {most_bytes} bytes")
    try:
        body = json.loads(bytes(content), object_pairs_hook=_members)
    except (ValueError, RecursionError) as error:
        raise AccountError("invalid", f"not JSON: {error}") from error
    check(shape.schema, body)
    return dict(body)


def _members(pairs: list[tuple[str, Any]]) -> Json:
    """An object's members. One that is there twice is refused: who checks a request before us may read the other."""
    members = dict(pairs)
    if len(members) != len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"{twice} is there twice")
    return members
