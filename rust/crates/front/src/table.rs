//! The table of operations: rows from Python, checked and compiled once, and the match of a request to its row.
//!
//! Belongs here: which row a request means, and what to say when it means none. Does not belong here: what a row's
//! operation does, who may call it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, Method};
use panthera_authz::Action;
use panthera_base::{ErrorCode, S3Error, S3Result};
use panthera_object::api::{NativeOp, Query};

/// One row as Python wrote it (`gateway/ops/table.py`, `Row` in `storage/_core.pyi`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Amazon's name.
    pub name: String,
    /// HTTP method.
    pub method: String,
    /// `service`, `bucket`, `object`, `link` or `link-folder`.
    pub scope: String,
    /// Query keys (`acl`) or keys with their value (`list-type=2`) that must all be present.
    pub selectors: Vec<String>,
    /// A header that must be present.
    pub header: Option<String>,
    /// Parameters that may accompany it, empty or not, even when they select other rows.
    pub params: Vec<String>,
    /// The action asked of authorization.
    pub action: String,
    /// What else is asked when the request carries more: a header (`x-amz-tagging`, `x-amz-grant-*`) adds its action, one
    /// with `=` behind it (`if-match=`) only when it says something else than `*`; a query key (`?versionId`) puts its
    /// action in the place of the first, `+versionId` adds one when it is there, `-versionId` when it is not.
    pub also: Vec<(String, String)>,
    /// `404` or `403`.
    pub reveal: String,
    /// `signed`, `form`, `link` or `none`.
    pub auth: String,
    /// `native`, `python` or `absent`.
    pub kind: String,
    /// Largest body of a Python row; 0: none is read.
    pub body_cap: usize,
}

/// What a path addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scope {
    /// `/`
    Service,
    /// A bucket.
    Bucket,
    /// A key in a bucket.
    Object,
    /// One object behind a share link.
    Link,
    /// The share of a prefix behind a link, or a folder in it.
    LinkFolder,
}

impl Scope {
    /// Whether the address names a key.
    pub fn has_key(self) -> bool {
        matches!(self, Self::Object | Self::Link)
    }
}

/// Who a missing key is told to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reveal {
    /// `404`: to who may list the bucket; others read AccessDenied.
    ToListers,
    /// `403`: to everyone who was allowed to ask.
    ToAllowed,
}

/// How a row authenticates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Auth {
    /// By signature; a request without one is anonymous.
    Signed,
    /// By the policy among the form's fields.
    Form,
    /// By the token of a share link; a signature says who bears it.
    Link,
    /// Not at all: the caller is anonymous whatever it sends, and the row itself is what allows it (CORS preflights,
    /// which the bucket's CORS configuration answers).
    None,
}

/// Who runs a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An object operation.
    Native(NativeOp),
    /// A Python handler.
    Python,
    /// Nobody yet: 501 by name.
    Absent,
}

/// What an action of a row asks of authorization.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asks {
    /// Whether the caller may do it.
    Action,
    /// Which names the caller may see: the operation shows only those.
    Names,
    /// Whether the caller may know of the bucket.
    Bucket,
    /// Whether the caller may ask which buckets there are: the operation shows only those it may know of.
    Buckets,
}

/// A compiled row.
#[derive(Debug)]
pub struct Operation {
    /// Place in [`Table::operations`]; metrics are kept by it.
    pub index: usize,
    /// Amazon's name.
    pub name: Arc<str>,
    /// Its name in the access log (`REST.GET.OBJECT`).
    pub log_name: String,
    /// HTTP method.
    pub method: Method,
    /// What it works on.
    pub scope: Scope,
    /// The action asked of authorization.
    pub action: Action,
    /// Who a missing key is told to.
    pub reveal: Reveal,
    /// How it authenticates.
    pub auth: Auth,
    /// Who runs it.
    pub kind: Kind,
    /// Largest body of a Python row.
    pub body_cap: usize,
    also: Vec<Also>,
    selectors: Vec<Selector>,
    header: Option<HeaderName>,
    params: Vec<String>,
}

