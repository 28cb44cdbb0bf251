"""The admin HTTP API on its own port, composed: every family's operations, the description of them all, problems.

Belongs here: the list of families. Does not belong here: any operation (its family's file), how one is run
(`operation.py`).

Health and metrics need no credentials: probes and scrapers have none, and the port is local unless somebody opens it.
Everything else asks for HTTP Basic with an access key: of the root user, or, where the row says so, of a tenant's
administrator.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.admin import accounts, audit, buckets, groups, identities, openapi, relations, schemas, shares, system
from gateway.admin.operation import Access, AdminServices, Call, Operation, endpoint
from gateway.admin.problems import HANDLERS
from gateway.admin.shapes import Json, Shape

Endpoint = Callable[[Request], Awaitable[Response]]


def _described(_call: Call) -> Json:
    return openapi.document(OPERATIONS)


_DESCRIPTION: Final = Operation(
    "GET",
    "/v1/openapi.json",
    "getDescription",
    "This description, as OpenAPI 3.1",
    _described,
    Access.NOBODY,
    answer=Shape({"type": "object"}),
)

OPERATIONS: Final[tuple[Operation, ...]] = (
    *system.OPERATIONS,
    _DESCRIPTION,
    *accounts.OPERATIONS,
    *groups.OPERATIONS,
    *identities.OPERATIONS,
    *relations.OPERATIONS,
    *audit.OPERATIONS,
    *schemas.OPERATIONS,
    *buckets.OPERATIONS,
    *shares.OPERATIONS,
)


def admin_app(services: AdminServices) -> Starlette:
    """The application: one route for a path, so that who asks by a wrong method is told every one it takes."""
    paths: dict[str, dict[str, Endpoint]] = {}
    for row in OPERATIONS:
        paths.setdefault(row.path, {})[row.method] = endpoint(row, services)
    routes = [Route(path, _by_method(found), methods=[*found]) for path, found in paths.items()]
    app = Starlette(routes=routes, exception_handlers=HANDLERS)
    # Else a path with a `/` too many is answered with the place to go to, at whatever host the request names.
    app.router.redirect_slashes = False
    return app


def _by_method(found: Mapping[str, Endpoint]) -> Endpoint:
    async def serve(request: Request) -> Response:
        return await found["GET" if request.method == "HEAD" else request.method](request)

    return serve


__all__ = ["OPERATIONS", "AdminServices", "admin_app"]
