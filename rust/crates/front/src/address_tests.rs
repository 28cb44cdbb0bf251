//! Addresses: both styles, every byte of a key, and whose word about the client is believed.

use proptest::prelude::*;

use super::*;

fn domains() -> Domains {
    Domains::new(&["Example.com".into(), "s3.example.com".into(), "localhost".into()])
}

fn at(path: &str, host: &str) -> (Scope, String, Vec<u8>) {
    let address = locate(path, host, &domains()).unwrap();
    (address.scope, address.bucket, address.key)
}

fn code(path: &str) -> ErrorCode {
    locate(path, "localhost", &domains()).unwrap_err().code()
}

#[test]
fn the_path_names_bucket_and_key() {
    let at = |path| at(path, "127.0.0.1:9000");
    assert_eq!(at("/"), (Scope::Service, "".into(), vec![]));
    assert_eq!(at("/b"), (Scope::Bucket, "b".into(), vec![]));
    assert_eq!(at("/b/"), (Scope::Bucket, "b".into(), vec![]));
    assert_eq!(at("/b/k"), (Scope::Object, "b".into(), b"k".to_vec()));
    for (raw, key) in [
        ("/b//", &b"/"[..]),
        ("/b//k//", b"/k//"),
        ("/b/../k", b"../k"),
        ("/b/a/./b/", b"a/./b/"),
        ("/b/a+b", b"a+b"),
        ("/b/a%2Fb%2f", b"a/b/"),
        ("/b/a%20b%00", b"a b\0"),
        ("/b/%F0%9F%90%86", "🐆".as_bytes()),
        ("/b/caf\u{e9}", "caf\u{e9}".as_bytes()),
    ] {
        assert_eq!(at(raw), (Scope::Object, "b".into(), key.to_vec()), "{raw}");
    }
}

#[test]
fn the_host_names_the_bucket_when_it_is_under_a_domain() {
    assert_eq!(at("/", "b.example.com"), (Scope::Bucket, "b".into(), vec![]));
    assert_eq!(at("/k/l", "b.example.com:9000"), (Scope::Object, "b".into(), b"k/l".to_vec()));
    assert_eq!(at("//k", "B.LocalHost:9000"), (Scope::Object, "b".into(), b"/k".to_vec()));
    assert_eq!(at("/k", "my.dotted.example.com"), (Scope::Object, "my.dotted".into(), b"k".to_vec()));
    // The longer domain wins: `s3.example.com` is the endpoint, not the bucket `s3`.
    assert_eq!(at("/b/k", "s3.example.com"), (Scope::Object, "b".into(), b"k".to_vec()));
    assert_eq!(at("/k", "b.s3.example.com"), (Scope::Object, "b".into(), b"k".to_vec()));
    for host in ["", "other.org", "xexample.com", "example.com", ".example.com", "[::1]:9000", "10.0.0.1"] {
        assert_eq!(at("/b/k", host), (Scope::Object, "b".into(), b"k".to_vec()), "{host}");
    }
}

#[test]
fn what_cannot_be_an_address_is_refused() {
    assert_eq!(code("*"), ErrorCode::InvalidURI);
    assert_eq!(code("/b/%zz"), ErrorCode::InvalidURI);
    assert_eq!(code("/b/%"), ErrorCode::InvalidURI);
    assert_eq!(code("/b/%f"), ErrorCode::InvalidURI);
    assert_eq!(code("/b/%ff"), ErrorCode::InvalidURI);
    assert_eq!(code("/%ff"), ErrorCode::InvalidBucketName);
    assert_eq!(code("//k"), ErrorCode::InvalidBucketName);
}

#[test]
fn limits_hold_at_n_and_not_at_n_plus_1() {
    let key = |n: usize| format!("/b/{}", "k".repeat(n));
    assert!(locate(&key(limits::KEY_BYTES), "", &domains()).is_ok());
    assert_eq!(code(&key(limits::KEY_BYTES + 1)), ErrorCode::KeyTooLongError);
    // Decoded bytes count, not those of the encoding.
    assert!(locate(&format!("/b/{}", "%6b".repeat(limits::KEY_BYTES)), "", &domains()).is_ok());
    assert!(locate(&format!("/{}", "b".repeat(ADDRESS_BUCKET_BYTES)), "", &domains()).is_ok());
    assert_eq!(code(&format!("/{}", "b".repeat(ADDRESS_BUCKET_BYTES + 1))), ErrorCode::InvalidBucketName);
    assert!(parse_query(Some("a=1&".repeat(QUERY_PARAMETERS).trim_end_matches('&'))).is_ok());
    assert!(parse_query(Some("a=1&".repeat(QUERY_PARAMETERS + 1).trim_end_matches('&'))).is_err());
}

#[test]
fn queries_are_decoded_in_order() {
    let query = parse_query(Some("prefix=a+b%2B&&acl&delimiter=&x=%F0%9F%90%86")).unwrap();
    let pairs: Vec<(&str, &str)> = query.0.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(pairs, [("prefix", "a b+"), ("acl", ""), ("delimiter", ""), ("x", "🐆")]);
    for bad in ["a=%", "a=%z1", "%ff=1", "a=%ff"] {
        assert_eq!(parse_query(Some(bad)).unwrap_err().code(), ErrorCode::InvalidURI, "{bad}");
    }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(*name, value.parse().unwrap());
    }
    map
}

