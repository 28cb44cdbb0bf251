//! Positions of listings in the hands of clients: continuation tokens of ListObjectsV2, and markers that are no keys.
//!
//! A token is the position and nothing else, in base64url: it stays good whatever is written between two pages, and
//! across restarts. It is bound to nobody, because nothing hangs on who holds it: each page is filtered anew for who
//! asks, so a token is worth what `start-after` is, which everybody may make up.
//!
//! Nor is there anything to hide in a position that is the last name on a page: who was given the token was shown that
//! name beside it. Only a page that ended because it had worked enough (`gate`) goes on from a name that its caller was
//! not shown. That position is sealed: encrypted, authenticated, bound to bucket and caller, and always of one length.

use panthera_authz::Subject;
use panthera_base::limits::KEY_BYTES;
use panthera_base::{BucketId, S3Result, TenantId};
use panthera_wire::checksum::base64;

use super::invalid;

/// First byte of what a token holds: the version of the form. This one: the last name of the page before.
const SHOWN: u8 = 1;
/// This one: sealed, the first key that has not been looked at.
const SEALED: u8 = 2;
/// What a marker that is sealed begins with. A key may begin with it too; it does not open.
const MARKER: &str = "panthera-position-";
/// A position is a key or the string right behind one.
const POSITION_BYTES: usize = KEY_BYTES + 1;
const TAG_BYTES: usize = blake3::OUT_LEN;
/// Length, position.
const PLAIN_BYTES: usize = 2 + POSITION_BYTES;

/// Where a page begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Position {
    /// Behind this name, which has been shown; empty for the first page.
    After(Vec<u8>),
    /// At this key: nothing before it is left to show.
    At(Vec<u8>),
}

/// Seals positions for one caller of one bucket.
pub(super) struct Sealer {
    key: [u8; 32],
    bound: Vec<u8>,
}

impl Sealer {
    /// From the domain key of the bucket's tenant: tokens are good on every gateway of a store, and after a restart.
    pub fn new(domain_key: &[u8; 32], tenant: TenantId, bucket: BucketId, subject: &Subject) -> Self {
        let mut bound = [tenant.0.to_be_bytes(), bucket.0.to_be_bytes()].concat();
        if let Subject::User { tenant, user, .. } = subject {
            bound.extend([tenant.0.to_be_bytes(), user.0.to_be_bytes()].concat());
        }
        if let Subject::Share(by) = subject {
            bound.extend([&b"share"[..], &by.share.to_be_bytes()].concat());
        }
        Self { key: blake3::derive_key("panthera listing position", domain_key), bound }
    }

    /// The tag is that of the plain text, and the key stream is made from the tag: no nonce that could repeat.
    fn tag(&self, plain: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&(self.bound.len() as u64).to_be_bytes()).update(&self.bound).update(plain);
        hasher.finalize()
    }

    fn apply_stream(&self, tag: &blake3::Hash, text: &mut [u8]) {
        let key = blake3::derive_key("panthera listing position stream", &self.key);
        let mut stream = vec![0; text.len()];
        blake3::Hasher::new_keyed(&key).update(tag.as_bytes()).finalize_xof().fill(&mut stream);
        text.iter_mut().zip(stream).for_each(|(byte, mask)| *byte ^= mask);
    }

    fn seal(&self, position: &[u8]) -> Vec<u8> {
        // Behind a mount it may be the longer name of a key: all that begin so are passed over (`segments`).
        let position = &position[..position.len().min(POSITION_BYTES)];
        let mut plain = (position.len() as u16).to_be_bytes().to_vec();
        plain.extend_from_slice(position);
        plain.resize(PLAIN_BYTES, 0);
        let tag = self.tag(&plain);
        self.apply_stream(&tag, &mut plain);
        [&[SEALED][..], tag.as_bytes(), &plain].concat()
    }

    fn open(&self, sealed: &[u8]) -> Option<Position> {
        let (tag, text) = sealed.split_first_chunk::<TAG_BYTES>().filter(|(_, t)| t.len() == PLAIN_BYTES)?;
        let (tag, mut plain) = (blake3::Hash::from_bytes(*tag), text.to_vec());
        self.apply_stream(&tag, &mut plain);
        // Hashes are compared in constant time.
        if self.tag(&plain) != tag {
            return None;
        }
        let length = u16::from_be_bytes([plain[0], plain[1]]);
        let key = plain[2..].get(..usize::from(length))?.to_vec();
        Some(Position::At(key))
    }

    /// The token for going on at a key that was not shown.
    pub fn token(&self, at: &[u8]) -> String {
        base64url(&self.seal(at))
    }

    /// The same as a marker.
    pub fn marker(&self, at: &[u8]) -> String {
        format!("{MARKER}{}", self.token(at))
    }
}

