"""Operations on relations: write, read, watch, check, explain, look up. What they mean is `authz/api.py`.

Belongs here: JSON to calls and back, server-sent events. Does not belong here: groups and roles (`groups.py`).
"""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from authz.answers import (
    BY_ALL,
    BY_RELATIONS,
    CHANGE_WORDS,
    PAGE_DEFAULT,
    PRECONDITION_WORDS,
    Ask,
    Change,
    Filter,
    LogEntry,
    Part,
    Precondition,
)
from authz.api import PAGE
from authz.asynchronous import AsyncRelations
from authz.model import Facts
from authz.writing import CHANGES
from gateway.admin.operation import Access, Call, Operation, Param, rendered, viewer_of
from gateway.admin.problems import Refusal
from gateway.admin.shapes import Json, array, flag, maybe, number, record, text
from gateway.errors import AccountError
from gateway.limits import (
    BULK_BODY_BYTES,
    BULK_KEYS,
    IDEMPOTENCY_KEY_BYTES,
    PRECONDITIONS,
    RELATIONS_BODY_BYTES,
    TENANT_WATCHERS,
    WATCH_HEARTBEAT_S,
    WATCHERS,
)

_SUBJECT: Final = text("`user:NAME`, `user:TENANT/NAME`, `group:NAME`, `role:NAME`, `tenant:NAME`, `anyone` …")
_RELATION: Final = text("A relation, or a bundle: viewer, contributor, editor")
_RESOURCE: Final = text("`s3://BUCKET`, `s3://BUCKET/PREFIX/`, `s3://BUCKET/KEY`, `tenant`, `group:NAME` …")
_ACTION: Final = text("A permission (`read`, `write` …) or one of Amazon's actions (`s3:GetObject`)")
_BUCKET: Final = text("A bucket, with or without `s3://`")
_TENANT: Final = text("Whose groups, roles and other names without a tenant are meant; buckets say whose they are")
_TOKEN: Final = text("A token of an earlier answer: what was written by then is seen")
_CURSOR: Final = text("Of the page before")
_LIMIT: Final = number("Entries of a page, 100 unless it says", least=1, most=PAGE)
_REVISION: Final = number("Of the relations the answer was computed from; root alone sees it")
_STORED: Final = record(
    needs={
        "resource": text(),
        "relation": text(),
        "subject": text(),
        "expires": maybe(text()),
        "conditions": array(text()),
    }
)
_FACTS: Final = record(
    "What is known of the request asked about; what is left out is not known and makes no condition true",
    may={
        "source_ip": text(),
        "tls": flag(),
        "mfa_at": text("When MFA was proved, ISO 8601"),
        "no_mfa": flag("Known to be without MFA"),
        "now": text("The moment asked about, ISO 8601; else now"),
    },
)
_ASK: Final = {"facts": _FACTS, "at_least": _TOKEN, "tenant": _TENANT}
_PART: Final = {"cursor": _CURSOR, "limit": _LIMIT}
_AT: Final = {"token": maybe(text("None before the first write"))}
_BY: Final = {"revision": _REVISION}
_PAGE: Final = record(
    needs={"relations": array(_STORED), "cursor": maybe(text("None after the last page")), **_AT}, may=_BY
)
_STATEMENT: Final = record(
    "The statement of a policy that decided; `policy` is empty for the bucket's own and for a boundary",
    needs={
        "policy": text(),
        "group": maybe(number("The group whose policy it is")),
        "sid": text(),
        "index": number("From 0"),
    },
)
_DECISION: Final = record(
    needs={
        "allowed": flag(),
        "reason": text("`granted`, `tenant_admin`, `denied`, `not_granted`; of policies and lists `policy_denied` …"),
        "action": text(),
        "permission": text("What the action needs of relations"),
        "valid_until": maybe(text("When an expiry may change it")),
        "conditional": flag("A condition was evaluated"),
        "decided_by": maybe(_STORED),
        "statement": maybe(_STATEMENT),
        **_AT,
    },
    may=_BY,
)
_WEIGHED: Final = text(
    "`relations`, or `all`: for actions of S3, policies, lists and the public access block decide, too",
    words=(BY_RELATIONS, BY_ALL),
)
_DEPENDS: Final = array(
    record(
        needs={
            "effect": text(words=("allow", "deny")),
            "holder": text("Whose policy it is, `user:NAME`; empty for the bucket's"),
            "policy": text("Its name; empty for the bucket's"),
            "sid": text(),
            "index": number("Of the statement, from 0"),
            "on": array(text(), "Condition keys"),
        }
    ),
    "Statements whose condition asks what else a request says: with other facts the answer may be another",
)
_RANGES: Final = array(
    record(
        needs={
            "shown": text("For people"),
            "start": text("First key"),
            "end": maybe(text("First not meant; none is the bucket's end")),
        }
    )
)
_TRIPLE: Final = {"subject": _SUBJECT, "relation": _RELATION, "resource": _RESOURCE}
_WRITE: Final = record(
    needs={
        "changes": array(
            record(
                needs={"op": text("`create` must not be there, `touch` replaces", words=CHANGE_WORDS)},
                may=_TRIPLE
                | {
                    "expires": text("`30d`, `12h` or ISO 8601"),
                    "conditions": array(text("`ip=10.0.0.0/8`, `tls`, `mfa=1h`, `time=Mon-Fri 09:00-17:00` (UTC)")),
                },
            ),
            "Done together or not at all; resources of one tenant",
            least=1,
            most=CHANGES,
        )
    },
    may={
        "preconditions": array(
            record(needs={"is": text(words=PRECONDITION_WORDS)}, may=_TRIPLE), "All must hold", most=PRECONDITIONS
        ),
        "tenant": _TENANT,
    },
)
_READING: Final = (
    Param("resource", text("Exactly this resource")),
    Param("bucket", text("Everything on and in this bucket")),
    Param("relation", text("This relation")),
    Param("subject", text("This subject")),
    Param("cursor", _CURSOR),
    Param("limit", _LIMIT),
    Param("at_least", _TOKEN),
    Param("tenant", _TENANT),
)


