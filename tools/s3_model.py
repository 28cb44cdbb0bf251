"""Compares the table of operations with Amazon's model of S3 in the installed botocore.

`python tools/s3_model.py` prints what a newer model adds or changes, one line each, and exits 1 when there is anything.
The rows were first written from this model; after that the table is edited by hand, and a test calls `differences`.
"""

import gzip
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import botocore

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from gateway.ops.row import Row, Scope
from gateway.ops.table import TABLE

SHARED: Final = frozenset(
    {"GetSharedObject", "HeadSharedObject", "PutSharedObject", "ListSharedFolder", "HeadSharedFolder"}
)
"""Rows of our own that are served: through share links."""

BESIDE_THE_MODEL: Final = frozenset({"PostObject", "OptionsBucket", "OptionsObject", "CopySharedObject"}) | SHARED
"""Rows for requests that are on the wire and not in the model: the browser form, CORS preflight, share links."""

SELECTED_BY_PARAMETER: Final = {"ListDirectoryBuckets": "max-directory-buckets"}
"""The model tells these from others only by their host; we tell them by a parameter nobody else has."""


@dataclass(frozen=True, slots=True)
class Modelled:
    """What the model says about one operation."""

    name: str
    method: str
    scope: Scope
    selectors: frozenset[str]
    params: frozenset[str]
    checksum: bool
    deprecated: bool


def model() -> dict[str, Modelled]:
    """Every operation of the installed model, by name."""
    source = Path(botocore.__file__).parent / "data" / "s3" / "2006-03-01" / "service-2.json.gz"
    with gzip.open(source) as file:
        service = json.load(file)
    return {name: _modelled(name, operation, service["shapes"]) for name, operation in service["operations"].items()}


def _modelled(name: str, operation: dict[str, Any], shapes: dict[str, Any]) -> Modelled:
    shape = shapes.get(operation.get("input", {}).get("shape"), {})
    path, _, query = operation["http"]["requestUri"].partition("?")
    selectors = {part for part in query.split("&") if part}
    params: set[str] = set()
    for member, details in shape.get("members", {}).items():
        if details.get("location") == "querystring":
            (selectors if member in shape.get("required", ()) else params).add(details["locationName"])
    if (extra := SELECTED_BY_PARAMETER.get(name)) is not None:
        selectors.add(extra)
        params.discard(extra)
    return Modelled(
        name=name,
        method=operation["http"]["method"],
        scope=Scope.OBJECT if "{Key" in path else Scope.SERVICE if path == "/" else Scope.BUCKET,
        selectors=frozenset(selectors),
        params=frozenset(params),
        checksum=operation.get("httpChecksum", {}).get("requestChecksumRequired", False),
        deprecated=operation.get("deprecated", False),
    )


WITHOUT_CHECKSUM = frozenset({"PutBucketAcl", "PutObjectAcl"})
"""The model's SDKs send a checksum and S3 takes the request without one: s3cmd sets lists that way. So do we."""


def differences() -> Iterator[str]:
    """One sentence for each place where table and model differ."""
    rows = {row.name: row for row in TABLE}
    modelled = model()
    for name in sorted(modelled.keys() - rows.keys()):
        yield f"{name} has no row"
    for name in sorted(rows.keys() - modelled.keys() - BESIDE_THE_MODEL):
        yield f"{name} is in no model"
    for name in sorted(rows.keys() & modelled.keys()):
        yield from _differences(rows[name], modelled[name])


def _differences(row: Row, wanted: Modelled) -> Iterator[str]:
    pairs = {
        "method": (row.method, wanted.method),
        "scope": (row.scope, wanted.scope),
        "selectors": (frozenset(row.selectors), wanted.selectors),
        "parameters": (frozenset(row.params), wanted.params),
        "deprecation": (row.alias_of is not None, wanted.deprecated),
    }
    if row.handler is not None and row.name not in WITHOUT_CHECKSUM:
        pairs["checksum"] = (row.checksum, wanted.checksum)
    for what, (ours, theirs) in pairs.items():
        if ours != theirs:
            yield f"{row.name}: {what} {ours}, the model says {theirs}"


if __name__ == "__main__":
    found = list(differences())
    print("\n".join(found) or f"the table agrees with all {len(model())} operations of botocore {botocore.__version__}")
    sys.exit(1 if found else 0)
