//! Passwords of shares: PBKDF2-HMAC-SHA256, and a memory of those that were right, so that the many ranges of one
//! download do not pay for it each.
//!
//! Belongs here: whether a password is the one that was set. Does not belong here: where it came from, what it opens.

use std::collections::{HashSet, VecDeque};

use hmac::{Hmac, KeyInit, Mac};
use panthera_base::{S3Error, S3Result};
use panthera_meta::records::{PasswordHash, ShareRecord};
use parking_lot::Mutex;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

/// Passwords that are checked at once: each costs a core a tenth of a second or more, and requests need cores too.
const AT_ONCE: usize = 2;
/// Right passwords that are remembered; 32 bytes each. Beyond it the oldest is forgotten and paid for again.
const REMEMBERED: usize = 1024;
/// Longest password that is looked at.
pub(crate) const PASSWORD_BYTES: usize = 1024;

type HmacSha256 = Hmac<Sha256>;

/// Checks passwords. One for the whole process.
pub(crate) struct Passwords {
    /// Drawn at start: what is remembered means nothing to another process.
    key: [u8; 32],
    right: Mutex<Remembered>,
    turns: Semaphore,
}

#[derive(Default)]
struct Remembered {
    known: HashSet<[u8; 32]>,
    /// The oldest first.
    order: VecDeque<[u8; 32]>,
}

impl Passwords {
    /// With nothing remembered.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self { key, right: Mutex::default(), turns: Semaphore::new(AT_ONCE) })
    }

    /// Whether this is the share's password. The work is done beside the threads that serve connections.
    pub async fn holds(&self, share: &ShareRecord, hash: &PasswordHash, given: Vec<u8>) -> S3Result<bool> {
        if given.len() > PASSWORD_BYTES {
            return Ok(false);
        }
        // The generation is in the name: with another password of the share nothing that was remembered counts.
        let name = self.name(share, &given);
        if self.right.lock().known.contains(&name) {
            return Ok(true);
        }
        let _turn = self.turns.acquire().await.map_err(S3Error::internal)?;
        let PasswordHash { iterations, salt, hash } = hash.clone();
        let derived = tokio::task::spawn_blocking(move || pbkdf2(&given, &salt, iterations));
        let same = derived.await.map_err(S3Error::internal)?.ct_eq(&hash).into();
        if same {
            self.remember(name);
        }
        Ok(same)
    }

    fn name(&self, share: &ShareRecord, given: &[u8]) -> [u8; 32] {
        let mut mac = HmacSha256::new(&block(&self.key));
        mac.update(&share.tenant.0.to_be_bytes());
        mac.update(&share.share.to_be_bytes());
        mac.update(&share.generation.to_be_bytes());
        mac.update(given);
        mac.finalize().into_bytes().into()
    }

    fn remember(&self, name: [u8; 32]) {
        let mut right = self.right.lock();
        if right.known.insert(name) {
            right.order.push_back(name);
        }
        if right.order.len() > REMEMBERED
            && let Some(oldest) = right.order.pop_front()
        {
            right.known.remove(&oldest);
        }
    }
}

/// An HMAC key of up to a block.
fn block(key: &[u8; 32]) -> hmac::digest::Key<HmacSha256> {
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    block.into()
}

/// PBKDF2-HMAC-SHA256 of one block (RFC 8018, section 5.2).
fn pbkdf2(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    let keyed = match HmacSha256::new_from_slice(password) {
        Ok(keyed) => keyed,
        // A key of any length is one.
        Err(_) => return [0; 32],
    };
    let round = |parts: &[&[u8]]| -> [u8; 32] {
        let mut mac = keyed.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    };
    let mut last = round(&[salt, &1u32.to_be_bytes()]);
    let mut sum = last;
    for _ in 1..iterations {
        last = round(&[&last]);
        sum.iter_mut().zip(&last).for_each(|(byte, other)| *byte ^= other);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vectors_hold() {
        // RFC 7914, section 11, and the SHA-256 form of RFC 6070's (first 32 bytes).
        let cases = [
            ("passwd", "salt", 1, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"),
            ("password", "salt", 2, "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43"),
            ("password", "salt", 4096, "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a"),
        ];
        for (password, salt, iterations, expected) in cases {
            let derived = pbkdf2(password.as_bytes(), salt.as_bytes(), iterations);
            assert_eq!(panthera_wire::hex::encode(&derived), expected);
        }
    }

    #[tokio::test]
    async fn right_passwords_are_remembered_for_their_share_and_generation_alone() {
        let passwords = Passwords::new().unwrap();
        let hash = PasswordHash { iterations: 2, salt: [7; 16], hash: pbkdf2(b"open", &[7; 16], 2) };
        let share = ShareRecord { share: 1, ..ShareRecord::default() };
        assert!(!passwords.holds(&share, &hash, b"closed".to_vec()).await.unwrap());
        assert!(passwords.right.lock().known.is_empty(), "what is wrong is not remembered");
        assert!(passwords.holds(&share, &hash, b"open".to_vec()).await.unwrap());
        // Remembered: holds although the hash handed in is another now, as long as the record is the same.
        let other = PasswordHash { hash: [0; 32], ..hash.clone() };
        assert!(passwords.holds(&share, &other, b"open".to_vec()).await.unwrap());
        for changed in [ShareRecord { generation: 1, ..share.clone() }, ShareRecord { share: 2, ..share }] {
            assert!(!passwords.holds(&changed, &other, b"open".to_vec()).await.unwrap());
        }
    }

    #[tokio::test]
    async fn lengths_and_memory_are_bounded() {
        let passwords = Passwords::new().unwrap();
        for (bytes, holds) in [(PASSWORD_BYTES, true), (PASSWORD_BYTES + 1, false)] {
            let given = vec![b'x'; bytes];
            let hash = PasswordHash { iterations: 1, salt: [7; 16], hash: pbkdf2(&given, &[7; 16], 1) };
            assert_eq!(passwords.holds(&ShareRecord::default(), &hash, given).await.unwrap(), holds);
        }
        for n in 0..=REMEMBERED as u64 {
            let mut name = [0; 32];
            name[..8].copy_from_slice(&n.to_be_bytes());
            passwords.remember(name);
        }
        let right = passwords.right.lock();
        assert_eq!((right.known.len(), right.order.len()), (REMEMBERED, REMEMBERED));
        assert!(!right.known.contains(&[0; 32]));
    }
}
