"""Reading an index log: what it proves about its volume, and where the two disagree.

Belongs here: rows of one log. Does not belong here: walking the volume (`volumes.py`). A log that is missing, short or
cut by a crash is nobody's loss: the volume is the truth. A row that is neither whole nor unwritten is damage.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storage.verify.directory import VolumeFile, Window
from storage.verify.layout import (
    LOG_ROW_BYTES,
    NEEDLE_HEAD_BYTES,
    LogKind,
    LogRow,
    read_log_row,
    read_needle_head,
)
from storage.verify.report import Report

_WINDOW_BYTES: Final = 96 << 10
_PAGE_BYTES: Final = 4096
"""A crash keeps or loses pages of the cache as wholes."""


@dataclass(slots=True)
class LogFacts:
    """What the valid rows say. A row is written only after its batch was durable, so each is true."""

    proven_end: int = 0
    """All batches before this place were durable."""
    proven_lsn: int = 0
    needles: int = 0
    """Needle rows above the last end before the first bad row."""
    needles_end: int = 0
    """Where that end is."""
    sealed: bool = False
    poisoned: bool = False

    @property
    def closed(self) -> bool:
        """Nothing behind `proven_end` was ever acknowledged."""
        return self.sealed or self.poisoned


class _Reading:
    def __init__(self, file: VolumeFile, volume: VolumeFile, place: tuple[int, int], report: Report) -> None:
        self.number, self.generation = place
        self.file = file
        self.name = file.path.name
        self.report = report
        self.facts = LogFacts()
        self._heads = Window(volume, _WINDOW_BYTES)
        self._waiting = 0
        self._gap = False

    def run(self) -> LogFacts:
        window = Window(self.file, _WINDOW_BYTES)
        for place in range(self.file.size // LOG_ROW_BYTES):
            data = bytes(window.get(place * LOG_ROW_BYTES, LOG_ROW_BYTES))
            row = read_log_row(data, self.number, self.generation, place)
            if row is None:
                self._bad(place, data)
            else:
                self._good(place, row)
        if self.file.size % LOG_ROW_BYTES:
            self.report.note(self.name, "ends inside a row, as after a crash; the volume is walked instead")
        return self.facts

    def _bad(self, place: int, data: bytes) -> None:
        at = place * LOG_ROW_BYTES
        cut = -at % _PAGE_BYTES
        torn = 0 < cut < LOG_ROW_BYTES and not (any(data[:cut]) and any(data[cut:]))
        if any(data) and not torn:
            self.report.problem(f"{self.name} at {at}", f"row {place} is damaged; opening walks the volume instead")
        elif not self._gap:
            self.report.note(f"{self.name} at {at}", "rows were not written, as after a crash")
        self._gap = True

    def _good(self, place: int, row: LogRow) -> None:
        where = f"{self.name} at {place * LOG_ROW_BYTES}"
        facts = self.facts
        if row.kind == LogKind.START:
            return
        if facts.closed:
            self.report.problem(where, "a row behind the row that ends the log")
        if row.kind == LogKind.NEEDLE:
            self._needle(where, row)
            return
        if row.offset < facts.proven_end or row.number < facts.proven_lsn:
            self.report.problem(where, "ends before a row above it")
        facts.proven_end, facts.proven_lsn = max(facts.proven_end, row.offset), max(facts.proven_lsn, row.number)
        facts.sealed |= row.kind == LogKind.SEAL
        facts.poisoned |= row.kind == LogKind.POISON
        if not self._gap:
            facts.needles, self._waiting = facts.needles + self._waiting, 0
            facts.needles_end = facts.proven_end

    def _needle(self, where: str, row: LogRow) -> None:
        self._waiting += 1
        data = self._heads.get(row.offset, NEEDLE_HEAD_BYTES)
        head = read_needle_head(data, self.number, self.generation, row.offset)
        if head is None:
            self.report.problem(where, f"names a needle at {row.offset}, where there is none")
        elif (head.chunk, head.stored) != (row.chunk, row.number):
            self.report.problem(where, f"names another needle than the one at {row.offset}")


def read_log(path: Path, volume: VolumeFile, place: tuple[int, int], report: Report) -> LogFacts:
    """Reads the log of a volume; `place` is its number and generation."""
    try:
        file = VolumeFile(path, report)
    except FileNotFoundError:
        report.note(path.name, "is missing; opening walks the volume instead")
        return LogFacts()
    except OSError as error:
        report.problem(path.name, f"cannot be opened: {error.strerror}")
        return LogFacts()
    try:
        return _Reading(file, volume, place, report).run()
    finally:
        file.close()
