"""The commands about who may do what, against the admin API on a socket."""

import json

import pytest
from click.testing import CliRunner
from serving import Admin
from world import ROOT

from gateway.cli import main


@pytest.fixture
def here(admin: Admin) -> Admin:
    """Users alice and bob and bucket `photos` of `default`; bucket `vault` and user ed of `other`."""
    for name in ("alice", "bob"):
        admin.world.accounts.add_user("default", name)
    admin.world.bucket("photos")
    admin.world.call("CreateBucket", "vault", caller=admin.world.other())
    admin.world.accounts.add_user("other", "ed")
    return admin


def run(here: Admin, *words: str, status: int = 0, key: tuple[str, str] = (ROOT.access_key, ROOT.secret_key)) -> str:
    """Standard output and error of a command, which must end with this status."""
    env = {
        "PANTHERA_ADMIN_URL": here.url,
        "PANTHERA_ACCESS_KEY": key[0],
        "PANTHERA_SECRET_KEY": key[1],
    }
    done = CliRunner().invoke(main, list(words), env=env)
    assert done.exit_code == status, done.output
    return done.output


def test_grant_can_revoke(here: Admin) -> None:
    asked = ("can", "user:alice", "read", "s3://photos/2024/cat.jpg")
    assert run(here, *asked, status=1) == (
        "denied: nothing allows user:alice read on s3://photos/2024/cat.jpg (revision 0)\n"
        "  grant it with: panthera grant user:alice reader s3://photos/2024/cat.jpg\n"
    )
    granted = run(here, "grant", "user:alice", "viewer", "s3://photos/2024/", "--expires", "30d")
    assert granted == "user:alice is viewer of s3://photos/2024/ (revision 1)\n"
    said = run(here, *asked)
    assert (
        said.startswith("allowed: user:alice is reader of s3://photos/2024/, until 2025-12-21")
        and "(revision 1)" in said
    )
    assert run(here, "can", "user:alice", "s3:GetObject", "s3://photos/2024/cat.jpg") == said
    run(here, "can", "user:alice", "write", "s3://photos/2024/cat.jpg", status=1)
    assert (
        run(here, "can", "user:root", "write", "s3://photos/x")
        == "allowed: user:root administers the tenant (revision 1)\n"
    )
    run(here, "grant", "anyone", "deny_read", "s3://photos/2024/cat.jpg")
    denied = "denied: anyone has deny_read on s3://photos/2024/cat.jpg, which denies read ("
    assert run(here, *asked, status=1).startswith(denied)
    said = run(here, "can", "user:alice", "putobject", "s3://photos/x", status=1)
    assert said.startswith(
        "note: putobject is taken for s3:PutObject\ndenied: nothing allows user:alice s3:PutObject on"
    )
    assert "did you mean s3:GetObject or " in run(here, "can", "user:alice", "s3:GetObjekt", "s3://photos/x", status=2)
    run(here, "revoke", "anyone", "deny_read", "s3://photos/2024/cat.jpg")
    run(here, *asked)
    revoked = run(here, "revoke", "user:alice", "viewer", "s3://photos/2024/")
    assert revoked == "user:alice is not viewer of s3://photos/2024/ (revision 4)\n"
    run(here, *asked, status=1)


def test_conditions_are_judged_by_what_is_supposed(here: Admin) -> None:
    conditions = ("--if", "ip=10.0.0.0/8", "--if", "tls", "--if", "time=Mon-Fri 09:00-17:00", "--if", "mfa=1h")
    run(here, "grant", "user:bob", "reader", "s3://photos", *conditions)
    asked = ("can", "user:bob", "read", "s3://photos/x")
    noon = ("--at", "2025-11-21T12:00:00Z", "--mfa-at", "2025-11-21T11:30:00Z")
    run(here, *asked, status=1)
    run(here, *asked, "--from", "10.1.2.3", "--tls", *noon)
    run(here, *asked, "--from", "11.1.2.3", "--tls", *noon, status=1)
    run(here, *asked, "--from", "10.1.2.3", "--no-tls", *noon, status=1)
    sunday = ("--at", "2025-11-23T12:00:00Z", "--mfa-at", "2025-11-23T11:30:00Z")
    run(here, *asked, "--from", "10.1.2.3", "--tls", *sunday, status=1)
    assert "ip=10.0.0.0/8, time=Mon,Tue,Wed,Thu,Fri 09:00-17:00, tls, mfa=1h" in run(here, "relations")


