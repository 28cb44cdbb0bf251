//! Volumes and index logs: whatever stands in the files, opening never panics and reading never gives wrong bytes.

use std::io::IoSlice;
use std::sync::{Arc, LazyLock, mpsc};

use bytes::Bytes;
use panthera_sim::MemDisk;
use panthera_volume::format::{
    BATCH_ALIGN, BatchHeader, FIRST_BATCH, LOG_ROW_BYTES, LogRow, NeedleHeader, VOLUME_HEADER_BYTES, VolumeHeader,
    VolumeKey, log_name, record_bytes, volume_name,
};
use panthera_volume::{ChunkId, Disk, Lane, NewChunk, Store, StoreOptions, VolumeError};

use crate::tape::Tape;

const DOMAIN: [u8; 32] = [7; 32];
/// Lengths of the chunks that are known: none, one, small ones, and one with two check blocks.
const KNOWN: [usize; 8] = [0, 1, 7, 300, 4096, 5000, 70_000, 33];

type Answer = Result<(), VolumeError>;

fn options() -> StoreOptions {
    StoreOptions { volume_bytes: 96 << 10, min_free_bytes: 0, max_batch_bytes: 64 << 10, ..StoreOptions::new("fuzz") }
}

fn open(disk: &MemDisk) -> Result<Arc<Store<mpsc::Sender<Answer>>>, VolumeError> {
    let sink = |_, group: Vec<(mpsc::Sender<Answer>, Answer)>| {
        for (ticket, answer) in group {
            let _ = ticket.send(answer);
        }
    };
    Store::open(Arc::new(disk.clone()), options(), sink).map(|(store, _)| store)
}

fn put(store: &Store<mpsc::Sender<Answer>>, data: &Bytes) -> Answer {
    let (ticket, answer) = mpsc::channel();
    let chunk = NewChunk { id: ChunkId::of(&DOMAIN, data), data: data.clone() };
    store.submit(Lane::of(data.len()), vec![chunk], ticket);
    answer.recv().unwrap_or(Err(VolumeError::Closed))
}

/// A disk with the known chunks, two volumes at least.
struct Pristine {
    disk: MemDisk,
    chunks: Vec<Bytes>,
    files: Vec<(String, u64)>,
}

static PRISTINE: LazyLock<Pristine> = LazyLock::new(|| {
    let disk = MemDisk::new();
    let chunks: Vec<Bytes> =
        KNOWN.iter().enumerate().map(|(i, len)| (0..*len).map(|at| (at * 31 + i * 7) as u8).collect()).collect();
    match open(&disk) {
        Ok(store) => chunks.iter().for_each(|chunk| assert_eq!(put(&store, chunk), Ok(()))),
        Err(error) => panic!("an empty disk does not open: {error}"),
    }
    let files = disk.files().into_iter().map(|(name, bytes)| (name, bytes.len() as u64)).collect();
    Pristine { disk: disk.copy(), chunks, files }
});

/// The key of a pristine volume, which forged headers need to be believed.
fn key_of(id: u32) -> VolumeKey {
    let header = PRISTINE.disk.files().get(&volume_name(id)).and_then(|bytes| VolumeHeader::decode(bytes, id));
    header.map_or(VolumeKey { id, generation: 0 }, |header| header.key)
}

static KEYS: LazyLock<Vec<VolumeKey>> = LazyLock::new(|| {
    let volumes = PRISTINE.files.iter().filter(|(name, _)| name.ends_with(".vol")).count() as u32;
    (0..=volumes).map(key_of).collect()
});

fn write(disk: &MemDisk, name: &str, offset: u64, bytes: &[u8]) {
    let file = disk.open(name).or_else(|_| disk.create(name));
    // Far offsets would only make the file long.
    let done = file.and_then(|file| file.write_vectored_at(offset % (256 << 10), &[IoSlice::new(bytes)]));
    assert!(done.is_ok(), "a memory disk writes");
}

fn chunk_id(tape: &mut Tape<'_>) -> ChunkId {
    let known = tape.below(16);
    PRISTINE.chunks.get(known).map_or(ChunkId([known as u8; 32]), |data| ChunkId::of(&DOMAIN, data))
}

/// A header or row that passes its checksum, with fields of the input's choice, in its place or not.
fn forge(tape: &mut Tape<'_>, disk: &MemDisk) {
    let key = tape.pick(&KEYS);
    let wide = |tape: &mut Tape<'_>| if tape.flag() { tape.u64() } else { u64::from(tape.u16()) * 8 };
    let narrow = |tape: &mut Tape<'_>| if tape.flag() { tape.u32() } else { u32::from(tape.u8()) };
    match tape.below(4) {
        0 => {
            let lane = tape.pick(&Lane::ALL);
            write(disk, &volume_name(key.id), 0, &VolumeHeader { key, lane }.encode()[..VOLUME_HEADER_BYTES]);
        }
        1 => {
            let offset = FIRST_BATCH + u64::from(tape.u8()) * BATCH_ALIGN;
            let (lsn, count, body) = (wide(tape), narrow(tape), narrow(tape));
            write(disk, &volume_name(key.id), offset, &BatchHeader { offset, lsn, count, body }.encode(key));
        }
        2 => {
            let (offset, id) = (u64::from(tape.u16()) * 8, chunk_id(tape));
            let needle = NeedleHeader { logical: narrow(tape), ..NeedleHeader::plain(id, offset, narrow(tape)) };
            write(disk, &volume_name(key.id), offset, &needle.encode(key));
        }
        _ => {
            let number = u32::from(tape.u8());
            let row = match tape.below(5) {
                0 => LogRow::Start(tape.pick(&Lane::ALL)),
                1 => LogRow::Needle { id: chunk_id(tape), offset: wide(tape), stored: narrow(tape) },
                2 => LogRow::Batch { end: wide(tape), lsn: wide(tape) },
                3 => LogRow::Seal { end: wide(tape), lsn: wide(tape) },
                _ => LogRow::Poison { end: wide(tape), lsn: wide(tape) },
            };
            write(disk, &log_name(key.id), u64::from(number) * LOG_ROW_BYTES as u64, &row.encode(key, number));
        }
    }
}

