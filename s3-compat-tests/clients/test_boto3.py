"""boto3 with its defaults: transfers, paginators, presigned GET, PUT and POST."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from endpoint import Site

REQUIREMENT = "boto3 requests"

PROGRAM = """
import io, os, sys, boto3, requests
from boto3.s3.transfer import TransferConfig
bucket, url, ca = sys.argv[1:4]
s3 = boto3.client("s3", endpoint_url=url)
trust = ca or True
s3.create_bucket(Bucket=bucket)

data = os.urandom(26 << 20)
config = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20)
s3.upload_fileobj(io.BytesIO(data), bucket, "large", Config=config)
back = io.BytesIO()
s3.download_fileobj(bucket, "large", back, Config=config)
assert back.getvalue() == data
assert s3.get_object(Bucket=bucket, Key="large", Range="bytes=9000000-9000009")["Body"].read() == data[9000000:9000010]
s3.copy({"Bucket": bucket, "Key": "large"}, bucket, "copied", Config=config)
assert s3.get_object(Bucket=bucket, Key="copied")["Body"].read() == data

for n in range(25):
    s3.put_object(Bucket=bucket, Key=f"page/{n:03}", Body=b"x" * n)
pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="page/", PaginationConfig={"PageSize": 10}))
assert [len(p["Contents"]) for p in pages] == [10, 10, 5]
v1 = list(s3.get_paginator("list_objects").paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 2}))
assert sum(len(p.get("Contents", [])) for p in v1) == 2 and sum(len(p.get("CommonPrefixes", [])) for p in v1) == 1

for signature in (None, "s3v4"):
    signer = s3 if signature is None else boto3.client("s3", endpoint_url=url, config=boto3.session.Config(signature_version=signature))
    put = signer.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "by url/ü+", "ContentType": "text/x-y"})
    assert requests.put(put, data=b"hello", headers={"Content-Type": "text/x-y"}, verify=trust).status_code == 200
    get = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "by url/ü+"})
    answer = requests.get(get, verify=trust)
    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, b"hello", "text/x-y")
    post = signer.generate_presigned_post(bucket, "form/${filename}", Fields={"success_action_status": "201"},
        Conditions=[{"success_action_status": "201"}, ["content-length-range", 1, 100]])
    answer = requests.post(post["url"], data=post["fields"], files={"file": ("name.txt", b"form body")}, verify=trust)
    assert answer.status_code == 201, answer.text
    assert s3.get_object(Bucket=bucket, Key="form/name.txt")["Body"].read() == b"form body"

for algorithm in ("CRC32", "SHA1", "SHA256"):
    s3.put_object(Bucket=bucket, Key="sum", Body=b"checked", ChecksumAlgorithm=algorithm)
    head = s3.head_object(Bucket=bucket, Key="sum", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"], head
try:
    s3.put_object(Bucket=bucket, Key="once", Body=b"1", IfNoneMatch="*")
    s3.put_object(Bucket=bucket, Key="once", Body=b"2", IfNoneMatch="*")
    raise SystemExit("the second conditional put must fail")
except s3.exceptions.ClientError as error:
    assert error.response["Error"]["Code"] == "PreconditionFailed"
names = [{"Key": o["Key"]} for p in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket) for o in p["Contents"]]
assert len(s3.delete_objects(Bucket=bucket, Delete={"Objects": names})["Deleted"]) == len(names)
s3.delete_bucket(Bucket=bucket)
print("done")
"""


def test_the_main_job_with_stock_defaults(
    client_env: Callable[[str, str], Path], run: Callable[..., str], site: Site, bucket: str
) -> None:
    python = client_env("boto3", REQUIREMENT) / "python"
    assert run(python, "-c", PROGRAM, bucket, site.url, site.ca or "").strip() == "done"
