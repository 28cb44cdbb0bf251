//! Passwords of shares: PBKDF2-HMAC-SHA256, a memory of those that were right, so that the many ranges of one download
//! do not pay for it each, and a limit on those that were wrong.
//!
//! Belongs here: whether a password is the one that was set. Does not belong here: where it came from, what it opens.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use panthera_base::{ErrorCode, S3Error, S3Result, TenantId};
use panthera_meta::records::{PasswordHash, ShareRecord};
use parking_lot::Mutex;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Passwords that are checked at once: each costs a core a tenth of a second or more, and requests need cores too.
const AT_ONCE: usize = 2;
/// Passwords that wait for that; more are told to come later.
const WAITING: usize = 256;
/// Wrong passwords of a share in a row, and how long until one more is looked at: 2880 a day, and the shortest password
/// that a share can have, four letters, is one of 457 000. Who has the right one remembered is not held up.
const WRONG: u32 = 10;
const ANOTHER_AFTER: Duration = Duration::from_secs(30);
/// Shares whose wrong passwords are counted at once. An attacker needs a link of each; beyond it all of them wait.
const COUNTED: usize = 4096;
/// Right passwords that are remembered; 32 bytes each. Beyond it the oldest is forgotten and paid for again.
const REMEMBERED: usize = 1024;
/// Longest password that is looked at.
pub(crate) const PASSWORD_BYTES: usize = 1024;

type HmacSha256 = Hmac<Sha256>;

/// Checks passwords. One for the whole process: links and imports of a share are tries of one count.
pub struct Passwords {
    /// Drawn at start: what is remembered means nothing to another process.
    key: [u8; 32],
    right: Mutex<Remembered>,
    wrong: Mutex<HashMap<(TenantId, u32), Wrong>>,
    turns: Semaphore,
    waiting: Semaphore,
}

/// How many wrong passwords a share has had lately: one is forgiven every `ANOTHER_AFTER` since `from`.
struct Wrong {
    count: u32,
    from: Instant,
}

