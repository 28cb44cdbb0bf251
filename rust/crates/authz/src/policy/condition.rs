//! Condition blocks. Belongs here: what each operator, IfExists and the set qualifiers say, of present, missing and
//! unreadable values. Not here: where values come from.
//!
//! A condition: u8 operator, u8 flags (1 IfExists, 2 ForAllValues, 4 ForAnyValue), u8 key, u8 length of the suffix, the
//! suffix, u16 values, the values (`authz/policy/conditions.py`).
//!
//! Missing keys as Amazon has it: an operator that asks for equality is false, a negated one true, IfExists true,
//! ForAllValues true, ForAnyValue false. A value that the operator cannot read (a number that is none) makes the condition
//! unknown, and so do several values where one is expected: unknown denies.

use std::net::IpAddr;

use super::names::Key;
use super::pattern::{Matched, Mode, matches};
use super::reader::Reader;
use super::value::{Value, address, moment, number, with_text};
use super::{Facts, Unavailable};
use crate::model::condition::Tri;

const IF_EXISTS: u8 = 1;
const FOR_ALL: u8 = 2;
const FOR_ANY: u8 = 4;
const NULL: u8 = 27;

/// What an operator compares.
#[derive(Clone, Copy)]
enum Compare {
    Pattern(Mode),
    Number(Order),
    Date(Order),
    Binary,
    Network,
}

