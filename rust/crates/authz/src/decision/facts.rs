//! Where the values of condition keys come from: the request, the connection, the records of who asks and of what is
//! asked about.
//!
//! Belongs here: one key, one source. Does not belong here: operators (`policy`), what follows from an answer (`beside`).

use std::cell::OnceCell;

use panthera_base::TenantId;

use crate::decision::identity::Identity;
use crate::decision::{Action, ObjectAccess, Question, Subject};
use crate::error::AuthzError;
use crate::policy::{self, Facts, Key, Principal, Unavailable, Value};

const MICROS_PER_MILLI: u64 = 1000;
const MICROS_PER_DAY: i64 = 86_400_000_000;
/// No action of S3: a statement that names every action applies to it, others do not.
const UNKNOWN_ACTION: u8 = u8::MAX;

/// A question with everything that policies can ask of it. What is expensive is looked up once, when a key asks.
pub(crate) struct QuestionFacts<'a> {
    question: &'a Question<'a>,
    identity: Option<&'a Identity>,
    object: OnceCell<Result<Option<ObjectAccess>, AuthzError>>,
}

impl<'a> QuestionFacts<'a> {
    pub(crate) fn new(question: &'a Question<'a>, identity: Option<&'a Identity>) -> Self {
        Self { question, identity, object: OnceCell::new() }
    }

    /// The stored version the action is on; `None` when there is none.
    pub(crate) fn object(&self) -> Result<Option<&ObjectAccess>, AuthzError> {
        let read = || match self.question.resource.object {
            Some(lookup) => lookup.access().map_err(AuthzError::from),
            None => Ok(None),
        };
        self.object.get_or_init(read).as_ref().map(Option::as_ref).map_err(Clone::clone)
    }

