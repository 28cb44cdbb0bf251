"""The policy language: what is refused and with which of Amazon's sentences, limits, what is public, golden bytes, and
that the hand-written answers of the vectors are what a naive reading of the JSON says."""

import json
import pathlib
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import naive_policy
import policy_random
from policy_world import ALICE, compiled

from authz.policy import (
    BUCKET_POLICY_BYTES,
    COMPILER_VERSION,
    IDENTITY_POLICY_CHARS,
    PolicyError,
    compile_bucket_policy,
    is_public,
    parse_bucket_policy,
    parse_identity_policy,
)
from authz.policy.actions import ACTION_BITS, ACTIONS
from authz.policy.conditions import Operator, moment_us
from authz.policy.document import DEPTH, IDENTITY_POLICY_BYTES
from authz.policy.keys import KEYS, NEVER_PRESENT, SUFFIX_BYTES, find
from gateway.ops.table import TABLE

VECTORS = pathlib.Path(__file__).parent.parent / "vectors" / "policy"


def vectors(name):
    return json.loads((VECTORS / f"{name}.json").read_text("utf-8"))


def statement(**changes):
    made = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"} | changes
    return {name: value for name, value in made.items() if value is not None}


def policy(**changes):
    return json.dumps({"Version": "2012-10-17", "Statement": [statement(**changes)]}).encode()


def when(operator, key, value):
    return policy(Condition={operator: {key: value}})


def message(body, *, identity=False):
    with pytest.raises(PolicyError) as caught:
        parse_identity_policy(body) if identity else parse_bucket_policy(body, "b")
    return caught.value.message


@pytest.mark.parametrize("name", ["evaluation", "random"])
def test_golden_bytes_and_answers(name) -> None:
    cases = vectors(name)
    assert len(cases) >= (300 if name == "evaluation" else 500)
    for case in cases:
        assert compiled(case["document"], identity=case["identity"]).hex() == case["compiled"], case["name"]
        assert naive_policy.evaluate(case) == case["answer"], case["name"]


def test_the_cases_have_every_operator_and_every_key() -> None:
    operators, keys = set(), set()
    for case in vectors("evaluation"):
        for one in case["document"]["Statement"]:
            for operator, pairs in one.get("Condition", {}).items():
                operators.add(operator)
                keys.update(key.partition("/")[0].lower() for key in pairs)
    for name in Operator.__members__:
        assert name in operators
        assert name == "Null" or {name + "IfExists", f"ForAllValues:{name}", f"ForAnyValue:{name}"} <= operators
    unused = {"aws:sourceowner", "aws:principalorgpaths", "s3:dataaccesspointarn", "s3:dataaccesspointaccount"}
    assert {name.rstrip("/").lower() for name in KEYS[1:]} - unused <= keys


def test_names_are_the_ones_rust_has() -> None:
    assert vectors("names") == {"version": COMPILER_VERSION, "actions": list(ACTIONS), "keys": list(KEYS)}
    assert len(ACTIONS) == len(set(ACTIONS)) < ACTION_BITS - 1, "the last number stands for no action"
    assert len({name.lower() for name in KEYS}) == len(KEYS)
    assert not NEVER_PRESENT & {name.lower() for name in KEYS}


def test_every_action_of_the_table_has_a_number() -> None:
    asked = {row.action for row in TABLE if row.action.startswith("s3:")}
    assert {action.removeprefix("s3:") for action in asked} <= set(ACTIONS)


