//! Amazon's policies, evaluated over the bytes that `authz/policy/compiler.py` makes of a document. Nothing is copied or
//! allocated unless a condition or a variable asks for a value. See that file for the layout.
//!
//! Belongs here: which statement of one policy decides a question. Does not belong here: how several policies, relations
//! and ACLs are combined (`authorizer`), and where the values of condition keys come from ([`Facts`] is the caller's).
//!
//! What cannot be evaluated denies: an unreadable value, a fact that could not be had and damaged bytes make a Deny
//! statement apply and an Allow statement not.
//!
//! ```
//! use panthera_authz::policy::{Facts, Key, Outcome, Policy, Principal, Question, Unavailable, Value, action_number};
//!
//! struct Request;
//! impl Facts for Request {
//!     fn values(&self, key: Key, _: &str, give: &mut dyn FnMut(Value<'_>)) -> Result<(), Unavailable> {
//!         if key == Key::SecureTransport {
//!             give(Value::Bool(true));
//!         }
//!         Ok(()) // the key is not in this request
//!     }
//! }
//! fn denied(section_64: &[u8]) -> bool {
//!     // A policy that cannot be read denies: it may have said so.
//!     let Ok(policy) = Policy::new(section_64) else { return true };
//!     let question = Question {
//!         principal: Principal::Anonymous,
//!         action: action_number("s3:GetObject").unwrap(), // once, when the table of operations is loaded
//!         bucket: Some("photos"),
//!         key: Some(b"2024/a.jpg"),
//!         facts: &Request,
//!     };
//!     matches!(policy.evaluate(&question), Outcome::Deny(_))
//! }
//! assert!(denied(b"\xff"));
//! ```
//!
//! For `decide`: `Deny` ends it; `Allow` is the bucket owner's consent, which suffices for anonymous callers and for users
//! of the owner's tenant; a user of another tenant needs an identity policy of its own as well. `Delegate` is consent to an
//! account as a whole (`arn:aws:iam::…:root`): also a user of the same tenant needs an identity policy then. Of an identity
//! policy `Allow` is the account's consent. The owner's administrators may always get, put and delete the bucket's policy
//! (S3 User Guide), else a wrong Deny would be for ever. With RestrictPublicBuckets a policy that [`Policy::is_public`]
//! allows nothing to anonymous callers and to other tenants.

mod condition;
mod names;
mod pattern;
mod reader;
mod value;

use panthera_base::{TenantId, UserId};

use self::condition::{and, evaluate};
use self::pattern::{Matched, Mode, Path, begins, matches};
use self::reader::Reader;
use crate::model::condition::Tri;

pub use self::names::{ACTIONS, Key, action_number};
pub use self::value::Value;

/// A moment as Amazon writes it, in microseconds since 1970: `2015-11-05T23:59:59Z` or seconds.
pub fn moment_of(text: &str) -> Option<i64> {
    value::moment(&Value::Text(text.as_bytes()))
}

/// The layout this code reads (`COMPILER_VERSION` in Python). Every other is undecodable, and that is a deny.
pub const COMPILER_VERSION: u8 = 1;

const PUBLIC: u8 = 1;
const IDENTITY: u8 = 2;

const DENY: u8 = 1;
const EVERY_ACTION: u8 = 2;
const HAS_PRINCIPALS: u8 = 4;
const NOT_PRINCIPAL: u8 = 8;
const NOT_RESOURCE: u8 = 16;

const ACTION_BYTES: usize = 32;

/// Bytes that are no policy of this version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadPolicy;

/// The value of a key could not be had, for example because the store failed. Not the same as a key that is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unavailable;

/// What a request says when a condition asks.
pub trait Facts {
    /// Gives each value of a key, none when the request does not have the key. `suffix` is the tag's key for families
    /// (`s3:ExistingObjectTag/<key>`), in the policy's own spelling. May be asked for a variable's key while it gives
    /// another one's values, and for the same key several times.
    fn values(&self, key: Key, suffix: &str, give: &mut dyn FnMut(Value<'_>)) -> Result<(), Unavailable>;
}

/// Who asks, by numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Principal {
    /// Nobody signed.
    Anonymous,
    /// A user.
    User {
        /// Its tenant.
        tenant: TenantId,
        /// Its number.
        user: UserId,
        /// It acts as the account itself (Amazon's root user): the tenant's owner and administrators.
        root: bool,
    },
    /// A role somebody assumed.
    Role {
        /// Its tenant.
        tenant: TenantId,
        /// Its number.
        role: u32,
    },
}

/// Who asks for what, on what.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// Who.
    pub principal: Principal,
    /// Which action: [`action_number`].
    pub action: u8,
    /// The bucket, `None` for actions of the service (ListAllMyBuckets).
    pub bucket: Option<&'a str>,
    /// The object's key, when the action is on an object.
    pub key: Option<&'a [u8]>,
    /// The rest.
    pub facts: &'a dyn Facts,
}

