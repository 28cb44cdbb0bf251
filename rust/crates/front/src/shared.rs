//! What every connection and request of the S3 port shares.
//!
//! Belongs here: the state, and the number of the next request. Does not belong here: making and ending it (`server`).

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;
use panthera_authz::Authorizer;
use panthera_base::{Clock, Timestamp};
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

/// 16 upper-case hex digits, never twice in the life of a data directory.
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

/// Gives ids: the moment in microseconds, with room for 4096 requests in each before two runs could meet. They ascend,
/// and do not count: who asks twice would learn how much other tenants asked in between.
#[derive(Default)]
pub(crate) struct RequestIds(AtomicU64);

impl RequestIds {
    fn next(&self, now: Timestamp) -> RequestId {
        let following = |last: u64| (now.0 << 12).max(last.wrapping_add(1));
        let before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(following(last)));
        RequestId::from_number(following(before.unwrap_or_else(|last| last)))
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
    pub ids: RequestIds,
}

impl Shared {
    /// The time, and the id of a request that arrives now.
    pub fn arrival(&self) -> (Timestamp, RequestId) {
        let now = self.clock.now();
        (now, self.ids.next(now))
    }
}

#[cfg(test)]
mod tests {
    use super::{RequestIds, Timestamp};

    #[test]
    fn ids_tell_the_moment_and_not_how_many_were_given() {
        let ids = RequestIds::default();
        let next = |moment| u64::from_str_radix(ids.next(Timestamp(moment)).as_str(), 16).unwrap();
        assert_eq!(next(1_000), 1_000 << 12);
        let within = [next(1_000), next(1_000), next(900)];
        assert_eq!(within, [1, 2, 3].map(|n| (1_000 << 12) + n), "never one twice, also when the clock goes back");
        assert_eq!(next(2_000), 2_000 << 12);
    }
}
