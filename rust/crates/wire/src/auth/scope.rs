//! The credential scope of SigV4 and the dates that go with it: `AKID/20130524/us-east-1/s3/aws4_request`.
//!
//! Belongs here: reading a scope, saying what is wrong with it in AWS's words, reading and writing basic-format dates.
//! Does not belong here: signatures.

use panthera_base::{ErrorCode, S3Error, S3Result, Timestamp};

use crate::date;

/// The only service this endpoint is.
const SERVICE: &str = "s3";
/// What ends every scope.
const TERMINATOR: &str = "aws4_request";

/// Where a credential stood: it decides the code and the beginning of the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// The Authorization header.
    Header,
    /// The query of a presigned URL.
    Query,
    /// A form field of PostObject.
    Form,
}

impl Place {
    /// The error for a credential that is wrong in this place.
    pub(super) fn malformed(self, why: impl AsRef<str>) -> S3Error {
        let why = why.as_ref();
        match self {
            Self::Header => S3Error::with_message(
                ErrorCode::AuthorizationHeaderMalformed,
                format!("The authorization header is malformed; {why}"),
            ),
            Self::Query => S3Error::with_message(
                ErrorCode::AuthorizationQueryParametersError,
                format!("Error parsing the X-Amz-Credential parameter; {why}"),
            ),
            Self::Form => S3Error::with_message(
                ErrorCode::InvalidArgument,
                format!("Error parsing the X-Amz-Credential parameter; {why}"),
            ),
        }
    }
}

/// A credential that has the right form; region, service and terminator have been checked.
#[derive(Clone, Debug)]
pub(super) struct Credential {
    text: String,
    access_key_len: usize,
    region_end: usize,
}

impl Credential {
    /// Reads `AKID/date/region/service/terminator` and checks it against the request's date and the pinned region.
    pub(super) fn parse(text: &str, amz_date: &AmzDate, region: Option<&str>, place: Place) -> S3Result<Self> {
        let mut parts = text.rsplitn(5, '/');
        let (Some(end), Some(service), Some(scope_region), Some(day), Some(access_key)) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            let expecting =
                "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".";
            return Err(place.malformed(expecting));
        };
        if access_key.is_empty() {
            return Err(place.malformed("a non-empty Access Key (AKID) must be provided in the credential."));
        }
        if day.len() != 8 || !day.bytes().all(|b| b.is_ascii_digit()) {
            return Err(place.malformed(format!(
                "incorrect date format \"{day}\". This date in the credential must be in the format \"yyyyMMdd\"."
            )));
        }
        if day.as_bytes() != amz_date.day() {
            let sent = String::from_utf8_lossy(amz_date.day()).into_owned();
            return Err(place.malformed(format!(
                "Invalid credential date \"{day}\". This date is not the same as X-Amz-Date: \"{sent}\"."
            )));
        }
        if end != TERMINATOR {
            return Err(place.malformed(format!("incorrect terminal \"{end}\". This endpoint uses \"{TERMINATOR}\".")));
        }
        if service != SERVICE {
            return Err(
                place.malformed(format!("incorrect service \"{service}\". This endpoint belongs to \"{SERVICE}\"."))
            );
        }
        if let Some(expected) = region.filter(|r| *r != scope_region) {
            let why = format!("the region '{scope_region}' is wrong; expecting '{expected}'");
            return Err(place.malformed(why).field("Region", expected));
        }
        let region_end = access_key.len() + 1 + day.len() + 1 + scope_region.len();
        Ok(Self { text: text.to_owned(), access_key_len: access_key.len(), region_end })
    }

    pub(super) fn access_key(&self) -> &str {
        &self.text[..self.access_key_len]
    }

    /// `date/region/service/terminator`
    pub(super) fn scope(&self) -> &str {
        &self.text[self.access_key_len + 1..]
    }

    pub(super) fn day(&self) -> &str {
        &self.text[self.access_key_len + 1..self.access_key_len + 9]
    }

    pub(super) fn region(&self) -> &str {
        &self.text[self.access_key_len + 10..self.region_end]
    }
}

/// A moment in the basic format of ISO 8601, `20130524T000000Z`, with the text it is signed as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AmzDate {
    text: [u8; 16],
    time: Timestamp,
}

impl AmzDate {
    /// Reads the basic format, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let text: [u8; 16] = text.as_bytes().try_into().ok()?;
        if text[8] != b'T' || text[15] != b'Z' {
            return None;
        }
        let day = (digits(&text[..4])?, digits(&text[4..6])?, digits(&text[6..8])?);
        let clock = (digits(&text[9..11])?, digits(&text[11..13])?, digits(&text[13..15])?);
        Some(Self { text, time: Timestamp::from_secs(unix_secs(day, clock)?) })
    }

    /// A moment known from an HTTP date, in the form it must have been signed in.
    pub fn from_timestamp(time: Timestamp) -> Self {
        let iso = date::iso8601(time);
        let mut text = *b"00000000T000000Z";
        for (slot, byte) in text[..15].iter_mut().zip(iso.bytes().filter(|b| !matches!(b, b'-' | b':'))) {
            *slot = byte;
        }
        Self { text, time: Timestamp::from_secs(time.secs()) }
    }

    /// The moment.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// `20130524T000000Z`
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.text
    }

    fn day(&self) -> &[u8] {
        &self.text[..8]
    }
}

