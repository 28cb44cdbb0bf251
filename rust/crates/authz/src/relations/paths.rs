//! Sorted paths of a bucket's places, front-coded in blocks: about a third of their plain size, searchable, decodable
//! from any position. Prefixes sort before the object with the same bytes.

/// Paths of a block. Decoding one walks half a block on average; the first is stored whole and costs the space.
const BLOCK: usize = 16;

/// The dictionary. Positions are `u32`: a bucket has fewer than 2^32 places with grants.
#[derive(Default)]
pub(crate) struct Paths {
    blob: Vec<u8>,
    blocks: Vec<u64>,
    /// One bit a path: it is an object.
    objects: Vec<u64>,
    len: u32,
    object_count: u32,
}

/// Adds paths in order.
#[derive(Default)]
pub(crate) struct PathsBuilder {
    paths: Paths,
    last: Vec<u8>,
}

fn put_varint(out: &mut Vec<u8>, mut n: usize) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn take_varint(bytes: &[u8], at: &mut usize) -> usize {
    let (mut n, mut shift) = (0usize, 0u32);
    while let Some(&b) = bytes.get(*at) {
        *at += 1;
        n |= usize::from(b & 0x7F) << shift;
        if b & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    n
}

impl PathsBuilder {
    /// Adds a path above all before it and returns its position.
    pub(crate) fn push(&mut self, path: &[u8], object: bool) -> u32 {
        let at = self.paths.len;
        let index = at as usize;
        let shared = if index.is_multiple_of(BLOCK) {
            self.paths.blocks.push(self.paths.blob.len() as u64);
            0
        } else {
            self.last.iter().zip(path).take_while(|(a, b)| a == b).count()
        };
        put_varint(&mut self.paths.blob, shared);
        put_varint(&mut self.paths.blob, path.len() - shared);
        self.paths.blob.extend_from_slice(&path[shared..]);
        if index.is_multiple_of(64) {
            self.paths.objects.push(0);
        }
        if let (true, Some(word)) = (object, self.paths.objects.last_mut()) {
            *word |= 1 << (index % 64);
            self.paths.object_count += 1;
        }
        self.last.clear();
        self.last.extend_from_slice(path);
        self.paths.len += 1;
        at
    }

    /// Done.
    pub(crate) fn finish(mut self) -> Paths {
        self.paths.blob.shrink_to_fit();
        self.paths.blocks.shrink_to_fit();
        self.paths.objects.shrink_to_fit();
        self.paths
    }
}

impl Paths {
    /// How many there are.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// How many of them are objects.
    pub(crate) fn object_count(&self) -> u32 {
        self.object_count
    }

    /// Whether the path at a position is an object.
    pub(crate) fn is_object(&self, at: u32) -> bool {
        self.objects.get(at as usize / 64).is_some_and(|word| word & 1 << (at % 64) != 0)
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.blob.capacity() + 8 * (self.blocks.capacity() + self.objects.capacity())
    }

    /// A reader at no position yet.
    pub(crate) fn reader(&self) -> PathReader<'_> {
        PathReader { paths: self, next: u32::MAX, offset: 0, path: Vec::new() }
    }

    /// The first position whose (path, is object) is not below the given one.
    pub(crate) fn lower_bound(&self, path: &[u8], object: bool) -> u32 {
        let first_of = |block: usize| {
            let mut at = self.blocks[block] as usize;
            take_varint(&self.blob, &mut at);
            let length = take_varint(&self.blob, &mut at);
            (&self.blob[at..at + length], self.is_object((block * BLOCK) as u32))
        };
        let (mut low, mut high) = (0, self.blocks.len());
        while low < high {
            let middle = low.midpoint(high);
            if first_of(middle) < (path, object) { low = middle + 1 } else { high = middle }
        }
        let mut reader = self.reader();
        let from = (low.saturating_sub(1) * BLOCK) as u32;
        let to = ((low * BLOCK) as u32).min(self.len);
        (from..to).find(|&at| (reader.get(at), self.is_object(at)) >= (path, object)).unwrap_or(to)
    }
}

/// Decodes paths; ascending positions within a block cost one step each.
pub(crate) struct PathReader<'a> {
    paths: &'a Paths,
    next: u32,
    offset: usize,
    path: Vec<u8>,
}

impl PathReader<'_> {
    /// The path at a position below `len`.
    pub(crate) fn get(&mut self, at: u32) -> &[u8] {
        let block = at as usize / BLOCK;
        let near = self.next != u32::MAX && self.next <= at && self.next as usize / BLOCK == block;
        if !near && self.next.wrapping_sub(1) != at {
            self.next = (block * BLOCK) as u32;
            self.offset = self.paths.blocks.get(block).map_or(0, |&o| o as usize);
            self.path.clear();
        }
        while self.next <= at {
            let shared = take_varint(&self.paths.blob, &mut self.offset);
            let length = take_varint(&self.paths.blob, &mut self.offset);
            self.path.truncate(shared);
            let suffix = self.paths.blob.get(self.offset..self.offset + length).unwrap_or_default();
            self.path.extend_from_slice(suffix);
            self.offset += length;
            self.next += 1;
        }
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn paths_come_back_and_are_found(
            set in prop::collection::btree_set((prop::collection::vec(0u8..4, 0..200), any::<bool>()), 0..200),
            asked in prop::collection::vec((prop::collection::vec(0u8..4, 0..6), any::<bool>()), 0..20),
            jumps in prop::collection::vec(any::<u32>(), 0..50),
        ) {
            let mut builder = PathsBuilder::default();
            for (path, object) in &set {
                builder.push(path, *object);
            }
            let paths = builder.finish();
            let sorted: Vec<_> = set.iter().cloned().collect();
            prop_assert_eq!(paths.len() as usize, sorted.len());
            prop_assert_eq!(paths.object_count() as usize, sorted.iter().filter(|(_, o)| *o).count());
            let mut reader = paths.reader();
            for jump in jumps.iter().filter(|_| !sorted.is_empty()) {
                let at = jump % sorted.len() as u32;
                prop_assert_eq!(reader.get(at), &sorted[at as usize].0[..]);
                prop_assert_eq!(paths.is_object(at), sorted[at as usize].1);
            }
            let all: BTreeSet<_> = asked.into_iter().chain(sorted.iter().cloned()).collect();
            for (path, object) in all {
                let expect = sorted.partition_point(|(p, o)| (&p[..], *o) < (&path[..], object));
                prop_assert_eq!(paths.lower_bound(&path, object) as usize, expect);
            }
        }
    }
}