#[test]
fn only_a_trusted_proxy_says_who_the_client_is() {
    let proxies = Proxies::new(&["10.0.0.0/8".into(), "::1".into()]).unwrap();
    let sent = [
        ("host", "inside:9000"),
        ("x-forwarded-for", "6.6.6.6, 192.0.2.7:1234"),
        ("x-forwarded-for", "10.1.1.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "b.example.com"),
    ];
    let uri = Uri::from_static("/");
    let mut trusted = headers(&sent);
    let client_ = client("::ffff:10.9.9.9".parse().unwrap(), false, &uri, &mut trusted, &proxies, None);
    assert_eq!((client_.ip, client_.secure), ("192.0.2.7".parse().unwrap(), true));
    assert_eq!(client_.host, "b.example.com");
    assert_eq!(trusted["host"], "b.example.com", "the signature covers the host the client knows");

    let mut forged = headers(&sent);
    let client_ = client("11.0.0.1".parse().unwrap(), false, &uri, &mut forged, &proxies, None);
    assert_eq!((client_.ip, client_.secure), ("11.0.0.1".parse().unwrap(), false));
    assert_eq!(client_.host, "inside:9000");
}

#[test]
fn http2_has_an_authority_instead_of_a_host() {
    let uri = Uri::from_static("https://b.example.com/k");
    let mut map = HeaderMap::new();
    let client = client("10.0.0.1".parse().unwrap(), true, &uri, &mut map, &Proxies::default(), None);
    assert_eq!(client.host, "b.example.com");
    assert_eq!(map["host"], "b.example.com");
}

#[test]
fn a_base_url_is_where_paths_begin_with_the_bucket() {
    let client = Client { ip: "::1".parse().unwrap(), secure: true, host: "b.example.com:9000".into() };
    let by_host = locate("/k", &client.host, &domains()).unwrap();
    assert_eq!(client.base_url(by_host.host_bucket()), "https://example.com:9000");
    let client = Client { host: "localhost:9000".into(), secure: false, ..client };
    let by_path = locate("/b/k", &client.host, &domains()).unwrap();
    assert_eq!(client.base_url(by_path.host_bucket()), "http://localhost:9000");
}

#[test]
fn networks_are_addresses_with_a_prefix() {
    for (entry, inside, outside) in [
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
        ("0.0.0.0/0", "1.2.3.4", "::1"),
        ("::/0", "::1", "1.2.3.4"),
    ] {
        let proxies = Proxies::new(&[entry.into()]).unwrap();
        assert!(proxies.trusts(inside.parse().unwrap()), "{entry} {inside}");
        assert!(!proxies.trusts(outside.parse().unwrap()), "{entry} {outside}");
    }
    for bad in ["", "proxy", "10.0.0.0/33", "::1/129", "10.0.0.0/"] {
        assert!(Proxies::new(&[bad.into()]).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn every_key_survives_its_encoding(key in "\\PC{1,200}") {
        let encoded = panthera_wire::uri::encode_path(key.as_bytes());
        let address = locate(&format!("/b/{encoded}"), "h", &domains()).unwrap();
        prop_assert_eq!(address.key, key.as_bytes());
    }

    #[test]
    fn nothing_a_client_sends_panics(path in ".*", host in ".*", query in ".*", forwarded in "[ -~]*") {
        let _ = locate(&path, &host, &domains());
        let _ = parse_query(Some(&query));
        let proxies = Proxies::new(&["10.0.0.0/8".into()]).unwrap();
        let mut map = headers(&[("x-forwarded-for", &forwarded), ("x-forwarded-host", &forwarded)]);
        let client = client("10.0.0.1".parse().unwrap(), false, &Uri::from_static("/"), &mut map, &proxies, None);
        let base = Address { scope: Scope::Bucket, bucket: host, key: vec![], virtual_host: true, token: None };
        let _ = client.base_url(base.host_bucket());
    }
}

#[test]
fn a_proxy_that_says_nothing_stands_for_the_external_url() {
    let proxies = Proxies::new(&["10.0.0.0/8".into()]).unwrap();
    let external = External::new("https://s3.example.com:8443/").unwrap();
    let silent = [("host", "inside:9000")];
    let seen = |peer: &str, sent: &[(&'static str, &'static str)]| {
        let mut map = headers(sent);
        let uri = Uri::from_static("/");
        let client = client(peer.parse().unwrap(), false, &uri, &mut map, &proxies, Some(&external));
        (client.host, client.secure)
    };
    assert_eq!(seen("10.0.0.1", &silent), ("s3.example.com:8443".to_owned(), true));
    assert_eq!(seen("192.0.2.1", &silent), ("inside:9000".to_owned(), false), "only trusted proxies");
    let telling = [("host", "inside:9000"), ("x-forwarded-host", "other"), ("x-forwarded-proto", "http")];
    assert_eq!(seen("10.0.0.1", &telling), ("other".to_owned(), false));
    for bad in ["s3.example.com", "ftp://x", "https://", "https://x/path", "https://x?y", "https://u@x"] {
        assert!(External::new(bad).is_none(), "{bad}");
    }
}

#[test]
fn what_a_client_says_of_its_transport_is_not_what_a_proxy_adds() {
    let proxies = Proxies::new(&["10.0.0.0/8".into()]).unwrap();
    let secure = |lines: &[&str]| {
        let lines: Vec<(&'static str, &str)> = lines.iter().map(|line| ("x-forwarded-proto", *line)).collect();
        let uri = Uri::from_static("/");
        client("10.0.0.1".parse().unwrap(), false, &uri, &mut headers(&lines), &proxies, None).secure
    };
    for lines in [&["https"][..], &["HTTPS , https"], &["https", "https"], &["https,"]] {
        assert!(secure(lines), "{lines:?}");
    }
    for lines in [&["http"][..], &["https, http"], &["https", "http"], &["http, https"], &["https, x"], &[""], &[]] {
        assert!(!secure(lines), "{lines:?}");
    }
}
