"""The upload record (`u` rows): what CreateMultipartUpload said, kept until completion."""

import struct
from dataclasses import dataclass, replace
from typing import Final

from storage.records.fields import RecordError
from storage.records.object import ObjectRecord

_UPLOAD_CHECKSUM: Final = 32
_UPLOAD_INITIATOR: Final = 33
_UPLOAD_THROUGH: Final = 34
_OF_UPLOADS: Final = frozenset({_UPLOAD_CHECKSUM, _UPLOAD_INITIATOR, _UPLOAD_THROUGH})
_THROUGH: Final = struct.Struct("<III")


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """An open upload: what the object will be (no manifest; ordinal = initiation), and the checksum announced.

    `initiator` is the user who initiated it, when that is not who will own the object; `through` says share, bearer's
    tenant and bearer when it came through a mount.
    """

    object: ObjectRecord
    checksum_algorithm: int = 0
    checksum_kind: int = 0
    initiator: int | None = None
    through: tuple[int, int, int] | None = None

    @classmethod
    def decode(cls, data: bytes) -> "UploadRecord":
        """Reads an upload. RecordError."""
        record = ObjectRecord.decode(data)
        more = dict(record.others)
        checksum, initiator = more.get(_UPLOAD_CHECKSUM), more.get(_UPLOAD_INITIATOR)
        through = more.get(_UPLOAD_THROUGH)
        if checksum is None:
            raise RecordError("upload", len(data), "no checksum section")
        if len(checksum) != 2:
            raise RecordError("upload", len(data), "checksum section is not 2 bytes")
        if initiator is not None and len(initiator) != 4:
            raise RecordError("upload", len(data), "initiator section is not 4 bytes")
        if through is not None and len(through) != _THROUGH.size:
            raise RecordError("upload", len(data), "share section is not 12 bytes")
        if record.manifest.chunks:
            raise RecordError("upload", len(data), "an upload has no manifest")
        who = None if initiator is None else int.from_bytes(initiator, "little")
        came = None if through is None else _THROUGH.unpack(through)
        return cls(replace(record, others=_of_object(record)), checksum[0], checksum[1], who, came)

    def encode(self) -> bytes:
        """The row's value."""
        more = [(_UPLOAD_CHECKSUM, bytes([self.checksum_algorithm, self.checksum_kind]))]
        if self.initiator is not None:
            more.append((_UPLOAD_INITIATOR, self.initiator.to_bytes(4, "little")))
        if self.through is not None:
            more.append((_UPLOAD_THROUGH, _THROUGH.pack(*self.through)))
        return replace(self.object, others=(*_of_object(self.object), *more)).encode()


def _of_object(record: ObjectRecord) -> tuple[tuple[int, bytes], ...]:
    return tuple(section for section in record.others if section[0] not in _OF_UPLOADS)