#[derive(Clone, Copy)]
enum Order {
    Equal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Order {
    fn holds<T: PartialOrd>(self, value: T, limit: T) -> bool {
        match self {
            Order::Equal => value == limit,
            Order::Less => value < limit,
            Order::LessEqual => value <= limit,
            Order::Greater => value > limit,
            Order::GreaterEqual => value >= limit,
        }
    }
}

/// What an operator's number means, and whether it is negated.
fn operator(number: u8) -> Option<(Compare, bool)> {
    use Compare::{Binary, Date, Network, Number, Pattern};
    let orders = [Order::Equal, Order::Equal, Order::Less, Order::LessEqual, Order::Greater, Order::GreaterEqual];
    Some(match number {
        1 | 5 => (Pattern(Mode::Text), false),
        2 | 6 => (Pattern(Mode::Text), true),
        3 | 19 => (Pattern(Mode::IgnoreCase), false),
        4 => (Pattern(Mode::IgnoreCase), true),
        7..=12 => (Number(orders[usize::from(number - 7)]), number == 8),
        13..=18 => (Date(orders[usize::from(number - 13)]), number == 14),
        20 => (Binary, false),
        21 => (Network, false),
        22 => (Network, true),
        23 | 25 => (Pattern(Mode::Arn), false),
        24 | 26 => (Pattern(Mode::Arn), true),
        _ => return None,
    })
}

/// What is known of the request's values, once all were seen.
struct Seen {
    count: u32,
    all: Tri,
    any: Tri,
}

/// Evaluates one condition. `None`: its bytes are damaged.
pub(super) fn evaluate(bytes: &[u8], facts: &dyn Facts) -> Option<Tri> {
    let mut reader = Reader(bytes);
    let &[kind, flags, key, suffix_len] = reader.array()?;
    let suffix = std::str::from_utf8(reader.bytes(suffix_len.into())?).ok()?;
    let count = reader.u16()?;
    let values = (count, reader);
    if flags & !(IF_EXISTS | FOR_ALL | FOR_ANY) != 0 {
        return None;
    }
    if kind == NULL {
        return null(values, key, suffix, facts);
    }
    let (compare, negated) = operator(kind)?;
    let mut seen = Seen { count: 0, all: Tri::True, any: Tri::False };
    let mut damaged = false;
    let answer = ask(key, suffix, facts, &mut |value| {
        let Some(verdict) = one_of(values, compare, &value, facts) else {
            damaged = true;
            return;
        };
        let verdict = if negated { not(verdict) } else { verdict };
        seen.count += 1;
        seen.all = and(seen.all, verdict);
        seen.any = or(seen.any, verdict);
    })?;
    if damaged {
        return None;
    }
    Some(match answer {
        Err(Unavailable) => Tri::Unknown,
        Ok(()) => judge(&seen, flags, negated),
    })
}

fn judge(seen: &Seen, flags: u8, negated: bool) -> Tri {
    let missing_passes = flags & (IF_EXISTS | FOR_ALL) != 0 || (negated && flags & FOR_ANY == 0);
    match seen.count {
        0 if missing_passes => Tri::True,
        0 => Tri::False,
        _ if flags & FOR_ALL != 0 => seen.all,
        _ if flags & FOR_ANY != 0 => seen.any,
        1 => seen.any,
        _ => Tri::Unknown,
    }
}

fn null((count, mut values): (u16, Reader<'_>), key: u8, suffix: &str, facts: &dyn Facts) -> Option<Tri> {
    let mut present = false;
    let answer = ask(key, suffix, facts, &mut |_| present = true)?;
    let mut holds = false;
    for _ in 0..count {
        holds |= (values.u8()? != 0) != present;
    }
    Some(match answer {
        Err(Unavailable) => Tri::Unknown,
        Ok(()) if holds => Tri::True,
        Ok(()) => Tri::False,
    })
}

/// Asks for a key's values; number 0 has none. `None`: there is no such key.
fn ask(
    number: u8,
    suffix: &str,
    facts: &dyn Facts,
    give: &mut dyn FnMut(Value<'_>),
) -> Option<Result<(), Unavailable>> {
    match number {
        0 => Some(Ok(())),
        _ => Some(facts.values(Key::from_number(number)?, suffix, give)),
    }
}

/// Whether the value fits any of the policy's values.
fn one_of(
    (count, mut values): (u16, Reader<'_>),
    compare: Compare,
    value: &Value<'_>,
    facts: &dyn Facts,
) -> Option<Tri> {
    let mut found = Tri::False;
    for _ in 0..count {
        found = or(found, fits(&mut values, compare, value, facts)?);
    }
    Some(found)
}

fn fits(values: &mut Reader<'_>, compare: Compare, value: &Value<'_>, facts: &dyn Facts) -> Option<Tri> {
    let known = |fact: Option<bool>| fact.map_or(Tri::Unknown, |holds| if holds { Tri::True } else { Tri::False });
    Some(match compare {
        Compare::Pattern(mode) => {
            let pattern = values.sized()?;
            match with_text(value, |text| matches(pattern, &text, mode, facts))? {
                Matched::Yes => Tri::True,
                Matched::No | Matched::Unresolved => Tri::False,
                Matched::Unknown => Tri::Unknown,
            }
        }
        Compare::Number(order) => {
            let limit = f64::from_le_bytes(*values.array()?);
            known(number(value).map(|number| order.holds(number, limit)))
        }
        Compare::Date(order) => {
            let limit = i64::from_le_bytes(*values.array()?);
            known(moment(value).map(|moment| order.holds(moment, limit)))
        }
        Compare::Binary => {
            let wanted = values.sized()?;
            known(Some(with_text(value, |bytes| bytes == wanted)))
        }
        Compare::Network => {
            let network: &[u8; 18] = values.array()?;
            known(address(value).map(|address| contains(network, address)))
        }
    })
}

/// u8 4 or 6, u8 bits that count, 16 bytes of address.
fn contains(network: &[u8; 18], address: IpAddr) -> bool {
    let &[version, bits, ref base @ ..] = network;
    let base = u128::from_be_bytes(*base);
    let (also, asked) = match address {
        IpAddr::V4(v4) => (4, u128::from(u32::from(v4)) << 96),
        IpAddr::V6(v6) => (6, u128::from(v6)),
    };
    version == also && (bits == 0 || (base ^ asked) >> (128 - u32::from(bits.min(128))) == 0)
}

fn not(value: Tri) -> Tri {
    match value {
        Tri::True => Tri::False,
        Tri::False => Tri::True,
        Tri::Unknown => Tri::Unknown,
    }
}

/// False decides.
pub(super) fn and(a: Tri, b: Tri) -> Tri {
    match (a, b) {
        (Tri::False, _) | (_, Tri::False) => Tri::False,
        (Tri::True, Tri::True) => Tri::True,
        _ => Tri::Unknown,
    }
}

/// True decides.
pub(super) fn or(a: Tri, b: Tri) -> Tri {
    not(and(not(a), not(b)))
}