/// The token for going on after a name that was shown.
pub(super) fn encode(last: &[u8]) -> String {
    let mut plain = Vec::with_capacity(last.len() + 1);
    plain.push(SHOWN);
    plain.extend_from_slice(last);
    base64url(&plain)
}

/// The position a token holds. The sealer is made when it is needed.
pub(super) fn decode(token: &str, sealer: impl FnOnce() -> S3Result<Sealer>) -> S3Result<Position> {
    let wrong = || invalid("The continuation token provided is incorrect", "continuation-token", token);
    let mut plain = from_base64url(token).ok_or_else(wrong)?;
    match plain.first() {
        Some(&SHOWN) if plain.len() <= KEY_BYTES + 1 => Ok(Position::After(plain.split_off(1))),
        Some(&SEALED) => sealer()?.open(&plain[1..]).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

/// The position a marker holds: a key, or what [`Sealer::marker`] made.
pub(super) fn read_marker(marker: &str, sealer: impl FnOnce() -> S3Result<Sealer>) -> S3Result<Position> {
    let sealed = marker.strip_prefix(MARKER).and_then(from_base64url);
    let at = match sealed.as_deref() {
        Some([SEALED, sealed @ ..]) => sealer()?.open(sealed),
        _ => None,
    };
    Ok(at.unwrap_or_else(|| Position::After(marker.as_bytes().to_vec())))
}

fn base64url(plain: &[u8]) -> String {
    let swap = |c| match c {
        '+' => '-',
        '/' => '_',
        c => c,
    };
    base64::encode(plain).trim_end_matches('=').chars().map(swap).collect()
}

fn from_base64url(text: &str) -> Option<Vec<u8>> {
    if text.contains(['+', '/', '=']) {
        return None;
    }
    let swap = |c| match c {
        '-' => '+',
        '_' => '/',
        c => c,
    };
    let mut coded: String = text.chars().map(swap).collect();
    while !coded.len().is_multiple_of(4) {
        coded.push('=');
    }
    base64::decode(&coded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use panthera_base::{ErrorCode, UserId};

    fn sealer(bucket: u32, user: u32) -> Sealer {
        let subject = Subject::User { tenant: TenantId(1), user: UserId(user), admin: false };
        Sealer::new(&[3; 32], TenantId(1), BucketId(bucket), &subject)
    }

    fn read(token: &str) -> S3Result<Position> {
        decode(token, || Ok(sealer(7, 5)))
    }

    #[test]
    fn any_key_survives() {
        let all: Vec<u8> = (0..=255).collect();
        for key in [&b""[..], b"a", b"ab", b"abc", "日本/🦁".as_bytes(), &all, &vec![0xFB; KEY_BYTES]] {
            let sealed = sealer(7, 5).token(key);
            for (token, want) in
                [(encode(key), Position::After(key.to_vec())), (sealed.clone(), Position::At(key.to_vec()))]
            {
                assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{token}");
                assert_eq!(read(&token).ok(), Some(want));
            }
            let marker = sealer(7, 5).marker(key);
            assert_eq!(read_marker(&marker, || Ok(sealer(7, 5))).ok(), Some(Position::At(key.to_vec())));
        }
    }

    #[test]
    fn what_we_did_not_issue_is_refused() {
        for token in ["x", "blah", "AA", "AQ==", "Ag", "AQ\n", "%41", "é", &encode(&vec![b'k'; KEY_BYTES + 1])] {
            assert_eq!(read(token).expect_err(token).code(), ErrorCode::InvalidArgument, "{token}");
        }
    }

    #[test]
    fn a_sealed_position_tells_nothing_and_opens_for_nobody_else() {
        let secret = b"denied/merger-with-initech/";
        let token = sealer(7, 5).token(secret);
        let bytes = from_base64url(&token).expect("base64url");
        assert!(!bytes.windows(6).any(|w| secret.windows(6).any(|s| s == w)));
        assert_eq!(token.len(), sealer(7, 5).token(b"").len(), "the length tells nothing");
        for other in [sealer(8, 5), sealer(7, 6), Sealer::new(&[4; 32], TenantId(1), BucketId(7), &Subject::Anonymous)]
        {
            assert_eq!(other.open(&bytes[1..]), None);
        }
        for at in 1..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(read(&base64url(&changed)).expect_err("changed").code(), ErrorCode::InvalidArgument);
        }
        assert!(read(&base64url(&bytes[..bytes.len() - 1])).is_err());
        let marker = format!("{MARKER}{}", base64url(&bytes[..40]));
        let key = read_marker(&marker, || Ok(sealer(7, 5)));
        assert_eq!(key.ok(), Some(Position::After(marker.into_bytes())), "a key that only looks like one");
    }
}
