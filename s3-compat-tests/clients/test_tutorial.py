"""The tutorial's commands, run in order on a fresh server: what the page says a command prints, it prints.

`sh` blocks are run; `console` blocks (how one starts the server) are not. A line that begins with `# ` is expected output.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

from running import PANTHERA, ROOT, running

PAGE = ROOT / "docs" / "tutorial" / "share-and-revoke.md"
RUN_TIMEOUT_S = 300


def test_share_and_revoke_does_what_its_page_says(client_env: Callable[[str, str], Path], tmp_path: Path) -> None:
    blocks = re.findall(r"^( *)```sh\n(.*?)^\1```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    script = "".join(dedent(body) for _, body in blocks)
    expected = [line[2:] for line in script.splitlines() if line.startswith("# ")]
    assert expected, "the page promises nothing"
    commands = client_env("aws-cli", "awscli")
    with running(tmp_path / "data") as server:
        own = {
            "PATH": f"{PANTHERA.parent}:{commands}:{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": server.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        done = subprocess.run(
            ["bash", "-c", script],
            env=environment | server.env | own,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_TIMEOUT_S,
        )
    rest = done.stdout
    for line in expected:
        found, _, after = rest.partition(line)
        assert found != rest, f"{line!r} is not printed after what the page says before it:\n{done.stdout}"
        rest = after
