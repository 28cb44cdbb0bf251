"""Objects, versions, uploads, parts: the invariants of FORMAT.md, the tallies, and with each row its content.

Belongs here: what rows of one bucket must say about each other. Does not belong here: recomputing content
(`content.py`), tenants and buckets (`accounts.py`).
"""

import contextlib
from collections import Counter
from dataclasses import dataclass, field

from storage.verify import row_keys, rows
from storage.verify.accounts import Catalog, scanned, shown
from storage.verify.content import Content, lost_chunks
from storage.verify.directory import Rows
from storage.verify.grantees import check_list
from storage.verify.places import Lost, Places
from storage.verify.report import Meter, Report
from storage.verify.row_keys import Tally, bucket_of, u32


@dataclass(slots=True)
class _Newest:
    """The key whose versions are being read: newest first, so the first is what counts."""

    bucket: int = -1
    key: bytes = b""
    nulls: int = 0


@dataclass(slots=True)
class Objects:
    """One run over all rows of objects."""

    stored: Rows
    catalog: Catalog
    places: Places
    report: Report
    meter: Meter
    _done: int = 0
    _total: int = 0
    _count: Counter[tuple[int, int]] = field(default_factory=Counter)
    _bytes: Counter[tuple[int, int]] = field(default_factory=Counter)
    _uploads: set[tuple[int, int]] = field(default_factory=set)
    _through: set[bytes] = field(default_factory=set)
    """The `w` rows that there should be."""

    def check(self) -> None:
        """Everything."""
        self._total = self._tallied_bytes()
        checks = (
            (b"o", self._object),
            (b"u", self._upload),
            (b"w", self._finder),
            (b"p", self._part),
            (b"z", self._null),
        )
        for kind, check in checks:
            for key, value in scanned(self.stored, kind, self.report):
                try:
                    bucket = self._bucket(key)
                    check(key, value, bucket)
                except rows.BadRow as bad:
                    self.report.problem(f"row {shown(key)}", str(bad))
        for finder in sorted(self._through):
            self.report.problem(
                f"row {shown(finder)}", "is missing: its upload is not listed behind the mount it came through"
            )
        self._versions()
        self._tallies()

    def _bucket(self, key: bytes) -> int:
        bucket = bucket_of(key)
        if bucket not in self.catalog.buckets:
            self.report.problem(f"row {shown(key)}", f"belongs to bucket {bucket}, which is missing")
        return bucket

    def _where(self, bucket: int, key: bytes, more: str = "") -> str:
        return f"{self.catalog.bucket_name(bucket)}/{shown(key)}{more}"

    def _counted(self, bucket: int, what: Tally, size: int) -> None:
        self._count[bucket, what] += 1
        self._bytes[bucket, what] += size

    def _object(self, key: bytes, value: bytes, bucket: int) -> None:
        row = rows.read_object(value)
        self.report.counts["objects"] += 1
        self._counted(bucket, Tally.OBJECTS, row.size)
        where = self._where(bucket, key[5:])
        if row.marker:
            self.report.problem(where, "is a delete marker in the place of an object")
        self._owner(where, row)
        self._content(where, row, bucket)

    def _owner(self, where: str, row: rows.ObjectRow) -> None:
        # User 0 is whoever did not sign.
        if row.owner and row.owner not in self.catalog.users:
            self.report.problem(where, f"is owned by user {row.owner}, who is missing")
        check_list(where, row.grantees, self.catalog, self.report)

    def _content(self, where: str, row: rows.ObjectRow | rows.PartRow, bucket: int) -> None:
        """Reads it to the end, and says of a content with a lost chunk which chunks those are."""
        key = self.catalog.domain_key(bucket)
        content = Content(self.places, row, key)
        try:
            for piece in content:
                self._done += len(piece)
                self.meter.tick("objects", self._done, self._total)
        except (Lost, rows.BadRow) as first:
            for lost in list(lost_chunks(self.places, row.manifest, key)) or [str(first)]:
                self.report.problem(where, lost)
        for fault in content.faults:
            self.report.problem(where, fault)

    def _upload(self, key: bytes, value: bytes, bucket: int) -> None:
        name, ordinal = row_keys.upload_of(key)
        row = rows.read_upload(value)
        self.report.counts["uploads"] += 1
        where = self._where(bucket, name, f" upload {ordinal:016x}")
        if row.ordinal != ordinal:
            self.report.problem(where, "has another ordinal in its record")
        self._owner(where, row)
        self._uploads.add((bucket, ordinal))
        if (way := rows.came_through(row)) is not None:
            self._through.add(row_keys.upload_through_key(bucket, *way, name, ordinal))

    def _finder(self, key: bytes, value: bytes, _bucket: int) -> None:
        """A row that finds an upload; each is met once."""
        rows.check_mark(value)
        if key not in self._through:
            self.report.problem(f"row {shown(key)}", "finds no upload that came through a mount")
        self._through.discard(key)

    def _part(self, key: bytes, value: bytes, bucket: int) -> None:
        ordinal, number = row_keys.part_of(key)
        row = rows.read_part(value)
        self.report.counts["parts"] += 1
        self._counted(bucket, Tally.PARTS, row.size)
        where = f"{self.catalog.bucket_name(bucket)}: part {number} of upload {ordinal:016x}"
        if (bucket, ordinal) not in self._uploads:
            self.report.problem(where, "has no upload")
        self._content(where, row, bucket)

    def _null(self, key: bytes, value: bytes, bucket: int) -> None:
        name = row_keys.null_of(key)
        ordinal = rows.read_pointer(value, 8)
        where = self._where(bucket, name, " null version")
        target = self.stored.get(row_keys.version_key(bucket, name, ordinal))
        if target is None:
            self.report.problem(where, f"leads to version {ordinal:016x}, which is missing")
        elif not rows.read_object(target).null:
            self.report.problem(where, f"leads to version {ordinal:016x}, which is not null")

    def _versions(self) -> None:
        newest = _Newest()
        for key, value in scanned(self.stored, b"v", self.report):
            try:
                bucket = self._bucket(key)
                name, ordinal = row_keys.version_of(key)
                row = rows.read_object(value)
            except rows.BadRow as bad:
                self.report.problem(f"row {shown(key)}", str(bad))
                continue
            self.report.counts["markers" if row.marker else "versions"] += 1
            self._counted(bucket, Tally.VERSIONS, row.size)
            where = self._where(bucket, name, f" version {ordinal:016x}")
            if row.ordinal != ordinal:
                self.report.problem(where, "has another ordinal in its record")
            self._owner(where, row)
            # A current version that does not decode was reported as such.
            with contextlib.suppress(rows.BadRow):
                self._order(where, newest, (bucket, name, ordinal), row)
            if not row.marker:
                self._content(where, row, bucket)

    def _order(self, where: str, newest: _Newest, place: tuple[int, bytes, int], row: rows.ObjectRow) -> None:
        """A `v` row beside the current version and the other versions of its key."""
        bucket, name, ordinal = place
        if (newest.bucket, newest.key) != (bucket, name):
            newest.bucket, newest.key, newest.nulls = bucket, name, 0
            self._beside_current(where, place, row)
            known = self.catalog.buckets.get(bucket)
            if known is not None and known.versioning == 0:
                self.report.problem(where, "is in a bucket that never had versions")
        if not row.null:
            return
        newest.nulls += 1
        pointer = self.stored.get(b"z" + u32(bucket) + row_keys.esc(name))
        if pointer != b"\x01" + ordinal.to_bytes(8, "little"):
            self.report.problem(where, "is the null version, and the row that finds it does not say so")
        current = self.stored.get(b"o" + u32(bucket) + name)
        if newest.nulls > 1 or (current is not None and rows.read_object(current).null):
            self.report.problem(where, "is a second null version")

    def _beside_current(self, where: str, place: tuple[int, bytes, int], row: rows.ObjectRow) -> None:
        bucket, name, ordinal = place
        value = self.stored.get(b"o" + u32(bucket) + name)
        if value is None:
            if not row.marker:
                self.report.problem(where, "is the newest version and no delete marker, and there is no current one")
        elif rows.read_object(value).ordinal <= ordinal:
            self.report.problem(where, "is newer than the current version")

    def _tallied_bytes(self) -> int:
        """What the tallies say is to be read; for the progress shown only."""
        total = 0
        for _, value in scanned(self.stored, b"t", Report()):
            total += max(0, int.from_bytes(value[8:16], "little", signed=True))
        return total

    def _tallies(self) -> None:
        stored: set[tuple[int, int]] = set()
        for key, value in scanned(self.stored, b"t", self.report):
            try:
                bucket = self._bucket(key)
                place = (bucket, int(row_keys.tally_of(key)))
                found = rows.read_counters(value, 2)
            except rows.BadRow as bad:
                self.report.problem(f"row {shown(key)}", str(bad))
                continue
            stored.add(place)
            self._tally(place, found)
        for place in self._count.keys() - stored:
            self._tally(place, (0, 0))

    def _tally(self, place: tuple[int, int], found: tuple[int, ...]) -> None:
        counted = (self._count[place], self._bytes[place])
        if found != counted:
            where = f"tally of {Tally(place[1]).name.lower()} in {self.catalog.bucket_name(place[0])}"
            self.report.problem(
                where, f"says {found[0]} with {found[1]} bytes, there are {counted[0]} with {counted[1]}"
            )
