//! The chunk index in RAM: 16 bytes a needle, at most 20 with everything. Where a needle is, and nothing about bytes.
//!
//! A slot holds 64 bits of the name; two chunks with the same 64 bits are legal, so a lookup answers candidates and
//! the full name in the needle header decides. Each shard is a table ordered by fingerprint (linear probing whose
//! home position grows with the fingerprint), so it can run at a load of 0.93, a miss stops early, and growing by an
//! eighth is one sequential copy.

use parking_lot::RwLock;

/// Shards: a writer blocks a thousandth of the readers, and a growing shard copies a thousandth of the table.
const SHARDS: usize = 1 << SHARD_BITS;
const SHARD_BITS: u32 = 10;
/// Slots behind the last home position, and how many are added when they are used up.
const SLACK: usize = 16;
/// Fewest home positions of a table that is not empty.
const HOME_MIN: usize = 8;
const STATE_BITS: u32 = 10;
const CLASS_BITS: u32 = 8;
const OFFSET_BITS: u32 = 30;
const STATE_MASK: u64 = (1 << STATE_BITS) - 1;
/// State bits 0-1: what may happen to the needle.
const KIND_MASK: u64 = 0b11;
/// State bits 2-5: epoch of the last stamp.
const EPOCH_SHIFT: u32 = 2;
const EPOCH_MASK: u64 = 0b1111 << EPOCH_SHIFT;

/// What may happen to a needle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Read and dedup.
    Live = 0,
    /// Found bad by a read: still a candidate for reading, never a dedup hit; the next write replaces it.
    Suspect = 2,
}

/// A packed slot: 16 bits of volume slot, 30 bits of offset / 8, 8 bits of size class, 10 bits of state
/// (2 kind, 4 epoch, 4 heat). Never 0: no needle starts in the block of the volume header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Place(u64);

impl Place {
    pub(crate) fn new(volume_slot: u16, offset: u64, stored: u32) -> Self {
        let offset = (offset / 8) & ((1 << OFFSET_BITS) - 1);
        let class = u64::from(size_class(stored)) << STATE_BITS;
        let volume = u64::from(volume_slot) << (OFFSET_BITS + CLASS_BITS + STATE_BITS);
        Self(volume | offset << (CLASS_BITS + STATE_BITS) | class)
    }

    pub(crate) fn volume_slot(self) -> u16 {
        (self.0 >> (OFFSET_BITS + CLASS_BITS + STATE_BITS)) as u16
    }

    pub(crate) fn offset(self) -> u64 {
        (self.0 >> (CLASS_BITS + STATE_BITS) & ((1 << OFFSET_BITS) - 1)) * 8
    }

    /// At least the stored length, at most an eighth more: enough for one read that holds the whole needle.
    pub(crate) fn stored_at_most(self) -> u32 {
        class_bytes((self.0 >> STATE_BITS) as u8)
    }

    pub(crate) fn is_suspect(self) -> bool {
        self.0 & KIND_MASK == Kind::Suspect as u64
    }

    /// The same needle, whatever its state.
    fn same(self, other: Self) -> bool {
        (self.0 ^ other.0) & !STATE_MASK == 0
    }

    fn with_kind(self, kind: Kind) -> Self {
        Self(self.0 & !KIND_MASK | kind as u64)
    }

    fn with_epoch(self, epoch: u8) -> Self {
        Self(self.0 & !EPOCH_MASK | u64::from(epoch) << EPOCH_SHIFT & EPOCH_MASK)
    }
}

/// Lengths as 5 bits of exponent and 3 of mantissa, rounded up.
fn size_class(bytes: u32) -> u8 {
    if bytes < 8 {
        return bytes as u8;
    }
    let shift = 28 - bytes.leading_zeros();
    let rounded = u64::from(bytes).div_ceil(1 << shift);
    // A mantissa of 16 is the next exponent's 8: the arithmetic carries by itself.
    (u64::from(shift) * 8 + rounded) as u8
}