fn digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u64::from(b - b'0')))
}

/// Seconds since 1970 of a moment in UTC; `None` before 1970 or when there is no such day or second.
fn unix_secs((year, month, day): (u64, u64, u64), (hour, minute, second): (u64, u64, u64)) -> Option<u64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, 28 + u64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *lengths.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    if year < 1970 || day == 0 || day > length || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let before = year - 1;
    let leaps = before / 4 - before / 100 + before / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let days = (year - 1970) * 365 + leaps + lengths[..month as usize - 1].iter().sum::<u64>() + day - 1;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

/// Reads `2007-12-01T12:00:00.000Z`, with or without the fraction: the expiration of a POST policy.
pub fn parse_iso8601(text: &str) -> Option<Timestamp> {
    let rest = text.strip_suffix('Z')?;
    let (whole, fraction) = rest.split_once('.').map_or((rest, None), |(whole, f)| (whole, Some(f)));
    if fraction.is_some_and(|f| f.is_empty() || f.len() > 9 || !f.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let b = whole.as_bytes();
    if b.len() != 19 || (b[4], b[7], b[10], b[13], b[16]) != (b'-', b'-', b'T', b':', b':') {
        return None;
    }
    let day = (digits(&b[..4])?, digits(&b[5..7])?, digits(&b[8..10])?);
    let clock = (digits(&b[11..13])?, digits(&b[14..16])?, digits(&b[17..19])?);
    unix_secs(day, clock).map(Timestamp::from_secs)
}

/// `2013-05-24T00:00:00Z`, as AWS shows times inside error documents.
pub(super) fn iso_seconds(time: Timestamp) -> String {
    let mut text = date::iso8601(time);
    text.truncate(19);
    text.push('Z');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, region: Option<&str>) -> S3Result<Credential> {
        Credential::parse(text, &AmzDate::parse("20130524T000000Z").unwrap(), region, Place::Header)
    }

    #[test]
    fn a_good_credential_is_taken_apart() {
        let c = parse("AK/ID/20130524/eu-west-1/s3/aws4_request", Some("eu-west-1")).unwrap();
        assert_eq!((c.access_key(), c.day(), c.region()), ("AK/ID", "20130524", "eu-west-1"));
        assert_eq!(c.scope(), "20130524/eu-west-1/s3/aws4_request");
    }

    #[test]
    fn each_way_to_be_wrong_has_its_message() {
        let cases = [
            ("AKID/20130524/r/s3", "the Credential is mal-formed"),
            ("/20130524/r/s3/aws4_request", "a non-empty Access Key"),
            ("A/2013052/r/s3/aws4_request", "incorrect date format \"2013052\""),
            ("A/20130523/r/s3/aws4_request", "not the same as X-Amz-Date: \"20130524\""),
            ("A/20130524/r/s3/aws5_request", "incorrect terminal \"aws5_request\""),
            ("A/20130524/r/ec2/aws4_request", "incorrect service \"ec2\""),
            ("A/20130524/r/s3/aws4_request", "the region 'r' is wrong; expecting 'eu'"),
        ];
        for (text, message) in cases {
            let error = parse(text, Some("eu")).unwrap_err();
            assert_eq!(error.code(), ErrorCode::AuthorizationHeaderMalformed);
            assert!(error.message().contains(message), "{}", error.message());
        }
        let error = parse("A/20130524/r/s3/aws4_request", Some("eu")).unwrap_err();
        assert_eq!(error.fields(), [("Region", "eu".to_owned())]);
    }

    #[test]
    fn dates_are_strict_and_round_trip() {
        let date = AmzDate::parse("20130524T000001Z").unwrap();
        assert_eq!(date.time().secs(), 1_369_353_601);
        assert_eq!(AmzDate::from_timestamp(date.time()), date);
        for day in 0..60_000_u64 {
            let made = AmzDate::from_timestamp(Timestamp::from_secs(day * 86_400 + day));
            assert_eq!(AmzDate::parse(std::str::from_utf8(made.as_bytes()).unwrap()), Some(made));
        }
        for bad in [
            "",
            "20130524T000000",
            "2013-05-24T00:00Z",
            "20130229T000000Z",
            "20131301T000000Z",
            "20130524T240000Z",
            "19691231T235959Z",
            "20130524t000000z",
            "2013052éT00000Z",
            "+0130524T000000Z",
        ] {
            assert_eq!(AmzDate::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn expirations_are_iso() {
        assert_eq!(parse_iso8601("2013-05-24T00:00:01.000Z"), Some(Timestamp::from_secs(1_369_353_601)));
        assert_eq!(parse_iso8601("2013-05-24T00:00:01Z"), Some(Timestamp::from_secs(1_369_353_601)));
        for bad in
            ["2013-05-24 00:00:01+00:00", "2013-05-24T00:00:01", "2013-05-24T00:00:01.Z", "2013-05-24T00:00:01.xZ"]
        {
            assert_eq!(parse_iso8601(bad), None, "{bad}");
        }
        assert_eq!(iso_seconds(Timestamp::from_secs(1_369_353_601)), "2013-05-24T00:00:01Z");
    }
}
