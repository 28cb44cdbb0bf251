//! From the request line and the Host header to bucket, key and query; from the peer to the client's address.
//!
//! Belongs here: decoding and bounding of what addresses something. The raw path is never normalised: `//`, `.` and
//! `..` are bytes of a key. Does not belong here: whether the bucket exists, what the query means.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, Uri, header};
use panthera_base::{ErrorCode, S3Error, S3Result, limits};
use panthera_object::api::Query;
use panthera_wire::uri::{self, percent_decode};

use crate::settings::{ADDRESS_BUCKET_BYTES, QUERY_PARAMETERS};
use crate::table::Scope;
use crate::token::{LINKS, Token};

/// What a request addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// Service, bucket or object.
    pub scope: Scope,
    /// The bucket's name; empty for the service.
    pub bucket: String,
    /// The key's bytes; empty for service and bucket.
    pub key: Vec<u8>,
    /// The host named the bucket, not the path.
    pub virtual_host: bool,
    /// The token of a share link; `None` for other addresses, and for links whose token cannot be one.
    pub token: Option<Token>,
}

/// The client as far as we can tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Client {
    /// Its address; from X-Forwarded-For when the peer is a trusted proxy.
    pub ip: IpAddr,
    /// Whether it speaks TLS, with us or with the trusted proxy.
    pub secure: bool,
    /// The authority it used; empty when it sent none.
    pub host: String,
}

impl Address {
    /// The bucket, when the host names it.
    pub fn host_bucket(&self) -> Option<&str> {
        self.virtual_host.then_some(&*self.bucket)
    }
}

impl Client {
    /// Scheme and authority under which `/bucket/key` is a path, for Location elements. `in_host` is the bucket that the
    /// host names.
    pub fn base_url(&self, in_host: Option<&str>) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        let bucket = in_host.map_or(0, |bucket| bucket.len() + 1);
        format!("{scheme}://{}", self.host.get(bucket..).unwrap_or(&self.host))
    }
}

/// Domains under which `bucket.domain` addresses a bucket.
#[derive(Clone, Debug, Default)]
pub struct Domains(Vec<String>);

impl Domains {
    /// From settings: names without port, in any case.
    pub fn new(names: &[String]) -> Self {
        let mut names: Vec<String> =
            names.iter().map(|n| n.trim_matches('.').to_ascii_lowercase()).filter(|n| !n.is_empty()).collect();
        // The longest first: with `example.com` and `s3.example.com`, the latter says where the bucket's name ends.
        names.sort_by_key(|n| std::cmp::Reverse(n.len()));
        Self(names)
    }

    /// The bucket a host names, if it names one. `None`: the path does.
    fn bucket_of(&self, host: &str) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let name = host_name(host).to_ascii_lowercase();
        for domain in &self.0 {
            if name == *domain {
                return None;
            }
            if let Some(bucket) = name.strip_suffix(domain.as_str()).and_then(|rest| rest.strip_suffix('.'))
                && !bucket.is_empty()
            {
                return Some(bucket.to_owned());
            }
        }
        None
    }
}

fn host_name(host: &str) -> &str {
    match host.rfind(':') {
        // A colon inside brackets is part of an IPv6 address.
        Some(at) if !host[at..].contains(']') => &host[..at],
        _ => host,
    }
}

/// Bucket and key of a raw path.
pub fn locate(raw_path: &str, host: &str, domains: &Domains) -> S3Result<Address> {
    let Some(path) = raw_path.strip_prefix('/') else {
        return Err(invalid_uri());
    };
    let named_by_host = domains.bucket_of(host);
    let virtual_host = named_by_host.is_some();
    let (bucket, raw_key) = match named_by_host {
        Some(bucket) => (bucket, path),
        None => {
            let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
            let bucket = percent_decode(bucket).ok_or_else(invalid_uri)?;
            (String::from_utf8(bucket).map_err(|_| ErrorCode::InvalidBucketName)?, key)
        }
    };
    let (link, raw_key) = match raw_key.split_once('/').unwrap_or((raw_key, "")) {
        (token, below) if bucket == LINKS && !virtual_host => (Some(Token::read(token)), below),
        _ => (None, raw_key),
    };
    if bucket.len() > ADDRESS_BUCKET_BYTES || (bucket.is_empty() && !raw_key.is_empty()) {
        return Err(S3Error::new(ErrorCode::InvalidBucketName).field("BucketName", bucket));
    }
    let key = percent_decode(raw_key).ok_or_else(invalid_uri)?;
    if std::str::from_utf8(&key).is_err() {
        return Err(invalid_uri());
    }
    if key.len() > limits::KEY_BYTES {
        return Err(S3Error::new(ErrorCode::KeyTooLongError)
            .field("Size", key.len().to_string())
            .field("MaxSizeAllowed", limits::KEY_BYTES.to_string()));
    }
    let scope = match (&link, bucket.is_empty(), key.is_empty()) {
        (Some(Some(Token { object: false, .. })), ..) if key.is_empty() || key.ends_with(b"/") => Scope::LinkFolder,
        (Some(_), ..) => Scope::Link,
        (None, true, _) => Scope::Service,
        (None, false, true) => Scope::Bucket,
        (None, false, false) => Scope::Object,
    };
    Ok(Address { scope, bucket, key, virtual_host, token: link.flatten() })
}

