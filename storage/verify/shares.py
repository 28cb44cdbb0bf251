"""Shares, the way from their secrets to them, their downloads, mounts: rows that lead to each other.

Belongs here: what these rows must say about each other. Does not belong here: the relations that give a share its
rights (`relations.py`), bytes (`rows.py`).
"""

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from storage.verify import rows
from storage.verify.accounts import Catalog, scanned, shown
from storage.verify.directory import Rows
from storage.verify.report import Report
from storage.verify.row_keys import u32

_POINTER: Final = "BHII"
_MOUNT: Final = "BHIIIQ"
_COUNTER: Final = b"mnext/share/"

_Row = TypeVar("_Row")
_Number = tuple[int, int]
"""Tenant and share."""
_Shares = dict[_Number, rows.ShareRow]


def check_shares(stored: Rows, catalog: Catalog, report: Report) -> None:
    """Every row of sharing."""
    shares: _Shares = {}
    for key, share in _read(stored, b"s", rows.read_share, report):
        number = (share.tenant, share.share)
        if key[1:] != u32(share.tenant) + u32(share.share):
            report.problem(f"row {shown(key)}", f"holds {_named(number)}")
            continue
        shares[number] = share
        if share.tenant not in catalog.tenants and not share.revoked:
            # It gives nothing without its tenant, and who still tries it leaves an entry in the log that outlived it.
            report.note(_named(number), "outlived its tenant")
        if share.creator not in catalog.users:
            report.problem(_named(number), f"was made by user {share.creator}, who is missing")
    _secrets(stored, shares, report)
    _counters(stored, shares, report)
    for key, _ in _read(stored, b"d", _downloads, report):
        if len(key) != 9 or (int.from_bytes(key[1:5], "big"), int.from_bytes(key[5:], "big")) not in shares:
            report.problem(f"row {shown(key)}", "counts downloads of a share that is missing")
    for key, _ in _read(stored, b"M", lambda data: rows.read_plain(data, _MOUNT), report):
        if int.from_bytes(key[1:5], "big") not in catalog.buckets or not key[5:].endswith(b"/"):
            report.problem(f"row {shown(key)}", "mounts a share where no bucket is, or at no prefix")
    report.counts["shares"] = len(shares)


def _read(stored: Rows, kind: bytes, read: Callable[[bytes], _Row], report: Report) -> Iterator[tuple[bytes, _Row]]:
    """Key and record of each row of a kind; what does not decode is a problem."""
    for key, value in scanned(stored, kind, report):
        try:
            yield key, read(value)
        except rows.BadRow as bad:
            report.problem(f"row {shown(key)}", str(bad))


def _downloads(data: bytes) -> tuple[int, ...]:
    if any(data[1:8]):
        raise rows.BadRow("reserved bytes are not 0")
    return rows.read_plain(data[:1] + bytes(3) + data[8:], "BHQQ")


def _secrets(stored: Rows, shares: _Shares, report: Report) -> None:
    found = set()
    for key, (tenant, number) in _read(stored, b"h", lambda data: rows.read_plain(data, _POINTER), report):
        target = shares.get((tenant, number))
        if target is None or target.secret != key[1:]:
            report.problem(f"row {shown(key)}", f"leads to {_named((tenant, number))}, which has another secret")
        found.add((tenant, number))
    for one, share in shares.items():
        if not share.revoked and one not in found:
            report.problem(_named(one), "cannot be found by its secret")


def _counters(stored: Rows, shares: _Shares, report: Report) -> None:
    highest: dict[int, int] = {}
    for tenant, number in shares:
        highest[tenant] = max(highest.get(tenant, 0), number)
    for key, value in scanned(stored, _COUNTER, report):
        try:
            (given,) = rows.read_counters(value, 1)
            most = highest.pop(int(key[len(_COUNTER) :]), 0)
        except ValueError as bad:
            report.problem(f"row {shown(key)}", str(bad))
            continue
        if given < most:
            report.problem(f"row {shown(key)}", f"is {given}, below a number that was given")
    for tenant in highest:
        report.problem(f"shares of tenant {tenant}", "are not counted")


def _named(number: _Number) -> str:
    return f"share {number[1]} of tenant {number[0]}"
