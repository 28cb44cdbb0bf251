//! The whole service against a model: a map from keys to lists of versions, under random operations and versioning
//! states. After every operation the rows obey the invariants; at the end every version reads as the model says.

use std::collections::BTreeMap;

use panthera_base::ErrorCode;
use panthera_meta::records::Versioning;
use proptest::prelude::*;

use super::uploads::{complete, create, element, listing, upload};
use super::{Body, call, get, invariants, put, set_versioning, stage};
use crate::api::NativeOp;
use crate::scene::{Answer, Scene};

const KEYS: [&str; 2] = ["a", "a\0b"];

#[derive(Clone, Debug)]
enum Op {
    Put(usize, u8),
    PutIfNone(usize, u8),
    PutIfMatch(usize, u8, bool),
    Upload(usize, u8),
    Copy(usize, usize),
    Delete(usize),
    DeleteVersion(usize, usize),
    DeleteNull(usize),
    DeleteMany(Vec<(usize, Option<usize>)>),
    Versioning(bool),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let key = 0..KEYS.len();
    let many = prop::collection::vec((key.clone(), prop::option::of(0..4usize)), 1..4);
    let op = prop_oneof![
        6 => (key.clone(), any::<u8>()).prop_map(|(k, b)| Op::Put(k, b)),
        1 => (key.clone(), any::<u8>()).prop_map(|(k, b)| Op::PutIfNone(k, b)),
        1 => (key.clone(), any::<u8>(), any::<bool>()).prop_map(|(k, b, right)| Op::PutIfMatch(k, b, right)),
        1 => (key.clone(), any::<u8>()).prop_map(|(k, b)| Op::Upload(k, b)),
        2 => (key.clone(), key.clone()).prop_map(|(from, to)| Op::Copy(from, to)),
        4 => key.clone().prop_map(Op::Delete),
        4 => (key.clone(), 0..5usize).prop_map(|(k, i)| Op::DeleteVersion(k, i)),
        2 => key.prop_map(Op::DeleteNull),
        1 => many.prop_map(Op::DeleteMany),
        2 => any::<bool>().prop_map(Op::Versioning),
    ];
    prop::collection::vec(op, 1..60)
}

/// A version as the model knows it; its body, or nothing for a delete marker.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    id: String,
    body: Option<Vec<u8>>,
}

struct Model {
    scene: Scene,
    versioning: Versioning,
    /// Versions of each key, newest first.
    keys: BTreeMap<usize, Vec<Version>>,
}

impl Model {
    fn versions(&mut self, key: usize) -> &mut Vec<Version> {
        self.keys.entry(key).or_default()
    }

    fn current(&self, key: usize) -> Option<&Vec<u8>> {
        self.keys.get(&key)?.first()?.body.as_ref()
    }

    /// A new version on top. `id`: as the answer tells, where versions have ids.
    fn add(&mut self, key: usize, id: Option<&str>, body: Option<Vec<u8>>) {
        let enabled = self.versioning == Versioning::Enabled;
        let id = if enabled { id.expect("a version id").to_owned() } else { "null".to_owned() };
        let versions = self.versions(key);
        if !enabled {
            versions.retain(|version| version.id != "null");
        }
        versions.insert(0, Version { id, body });
    }

    fn written(&mut self, key: usize, answer: &Answer, body: Vec<u8>) {
        assert_eq!(answer.status, 200, "{:?}", answer.error);
        self.add(key, answer.header("x-amz-version-id"), Some(body));
    }

    async fn apply(&mut self, op: Op) {
        match op {
            Op::Put(key, byte) => {
                let answer = put(&self.scene, KEYS[key], &[], Body::new(vec![byte; 3])).await;
                self.written(key, &answer, vec![byte; 3]);
            }
            Op::PutIfNone(key, byte) => {
                let answer = put(&self.scene, KEYS[key], &[("if-none-match", "*")], Body::new(vec![byte])).await;
                match self.current(key) {
                    Some(_) => assert_eq!(answer.code(), Some(ErrorCode::PreconditionFailed)),
                    None => self.written(key, &answer, vec![byte]),
                }
            }
            Op::PutIfMatch(key, byte, right) => self.put_if_match(key, byte, right).await,
            Op::Upload(key, byte) => self.upload(key, byte).await,
            Op::Copy(from, to) => self.copy(from, to).await,
            Op::Delete(key) => {
                let answer = self.scene.send(NativeOp::DeleteObject, KEYS[key].as_bytes(), &[], &[]).await;
                assert_eq!(answer.status, 204);
                self.deleted(key, answer.header("x-amz-version-id"));
            }
            Op::DeleteVersion(key, index) => {
                let id = self.versions(key).get(index).map_or("0000000000000001".to_owned(), |v| v.id.clone());
                self.delete_version(key, &id).await;
            }
            Op::DeleteNull(key) => self.delete_version(key, "null").await,
            Op::DeleteMany(entries) => self.delete_many(entries).await,
            Op::Versioning(enabled) => {
                self.versioning = if enabled { Versioning::Enabled } else { Versioning::Suspended };
                set_versioning(&mut self.scene, self.versioning);
            }
        }
        invariants::check(&self.scene);
    }

