//! Amazon's actions and condition keys by number. Belongs here: the closed lists, which Python has too
//! (`authz/policy/actions.py`, `keys.py`); `tests/vectors/policy/names.json` holds one against the other. The lists only
//! grow, at their ends.

/// The number of an action, for [`super::Question`]. Takes Amazon's spelling, `s3:GetObject`; look it up once, not at
/// every request.
pub const fn action_number(name: &str) -> Option<u8> {
    let Some((b"s3:", name)) = name.as_bytes().split_first_chunk() else { return None };
    let mut number = 0;
    while number < ACTIONS.len() {
        if same(ACTIONS[number].as_bytes(), name) {
            return Some(number as u8);
        }
        number += 1;
    }
    None
}

/// `==`, which slices do not have while compiling.
const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// Every number is a byte, and one is left for what is no action of S3's.
const _: () = assert!(ACTIONS.len() < u8::MAX as usize);

/// The names of actions without `s3:`; the index is the number.
#[rustfmt::skip]
pub const ACTIONS: [&str; 173] = [
    "CreateBucket", "CreateBucketMetadataTableConfiguration", "DeleteBucket",
    "DeleteBucketMetadataTableConfiguration", "DeleteBucketPolicy", "DeleteBucketWebsite",
    "GetAccelerateConfiguration", "GetAnalyticsConfiguration", "GetBucketAbac", "GetBucketAcl", "GetBucketCORS",
    "GetBucketLocation", "GetBucketLogging", "GetBucketMetadataTableConfiguration", "GetBucketNotification",
    "GetBucketObjectLockConfiguration", "GetBucketOwnershipControls", "GetBucketPolicy", "GetBucketPolicyStatus",
    "GetBucketPublicAccessBlock", "GetBucketRequestPayment", "GetBucketTagging", "GetBucketVersioning",
    "GetBucketWebsite", "GetEncryptionConfiguration", "GetIntelligentTieringConfiguration",
    "GetInventoryConfiguration", "GetLifecycleConfiguration", "GetMetricsConfiguration",
    "GetReplicationConfiguration", "ListBucket", "ListBucketMultipartUploads", "ListBucketVersions",
    "PutAccelerateConfiguration", "PutAnalyticsConfiguration", "PutBucketAbac", "PutBucketAcl", "PutBucketCORS",
    "PutBucketLogging", "PutBucketNotification", "PutBucketObjectLockConfiguration", "PutBucketOwnershipControls",
    "PutBucketPolicy", "PutBucketPublicAccessBlock", "PutBucketRequestPayment", "PutBucketTagging",
    "PutBucketVersioning", "PutBucketWebsite", "PutEncryptionConfiguration", "PutIntelligentTieringConfiguration",
    "PutInventoryConfiguration", "PutLifecycleConfiguration", "PutMetricsConfiguration",
    "PutReplicationConfiguration", "UpdateBucketMetadataAnnotationTableConfiguration",
    "UpdateBucketMetadataInventoryTableConfiguration", "UpdateBucketMetadataJournalTableConfiguration",
    "AbortMultipartUpload", "BypassGovernanceRetention", "DeleteObject", "DeleteObjectAnnotation",
    "DeleteObjectTagging", "DeleteObjectVersion", "DeleteObjectVersionTagging", "GetObject", "GetObjectAcl",
    "GetObjectAnnotation", "GetObjectAttributes", "GetObjectLegalHold", "GetObjectRetention", "GetObjectTagging",
    "GetObjectTorrent", "GetObjectVersion", "GetObjectVersionAcl", "GetObjectVersionAttributes",
    "GetObjectVersionForReplication", "GetObjectVersionTagging", "GetObjectVersionTorrent", "InitiateReplication",
    "ListMultipartUploadParts", "ListObjectAnnotations", "ObjectOwnerOverrideToBucketOwner", "PutObject",
    "PutObjectAcl", "PutObjectAnnotation", "PutObjectLegalHold", "PutObjectRetention", "PutObjectTagging",
    "PutObjectVersionAcl", "PutObjectVersionTagging", "ReplicateDelete", "ReplicateObject", "ReplicateTags",
    "RestoreObject", "UpdateObjectEncryption", "ListAllMyBuckets", "GetAccountPublicAccessBlock",
    "PutAccountPublicAccessBlock", "AssociateAccessGrantsIdentityCenter", "CreateAccessGrant",
    "CreateAccessGrantsInstance", "CreateAccessGrantsLocation", "CreateAccessPoint",
    "CreateAccessPointForObjectLambda", "CreateJob", "CreateMultiRegionAccessPoint", "CreateStorageLensGroup",
    "DeleteAccessGrant", "DeleteAccessGrantsInstance", "DeleteAccessGrantsInstanceResourcePolicy",
    "DeleteAccessGrantsLocation", "DeleteAccessPoint", "DeleteAccessPointForObjectLambda",
    "DeleteAccessPointPolicy", "DeleteAccessPointPolicyForObjectLambda", "DeleteJobTagging",
    "DeleteMultiRegionAccessPoint", "DeleteStorageLensConfiguration", "DeleteStorageLensConfigurationTagging",
    "DeleteStorageLensGroup", "DescribeJob", "DescribeMultiRegionAccessPointOperation",
    "DissociateAccessGrantsIdentityCenter", "GetAccessGrant", "GetAccessGrantsInstance",
    "GetAccessGrantsInstanceForPrefix", "GetAccessGrantsInstanceResourcePolicy", "GetAccessGrantsLocation",
    "GetAccessPoint", "GetAccessPointConfigurationForObjectLambda", "GetAccessPointForObjectLambda",
    "GetAccessPointPolicy", "GetAccessPointPolicyForObjectLambda", "GetAccessPointPolicyStatus",
    "GetAccessPointPolicyStatusForObjectLambda", "GetDataAccess", "GetJobTagging", "GetMultiRegionAccessPoint",
    "GetMultiRegionAccessPointPolicy", "GetMultiRegionAccessPointPolicyStatus", "GetMultiRegionAccessPointRoutes",
    "GetStorageLensConfiguration", "GetStorageLensConfigurationTagging", "GetStorageLensDashboard",
    "GetStorageLensGroup", "ListAccessGrants", "ListAccessGrantsInstances", "ListAccessGrantsLocations",
    "ListAccessPoints", "ListAccessPointsForObjectLambda", "ListCallerAccessGrants", "ListJobs",
    "ListMultiRegionAccessPoints", "ListStorageLensConfigurations", "ListStorageLensGroups", "ListTagsForResource",
    "PauseReplication", "PutAccessGrantsInstanceResourcePolicy", "PutAccessPointConfigurationForObjectLambda",
    "PutAccessPointPolicy", "PutAccessPointPolicyForObjectLambda", "PutAccessPointPublicAccessBlock",
    "PutJobTagging", "PutMultiRegionAccessPointPolicy", "PutStorageLensConfiguration",
    "PutStorageLensConfigurationTagging", "SubmitMultiRegionAccessPointRoutes", "TagResource", "UntagResource",
    "UpdateAccessGrantsLocation", "UpdateJobPriority", "UpdateJobStatus", "UpdateStorageLensGroup",
];

