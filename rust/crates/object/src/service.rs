//! The service: what the operations share, and the one place that says which function answers which operation.
//!
//! Belongs here: the struct, dispatch, and look-ups every family needs (the domain key of a tenant). Does not belong
//! here: any operation's own rules; each family has its own module and adds its functions to [`ObjectService`].

use std::collections::HashMap;
use std::sync::Arc;

use panthera_authz::Authorizer;
use panthera_base::{Clock, OrdinalSource, S3Error, S3Result, TenantId};
use panthera_meta::{MetaError, Metastore, keys, records};
use parking_lot::RwLock;

use crate::api::{Call, NativeOp, OpResult};
use crate::commit::{Contention, Ticket};
use crate::mounts::Mounts;
use crate::write::buffer::Buffers;

/// Answers object operations. One instance serves the whole process.
pub struct ObjectService {
    pub(crate) meta: Arc<dyn Metastore>,
    pub(crate) volumes: Arc<panthera_volume::Store<Ticket>>,
    pub(crate) authz: Arc<Authorizer>,
    pub(crate) ordinals: OrdinalSource,
    pub(crate) clock: Arc<dyn Clock>,
    /// Keys that name chunks, per tenant. A tenant's key never changes while the tenant lives, and ids are never
    /// reused, so an entry is never stale.
    domain_keys: RwLock<HashMap<TenantId, [u8; 32]>>,
    pub(crate) contention: Contention,
    pub(crate) buffers: Buffers,
}

impl ObjectService {
    /// Puts the parts together. Fails when the metastore cannot be read.
    pub fn open(
        meta: Arc<dyn Metastore>,
        volumes: Arc<panthera_volume::Store<Ticket>>,
        authz: Arc<Authorizer>,
        ordinals: OrdinalSource,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, MetaError> {
        meta.snapshot()?;
        Ok(Arc::new(Self {
            meta,
            volumes,
            authz,
            ordinals,
            clock,
            domain_keys: RwLock::default(),
            contention: Contention::default(),
            buffers: Buffers::default(),
        }))
    }

    /// Answers one call.
    pub async fn handle(self: &Arc<Self>, call: Call) -> OpResult {
        if call.op.is_on_an_upload() {
            self.refuse_others_uploads(&call)?;
        }
        match call.op {
            NativeOp::AbortMultipartUpload => self.abort_multipart_upload(call).await,
            NativeOp::CompleteMultipartUpload => self.complete_multipart_upload(call).await,
            NativeOp::CopyObject => self.copy_object(call).await,
            NativeOp::CreateMultipartUpload => self.create_multipart_upload(call).await,
            NativeOp::DeleteObject => self.delete_object(call).await,
            NativeOp::DeleteObjects => self.delete_objects(call).await,
            NativeOp::GetObject | NativeOp::HeadObject => self.get_object(call).await,
            NativeOp::GetObjectAttributes => self.get_object_attributes(&call),
            NativeOp::ListMultipartUploads
            | NativeOp::ListObjectVersions
            | NativeOp::ListObjects
            | NativeOp::ListObjectsV2
            | NativeOp::ListParts
            | NativeOp::ListSharedFolder => self.list(call).await,
            NativeOp::PostObject => self.post_object(call).await,
            NativeOp::PutObject => self.put_object(call).await,
            NativeOp::UploadPart => self.upload_part(call).await,
            NativeOp::UploadPartCopy => self.upload_part_copy(call).await,
        }
    }

    /// The mounts of a bucket.
    pub(crate) fn mounts_of(&self, bucket: &records::BucketRecord) -> S3Result<Mounts> {
        let snapshot = self.meta.snapshot().map_err(S3Error::internal)?;
        Mounts::of(&*snapshot, bucket)
    }

    /// The key that names the chunks of a tenant.
    pub(crate) fn domain_key(&self, tenant: TenantId) -> S3Result<[u8; 32]> {
        if let Some(key) = self.domain_keys.read().get(&tenant) {
            return Ok(*key);
        }
        let snapshot = self.meta.snapshot().map_err(S3Error::internal)?;
        let row = snapshot.get(&keys::tenant(tenant)).map_err(S3Error::internal)?;
        let row = row.ok_or_else(|| S3Error::internal(format_args!("tenant {tenant} has no record")))?;
        let key = records::TenantRecord::decode(row).map_err(S3Error::internal)?.domain_key;
        self.domain_keys.write().insert(tenant, key);
        Ok(key)
    }
}
