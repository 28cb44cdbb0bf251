"""Runs ceph/s3-tests against a server started here, and compares every test's outcome with the committed list.

What belongs here: starting the server, making the users the suite needs, running it, comparing by name. The suite
itself is never copied: give its checkout with `make s3-tests S3TESTS=<checkout>`. `ceph_expected.toml` names every test
that is known to fail, under the reason it waits for; a test that fails without being named fails the run, and so does
one that passes although it is named (take its line out).

Denominator: test_s3.py without `fails_on_aws`. Takes about ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import configparser
import json
import os
import subprocess
import sys
import tempfile
import tomllib
import venv
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

from running import PANTHERA, ROOT, Server, running

HERE = Path(__file__).resolve().parent
EXPECTED = HERE / "ceph_expected.toml"
# Sections of the suite's configuration that name a user. `iam*` sections are only read at import time by test_s3.
USERS = ("s3 main", "s3 alt", "s3 tenant", "iam", "iam root", "iam alt root")
TEST_TIMEOUT_S = 120
# The suite takes a bucket to have ACLs unless it asks for none; AWS changed that in 2023.
OWNERSHIP = ("--default-object-ownership", "ObjectWriter")


def make_users(server: Server) -> dict[str, dict[str, str]]:
    """One tenant and one administering user for each section, as separate AWS accounts would be."""
    env = os.environ | server.env

    def panthera(*words: str) -> dict[str, str]:
        done = subprocess.run([PANTHERA, *words, "--json"], env=env, check=True, capture_output=True, text=True)
        answer: dict[str, str] = json.loads(done.stdout)
        return answer

    users = {}
    for section in USERS:
        tenant = section.replace(" ", "-")
        email = f"{tenant}@example.com"
        panthera("tenant", "add", tenant)
        user = panthera(
            "user", "add", tenant, "tester", "--admin", "--display-name", f"{section} tester", "--email", email
        )
        key = panthera("key", "add", tenant, "tester")
        users[section] = {
            "display_name": f"{section} tester",
            "user_id": user["canonical_id"],
            "email": email,
            "access_key": key["access_key"],
            "secret_key": key["secret_key"],
        }
    return users


def write_conf(path: Path, url: str, users: dict[str, dict[str, str]]) -> None:
    """The suite's configuration file."""
    host, port = url.removeprefix("http://").rsplit(":", 1)
    conf = configparser.RawConfigParser()
    conf["DEFAULT"] = {"host": host, "port": port, "is_secure": "False", "ssl_verify": "False"}
    conf["fixtures"] = {
        "bucket prefix": "panthera-{random}-",
        "iam name prefix": "s3-tests-",
        "iam path prefix": "/s3/",
    }
    for section, values in users.items():
        conf[section] = values
    # Not us-east-1: its location reads as empty, here as at AWS, and the suite expects the name.
    conf["s3 main"]["api_name"] = "us-west-2"
    conf["s3 tenant"]["tenant"] = "s3-tenant"
    conf["webidentity"] = {
        name: "none" for name in ("token", "aud", "sub", "azp", "user_token", "thumbprint", "kc_realm")
    }
    with path.open("w") as file:
        conf.write(file)


def suite_python(checkout: Path) -> Path:
    """An environment with what the suite needs, made once beside the build."""
    home = ROOT / ".venv" / "s3-tests"
    python = home / "bin" / "python"
    if not (home / "complete").exists():
        venv.create(home, with_pip=True, clear=True)
        needs = [python, "-m", "pip", "install", "-q", "-r", checkout / "requirements.txt", "pytest-timeout"]
        subprocess.run(needs, check=True)
        (home / "complete").touch()
    return python


def run(checkout: Path, conf: Path, report: Path, select: list[str]) -> dict[str, str]:
    """Runs the suite; returns test id -> passed, failed or skipped."""
    command = [suite_python(checkout), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not fails_on_aws"]
    command += ["--tb=short", f"--timeout={TEST_TIMEOUT_S}", f"--junitxml={report}", *select]
    subprocess.run(
        [*command, "s3tests/functional/test_s3.py"], cwd=checkout, env=os.environ | {"S3TEST_CONF": str(conf)}
    )
    outcomes: dict[str, str] = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        bad = case.find("failure") is not None or case.find("error") is not None
        skipped = case.find("skipped") is not None
        outcomes[case.get("name", "")] = "failed" if bad else "skipped" if skipped else "passed"
    return outcomes


def compare(outcomes: dict[str, str], partial: bool) -> int:
    """Prints what differs from the committed list and the count; the exit status."""
    reasons: dict[str, list[str]] = tomllib.loads(EXPECTED.read_text()) if EXPECTED.exists() else {}
    known = {name: reason for reason, names in reasons.items() for name in names}
    surprises = [f"FAILED, not expected to: {n}" for n, o in outcomes.items() if o == "failed" and n not in known]
    surprises += [
        f"passed, take its line out: {n} ({known[n]})" for n, o in outcomes.items() if o == "passed" and n in known
    ]
    if not partial:
        surprises += [f"named but not in the suite: {n}" for n in known if n not in outcomes]
    print("\n".join(surprises))
    waits = Counter(known[n] for n, o in outcomes.items() if o == "failed" and n in known)
    for reason, count in waits.most_common():
        print(f"{count:4} wait for: {reason}")
    count = Counter(outcomes.values())
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if surprises else 0


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="a checkout of ceph/s3-tests")
    parser.add_argument("-k", dest="only", help="run only tests whose name matches, as pytest's -k")
    parser.add_argument("--outcomes", type=Path, help="also write every test's outcome to this JSON file")
    parser.add_argument("--serve", action="append", default=[], help="a further word for `panthera serve`")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="panthera-s3tests-") as scratch:
        home = Path(scratch)
        with running(home / "data", *OWNERSHIP, *options.serve) as server:
            write_conf(home / "s3tests.conf", server.url, make_users(server))
            select = ["-k", options.only] if options.only else []
            outcomes = run(options.checkout.resolve(), home / "s3tests.conf", home / "report.xml", select)
    if options.outcomes:
        options.outcomes.write_text(json.dumps(outcomes, indent=1, sort_keys=True))
    return compare(outcomes, bool(options.only))


if __name__ == "__main__":
    sys.exit(main())
