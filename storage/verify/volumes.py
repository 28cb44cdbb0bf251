"""Walking volumes: every batch and needle, what is damaged, and where each chunk is.

Belongs here: the rules that tell damage from a torn tail. A batch is proven durable by a valid batch header behind it
or by its index log; damage in a proven batch is a problem, an unproven last batch that is not whole is a torn tail:
a write that nobody was told succeeded. Does not belong here: bytes of headers (`layout.py`), what objects need.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storage.verify.directory import Directory, VolumeFile, Window
from storage.verify.index_log import LogFacts, read_log
from storage.verify.layout import (
    BATCH_ALIGN,
    BATCH_MAGIC,
    HEAD_BYTES,
    NEEDLE_HEAD_BYTES,
    NEEDLE_MAGIC,
    BatchHead,
    NeedleHead,
    aligned,
    blank,
    read_batch_head,
    read_needle_head,
    read_volume_head,
)
from storage.verify.report import Meter, Report

_WINDOW_BYTES: Final = 8 << 20
"""Read at once when every byte is checked: twice the largest needle."""
_SKIM_BYTES: Final = 16 << 10
"""Read at once when only headers matter."""
_SEARCH_BYTES: Final = 1 << 20

Tell = Callable[[bytes, int, int], None]
"""Called with each chunk id, the number of its volume, and its place there."""
_Faults = list[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Walk:
    """How volumes are walked. `deep` checks every byte; else headers alone are read."""

    report: Report
    tell: Tell
    meter: Meter
    deep: bool = True


def walk_volumes(directory: Directory, walk: Walk) -> None:
    """Walks every volume of the directory."""
    files = directory.volume_files()
    total = sum(volume.stat().st_size for _, volume, _ in files if volume.exists())
    done = 0
    for number, volume, log in files:
        if not volume.exists():
            walk.report.note(log.name, "is a log without its volume")
            continue
        try:
            file = VolumeFile(volume, walk.report)
        except OSError as error:
            walk.report.problem(volume.name, f"cannot be opened: {error.strerror}")
            continue
        try:
            _one(file, number, log, walk, (done, total))
            done += file.size
        finally:
            file.close()
        walk.report.counts["volumes"] += 1


def _one(file: VolumeFile, number: int, log: Path, walk: Walk, so_far: tuple[int, int]) -> None:
    head = read_volume_head(file.read(0, HEAD_BYTES))
    if head is not None and head.volume != number:
        walk.report.problem(file.path.name, f"says it is volume {head.volume:08x}")
    generation = head.generation if head is not None else _any_generation(file, number)
    if head is None and generation is None:
        if _first_written(file, 0) is None:
            walk.report.note(file.path.name, "is empty, as after a crash while it was made; opening removes it")
        else:
            walk.report.problem(file.path.name, "has no readable header and no readable batch")
        return
    if head is None or head.volume != number:
        walk.report.problem(f"{file.path.name} at 0", "the volume header is damaged")
    elif not blank(file.read(HEAD_BYTES, BATCH_ALIGN - HEAD_BYTES)):
        walk.report.problem(f"{file.path.name} at {HEAD_BYTES}", "bytes behind the volume header are not zero")
    assert generation is not None  # noqa: S101  told to mypy; ruled out above
    facts = read_log(log, file, (number, generation), walk.report)
    _Walker(file, (number, generation), facts, walk, so_far).run()


class _Walker:
    def __init__(
        self, file: VolumeFile, place: tuple[int, int], log: LogFacts, walk: Walk, so_far: tuple[int, int]
    ) -> None:
        self.file = file
        self.number, self.generation = place
        self.log = log
        self.walk = walk
        self.window = Window(file, _WINDOW_BYTES if walk.deep else _SKIM_BYTES)
        self.lsn = 0
        self.before, self.total = so_far
        self.needles_logged = 0
        self.damaged = False

    def run(self) -> None:
        at = BATCH_ALIGN
        limit = self.log.proven_end if self.log.poisoned else self.file.size
        last: tuple[int, _Faults] | None = None
        while at < limit:
            head = self._batch_head(at)
            if head is None:
                found = self._next_batch(at + BATCH_ALIGN)
                if found is None or found >= limit:
                    break
                self._blame(last)
                last = None
                self._lost(at, found)
                at = found
                continue
            self._blame(last)
            last = (at, self._batch(head))
            at = head.end
            self.walk.meter.tick("volumes", self.before + min(at, self.file.size), self.total)
        self._finish(at, last)

    def _batch_head(self, at: int) -> BatchHead | None:
        head = read_batch_head(self.window.get(at, HEAD_BYTES), self.number, self.generation, at)
        return head if head is not None and head.lsn > self.lsn else None

    def _next_batch(self, at: int) -> int | None:
        """The next boundary with a batch header of this volume."""
        while at < self.file.size:
            if bytes(self.window.get(at, 4)) == BATCH_MAGIC and self._batch_head(at) is not None:
                return at
            at += BATCH_ALIGN
        return None

    def _finish(self, at: int, last: tuple[int, _Faults] | None) -> None:
        """The last batch, and what is behind it."""
        name = self.file.path.name
        if last is not None and last[0] < self.log.proven_end:
            self._blame(last)
        elif last is not None and last[1]:
            self.walk.report.note(f"{name} at {last[0]}", "a torn tail, which opening cuts: " + last[1][0][1])
        if at < self.log.proven_end:
            self._lost(at, self.log.proven_end)
        elif not self.log.poisoned:
            self._behind(at)
        elif self.file.size > at:
            self.walk.report.note(f"{name} at {at}", "what a failed write left is not read")
        if not self.damaged and self.log.needles_end and self.needles_logged != self.log.needles:
            what = f"has {self.log.needles} needles, the volume {self.needles_logged} in the same batches"
            self.walk.report.problem(self.file.path.with_suffix(".log").name, what)

    def _behind(self, at: int) -> None:
        written = _first_written(self.file, at)
        where = f"{self.file.path.name} at {at}"
        if written is None:
            return
        if self.log.sealed:
            self.walk.report.problem(where, f"bytes behind the end of a sealed volume, at {written}")
        else:
            self.walk.report.note(where, "a torn tail, which opening cuts: it starts without a batch header")
        self._salvage(at, self.file.size)

    def _blame(self, batch: tuple[int, _Faults] | None) -> None:
        """Faults of a batch that is proven durable are problems."""
        if batch is None:
            return
        self.damaged |= bool(batch[1])
        for place, what in batch[1]:
            self.walk.report.problem(f"{self.file.path.name} at {place}", what)

    def _lost(self, start: int, end: int) -> None:
        """A stretch of durable batches without a header: its needles may be there."""
        self.damaged = True
        where = f"{self.file.path.name} at {start}"
        self.walk.report.problem(where, f"no readable batch header; {end - start} bytes were durable batches")
        self._salvage(start, end)

    def _salvage(self, start: int, end: int) -> None:
        at: int | None = aligned(start, 8)
        while at is not None and (at := self._find_needle(at, end)) is not None:
            head = self._needle_head(at, end)
            if head is not None:
                self.walk.tell(head.chunk, self.number, at)
                at += head.size

    def _batch(self, head: BatchHead) -> _Faults:
        """Checks one batch, tells its needles, and answers what is wrong with it."""
        faults: _Faults = []
        if self.lsn and head.lsn != self.lsn + 1 and not self.damaged:
            faults.append((head.offset, f"batch {head.lsn} follows batch {self.lsn}"))
        self.lsn = head.lsn
        if head.end == self.log.proven_end and head.lsn != self.log.proven_lsn:
            faults.append((head.offset, f"the index log says this is batch {self.log.proven_lsn}"))
        at, end = head.offset + HEAD_BYTES, head.offset + HEAD_BYTES + head.body
        if end > self.file.size:
            faults.append((head.offset, "the batch ends behind the end of the file"))
            end = self.file.size
        count = 0
        while at < end:
            needle = self._needle_head(at, end)
            if needle is None:
                found = self._find_needle(at + 8, end)
                faults.append((at, f"no needle header where one must be; {(found or end) - at} bytes"))
                at = end if found is None else found
                continue
            if self.walk.deep:
                faults += self._check(needle)
            self.walk.tell(needle.chunk, self.number, at)
            count += 1
            at += needle.size
        if count != head.needles and not faults:
            faults.append((head.offset, f"{count} needles where the batch says {head.needles}"))
        if self.walk.deep and end < head.end and not blank(self.window.get(end, head.end - end)):
            faults.append((end, "bytes behind the batch are not zero"))
        if head.offset < self.log.needles_end:
            self.needles_logged += count
        self.walk.report.counts["needles"] += count
        return faults

    def _needle_head(self, at: int, end: int) -> NeedleHead | None:
        head = read_needle_head(self.window.get(at, NEEDLE_HEAD_BYTES), self.number, self.generation, at)
        return head if head is not None and at + head.size <= end else None

    def _check(self, needle: NeedleHead) -> _Faults:
        record = self.window.get(needle.offset, needle.size)
        if len(record) < needle.size:
            return [(needle.offset, "the needle ends behind the end of the file")]
        name = needle.chunk.hex()[:16]
        faults = [
            (needle.offset, f"block {block} of chunk {name}… does not match its checksum")
            for block in needle.bad_blocks(record)
        ]
        if not needle.plain:
            faults.append((needle.offset, f"chunk {name}… is compressed or encrypted in a way that is not known"))
        if not blank(record[needle.payload_at + needle.stored :]):
            faults.append((needle.offset, f"bytes behind chunk {name}… are not zero"))
        return faults

    def _find_needle(self, start: int, end: int) -> int | None:
        """The next valid needle header at a multiple of 8."""
        at = start
        while at < end:
            data = self.file.read(at, min(_SEARCH_BYTES, end - at) + NEEDLE_HEAD_BYTES)
            found = data.find(NEEDLE_MAGIC)
            while 0 <= found < _SEARCH_BYTES:
                if (at + found) % 8 == 0 and self._needle_head(at + found, end) is not None:
                    return at + found
                found = data.find(NEEDLE_MAGIC, found + 1)
            at += _SEARCH_BYTES
        return None


def _any_generation(file: VolumeFile, number: int) -> int | None:
    """The generation of any batch header of the volume."""
    window = Window(file, _SEARCH_BYTES)
    for at in range(BATCH_ALIGN, file.size, BATCH_ALIGN):
        head = read_batch_head(window.get(at, HEAD_BYTES), number, None, at)
        if head is not None:
            return head.generation
    return None


def _first_written(file: VolumeFile, at: int) -> int | None:
    """About where the first byte that is not zero is, from `at` on."""
    while (at := file.next_data(at)) < file.size:
        data = file.read(at, _SEARCH_BYTES)
        if not data:
            return None
        if not blank(data):
            return at
        at += len(data)
    return None
