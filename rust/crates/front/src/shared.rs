//! What every connection and request of the S3 port shares.
//!
//! Belongs here: the state, and the number of the next request. Does not belong here: making and ending it (`server`).

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;
use panthera_authz::Authorizer;
use panthera_base::Clock;
use panthera_meta::Metastore;
use panthera_object::ObjectService;
use panthera_object::api::{Call, OpResult};

use crate::account::Books;
use crate::address::{Domains, External, Proxies};
use crate::authenticate::Verifier;
use crate::buckets::Buckets;
use crate::connection::Patience;
use crate::control::ControlQueue;
use crate::passwords::Passwords;
use crate::seats::Seats;
use crate::settings::Settings;
use crate::table::Table;
use crate::tls::Tls;

/// Answers native rows.
pub trait ObjectHandler: Send + Sync {
    /// Answers one call.
    fn handle(&self, call: Call) -> Pin<Box<dyn Future<Output = OpResult> + Send + '_>>;
}

impl ObjectHandler for Arc<ObjectService> {
    fn handle(&self, call: Call) -> Pin<Box<dyn Future<Output = OpResult> + Send + '_>> {
        Box::pin(ObjectService::handle(self, call))
    }
}

/// Takes log lines about what only we can repair (InternalError and its kin), one line each, without newline.
pub type Complain = Box<dyn Fn(&str) + Send + Sync>;

/// 16 upper-case hex digits, never twice in the life of a data directory: the start in microseconds leaves room for
/// 4096 requests in each of them before two runs could meet.
#[derive(Clone, Copy)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// The id with this number.
    pub fn from_number(mut number: u64) -> Self {
        let mut digits = [0; 16];
        for digit in digits.iter_mut().rev() {
            *digit = b"0123456789ABCDEF"[(number & 15) as usize];
            number >>= 4;
        }
        Self(digits)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        // Hex digits are ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// What every connection and request shares.
pub(crate) struct Shared {
    pub meta: Arc<dyn Metastore>,
    pub authz: Arc<Authorizer>,
    pub objects: Box<dyn ObjectHandler>,
    pub clock: Arc<dyn Clock>,
    pub complain: Complain,
    pub table: Table,
    pub settings: Settings,
    pub patience: Patience,
    pub domains: Domains,
    pub proxies: Proxies,
    pub external: Option<External>,
    pub verifier: Verifier,
    pub buckets: Buckets,
    pub passwords: Arc<Passwords>,
    /// Downloads of shares with a limit are counted in turns.
    pub downloads: tokio::sync::Mutex<()>,
    pub control: ControlQueue,
    pub books: Arc<Books>,
    pub tls: Option<Tls>,
    pub seats: Arc<Seats>,
    pub host_id: HeaderValue,
    pub region: &'static str,
    pub next_id: AtomicU64,
}

impl Shared {
    pub fn request_id(&self) -> RequestId {
        RequestId::from_number(self.next_id.fetch_add(1, Ordering::Relaxed))
    }
}
