"""The part record (`p` rows): one uploaded part of an open upload."""

import struct
from dataclasses import dataclass
from typing import Final

from storage.records.fields import VERSION, Fields
from storage.records.manifest import ENTRY_BYTES, NO_CHUNKS, Manifest, decode_entries, encode_entries
from storage.records.object import FLAG_INDIRECT

_FIXED: Final = struct.Struct("<BBHIQQ16sBB")
SIZE_FIELD: Final = 8
"""Offset of the size: the field of the parts tally."""


@dataclass(frozen=True, slots=True)
class PartRecord:
    """An uploaded part. `ordinal` is its Last-Modified; `checksum_algorithm` 0 is none."""

    size: int = 0
    ordinal: int = 0
    md5: bytes = bytes(16)
    manifest: Manifest = NO_CHUNKS
    checksum_algorithm: int = 0
    checksum: bytes = b""

    @classmethod
    def decode(cls, data: bytes) -> "PartRecord":
        """Reads a part. RecordError."""
        fields = Fields("part", data, _FIXED.size)
        flags = fields.flags(1, FLAG_INDIRECT)
        fields.zero(2, 2)
        _, _, _, count, size, ordinal, md5, algorithm, checksum_bytes = _FIXED.unpack_from(data)
        start = _FIXED.size + checksum_bytes
        if start > len(data):
            raise fields.wrong(41, "ends inside the checksum")
        if count * ENTRY_BYTES != len(data) - start:
            raise fields.wrong(4, "the manifest is not as long as it says")
        manifest = Manifest(decode_entries(data[start:]), bool(flags))
        return cls(size, ordinal, md5, manifest, algorithm, data[_FIXED.size : start])

    def encode(self) -> bytes:
        """The row's value. Raises ValueError or struct.error for a field that does not fit."""
        fixed = _FIXED.pack(
            VERSION,
            FLAG_INDIRECT if self.manifest.indirect else 0,
            0,
            len(self.manifest.chunks),
            self.size,
            self.ordinal,
            self.md5,
            self.checksum_algorithm,
            len(self.checksum),
        )
        return fixed + self.checksum + encode_entries(self.manifest.chunks)
