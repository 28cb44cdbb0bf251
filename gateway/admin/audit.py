"""Operations on the audit log: read, export, trim. What an entry is and who sees what of it is `gateway/audit_log.py`.

Belongs here: parameters to calls and back. Does not belong here: anything that writes entries.
"""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from gateway.admin.operation import Access, Call, Operation, Param
from gateway.admin.shapes import Json, array, maybe, number, record, text
from gateway.audit_log import OUTCOMES, AuditLog, Wanted
from gateway.limits import ADMIN_PAGE
from storage.records.audit import AuditKind

_MOMENT: Final = "a span back from now (`1h`, `30d`) or a moment in ISO 8601"
_FILTERS: Final = (
    Param("tenant", text("Whose log; root sees all without it")),
    Param("since", text(f"From then on: {_MOMENT}")),
    Param("until", text(f"Before then: {_MOMENT}")),
    Param("subject", text("Who acted, as `user:NAME` or `anyone`")),
    Param("action", text("`s3:GetObject`, `panthera:Grant` …")),
    Param("outcome", text(words=OUTCOMES)),
    Param("resource", text("How an address begins, as `s3://BUCKET/PREFIX`")),
)
_PART: Final = (Param("cursor", text("Of the page before")), Param("limit", number(least=1, most=ADMIN_PAGE)))
_CHANGE: Final = record(
    needs={
        "op": text(words=("grant", "revoke")),
        "subject": text(),
        "relation": text(),
        "resource": text(),
        "expires": maybe(text()),
        "conditions": array(text()),
    }
)
_ENTRY: Final = record(
    needs={
        "id": text("Names the entry"),
        "time": text(),
        "tenant": text("Whose log it is in"),
        "side": text("`actor`: the copy for the tenant of who acted", words=("owner", "actor")),
        "kind": text(words=tuple(kind.name.lower() for kind in AuditKind)),
        "action": text(),
        "outcome": text(words=OUTCOMES),
        "reason": maybe(text("Why; told to the owner's side")),
        "subject": text("Who acted; of another tenant by number"),
        "request_id": maybe(text()),
        "access_key": maybe(text("Told to the side of its own tenant")),
        "source_ip": maybe(text()),
        "resource": maybe(text()),
        "changes": array(_CHANGE, "Of an entry about relations"),
        "detail": maybe(text()),
    },
    may={"revision": maybe(number("Root alone sees it"))},
)


def _log(call: Call) -> AuditLog:
    services = call.services
    return AuditLog(services.store, services.relations.engine, services.clock_us(), call.viewer)


def _wanted(call: Call) -> Wanted:
    names = ("since", "until", "subject", "action", "outcome", "resource")
    return Wanted(**{name: call.query.get(name) for name in names})


def _read(call: Call) -> Json:
    limit = call.query.get("limit", ADMIN_PAGE)
    entries, more = _log(call).page(
        _wanted(call), tenant=call.tenant, cursor=call.query.get("cursor"), limit=int(limit)
    )
    return {"entries": entries, "cursor": more}


async def _export(call: Call) -> Response:
    """One entry a line. What is wrong with the filters is refused before the first."""
    log, wanted = _log(call), _wanted(call)
    page = await run_in_threadpool(log.page, wanted, tenant=call.tenant)

    async def lines() -> AsyncIterator[str]:
        entries, more = page
        while True:
            for entry in entries:
                yield json.dumps(entry) + "\n"
            if more is None:
                return
            entries, more = await run_in_threadpool(log.page, wanted, tenant=call.tenant, cursor=more)

    return StreamingResponse(lines(), media_type="application/x-ndjson")


def _trim(call: Call) -> Json:
    log = _log(call)
    before = log.moment(call.body["before"])
    number_of = None if call.tenant is None else log.tenant(call.tenant)
    removed, more = 0, True
    while more:
        count, more = call.services.core.trim_audit(before, number_of, call.actor.value)
        removed += count
    return {"removed": removed}


def _row(method: str, path: str, name: str, summary: str, run: Any, **more: Any) -> Operation:  # noqa: ANN401
    return Operation(method, path, name, summary, run, **({"access": Access.TENANT, "problems": ("missing",)} | more))


OPERATIONS: Final = (
    _row(
        "GET",
        "/v1/audit",
        "readAudit",
        "Entries of the audit log, oldest first",
        _read,
        params=(*_FILTERS, *_PART),
        answer=record(needs={"entries": array(_ENTRY), "cursor": maybe(text("None after the last page"))}),
    ),
    _row(
        "GET",
        "/v1/audit/export",
        "exportAudit",
        "All of them, one JSON object a line",
        _export,
        params=_FILTERS,
        answer=_ENTRY,
        media="application/x-ndjson",
        stream=True,
    ),
    _row(
        "POST",
        "/v1/audit/trim",
        "trimAudit",
        "Remove entries from before a moment; that is written down, too",
        _trim,
        access=Access.ROOT,
        body=record(needs={"before": text(f"Older than this: {_MOMENT}")}, may={"tenant": text("Of this tenant only")}),
        answer=record(needs={"removed": number("Entries")}),
    ),
)
