//! The match of requests to rows, over a small table with every kind of row in it.

use proptest::prelude::*;

use super::*;

fn row(name: &str, target: &str, params: &str) -> Row {
    let mut words = target.split(' ');
    let (method, scope) = (words.next().unwrap(), words.next().unwrap());
    let selectors = words.next().map_or(Vec::new(), |query| query[1..].split('&').map(str::to_owned).collect());
    Row {
        name: name.into(),
        method: method.into(),
        scope: scope.into(),
        selectors,
        header: name.contains("Copy").then(|| "x-amz-copy-source".into()),
        params: params.split_whitespace().map(str::to_owned).collect(),
        action: format!("s3:{name}"),
        also: Vec::new(),
        reveal: "404".into(),
        auth: if name == "PostObject" { "form" } else { "signed" }.into(),
        kind: if native(name).is_some() { "native" } else { "absent" }.into(),
        body_cap: 0,
    }
}

fn rows() -> Vec<Row> {
    vec![
        row("ListBuckets", "GET service", "prefix max-buckets continuation-token"),
        row("CreateBucket", "PUT bucket", ""),
        row("HeadBucket", "HEAD bucket", ""),
        row("ListObjects", "GET bucket", "delimiter encoding-type marker max-keys prefix"),
        row("ListObjectsV2", "GET bucket ?list-type=2", "delimiter prefix start-after continuation-token"),
        row("GetBucketAcl", "GET bucket ?acl", ""),
        row("GetBucketPolicy", "GET bucket ?policy", ""),
        row("ListBucketMetricsConfigurations", "GET bucket ?metrics", ""),
        row("GetBucketMetricsConfiguration", "GET bucket ?metrics&id", ""),
        row("DeleteObjects", "POST bucket ?delete", ""),
        row("PostObject", "POST bucket", ""),
        row("GetObject", "GET object", "versionId partNumber response-content-type"),
        row("HeadObject", "HEAD object", "versionId partNumber"),
        row("PutObject", "PUT object", ""),
        row("CopyObject", "PUT object", ""),
        row("DeleteObject", "DELETE object", "versionId"),
        row("GetObjectAcl", "GET object ?acl", "versionId"),
        row("GetObjectTorrent", "GET object ?torrent", ""),
        row("UploadPart", "PUT object ?partNumber&uploadId", ""),
        row("UploadPartCopy", "PUT object ?partNumber&uploadId", ""),
        row("AbortMultipartUpload", "DELETE object ?uploadId", ""),
    ]
}

fn query(text: &str) -> Query {
    crate::address::parse_query(Some(text)).unwrap()
}

fn find(method: &str, scope: Scope, text: &str, copy: bool) -> S3Result<String> {
    let table = Table::load(&rows()).unwrap();
    let mut headers = HeaderMap::new();
    if copy {
        headers.insert("x-amz-copy-source", "/b/k".parse().unwrap());
    }
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    table.find(&method, scope, &query(text), &headers).map(|row| row.name.to_string())
}

#[test]
fn requests_find_their_rows() {
    use Scope::{Bucket, Object, Service};
    for (method, scope, text, copy, name) in [
        ("GET", Service, "", false, "ListBuckets"),
        ("GET", Service, "x-id=ListBuckets", false, "ListBuckets"),
        ("PUT", Bucket, "", false, "CreateBucket"),
        ("GET", Bucket, "", false, "ListObjects"),
        ("GET", Bucket, "prefix=&delimiter=", false, "ListObjects"),
        ("GET", Bucket, "list-type=2", false, "ListObjectsV2"),
        ("GET", Bucket, "prefix=a&list-type=2&delimiter=%2F", false, "ListObjectsV2"),
        ("GET", Bucket, "acl", false, "GetBucketAcl"),
        ("GET", Bucket, "acl=", false, "GetBucketAcl"),
        ("GET", Bucket, "metrics", false, "ListBucketMetricsConfigurations"),
        ("GET", Bucket, "metrics&id=1", false, "GetBucketMetricsConfiguration"),
        ("POST", Bucket, "delete", false, "DeleteObjects"),
        ("POST", Bucket, "delete=", false, "DeleteObjects"),
        ("POST", Bucket, "", false, "PostObject"),
        ("GET", Object, "", false, "GetObject"),
        ("GET", Object, "partNumber=1&versionId=null", false, "GetObject"),
        ("GET", Object, "X-Amz-Security-Token=&X-Amz-Signature=0&x-amz-date=", false, "GetObject"),
        ("GET", Object, "AWSAccessKeyId=a&Signature=&Expires=1", false, "GetObject"),
        ("GET", Object, "acl&versionId=1", false, "GetObjectAcl"),
        ("PUT", Object, "", false, "PutObject"),
        ("PUT", Object, "x-id=PutObject", false, "PutObject"),
        ("PUT", Object, "", true, "CopyObject"),
        ("PUT", Object, "X-Amz-Copy-Source=b%2Fk", false, "CopyObject"),
        ("PUT", Object, "uploadId=1&partNumber=1&x-amz-copy-source=b%2Fk", false, "UploadPartCopy"),
        ("PUT", Object, "uploadId=1&partNumber=1", false, "UploadPart"),
        ("PUT", Object, "uploadId=1&partNumber=1", true, "UploadPartCopy"),
        ("DELETE", Object, "uploadId=1", false, "AbortMultipartUpload"),
        ("DELETE", Object, "versionId=1", false, "DeleteObject"),
    ] {
        assert_eq!(find(method, scope, text, copy).as_deref().ok(), Some(name), "{method} {scope:?} {text}");
    }
}

