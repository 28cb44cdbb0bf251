//! Dates: what is written is read back, and the calendar agrees with counting days.

use panthera_base::Timestamp;
use panthera_wire::auth::{AmzDate, parse_iso8601};
use panthera_wire::date;

/// The last second of the year 9999: nothing later can be written.
const LAST_SECS: u64 = 253_402_300_799;

fn leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// `YYYY-MM-DD` by walking through the years.
fn day_by_walking(mut days: u64) -> String {
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    format!("{year:04}-{:02}-{:02}", month + 1, days + 1)
}

/// The first eight bytes as a moment, all of them as a text.
pub fn run(data: &[u8]) {
    let mut raw = [0; 8];
    let head = &data[..data.len().min(8)];
    raw[..head.len()].copy_from_slice(head);
    let number = u64::from_le_bytes(raw);
    for time in [Timestamp(number), Timestamp::from_secs(number % (LAST_SECS + 1))] {
        let secs = time.secs().min(LAST_SECS);
        let iso = date::iso8601(time);
        assert_eq!(iso.len(), 24);
        assert_eq!(&iso[..10], day_by_walking(secs / 86_400));
        assert_eq!(parse_iso8601(&iso), Some(Timestamp::from_secs(secs)));
        assert_eq!(date::parse_http_date(&date::http_date(time)), Some(Timestamp::from_secs(secs)));
        let amz = AmzDate::from_timestamp(Timestamp::from_secs(secs));
        let text = String::from_utf8_lossy(amz.as_bytes()).into_owned();
        assert_eq!(AmzDate::parse(&text), Some(amz));
    }
    let text = String::from_utf8_lossy(data);
    for time in [date::parse_http_date(&text), parse_iso8601(&text), AmzDate::parse(&text).map(|d| d.time())]
        .into_iter()
        .flatten()
    {
        assert!(time.secs() <= LAST_SECS + 1, "{text}: after the year 9999");
        assert_eq!(
            date::parse_http_date(&date::http_date(time)),
            Some(Timestamp::from_secs(time.secs().min(LAST_SECS)))
        );
    }
}
