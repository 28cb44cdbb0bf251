//! Patterns with `*`, `?` and variables against texts. Belongs here: the tokens and the matching. Not here: which
//! condition or resource has which pattern. Time is at most length of the pattern times length of the text.
//!
//! Tokens (Python: `authz/policy/pattern.py`): 1 literal (u16 length, bytes), 2 `*`, 3 `?`, 4 variable (u8 key, u8 length
//! and bytes of the suffix, u8 0, or u8 1 with a default behind its u16 length).

use super::names::Key;
use super::reader::Reader;
use super::value::with_text;
use super::{Facts, Unavailable};

const LITERAL: u8 = 1;
const STAR: u8 = 2;
const ONE: u8 = 3;
const VARIABLE: u8 = 4;

/// Bytes put by for the values of variables: user names and tags fit.
const EXPANDED: usize = 128;

/// Colons that divide an ARN: wildcards stay between them.
const ARN_COLONS: usize = 5;

/// What a pattern says about a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Matched {
    Yes,
    No,
    /// A variable has no value: nothing is equal to it.
    Unresolved,
    /// A variable's value could not be had.
    Unknown,
}

/// How a text is compared with a pattern.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Byte for byte, wildcards match anything.
    Text,
    /// Letter case does not matter; there are no wildcards.
    IgnoreCase,
    /// Wildcards do not reach over the colons that divide an ARN.
    Arn,
}

/// A text that need not lie in one piece.
pub(super) trait Text {
    fn len(&self) -> usize;
    fn byte(&self, at: usize) -> u8;
    fn has(&self, at: usize, literal: &[u8]) -> bool;
}

impl Text for &[u8] {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn byte(&self, at: usize) -> u8 {
        self[at]
    }

    #[inline]
    fn has(&self, at: usize, literal: &[u8]) -> bool {
        self.get(at..).is_some_and(|rest| rest.starts_with(literal))
    }
}

/// `bucket`, or `bucket/key`: what an ARN says after its fifth colon.
pub(super) struct Path<'a> {
    pub(super) bucket: &'a [u8],
    pub(super) key: Option<&'a [u8]>,
}

impl Text for Path<'_> {
    fn len(&self) -> usize {
        self.bucket.len() + self.key.map_or(0, |key| 1 + key.len())
    }

    fn byte(&self, at: usize) -> u8 {
        match (at.checked_sub(self.bucket.len()), self.key) {
            (Some(0), _) => b'/',
            (Some(after), Some(key)) => key[after - 1],
            _ => self.bucket[at],
        }
    }

    fn has(&self, at: usize, literal: &[u8]) -> bool {
        literal.len() <= self.len() - at && literal.iter().enumerate().all(|(i, &b)| self.byte(at + i) == b)
    }
}

/// Of a pattern that is a literal and one `*`, as most are: whether the text matches. `None`: it is another pattern.
#[inline]
pub(super) fn begins(pattern: &[u8], text: &[u8]) -> Option<bool> {
    let mut tokens = Reader(pattern);
    let literal = tokens.u8().filter(|&kind| kind == LITERAL).and_then(|_| tokens.sized())?;
    if tokens.0 != [STAR] {
        return None;
    }
    // Two prefixes mostly part early: the first byte saves the call that compares the rest.
    Some(literal.first().is_none_or(|first| text.first() == Some(first)) && text.starts_with(literal))
}

/// Whether the text matches. `None`: the pattern's bytes are damaged.
pub(super) fn matches(pattern: &[u8], text: &impl Text, mode: Mode, facts: &dyn Facts) -> Option<Matched> {
    let mut expanded = Vec::new();
    let tokens = match has_variable(pattern)? {
        false => pattern,
        true => {
            expanded.reserve(pattern.len() + EXPANDED);
            match expand(pattern, facts, &mut expanded)? {
                Matched::Yes => &expanded,
                other => return Some(other),
            }
        }
    };
    let found = match mode {
        Mode::Text => glob(tokens, text, 0)?,
        Mode::IgnoreCase => equal_ignoring_case(tokens, text)?,
        Mode::Arn => {
            let colons = (0..text.len()).filter(|&at| text.byte(at) == b':');
            match colons.take(ARN_COLONS).enumerate().last() {
                Some((last, at)) if last + 1 == ARN_COLONS => glob(tokens, text, at + 1)?,
                _ => false,
            }
        }
    };
    Some(if found { Matched::Yes } else { Matched::No })
}

fn has_variable(pattern: &[u8]) -> Option<bool> {
    let mut tokens = Reader(pattern);
    while !tokens.is_empty() {
        match tokens.u8()? {
            LITERAL => {
                tokens.sized()?;
            }
            STAR | ONE => {}
            VARIABLE => return Some(true),
            _ => return None,
        }
    }
    Some(false)
}

