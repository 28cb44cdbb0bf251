//! Conditions a tuple can carry: a small closed set, evaluated per request to true, false or unknown. No storage here;
//! the bytes of a condition are in `codec`.

use std::net::{IpAddr, Ipv6Addr};

use panthera_base::Timestamp;

use crate::error::AuthzError;

/// Most networks of one condition: an address list beyond this belongs in a policy.
pub const NETWORKS: usize = 64;
const DAY_MINUTES: u16 = 24 * 60;
const ALL_WEEKDAYS: u8 = 0b111_1111;

/// A network: address and length of its prefix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Network {
    /// Any address inside.
    pub address: IpAddr,
    /// How many leading bits count.
    pub bits: u8,
}

impl Network {
    /// Whether the address lies inside. An IPv4 address written in IPv6 (`::ffff:a.b.c.d`) is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let wide = |ip: IpAddr| match ip {
            IpAddr::V4(v4) => (true, u128::from(u32::from(v4)) << 96),
            IpAddr::V6(v6) => (false, u128::from(v6)),
        };
        let ((four, net), (also, asked)) = (wide(self.address), wide(plain(address)));
        four == also && (self.bits == 0 || (net ^ asked) >> (128 - u32::from(self.bits.min(128))) == 0)
    }

    fn width(&self) -> u8 {
        if self.address.is_ipv4() { 32 } else { 128 }
    }
}

fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => Ipv6Addr::to_ipv4_mapped(&v6).map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// A part of the day, in UTC, on some days of the week.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Window {
    /// Bit 0 is Monday.
    pub weekdays: u8,
    /// First minute of the day.
    pub from_minute: u16,
    /// First minute no longer inside; not above `from_minute` means over midnight, counted to the day it began.
    pub to_minute: u16,
}

impl Window {
    /// Whether the moment lies inside.
    pub fn contains(&self, now: Timestamp) -> bool {
        let minutes = now.secs() / 60;
        let minute = (minutes % u64::from(DAY_MINUTES)) as u16;
        // 1970-01-01 was a Thursday: day 3 of a week that begins on Monday.
        let today = ((minutes / u64::from(DAY_MINUTES) + 3) % 7) as u8;
        let on = |day: u8| self.weekdays & 1 << day != 0;
        if self.from_minute < self.to_minute {
            on(today) && (self.from_minute..self.to_minute).contains(&minute)
        } else {
            (on(today) && minute >= self.from_minute) || (on((today + 6) % 7) && minute < self.to_minute)
        }
    }
}

/// What must be true of a request. All parts that are set must hold.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Condition {
    /// The source address lies in one of them; empty means anywhere.
    pub networks: Vec<Network>,
    /// The moment lies in it.
    pub window: Option<Window>,
    /// The request came over TLS.
    pub tls: bool,
    /// The subject proved a second factor at most this many seconds ago.
    pub mfa_secs: Option<u32>,
}

/// What is known of a request. `None` is "not known", which never makes a condition true.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// Where it came from, after trusted proxies.
    pub source_ip: Option<IpAddr>,
    /// Over TLS.
    pub tls: Option<bool>,
    /// When the second factor was proved; `Some(None)` is "known to be without".
    pub mfa_at: Option<Option<Timestamp>>,
}

/// True, false, or not to be known from this request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tri {
    /// Holds.
    True,
    /// Does not hold.
    False,
    /// A fact is missing.
    Unknown,
}

impl Condition {
    /// Whether it makes sense; the message says what would.
    pub fn validate(&self) -> Result<(), AuthzError> {
        let invalid = |text: String| Err(AuthzError::Invalid(text));
        if *self == Self::default() {
            return invalid("a condition has a network, a time window, TLS or MFA".into());
        }
        if self.networks.len() > NETWORKS {
            return invalid(format!("a condition with {} networks; {NETWORKS} can be", self.networks.len()));
        }
        if let Some(bad) = self.networks.iter().find(|n| n.bits > n.width()) {
            return invalid(format!("{}/{}: at most /{}", bad.address, bad.bits, bad.width()));
        }
        match self.window {
            Some(w) if w.from_minute >= DAY_MINUTES || w.to_minute > DAY_MINUTES => {
                invalid(format!("a time window lies within minutes 0 to {DAY_MINUTES}"))
            }
            Some(w) if w.weekdays == 0 || w.weekdays > ALL_WEEKDAYS => invalid("a time window has weekdays".into()),
            _ => Ok(()),
        }
    }

