"""Bucket policies: the document as it was stored, its compiled form in the bucket's record, whether it is public.

Belongs here: the four operations, and finding the principals a policy names. Does not belong here: the language
(`authz/policy`), deciding anything by it (Rust).

A policy names principals by numbers, found when it is stored and kept beside it: a user that is created later with the
name of a removed one gets nothing from an old policy. What does not exist in another tenant matches nobody and is not
told from what does, for a tenant learns nothing about another.
"""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Final

from authz.policy import (
    COMPILER_VERSION,
    NOBODY,
    Document,
    Named,
    PolicyError,
    Principal,
    PrincipalKind,
    Resolved,
    compile_bucket_policy,
    is_public,
    parse_bucket_policy,
)
from authz.policy.errors import BAD_PRINCIPAL
from gateway.errors import Code, S3Error
from gateway.limits import ADMIN_PAGE, COMMIT_ATTEMPTS
from gateway.model import Answer, Call, xml_answer
from gateway.ops.change import change_bucket, read_document
from gateway.ops.context import bucket_of
from gateway.wire.xml import document, text, tree
from storage.api import Conflict, Metastore, equals, put
from storage.records import keys
from storage.records.bucket import BucketRecord, PublicAccessBlock
from storage.records.pointer import decode_document, decode_id
from storage.records.tenant import TenantRecord
from storage.records.user import UserRecord

_log: Final = logging.getLogger("panthera.policy")

_DOCUMENT: Final = "policy"
_PRINCIPALS: Final = "policyPrincipals"
_JSON: Final = "application/json"

_UNDECODABLE: Final = b"\0"
"""What stands for a policy that can no longer be compiled: Rust reads no version 0, and what it cannot read denies."""

_NAMED: Final = {
    Named.USER: (PrincipalKind.USER, keys.user_name),
    Named.ROLE: (PrincipalKind.ROLE, keys.role_name),
}
"""What a name inside an account stands for, and the row it is found by."""

Found = dict[str, Resolved | None]
"""Principals by their text, NOBODY for those that match nobody."""


def get_bucket_policy(call: Call) -> Answer:
    """The document, byte for byte. NoSuchBucketPolicy without one."""
    _require_owners_account(call)
    return Answer(200, (("content-type", _JSON),), _stored(call))


def get_bucket_policy_status(call: Call) -> Answer:
    """Whether the policy is public. NoSuchBucketPolicy without one: ACLs are not looked at, as at AWS."""
    public = is_public(_parsed(_stored(call), call.bucket))
    return xml_answer(document(tree("PolicyStatus", text("IsPublic", value=public))))


def put_bucket_policy(call: Call) -> Answer:
    """Stores the policy. MalformedPolicy with what is wrong; AccessDenied when it is public and the bucket blocks that.

    `x-amz-confirm-remove-self-bucket-access` is taken and changes nothing: the owner's administrators keep the right
    to replace a policy.
    """
    _require_owners_account(call)
    parsed = _parsed(call.body, call.bucket)
    public = is_public(parsed)
    found: Found = {}
    compiled = _compiled(parsed, _Directory(call.store, bucket_of(call).tenant, found).find)

    def with_policy(record: BucketRecord) -> BucketRecord:
        block = record.public_access_block or PublicAccessBlock(0)
        if public and PublicAccessBlock.BLOCK_PUBLIC_POLICY in block:
            raise S3Error(Code.ACCESS_DENIED)
        return record.replace(policy=compiled)

    change_bucket(call, with_policy, (_DOCUMENT, call.body), (_PRINCIPALS, _encoded(found)))
    return Answer(204)


def delete_bucket_policy(call: Call) -> Answer:
    """Removes the policy; removing none is fine."""
    _require_owners_account(call)
    change_bucket(call, lambda record: record.replace(policy=None), (_DOCUMENT, None), (_PRINCIPALS, None))
    return Answer(204)


def recompile(store: Metastore) -> int:
    """Compiles again what another version of the compiler left. How many buckets changed.

    For the start, before the ports accept. A document that is no policy any more denies everything until it is
    replaced, and is named in the log.
    """
    changed = 0
    for name, before in _buckets(store):
        for _ in range(COMMIT_ATTEMPTS):
            try:
                changed += _recompile(store, name, before)
                break
            except Conflict:
                before = store.get(keys.bucket(name.encode())) or b""  # noqa: PLW2901 - read again
    return changed


