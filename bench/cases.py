"""What is measured and what it must come to: the ten rows of the speed goals, and rows for orientation around them.

Belongs here: which requests, which headline, which goal, which limit to compare with. Does not: processes (process.py),
data directories (stores.py), showing (report.py). Goals are those of issue 3, section 7.
"""

import time
from collections.abc import Callable
from typing import Any

import process
from process import BenchError
from report import Row
from stores import GIB, KIB, MIB, Bench, Report, cpu_per_gib, latency, per_cpu_second

Case = Callable[[Bench], list[Row]]
CONNECTIONS = (1, 16, 64)
PER_CPU = "requests per CPU-second"
PAYLOADS = {
    "unsigned": "UNSIGNED-PAYLOAD",
    "signed": "signed SHA-256",
    "sdk": "signed SHA-256 and CRC32, as SDKs over HTTP",
    "trailer": "aws-chunked, CRC32 trailer, as SDKs over TLS",
}


def _row(case: str, title: str, unit: str, value: float | None, **more: Any) -> Row:
    return Row(case=case, title=title, unit=unit, value=value, **more)


def _against(bench: Bench, value: float, headline: Callable[[Report], float], **options: Any) -> dict[str, float]:
    """Ratios to bare hyper and, for reads, to nginx, under the same load."""
    timed = {"duration": bench.scale.seconds / 2, "warmup": 0.5}
    ratios = {}
    for name, server in (("bare hyper", "hyper"), ("nginx", "nginx")):
        if server == "nginx" and options["op"] != "get":
            continue
        report = bench.limit(server, **timed, **options)
        if report is not None:
            ratios[name] = value / headline(report)
    return ratios


# --- 4 KiB reads ---------------------------------------------------------------------------------------------------


def get_small(bench: Bench) -> list[Row]:
    """GetObject of 4 KiB from a store of N objects, chosen at random among 50 000."""
    server = bench.full()
    read = {"op": "get", **bench.full_options}
    process.load(server, connections=16, count=min(20_000, bench.scale.objects), check="content", **read)
    found: list[Row] = []
    for connections in CONNECTIONS:
        options = {**read, "connections": connections}
        chosen, runs = bench.median(per_cpu_second, bench.full, {**bench.timed(), **options})
        goal = {"must": 40_000.0, "aim": 80_000.0} if connections == 64 else {}
        found.append(
            _row(
                "get-4k",
                f"GET 4 KiB, {_connections(connections)}",
                PER_CPU,
                per_cpu_second(chosen),
                runs=runs,
                chosen=chosen,
                **goal,
            )
        )
    single = found[0]
    assert single.chosen is not None
    server = bench.full()
    spin = process.load(server, **bench.timed(), **{**read, "connections": 1, "wait": "spin"})
    half = int(found[-1].chosen["rps"] / 2) if found[-1].chosen else 1000
    paced = process.load(server, duration=bench.scale.seconds, rate=half, connections=64, **read)
    head = process.load(server, **bench.timed(), **{**read, "op": "head", "connections": 64})
    for row, connections in zip(found, CONNECTIONS, strict=True):
        row.ratios = _against(bench, row.value or 0.0, per_cpu_second, op="get", connections=connections)
    p50 = latency(single.chosen)
    ratios = _against(bench, p50, latency, op="get", connections=1)
    return [
        found[-1],
        _row("get-4k", "GET 4 KiB, 1 connection, p50", "µs", p50, must=60.0, aim=40.0, less=True, ratios=ratios,
             chosen=single.chosen),
        *found[:-1],
        _row("get-4k", "GET 4 KiB, 1 connection, p50, generator polling", "µs", latency(spin), less=True, chosen=spin,
             note="without the generator's own wake-up"),
        _row("get-4k", f"GET 4 KiB, open loop at {half}/s, p99", "µs", latency(paced, "p99_us"), less=True,
             chosen=paced, note="counted from the intended start"),
        _row("get-4k", "HEAD, 64 connections", PER_CPU, per_cpu_second(head), chosen=head),
        _row("get-4k", "RssAnon after these reads", "MiB", head["rss_anon_after"] / MIB, less=True),
    ]  # fmt: skip


