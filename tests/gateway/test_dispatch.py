"""Every control request is answered exactly once, whatever its handler does, and the loop is never blocked."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from world import KnowsItsOwn, World

from gateway.dispatch import Dispatcher
from gateway.errors import Code, S3Error
from gateway.limits import HANDLER_THREADS
from gateway.model import Answer, Call, Place
from gateway.ops.row import Row, Scope
from gateway.ops.table import HANDLERS
from storage.api import StoreError


@dataclass
class Request:
    """A request as the extension would hand it over, which remembers its answers."""

    op: str = "HeadBucket"
    request_id: str = "REQ1"
    method: str = "GET"
    bucket: str = "bucket"
    key: bytes = b""
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    tenant: int = 1
    user: int = 1
    admin: bool = True
    canonical_id: str = "00" * 32
    display_name: str = "root"
    now_us: int = 0
    source_ip: str = "127.0.0.1"
    secure: bool = False
    decided: int | None = None
    bucket_record: bytes | None = None
    answers: list[tuple[Any, ...]] = field(default_factory=list)
    answered: threading.Event = field(default_factory=threading.Event)

    def respond(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        self.answers.append((status, tuple(headers), body))
        self.answered.set()

    def fail(self, code: str, message: str | None = None, fields: Sequence[tuple[str, str]] = ()) -> None:
        self.answers.append((str(code), message, tuple(fields)))
        self.answered.set()


def row(handler: Callable[[Call], Answer], **more: Any) -> Row:
    return Row("Test", "GET", Scope.BUCKET, ("test",), (), "s3:Test", handler=handler, **more)


def answers(handler: Callable[[Call], Answer], **more: Any) -> list[tuple[Any, ...]]:
    """What one request gets, sent from another thread as Rust does."""
    request = Request(op="Test", **more)

    async def run() -> None:
        body = {"body_bytes": 100, "checksum": True} if request.body else {}
        dispatcher = Dispatcher(asyncio.get_running_loop(), {"Test": row(handler, **body)}, World().store, Place("r"))
        threading.Thread(target=dispatcher.dispatch, args=(request,)).start()
        await asyncio.to_thread(request.answered.wait, 10)
        await dispatcher.close()

    asyncio.run(run())
    return request.answers


def raising(error: BaseException) -> Callable[[Call], Answer]:
    def handler(_call: Call) -> Answer:
        raise error

    return handler


def test_an_answer_and_an_error_of_the_list_go_back_as_they_are() -> None:
    assert answers(lambda call: Answer(204, (("a", "b"),), b"c")) == [(204, (("a", "b"),), b"c")]
    error = S3Error(Code.NO_SUCH_KEY, "none", (("Key", "k"),))
    assert answers(raising(error)) == [("NoSuchKey", "none", (("Key", "k"),))]


@pytest.mark.parametrize("error", [ValueError("x"), RecursionError(), StoreError("disk"), KeyError("k"), MemoryError()])
def test_any_other_exception_is_an_internal_error_with_the_request_id_in_the_log(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert answers(raising(error)) == [("InternalError", None, ())]
    assert "REQ1" in caplog.text


def test_an_unknown_operation_is_not_implemented() -> None:
    request = Request(op="Nothing")

    async def run() -> None:
        dispatcher = Dispatcher(asyncio.get_running_loop(), {}, World().store, Place("r"))
        dispatcher.dispatch(request)
        await asyncio.to_thread(request.answered.wait, 10)
        await dispatcher.close()

    asyncio.run(run())
    assert request.answers[0][0] == "NotImplemented"


def test_a_document_that_needs_a_checksum_is_not_shown_to_its_handler_without_one() -> None:
    seen: list[Call] = []
    got = answers(lambda call: seen.append(call) or Answer(), body=b"<a/>")  # type: ignore[func-returns-value]
    assert got[0][0] == "InvalidRequest"
    assert seen == []


def test_the_first_value_of_a_header_or_parameter_counts() -> None:
    seen: list[Call] = []
    answers(
        lambda call: seen.append(call) or Answer(),  # type: ignore[func-returns-value]
        headers=[("X-Amz-Acl", "1"), ("x-amz-acl", "2")],
        query=[("a", "1"), ("a", "2")],
    )
    assert seen[0].headers == {"x-amz-acl": "1"}
    assert seen[0].query == {"a": "1"}


def test_slow_handlers_neither_block_the_loop_nor_one_another() -> None:
    gate = threading.Event()
    requests = [Request(op="Slow", request_id=str(n)) for n in range(HANDLER_THREADS - 1)]
    quick = Request(op="Quick")
    rows = {"Slow": row(lambda call: (gate.wait(10) and Answer()) or Answer(500)), "Quick": row(lambda call: Answer())}

    async def run() -> float:
        dispatcher = Dispatcher(asyncio.get_running_loop(), rows, World().store, Place("r"))
        for request in (*requests, quick):
            dispatcher.dispatch(request)
        started = time.monotonic()
        await asyncio.to_thread(quick.answered.wait, 10)
        waited = time.monotonic() - started
        assert not any(request.answers for request in requests)
        gate.set()
        await dispatcher.close()
        return waited

    assert asyncio.run(run()) < 5
    assert all(len(request.answers) == 1 for request in (*requests, quick))


def test_a_request_that_comes_after_the_loop_closed_is_told_to_come_again() -> None:
    loop = asyncio.new_event_loop()
    dispatcher = Dispatcher(loop, HANDLERS, World().store, Place("r"))
    loop.close()
    request = Request()
    dispatcher.dispatch(request)
    assert request.answers[0][0] == "SlowDown"


def test_rows_of_the_real_table_run_through_dispatch() -> None:
    world = World()
    world.bucket()
    call = Request(op="ListBuckets", bucket="", tenant=world.root.tenant, user=world.root.user)
    known = KnowsItsOwn(world.store, world.root.tenant)
    dispatcher = Dispatcher(
        asyncio.new_event_loop(), HANDLERS, world.store, Place("us-east-1"), knowing=lambda _request: known
    )
    assert b"<Name>bucket</Name>" in dispatcher.run(replace(call)).body
