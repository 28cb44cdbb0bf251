"""The admin API over HTTP, on a real socket, with the client the command line uses."""

import base64
import json
import urllib.error
import urllib.request

import pytest
from click.testing import CliRunner
from described import promised
from serving import Admin
from world import ROOT

from gateway.cli import main
from gateway.limits import ADMIN_BODY_BYTES
from gateway.remote import Remote, RemoteError


def get(url: str, **headers: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def basic() -> str:
    return "Basic " + base64.b64encode(f"{ROOT.access_key}:{ROOT.secret_key}".encode()).decode()


def test_a_wrong_method_is_told_every_right_one(admin: Admin) -> None:
    for path, allowed in (("/v1/groups", {"GET", "HEAD", "POST"}), ("/v1/keys/AKID", {"PATCH", "DELETE"})):
        request = urllib.request.Request(admin.url + path, method="PUT")
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        assert caught.value.code == 405
        assert set(caught.value.headers["allow"].split(", ")) == allowed


def test_health_and_metrics_need_no_credentials(admin: Admin) -> None:
    assert get(admin.url + "/health/live")[0] == 200
    assert get(admin.url + "/health/ready")[0] == 200
    assert get(admin.url + "/metrics") == (200, b"panthera_up 1\n")
    admin.up = False
    assert get(admin.url + "/health/ready")[0] == 503
    promised("GET", "/health/ready", 503, {"status": "draining"})
    assert get(admin.url + "/health/live")[0] == 200


@pytest.mark.parametrize("path", ["/v1/tenants", "/v1/users", "/v1/keys", "/v1/stats"])
def test_everything_else_needs_root(admin: Admin, path: str) -> None:
    admin.world.other()
    key = admin.world.accounts.add_key("other", "ann")
    for access_key, secret_key in (
        ("", ""),
        (ROOT.access_key, "wrong"),
        ("nobody", ROOT.secret_key),
        (key["access_key"], key["secret_key"]),
    ):
        with pytest.raises(RemoteError, match="root credentials"):
            Remote(admin.url, access_key, secret_key).call("GET", path)
    for header in ("", "Basic", "Basic !!!", "Basic /////w==", "Bearer x"):
        status, body = get(admin.url + path, Authorization=header)
        assert (status, json.loads(body)["status"]) == (401, 401)
    admin.remote.call("GET", path)


def test_what_is_not_there_is_a_problem_document(admin: Admin) -> None:
    status, body = get(admin.url + "/nothing")
    assert (status, json.loads(body)["detail"]) == (404, "Not Found")
    with pytest.raises(RemoteError, match="Method Not Allowed"):
        admin.remote.call("PUT", "/v1/tenants")
    with pytest.raises(RemoteError, match="no tenant nobody"):
        admin.remote.call("DELETE", "/v1/tenants/nobody")


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/v1/tenants", {}, "name is missing"),
        ("/v1/tenants", {"name": 5}, "name must be a text"),
        ("/v1/tenants", {"name": "a b"}, "cannot be the name"),
        ("/v1/tenants", {"name": "a", "x": "y"}, "x is not known"),
        ("/v1/users", {"tenant": "default", "name": "x", "admin": "yes"}, "admin must be a boolean"),
        ("/v1/keys", {"tenant": "default", "user": "root", "access_key": "half"}, "belong together"),
        ("/v1/tenants", {"name": "x" * ADMIN_BODY_BYTES}, "more than"),
    ],
)
def test_a_bad_body_is_refused_with_a_reason(admin: Admin, path: str, body: dict[str, object], says: str) -> None:
    with pytest.raises(RemoteError, match=says):
        admin.remote.call("POST", path, body)


def test_what_is_given_twice_is_refused_and_not_the_last_taken(admin: Admin) -> None:
    for body in (b'{"name": "a", "name": "b"}', b'{"tenant": "default", "name": "x", "name": "y", "admin": true}'):
        path = "/v1/users" if b"tenant" in body else "/v1/tenants"
        sent = {"Authorization": basic(), "Content-Type": "application/json"}
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(admin.url + path, body, sent))
        assert caught.value.code == 400 and "name is there twice" in json.load(caught.value)["detail"]
    status, body = get(admin.url + "/v1/users?tenant=default&tenant=other", Authorization=basic())
    assert (status, json.loads(body)["detail"]) == (400, "tenant is given twice")


