"""kill -9 in the middle of another tenant's requests and of grants: what was answered is in the audit log, and a grant
is there with its entry or not at all.

Belongs here: the audit log after a crash of the process. Does not belong here: what else must survive one
(`kill_loop.py`).
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rights_load import client
from running import PANTHERA, ROOT_KEY, ROOT_SECRET, start

from gateway.remote import Remote, RemoteError

KEY, SECRET = "EVEKEY00000000000000", "secret-of-eve-0000000000000000000000000"
LOAD_S = 1.5
KILLS = 2
BUCKET = "audited"


class Load:
    """What clients were answered until the server was gone."""

    def __init__(self, url: str, admin: str) -> None:
        self.url, self.admin = url, admin
        self.requests: list[str] = []
        self.granted: list[str] = []
        self.wrong: list[str] = []

    def ask(self, number: int) -> None:
        """Another tenant's requests: every other one is refused, every fourth one writes."""
        s3 = client(self.url, KEY, SECRET)
        for turn in range(10**6):
            place = {"Bucket": BUCKET, "Key": f"{'open' if turn % 2 else 'shut'}/{number}"}
            try:
                answer = s3.put_object(**place, Body=b"x") if turn % 4 < 2 else s3.get_object(**place)
            except ClientError as error:
                answer = error.response
                if answer["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                    self.wrong.append(str(error))
            except BotoCoreError:
                return
            self.requests.append(answer["ResponseMetadata"]["RequestId"])

    def grant(self, number: int) -> None:
        """Grants, each of its own place."""
        remote = Remote(self.admin, ROOT_KEY, ROOT_SECRET)
        for turn in range(10**6):
            place = f"s3://{BUCKET}/{number}/{time.time_ns()}-{turn}/"
            change = {"op": "touch", "subject": "user:beta/eve", "relation": "reader", "resource": place}
            try:
                remote.call("POST", "/v1/relations", {"changes": [change]})
            except RemoteError:
                return
            self.granted.append(place)


def entries(remote: Remote, **query: str) -> list[Any]:
    """All of a log."""
    found, cursor = [], ""
    words = "".join(f"&{name}={value}" for name, value in query.items())
    while True:
        page = remote.call("GET", f"/v1/audit?since=1h{words}{cursor}")
        found += page["entries"]
        if page["cursor"] is None:
            return found
        cursor = f"&cursor={page['cursor']}"


def prepare(remote: Remote, url: str) -> None:
    """Two tenants, and a bucket of the one in which the other's user may do something."""
    remote.call("POST", "/v1/tenants", {"name": "beta"})
    remote.call("POST", "/v1/users", {"tenant": "beta", "name": "eve"})
    remote.call("POST", "/v1/keys", {"tenant": "beta", "user": "eve", "access_key": KEY, "secret_key": SECRET})
    client(url, ROOT_KEY, ROOT_SECRET).create_bucket(Bucket=BUCKET)
    for relation in ("reader", "writer"):
        change = {"op": "touch", "subject": "user:beta/eve", "relation": relation, "resource": f"s3://{BUCKET}/open/"}
        remote.call("POST", "/v1/relations", {"changes": [change]})


def test_what_was_answered_is_written_down_whenever_the_server_dies(tmp_path: Path) -> None:
    server = start(tmp_path / "data")
    prepare(Remote(server.admin, ROOT_KEY, ROOT_SECRET), server.url)
    requests: list[str] = []
    granted: list[str] = []
    for _ in range(KILLS):
        load = Load(server.url, server.admin)
        threads = [threading.Thread(target=load.ask, args=(number,), daemon=True) for number in range(4)]
        threads += [threading.Thread(target=load.grant, args=(number,), daemon=True) for number in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(LOAD_S)
        server.kill()
        for thread in threads:
            thread.join(timeout=60)
            assert not thread.is_alive(), "a client hangs although the server is gone"
        assert load.requests and load.granted and not load.wrong, load.wrong
        requests, granted = requests + load.requests, granted + load.granted
        checked = subprocess.run(
            [PANTHERA, "verify", "--data", server.data], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
        server = start(tmp_path / "data")
        remote = Remote(server.admin, ROOT_KEY, ROOT_SECRET)
        for tenant in ("default", "beta"):
            written = Counter(one["request_id"] for one in entries(remote, tenant=tenant, subject="user:beta/eve"))
            assert not set(requests) - set(written), "answered and not written down"
            assert set(written.values()) == {1}
        grants = [one["changes"][0]["resource"] for one in entries(remote, tenant="default", action="panthera:Grant")]
        assert not set(granted) - set(grants), "answered and not written down"
        # The other way round, too: of those that nobody was answered, what is written down was done.
        relations = [one["resource"] for one in tuples(remote)]
        assert sorted(set(grants)) == sorted(set(relations)), "a grant without its entry, or an entry without its grant"
    assert server.stop() == 0


def tuples(remote: Remote) -> list[Any]:
    """All relations of the bucket."""
    found, cursor = [], ""
    while True:
        page = remote.call("GET", f"/v1/relations?bucket={BUCKET}&limit=1000{cursor}")
        found += page["relations"]
        if page.get("cursor") is None:
            return found
        cursor = f"&cursor={page['cursor']}"
