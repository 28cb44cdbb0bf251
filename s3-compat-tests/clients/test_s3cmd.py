"""s3cmd from PyPI."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from endpoint import Site

REQUIREMENT = "s3cmd setuptools<81"


@pytest.fixture
def s3cmd(
    client_env: Callable[[str, str], Path], run: Callable[..., str], site: Site, tmp_path: Path
) -> Callable[..., str]:
    """`s3cmd` with a configuration file for the site."""
    command = client_env("s3cmd", REQUIREMENT) / "s3cmd"
    conf = tmp_path / "s3cfg"
    conf.write_text(
        f"[default]\naccess_key = {site.access_key}\nsecret_key = {site.secret_key}\nhost_base = {site.host}\n"
        f"host_bucket = {site.host}\nuse_https = {bool(site.ca)}\n"
        + (f"ca_certs_file = {site.ca}\n" if site.ca else "")
    )
    return lambda *words, **kw: run(command, "-c", conf, *words, **kw)


def test_puts_lists_gets_info_and_removes(s3cmd: Callable[..., str], bucket: str, tmp_path: Path) -> None:
    s3cmd("mb", f"s3://{bucket}")
    (tmp_path / "small").write_text("hello")
    (tmp_path / "large").write_bytes(os.urandom(17 << 20))
    s3cmd("put", "small", f"s3://{bucket}/dir/small file")
    s3cmd("put", "large", f"s3://{bucket}/dir/large", "--multipart-chunk-size-mb=5")
    assert "dir/large" in s3cmd("ls", "-r", f"s3://{bucket}")
    assert "File size: 5" in s3cmd("info", f"s3://{bucket}/dir/small file")
    s3cmd("get", f"s3://{bucket}/dir/large", "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "large").read_bytes()
    s3cmd("cp", f"s3://{bucket}/dir/small file", f"s3://{bucket}/copy")
    s3cmd("mv", f"s3://{bucket}/copy", f"s3://{bucket}/moved")
    s3cmd("sync", tmp_path / "small", f"s3://{bucket}/synced/")
    s3cmd("info", f"s3://{bucket}")
    s3cmd("rm", "-r", "-f", f"s3://{bucket}")
    s3cmd("rb", f"s3://{bucket}")
    assert bucket not in s3cmd("ls")