def test_mistakes_say_what_would_be_right(here: Admin) -> None:
    assert "did you mean user:alice" in run(here, "grant", "alice", "viewer", "s3://photos", status=1)
    assert "did you mean viewer" in run(here, "grant", "user:alice", "viewr", "s3://photos", status=1)
    assert "did you mean s3://photos/2024/" in run(here, "grant", "user:alice", "viewer", "photos/2024/", status=1)
    assert "no user zoe in tenant default" in run(here, "grant", "user:zoe", "viewer", "s3://photos", status=1)
    assert "write 30d" in run(here, "grant", "user:alice", "viewer", "s3://photos", "--expires", "soon", status=1)
    assert "is no condition" in run(here, "grant", "user:alice", "viewer", "s3://photos", "--if", "moon", status=1)
    assert "did you mean read" in run(here, "can", "user:alice", "reed", "s3://photos/x", status=2)
    here.world.put_current(here.world.number("photos"), b"2024/cat.jpg")
    assert "note: s3://photos/2024 is an object's address" in run(
        here, "grant", "user:alice", "reader", "s3://photos/2024"
    )


def test_right_words_in_a_wrong_order_are_told_the_order(here: Admin) -> None:
    right = "the order is SUBJECT RELATION RESOURCE: panthera grant user:alice reader s3://photos/a/"
    words = ("user:alice", "reader", "s3://photos/a/")
    for order in ((2, 0, 1), (0, 2, 1), (1, 0, 2)):
        assert right in run(here, "grant", *(words[place] for place in order), status=1)
    assert "panthera revoke user:alice reader" in run(
        here, "revoke", "s3://photos/a/", "user:alice", "reader", status=1
    )
    assert "panthera can user:alice read s3://" in run(here, "can", "read", "user:alice", "s3://photos", status=2)
    assert "ACTION RESOURCE: panthera who-can read s3://" in run(here, "who-can", "s3://photos", "read", status=1)
    assert "panthera what-can user:alice read" in run(here, "what-can", "read", "user:alice", "s3://photos", status=1)


def test_a_key_moves_no_cursor_and_begins_no_line(here: Admin) -> None:
    """Its writer chose it; a table must not say what the writer made up."""
    key = "a\nuser:eve owner s3://photos \x1b[2J\u202e\x7f/"
    said = run(here, "grant", "user:alice", "reader", f"s3://photos/{key}")
    said += run(here, "relations") + run(here, "can", "user:alice", "read", f"s3://photos/{key}x")
    said += run(here, "what-can", "user:alice", "read", "photos") + run(here, "audit", "--since", "1h")
    lines = said.split("\n")
    assert all(line.isprintable() for line in lines) and not any(line.startswith("user:eve") for line in lines)
    assert "a\\nuser:eve owner s3://photos \\x1b[2J\\u202e\\x7f/" in said


def test_a_revoke_that_finds_nothing_says_so(here: Admin) -> None:
    run(here, "grant", "user:alice", "viewer", "s3://photos/2024/")
    assert "note: it was not there" in run(here, "revoke", "user:alice", "viewer", "s3://photos/2042/")
    assert "note: it was not there" in run(here, "revoke", "user:alice", "writer", "s3://photos/2024/")
    assert "note:" not in run(here, "revoke", "user:alice", "viewer", "s3://photos/2024/")
    run(here, "grant", "itself", "isolated", "s3://photos/2024/")
    assert "note:" not in run(here, "revoke", "itself", "isolated", "s3://photos/2024/")