/// An action that is asked because of what a request carries.
#[derive(Debug)]
enum Also {
    /// A query key: instead of the row's own.
    Instead(String, Action),
    /// A query key that is there (`true`) or is not: too.
    Query(String, bool, Action),
    /// A header, or a header's beginning: too.
    Header(String, Action),
    Headers(String, Action),
    /// A header that compares with what is stored: whatever is not `*`, which asks only whether something is.
    Compares(String, Action),
}

impl Operation {
    /// The object operation that runs it, if one does.
    pub fn native(&self) -> Option<NativeOp> {
        match self.kind {
            Kind::Native(op) => Some(op),
            Kind::Python | Kind::Absent => None,
        }
    }

    /// Policies can ask what the document says (`s3:RequestObjectTag`, `s3:LocationConstraint`): it is read before the
    /// decision. Both are small.
    pub fn document_decides(&self) -> bool {
        self.kind == Kind::Python && matches!(&*self.name, "PutObjectTagging" | "CreateBucket")
    }

    /// The operation itself asks for its action, on each key that its body names.
    pub fn asks_each_key(&self) -> bool {
        self.kind == Kind::Native(NativeOp::DeleteObjects)
    }

    /// What one of its actions asks. Only the operations that list can show a part; to others (HeadBucket) the right to
    /// list is the right to know of the bucket.
    pub fn asks(&self, action: Action) -> Asks {
        match (action.name(), self.kind) {
            ("s3:ListBucket" | "s3:ListBucketVersions" | "s3:ListBucketMultipartUploads", Kind::Native(_)) => {
                Asks::Names
            }
            ("s3:ListBucket" | "s3:GetBucketLocation", _) => Asks::Bucket,
            ("s3:ListAllMyBuckets", _) => Asks::Buckets,
            _ => Asks::Action,
        }
    }

    /// Every action a request asks for.
    pub fn actions<'a>(&'a self, headers: &'a HeaderMap, query: &'a Query) -> impl Iterator<Item = Action> + 'a {
        let instead = self.also.iter().find_map(|also| match also {
            Also::Instead(key, action) if query.get(key).is_some() => Some(*action),
            _ => None,
        });
        let compares = |name: &str| headers.get_all(name).iter().any(|value| value.as_bytes().trim_ascii() != b"*");
        let more = self.also.iter().filter_map(move |also| match also {
            Also::Query(key, there, action) => (query.get(key).is_some() == *there).then_some(*action),
            Also::Header(name, action) => headers.contains_key(name.as_str()).then_some(*action),
            Also::Compares(name, action) => compares(name).then_some(*action),
            Also::Headers(start, action) => {
                headers.keys().any(|name| name.as_str().starts_with(start.as_str())).then_some(*action)
            }
            Also::Instead(..) => None,
        });
        std::iter::once(instead.unwrap_or(self.action)).chain(more)
    }
}

fn also((what, action): &(String, String)) -> Also {
    let action = Action::named(intern(action));
    match (what.split_at_checked(1), what.strip_suffix(['*', '='])) {
        (Some(("?", key)), _) => Also::Instead(key.to_owned(), action),
        (Some((sign @ ("+" | "-"), key)), _) => Also::Query(key.to_owned(), sign == "+", action),
        (_, Some(name)) if what.ends_with('=') => Also::Compares(name.to_owned(), action),
        (_, Some(start)) => Also::Headers(start.to_owned(), action),
        (_, None) => Also::Header(what.clone(), action),
    }
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Selector {
    key: String,
    value: Option<String>,
}

/// Why a table does not load.
#[derive(Debug, PartialEq, Eq)]
pub struct TableError(String);

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table of operations: {}", self.0)
    }
}

impl std::error::Error for TableError {}

/// Every operation, and the way from a request to its row.
#[derive(Debug)]
pub struct Table {
    operations: Vec<Arc<Operation>>,
    cells: HashMap<(Method, Scope), Cell>,
    /// Every key that selects some row. Nothing that does not know the word may match a request that carries it.
    words: HashSet<String>,
}

