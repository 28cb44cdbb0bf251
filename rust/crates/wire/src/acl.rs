//! The headers by which a write says who may do what with the object: `x-amz-acl` and `x-amz-grant-*`.
//!
//! Belongs here: their syntax, and which mistakes AWS names how. Does not belong here: who a grantee is, what a bucket
//! takes (crate `object`), documents (Python, `gateway/wire/acl.py`; both sides refuse the same headers).

use http::{HeaderMap, HeaderValue};
use panthera_base::{ErrorCode, S3Error, S3Result, limits};

use crate::hex;

/// The canonical id AWS gives to whoever does not sign.
pub const ANONYMOUS_ID: &str = "65a011a29cdf8ec533ec3d1ccaae921c";

const CANNED: &str = "x-amz-acl";
const GRANT: &str = "x-amz-grant-";

/// The headers of grants and the bits of their permissions, in the order in which grants are stored: headers have none.
const GRANTS: [(&str, u8); 5] = [
    ("x-amz-grant-read", 1),
    ("x-amz-grant-write", 2),
    ("x-amz-grant-read-acp", 4),
    ("x-amz-grant-write-acp", 8),
    ("x-amz-grant-full-control", 15),
];

/// A list by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Canned {
    Private,
    PublicRead,
    PublicReadWrite,
    AuthenticatedRead,
    AwsExecRead,
    BucketOwnerRead,
    BucketOwnerFullControl,
}

/// The lists an object can have by name.
const OBJECT_LISTS: [(&str, Canned); 7] = [
    ("private", Canned::Private),
    ("public-read", Canned::PublicRead),
    ("public-read-write", Canned::PublicReadWrite),
    ("authenticated-read", Canned::AuthenticatedRead),
    ("aws-exec-read", Canned::AwsExecRead),
    ("bucket-owner-read", Canned::BucketOwnerRead),
    ("bucket-owner-full-control", Canned::BucketOwnerFullControl),
];

/// A grantee as a header names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Named {
    /// A user by canonical id.
    Id([u8; 32]),
    /// A user by e-mail address.
    Email(String),
    /// Everybody.
    AllUsers,
    /// Everybody who signs.
    AuthenticatedUsers,
    /// The service that delivers logs.
    LogDelivery,
}

/// The groups there are.
const GROUPS: [(&str, Named); 3] = [
    ("http://acs.amazonaws.com/groups/global/AllUsers", Named::AllUsers),
    ("http://acs.amazonaws.com/groups/global/AuthenticatedUsers", Named::AuthenticatedUsers),
    ("http://acs.amazonaws.com/groups/s3/LogDelivery", Named::LogDelivery),
];

/// A grant as a header asks for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// For whom.
    pub grantee: Named,
    /// What, in the bits of access control lists (FORMAT.md of crate `meta`).
    pub permissions: u8,
}

/// The list a request asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// By name.
    Canned(Canned),
    /// Grant by grant, and nothing else.
    Grants(Vec<Asked>),
}

/// The list the headers ask for; `None` without any. InvalidArgument for what is no list, no permission or no grantee;
/// InvalidRequest when it is asked for twice; MalformedACLError beyond [`limits::ACL_GRANTS`].
pub fn wanted(headers: &HeaderMap) -> S3Result<Option<Wanted>> {
    let grants = grants(headers)?;
    match (headers.get(CANNED), grants) {
        (None, None) => Ok(None),
        (None, Some(grants)) => Ok(Some(Wanted::Grants(grants))),
        (Some(name), grants) => {
            let known = OBJECT_LISTS.iter().find(|(known, _)| known.as_bytes() == name.as_bytes());
            let Some((_, canned)) = known else {
                let name = String::from_utf8_lossy(name.as_bytes());
                return Err(invalid(ErrorCode::InvalidArgument.into(), CANNED, &name));
            };
            match grants {
                None => Ok(Some(Wanted::Canned(*canned))),
                Some(_) => Err(S3Error::with_message(
                    ErrorCode::InvalidRequest,
                    "Specifying both Canned ACLs and Header Grants is not allowed",
                )),
            }
        }
    }
}

