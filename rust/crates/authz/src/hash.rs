//! Names of the places in a bucket as 128-bit keyed hashes, for a key and all its ancestors in one pass.
//!
//! SipHash with a random key per process: who does not know the key cannot search for a collision, and by chance two
//! of 2^32 names agree in 96 bits with odds of 2^-33.

use std::hash::{BuildHasherDefault, Hasher};

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::error::AuthzError;

/// The process's secret for names of places.
#[derive(Clone, Copy)]
pub(crate) struct HashKey {
    keys: (u64, u64),
    bucket: u128,
}

/// Ends the stream of an object's key. A prefix's stream is empty or ends in `/`, so an object is never a prefix.
const OBJECT_MARK: &[u8] = &[1];

impl HashKey {
    /// A new secret.
    pub(crate) fn random() -> Result<Self, AuthzError> {
        let word = || getrandom::u64().map_err(|e| AuthzError::Limit(format!("no randomness: {e}")));
        Ok(Self::of(word()?, word()?))
    }

    fn of(k0: u64, k1: u64) -> Self {
        let nothing = SipHasher13::new_with_keys(k0, k1);
        Self { keys: (k0, k1), bucket: nothing.finish128().as_u128() }
    }

    /// The name of the bucket itself: the prefix without bytes.
    pub(crate) fn bucket(self) -> u128 {
        self.bucket
    }

    #[cfg(test)]
    pub(crate) fn fixed() -> Self {
        Self::of(1, 2)
    }

    /// The name of one place.
    pub(crate) fn place(self, path: &[u8], object: bool) -> u128 {
        let mut hasher = SipHasher13::new_with_keys(self.keys.0, self.keys.1);
        hasher.write(path);
        if object {
            hasher.write(OBJECT_MARK);
        }
        hasher.finish128().as_u128()
    }

    /// Stands at once in the folder whose path is so many bytes of a key; with the folder's name.
    pub(crate) fn walk_to(self, key: &[u8], folder: usize) -> (Walk<'_>, u128) {
        let mut hasher = SipHasher13::new_with_keys(self.keys.0, self.keys.1);
        hasher.write(&key[..folder]);
        (Walk { hasher, path: key, at: folder }, hasher.finish128().as_u128())
    }

    /// Walks down a key.
    pub(crate) fn walk(self, path: &[u8]) -> Walk<'_> {
        Walk { hasher: SipHasher13::new_with_keys(self.keys.0, self.keys.1), path, at: 0 }
    }
}

/// Keeps things by the names of places, which are hashes already.
pub(crate) type ByName = BuildHasherDefault<NameHasher>;

/// Takes a name as it is.
#[derive(Default)]
pub(crate) struct NameHasher(u64);

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.0 = self.0.rotate_left(8) ^ u64::from(byte));
    }

    fn write_u128(&mut self, name: u128) {
        self.0 = name as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Keeps things by numbers that this server gave out, as those of groups: nobody chooses them to collide.
pub(crate) type BySpread = BuildHasherDefault<SpreadHasher>;

/// Spreads a number over all bits with one multiplication.
#[derive(Default)]
pub(crate) struct SpreadHasher(u64);

impl Hasher for SpreadHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(u64::from(byte)));
    }

    fn write_u64(&mut self, number: u64) {
        let wide = u128::from(self.0 ^ number) * u128::from(SPREAD);
        self.0 = (wide >> 64) as u64 ^ wide as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// 2^64 divided by the golden ratio: multiplying by it spreads neighbouring numbers over the whole range.
pub(crate) const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// The ancestors of a key, from the shortest prefix down. The bucket itself (no bytes) is not among them.
#[derive(Clone)]
pub(crate) struct Walk<'a> {
    hasher: SipHasher13,
    path: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    /// The next prefix that ends in `/`, and its name.
    pub(crate) fn next_prefix(&mut self) -> Option<(&'a [u8], u128)> {
        let rest = self.path.get(self.at..)?;
        let cut = rest.iter().position(|&b| b == b'/')? + 1;
        self.hasher.write(&rest[..cut]);
        self.at += cut;
        Some((&self.path[..self.at], self.hasher.finish128().as_u128()))
    }

    /// Stands in the same folder, on the way to another key in it.
    pub(crate) fn beside<'b>(&self, key: &'b [u8]) -> Walk<'b> {
        Walk { hasher: self.hasher, path: key, at: self.at }
    }

    /// The name of the object with this key, after all prefixes were taken.
    pub(crate) fn object(&self) -> u128 {
        let mut hasher = self.hasher;
        hasher.write(self.path.get(self.at..).unwrap_or_default());
        hasher.write(OBJECT_MARK);
        hasher.finish128().as_u128()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_names_what_place_names() {
        let key = HashKey::fixed();
        let mut walk = key.walk(b"a//b/c");
        for expect in [b"a/".as_slice(), b"a//", b"a//b/"] {
            assert_eq!(walk.next_prefix(), Some((expect, key.place(expect, false))));
        }
        assert_eq!(walk.next_prefix(), None);
        assert_eq!(walk.object(), key.place(b"a//b/c", true));
        let (there, name) = key.walk_to(b"a//b/c", 5);
        assert_eq!((there.object(), name), (walk.object(), key.place(b"a//b/", false)));
    }

    #[test]
    fn the_prefix_photos_is_not_the_object_photos() {
        let key = HashKey::fixed();
        assert_ne!(key.place(b"photos/", false), key.place(b"photos/", true));
        assert_ne!(key.place(b"photos/\x01", true), key.place(b"photos/", true));
        assert_ne!(HashKey::of(1, 3).place(b"a", true), key.place(b"a", true));
    }
}