def _connections(count: int) -> str:
    return "1 connection" if count == 1 else f"{count} connections"


# --- 4 KiB writes --------------------------------------------------------------------------------------------------


def put_small(bench: Bench) -> list[Row]:
    """PutObject of 4 KiB, strictly durable, every body new."""
    rates = process.ceilings(bench.data)
    flush = rates["fdatasync_append_p50_us"]
    found: dict[tuple[int, str], Row] = {}
    for connections, payload in [
        (64, "unsigned"),
        (1, "unsigned"),
        (16, "unsigned"),
        (64, "signed"),
        (64, "sdk"),
        (64, "trailer"),
    ]:
        options = {
            "op": "put",
            "bucket": "bench",
            "size": 4 * KIB,
            "connections": connections,
            "payload": payload,
            "dirs": 1000,
        }
        headline = latency if connections == 1 else per_cpu_second
        chosen, runs = bench.median(headline, bench.scratch, {**bench.timed(), **options}, new=True)
        title = f"PUT 4 KiB, durable, {_connections(connections)}, {PAYLOADS[payload]}"
        goal = {"must": 14_000.0, "aim": 25_000.0} if connections == 64 else {}
        row = _row("put-4k", title, PER_CPU, per_cpu_second(chosen), runs=runs, chosen=chosen, **goal)
        row.ratios = {"fdatasync rate": chosen["rps"] / rates["fdatasync_append_per_s"]}
        found[connections, payload] = row
    paced = process.load(
        bench.scratch(), op="put", bucket="bench", size=4 * KIB, connections=64, duration=bench.scale.seconds,
        rate=2000, seed=bench.seed(),
    )  # fmt: skip
    headline_row, single = found[64, "unsigned"], found[1, "unsigned"]
    hyper = _against(bench, headline_row.value or 0.0, per_cpu_second, op="put", connections=64, payload="unsigned")
    headline_row.ratios.update(hyper)
    assert single.chosen is not None
    p50 = latency(single.chosen)
    return [
        headline_row,
        _row("put-4k", "PUT 4 KiB, durable, 1 connection, p50", "µs", p50, must=2.5 * flush + 150, aim=2 * flush + 80,
             less=True, ratios={"fdatasync": p50 / flush}, note=f"fdatasync p50 {flush:.0f} µs", chosen=single.chosen),
        *(row for key, row in found.items() if key != (64, "unsigned")),
        _row("put-4k", "PUT 4 KiB, durable, open loop at 2000/s, p99", "µs", latency(paced, "p99_us"), less=True,
             chosen=paced, note="counted from the intended start"),
    ]  # fmt: skip


# --- listings ------------------------------------------------------------------------------------------------------


def listing(bench: Bench) -> list[Row]:
    """Pages of 1000 keys walking the bucket, and pages of 1000 common prefixes over all of it."""
    rows = []
    keys = f"{bench.scale.objects:,}".replace(",", " ")
    for op, title, must, aim in (
        ("list", f"ListObjectsV2, pages of 1000, {keys} keys", 200.0, 400.0),
        ("list-delimiter", f"List with delimiter, 1000 common prefixes over {keys} keys", 300.0, 1000.0),
    ):
        for connections in (4, 1):
            options = {**bench.full_options, "op": op, "connections": connections}
            chosen, runs = bench.median(per_cpu_second, bench.full, {**bench.timed(), **options})
            goal = {"must": must, "aim": aim} if connections == 4 else {}
            row = _row(
                "list", f"{title}, {_connections(connections)}", "pages per CPU-second", per_cpu_second(chosen), **goal
            )
            row.chosen, row.runs = chosen, runs
            rows.append(row)
    for row in rows:
        assert row.chosen is not None
        assert row.value is not None
        wanted = {name: row.chosen["options"][name] for name in ("op", "connections", "dirs")}
        row.ratios = _against(bench, row.value, per_cpu_second, **wanted)
    return rows


# --- large objects -------------------------------------------------------------------------------------------------


