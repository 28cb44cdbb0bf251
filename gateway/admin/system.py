"""Operations on the server: health, metrics, statistics."""

from typing import Any, Final

from starlette.responses import PlainTextResponse, Response

from gateway.admin import problems
from gateway.admin.operation import Access, Call, Operation, json_response
from gateway.admin.shapes import Json, array, number, record, text

_VOLUME: Final = ("volume", "state", "needles", "live_bytes", "dead_bytes", "file_bytes")
_COUNTS: Final = {name: number() for name in _VOLUME if name not in ("volume", "state")}


def _live(_call: Call) -> Json:
    return {"status": "live"}


def _ready(call: Call) -> Response:
    up = call.services.ready()
    return json_response({"status": "ready" if up else "draining"}, 200 if up else 503)


def _metrics(call: Call) -> Response:
    return PlainTextResponse(call.services.core.metrics(), media_type="text/plain; version=0.0.4")


def _stats(call: Call) -> Json:
    rows = call.services.core.volumes()
    volumes: list[dict[str, Any]] = [dict(zip(_VOLUME, row, strict=True)) for row in rows]
    return {"volumes": volumes, "totals": {name: sum(volume[name] for volume in volumes) for name in _COUNTS}}


def _problem(call: Call) -> Response:
    kind = call.path["kind"]
    if kind not in problems.KINDS:
        raise problems.Refusal("missing", f"there is no kind of problem {kind}")
    return PlainTextResponse(problems.page(kind), media_type="text/markdown; charset=utf-8")


_STATUS: Final = record(needs={"status": text()})

OPERATIONS: Final = (
    Operation("GET", "/health/live", "isLive", "200 while the process runs", _live, Access.NOBODY, answer=_STATUS),
    Operation(
        "GET",
        "/health/ready",
        "isReady",
        "200, and 503 while it drains",
        _ready,
        Access.NOBODY,
        also=(503,),
        answer=_STATUS,
    ),
    Operation(
        "GET", "/metrics", "getMetrics", "Prometheus text", _metrics, Access.NOBODY, answer=text(), media="text/plain"
    ),
    Operation(
        "GET",
        f"{problems.PAGES}{{kind}}",
        "getProblemPage",
        "What a kind of problem means and what to do, in Markdown",
        _problem,
        Access.NOBODY,
        answer=text(),
        media="text/markdown",
        problems=("missing",),
    ),
    Operation(
        "GET",
        "/v1/stats",
        "getStats",
        "Live and dead bytes of each volume",
        _stats,
        answer=record(
            needs={
                "volumes": array(record(needs={"volume": number(), "state": text(), **_COUNTS})),
                "totals": record(needs=_COUNTS),
            }
        ),
    ),
)
