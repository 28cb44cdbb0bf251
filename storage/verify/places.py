"""Where each chunk is, and reading one. The places are kept in a temporary file, not in memory: a large store has more
needles than fit.

Belongs here: chunk id to verified bytes. Does not belong here: finding needles (`volumes.py`).
"""

import hmac
import sqlite3
from types import TracebackType
from typing import Final, Self

from blake3 import blake3

from storage.verify.directory import OpenVolumes
from storage.verify.layout import BLOCK_BYTES, NEEDLE_HEAD_BYTES, aligned, read_needle_head
from storage.verify.rows import Entry

_WAITING: Final = 10_000
"""Places written at once."""
CHUNK_MOST_BYTES: Final = 4 << 20
"""The largest chunk there is; a manifest that says more is damaged, and is not believed with memory."""


class Lost(Exception):  # noqa: N818
    """A chunk that cannot be read as it was written."""


class Places:
    """The places of chunks. Fill with `add`, then `read`."""

    def __init__(self, volumes: OpenVolumes) -> None:
        self._volumes = volumes
        self._waiting: list[tuple[int, int, int]] = []
        # An empty name is a temporary file of SQLite's own, gone when it is closed.
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("CREATE TABLE place (print INTEGER, volume INTEGER, offset INTEGER)")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()
        self._volumes.close()

    def add(self, chunk: bytes, volume: int, offset: int) -> None:
        """A needle that holds the chunk."""
        self._waiting.append((_print(chunk), volume, offset))
        if len(self._waiting) >= _WAITING:
            self._write()

    def complete(self) -> None:
        """All places were added."""
        self._write()
        self._db.execute("CREATE INDEX by_print ON place (print)")

    def _write(self) -> None:
        self._db.execute("BEGIN")
        self._db.executemany("INSERT INTO place VALUES (?, ?, ?)", self._waiting)
        self._db.execute("COMMIT")
        self._waiting.clear()

    def read(self, chunk: Entry, domain_key: bytes | None) -> bytes:
        """The chunk's bytes, from any needle that holds them whole. Lost.

        They are checked by their name, which is their keyed BLAKE3; without the key, by the needle's checksums.
        """
        name, length = chunk
        if length > CHUNK_MOST_BYTES:
            raise Lost(f"chunk {name.hex()[:16]}… of {length} bytes, more than any has")
        why = "is in no volume"
        found = self._db.execute("SELECT volume, offset FROM place WHERE print = ?", (_print(name),))
        for volume, offset in found.fetchall():
            try:
                data = self._needle(volume, offset, chunk, domain_key)
            except _Unfit as unfit:
                if unfit.args:
                    why = f"in volume {volume:08x} at {offset} {unfit}"
                continue
            return data
        raise Lost(f"chunk {name.hex()[:16]}… {why}")

    def _needle(self, volume: int, offset: int, chunk: Entry, domain_key: bytes | None) -> bytes:
        name, length = chunk
        size = aligned(NEEDLE_HEAD_BYTES + 4 * -(-length // BLOCK_BYTES) + length, 8)
        try:
            record = self._volumes.get(volume).read(offset, size)
        except OSError as error:
            raise _Unfit(f"cannot be read: {error.strerror}") from error
        head = read_needle_head(record, volume, None, offset)
        if head is None:
            raise _Unfit("has a damaged header")
        if head.chunk != name:
            raise _Unfit  # The same 64 bits, another chunk.
        if head.stored != length:
            raise _Unfit(f"has {head.stored} bytes where the manifest says {length}")
        if not head.plain:
            raise _Unfit("is compressed or encrypted in a way that is not known")
        if len(record) < size:
            raise _Unfit("is cut off")
        data = record[head.payload_at : head.payload_at + length]
        if domain_key is None:
            if head.bad_blocks(record):
                raise _Unfit("does not match its checksums")
        elif not hmac.compare_digest(blake3(data, key=domain_key).digest(), name):
            raise _Unfit("does not hash to its name")
        return data


class _Unfit(Exception):  # noqa: N818
    """A needle that is not the chunk; without a word when that is no fault."""


def _print(chunk: bytes) -> int:
    return int.from_bytes(chunk[:8], "little", signed=True)
