//! The policy document of a form upload (AWS, "Browser-based uploads using POST: POST policy").
//!
//! Belongs here: reading the document, checking the fields of a form against it, in AWS's words. Does not belong here:
//! its signature (`auth::post`), bucket policies.

use panthera_base::{ErrorCode, S3Error, S3Result, Timestamp};
use serde_json::Value;

use crate::auth::parse_iso8601;
use crate::checksum::base64;

/// A policy document that has been read. Values are compared as bytes, names without regard to case.
#[derive(Clone, Debug)]
pub struct Policy {
    expiration: Timestamp,
    conditions: Vec<Condition>,
    length: Option<(u64, u64)>,
}

#[derive(Clone, Debug)]
struct Condition {
    prefix: bool,
    /// Lower-case, without `$`.
    name: String,
    value: String,
}

fn invalid(what: impl AsRef<str>) -> S3Error {
    S3Error::with_message(ErrorCode::InvalidPolicyDocument, format!("Invalid Policy: {}", what.as_ref()))
}

fn denied(what: impl AsRef<str>) -> S3Error {
    S3Error::with_message(ErrorCode::AccessDenied, format!("Invalid according to Policy: {}", what.as_ref()))
}

impl Policy {
    /// Reads the document from the form's `policy` field. InvalidPolicyDocument says what is wrong with it.
    pub fn parse(field: &str) -> S3Result<Self> {
        // Forms made by hand break the lines of their base64.
        let packed: String = field.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let bytes = base64::decode(&packed).ok_or_else(|| invalid("Invalid Base64."))?;
        let Ok(Value::Object(document)) = serde_json::from_slice(&bytes) else {
            return Err(invalid("Invalid JSON."));
        };
        if let Some(other) = document.keys().find(|key| !matches!(key.as_str(), "expiration" | "conditions")) {
            return Err(invalid(format!("Unexpected: '{other}'")));
        }
        let expiration = match document.get("expiration") {
            None => return Err(invalid("Policy missing expiration.")),
            Some(Value::String(text)) => {
                parse_iso8601(text).ok_or_else(|| invalid(format!("Invalid 'expiration' value: '{text}'")))?
            }
            Some(other) => return Err(invalid(format!("Invalid 'expiration' value: '{other}'"))),
        };
        let Some(Value::Array(list)) = document.get("conditions") else {
            return Err(invalid("Policy missing conditions."));
        };
        let mut policy = Self { expiration, conditions: Vec::with_capacity(list.len()), length: None };
        for entry in list {
            policy.add(entry)?;
        }
        Ok(policy)
    }

    fn add(&mut self, entry: &Value) -> S3Result<()> {
        match entry {
            Value::Object(pair) => {
                let mut pairs = pair.iter();
                let (Some((name, value)), None) = (pairs.next(), pairs.next()) else {
                    let why = "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.";
                    return Err(invalid(why));
                };
                let Value::String(value) = value else {
                    return Err(invalid("Invalid Simple-Condition: value must be a string."));
                };
                self.condition(false, name, value);
                Ok(())
            }
            Value::Array(parts) => self.add_list(parts),
            _ => Err(invalid("Invalid Condition: a condition must be an object or an array.")),
        }
    }

    fn add_list(&mut self, parts: &[Value]) -> S3Result<()> {
        let [Value::String(operation), first, second] = parts else {
            return Err(invalid("Invalid Condition: expecting an operation and two arguments."));
        };
        let operation = operation.to_ascii_lowercase();
        if operation == "content-length-range" {
            let (Some(low), Some(high)) = (length(first), length(second)) else {
                return Err(invalid("Invalid content-length-range: expecting two non-negative integers."));
            };
            let (old_low, old_high) = self.length.unwrap_or((0, u64::MAX));
            self.length = Some((low.max(old_low), high.min(old_high)));
            return Ok(());
        }
        let prefix = match operation.as_str() {
            "eq" => false,
            "starts-with" => true,
            _ => return Err(invalid(format!("Invalid Condition: unknown operation '{operation}'."))),
        };
        match (first, second) {
            (Value::String(name), Value::String(value)) if name.starts_with('$') => {
                self.condition(prefix, &name[1..], value);
                Ok(())
            }
            _ => Err(invalid(format!("Invalid {operation} condition: expecting \"$field\" and a string."))),
        }
    }

