//! What is kept between requests about a user, a group or a subject, by the hash of whom it is about.
//!
//! Belongs here: where a value lies and which makes room for which. Does not belong here: whether one still holds; the
//! caller looks at the stamp in it, so nothing ever has to be removed and no fill can be stale.

use std::sync::Arc;

use panthera_base::CacheCounts;

use crate::sync::{ArcSwapOption, Guard};

/// Values in pairs of places: the newer one comes first and moves the other to the second. With single places two users
/// of one would take it from each other at every request, and a fill is dear: it looks at what every thread has in hand.
pub(crate) struct Kept<T> {
    places: Box<[ArcSwapOption<T>]>,
    pub(crate) counts: CacheCounts,
}

impl<T> Kept<T> {
    /// An empty one; with no places it never remembers.
    pub(crate) fn new(places: usize) -> Self {
        let places = (0..places).map(|_| ArcSwapOption::empty()).collect();
        Self { places, counts: CacheCounts::default() }
    }

    /// The places of a hash; the second of the last pair of an odd number is none.
    fn pair(&self, hash: u64) -> [Option<&ArcSwapOption<T>>; 2] {
        let first = (hash as usize % self.places.len().max(1)) & !1;
        [self.places.get(first), self.places.get(first + 1)]
    }

    /// The value with this hash that fits. Counts whether there was one.
    pub(crate) fn find(&self, hash: u64, fits: impl Fn(&T) -> bool) -> Option<Guard<Option<Arc<T>>>> {
        for place in self.pair(hash).into_iter().flatten() {
            let value = place.load();
            if value.as_deref().is_some_and(&fits) {
                self.counts.hit();
                return Some(value);
            }
        }
        self.counts.miss();
        None
    }

    /// Keeps a value. What came first moves on, unless it is an older value about the same.
    pub(crate) fn put(&self, hash: u64, value: Arc<T>, same: impl Fn(&T) -> bool) {
        let [Some(first), second] = self.pair(hash) else { return };
        if let (Some(second), Some(before)) = (second, first.load_full().filter(|before| !same(before))) {
            second.store(Some(before));
        }
        first.store(Some(value));
    }
}

#[cfg(all(test, not(feature = "model")))]
mod tests {
    use super::*;

    /// Values are (name, version).
    fn kept(all: &Kept<(u8, u8)>, name: u8) -> Option<u8> {
        all.find(0, |value| value.0 == name).and_then(|value| value.as_ref().map(|value| value.1))
    }

    fn put(all: &Kept<(u8, u8)>, name: u8, version: u8) {
        all.put(0, Arc::new((name, version)), |value| value.0 == name);
    }

    #[test]
    fn two_of_one_hash_stay_and_the_third_takes_the_place_of_the_oldest() {
        let all = Kept::new(2);
        put(&all, 1, 1);
        put(&all, 2, 1);
        assert_eq!((kept(&all, 1), kept(&all, 2)), (Some(1), Some(1)));
        put(&all, 3, 1);
        assert_eq!((kept(&all, 1), kept(&all, 2), kept(&all, 3)), (None, Some(1), Some(1)));
        assert_eq!(all.counts.totals(), (4, 1));
    }

    #[test]
    fn a_newer_value_takes_the_place_of_its_older_one() {
        let all = Kept::new(2);
        put(&all, 1, 1);
        put(&all, 2, 1);
        put(&all, 2, 2);
        assert_eq!((kept(&all, 1), kept(&all, 2)), (Some(1), Some(2)));
        // The one that moved on comes back to the front; the older one behind it is not found before it.
        put(&all, 1, 2);
        assert_eq!((kept(&all, 1), kept(&all, 2)), (Some(2), Some(2)));
    }

    #[test]
    fn any_number_of_places_will_do() {
        for places in 0..4 {
            let all = Kept::new(places);
            put(&all, 1, 1);
            assert_eq!(kept(&all, 1).is_some(), places > 0, "{places}");
        }
        let all = Kept::new(3);
        for hash in 0..6 {
            all.put(hash, Arc::new(hash), |value| *value == hash);
            assert!(all.find(hash, |value| *value == hash).is_some(), "{hash}");
        }
    }
}
