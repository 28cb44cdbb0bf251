//! DeleteObject.

use http::StatusCode;
use panthera_wire::headers::adopt_hoisted;

use super::{Conditions, Deletion};
use crate::api::{Call, OpResult, Reply};
use crate::resolve::Wanted;
use crate::service::ObjectService;
use crate::write::request;

impl ObjectService {
    pub(crate) async fn delete_object(&self, mut call: Call) -> OpResult {
        adopt_hoisted(&mut call.headers, &call.query.0)?;
        let deletion = Deletion {
            bucket: &call.bucket,
            bucket_name: &call.bucket_name,
            key: &call.key,
            wanted: Wanted::of(&call)?,
            conditions: &Conditions::from_headers(&call.headers)?,
            owner: call.caller.user,
            decided: call.decided,
        };
        request::check_key(deletion.key)?;
        let plan = |snapshot: &dyn panthera_meta::Snapshot| self.plan_delete(&deletion, snapshot);
        let outcome = self.commit(call.bucket.id, deletion.key, None, plan).await?;
        let mut reply = Reply::empty(StatusCode::NO_CONTENT);
        if outcome.marker {
            request::set(&mut reply.headers, "x-amz-delete-marker", "true");
        }
        if let Some(version) = outcome.version {
            request::set(&mut reply.headers, "x-amz-version-id", version);
        }
        Ok(reply)
    }
}
