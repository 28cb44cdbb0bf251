//! Signature Version 4 in headers, from the AWS General Reference and not from crates/wire: the generator must not
//! share the mistakes of what it measures. The signing key is derived once a day, not once a request.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt::Write;

type HmacSha256 = Hmac<Sha256>;

/// The literal that says the body is not part of the signature.
pub const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// The literal for an aws-chunked body without chunk signatures and with a trailer.
pub const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The hexadecimal SHA-256 of a body.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// `20130524T000000Z` of seconds since 1970 (civil date after Howard Hinnant's days algorithm).
pub fn amz_date(unix_s: u64) -> String {
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// What is signed: the canonical form's parts, already escaped and in canonical order.
#[derive(Debug)]
pub struct Canonical<'a> {
    /// `GET`, `PUT`, …
    pub method: &'a str,
    /// The path as sent.
    pub path: &'a str,
    /// The query as sent; its parameters stand in order.
    pub query: &'a str,
    /// Header names in lower case with their values, sorted by name.
    pub headers: &'a [(&'a str, &'a str)],
    /// The value of `x-amz-content-sha256`.
    pub payload: &'a str,
}

/// A key pair, with the signing key of the current day.
pub struct Signer {
    access_key: String,
    secret_key: String,
    region: String,
    day: String,
    keyed: HmacSha256,
}

fn keyed(key: &[u8]) -> HmacSha256 {
    // HMAC accepts keys of every length; the error type exists for other constructions.
    HmacSha256::new_from_slice(key).unwrap_or_else(|_| HmacSha256::new(&Default::default()))
}

fn digest(key: &[u8], text: &str) -> [u8; 32] {
    let mut mac = keyed(key);
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

impl Signer {
    /// A signer for the service `s3` in `region`.
    pub fn new(access_key: &str, secret_key: &str, region: &str) -> Self {
        Self {
            access_key: access_key.into(),
            secret_key: secret_key.into(),
            region: region.into(),
            day: String::new(),
            keyed: keyed(b""),
        }
    }

    /// The value of the `Authorization` header; `date` is the value of `x-amz-date`.
    pub fn authorization(&mut self, canonical: &Canonical<'_>, date: &str) -> String {
        let day = &date[..8];
        if self.day != day {
            let dated = digest(format!("AWS4{}", self.secret_key).as_bytes(), day);
            self.keyed = keyed(&digest(&digest(&digest(&dated, &self.region), "s3"), "aws4_request"));
            self.day = day.into();
        }
        let mut names = String::with_capacity(96);
        let mut text = String::with_capacity(512);
        let _ = write!(text, "{}\n{}\n{}\n", canonical.method, canonical.path, canonical.query);
        for (name, value) in canonical.headers {
            let _ = writeln!(text, "{name}:{value}");
            let separator = if names.is_empty() { "" } else { ";" };
            let _ = write!(names, "{separator}{name}");
        }
        let _ = write!(text, "\n{names}\n{}", canonical.payload);
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let mut mac = self.keyed.clone();
        mac.update(format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256_hex(text.as_bytes())).as_bytes());
        let signature = hex(&mac.finalize().into_bytes());
        format!("AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}", self.access_key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// The examples of the S3 API reference, "Signature Calculations for the Authorization Header".
    #[test]
    fn the_examples_of_the_reference() {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let mut signer = Signer::new("AKIAIOSFODNN7EXAMPLE", secret, "us-east-1");
        let date = "20130524T000000Z";
        let host = ("host", "examplebucket.s3.amazonaws.com");
        let hash = ("x-amz-content-sha256", EMPTY);
        let get = Canonical {
            method: "GET",
            path: "/test.txt",
            query: "",
            headers: &[host, ("range", "bytes=0-9"), hash, ("x-amz-date", date)],
            payload: EMPTY,
        };
        let signed = signer.authorization(&get, date);
        assert!(signed.ends_with("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"), "{signed}");
        let list =
            Canonical { query: "max-keys=2&prefix=J", path: "/", headers: &[host, hash, ("x-amz-date", date)], ..get };
        let signed = signer.authorization(&list, date);
        assert!(signed.ends_with("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"), "{signed}");
    }

    #[test]
    fn dates_of_leap_years_and_centuries() {
        assert_eq!(amz_date(0), "19700101T000000Z");
        assert_eq!(amz_date(1_369_353_600), "20130524T000000Z");
        assert_eq!(amz_date(951_827_696), "20000229T123456Z");
        assert_eq!(amz_date(1_709_251_199), "20240229T235959Z");
    }
}
