//! Identifiers. Numbers inside, Amazon's opaque strings on the wire.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Timestamp;

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub u32);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number_id!(
    /// A tenant: the unit of isolation. Never reused. 0 is no tenant (anonymous).
    TenantId
);
number_id!(
    /// A bucket. Never reused: deleting and recreating a name gives a new id.
    BucketId
);
number_id!(
    /// A user, unique over all tenants. Never reused. 0 is anonymous.
    UserId
);

/// The order and the birth of a version or an upload: microseconds since 1970-01-01 UTC, made strictly increasing
/// within a process. It is the version id (16 lower-case hex digits on the wire) and the Last-Modified time.
///
/// 2^63 microseconds last until the year 294 000; two gateways can produce the same ordinal for one key only when
/// they write it in the same microsecond, and the commit guard on the version row then makes one of them retry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Ordinal(pub u64);

impl Ordinal {
    /// The wire form: 16 lower-case hex digits.
    pub fn to_wire(self) -> String {
        format!("{:016x}", self.0)
    }

    /// Parses the wire form; `None` when it is not one we could have issued.
    pub fn from_wire(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != 16 || !text.bytes().all(plain) {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(Self)
    }

    /// The moment it was issued.
    pub fn timestamp(self) -> Timestamp {
        Timestamp(self.0)
    }
}

/// Issues ordinals: the clock, but never twice the same and never backwards.
#[derive(Default)]
pub struct OrdinalSource(AtomicU64);

impl OrdinalSource {
    /// Continues after `last`, the greatest ordinal already stored.
    pub fn after(last: Ordinal) -> Self {
        Self(AtomicU64::new(last.0))
    }

    /// The next ordinal at `now`.
    pub fn next(&self, now: Timestamp) -> Ordinal {
        let before = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(now.0.max(last + 1)))
            .unwrap_or_default();
        Ordinal(now.0.max(before + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_strictly_increase_even_when_the_clock_steps_back() {
        let source = OrdinalSource::default();
        let a = source.next(Timestamp(100));
        let b = source.next(Timestamp(100));
        let c = source.next(Timestamp(50));
        assert_eq!((a.0, b.0, c.0), (100, 101, 102));
    }

    #[test]
    fn wire_form_is_exact() {
        let id = Ordinal(0x0006_3a1f_22bb_0001);
        assert_eq!(Ordinal::from_wire(&id.to_wire()), Some(id));
        for bad in ["", "null", "00063A1f22bb0001", "0006", "+0063a1f22bb0001"] {
            assert_eq!(Ordinal::from_wire(bad), None, "{bad}");
        }
    }
}