def _large(connections: int, payload: str, count: int) -> Report:
    return {
        "op": "put", "bucket": "bench", "size": 64 * MIB, "connections": connections,
        "payload": payload, "count": count,
    }  # fmt: skip


def put_large(bench: Bench) -> list[Row]:
    """PutObject of 64 MiB, one stream, in each form clients send; then several streams."""
    md5 = GIB / bench.ceilings["md5_bytes_per_s"]
    rows = []
    for payload, words in PAYLOADS.items():
        chosen, runs = bench.median(cpu_per_gib, bench.scratch, _large(1, payload, bench.scale.large), new=True)
        value = cpu_per_gib(chosen)
        row = _row("put-64m", f"PUT 64 MiB, one stream, {words}", "CPU-s per GiB", value, must=2.6, aim=2.0, less=True)
        row.chosen, row.runs, row.ratios = chosen, runs, {"MD5 alone": value / md5}
        row.note = _megabytes(chosen)
        rows.append(row)
    for connections in CONNECTIONS[1:]:
        options = _large(connections, "unsigned", max(bench.scale.large, connections))
        chosen = process.load(bench.scratch(), **options, seed=bench.seed())
        rows.append(
            _row("put-64m", f"PUT 64 MiB, {_connections(connections)}", "CPU-s per GiB", cpu_per_gib(chosen), less=True,
                 chosen=chosen, note=_megabytes(chosen))
        )  # fmt: skip
    return rows


def _megabytes(report: Report) -> str:
    return f"{report['count'] * report['options']['size'] / report['seconds'] / 1e6:.0f} MB/s"


def get_large(bench: Bench) -> list[Row]:
    """GetObject of 64 MiB from the page cache; a first pass compares every byte."""
    objects, seed = bench.scale.large, bench.seed()
    stored = {"bucket": "bench", "size": 64 * MIB, "seed": seed, "prefix": "large-"}
    server = bench.scratch()
    process.load(server, op="put", connections=1, count=objects, **stored)
    read = {**stored, "op": "get", "objects": objects}
    process.load(server, connections=1, count=objects, check="content", **read)
    rows = []
    for connections in CONNECTIONS:
        count = max(4 * objects, 2 * connections)
        chosen, runs = bench.median(cpu_per_gib, bench.scratch, {**read, "connections": connections, "count": count})
        goal = {"must": 0.45, "aim": 0.25} if connections == 1 else {}
        row = _row(
            "get-64m",
            f"GET 64 MiB, page cache, {_connections(connections)}",
            "CPU-s per GiB",
            cpu_per_gib(chosen),
            less=True,
            **goal,
        )
        row.chosen, row.runs, row.note = chosen, runs, _megabytes(chosen)
        rows.append(row)
    value = rows[0].value or 0.0
    rows[0].ratios["CRC32C alone"] = value / (GIB / bench.ceilings["crc32c_bytes_per_s"])
    for name, server_name in (("bare hyper", "hyper-large"), ("nginx", "nginx-large")):
        report = bench.limit(server_name, op="get", connections=1, count=4 * objects, size=64 * MIB)
        if report is not None:
            rows[0].ratios[name] = value / cpu_per_gib(report)
    return rows


def medium(bench: Bench) -> list[Row]:
    """1 MiB, written and read back."""
    rows = []
    count = 16 * bench.scale.large
    for connections in CONNECTIONS:
        stored = {"bucket": "bench", "size": MIB, "seed": bench.seed(), "prefix": "medium-"}
        server = bench.scratch()
        put = process.load(server, op="put", connections=connections, count=count, **stored)
        process.load(server, op="get", connections=4, count=count, objects=count, check="content", **stored)
        get = process.load(server, op="get", connections=connections, objects=count, **bench.timed(), **stored)
        for verb, chosen in (("PUT", put), ("GET", get)):
            title = f"{verb} 1 MiB, {_connections(connections)}"
            rows.append(
                _row(
                    "1m", title, "CPU-s per GiB", cpu_per_gib(chosen), less=True, chosen=chosen, note=_megabytes(chosen)
                )
            )
    return rows


