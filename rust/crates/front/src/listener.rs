//! Sockets: bind, accept, TLS, one task per connection, and the end of all that.
//!
//! Belongs here: what happens before a request exists and after the last one. Does not belong here: requests.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener, ToSocketAddrs};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use panthera_base::limits;
use socket2::{Domain, Protocol, Socket as RawSocket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::body::Body;
use crate::connection::{Connection, Overdue, Socket};
use crate::pipeline;
use crate::request::Peer;
use crate::settings::{BACKLOG, H2_CONNECTION_WINDOW, H2_STREAM_WINDOW, H2_STREAMS};
use crate::shared::Shared;

/// Pause after accept(2) failed: it fails for want of file descriptors, and trying at once only burns the CPU.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Binds one address. `SO_REUSEADDR`, so that a restart does not wait for old connections to time out.
pub fn bind(address: &str) -> io::Result<StdListener> {
    let named = |e: io::Error| io::Error::new(e.kind(), format!("{address}: {e}"));
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, format!("{address}: no such address"));
    for candidate in address.to_socket_addrs().map_err(named)? {
        match bind_one(candidate) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = named(error),
        }
    }
    Err(last)
}

fn bind_one(address: SocketAddr) -> io::Result<StdListener> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts until told to drain.
pub async fn accept_loop(listener: TcpListener, shared: Arc<Shared>, mut draining: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = draining.wait_for(|on| *on) => return,
        };
        let metrics = &shared.books.metrics;
        let Ok((stream, peer)) = accepted else {
            metrics.accept_failures.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let ip = peer.ip().to_canonical();
        let Some(seat) = shared.seats.enter(ip, shared.settings.connections_per_address) else {
            metrics.connections_refused.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        metrics.connections.fetch_add(1, Ordering::Relaxed);
        let (shared, draining) = (shared.clone(), draining.clone());
        tokio::spawn(async move {
            serve(stream, ip, &shared, draining).await;
            shared.books.metrics.connections.fetch_sub(1, Ordering::Relaxed);
            drop(seat);
        });
    }
}

async fn serve(stream: TcpStream, ip: IpAddr, shared: &Arc<Shared>, draining: watch::Receiver<bool>) {
    // Without it, small answers wait for the client's delayed acknowledgement. Failing only costs time.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &shared.tls else {
        return serve_http1(TokioIo::new(stream), Peer::plain(ip), shared, draining).await;
    };
    let handshake = TlsAcceptor::from(tls.config()).accept(stream);
    let Ok(Ok(stream)) = tokio::time::timeout(shared.settings.header_timeout, handshake).await else {
        shared.books.metrics.tls_failures.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let session = stream.get_ref().1;
    let peer = Peer::tls(ip, session.protocol_version(), session.negotiated_cipher_suite());
    if session.alpn_protocol() == Some(b"h2") {
        serve_http2(TokioIo::new(stream), peer, shared, draining).await;
    } else {
        serve_http1(TokioIo::new(stream), peer, shared, draining).await;
    }
}

async fn serve_http1<S>(io: S, peer: Peer, shared: &Arc<Shared>, draining: watch::Receiver<bool>)
where
    S: Read + Write + Unpin + Send + 'static,
{
    let state = Arc::new(Connection::open());
    let shared_for_errors = shared.clone();
    let rewrite = Box::new(move |status| pipeline::unparsed(&shared_for_errors, status));
    let socket = Socket::new(io, state.clone(), Some(rewrite));
    let service = service(shared.clone(), state.clone(), peer);
    let mut builder = http1::Builder::new();
    builder
        .half_close(false)
        .keep_alive(true)
        .max_headers(limits::HEADERS)
        .max_header_size(limits::HEAD_BYTES)
        // `pipeline_flush` stays off: with it, hyper 1.12 closes without writing what is buffered when it cannot parse
        // what follows in the pipeline, and the answers to good requests are lost.
        // The time a head may take, idle time and blocked writes are all watched in `attend`, with one timer for a
        // connection and not one for each request.
        .header_read_timeout(None)
        .timer(TokioTimer::new());
    let connection = pin!(builder.serve_connection(socket, service));
    attend(connection, |c| c.graceful_shutdown(), &state, shared, draining).await;
}

async fn serve_http2<S>(io: S, peer: Peer, shared: &Arc<Shared>, draining: watch::Receiver<bool>)
where
    S: Read + Write + Unpin + Send + 'static,
{
    let state = Arc::new(Connection::open());
    let socket = Socket::new(io, state.clone(), None);
    let service = service(shared.clone(), state.clone(), peer);
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .max_concurrent_streams(H2_STREAMS)
        .max_header_list_size(limits::HEAD_BYTES as u32)
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .timer(TokioTimer::new());
    let connection = pin!(builder.serve_connection(socket, service));
    attend(connection, |c| c.graceful_shutdown(), &state, shared, draining).await;
}

fn service(
    shared: Arc<Shared>,
    state: Arc<Connection>,
    peer: Peer,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = Response<Body>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
> {
    let peer = Arc::new(peer);
    service_fn(move |request| {
        let (shared, state, peer) = (shared.clone(), state.clone(), peer.clone());
        async move { Ok(pipeline::answer(&shared, state, &peer, request).await) }
    })
}

/// Drives a connection to its end, and ends it when it is overdue or when we drain.
async fn attend<C, E>(
    mut connection: Pin<&mut C>,
    finish: impl Fn(Pin<&mut C>),
    state: &Connection,
    shared: &Shared,
    mut draining: watch::Receiver<bool>,
) where
    C: Future<Output = Result<(), E>>,
{
    let mut tick = tokio::time::interval(shared.patience.tick());
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut finishing = false;
    loop {
        tokio::select! {
            biased;
            // What the client did wrong has been answered; that it left is its business.
            _ = connection.as_mut() => return,
            _ = tick.tick() => match state.overdue(&shared.patience) {
                None => {}
                Some(Overdue::Idle) => return,
                Some(Overdue::Stalled) => {
                    shared.books.metrics.timeouts.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            },
            _ = draining.wait_for(|on| *on), if !finishing => {
                finishing = true;
                finish(connection.as_mut());
            }
        }
    }
}
