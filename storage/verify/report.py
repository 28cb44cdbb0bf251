"""What was found: problems, notes, counts; and how far the work is.

Belongs here: collecting and wording. Does not belong here: finding anything, printing.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

KEPT: Final = 10_000
"""Problems and notes that are kept in words; beyond, they are counted. A lost volume is a problem of each object."""
TICK_S: Final = 0.5
"""Between two lines of progress."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something worth telling, and where."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(slots=True)
class Report:
    """What a run found. It is sound when there is no problem; notes are information."""

    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    problem_count: int = 0

    def problem(self, where: str, what: str) -> None:
        """Something is wrong."""
        self.problem_count += 1
        if len(self.problems) < KEPT:
            self.problems.append(Finding(where, what))

    def note(self, where: str, what: str) -> None:
        """Something an operator may want to know, and need not act on."""
        if len(self.notes) < KEPT:
            self.notes.append(Finding(where, what))

    @property
    def sound(self) -> bool:
        """Nothing is wrong."""
        return self.problem_count == 0

    def summary(self) -> str:
        """One line."""
        counted = ", ".join(f"{what} {count}" for what, count in self.counts.items())
        left_out = self.problem_count - len(self.problems)
        more = f" ({left_out} of them not listed)" if left_out else ""
        return f"{counted or 'nothing there'}; problems {self.problem_count}{more}"


class Meter:
    """Tells how far a stage is, at most every half second. Without `say` it is silent."""

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._say = say
        self._next = 0.0

    def tick(self, stage: str, done: int, total: int = 0) -> None:
        """`done` bytes of `total` (0: not known)."""
        if self._say is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + TICK_S
        of = f" of {total / 1e6:.0f} MB, {min(100, done * 100 // total)} %" if total else " MB"
        self._say(f"{stage}: {done / 1e6:.0f}{of}")
