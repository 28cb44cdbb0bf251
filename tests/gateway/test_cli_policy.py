"""The commands about identity policies, against the admin API on a socket."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from serving import Admin
from world import ROOT

from gateway.cli import main

READ = '{"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}]}'
TRUST = '{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "000000000001"}}}'


@pytest.fixture
def here(admin: Admin) -> Admin:
    """User alice, group red and role audit of `default`."""
    admin.world.accounts.add_user("default", "alice")
    admin.world.groups.add("red")
    admin.world.roles.add("audit")
    return admin


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "read.json"
    path.write_text(READ)
    return str(path)


def run(
    here: Admin,
    *words: str,
    status: int = 0,
    key: tuple[str, str] = (ROOT.access_key, ROOT.secret_key),
    given: str | bytes | None = None,
) -> str:
    """Standard output and error of a command, which must end with this status."""
    env = {"PANTHERA_ADMIN_URL": here.url, "PANTHERA_ROOT_ACCESS_KEY": key[0], "PANTHERA_ROOT_SECRET_KEY": key[1]}
    done = CliRunner().invoke(main, list(words), env=env, input=given)
    assert done.exit_code == status, done.output
    return done.output


def test_a_managed_policy_from_file_to_removal(here: Admin, file: str) -> None:
    said = run(here, "policy", "add", "read", file, "--description", "Reads b")
    assert said.splitlines()[0].split() == ["NAME", "TENANT", "NUMBER", "CHANGED", "DESCRIPTION"]
    assert said.splitlines()[1].split()[:3] == ["read", "default", "1"]
    for subject in ("user:alice", "group:red", "role:audit"):
        assert run(here, "policy", "attach", "read", subject) == ""
    assert run(here, "policy", "show", "read") == f"{READ}\nattached to: user:alice, group:red, role:audit\n"
    assert "detach it first from user:alice" in run(here, "policy", "rm", "read", status=1)
    for subject in ("user:alice", "group:red", "role:audit"):
        run(here, "policy", "detach", "read", subject)
    assert "is not attached to user alice" in run(here, "policy", "detach", "read", "user:alice", status=1)
    assert (
        run(here, "policy", "change", "read", "-", given=READ.replace("Get", "Put")).splitlines()[1].split()[2] == "2"
    )
    assert "PutObject" in json.loads(run(here, "policy", "show", "read", "--json"))["document"]
    run(here, "policy", "rm", "read")
    assert len(run(here, "policy", "list").splitlines()) == 1


def test_policies_of_ones_own_boundary_and_tags(here: Admin, file: str) -> None:
    run(here, "policy", "add", "fence", file)
    run(here, "policy", "put-inline", "user:alice", "own", file)
    run(here, "policy", "bound", "user:alice", "fence")
    run(here, "policy", "tag", "user:alice", "team=red", "empty=", "sum=a=b")
    lines = [line.split() for line in run(here, "policy", "of", "user:alice").splitlines()[1:]]
    tags = [["tag", "team=red"], ["tag", "empty="], ["tag", "sum=a=b"]]
    assert lines == [["inline", "own"], ["boundary", "fence"], *tags]
    assert run(here, "policy", "show-inline", "user:alice", "own") == READ + "\n"
    assert "bounds: user:alice" in run(here, "policy", "show", "fence")
    run(here, "policy", "bound", "user:alice", "--off")
    run(here, "policy", "rm-inline", "user:alice", "own")
    run(here, "policy", "tag", "user:alice")
    assert run(here, "policy", "of", "user:alice").splitlines()[1:] == []
    assert "only users and roles" in run(here, "policy", "tag", "group:red", "a=b", status=2)
    assert "only users and roles" in run(here, "policy", "bound", "group:red", "fence", status=2)


def test_who_may_assume_a_role(here: Admin) -> None:
    assert "has no trust policy" in run(here, "policy", "trust", "audit", status=1)
    run(here, "policy", "trust", "audit", "-", given=TRUST)
    assert run(here, "policy", "trust", "audit") == TRUST + "\n"
    assert "Missing required field Principal" in run(here, "policy", "trust", "audit", "-", given=READ, status=1)


def test_what_is_wrong_is_said(here: Admin, file: str, tmp_path: Path) -> None:
    assert "write user:NAME, group:NAME or role:NAME" in run(here, "policy", "attach", "read", "alice", status=2)
    assert "write KEY=VALUE" in run(here, "policy", "tag", "user:alice", "team", status=2)
    assert "or --off" in run(here, "policy", "bound", "user:alice", status=2)
    assert "or --off" in run(here, "policy", "bound", "user:alice", "fence", "--off", status=2)
    assert "No such file" in run(here, "policy", "add", "read", str(tmp_path / "none"), status=2)
    assert "not UTF-8" in run(here, "policy", "add", "read", "-", given=b"\xff", status=2)
    assert "invalid Json" in run(here, "policy", "add", "read", "-", given="{", status=1)
    assert "cannot be the name of a policy" in run(here, "policy", "add", "a b", file, status=1)
    assert "there is no policy read" in run(here, "policy", "attach", "read", "user:alice", status=1)
    assert "there is no user bob" in run(here, "policy", "attach", "read", "user:bob", status=1)
    assert "there is no policy read" in run(here, "policy", "show", "read", status=1)


def test_a_tenants_administrator_manages_its_own(here: Admin, file: str) -> None:
    here.world.other()
    here.world.accounts.add_user("other", "bob")
    key = here.key("other", "ann")
    run(here, "policy", "add", "read", file, key=key)
    run(here, "policy", "attach", "read", "user:bob", "--tenant", "other", key=key)
    assert run(here, "policy", "of", "user:bob", key=key).splitlines()[1].split() == ["attached", "read"]
    assert "attached to: user:bob" in run(here, "policy", "show", "read", key=key)
    assert "there is no user alice" in run(here, "policy", "of", "user:alice", key=key, status=1)
    assert run(here, "policy", "list", "--tenant", "other").splitlines()[1].split()[:2] == ["read", "other"]


def test_a_key_is_disabled_and_enabled(here: Admin) -> None:
    key = here.key("default", "alice")
    run(here, "key", "disable", key[0])
    assert run(here, "key", "list", "default", "alice").splitlines()[1].split()[-1] == "yes"
    run(here, "key", "enable", key[0])
    assert run(here, "key", "list", "default", "alice").splitlines()[1].split()[-1] == "no"
    assert "no access key nothing" in run(here, "key", "disable", "nothing", status=1)
