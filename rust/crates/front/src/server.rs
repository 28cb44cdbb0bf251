//! The composition of the S3 port: what Python hands over at start, the runtime it runs on, and its end.
//!
//! Belongs here: starting, reloading, draining. Does not belong here: sockets (`listener`), requests (`pipeline`).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::HeaderValue;
use panthera_authz::Authorizer;
use panthera_base::Clock;
use panthera_meta::Metastore;
use panthera_wire::auth::{AuthPolicy, SigningKeys};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::access_log::{AccessLog, Writer};
use crate::account::{Books, Metrics, render_caches};
use crate::address::{Domains, External, Proxies};
use crate::authenticate::Verifier;
use crate::buckets::Buckets;
use crate::connection::Patience;
use crate::control::{ControlCalls, queue};
use crate::listener::{accept_loop, bind};
use crate::passwords::Passwords;
use crate::settings::Settings;
use crate::shared::{Complain, ObjectHandler, RequestIds, Shared};
use crate::table::{Row, Table, TableError};
use crate::tls::Tls;

/// How often draining looks whether the last connection is gone.
const DRAIN_PAUSE: Duration = Duration::from_millis(5);
/// What the runtime's threads get to stop when the connections are gone or given up.
const RUNTIME_STOP: Duration = Duration::from_secs(1);

/// What the front stands on.
pub struct Parts {
    /// Credentials and buckets.
    pub meta: Arc<dyn Metastore>,
    /// Step 5.
    pub authz: Arc<Authorizer>,
    /// Step 6 for native rows.
    pub objects: Box<dyn ObjectHandler>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The log.
    pub complain: Complain,
    /// Tries of shares' passwords, which come by other ways, too.
    pub passwords: Arc<Passwords>,
}

/// Why a front does not start.
#[derive(Debug)]
pub enum StartError {
    /// A setting cannot be used.
    Setting(String),
    /// The table does not load.
    Table(TableError),
    /// A socket, a file or a thread cannot be had.
    Io(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(what) => f.write_str(what),
            Self::Table(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The running S3 port.
pub struct Front {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    draining: watch::Sender<bool>,
    runtime: Mutex<Option<Runtime>>,
    log_writer: Mutex<Option<Writer>>,
}

impl Front {
    /// Checks everything, binds, and accepts. The calls for Python handlers come out of the [`ControlCalls`]; when
    /// nobody takes them, control requests run into their deadline and everything else goes on.
    pub fn start(settings: Settings, rows: &[Row], parts: Parts) -> Result<(Self, ControlCalls), StartError> {
        let table = Table::load(rows).map_err(StartError::Table)?;
        let proxies = Proxies::new(&settings.trusted_proxies)
            .map_err(|entry| StartError::Setting(format!("trusted_proxies: {entry:?} is no address and no network")))?;
        let external = match &settings.external_url {
            Some(url) => Some(External::new(url).ok_or_else(|| {
                StartError::Setting(format!("external_url: {url:?} is not http(s)://host[:port] without a path"))
            })?),
            None => None,
        };
        if settings.control_queue == 0 || settings.connections_per_address == 0 {
            return Err(StartError::Setting("control_queue and connections_per_address must be at least 1".into()));
        }
        let tls = settings.tls.clone().map(Tls::open).transpose()?;
        let listeners = settings.listen.iter().map(|a| bind(a)).collect::<io::Result<Vec<_>>>()?;
        let addresses = listeners.iter().map(|l| l.local_addr()).collect::<io::Result<Vec<_>>>()?;
        let (access_log, log_writer) = match &settings.access_log {
            Some(path) => AccessLog::open(path).map(|(log, writer)| (Some(log), Some(writer)))?,
            None => (None, None),
        };
        let (control, calls) = queue(settings.control_queue, settings.control_deadline);
        let start = parts.clock.now().0;
        let shared = Arc::new(Shared {
            books: Arc::new(Books { metrics: Metrics::new(&table), access_log }),
            verifier: Verifier {
                policy: AuthPolicy { sigv2: settings.sigv2, region: settings.pinned_region.clone() },
                keys: SigningKeys::default(),
            },
            buckets: Buckets::new(parts.authz.keeps()),
            passwords: parts.passwords,
            downloads: tokio::sync::Mutex::default(),
            patience: Patience::new(&settings),
            domains: Domains::new(&settings.domains),
            seats: Arc::default(),
            host_id: host_id(start),
            region: Box::leak(settings.region.clone().into_boxed_str()),
            ids: RequestIds::default(),
            meta: parts.meta,
            authz: parts.authz,
            objects: parts.objects,
            clock: parts.clock,
            complain: parts.complain,
            table,
            settings,
            proxies,
            external,
            control,
            tls,
        });
        let runtime = runtime(shared.settings.workers)?;
        let (draining, drain_signal) = watch::channel(false);
        for listener in listeners {
            let guard = runtime.enter();
            let listener = TcpListener::from_std(listener)?;
            drop(guard);
            runtime.spawn(accept_loop(listener, shared.clone(), drain_signal.clone()));
        }
        let runtime = Mutex::new(Some(runtime));
        Ok((Self { shared, addresses, draining, runtime, log_writer: Mutex::new(log_writer) }, calls))
    }

    /// The bound addresses, in the order of `Settings::listen`.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Reads the certificate and its key again. On an error the old ones stay in use.
    pub fn reload_tls(&self) -> io::Result<()> {
        self.shared.tls.as_ref().map_or(Ok(()), Tls::reload)
    }

    /// Prometheus text.
    pub fn metrics(&self) -> String {
        let Shared { books, authz, buckets, .. } = &*self.shared;
        let caches = authz.caches().chain([("buckets", buckets.counts())]);
        books.metrics.render(books.access_log.as_ref()) + &render_caches(caches)
    }

    /// Stops accepting, lets running requests finish, closes. False when the time was not enough: what still runs is
    /// cut off then. Blocks; not for async threads. A second call has nothing left to do.
    pub fn drain(&self, timeout: Duration) -> bool {
        let Some(runtime) = self.runtime.lock().take() else { return true };
        let deadline = Instant::now() + timeout;
        self.draining.send_replace(true);
        let open = || self.shared.books.metrics.connections.load(Ordering::Relaxed) > 0;
        while open() && Instant::now() < deadline {
            std::thread::sleep(DRAIN_PAUSE);
        }
        let finished = !open();
        runtime.shutdown_timeout(RUNTIME_STOP);
        if let (Some(log), Some(writer)) = (&self.shared.books.access_log, self.log_writer.lock().take()) {
            log.close();
            writer.join();
        }
        finished
    }
}

impl Drop for Front {
    /// A front that was not drained stops at once. It must not wait: it may be dropped on an async thread.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.get_mut().take() {
            runtime.shutdown_background();
        }
    }
}

fn runtime(workers: usize) -> io::Result<Runtime> {
    let workers = match workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    tokio::runtime::Builder::new_multi_thread().worker_threads(workers).thread_name("panthera-s3").enable_all().build()
}

/// Which gateway answered: one text for each start of the process.
fn host_id(start: u64) -> HeaderValue {
    let seed = (u64::from(std::process::id()) << 32 | 0x5bd1_e995).wrapping_mul(start | 1);
    HeaderValue::from_str(&format!("{start:016x}{seed:016x}")).unwrap_or(HeaderValue::from_static("panthera"))
}