macro_rules! keys {
    ($($number:literal $variant:ident $name:literal;)*) => {
        /// A condition key. A family (`s3:ExistingObjectTag/<key>`) comes with its suffix.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Key {
            $(#[doc = concat!("`", $name, "`")] $variant = $number,)*
        }

        impl Key {
            /// Every key, by number; number 0 is no key: what compiles to it is never present.
            pub const ALL: &'static [Key] = &[$(Key::$variant),*];

            /// The key with this number.
            pub fn from_number(number: u8) -> Option<Key> {
                match number {
                    $($number => Some(Key::$variant),)*
                    _ => None,
                }
            }

            /// Its name as Amazon writes it; a family's ends in `/`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Key::$variant => $name,)*
                }
            }
        }
    };
}

keys! {
    1 SourceIp "aws:SourceIp";
    2 SecureTransport "aws:SecureTransport";
    3 CurrentTime "aws:CurrentTime";
    4 EpochTime "aws:EpochTime";
    5 UserAgent "aws:UserAgent";
    6 Referer "aws:Referer";
    7 Username "aws:username";
    8 UserId "aws:userid";
    9 PrincipalArn "aws:PrincipalArn";
    10 PrincipalAccount "aws:PrincipalAccount";
    11 PrincipalType "aws:PrincipalType";
    12 PrincipalTag "aws:PrincipalTag/";
    13 ResourceAccount "aws:ResourceAccount";
    14 RequestedRegion "aws:RequestedRegion";
    15 TokenIssueTime "aws:TokenIssueTime";
    16 MultiFactorAuthPresent "aws:MultiFactorAuthPresent";
    17 MultiFactorAuthAge "aws:MultiFactorAuthAge";
    18 ViaAwsService "aws:ViaAWSService";
    19 PrincipalIsAwsService "aws:PrincipalIsAWSService";
    20 SourceVpc "aws:SourceVpc";
    21 SourceVpce "aws:SourceVpce";
    22 PrincipalOrgId "aws:PrincipalOrgID";
    23 SourceArn "aws:SourceArn";
    24 SourceAccount "aws:SourceAccount";
    25 S3Prefix "s3:prefix";
    26 S3Delimiter "s3:delimiter";
    27 S3MaxKeys "s3:max-keys";
    28 S3VersionId "s3:VersionId";
    29 S3XAmzAcl "s3:x-amz-acl";
    30 S3XAmzGrantFullControl "s3:x-amz-grant-full-control";
    31 S3XAmzGrantRead "s3:x-amz-grant-read";
    32 S3XAmzGrantReadAcp "s3:x-amz-grant-read-acp";
    33 S3XAmzGrantWrite "s3:x-amz-grant-write";
    34 S3XAmzGrantWriteAcp "s3:x-amz-grant-write-acp";
    35 S3XAmzCopySource "s3:x-amz-copy-source";
    36 S3XAmzMetadataDirective "s3:x-amz-metadata-directive";
    37 S3XAmzStorageClass "s3:x-amz-storage-class";
    38 S3XAmzServerSideEncryption "s3:x-amz-server-side-encryption";
    39 S3XAmzServerSideEncryptionAwsKmsKeyId "s3:x-amz-server-side-encryption-aws-kms-key-id";
    40 S3XAmzServerSideEncryptionCustomerAlgorithm "s3:x-amz-server-side-encryption-customer-algorithm";
    41 S3XAmzWebsiteRedirectLocation "s3:x-amz-website-redirect-location";
    42 S3XAmzContentSha256 "s3:x-amz-content-sha256";
    43 S3XAmzObjectOwnership "s3:x-amz-object-ownership";
    44 S3LocationConstraint "s3:LocationConstraint";
    45 S3AuthType "s3:authType";
    46 S3SignatureAge "s3:signatureAge";
    47 S3SignatureVersion "s3:signatureversion";
    48 S3TlsVersion "s3:TlsVersion";
    49 S3ResourceAccount "s3:ResourceAccount";
    50 S3ObjectLockMode "s3:object-lock-mode";
    51 S3ObjectLockRetainUntilDate "s3:object-lock-retain-until-date";
    52 S3ObjectLockRemainingRetentionDays "s3:object-lock-remaining-retention-days";
    53 S3ObjectLockLegalHold "s3:object-lock-legal-hold";
    54 S3ExistingObjectTag "s3:ExistingObjectTag/";
    55 S3RequestObjectTag "s3:RequestObjectTag/";
    56 S3RequestObjectTagKeys "s3:RequestObjectTagKeys";
    57 S3IfMatch "s3:if-match";
    58 S3IfNoneMatch "s3:if-none-match";
    59 S3ObjectCreationOperation "s3:ObjectCreationOperation";
    60 S3InventoryAccessibleOptionalFields "s3:InventoryAccessibleOptionalFields";
    61 SourceOwner "aws:SourceOwner";
    62 PrincipalOrgPaths "aws:PrincipalOrgPaths";
    63 S3DataAccessPointArn "s3:DataAccessPointArn";
    64 S3DataAccessPointAccount "s3:DataAccessPointAccount";
}
