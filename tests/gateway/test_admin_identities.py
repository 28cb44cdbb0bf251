"""Identity policies over the admin API: every route, who may ask, what a problem says."""

from collections.abc import Iterator

import pytest
from serving import Admin, served
from world import World

from gateway.limits import POLICY_BODY_BYTES

READ = '{"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}]}'
TRUST = '{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "000000000001"}}}'
PATHS = {"user": "/v1/users/default/alice", "group": "/v1/groups/red", "role": "/v1/roles/audit"}


@pytest.fixture
def admin(world: World) -> Iterator[Admin]:
    world.accounts.add_user("default", "alice")
    world.groups.add("red")
    world.roles.add("audit")
    with served(world) as here:
        yield here


def test_a_policy_is_added_read_changed_and_removed(admin: Admin) -> None:
    status, made = admin.ask("POST", "/v1/policies", {"name": "read", "document": READ, "description": "d"})
    assert (status, made["arn"], made["number"]) == (201, "arn:aws:iam::000000000001:policy/read", 1)
    assert admin.ask("GET", "/v1/policies") == (200, [made])
    assert admin.ask("GET", "/v1/policies/read") == (200, made | {"document": READ})
    status, changed = admin.ask("PUT", "/v1/policies/read", {"document": READ.replace("Get", "Put")})
    assert (status, changed["number"]) == (200, 2)
    assert admin.ask("DELETE", "/v1/policies/read") == (204, None)
    assert admin.ask("GET", "/v1/policies/read")[0] == 404


@pytest.mark.parametrize("word", PATHS)
def test_everything_that_hangs_on_somebody_is_shown(admin: Admin, word: str) -> None:
    path = PATHS[word]
    admin.ask("POST", "/v1/policies", {"name": "read", "document": READ})
    assert admin.ask("PUT", f"{path}/attached/read") == (204, None)
    assert admin.ask("PUT", f"{path}/policies/own", {"document": READ}) == (204, None)
    assert admin.ask("GET", f"{path}/policies/own") == (200, {"name": "own", "document": READ})
    shown = {"attached": ["read"], "inline": ["own"]}
    if word != "group":
        tags = [{"key": "team", "value": "red"}]
        assert admin.ask("PUT", f"{path}/boundary", {"policy": "read"}) == (204, None)
        assert admin.ask("PUT", f"{path}/tags", {"tags": tags}) == (204, None)
        assert admin.ask("GET", f"{path}/policies") == (200, shown | {"boundary": "read", "tags": tags})
        assert admin.ask("DELETE", f"{path}/boundary") == (204, None)
        assert admin.ask("PUT", f"{path}/tags", {"tags": []}) == (204, None)
        shown |= {"boundary": None, "tags": []}
    assert admin.ask("GET", f"{path}/policies") == (200, shown)
    status, problem = admin.ask("DELETE", "/v1/policies/read")
    assert (status, problem["type"]) == (409, "/v1/problems/conflict")
    assert admin.ask("DELETE", f"{path}/policies/own") == (204, None)
    assert admin.ask("DELETE", f"{path}/attached/read") == (204, None)
    assert admin.ask("DELETE", f"{path}/attached/read")[0] == 404
    assert admin.ask("DELETE", f"{path}/policies/own")[0] == 404


def test_a_role_has_a_trust_policy(admin: Admin) -> None:
    path = "/v1/roles/audit/trust-policy"
    assert admin.ask("GET", path)[0] == 404
    assert admin.ask("PUT", path, {"document": TRUST}) == (204, None)
    assert admin.ask("GET", path) == (200, {"document": TRUST})
    assert admin.ask("PUT", path, {"document": READ})[0] == 400


def test_a_problem_says_what_is_wrong_with_a_policy(admin: Admin) -> None:
    for document, says in (("no", "first byte"), ("{", "invalid Json"), ("{}", "Missing required field Statement")):
        status, problem = admin.ask("POST", "/v1/policies", {"name": "p", "document": document})
        assert (status, problem["type"]) == (400, "/v1/problems/invalid")
        assert says in problem["detail"]
    status, problem = admin.ask("PUT", "/v1/users/default/root/attached/p")
    assert (status, problem["type"]) == (403, "/v1/problems/refused")
    status, problem = admin.ask("PUT", "/v1/users/default/nobody/attached/p")
    assert (status, problem["detail"]) == (404, "there is no user nobody")
    body = {"name": "p", "document": "x" * (POLICY_BODY_BYTES - 26)}
    assert "first byte" in admin.ask("POST", "/v1/policies", body | {"document": body["document"][:-4]})[1]["detail"]
    assert "more than" in admin.ask("POST", "/v1/policies", body | {"document": body["document"] + "xx"})[1]["detail"]


def test_an_administrator_rules_its_own_tenant_only(admin: Admin) -> None:
    admin.world.other()
    key = admin.key("other", "ann")
    made = admin.ask("POST", "/v1/policies", {"name": "theirs", "document": READ}, key=key)[1]
    assert made["tenant"] == "other"
    admin.world.accounts.add_user("other", "bob")
    assert admin.ask("PUT", "/v1/users/other/bob/attached/theirs", key=key) == (204, None)
    assert [one["name"] for one in admin.ask("GET", "/v1/policies", key=key)[1]] == ["theirs"]
    assert admin.ask("GET", "/v1/policies")[1] == []
    for method, path in (
        ("GET", "/v1/policies?tenant=default"),
        ("PUT", "/v1/users/default/alice/attached/theirs"),
        ("PUT", "/v1/groups/red/attached/theirs"),
        ("PUT", "/v1/groups/red/attached/theirs?tenant=default"),
        ("GET", "/v1/roles/audit/policies"),
    ):
        assert admin.ask(method, path, key=key)[0] == 404
    plain = admin.key("other", "bob")
    assert admin.ask("GET", "/v1/policies", key=plain)[0] == 403
    assert admin.ask("PUT", "/v1/users/other/bob/attached/theirs", key=plain)[0] == 403
    assert admin.ask("GET", "/v1/policies", key=("", ""))[0] == 401


def test_a_key_is_disabled_and_enabled(admin: Admin) -> None:
    admin.world.other()
    key = admin.key("other", "ann")
    path = f"/v1/keys/{key[0]}"
    assert admin.ask("PATCH", path, {"disabled": True}, key=key)[0] == 401
    assert admin.ask("PATCH", path, {"disabled": True}) == (204, None)
    assert admin.ask("GET", "/v1/policies", key=key)[0] == 401
    assert admin.ask("PATCH", path, {"disabled": False}) == (204, None)
    assert admin.ask("GET", "/v1/policies", key=key)[0] == 200
    assert admin.ask("PATCH", "/v1/keys/nothing", {"disabled": True})[0] == 404
    assert admin.ask("PATCH", path, {})[0] == 400
