"""minio-py: streams of unknown length, copies, compositions, tags, presigned URLs, bulk removal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from endpoint import Site

REQUIREMENT = "minio"

PROGRAM = """
import io, os, sys, urllib3
from minio import Minio
from minio.commonconfig import ComposeSource, CopySource, Tags
from minio.deleteobjects import DeleteObject
bucket, url, ca = sys.argv[1:4]
pool = urllib3.PoolManager(ca_certs=ca) if ca else None
c = Minio(endpoint=url.split("://")[1], access_key=os.environ["AWS_ACCESS_KEY_ID"],
          secret_key=os.environ["AWS_SECRET_ACCESS_KEY"], secure=bool(ca), http_client=pool)
at = {"bucket_name": bucket}
c.make_bucket(**at)
assert c.bucket_exists(**at)
data = os.urandom(12 << 20)
c.put_object(**at, object_name="dir/ü+ b", data=io.BytesIO(b"hello"), length=5, metadata={"colour": "green"})
c.put_object(**at, object_name="large", data=io.BytesIO(data), length=-1, part_size=5 << 20)
read = lambda name, **kw: c.get_object(**at, object_name=name, **kw).read()
assert read("large") == data
assert read("large", offset=7_000_001, length=1000) == data[7_000_001:7_001_001]
found = c.stat_object(**at, object_name="dir/ü+ b")
assert (found.size, found.metadata["x-amz-meta-colour"]) == (5, "green")
c.copy_object(**at, object_name="copy", source=CopySource(**at, object_name="dir/ü+ b"))
c.compose_object(**at, object_name="both", sources=[ComposeSource(**at, object_name=n) for n in ("large", "copy")])
assert read("both") == data + b"hello"
tags = Tags.new_object_tags()
tags["k"] = "v"
c.set_object_tags(**at, object_name="copy", tags=tags)
assert c.get_object_tags(**at, object_name="copy") == {"k": "v"}
link = c.presigned_get_object(**at, object_name="copy")
assert (pool or urllib3.PoolManager()).request("GET", link).data == b"hello"
names = [entry.object_name for entry in c.list_objects(**at, recursive=True)]
assert names == ["both", "copy", "dir/ü+ b", "large"], names
assert {entry.object_name for entry in c.list_objects(**at)} == {"both", "copy", "dir/", "large"}
assert list(c.remove_objects(**at, delete_object_list=[DeleteObject(name) for name in names])) == []
c.remove_bucket(**at)
print("done")
"""


def test_stores_reads_composes_and_removes(
    client_env: Callable[[str, str], Path], run: Callable[..., str], site: Site, bucket: str
) -> None:
    python = client_env("minio-py", REQUIREMENT) / "python"
    assert run(python, "-c", PROGRAM, bucket, site.url, site.ca or "").strip() == "done"
