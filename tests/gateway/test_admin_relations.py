"""Relations, groups and roles over the admin API: what root and a tenant's administrator may ask and learn."""

import asyncio
import json
import re
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from serving import Admin

from gateway.admin import openapi, problems
from gateway.admin.app import OPERATIONS
from gateway.admin.operation import Access, Operation
from gateway.limits import BULK_KEYS, IDEMPOTENCY_KEY_BYTES, PRECONDITIONS, TENANT_WATCHERS, WATCHERS
from storage.api import RelationError

READ = {"subject": "user:alice", "action": "s3:GetObject", "resource": "s3://photos/2024/cat.jpg"}
GRANT = {"op": "touch", "subject": "user:alice", "relation": "viewer", "resource": "s3://photos/2024/"}


@pytest.fixture
def here(admin: Admin) -> Admin:
    """Tenant `default` with alice and bucket `photos`; `other` with its administrator ann, user ed, bucket `vault`."""
    world = admin.world
    world.accounts.add_user("default", "alice")
    world.bucket("photos")
    world.call("CreateBucket", "vault", caller=world.other())
    world.accounts.add_user("other", "ed")
    return admin


def refused(answer: tuple[int, Any], kind: str, says: str = "") -> Any:
    status, body = answer
    assert (body["type"], body["status"]) == (f"/v1/problems/{kind}", status), body
    assert status == problems.KINDS[kind].status and body["title"] == problems.KINDS[kind].title
    assert says in body["detail"]
    return body


def test_what_is_written_decides_and_can_be_read(here: Admin) -> None:
    assert here.ask("POST", "/v1/check", READ)[1]["allowed"] is False
    status, written = here.ask(
        "POST", "/v1/relations", {"changes": [GRANT | {"expires": "30d", "conditions": ["tls"]}]}
    )
    assert (status, written["revision"], written["notes"]) == (200, 1, [])
    over_tls = READ | {"facts": {"tls": True}, "at_least": written["token"]}
    checked = here.ask("POST", "/v1/check", over_tls)[1]
    assert (checked["allowed"], checked["reason"], checked["permission"], checked["conditional"]) == (
        True,
        "granted",
        "read",
        True,
    )
    assert here.ask("POST", "/v1/check", READ)[1]["allowed"] is False, "nothing is known of TLS"
    explained = here.ask("POST", "/v1/explain", over_tls)[1]["decided_by"]
    assert (explained["subject"], explained["relation"], explained["resource"]) == (
        "user:alice",
        "reader",
        "s3://photos/2024/",
    )
    page = here.ask("GET", "/v1/relations?bucket=photos&relation=lister")[1]
    assert [one["conditions"] for one in page["relations"]] == [["tls"]]
    here.ask("POST", "/v1/relations", {"changes": [GRANT | {"op": "delete"}]})
    assert here.ask("POST", "/v1/check", over_tls)[1]["allowed"] is False
    assert here.ask("GET", "/v1/relations")[1]["relations"] == []


def test_pages_bulk_expand_and_lookups(here: Admin) -> None:
    grants = [GRANT | {"resource": f"s3://photos/{n}/", "relation": "reader"} for n in range(5)]
    here.ask("POST", "/v1/relations", {"changes": grants})
    first = here.ask("GET", "/v1/relations?limit=3")[1]
    rest = here.ask("GET", f"/v1/relations?limit=3&cursor={first['cursor']}")[1]
    assert [len(page["relations"]) for page in (first, rest)] == [3, 2] and rest["cursor"] is None
    question = {"subject": "user:alice", "action": "read"}
    bulk = here.ask("POST", "/v1/check/bulk", question | {"bucket": "photos", "keys": ["0/a", "x/a", "4/b"]})[1]
    assert bulk["allowed"] == [True, False, True]
    expanded = here.ask("POST", "/v1/expand", {"resource": "s3://photos/3/x"})[1]
    assert [one["resource"] for one in expanded["relations"]] == ["s3://photos/3/"]
    found = here.ask("POST", "/v1/lookup/resources", question | {"bucket": "s3://photos", "limit": 2})[1]
    assert [(one["start"], one["end"], one["shown"]) for one in found["ranges"]] == [
        ("0/", "00", "s3://photos/0/"),
        ("1/", "10", "s3://photos/1/"),
    ]
    assert found["cursor"]
    who = here.ask("POST", "/v1/lookup/subjects", {"action": "read", "resource": "s3://photos/2/x"})[1]
    assert (who["subjects"], who["administrators"]) == (["user:alice"], ["user:root"])


