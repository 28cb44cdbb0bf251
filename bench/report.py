"""Rows, verdicts and tables. Belongs here: what a figure is compared with and how it is shown. Does not: where it
comes from (cases.py). No input but values; writing files is run.py's."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Row:
    """A figure with its goals. `less` says that smaller is better; a row without `must` is for orientation."""

    case: str
    title: str
    unit: str
    value: float | None
    must: float | None = None
    aim: float | None = None
    less: bool = False
    ratios: dict[str, float] = field(default_factory=dict)
    note: str = ""
    runs: list[dict[str, Any]] = field(default_factory=list)
    chosen: dict[str, Any] | None = None

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "NOT MEASURED"
        if self.must is None:
            return ""

        def reached(goal: float | None) -> bool:
            if goal is None or self.value is None:
                return False
            return self.value <= goal if self.less else self.value >= goal

        return "aim" if reached(self.aim) else "must" if reached(self.must) else "MISSED"

    def as_json(self) -> dict[str, Any]:
        names = ("case", "title", "unit", "value", "must", "aim", "less", "ratios", "note", "chosen", "runs")
        return {**{name: getattr(self, name) for name in names}, "verdict": self.verdict}


def number(value: float | None) -> str:
    """Four significant digits, thousands apart."""
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.4g}"


def _latencies(row: Row) -> str:
    if row.chosen is None or not row.chosen.get("ops"):
        return ""
    return "; ".join(
        "/".join(number(operation[name]) for name in ("p50_us", "p99_us", "p999_us"))
        for operation in row.chosen["ops"].values()
    )


def _share(row: Row) -> str:
    if row.chosen is None or "client_share" not in row.chosen:
        return ""
    return f"{row.chosen['client_share'] * 100:.0f} %"


def _busy(row: Row) -> str:
    """Share of its core the server used: at less than 90 % something else was the limit (the disk, the generator)."""
    if row.chosen is None or not row.chosen.get("server_cpu_s"):
        return ""
    return f"{row.chosen['server_cpu_s'] / row.chosen['seconds'] * 100:.0f} %"


HEADINGS = [
    "case", "measured", "unit", "must", "aim", "verdict", "p50/p99/p99.9 µs", "server busy", "generator busy", "ratios",
]  # fmt: skip


def cells(row: Row) -> list[str]:
    goal = "≤ " if row.less else ""
    ratios = ", ".join(f"{number(value)} of {name}" for name, value in row.ratios.items())
    return [
        row.title,
        number(row.value),
        row.unit,
        goal + number(row.must) if row.must is not None else "",
        number(row.aim) if row.aim is not None else "",
        row.verdict,
        _latencies(row),
        _busy(row),
        _share(row),
        "; ".join(filter(None, [ratios, row.note])),
    ]


def text(rows: list[Row]) -> str:
    """For a terminal: aligned columns without the widest."""
    table = [HEADINGS, *(cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table
    )


INTRODUCTION = (
    "Written by `make bench` (bench/README.md says what each column means). Every figure is of one run on the machine "
    "below, with the limits of that machine measured in the same run. Read the ratios: the absolute figures are this "
    "machine's. Authorization has figures of its own: [benchmarks-authorization.md](benchmarks-authorization.md)."
)


def _table(headings: list[str], lines: list[list[str]]) -> str:
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    head = f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}"
    return "\n".join([head, *(f"| {' | '.join(line)} |" for line in escaped)])


def markdown(result: dict[str, Any], rows: list[Row]) -> str:
    """The page docs/reference/benchmarks.md."""
    goals = [cells(row) for row in rows if row.must is not None]
    others = [cells(row) for row in rows if row.must is None]
    ceilings = [[name, number(value)] for name, value in result["ceilings"].items()]
    machine = [[name, value] for name, value in result["machine"].items()]
    when = f"Measured {result['date']}; {result['scale']}."
    before, after = result["load_average"]
    sections = [
        "# Benchmarks",
        INTRODUCTION,
        f"{when} Load average at the beginning {before:.2f}, at the end {after:.2f}.",
        _table(["machine", ""], machine),
        "## Goals",
        _table(HEADINGS, goals),
        "## For orientation",
        _table(HEADINGS, others),
        "## What this machine can do",
        _table(["limit", "value"], ceilings),
    ]
    return "\n\n".join(sections) + "\n"
