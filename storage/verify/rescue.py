"""Exports objects into plain files, verified on the way, past whatever is damaged.

Belongs here: which rows become which files. Does not belong here: names (`names.py`), lines (`listing.py`), reading
content. Layout: `DIR/<tenant>/<bucket>/<key>`, beside it `<bucket>%objects.jsonl`, and for other versions
`<bucket>%versions/<key>%@/<version id>`: no tenant, bucket or piece of a key has such a `%` in its file name.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final, TextIO

from storage.verify import row_keys, rows
from storage.verify.accounts import Catalog, scanned, shown
from storage.verify.content import Content
from storage.verify.directory import BrokenRows, CannotOpen, Rows
from storage.verify.listing import Line, line_of
from storage.verify.names import CLASH, path_of
from storage.verify.places import Lost, Places
from storage.verify.report import Meter, Report
from storage.verify.row_keys import bucket_of, u32

_OBJECTS: Final = "%objects.jsonl"
_VERSIONS: Final = b"%versions"


def prepare(target: Path) -> None:
    """Makes the directory to write to. CannotOpen when it cannot be, or holds something."""
    try:
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise CannotOpen(f"{target} is not empty; rescue writes into a directory of its own")
    except OSError as error:
        raise CannotOpen(f"cannot write to {target}: {error.strerror}") from error


@dataclass(slots=True)
class _Bucket:
    """Where a bucket goes."""

    number: int
    home: bytes
    domain_key: bytes | None
    listing: TextIO
    has_versions: bool


@dataclass(slots=True)
class Rescue:
    """One export."""

    stored: Rows
    catalog: Catalog
    places: Places
    target: Path
    report: Report
    meter: Meter
    versions: bool = False
    _done: int = 0
    _seen: set[int] = field(default_factory=set)

    def run(self) -> None:
        """Exports every bucket there is, then those of which only objects are left."""
        for number in chain(sorted(self.catalog.buckets), self._orphaned()):
            if number not in self._seen:
                self._seen.add(number)
                self._bucket(number)
        os.sync()

    def _orphaned(self) -> Iterator[int]:
        """Numbers in object rows whose bucket row is lost."""
        kinds = (b"o", b"v") if self.versions else (b"o",)
        for kind in kinds:
            at = kind
            with contextlib.suppress(BrokenRows, rows.BadRow):
                while (key := self.stored.first_from(at, kind)) is not None:
                    number = bucket_of(key)
                    if number not in self.catalog.buckets:
                        yield number
                    at = kind + u32(number + 1) if number < 0xFFFFFFFF else kind + b"\xff" * 5

    def _bucket(self, number: int) -> None:
        row = self.catalog.buckets.get(number)
        tenant = None if row is None else self.catalog.tenants.get(row.tenant)
        tenant_name = b"%tenant" if row is None else b"%%tenant-%d" % row.tenant
        if tenant is not None and tenant.name:
            tenant_name = path_of(tenant.name.encode().replace(b"/", b"\0")).replace(b"%00", b"%2F")
        name = b"%%bucket-%d" % number if row is None else path_of(self.catalog.names[number])
        home = os.path.join(os.fsencode(self.target), tenant_name, name)
        where = self.catalog.bucket_name(number)
        try:
            os.makedirs(home, exist_ok=True)
            # Line by line: what was saved stays listed when damaged pages end this process.
            with Path(os.fsdecode(home) + _OBJECTS).open("w", encoding="utf-8", buffering=1) as listing:
                has_versions = row is None or row.versioning != 0
                self._rows(_Bucket(number, home, self.catalog.domain_key(number), listing, has_versions))
        except OSError as error:
            self.report.problem(where, f"not saved: {error.strerror}")
        except BrokenRows as error:
            self.report.problem(where, f"not saved to its end, rows cannot be read: {error}")

    def _rows(self, bucket: _Bucket) -> None:
        for key, value in scanned(self.stored, b"o" + u32(bucket.number), self.report):
            self._save(bucket, key[5:], value, latest=True, ordinal=None)
        if not self.versions:
            return
        last: bytes | None = None
        for key, value in scanned(self.stored, b"v" + u32(bucket.number), self.report):
            try:
                name, ordinal = row_keys.version_of(key)
            except rows.BadRow as bad:
                self.report.problem(f"row {shown(key)}", f"not saved: {bad}")
                continue
            latest = name != last and self.stored.get(b"o" + u32(bucket.number) + name) is None
            last = name
            self._save(bucket, name, value, latest=latest, ordinal=ordinal)

    def _save(self, bucket: _Bucket, key: bytes, value: bytes, *, latest: bool, ordinal: int | None) -> None:
        """One version: its file and its line. What cannot be saved is a problem, and a line that says so."""
        where = f"{self.catalog.bucket_name(bucket.number)}/{shown(key)}"
        if ordinal is not None:
            where += f" version {ordinal:016x}"
        try:
            row = rows.read_object(value)
        except rows.BadRow as bad:
            self.report.problem(where, f"not saved: {bad}")
            _write(bucket, {"key": key.decode("utf-8", "surrogateescape"), "saved": False, "why": str(bad)})
            return
        line = line_of(key, row, self.catalog.users.get(row.owner), latest=latest)
        if not bucket.has_versions:
            line["version_id"] = None
        if row.marker:
            self.report.counts["delete markers"] += 1
            _write(bucket, line)
            return
        path = self._path(bucket, key, ordinal)
        saved, faults = self._file(path, Content(self.places, row, bucket.domain_key), row.ordinal)
        if saved:
            line["path"] = os.path.relpath(path, os.fsencode(self.target)).decode("utf-8", "surrogateescape")
            self.report.counts["objects saved"] += 1
        else:
            self.report.counts["objects lost"] += 1
        line["saved"] = saved
        if faults:
            line["why"] = "; ".join(faults)
        for fault in faults:
            self.report.problem(where, f"saved, but {fault}" if saved else f"not saved: {fault}")
        _write(bucket, line)

    def _path(self, bucket: _Bucket, key: bytes, ordinal: int | None) -> bytes:
        if ordinal is not None:
            return os.path.join(bucket.home + _VERSIONS, path_of(key) + CLASH, b"%016x" % ordinal)
        clash = self.stored.any_under(b"o" + u32(bucket.number) + key + b"/")
        return os.path.join(bucket.home, path_of(key, clash=clash))

    def _file(self, path: bytes, content: Content, ordinal: int) -> tuple[bool, list[str]]:
        """Whether the file is there, and what is wrong with it. A file that is not whole is removed."""
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "xb") as file:
                for piece in content:
                    file.write(piece)
                    self._done += len(piece)
                    self.meter.tick("objects", self._done)
            self.report.counts["bytes"] += os.path.getsize(path)
            os.utime(path, ns=(ordinal * 1000, ordinal * 1000))
        except (Lost, rows.BadRow) as lost:
            with contextlib.suppress(OSError):
                os.unlink(path)
            return False, [str(lost)]
        except (OSError, OverflowError) as error:
            return False, [getattr(error, "strerror", None) or str(error)]
        return True, content.faults


def _write(bucket: _Bucket, line: Line) -> None:
    bucket.listing.write(json.dumps(line) + "\n")