def _recompile(store: Metastore, name: str, before: bytes) -> bool:
    if not before:
        return False
    record = BucketRecord.decode(before)
    if record.policy is None or record.policy[:1] in (bytes([COMPILER_VERSION]), _UNDECODABLE):
        return False
    compiled = _UNDECODABLE
    try:
        stored, kept = (store.get(keys.document(record.id, one)) for one in (_DOCUMENT, _PRINCIPALS))
        if stored is not None and kept is not None:
            found = _decoded(decode_document(kept))
            parsed = parse_bucket_policy(decode_document(stored), name)
            compiled = compile_bucket_policy(parsed, lambda principal: found.get(principal.text, NOBODY))
    except (PolicyError, ValueError) as error:
        _log.error("bucket %s: its policy is no longer valid and denies everything: %s", name, error)
    row = keys.bucket(name.encode())
    after = record.replace(policy=compiled, generation=record.generation + 1)
    store.commit([equals(row, before)], [put(row, after.encode())])
    return True


def _buckets(store: Metastore) -> Iterator[tuple[str, bytes]]:
    start, end = keys.kind_range(keys.BUCKET)
    while rows := store.scan(start, end, ADMIN_PAGE):
        for row, value in rows:
            yield row[1:].decode(), value
        start = rows[-1][0] + b"\0"


def _require_owners_account(call: Call) -> None:
    """MethodNotAllowed to other accounts, whatever allowed them the action, as at AWS: a policy that says `s3:*` to a
    partner does not let the partner rewrite it.
    """
    if call.caller.tenant != bucket_of(call).tenant:
        raise S3Error(Code.METHOD_NOT_ALLOWED, fields=(("Method", call.op), ("ResourceType", "BUCKETPOLICY")))


def _stored(call: Call) -> bytes:
    body = read_document(call, _DOCUMENT)
    if body is None:
        raise S3Error(Code.NO_SUCH_BUCKET_POLICY, fields=(("BucketName", call.bucket),))
    return body


def _parsed(body: bytes, bucket: str) -> Document:
    try:
        return parse_bucket_policy(body, bucket)
    except PolicyError as error:
        raise S3Error(Code.MALFORMED_POLICY, error.message) from error


def _compiled(parsed: Document, find: Callable[[Principal], Resolved | None]) -> bytes:
    try:
        return compile_bucket_policy(parsed, find)
    except PolicyError as error:
        raise S3Error(Code.MALFORMED_POLICY, error.message) from error


def _encoded(found: Found) -> bytes:
    listed = {name: None if one is NOBODY else [one.kind, one.tenant, one.number] for name, one in found.items()}
    return json.dumps(listed).encode()


def _decoded(body: bytes) -> Found:
    """ValueError for what `_encoded` did not write."""
    found: Found = {}
    for name, one in json.loads(body).items():
        found[name] = None if one is None else Resolved(PrincipalKind(one[0]), int(one[1]), int(one[2]))
    return found


class _Directory:
    """Finds principals for a policy of `home`'s bucket and notes them in `found`."""

    def __init__(self, store: Metastore, home: int, found: Found) -> None:
        self._store = store
        self._home = home
        self._found = found

    def find(self, principal: Principal) -> Resolved | None:
        """The principal by its numbers. PolicyError for one that the bucket's own tenant does not have."""
        if principal.named is Named.CANONICAL_USER:
            # A canonical id is not guessed: whoever knows it may learn that it is of nobody, as with grants of ACLs.
            resolved, home = self._canonical(bytes.fromhex(principal.name)), True
        else:
            tenant = self._tenant(principal.account)
            resolved, home = None if tenant is None else self._inside(tenant, principal), tenant == self._home
        if resolved is None and home:
            raise PolicyError(BAD_PRINCIPAL)
        self._found[principal.text] = resolved
        return resolved

    def _tenant(self, account: str) -> int | None:
        """A tenant's number: its 12 digits, or behind its name."""
        if len(account) == 12 and account.isdigit():
            number = int(account)
        else:
            pointer = self._store.get(keys.tenant_name(account.encode()))
            if pointer is None:
                return None
            number = decode_id(pointer)
        row = self._store.get(keys.tenant(number)) if number < 1 << 32 else None
        return None if row is None or TenantRecord.decode(row).disabled else number

    def _inside(self, tenant: int, principal: Principal) -> Resolved | None:
        if principal.named is Named.ACCOUNT:
            return Resolved(PrincipalKind.ACCOUNT, tenant)
        kind, name_row = _NAMED[principal.named]
        pointer = self._store.get(name_row(tenant, principal.name.encode()))
        return None if pointer is None else Resolved(kind, tenant, decode_id(pointer))

    def _canonical(self, canonical_id: bytes) -> Resolved | None:
        pointer = self._store.get(keys.canonical_id(canonical_id))
        row = None if pointer is None else self._store.get(keys.user(decode_id(pointer)))
        user = None if row is None else UserRecord.decode(row)
        return None if user is None or user.disabled else Resolved(PrincipalKind.USER, user.tenant, user.id)
