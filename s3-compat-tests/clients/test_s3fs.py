"""aiobotocore through fsspec's s3fs, in an environment of its own (it pins botocore)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from endpoint import Site

REQUIREMENT = "s3fs"

PROGRAM = """
import os, sys, s3fs
bucket, url, ca = sys.argv[1:4]
fs = s3fs.S3FileSystem(endpoint_url=url, client_kwargs={"verify": ca or None} if ca else {})
fs.mkdir(bucket)
data = os.urandom(11 << 20)
with fs.open(f"{bucket}/dir/large", "wb", block_size=5 << 20) as f:
    f.write(data)
fs.pipe(f"{bucket}/dir/ü small", b"hello")
assert fs.cat(f"{bucket}/dir/ü small") == b"hello"
with fs.open(f"{bucket}/dir/large", "rb") as f:
    f.seek(7_000_001)
    assert f.read(1000) == data[7_000_001:7_001_001]
assert fs.cat(f"{bucket}/dir/large") == data
assert sorted(fs.ls(f"{bucket}/dir")) == [f"{bucket}/dir/large", f"{bucket}/dir/ü small"]
assert fs.info(f"{bucket}/dir/large")["size"] == len(data)
fs.copy(f"{bucket}/dir/large", f"{bucket}/copy")
fs.mv(f"{bucket}/copy", f"{bucket}/moved")
fs.invalidate_cache()
assert fs.find(bucket) == [f"{bucket}/dir/large", f"{bucket}/dir/ü small", f"{bucket}/moved"]
fs.rm(bucket, recursive=True)
print("done")
"""


def test_reads_and_writes_as_a_file_system(
    client_env: Callable[[str, str], Path], run: Callable[..., str], site: Site, bucket: str
) -> None:
    python = client_env("s3fs", REQUIREMENT) / "python"
    assert run(python, "-c", PROGRAM, bucket, site.url, site.ca or "").strip() == "done"
