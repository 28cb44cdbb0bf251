//! DeleteObjects: many deletes, each with its own authorization, conditions and outcome.

use bytes::Bytes;
use panthera_authz::{Action, Context, Question, Resource};
use panthera_base::limits::{DELETE_BODY_BYTES, DELETE_KEYS};
use panthera_base::{ErrorCode, S3Error, S3Result};
use panthera_meta::Snapshot;
use panthera_meta::records::BucketRecord;
use panthera_wire::checksum::{Announced, Hasher, Md5};
use panthera_wire::headers::adopt_hoisted;
use panthera_wire::xml::{Reader, Writer};
use tokio::sync::oneshot;

use super::{Conditions, Deletion, Outcome, parse_size, parse_time};
use crate::access::{Sent, StoredObject, settled};
use crate::api::{Call, Caller, OpResult, Payload, Reply};
use crate::commit::{Planned, Refused, meta_error, received};
use crate::mounts::{Mounts, not_through_a_mount};
use crate::resolve::Wanted;
use crate::service::ObjectService;
use crate::write::ingest::read_to_end;
use crate::write::request::check_key;

/// One entry of the request.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    key: String,
    version: Option<String>,
    conditions: Conditions,
}

/// A delete that was planned: done with, or on its way.
enum Started {
    Done(S3Result<Outcome>),
    Waiting(oneshot::Receiver<Result<(), Refused>>, Outcome),
}

/// What all entries share. Not the call itself: its payload cannot be looked at from two threads.
#[derive(Clone, Copy)]
struct Shared<'c> {
    bucket: &'c BucketRecord,
    bucket_name: &'c str,
    caller: &'c Caller,
    context: &'c Context,
    sent: Sent<'c>,
    mounts: &'c Mounts,
}

impl ObjectService {
    pub(crate) async fn delete_objects(&self, mut call: Call) -> OpResult {
        adopt_hoisted(&mut call.headers, &call.query.0)?;
        let announced = Announced::from_headers(&call.headers)?;
        if announced.is_empty() {
            return Err(S3Error::with_message(
                ErrorCode::InvalidRequest,
                "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
            ));
        }
        let body = read_verified(&mut *call.payload, &announced).await?;
        let (entries, quiet) = parse(&body)?;
        // All are planned and queued at once, so that they share commits; whoever meets another writer of its key is
        // planned again alone.
        let (bucket, bucket_name) = (&*call.bucket, &*call.bucket_name);
        let sent = Sent::new(&call.headers, &call.query);
        let mounts = &self.mounts_of(bucket)?;
        let shared = Shared { bucket, bucket_name, caller: &call.caller, context: &call.context, sent, mounts };
        let deletions: Vec<_> = entries.iter().map(|entry| self.deletion(shared, entry)).collect();
        settled(call.context.trail.as_deref()).await?;
        let started = self.start_all(&deletions)?;
        let mut out = Writer::document("DeleteResult", 256 + entries.len() * 64);
        for ((entry, deletion), started) in entries.iter().zip(&deletions).zip(started) {
            let outcome = match started {
                Started::Done(outcome) => outcome,
                Started::Waiting(receiver, outcome) => match received(receiver.await)? {
                    Ok(()) => Ok(outcome),
                    Err(Refused::Failed(error)) => Err(error),
                    Err(Refused::Conflict) => self.delete_alone(deletion).await,
                },
            };
            write_outcome(&mut out, entry, &outcome, quiet);
        }
        Ok(Reply::xml(out.finish("DeleteResult")))
    }

