//! Figures of the LMDB engine: gets and scans per second, and durable group commits beside the device's own rate of
//! fdatasync. `cargo run --release -p panthera-meta --example bench [directory]`; the directory says which disk.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use panthera_base::{BucketId, Ordinal, TenantId, UserId};
use panthera_meta::keys::{self, TallyOf};
use panthera_meta::lmdb::{Lmdb, Options};
use panthera_meta::records::{ChunkRef, FenceRecord, Manifest, ObjectRecord, ObjectView, SIZE_FIELD};
use panthera_meta::{Batch, Guard, Metastore, Op, Step, Tally};

const OBJECTS: u64 = 1_000_000;
const LOAD_GROUP: u64 = 1_000;
const GETS: u64 = 1_000_000;
const SYNCS: u32 = 500;
const BUCKET: BucketId = BucketId(1);

fn main() {
    let base = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let dir = tempfile::tempdir_in(base).expect("a directory to measure in");
    let mut out = io::stdout().lock();
    for line in measure(dir.path()) {
        writeln!(out, "{line}").expect("standard output");
    }
}

fn measure(dir: &Path) -> Vec<String> {
    let mut report = vec![format!("fdatasync of 4 KiB: {:.0}/s", sync_rate(dir))];
    let fast = dir.join("fast");
    {
        let store = Lmdb::open(&fast, &Options { sync: false, ..Options::default() }).expect("open");
        load(&store);
        let usage = store.usage().expect("usage");
        report.push(format!(
            "{} rows, {:.0} bytes of file a row",
            usage.rows,
            usage.file_bytes as f64 / usage.rows as f64
        ));
        report.push(format!("snapshot and one get: {:.0} per CPU-second", cpu_rate(GETS, || snapshots(&store, 1))));
        report.push(format!(
            "snapshot and four gets, record viewed: {:.0} per CPU-second",
            cpu_rate(GETS, || snapshots(&store, 4))
        ));
        let targets = tenths();
        report.push(format!("scan, records viewed: {:.0} rows per CPU-second", cpu_rate(OBJECTS, || scan(&store))));
        report.push(format!(
            "scan, a seek every 10th row: {:.0} seeks per CPU-second",
            cpu_rate(OBJECTS / 10, || seeks(&store, targets))
        ));
        let nosync = cpu_rate(64 * 1_000, || commits(&store, 64, 1_000));
        report.push(format!("commits of 64 without sync: {nosync:.0} batches per CPU-second"));
    }
    let store = Lmdb::open(&dir.join("durable"), &Options::default()).expect("open");
    store.commit(&fence()).expect("commit");
    for size in [1, 16, 64] {
        let groups = rate(u64::from(SYNCS), || commits(&store, size, SYNCS));
        report.push(format!(
            "durable commits of {size}: {groups:.0} groups/s, {:.0} batches/s",
            groups * f64::from(size)
        ));
    }
    report
}

fn rate(count: u64, run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    count as f64 / start.elapsed().as_secs_f64()
}

/// Per second of this thread's processor time: what a loaded machine shows too.
fn cpu_rate(count: u64, run: impl FnOnce()) -> f64 {
    let before = cpu_seconds();
    run();
    count as f64 / (cpu_seconds() - before)
}

fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).expect("nanoseconds") / 1e9
}

fn sync_rate(dir: &Path) -> f64 {
    let file = File::create(dir.join("sync")).expect("create");
    file.set_len(4 << 20).and_then(|()| file.sync_all()).expect("prepare");
    let write =
        |i: u32| file.write_all_at(&[i as u8; 4096], u64::from(i % 1024) * 4096).and_then(|()| file.sync_data());
    rate(u64::from(SYNCS), || (0..SYNCS).for_each(|i| write(i).expect("write")))
}

/// Keys in an order that is not theirs, 50 bytes long.
fn name(i: u64) -> Vec<u8> {
    let scattered = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("photos/{:04x}/{scattered:016x}/original-size.jpeg", scattered >> 52).into_bytes()
}

fn object(i: u64) -> Vec<u8> {
    let mut id = [7; 32];
    id[..8].copy_from_slice(&i.to_le_bytes());
    let manifest = Manifest::direct(vec![ChunkRef { id, len: 4096 }]);
    ObjectRecord { size: 4096, ordinal: Ordinal(i), owner: UserId(1), manifest, ..ObjectRecord::default() }.encode()
}

fn fence() -> Batch {
    let mut batch = Batch::default();
    batch.put(keys::fence(BUCKET), FenceRecord::default().encode());
    batch.put(keys::bucket(b"bench"), vec![1; 60]);
    batch.put(keys::tenant(TenantId(1)), vec![1; 60]);
    batch
}

/// What a PutObject commits.
fn put(i: u64) -> Batch {
    let key = keys::object(BUCKET, &name(i));
    let tally = Some(Tally { counter: keys::tally(BUCKET, TallyOf::Objects), field: SIZE_FIELD });
    let guards = vec![Guard::Equals(keys::fence(BUCKET), FenceRecord::default().encode()), Guard::Absent(key.clone())];
    Batch { guards, ops: vec![Op::Put { key, value: object(i), tally }] }
}

fn load(store: &Lmdb) {
    store.commit(&fence()).expect("commit");
    for start in (0..OBJECTS).step_by(LOAD_GROUP as usize) {
        let group: Vec<Batch> = (start..start + LOAD_GROUP).map(put).collect();
        assert!(store.commit_group(&group).iter().all(Result::is_ok));
    }
}

fn snapshots(store: &Lmdb, gets: usize) {
    let rows = [keys::bucket(b"bench"), keys::tenant(TenantId(1)), keys::fence(BUCKET)];
    let names: Vec<Vec<u8>> = (0..10_000).map(|i| keys::object(BUCKET, &name(i * 97 % OBJECTS))).collect();
    for i in 0..GETS {
        let view = store.snapshot().expect("snapshot");
        for row in &rows[..gets - 1] {
            black_box(view.get(row).expect("get"));
        }
        let row = view.get(&names[i as usize % names.len()]).expect("get").expect("row");
        black_box(ObjectView::new(row).expect("record").size());
    }
}

fn scan(store: &Lmdb) {
    let range = keys::object_range(BUCKET);
    let mut bytes = 0;
    let mut rows = 0;
    let visit = &mut |_: &[u8], value: &[u8]| {
        bytes += ObjectView::new(value).map_or(0, |view| view.size());
        rows += 1;
        Step::Next
    };
    store.snapshot().expect("snapshot").scan(&range.start..&range.end, visit).expect("scan");
    assert_eq!((rows, bytes), (OBJECTS, OBJECTS * 4096));
}

/// Every tenth key, in order.
fn tenths() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = (0..OBJECTS).map(|i| keys::object(BUCKET, &name(i))).collect();
    all.sort_unstable();
    all.into_iter().step_by(10).collect()
}

fn seeks(store: &Lmdb, targets: Vec<Vec<u8>>) {
    let range = keys::object_range(BUCKET);
    let mut next = targets.into_iter().skip(1);
    let visit = &mut |_: &[u8], _: &[u8]| next.next().map_or(Step::Stop, Step::Seek);
    store.snapshot().expect("snapshot").scan(&range.start..&range.end, visit).expect("scan");
}

fn commits(store: &Lmdb, size: u32, groups: u32) {
    let base = OBJECTS * u64::from(size) + 1_000_000_000;
    for group in 0..groups {
        let start = base + u64::from(group * size);
        let batches: Vec<Batch> = (start..start + u64::from(size)).map(put).collect();
        assert!(store.commit_group(&batches).iter().all(Result::is_ok));
    }
}
