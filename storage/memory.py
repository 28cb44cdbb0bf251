"""The Metastore in memory: the only fake that Python tests use, with exactly the semantics of the contract.

Belongs here: the contract over a dictionary. Does not belong here: speed, durability. Compare
`rust/crates/meta/src/memory.rs`.
"""

import bisect
from collections.abc import Sequence
from threading import Lock
from typing import Final

from storage.api import KEY_LIMIT, VALUE_LIMIT, Conflict, Guard, Op, StoreError, counters

_I64_MIN: Final = -(1 << 63)
_I64_MAX: Final = (1 << 63) - 1
_WITH_VALUE: Final = {
    "absent": False,
    "present": False,
    "equals": True,
    "empty_range": True,
    "put": True,
    "delete": False,
    "delete_range": True,
    "add": True,
}
_GUARDS: Final = frozenset({"absent", "present", "equals", "empty_range"})


class MemoryMetastore:
    """A store that vanishes with the process. Safe to use from several threads."""

    def __init__(self) -> None:
        self._rows: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []
        self._revision = 0
        self._lock = Lock()

    def get(self, key: bytes) -> bytes | None:
        """See `storage.api.Metastore`."""
        with self._lock:
            return self._rows.get(key)

    def scan(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """See `storage.api.Metastore`."""
        with self._lock:
            return [(key, self._rows[key]) for key in self._range(start, end)[: max(limit, 0)]]

    def commit(self, guards: Sequence[Guard], ops: Sequence[Op]) -> int:
        """See `storage.api.Metastore`."""
        for word, _, value in (*guards, *ops):
            _check_value(word, value)
        if any(word not in _GUARDS for word, _, _ in guards) or any(word in _GUARDS for word, _, _ in ops):
            raise ValueError("a guard among the operations, or an operation among the guards")
        for word, key, value in ops:
            _check_limits(word, key, value)
        with self._lock:
            for index, guard in enumerate(guards):
                if not self._holds(guard):
                    raise Conflict(index)
            changed = [self._apply(op) for op in ops]
            self._revision += any(changed)
            return self._revision

    def _range(self, start: bytes, end: bytes) -> list[bytes]:
        first = bisect.bisect_left(self._keys, start)
        return self._keys[first : max(first, bisect.bisect_left(self._keys, end))]

    def _holds(self, guard: Guard) -> bool:
        word, key, value = guard
        if word == "empty_range":
            return not self._range(key, value or b"")
        found = self._rows.get(key)
        if word == "equals":
            return found is not None and found == value
        return (found is None) == (word == "absent")

    def _apply(self, op: Op) -> bool:
        word, key, value = op
        if word == "put":
            self._put(key, value or b"")
            return True
        if word == "add":
            self._put(key, _added(self._rows.get(key), value or b""))
            return True
        doomed = self._range(key, value or b"") if word == "delete_range" else [key]
        return sum(self._remove(each) for each in doomed) > 0

    def _put(self, key: bytes, value: bytes) -> None:
        if key not in self._rows:
            bisect.insort(self._keys, key)
        self._rows[key] = value

    def _remove(self, key: bytes) -> bool:
        if self._rows.pop(key, None) is None:
            return False
        del self._keys[bisect.bisect_left(self._keys, key)]
        return True


def _check_value(word: str, value: bytes | None) -> None:
    """The words and shapes that the border of the Rust core accepts."""
    needed = _WITH_VALUE.get(word)
    if needed is None:
        raise ValueError(f"no such guard or operation: {word}")
    if needed and value is None:
        raise ValueError(f"{word} needs a value")
    if word == "add" and (not value or len(value) % 8):
        raise ValueError("add needs little-endian i64 deltas, 8 bytes each")


def _check_limits(word: str, key: bytes, value: bytes | None) -> None:
    if word == "delete_range":
        return
    if not 1 <= len(key) <= KEY_LIMIT:
        raise StoreError(f"metastore: limit: a key of {len(key)} bytes; 1 to {KEY_LIMIT} can be")
    if value is not None and len(value) > VALUE_LIMIT:
        raise StoreError(f"metastore: limit: a value of {len(value)} bytes; {VALUE_LIMIT} can be")


def _added(old: bytes | None, deltas: bytes) -> bytes:
    numbers, more = list(counters(old)), counters(deltas)
    numbers += [0] * (len(more) - len(numbers))
    for place, delta in enumerate(more):
        numbers[place] = min(max(numbers[place] + delta, _I64_MIN), _I64_MAX)
    return b"".join(number.to_bytes(8, "little", signed=True) for number in numbers)