/// The rows of one method and scope, the most specific first.
#[derive(Debug, Default)]
struct Cell {
    rows: Vec<Arc<Operation>>,
    /// Those without selectors: all that a request without a query can mean.
    bare: Vec<Arc<Operation>>,
}

impl Table {
    /// Checks and compiles the rows. A row without an action, with an unknown native name, or that another row hides
    /// does not load.
    pub fn load(rows: &[Row]) -> Result<Self, TableError> {
        let mut operations = Vec::with_capacity(rows.len());
        let mut cells: HashMap<(Method, Scope), Cell> = HashMap::new();
        let mut words = HashSet::new();
        for (index, row) in rows.iter().enumerate() {
            let operation = Arc::new(compile(index, row).map_err(|why| TableError(format!("{}: {why}", row.name)))?);
            words.extend(operation.selectors.iter().map(|s| s.key.clone()));
            let cell = cells.entry((operation.method.clone(), operation.scope)).or_default();
            if let Some(twin) =
                cell.rows.iter().find(|r| r.selectors == operation.selectors && r.header == operation.header)
            {
                return Err(TableError(format!("{} and {} match the same requests", twin.name, operation.name)));
            }
            cell.rows.push(operation.clone());
            operations.push(operation);
        }
        for cell in cells.values_mut() {
            cell.rows.sort_by_key(|row| std::cmp::Reverse(row.specificity()));
            cell.bare = cell.rows.iter().filter(|row| row.selectors.is_empty()).cloned().collect();
        }
        Ok(Self { operations, cells, words })
    }

    /// Every row, in the order given.
    pub fn operations(&self) -> &[Arc<Operation>] {
        &self.operations
    }

    /// The row a request means, or the error that says why it means none.
    pub fn find(&self, method: &Method, scope: Scope, query: &Query, headers: &HeaderMap) -> S3Result<&Arc<Operation>> {
        let cell = self.cells.get(&(method.clone(), scope));
        let found = cell.and_then(|cell| {
            let rows = if query.0.is_empty() { &cell.bare } else { &cell.rows };
            rows.iter().find(|row| self.matches(row, query, headers))
        });
        found.ok_or_else(|| self.refusal(method, scope, query))
    }

    fn matches(&self, row: &Operation, query: &Query, headers: &HeaderMap) -> bool {
        row.header.as_ref().is_none_or(|name| headers.contains_key(name) || is_hoisted(query, name))
            && row.selectors.iter().all(|selector| selector.selected_by(query))
            && query.0.iter().all(|(key, value)| row.accepts(key) || self.ignorable(key, value))
    }

    /// What no row knows and no row can mean: a word with a value (`x-id=GetObject`), and what signing adds.
    fn ignorable(&self, key: &str, value: &str) -> bool {
        // A version id that an operation does not know must not be overlooked: the client means one version.
        if self.words.contains(key) || key == VERSION_ID {
            return false;
        }
        !value.is_empty() || is_signature_parameter(key)
    }