NOT_JSON = "Policies must be valid JSON and the first byte must be '{'"
INVALID = "This policy contains invalid Json"
SYNTAX = "Invalid policy syntax."
PRINCIPAL = "Invalid principal in policy"
ACTION = "Policy has invalid action"
RESOURCE = "Policy has invalid resource"
KEY = "Policy has an invalid condition key"
APPLIES = "Action does not apply to any resource(s) in statement"
REFUSED = [
    (b"", NOT_JSON),
    (b"[]", NOT_JSON),
    (b" {}", NOT_JSON),
    (b"\xef\xbb\xbf{}", NOT_JSON),
    (b"{", INVALID),
    (b"{} {}", INVALID),
    (b'{"Statement": NaN}', INVALID),
    (b'{"Id": "\xff"}', INVALID),
    (b'{"Id": "\\ud800"}', INVALID),
    (b'{"Id": "a", "Id": "b"}', SYNTAX),
    (b'{"Id": 7, "Statement": []}', "Could not parse the policy: Statement is empty!"),
    (b'{"Id": [], "Statement": []}', SYNTAX),
    (b"{}", "Missing required field Statement"),
    (b'{"Statement": null}', "Missing required field Statement"),
    (b'{"Statement": []}', "Could not parse the policy: Statement is empty!"),
    (b'{"Statement": ["x"]}', SYNTAX),
    (b'{"Version": "2012-10-18", "Statement": []}', "The policy must contain a valid version string"),
    (b'{"Statements": []}', "Unknown field Statements"),
    (policy(Extra="x"), "Unknown field Extra"),
    (policy(Effect=None), "Missing required field Effect"),
    (policy(Effect="allow"), "Invalid effect: allow"),
    (policy(Sid=[]), SYNTAX),
    (policy(Principal=None), "Missing required field Principal"),
    (policy(Action=None), "Missing required field Action"),
    (policy(Resource=None), "Missing required field Resource"),
    (policy(NotPrincipal="*"), SYNTAX),
    (policy(NotAction="s3:GetObject"), SYNTAX),
    (policy(NotResource="*"), SYNTAX),
    (policy(Principal=None, NotPrincipal="*"), "Allow with NotPrincipal is an unsupported combination"),
    *(
        (policy(Principal=principal), PRINCIPAL)
        for principal in (
            "arn:aws:iam::000000000001:root",
            [],
            {},
            {"AWS": []},
            {"AWS": 7},
            {"AWS": {"a": "b"}},
            {"AWS": "alice"},
            {"AWS": "00000000001"},
            {"AWS": "arn:aws:iam::000000000001:user/*"},
            {"AWS": "arn:aws:iam::000000000001:group/team"},
            {"AWS": "arn:aws:iam:us-east-1:000000000001:root"},
            {"AWS": "arn:aws:iam::000000000001:user/"},
            {"AWS": "arn:aws:s3:::b"},
            {"CanonicalUser": "AB" * 32},
            {"CanonicalUser": "*"},
            {"Service": "*"},
            {"Federated": "with space"},
            {"Users": "*"},
        )
    ),
    *(
        (policy(Action=action), ACTION)
        for action in (
            "",
            "GetObject",
            "s3:",
            ":GetObject",
            "s3:Nothing",
            "s3:Get?",
            "ec2:*",
            "*:*",
            [],
            7,
            ["s3:GetObject", 7],
        )
    ),
    (policy(Action="s3:ListAllMyBuckets", Resource="*"), ACTION),
    (policy(Action="s3:CreateJob", Resource="*"), ACTION),
    *(
        (policy(Resource=resource), RESOURCE)
        for resource in (
            "",
            "b/*",
            "arn:aws:s3:::",
            "arn:aws:s3:::c/*",
            "arn:aws:s3:::b2/*",
            "arn:aws:s3:::c*",
            "arn:aws-cn:s3:::b/*",
            "arn:aws:s3:us-east-1::b/*",
            "arn:aws:ec2:::b/*",
            "arn:aws:s3",
            ["arn:aws:s3:::b/*", "arn:aws:s3:::c/*"],
            [],
            "arn:aws:s3:::b/${nothing}",
            "arn:aws:s3:::b/${aws:username",
            "arn:aws:s3:::b/${aws:username, x}",
        )
    ),
    (policy(Resource="arn:aws:s3:::b"), APPLIES),
    (policy(Action="s3:ListBucket"), APPLIES),
    (policy(Action=["s3:GetObject", "s3:ListBucket"]), APPLIES),
    (policy(Action="s3:GetBucket*"), APPLIES),
    (policy(Condition="x"), SYNTAX),
    (policy(Condition={"StringEquals": "x"}), SYNTAX),
    (when("StringEquals", "aws:Referer", []), SYNTAX),
    (when("StringEquals", "aws:Referer", None), SYNTAX),
    (when("StringEquals", "aws:Referer", {"a": "b"}), SYNTAX),
    (when("StringEquals", "aws:Referer", "${aws:nothing}"), SYNTAX),
    *(
        (when(operator, "aws:Referer", "x"), f"Invalid Condition type : {operator}")
        for operator in (
            "StringSame",
            "stringEquals",
            "ForSomeValues:StringEquals",
            "ForAnyValue:Null",
            "NullIfExists",
            ":StringEquals",
        )
    ),
    *(
        (when("StringEquals", key, "x"), KEY)
        for key in (
            "",
            "Referer",
            "aws:Nothing",
            "s3:nothing",
            "ec2:Region",
            "s3:ExistingObjectTag",
            "s3:ExistingObjectTag/",
            "aws:SourceIp/x",
            "aws:ResourceTag/",
        )
    ),
    *(
        (when("NumericEquals", "s3:max-keys", value), SYNTAX)
        for value in ("x", "1e3", "", "1.", "${aws:username}", "1" * 19)
    ),
    *(
        (when("DateEquals", "aws:CurrentTime", value), SYNTAX)
        for value in ("x", "2020-13-01", "2020-01-01T25:00:00Z", "2020-01-01T00:00:00")
    ),
    *((when(operator, "aws:SecureTransport", "yes"), SYNTAX) for operator in ("Bool", "Null")),
    *((when("IpAddress", "aws:SourceIp", value), SYNTAX) for value in ("x", "10.0.0.0/33", "10.0.0", "::/129")),
    (when("BinaryEquals", "aws:Referer", "%"), SYNTAX),
    *((when("ArnLike", "aws:SourceArn", value), SYNTAX) for value in ("*", "b", "arn:aws:s3::b")),
]


