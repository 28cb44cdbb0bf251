"""Small values: numbers behind names (`n`, `N`, `B`, `C`, `@`), the null version's ordinal (`z`), documents (`c`),
marks (`a`), the format.
"""

from typing import Final

from storage.records.fields import VERSION, Fields, RecordError

STORE_FORMAT: Final = 1
"""The layout this code reads and writes (`m | format`)."""


def encode_id(number: int) -> bytes:
    """The value of `n`, `N`, `B`, `C` and `@` rows."""
    return bytes([VERSION]) + number.to_bytes(4, "little")


def decode_id(data: bytes) -> int:
    """Reads the value of `n`, `N`, `B`, `C` and `@` rows. RecordError, like all below."""
    fields = Fields("id", data, 5)
    fields.exactly(5)
    return fields.number(1, 4)


def encode_ordinal(ordinal: int) -> bytes:
    """The value of `z` rows."""
    return bytes([VERSION]) + ordinal.to_bytes(8, "little")


def decode_ordinal(data: bytes) -> int:
    """Reads the value of `z` rows."""
    fields = Fields("null version", data, 9)
    fields.exactly(9)
    return fields.number(1, 8)


def encode_document(body: bytes) -> bytes:
    """The value of `c` rows."""
    return bytes([VERSION]) + body


def decode_document(data: bytes) -> bytes:
    """Reads the value of `c` rows: the document as it was stored."""
    return Fields("document", data, 1).data[1:]


def encode_format(number: int) -> bytes:
    """The value of `m | format`."""
    return number.to_bytes(4, "little")


def decode_format(data: bytes) -> int:
    """Reads the value of `m | format`."""
    if len(data) != 4:
        raise RecordError("format", 0, "is not 4 bytes")
    return int.from_bytes(data, "little")


def encode_mark() -> bytes:
    """The value of `a` rows: the key says everything."""
    return bytes([VERSION])


def decode_mark(data: bytes) -> None:
    """Reads the value of `a` rows."""
    Fields("mark", data, 1).exactly(1)
