"""The bytes of volumes and index logs, as `rust/crates/volume/FORMAT.md` says: bytes in, values or None out.

Belongs here: where a field stands, and what makes bytes a header or a row. Does not belong here: reading files, and
what a missing header means.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from storage.verify.digests import Bytes, crc32c

FORMAT: Final = 1
BATCH_ALIGN: Final = 4096
"""Batches start at multiples of this; the first behind the block of the volume header."""
BLOCK_BYTES: Final = 65536
"""One checksum covers so much of a payload."""
HEAD_BYTES: Final = 64
"""Of a volume and of a batch."""
NEEDLE_HEAD_BYTES: Final = 72
LOG_ROW_BYTES: Final = 48
BATCH_MOST_BYTES: Final = 64 << 20
"""Most bytes of needles in a batch."""

BATCH_MAGIC: Final = b"PNBT"
NEEDLE_MAGIC: Final = b"PNDL"
_VOLUME: Final = struct.Struct("<4sBBHIIQ36sI")
_BATCH: Final = struct.Struct("<4sB3sIIQQQI16sI")
_NEEDLE: Final = struct.Struct("<4sBBHIIQII32sII")
_LOG_TAIL: Final = struct.Struct("<B3sI")
_LOG_START: Final = struct.Struct("<4sBB2sI4sQ")
_LOG_NEEDLE: Final = struct.Struct("<32sII")
_LOG_END: Final = struct.Struct("<QQ")
_CHUNK: Final = 1
_CODEC_BITS: Final = 0xFF
"""Codec and encryption: 0 is plain bytes, and all there is in this version."""


def aligned(offset: int, to: int) -> int:
    """The next multiple of `to`, or the offset when it is one."""
    return -(-offset // to) * to


def blank(data: Bytes) -> bool:
    """Zeros and nothing else. Faster than looking at each."""
    return bytes(data).count(0) == len(data)


@dataclass(frozen=True, slots=True)
class VolumeHead:
    """What the first 64 bytes say."""

    lane: int
    volume: int
    generation: int


def read_volume_head(data: Bytes) -> VolumeHead | None:
    """The volume header, whichever volume it is of."""
    if len(data) < HEAD_BYTES:
        return None
    magic, version, lane, reserved, volume, more, generation, rest, crc = _VOLUME.unpack_from(data)
    if magic != b"PNVL" or version != FORMAT or crc32c(data[: HEAD_BYTES - 4]) != crc:
        return None
    return None if lane > 1 or reserved or more or any(rest) else VolumeHead(lane, volume, generation)


@dataclass(frozen=True, slots=True)
class BatchHead:
    """One group commit."""

    volume: int
    generation: int
    offset: int
    needles: int
    lsn: int
    body: int

    @property
    def end(self) -> int:
        """Where the next batch starts."""
        return aligned(self.offset + HEAD_BYTES + self.body, BATCH_ALIGN)


def read_batch_head(data: Bytes, volume: int, generation: int | None, offset: int) -> BatchHead | None:
    """The batch header of this volume at this place; None for the generation accepts any."""
    if len(data) < HEAD_BYTES:
        return None
    magic, version, zero, its_volume, needles, its_generation, lsn, place, body, rest, crc = _BATCH.unpack_from(data)
    if magic != BATCH_MAGIC or version != FORMAT or crc32c(data[: HEAD_BYTES - 4]) != crc:
        return None
    if its_volume != volume or place != offset or generation not in (None, its_generation):
        return None
    if any(zero) or any(rest) or body > BATCH_MOST_BYTES or lsn == 0:
        return None
    return BatchHead(its_volume, its_generation, place, needles, lsn, body)


@dataclass(frozen=True, slots=True)
class NeedleHead:
    """One chunk in a volume."""

    offset: int
    chunk: bytes
    stored: int
    logical: int
    flags: int

    @property
    def payload_at(self) -> int:
        """Bytes before the payload: header and checksums."""
        return NEEDLE_HEAD_BYTES + 4 * -(-self.stored // BLOCK_BYTES)

    @property
    def size(self) -> int:
        """Bytes of the whole needle."""
        return aligned(self.payload_at + self.stored, 8)

    @property
    def plain(self) -> bool:
        """Neither compressed nor encrypted."""
        return not self.flags & _CODEC_BITS and self.stored == self.logical

    def bad_blocks(self, record: Bytes) -> list[int]:
        """Numbers of the blocks whose checksum does not hold. `record` is the whole needle."""
        payload = memoryview(record)[self.payload_at : self.payload_at + self.stored]
        sums = struct.unpack_from(f"<{-(-self.stored // BLOCK_BYTES)}I", record, NEEDLE_HEAD_BYTES)
        places = range(0, self.stored, BLOCK_BYTES)
        return [
            number
            for number, (start, crc) in enumerate(zip(places, sums, strict=True))
            if crc32c(payload[start : start + BLOCK_BYTES]) != crc
        ]


def read_needle_head(data: Bytes, volume: int, generation: int | None, offset: int) -> NeedleHead | None:
    """The needle header of this volume at this place."""
    if len(data) < NEEDLE_HEAD_BYTES:
        return None
    magic, version, kind, flags, its_volume, place, its_generation, stored, logical, chunk, _, crc = (
        _NEEDLE.unpack_from(data)
    )
    if magic != NEEDLE_MAGIC or version != FORMAT or crc32c(data[: NEEDLE_HEAD_BYTES - 4]) != crc:
        return None
    if kind != _CHUNK or its_volume != volume or place * 8 != offset or generation not in (None, its_generation):
        return None
    return NeedleHead(offset, chunk, stored, logical, flags)


class LogKind(IntEnum):
    """Kinds of rows in an index log."""

    START = 0
    NEEDLE = 1
    BATCH = 2
    SEAL = 3
    POISON = 4


@dataclass(frozen=True, slots=True)
class LogRow:
    """A valid row. Needle: `offset`, `number` (stored length), `chunk`. The ends: `offset`, `number` (LSN)."""

    kind: LogKind
    offset: int = 0
    number: int = 0
    chunk: bytes = b""


def read_log_row(data: Bytes, volume: int, generation: int, place: int) -> LogRow | None:
    """Row `place` of the log of this volume."""
    if len(data) < LOG_ROW_BYTES:
        return None
    kind, zero, crc = _LOG_TAIL.unpack_from(data, 40)
    expected = crc32c(data[: LOG_ROW_BYTES - 4]) ^ (generation & 0xFFFFFFFF) ^ place
    if crc != expected or any(zero) or kind > max(LogKind) or (kind == LogKind.START) != (place == 0):
        return None
    if kind == LogKind.START:
        magic, version, _, _, its_volume, _, its_generation = _LOG_START.unpack_from(data)
        is_this = (magic, version, its_volume, its_generation) == (b"PNLG", FORMAT, volume, generation)
        return LogRow(LogKind.START) if is_this else None
    if kind == LogKind.NEEDLE:
        chunk, eighth, stored = _LOG_NEEDLE.unpack_from(data)
        return LogRow(LogKind.NEEDLE, eighth * 8, stored, chunk)
    end, lsn = _LOG_END.unpack_from(data)
    return LogRow(LogKind(kind), end, lsn)
