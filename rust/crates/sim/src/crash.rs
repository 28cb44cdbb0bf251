//! What a power cut leaves: everything that was synced, and any of what was not.
//!
//! At a moment of a memory disk's history this builds the disks that could be found afterwards: nothing unsynced,
//! all of it, every prefix, and subsets. Whole operations by default; torn ones on request.

use std::collections::BTreeMap;

use crate::disk::{Content, MemDisk, Op};

/// How finely an unsynced write may be torn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grain {
    /// A write happened or it did not.
    Whole,
    /// Each 4 KiB page of it by itself.
    Page,
    /// Each 512-byte sector of it by itself.
    Sector,
}

impl Grain {
    fn bytes(self) -> Option<u64> {
        match self {
            Grain::Whole => None,
            Grain::Page => Some(4096),
            Grain::Sector => Some(512),
        }
    }
}

/// So many unsynced pieces are enumerated completely: 2^n disks.
const EXHAUSTIVE_PIECES: usize = 4;

/// A piece of history: durable for certain, or not.
struct Piece {
    op: Op,
    durable: bool,
}

/// History up to the crash, in pieces that survive or not.
struct History {
    pieces: Vec<Piece>,
    unsure: Vec<usize>,
}

fn tear(op: &Op, grain: Grain) -> Vec<Op> {
    let (Op::Write { file, offset, data }, Some(grain)) = (op, grain.bytes()) else { return vec![op.clone()] };
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < data.len() {
        let room = grain - (offset + at as u64) % grain;
        let end = data.len().min(at + room as usize);
        pieces.push(Op::Write { file: *file, offset: offset + at as u64, data: data[at..end].to_vec() });
        at = end;
    }
    pieces
}

fn history(ops: &[Op], grain: Grain) -> History {
    let mut pieces: Vec<Piece> = Vec::new();
    // Pieces of a file whose sync failed: no later sync makes them certain.
    let mut lost = Vec::new();
    let file_of = |op: &Op| match op {
        Op::Write { file, .. } | Op::SetLen { file, .. } | Op::Allocate { file, .. } => Some(*file),
        _ => None,
    };
    for op in ops {
        match op {
            Op::SyncDir => {
                let names = pieces.iter_mut().filter(|p| matches!(p.op, Op::Create { .. } | Op::Remove { .. }));
                names.for_each(|piece| piece.durable = true);
            }
            Op::Datasync { file } => {
                for (at, piece) in pieces.iter_mut().enumerate() {
                    piece.durable |= file_of(&piece.op) == Some(*file) && !lost.contains(&at);
                }
            }
            Op::SyncFailed { file } => {
                let pending =
                    |(at, piece): (usize, &Piece)| (file_of(&piece.op) == Some(*file) && !piece.durable).then_some(at);
                lost.extend(pieces.iter().enumerate().filter_map(pending));
            }
            other => pieces.extend(tear(other, grain).into_iter().map(|op| Piece { op, durable: false })),
        }
    }
    let unsure = (0..pieces.len()).filter(|at| !pieces[*at].durable).collect();
    History { pieces, unsure }
}

/// The disks that a power cut after `moment` operations may leave; at most about `most`, chosen by `seed` when there
/// are more.
pub fn crash_states(disk: &MemDisk, moment: usize, grain: Grain, most: usize, seed: u64) -> Vec<MemDisk> {
    let state = disk.0.lock();
    let history = history(&state.ops[..moment], grain);
    let n = history.unsure.len();
    let mut choices: Vec<Vec<bool>> = Vec::new();
    if n <= EXHAUSTIVE_PIECES {
        choices.extend((0..1u32 << n).map(|bits| (0..n).map(|i| bits >> i & 1 == 1).collect()));
    } else {
        let step = (n + 1).div_ceil((most / 2).max(2));
        choices.extend((0..=n).step_by(step).map(|prefix| (0..n).map(|i| i < prefix).collect::<Vec<_>>()));
        choices.push(vec![true; n]);
        // Everything but one, then coin flips.
        let mut random = seed;
        let mut coin = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            random >> 33
        };
        while choices.len() < most {
            let hole = coin() as usize % n;
            choices.push((0..n).map(|i| i != hole).collect());
            choices.push((0..n).map(|_| coin() & 1 == 1).collect());
        }
    }
    choices.iter().map(|choice| build(&state.base, &history, choice)).collect()
}