def test_preconditions_and_idempotency(here: Admin) -> None:
    create = {"changes": [GRANT | {"op": "create", "relation": "reader"}]}
    first = here.ask("POST", "/v1/relations", create, Idempotency_Key="one")
    assert here.ask("POST", "/v1/relations", create, Idempotency_Key="one") == first
    assert refused(here.ask("POST", "/v1/relations", create), "exists")["index"] == 0
    absent = {
        "preconditions": [{"is": "absent", **{k: v for k, v in GRANT.items() if k != "op"}, "relation": "reader"}]
    }
    assert refused(here.ask("POST", "/v1/relations", create | absent), "precondition")["index"] == 0
    other = {"changes": [GRANT]}
    refused(here.ask("POST", "/v1/relations", other, Idempotency_Key="one"), "idempotency")
    assert here.ask("POST", "/v1/relations", other, Idempotency_Key="k" * IDEMPOTENCY_KEY_BYTES)[0] == 200
    long = here.ask("POST", "/v1/relations", other, Idempotency_Key="k" * (IDEMPOTENCY_KEY_BYTES + 1))
    refused(long, "invalid", "1 to 128 bytes")


def test_a_refusal_is_about_the_change_that_was_sent_and_not_about_what_a_bundle_became(here: Admin) -> None:
    reader = GRANT | {"relation": "reader", "resource": "s3://photos/2025/"}
    here.ask("POST", "/v1/relations", {"changes": [reader]})
    twice = here.ask("POST", "/v1/relations", {"changes": [GRANT, reader | {"op": "create"}]})
    assert refused(twice, "exists", "change 1 creates")["index"] == 1
    held = [{"is": "absent"} | {name: reader[name] for name in ("subject", "resource")}] * 2
    conditions = [held[0] | {"relation": "editor", "resource": "s3://photos/x/"}, held[1] | {"relation": "reader"}]
    kept = here.ask("POST", "/v1/relations", {"changes": [GRANT], "preconditions": conditions})
    assert refused(kept, "precondition", "precondition 1 did not")["index"] == 1
    unknown = here.ask("POST", "/v1/relations", {"changes": [GRANT, GRANT | {"subject": "user:zoe"}]})
    refused(unknown, "missing", "change 1: there is no user zoe")
    odd = here.ask(
        "POST", "/v1/relations", {"changes": [GRANT], "preconditions": [conditions[1] | {"relation": "read"}]}
    )
    refused(odd, "invalid", "precondition 0: no relation is called 'read'")


def test_keys_that_are_no_utf_8_are_asked_as_they_are_shown_and_half_a_character_is_refused(here: Admin) -> None:
    here.ask("POST", "/v1/relations", {"changes": [GRANT | {"relation": "reader", "resource": "s3://photos/\udcff/"}]})
    bulk = {"subject": "user:alice", "bucket": "photos", "keys": ["\udcff/a", "b"]}
    for action in ("read", "s3:GetObject"):
        assert here.ask("POST", "/v1/check/bulk", bulk | {"action": action})[1]["allowed"] == [True, False]
        broken = bulk | {"action": action, "keys": ["\ud800"]}
        refused(here.ask("POST", "/v1/check/bulk", broken), "invalid", "half a surrogate pair")
    refused(here.ask("POST", "/v1/expand", {"resource": "s3://photos/\ud800"}), "invalid", "half a surrogate pair")
    for more in ({"tenant": "\ud800"}, {"facts": {"source_ip": "\ud800"}}):
        refused(here.ask("POST", "/v1/check", READ | more), "invalid", "half a surrogate pair")
    policy = {"name": "p", "document": "\ud800"}
    refused(here.ask("POST", "/v1/policies", policy), "invalid", "half a surrogate pair")


def test_what_a_tenant_is_not_told_is_not_promised_to_it(here: Admin) -> None:
    described = openapi.document(OPERATIONS)["paths"]
    for path, methods in described.items():
        for shown in methods.values():
            answer = shown["responses"]["200"]["content"] if "content" in shown["responses"].get("200", {}) else {}
            for media in answer.values():
                assert "revision" not in media["schema"].get("required", ()), path


def test_a_revision_that_is_not_there_yet_cannot_be_watched_from(here: Admin) -> None:
    here.ask("POST", "/v1/relations", {"changes": [GRANT]})
    refused(here.ask("GET", "/v1/relations/watch?after=999999"), "not-yet")


