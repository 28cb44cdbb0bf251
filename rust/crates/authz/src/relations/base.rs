//! The compact, immutable index of a bucket's tuples: built in one pass over places in order (at load, and when the
//! fresh layer has grown), then only read. Twelve bytes an edge forwards and four backwards; places are found by the
//! hash of their path with one probe.

use std::collections::HashMap;

use crate::hash::HashKey;
use crate::model::Grantee;
use crate::relations::node::{Edge, Qualifier, Qualifiers, Record, View};
use crate::relations::paths::{PathReader, Paths, PathsBuilder};

const NOWHERE: u32 = u32::MAX;

/// 96 bits of the hash and the node it names. The other 32 bits chose the place in the table.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    high: u64,
    low: u32,
    node: u32,
}

/// The index.
#[derive(Default)]
pub(crate) struct Base {
    pub(crate) paths: Paths,
    /// Where the edges of a node begin; one more than there are nodes.
    offsets: Vec<u32>,
    edges: Vec<Edge>,
    qualifiers: Vec<(u32, Grantee, Qualifier)>,
    slots: Vec<Slot>,
    /// Grantees in order, where their row begins, and rows of ascending nodes.
    row_grantees: Vec<Grantee>,
    row_offsets: Vec<u32>,
    rows: Vec<u32>,
}

/// Takes places in order.
pub(crate) struct Builder {
    key: HashKey,
    paths: PathsBuilder,
    offsets: Vec<u32>,
    edges: Vec<Edge>,
    qualifiers: Vec<(u32, Grantee, Qualifier)>,
    hashes: Vec<u128>,
}

impl Builder {
    pub(crate) fn new(key: HashKey) -> Self {
        Self {
            key,
            paths: PathsBuilder::default(),
            offsets: vec![0],
            edges: Vec::new(),
            qualifiers: Vec::new(),
            hashes: Vec::new(),
        }
    }

    /// Adds a place above all before it. One without edges is left out.
    pub(crate) fn push(&mut self, path: &[u8], object: bool, view: View<'_>) {
        if view.edges.is_empty() {
            return;
        }
        let node = self.paths.push(path, object);
        self.edges.extend_from_slice(view.edges);
        self.offsets.push(self.edges.len() as u32);
        let none = match view.qualifiers {
            Qualifiers::Own(all) => all.is_empty(),
            Qualifiers::Shared(all, _) => all.is_empty(),
        };
        if !none {
            let Record { qualifiers, .. } = view.to_record();
            self.qualifiers.extend(qualifiers.into_iter().map(|(g, q)| (node, g, q)));
        }
        self.hashes.push(self.key.place(path, object));
    }

    /// Turns it around and builds the table.
    pub(crate) fn finish(mut self) -> Base {
        self.edges.shrink_to_fit();
        self.offsets.shrink_to_fit();
        self.qualifiers.shrink_to_fit();
        let slots = table(&self.hashes);
        drop(std::mem::take(&mut self.hashes));
        let mut base = Base { paths: self.paths.finish(), offsets: self.offsets, slots, ..Base::default() };
        base.edges = self.edges;
        base.qualifiers = self.qualifiers;
        base.turn_around();
        base
    }
}

/// Where a hash begins to look: its low half, scaled to the table.
fn home(hash: u128, slots: usize) -> usize {
    ((u128::from(hash as u64) * slots as u128) >> 64) as usize
}

fn table(hashes: &[u128]) -> Vec<Slot> {
    // Three quarters full: a probe reads 1.5 to 2.5 slots, which are neighbours.
    let size = if hashes.is_empty() { 0 } else { hashes.len() * 4 / 3 + 2 };
    let mut slots = vec![Slot { high: 0, low: 0, node: NOWHERE }; size];
    for (node, &hash) in hashes.iter().enumerate() {
        let mut at = home(hash, size);
        while slots[at].node != NOWHERE {
            at = if at + 1 == size { 0 } else { at + 1 };
        }
        slots[at] = Slot { high: (hash >> 64) as u64, low: hash as u32, node: node as u32 };
    }
    slots
}

