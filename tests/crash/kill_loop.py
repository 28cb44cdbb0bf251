"""kill -9 under load, again and again: no acknowledged write may be lost and no operator may be needed.

Each worker owns its keys, so it knows what every key must hold: the last acknowledged state or, for the one operation
that was in flight when the process died, either side of it. After each kill the offline checker reads the data
directory without the server's code, the server is started again on it, and every key is read back.

This tests crashes of the process. Power loss is another test: the page cache survives a kill.
Beside them others give and take rights (`rights_load.py`), each its own.
Run by `make crash` (20 kills); `make test` runs two.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "s3-compat-tests"))
import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rights_load import RightsWorker
from running import PANTHERA, ROOT_KEY, ROOT_SECRET, Server, start

BUCKETS = {"plain": False, "versioned": True}
KEYS_PER_WORKER = 12
PART_BYTES = 5 << 20
ABSENT = None
State = str | None  # SHA-256 of the content, or ABSENT


def client(url: str) -> Any:
    """boto3 that never retries: an unknown outcome must stay unknown."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=ROOT_KEY,
        aws_secret_access_key=ROOT_SECRET,
        config=Config(retries={"max_attempts": 0}, connect_timeout=5, read_timeout=30, signature_version="s3v4"),
    )


@dataclass
class Worker:
    """One client with keys of its own."""

    number: int
    seed: int
    url: str = ""
    acked: dict[tuple[str, str], State] = field(default_factory=dict)
    in_flight: dict[tuple[str, str], State] = field(default_factory=dict)
    versions: set[tuple[str, str]] = field(default_factory=set)
    operations: int = 0
    stopping: bool = False

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed * 1000 + self.number)

    def begin(self, server: Server) -> threading.Thread:
        """Works until the server is gone."""
        self.url, self.stopping = server.url, False
        thread = threading.Thread(target=self.work, daemon=True)
        thread.start()
        return thread

    def work(self) -> None:
        s3 = client(self.url)
        while not self.stopping:
            bucket = self.random.choice(list(BUCKETS))
            where = (bucket, f"w{self.number}/{self.random.randrange(KEYS_PER_WORKER)}")
            act = self.random.choices([self.put, self.delete, self.multipart, self.copy], [80, 12, 2, 6])[0]
            try:
                act(s3, where)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                    raise
                return
            except BotoCoreError:
                return
            self.operations += 1

    def did(self, where: tuple[str, str], state: State, answer: dict[str, Any]) -> None:
        """The server acknowledged."""
        self.acked[where] = state
        del self.in_flight[where]
        if version := answer.get("VersionId"):
            self.versions.add((where[1], version))

    def body(self, size: int) -> tuple[bytes, str]:
        data = self.random.randbytes(size)
        return data, hashlib.sha256(data).hexdigest()

    def put(self, s3: Any, where: tuple[str, str]) -> None:
        data, digest = self.body(self.random.choice([0, 10, 4096, 4096, 70_000, 3 << 20]))
        self.in_flight[where] = digest
        self.did(where, digest, s3.put_object(Bucket=where[0], Key=where[1], Body=data))

    def delete(self, s3: Any, where: tuple[str, str]) -> None:
        self.in_flight[where] = ABSENT
        self.did(where, ABSENT, s3.delete_object(Bucket=where[0], Key=where[1]))

    def multipart(self, s3: Any, where: tuple[str, str]) -> None:
        data, digest = self.body(PART_BYTES + 1000)
        at = {"Bucket": where[0], "Key": where[1]}
        upload = s3.create_multipart_upload(**at)["UploadId"]
        parts = []
        for number, piece in enumerate((data[:PART_BYTES], data[PART_BYTES:]), 1):
            etag = s3.upload_part(**at, UploadId=upload, PartNumber=number, Body=piece)["ETag"]
            parts.append({"PartNumber": number, "ETag": etag})
        self.in_flight[where] = digest
        self.did(where, digest, s3.complete_multipart_upload(**at, UploadId=upload, MultipartUpload={"Parts": parts}))

    def copy(self, s3: Any, where: tuple[str, str]) -> None:
        source = (where[0], f"w{self.number}/{self.random.randrange(KEYS_PER_WORKER)}")
        if source == where or self.acked.get(source) is ABSENT:
            return
        state = self.acked[source]
        self.in_flight[where] = state
        self.did(
            where,
            state,
            s3.copy_object(Bucket=where[0], Key=where[1], CopySource={"Bucket": source[0], "Key": source[1]}),
        )

    def check(self, server: Server) -> list[str]:
        """Reads every key back; what is wrong. Outcomes that were unknown are known afterwards."""
        s3 = client(server.url)
        wrong = []
        for where in sorted(set(self.acked) | set(self.in_flight)):
            try:
                found: State = hashlib.sha256(s3.get_object(Bucket=where[0], Key=where[1])["Body"].read()).hexdigest()
            except s3.exceptions.NoSuchKey:
                found = ABSENT
            allowed = {self.acked.get(where, ABSENT)} | ({self.in_flight[where]} if where in self.in_flight else set())
            if found not in allowed:
                wrong.append(f"{where}: holds {found}, must hold one of {allowed}")
            self.acked[where] = found
        self.in_flight.clear()
        there = set()
        for page in s3.get_paginator("list_object_versions").paginate(Bucket="versioned", Prefix=f"w{self.number}/"):
            there |= {(v["Key"], v["VersionId"]) for v in page.get("Versions", []) + page.get("DeleteMarkers", [])}
        return wrong + [f"version lost: {v}" for v in sorted(self.versions - there)]