@pytest.mark.parametrize(("body", "sentence"), REFUSED)
def test_what_is_refused_gets_amazons_sentence(body, sentence) -> None:
    assert message(body) == sentence


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"Statement": statement()}).encode(),
        json.dumps({"Version": "2008-10-17", "Id": "x", "Statement": statement(Sid="With blanks")}).encode(),
        policy(Resource=["arn:aws:s3:::*", "arn:aws:s3:::*/*"], Action="s3:ListBucket"),
        policy(Action="*", Resource="*"),
        policy(Action=["s3:GetObject", "s3:ListBucket"], Resource=["arn:aws:s3:::b", "arn:aws:s3:::b/*"]),
        policy(Action=None, NotAction="s3:ListBucket", Resource="arn:aws:s3:::b"),
        policy(Principal={"AWS": ["*"], "Service": ["a.amazonaws.com"], "Federated": "arn:aws:iam::1:saml-provider/x"}),
        policy(Principal=None, NotPrincipal={"AWS": ALICE}, Effect="Deny"),
        when("NumericEquals", "s3:max-keys", [1, 2.5, "3"]),
        when("Bool", "AWS:SECURETRANSPORT", False),
        when("ForAnyValue:StringEqualsIfExists", "aws:TagKeys", "a"),
    ],
)
def test_what_amazon_takes_is_taken(body) -> None:
    assert parse_bucket_policy(body, "b").statements