impl Base {
    fn turn_around(&mut self) {
        // Few grantees have many edges: each is looked up by its hash, and only the different ones are sorted.
        let mut seen: HashMap<Grantee, u32> = HashMap::new();
        let mut numbers: Vec<u32> = Vec::with_capacity(self.edges.len());
        for edge in &self.edges {
            let next = seen.len() as u32;
            numbers.push(*seen.entry(edge.grantee()).or_insert(next));
        }
        let mut grantees: Vec<(Grantee, u32)> = seen.into_iter().collect();
        grantees.sort_unstable();
        let mut rank = vec![0u32; grantees.len()];
        for (row, (_, number)) in grantees.iter().enumerate() {
            rank[*number as usize] = row as u32;
        }
        numbers.iter_mut().for_each(|number| *number = rank[*number as usize]);
        let grantees: Vec<Grantee> = grantees.into_iter().map(|(grantee, _)| grantee).collect();
        let mut offsets = vec![0u32; grantees.len() + 1];
        for &row in &numbers {
            offsets[row as usize + 1] += 1;
        }
        for i in 1..offsets.len() {
            offsets[i] += offsets[i - 1];
        }
        let mut next = offsets.clone();
        let mut rows = vec![0u32; self.edges.len()];
        for node in 0..self.paths.len() {
            for edge in self.edge_range(node) {
                let row = numbers[edge] as usize;
                rows[next[row] as usize] = node;
                next[row] += 1;
            }
        }
        self.row_grantees = grantees;
        self.row_offsets = offsets;
        self.rows = rows;
    }

    fn edge_range(&self, node: u32) -> std::ops::Range<usize> {
        let at = node as usize;
        self.offsets[at] as usize..self.offsets[at + 1] as usize
    }

    /// How many places there are.
    pub(crate) fn len(&self) -> u32 {
        self.paths.len()
    }

    /// How many edges there are.
    pub(crate) fn edge_count(&self) -> usize {
        self.edges.len()
    }

    /// Reads where a name would be found, without looking at what is there: several of these overlap in the memory.
    #[inline]
    pub(crate) fn peek(&self, hash: u128) -> Slot {
        self.slots.get(home(hash, self.slots.len())).copied().unwrap_or(Slot { high: 0, low: 0, node: NOWHERE })
    }

    /// The place with this name.
    #[inline]
    pub(crate) fn find(&self, hash: u128) -> Option<u32> {
        self.find_from(hash, self.peek(hash))
    }

    /// The same, when the first slot was read already.
    #[inline]
    pub(crate) fn find_from(&self, hash: u128, first: Slot) -> Option<u32> {
        let size = self.slots.len();
        let (high, low) = ((hash >> 64) as u64, hash as u32);
        let (mut at, mut slot) = (home(hash, size), first);
        loop {
            if slot.node == NOWHERE {
                return None;
            }
            if slot.high == high && slot.low == low {
                return Some(slot.node);
            }
            at = if at + 1 == size { 0 } else { at + 1 };
            slot = self.slots[at];
        }
    }

    /// What is granted at a place.
    pub(crate) fn view(&self, node: u32) -> View<'_> {
        View { edges: &self.edges[self.edge_range(node)], qualifiers: Qualifiers::Shared(&self.qualifiers, node) }
    }

    /// The places at which a grantee stands, ascending.
    pub(crate) fn row(&self, grantee: Grantee) -> &[u32] {
        match self.row_grantees.binary_search(&grantee) {
            Ok(at) => &self.rows[self.row_offsets[at] as usize..self.row_offsets[at + 1] as usize],
            Err(_) => &[],
        }
    }

    /// Every grantee that stands anywhere, ascending.
    pub(crate) fn grantees(&self) -> &[Grantee] {
        &self.row_grantees
    }

    /// Reads paths.
    pub(crate) fn reader(&self) -> PathReader<'_> {
        self.paths.reader()
    }

    /// Bytes of the tuple index (edges, rows, offsets, qualifiers) and of the dictionary (paths and their table).
    pub(crate) fn heap_bytes(&self) -> (usize, usize) {
        let index = self.edges.capacity() * size_of::<Edge>()
            + 4 * (self.offsets.capacity() + self.row_offsets.capacity() + self.rows.capacity())
            + self.row_grantees.capacity() * 8
            + self.qualifiers.capacity() * size_of::<(u32, Grantee, Qualifier)>();
        (index, self.paths.heap_bytes() + self.slots.capacity() * size_of::<Slot>())
    }
}
