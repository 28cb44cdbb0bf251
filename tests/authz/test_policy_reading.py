"""Compiled policies read back say what their documents say."""

import pytest
from policy_world import compiled

from authz.policy.principals import PrincipalKind, Resolved
from authz.policy.reading import Reach, statements


def one(**fields):
    """The only statement of a policy."""
    plain = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
    document = {"Version": "2012-10-17", "Statement": [plain | fields]}
    (said,) = statements(compiled(document))
    return said


def test_a_statement_is_read_back():
    carol = {"AWS": ["arn:aws:iam::000000000002:user/carol", "arn:aws:iam::000000000001:root"]}
    said = one(Sid="Café", Effect="Deny", Principal=carol, Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})
    assert (said.allow, said.sid, said.index, said.conditional, said.asks) == (
        False,
        "Café",
        0,
        True,
        ("aws:SourceIp",),
    )
    assert said.principals == (Resolved(PrincipalKind.USER, 2, 21), Resolved(PrincipalKind.ACCOUNT, 1))
    assert said.means("s3:GetObject") and not said.means("s3:PutObject") and not said.means("s3:Nothing")
    assert said.can_be_on("b", b"x") and not said.can_be_on("b", None) and not said.can_be_on("c", b"x")


@pytest.mark.parametrize(
    ("resource", "reach"),
    [
        ("b/*", [Reach(b"", exact=False, plain=True)]),
        ("b/a/*", [Reach(b"a/", exact=False, plain=True)]),
        ("b/a", [Reach(b"a", exact=True, plain=True)]),
        ("b/a/*/x", [Reach(b"a/", exact=False, plain=False)]),
        ("b/a?", [Reach(b"a", exact=False, plain=False)]),
        ("b/${aws:username}/*", [Reach(b"", exact=False, plain=False)]),
        ("b*", [Reach(b"", exact=False, plain=True)]),
        ("*/x", [Reach(b"", exact=False, plain=False)]),
    ],
)
def test_which_keys_a_resource_can_mean(resource, reach):
    assert one(Resource=f"arn:aws:s3:::{resource}").reaches("b") == reach


def test_what_is_elsewhere_reaches_nothing():
    body = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    for resource in ("arn:aws:s3:::other/*", "arn:aws:s3:::other", "arn:aws:s3:::o*/x"):
        body["Statement"][0]["Resource"] = resource
        (said,) = statements(compiled(body, identity=True))
        assert said.reaches("b") == []
        assert not said.can_be_on("b", b"x")


def test_not_resource_is_about_the_others():
    body = {"Effect": "Deny", "NotResource": "arn:aws:s3:::b/a/*", "Action": "s3:*", "Principal": "*"}
    (said,) = statements(compiled({"Version": "2012-10-17", "Statement": [body]}))
    assert said.can_be_on("b", b"c") and not said.can_be_on("b", b"a/1")
    assert said.reaches("b") == [Reach(b"a/", exact=False, plain=True)]


def test_a_tag_of_the_object_makes_keys_differ():
    assert one(Condition={"StringEquals": {"s3:ExistingObjectTag/t": "x"}}).by_object
    assert one(Condition={"StringEquals": {"aws:UserAgent": "${s3:ExistingObjectTag/t}"}}).by_object
    assert not one(Condition={"StringEquals": {"aws:UserAgent": "x"}}).by_object


def test_bytes_that_are_no_policy_say_nothing():
    assert statements(b"\0") == ()
    assert statements(b"") == ()
