"""The four pillars as protocols, their values and their errors.

Belongs here: what a store promises, in types. Does not belong here: any engine, any S3 word, any I/O. The semantics of
guards and operations are those of `rust/crates/meta/src/contract.rs`; `tests/storage/test_metastore.py` is what an
engine must pass.

Guards and operations are plain tuples, so that a batch crosses the language border once, can be retried, logged and
replayed. Build them with the functions below.
"""

from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

Guard = tuple[str, bytes, bytes | None]
"""("absent", key, None) ("present", key, None) ("equals", key, value) ("empty_range", start, end)"""

Op = tuple[str, bytes, bytes | None]
"""("put", key, value) ("delete", key, None) ("delete_range", start, end) ("add", key, little-endian i64 deltas)"""

KEY_LIMIT: Final = 1980
"""Longest key in bytes on every engine (Rust: `KEY_LIMIT`, with the reason)."""

VALUE_LIMIT: Final = 16 << 20
"""Longest value in bytes on every engine (Rust: `VALUE_LIMIT`, with the reason)."""


class StoreError(Exception):
    """The store failed: disk, corruption, no space, a limit. Whether the change happened is not known."""


class Conflict(Exception):  # noqa: N818  an expected outcome of a commit, not a defect
    """A guard did not hold. `guard` is its index; nothing changed."""

    def __init__(self, guard: int) -> None:
        super().__init__(guard)
        self.guard = guard


class RelationError(Exception):
    """Why the relationship engine gave no answer. A check that ends in one is a deny.

    `kind` is one of `invalid` `precondition` `exists` `idempotency` `limit` `bad_token` `not_yet` `trimmed`
    `schema_changed` `orphans` `audit`; `number` is the index of the change or precondition, or the revision, that the
    kind is about.
    """

    def __init__(self, kind: str, message: str, number: int | None = None) -> None:
        super().__init__(kind, message, number)
        self.kind = kind
        self.message = message
        self.number = number

    def __str__(self) -> str:
        return self.message


@runtime_checkable
class Metastore(Protocol):
    """Ordered keys, memcmp order. Every method may raise StoreError."""

    def get(self, key: bytes) -> bytes | None:
        """The value of a key; None for a key that no row has or can have."""

    def scan(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Rows of the half-open range in ascending order, at most `limit`, at one revision."""

    def commit(self, guards: Sequence[Guard], ops: Sequence[Op]) -> int:
        """All or nothing, durable when it returns. Returns the revision. Raises Conflict.

        All guards are checked, in order, before anything changes; then the operations apply in order. ValueError for a
        word that is no guard or operation, StoreError for a key or value beyond the limits.
        """


class RecordStore(Metastore, Protocol):
    """Entities and logs: the second face of the same contract. Embedded, it is the same store."""


class ObjectStore(Protocol):
    """Chunks by name. The engine is Rust's; Python jobs and the verifier see this much of it."""

    def read(self, chunk_id: bytes) -> bytes:
        """The plaintext of a chunk, verified. KeyError when no needle has this name, StoreError otherwise."""


class CacheStore(Protocol):
    """Lossy reflexes: its absence changes nothing but speed. Values vanish at any time and never decide a question."""

    def get(self, key: bytes) -> bytes | None:
        """What was set, if it is still there."""

    def set(self, key: bytes, value: bytes, ttl_s: float) -> None:
        """Keeps the value for at most `ttl_s` seconds."""

    def delete(self, key: bytes) -> None:
        """Forgets the key."""


def absent(key: bytes) -> Guard:
    """The key has no value."""
    return ("absent", key, None)


def present(key: bytes) -> Guard:
    """The key has some value."""
    return ("present", key, None)


def equals(key: bytes, value: bytes) -> Guard:
    """The key has exactly this value."""
    return ("equals", key, value)


def empty_range(start: bytes, end: bytes) -> Guard:
    """No key lies in the half-open range."""
    return ("empty_range", start, end)


def put(key: bytes, value: bytes) -> Op:
    """Stores the value, replacing another."""
    return ("put", key, value)


def delete(key: bytes) -> Op:
    """Removes the key; nothing happens when it has no value."""
    return ("delete", key, None)


def delete_range(start: bytes, end: bytes) -> Op:
    """Removes every key of the half-open range."""
    return ("delete_range", start, end)


def add(key: bytes, *deltas: int) -> Op:
    """Adds to a counter row of consecutive little-endian i64; missing ones are 0; saturates. OverflowError."""
    return ("add", key, b"".join(delta.to_bytes(8, "little", signed=True) for delta in deltas))


def counters(value: bytes | None) -> tuple[int, ...]:
    """The numbers of a counter row; none for a row that is not there."""
    row = value or b""
    return tuple(int.from_bytes(row[at : at + 8], "little", signed=True) for at in range(0, len(row) - 7, 8))
