//! CreateMultipartUpload.

use panthera_authz::Booked;
use panthera_base::Ordinal;
use panthera_meta::records::UploadRecord;
use panthera_meta::{Guard, Snapshot, keys};
use panthera_wire::checksum::multipart_type;
use panthera_wire::xml::Writer;

use super::rows;
use crate::access::settled;
use crate::api::{Call, OpResult, Reply};
use crate::commit::Planned;
use crate::service::ObjectService;
use crate::write::key_rows::Fence;
use crate::write::{plan, request};

impl ObjectService {
    pub(crate) async fn create_multipart_upload(&self, mut call: Call) -> OpResult {
        request::prepare(&mut call)?;
        let checksum = multipart_type(&call.headers)?;
        let (writer, owned) = (call.caller.user, self.owned(&call, &call.headers)?);
        settled(call.context.trail.as_deref()).await?;
        let mut record = UploadRecord {
            initiator: (owned.owner != writer).then_some(writer),
            through: call.window.as_ref().and_then(|window| window.through),
            object: request::describe(&call.headers, owned)?,
            checksum_algorithm: checksum.map_or(0, |(algorithm, _)| algorithm.code()),
            checksum_kind: checksum.map_or(0, |(_, kind)| kind.code()),
        };
        let (bucket, name, key, sender) = (call.bucket.id, &*call.bucket_name, &*call.key, call.sender());
        let owning = &*call.bucket;
        let mut booked = None;
        let plan = |snapshot: &dyn Snapshot| {
            let fence = Fence::read(snapshot, bucket, name)?;
            let ordinal = self.ordinals.next(self.clock.now());
            record.object.ordinal = ordinal;
            let row = keys::upload(bucket, key, ordinal);
            let mut batch = plan::fenced(bucket, &fence);
            batch.guard(Guard::Absent(row.clone()));
            batch.put(row, record.encode());
            rows::find_through(bucket, key, ordinal, record.through, &mut batch);
            if record.object.acl.is_some() {
                // Who asked for it. Who completes the upload, and so puts it in force, is written down then.
                booked = self.note_list(sender, (owning, name, key), &mut batch)?;
            }
            Ok(Planned::Commit(batch, ordinal))
        };
        self.check_room()?;
        let id: Ordinal = self.commit(bucket, key, None, plan).await?;
        booked.into_iter().for_each(Booked::durable);
        let mut out = Writer::document("InitiateMultipartUploadResult", 512);
        out.text("Bucket", call.shown_bucket()).bytes("Key", &call.shown_key()).text("UploadId", &id.to_wire());
        let mut reply = Reply::xml(out.finish("InitiateMultipartUploadResult"));
        if let Some((algorithm, kind)) = checksum {
            request::set(&mut reply.headers, "x-amz-checksum-algorithm", algorithm.name());
            request::set(&mut reply.headers, "x-amz-checksum-type", kind.name());
        }
        Ok(reply)
    }
}
