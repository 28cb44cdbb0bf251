//! What one step of the pipeline hands to the next.
//!
//! Belongs here: values, and what follows from them alone. Does not belong here: the steps.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use panthera_authz::Subject;
use panthera_base::Timestamp;
use panthera_meta::records::BucketRecord;
use panthera_object::Refusal;
use panthera_object::api::{Entered, Payload, Query, Window};
use panthera_wire::auth::Head;

use crate::address::{Address, Client};
use crate::authenticate::Identity;
use crate::downloads::Limit;
use crate::form::Form;
use crate::table::Operation;

/// The other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    pub(crate) ip: IpAddr,
    pub(crate) tls: bool,
    pub(crate) tls_version: Option<&'static str>,
    pub(crate) cipher: Option<String>,
}

impl Peer {
    /// Over plain HTTP.
    pub fn plain(ip: IpAddr) -> Self {
        Self { ip, tls: false, tls_version: None, cipher: None }
    }

    /// Over TLS.
    pub fn tls(
        ip: IpAddr,
        version: Option<rustls::ProtocolVersion>,
        cipher: Option<rustls::SupportedCipherSuite>,
    ) -> Self {
        let tls_version = match version {
            Some(rustls::ProtocolVersion::TLSv1_2) => Some("TLSv1.2"),
            Some(rustls::ProtocolVersion::TLSv1_3) => Some("TLSv1.3"),
            _ => None,
        };
        Self { ip, tls: true, tls_version, cipher: cipher.map(|suite| format!("{:?}", suite.suite())) }
    }
}

/// A request that has been read and matched: what steps 4 to 6 work on.
pub(crate) struct Matched<'a> {
    pub row: &'a Operation,
    pub address: Address,
    pub query: Query,
    pub client: Client,
    pub now: Timestamp,
}

/// What step 4 found out.
pub(crate) struct Known {
    pub identity: Identity,
    /// The bucket of the request, and its row as stored.
    pub bucket: Option<(Arc<BucketRecord>, Bytes)>,
    pub form: Form,
    /// The document, where policies can ask what it says; read before step 5.
    pub document: Option<Bytes>,
    pub payload: Box<dyn Payload>,
    /// What is worked on lies elsewhere: behind a share.
    pub elsewhere: Option<Elsewhere>,
    /// The key lies below a mount, and its share gives the caller nothing. Said after step 5: only who may do it here is
    /// told, or written down as one who tried.
    pub blocked: Option<Refusal>,
}

impl Known {
    /// Who asks where the object lies: the caller, or the share it comes through.
    pub fn asks(&self) -> &Subject {
        let entered = self.elsewhere.as_ref().and_then(|elsewhere| elsewhere.mount.as_ref());
        entered.map_or(&self.identity.caller.subject, |entered| &entered.share)
    }
}

/// What an operation on a shared place needs beside its call.
pub(crate) struct Elsewhere {
    /// The client's names.
    pub window: Window,
    /// How often the share may be downloaded.
    pub limit: Option<Limit>,
    /// The way was a link: its answers must not travel.
    pub link: bool,
    /// The way was a mount.
    pub mount: Option<Entered>,
}

/// The request as signatures see it.
pub(crate) fn signed_head<'a>(head: &'a http::request::Parts, matched: &'a Matched<'_>) -> Head<'a> {
    Head {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        headers: &head.headers,
        vhost_bucket: matched.address.virtual_host.then_some(matched.address.bucket.as_str()),
    }
}
