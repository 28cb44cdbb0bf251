//! Dates on the wire: the HTTP date of headers (three forms read, IMF-fixdate written) and the ISO 8601 of documents.
//!
//! Belongs here: calendar arithmetic and formatting into buffers. Does not belong here: the present moment.

use panthera_base::Timestamp;

const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
const DAY_SECS: u64 = 86_400;
/// The last second both formats can write in four digits of year; later moments are written as this one.
const LAST_SECS: u64 = 253_402_300_799;

/// Year, month (1-12) and day (1-31) of a day since 1970-01-01, in the proleptic Gregorian calendar.
fn civil(days: u64) -> (u32, u8, u8) {
    // Years that start in March put the leap day last, so that month lengths are a formula (Hinnant's algorithm).
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year as u32, month as u8, day as u8)
}

fn put2(out: &mut [u8], number: u64) {
    out[0] = b'0' + (number / 10 % 10) as u8;
    out[1] = b'0' + (number % 10) as u8;
}

fn put4(out: &mut [u8], number: u64) {
    put2(&mut out[..2], number / 100);
    put2(&mut out[2..], number % 100);
}

/// `HH:MM:SS` of a second of the day.
fn put_clock(out: &mut [u8], second: u64) {
    put2(&mut out[..2], second / 3_600);
    put2(&mut out[3..5], second / 60 % 60);
    put2(&mut out[6..8], second % 60);
}

/// Appends `2026-11-21T07:00:00.000Z`.
pub fn push_iso8601(out: &mut Vec<u8>, time: Timestamp) {
    let secs = time.secs().min(LAST_SECS);
    let (year, month, day) = civil(secs / DAY_SECS);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    put4(&mut text[..4], u64::from(year));
    put2(&mut text[5..7], u64::from(month));
    put2(&mut text[8..10], u64::from(day));
    put_clock(&mut text[11..19], secs % DAY_SECS);
    let millis = time.millis() % 1_000;
    text[20] = b'0' + (millis / 100) as u8;
    put2(&mut text[21..23], millis);
    out.extend_from_slice(&text);
}

/// `2026-11-21T07:00:00.000Z`
pub fn iso8601(time: Timestamp) -> String {
    let mut out = Vec::with_capacity(24);
    push_iso8601(&mut out, time);
    String::from_utf8(out).unwrap_or_default()
}

/// `Sat, 21 Nov 2026 07:00:00 GMT` as bytes, for a header value.
pub fn http_date_bytes(time: Timestamp) -> [u8; 29] {
    let secs = time.secs().min(LAST_SECS);
    let (year, month, day) = civil(secs / DAY_SECS);
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    text[..3].copy_from_slice(DAYS[(secs / DAY_SECS % 7) as usize]);
    put2(&mut text[5..7], u64::from(day));
    text[8..11].copy_from_slice(MONTHS[usize::from(month) - 1]);
    put4(&mut text[12..16], u64::from(year));
    put_clock(&mut text[17..25], secs % DAY_SECS);
    text
}

/// `Sat, 21 Nov 2026 07:00:00 GMT`
pub fn http_date(time: Timestamp) -> String {
    http_date_bytes(time).iter().copied().map(char::from).collect()
}

/// Reads an HTTP date in any of its three forms (IMF-fixdate, RFC 850, asctime). `None` when it is none of them, or
/// before 1970.
pub fn parse_http_date(text: &str) -> Option<Timestamp> {
    let since = httpdate::parse_http_date(text.trim_matches([' ', '\t'])).ok()?.duration_since(std::time::UNIX_EPOCH);
    since.ok().map(|since| Timestamp::from_secs(since.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_written_exactly() {
        let cases = [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00.000Z"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37.000Z"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT", "2000-02-29T00:00:00.000Z"),
            (951_868_799, "Tue, 29 Feb 2000 23:59:59 GMT", "2000-02-29T23:59:59.000Z"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT", "2000-03-01T00:00:00.000Z"),
            (1_795_244_400, "Sat, 21 Nov 2026 07:00:00 GMT", "2026-11-21T07:00:00.000Z"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT", "2100-03-01T00:00:00.000Z"),
            (LAST_SECS, "Fri, 31 Dec 9999 23:59:59 GMT", "9999-12-31T23:59:59.000Z"),
            (LAST_SECS + 1, "Fri, 31 Dec 9999 23:59:59 GMT", "9999-12-31T23:59:59.000Z"),
        ];
        for (secs, http, iso) in cases {
            assert_eq!(http_date(Timestamp::from_secs(secs)), http);
            assert_eq!(iso8601(Timestamp::from_secs(secs)), iso);
        }
        assert_eq!(iso8601(Timestamp(1_795_244_400_987_654)), "2026-11-21T07:00:00.987Z");
        http_date(Timestamp(u64::MAX));
    }

    #[test]
    fn every_day_of_four_centuries_agrees_with_the_reader() {
        for day in 0..146_097 * 2 {
            let time = Timestamp::from_secs(day * DAY_SECS + day % DAY_SECS);
            assert_eq!(parse_http_date(&http_date(time)), Some(time));
        }
    }

    #[test]
    fn all_three_forms_are_read() {
        for form in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse_http_date(form), Some(Timestamp::from_secs(784_111_777)), "{form}");
        }
        for bad in [
            "",
            "now",
            "1994-11-06T08:49:37Z",
            "Sun, 06 Nov 1994 25:00:00 GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "784111777",
        ] {
            assert_eq!(parse_http_date(bad), None, "{bad}");
        }
    }
}
