"""The second reader: checks and exports closed data directories in plain Python, from the formats' descriptions alone.

Belongs here: `verify` and `rescue`, and in which order they work. It must work when the extension does not, and shares
no code with what it checks (`.importlinter` holds it to that).
"""

from collections.abc import Callable
from pathlib import Path

from storage.verify.accounts import check_accounts, read_catalog
from storage.verify.audit import check_audit
from storage.verify.directory import BrokenRows, CannotOpen, Directory, OpenVolumes
from storage.verify.grantees import check_grantees
from storage.verify.identities import check_identities
from storage.verify.objects import Objects
from storage.verify.places import Places
from storage.verify.relations import check_relations
from storage.verify.report import Finding, Meter, Report
from storage.verify.rescue import Rescue, prepare
from storage.verify.shares import check_shares
from storage.verify.volumes import Walk, walk_volumes

__all__ = ["CannotOpen", "Finding", "Report", "rescue", "verify"]

Say = Callable[[str], None]


def verify(data: Path, say: Say | None = None) -> Report:
    """Checks everything in a closed data directory. CannotOpen when it is in use or is none.

    `say` is told how far the work is.
    """
    report, meter = Report(), Meter(say)
    with Directory(data) as directory, Places(OpenVolumes(directory, report)) as places:
        walk_volumes(directory, Walk(report, places.add, meter))
        places.complete()
        _check_rows(directory, places, report, meter)
    return report


def _check_rows(directory: Directory, places: Places, report: Report, meter: Meter) -> None:
    faults = directory.page_faults()
    for fault in faults:
        report.problem("meta/data.mdb", fault)
    if faults:
        # LMDB's engine trusts pages and may end this process over damaged ones, and the report with it.
        report.problem("meta/data.mdb", "rows and objects were not checked, because pages are damaged")
        return
    try:
        stored = directory.rows()
        catalog = read_catalog(stored, report)
        check_accounts(stored, catalog, report)
        check_identities(stored, catalog, report)
        check_relations(stored, catalog, report)
        check_audit(stored, catalog, report)
        check_shares(stored, catalog, report)
        check_grantees(stored, catalog, report)
        Objects(stored, catalog, places, report, meter).check()
    except (BrokenRows, CannotOpen) as broken:
        report.problem("meta/data.mdb", str(broken))


def rescue(data: Path, to: Path, *, versions: bool = False, say: Say | None = None) -> Report:
    """Exports every object of a closed data directory into `to`. CannotOpen when that cannot begin.

    `versions` adds what is not current. Problems of the report are what could not be saved.
    """
    report, meter = Report(), Meter(say)
    with Directory(data) as directory, Places(OpenVolumes(directory, report)) as places:
        prepare(to)
        for fault in directory.page_faults():
            report.note("meta/data.mdb", fault)
        # Damage in volumes is told as notes: it is a problem only when an object needs what is lost.
        found = Report()
        walk_volumes(directory, Walk(found, places.add, meter, deep=False))
        places.complete()
        for finding in found.problems:
            report.note(finding.where, finding.what)
        stored = directory.rows()
        catalog = read_catalog(stored, report)
        Rescue(stored, catalog, places, to, report, meter, versions).run()
    return report
