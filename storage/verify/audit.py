"""The audit log: that each entry can be read, and that the tally of each tenant's log is true.

Belongs here: rows `j` and `m | audit/TENANT` as FORMAT.md of crate `meta` says. What an entry names may be gone long
since.
"""

import struct
from typing import Final

from storage.verify import relation_rows, rows
from storage.verify.accounts import Catalog, scanned, shown
from storage.verify.directory import Rows
from storage.verify.report import Report
from storage.verify.rows import BadRow

SIZES: Final = b"audit/"
"""How the names of tallies begin among the store's rows."""
_FIXED: Final = struct.Struct("<BBBBBHBQQQI")
_KINDS, _OUTCOMES = 5, 3
_TEXTS: Final = (1, 2, 4, 5, 8)
_SOURCE_IP, _ACTION, _CHANGES = 3, 4, 7


def check_audit(stored: Rows, catalog: Catalog, report: Report) -> None:
    """Checks every entry and counts them."""
    counted: dict[int, tuple[int, int]] = {}
    for key, value in scanned(stored, b"j", report):
        try:
            tenant = read_key(key)
            count, size = counted.get(tenant, (0, 0))
            counted[tenant] = (count + 1, size + len(key) + len(value))
            read_entry(value)
            if _size_of(value) != len(key) + len(value):
                report.problem(f"audit entry {shown(key)}", "says another size than it has")
            if tenant and tenant not in catalog.tenants:
                report.note(f"audit log of tenant {tenant}", "outlived it")
        except BadRow as bad:
            report.problem(f"audit entry {shown(key)}", str(bad))
    report.counts["audit entries"] = sum(count for count, _ in counted.values())
    for key, value in scanned(stored, b"m" + SIZES, report):
        try:
            _check_tally(key, value, counted, report)
        except BadRow as bad:
            report.problem(f"row {shown(key)}", str(bad))
    for tenant in counted:
        report.problem(f"row {shown(b'm' + SIZES + b'%d' % tenant)}", "is missing")


def _check_tally(key: bytes, value: bytes, counted: dict[int, tuple[int, int]], report: Report) -> None:
    """Takes the tenant's count out of those that no row has told yet."""
    number = key[1 + len(SIZES) :]
    if not number.isdigit() or b"%d" % int(number) != number:
        raise BadRow("is not a tenant's")
    count, size = counted.pop(int(number), (0, 0))
    said = tuple(rows.read_counters(value, 2))
    if said != (count, size):
        report.problem(
            f"row {shown(key)}", f"counts {said[0]} entries and {said[1]} bytes; there are {count} and {size}"
        )


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
