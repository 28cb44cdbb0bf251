"""Operations on the settings of buckets. What they are is `gateway/bucket_settings.py`."""

from typing import Any, Final

from gateway.admin.operation import Access, Call, Operation
from gateway.admin.shapes import record, text
from gateway.bucket_settings import LISTING_MODES

_LISTING: Final = text(
    "`filtered`: a listing shows the names its caller may know of; `strict`: all below its prefix, or a refusal",
    words=tuple(LISTING_MODES),
)
_SHOWN: Final = record(needs={"bucket": text(), "listing": _LISTING})


def _show(call: Call) -> Any:  # noqa: ANN401 - JSON, as below
    return call.services.settings.show(call.path["bucket"], call.viewer)


def _change(call: Call) -> Any:  # noqa: ANN401
    return call.services.settings.change(call.path["bucket"], call.viewer, listing=call.body.get("listing"))


OPERATIONS: Final = (
    Operation(
        "GET",
        "/v1/buckets/{bucket}/settings",
        "getBucketSettings",
        "What an operator chose for a bucket",
        _show,
        Access.TENANT,
        answer=_SHOWN,
        problems=("missing",),
    ),
    Operation(
        "PUT",
        "/v1/buckets/{bucket}/settings",
        "changeBucketSettings",
        "Change the settings that are given",
        _change,
        Access.TENANT,
        body=record(may={"listing": _LISTING}),
        answer=_SHOWN,
        problems=("missing", "conflict"),
    ),
)