/// The pattern with literals instead of variables: `Yes` when all have a value.
fn expand(pattern: &[u8], facts: &dyn Facts, out: &mut Vec<u8>) -> Option<Matched> {
    let mut tokens = Reader(pattern);
    while !tokens.is_empty() {
        match tokens.u8()? {
            LITERAL => push_literal(out, tokens.sized()?),
            kind @ (STAR | ONE) => out.push(kind),
            VARIABLE => {
                let number = tokens.u8()?;
                let suffix_len = tokens.u8()?;
                let suffix = std::str::from_utf8(tokens.bytes(suffix_len.into())?).ok()?;
                let default = match tokens.u8()? {
                    0 => None,
                    1 => Some(tokens.sized()?),
                    _ => return None,
                };
                match (push_value(out, number, suffix, facts)?, default) {
                    (Ok(Given::One), _) => {}
                    (Ok(Given::None), Some(default)) => push_literal(out, default),
                    (Ok(Given::None), None) => return Some(Matched::Unresolved),
                    (Ok(Given::TooLong) | Err(Unavailable), _) => return Some(Matched::Unknown),
                }
            }
            _ => return None,
        }
    }
    Some(Matched::Yes)
}

fn push_literal(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(LITERAL);
    out.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// What a variable has.
enum Given {
    None,
    One,
    TooLong,
}

/// Appends the value of a variable. Several values are none: Amazon does not allow such keys as variables.
fn push_value(out: &mut Vec<u8>, number: u8, suffix: &str, facts: &dyn Facts) -> Option<Result<Given, Unavailable>> {
    if number == 0 {
        return Some(Ok(Given::None));
    }
    let key = Key::from_number(number)?;
    let start = out.len();
    let (mut count, mut too_long) = (0u32, false);
    let answer = facts.values(key, suffix, &mut |value| {
        count += 1;
        if count == 1 {
            with_text(&value, |text| match u16::try_from(text.len()) {
                Ok(_) => push_literal(out, text),
                Err(_) => too_long = true,
            });
        }
    });
    if count != 1 {
        out.truncate(start);
    }
    Some(answer.map(|()| match count {
        1 if too_long => Given::TooLong,
        1 => Given::One,
        _ => Given::None,
    }))
}

/// Matches tokens without variables. Bytes before `fence` that are colons are matched by literals only.
fn glob(tokens: &[u8], text: &impl Text, fence: usize) -> Option<bool> {
    let walled = |at: usize| at < fence && text.byte(at) == b':';
    let (mut at, mut rest) = (0, Reader(tokens));
    // After the last `*`: the tokens behind it, and where in the text they were last tried.
    let mut retry: Option<(Reader<'_>, usize)> = None;
    loop {
        let ahead = match rest.0.first() {
            None if at == text.len() => return Some(true),
            None => false,
            Some(&STAR) => {
                rest.u8()?;
                if rest.is_empty() && at >= fence {
                    return Some(true);
                }
                retry = Some((rest, at));
                continue;
            }
            Some(&ONE) => {
                rest.u8()?;
                let fits = at < text.len() && !walled(at);
                if fits {
                    at += 1;
                    // One character: the bytes that continue it in UTF-8 belong to it.
                    while at < text.len() && text.byte(at) & 0xC0 == 0x80 {
                        at += 1;
                    }
                }
                fits
            }
            Some(&LITERAL) => {
                rest.u8()?;
                let literal = rest.sized()?;
                let fits = text.has(at, literal);
                if fits {
                    at += literal.len();
                }
                fits
            }
            Some(_) => return None,
        };
        if ahead {
            continue;
        }
        match retry {
            Some((after, tried)) if tried < text.len() && !walled(tried) => {
                let next = skip_to(after, text, tried + 1, walled);
                retry = Some((after, next));
                (at, rest) = (next, after);
            }
            _ => return Some(false),
        }
    }
}

/// Where to try the tokens behind a `*` again: when they begin with a literal, where its first byte stands.
#[inline]
fn skip_to(after: Reader<'_>, text: &impl Text, from: usize, walled: impl Fn(usize) -> bool) -> usize {
    let mut tokens = after;
    let Some(&first) = tokens.u8().filter(|&kind| kind == LITERAL).and_then(|_| tokens.sized()?.first()) else {
        return from; // no literal, or the empty value of a variable
    };
    let mut at = from;
    while at < text.len() && text.byte(at) != first && !walled(at) {
        at += 1;
    }
    at
}

fn equal_ignoring_case(tokens: &[u8], text: &impl Text) -> Option<bool> {
    let mut first = Reader(tokens);
    if let (Some(LITERAL), Some(wanted), true) = (first.u8(), first.sized(), first.is_empty()) {
        // What most policies have: `true`, `false`, a word.
        if wanted.is_ascii() && wanted.len() == text.len() {
            let same = |(at, byte): (usize, &u8)| byte.eq_ignore_ascii_case(&text.byte(at));
            if wanted.iter().enumerate().all(same) {
                return Some(true);
            }
        }
    }
    let mut wanted = Vec::new();
    let mut reader = Reader(tokens);
    while !reader.is_empty() {
        if reader.u8()? != LITERAL {
            return None;
        }
        wanted.extend_from_slice(reader.sized()?);
    }
    let found: Vec<u8> = (0..text.len()).map(|at| text.byte(at)).collect();
    if wanted.is_ascii() && found.is_ascii() {
        return Some(wanted.eq_ignore_ascii_case(&found));
    }
    Some(match (std::str::from_utf8(&wanted), std::str::from_utf8(&found)) {
        (Ok(a), Ok(b)) => a.chars().flat_map(char::to_lowercase).eq(b.chars().flat_map(char::to_lowercase)),
        _ => wanted == found,
    })
}
