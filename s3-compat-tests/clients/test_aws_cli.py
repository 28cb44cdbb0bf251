"""aws-cli v1 from PyPI: cp, sync, mv, rm, presign, s3api."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from endpoint import Site

REQUIREMENT = "awscli"


@pytest.fixture
def aws(client_env: Callable[[str, str], Path], run: Callable[..., str], site: Site) -> Callable[..., str]:
    """`aws --endpoint-url …`."""
    command = client_env("aws-cli", REQUIREMENT) / "aws"
    return lambda *words, **kw: run(command, "--endpoint-url", site.url, *words, **kw)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_copies_up_and_down_small_and_multipart(aws: Callable[..., str], bucket: str, tmp_path: Path) -> None:
    aws("s3", "mb", f"s3://{bucket}")
    assert bucket in aws("s3", "ls")
    for size in (0, 5, 70_000, 20 << 20):
        (tmp_path / "up").write_bytes(os.urandom(size))
        aws("s3", "cp", "up", f"s3://{bucket}/dir/file-{size}")
        aws("s3", "cp", f"s3://{bucket}/dir/file-{size}", "down")
        assert digest(tmp_path / "up") == digest(tmp_path / "down")
    assert "file-70000" in aws("s3", "ls", f"s3://{bucket}/dir/")
    head = json.loads(aws("s3api", "head-object", "--bucket", bucket, "--key", f"dir/file-{20 << 20}"))
    assert head["ETag"].strip('"').endswith("-3")
    aws("s3", "rb", f"s3://{bucket}", "--force")
    assert bucket not in aws("s3", "ls")


def test_sync_transfers_only_what_changed_and_deletes(aws: Callable[..., str], bucket: str, tmp_path: Path) -> None:
    aws("s3", "mb", f"s3://{bucket}")
    source = tmp_path / "source"
    for number in range(12):
        (source / f"d{number % 3}").mkdir(parents=True, exist_ok=True)
        file = source / f"d{number % 3}" / f"ü {number}+%.txt"
        file.write_text("x" * number)
        os.utime(file, (1_700_000_000, 1_700_000_000))  # Last-Modified has whole seconds, here as at AWS
    assert aws("s3", "sync", "source", f"s3://{bucket}/tree").count("upload:") == 12
    assert aws("s3", "sync", "source", f"s3://{bucket}/tree") == ""
    (source / "d0" / "ü 0+%.txt").write_text("changed")
    (source / "d1" / "ü 1+%.txt").unlink()
    out = aws("s3", "sync", "source", f"s3://{bucket}/tree", "--delete")
    assert (out.count("upload:"), out.count("delete:")) == (1, 1)
    aws("s3", "sync", f"s3://{bucket}/tree", "back")
    names = sorted(str(p.relative_to(source)) for p in source.rglob("*.txt"))
    assert sorted(str(p.relative_to(tmp_path / "back")) for p in (tmp_path / "back").rglob("*.txt")) == names


def test_moves_within_the_server_and_streams(aws: Callable[..., str], bucket: str, tmp_path: Path) -> None:
    aws("s3", "mb", f"s3://{bucket}")
    (tmp_path / "f").write_text("hello")
    aws("s3", "cp", "f", f"s3://{bucket}/a", "--metadata", "colour=green", "--content-type", "text/x-test")
    aws("s3", "mv", f"s3://{bucket}/a", f"s3://{bucket}/b")
    head = json.loads(aws("s3api", "head-object", "--bucket", bucket, "--key", "b"))
    assert (head["Metadata"], head["ContentType"]) == ({"colour": "green"}, "text/x-test")
    assert aws("s3", "cp", f"s3://{bucket}/b", "-") == "hello"
    assert aws("s3", "ls", f"s3://{bucket}/a", check=False) == ""


def test_presigned_url_works_with_curl(
    aws: Callable[..., str], run: Callable[..., str], site: Site, bucket: str, tmp_path: Path
) -> None:
    aws("s3", "mb", f"s3://{bucket}")
    (tmp_path / "f").write_text("for everyone with the link")
    aws("s3", "cp", "f", f"s3://{bucket}/päth/with space+plus")
    url = aws("s3", "presign", f"s3://{bucket}/päth/with space+plus").strip()
    trust = ["--cacert", str(site.ca)] if site.ca else []
    assert run("curl", "-sf", *trust, url) == "for everyone with the link"
    tampered = run("curl", "-s", "-w", "%{http_code}", *trust, url.replace("with", "Xith", 1))
    assert "<Code>SignatureDoesNotMatch</Code>" in tampered and tampered.endswith("403")


def test_versioning_and_tagging_through_s3api(aws: Callable[..., str], bucket: str, tmp_path: Path) -> None:
    aws("s3api", "create-bucket", "--bucket", bucket)
    aws("s3api", "put-bucket-versioning", "--bucket", bucket, "--versioning-configuration", "Status=Enabled")
    versions = []
    for text in ("one", "two"):
        (tmp_path / "f").write_text(text)
        versions.append(
            json.loads(aws("s3api", "put-object", "--bucket", bucket, "--key", "k", "--body", "f"))["VersionId"]
        )
    aws("s3api", "get-object", "--bucket", bucket, "--key", "k", "--version-id", versions[0], "out")
    assert (tmp_path / "out").read_text() == "one"
    aws("s3api", "put-object-tagging", "--bucket", bucket, "--key", "k", "--tagging", "TagSet=[{Key=a,Value=b}]")
    assert json.loads(aws("s3api", "get-object-tagging", "--bucket", bucket, "--key", "k"))["TagSet"] == [
        {"Key": "a", "Value": "b"}
    ]
    aws("s3", "rm", f"s3://{bucket}/k")
    listing = json.loads(aws("s3api", "list-object-versions", "--bucket", bucket))
    assert (len(listing["Versions"]), len(listing["DeleteMarkers"])) == (2, 1)