@pytest.mark.parametrize(
    ("path", "body", "kind", "says"),
    [
        ("/v1/relations", {}, "invalid", "changes is missing"),
        ("/v1/relations", {"changes": []}, "invalid", "changes has 0 entries; 1 are needed"),
        (
            "/v1/relations",
            {"changes": [{"op": "put"}]},
            "invalid",
            "changes[0].op must be one of create, touch, delete",
        ),
        ("/v1/relations", {"changes": [{"op": "touch"}]}, "invalid", "changes[0].relation is missing"),
        ("/v1/relations", {"changes": [GRANT] * 1001}, "invalid", "changes has 1001 entries; 1000 can be"),
        ("/v1/relations", {"changes": [GRANT], "x": 1}, "invalid", "x is not known here"),
        ("/v1/relations", {"changes": [GRANT | {"subject": "alice"}]}, "invalid", "did you mean user:alice"),
        ("/v1/relations", {"changes": [GRANT | {"subject": "user:zoe"}]}, "missing", "no user zoe"),
        (
            "/v1/relations",
            {"changes": [GRANT | {"relation": "lister", "resource": "s3://photos/k"}]},
            "invalid",
            "object",
        ),
        ("/v1/check", READ | {"action": "s3:GetObjct"}, "invalid", "did you mean s3:GetObject"),
        ("/v1/check", READ | {"resource": "group:x"}, "missing", "no group x"),
        ("/v1/check", READ | {"subject": "group:x"}, "missing", "no group x"),
        ("/v1/check", READ | {"subject": "authenticated"}, "invalid", "asks for nothing itself"),
        ("/v1/check", READ | {"facts": {"source_ip": "1.2"}}, "invalid", "no IP address"),
        ("/v1/check", READ | {"facts": {"mfa_at": "noon"}}, "invalid", "no moment in ISO 8601"),
        ("/v1/check", READ | {"facts": {"mfa_at": "2025-01-01", "no_mfa": True}}, "invalid", "contradict"),
        ("/v1/check", READ | {"at_least": "AAAA"}, "bad-token", "not one of this store"),
        ("/v1/check", READ | {"at_least": "!"}, "invalid", "no token of this server"),
        ("/v1/check", READ | {"tenant": 5}, "invalid", "tenant must be a text"),
        ("/v1/lookup/subjects", {"action": "read", "resource": "s3://photos", "limit": 0}, "invalid", "limit must be"),
        ("/v1/lookup/subjects", {"action": "read", "resource": "s3://photos", "limit": 1001}, "invalid", "1 to 1000"),
        ("/v1/groups", {"name": "a b"}, "invalid", "cannot be the name of a group"),
        ("/v1/groups", {"name": "x", "description": "y" * 1001}, "invalid", "at most 1000"),
        ("/v1/groups/x/members", {"subject": "user:alice"}, "missing", "no group x"),
    ],
)
def test_a_bad_request_is_a_problem_that_says_why(here: Admin, path: str, body: Any, kind: str, says: str) -> None:
    refused(here.ask("POST", path, body), kind, says)


def test_limits_at_the_edge(here: Admin) -> None:
    question = {"subject": "user:alice", "action": "read", "bucket": "photos"}
    assert len(here.ask("POST", "/v1/check/bulk", question | {"keys": ["k"] * BULK_KEYS})[1]["allowed"]) == BULK_KEYS
    refused(here.ask("POST", "/v1/check/bulk", question | {"keys": ["k"] * (BULK_KEYS + 1)}), "invalid", "can be")
    absent = {"is": "absent", "subject": "user:alice", "relation": "owner", "resource": "s3://photos"}
    write = {"changes": [GRANT], "preconditions": [absent] * PRECONDITIONS}
    assert here.ask("POST", "/v1/relations", write)[0] == 200
    write["preconditions"].append(absent)
    refused(here.ask("POST", "/v1/relations", write), "invalid", "preconditions has 101 entries; 100 can be")
    refused(here.ask("GET", "/v1/relations?limt=3"), "invalid", "limt is not known here")
    refused(here.ask("GET", "/v1/relations?limit=x"), "invalid", "limit must be a whole number")


