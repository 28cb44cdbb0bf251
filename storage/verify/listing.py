"""The lines beside rescued files: what S3 knew about an object, as JSON.

Belongs here: from a row to a line. Does not belong here: which rows, and writing files.
"""

import base64
from datetime import UTC, datetime, timedelta
from typing import Final

from storage.verify.digests import NAMES
from storage.verify.rows import ObjectRow, UserRow

Line = dict[str, object]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HEADERS: Final = {
    2: "cache_control",
    3: "content_disposition",
    4: "content_encoding",
    5: "content_language",
    6: "expires",
    7: "website_redirect_location",
}
"""Section tags of headers that S3 stores."""


def line_of(key: bytes, row: ObjectRow, owner: UserRow | None, *, latest: bool) -> Line:
    """Everything but where the file is."""
    line: Line = {"key": text(key)}
    if not _is_utf8(key):
        line["key_base64"] = base64.b64encode(key).decode()
    line |= {
        "version_id": row.version_id,
        "is_latest": latest,
        "delete_marker": row.marker,
        "last_modified": _moment(row.ordinal),
        "owner": _owner(row.owner, owner),
    }
    if row.marker:
        return line
    line |= {
        "size": row.size,
        "etag": row.shown_etag,
        "storage_class": row.storage_class,
        "content_type": text(row.content_type),
    }
    line |= {name: text(row.sections[tag]) for tag, name in _HEADERS.items() if tag in row.sections}
    line |= {
        "metadata": {text(name): text(value) for name, value in row.metadata},
        "tags": dict(row.tags),
        "checksums": [
            {
                "algorithm": NAMES.get(each.algorithm, str(each.algorithm)),
                "type": "COMPOSITE" if each.composite else "FULL_OBJECT",
                "value": base64.b64encode(each.value).decode(),
            }
            for each in row.sums
        ],
        "parts": [{"number": part.number, "size": part.size} for part in row.parts],
    }
    return line


def text(value: bytes) -> str:
    """Bytes as text. What is not UTF-8 becomes lone surrogates, which JSON writes as escapes and Python reads back."""
    return value.decode("utf-8", "surrogateescape")


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _moment(microseconds: int) -> str:
    try:
        return (_EPOCH + timedelta(microseconds=microseconds)).isoformat(timespec="microseconds")
    except OverflowError:
        return f"{microseconds} microseconds since 1970"


def _owner(number: int, user: UserRow | None) -> Line:
    if user is None:
        return {"user_id": number}
    return {
        "user_id": number,
        "name": user.name,
        "display_name": user.display_name or user.name,
        "canonical_id": user.canonical_id.hex(),
    }