    fn refusal(&self, method: &Method, scope: Scope, query: &Query) -> S3Error {
        let stranger =
            query.0.iter().find(|(key, value)| !self.words.contains(key.as_str()) && !self.ignorable(key, value));
        if let Some((key, _)) = stranger.filter(|(key, _)| !self.is_parameter(key)) {
            let message = format!("A query that you provided implies functionality that is not implemented: {key}.");
            return S3Error::with_message(ErrorCode::NotImplemented, message).field("QueryParameter", key.clone());
        }
        if query.get(VERSION_ID).is_some() && scope == Scope::Object {
            let message = "This operation does not accept a version-id.";
            let without = Query(query.0.iter().filter(|(key, _)| key != VERSION_ID).cloned().collect());
            if cell_rows(&self.cells, method, scope).iter().any(|row| self.matches(row, &without, &HeaderMap::new())) {
                return S3Error::with_message(ErrorCode::InvalidArgument, message).field("ArgumentName", VERSION_ID);
            }
        }
        let words: Vec<&(String, String)> =
            query.0.iter().filter(|(key, _)| self.words.contains(key.as_str())).collect();
        let rows = cell_rows(&self.cells, method, scope);
        for (key, value) in &words {
            let mut same_key = rows.iter().flat_map(|r| &r.selectors).filter(|s| s.key == *key).peekable();
            if same_key.peek().is_some() && same_key.all(|s| s.value.as_ref().is_some_and(|v| v != value)) {
                return S3Error::with_message(ErrorCode::InvalidArgument, format!("Invalid value of parameter {key}."))
                    .field("ArgumentName", key.clone())
                    .field("ArgumentValue", value.clone());
            }
        }
        let alone = |key: &str| rows.iter().any(|r| r.selectors.len() == 1 && r.selectors.iter().any(|s| s.key == key));
        if words.len() > 1 && words.iter().all(|(key, _)| alone(key)) {
            let list = words.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(", ");
            let message = format!("Conflicting query string parameters: {list}");
            return S3Error::with_message(ErrorCode::InvalidArgument, message).field("ArgumentName", "ResourceType");
        }
        self.method_not_allowed(method, scope, query)
    }

    fn method_not_allowed(&self, method: &Method, scope: Scope, query: &Query) -> S3Error {
        let resource = query.0.iter().find(|(key, _)| self.words.contains(key.as_str())).map_or_else(
            || match scope {
                Scope::Service => "SERVICE".to_owned(),
                Scope::Bucket => "BUCKET".to_owned(),
                Scope::Object | Scope::Link => "OBJECT".to_owned(),
                Scope::LinkFolder => "FOLDER".to_owned(),
            },
            |(key, _)| key.to_ascii_uppercase(),
        );
        let mut allow: Vec<&str> = self
            .operations
            .iter()
            .filter(|row| row.scope == scope && row.header.is_none() && self.matches(row, query, &HeaderMap::new()))
            .map(|row| row.method.as_str())
            .collect();
        allow.sort_unstable();
        allow.dedup();
        let error = S3Error::new(ErrorCode::MethodNotAllowed);
        let error = error.field("Method", method.as_str()).field("ResourceType", resource);
        if allow.is_empty() { error } else { error.header("allow", allow.join(", ")) }
    }

    fn is_parameter(&self, key: &str) -> bool {
        self.operations.iter().any(|row| row.params.iter().any(|p| p == key))
    }
}

impl Operation {
    fn specificity(&self) -> (usize, usize, bool) {
        let valued = self.selectors.iter().filter(|s| s.value.is_some()).count();
        (self.selectors.len(), valued, self.header.is_some())
    }

    /// The query keys that choose it by being there.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.selectors.iter().filter(|selector| selector.value.is_none()).map(|selector| selector.key.as_str())
    }

    /// Whether the query key means something to it.
    pub fn accepts(&self, key: &str) -> bool {
        self.selectors.iter().any(|s| s.key == key) || self.params.iter().any(|p| p == key)
    }
}

impl Selector {
    fn selected_by(&self, query: &Query) -> bool {
        match (&self.value, query.get(&self.key)) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(want), Some(value)) => want == value,
        }
    }
}

const VERSION_ID: &str = "versionId";

fn cell_rows<'t>(cells: &'t HashMap<(Method, Scope), Cell>, method: &Method, scope: Scope) -> &'t [Arc<Operation>] {
    cells.get(&(method.clone(), scope)).map(|cell| cell.rows.as_slice()).unwrap_or_default()
}

/// Whether a presigner moved the header into the query: without it a copy would be stored as the empty body it comes with.
fn is_hoisted(query: &Query, header: &HeaderName) -> bool {
    query.0.iter().any(|(key, _)| key.eq_ignore_ascii_case(header.as_str()))
}

fn is_signature_parameter(key: &str) -> bool {
    key.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("x-amz-"))
        || ["AWSAccessKeyId", "Signature", "Expires", "x-id"].contains(&key)
}