OTHER_SID = (
    "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
)
SAME_SID = json.dumps({"Statement": [statement(Principal=None, Sid="A")] * 2}).encode()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (policy(), "Policy document should not specify a principal."),
        (policy(Principal=None, Sid="with blanks"), OTHER_SID),
        (SAME_SID, "Statement IDs (SID) in a single policy must be unique."),
        (policy(Principal=None, Action="GetObject"), ACTION),
        (policy(Principal=None, Action="s3:Nothing"), ACTION),
        (policy(Principal=None, Resource="bucket"), RESOURCE),
        (policy(Principal=None, Condition={"StringEquals": {"nothing": "x"}}), KEY),
    ],
)
def test_what_is_no_identity_policy(body, sentence) -> None:
    assert message(body, identity=True) == sentence


def padded(length):
    return policy(Sid="x" * (length - len(policy(Sid=""))))


def test_a_bucket_policy_has_20_kib_and_not_one_byte_more() -> None:
    assert len(padded(BUCKET_POLICY_BYTES)) == BUCKET_POLICY_BYTES == 20480
    assert parse_bucket_policy(padded(BUCKET_POLICY_BYTES), "b")
    with pytest.raises(PolicyError) as caught:
        parse_bucket_policy(padded(BUCKET_POLICY_BYTES + 1), "b")
    assert caught.value.too_large


def test_an_identity_policy_has_6144_characters_without_its_blanks() -> None:
    def of(count):
        text = json.dumps({"Statement": [statement(Principal=None, Sid="")]}, indent=7, ensure_ascii=False)
        bare = json.dumps({"Statement": [statement(Principal=None, Sid="")]}, separators=(",", ":"))
        sid = "A" * (count - len(bare))
        return text.replace('"Sid": ""', f'"Sid": "{sid}"').encode()

    assert parse_identity_policy(of(IDENTITY_POLICY_CHARS))
    assert message(of(IDENTITY_POLICY_CHARS + 1), identity=True) == "Policy exceeds the maximum allowed document size."
    body = policy(Principal=None)
    assert parse_identity_policy(body + b" " * (IDENTITY_POLICY_BYTES - len(body)))
    assert "maximum" in message(body + b" " * (IDENTITY_POLICY_BYTES - len(body) + 1), identity=True)


def test_blanks_in_texts_count() -> None:
    body = policy(Principal=None, Condition={"StringEquals": {"aws:Referer": ' \\" ' * IDENTITY_POLICY_CHARS}})
    assert "maximum" in message(body, identity=True)


def test_nesting_is_bounded() -> None:
    nested = b'{"Id":' + b"[" * (DEPTH - 1) + b"]" * (DEPTH - 1) + b"}"
    assert message(nested) == "Missing required field Statement" or message(nested) == SYNTAX
    assert message(b'{"Id":' + b"[" * DEPTH + b"]" * DEPTH + b"}") == INVALID
    assert message(b'{"Id":' + b"[" * 10_000) == INVALID


def test_the_suffix_of_a_key_has_255_bytes() -> None:
    assert find("s3:ExistingObjectTag/" + "k" * SUFFIX_BYTES) is not None
    assert find("s3:ExistingObjectTag/" + "k" * (SUFFIX_BYTES + 1)) is None


def test_ten_thousand_values_fit() -> None:
    body = when("NumericEquals", "s3:max-keys", "@").replace(b'"@"', b"[" + b",".join([b"1"] * 9_000) + b"]")
    assert len(compile_bucket_policy(parse_bucket_policy(body, "b"), lambda _: None)) > 8 * 9_000


