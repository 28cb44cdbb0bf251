"""The log of relations is kept short while the server runs, whatever happens to one attempt."""

import asyncio

import pytest

from authz.model import RELATIONS
from gateway.log_trimming import keep_log_short
from storage.api import RelationError, StoreError
from storage.native import Relations as Engine

HOME, WEEK_US = 1, 7 * 86_400_000_000
READER, ALICE = RELATIONS.index("reader"), 4 << 60 | HOME << 32 | 1


def written(engine: Engine, path: bytes, now_us: int) -> None:
    engine.write(HOME, [("touch", (5, 10, path), READER, ALICE, None, None)], now_us=now_us)


def run_for(seconds: float, engine: Engine, now_us: int) -> None:
    async def run() -> None:
        job = asyncio.create_task(keep_log_short(engine, lambda: now_us, every_s=0.01, between_s=0.001))
        await asyncio.sleep(seconds)
        assert not job.done(), job.exception()
        job.cancel()

    asyncio.run(run())


def test_what_is_older_than_a_week_goes_and_the_rest_stays() -> None:
    engine = Engine.in_memory()
    for moment, path in ((10, b"a/"), (20, b"b/"), (WEEK_US, b"c/")):
        written(engine, path, moment)
    run_for(0.05, engine, WEEK_US + 15)
    with pytest.raises(RelationError) as refused:
        engine.watch(0, HOME).poll(10)
    assert (refused.value.kind, refused.value.number) == ("trimmed", 2)
    assert [entry[0] for entry in engine.watch(1, HOME).poll(10)] == [2, 3]
    assert len(engine.read(HOME, 10)[0]) == 3, "no relation is lost"


def test_an_attempt_that_fails_is_repeated_and_a_long_log_is_taken_in_parts() -> None:
    class Failing:
        def __init__(self) -> None:
            self.outcomes = [StoreError("full"), True, RelationError("busy", "later", None), True, True, False]

        def trim_old(self, _now_us: int) -> bool:
            outcome = self.outcomes.pop(0) if self.outcomes else False
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

    engine = Failing()
    run_for(0.2, engine, 0)  # type: ignore[arg-type]
    assert engine.outcomes == []