    fn start_all(&self, deletions: &[S3Result<Deletion<'_>>]) -> S3Result<Vec<Started>> {
        let snapshot = self.meta.snapshot().map_err(|error| meta_error(&error))?;
        Ok(deletions.iter().map(|deletion| self.start(deletion, &*snapshot)).collect())
    }

    fn start(&self, deletion: &S3Result<Deletion<'_>>, snapshot: &dyn Snapshot) -> Started {
        let planned = deletion.as_ref().map_err(Clone::clone).and_then(|one| self.plan_delete(one, snapshot));
        match planned {
            Ok(Planned::Nothing(outcome)) => Started::Done(Ok(outcome)),
            Ok(Planned::Commit(batch, outcome)) => Started::Waiting(self.submit(batch, None), outcome),
            Err(error) => Started::Done(Err(error)),
        }
    }

    /// Plans anew what met another writer. The decision holds for the whole request.
    async fn delete_alone(&self, deletion: &S3Result<Deletion<'_>>) -> S3Result<Outcome> {
        let deletion = deletion.as_ref().map_err(Clone::clone)?;
        let bucket = deletion.bucket.id;
        self.commit(bucket, deletion.key, None, |snapshot| self.plan_delete(deletion, snapshot)).await
    }

    /// What the entry asks for, if the caller may.
    fn deletion<'c>(&self, shared: Shared<'c>, entry: &'c Entry) -> S3Result<Deletion<'c>> {
        let key = entry.key.as_bytes();
        let action = if entry.version.is_some() { Action::DELETE_OBJECT_VERSION } else { Action::DELETE_OBJECT };
        let Shared { bucket, bucket_name, caller, context, ref sent, mounts } = shared;
        let object = StoredObject::new(&*self.meta, bucket, key, entry.version.as_deref());
        let (tenant, name) = (bucket.tenant, bucket_name);
        let resource = Resource { tenant, bucket: Some(bucket), name, key: Some(key), object: Some(&object) };
        let question = Question { subject: &caller.subject, action, resource, context, request: sent };
        // Whoever may not read what is stored must not find out about it by comparing.
        let reads = match entry.conditions.compares() {
            true => Some(if entry.version.is_some() { Action::GET_OBJECT_VERSION } else { Action::GET_OBJECT }),
            false => None,
        };
        if !reads.into_iter().chain([action]).all(|action| self.authz.decide(&question.of(action)).allowed()) {
            return Err(ErrorCode::AccessDenied.into());
        }
        // Said after the decision: only who may delete here hears that it cannot be done.
        if mounts.covering(key).is_some() {
            return Err(not_through_a_mount("DeleteObjects"));
        }
        check_key(key)?;
        Ok(Deletion {
            bucket: shared.bucket,
            bucket_name: shared.bucket_name,
            key,
            wanted: Wanted::parse(entry.version.as_deref())?,
            conditions: &entry.conditions,
            owner: shared.caller.user,
        })
    }
}

/// The body, if it is what its digests say.
async fn read_verified(payload: &mut dyn Payload, announced: &Announced) -> S3Result<Bytes> {
    let body = read_to_end(payload, DELETE_BODY_BYTES).await?;
    if announced.md5.is_some() {
        announced.verify_md5(&Md5::digest(&body))?;
    }
    if let Some(algorithm) = announced.algorithm() {
        announced.verify_checksum(&Hasher::digest(algorithm, &body), payload.trailers())?;
    }
    Ok(body)
}

fn parse(body: &[u8]) -> S3Result<(Vec<Entry>, bool)> {
    let mut reader = Reader::new(body)?;
    let (mut entries, mut quiet) = (Vec::new(), false);
    reader.root("Delete")?;
    while let Some(name) = reader.child()? {
        match name {
            "Object" if entries.len() == DELETE_KEYS => {
                return Err(S3Error::new(ErrorCode::MalformedXML).detail("more than 1000 objects"));
            }
            "Object" => entries.push(parse_entry(&mut reader)?),
            "Quiet" => quiet = reader.text()?.trim().eq_ignore_ascii_case("true"),
            _ => reader.skip()?,
        }
    }
    reader.finish()?;
    if entries.is_empty() {
        return Err(S3Error::new(ErrorCode::MalformedXML).detail("no objects"));
    }
    Ok((entries, quiet))
}

fn parse_entry(reader: &mut Reader<'_>) -> S3Result<Entry> {
    let (mut key, mut version, mut conditions) = (None, None, Conditions::default());
    while let Some(name) = reader.child()? {
        match name {
            "Key" => key = Some(reader.text()?.into_owned()),
            "VersionId" => version = Some(reader.text()?.trim().to_owned()).filter(|id| !id.is_empty()),
            "ETag" => conditions.etag = Some(reader.text()?.into_owned()),
            "LastModifiedTime" => conditions.last_modified = Some(parse_time("LastModifiedTime", &reader.text()?)?),
            "Size" => conditions.size = Some(parse_size("Size", &reader.text()?)?),
            _ => reader.skip()?,
        }
    }
    match key {
        Some(key) if !key.is_empty() => Ok(Entry { key, version, conditions }),
        _ => Err(S3Error::new(ErrorCode::MalformedXML).detail("an object without a key")),
    }
}

fn write_outcome(out: &mut Writer, entry: &Entry, outcome: &S3Result<Outcome>, quiet: bool) {
    match outcome {
        Ok(_) if quiet => {}
        Ok(outcome) => {
            out.open("Deleted").text("Key", &entry.key);
            if let Some(version) = &entry.version {
                out.text("VersionId", version);
            }
            if outcome.marker {
                out.flag("DeleteMarker", true);
                out.text("DeleteMarkerVersionId", outcome.version.as_deref().unwrap_or_default());
            }
            out.close("Deleted");
        }
        Err(error) => {
            out.open("Error").text("Key", &entry.key);
            if let Some(version) = &entry.version {
                out.text("VersionId", version);
            }
            out.text("Code", error.code().as_str()).text("Message", error.message()).close("Error");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_with_everything() {
        let body = b"<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>\
            <Object><Key>a&amp;b</Key><VersionId>null</VersionId></Object>\
            <Object><Key> c </Key><ETag>\"e\"</ETag><Size>7</Size>\
            <LastModifiedTime>Wed, 21 Oct 2015 07:28:00 GMT</LastModifiedTime></Object></Delete>";
        let (entries, quiet) = parse(body).unwrap();
        assert!(quiet);
        assert_eq!((entries[0].key.as_str(), entries[0].version.as_deref()), ("a&b", Some("null")));
        assert_eq!(entries[1].key, " c ");
        let conditions = &entries[1].conditions;
        assert_eq!(conditions.etag.as_deref(), Some("\"e\""));
        assert_eq!(conditions.size, Some(7));
        assert_eq!(conditions.last_modified.map(|t| t.secs()), Some(1_445_412_480));
    }

    #[test]
    fn documents_that_are_refused() {
        let code = |body: &str| parse(body.as_bytes()).unwrap_err().code();
        for bad in
            ["", "<Delete/>", "<Remove/>", "<Delete><Object/></Delete>", "<Delete><Object><Key/></Object></Delete>"]
        {
            assert_eq!(code(bad), ErrorCode::MalformedXML, "{bad}");
        }
        let sized = |size: &str| format!("<Delete><Object><Key>k</Key><Size>{size}</Size></Object></Delete>");
        assert!(parse(sized("18446744073709551615").as_bytes()).is_ok());
        for bad in ["-1", "+1", "", "18446744073709551616"] {
            assert_eq!(code(&sized(bad)), ErrorCode::InvalidArgument, "{bad}");
        }
    }

    #[test]
    fn a_thousand_keys_and_no_more() {
        let of = |n: usize| format!("<Delete>{}</Delete>", "<Object><Key>k</Key></Object>".repeat(n));
        assert_eq!(parse(of(DELETE_KEYS).as_bytes()).unwrap().0.len(), DELETE_KEYS);
        assert_eq!(parse(of(DELETE_KEYS + 1).as_bytes()).unwrap_err().code(), ErrorCode::MalformedXML);
    }
}