fn build(base: &(BTreeMap<String, usize>, Vec<Content>), history: &History, choice: &[bool]) -> MemDisk {
    let (mut names, mut files) = base.clone();
    let mut unsure = history.unsure.iter().zip(choice).peekable();
    for (at, piece) in history.pieces.iter().enumerate() {
        let survived = unsure.next_if(|(i, _)| **i == at).is_none_or(|(_, chosen)| *chosen);
        match &piece.op {
            // The file exists in any case; its name may not.
            Op::Create { name, file } => {
                files.resize(files.len().max(file + 1), Content::default());
                if survived {
                    names.insert(name.clone(), *file);
                }
            }
            Op::Remove { name } if survived => {
                names.remove(name);
            }
            Op::Write { file, .. } | Op::SetLen { file, .. } | Op::Allocate { file, .. } if survived => {
                files[*file].apply(&piece.op);
            }
            _ => {}
        }
    }
    let left: Vec<_> = names.into_iter().map(|(name, file)| (name, files[file].clone())).collect();
    // New generations after a crash must differ from those before it, as random ones do.
    MemDisk::with_files(left, 1_000_000 + history.pieces.len() as u64)
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use panthera_volume::Disk;

    use super::*;

    fn contents(disk: &MemDisk, grain: Grain) -> Vec<Vec<u8>> {
        let states = crash_states(disk, disk.now(), grain, 64, 1);
        let mut all: Vec<_> = states.iter().map(|state| state.files().remove("f").unwrap_or_default()).collect();
        all.sort();
        all.dedup();
        all
    }

    #[test]
    fn synced_bytes_survive_and_unsynced_ones_may() {
        let disk = MemDisk::new();
        let file = disk.create("f").unwrap();
        disk.sync_dir().unwrap();
        file.write_vectored_at(0, &[IoSlice::new(b"aa")]).unwrap();
        file.datasync().unwrap();
        file.write_vectored_at(2, &[IoSlice::new(b"b")]).unwrap();
        file.write_vectored_at(0, &[IoSlice::new(b"c")]).unwrap();
        assert_eq!(contents(&disk, Grain::Whole), [&b"aa"[..], b"aab", b"ca", b"cab"]);
    }

    #[test]
    fn a_name_needs_the_directory() {
        let disk = MemDisk::new();
        let file = disk.create("f").unwrap();
        file.write_vectored_at(0, &[IoSlice::new(b"a")]).unwrap();
        file.datasync().unwrap();
        let states = crash_states(&disk, disk.now(), Grain::Whole, 8, 1);
        assert!(states.iter().any(|state| state.files().is_empty()));
    }

    #[test]
    fn a_failed_sync_is_not_undone_by_a_later_one() {
        let disk = MemDisk::new();
        let file = disk.make("f").unwrap();
        disk.sync_dir().unwrap();
        use panthera_volume::DiskFile;
        file.write_vectored_at(0, &[IoSlice::new(b"a")]).unwrap();
        file.fail_sync();
        file.datasync().unwrap();
        assert_eq!(contents(&disk, Grain::Whole), [&b""[..], b"a"]);
        // Writing the same bytes again and syncing them is what helps.
        file.write_vectored_at(0, &[IoSlice::new(b"a")]).unwrap();
        file.datasync().unwrap();
        assert_eq!(contents(&disk, Grain::Whole), [b"a"]);
    }

    #[test]
    fn sectors_are_torn_by_themselves() {
        let disk = MemDisk::new();
        let file = disk.create("f").unwrap();
        disk.sync_dir().unwrap();
        file.write_vectored_at(500, &[IoSlice::new(&[7; 600])]).unwrap();
        let all = contents(&disk, Grain::Sector);
        // 12 bytes, 512 bytes, 76 bytes: eight combinations.
        assert_eq!(all.len(), 8);
    }
}
