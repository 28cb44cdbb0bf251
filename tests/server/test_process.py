"""The server as a process: what it prints, how it ends, what it refuses, and that Python never slows a GET."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from running import PANTHERA, ROOT, ROOT_KEY, ROOT_SECRET, Server, certificate, running, start

Make = Callable[..., Any]


def run(*words: str | Path, env: dict[str, str] | None = None, timeout_s: int = 60) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PANTHERA_")}
    command = [PANTHERA, *words]
    return subprocess.run(command, env=clean | (env or {}), capture_output=True, text=True, timeout=timeout_s)


def test_the_first_start_prints_credentials_once_and_a_line_that_works(tmp_path: Path, make_client: Make) -> None:
    data = tmp_path / "data"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PANTHERA_")}
    outputs = []
    for _ in range(2):
        words = [PANTHERA, "serve", "--data", data, "--s3-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
        with subprocess.Popen(
            words, env=clean, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if line.startswith("ready"):
                    break
            url = lines[-1].split()[1]
            root = json.loads((data / "root.json").read_text())
            make_client(url, key=root["access_key"], secret=root["secret_key"]).list_buckets()
            process.terminate()
            rest = process.stdout.read()
            assert process.wait(60) == 0
        outputs.append("".join(lines) + rest)
    assert outputs[0].count(root["secret_key"]) == 2
    assert "aws --endpoint-url http://127.0.0.1:" in outputs[0]
    assert root["secret_key"] not in outputs[1]
    assert [sum(line.startswith("ready") for line in text.splitlines()) for text in outputs] == [1, 1]
    assert stat.S_IMODE((data / "root.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_a_second_process_on_the_same_data_is_refused_with_the_owners_pid(server: Server) -> None:
    done = run("serve", "--data", server.data, "--s3-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
    assert done.returncode == 2
    assert f"pid {server.process.pid}" in done.stderr
    assert "ready" not in done.stdout


@pytest.mark.parametrize("setting", ["s3-listen", "admin-listen"])
def test_a_taken_port_exits_2_with_the_settings_name(tmp_path: Path, setting: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = {"s3-listen": "127.0.0.1:0", "admin-listen": "127.0.0.1:0"}
        ports[setting] = f"127.0.0.1:{taken.getsockname()[1]}"
        words = [word for name, value in ports.items() for word in (f"--{name}", value)]
        done = run("serve", "--data", tmp_path / "data", *words)
    assert done.returncode == 2, done.stderr
    assert f"{setting.replace('-', '_')} (flag --{setting})" in done.stderr


def test_a_certificate_that_is_none_exits_2_with_the_settings_name(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("not a certificate")
    words = ["--tls-cert", tmp_path / "cert.pem", "--tls-key", tmp_path / "cert.pem", "--s3-listen", "127.0.0.1:0"]
    done = run("serve", "--data", tmp_path / "data", "--admin-listen", "127.0.0.1:0", *words)
    assert done.returncode == 2, done.stderr
    assert "tls_cert" in done.stderr or "tls_key" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_what_runs_and_exits_0(tmp_path: Path, make_client: Make, number: int) -> None:
    server = start(tmp_path / "data")
    s3 = make_client(server.url)
    s3.create_bucket(Bucket="bucket")
    host, port = server.url.removeprefix("http://").split(":")
    url = make_client(server.url, signature_version="s3v4").generate_presigned_url(
        "put_object", Params={"Bucket": "bucket", "Key": "slow"}
    )
    with socket.create_connection((host, int(port))) as connection:
        path = url.removeprefix(server.url)
        head = f"PUT {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 100"), "the request is not being served yet"
        connection.sendall(b"hello")
        server.process.send_signal(number)
        time.sleep(0.3)
        connection.sendall(b"world")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    assert server.process.wait(60) == 0
    again = start(tmp_path / "data")
    assert make_client(again.url).get_object(Bucket="bucket", Key="slow")["Body"].read() == b"helloworld"
    assert again.stop() == 0


def test_a_stopped_servers_data_is_verified_and_rescued_and_a_running_ones_is_not(
    tmp_path: Path, make_client: Make
) -> None:
    data = tmp_path / "data"
    server = start(data)
    s3 = make_client(server.url)
    s3.create_bucket(Bucket="bucket")
    for key, size in (("a/b", 3_000_001), ("k", 1), ("empty", 0)):
        s3.put_object(Bucket="bucket", Key=key, Body=b"x" * size, Metadata={"of": key})
    s3.delete_object(Bucket="bucket", Key="k")
    stats = json.loads(run("stats", "--json", env=server.env).stdout)
    assert stats["totals"]["live_bytes"] > 1
    assert stats["totals"]["dead_bytes"] > 0
    assert stats["totals"]["file_bytes"] >= stats["totals"]["live_bytes"] + stats["totals"]["dead_bytes"]
    busy = run("verify", "--data", data)
    assert (busy.returncode, f"pid {server.process.pid}" in busy.stderr) == (2, True)
    assert server.stop() == 0
    sound = run("verify", "--data", data, "--json")
    assert (sound.returncode, json.loads(sound.stdout)["problems"]) == (0, [])
    saved = run("rescue", "--data", data, "--to", tmp_path / "out")
    assert saved.returncode == 0, saved.stderr
    found = {
        path.relative_to(tmp_path / "out").as_posix(): path.stat().st_size for path in (tmp_path / "out").rglob("*")
    }
    assert found["default/bucket/a/b"] == 3_000_001
    assert "default/bucket/k" not in found
    volume = next(path for path in (data / "volumes").rglob("*") if path.is_file() and b"x" * 1000 in path.read_bytes())
    with volume.open("r+b") as file:
        file.seek(volume.read_bytes().index(b"x" * 1000))
        file.write(b"y")
    broken = run("verify", "--data", data)
    assert broken.returncode == 1
    assert "problem: " in broken.stdout


def test_health_is_on_the_admin_port(server: Server) -> None:
    for path in ("live", "ready"):
        with urllib.request.urlopen(f"{server.admin}/health/{path}") as answer:
            assert answer.status == 200
    with urllib.request.urlopen(f"{server.admin}/metrics") as answer:
        assert b"# TYPE" in answer.read()


def test_caches_count_and_can_be_switched_off(tmp_path: Path, make_client: Make) -> None:
    def hits(*words: str) -> dict[str, int]:
        with running(tmp_path / "data", *words) as server:
            s3 = make_client(server.url)
            if not words:
                s3.create_bucket(Bucket="kept")
                s3.put_object(Bucket="kept", Key="k", Body=b"x")
            answers = {s3.get_object(Bucket="kept", Key="k")["Body"].read() for _ in range(5)}
            assert answers == {b"x"}
            with urllib.request.urlopen(f"{server.admin}/metrics") as answer:
                text = answer.read().decode()
        found = re.findall(r'panthera_cache_hits_total{cache="(\w+)"} (\d+)', text)
        return {name: int(count) for name, count in found}

    on, off = hits(), hits("--no-authz-caches")
    assert {"verdicts", "memberships", "identities", "policies", "buckets"} == set(on) == set(off)
    assert on["verdicts"] >= 4
    assert on["identities"] >= 4
    assert set(off.values()) == {0}


def test_tenants_see_neither_buckets_nor_objects_of_one_another(server: Server, make_client: Make, bucket: str) -> None:
    def panthera(*words: str) -> Any:
        done = run(*words, "--json", env=server.env)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    panthera("tenant", "add", "acme")
    panthera("user", "add", "acme", "ann", "--admin")
    panthera("user", "add", "acme", "bob")
    ann, bob = (
        make_client(server.url, key=key["access_key"], secret=key["secret_key"])
        for key in (panthera("key", "add", "acme", "ann"), panthera("key", "add", "acme", "bob"))
    )
    make_client(server.url).put_object(Bucket=bucket, Key="k", Body=b"secret")
    # Whoever signs may ask which buckets it may know of: none.
    assert ann.list_buckets()["Buckets"] == bob.list_buckets()["Buckets"] == []
    refusals = [
        (ann.get_object, {"Bucket": bucket, "Key": "k"}),
        (ann.put_object, {"Bucket": bucket, "Key": "k", "Body": b"x"}),
        (ann.list_objects_v2, {"Bucket": bucket}),
        (ann.delete_bucket, {"Bucket": bucket}),
        (ann.put_bucket_versioning, {"Bucket": bucket, "VersioningConfiguration": {"Status": "Enabled"}}),
        (bob.create_bucket, {"Bucket": "bobs-bucket"}),
    ]
    for act, words in refusals:
        with pytest.raises(ClientError) as caught:
            act(**words)
        assert caught.value.response["Error"]["Code"] == "AccessDenied", act
    ann.create_bucket(Bucket="anns-bucket")
    ann.put_object(Bucket="anns-bucket", Key="k", Body=b"hers")
    ann.copy_object(Bucket="anns-bucket", Key="own", CopySource={"Bucket": "anns-bucket", "Key": "k"})
    with pytest.raises(ClientError):
        ann.copy_object(Bucket="anns-bucket", Key="stolen", CopySource={"Bucket": bucket, "Key": "k"})
    ann.delete_objects(Bucket="anns-bucket", Delete={"Objects": [{"Key": "k"}, {"Key": "own"}]})
    ann.delete_bucket(Bucket="anns-bucket")
    run("tenant", "rm", "acme", env=server.env)
    with pytest.raises(ClientError) as caught:
        ann.list_buckets()
    assert caught.value.response["Error"]["Code"] == "InvalidAccessKeyId"


def test_sighup_reads_the_certificate_again(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    with running(tmp_path / "data", "--tls-cert", cert, "--tls-key", key) as server:
        host, port = server.url.removeprefix("https://").split(":")

        def served() -> str:
            return ssl.get_server_certificate((host, int(port)))

        first = served()
        assert first.strip() == cert.read_text().strip()
        certificate(tmp_path)
        assert served() == first
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 20
        while served() == first and time.monotonic() < deadline:
            time.sleep(0.1)
        assert served().strip() == cert.read_text().strip()
        cert.write_text("broken")
        server.process.send_signal(signal.SIGHUP)
        while "was not changed" not in server.log.read_text() and time.monotonic() < deadline + 20:
            time.sleep(0.1)
        assert served() != first


BLOCKER = """
import ctypes, dataclasses, sys
from gateway.ops import table
holding = ctypes.PyDLL(None)  # unlike CDLL it keeps the GIL while it calls

