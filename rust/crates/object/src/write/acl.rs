//! Whose a new object is, and its access control list: what the request's headers ask for, and what the bucket takes.
//!
//! Belongs here: resolving grantees, and the rules of object ownership. Does not belong here: the syntax of the headers
//! (crate `wire`), what a list allows (crate `authz`), lists of objects that are there already (Python).

use http::HeaderMap;
use panthera_authz::acl::is_public;
use panthera_authz::{Actor, AuthzError, Booked};
use panthera_base::limits::ADDRESS_USERS;
use panthera_base::{ErrorCode, S3Error, S3Result, TenantId, UserId};
use panthera_meta::records::{
    BucketRecord, Grant, Grantee, Ownership, PublicAccessBlock, UserRecord, decode_id, encode_acl, permission,
};
use panthera_meta::{Batch, Snapshot, Step, keys};
use panthera_wire::acl::{self, Asked, Canned, Named, Wanted};
use panthera_wire::hex;

use super::key_rows::get;
use crate::access::Sender;
use crate::api::Call;
use crate::commit::meta_error;
use crate::service::ObjectService;

/// Who owns a new object, and its list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owned {
    /// Its owner.
    pub owner: UserId,
    /// Its list, compiled; `None` is the owner alone.
    pub acl: Option<Vec<u8>>,
}

impl ObjectService {
    /// Reads the headers of a write, or the fields of a form that stand for them.
    ///
    /// Whether the caller may say what a list is was decided in step 5, of headers, of what a presigner moved into the
    /// query and of fields alike: the table of operations has it. AccessControlListNotSupported where the bucket's owner
    /// owns everything and the headers ask for anything else; AccessDenied for a public list where the bucket blocks
    /// those; InvalidArgument, UnresolvableGrantByEmailAddress, AmbiguousGrantByEmailAddress for grantees who are nobody.
    pub(crate) fn owned(&self, call: &Call, headers: &HeaderMap) -> S3Result<Owned> {
        let wanted = acl::wanted(headers)?;
        let resolve = |asked: &[Asked]| {
            let snapshot = self.meta.snapshot().map_err(|error| meta_error(&error))?;
            asked.iter().map(|asked| resolved(&*snapshot, asked, call.caller.subject.tenant())).collect()
        };
        owned(wanted.as_ref(), &call.bucket, call.caller.user, resolve)
    }

    /// Adds to the batch that stores an object what the audit log says of its list. ServiceUnavailable when it cannot be
    /// written down: then nothing is stored.
    pub(crate) fn note_list(
        &self,
        by: Sender<'_>,
        place: (&BucketRecord, &str, &[u8]),
        batch: &mut Batch,
    ) -> S3Result<Option<Booked>> {
        let Some(writer) = self.authz.audit() else { return Ok(None) };
        let by = Actor::of(by.subject, by.request_id, by.from).map_err(S3Error::internal)?;
        match writer.book().append_list(batch, self.clock.now(), &by, place) {
            Ok(booked) => Ok(Some(booked)),
            Err(error @ AuthzError::Audit(_)) => Err(S3Error::new(ErrorCode::ServiceUnavailable).detail(error)),
            Err(error) => Err(S3Error::internal(error)),
        }
    }
}

fn owned(
    wanted: Option<&Wanted>,
    bucket: &BucketRecord,
    writer: UserId,
    resolve: impl Fn(&[Asked]) -> S3Result<Vec<Grant>>,
) -> S3Result<Owned> {
    let to_bucket_owner = Owned { owner: bucket.owner, acl: None };
    let full = wanted == Some(&Wanted::Canned(Canned::BucketOwnerFullControl));
    match bucket.ownership {
        Ownership::BucketOwnerEnforced => {
            let holds = match wanted {
                None => true,
                Some(Wanted::Canned(_)) => full,
                Some(Wanted::Grants(asked)) => resolve(asked)? == [Grant::full_control(bucket.owner)],
            };
            if holds { Ok(to_bucket_owner) } else { Err(ErrorCode::AccessControlListNotSupported.into()) }
        }
        Ownership::BucketOwnerPreferred if full => Ok(to_bucket_owner),
        Ownership::BucketOwnerPreferred | Ownership::ObjectWriter => {
            let grants = match wanted {
                None => return Ok(Owned { owner: writer, acl: None }),
                Some(Wanted::Canned(canned)) => canned_grants(*canned, writer, bucket.owner),
                Some(Wanted::Grants(asked)) => resolve(asked)?,
            };
            // What every new object has is not stored.
            let acl = (grants != [Grant::full_control(writer)]).then(|| encode_acl(&grants));
            let blocks = bucket.public_access_block.is_some_and(|b| b.has(PublicAccessBlock::BLOCK_PUBLIC_ACLS));
            if blocks && acl.as_deref().is_some_and(is_public) {
                return Err(S3Error::new(ErrorCode::AccessDenied).detail("BlockPublicAcls"));
            }
            Ok(Owned { owner: writer, acl })
        }
    }
}

