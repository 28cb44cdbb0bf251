"""Versioning of a bucket. What versioning does to objects is Rust's business; it reads the record written here."""

from typing import Final

from gateway.errors import Code, S3Error
from gateway.model import Answer, Call, xml_answer
from gateway.ops.change import change_bucket
from gateway.ops.context import bucket_of
from gateway.wire.xml import document, malformed, parse, text, tree
from storage.records.bucket import BucketRecord
from storage.records.fence import Versioning

_STATUS: Final = {"Enabled": Versioning.ENABLED, "Suspended": Versioning.SUSPENDED}
_SHOWN: Final = {state: name for name, state in _STATUS.items()}


def get_bucket_versioning(call: Call) -> Answer:
    """The status; an empty document for a bucket that never had versioning, as AWS answers."""
    shown = _SHOWN.get(bucket_of(call).versioning)
    status = None if shown is None else text("Status", shown)
    return xml_answer(document(tree("VersioningConfiguration", status)))


def put_bucket_versioning(call: Call) -> Answer:
    """Enabled or Suspended; a bucket never goes back to neither.

    IllegalVersioningConfigurationException without a status, MalformedXML for another one, NotImplemented for MFA
    delete, which would need devices nobody has registered.
    """
    root = parse(call.body, "VersioningConfiguration")
    root.only("Status", "MfaDelete", "MFADelete")
    for name in ("MfaDelete", "MFADelete"):
        mfa = root.optional(name)
        if mfa is not None and mfa.leaf() != "Disabled":
            raise S3Error(Code.NOT_IMPLEMENTED, "MFA delete is not implemented.")
    status = root.optional("Status")
    if status is None:
        raise S3Error(Code.ILLEGAL_VERSIONING_CONFIGURATION, "The Versioning element must be specified")
    wanted = _STATUS.get(status.leaf())
    if wanted is None:
        raise malformed()

    def with_status(record: BucketRecord) -> BucketRecord:
        return record.replace(versioning=wanted)

    change_bucket(call, with_status)
    return Answer()
