"""Manifests: the chunks that are the bytes of an object or a part, in order. 36 bytes an entry."""

import struct
from dataclasses import dataclass
from typing import Final

from storage.records.fields import RecordError

_ENTRY: Final = struct.Struct("<32sI")
ENTRY_BYTES: Final = _ENTRY.size
"""Bytes of one entry: chunk id and length."""


@dataclass(frozen=True, slots=True)
class ChunkRef:
    """One chunk: keyed BLAKE3 of its plaintext, and the length of that in bytes."""

    id: bytes
    len: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an object or a part is made of; `indirect`: the chunks, concatenated, are the real manifest's entries."""

    chunks: tuple[ChunkRef, ...] = ()
    indirect: bool = False


NO_CHUNKS: Final = Manifest()
"""The manifest of an empty object."""


def encode_entries(chunks: tuple[ChunkRef, ...]) -> bytes:
    """Entries as they stand in a record and in the chunks of an indirect manifest."""
    if any(len(chunk.id) != 32 for chunk in chunks):
        raise ValueError("a chunk id has 32 bytes")
    return b"".join(_ENTRY.pack(chunk.id, chunk.len) for chunk in chunks)


def decode_entries(data: bytes) -> tuple[ChunkRef, ...]:
    """Reads entries. RecordError when the bytes end inside one."""
    if len(data) % ENTRY_BYTES:
        raise RecordError("manifest", len(data), "ends inside an entry")
    return tuple(ChunkRef(chunk_id, size) for chunk_id, size in _ENTRY.iter_unpack(data))