# --- authorization -------------------------------------------------------------------------------------------------

TUPLES = 1_000_000


def authorization(bench: Bench) -> list[Row]:
    """Step 5 as a share of a 4 KiB GET's processor time, with 1M tuples, with and without a policy of 20 statements."""
    options = {**bench.full_options, "op": "get", "connections": 64}
    chosen, _ = bench.median(per_cpu_second, bench.full, {**bench.timed(), **options})
    whole = 1e9 / per_cpu_second(chosen)
    rows = []
    for who, nanoseconds in process.decisions(TUPLES).items():
        must = 3.0 if "statements" in who else 1.0
        note = f"{nanoseconds:.0f} ns of {whole:.0f} ns"
        title = f"authorization's share of a GET of 4 KiB, {who}"
        rows.append(_row("authz", title, "%", nanoseconds / whole * 100, must=must, less=True, note=note))
    return rows


# --- the store itself ----------------------------------------------------------------------------------------------


def mixed(bench: Bench) -> list[Row]:
    """Reads, writes, HEADs and listings side by side in the full store, which grows a little by it."""
    options = {
        **bench.full_options,
        "seed": int(time.time()),
        "prefix": "",
        "objects": min(10_000, bench.scale.objects),
    }
    server = bench.full()
    written = {name: value for name, value in options.items() if name != "objects"}
    process.load(server, op="put", connections=64, count=options["objects"], **written)
    report = process.load(server, op="mixed", connections=64, **bench.timed(), **options)
    shares = ", ".join(f"{name} {part['count']}" for name, part in report["ops"].items())
    return [_row("mixed", "70 % GET, 15 % PUT, 10 % HEAD, 5 % list; 64 connections", PER_CPU, per_cpu_second(report),
                 chosen=report, note=shares)]  # fmt: skip


def memory(bench: Bench) -> list[Row]:
    """Anonymous memory of the process that wrote all objects, at the end of that."""
    bench.full()
    fill = bench.facts["fill"]
    objects = fill["count"]
    count = f"{objects:,}".replace(",", " ")
    value = fill["rss_anon_after"] / MIB
    must = 150 + 20 * objects / MIB
    return [
        _row("memory", f"RssAnon after {count} objects of 4 KiB", "MiB", value, must=must, aim=100.0, less=True,
             note=f"at the end of the fill, revision {fill['revision']}"),
        _row("memory", f"fill of {count} objects, 128 connections", PER_CPU, per_cpu_second(fill), chosen=fill,
             note=f"{fill['seconds']:.0f} s"),
    ]  # fmt: skip


def restart(bench: Bench) -> list[Row]:
    """Seconds from the start of the process to `ready`, after a kill -9 under writes; then the objects are read."""
    bench.full()
    seconds = sorted(bench.restart_full() for _ in range(max(bench.scale.repeats, 1)))
    value = seconds[len(seconds) // 2]
    server = bench.full()
    count = min(20_000, bench.scale.objects)
    process.load(server, op="get", connections=16, count=count, check="content", **bench.full_options)
    needles = f"{bench.scale.objects:,}".replace(",", " ")
    each = ", ".join(f"{one:.2f}" for one in seconds)
    return [
        _row("restart", f"restart with {needles} needles to ready, after kill -9", "s", value, must=1.5, aim=0.5,
             less=True, note=f"all: {each}; {count} objects read and compared afterwards")
    ]  # fmt: skip


CASES: dict[str, Case] = {
    "memory": memory,
    "restart": restart,
    "get-4k": get_small,
    "authz": authorization,
    "list": listing,
    "mixed": mixed,
    "put-4k": put_small,
    "1m": medium,
    "put-64m": put_large,
    "get-64m": get_large,
}


def chosen(words: list[str]) -> list[str]:
    """The cases named, or all."""
    unknown = [word for word in words if word not in CASES]
    if unknown:
        raise BenchError(f"no such case: {', '.join(unknown)} (there are {', '.join(CASES)})")
    return [name for name in CASES if not words or name in words]