def ask_of(found: Mapping[str, Any]) -> Ask:
    """What else a question says."""
    facts = found.get("facts", {})
    if facts.get("no_mfa") and "mfa_at" in facts:
        raise AccountError("invalid", "facts: mfa_at and no_mfa contradict each other")
    mfa_us = 0 if facts.get("no_mfa") else _moment(facts.get("mfa_at"))
    known = Facts(facts.get("source_ip"), facts.get("tls"), mfa_us, _moment(facts.get("now")) or 0)
    return Ask(known, found.get("at_least"), found.get("tenant"))


def _moment(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return max(1, int(moment.timestamp() * 1_000_000))
    except (ValueError, OverflowError) as error:
        raise AccountError("invalid", f"{text!r} is no moment in ISO 8601, as 2030-01-31T12:00:00Z") from error


def part_of(found: Mapping[str, Any]) -> Part:
    """Which page."""
    return Part(found.get("cursor"), found.get("limit", PAGE_DEFAULT))


def _write(call: Call) -> object:
    body = call.body
    changes = [
        Change(
            one["op"],
            one.get("subject", ""),
            _given(one, f"changes[{place}]", "relation"),
            _given(one, f"changes[{place}]", "resource"),
            one.get("expires"),
            one.get("conditions", ()),
        )
        for place, one in enumerate(body["changes"])
    ]
    conditions = [
        Precondition(
            one["is"],
            one.get("subject", ""),
            _given(one, f"preconditions[{place}]", "relation"),
            _given(one, f"preconditions[{place}]", "resource"),
        )
        for place, one in enumerate(body.get("preconditions", ()))
    ]
    key = call.headers.get("idempotency-key")
    if key is not None and not 1 <= len(key.encode()) <= IDEMPOTENCY_KEY_BYTES:
        raise AccountError("invalid", f"an Idempotency-Key has 1 to {IDEMPOTENCY_KEY_BYTES} bytes")
    return call.relations.write(changes, preconditions=conditions, idempotency_key=key, tenant=call.tenant)


def _given(one: Json, where: str, name: str) -> str:
    if name not in one:
        raise AccountError("invalid", f"{where}.{name} is missing")
    return str(one[name])


def _read(call: Call) -> object:
    query = call.query
    wanted = Filter(query.get("resource"), query.get("bucket"), query.get("relation"), query.get("subject"))
    return call.relations.read(wanted, ask_of(query), part_of(query))


def _check(call: Call) -> object:
    body = call.body
    return call.relations.check(body["subject"], body["action"], body["resource"], ask_of(body))


def _explain(call: Call) -> object:
    body = call.body
    return call.relations.explain(body["subject"], body["action"], body["resource"], ask_of(body))


def _bulk(call: Call) -> object:
    body = call.body
    return call.relations.check_keys(body["subject"], body["action"], body["bucket"], body["keys"], ask_of(body))


def _expand(call: Call) -> object:
    return call.relations.expand(call.body["resource"], ask_of(call.body))


def _resources(call: Call) -> object:
    body = call.body
    return call.relations.what_can(body["subject"], body["action"], body["bucket"], ask_of(body), part_of(body))


def _subjects(call: Call) -> object:
    body = call.body
    return call.relations.who_can(body["action"], body["resource"], ask_of(body), part_of(body))


async def _watch(call: Call) -> Response:
    """Server-sent events: `position` at once, then a `change` for each revision, comments as heartbeats.

    Each event's id is a token (for root a revision): `Last-Event-ID` or `after` goes on behind it.
    """
    after = call.query.get("after", call.headers.get("last-event-id"))
    watchers = call.services.watchers
    if watchers.total() >= WATCHERS or watchers[call.viewer] >= TENANT_WATCHERS:
        # Which of the two would tell a tenant of the others.
        raise Refusal("busy", "too many watchers are there already", headers={"retry-after": "5"})
    face = AsyncRelations(call.relations)
    # What the log no longer has is refused here, before the stream begins.
    start, tenant = await face.position(after, call.tenant)
    events = _events(call, face, start, tenant)
    return StreamingResponse(events, media_type="text/event-stream", headers={"cache-control": "no-store"})


async def _events(call: Call, face: AsyncRelations, start: int, tenant: int | None) -> AsyncIterator[str]:
    relations, watchers = face.relations, call.services.watchers
    watchers[call.viewer] += 1

    def still() -> bool:
        """Whether the caller may go on: its key may be removed while it watches."""
        try:
            viewer, _ = viewer_of(call.headers.get("authorization", ""), Access.TENANT, call.services)
        except Refusal:
            return False
        return viewer == call.viewer

    try:
        yield f"id: {relations.mark(start, tenant)}\nevent: position\ndata: {{}}\n\n"
        going = call.services.ready
        async for entry in face.follow(start, tenant, heartbeat_s=WATCH_HEARTBEAT_S, going=going):
            if not await run_in_threadpool(still):
                return
            yield ": heartbeat\n\n" if entry is None else _event(entry, call.viewer)
    finally:
        watchers[call.viewer] -= 1


def _event(entry: LogEntry, viewer: int | None) -> str:
    name = entry.revision if viewer is None else entry.token
    return f"id: {name}\nevent: change\ndata: {json.dumps(rendered(entry, viewer))}\n\n"


def _asked(**members: Any) -> Any:  # noqa: ANN401 - shapes
    return record(needs=members, may=_ASK)


_QUESTION: Final = _asked(subject=_SUBJECT, action=_ACTION, resource=_RESOURCE)
_NAMES: Final = ("missing", "bad-token", "not-yet")


def _row(method: str, path: str, name: str, summary: str, run: Any, **more: Any) -> Operation:  # noqa: ANN401
    """An operation that a tenant's administrator may use for its own tenant."""
    problems = (*_NAMES, *more.pop("problems", ()))
    return Operation(method, path, name, summary, run, Access.TENANT, problems=problems, **more)


OPERATIONS: Final = (
    _row(
        "POST",
        "/v1/relations",
        "writeRelations",
        "Write relations, all or none; in force when it answers",
        _write,
        params=(Param("Idempotency-Key", text("A repeated request is answered and not done again"), "header"),),
        body=_WRITE,
        body_bytes=RELATIONS_BODY_BYTES,
        answer=record(needs={"notes": array(text("What may not be what was meant")), **_AT}, may=_BY),
        problems=("exists", "precondition", "idempotency", "limit", "audit"),
    ),
    _row(
        "GET",
        "/v1/relations",
        "readRelations",
        "Relations of a tenant, in pages",
        _read,
        params=_READING,
        answer=_PAGE,
    ),
    _row(
        "GET",
        "/v1/relations/watch",
        "watchRelations",
        "Changes as server-sent events, without a gap and in order, of the last week. What expires by time is no event:"
        " a relation that was written with `expires` is over at that moment",
        _watch,
        params=(
            Param("after", text("A token or event id, `start`, for root also a revision; now when left out")),
            Param("tenant", text("Root: of this tenant only")),
            Param("Last-Event-ID", text("As `after`, when that is left out"), "header"),
        ),
        answer=text(),
        media="text/event-stream",
        problems=("trimmed", "busy"),
        stream=True,
    ),
    _row(
        "POST",
        "/v1/check",
        "check",
        "May the subject do this?",
        _check,
        body=_QUESTION,
        answer=_DECISION,
    ),
    _row(
        "POST",
        "/v1/check/bulk",
        "checkKeys",
        "The same for many keys of a bucket. By relations alone all at one revision; about `s3:` actions every source "
        "is asked as it is then, and `revision` is the first of the relations'",
        _bulk,
        body=_asked(
            subject=_SUBJECT, action=_ACTION, bucket=_BUCKET, keys=array(text("A key"), "In any order", most=BULK_KEYS)
        ),
        body_bytes=BULK_BODY_BYTES,
        answer=record(needs={"allowed": array(flag(), "In the order asked"), **_AT}, may=_BY),
    ),
    _row(
        "POST",
        "/v1/explain",
        "explain",
        "A check that says which relation decided",
        _explain,
        body=_QUESTION,
        answer=_DECISION,
    ),
    _row(
        "POST",
        "/v1/expand",
        "expand",
        "Every relation at a place and above it, from the tenant down",
        _expand,
        body=_asked(resource=_RESOURCE),
        answer=_PAGE,
    ),
    _row(
        "POST",
        "/v1/lookup/resources",
        "lookupResources",
        "On which keys of a bucket may the subject do this?",
        _resources,
        body=record(needs={"subject": _SUBJECT, "action": _ACTION, "bucket": _BUCKET}, may=_ASK | _PART),
        answer=record(
            needs={
                "ranges": _RANGES,
                "weighed": _WEIGHED,
                "only_stored": _RANGES | {"description": "Where objects differ: only stored keys are told there"},
                "depends_on": _DEPENDS,
                "cursor": maybe(text()),
                **_AT,
            },
            may=_BY,
        ),
    ),
    _row(
        "POST",
        "/v1/lookup/subjects",
        "lookupSubjects",
        "Who may do this on a resource?",
        _subjects,
        body=record(needs={"action": _ACTION, "resource": _RESOURCE}, may=_ASK | _PART),
        answer=record(
            needs={
                "subjects": array(text()),
                "classes": array(text(), "All of these, without the excluded ones"),
                "excluded_classes": array(text()),
                "excluded": array(text()),
                "administrators": array(text(), "By their record"),
                "weighed": _WEIGHED,
                "elsewhere": array(
                    text(), "Users of other tenants whom relations name, as far as their own tenant lets them"
                ),
                "unlisted": array(text(), "Whom a source allows and nobody can list"),
                "depends_on": _DEPENDS,
                "cursor": maybe(text("None after the last page, which may be short before it")),
                **_AT,
            },
            may=_BY,
        ),
        problems=("limit",),
    ),
)
