"""Whom grants are for: that canonical ids and e-mail addresses lead to their users, that lists name users there are.

Belongs here: `C` and `@` rows, the grants of buckets and objects. Does not belong here: who may do what by them.
"""

from collections.abc import Iterable

from storage.verify import row_keys, rows
from storage.verify.accounts import Catalog, scanned, shown
from storage.verify.directory import Rows
from storage.verify.report import Report


def check_grantees(stored: Rows, catalog: Catalog, report: Report) -> None:
    """The rows by which grantees are found. A removed user may have them until its removal is finished."""
    found: set[int] = set()
    for key, value in scanned(stored, b"C", report):
        try:
            number = rows.read_pointer(value, 4)
        except rows.BadRow as bad:
            report.problem(f"row {key.hex()}", str(bad))
            continue
        user = catalog.users.get(number)
        if user is None or user.canonical_id != key[1:]:
            report.problem(f"canonical id {key[1:].hex()}", f"leads to user {number}, who has not this id")
        found.add(number)
    addressed: set[int] = set()
    for key, value in scanned(stored, b"@", report):
        try:
            address, number = row_keys.email_of(key)
            same = rows.read_pointer(value, 4) == number
        except rows.BadRow as bad:
            report.problem(f"row {shown(key)}", str(bad))
            continue
        user = catalog.users.get(number)
        if not same or user is None or (user.email or "").encode().lower() != address:
            report.problem(f"e-mail address {shown(address)}", f"leads to user {number}, who has not this address")
        addressed.add(number)
    for number, user in catalog.users.items():
        if user.disabled:
            continue
        if number not in found:
            report.problem(f"user {number}", "is not found by its canonical id")
        if user.email and number not in addressed:
            report.problem(f"user {number}", "is not found by its e-mail address")
    for number, bucket in catalog.buckets.items():
        check_list(f"bucket {catalog.bucket_name(number)}", bucket.grantees, catalog, report)


def check_list(where: str, grantees: Iterable[int], catalog: Catalog, report: Report) -> None:
    """A list of grants names users who have a record; 0 is whoever does not sign."""
    for number in grantees:
        if number and number not in catalog.users:
            report.problem(where, f"has a grant for user {number}, who is missing")
