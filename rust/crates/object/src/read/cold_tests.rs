//! Reads of what is not in the page cache: a disk that never answers from memory, and one that stops answering.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use panthera_base::ErrorCode;
use panthera_meta::memory::Memory;
use panthera_meta::records::Versioning;
use panthera_volume::{Disk, DiskFile, RealDisk};

use crate::api::NativeOp::GetObject;
use crate::api::ReplyBody;
use crate::scene::Scene;

/// What the test sees and decides.
#[derive(Default)]
struct Knobs {
    reads: AtomicUsize,
    broken: AtomicBool,
}

struct ColdDisk(RealDisk, Arc<Knobs>);

struct ColdFile(Arc<dyn DiskFile>, Arc<Knobs>);

impl Disk for ColdDisk {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(ColdFile(self.0.create(name)?, Arc::clone(&self.1))))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(ColdFile(self.0.open(name)?, Arc::clone(&self.1))))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.0.sync_dir()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.0.free_bytes()
    }

    fn nonce(&self) -> io::Result<u64> {
        self.0.nonce()
    }
}

impl DiskFile for ColdFile {
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.1.reads.fetch_add(1, Ordering::SeqCst);
        if self.1.broken.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is gone"));
        }
        self.0.read_at(offset, len)
    }

    fn read_at_cached(&self, _: u64, _: usize) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn write_vectored_at(&self, offset: u64, parts: &[io::IoSlice<'_>]) -> io::Result<()> {
        self.0.write_vectored_at(offset, parts)
    }

    fn fallocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.0.fallocate(offset, len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn datasync(&self) -> io::Result<()> {
        self.0.datasync()
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
}

fn cold() -> (Scene, Arc<Knobs>) {
    let knobs = Arc::new(Knobs::default());
    let given = Arc::clone(&knobs);
    let scene = Scene::on(Arc::new(Memory::new()), Versioning::Never, |disk| Arc::new(ColdDisk(disk, given)));
    (scene, knobs)
}

#[tokio::test(flavor = "multi_thread")]
async fn cold_bytes_are_the_same_bytes() {
    let (scene, _) = cold();
    let bytes: Vec<u8> = (0..20_000).map(|i| (i * 7 % 253) as u8).collect();
    scene.put_object(b"k", &scene.object(&bytes, 999, 1).await);
    assert_eq!(scene.send(GetObject, b"k", &[], &[]).await.body.expect("whole"), bytes);
    let part = scene.send(GetObject, b"k", &[], &[("range", "bytes=500-15000")]).await;
    assert_eq!(part.body.expect("a part"), bytes[500..=15_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_chunk_is_read_ahead_and_no_more() {
    let (scene, knobs) = cold();
    let record = scene.object(&(0..50_000).map(|i| (i % 249) as u8).collect::<Vec<_>>(), 5_000, 1).await;
    scene.put_object(b"k", &record);
    knobs.reads.store(0, Ordering::SeqCst);
    let reply = scene.service.handle(scene.call(GetObject, b"k")).await.expect("an answer");
    let ReplyBody::Stream(50_000, mut stream) = reply.body else { panic!("a stream") };
    let first = knobs.reads.load(Ordering::SeqCst);
    let mut per_chunk = 0;
    for taken in 1..=3 {
        std::future::poll_fn(|cx| stream.poll_next(cx)).await.expect("more").expect("bytes");
        // Time for a reader that runs ahead to betray itself.
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        per_chunk = first.max(1);
        let most = (taken + 1) * per_chunk;
        let reads = knobs.reads.load(Ordering::SeqCst);
        assert!(reads <= most, "{reads} reads after {taken} chunks of {per_chunk} reads each");
    }
    assert!(knobs.reads.load(Ordering::SeqCst) > 3 * per_chunk, "the fourth chunk was fetched ahead");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_gives_an_error_before_the_status_or_cuts_the_body() {
    let (scene, knobs) = cold();
    let bytes: Vec<u8> = (0..50_000).map(|i| (i % 241) as u8).collect();
    scene.put_object(b"k", &scene.object(&bytes, 5_000, 1).await);
    let reply = scene.service.handle(scene.call(GetObject, b"k")).await.expect("an answer");
    let ReplyBody::Stream(_, mut stream) = reply.body else { panic!("a stream") };
    knobs.broken.store(true, Ordering::SeqCst);
    let error = loop {
        match std::future::poll_fn(|cx| stream.poll_next(cx)).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("a cut body ends with an error"),
        }
    };
    assert_eq!(error.code(), ErrorCode::InternalError);
    assert!(std::future::poll_fn(|cx| stream.poll_next(cx)).await.is_none(), "after an error there is nothing");
    assert_eq!(scene.send(GetObject, b"k", &[], &[]).await.code(), Some(ErrorCode::InternalError));
}
