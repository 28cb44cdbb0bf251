"""Files that say what a model must allow, deny and show."""

import pytest

from authz.schema import SchemaError
from authz.trial import Trial, TrialError

WORLD = {
    "relations": [
        "user:alice member group:devs",
        "group:devs viewer s3://photos/2024/",
        "anyone deny_read s3://photos/2024/secret/",
        "isolated s3://photos/2024/own/",
        {
            "subject": "user:bob",
            "relation": "reader",
            "resource": "s3://photos/2025/",
            "expires": "2025-06-01T00:00:00Z",
            "conditions": ["ip=10.0.0.0/8"],
        },
    ],
    "keys": ["s3://photos/2024/a", "s3://photos/2024/secret/b", "s3://photos/2025/c", "s3://other/d"],
    "allowed": [
        "user:alice read s3://photos/2024/a",
        "user:alice s3:GetObject s3://photos/2024/a b",
        {"subject": "user:bob", "action": "read", "resource": "s3://photos/2025/c", "source_ip": "10.1.2.3"},
    ],
    "denied": [
        "user:alice read s3://photos/2024/secret/b",
        "user:alice read s3://photos/2024/own/x",
        "user:bob read s3://photos/2025/c",
        {
            "subject": "user:bob",
            "action": "read",
            "resource": "s3://photos/2025/c",
            "source_ip": "10.1.2.3",
            "now": "2025-07-01T00:00:00Z",
        },
        "user:stranger read s3://nowhere/x",
    ],
    "lists": [
        {"subject": "user:alice", "in": "s3://photos", "action": "read", "shows": ["s3://photos/2024/a"]},
        {"subject": "user:bob", "in": "s3://photos/2024/", "shows": []},
    ],
}


def test_what_holds_holds():
    outcome = Trial(WORLD).run()
    assert (outcome.asserted, outcome.failures) == (10, [])


def test_what_does_not_hold_is_shown_with_what_is():
    wrong = WORLD | {
        "allowed": ["user:alice read s3://photos/2024/secret/b", "user:bob write s3://photos/x"],
        "denied": ["user:alice read s3://photos/2024/a"],
        "lists": [{"subject": "user:alice", "in": "s3://photos", "action": "read", "shows": ["s3://photos/2025/c"]}],
    }
    found = [(one.where, one.lines) for one in Trial(wrong).run().failures]
    assert found == [
        (
            "allowed[0]: user:alice read s3://photos/2024/secret/b",
            ("- allowed  (expected)", "+ denied  (because anyone has deny_read on s3://photos/2024/secret/)"),
        ),
        (
            "allowed[1]: user:bob write s3://photos/x",
            ("- allowed  (expected)", "+ denied  (because nothing grants it)"),
        ),
        (
            "denied[0]: user:alice read s3://photos/2024/a",
            ("- denied  (expected)", "+ allowed  (because group:devs has reader on s3://photos/2024/)"),
        ),
        (
            "lists[0]: user:alice lists s3://photos",
            (
                "- s3://photos/2025/c  (expected, not shown)",
                "+ s3://photos/2024/a  (shown, not expected)",
            ),
        ),
    ]


def test_a_schema_is_tried_with_its_warnings():
    schema = "use default\ndefinition place { relation auditor: user\npermission audit = auditor + tenant_admin }"
    outcome = Trial(
        {
            "schema": schema + "\ndefinition bucket { deny relation unused: user }",
            "tenant": "acme",
            "admins": ["user:chief"],
            "relations": ["user:ann auditor s3://vault/"],
            "allowed": ["user:ann audit s3://vault/a", "user:chief audit s3://vault/a", "user:chief manage tenant"],
            "denied": [
                "user:ann read s3://vault/a",
                "user:bob audit s3://vault/a",
                "user:default/chief audit s3://vault",
            ],
        }
    ).run()
    assert (outcome.failures, len(outcome.warnings)) == ([], 1)
    with pytest.raises(SchemaError):
        Trial({"schema": "definition"}).run()


ASKED = {"subject": "user:a", "action": "read", "resource": "s3://bucket"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "is a mapping"),
        ({"allow": []}, "did you mean allowed?"),
        ({"allowed": "user:a read s3://b"}, "allowed is a list"),
        ({"schema": 7}, "schema is text"),
        ({"relations": ["user:a reader"]}, "relations[0]: 'user:a reader' is not SUBJECT RELATION RESOURCE"),
        ({"relations": [7]}, "relations[0] is text"),
        ({"relations": [{"subject": "user:a", "relation": "reader"}]}, "resource is missing"),
        ({"relations": ["user:a redaer s3://bucket"]}, "did you mean reader?"),
        ({"relations": ["usr:a reader s3://bucket"]}, "did you mean user:a?"),
        ({"relations": ["anyone owner s3://bucket"]}, "owner cannot be granted to anyone"),
        ({"relations": ["user:a admin s3://bucket/p/"]}, "a prefix has no relation admin"),
        ({"allowed": ["user:a raed s3://bucket"]}, "no action is called 'raed'"),
        (
            {"allowed": [{"subject": "user:a", "action": "read", "resource": "s3://bucket", "ip": "::1"}]},
            "'ip' is not known",
        ),
        ({"allowed": [{"subject": "user:a", "action": "read", "resource": "s3://bucket", "source_ip": "x"}]}, "no IP"),
        ({"keys": ["s3://bucket"]}, "is no key"),
        ({"now": "yesterday"}, "is no moment"),
        ({"now": "2025-01-01"}, "has no time zone"),
        ({"lists": ["x"]}, "is a mapping of subject, in and shows"),
        ({"lists": [{"subject": "user:a", "in": "s3://bucket", "shows": "x"}]}, "shows is a list"),
        ({"lists": [{"subject": "user:a", "in": "tenant", "shows": []}]}, "`in` is s3://BUCKET"),
        ({"lists": [{"subject": "user:a", "in": "s3://bucket", "shows": ["s3://bucket/x"]}]}, "not among `keys`"),
    ],
)
def test_what_cannot_be_meant_is_told(content, words):
    with pytest.raises(TrialError) as caught:
        Trial(content).run()
    assert words in str(caught.value)


def test_a_file_is_limited_at_n_and_n_plus_1(monkeypatch):
    monkeypatch.setattr("authz.trial._ROWS", 3)
    keys = ["s3://bucket/a", "s3://bucket/b", "s3://bucket/c"]
    Trial({"keys": keys})
    with pytest.raises(TrialError, match="3 can be"):
        Trial({"keys": keys, "allowed": ["user:a read s3://bucket/a"]})
