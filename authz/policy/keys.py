"""Condition keys by number. A compiled policy names a key by its number, and so does Rust.

Belongs here: the closed list of keys the gateway knows, and which of them are families (`s3:ExistingObjectTag/<key>`).
`tests/vectors/policy/names.json` holds it against `rust/crates/authz/src/policy/names.rs`. The list only grows, at its
end. What a key's value is, the gateway says when a condition asks; keys that no request here can have are listed too,
so that policies that use them are valid.

Sources: IAM User Guide, "AWS global condition context keys"; Service Authorization Reference, Amazon S3.
"""

from typing import Final

ABSENT: Final = 0
"""The number of every key that is valid and that no request can ever have."""

KEYS: Final = (
    "",
    "aws:SourceIp",
    "aws:SecureTransport",
    "aws:CurrentTime",
    "aws:EpochTime",
    "aws:UserAgent",
    "aws:Referer",
    "aws:username",
    "aws:userid",
    "aws:PrincipalArn",
    "aws:PrincipalAccount",
    "aws:PrincipalType",
    "aws:PrincipalTag/",
    "aws:ResourceAccount",
    "aws:RequestedRegion",
    "aws:TokenIssueTime",
    "aws:MultiFactorAuthPresent",
    "aws:MultiFactorAuthAge",
    "aws:ViaAWSService",
    "aws:PrincipalIsAWSService",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:PrincipalOrgID",
    "aws:SourceArn",
    "aws:SourceAccount",
    "s3:prefix",
    "s3:delimiter",
    "s3:max-keys",
    "s3:VersionId",
    "s3:x-amz-acl",
    "s3:x-amz-grant-full-control",
    "s3:x-amz-grant-read",
    "s3:x-amz-grant-read-acp",
    "s3:x-amz-grant-write",
    "s3:x-amz-grant-write-acp",
    "s3:x-amz-copy-source",
    "s3:x-amz-metadata-directive",
    "s3:x-amz-storage-class",
    "s3:x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-server-side-encryption-customer-algorithm",
    "s3:x-amz-website-redirect-location",
    "s3:x-amz-content-sha256",
    "s3:x-amz-object-ownership",
    "s3:LocationConstraint",
    "s3:authType",
    "s3:signatureAge",
    "s3:signatureversion",
    "s3:TlsVersion",
    "s3:ResourceAccount",
    "s3:object-lock-mode",
    "s3:object-lock-retain-until-date",
    "s3:object-lock-remaining-retention-days",
    "s3:object-lock-legal-hold",
    "s3:ExistingObjectTag/",
    "s3:RequestObjectTag/",
    "s3:RequestObjectTagKeys",
    "s3:if-match",
    "s3:if-none-match",
    "s3:ObjectCreationOperation",
    "s3:InventoryAccessibleOptionalFields",
    "aws:SourceOwner",
    "aws:PrincipalOrgPaths",
    "s3:DataAccessPointArn",
    "s3:DataAccessPointAccount",
)
"""Names as Amazon writes them; the index is the number. A name that ends in `/` is a family, its member is a suffix."""


def _lower_names(text: str) -> frozenset[str]:
    return frozenset(text.lower().split())


NEVER_PRESENT: Final = _lower_names(
    "aws:AssumedRoot aws:CalledVia aws:CalledViaFirst aws:CalledViaLast aws:ChatbotSourceArn"
    " aws:Ec2InstanceSourcePrivateIPv4 aws:Ec2InstanceSourceVpc aws:FederatedProvider aws:IsMcpServiceAction"
    " aws:PrincipalServiceName aws:PrincipalServiceNamesList aws:RequestTag/ aws:ResourceOrgID aws:ResourceOrgPaths"
    " aws:ResourceTag/ aws:SignInSessionArn aws:SourceIdentity aws:SourceOrgID aws:SourceOrgPaths aws:SourceVpcArn"
    " aws:TagKeys aws:ViaAWSMCPService aws:VpcSourceIp aws:VpceAccount aws:VpceOrgID aws:VpceOrgPaths"
    " s3:AccessGrantsInstanceArn s3:AccessPointNetworkOrigin s3:AccessPointTag/ s3:BucketTag/ s3:destinationRegion"
    " s3:ExistingJobOperation s3:ExistingJobPriority s3:isReplicationPauseRequest s3:JobSuspendedCause"
    " s3:RequestJobOperation s3:RequestJobPriority s3:x-amz-bucket-namespace"
)
"""Amazon's keys about things that do not exist here: valid, and in no request."""

_NUMBERS: Final = {name.lower(): number for number, name in enumerate(KEYS) if name}
_FAMILIES: Final = {name.lower(): number for number, name in enumerate(KEYS) if name.endswith("/")}

SUFFIX_BYTES: Final = 255
"""Longest suffix of a family in UTF-8: one length byte; a tag key has at most 128 characters."""


def find(name: str) -> tuple[int, str] | None:
    """The number and the suffix of a key; None for a key that does not exist. Letter case of names does not matter.

    A suffix is a tag's key and keeps its case, as S3's tags do.
    """
    lower = name.lower()
    family, slash, suffix = name.partition("/")
    if slash:
        number = _FAMILIES.get(family.lower() + "/")
        if number is None:
            return (ABSENT, "") if family.lower() + "/" in NEVER_PRESENT and suffix else None
        return (number, suffix) if 0 < len(suffix.encode()) <= SUFFIX_BYTES else None
    number = _NUMBERS.get(lower)
    if number is not None:
        return number, ""
    return (ABSENT, "") if lower in NEVER_PRESENT else None