def test_groups_and_roles(here: Admin) -> None:
    status, made = here.ask("POST", "/v1/groups", {"name": "devs", "description": "Who writes"})
    assert (status, made["name"], made["tenant"]) == (201, "devs", "default")
    refused(here.ask("POST", "/v1/groups", {"name": "devs"}), "conflict", "exists")
    here.ask("POST", "/v1/groups/devs/members", {"subject": "user:alice", "expires": "1d"})
    here.ask("POST", "/v1/relations", {"changes": [GRANT | {"subject": "group:devs"}]})
    allowed = lambda: here.ask("POST", "/v1/check", READ)[1]["allowed"]  # noqa: E731
    assert allowed()
    members = here.ask("GET", "/v1/groups/devs/members")[1]["relations"]
    assert [(one["subject"], one["relation"], bool(one["expires"])) for one in members] == [
        ("user:alice", "member", True)
    ]
    here.ask("DELETE", "/v1/groups/devs/members?subject=user:alice")
    assert not allowed()
    refused(here.ask("DELETE", "/v1/groups/devs/members"), "invalid", "subject is missing")
    here.ask("POST", "/v1/groups/devs/members", {"subject": "user:alice"})
    assert here.ask("PUT", "/v1/groups/devs/flags/exported")[0] == 200
    refused(here.ask("PUT", "/v1/groups/devs/flags/secret"), "invalid", "no flag of a group")
    assert here.ask("DELETE", "/v1/groups/devs") == (204, None)
    assert not allowed() and here.ask("GET", "/v1/groups")[1] == []
    assert here.ask("GET", "/v1/relations")[1]["relations"] == []
    assert here.ask("POST", "/v1/roles", {"name": "auditor", "tenant": "other"})[0] == 201
    here.ask("POST", "/v1/roles/auditor/members", {"subject": "user:ed", "tenant": "other"})
    assert here.ask("GET", "/v1/roles/auditor/members?tenant=other")[1]["relations"][0]["relation"] == "assignee"


def test_removing_users_and_buckets_and_tenants_removes_their_relations(here: Admin) -> None:
    here.ask("POST", "/v1/groups", {"name": "devs"})
    here.ask("POST", "/v1/groups/devs/members", {"subject": "user:alice"})
    here.ask("POST", "/v1/relations", {"changes": [GRANT, GRANT | {"subject": "anyone"}]})
    here.ask("DELETE", "/v1/users/default/alice")
    assert {one["subject"] for one in here.ask("GET", "/v1/relations")[1]["relations"]} == {"anyone"}
    here.world.call("DeleteBucket", "photos")
    assert here.ask("GET", "/v1/relations")[1]["relations"] == []
    grant = GRANT | {"subject": "user:ed", "resource": "tenant:other"}
    here.ask("POST", "/v1/relations", {"changes": [grant | {"relation": "reader"}]})
    here.world.call("DeleteBucket", "vault", caller=here.world.other())
    own = "use default\ndefinition bucket { relation auditor: user }"
    assert here.ask("PUT", "/v1/schema", {"tenant": "other", "source": own})[0] == 200
    assert here.world.relations.engine.vocabulary(2) is not None
    assert here.ask("DELETE", "/v1/tenants/other")[0] == 204
    assert here.world.relations.engine.read(2, 10) == ([], None)
    assert here.world.relations.engine.vocabulary(2) is None, "its schema goes with it"


# A tenant's own administrator.


def test_an_administrator_asks_about_its_own_tenant_only(here: Admin) -> None:
    ann = here.key("other", "ann")
    grant = {"op": "touch", "subject": "user:ed", "relation": "viewer", "resource": "s3://vault"}
    status, written = here.ask("POST", "/v1/relations", {"changes": [grant]}, key=ann)
    assert status == 200 and set(written) == {"token", "notes"}, "revisions count what other tenants do"
    question = {"subject": "user:ed", "action": "read", "resource": "s3://vault/x", "at_least": written["token"]}
    assert here.ask("POST", "/v1/check", question, key=ann)[1]["allowed"] is True
    assert len(here.ask("GET", "/v1/relations", key=ann)[1]["relations"]) == 2
    here.ask("POST", "/v1/groups", {"name": "own"}, key=ann)
    assert [one["name"] for one in here.ask("GET", "/v1/groups", key=ann)[1]] == ["own"]
    assert here.ask("GET", "/v1/groups")[1] == []