impl Wrong {
    fn forgive(&mut self, now: Instant) {
        let times = (now - self.from).as_secs() / ANOTHER_AFTER.as_secs();
        self.count = self.count.saturating_sub(u32::try_from(times).unwrap_or(u32::MAX));
        self.from = if self.count == 0 { now } else { self.from + ANOTHER_AFTER * times as u32 };
    }
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
        Ok(Self {
            key,
            right: Mutex::default(),
            wrong: Mutex::default(),
            turns: Semaphore::new(AT_ONCE),
            waiting: Semaphore::new(WAITING),
        })
    }

    /// Whether this is the share's password. The work is done beside the threads that serve connections. 503 SlowDown
    /// when the share had too many wrong ones, or too many wait.
    pub(crate) async fn holds(&self, share: &ShareRecord, hash: &PasswordHash, given: Vec<u8>) -> S3Result<bool> {
        if given.len() > PASSWORD_BYTES {
            return Ok(false);
        }
        // The generation is in the name: with another password of the share nothing that was remembered counts.
        let name = self.name(share, &given);
        if self.is_known(&name) {
            return Ok(true);
        }
        let _place = self.waiting.try_acquire().map_err(|_| later("too many passwords are being checked"))?;
        let _turn = self.turns.acquire().await.map_err(S3Error::internal)?;
        // Who waited may have been preceded by the same password, or by the last wrong one.
        if self.is_known(&name) {
            return Ok(true);
        }
        self.may_try(share)?;
        let PasswordHash { iterations, salt, hash } = hash.clone();
        let derived = tokio::task::spawn_blocking(move || pbkdf2(&given, &salt, iterations));
        let same = derived.await.map_err(S3Error::internal)?.ct_eq(&hash).into();
        if same {
            self.wrong.lock().remove(&(share.tenant, share.share));
            self.remember(name);
        } else {
            self.count(share);
        }
        Ok(same)
    }

    /// The same for a caller that is on no runtime and may wait.
    pub fn holds_blocking(&self, share: &ShareRecord, hash: &PasswordHash, given: Vec<u8>) -> S3Result<bool> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(S3Error::internal)?;
        runtime.block_on(self.holds(share, hash, given))
    }

    fn is_known(&self, name: &[u8; 32]) -> bool {
        self.right.lock().known.contains(name)
    }

    /// Looked at with a turn in hand: `AT_ONCE` passwords more than `WRONG` can be wrong, not as many as come at once.
    fn may_try(&self, share: &ShareRecord) -> S3Result<()> {
        let now = Instant::now();
        let mut wrong = self.wrong.lock();
        if let Some(of) = wrong.get_mut(&(share.tenant, share.share)) {
            of.forgive(now);
            return if of.count < WRONG { Ok(()) } else { Err(later("too many passwords of this share were wrong")) };
        }
        if wrong.len() >= COUNTED {
            wrong.retain(|_, of| {
                of.forgive(now);
                of.count > 0
            });
        }
        if wrong.len() < COUNTED { Ok(()) } else { Err(later("too many passwords were wrong")) }
    }

    fn count(&self, share: &ShareRecord) {
        let from = Instant::now();
        self.wrong.lock().entry((share.tenant, share.share)).or_insert(Wrong { count: 0, from }).count += 1;
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

fn later(why: &'static str) -> S3Error {
    S3Error::new(ErrorCode::SlowDown).detail(why).header("retry-after", ANOTHER_AFTER.as_secs().to_string())
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::JoinSet;

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

    fn share(number: u32) -> ShareRecord {
        ShareRecord { share: number, ..ShareRecord::default() }
    }

    fn code(of: S3Result<bool>) -> ErrorCode {
        of.unwrap_err().code()
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_passwords_of_a_share_are_counted_and_forgiven() {
        let passwords = Passwords::new().unwrap();
        let hash = PasswordHash { iterations: 1, salt: [7; 16], hash: pbkdf2(b"open", &[7; 16], 1) };
        let given = |share, text: &'static str| {
            let (passwords, hash) = (&passwords, &hash);
            async move { passwords.holds(&share, hash, text.into()).await }
        };
        for _ in 0..WRONG {
            assert!(!given(share(1), "closed").await.unwrap());
        }
        // The right one is not told from the wrong ones any more, but for those who had it before; other shares go on.
        assert_eq!(code(given(share(1), "open").await), ErrorCode::SlowDown);
        assert!(given(share(2), "open").await.unwrap() && given(share(2), "open").await.unwrap());
        tokio::time::advance(ANOTHER_AFTER).await;
        assert!(!given(share(1), "closed").await.unwrap());
        assert_eq!(code(given(share(1), "closed").await), ErrorCode::SlowDown);
        tokio::time::advance(ANOTHER_AFTER).await;
        assert!(given(share(1), "open").await.unwrap());
        // A right one ends the count, and a remembered one is not in it.
        for _ in 0..WRONG {
            assert!(!given(share(1), "closed").await.unwrap());
        }
        assert!(given(share(1), "open").await.unwrap());
        assert_eq!(code(given(share(1), "closed").await), ErrorCode::SlowDown);
    }

    #[test]
    fn who_waits_on_a_thread_is_counted_with_who_waits_on_a_runtime() {
        let passwords = Passwords::new().unwrap();
        let hash = PasswordHash { iterations: 1, salt: [7; 16], hash: pbkdf2(b"open", &[7; 16], 1) };
        let blocking = |text: &str| passwords.holds_blocking(&share(1), &hash, text.into());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(blocking("open").unwrap());
        for _ in 0..WRONG / 2 {
            assert!(!blocking("closed").unwrap());
            assert!(!runtime.block_on(passwords.holds(&share(1), &hash, b"closed".to_vec())).unwrap());
        }
        assert_eq!(code(blocking("closed")), ErrorCode::SlowDown);
        assert!(blocking("open").unwrap(), "it was right before");
    }

    /// All of them have come before the first is looked at.
    async fn at_once(
        passwords: &Arc<Passwords>,
        hash: &PasswordHash,
        given: impl Iterator<Item = String>,
    ) -> Vec<S3Result<bool>> {
        let busy = passwords.turns.acquire_many(AT_ONCE as u32).await.unwrap();
        let (mut tries, come) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
        for text in given {
            let (passwords, hash, come) = (Arc::clone(passwords), hash.clone(), Arc::clone(&come));
            tries.spawn(async move {
                come.fetch_add(1, Ordering::Relaxed);
                passwords.holds(&share(1), &hash, text.into_bytes()).await
            });
        }
        while come.load(Ordering::Relaxed) < tries.len() {
            tokio::task::yield_now().await;
        }
        drop(busy);
        tries.join_all().await
    }

    #[tokio::test(start_paused = true)]
    async fn many_wrong_passwords_at_once_are_not_more() {
        let passwords = Arc::new(Passwords::new().unwrap());
        let hash = PasswordHash { iterations: 1, salt: [7; 16], hash: [0; 32] };
        let answers = at_once(&passwords, &hash, (0..WAITING).map(|n| n.to_string())).await;
        let looked_at = answers.into_iter().filter(Result::is_ok).count();
        assert!((WRONG as usize..WRONG as usize + AT_ONCE).contains(&looked_at), "{looked_at}");
    }

    #[tokio::test]
    async fn who_waits_for_the_same_right_password_is_let_in_with_the_first() {
        let passwords = Arc::new(Passwords::new().unwrap());
        let hash = PasswordHash { iterations: 1, salt: [7; 16], hash: pbkdf2(b"open", &[7; 16], 1) };
        for (tries, refused) in [(WAITING, 0), (WAITING + 1, 1)] {
            passwords.right.lock().known.clear();
            let answers = at_once(&passwords, &hash, (0..tries).map(|_| "open".into())).await;
            assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), refused);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn shares_that_are_counted_are_bounded() {
        let passwords = Passwords::new().unwrap();
        let hash = PasswordHash { iterations: 1, salt: [7; 16], hash: [0; 32] };
        for n in 0..COUNTED as u32 {
            assert!(!passwords.holds(&share(n), &hash, b"closed".to_vec()).await.unwrap());
        }
        let more = share(COUNTED as u32);
        assert_eq!(code(passwords.holds(&more, &hash, b"closed".to_vec()).await), ErrorCode::SlowDown);
        tokio::time::advance(ANOTHER_AFTER).await;
        assert!(!passwords.holds(&more, &hash, b"closed".to_vec()).await.unwrap());
        assert_eq!(passwords.wrong.lock().len(), 1);
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
