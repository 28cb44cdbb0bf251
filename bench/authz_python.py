"""Rows 6, 7 and 10 of rebac.md section 7: what a check costs that comes from Python. Part of `make bench-authz`.

Belongs here: calls across the border, timed by the thread's processor time, the fastest of several rounds. Does not
belong here: what happens behind it (`rust/crates/authz/examples/bench_authz.rs`).
"""

import random
import time
import timeit
from collections.abc import Callable

from authz.model import PERMISSIONS, RELATIONS, At, Facts, Kind, Place, Subject
from storage.native import Relations

TENANT, BUCKET = 1, 7
TUPLES, USERS, FOLDERS, HOT, COLD = 100_000, 10_000, 1_000, 20_000, 200_000
ROUNDS = 9


def fastest(run: Callable[[], object], number: int) -> float:
    """Nanoseconds a call, of the fastest round."""
    return min(timeit.repeat(run, timer=time.thread_time, number=number, repeat=ROUNDS)) / number * 1e9


def row(name: str, must: str, aim: str, measured: str) -> None:
    """A line as `bench_authz` prints them."""
    print(f"{name:<58} {must:>16} {aim:>12}  {measured}")


def main() -> None:
    """Prints the rows."""
    engine, rng = Relations.in_memory(), random.Random(7)
    reader = RELATIONS.index("reader")

    def user(number: int) -> int:
        return Subject(Kind.USER, TENANT, number + 1).bits

    def place(number: int) -> Place:
        return Place(At.PREFIX, BUCKET, b"f%d/s%d/" % (number % FOLDERS, number))

    for start in range(0, TUPLES, 1000):
        numbers = range(start, start + 1000)
        changes = [("touch", place(n).value, reader, user(n % USERS), None, None) for n in numbers]
        engine.write(TENANT, changes)

    def question() -> tuple[int, str]:
        number = rng.randrange(TUPLES)
        return user(number % USERS), f"{place(number).path.decode()}x{rng.randrange(10**9)}"

    check, who, key = engine.check, user(5), "f5/s5/cat.jpg"
    read = PERMISSIONS.index("read")
    assert check(who, read, TENANT, BUCKET, key)
    one = fastest(lambda: check(who, read, TENANT, BUCKET, key), 200_000)
    row("6 check from Python, text key, one question", "350 ns", "220 ns", f"{one:.0f} ns")
    hot = [question() for _ in range(HOT)]

    def sweep(questions: list[tuple[int, str]]) -> None:
        for subject, asked in questions:
            check(subject, read, TENANT, BUCKET, asked)

    sweep(hot)
    row("6   20k hot questions", "350 ns", "220 ns", f"{fastest(lambda: sweep(hot), 1) / HOT:.0f} ns")
    cold = [question() for _ in range(COLD)]
    begin = time.thread_time()
    sweep(cold)
    row("7 keys not asked before", "3 us", "2 us", f"{(time.thread_time() - begin) / COLD * 1e9:.0f} ns")
    keys = [f"f5/s5/{number:04}.jpg" for number in range(1000)]
    bulk = fastest(lambda: engine.check_keys((who, False), read, (TENANT, BUCKET), keys, Facts().value), 1000)
    row("10 filter 1000 keys of a folder, from Python", "25 us", "15 us", f"{bulk / 1000:.1f} us")


if __name__ == "__main__":
    main()