def test_a_slash_too_many_leads_nowhere(admin: Admin) -> None:
    """A place to go to would be at whatever host the request names."""
    for path in ("/v1/tenants/", "/v1/users/default/root/", "/v1/policies/%2F", "/metrics/"):
        assert get(admin.url + path, Host="elsewhere.example")[0] == 404


def test_a_body_that_is_not_json_is_refused(admin: Admin) -> None:
    token = "Basic Uk9PVEtFWTAwMDAwMDAwMDAwMDA6cm9vdC1zZWNyZXQtZm9yLXRlc3Rz"
    for body in (b"", b"[]", b"{", b"\xff", b"[" * 50_000):
        request = urllib.request.Request(admin.url + "/v1/tenants", body, {"Authorization": token}, method="POST")
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        assert caught.value.code == 400
        caught.value.close()


def run(admin: Admin, *words: str, status: int = 0) -> str:
    env = {
        "PANTHERA_ADMIN_URL": admin.url,
        "PANTHERA_ROOT_ACCESS_KEY": ROOT.access_key,
        "PANTHERA_ROOT_SECRET_KEY": ROOT.secret_key,
    }
    done = CliRunner().invoke(main, list(words), env=env)
    assert done.exit_code == status, done.output
    return done.output


def test_the_command_line_manages_tenants_users_and_keys(admin: Admin) -> None:
    assert json.loads(run(admin, "tenant", "add", "acme", "--json"))["name"] == "acme"
    words = ("user", "add", "acme", "ann", "--admin", "--display-name", "Ann A", "--email", "ann@acme.org", "--json")
    user = json.loads(run(admin, *words))
    assert (user["admin"], user["display_name"], user["email"], len(user["canonical_id"])) == (
        True,
        "Ann A",
        "ann@acme.org",
        64,
    )
    assert (user["account_id"], user["arn"]) == ("000000000002", "arn:aws:iam::000000000002:user/ann")
    shown = run(admin, "user", "show", "acme", "ann")
    assert user["arn"] in shown and user["canonical_id"] in shown
    assert "arn:aws:iam::000000000002:root" in run(admin, "tenant", "show", "acme")
    assert json.loads(run(admin, "user", "list", "default", "--json"))[0]["arn"] == "arn:aws:iam::000000000001:root"
    key = json.loads(run(admin, "key", "add", "acme", "ann", "--json"))
    assert key["access_key"] in run(admin, "key", "list", "acme", "ann")
    assert key["secret_key"] not in run(admin, "key", "list", "--json")
    table = run(admin, "tenant", "list").splitlines()
    assert table[0].split() == ["NAME", "ACCOUNT_ID", "CREATED", "BUCKETS"]
    assert [line.split()[0] for line in table[1:]] == ["acme", "default"]
    run(admin, "key", "rm", key["access_key"])
    run(admin, "user", "rm", "acme", "ann")
    assert json.loads(run(admin, "user", "list", "acme", "--json")) == []
    run(admin, "tenant", "rm", "acme")
    assert "no tenant acme" in run(admin, "user", "list", "acme", status=1)


def test_own_keys_come_from_a_file(admin: Admin) -> None:
    done = CliRunner().invoke(
        main,
        ["key", "add", "default", "root", "--access-key", "mine", "--secret-key-file", "-", "--json"],
        input="my-own-secret\n",
        env={
            "PANTHERA_ADMIN_URL": admin.url,
            "PANTHERA_ROOT_ACCESS_KEY": ROOT.access_key,
            "PANTHERA_ROOT_SECRET_KEY": ROOT.secret_key,
        },
    )
    assert json.loads(done.output)["secret_key"] == "my-own-secret"
    assert "belong together" in run(admin, "key", "add", "default", "root", "--access-key", "x", status=2)


def test_stats_are_a_table_of_volumes_and_totals_in_json(admin: Admin) -> None:
    lines = run(admin, "stats").splitlines()
    assert lines[0].split() == ["VOLUME", "STATE", "NEEDLES", "LIVE_BYTES", "DEAD_BYTES", "FILE_BYTES"]
    assert lines[1].split() == ["1", "closed", "2", "30", "4", "50"]
    assert json.loads(run(admin, "stats", "--json"))["totals"]["dead_bytes"] == 4
