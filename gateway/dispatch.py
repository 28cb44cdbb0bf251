"""The Python side of the control queue: a request comes from a Rust thread, a handler's answer goes back.

Belongs here: finding the handler, running it off the loop, turning whatever it raises into an answer. Does not belong
here: what any operation does, how errors look (Rust renders them).

Every request is answered exactly once: handlers run on a bounded pool (they wait for commits, with the GIL released),
and the completion of each is awaited on the loop. Rust keeps the deadline: a request it gave up on is answered here to
no effect.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Protocol

from authz.acting import Actor, acts
from authz.model import Kind, Subject
from gateway.auditing import RIGHTS, About, noting
from gateway.errors import Code, S3Error
from gateway.limits import HANDLER_THREADS
from gateway.model import Answer, Call, Caller, Known, Leftovers, Place
from gateway.ops.row import Row
from gateway.wire import checksums
from storage.api import Metastore, RelationError, StoreError
from storage.records.bucket import BucketRecord

_log: Final = logging.getLogger("panthera.control")


class ControlRequest(Protocol):
    """What dispatch needs of `storage._core.ControlRequest`; tests bring their own."""

    op: str
    request_id: str
    bucket: str
    key: bytes
    query: list[tuple[str, str]]
    headers: list[tuple[str, str]]
    body: bytes
    tenant: int
    user: int
    admin: bool
    canonical_id: str
    display_name: str
    source_ip: str
    now_us: int
    secure: bool
    decided: int | None
    bucket_record: bytes | None

    def respond(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        """Answers."""

    def fail(self, code: str, message: str | None = None, fields: Sequence[tuple[str, str]] = ()) -> None:
        """Answers with an error of the closed list."""


class Dispatcher:
    """Runs the handlers of the table. `dispatch` may be called from any thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        rows: Mapping[str, Row],
        store: Metastore,
        place: Place,
        leftovers: Leftovers | None = None,
        knowing: Callable[[ControlRequest], Known] | None = None,
    ) -> None:
        self._loop = loop
        self._rows = rows
        self._store = store
        self._place = place
        self._leftovers = leftovers
        self._knowing = knowing
        self._pool = ThreadPoolExecutor(HANDLER_THREADS, thread_name_prefix="control")
        self._tasks: set[asyncio.Task[None]] = set()

    def dispatch(self, request: ControlRequest) -> None:
        """Takes one request; called on Rust's own thread. Never raises: what cannot be run is answered at once."""
        try:
            self._loop.call_soon_threadsafe(self._start, request)
        except RuntimeError:
            # The loop is closed: the server is going down.
            request.fail(Code.SLOW_DOWN)

    def _start(self, request: ControlRequest) -> None:
        task = self._loop.create_task(self._serve(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, request: ControlRequest) -> None:
        try:
            answer = await self._loop.run_in_executor(self._pool, self.run, request)
        except S3Error as error:
            request.fail(error.code, error.message, error.fields)
        except asyncio.CancelledError:
            request.fail(Code.SLOW_DOWN)
            raise
        except RelationError as error:
            _log.error("%s %s: %s", request.request_id, request.op, error)
            request.fail(Code.SERVICE_UNAVAILABLE if error.kind == "audit" else Code.INTERNAL_ERROR)
        except StoreError as error:
            _log.error("%s %s: the store failed: %s", request.request_id, request.op, error)
            request.fail(Code.INTERNAL_ERROR)
        except Exception:  # noqa: BLE001 - any failure of a handler is an answer and a log line, never a hang
            _log.exception("%s %s failed", request.request_id, request.op)
            request.fail(Code.INTERNAL_ERROR)
        else:
            request.respond(answer.status, answer.headers, answer.body)

    def run(self, request: ControlRequest) -> Answer:
        """The handler's answer; raises what it raises."""
        row = self._rows.get(request.op)
        if row is None or row.handler is None:
            raise S3Error(Code.NOT_IMPLEMENTED, f"{request.op} is not implemented.")
        known = None if self._knowing is None else self._knowing(request)
        call = call_of(request, self._store, self._place, self._leftovers, known)
        if row.body_bytes:
            checksums.verify(call.headers, call.body, required=row.checksum)
        with acts(_actor(request)), _rights(row, call):
            return row.handler(call)

    async def close(self) -> None:
        """Waits for what runs, then ends the pool."""
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._pool.shutdown(wait=True, cancel_futures=True)


def _actor(request: ControlRequest) -> Actor:
    who = Subject(Kind.USER, request.tenant, request.user) if request.user else Subject(Kind.ANYONE)
    return Actor(who.bits, request.request_id, source_ip=request.source_ip)


def _rights(row: Row, call: Call) -> AbstractContextManager[None]:
    """What changes rights is written down by the commits that do it."""
    if row.action not in RIGHTS or call.bucket_record is None:
        return nullcontext()
    bucket = BucketRecord.decode(call.bucket_record)
    # Amazon has one action for putting a configuration and for deleting it.
    detail = None if row.action.endswith(row.name) else row.name
    return noting(About(bucket.tenant, row.action, bucket.id, call.bucket, call.key or None, detail))


def call_of(
    request: ControlRequest,
    store: Metastore,
    place: Place,
    leftovers: Leftovers | None = None,
    known: Known | None = None,
) -> Call:
    """The border's request as the value handlers take."""
    headers: dict[str, str] = {}
    for name, value in request.headers:
        headers.setdefault(name.lower(), value)
    query: dict[str, str] = {}
    for name, value in request.query:
        query.setdefault(name, value)
    return Call(
        op=request.op,
        request_id=request.request_id,
        bucket=request.bucket,
        key=request.key,
        query=query,
        headers=headers,
        body=request.body,
        caller=Caller(
            tenant=request.tenant,
            user=request.user,
            admin=request.admin,
            canonical_id=request.canonical_id,
            display_name=request.display_name,
        ),
        now_us=request.now_us,
        bucket_record=request.bucket_record,
        decided=request.decided,
        store=store,
        place=place,
        leftovers=leftovers,
        known=known,
    )
