"""ListBuckets over the wire, of a tenant with many buckets, by how many of them the caller may know of.

    .venv/bin/python bench/list_buckets.py [--buckets 10000] [--data DIR] [--command panthera]

Belongs here: the store, who asks, the table. Prints the processor time that the server takes for one call (from
/proc/PID/stat, all threads) and the client's wall time, the least of several rounds.
"""

import argparse
import base64
import json
import os
import re
import subprocess
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config
from process import ACCESS_KEY, ROOT, SECRET_KEY, STOP_S, environment

ROUNDS, ROUND_S, CALLS = 3, 1.0, 20
"""A round has as many calls as fit into so many seconds, but one at least."""
CHANGES = 1000
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
CREATORS = 16
SOME = {"knows-1": 1, "knows-100": 100}
"""Who was granted a bucket each: how many."""


class Site:
    """A server over a store; starts on entering, ends on leaving."""

    def __init__(self, command: Path, data: Path) -> None:
        words = [str(command), "serve", "--data", str(data), "--s3-listen", "127.0.0.1:0"]
        self._process = subprocess.Popen(
            [*words, "--admin-listen", "127.0.0.1:0"], env=environment(), stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        ready = next(line for line in self._process.stdout if line.startswith("ready"))
        self.url, self.admin_url = re.findall(r"https?://[^\s,]+", ready)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(STOP_S)

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S

    def admin(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        token = base64.b64encode(f"{ACCESS_KEY}:{SECRET_KEY}".encode()).decode()
        headers = {"authorization": f"Basic {token}", "content-type": "application/json"}
        request = urllib.request.Request(self.admin_url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())

    def panthera(self, command: Path, *words: str) -> dict[str, Any]:
        known = {"PANTHERA_ADMIN_URL": self.admin_url}
        done = subprocess.run(
            [command, *words, "--json"], env=environment() | known, check=True, capture_output=True, text=True
        )
        return json.loads(done.stdout)

    def s3(self, key: tuple[str, str]) -> Any:
        return boto3.client(
            "s3", endpoint_url=self.url, region_name="us-east-1", aws_access_key_id=key[0],
            aws_secret_access_key=key[1], config=Config(retries={"max_attempts": 0}, max_pool_connections=CREATORS),
        )  # fmt: skip


def person(site: Site, command: Path, name: str, *more: str) -> tuple[str, str]:
    site.panthera(command, "user", "add", "studio", name, *more)
    key = site.panthera(command, "key", "add", "studio", name)
    return key["access_key"], key["secret_key"]


def fill(site: Site, command: Path, buckets: int) -> dict[str, tuple[str, str]]:
    """Makes the store; who asks, with keys."""
    site.panthera(command, "tenant", "add", "studio")
    people = {"administrator": person(site, command, "ann", "--admin")}
    s3 = site.s3(people["administrator"])
    names = [f"bucket-{number:06}" for number in range(buckets)]
    with ThreadPoolExecutor(CREATORS) as pool:
        list(pool.map(lambda name: s3.create_bucket(Bucket=name), names))
    grants: list[tuple[str, str]] = []
    for name, count in {**SOME, "knows-all": buckets}.items():
        people[name] = person(site, command, name)
        grants += [(name, bucket) for bucket in names[:: buckets // count][:count]]
    people["reads the tenant"] = person(site, command, "reader")
    people["policy with a pattern"] = person(site, command, "pattern")
    changes = [
        {"op": "touch", "subject": f"user:studio/{name}", "relation": "reader", "resource": f"s3://{bucket}"}
        for name, bucket in grants
    ]
    whole = {"op": "touch", "subject": "user:studio/reader", "relation": "reader", "resource": "tenant:studio"}
    for start in range(0, len(changes), CHANGES):
        site.admin("/v1/relations", {"tenant": "studio", "changes": changes[start : start + CHANGES]})
    site.admin("/v1/relations", {"tenant": "studio", "changes": [whole]})
    statement = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::bucket-*00"}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
        file.flush()
        site.panthera(command, "policy", "add", "pattern", file.name, "--tenant", "studio")
    site.panthera(command, "policy", "attach", "pattern", "user:pattern", "--tenant", "studio")
    people["knows none"] = person(site, command, "nobody")
    return people


def measure(site: Site, key: tuple[str, str]) -> tuple[int, float, float]:
    """How many buckets are listed; milliseconds of the processor and of the clock a call."""
    s3 = site.s3(key)
    found = len(s3.list_buckets()["Buckets"])
    start = time.perf_counter()
    s3.list_buckets()
    calls = max(1, min(CALLS, int(ROUND_S / (time.perf_counter() - start))))
    cpu, wall = [], []
    for _ in range(ROUNDS):
        before, start = site.cpu_s(), time.perf_counter()
        for _ in range(calls):
            s3.list_buckets()
        wall.append((time.perf_counter() - start) / calls)
        cpu.append((site.cpu_s() - before) / calls)
    return found, min(cpu) * 1e3, min(wall) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description="ListBuckets by how many buckets the caller knows of.")
    parser.add_argument("--buckets", type=int, default=10_000)
    parser.add_argument("--data", type=Path, help="a store that this made before, or where it is made")
    parser.add_argument("--command", type=Path, default=ROOT / ".venv" / "bin" / "panthera")
    given = parser.parse_args()
    home = given.data or Path(tempfile.mkdtemp(prefix="list-buckets-"))
    keys = home / "keys.json"
    home.mkdir(parents=True, exist_ok=True)
    with Site(given.command, home / "data") as site:
        if not keys.exists():
            keys.write_text(json.dumps(fill(site, given.command, given.buckets)))
        people = {"root of the store": (ACCESS_KEY, SECRET_KEY), **json.loads(keys.read_text())}
        print("| the caller | listed | CPU a call | wall a call |\n|---|---|---|---|")
        for name, key in people.items():
            found, cpu, wall = measure(site, key)
            print(f"| {name} | {found} | {cpu:.1f} ms | {wall:.1f} ms |", flush=True)


if __name__ == "__main__":
    main()
