"""The audit log: that each entry can be read, and that the tally of the log is true.

Belongs here: rows `j` and `m | audit` as FORMAT.md of crate `meta` says. What an entry names may be gone long since.
"""

import struct
from typing import Final

from storage.verify import relation_rows, rows
from storage.verify.accounts import Catalog, scanned, shown
from storage.verify.directory import Rows
from storage.verify.report import Report
from storage.verify.rows import BadRow

_TALLY: Final = b"maudit"
_FIXED: Final = struct.Struct("<BBBBBHBQQQI")
_KINDS, _OUTCOMES = 5, 3
_TEXTS: Final = (1, 2, 4, 5, 8)
_SOURCE_IP, _ACTION, _CHANGES = 3, 4, 7


def check_audit(stored: Rows, catalog: Catalog, report: Report) -> None:
    """Checks every entry and counts them."""
    count = size = 0
    for key, value in scanned(stored, b"j", report):
        count += 1
        size += len(key) + len(value)
        try:
            tenant = read_key(key)
            read_entry(value)
            if _size_of(value) != len(key) + len(value):
                report.problem(f"audit entry {shown(key)}", "says another size than it has")
            if tenant and tenant not in catalog.tenants:
                report.note(f"audit log of tenant {tenant}", "outlived it")
        except BadRow as bad:
            report.problem(f"audit entry {shown(key)}", str(bad))
    report.counts["audit entries"] = count
    _check_tally(stored.get(_TALLY), (count, size), report)


def _check_tally(value: bytes | None, counted: tuple[int, int], report: Report) -> None:
    where = f"row {shown(_TALLY)}"
    try:
        said = (0, 0) if value is None else tuple(rows.read_counters(value, 2))
    except BadRow as bad:
        report.problem(where, str(bad))
        return
    if said != counted:
        report.problem(where, f"counts {said[0]} entries and {said[1]} bytes; there are {counted[0]} and {counted[1]}")


def read_key(row: bytes) -> int:
    """The tenant of an entry's key. BadRow, like the next one."""
    if len(row) != 21:
        raise BadRow("is not an audit entry's key")
    return int.from_bytes(row[1:5], "big")


def _size_of(value: bytes) -> int:
    return int.from_bytes(value[8:16], "little")


def read_entry(value: bytes) -> None:
    """An entry's value."""
    (flags, kind, outcome, _, low, high, _, who, _, _), sections = rows.framed(value, _FIXED)
    for wrong, what in (
        (flags > 1, f"flags {flags:#x} are not known"),
        (kind >= _KINDS, f"kind {kind} is not known"),
        (outcome >= _OUTCOMES, f"outcome {outcome} is not known"),
        (low or high, "reserved bytes are not 0"),
    ):
        if wrong:
            raise BadRow(what)
    relation_rows.read_grantee(who)
    if _ACTION not in sections:
        raise BadRow("says no action")
    for tag in _TEXTS:
        rows.read_text(sections.get(tag))
    if len(sections.get(_SOURCE_IP, bytes(4))) not in (4, 16):
        raise BadRow("came from what is no address")
    relation_rows.check_changes(sections.get(_CHANGES, b""))
