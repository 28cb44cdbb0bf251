"""Which names AWS would take."""

import pytest
from world import refused

from gateway.errors import Code
from gateway.limits import BUCKET_NAME_MAX, BUCKET_NAME_MIN, NAME_CHARS
from gateway.wire.names import check_bucket_name, is_account_name


@pytest.mark.parametrize(
    "name",
    ["abc", "a" * BUCKET_NAME_MAX, "a-b.c", "1bucket", "a.b.c.d", "1.2.3", "my--bucket", "192.168.5", "9" * 12],
)
def test_good_bucket_names(name: str) -> None:
    check_bucket_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a" * (BUCKET_NAME_MIN - 1),
        "a" * (BUCKET_NAME_MAX + 1),
        "Abc",
        "a_b",
        "-abc",
        "abc-",
        ".abc",
        "abc.",
        "a..b",
        "a.-b",
        "a-.b",
        "192.168.5.123",
        "999.999.999.999",
        "xn--abc",
        "sthree-abc",
        "amzn-s3-demo-bucket",
        "abc-s3alias",
        "abc--ol-s3",
        "abc--x-s3",
        "abc.mrap",
        "abc--table-s3",
        "büchse",
        "abc\n",
        "a b",
        "a/b",
        "alpha:bucket",
    ],
)
def test_bad_bucket_names(name: str) -> None:
    error = refused(Code.INVALID_BUCKET_NAME, lambda: check_bucket_name(name))
    assert error.fields == (("BucketName", name),)


def test_account_names_have_iams_characters_and_length() -> None:
    assert all(map(is_account_name, ("a", "Ann.O-Neil_+=,@x", "x" * NAME_CHARS)))
    assert not any(map(is_account_name, ("", "x" * (NAME_CHARS + 1), "a b", "a/b", "-a", "é", "a\n", "a:b")))