def blocked(call):
    holding.sleep(8)
    return original(call)

original = table.HANDLERS["GetBucketLocation"].handler
table.HANDLERS["GetBucketLocation"] = dataclasses.replace(table.HANDLERS["GetBucketLocation"], handler=blocked)
from gateway.cli import main
sys.argv[0] = "panthera"
main()
"""


@contextmanager
def blockable(home: Path, *words: str) -> Iterator[str]:
    """A server whose GetBucketLocation holds the GIL, and with it every Python thread, for eight seconds."""
    env = os.environ | {"PANTHERA_ROOT_ACCESS_KEY": ROOT_KEY, "PANTHERA_ROOT_SECRET_KEY": ROOT_SECRET}
    command = [sys.executable, "-c", BLOCKER, "serve", "--data", str(home / "data"), "--admin-listen", "127.0.0.1:0"]
    command += ["--s3-listen", "127.0.0.1:0", *words]
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("ready"))
        yield line.split()[1]
        process.terminate()
        assert process.wait(60) == 0


def test_a_blocked_python_does_not_slow_a_single_get(tmp_path: Path, make_client: Make) -> None:
    with blockable(tmp_path) as url:
        s3 = make_client(url)
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="k", Body=b"body")
        s3.get_object(Bucket="bucket", Key="k")["Body"].read()
        waiting = threading.Thread(target=make_client(url).get_bucket_location, kwargs={"Bucket": "bucket"})
        waiting.start()
        time.sleep(0.5)
        for number in range(100):
            assert s3.get_object(Bucket="bucket", Key="k")["Body"].read() == b"body"
            s3.put_object(Bucket="bucket", Key=f"k{number}", Body=b"body")
        assert len(s3.list_objects_v2(Bucket="bucket")["Contents"]) == 101
        assert waiting.is_alive(), "Python was not blocked while the objects were read: nothing was shown"
        waiting.join(60)


def test_a_full_control_queue_says_slow_down_at_once_and_a_late_answer_is_an_error(
    tmp_path: Path, make_client: Make
) -> None:
    with blockable(tmp_path, "--control-queue", "2", "--control-deadline-s", "6") as url:
        make_client(url).create_bucket(Bucket="bucket")
        codes: list[str] = []
        clients = [make_client(url) for _ in range(3)]

        def ask() -> None:
            try:
                clients.pop().get_bucket_location(Bucket="bucket")
                codes.append("answered")
            except ClientError as error:
                codes.append(error.response["Error"]["Code"])

        waiting = [threading.Thread(target=ask) for _ in range(2)]
        for thread in waiting:
            thread.start()
        time.sleep(2)  # both are waiting by then, and none of them for six seconds
        refused = threading.Thread(target=ask)
        refused.start()
        refused.join(3)
        assert codes == ["SlowDown"]
        for thread in waiting:
            thread.join(60)
        assert codes[1:] == ["ServiceUnavailable"] * 2 or codes[1:] == ["SlowDown"] * 2, codes