/// The parameters of a raw query, in the order sent.
pub fn parse_query(raw: Option<&str>) -> S3Result<Query> {
    let Some(raw) = raw.filter(|raw| !raw.is_empty()) else {
        return Ok(Query::default());
    };
    if raw.bytes().filter(|&b| b == b'&').count() >= QUERY_PARAMETERS {
        return Err(S3Error::with_message(ErrorCode::InvalidURI, "The query has too many parameters."));
    }
    if !uri::query_is_well_formed(raw) {
        return Err(invalid_uri());
    }
    Ok(Query(uri::parse_query(raw)))
}

fn invalid_uri() -> S3Error {
    S3Error::new(ErrorCode::InvalidURI)
}

/// Networks whose word about the client is believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<(IpAddr, u8)>);

impl Proxies {
    /// From settings: addresses, or networks with their prefix length. `Err` names the entry that is neither.
    pub fn new(entries: &[String]) -> Result<Self, String> {
        entries.iter().map(|entry| network(entry).ok_or_else(|| entry.clone())).collect::<Result<_, _>>().map(Self)
    }

    fn trusts(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|&(net, prefix)| match (net, ip) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => same_prefix(net.to_bits().into(), ip.to_bits().into(), 32, prefix),
            (IpAddr::V6(net), IpAddr::V6(ip)) => same_prefix(net.to_bits(), ip.to_bits(), 128, prefix),
            _ => false,
        })
    }
}

fn network(entry: &str) -> Option<(IpAddr, u8)> {
    let (ip, prefix) = match entry.split_once('/') {
        Some((ip, prefix)) => (ip.parse::<IpAddr>().ok()?, Some(prefix.parse::<u8>().ok()?)),
        None => (entry.parse::<IpAddr>().ok()?.to_canonical(), None),
    };
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.unwrap_or(most);
    (prefix <= most).then_some((ip, prefix))
}

fn same_prefix(a: u128, b: u128, width: u32, prefix: u8) -> bool {
    let shift = width - u32::from(prefix);
    shift >= 128 || (a >> shift) == (b >> shift)
}

/// The endpoint as clients behind a trusted proxy see it, for proxies that do not say it themselves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct External {
    secure: bool,
    host: HeaderValue,
}

impl External {
    /// From `http(s)://host[:port]`. `None` when it is not one.
    pub fn new(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let secure = match scheme {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = rest.trim_end_matches('/');
        let plain = !host.is_empty() && !host.contains(['/', '?', '#', '@']);
        let host = HeaderValue::from_str(host).ok().filter(|_| plain)?;
        Some(Self { secure, host })
    }
}

/// The client behind a connection.
///
/// When a trusted proxy says which host the client asked for, `headers` gets it as its Host: that is what was signed.
/// A proxy that says nothing stands for `external`.
pub fn client(
    peer: IpAddr,
    tls: bool,
    uri: &Uri,
    headers: &mut HeaderMap,
    proxies: &Proxies,
    external: Option<&External>,
) -> Client {
    let mut client = Client { ip: peer.to_canonical(), secure: tls, host: String::new() };
    if !proxies.0.is_empty() && proxies.trusts(peer) {
        if let Some(ip) = forwarded_for(headers, proxies) {
            client.ip = ip;
        }
        client.secure = match forwarded_proto(headers) {
            Some(secure) => secure,
            None => external.map_or(tls, |external| external.secure),
        };
        let host = first_listed(headers, "x-forwarded-host").and_then(|h| HeaderValue::from_str(h).ok());
        if let Some(host) = host.or_else(|| external.map(|external| external.host.clone())) {
            headers.insert(header::HOST, host);
        }
    }
    if !headers.contains_key(header::HOST)
        && let Some(value) = uri.authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok())
    {
        // HTTP/2 has :authority instead of Host, and signatures cover it as `host`.
        headers.insert(header::HOST, value);
    }
    client.host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    client
}

/// The last address of the chain that is not itself a trusted proxy: everything before it is hearsay.
fn forwarded_for(headers: &HeaderMap, proxies: &Proxies) -> Option<IpAddr> {
    let mut nearest = None;
    for line in headers.get_all("x-forwarded-for").iter().rev() {
        for entry in line.to_str().ok()?.rsplit(',') {
            let ip = forwarded_ip(entry.trim())?;
            nearest = Some(ip);
            if !proxies.trusts(ip) {
                return nearest;
            }
        }
    }
    nearest
}

fn forwarded_ip(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(ip, _)| ip);
    let ip = match bare {
        Some(ip) => ip.parse().ok(),
        None => entry.parse().ok().or_else(|| entry.split_once(':').and_then(|(ip, _)| ip.parse().ok())),
    };
    ip.map(|ip: IpAddr| ip.to_canonical())
}

/// Whether every hop was `https`. A client may send a first entry of its own, and a proxy may add to it: what policies
/// take for TLS must not be what the client says.
fn forwarded_proto(headers: &HeaderMap) -> Option<bool> {
    let lines = headers.get_all("x-forwarded-proto");
    let mut entries = lines.iter().flat_map(|line| line.to_str().unwrap_or("?").split(','));
    entries
        .by_ref()
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .fold(None, |so_far, entry| Some(so_far.unwrap_or(true) && entry.eq_ignore_ascii_case("https")))
}

fn first_listed<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let value = headers.get(name)?.to_str().ok()?;
    value.split(',').next().map(str::trim).filter(|v| !v.is_empty())
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