/// What a policy says, with the index of the statement that decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A Deny applies, or may apply. It wins over every Allow.
    Deny(u16),
    /// An Allow applies to the principal or to everyone.
    Allow(u16),
    /// An Allow applies to the principal's account as a whole, which is left to say who of its users may.
    Delegate(u16),
    /// Nothing applies.
    Neither,
}

/// A compiled policy.
#[derive(Clone, Copy)]
pub struct Policy<'a> {
    flags: u8,
    count: u16,
    statements: &'a [u8],
}

/// How the principals of a statement name the one who asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    No,
    Account,
    Principal,
}

/// Whether a statement applies.
enum Applies {
    No,
    Yes(Names),
    Unknown,
}

impl<'a> Policy<'a> {
    /// Takes compiled bytes. Checks the version and that the statements fill them; the rest is checked where it is read.
    pub fn new(bytes: &'a [u8]) -> Result<Self, BadPolicy> {
        let (&[version, flags, low, high], statements) = bytes.split_first_chunk().ok_or(BadPolicy)?;
        let policy = Self { flags, count: u16::from_le_bytes([low, high]), statements };
        if version != COMPILER_VERSION || flags & !(PUBLIC | IDENTITY) != 0 {
            return Err(BadPolicy);
        }
        let mut rest = Reader(statements);
        for _ in 0..policy.count {
            rest.long().filter(|statement| statement.len() > ACTION_BYTES).ok_or(BadPolicy)?;
        }
        if rest.is_empty() { Ok(policy) } else { Err(BadPolicy) }
    }

    /// Whether it grants something to the public, as GetBucketPolicyStatus says.
    pub fn is_public(&self) -> bool {
        self.flags & PUBLIC != 0
    }

    /// Whether it is a policy of a user, group or role.
    pub fn is_identity(&self) -> bool {
        self.flags & IDENTITY != 0
    }

    /// How many statements there are.
    pub fn len(&self) -> u16 {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The Sid of a statement; empty when it has none.
    pub fn sid(&self, index: u16) -> Option<&'a str> {
        let (rest, len) = self.statement(index)?.split_last_chunk::<2>()?;
        let len = usize::from(u16::from_le_bytes(*len));
        std::str::from_utf8(&rest[rest.len().checked_sub(len)?..]).ok()
    }

    /// Which statement decides. Any Deny that applies wins over any Allow, whatever their order.
    pub fn evaluate(&self, question: &Question<'_>) -> Outcome {
        let mut outcome = Outcome::Neither;
        let mut rest = Reader(self.statements);
        for index in 0..self.count {
            let Some(Some((&flags, statement))) = rest.long().map(<[u8]>::split_first) else {
                return Outcome::Deny(index);
            };
            let Some((actions, statement)) = statement.split_at_checked(ACTION_BYTES) else {
                return Outcome::Deny(index);
            };
            let asked = actions[usize::from(question.action / 8)] >> (question.action % 8) & 1 != 0;
            if !asked && flags & EVERY_ACTION == 0 {
                continue;
            }
            let deny = flags & DENY != 0;
            if !deny && matches!(outcome, Outcome::Allow(_)) {
                continue;
            }
            match applies(flags, statement, question) {
                None => return Outcome::Deny(index),
                Some(Applies::Yes(_) | Applies::Unknown) if deny => return Outcome::Deny(index),
                Some(Applies::Yes(Names::Principal)) => outcome = Outcome::Allow(index),
                Some(Applies::Yes(_)) if outcome == Outcome::Neither => outcome = Outcome::Delegate(index),
                Some(_) => {}
            }
        }
        outcome
    }

    fn statement(&self, index: u16) -> Option<&'a [u8]> {
        let mut rest = Reader(self.statements);
        for _ in 0..index.min(self.count) {
            rest.long()?;
        }
        rest.long()
    }
}

