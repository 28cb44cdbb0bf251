//! Values of condition keys. Belongs here: their types, as text, as numbers, moments and addresses. Not here: operators.

use std::borrow::Cow;
use std::net::IpAddr;

use panthera_base::Timestamp;

const DAY_SECS: i64 = 86_400;
const MICROS: i64 = 1_000_000;

/// One value of a condition key: typed where the gateway knows the type, so that nothing is written out to be read again.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Value<'a> {
    /// What a client or a record says; keys and headers need not be UTF-8.
    Text(&'a [u8]),
    /// `true` or `false`.
    Bool(bool),
    /// A whole number; for date operators, seconds since 1970.
    Number(i64),
    /// A moment.
    Time(Timestamp),
    /// An address.
    Address(IpAddr),
}

/// Calls with the value as Amazon writes it.
pub(super) fn with_text<R>(value: &Value<'_>, call: impl FnOnce(&[u8]) -> R) -> R {
    let text: Cow<'_, [u8]> = match value {
        Value::Text(text) => Cow::Borrowed(text),
        Value::Bool(true) => Cow::Borrowed(b"true"),
        Value::Bool(false) => Cow::Borrowed(b"false"),
        Value::Number(number) => Cow::Owned(number.to_string().into_bytes()),
        Value::Time(time) => Cow::Owned(date_text(*time).into_bytes()),
        Value::Address(address) => Cow::Owned(address.to_canonical().to_string().into_bytes()),
    };
    call(&text)
}

/// A number: an optional sign, digits, perhaps a fraction. `None` for what is none.
pub(super) fn number(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Number(number) => Some(*number as f64),
        Value::Text(text) => {
            let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
            let digits = |part: &[u8]| (1..=18).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
            let dot = unsigned.iter().position(|&b| b == b'.');
            let fits = match dot {
                None => digits(unsigned),
                Some(at) => digits(&unsigned[..at]) && digits(&unsigned[at + 1..]),
            };
            if fits { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
        }
        _ => None,
    }
}

/// Microseconds since 1970.
pub(super) fn moment(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Time(time) => i64::try_from(time.0).ok(),
        Value::Number(seconds) => seconds.checked_mul(MICROS),
        Value::Text(text) => date(text),
        _ => None,
    }
}

/// An address; an IPv4 address written in IPv6 is the IPv4 address.
pub(super) fn address(value: &Value<'_>) -> Option<IpAddr> {
    match value {
        Value::Address(address) => Some(address.to_canonical()),
        Value::Text(text) => std::str::from_utf8(text).ok()?.parse::<IpAddr>().ok().map(|ip| ip.to_canonical()),
        _ => None,
    }
}

/// `2015-11-05T23:59:59Z`, also with a fraction of a second; or seconds since 1970.
fn date(text: &[u8]) -> Option<i64> {
    let digits = |part: &[u8]| -> Option<i64> {
        let all = !part.is_empty() && part.len() <= 12 && part.iter().all(u8::is_ascii_digit);
        if all { std::str::from_utf8(part).ok()?.parse().ok() } else { None }
    };
    if let Some(seconds) = digits(text) {
        return seconds.checked_mul(MICROS);
    }
    let (head, rest) = text.split_first_chunk::<19>()?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|&(at, mark)| head[at] != mark) {
        return None;
    }
    let [year, month, day, hour, minute, second] =
        [(0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19)].map(|(from, to)| digits(&head[from..to]));
    let (year, month, day) = (year?, month?, day?);
    let (hour, minute, second) = (hour?, minute?, second?);
    let fits = (1..=12).contains(&month) && (1..=month_days(year, month)).contains(&day);
    if !fits || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros = match rest.strip_suffix(b"Z")? {
        b"" => 0,
        fraction => {
            let places = fraction.strip_prefix(b".").filter(|places| (1..=9).contains(&places.len()))?;
            digits(places)?;
            (0..6).fold(0, |sum, at| sum * 10 + i64::from(places.get(at).map_or(0, |digit| digit - b'0')))
        }
    };
    let seconds = days_from_civil(year, month, day) * DAY_SECS + hour * 3600 + minute * 60 + second;
    Some(seconds * MICROS + micros)
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 of a date, and back: years are counted from March, so that the leap day is their last day.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn date_text(time: Timestamp) -> String {
    let seconds = time.secs() as i64;
    let days = seconds.div_euclid(DAY_SECS) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days - era * 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let of_day = seconds.rem_euclid(DAY_SECS);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_written() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2026-11-25T15:20:13Z", 1_795_620_013),
            ("1999-12-31T23:59:59Z", 946_684_799),
        ] {
            assert_eq!(date(text.as_bytes()), Some(seconds * MICROS), "{text}");
            assert_eq!(date_text(Timestamp::from_secs(seconds as u64)), text);
        }
        assert_eq!(date(b"1970-01-01T00:00:00.5Z"), Some(500_000));
        assert_eq!(date(b"12"), Some(12 * MICROS));
        for bad in ["", "2001-02-29T00:00:00Z", "2001-01-01", "2001-01-01T24:00:00Z", "2001-01-01T00:00:00", "1e3"] {
            assert_eq!(date(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn only_plain_decimals_are_numbers() {
        for (text, number_of) in [("10", 10.0), ("-1.5", -1.5), ("+7", 7.0)] {
            assert_eq!(number(&Value::Text(text.as_bytes())), Some(number_of));
        }
        for bad in ["", "-", "1e3", "inf", "nan", "1.", ".5", " 1", "1234567890123456789"] {
            assert_eq!(number(&Value::Text(bad.as_bytes())), None, "{bad}");
        }
    }
}
