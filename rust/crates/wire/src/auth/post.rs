//! The signature of a form upload (PostObject), SigV4 or SigV2: over the policy as it was sent, in base64.
//!
//! Does not belong here: reading the form (`post_form`), what the policy demands (`post_form::policy`).

use hmac::Mac;
use panthera_base::S3Result;

use super::scope::{Credential, Place};
use super::{AmzDate, AuthPolicy, SignatureVersion, SigningKeys, invalid_argument};
use crate::hex;

/// What a form says about its sender.
#[derive(Clone, Debug)]
pub enum PostClaim {
    /// Nothing: neither policy nor signature.
    Anonymous,
    /// Something that has to be verified, after which the policy must be checked.
    Signed(Box<SignedPost>),
}

/// A signed policy whose form and scope are right. Its expiry is the policy's own.
#[derive(Clone, Debug)]
pub struct SignedPost {
    policy: String,
    signature: String,
    token: Option<String>,
    signer: Signer,
}

#[derive(Clone, Debug)]
enum Signer {
    V4(Credential),
    V2(String),
}

/// Fields by lower-case name; the first of a name counts (the parser refuses repeated ones).
fn field(fields: &[(String, Vec<u8>)], name: &str) -> S3Result<Option<String>> {
    match fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
        None => Ok(None),
        Some((_, value)) => match std::str::from_utf8(value) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(_) => Err(invalid_argument(format!("The form field '{name}' is not valid UTF-8."), name, "")),
        },
    }
}

fn must_contain(name: &str) -> panthera_base::S3Error {
    let message = format!(
        "Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields."
    );
    invalid_argument(message, name, "")
}

/// Reads the fields that sign a form and checks everything that needs no secret.
pub fn claim(fields: &[(String, Vec<u8>)], policy: &AuthPolicy) -> S3Result<PostClaim> {
    let get = |name| field(fields, name);
    let document = get("policy")?;
    let (v4, v2) = (get("x-amz-signature")?, get("signature")?);
    let names_key = get("x-amz-credential")?.is_some() || get("awsaccesskeyid")?.is_some();
    if document.is_none() && v4.is_none() && v2.is_none() && !names_key {
        return Ok(PostClaim::Anonymous);
    }
    let document = document.ok_or_else(|| must_contain("policy"))?;
    let token = get("x-amz-security-token")?;
    if v4.is_some() && v2.is_some() {
        let message = "Only one auth mechanism allowed; only one of X-Amz-Signature and Signature may be specified";
        return Err(invalid_argument(message, "Signature", ""));
    }
    if v4.is_some() || get("x-amz-algorithm")?.is_some() || get("x-amz-credential")?.is_some() {
        let signature = v4.ok_or_else(|| must_contain("X-Amz-Signature"))?;
        let algorithm = get("x-amz-algorithm")?.ok_or_else(|| must_contain("X-Amz-Algorithm"))?;
        match algorithm.as_str() {
            "AWS4-HMAC-SHA256" => {}
            "AWS4-ECDSA-P256-SHA256" => return Err(super::sigv4a(&algorithm)),
            _ => {
                let message = "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"";
                return Err(invalid_argument(message, "X-Amz-Algorithm", algorithm));
            }
        }
        let credential = get("x-amz-credential")?.ok_or_else(|| must_contain("X-Amz-Credential"))?;
        let date = get("x-amz-date")?.ok_or_else(|| must_contain("X-Amz-Date"))?;
        let Some(date) = AmzDate::parse(&date) else {
            let message = "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"";
            return Err(invalid_argument(message, "X-Amz-Date", date));
        };
        let credential = Credential::parse(&credential, &date, policy.region.as_deref(), Place::Form)?;
        let signer = Signer::V4(credential);
        return Ok(PostClaim::Signed(Box::new(SignedPost { policy: document, signature, token, signer })));
    }
    super::require_sigv2(policy)?;
    let access_key = get("awsaccesskeyid")?.filter(|k| !k.is_empty()).ok_or_else(|| must_contain("AWSAccessKeyId"))?;
    let signature = v2.ok_or_else(|| must_contain("Signature"))?;
    Ok(PostClaim::Signed(Box::new(SignedPost { policy: document, signature, token, signer: Signer::V2(access_key) })))
}

impl SignedPost {
    /// The access key the form names.
    pub fn access_key(&self) -> &str {
        match &self.signer {
            Signer::V4(credential) => credential.access_key(),
            Signer::V2(access_key) => access_key,
        }
    }

    /// The session token it sends, if any.
    pub fn session_token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Which version.
    pub fn version(&self) -> SignatureVersion {
        match self.signer {
            Signer::V4(_) => SignatureVersion::V4,
            Signer::V2(_) => SignatureVersion::V2,
        }
    }

    /// The policy in base64, as sent: what was signed.
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// Verifies the signature; SignatureDoesNotMatch otherwise.
    pub fn verify(&self, secret: &[u8], keys: &SigningKeys) -> S3Result<()> {
        let expected = match &self.signer {
            Signer::V4(credential) => {
                let mut mac = keys.get(credential.access_key(), secret, credential.day(), credential.region());
                mac.update(self.policy.as_bytes());
                hex::encode(&mac.finalize().into_bytes())
            }
            Signer::V2(_) => super::sigv2::sign(secret, [self.policy.as_bytes()]),
        };
        if super::same(expected.as_bytes(), self.signature.as_bytes()) {
            return Ok(());
        }
        Err(super::mismatch(self.access_key(), self.policy.as_bytes(), &self.signature, None))
    }
}