/// A part of an upload has no list: the object gets the one that CreateMultipartUpload asked for. A header that says what
/// holds anyway is let be, as clients send the same headers with everything.
pub fn refuse_on_part(headers: &HeaderMap) -> S3Result<()> {
    let harmless = [Wanted::Canned(Canned::Private), Wanted::Canned(Canned::BucketOwnerFullControl)];
    match wanted(headers)? {
        Some(wanted) if !harmless.contains(&wanted) => Err(S3Error::with_message(
            ErrorCode::InvalidRequest,
            "A part has no access control list: CreateMultipartUpload says what the object's is.",
        )),
        _ => Ok(()),
    }
}

/// The grants of the headers; `None` when there is no such header. One that looks like it and is none would grant nothing.
fn grants(headers: &HeaderMap) -> S3Result<Option<Vec<Asked>>> {
    let mut any = false;
    for name in headers.keys().map(|name| name.as_str()).filter(|name| name.starts_with(GRANT)) {
        any = true;
        if !GRANTS.iter().any(|(known, _)| *known == name) {
            let value = headers.get(name).map_or("".into(), |value| String::from_utf8_lossy(value.as_bytes()));
            return Err(unrecognized(name, &value));
        }
    }
    if !any {
        return Ok(None);
    }
    let mut found = Vec::new();
    for (name, permissions) in GRANTS {
        for value in headers.get_all(name) {
            for item in text(name, value)?.split(',') {
                found.push(Asked { grantee: grantee(name, item.trim())?, permissions });
            }
        }
    }
    if found.len() > limits::ACL_GRANTS {
        let message = format!("An access control list has at most {} grants", limits::ACL_GRANTS);
        return Err(S3Error::with_message(ErrorCode::MalformedACLError, message));
    }
    Ok(Some(found))
}

fn text<'a>(name: &str, value: &'a HeaderValue) -> S3Result<&'a str> {
    std::str::from_utf8(value.as_bytes()).map_err(|_| unrecognized(name, &String::from_utf8_lossy(value.as_bytes())))
}

/// `id="…"`, `uri="…"` or `emailAddress="…"`; the quotes may be missing.
fn grantee(header: &str, item: &str) -> S3Result<Named> {
    let (word, value) = item.split_once('=').ok_or_else(|| unrecognized(header, item))?;
    let value = value.trim();
    let value = value.strip_prefix('"').unwrap_or(value);
    let value = value.strip_suffix('"').unwrap_or(value);
    match word {
        "id" => {
            let lower = !value.bytes().any(|b| b.is_ascii_uppercase());
            let id = hex::decode_32(value.as_bytes()).filter(|_| lower);
            id.map(Named::Id).ok_or_else(|| no_such_id("id", value))
        }
        "uri" => match GROUPS.iter().find(|(uri, _)| *uri == value) {
            Some((_, group)) => Ok(group.clone()),
            None => Err(invalid(S3Error::with_message(ErrorCode::InvalidArgument, "Invalid group uri"), "uri", value)),
        },
        "emailAddress" => Ok(Named::Email(value.to_owned())),
        _ => Err(unrecognized(header, item)),
    }
}

/// The error for an id that is nobody's.
pub fn no_such_id(argument: &str, id: &str) -> S3Error {
    invalid(S3Error::with_message(ErrorCode::InvalidArgument, "Invalid id"), argument, id)
}

fn unrecognized(name: &str, value: &str) -> S3Error {
    invalid(S3Error::with_message(ErrorCode::InvalidArgument, "Argument format not recognized"), name, value)
}