/// What a canned list says. `aws-exec-read` grants to a service of Amazon's that is not here.
fn canned_grants(canned: Canned, owner: UserId, bucket_owner: UserId) -> Vec<Grant> {
    let mut grants = vec![Grant::full_control(owner)];
    let mut add = |grantee, permissions| grants.push(Grant { grantee, permissions });
    match canned {
        Canned::Private | Canned::AwsExecRead => {}
        Canned::PublicRead => add(Grantee::AllUsers, permission::READ),
        Canned::PublicReadWrite => {
            add(Grantee::AllUsers, permission::READ);
            add(Grantee::AllUsers, permission::WRITE);
        }
        Canned::AuthenticatedRead => add(Grantee::AuthenticatedUsers, permission::READ),
        // To oneself there is nothing to share.
        Canned::BucketOwnerRead | Canned::BucketOwnerFullControl if bucket_owner == owner => {}
        Canned::BucketOwnerRead => add(Grantee::User(bucket_owner), permission::READ),
        Canned::BucketOwnerFullControl => add(Grantee::User(bucket_owner), permission::FULL_CONTROL),
    }
    grants
}

fn resolved(snapshot: &dyn Snapshot, asked: &Asked, own: Option<TenantId>) -> S3Result<Grant> {
    let grantee = match &asked.grantee {
        Named::AllUsers => Grantee::AllUsers,
        Named::AuthenticatedUsers => Grantee::AuthenticatedUsers,
        Named::LogDelivery => Grantee::LogDelivery,
        Named::Id(id) => match get(snapshot, &keys::canonical_id(id))? {
            Some(row) => Grantee::User(UserId(decode_id(row).map_err(S3Error::internal)?)),
            None => return Err(acl::no_such_id("id", &hex::encode(id))),
        },
        Named::Email(address) => Grantee::User(user_of(snapshot, address, own)?),
    };
    Ok(Grant { grantee, permissions: asked.permissions })
}

/// The one user of an address in the caller's own tenant: which addresses others know is nobody's business.
fn user_of(snapshot: &dyn Snapshot, address: &str, own: Option<TenantId>) -> S3Result<UserId> {
    let named = |code: ErrorCode| S3Error::new(code).field("EmailAddress", address);
    let range = keys::email_range(address.as_bytes());
    if address.is_empty() || !panthera_meta::key_fits(&range.end) {
        return Err(named(ErrorCode::UnresolvableGrantByEmailAddress));
    }
    let mut everywhere = Vec::new();
    let mut visit = |_: &[u8], value: &[u8]| {
        everywhere.push(decode_id(value));
        if everywhere.len() == ADDRESS_USERS { Step::Stop } else { Step::Next }
    };
    snapshot.scan(range.start.as_slice()..range.end.as_slice(), &mut visit).map_err(|error| meta_error(&error))?;
    let mut found = Vec::new();
    for user in everywhere {
        let user = UserId(user.map_err(S3Error::internal)?);
        let Some(row) = get(snapshot, &keys::user(user))? else { continue };
        if Some(UserRecord::decode(row).map_err(S3Error::internal)?.tenant) == own {
            found.push(user);
        }
    }
    match found[..] {
        [] => Err(named(ErrorCode::UnresolvableGrantByEmailAddress)),
        [user] => Ok(user),
        _ => Err(named(ErrorCode::AmbiguousGrantByEmailAddress)),
    }
}