PUBLIC = [
    (policy(), True),
    (policy(Principal={"AWS": "*"}), True),
    (policy(Principal={"AWS": ["*", ALICE]}), True),
    (policy(Principal={"AWS": ALICE}), False),
    (policy(Principal={"Service": "logging.s3.amazonaws.com"}), False),
    (policy(Effect="Deny"), False),
    (json.dumps({"Statement": [statement(Principal={"AWS": ALICE}), statement()]}).encode(), True),
    (when("IpAddress", "aws:SourceIp", "203.0.113.0/24"), False),
    (when("IpAddress", "aws:SourceIp", ["203.0.113.0/24", "0.0.0.0/0"]), True),
    (when("IpAddress", "aws:SourceIp", "8.0.0.0/8"), False),
    (when("IpAddress", "aws:SourceIp", "8.0.0.0/7"), True),
    (when("IpAddress", "aws:SourceIp", "10.0.0.0/8"), False),
    (when("IpAddress", "aws:SourceIp", "2001:db8::/32"), False),
    (when("IpAddress", "aws:SourceIp", "2001:db8::/31"), True),
    (when("IpAddressIfExists", "aws:SourceIp", "203.0.113.0/24"), True),
    (when("NotIpAddress", "aws:SourceIp", "203.0.113.0/24"), True),
    (when("StringEquals", "aws:SourceVpc", "vpc-91237329"), False),
    (when("StringLike", "aws:SourceVpc", "vpc-91237329"), False),
    (when("StringLike", "aws:SourceVpc", "vpc-*"), True),
    (when("StringNotEquals", "aws:SourceVpc", "vpc-91237329"), True),
    (when("StringEquals", "aws:SourceVpce", "${aws:username}"), True),
    (when("StringEquals", "aws:PrincipalAccount", "000000000002"), False),
    (when("StringEquals", "aws:PrincipalOrgID", "o-a1b2c3"), False),
    (when("StringEquals", "aws:SourceOwner", "111122223333"), False),
    (when("ForAllValues:StringEquals", "aws:SourceAccount", "111122223333"), True),
    (when("ForAnyValue:StringEquals", "aws:SourceAccount", "111122223333"), False),
    (when("ArnEquals", "aws:SourceArn", "arn:aws:s3:::logs"), False),
    (when("ArnLike", "aws:SourceArn", "arn:aws:s3:::*"), True),
    (when("StringLike", "aws:userid", "AROAEXAMPLE:*"), True),
    (when("StringEquals", "aws:userid", "AIDAEXAMPLE"), False),
    (when("StringEquals", "s3:x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:x:1:key/a"), False),
    (when("ArnLike", "s3:DataAccessPointArn", "arn:aws:s3:us-west-2:123456789012:accesspoint/*"), False),
    (when("ArnLike", "s3:DataAccessPointArn", "arn:aws:s3:us-west-2:*:accesspoint/a"), True),
    (when("StringEquals", "s3:DataAccessPointAccount", "123456789012"), False),
    (when("StringEquals", "aws:Referer", "https://example.com"), True),
    (when("Bool", "aws:SecureTransport", "true"), True),
]


@pytest.mark.parametrize(("body", "public"), PUBLIC)
def test_what_is_public(body, public) -> None:
    assert is_public(parse_bucket_policy(body, "b")) is public


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("0", 0),
        ("1970", 0),
        ("1970-02", 31 * 86_400_000_000),
        ("1970-01-01T00:00Z", 0),
        ("1970-01-01T01:30:00.25+01:30", 250_000),
        ("1969-12-31T23:59:59Z", -1_000_000),
    ],
)
def test_dates(text, micros) -> None:
    assert moment_us(text) == micros


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_random_policies_compile_and_have_an_answer(data) -> None:
    document, *_ = policy_random.question(lambda values: data.draw(st.sampled_from(values)))
    first = compiled(document)
    assert first == compiled(document)
    assert first[0] == COMPILER_VERSION


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "Version",
                        "Statement",
                        "Effect",
                        "Principal",
                        "AWS",
                        "Action",
                        "Resource",
                        "Condition",
                        "StringLike",
                        "aws:Referer",
                    ]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    )
)
@settings(max_examples=300, deadline=None)
def test_anything_else_is_refused_and_nothing_breaks(value) -> None:
    for parse in (lambda body: parse_bucket_policy(body, "b"), parse_identity_policy):
        try:
            assert parse(json.dumps(value).encode()).statements
        except PolicyError as error:
            assert error.message
