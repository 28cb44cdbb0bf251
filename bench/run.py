"""`make bench`: measures, compares with the limits of this machine, prints and writes the table.

Belongs here: the command line, the order, the files written. Does not: anything measured (cases.py).
"""

import argparse
import datetime as dt
import json
import sys
import traceback
from pathlib import Path
from typing import Any

import cases
import machine
import process
import report
import stores

HERE = Path(__file__).resolve().parent
COMMAND = HERE.parent / ".venv" / "bin" / "panthera"
DOCS = HERE.parent / "docs" / "reference" / "benchmarks.md"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Benchmarks of the gateway; see bench/README.md.")
    parser.add_argument(
        "--quick", action="store_true", help="50 000 objects, two seconds a case, once: about 3 minutes"
    )
    parser.add_argument("--only", action="append", default=[], metavar="CASE", help=f"one of {', '.join(cases.CASES)}")
    parser.add_argument("--data", type=Path, default=HERE / "results" / "data", help="where the stores lie")
    parser.add_argument("--command", type=Path, default=COMMAND, help="the gateway; another build of it, to compare")
    parser.add_argument("--fresh", action="store_true", help="fill again instead of reusing the filled store")
    parser.add_argument("--docs", action="store_true", help="write docs/reference/benchmarks.md as well")
    return parser.parse_args()


def measure(bench: stores.Bench, names: list[str]) -> list[report.Row]:
    """All rows; a case that fails becomes a row that says so."""
    rows: list[report.Row] = []
    for name in names:
        print(f"# {name}: {(cases.CASES[name].__doc__ or '').splitlines()[0]}", file=sys.stderr, flush=True)
        try:
            found = cases.CASES[name](bench)
        except Exception as error:  # noqa: BLE001 - whatever happened, the other cases are still worth their time
            traceback.print_exc()
            found = [report.Row(case=name, title=name, unit="", value=None, must=0.0, note=str(error)[:300])]
            bench.down()
        rows += found
        for row in found:
            print(f"  {row.title}: {report.number(row.value)} {row.unit} {row.verdict}", file=sys.stderr, flush=True)
    return rows


def write(result: dict[str, Any], rows: list[report.Row], results: Path, docs: Path | None) -> Path:
    """One JSON file for each run, the newest table beside it."""
    path = results / f"{result['date'].replace(':', '')}.json"
    path.write_text(json.dumps({**result, "rows": [row.as_json() for row in rows]}, indent=1) + "\n")
    page = report.markdown(result, rows)
    (results / "latest.md").write_text(page)
    if docs is not None:
        docs.parent.mkdir(parents=True, exist_ok=True)
        docs.write_text(page)
    return path


def main() -> int:
    options = arguments()
    names = cases.chosen(options.only)
    if options.docs and (options.only or options.quick):
        raise process.BenchError(
            "--docs: the page of the documentation holds all cases at full length, no part of them"
        )
    scale = stores.QUICK if options.quick else stores.FULL
    results = HERE / "results"
    process.build()
    before = machine.load_average()
    bench = stores.Bench(scale, options.command, options.data, results, fresh=options.fresh)
    try:
        ceilings = bench.ceilings
        rows = measure(bench, names)
    finally:
        bench.close()
    result = {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "scale": f"{scale.objects} objects, {scale.seconds:g} s a run, median of {scale.repeats}",
        "machine": machine.describe(options.data),
        "load_average": [before, machine.load_average()],
        "ceilings": ceilings,
    }
    path = write(result, rows, results, DOCS if options.docs else None)
    print(report.text(rows))
    print(f"\n{path}\n{results / 'latest.md'}")
    return 1 if any(row.value is None for row in rows) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except process.BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(2)
