//! Volumes of format version 1, checked in. They open for ever, and today's writer still writes the same bytes.
mod harness;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use harness::*;
use panthera_sim::MemDisk;
use panthera_volume::{ChunkId, Lane, RealDisk, StoreOptions};

/// Shared with the Python reader: `tests/vectors/volume/v1` of the repository.
fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../tests/vectors/volume/v1")
}

fn chunks() -> Vec<Vec<Bytes>> {
    let group = |first: u64, lens: &[usize]| lens.iter().zip(first..).map(|(len, seed)| bytes(seed, *len)).collect();
    vec![
        group(1, &[300]),
        group(2, &[0, 1, 7, 8, 9]),
        group(7, &[4096, 4095, 4097]),
        // Two blocks; another lane.
        group(10, &[70_000]),
        // Does not fit any more: the first volume is sealed.
        group(11, &[9000, 9000]),
        group(13, &[12]),
    ]
}

fn build() -> MemDisk {
    let disk = MemDisk::new();
    let rig = open_with(&disk, StoreOptions { volume_bytes: 40 << 10, ..options() });
    for group in chunks() {
        let lane = if group[0].len() > 60_000 { Lane::Bulk } else { Lane::Small };
        rig.put_all(lane, &group).unwrap();
    }
    rig.store.close();
    disk
}

fn list(all: &[Vec<Bytes>]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut text = String::from("# chunk id\tlength\tblake3 of the bytes\n");
    for data in all.iter().flatten() {
        let plain = blake3::hash(data);
        text += &format!("{}\t{}\t{}\n", hex(&id_of(data).0), data.len(), plain.to_hex());
    }
    text
}

#[test]
fn the_checked_in_volumes_open_and_have_every_chunk() {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(directory()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let text = std::fs::read_to_string(copy.path().join("chunks.tsv")).unwrap();
    let options = StoreOptions { min_free_bytes: 0, ..StoreOptions::new(copy.path()) };
    for logs in [true, false] {
        if !logs {
            for id in 1..=3 {
                std::fs::remove_file(copy.path().join(format!("{id:08x}.log"))).unwrap();
            }
        }
        let rig = try_open(Arc::new(RealDisk::open(copy.path()).unwrap()), options.clone()).unwrap();
        assert_eq!(rig.report.damage, []);
        assert_eq!((rig.report.volumes, rig.report.needles), (3, 13));
        assert_eq!((rig.report.from_logs, rig.report.walked), if logs { (13, 0) } else { (0, 13) });
        let mut found = 0;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut fields = line.split('\t');
            let id = blake3::Hash::from_hex(fields.next().unwrap()).unwrap();
            let len: u32 = fields.next().unwrap().parse().unwrap();
            let data = rig.store.read(&ChunkId(*id.as_bytes()), len, 0..len).unwrap();
            assert_eq!(blake3::hash(&data).to_hex().as_str(), fields.next().unwrap());
            found += 1;
        }
        assert_eq!(found, 13);
    }
}

#[test]
fn the_writer_still_writes_these_bytes() {
    let written = build().files();
    let names: Vec<_> = written.keys().cloned().collect();
    assert_eq!(names.len(), 6, "{names:?}");
    let checked_in: BTreeMap<_, _> =
        names.iter().map(|name| (name.clone(), std::fs::read(directory().join(name)).unwrap())).collect();
    for name in names {
        assert!(written[&name] == checked_in[&name], "{name} differs: a new format needs a new version number");
    }
    assert_eq!(list(&chunks()), std::fs::read_to_string(directory().join("chunks.tsv")).unwrap());
}

/// How the files were made. Never run again for version 1.
#[test]
#[ignore = "writes the golden files"]
fn write_golden() {
    std::fs::create_dir_all(directory()).unwrap();
    for (name, bytes) in build().files() {
        std::fs::write(directory().join(name), bytes).unwrap();
    }
    std::fs::write(directory().join("chunks.tsv"), list(&chunks())).unwrap();
}
