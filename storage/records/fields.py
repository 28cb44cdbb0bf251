"""Reading the fixed part of a record: little-endian numbers at offsets, each mistake named by record and offset."""

from typing import Final

VERSION: Final = 1
"""The version every record has today."""


class RecordError(ValueError):
    """Bytes that are not the record they should be."""

    def __init__(self, record: str, offset: int, what: str) -> None:
        super().__init__(f"{record} record, offset {offset}: {what}")
        self.record = record
        self.offset = offset
        self.what = what


class Fields:
    """The bytes of one record. The constructor refuses an unknown version and a record shorter than its fixed part."""

    __slots__ = ("data", "record")

    def __init__(self, record: str, data: bytes, fixed: int) -> None:
        self.record = record
        self.data = data
        if not data:
            raise self.wrong(0, "empty")
        if data[0] != VERSION:
            raise self.wrong(0, "unknown version")
        if len(data) < fixed:
            raise self.wrong(len(data), "shorter than its fixed part")

    def wrong(self, offset: int, what: str) -> RecordError:
        """The error to raise."""
        return RecordError(self.record, offset, what)

    def number(self, offset: int, size: int) -> int:
        """An unsigned little-endian number."""
        return int.from_bytes(self.data[offset : offset + size], "little")

    def flags(self, offset: int, known: int, size: int = 1) -> int:
        """Flags of which only the known ones may be set."""
        flags = self.number(offset, size)
        if flags & ~known:
            raise self.wrong(offset, "unknown flag")
        return flags

    def zero(self, offset: int, size: int) -> None:
        """Bytes that a later version may use and that must be 0 now."""
        if any(self.data[offset : offset + size]):
            raise self.wrong(offset, "reserved bytes are not 0")

    def exactly(self, size: int) -> None:
        """The record ends here."""
        if len(self.data) != size:
            raise self.wrong(size, "longer than it can be")


def flag_bits(*flags: tuple[bool, int]) -> int:
    """The flags byte with the bits of those that are set."""
    return sum(bit for is_set, bit in flags if is_set)