#[test]
fn what_no_row_means_is_refused_and_says_why() {
    use ErrorCode::{InvalidArgument, MethodNotAllowed, NotImplemented};
    use Scope::{Bucket, Object, Service};
    for (method, scope, text, code) in [
        ("PUT", Object, "torrent", MethodNotAllowed),
        ("PUT", Object, "torrent=1", MethodNotAllowed),
        ("PUT", Object, "foo", NotImplemented),
        ("PUT", Object, "foo=", NotImplemented),
        ("PUT", Object, "acl", MethodNotAllowed),
        ("PUT", Object, "uploadId=1", MethodNotAllowed),
        ("PUT", Object, "versionId=1", InvalidArgument),
        ("PUT", Bucket, "policy", MethodNotAllowed),
        ("GET", Bucket, "acl&policy", InvalidArgument),
        ("GET", Bucket, "list-type=1", InvalidArgument),
        ("GET", Bucket, "uploads", NotImplemented),
        ("DELETE", Service, "", MethodNotAllowed),
        ("POST", Object, "", MethodNotAllowed),
        ("PATCH", Object, "", MethodNotAllowed),
    ] {
        assert_eq!(find(method, scope, text, false).map_err(|e| e.code()), Err(code), "{method} {scope:?} {text}");
    }
    let error = find("PUT", Object, "torrent", false).unwrap_err();
    assert_eq!(error.fields(), [("Method", "PUT".to_owned()), ("ResourceType", "TORRENT".to_owned())]);
    assert_eq!(error.headers(), [("allow", "GET".to_owned())]);
    let error = find("PUT", Object, "foo", false).unwrap_err();
    assert_eq!(error.fields(), [("QueryParameter", "foo".to_owned())]);
}

#[test]
fn a_row_that_is_not_whole_does_not_load() {
    let broken = |change: fn(&mut Row)| {
        let mut row = row("GetObject", "GET object", "");
        change(&mut row);
        Table::load(&[row]).unwrap_err().to_string()
    };
    assert!(broken(|row| row.action.clear()).contains("a name and an action"));
    assert!(broken(|row| row.name = "GetObjects".into()).contains("no native operation"));
    for change in [
        (|row: &mut Row| row.scope = "key".into()) as fn(&mut Row),
        |row| row.method = "G T".into(),
        |row| row.reveal = "200".into(),
        |row| row.auth = "maybe".into(),
        |row| row.kind = "ruby".into(),
        |row| row.selectors = vec!["=2".into()],
        |row| row.header = Some("no header".into()),
    ] {
        broken(change);
    }
    let twins = [row("GetObject", "GET object ?a&b", ""), row("HeadObject", "GET object ?b&a", "")];
    assert!(Table::load(&twins).unwrap_err().to_string().contains("GetObject and HeadObject"));
}

