"""Amazon's policy language: parse, validate, compile. Evaluation is Rust (`rust/crates/authz/src/policy`).

Belongs here: what a policy document may say and the bytes it becomes. Does not belong here: stores, requests, S3's
answers; principals are resolved through a function that the caller brings, so nothing here does I/O.

Use: `parse_bucket_policy` and `compile_bucket_policy` for documents with a Principal that hang on a bucket,
`parse_identity_policy` and `compile_identity_policy` for those without one that hang on a user, group or role.
"""

from authz.policy.compiler import COMPILER_VERSION, compile_bucket_policy, compile_identity_policy
from authz.policy.document import (
    BUCKET_POLICY_BYTES,
    IDENTITY_POLICY_CHARS,
    TRUST_POLICY_CHARS,
    Document,
    counted_chars,
    parse_bucket_policy,
    parse_identity_policy,
    parse_trust_policy,
)
from authz.policy.errors import PolicyError
from authz.policy.principals import NOBODY, Named, Principal, PrincipalKind, Resolved
from authz.policy.public import is_public

__all__ = [
    "BUCKET_POLICY_BYTES",
    "COMPILER_VERSION",
    "IDENTITY_POLICY_CHARS",
    "NOBODY",
    "TRUST_POLICY_CHARS",
    "Document",
    "Named",
    "PolicyError",
    "Principal",
    "PrincipalKind",
    "Resolved",
    "compile_bucket_policy",
    "compile_identity_policy",
    "counted_chars",
    "is_public",
    "parse_bucket_policy",
    "parse_identity_policy",
    "parse_trust_policy",
]
