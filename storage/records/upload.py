"""The upload record (`u` rows): what CreateMultipartUpload said, kept until completion."""

from dataclasses import dataclass, replace
from typing import Final

from storage.records.fields import RecordError
from storage.records.object import ObjectRecord

_UPLOAD_CHECKSUM: Final = 32


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """An open upload: what the object will be (no manifest; ordinal = initiation), and the checksum announced."""

    object: ObjectRecord
    checksum_algorithm: int = 0
    checksum_kind: int = 0

    @classmethod
    def decode(cls, data: bytes) -> "UploadRecord":
        """Reads an upload. RecordError."""
        record = ObjectRecord.decode(data)
        checksum = dict(record.others).get(_UPLOAD_CHECKSUM)
        if checksum is None:
            raise RecordError("upload", len(data), "no checksum section")
        if len(checksum) != 2:
            raise RecordError("upload", len(data), "checksum section is not 2 bytes")
        if record.manifest.chunks:
            raise RecordError("upload", len(data), "an upload has no manifest")
        return cls(replace(record, others=_without_checksum(record)), checksum[0], checksum[1])

    def encode(self) -> bytes:
        """The row's value."""
        checksum = (_UPLOAD_CHECKSUM, bytes([self.checksum_algorithm, self.checksum_kind]))
        return replace(self.object, others=(*_without_checksum(self.object), checksum)).encode()


def _without_checksum(record: ObjectRecord) -> tuple[tuple[int, bytes], ...]:
    return tuple(section for section in record.others if section[0] != _UPLOAD_CHECKSUM)