def test_who_can_and_what_can(here: Admin) -> None:
    run(here, "group", "add", "devs")
    run(here, "group", "add-member", "devs", "user:bob")
    run(here, "grant", "group:devs", "editor", "s3://photos/a/")
    run(here, "grant", "user:alice", "viewer", "s3://photos/a/b/")
    table = [line.split() for line in run(here, "who-can", "read", "s3://photos/a/b/x").splitlines()]
    assert table == [["SUBJECT", "NOTE"], ["user:root", "administers", "the", "tenant"], ["user:alice"], ["user:bob"]]
    run(here, "grant", "authenticated", "reader", "s3://photos/a/b/")
    found = json.loads(run(here, "who-can", "read", "s3://photos/a/b/x", "--json"))
    assert found["classes"] == ["authenticated"]
    assert run(here, "what-can", "user:alice", "read", "s3://photos") == "s3://photos/a/b/\n"
    assert run(here, "what-can", "user:bob", "write", "photos") == "s3://photos/a/\n"
    assert run(here, "what-can", "user:ed", "read", "vault") == ""
    assert json.loads(run(here, "what-can", "user:root", "read", "photos", "--json")) == [
        {"shown": "s3://photos", "start": "", "end": None}
    ]


def test_groups_and_roles(here: Admin) -> None:
    assert json.loads(run(here, "group", "add", "devs", "--description", "Who writes", "--json"))["tenant"] == "default"
    run(here, "group", "add-member", "devs", "user:alice", "--expires", "1d")
    run(here, "group", "add-member", "devs", "user:bob", "--manager")
    lines = [line.split()[:3] for line in run(here, "group", "members", "devs").splitlines()[1:]]
    assert lines == [["group:devs", "member", "user:alice"], ["group:devs", "manager", "user:bob"]]
    run(here, "grant", "group:devs", "viewer", "s3://photos")
    run(here, "can", "user:alice", "read", "s3://photos/x")
    run(here, "group", "rm-member", "devs", "user:alice")
    run(here, "can", "user:alice", "read", "s3://photos/x", status=1)
    run(here, "group", "set", "devs", "exported")
    run(here, "group", "set", "devs", "exported", "--off")
    run(here, "group", "rm-member", "devs", "user:bob", "--manager")
    assert json.loads(run(here, "group", "members", "devs", "--json")) == []
    assert [line.split()[0] for line in run(here, "group", "list").splitlines()] == ["NAME", "devs"]
    run(here, "group", "rm", "devs")
    assert "no group devs" in run(here, "group", "rm", "devs", status=1)
    run(here, "role", "add", "auditor", "--tenant", "other")
    run(here, "role", "add-member", "auditor", "user:ed", "--tenant", "other")
    run(here, "grant", "role:auditor", "viewer", "s3://vault")
    run(here, "can", "user:ed", "list", "s3://vault")
    assert "auditor" in run(here, "role", "list", "--tenant", "other")


def test_relations_are_listed_and_all_pages_read(here: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.cli.authz._PAGE", 2)
    for n in range(5):
        run(here, "grant", "user:alice", "reader", f"s3://photos/{n}/")
    run(here, "grant", "itself", "isolated", "s3://photos/4/")
    assert len(json.loads(run(here, "relations", "--bucket", "photos", "--json"))) == 6
    assert len(run(here, "relations", "--subject", "user:alice").splitlines()) == 6
    assert len(run(here, "relations", "--relation", "isolated").splitlines()) == 2
    assert len(run(here, "relations", "--resource", "s3://photos/3/").splitlines()) == 2
    assert run(here, "what-can", "user:alice", "read", "photos").splitlines() == [f"s3://photos/{n}/" for n in range(5)]
    assert "no tenant x" in run(here, "relations", "--tenant", "x", status=1)


def test_a_tenants_administrator_uses_the_same_commands(here: Admin) -> None:
    ann = here.key("other", "ann")
    assert run(here, "grant", "user:ed", "viewer", "s3://vault", key=ann) == "user:ed is viewer of s3://vault\n"
    assert run(here, "can", "user:ed", "read", "s3://vault/x", key=ann) == "allowed: user:ed is reader of s3://vault\n"
    assert "no bucket photos" in run(here, "grant", "user:ed", "viewer", "s3://photos", key=ann, status=1)
    ed = here.key("other", "ed")
    assert "administrators" in run(here, "relations", key=ed, status=1)
