//! The power goes while LMDB commits: of the pages it was writing any may have reached the disk, in any order, until all
//! have and the meta page that makes them the tree is written. What is opened then holds the whole commit or nothing.
//!
//! Belongs here: what is on the disk during a commit. That a commit is whole is what everything above rests on: rows that
//! belong together are in one batch (`tests/crash/test_rights.py` stops changes between commits).

use std::fs;
use std::path::Path;

use panthera_meta::lmdb::{Lmdb, Options};
use panthera_meta::{Batch, Metastore, Op, Step};

const SEED: u64 = 0x5EED;
const COMMITS: usize = 60;
/// Half-written states that are tried of each commit, besides none, all but the meta page, and all.
const HALVES: usize = 12;
const PAGE: usize = 4096;
/// Pages 0 and 1 take turns in naming the tree.
const META_PAGES: usize = 2;

struct Chance(u64);

impl Chance {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }

    /// Rows as changes of rights have them: a few small ones together, now and then a document of many pages.
    fn batch(&mut self) -> Batch {
        let mut batch = Batch::default();
        for _ in 0..=self.next(6) {
            let key = format!("{:04}", self.next(400)).into_bytes();
            match self.next(8) {
                0 => drop(batch.delete(key)),
                1 => batch.ops.push(Op::DeleteRange(key.clone()..[&key[..3], b":"].concat())),
                2 => drop(batch.put(key, vec![self.next(256) as u8; 1 + self.next(5 * PAGE)])),
                _ => drop(batch.put(key, vec![self.next(256) as u8; 1 + self.next(300)])),
            }
        }
        batch
    }
}

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

fn rows(store: &Lmdb) -> Rows {
    let mut found = Vec::new();
    let snapshot = store.snapshot().unwrap();
    let visited = snapshot.scan(&b"\0"[..]..&b"\xff"[..], &mut |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        Step::Next
    });
    visited.unwrap();
    found
}

/// What a start finds on this file, and that it can be written to.
fn started(file: &[u8]) -> Rows {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("data.mdb"), file).unwrap();
    let store = Lmdb::open(dir.path(), &Options { sync: false, ..Options::default() }).unwrap();
    let found = rows(&store);
    let mut more = Batch::default();
    more.put(b"later".to_vec(), vec![1; PAGE]);
    store.commit(&more).unwrap();
    assert_eq!(rows(&store).len(), found.len() + 1);
    found
}

/// The old file with those of the new one's pages that had reached the disk; it is as long as they need.
fn cut(old: &[u8], new: &[u8], arrived: impl IntoIterator<Item = usize>) -> Vec<u8> {
    let mut file = old.to_vec();
    for page in arrived {
        let (from, to) = (page * PAGE, ((page + 1) * PAGE).min(new.len()));
        file.resize(file.len().max(to), 0);
        file[from..to].copy_from_slice(&new[from..to]);
    }
    file
}

fn changed(old: &[u8], new: &[u8]) -> Vec<usize> {
    let page = |file: &[u8], n: usize| file.get(n * PAGE..((n + 1) * PAGE).min(file.len())).map(<[u8]>::to_vec);
    (0..new.len().div_ceil(PAGE)).filter(|n| page(old, *n) != page(new, *n)).collect()
}

fn file(dir: &Path) -> Vec<u8> {
    fs::read(dir.join("data.mdb")).unwrap()
}

#[test]
fn a_commit_that_is_cut_is_whole_or_absent() {
    eprintln!("seed {SEED:#x}");
    let mut chance = Chance(SEED);
    let dir = tempfile::tempdir().unwrap();
    let store = Lmdb::open(dir.path(), &Options::default()).unwrap();
    let (mut cuts, mut old, mut before) = (0, file(dir.path()), rows(&store));
    for _ in 0..COMMITS {
        store.commit(&chance.batch()).unwrap();
        let (new, after) = (file(dir.path()), rows(&store));
        let all = changed(&old, &new);
        let (meta, data): (Vec<usize>, Vec<usize>) = all.iter().partition(|page| **page < META_PAGES);
        assert!(meta.len() <= 1, "one commit writes one meta page");
        assert_eq!(started(&cut(&old, &new, data.iter().copied())), before, "without the meta page");
        assert_eq!(started(&cut(&old, &new, all.iter().copied())), after, "acknowledged");
        for _ in 0..HALVES {
            let arrived: Vec<usize> = data.iter().copied().filter(|_| chance.next(2) == 0).collect();
            assert_eq!(started(&cut(&old, &new, arrived)), before, "half-written");
            cuts += 1;
        }
        (old, before) = (new, after);
    }
    assert!(cuts == COMMITS * HALVES && before.len() > 50);
}