def one_kill(server: Server, workers: list[Worker | RightsWorker], seconds: float) -> int:
    """Load, kill -9; how many operations were acknowledged."""
    before = sum(w.operations for w in workers)
    threads = [w.begin(server) for w in workers]
    time.sleep(seconds)
    server.kill()
    for worker, thread in zip(workers, threads, strict=True):
        worker.stopping = True
        thread.join(timeout=60)
        assert not thread.is_alive(), "a client hangs although the server is gone"
    return sum(w.operations for w in workers) - before


def prepared(server: Server, seed: int, clients: int) -> list[Worker | RightsWorker]:
    """The workers, and what they need."""
    s3 = client(server.url)
    for bucket, versioned in BUCKETS.items():
        s3.create_bucket(Bucket=bucket)
        if versioned:
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    rights = [RightsWorker(number, seed) for number in range(clients // 2)]
    for worker in rights:
        worker.prepare(server)
    return [*(Worker(number, seed) for number in range(clients)), *rights]


def run(kills: int, seconds: float, seed: int, home: Path, clients: int = 8, verify: bool = True) -> list[str]:
    """The whole test; what is wrong."""
    chance = random.Random(seed)
    server = start(home / "data")
    workers = prepared(server, seed, clients)
    for number in range(kills):
        done = one_kill(server, workers, seconds * (0.5 + chance.random()))
        if verify:
            checked = subprocess.run([PANTHERA, "verify", "--data", home / "data"], capture_output=True, text=True)
            if checked.returncode:
                return [f"after kill {number + 1} the offline checker says:\n{checked.stdout}{checked.stderr}"]
        began = time.monotonic()
        server = start(home / "data")
        ready = time.monotonic() - began
        wrong = [problem for worker in workers for problem in worker.check(server)]
        print(f"kill {number + 1}: {done} acknowledged operations, ready again after {ready:.2f} s, {len(wrong)} wrong")
        if wrong:
            server.stop()
            return wrong
    assert server.stop() == 0, "SIGTERM must drain and exit 0"
    return []


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=4.0, help="mean time of load before a kill")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="panthera-crash-") as home:
        wrong = run(options.kills, options.seconds, options.seed, Path(home))
    print("\n".join(wrong) or f"{options.kills} kills, nothing lost")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
