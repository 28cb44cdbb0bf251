"""pyarrow's own S3 file system (the AWS SDK for C++): Parquet files, partitioned data sets, streams."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from endpoint import Site

REQUIREMENT = "pyarrow"

PROGRAM = """
import os, sys
import pyarrow as pa, pyarrow.dataset as ds, pyarrow.fs as fs, pyarrow.parquet as pq
bucket, url, ca = sys.argv[1:4]
if ca:
    fs.initialize_s3()
scheme, host = url.split("://")
trust = {"tls_ca_file_path": ca} if ca else {}
f = fs.S3FileSystem(endpoint_override=host, scheme=scheme, region="us-east-1", allow_bucket_creation=True,
                    allow_bucket_deletion=True, **trust)
f.create_dir(bucket)
table = pa.table({"a": list(range(300_000)), "b": [str(n) for n in range(300_000)], "p": [n % 3 for n in range(300_000)]})
pq.write_table(table, f"{bucket}/dir/t.parquet", filesystem=f)
assert pq.read_table(f"{bucket}/dir/t.parquet", filesystem=f).equals(table)
assert pq.read_table(f"{bucket}/dir/t.parquet", filesystem=f, columns=["a"]).num_rows == 300_000
ds.write_dataset(table, f"{bucket}/set", filesystem=f, partitioning=["p"], format="parquet")
assert ds.dataset(f"{bucket}/set", filesystem=f, partitioning=["p"]).count_rows() == 300_000
data = os.urandom(23 << 20)
with f.open_output_stream(f"{bucket}/stream") as out:
    for at in range(0, len(data), 1 << 20):
        out.write(data[at:at + (1 << 20)])
f.move(f"{bucket}/stream", f"{bucket}/moved")
with f.open_input_file(f"{bucket}/moved") as file:
    assert file.read() == data
    assert file.read_at(1000, 7_000_001) == data[7_000_001:7_001_001]
assert f.get_file_info(f"{bucket}/stream").type == fs.FileType.NotFound
assert sum(i.is_file for i in f.get_file_info(fs.FileSelector(bucket, recursive=True))) == 5
f.delete_dir_contents(bucket)
f.delete_dir(bucket)
print("done")
"""


def test_parquet_data_sets_and_streams(
    client_env: Callable[[str, str], Path], run: Callable[..., str], site: Site, bucket: str
) -> None:
    python = client_env("pyarrow", REQUIREMENT) / "python"
    assert run(python, "-c", PROGRAM, bucket, site.url, site.ca or "").strip() == "done"