    /// Evaluates; false wins over unknown, because one part that fails decides.
    pub(crate) fn evaluate(&self, now: Timestamp, facts: &Facts) -> Tri {
        let known = |fact: Option<bool>| match fact {
            Some(true) => Tri::True,
            Some(false) => Tri::False,
            None => Tri::Unknown,
        };
        let mut parts = [Tri::True; 4];
        if !self.networks.is_empty() {
            parts[0] = known(facts.source_ip.map(|ip| self.networks.iter().any(|n| n.contains(ip))));
        }
        if let Some(window) = self.window {
            parts[1] = known(Some(window.contains(now)));
        }
        if self.tls {
            parts[2] = known(facts.tls);
        }
        if let Some(secs) = self.mfa_secs {
            // A proof from the future is a broken clock, not a fresh proof.
            let fresh = |at: Timestamp| at <= now && now.0 - at.0 <= u64::from(secs) * 1_000_000;
            parts[3] = known(facts.mfa_at.map(|at| at.is_some_and(fresh)));
        }
        if parts.contains(&Tri::False) {
            Tri::False
        } else if parts.contains(&Tri::Unknown) {
            Tri::Unknown
        } else {
            Tri::True
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str, bits: u8) -> Network {
        Network { address: text.parse().unwrap(), bits }
    }

    #[test]
    fn networks_contain_what_shares_their_bits() {
        let inside = |n: Network, ip: &str| n.contains(ip.parse().unwrap());
        assert!(inside(net("10.0.0.0", 8), "10.255.0.1") && !inside(net("10.0.0.0", 8), "11.0.0.0"));
        assert!(inside(net("10.0.0.0", 8), "::ffff:10.1.2.3"), "IPv4 in IPv6 clothes");
        assert!(!inside(net("::", 0), "10.0.0.1") && inside(net("0.0.0.0", 0), "1.2.3.4"));
        assert!(inside(net("2001:db8::", 32), "2001:db8:ff::1") && !inside(net("2001:db8::", 32), "2001:db9::"));
        assert!(inside(net("1.2.3.4", 32), "1.2.3.4") && !inside(net("1.2.3.4", 32), "1.2.3.5"));
    }

    #[test]
    fn a_window_over_midnight_counts_to_the_day_it_began() {
        let thursday = |minute: u64| Timestamp::from_secs(minute * 60);
        let night = Window { weekdays: 1 << 3, from_minute: 22 * 60, to_minute: 6 * 60 };
        assert!(night.contains(thursday(23 * 60)) && !night.contains(thursday(5 * 60)));
        assert!(night.contains(thursday((24 + 5) * 60)) && !night.contains(thursday((24 + 6) * 60)));
        let day = Window { weekdays: ALL_WEEKDAYS, from_minute: 8 * 60, to_minute: 9 * 60 };
        assert!(day.contains(thursday(8 * 60)) && !day.contains(thursday(9 * 60)));
    }

    #[test]
    fn false_decides_and_what_is_missing_is_unknown() {
        let both = Condition { tls: true, networks: vec![net("10.0.0.0", 8)], ..Condition::default() };
        let facts = |tls| Facts { tls, ..Facts::default() };
        assert_eq!(both.evaluate(Timestamp(0), &facts(Some(false))), Tri::False);
        assert_eq!(both.evaluate(Timestamp(0), &facts(Some(true))), Tri::Unknown);
        let mfa = Condition { mfa_secs: Some(60), ..Condition::default() };
        let proved = |at| Facts { mfa_at: Some(at), ..Facts::default() };
        assert_eq!(mfa.evaluate(Timestamp::from_secs(61), &proved(Some(Timestamp::from_secs(1)))), Tri::True);
        assert_eq!(mfa.evaluate(Timestamp::from_secs(62), &proved(Some(Timestamp::from_secs(1)))), Tri::False);
        assert_eq!(mfa.evaluate(Timestamp::from_secs(1), &proved(Some(Timestamp::from_secs(2)))), Tri::False);
        assert_eq!(mfa.evaluate(Timestamp::from_secs(1), &proved(None)), Tri::False);
    }

    #[test]
    fn senseless_conditions_are_refused() {
        let network = |n| Condition { networks: vec![n], ..Condition::default() };
        let window = |weekdays, from_minute, to_minute| Condition {
            window: Some(Window { weekdays, from_minute, to_minute }),
            ..Condition::default()
        };
        for bad in [
            Condition::default(),
            network(net("1.2.3.4", 33)),
            window(0, 0, 5),
            window(128, 0, 5),
            window(1, 1440, 5),
            window(1, 0, 1441),
            Condition { networks: vec![net("::", 0); NETWORKS + 1], ..Condition::default() },
        ] {
            assert!(bad.validate().is_err(), "{bad:?}");
        }
        assert!(Condition { networks: vec![net("::", 0); NETWORKS], ..Condition::default() }.validate().is_ok());
        assert!(window(1, 1439, 1440).validate().is_ok());
    }
}
