//! Step 4: from a claim to a caller.
//!
//! Belongs here: looking up the credential a request names, and what may be wrong with it. Does not belong here:
//! signatures (crate `wire`), what the caller may do (crate `authz`).

use panthera_authz::Subject;
use panthera_base::{ErrorCode, S3Error, S3Result, Timestamp, UserId};
use panthera_meta::records::CredentialRecord;
use panthera_meta::{Snapshot, keys};
use panthera_object::api::Caller;
use panthera_wire::auth::{self, AuthPolicy, BodyAuth, Claim, Head, SignatureVersion, SigningKeys, post};

/// Who sent a request.
#[derive(Debug)]
pub struct Identity {
    /// For authorization and for what the operation writes down.
    pub caller: Caller,
    /// Signature version and where it stood, for the access log.
    pub how: Option<(SignatureVersion, &'static str)>,
    /// When it was signed, as the signature says.
    pub signed_at: Option<Timestamp>,
}

/// What verification needs beside the request.
pub struct Verifier {
    /// What the operator accepts.
    pub policy: AuthPolicy,
    /// Derived keys.
    pub keys: SigningKeys,
}

impl Identity {
    /// Nobody signed.
    pub fn anonymous() -> Self {
        let caller = Caller {
            subject: Subject::Anonymous,
            user: UserId(0),
            canonical_id: String::new(),
            display_name: String::new(),
        };
        Self { caller, how: None, signed_at: None }
    }

    /// AccessDenied for a presigned URL whose signature does not cover which operation it is: whoever was given one
    /// could turn it into another. Headers signed so are the sender's own.
    pub fn signed_for<'a>(&self, mut words: impl Iterator<Item = &'a str>) -> S3Result<()> {
        let old = matches!(self.how, Some((SignatureVersion::V2, "QueryString")));
        match words.find(|word| old && !auth::sigv2_covers(word)) {
            None => Ok(()),
            Some(word) => Err(S3Error::new(ErrorCode::AccessDenied).field("ParametersNotSigned", word)),
        }
    }

    fn of(record: CredentialRecord, how: (SignatureVersion, &'static str), signed_at: Option<Timestamp>) -> Self {
        let caller = Caller {
            subject: Subject::User {
                tenant: record.tenant,
                user: record.user,
                admin: record.tenant_admin || record.root,
            },
            user: record.user,
            canonical_id: panthera_wire::hex::encode(&record.canonical_id),
            display_name: record.display_name.unwrap_or_default(),
        };
        Self { caller, how: Some(how), signed_at }
    }
}

impl Verifier {
    /// The sender of a request that is signed in its head, or not at all, and how its body is protected.
    pub fn request(&self, snapshot: &dyn Snapshot, head: &Head<'_>, now: Timestamp) -> S3Result<(Identity, BodyAuth)> {
        let claim = match auth::claim(head, now, &self.policy)? {
            Claim::Anonymous => return Ok((Identity::anonymous(), auth::unsigned_body(head.headers)?)),
            Claim::Signed(claim) => claim,
        };
        let record = credential(snapshot, claim.access_key())?;
        let body = claim.verify(head, &record.secret_key, &self.keys)?;
        still_good(&record, claim.session_token(), now)?;
        let place = if claim.presigned() { "QueryString" } else { "AuthHeader" };
        Ok((Identity::of(record, (claim.version(), place), claim.signed_at()), body))
    }

    /// The access key that a request names, for the few that are written down with it.
    pub fn access_key(&self, head: &Head<'_>, now: Timestamp) -> Option<String> {
        match auth::claim(head, now, &self.policy) {
            Ok(Claim::Signed(claim)) => Some(claim.access_key().to_owned()),
            Ok(Claim::Anonymous) | Err(_) => None,
        }
    }

    /// The sender of a form.
    pub fn form(&self, snapshot: &dyn Snapshot, claim: &post::PostClaim, now: Timestamp) -> S3Result<Identity> {
        let post::PostClaim::Signed(claim) = claim else {
            return Ok(Identity::anonymous());
        };
        let record = credential(snapshot, claim.access_key())?;
        claim.verify(&record.secret_key, &self.keys)?;
        still_good(&record, claim.session_token(), now)?;
        Ok(Identity::of(record, (claim.version(), "-"), None))
    }
}

fn credential(snapshot: &dyn Snapshot, access_key: &str) -> S3Result<CredentialRecord> {
    let unknown = || S3Error::new(ErrorCode::InvalidAccessKeyId).field("AWSAccessKeyId", access_key);
    let row = snapshot.get(&keys::credential(access_key.as_bytes())).map_err(S3Error::internal)?;
    let record = CredentialRecord::decode(row.ok_or_else(unknown)?).map_err(S3Error::internal)?;
    // AWS answers for a deactivated key as for one that does not exist.
    if record.disabled { Err(unknown()) } else { Ok(record) }
}

/// Asked only after the signature holds: who does not know the secret learns nothing about the key's life.
fn still_good(record: &CredentialRecord, token: Option<&str>, now: Timestamp) -> S3Result<()> {
    if record.expires.is_some_and(|expires| expires <= now) {
        return Err(ErrorCode::ExpiredToken.into());
    }
    match (&record.session_token, token) {
        (None, None) => Ok(()),
        (Some(expected), Some(token)) if expected.as_slice() == token.as_bytes() => Ok(()),
        (Some(_), None) => Err(ErrorCode::InvalidAccessKeyId.into()),
        _ => Err(ErrorCode::InvalidToken.into()),
    }
}