/// Whether a statement that has the action applies to the rest of the question. `None`: its bytes are damaged.
fn applies(flags: u8, statement: &[u8], question: &Question<'_>) -> Option<Applies> {
    let mut rest = Reader(statement);
    let named = if flags & HAS_PRINCIPALS == 0 {
        Names::Principal
    } else {
        principals(&mut rest, question.principal, flags & NOT_PRINCIPAL != 0)?
    };
    if named == Names::No {
        return Some(Applies::No);
    }
    let mut verdict = resources(&mut rest, question, flags & NOT_RESOURCE != 0)?;
    let conditions = rest.u16()?;
    for _ in 0..conditions {
        if verdict == Tri::False {
            return Some(Applies::No);
        }
        let condition = rest.long()?;
        verdict = and(verdict, evaluate(condition, question.facts)?);
    }
    Some(match verdict {
        Tri::False => Applies::No,
        Tri::True => Applies::Yes(named),
        Tri::Unknown => Applies::Unknown,
    })
}

/// Reads Principal or NotPrincipal.
///
/// NotPrincipal spares a user only if the user and its account are both listed, for a request comes from both (IAM User
/// Guide, "NotPrincipal with Deny"). For the account itself its own entry suffices.
fn principals(rest: &mut Reader<'_>, asking: Principal, turned: bool) -> Option<Names> {
    let (mut everyone, mut account, mut itself) = (false, false, false);
    let (tenant, user, role, root) = match asking {
        Principal::Anonymous => (None, None, None, false),
        Principal::User { tenant, user, root } => (Some(tenant.0), Some(user.0), None, root),
        Principal::Role { tenant, role } => (Some(tenant.0), None, Some(role), false),
    };
    for _ in 0..rest.u16()? {
        let kind = rest.u8()?;
        let (of, number) = (Some(rest.u32()?), Some(rest.u32()?));
        match kind {
            0 => everyone = true,
            1 => account |= of == tenant,
            2 => itself |= of == tenant && number == user,
            3 => itself |= of == tenant && number == role,
            _ => return None,
        }
    }
    Some(if turned {
        let spared = everyone || (itself && account) || (root && (itself || account));
        if spared { Names::No } else { Names::Principal }
    } else if everyone || itself || (root && account) {
        Names::Principal
    } else if account {
        Names::Account
    } else {
        Names::No
    })
}

/// Reads Resource or NotResource: whether what is asked on is meant.
fn resources(rest: &mut Reader<'_>, question: &Question<'_>, turned: bool) -> Option<Tri> {
    let (mut found, mut unresolved, mut unknown) = (false, false, false);
    for _ in 0..rest.u16()? {
        match resource(rest, question, found)? {
            Matched::Yes => found = true,
            Matched::No => {}
            Matched::Unresolved => unresolved = true,
            Matched::Unknown => unknown = true,
        }
    }
    Some(match (found, turned) {
        (true, false) => Tri::True,
        (true, true) => Tri::False,
        // What a variable without a value excepts from a grant is not known, and so nothing is granted.
        (false, true) if unresolved || unknown => Tri::Unknown,
        (false, true) => Tri::True,
        (false, false) if unknown => Tri::Unknown,
        (false, false) => Tri::False,
    })
}

/// Reads one resource; does not look at it when another one was `found` already.
fn resource(rest: &mut Reader<'_>, question: &Question<'_>, found: bool) -> Option<Matched> {
    let said = |yes| if yes { Matched::Yes } else { Matched::No };
    let bucket = question.bucket.map(str::as_bytes);
    Some(match rest.u8()? {
        0 => Matched::Yes,
        1 => said(rest.sized()? == bucket.unwrap_or_default() && bucket.is_some() && question.key.is_none()),
        2 => {
            let (name, pattern) = (rest.sized()?, rest.sized()?);
            match (bucket, question.key) {
                // Most statements are about other prefixes, and most of a bucket's policy about its own name: the key first.
                (Some(bucket), Some(key)) if !found => match begins(pattern, key) {
                    Some(begins) => said(begins && bucket == name),
                    None if bucket == name => matches(pattern, &key, Mode::Text, question.facts)?,
                    None => Matched::No,
                },
                _ => Matched::No,
            }
        }
        3 => {
            let pattern = rest.sized()?;
            // Actions of the service are on every bucket: only a pattern that is for all of them means that.
            let path = Path { bucket: bucket.unwrap_or(b"*"), key: question.key };
            if found { Matched::No } else { matches(pattern, &path, Mode::Text, question.facts)? }
        }
        _ => return None,
    })
}