fn class_bytes(class: u8) -> u32 {
    if class < 16 {
        return u32::from(class);
    }
    let shift = u32::from(class / 8) - 1;
    let bytes = u64::from(class % 8 + 8) << shift;
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[derive(Clone, Copy)]
struct Slot {
    fingerprint: u64,
    place: u64,
}

/// A free slot.
const EMPTY: Slot = Slot { fingerprint: 0, place: 0 };

/// The places a fingerprint may mean; nearly always one, and then nothing is allocated.
#[derive(Default)]
pub(crate) struct Candidates {
    first: Option<Place>,
    rest: Vec<Place>,
}

impl Candidates {
    pub(crate) fn iter(&self) -> impl Iterator<Item = Place> + '_ {
        self.first.into_iter().chain(self.rest.iter().copied())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

#[derive(Default)]
struct Table {
    /// `home + SLACK` slots, or none; more when names crowd at the end.
    slots: Vec<Slot>,
    home: usize,
    used: usize,
}

impl Table {
    fn position(home: usize, fingerprint: u64) -> usize {
        // The shard took the upper bits; what is left is scaled, so order is kept.
        ((u128::from(fingerprint << SHARD_BITS) * home as u128) >> 64) as usize
    }

    /// The first slot that is empty or not below the fingerprint.
    fn seek(&self, fingerprint: u64) -> usize {
        let mut at = Self::position(self.home, fingerprint);
        while let Some(slot) = self.slots.get(at) {
            if slot.place == 0 || slot.fingerprint >= fingerprint {
                break;
            }
            at += 1;
        }
        at
    }

    fn run(&self, fingerprint: u64) -> &[Slot] {
        let start = self.seek(fingerprint).min(self.slots.len());
        let same = |slot: &&Slot| slot.place != 0 && slot.fingerprint == fingerprint;
        &self.slots[start..start + self.slots[start..].iter().take_while(same).count()]
    }

    fn find(&mut self, fingerprint: u64, place: Place) -> Option<usize> {
        let start = self.seek(fingerprint);
        let run = self.run(fingerprint).iter().position(|slot| Place(slot.place).same(place))?;
        Some(start + run)
    }

    /// Puts the slot before its equals: the newest is tried first.
    fn insert(&mut self, fingerprint: u64, place: Place) {
        if (self.used + 1) * 100 > self.home * 93 {
            self.grow(self.used + 1);
        }
        let at = self.seek(fingerprint);
        let gap = self.slots[at.min(self.slots.len())..].iter().position(|slot| slot.place == 0);
        let gap = gap.unwrap_or_else(|| {
            let gap = self.slots.len() - at.min(self.slots.len());
            extend(&mut self.slots);
            gap
        });
        self.slots.copy_within(at..at + gap, at + 1);
        self.slots[at] = Slot { fingerprint, place: place.0 };
        self.used += 1;
    }

    /// At least `needed` slots at full load, and at least an eighth more than now.
    fn grow(&mut self, needed: usize) {
        let home = (self.home + self.home / 8).max(needed + needed / 10).max(self.home + HOME_MIN);
        let mut slots = Vec::with_capacity(home + SLACK);
        slots.resize(home + SLACK, EMPTY);
        let mut next = 0;
        for slot in self.slots.iter().filter(|slot| slot.place != 0) {
            let at = next.max(Self::position(home, slot.fingerprint));
            if at == slots.len() {
                extend(&mut slots);
            }
            slots[at] = *slot;
            next = at + 1;
        }
        (self.slots, self.home) = (slots, home);
    }
}

/// More room behind the last home position.
fn extend(slots: &mut Vec<Slot>) {
    slots.reserve_exact(SLACK);
    slots.resize(slots.len() + SLACK, EMPTY);
}

/// The index.
pub(crate) struct Index {
    shards: Box<[RwLock<Table>]>,
}

impl Index {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| RwLock::default()).collect() }
    }

    fn shard(&self, fingerprint: u64) -> &RwLock<Table> {
        &self.shards[(fingerprint >> (64 - SHARD_BITS)) as usize]
    }

    /// Room for so many more needles, so that recovery does not grow step by step.
    pub(crate) fn reserve(&self, needles: u64) {
        let each = needles.div_ceil(SHARDS as u64) as usize;
        for shard in &self.shards {
            let mut table = shard.write();
            let needed = table.used + each;
            if needed * 100 > table.home * 93 {
                table.grow(needed);
            }
        }
    }

    pub(crate) fn candidates(&self, fingerprint: u64) -> Candidates {
        let table = self.shard(fingerprint).read();
        match table.run(fingerprint) {
            [] => Candidates::default(),
            [one] => Candidates { first: Some(Place(one.place)), rest: Vec::new() },
            [one, rest @ ..] => {
                Candidates { first: Some(Place(one.place)), rest: rest.iter().map(|slot| Place(slot.place)).collect() }
            }
        }
    }

    /// Adds the needle unless some needle has this fingerprint; says whether it did.
    pub(crate) fn insert_if_new(&self, fingerprint: u64, place: Place) -> bool {
        let mut table = self.shard(fingerprint).write();
        if !table.run(fingerprint).is_empty() {
            return false;
        }
        table.insert(fingerprint, place);
        true
    }

    /// Adds the needle before those with the same fingerprint.
    pub(crate) fn insert(&self, fingerprint: u64, place: Place) {
        self.shard(fingerprint).write().insert(fingerprint, place);
    }

    /// Puts `new` where `old` is, if it still is there.
    pub(crate) fn replace(&self, fingerprint: u64, old: Place, new: Place) -> bool {
        let mut table = self.shard(fingerprint).write();
        let Some(at) = table.find(fingerprint, old) else { return false };
        table.slots[at].place = new.0;
        true
    }

    /// Live again, and seen in this epoch. Says whether the needle was still known.
    pub(crate) fn stamp(&self, fingerprint: u64, place: Place, epoch: u8) -> bool {
        self.change(fingerprint, place, |now| now.with_kind(Kind::Live).with_epoch(epoch))
    }

    /// No dedup hit any more.
    pub(crate) fn suspect(&self, fingerprint: u64, place: Place) {
        self.change(fingerprint, place, |now| now.with_kind(Kind::Suspect));
    }

    fn change(&self, fingerprint: u64, place: Place, new: impl Fn(Place) -> Place) -> bool {
        let mut table = self.shard(fingerprint).write();
        let Some(at) = table.find(fingerprint, place) else { return false };
        table.slots[at].place = new(Place(table.slots[at].place)).0;
        true
    }

    pub(crate) fn needles(&self) -> u64 {
        self.shards.iter().map(|shard| shard.read().used as u64).sum()
    }

    /// RAM it holds.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let fixed = std::mem::size_of::<RwLock<Table>>() * SHARDS;
        let slots: usize = self.shards.iter().map(|shard| shard.read().slots.capacity()).sum();
        (fixed + slots * std::mem::size_of::<Slot>()) as u64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn spread(i: u64) -> u64 {
        let hash = blake3::hash(&i.to_le_bytes());
        u64::from_be_bytes(hash.as_bytes()[..8].try_into().unwrap())
    }

    #[test]
    fn a_place_keeps_what_it_is_given() {
        for (slot, offset, stored) in [(0, 4096, 0), (u16::MAX, (8 << 30) - 8, 4 << 20), (7, 4096 + 64, 4096)] {
            let place = Place::new(slot, offset, stored);
            assert_eq!((place.volume_slot(), place.offset()), (slot, offset));
            assert!(place.stored_at_most() >= stored && place.stored_at_most() <= stored + stored / 8);
            assert!(place.same(place.with_kind(Kind::Suspect).with_epoch(15)));
            assert!(place.with_kind(Kind::Suspect).is_suspect());
            assert_eq!(place.with_epoch(15).with_epoch(0), place);
        }
    }

    #[test]
    fn size_classes_round_up_by_at_most_an_eighth() {
        for bytes in (0..70_000).chain((16..=22).flat_map(|e| [(1 << e) - 1, 1 << e, (1 << e) + 1])) {
            let up = class_bytes(size_class(bytes));
            assert!(up >= bytes && up <= bytes + bytes / 8, "{bytes} {up}");
        }
        assert!((1..70_000).all(|bytes| size_class(bytes) >= size_class(bytes - 1)));
    }

    #[test]
    fn a_needle_costs_at_most_20_bytes_at_any_size_above_200_000() {
        let index = Index::new();
        let mut worst = 0.0f64;
        for i in 0..1_000_000 {
            assert!(index.insert_if_new(spread(i), Place::new(1, 4096 + i * 8, 100)));
            if i >= 200_000 && i % 10_000 == 0 {
                worst = worst.max(index.memory_bytes() as f64 / (i + 1) as f64);
            }
        }
        assert!(worst <= 20.0, "{worst}");
        for i in 0..1_000_000 {
            let found: Vec<_> = index.candidates(spread(i)).iter().collect();
            assert_eq!(found, [Place::new(1, 4096 + i * 8, 100)]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Few fingerprints in one shard, many collisions: the table against a map of lists.
        #[test]
        fn behaves_like_a_map_of_lists(steps in prop::collection::vec((0u8..5, 0u64..40, 1u64..60), 1..600)) {
            let index = Index::new();
            let mut model: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
            for (step, name, n) in steps {
                // All in shard 3, both at its lower and its upper end.
                let fingerprint = 3 << 54 | if name % 2 == 0 { name } else { (1 << 54) - name };
                let place = Place::new(9, 4096 + n * 8, 10);
                let list = model.entry(fingerprint).or_default();
                let known = list.iter().position(|x| *x == n);
                match step {
                    0 | 1 if known.is_none() => { index.insert(fingerprint, place); list.insert(0, n); }
                    3 if known.is_none() => {
                        let added = index.insert_if_new(fingerprint, place);
                        prop_assert_eq!(added, list.is_empty());
                        if added { list.push(n); }
                    }
                    4 => {
                        let new = Place::new(8, 8 * n + (1 << 20), 10);
                        if index.replace(fingerprint, place, new) {
                            prop_assert!(index.replace(fingerprint, new, place) && known.is_some());
                        } else { prop_assert!(known.is_none()); }
                    }
                    _ => { prop_assert_eq!(index.stamp(fingerprint, place, 3), known.is_some()); }
                }
            }
            for (fingerprint, list) in &model {
                let found: Vec<u64> = index.candidates(*fingerprint).iter().map(|p| (p.offset() - 4096) / 8).collect();
                prop_assert_eq!(&found, list);
            }
            prop_assert_eq!(index.needles(), model.values().map(|l| l.len() as u64).sum::<u64>());
        }
    }
}
