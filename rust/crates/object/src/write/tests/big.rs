//! Manifests that are too long for a row.

use panthera_base::limits::INLINE_MANIFEST_CHUNKS;
use panthera_meta::Batch;
use panthera_meta::keys::{self, TallyOf};
use panthera_meta::records::{ChunkRef, PartRecord, Versioning};

use super::uploads::{complete, create, listing};
use super::{get, invariants, noise, stage};
use crate::scene::{BUCKET, DOMAIN};
use crate::write::plan::{put_op, tally};

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_of_ten_thousand_stays_in_the_row_and_one_more_does_not() {
    let scene = stage(Versioning::Never);
    let chunks: Vec<ChunkRef> =
        (0..=INLINE_MANIFEST_CHUNKS as u32).map(|i| ChunkRef { id: [(i % 251) as u8; 32], len: i }).collect();
    let direct = scene.service.settle(&DOMAIN, chunks[1..].to_vec()).await.unwrap();
    assert!(!direct.indirect);
    let indirect = scene.service.settle(&DOMAIN, chunks.clone()).await.unwrap();
    assert!(indirect.indirect && indirect.chunks.len() == 1);
    assert_eq!(scene.service.data_chunks(&indirect).await.unwrap(), chunks);
    let many: Vec<ChunkRef> = chunks.iter().cycle().take(100_000).copied().collect();
    let indirect = scene.service.settle(&DOMAIN, many.clone()).await.unwrap();
    assert_eq!(indirect.chunks.len(), 4);
    assert_eq!(scene.service.data_chunks(&indirect).await.unwrap(), many);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_with_long_manifests_become_an_object_that_can_be_read() {
    let scene = stage(Versioning::Never);
    let id = create(&scene, "k", &[]).await;
    let upload = panthera_base::Ordinal::from_wire(&id).unwrap();
    let bytes = noise(1000, 1);
    let chunk = scene.store(&bytes, 1000).await[0];
    let count = INLINE_MANIFEST_CHUNKS + 1;
    let mut batch = Batch::default();
    for number in [1, 2] {
        let part = PartRecord {
            manifest: scene.service.settle(&DOMAIN, vec![chunk; count]).await.unwrap(),
            size: 1000 * count as u64,
            md5: [number; 16],
            ..PartRecord::default()
        };
        let row = keys::part(BUCKET, upload, number.into());
        batch.ops.push(put_op(row, part.encode(), tally(BUCKET, TallyOf::Parts)));
    }
    scene.commit(&batch);
    let etags: Vec<String> = [1u8, 2].iter().map(|n| format!("{n:02x}").repeat(16)).collect();
    let done = complete(&scene, "k", &id, &[], listing(&[(1, &etags[0]), (2, &etags[1])])).await;
    assert_eq!(done.status, 200, "{:?}", done.error);
    let row = scene.meta.snapshot().unwrap().get(&keys::object(BUCKET, b"k")).unwrap().unwrap().to_vec();
    let record = panthera_meta::records::ObjectRecord::decode(&row).unwrap();
    assert!(record.manifest.indirect);
    let chunks = scene.service.data_chunks(&record.manifest).await.unwrap();
    assert_eq!((chunks.len(), chunks[2 * count - 1]), (2 * count, chunk));
    invariants::check(&scene);
    assert!(get(&scene, "k").await.body.unwrap() == bytes.repeat(2 * count));
}