    /// The question in the words of policies.
    pub(crate) fn policy_question(&self) -> policy::Question<'_> {
        let resource = &self.question.resource;
        let principal = match *self.question.subject {
            // The bearer of a share is everybody: what policies deny to everybody is denied, what names somebody is not.
            Subject::Anonymous | Subject::Share(_) => Principal::Anonymous,
            Subject::User { tenant, user, admin } => Principal::User { tenant, user, root: admin },
        };
        policy::Question {
            principal,
            action: self.question.action.number().unwrap_or(UNKNOWN_ACTION),
            bucket: (!resource.name.is_empty()).then_some(resource.name),
            key: resource.key,
            facts: self,
        }
    }

    fn header(&self, name: &str, give: &mut dyn FnMut(Value<'_>)) {
        self.question.request.header(name).into_iter().for_each(|text| give(Value::Text(text.as_bytes())));
    }

    fn query(&self, name: &str, give: &mut dyn FnMut(Value<'_>)) {
        self.question.request.query(name).into_iter().for_each(|text| give(Value::Text(text.as_bytes())));
    }

    fn principal(&self, key: Key, suffix: &str, give: &mut dyn FnMut(Value<'_>)) {
        let Subject::User { tenant, admin, .. } = *self.question.subject else {
            if key == Key::PrincipalType {
                give(Value::Text(b"Anonymous"));
            }
            return;
        };
        let mut text = |text: Option<&str>| text.into_iter().for_each(|text| give(Value::Text(text.as_bytes())));
        match key {
            Key::PrincipalAccount => text(Some(&account_id(tenant))),
            Key::PrincipalType => text(Some(if admin && self.username().is_none() { "Account" } else { "User" })),
            Key::Username => text(self.username()),
            Key::UserId => text(self.identity.map(Identity::user_id)),
            Key::PrincipalArn => text(self.identity.map(Identity::arn)),
            _ => text(self.identity.and_then(|identity| identity.tag(suffix))),
        }
    }

    fn username(&self) -> Option<&str> {
        self.identity.and_then(Identity::username)
    }

    /// Keys about how the request came and was signed.
    fn connection(&self, key: Key, give: &mut dyn FnMut(Value<'_>)) {
        let context = self.question.context;
        let authentication = &context.authentication;
        let mut text = |text: Option<&str>| text.into_iter().for_each(|text| give(Value::Text(text.as_bytes())));
        match key {
            Key::SourceIp => give(Value::Address(context.source_ip)),
            Key::SecureTransport => give(Value::Bool(context.secure_transport)),
            Key::CurrentTime => give(Value::Time(context.now)),
            Key::EpochTime => give(Value::Number(i64::try_from(context.now.secs()).unwrap_or(i64::MAX))),
            Key::S3AuthType => text(authentication.kind),
            Key::S3SignatureVersion => text(authentication.version),
            Key::S3TlsVersion => text(context.tls_version),
            _ => {
                if let Some(signed) = authentication.signed_at {
                    let age = context.now.0.saturating_sub(signed.0) / MICROS_PER_MILLI;
                    give(Value::Number(i64::try_from(age).unwrap_or(i64::MAX)));
                }
            }
        }
    }

    fn tags(&self, key: Key, suffix: &str, give: &mut dyn FnMut(Value<'_>)) -> Result<(), Unavailable> {
        let mut each = |(name, value): &(String, String)| match key {
            Key::S3RequestObjectTagKeys => give(Value::Text(name.as_bytes())),
            _ if name == suffix => give(Value::Text(value.as_bytes())),
            _ => {}
        };
        if key == Key::S3ExistingObjectTag {
            let object = self.object().map_err(|_| Unavailable)?;
            object.into_iter().for_each(|object| object.tags.iter().for_each(&mut each));
            return Ok(());
        }
        // Tags that are none are refused by the operation; until then nobody knows what they say.
        let tags = self.question.request.tags().map_err(|_| Unavailable)?;
        tags.iter().for_each(each);
        Ok(())
    }

    /// Whether `s3:PutObject` makes an object now: beginning an upload and sending a part of it do not, and take no
    /// If-None-Match, so policies that require one spare them by this.
    fn creation(&self, give: &mut dyn FnMut(Value<'_>)) {
        if self.question.action == Action::PUT_OBJECT {
            let asked = |name| self.question.request.query(name).is_some();
            give(Value::Bool(!asked("uploads") && !asked("partNumber")));
        }
    }

    fn remaining_retention_days(&self, give: &mut dyn FnMut(Value<'_>)) -> Result<(), Unavailable> {
        let Some(until) = self.question.request.header("x-amz-object-lock-retain-until-date") else { return Ok(()) };
        let until = policy::moment_of(until).ok_or(Unavailable)?;
        let now = i64::try_from(self.question.context.now.0).map_err(|_| Unavailable)?;
        give(Value::Number((until - now).div_euclid(MICROS_PER_DAY)));
        Ok(())
    }
}

/// A tenant's number in the form of an AWS account id.
pub(crate) fn account_id(tenant: TenantId) -> String {
    format!("{:012}", tenant.0)
}

impl Facts for QuestionFacts<'_> {
    fn values(&self, key: Key, suffix: &str, give: &mut dyn FnMut(Value<'_>)) -> Result<(), Unavailable> {
        let resource = &self.question.resource;
        match key {
            Key::SourceIp
            | Key::SecureTransport
            | Key::CurrentTime
            | Key::EpochTime
            | Key::S3AuthType
            | Key::S3SignatureAge
            | Key::S3SignatureVersion
            | Key::S3TlsVersion => self.connection(key, give),
            Key::Username
            | Key::UserId
            | Key::PrincipalArn
            | Key::PrincipalAccount
            | Key::PrincipalType
            | Key::PrincipalTag => self.principal(key, suffix, give),
            Key::ResourceAccount | Key::S3ResourceAccount => {
                if resource.bucket.is_some() {
                    give(Value::Text(account_id(resource.tenant).as_bytes()));
                }
            }
            Key::RequestedRegion => {
                let region = resource.bucket.and_then(|bucket| bucket.region.as_deref());
                give(Value::Text(region.unwrap_or(self.question.context.region).as_bytes()));
            }
            // No service of Amazon's calls here.
            Key::ViaAwsService | Key::PrincipalIsAwsService => give(Value::Bool(false)),
            Key::S3ExistingObjectTag | Key::S3RequestObjectTag | Key::S3RequestObjectTagKeys => {
                return self.tags(key, suffix, give);
            }
            Key::S3LocationConstraint => {
                let named = self.question.request.location_constraint().map_err(|_| Unavailable)?;
                named.into_iter().for_each(|region| give(Value::Text(region.as_bytes())));
            }
            Key::S3XAmzCopySource => {
                let source = self.question.request.copy_source().map_err(|_| Unavailable)?;
                source.into_iter().for_each(|source| give(Value::Text(&source)));
            }
            Key::S3ObjectCreationOperation => self.creation(give),
            // Only a star keeps what is there. Amazon takes nothing else, and a policy that requires the header relies on it.
            Key::S3IfNoneMatch => {
                let star = self.question.request.header("if-none-match").filter(|value| value.trim() == "*");
                star.into_iter().for_each(|text| give(Value::Text(text.trim().as_bytes())));
            }
            Key::S3ObjectLockRemainingRetentionDays => return self.remaining_retention_days(give),
            _ => {
                if let Some(name) = query_of(key) {
                    self.query(name, give);
                } else if let Some(name) = header_of(key) {
                    self.header(name, give);
                }
            }
        }
        Ok(())
    }
}

fn query_of(key: Key) -> Option<&'static str> {
    Some(match key {
        Key::S3Prefix => "prefix",
        Key::S3Delimiter => "delimiter",
        Key::S3MaxKeys => "max-keys",
        Key::S3VersionId => "versionId",
        _ => return None,
    })
}

fn header_of(key: Key) -> Option<&'static str> {
    Some(match key {
        Key::UserAgent => "user-agent",
        Key::Referer => "referer",
        Key::S3XAmzAcl => "x-amz-acl",
        Key::S3XAmzGrantFullControl => "x-amz-grant-full-control",
        Key::S3XAmzGrantRead => "x-amz-grant-read",
        Key::S3XAmzGrantReadAcp => "x-amz-grant-read-acp",
        Key::S3XAmzGrantWrite => "x-amz-grant-write",
        Key::S3XAmzGrantWriteAcp => "x-amz-grant-write-acp",
        Key::S3XAmzMetadataDirective => "x-amz-metadata-directive",
        Key::S3XAmzStorageClass => "x-amz-storage-class",
        Key::S3XAmzServerSideEncryption => "x-amz-server-side-encryption",
        Key::S3XAmzServerSideEncryptionAwsKmsKeyId => "x-amz-server-side-encryption-aws-kms-key-id",
        Key::S3XAmzServerSideEncryptionCustomerAlgorithm => "x-amz-server-side-encryption-customer-algorithm",
        Key::S3XAmzWebsiteRedirectLocation => "x-amz-website-redirect-location",
        Key::S3XAmzContentSha256 => "x-amz-content-sha256",
        Key::S3XAmzObjectOwnership => "x-amz-object-ownership",
        Key::S3ObjectLockMode => "x-amz-object-lock-mode",
        Key::S3ObjectLockRetainUntilDate => "x-amz-object-lock-retain-until-date",
        Key::S3ObjectLockLegalHold => "x-amz-object-lock-legal-hold",
        Key::S3IfMatch => "if-match",
        _ => return None,
    })
}
