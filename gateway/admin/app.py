"""The admin HTTP API on its own port: health, metrics, tenants, users, keys, statistics.

Belongs here: routes, authentication of the port, JSON in and out, problem documents (RFC 9457). Does not belong here:
what accounts are and how they change (`gateway/accounts.py`). The store is asked on threads, never on the loop.

Health and metrics need no credentials: probes and scrapers have none, and the port is local unless somebody opens it.
Everything else asks for HTTP Basic with an access key of the root user.
"""

import base64
import binascii
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from gateway.accounts import Accounts
from gateway.errors import AccountError
from gateway.limits import ADMIN_BODY_BYTES

_log: Final = logging.getLogger("panthera.admin")

_STATUS: Final = {"invalid": 400, "refused": 403, "missing": 404, "conflict": 409}
_VOLUME: Final = ("volume", "state", "needles", "live_bytes", "dead_bytes", "file_bytes")

Endpoint = Callable[[Request], Awaitable[Response]]


class CoreFacts(Protocol):
    """What the admin port shows of the core."""

    def metrics(self) -> str:
        """Prometheus text."""

    def volumes(self) -> list[tuple[int, str, int, int, int, int]]:
        """One row for each volume."""


@dataclass(frozen=True, slots=True)
class AdminServices:
    """What the routes work with. `ready` is false while the server drains."""

    core: CoreFacts
    accounts: Accounts
    ready: Callable[[], bool]


class _Routes:
    """One method for each route."""

    def __init__(self, services: AdminServices) -> None:
        self._core = services.core
        self._accounts = services.accounts
        self._ready = services.ready

    async def live(self, _request: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def ready(self, _request: Request) -> Response:
        up = self._ready()
        return JSONResponse({"status": "ready" if up else "draining"}, status_code=200 if up else 503)

    async def metrics(self, _request: Request) -> Response:
        text = await run_in_threadpool(self._core.metrics)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    async def stats(self, _request: Request) -> Response:
        rows = await run_in_threadpool(self._core.volumes)
        volumes = [dict(zip(_VOLUME, row, strict=True)) for row in rows]
        totals = {name: sum(int(row[place]) for row in rows) for place, name in enumerate(_VOLUME) if place >= 2}
        return JSONResponse({"volumes": volumes, "totals": totals})

    async def tenants(self, request: Request) -> Response:
        if request.method != "POST":
            return JSONResponse(await run_in_threadpool(self._accounts.tenants))
        body = await _body(request, required=("name",))
        return JSONResponse(await run_in_threadpool(self._accounts.add_tenant, body["name"]), status_code=201)

    async def tenant(self, request: Request) -> Response:
        await run_in_threadpool(self._accounts.remove_tenant, request.path_params["tenant"])
        return Response(status_code=204)

    async def users(self, request: Request) -> Response:
        if request.method != "POST":
            return JSONResponse(await run_in_threadpool(self._accounts.users, request.query_params.get("tenant")))
        more: dict[str, type] = {"admin": bool, "display_name": str, "email": str}
        body = await _body(request, required=("tenant", "name"), optional=more)
        return JSONResponse(await run_in_threadpool(partial(self._accounts.add_user, **body)), status_code=201)

    async def user(self, request: Request) -> Response:
        place = request.path_params
        await run_in_threadpool(self._accounts.remove_user, place["tenant"], place["user"])
        return Response(status_code=204)

    async def keys(self, request: Request) -> Response:
        if request.method != "POST":
            query = request.query_params
            found = await run_in_threadpool(self._accounts.keys, query.get("tenant"), query.get("user"))
            return JSONResponse(found)
        own: dict[str, type] = {"access_key": str, "secret_key": str}
        body = await _body(request, required=("tenant", "user"), optional=own)
        return JSONResponse(await run_in_threadpool(partial(self._accounts.add_key, **body)), status_code=201)

    async def key(self, request: Request) -> Response:
        await run_in_threadpool(self._accounts.remove_key, request.path_params["access_key"])
        return Response(status_code=204)

    def root_only(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint behind HTTP Basic with an access key of the root user."""

        async def guarded(request: Request) -> Response:
            access_key, secret_key = _basic(request.headers.get("authorization", ""))
            if not await run_in_threadpool(self._accounts.is_root, access_key, secret_key):
                return _problem(401, "root credentials are needed", {"www-authenticate": 'Basic realm="panthera"'})
            return await endpoint(request)

        return guarded


def admin_app(services: AdminServices) -> Starlette:
    """The application."""
    api = _Routes(services)
    root = api.root_only
    return Starlette(
        routes=[
            Route("/health/live", api.live, methods=["GET"]),
            Route("/health/ready", api.ready, methods=["GET"]),
            Route("/metrics", api.metrics, methods=["GET"]),
            Route("/v1/stats", root(api.stats), methods=["GET"]),
            Route("/v1/tenants", root(api.tenants), methods=["GET", "POST"]),
            Route("/v1/tenants/{tenant}", root(api.tenant), methods=["DELETE"]),
            Route("/v1/users", root(api.users), methods=["GET", "POST"]),
            Route("/v1/users/{tenant}/{user}", root(api.user), methods=["DELETE"]),
            Route("/v1/keys", root(api.keys), methods=["GET", "POST"]),
            Route("/v1/keys/{access_key}", root(api.key), methods=["DELETE"]),
        ],
        exception_handlers={AccountError: _account_problem, HTTPException: _http_problem, Exception: _crash},
    )


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


async def _body(
    request: Request, *, required: tuple[str, ...], optional: dict[str, type] | None = None
) -> dict[str, Any]:
    """The request's JSON object: exactly these members with these types; required ones are texts."""
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > ADMIN_BODY_BYTES:
            raise AccountError("invalid", f"more than {ADMIN_BODY_BYTES} bytes")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise AccountError("invalid", f"not JSON: {error}") from error
    if not isinstance(body, dict):
        raise AccountError("invalid", "a JSON object is needed")
    types = dict.fromkeys(required, str) | (optional or {})
    for name in required:
        if name not in body:
            raise AccountError("invalid", f"{name} is missing")
    for name, value in body.items():
        if name not in types:
            raise AccountError("invalid", f"{name} is not known here")
        if not isinstance(value, types[name]):
            raise AccountError("invalid", f"{name} must be a {'text' if types[name] is str else 'boolean'}")
    return body


def _problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    body = {"type": "about:blank", "status": status, "detail": detail}
    return JSONResponse(body, status_code=status, headers=headers, media_type="application/problem+json")


async def _account_problem(_request: Request, error: Exception) -> Response:
    kind = error.kind if isinstance(error, AccountError) else "invalid"
    return _problem(_STATUS[kind], str(error))


async def _http_problem(_request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        headers = None if error.headers is None else dict(error.headers)
        return _problem(error.status_code, error.detail, headers)
    return _problem(500, "internal error")


async def _crash(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _problem(500, "internal error; the log says more")
