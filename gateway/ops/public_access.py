"""Block Public Access of a bucket.

Belongs here: the three operations on its configuration. Does not belong here: what the settings do to policies
(`policy.py` and Rust's decision) and to ACLs (`acl.py` and Rust's decision).
"""

from typing import Final

from gateway.errors import Code, S3Error
from gateway.model import Answer, Call, xml_answer
from gateway.ops.change import change_bucket
from gateway.ops.context import bucket_of
from gateway.wire.xml import Element, document, malformed, parse, text, tree
from storage.records.bucket import PublicAccessBlock

_ROOT: Final = "PublicAccessBlockConfiguration"
_SETTINGS: Final = {
    "BlockPublicAcls": PublicAccessBlock.BLOCK_PUBLIC_ACLS,
    "IgnorePublicAcls": PublicAccessBlock.IGNORE_PUBLIC_ACLS,
    "BlockPublicPolicy": PublicAccessBlock.BLOCK_PUBLIC_POLICY,
    "RestrictPublicBuckets": PublicAccessBlock.RESTRICT_PUBLIC_BUCKETS,
}
_TRUTHS: Final = {"true": True, "false": False}


def get_public_access_block(call: Call) -> Answer:
    """All four settings. NoSuchPublicAccessBlockConfiguration without a configuration."""
    block = bucket_of(call).public_access_block
    if block is None:
        raise S3Error(Code.NO_SUCH_PUBLIC_ACCESS_BLOCK, fields=(("BucketName", call.bucket),))
    settings = (text(name, value=setting in block) for name, setting in _SETTINGS.items())
    return xml_answer(document(tree(_ROOT, *settings)))


def put_public_access_block(call: Call) -> Answer:
    """Replaces the configuration; a setting that is not named is off. MalformedXML."""
    root = parse(call.body, _ROOT)
    root.only(*_SETTINGS)
    block = PublicAccessBlock(0)
    for name, setting in _SETTINGS.items():
        if _is_on(root.optional(name)):
            block |= setting
    change_bucket(call, lambda record: record.replace(public_access_block=block))
    return Answer()


def delete_public_access_block(call: Call) -> Answer:
    """Removes the configuration; removing none is fine."""
    change_bucket(call, lambda record: record.replace(public_access_block=None))
    return Answer(204)


def _is_on(setting: Element | None) -> bool:
    if setting is None:
        return False
    truth = _TRUTHS.get(setting.leaf().strip().lower())
    if truth is None:
        raise malformed()
    return truth