/// One change behind the store's back.
fn edit(tape: &mut Tape<'_>, disk: &MemDisk) {
    let (name, len) = &PRISTINE.files[tape.below(PRISTINE.files.len())];
    let at = u64::from(tape.u32()) % len.max(&1);
    match tape.below(8) {
        0 => disk.flip(name, at, tape.u8()),
        1 => write(disk, name, at, tape.bytes()),
        2 => write(disk, name, at, &vec![0; usize::from(tape.u16())]),
        3 => drop(disk.open(name).and_then(|file| file.set_len(at))),
        4 => {
            let from = u64::from(tape.u32()) % len.max(&1);
            let copied = disk.open(name).and_then(|file| file.read_at(from, usize::from(tape.u16())));
            write(disk, name, at, &copied.unwrap_or_default());
        }
        5 => drop(disk.remove(name)),
        6 => {
            let name = tape.pick(&["00000004.vol", "00000004.log", "0000000a.vol", "ffffffff.log", "x.vol"]);
            write(disk, name, 0, tape.bytes());
        }
        _ => forge(tape, disk),
    }
}

/// Edits of a good disk, then everything is read, then more is written.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let disk = PRISTINE.disk.copy();
    while !tape.is_empty() {
        edit(&mut tape, &disk);
    }
    let store = match open(&disk) {
        Ok(store) => store,
        Err(error) => return assert!(!matches!(error, VolumeError::Invalid(_)), "{error}"),
    };
    let known = |store: &Store<mpsc::Sender<Answer>>| {
        for data in &PRISTINE.chunks {
            let (id, len) = (ChunkId::of(&DOMAIN, data), data.len() as u32);
            if let Ok(bytes) = store.read(&id, len, 0..len) {
                assert_eq!(&bytes, data, "wrong bytes");
            }
            let (from, to) = (len / 3, len - len / 4);
            if let Ok(bytes) = store.read(&id, len, from..to) {
                assert_eq!(bytes, data[from as usize..to as usize], "wrong bytes of a range");
            }
            if store.holds(&id, len) {
                assert_eq!(store.read(&id, len, 0..len).as_ref(), Ok(data), "held, and not readable");
            }
        }
    };
    known(&store);
    let fresh = Bytes::from_static(b"written after the damage");
    if put(&store, &fresh).is_ok() {
        let (id, len) = (ChunkId::of(&DOMAIN, &fresh), fresh.len() as u32);
        assert_eq!(store.read(&id, len, 0..len), Ok(fresh.clone()), "acknowledged, and not readable");
        store.close();
        drop(store);
        match open(&disk) {
            Ok(store) => {
                assert_eq!(store.read(&id, len, 0..len), Ok(fresh), "acknowledged, and gone after opening again");
                known(&store);
            }
            Err(error) => panic!("opened once, and not again: {error}"),
        }
    }
}

/// Headers and rows from any bytes: what is read is what would be written.
pub fn format(data: &[u8]) {
    let mut tape = Tape::new(data);
    let key = VolumeKey { id: tape.u32(), generation: tape.u64() };
    let (offset, number) = (tape.u64(), tape.u32());
    let bytes = tape.rest();
    // Reserved bytes may be anything when the checksum covers them; the fields survive.
    if let Some(header) = VolumeHeader::decode(bytes, key.id) {
        assert_eq!(VolumeHeader::decode(&header.encode(), key.id), Some(header));
    }
    if let Some(header) = BatchHeader::decode(bytes, key, offset) {
        assert_eq!(BatchHeader::decode(&header.encode(key), key, offset), Some(header));
    }
    if let Some((header, generation)) = BatchHeader::decode_any_generation(bytes, key.id, offset) {
        assert_eq!(BatchHeader::decode(bytes, VolumeKey { generation, ..key }, offset), Some(header));
    }
    if let Some(header) = NeedleHeader::decode(bytes, key, offset) {
        assert_eq!(NeedleHeader::decode(&header.encode(key), key, offset), Some(header));
        assert!(header.record_bytes() >= record_bytes(0) as u64);
    }
    if let Some(row) = LogRow::decode(bytes, key, number) {
        assert_eq!(LogRow::decode(&row.encode(key, number), key, number), Some(row));
    }
    // With checksums that hold: fields of the input's choice survive.
    let mut tape = Tape::new(bytes);
    let offset = offset / 8 % (1 << 32) * 8;
    let row = LogRow::Needle { id: ChunkId([tape.u8(); 32]), offset, stored: tape.u32() };
    assert_eq!(LogRow::decode(&row.encode(key, number), key, number), Some(row));
}
