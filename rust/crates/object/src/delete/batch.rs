//! DeleteObjects: many deletes, each with its own authorization, conditions and outcome.

use bytes::Bytes;
use panthera_authz::{Action, Context, ObjectLookup, Question, Resource};
use panthera_base::limits::{DELETE_BODY_BYTES, DELETE_KEYS};
use panthera_base::{ErrorCode, Ordinal, S3Error, S3Result, Timestamp};
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
use crate::mounts::{Mounted, Mounts};
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

/// Where an entry's key lies.
struct Place {
    /// Behind a mount, or here.
    mounted: Option<Mounted>,
    /// Here: the version that was decided about, where a decision looked at one.
    decided: Option<Ordinal>,
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
    now: Timestamp,
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
        let (caller, context, now) = (&call.caller, &call.context, call.now);
        let shared = Shared { bucket, bucket_name, caller, context, sent, mounts, now };
        let places = self.places(shared, &entries)?;
        let deletions: Vec<_> =
            entries.iter().zip(&places).map(|(entry, place)| self.deletion(shared, entry, place)).collect();
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
            let mounted = matches!(deletion, Ok(one) if one.bucket.id != bucket.id);
            write_outcome(&mut out, entry, &outcome.map_err(|error| if mounted { ended(error) } else { error }), quiet);
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

    /// Where each entry's key lies, if the caller may delete it under the name it has here.
    fn places(&self, shared: Shared<'_>, entries: &[Entry]) -> S3Result<Vec<S3Result<Place>>> {
        let snapshot = self.meta.snapshot().map_err(|error| meta_error(&error))?;
        Ok(entries.iter().map(|entry| self.place(shared, entry, &*snapshot)).collect())
    }

    fn place(&self, shared: Shared<'_>, entry: &Entry, snapshot: &dyn Snapshot) -> S3Result<Place> {
        let Shared { bucket, bucket_name, caller, context, ref sent, mounts, now } = shared;
        let (key, action) = (entry.key.as_bytes(), entry.action());
        let mount = mounts.covering(key);
        let stored = StoredObject::new(&*self.meta, bucket, key, entry.version.as_deref());
        // What a mount hides is not there.
        let object = mount.is_none().then_some(&stored as &dyn ObjectLookup);
        let resource =
            Resource { tenant: bucket.tenant, bucket: Some(bucket), name: bucket_name, key: Some(key), object };
        self.may_delete(entry, &Question { subject: &caller.subject, action, resource, context, request: sent })?;
        let Some(mount) = mount else { return Ok(Place { mounted: None, decided: stored.decided() }) };
        let found = mount.resolve(&self.authz, snapshot, &caller.subject, (bucket_name, key), now);
        let mounted = found.map_err(|refusal| refusal.told(context, action))?;
        Ok(Place { mounted: Some(mounted), decided: None })
    }

    /// What the entry asks for, if both sides of a mount allow it where the key lies below one.
    fn deletion<'c>(&self, shared: Shared<'c>, entry: &'c Entry, place: &'c S3Result<Place>) -> S3Result<Deletion<'c>> {
        let Shared { bucket, bucket_name, caller, context, ref sent, .. } = shared;
        let (wanted, conditions) = (Wanted::parse(entry.version.as_deref()), &entry.conditions);
        let Place { mounted, decided } = place.as_ref().map_err(Clone::clone)?;
        let Some(mounted) = mounted else {
            let key = entry.key.as_bytes();
            check_key(key)?;
            return Ok(Deletion {
                bucket,
                bucket_name,
                key,
                wanted: wanted?,
                conditions,
                owner: caller.user,
                decided: *decided,
            });
        };
        let Mounted { standing, key, .. } = mounted;
        let (bucket, name, key) = (&*standing.bucket, &*standing.record.bucket_name, &**key);
        let object = StoredObject::new(&*self.meta, bucket, key, entry.version.as_deref());
        let resource =
            Resource { tenant: bucket.tenant, bucket: Some(bucket), name, key: Some(key), object: Some(&object) };
        let (subject, action) = (&standing.caller.subject, entry.action());
        self.may_delete(entry, &Question { subject, action, resource, context, request: sent })?;
        check_key(key)?;
        let (wanted, owner, decided) = (wanted?, standing.caller.user, object.decided());
        Ok(Deletion { bucket, bucket_name: name, key, wanted, conditions, owner, decided })
    }

    /// AccessDenied unless an entry may be deleted. Whoever may not read what is stored must not find out about it by
    /// comparing.
    fn may_delete(&self, entry: &Entry, question: &Question<'_>) -> S3Result<()> {
        let reads = match entry.conditions.compares() {
            true => Some(if entry.version.is_some() { Action::GET_OBJECT_VERSION } else { Action::GET_OBJECT }),
            false => None,
        };
        let asked = reads.into_iter().chain([question.action]);
        match asked.into_iter().all(|action| self.authz.decide(&question.of(action)).allowed()) {
            true => Ok(()),
            false => Err(ErrorCode::AccessDenied.into()),
        }
    }
}

impl Entry {
    fn action(&self) -> Action {
        if self.version.is_some() { Action::DELETE_OBJECT_VERSION } else { Action::DELETE_OBJECT }
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

/// What became of an entry behind a mount, in the words of one whose share ended: the owner's bucket is nobody's to ask
/// for here.
fn ended(error: S3Error) -> S3Error {
    match error.code() {
        ErrorCode::NoSuchBucket => S3Error::new(ErrorCode::AccessDenied).detail(error),
        _ => error,
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
