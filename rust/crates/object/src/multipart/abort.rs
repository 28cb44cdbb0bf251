//! AbortMultipartUpload.

use http::StatusCode;
use panthera_base::{ErrorCode, S3Error};
use panthera_meta::{Batch, Snapshot};
use panthera_wire::date::parse_http_date;

use super::{Upload, rows, upload_id};
use crate::api::{Call, OpResult, Reply};
use crate::commit::Planned;
use crate::service::ObjectService;
use crate::write::request::precondition_failed;

impl ObjectService {
    pub(crate) async fn abort_multipart_upload(&self, call: Call) -> OpResult {
        let id = upload_id(&call.query)?;
        let initiated = match call.headers.get("x-amz-if-match-initiated-time") {
            Some(value) => match value.to_str().ok().and_then(|text| parse_http_date(text.trim())) {
                Some(time) => Some(time),
                None => {
                    let error = S3Error::new(ErrorCode::InvalidArgument);
                    return Err(error.field("ArgumentName", "x-amz-if-match-initiated-time"));
                }
            },
            None => None,
        };
        let (bucket, key) = (call.bucket.id, &*call.key);
        let plan = |snapshot: &dyn Snapshot| {
            let upload = Upload::read(snapshot, bucket, key, id)?;
            if initiated.is_some_and(|time| time.secs() != upload.ordinal.timestamp().secs()) {
                return Err(precondition_failed("x-amz-if-match-initiated-time"));
            }
            let mut batch = Batch::default();
            rows::remove(bucket, key, &upload, &rows::part_numbers(snapshot, bucket, id)?, &mut batch);
            Ok(Planned::Commit(batch, ()))
        };
        self.commit(bucket, key, None, plan).await?;
        Ok(Reply::empty(StatusCode::NO_CONTENT))
    }
}
