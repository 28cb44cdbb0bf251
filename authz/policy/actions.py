"""Amazon's actions of S3 by number. A compiled policy names an action by its number, and so does Rust.

Belongs here: the closed list. `tests/vectors/policy/names.json` holds it against Rust's `policy/names.rs`. It only
grows, at its end and with a new `COMPILER_VERSION`: a number that was given keeps its meaning.

Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3", and botocore's model.
"""

from enum import Enum
from functools import lru_cache
from typing import Final

from authz.policy.pattern import matches, parse_pattern

ACTION_BITS: Final = 256
"""Width of a statement's set of actions."""


class Level(Enum):
    """What an action is done on."""

    BUCKET = "bucket"
    OBJECT = "object"
    SERVICE = "service"
    OTHER = "other"
    """Access points, jobs, Storage Lens: valid in an identity policy, and nothing here ever asks for them."""


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_BUCKET: Final = _names(
    "CreateBucket CreateBucketMetadataTableConfiguration DeleteBucket DeleteBucketMetadataTableConfiguration "
    "DeleteBucketPolicy DeleteBucketWebsite GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac "
    "GetBucketAcl GetBucketCORS GetBucketLocation GetBucketLogging GetBucketMetadataTableConfiguration "
    "GetBucketNotification GetBucketObjectLockConfiguration GetBucketOwnershipControls GetBucketPolicy "
    "GetBucketPolicyStatus GetBucketPublicAccessBlock GetBucketRequestPayment GetBucketTagging "
    "GetBucketVersioning GetBucketWebsite GetEncryptionConfiguration GetIntelligentTieringConfiguration "
    "GetInventoryConfiguration GetLifecycleConfiguration GetMetricsConfiguration GetReplicationConfiguration "
    "ListBucket ListBucketMultipartUploads ListBucketVersions PutAccelerateConfiguration "
    "PutAnalyticsConfiguration PutBucketAbac PutBucketAcl PutBucketCORS PutBucketLogging PutBucketNotification "
    "PutBucketObjectLockConfiguration PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock "
    "PutBucketRequestPayment PutBucketTagging PutBucketVersioning PutBucketWebsite PutEncryptionConfiguration "
    "PutIntelligentTieringConfiguration PutInventoryConfiguration PutLifecycleConfiguration "
    "PutMetricsConfiguration PutReplicationConfiguration UpdateBucketMetadataAnnotationTableConfiguration "
    "UpdateBucketMetadataInventoryTableConfiguration UpdateBucketMetadataJournalTableConfiguration"
)
_OBJECT: Final = _names(
    "AbortMultipartUpload BypassGovernanceRetention DeleteObject DeleteObjectAnnotation DeleteObjectTagging "
    "DeleteObjectVersion DeleteObjectVersionTagging GetObject GetObjectAcl GetObjectAnnotation "
    "GetObjectAttributes GetObjectLegalHold GetObjectRetention GetObjectTagging GetObjectTorrent GetObjectVersion "
    "GetObjectVersionAcl GetObjectVersionAttributes GetObjectVersionForReplication GetObjectVersionTagging "
    "GetObjectVersionTorrent InitiateReplication ListMultipartUploadParts ListObjectAnnotations "
    "ObjectOwnerOverrideToBucketOwner PutObject PutObjectAcl PutObjectAnnotation PutObjectLegalHold "
    "PutObjectRetention PutObjectTagging PutObjectVersionAcl PutObjectVersionTagging ReplicateDelete "
    "ReplicateObject ReplicateTags RestoreObject UpdateObjectEncryption"
)
_SERVICE: Final = _names("ListAllMyBuckets GetAccountPublicAccessBlock PutAccountPublicAccessBlock")
_OTHER: Final = _names(
    "AssociateAccessGrantsIdentityCenter CreateAccessGrant CreateAccessGrantsInstance CreateAccessGrantsLocation "
    "CreateAccessPoint CreateAccessPointForObjectLambda CreateJob CreateMultiRegionAccessPoint "
    "CreateStorageLensGroup DeleteAccessGrant DeleteAccessGrantsInstance DeleteAccessGrantsInstanceResourcePolicy "
    "DeleteAccessGrantsLocation DeleteAccessPoint DeleteAccessPointForObjectLambda DeleteAccessPointPolicy "
    "DeleteAccessPointPolicyForObjectLambda DeleteJobTagging DeleteMultiRegionAccessPoint "
    "DeleteStorageLensConfiguration DeleteStorageLensConfigurationTagging DeleteStorageLensGroup DescribeJob "
    "DescribeMultiRegionAccessPointOperation DissociateAccessGrantsIdentityCenter GetAccessGrant "
    "GetAccessGrantsInstance GetAccessGrantsInstanceForPrefix GetAccessGrantsInstanceResourcePolicy "
    "GetAccessGrantsLocation GetAccessPoint GetAccessPointConfigurationForObjectLambda "
    "GetAccessPointForObjectLambda GetAccessPointPolicy GetAccessPointPolicyForObjectLambda "
    "GetAccessPointPolicyStatus GetAccessPointPolicyStatusForObjectLambda GetDataAccess GetJobTagging "
    "GetMultiRegionAccessPoint GetMultiRegionAccessPointPolicy GetMultiRegionAccessPointPolicyStatus "
    "GetMultiRegionAccessPointRoutes GetStorageLensConfiguration GetStorageLensConfigurationTagging "
    "GetStorageLensDashboard GetStorageLensGroup ListAccessGrants ListAccessGrantsInstances "
    "ListAccessGrantsLocations ListAccessPoints ListAccessPointsForObjectLambda ListCallerAccessGrants ListJobs "
    "ListMultiRegionAccessPoints ListStorageLensConfigurations ListStorageLensGroups ListTagsForResource "
    "PauseReplication PutAccessGrantsInstanceResourcePolicy PutAccessPointConfigurationForObjectLambda "
    "PutAccessPointPolicy PutAccessPointPolicyForObjectLambda PutAccessPointPublicAccessBlock PutJobTagging "
    "PutMultiRegionAccessPointPolicy PutStorageLensConfiguration PutStorageLensConfigurationTagging "
    "SubmitMultiRegionAccessPointRoutes TagResource UntagResource UpdateAccessGrantsLocation UpdateJobPriority "
    "UpdateJobStatus UpdateStorageLensGroup"
)

_LISTED: Final = (
    *((name, Level.BUCKET) for name in _BUCKET),
    *((name, Level.OBJECT) for name in _OBJECT),
    *((name, Level.SERVICE) for name in _SERVICE),
    *((name, Level.OTHER) for name in _OTHER),
)

ACTIONS: Final = tuple(name for name, _ in _LISTED)
"""Names without `s3:`; the index is the number."""

LEVELS: Final = tuple(level for _, level in _LISTED)
"""What each of them is done on."""

_LOWER: Final = tuple(name.lower() for name in ACTIONS)

ALL: Final = (1 << len(ACTIONS)) - 1
"""The set of every action."""


@lru_cache(maxsize=1024)
def matching(pattern: str) -> int:
    """The set of actions whose name matches, as bits; `pattern` is without `s3:`. Letter case does not matter."""
    tokens = parse_pattern(pattern.lower(), variables=False)
    return sum(1 << number for number, name in enumerate(_LOWER) if matches(tokens, name))


def levels(bits: int) -> set[Level]:
    """What the actions of a set are done on."""
    return {level for number, level in enumerate(LEVELS) if bits >> number & 1}
