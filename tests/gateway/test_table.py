"""The table of operations against Amazon's model, against itself, and against the border."""

import re
import sys
import typing
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import s3_model

from gateway.ops.row import Kind, Row, Scope, TableError
from gateway.ops.table import HANDLERS, TABLE, _checked, core_rows

ROOT = Path(__file__).resolve().parents[2]
NATIVE = set(
    "AbortMultipartUpload CompleteMultipartUpload CopyObject CreateMultipartUpload DeleteObject DeleteObjects GetObject"
    " GetObjectAttributes HeadObject ListMultipartUploads ListObjectVersions ListObjects ListObjectsV2 ListParts"
    " PostObject PutObject UploadPart UploadPartCopy".split()
)


def test_the_table_is_amazons_model_and_the_three_requests_it_leaves_out() -> None:
    assert list(s3_model.differences()) == []
    assert len(s3_model.model()) >= 116
    assert {row.name for row in TABLE} - set(s3_model.model()) == s3_model.BESIDE_THE_MODEL


def test_the_eighteen_object_operations_are_native_and_no_other() -> None:
    assert {row.name for row in TABLE if row.kind is Kind.NATIVE} == NATIVE | s3_model.SHARED


def test_rust_names_the_same_native_operations() -> None:
    source = (ROOT / "rust/crates/object/src/api.rs").read_text()
    body = source.split("pub enum NativeOp {")[1].split("}")[0]
    assert {line.strip().rstrip(",") for line in body.splitlines() if line.strip()} == NATIVE | {"ListSharedFolder"}


def test_every_row_has_an_action_and_no_two_are_selected_by_the_same_request() -> None:
    assert all(row.action.startswith(("s3:", "s3express:", "s3-object-lambda:")) for row in TABLE)
    keys = [row.match_key for row in TABLE if row.alias_of is None]
    assert len(set(keys)) == len(keys)


def row(**changes: typing.Any) -> Row:
    fields = {"name": "X", "method": "GET", "scope": Scope.BUCKET, "selectors": ("x",), "params": (), "action": "s3:X"}
    return Row(**{**fields, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"action": ""},
        {"method": "PATCH"},
        {"reveal": "500"},
        {"header": "X-Amz-Copy-Source"},
        {"native": True, "handler": lambda call: call},
        {"body_bytes": 10},
    ],
)
def test_a_row_that_rust_could_not_run_safely_does_not_load(changes: dict[str, typing.Any]) -> None:
    with pytest.raises(TableError):
        row(**changes)


def test_twins_duplicates_and_aliases_of_nothing_do_not_load() -> None:
    assert _checked((row(), row(name="Y", selectors=("y",))))
    for rows in (
        (row(), row(name="Y")),
        (row(), row(selectors=("z",))),
        (row(), row(name="Y", method="PUT", alias_of="X")),
    ):
        with pytest.raises(TableError):
            _checked(rows)


def test_aliases_do_not_reach_rust_and_everything_else_does() -> None:
    aliases = {row.name for row in TABLE if row.alias_of}
    assert aliases == {"GetBucketLifecycle", "PutBucketLifecycle", "GetBucketNotification", "PutBucketNotification"}
    assert {core[0] for core in core_rows()} == {row.name for row in TABLE} - aliases


def test_what_a_request_carries_asks_for_its_own_action() -> None:
    carried = {row.name: dict(row.also) for row in TABLE}
    assert carried["GetObject"] == {"?versionId": "s3:GetObjectVersion"}
    assert carried["DeleteObject"]["?versionId"] == "s3:DeleteObjectVersion"
    for name in ("PutObject", "CopyObject", "CreateMultipartUpload"):
        assert carried[name]["x-amz-tagging"] == "s3:PutObjectTagging"
        assert carried[name]["x-amz-grant-*"] == "s3:PutObjectAcl"


def test_rows_cross_the_border_in_the_form_the_stub_declares() -> None:
    stub = (ROOT / "storage/_core.pyi").read_text()
    declared = re.sub(r"\s", "", stub.split("\nRow = tuple[")[1].split("]\n")[0])
    also = "Sequence[tuple[str,str]]"
    assert declared == f"str,str,str,Sequence[str],str|None,Sequence[str],str,{also},str,str,str,int"
    for core in core_rows():
        assert len(core) == 12
        assert core[2] in {"service", "bucket", "object", "link", "link-folder"}
        assert core[8] in {"403", "404"}
        assert core[9] in {"signed", "form", "link", "none"}
        assert core[10] in {"native", "python", "absent"}
        assert core[11] == 0 or core[10] == "python"


def test_preflight_accepts_every_word_because_it_comes_to_the_address_of_another_request() -> None:
    words = {word.partition("=")[0] for row in TABLE for word in row.selectors}
    for name in ("OptionsBucket", "OptionsObject"):
        assert words <= set(HANDLERS[name].params)


def test_only_documents_that_must_carry_a_checksum_ask_for_one() -> None:
    assert {name for name, row in HANDLERS.items() if row.checksum} == {
        "PutBucketOwnershipControls",
        "PutBucketPolicy",
        "PutBucketTagging",
        "PutBucketVersioning",
        "PutObjectTagging",
        "PutPublicAccessBlock",
    }