    fn condition(&mut self, prefix: bool, name: &str, value: &str) {
        self.conditions.push(Condition { prefix, name: name.to_ascii_lowercase(), value: value.to_owned() });
    }

    /// Checks expiration and conditions. `fields` are the form's before the file, names in any case, `${filename}`
    /// already substituted; `bucket` is the one the request is for. AccessDenied says which condition failed.
    pub fn check(&self, fields: &[(String, Vec<u8>)], bucket: &str, now: Timestamp) -> S3Result<()> {
        if now >= self.expiration {
            return Err(denied("Policy expired."));
        }
        for condition in &self.conditions {
            // A field that is not there is an empty one: AWS lets `starts-with ""` make a field optional.
            let value = match condition.name.as_str() {
                "bucket" => bucket.as_bytes(),
                name => fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or(&b""[..], |(_, v)| v),
            };
            if !condition.holds(value) {
                return Err(denied(format!("Policy Condition failed: {condition}")));
            }
        }
        let names = fields.iter().map(|(name, _)| name.to_ascii_lowercase());
        let extra: Vec<String> = std::iter::once("bucket".to_owned())
            .chain(names.filter(|name| name != "bucket" && !exempt(name)))
            .filter(|name| !self.conditions.iter().any(|c| c.name == *name))
            .collect();
        if !extra.is_empty() {
            return Err(denied(format!("Extra input fields: {}", extra.join(", "))));
        }
        Ok(())
    }

    /// The smallest and largest size of the file, both inclusive.
    pub fn content_length_range(&self) -> Option<(u64, u64)> {
        self.length
    }

    /// Checks the size of the whole file against `content-length-range`; EntityTooSmall or EntityTooLarge.
    pub fn check_length(&self, file_bytes: u64) -> S3Result<()> {
        match self.length {
            Some((low, _)) if file_bytes < low => Err(S3Error::new(ErrorCode::EntityTooSmall)
                .field("ProposedSize", file_bytes.to_string())
                .field("MinSizeAllowed", low.to_string())),
            Some((_, high)) if file_bytes > high => Err(S3Error::new(ErrorCode::EntityTooLarge)
                .field("ProposedSize", file_bytes.to_string())
                .field("MaxSizeAllowed", high.to_string())),
            _ => Ok(()),
        }
    }
}

/// Fields that need no condition: AWS's list, and checksums, which can only make an upload stricter.
fn exempt(name: &str) -> bool {
    matches!(name, "file" | "policy" | "signature" | "awsaccesskeyid" | "x-amz-signature")
        || name.starts_with("x-ignore-")
        || name.starts_with("x-amz-checksum-")
}

/// A length of `content-length-range`: a number, or digits in quotes as old forms have them.
fn length(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

impl Condition {
    fn holds(&self, value: &[u8]) -> bool {
        match (self.prefix, self.name.as_str()) {
            (false, _) => value == self.value.as_bytes(),
            // "Content-Types values for a starts-with condition that include commas are interpreted as lists."
            (true, "content-type") => {
                value.split(|b| *b == b',').all(|item| item.trim_ascii_start().starts_with(self.value.as_bytes()))
            }
            (true, _) => value.starts_with(self.value.as_bytes()),
        }
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let operation = if self.prefix { "starts-with" } else { "eq" };
        let quoted = |text: &str| Value::String(text.to_owned()).to_string();
        write!(f, "[\"{operation}\", {}, {}]", quoted(&format!("${}", self.name)), quoted(&self.value))
    }
}