def test_what_is_another_tenants_reads_as_what_is_not_there(here: Admin) -> None:
    ann = here.key("other", "ann")
    here.ask("POST", "/v1/groups", {"name": "devs"})

    def pair(method: str, path: str, body: Any, there: str, nowhere: str) -> None:
        """Two requests, about what another tenant has and about what nobody has, answered alike."""
        answers = []
        for name in (there, nowhere):
            text = json.dumps(body).replace("?", name)
            found = here.ask(method, path.replace("?NAME", name), json.loads(text) if body else None, key=ann)
            answers.append(json.dumps(found).replace(name, "?"))
        assert answers[0] == answers[1]

    change = {"op": "touch", "subject": "user:ed", "relation": "reader", "resource": "s3://?"}
    pair("POST", "/v1/relations", {"changes": [change]}, "photos", "nophotos")
    change = {"op": "touch", "subject": "user:?/alice", "relation": "reader", "resource": "s3://vault"}
    pair("POST", "/v1/relations", {"changes": [change]}, "default", "nowhere")
    pair("POST", "/v1/relations", {"changes": [change | {"op": "delete"}]}, "default", "nowhere")
    change = {"op": "delete", "subject": "user:default/?", "relation": "reader", "resource": "s3://vault"}
    pair("POST", "/v1/relations", {"changes": [change]}, "alice", "nobody")
    for path in ("check", "explain"):
        pair("POST", f"/v1/{path}", {"subject": "user:ed", "action": "read", "resource": "s3://?/x"}, "photos", "none")
        pair(
            "POST",
            f"/v1/{path}",
            {"subject": "user:?/alice", "action": "read", "resource": "s3://vault/x"},
            "default",
            "nowhere",
        )
    pair(
        "POST", "/v1/check/bulk", {"subject": "user:ed", "action": "read", "bucket": "?", "keys": []}, "photos", "none"
    )
    pair("POST", "/v1/expand", {"resource": "s3://?/x"}, "photos", "none")
    pair("POST", "/v1/lookup/subjects", {"action": "read", "resource": "s3://?"}, "photos", "none")
    pair("POST", "/v1/lookup/resources", {"subject": "user:ed", "action": "read", "bucket": "?"}, "photos", "none")
    for path in ("relations", "groups", "roles", "relations/watch"):
        pair("GET", f"/v1/{path}?tenant=?NAME", None, "default", "nowhere")
    pair("GET", "/v1/relations?bucket=?NAME", None, "photos", "none")
    pair("GET", "/v1/groups/?NAME/members", None, "devs", "nodevs")


def test_others_are_refused(here: Admin) -> None:
    ed, alice = here.key("other", "ed"), here.key("default", "alice")
    asked = [row for row in OPERATIONS if row.access is Access.TENANT]
    assert len(asked) > 15
    for row in asked:
        path = row.path.replace("{name}", "x").replace("{flag}", "open")
        for key in (ed, alice):
            refused(here.ask(row.method, path, {}, key=key), "forbidden")
        refused(here.ask(row.method, path, {}, key=(ed[0], "wrong")), "unauthorized")
    for row in OPERATIONS:
        if row.access is Access.ROOT:
            path = row.path.replace("{tenant}", "x").replace("{user}", "x").replace("{access_key}", "x")
            refused(here.ask(row.method, path, {}, key=here.key("other", "ann")), "unauthorized")


def test_a_relation_makes_an_administrator_too(here: Admin) -> None:
    ed = here.key("other", "ed")
    grant = {"op": "touch", "subject": "user:ed", "relation": "admin", "resource": "tenant:other"}
    here.ask("POST", "/v1/relations", {"changes": [grant]})
    assert here.ask("GET", "/v1/relations", key=ed)[0] == 200
    here.ask("POST", "/v1/relations", {"changes": [grant | {"op": "delete"}]})
    refused(here.ask("GET", "/v1/relations", key=ed), "forbidden")


# Watching.


