//! Signing keys of SigV4: their derivation, and a small cache of derived ones.
//!
//! Does not belong here: secrets at rest, who owns a key.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// HMAC-SHA256 with its key already absorbed: cloning it is cheaper than starting anew.
pub type HmacSha256 = Hmac<Sha256>;

/// Shards: enough that threads rarely meet at a lock that is held for one map lookup.
const SHARDS: usize = 16;
/// Keys kept when nothing else is said: one per access key, day and region in use; about 300 bytes each.
const DEFAULT_KEYS: usize = 16_384;

/// A keyed HMAC, for a key of any length (RFC 2104: longer than a block is hashed first, shorter is padded).
pub(super) fn hmac_sha256(key: &[u8]) -> HmacSha256 {
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    Hmac::new(&block.into())
}

fn step(key: &[u8], data: &str) -> [u8; 32] {
    let mut mac = hmac_sha256(key);
    mac.update(data.as_bytes());
    mac.finalize().into_bytes().into()
}

/// Derives the signing key: HMAC over date, region, service and terminator in turn.
fn derive(secret: &[u8], day: &str, region: &str) -> HmacSha256 {
    let mut first = Vec::with_capacity(4 + secret.len());
    first.extend_from_slice(b"AWS4");
    first.extend_from_slice(secret);
    let by_region = step(&step(&first, day), region);
    hmac_sha256(&step(&step(&by_region, "s3"), "aws4_request"))
}

/// Derived keys by a hash of everything that goes into them, so that a rotated secret can never meet an old key and
/// no secret is kept. A full shard is emptied: a key costs two microseconds to derive again.
pub struct SigningKeys {
    shards: [Mutex<HashMap<[u8; 32], HmacSha256>>; SHARDS],
    per_shard: usize,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Default for SigningKeys {
    fn default() -> Self {
        Self::with_capacity(DEFAULT_KEYS)
    }
}

impl SigningKeys {
    /// A cache of at most about this many keys; 0 switches it off.
    pub fn with_capacity(keys: usize) -> Self {
        let shards = std::array::from_fn(|_| Mutex::new(HashMap::new()));
        Self { shards, per_shard: keys.div_ceil(SHARDS), hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// How many look-ups found their key, and how many derived it.
    pub fn hits_and_misses(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }

    /// The signing key of this access key and secret on this day (`yyyyMMdd`) in this region, for service s3.
    pub(super) fn get(&self, access_key: &str, secret: &[u8], day: &str, region: &str) -> HmacSha256 {
        if self.per_shard == 0 {
            return derive(secret, day, region);
        }
        let id = Self::id(access_key, secret, day, region);
        let shard = &self.shards[usize::from(id[0]) % SHARDS];
        // A poisoned lock only means that another thread died between two map operations; the map is whole.
        let lock = || shard.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(found) = lock().get(&id) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return found.clone();
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let key = derive(secret, day, region);
        let mut map = lock();
        if map.len() >= self.per_shard {
            map.clear();
        }
        map.insert(id, key.clone());
        key
    }

    fn id(access_key: &str, secret: &[u8], day: &str, region: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for part in [access_key.as_bytes(), secret, day.as_bytes(), region.as_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        *hasher.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;

    fn sign(key: &HmacSha256) -> String {
        let mut mac = key.clone();
        mac.update(b"x");
        hex::encode(&mac.finalize().into_bytes())
    }

    #[test]
    fn derivation_matches_the_published_example() {
        // AWS, "Examples of how to derive a signing key", with the service of this endpoint.
        let key = derive(b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20120215", "us-east-1");
        let by_hand = |key: &[u8], data: &str| step(key, data);
        let k = by_hand(b"AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20120215");
        assert_eq!(hex::encode(&k), "969fbb94feb542b71ede6f87fe4d5fa29c789342b0f407474670f0c2489e0a0d");
        let k = by_hand(&k, "us-east-1");
        assert_eq!(hex::encode(&k), "69daa0209cd9c5ff5c8ced464a696fd4252e981430b10e3d3fd8e2f197d7a70c");
        assert_eq!(sign(&key), sign(&hmac_sha256(&by_hand(&by_hand(&k, "s3"), "aws4_request"))));
    }

    #[test]
    fn long_keys_are_hashed_first() {
        for len in [0, 1, 63, 64, 65, 200] {
            let key = vec![7; len];
            let mut other = HmacSha256::new_from_slice(&key).unwrap();
            other.update(b"x");
            assert_eq!(sign(&hmac_sha256(&key)), hex::encode(&other.finalize().into_bytes()));
        }
    }

    #[test]
    fn every_ingredient_changes_the_key_and_the_cache_stays_bounded() {
        let keys = SigningKeys::with_capacity(SHARDS);
        let base = sign(&keys.get("a", b"s", "20260101", "r"));
        assert_eq!(sign(&keys.get("a", b"s", "20260101", "r")), base);
        assert_eq!(keys.hits_and_misses(), (1, 1));
        assert_ne!(sign(&keys.get("a", b"t", "20260101", "r")), base);
        assert_ne!(sign(&keys.get("a", b"s", "20260102", "r")), base);
        assert_ne!(sign(&keys.get("a", b"s", "20260101", "q")), base);
        for i in 0..1000 {
            keys.get(&i.to_string(), b"s", "20260101", "r");
        }
        assert!(keys.shards.iter().all(|s| s.lock().unwrap().len() <= 1));
        let off = SigningKeys::with_capacity(0);
        assert_eq!(sign(&off.get("a", b"s", "20260101", "r")), base);
        assert_eq!(off.hits_and_misses(), (0, 0));
    }
}