fn compile(index: usize, row: &Row) -> Result<Operation, String> {
    if row.name.is_empty() || row.action.is_empty() {
        return Err("a row needs a name and an action".into());
    }
    let method = Method::from_bytes(row.method.as_bytes()).map_err(|_| format!("no method {:?}", row.method))?;
    let (scope, noun) = match row.scope.as_str() {
        "service" => (Scope::Service, "SERVICE"),
        "bucket" => (Scope::Bucket, "BUCKET"),
        "object" => (Scope::Object, "OBJECT"),
        "link" => (Scope::Link, "LINK"),
        "link-folder" => (Scope::LinkFolder, "LINK_FOLDER"),
        other => return Err(format!("no scope {other:?}")),
    };
    let mut selectors: Vec<Selector> = row.selectors.iter().map(|text| selector(text)).collect::<Result<_, _>>()?;
    selectors.sort();
    let header = row.header.as_deref().map(|name| HeaderName::from_bytes(name.as_bytes()));
    let log_noun = selectors.first().map_or(noun.to_owned(), |s| s.key.to_ascii_uppercase().replace('-', "_"));
    Ok(Operation {
        index,
        name: row.name.as_str().into(),
        log_name: format!("REST.{method}.{log_noun}"),
        method,
        scope,
        action: Action::named(intern(&row.action)),
        reveal: match row.reveal.as_str() {
            "404" => Reveal::ToListers,
            "403" => Reveal::ToAllowed,
            other => return Err(format!("no reveal {other:?}")),
        },
        auth: match row.auth.as_str() {
            "signed" => Auth::Signed,
            "form" => Auth::Form,
            "link" => Auth::Link,
            "none" => Auth::None,
            other => return Err(format!("no auth {other:?}")),
        },
        kind: match row.kind.as_str() {
            "native" => Kind::Native(native(&row.name).ok_or("no native operation of this name")?),
            "python" => Kind::Python,
            "absent" => Kind::Absent,
            other => return Err(format!("no kind {other:?}")),
        },
        body_cap: row.body_cap,
        also: row.also.iter().map(also).collect(),
        selectors,
        header: header.transpose().map_err(|_| format!("no header {:?}", row.header))?,
        params: row.params.clone(),
    })
}

fn selector(text: &str) -> Result<Selector, String> {
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, Some(value.to_owned())),
        None => (text, None),
    };
    if key.is_empty() {
        return Err(format!("no selector {text:?}"));
    }
    Ok(Selector { key: key.to_owned(), value })
}

/// Actions live as long as the process: a table is loaded once, so what this leaks is bounded by its rows.
fn intern(action: &str) -> &'static str {
    Box::leak(action.to_owned().into_boxed_str())
}

fn native(name: &str) -> Option<NativeOp> {
    const NATIVE: [NativeOp; 19] = [
        NativeOp::AbortMultipartUpload,
        NativeOp::CompleteMultipartUpload,
        NativeOp::CopyObject,
        NativeOp::CreateMultipartUpload,
        NativeOp::DeleteObject,
        NativeOp::DeleteObjects,
        NativeOp::GetObject,
        NativeOp::GetObjectAttributes,
        NativeOp::HeadObject,
        NativeOp::ListMultipartUploads,
        NativeOp::ListObjectVersions,
        NativeOp::ListObjects,
        NativeOp::ListObjectsV2,
        NativeOp::ListParts,
        NativeOp::ListSharedFolder,
        NativeOp::PostObject,
        NativeOp::PutObject,
        NativeOp::UploadPart,
        NativeOp::UploadPartCopy,
    ];
    // Through a link an operation has another name and is the same operation.
    let name = match name {
        "GetSharedObject" => "GetObject",
        "HeadSharedObject" => "HeadObject",
        "PutSharedObject" => "PutObject",
        "HeadSharedFolder" => "ListSharedFolder",
        name => name,
    };
    NATIVE.into_iter().find(|op| format!("{op:?}") == name)
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