proptest! {
    /// The rules of a match, stated again without any of the table's code: whatever matches satisfies them, and
    /// whatever is refused is refused by every row.
    #[test]
    fn no_request_matches_a_row_it_should_not(
        method in prop::sample::select(vec!["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH"]),
        scope in prop::sample::select(vec![("service", Scope::Service), ("bucket", Scope::Bucket), ("object", Scope::Object)]),
        keys in prop::collection::vec(prop::sample::select(vec![
            "acl", "policy", "delete", "uploadId", "partNumber", "list-type", "metrics", "id", "torrent", "foo", "prefix",
            "delimiter", "versionId", "x-id", "X-Amz-Date", "response-content-type",
        ]), 0..4),
        values in prop::collection::vec(prop::sample::select(vec!["", "1", "2"]), 4),
        copy in any::<bool>(),
    ) {
        let pairs: Vec<(String, String)> =
            keys.iter().zip(&values).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let text = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("&");
        let rows = rows();
        let words: Vec<&str> =
            rows.iter().flat_map(|r| &r.selectors).map(|s| s.split('=').next().unwrap()).collect();
        let means = |row: &Row| {
            let selects = |s: &String| match s.split_once('=') {
                Some((key, value)) => pairs.iter().find(|(k, _)| k == key).is_some_and(|(_, v)| v == value),
                None => pairs.iter().any(|(k, _)| k == s),
            };
            let tolerates = |(key, value): &(String, String)| {
                row.params.contains(key)
                    || row.selectors.iter().any(|s| s.split('=').next() == Some(key))
                    || (!words.contains(&key.as_str()) && key != "versionId"
                        && (!value.is_empty() || key == "x-id" || key == "X-Amz-Date"))
            };
            row.method == method && row.scope == scope.0 && (row.header.is_none() || copy)
                && row.selectors.iter().all(selects) && pairs.iter().all(tolerates)
        };
        let possible: Vec<&Row> = rows.iter().filter(|row| means(row)).collect();
        match find(method, scope.1, &text, copy) {
            Ok(name) => {
                let found = possible.iter().find(|row| row.name == name);
                prop_assert!(found.is_some(), "{method} {text} matched {name}");
                let rank = |row: &Row| (row.selectors.len(), row.header.is_some());
                prop_assert!(possible.iter().all(|row| rank(row) <= rank(found.unwrap())));
            }
            Err(error) => {
                prop_assert!(possible.is_empty(), "{method} {text} should be {:?}", possible);
                prop_assert!((400..600).contains(&error.status()));
            }
        }
    }
}

#[test]
fn only_operations_that_list_are_asked_for_names() {
    let mut rows = rows();
    for row in &mut rows {
        match &*row.name {
            "HeadBucket" | "ListObjects" | "ListObjectsV2" => row.action = "s3:ListBucket".into(),
            "ListBuckets" => row.action = "s3:ListAllMyBuckets".into(),
            _ => {}
        }
    }
    let table = Table::load(&rows).unwrap();
    let asks = |name: &str| {
        let row = table.operations().iter().find(|row| &*row.name == name).unwrap();
        row.asks(row.action)
    };
    assert_eq!([asks("ListObjects"), asks("ListObjectsV2")], [Asks::Names; 2]);
    assert_eq!([asks("HeadBucket"), asks("ListBuckets")], [Asks::Bucket, Asks::Buckets]);
    assert_eq!([asks("GetObject"), asks("GetBucketPolicy"), asks("DeleteObjects")], [Asks::Action; 3]);
}

#[test]
fn what_a_request_carries_adds_what_is_asked() {
    let also = [
        ("?versionId", "s3:Version"),
        ("+versionId", "s3:Dated"),
        ("-versionId", "s3:Current"),
        ("x-amz-tagging", "s3:Tag"),
        ("x-amz-grant-*", "s3:Grant"),
        ("if-match=", "s3:Compare"),
    ];
    let also = also.map(|(what, action)| (what.to_owned(), action.to_owned())).to_vec();
    let table = Table::load(&[Row { also, ..row("GetObject", "GET object", "versionId") }]).unwrap();
    let asked = |sent: &[(&'static str, &'static str)], text: &str| -> String {
        let headers = sent.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let actions: Vec<&str> =
            table.operations()[0].actions(&headers, &query(text)).map(|action| action.name()).collect();
        actions.join(" ").replace("s3:", "")
    };
    assert_eq!(asked(&[], ""), "GetObject Current");
    assert_eq!(asked(&[], "versionId=1"), "Version Dated");
    assert_eq!(asked(&[("x-amz-tagging", ""), ("x-amz-grant-read", "x")], ""), "GetObject Current Tag Grant");
    assert_eq!(asked(&[("if-match", " * ")], ""), "GetObject Current");
    for etag in ["x", "\"x\", *", "**", ""] {
        assert_eq!(asked(&[("if-match", etag)], ""), "GetObject Current Compare", "{etag}");
    }
    assert_eq!(asked(&[("if-match", "*"), ("if-match", "x")], ""), "GetObject Current Compare");
}
