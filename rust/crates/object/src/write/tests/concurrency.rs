//! Writers of the same key at the same time.

use std::sync::Arc;

use panthera_base::ErrorCode;
use panthera_meta::records::Versioning;
use panthera_meta::{Step, keys};
use tokio::task::JoinSet;

use super::uploads::{complete, create, listing, upload};
use super::{Body, get, invariants, put, stage};
use crate::api::NativeOp;
use crate::scene::{BUCKET, Scene};

const WRITERS: usize = 64;

/// Puts with a condition from 64 tasks: how many came through, and the codes of the others.
async fn race(scene: &Arc<Scene>, name: &'static str, value: &str) -> (usize, Vec<ErrorCode>) {
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let (scene, value) = (Arc::clone(scene), value.to_owned());
        tasks.spawn(async move {
            let headers = [(name, &*value)];
            put(&scene, "k", &headers, Body::new(writer.to_string())).await.code()
        });
    }
    let codes: Vec<Option<ErrorCode>> = tasks.join_all().await;
    (codes.iter().filter(|code| code.is_none()).count(), codes.into_iter().flatten().collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_one_creates() {
    for versioning in [Versioning::Never, Versioning::Enabled, Versioning::Suspended] {
        let scene = Arc::new(stage(versioning));
        let (winners, losers) = race(&scene, "if-none-match", "*").await;
        assert_eq!(winners, 1, "{versioning:?}");
        assert!(losers.iter().all(|&code| code == ErrorCode::PreconditionFailed), "{losers:?}");
        invariants::check(&scene);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_one_replaces() {
    for versioning in [Versioning::Never, Versioning::Enabled, Versioning::Suspended] {
        let scene = Arc::new(stage(versioning));
        let etag = put(&scene, "k", &[], Body::new("first")).await.header("etag").unwrap().to_owned();
        let (winners, losers) = race(&scene, "if-match", &etag).await;
        assert_eq!(winners, 1, "{versioning:?}");
        assert!(losers.iter().all(|&code| code == ErrorCode::PreconditionFailed), "{losers:?}");
        invariants::check(&scene);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_unconditional_writer_gets_its_version() {
    let scene = Arc::new(stage(Versioning::Enabled));
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let scene = Arc::clone(&scene);
        tasks.spawn(async move {
            let answer = put(&scene, "k", &[], Body::new(writer.to_string())).await;
            assert_eq!(answer.status, 200, "{:?}", answer.error);
            answer.header("x-amz-version-id").unwrap().to_owned()
        });
    }
    let mut ids = tasks.join_all().await;
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), WRITERS);
    let range = keys::versions_of(BUCKET, b"k");
    let mut noncurrent = 0;
    let mut visit = |_: &[u8], _: &[u8]| {
        noncurrent += 1;
        Step::Next
    };
    scene.meta.snapshot().unwrap().scan(&range.start..&range.end, &mut visit).unwrap();
    assert_eq!(noncurrent, WRITERS - 1);
    assert_eq!(get(&scene, "k").await.header("x-amz-version-id"), ids.last().map(String::as_str));
    invariants::check(&scene);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_deleters_and_removers_keep_the_invariants() {
    for versioning in [Versioning::Never, Versioning::Enabled, Versioning::Suspended] {
        let scene = Arc::new(stage(versioning));
        let mut tasks = JoinSet::new();
        for writer in 0..16 {
            let scene = Arc::clone(&scene);
            tasks.spawn(async move {
                for round in 0..10 {
                    let answer = put(&scene, "k", &[], Body::new(format!("{writer} {round}"))).await;
                    assert_eq!(answer.status, 200, "{:?}", answer.error);
                    let id = answer.header("x-amz-version-id").unwrap_or("null").to_owned();
                    let query = [("versionId", &*id)];
                    let query = if (writer + round) % 2 == 0 { &query[..] } else { &[] };
                    let answer = scene.send(NativeOp::DeleteObject, b"k", query, &[]).await;
                    assert_eq!(answer.status, 204, "{:?}", answer.error);
                }
            });
        }
        tasks.join_all().await;
        invariants::check(&scene);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_upload_completes_once_and_no_part_is_left_behind() {
    let scene = Arc::new(stage(Versioning::Never));
    for _ in 0..8 {
        let id = create(&scene, "k", &[]).await;
        let etag = upload(&scene, "k", &id, 1, &[], "x").await.header("etag").unwrap().to_owned();
        let mut tasks = JoinSet::new();
        for number in 2..10 {
            let (scene, id) = (Arc::clone(&scene), id.clone());
            tasks.spawn(async move { upload(&scene, "k", &id, number, &[], "y").await.code() });
        }
        for _ in 0..4 {
            let (scene, id, document) = (Arc::clone(&scene), id.clone(), listing(&[(1, &etag)]));
            tasks.spawn(async move {
                let answer = complete(&scene, "k", &id, &[], document).await;
                assert_eq!(answer.status, 200, "{:?}", answer.error);
                None
            });
        }
        let codes: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
        assert!(codes.iter().all(|&code| code == ErrorCode::NoSuchUpload), "{codes:?}");
        invariants::check(&scene);
    }
}
