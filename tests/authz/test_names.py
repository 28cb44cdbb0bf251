"""How subjects, addresses, relations, conditions and expiries are written; every mistake says what would be right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz import names
from authz.model import BUNDLES, PERMISSIONS, RELATIONS, At, Condition, Kind
from authz.names import AddressName, SubjectName, WordError

NOW_US = 1_763_700_000_000_000
ACTIONS = ("s3:GetObject", "s3:ListBucket")


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("user:alice", SubjectName(Kind.USER, None, "alice")),
        ("user:acme/alice@x.org", SubjectName(Kind.USER, "acme", "alice@x.org")),
        ("user:#7", SubjectName(Kind.USER, None, "#7")),
        ("group:devs", SubjectName(Kind.GROUP, None, "devs")),
        ("group:acme/devs#member", SubjectName(Kind.GROUP, "acme", "devs")),
        ("group:#4", SubjectName(Kind.GROUP, None, "#4")),
        ("role:auditor#assignee", SubjectName(Kind.ROLE, None, "auditor")),
        ("tenant:acme", SubjectName(Kind.TENANT_MEMBER, "acme")),
        ("tenant:acme#member", SubjectName(Kind.TENANT_MEMBER, "acme")),
        ("share:17", SubjectName(Kind.SHARE, None, "#17")),
        ("anyone", SubjectName(Kind.ANYONE)),
        ("authenticated", SubjectName(Kind.AUTHENTICATED)),
    ],
)
def test_subjects(text, means):
    assert names.parse_subject(text) == means


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("alice", "did you mean user:alice"),
        ("usr:alice", "did you mean user"),
        ("anyon", "did you mean anyone"),
        ("", "is no subject"),
        ("user:", "the name is missing"),
        ("user:a b", "cannot be a name"),
        ("user:a/b/c", "cannot be a name"),
        ("user:" + "x" * 65, "at most 64"),
        ("group:devs#assignee", "group:NAME#member"),
        ("share:mine", "named by its number"),
    ],
)
def test_a_bad_subject_says_what_would_be_right(text, says):
    with pytest.raises(WordError, match=says):
        names.parse_subject(text)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("s3://photos", AddressName(At.BUCKET, name="photos")),
        ("s3://photos/", AddressName(At.BUCKET, name="photos")),
        ("s3://photos/2024/", AddressName(At.PREFIX, name="photos", path=b"2024/")),
        ("s3://photos//", AddressName(At.PREFIX, name="photos", path=b"/")),
        ("s3://photos/a b/%2F#ü", AddressName(At.OBJECT, name="photos", path="a b/%2F#ü".encode())),
        ("s3://#12/x", AddressName(At.OBJECT, name="#12", path=b"x")),
        ("tenant", AddressName(At.TENANT)),
        ("tenant:acme", AddressName(At.TENANT, "acme")),
        ("group:acme/devs", AddressName(At.GROUP, "acme", "devs")),
        ("role:auditor", AddressName(At.ROLE, None, "auditor")),
        ("share:17", AddressName(At.SHARE, None, "#17")),
    ],
)
def test_addresses(text, means):
    assert names.parse_address(text) == means


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("photos/2024/", "did you mean s3://photos/2024/"),
        ("/photos", "did you mean s3://photos"),
        ("s3:/photos", "is no address"),
        ("s3://Photos/", "cannot be a bucket's name"),
        ("s3://", "cannot be a bucket's name"),
        ("bucket:photos", "is no address"),
        ("s3://photos/" + "k" * 1025, "at most 1024 bytes, not 1025"),
    ],
)
def test_a_bad_address_says_what_would_be_right(text, says):
    with pytest.raises(WordError, match=says):
        names.parse_address(text)


def test_the_longest_key():
    assert len(names.parse_address("s3://photos/" + "k" * 1024).path) == 1024


def test_relations_and_bundles():
    assert [RELATIONS[n] for n in names.parse_relations("reader", At.BUCKET)] == ["reader"]
    for bundle, stands_for in BUNDLES.items():
        assert tuple(RELATIONS[n] for n in names.parse_relations(bundle, At.PREFIX)) == stands_for
    assert [RELATIONS[n] for n in names.parse_relations("viewer", At.OBJECT)] == ["reader"]
    with pytest.raises(WordError, match=r"did you mean reader.*viewer, contributor, editor, owner"):
        names.parse_relations("readr", At.BUCKET)
    with pytest.raises(WordError, match=r"that is an action\. Relations give them: reader reads"):
        names.parse_relations("s3:GetObject", At.BUCKET)
    with pytest.raises(WordError, match="bundle of reader, lister: name one"):
        names.parse_relation("viewer")


def test_actions():
    assert names.parse_action("read", ACTIONS) == "read"
    assert names.parse_action("s3:GetObject", ACTIONS) == "s3:GetObject"
    assert names.parse_action("getobject", ACTIONS) == "s3:GetObject"
    with pytest.raises(WordError, match="did you mean s3:GetObject"):
        names.parse_action("s3:GetObjct", ACTIONS)
    with pytest.raises(WordError, match=r"did you mean write.*read, write, delete"):
        names.parse_action("wrte", ACTIONS)
    assert PERMISSIONS[:4] == ("read", "write", "delete", "list")


@pytest.mark.parametrize(
    ("text", "seconds"), [("30d", 2_592_000), ("12h", 43_200), ("1d12h", 129_600), ("45s", 45), ("2w", 1_209_600)]
)
def test_an_expiry_may_be_a_span(text, seconds):
    assert names.parse_expiry(text, NOW_US) == NOW_US + seconds * 1_000_000


def test_an_expiry_may_be_a_moment():
    at = names.parse_expiry("2030-01-31T12:00:00Z", NOW_US)
    assert names.show_moment(at) == "2030-01-31T12:00:00Z"
    assert names.parse_expiry("2030-01-31T12:00:00", NOW_US) == at
    assert names.parse_expiry("2030-01-31T13:00:00+01:00", NOW_US) == at


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("30", "is no expiry"),
        ("tomorrow", "is no expiry"),
        ("0s", "later than now"),
        ("2020-01-01", "is past"),
        ("36601d", "within a century"),
        ("9999-12-31", "more than a century"),
    ],
)
def test_a_bad_expiry_says_what_would_be_right(text, says):
    with pytest.raises(WordError, match=says):
        names.parse_expiry(text, NOW_US)


def test_the_latest_expiry():
    names.parse_expiry(f"{names.EXPIRY_S}s", NOW_US)
    with pytest.raises(WordError):
        names.parse_expiry(f"{names.EXPIRY_S + 1}s", NOW_US)


@pytest.mark.parametrize(
    ("texts", "means"),
    [
        ([], None),
        (["tls"], Condition(tls=True)),
        (["ip=10.0.0.0/8", "ip=2001:db8::/32"], Condition((("10.0.0.0", 8), ("2001:db8::", 32)))),
        (["ip=10.1.2.3"], Condition((("10.1.2.3", 32),))),
        (["mfa=1h"], Condition(mfa_s=3600)),
        (["time=09:00-17:00"], Condition(window=(0b111_1111, 540, 1020))),
        (["time=Mon-Fri 09:00-17:30"], Condition(window=(0b001_1111, 540, 1050))),
        (["time=Sat-Mon 22:00-24:00"], Condition(window=(0b110_0001, 1320, 1440))),
        (["time=Mon,Wed 00:00-06:00"], Condition(window=(0b000_0101, 0, 360))),
    ],
)
def test_conditions(texts, means):
    assert names.parse_conditions(texts) == means
    assert names.parse_conditions(names.show_conditions(means)) == means


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ip=10.0.0.1/8", "did you mean ip=10.0.0.0/8"),
        ("ip=10.0.0", "write ip=10.0.0.0/8"),
        ("network=10.0.0.0/8", "is no condition: write ip="),
        ("tls=yes", "is no condition"),
        ("mfa", "is no condition"),
        ("mfa=0s", "MFA is proved"),
        ("time=9-17", "is no time window"),
        ("time=Mon-Fri 24:00-25:00", "is no time of day"),
        ("time=Mon-Fri 24:00-24:00", "before 24:00"),
        ("time=Monday 09:00-17:00", "is no day"),
    ],
)
def test_a_bad_condition_says_what_would_be_right(text, says):
    with pytest.raises(WordError, match=says):
        names.parse_conditions([text])


def test_conditions_come_once_and_are_few():
    with pytest.raises(WordError, match="a second mfa"):
        names.parse_conditions(["mfa=1h", "mfa=2h"])
    many = [f"ip=10.0.{n}.0/24" for n in range(names.CONDITIONS)]
    assert len(names.parse_conditions(many).networks) == names.CONDITIONS
    with pytest.raises(WordError, match="65 conditions; 64 can be"):
        names.parse_conditions([*many, "tls"])


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_with_a_word(text):
    for parse in (
        names.parse_subject,
        names.parse_address,
        lambda t: names.parse_relations(t, At.BUCKET),
        lambda t: names.parse_action(t, ACTIONS),
        lambda t: names.parse_expiry(t, NOW_US),
        lambda t: names.parse_conditions([t]),
    ):
        try:
            parse(text)
        except WordError as error:
            assert str(error)
