"""Whether a bucket policy is public, as GetBucketPolicyStatus and Block Public Access mean it.

Belongs here: Amazon's rule. A policy is public unless every statement that allows names fixed principals, or has a
condition that limits one of a list of keys to fixed values: no wildcard, no variable, no network wider than /8 (IPv4,
private networks apart) or /32 (IPv6).

Source: S3 User Guide, "Blocking public access to your Amazon S3 storage", "The meaning of public".
"""

import ipaddress
from typing import Final

from authz.policy import keys
from authz.policy.conditions import FOR_ALL, IF_EXISTS, Condition, Operator
from authz.policy.document import Document, Statement
from authz.policy.pattern import Literal, is_fixed
from authz.policy.principals import EVERYONE

_WIDEST: Final = {4: 8, 6: 32}
_PRIVATE: Final = tuple(ipaddress.ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_LIMITING: Final = frozenset(
    keys.KEYS.index(name)
    for name in (
        "aws:PrincipalAccount",
        "aws:PrincipalArn",
        "aws:PrincipalOrgID",
        "aws:PrincipalOrgPaths",
        "aws:SourceAccount",
        "aws:SourceArn",
        "aws:SourceIp",
        "aws:SourceOwner",
        "aws:SourceVpc",
        "aws:SourceVpce",
        "aws:userid",
        "s3:DataAccessPointAccount",
        "s3:DataAccessPointArn",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    )
)
_ACCESS_POINT: Final = keys.KEYS.index("s3:DataAccessPointArn")
_EQUAL: Final = frozenset(
    {
        Operator.StringEquals,
        Operator.StringEqualsIgnoreCase,
        Operator.StringLike,
        Operator.ArnEquals,
        Operator.ArnLike,
        Operator.IpAddress,
    }
)


def is_public(document: Document) -> bool:
    """Whether any statement allows something to the public."""
    return any(statement.allow and _statement_is_public(statement) for statement in document.statements)


def _statement_is_public(statement: Statement) -> bool:
    open_to_all = statement.not_principal or EVERYONE in (statement.principals or ())
    return open_to_all and not any(_limits(condition) for condition in statement.conditions)


def _limits(condition: Condition) -> bool:
    """A condition that only fixed values of a limiting key pass. One that passes without the key limits nothing."""
    if condition.key not in _LIMITING or condition.operator not in _EQUAL or condition.flags & (IF_EXISTS | FOR_ALL):
        return False
    if condition.key == _ACCESS_POINT:
        return all(_names_account(value) for value in condition.values)
    return all(_is_narrow(value) for value in condition.values)


def _names_account(value: object) -> bool:
    """An access point's ARN may have a wildcard for its name, when the account before it is fixed."""
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], Literal) and value[0].text.count(":") >= 5


def _is_narrow(value: object) -> bool:
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        private = isinstance(value, ipaddress.IPv4Network) and any(value.subnet_of(net) for net in _PRIVATE)  # type: ignore[arg-type]
        return private or value.prefixlen >= _WIDEST[value.version]
    return isinstance(value, tuple) and is_fixed(value)