fn invalid(error: S3Error, name: &str, value: &str) -> S3Error {
    error.field("ArgumentName", name).field("ArgumentValue", value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "abababababababababababababababababababababababababababababababab";
    const ALL_USERS: &str = GROUPS[0].0;

    fn of(pairs: &[(&'static str, &str)]) -> S3Result<Option<Wanted>> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        wanted(&headers)
    }

    fn refused(pairs: &[(&'static str, &str)]) -> (ErrorCode, String) {
        let error = of(pairs).unwrap_err();
        (error.code(), error.message().to_owned())
    }

    #[test]
    fn canned_lists_are_found_by_name() {
        assert_eq!(of(&[]).unwrap(), None);
        for (name, canned) in OBJECT_LISTS {
            assert_eq!(of(&[(CANNED, name)]).unwrap(), Some(Wanted::Canned(canned)));
        }
        for bad in ["", "public", "Private", "log-delivery-write", "private "] {
            assert_eq!(refused(&[(CANNED, bad)]).0, ErrorCode::InvalidArgument, "{bad}");
        }
    }

    #[test]
    fn grants_come_in_the_order_of_permissions() {
        let read = format!("uri=\"{ALL_USERS}\", id={ID}");
        let asked = of(&[
            ("x-amz-grant-full-control", "emailAddress=\"a@b\""),
            ("x-amz-grant-read", &read),
            ("x-amz-grant-read", "uri=http://acs.amazonaws.com/groups/s3/LogDelivery"),
        ]);
        let grant = |grantee, permissions| Asked { grantee, permissions };
        let expected = vec![
            grant(Named::AllUsers, 1),
            grant(Named::Id([0xAB; 32]), 1),
            grant(Named::LogDelivery, 1),
            grant(Named::Email("a@b".into()), 15),
        ];
        assert_eq!(asked.unwrap(), Some(Wanted::Grants(expected)));
    }

    #[test]
    fn what_is_no_grant_is_refused() {
        let upper = format!("id={}", ID.to_uppercase());
        for (value, message) in [
            ("id=mine", "Invalid id"),
            (&*upper, "Invalid id"),
            ("id=", "Invalid id"),
            ("uri=http://acs.amazonaws.com/groups/global/Nobody", "Invalid group uri"),
            ("name=ann", "Argument format not recognized"),
            ("ann", "Argument format not recognized"),
            ("", "Argument format not recognized"),
            ("emailAddress=a@b,", "Argument format not recognized"),
        ] {
            assert_eq!(
                refused(&[("x-amz-grant-read", value)]),
                (ErrorCode::InvalidArgument, message.into()),
                "{value}"
            );
        }
        assert_eq!(refused(&[("x-amz-grant-reed", "id=1")]).1, "Argument format not recognized");
        let both = [(CANNED, "private"), ("x-amz-grant-read", "emailAddress=a@b")];
        assert_eq!(refused(&both).0, ErrorCode::InvalidRequest);
    }

    #[test]
    fn a_list_has_at_most_a_hundred_grants() {
        let many = |count: usize| vec!["emailAddress=a@b"; count].join(",");
        assert!(of(&[("x-amz-grant-read", &many(limits::ACL_GRANTS))]).is_ok());
        let over = [("x-amz-grant-read", &*many(limits::ACL_GRANTS)), ("x-amz-grant-write", "emailAddress=a@b")];
        assert_eq!(refused(&over).0, ErrorCode::MalformedACLError);
    }

    #[test]
    fn a_part_has_no_list() {
        let part = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
            refuse_on_part(&headers).map_err(|error| error.code())
        };
        assert_eq!(part(CANNED, "private"), Ok(()));
        assert_eq!(part(CANNED, "bucket-owner-full-control"), Ok(()));
        assert_eq!(part(CANNED, "public-read"), Err(ErrorCode::InvalidRequest));
        assert_eq!(part("x-amz-grant-read", "emailAddress=a@b"), Err(ErrorCode::InvalidRequest));
        assert_eq!(part(CANNED, "mine"), Err(ErrorCode::InvalidArgument));
    }
}
