//! PostObject: a browser's form, read up to its file, so that it can be authenticated before the file is taken.
//!
//! Belongs here: driving the form parser over a payload, and the file as a payload of its own. Does not belong here:
//! the syntax of forms and policies (crate `wire`), what the fields mean (crate `object`).

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, header};
use panthera_base::{ErrorCode, S3Error, S3Result, Timestamp};
use panthera_object::api::Payload;
use panthera_object::form_key;
use panthera_wire::auth::{AuthPolicy, post};
use panthera_wire::post_form::policy::Policy;
use panthera_wire::post_form::{FormEvent, FormParser, boundary};

/// The fields before the file. Empty for requests that are no forms.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// Lower-case name and value, in order.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The name the file carries.
    pub filename: Option<String>,
}

/// The rest of the body: the file, and whatever comes after it.
pub struct FileBody {
    body: Box<dyn Payload>,
    parser: FormParser,
    buffer: Bytes,
    policy: Option<Policy>,
    seen: u64,
    ended: bool,
}

/// Reads the fields. The file follows.
pub async fn read(headers: &HeaderMap, mut body: Box<dyn Payload>) -> S3Result<(Form, FileBody)> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut parser = FormParser::new(&boundary(content_type)?);
    let mut form = Form::default();
    let mut buffer = Bytes::new();
    loop {
        match parser.push(&mut buffer)? {
            FormEvent::Field(name, value) => form.fields.push((name, value)),
            FormEvent::File { filename } => {
                form.filename = filename;
                return Ok((form, FileBody { body, parser, buffer, policy: None, seen: 0, ended: false }));
            }
            FormEvent::NeedMore => match std::future::poll_fn(|cx| body.poll_next(cx)).await {
                Some(more) => buffer = more?,
                None => {
                    parser.finish()?;
                    return Err(no_file());
                }
            },
            FormEvent::Data(_) | FormEvent::End => return Err(no_file()),
        }
    }
}

fn no_file() -> S3Error {
    S3Error::new(ErrorCode::IncorrectNumberOfFilesInPostRequest)
}

impl Form {
    /// What the form says about its sender.
    pub fn claim(&self, accepted: &AuthPolicy) -> S3Result<post::PostClaim> {
        post::claim(&self.fields, accepted)
    }

    /// The key the file will have.
    pub fn key(&self) -> S3Result<Vec<u8>> {
        form_key(&self.fields, self.filename.as_deref())
    }

    /// Holds the form to the policy it was signed with, and gives the file as a payload that is held to it, too.
    pub fn check_policy(
        &self,
        claim: &post::PostClaim,
        bucket: &str,
        now: Timestamp,
        mut file: FileBody,
    ) -> S3Result<Box<dyn Payload>> {
        if let post::PostClaim::Signed(claim) = claim {
            let policy = Policy::parse(claim.policy())?;
            let mut fields = self.fields.clone();
            if let (Ok(key), Some(field)) = (self.key(), fields.iter_mut().find(|(name, _)| name == "key")) {
                field.1 = key;
            }
            policy.check(&fields, bucket, now)?;
            file.policy = Some(policy);
        }
        Ok(Box::new(file))
    }
}

impl FileBody {
    fn poll_file(&mut self, cx: &mut Context<'_>) -> Poll<Option<S3Result<Bytes>>> {
        loop {
            match self.parser.push(&mut self.buffer) {
                Err(error) => return Poll::Ready(Some(Err(error))),
                Ok(FormEvent::Data(data)) => return Poll::Ready(self.count(data)),
                // What follows the file is ignored, but it must be there: only then was the file all of it.
                Ok(FormEvent::NeedMore | FormEvent::End) => match ready!(self.body.poll_next(cx)) {
                    Some(Ok(more)) => self.buffer = more,
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(self.finish().err().map(Err)),
                },
                Ok(FormEvent::Field(..)) => {}
                Ok(FormEvent::File { .. }) => return Poll::Ready(Some(Err(no_file()))),
            }
        }
    }

    fn count(&mut self, data: Bytes) -> Option<S3Result<Bytes>> {
        self.seen += data.len() as u64;
        let most = self.policy.as_ref().and_then(Policy::content_length_range).map(|(_, most)| most);
        match &self.policy {
            // Too large is known before the end; too small is not.
            Some(policy) if most.is_some_and(|most| self.seen > most) => policy.check_length(self.seen).err().map(Err),
            _ => Some(Ok(data)),
        }
    }

    fn finish(&mut self) -> S3Result<()> {
        self.parser.finish()?;
        self.policy.as_ref().map_or(Ok(()), |policy| policy.check_length(self.seen))
    }
}

impl Payload for FileBody {
    fn declared_len(&self) -> Option<u64> {
        None
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<S3Result<Bytes>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let next = ready!(self.poll_file(cx));
        self.ended = !matches!(next, Some(Ok(_)));
        Poll::Ready(next)
    }

    fn trailers(&self) -> &[(String, String)] {
        &[]
    }
}