    async fn put_if_match(&mut self, key: usize, byte: u8, right: bool) {
        let etag = match (self.current(key).is_some(), right) {
            (true, true) => get(&self.scene, KEYS[key]).await.header("etag").expect("an ETag").to_owned(),
            _ => "\"0\"".to_owned(),
        };
        let answer = put(&self.scene, KEYS[key], &[("if-match", &etag)], Body::new(vec![byte; 2])).await;
        match (self.current(key), right) {
            (None, _) => assert_eq!(answer.code(), Some(ErrorCode::NoSuchKey)),
            (Some(_), false) => assert_eq!(answer.code(), Some(ErrorCode::PreconditionFailed)),
            (Some(_), true) => self.written(key, &answer, vec![byte; 2]),
        }
    }

    async fn upload(&mut self, key: usize, byte: u8) {
        let call = call(&self.scene, NativeOp::CreateMultipartUpload, KEYS[key], &[], &[], Body::new(""));
        let text = self.scene.send_call(call).await.text();
        let id = element(&text, "UploadId").expect("an id");
        let part = upload(&self.scene, KEYS[key], id, 3, &[], vec![byte; 5]).await;
        let parts = listing(&[(3, part.header("etag").expect("an ETag"))]);
        let answer = complete(&self.scene, KEYS[key], id, &[], parts).await;
        self.written(key, &answer, vec![byte; 5]);
        // One that stays open.
        create(&self.scene, "open", &[]).await;
    }

    async fn copy(&mut self, from: usize, to: usize) {
        let source = format!("bucket/{}", panthera_wire::uri::encode_path(KEYS[from].as_bytes()));
        let headers = [("x-amz-copy-source", &*source), ("x-amz-metadata-directive", "REPLACE")];
        let answer =
            self.scene.send_call(call(&self.scene, NativeOp::CopyObject, KEYS[to], &[], &headers, Body::new("")));
        let answer = answer.await;
        match self.current(from).cloned() {
            Some(body) => self.written(to, &answer, body),
            None => assert_eq!(answer.code(), Some(ErrorCode::NoSuchKey)),
        }
    }

    fn deleted(&mut self, key: usize, id: Option<&str>) {
        match self.versioning {
            Versioning::Never => self.versions(key).clear(),
            _ => self.add(key, id, None),
        }
    }

    async fn delete_version(&mut self, key: usize, id: &str) {
        let answer = self.scene.send(NativeOp::DeleteObject, KEYS[key].as_bytes(), &[("versionId", id)], &[]).await;
        assert_eq!((answer.status, answer.header("x-amz-version-id")), (204, Some(id)));
        let versions = self.versions(key);
        let marker = versions.iter().any(|version| version.id == id && version.body.is_none());
        assert_eq!(answer.header("x-amz-delete-marker"), marker.then_some("true"));
        versions.retain(|version| version.id != id);
    }

    async fn delete_many(&mut self, entries: Vec<(usize, Option<usize>)>) {
        let mut document = String::from("<Delete>");
        let mut named = Vec::new();
        for (key, index) in entries {
            // A zero byte cannot be written in XML.
            if KEYS[key].contains('\0') || named.iter().any(|(other, _)| *other == key) {
                continue;
            }
            let id = index.and_then(|index| self.versions(key).get(index)).map(|version| version.id.clone());
            let version = id.as_ref().map_or(String::new(), |id| format!("<VersionId>{id}</VersionId>"));
            document.push_str(&format!("<Object><Key>{}</Key>{version}</Object>", KEYS[key]));
            named.push((key, id));
        }
        if named.is_empty() {
            return;
        }
        document.push_str("</Delete>");
        let digest =
            panthera_wire::checksum::Hasher::digest(panthera_wire::checksum::Algorithm::Crc32, document.as_bytes());
        let digest = digest.to_base64();
        let headers = [("x-amz-checksum-crc32", &*digest)];
        let call = call(&self.scene, NativeOp::DeleteObjects, "", &[], &headers, Body::new(document));
        let text = self.scene.send_call(call).await.text();
        for (key, id) in named {
            let (_, entry) = text.split_once(&format!("<Deleted><Key>{}</Key>", KEYS[key])).expect("an entry");
            let (entry, _) = entry.split_once("</Deleted>").expect("its end");
            match id {
                Some(id) => self.versions(key).retain(|version| version.id != id),
                None => self.deleted(key, element(entry, "DeleteMarkerVersionId")),
            }
        }
    }

    async fn check_reads(&mut self) {
        for (&key, versions) in &self.keys {
            let answer = get(&self.scene, KEYS[key]).await;
            match versions.first().and_then(|version| version.body.as_ref()) {
                Some(body) => assert_eq!(answer.body.expect("a body"), *body),
                None => assert_eq!(answer.status, 404),
            }
            for version in versions {
                let query = [("versionId", &*version.id)];
                let answer = self.scene.send(NativeOp::GetObject, KEYS[key].as_bytes(), &query, &[]).await;
                match &version.body {
                    Some(body) => assert_eq!(answer.body.expect("a body"), *body),
                    None => assert_eq!(answer.status, 405),
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_service_does_what_the_model_does(ops in ops()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let scene = stage(Versioning::Never);
            let mut model = Model { scene, versioning: Versioning::Never, keys: BTreeMap::new() };
            for op in ops {
                model.apply(op).await;
            }
            model.check_reads().await;
        });
    }
}