def stream(
    here: Admin, query: str, key: tuple[str, str] | None = None, **headers: str
) -> Iterator[tuple[str, str, Any]]:
    """Id, name and data of each event."""
    pair = ":".join(key or (here.remote.access_key, here.remote.secret_key))
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
    request = urllib.request.Request(f"{here.url}/v1/relations/watch{query}", headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        event: dict[str, str] = {}
        for line in answer:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                event[name] = value
            elif event.get("event"):
                yield event["id"], event["event"], json.loads(event["data"])
                event = {}


def write(here: Admin, n: int, bucket: str = "photos") -> None:
    change = GRANT | {"resource": f"s3://{bucket}/{n}/", "relation": "reader", "subject": "anyone"}
    assert here.ask("POST", "/v1/relations", {"changes": [change]})[0] == 200


def test_a_watch_goes_on_where_another_ended(here: Admin) -> None:
    write(here, 1)
    watch = stream(here, "")
    assert next(watch) == ("1", "position", {})
    write(here, 2)
    name, kind, entry = next(watch)
    assert (name, kind, entry["tenant"]) == ("2", "change", "default")
    assert entry["changes"][0]["relation"]["resource"] == "s3://photos/2/" and not entry["changes"][0]["gone"]
    write(here, 3)
    watch = stream(here, "?after=1")
    assert [next(watch)[0] for _ in range(3)] == ["1", "2", "3"]
    again = stream(here, "", Last_Event_ID="2")
    assert [next(again)[0] for _ in range(2)] == ["2", "3"]


def test_a_tenant_watches_its_own_changes_by_token(here: Admin) -> None:
    ann = here.key("other", "ann")
    watch = stream(here, "", ann)
    assert next(watch) == ("start", "position", {})
    write(here, 1)
    write(here, 2, "vault")
    name, _, entry = next(watch)
    assert entry["changes"][0]["relation"]["resource"] == "s3://vault/2/" and "revision" not in entry
    write(here, 3, "vault")
    after = stream(here, f"?after={name}", ann)
    assert [next(after)[1], next(after)[2]["changes"][0]["relation"]["resource"]] == ["position", "s3://vault/3/"]
    refused(here.ask("GET", "/v1/relations/watch?after=1", key=ann), "invalid", "no token of this server")


def test_a_watch_from_before_the_log_is_gone(here: Admin) -> None:
    for n in range(3):
        write(here, n)
    here.world.relations.engine.trim_log(3)
    body = refused(here.ask("GET", "/v1/relations/watch?after=1"), "trimmed", "read the relations, then watch")
    assert body["status"] == 410
    assert next(stream(here, "?after=2"))[0] == "2"


def test_watchers_are_few_and_end_with_the_server(here: Admin) -> None:
    watch = stream(here, "")
    next(watch)
    watchers = here.services.watchers
    assert watchers == {None: 1}
    open_: list[Iterator[Any]] = []
    for others in ({None: TENANT_WATCHERS - 2}, {2: WATCHERS - 3}):
        watchers.update(others)
        open_.append(stream(here, ""))
        next(open_[-1])
        refused(here.ask("GET", "/v1/relations/watch"), "busy")
        watchers.subtract(others)
    here.up = False
    assert list(watch) == [], "a server that drains ends its watches"


# The description.


def test_the_description_is_of_every_operation(here: Admin) -> None:
    status, described = here.ask("GET", "/v1/openapi.json")
    assert (status, described["openapi"]) == (200, "3.1.0")
    assert sum(len(methods) for methods in described["paths"].values()) == len(OPERATIONS)
    names = [row.name for row in OPERATIONS]
    assert len(set(names)) == len(names)
    write = described["paths"]["/v1/relations"]["post"]
    assert set(write["responses"]) == {"200", "400", "401", "403", "404", "409", "412", "422", "500", "503", "507"}
    changes = write["requestBody"]["content"]["application/json"]["schema"]["properties"]["changes"]
    assert changes["maxItems"] == 1000 and changes["items"]["properties"]["op"]["enum"] == ["create", "touch", "delete"]
    assert described["paths"]["/health/live"]["get"]["security"] == []
    assert described["paths"].keys() >= {
        *("/v1/relations", "/v1/relations/watch", "/v1/check", "/v1/check/bulk", "/v1/expand", "/v1/explain"),
        *("/v1/lookup/resources", "/v1/lookup/subjects", "/v1/schema", "/v1/shares", "/v1/audit"),
    }


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
def test_every_row_is_whole(row: Operation) -> None:
    assert row.summary and row.name.isidentifier()
    assert all(kind in problems.KINDS for kind in openapi.kinds_of(row))
    assert (row.answer is None) == (row.status == 204)
    assert row.access is Access.NOBODY or row.path.startswith("/v1/")


def test_every_error_of_the_engine_is_a_problem_of_its_own() -> None:
    words = re.search(r"`kind` is one of (.*?);", RelationError.__doc__ or "", re.DOTALL)
    assert words is not None
    kinds = re.findall(r"`(\w+)`", words[1])
    assert len(kinds) > 8
    for kind in kinds:
        answer = asyncio.run(problems.relation_problem(None, RelationError(kind, "said")))
        body = json.loads(answer.body)
        expected = {"schema_changed": "conflict", "orphans": "conflict"}.get(kind, kind.replace("_", "-"))
        assert body["type"].endswith((f"/{expected}", f"/{kind}")), kind
