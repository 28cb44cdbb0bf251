"""obstore and deltalake (Rust's object_store): conditional writes, which table formats commit with, and a Delta table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from endpoint import Site

REQUIREMENT = "obstore deltalake pyarrow boto3"

PROGRAM = """
import datetime, os, sys, urllib.request
import boto3, deltalake, obstore, pyarrow as pa
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import S3Store
bucket, url = sys.argv[1:3]
boto3.client("s3", endpoint_url=url).create_bucket(Bucket=bucket)
s = S3Store(bucket, endpoint=url, region="us-east-1", client_options={"allow_http": True})
data = os.urandom(13 << 20)
s.put("a/big", data)
assert bytes(s.get("a/big").bytes()) == data
assert bytes(s.get_range("a/big", start=7_000_001, length=1000)) == data[7_000_001:7_001_001]

def refused(error, act, *words, **more):
    try:
        act(*words, **more)
    except error:
        return
    raise AssertionError(f"{act} was not refused")

s.put("c", b"1", mode="create")
refused(AlreadyExistsError, s.put, "c", b"2", mode="create")
version = {"e_tag": s.head("c")["e_tag"]}
s.put("c", b"3", mode=version)
refused(PreconditionError, s.put, "c", b"4", mode=version)
s.copy("c", "d")
s.rename("d", "e/\\u00fc f")
assert bytes(s.get("e/\\u00fc f").bytes()) == b"3"
assert sorted(x["path"] for page in s.list() for x in page) == ["a/big", "c", "e/\\u00fc f"]
assert s.list_with_delimiter()["common_prefixes"] == ["a", "e"]
if url.startswith("http:"):
    link = obstore.sign(s, "GET", "c", datetime.timedelta(seconds=60))
    assert urllib.request.urlopen(link).read() == b"3"
options = {"AWS_ENDPOINT_URL": url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"}
for number in range(3):
    deltalake.write_deltalake(f"s3://{bucket}/t", pa.table({"x": [number, 2]}), mode="append", storage_options=options)
table = deltalake.DeltaTable(f"s3://{bucket}/t", storage_options=options)
assert (table.version(), table.to_pyarrow_table().num_rows) == (2, 6)
print("done", flush=True)
os._exit(0)  # the threads of these two libraries sometimes abort the interpreter's own end
"""


def test_conditional_writes_and_a_delta_table(
    client_env: Callable[[str, str], Path], run: Callable[..., str], site: Site, bucket: str
) -> None:
    python = client_env("obstore", REQUIREMENT) / "python"
    assert run(python, "-c", PROGRAM, bucket, site.url).strip() == "done"
