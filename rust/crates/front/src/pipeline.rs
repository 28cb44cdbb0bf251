//! The eight steps every request passes, in their order: [`answer`] can be read top to bottom.
//!
//! Belongs here: the order, and what one step hands to the next. Does not belong here: how a step works; each has its
//! module.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use panthera_authz::{Action, Context, Permission};
use panthera_base::{ErrorCode, Ordinal, S3Error, S3Result, Timestamp};
use panthera_meta::records::BucketRecord;
use panthera_meta::{Snapshot, keys};
use panthera_object::api::{Call, Entered, OpResult, Query, Reply, ReplyBody, Window};
use panthera_object::{Mounted, Mounts, Refusal};
use panthera_wire::auth::{BodyAuth, SignatureVersion};
use panthera_wire::headers::join_repeated;

use crate::account::Receipt;
use crate::address::{self, Address, Client};
use crate::audit::{self, About};
use crate::authenticate::Identity;
use crate::authorize::{Concealed, Granted, authorize, context};
use crate::body::Body;
use crate::buckets::Buckets;
use crate::connection::Connection;
use crate::control::{ControlCall, ControlReply};
use crate::downloads::Limit;
use crate::form::{self, Form};
use crate::links;
use crate::payload::{self, BodyPayload, Lengths, Rest, Settled};
use crate::render::{self, Facts};
use crate::request::{Elsewhere, Known, Matched, Peer, signed_head};
use crate::shared::Shared;
use crate::table::{Auth, Kind, Operation, Reveal, Scope};
use crate::token;

/// Answers one request.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    connection: Arc<Connection>,
    peer: &Peer,
    request: Request<Incoming>,
) -> Response<Body> {
    // 1. Request id, time, client address; the account is open from here on.
    let mut receipt = Receipt::open(shared.books.clone(), connection.clone());
    let (mut head, incoming) = parts(request);
    let (now, request_id) = shared.arrival();
    let client =
        address::client(peer.ip, peer.tls, &head.uri, &mut head.headers, &shared.proxies, shared.external.as_ref());
    let mut facts = Facts::new(request_id, &shared.host_id, &head.method, &head.uri);
    note_request(&mut receipt, &facts, &head, peer, &client, now);
    let (body, rest) = payload::hold(incoming, &head.headers, shared.settings.body_timeout);

    let mut trail = None;
    let outcome: OpResult = async {
        // 2. Parse and bound.
        let address = address::locate(head.uri.path(), &client.host, &shared.domains)?;
        let query = address::parse_query(head.uri.query())?;
        let lengths = Lengths::read(&head.headers)?;
        note_address(&mut receipt, &address, &query);
        facts.page = matches!(address.scope, Scope::Link | Scope::LinkFolder) && links::wants_page(&head.headers);

        // 3. Match the row.
        let row = shared.table.find(&head.method, address.scope, &query, &head.headers)?;
        note_row(&mut receipt, row);
        let mut matched = Matched { row, address, query, client, now };

        // 4. Authenticate as the row says.
        let mut known = match row.auth {
            Auth::Form => authenticate_form(shared, &mut matched, &head, body, lengths).await?,
            Auth::Link => match authenticate_link(shared, &mut matched, &head, body, lengths).await {
                Ok(known) => known,
                Err(refusal) => {
                    let (error, why) = audit::refused(shared, &facts, &matched, &head, refusal);
                    trail = why;
                    return Err(error);
                }
            },
            Auth::Signed | Auth::None => authenticate(shared, &mut matched, &head, body, lengths)?,
        };
        note_caller(&mut receipt, &known);
        if row.document_decides() {
            known.document = Some(payload::collect(&mut *known.payload, row.body_cap).await?);
        }

        // 5. Authorize the row's action.
        trail = audit::trail(shared, &facts, &matched, &known, &head);
        let context = Context { trail: trail.clone(), ..context(shared, &matched, &known, peer) };
        let granted = authorize(shared, &matched, &known, &head, &context)?;
        audit::settled_before(&head.method, trail.as_deref()).await?;

        // 6. Run the handler.
        run(shared, &facts, matched, known, head, (context, granted)).await
    }
    .await;

    // 7. Render: the only place where an error becomes a status and a document. Nothing is told before it is noted.
    let rendered = render::render(&facts, audit::settled_answer(trail.as_deref(), outcome).await).await;
    let mut response = rendered.response;
    settle(rest, &connection, &mut receipt, &mut response).await;

    // 8. Account: the receipt goes with the body and is handed in with its last byte.
    complain(shared, &facts, rendered.error.as_ref());
    receipt.error = rendered.error.map(|error| error.code());
    receipt.answered(response.status().as_u16());
    response.map(|body| body.with_receipt(receipt))
}

/// Head and body, with one line of each header that policies look at.
fn parts(request: Request<Incoming>) -> (http::request::Parts, Incoming) {
    let (mut head, incoming) = request.into_parts();
    join_repeated(&mut head.headers);
    (head, incoming)
}

type HeldBody = BodyPayload<Incoming>;

/// Step 6. What it finds missing is told to those who may know, and in the names they know.
async fn run(
    shared: &Arc<Shared>,
    facts: &Facts,
    matched: Matched<'_>,
    mut known: Known,
    head: http::request::Parts,
    (context, granted): (Context, Granted),
) -> OpResult {
    let row = matched.row;
    if let Some(refusal) = known.blocked.take() {
        return Err(refusal.told(&context, row.action));
    }
    if known.elsewhere.as_ref().is_some_and(|place| place.mount.is_some()) && is_the_owners(row.action) {
        return Err(S3Error::new(ErrorCode::AccessDenied).detail("not offered by any share"));
    }
    let concealed = Concealed::of(&matched, &known, &context);
    let about = About::of(&matched, &known, &context);
    let mut elsewhere = known.elsewhere.take();
    let outcome = match row.kind {
        Kind::Native(op) => {
            let window = elsewhere.as_ref().map(|elsewhere| elsewhere.window.clone());
            let mount = elsewhere.as_mut().and_then(|elsewhere| elsewhere.mount.take());
            let call = native_call(op, facts, matched, known, head.headers, (context, granted, window, mount))?;
            shared.objects.handle(call).await
        }
        Kind::Python => control(shared, facts, matched, known, head, granted.version).await,
        Kind::Absent => Err(not_implemented(row)),
    };
    let outcome = outcome.map_err(|error| match concealed {
        Some(concealed) => concealed.conceal(shared, error),
        None => error,
    });
    match elsewhere {
        Some(elsewhere) => elsewhere.finish(shared, row.native(), about, outcome).await,
        None => outcome,
    }
}

/// What no share offers, whatever relations its owner gave it: an object's list has the owner's names, and what binds
/// the owner is not for others to set.
fn is_the_owners(action: Action) -> bool {
    matches!(action.permission(), Permission::Share | Permission::Manage | Permission::Compliance)
}

/// Step 4 for requests signed in their head. One snapshot serves the credential and the bucket; what is missing is
/// told in the order of AWS: first who you are, then whether the bucket exists.
fn authenticate(
    shared: &Shared,
    matched: &mut Matched<'_>,
    head: &http::request::Parts,
    body: HeldBody,
    lengths: Lengths,
) -> S3Result<Known> {
    let snapshot = shared.meta.snapshot().map_err(S3Error::internal)?;
    let (identity, protection) = match matched.row.auth {
        Auth::None => (Identity::anonymous(), BodyAuth::Unsigned),
        _ => shared.verifier.request(&*snapshot, &signed_head(head, matched), matched.now)?,
    };
    identity.signed_for(matched.row.words())?;
    let bucket = find_bucket(&shared.buckets, &*snapshot, matched)?;
    let payload = body.protected(lengths, protection);
    let form = Form::default();
    let mut known = Known { identity, bucket, form, document: None, payload, elsewhere: None, blocked: None };
    enter_mount(shared, &*snapshot, matched, &mut known)?;
    Ok(known)
}

/// A key below a mount lies elsewhere: from here on address and bucket are those of the share, and the rights of both
/// sides are asked.
fn enter_mount(shared: &Shared, snapshot: &dyn Snapshot, matched: &mut Matched<'_>, known: &mut Known) -> S3Result<()> {
    let named = match matched.row.auth {
        Auth::Signed => matched.address.scope == Scope::Object,
        Auth::Form => true,
        Auth::Link | Auth::None => false,
    };
    let Some((bucket, raw)) = known.bucket.as_mut().filter(|_| named) else {
        return Ok(());
    };
    let mounts = Mounts::of(snapshot, bucket)?;
    let Some(mount) = mounts.covering(&matched.address.key) else { return Ok(()) };
    let subject = &known.identity.caller.subject;
    let place = (&*matched.address.bucket, &*matched.address.key);
    let mounted = match mount.resolve(&shared.authz, snapshot, subject, place, matched.now) {
        Ok(mounted) => mounted,
        Err(refusal) if refusal.known.is_none() => return Err(refusal.error),
        Err(refusal) => {
            // That a key is missing is an answer to who looks for it.
            let looks = matched.row.reveal == Reveal::ToListers;
            known.blocked = Some(if looks { refusal } else { refusal.answered(ErrorCode::AccessDenied.into()) });
            return Ok(());
        }
    };
    let Mounted { standing, key, mut window } = mounted;
    window.owner = bucket.owner;
    let limit = Limit::of(&standing.record);
    let native = matched.row.native().is_some();
    if !native {
        let row = snapshot.get(&keys::bucket(standing.record.bucket_name.as_bytes())).map_err(S3Error::internal)?;
        *raw = Bytes::copy_from_slice(row.unwrap_or_default());
    }
    let entered = Entered {
        share: standing.caller.subject,
        bucket: std::mem::replace(bucket, standing.bucket),
        name: std::mem::replace(&mut matched.address.bucket, standing.record.bucket_name),
        key: std::mem::replace(&mut matched.address.key, key),
    };
    if native {
        // What is written is the creator's; who asks stays who it is.
        let caller = &mut known.identity.caller;
        caller.user = standing.caller.user;
        caller.canonical_id = standing.caller.canonical_id;
        caller.display_name = standing.caller.display_name;
    }
    known.elsewhere = Some(Elsewhere { window, limit, link: false, mount: Some(entered) });
    Ok(())
}

/// Step 4 for forms: the fields before the file are read first, since the policy that authenticates is among them.
async fn authenticate_form(
    shared: &Shared,
    matched: &mut Matched<'_>,
    head: &http::request::Parts,
    body: HeldBody,
    lengths: Lengths,
) -> S3Result<Known> {
    let (form, file) = form::read(&head.headers, body.protected(lengths, BodyAuth::Unsigned)).await?;
    let claim = form.claim(&shared.verifier.policy)?;
    let snapshot = shared.meta.snapshot().map_err(S3Error::internal)?;
    let identity = shared.verifier.form(&*snapshot, &claim, matched.now)?;
    let bucket = find_bucket(&shared.buckets, &*snapshot, matched)?;
    let payload = form.check_policy(&claim, &matched.address.bucket, matched.now, file)?;
    matched.address.key = form.key()?;
    let mut known = Known { identity, bucket, form, document: None, payload, elsewhere: None, blocked: None };
    enter_mount(shared, &*snapshot, matched, &mut known)?;
    Ok(known)
}

/// Step 4 for share links. From here on the address is the place that the link means.
async fn authenticate_link(
    shared: &Shared,
    matched: &mut Matched<'_>,
    head: &http::request::Parts,
    body: HeldBody,
    lengths: Lengths,
) -> Result<Known, Refusal> {
    let opened = links::open(shared, matched, head).await?;
    // What the row does not know the operation must not find: it would be obeyed.
    matched.query.0.retain(|(name, _)| matched.row.accepts(name));
    if matched.address.scope == Scope::LinkFolder {
        let below = opened.key.get(opened.window.stored.len()..).unwrap_or_default();
        matched.query.0.push(("prefix".to_owned(), String::from_utf8_lossy(below).into_owned()));
    }
    let elsewhere =
        Some(Elsewhere { limit: Limit::of(&opened.standing.record), window: opened.window, link: true, mount: None });
    matched.address.bucket = opened.standing.record.bucket_name;
    matched.address.key = opened.key;
    let identity = Identity { caller: opened.standing.caller, how: None, signed_at: None };
    let bucket = Some((opened.standing.bucket, Bytes::new()));
    let payload = body.protected(lengths, opened.protection);
    let form = Form::default();
    Ok(Known { identity, bucket, form, document: None, payload, elsewhere, blocked: None })
}

fn find_bucket(
    buckets: &Buckets,
    snapshot: &dyn Snapshot,
    matched: &Matched<'_>,
) -> S3Result<Option<(Arc<BucketRecord>, Bytes)>> {
    let address = &matched.address;
    if address.scope == Scope::Service {
        return Ok(None);
    }
    let row = snapshot.get(&keys::bucket(address.bucket.as_bytes())).map_err(S3Error::internal)?;
    match row {
        Some(row) => {
            let record = buckets.decode(&address.bucket, row).map_err(S3Error::internal)?;
            // Only Python reads the row itself.
            let raw = if matched.row.kind == Kind::Python { Bytes::copy_from_slice(row) } else { Bytes::new() };
            Ok(Some((record, raw)))
        }
        // The bucket of CreateBucket need not exist, nor need that of a row which asks nobody who they are.
        None if matched.row.action == Action::CREATE_BUCKET || matched.row.auth == Auth::None => Ok(None),
        None => Err(S3Error::new(ErrorCode::NoSuchBucket).field("BucketName", address.bucket.clone())),
    }
}

fn not_implemented(row: &Operation) -> S3Error {
    S3Error::with_message(ErrorCode::NotImplemented, format!("{} is not implemented.", row.name))
        .field("Operation", row.name.to_string())
}

fn native_call(
    op: panthera_object::api::NativeOp,
    facts: &Facts,
    matched: Matched<'_>,
    known: Known,
    headers: http::HeaderMap,
    (context, granted, window, mount): (Context, Granted, Option<Window>, Option<Entered>),
) -> S3Result<Call> {
    // The host names the bucket that the client knows.
    let bucket = matched.address.host_bucket();
    let base_url = matched.client.base_url(bucket.map(|own| window.as_ref().map_or(own, |window| &*window.bucket)));
    let Some((bucket, _)) = known.bucket else {
        return Err(S3Error::internal("a native row without a bucket"));
    };
    Ok(Call {
        op,
        request_id: facts.request_id().to_owned(),
        now: matched.now,
        bucket,
        bucket_name: matched.address.bucket,
        key: matched.address.key,
        query: matched.query,
        headers,
        caller: known.identity.caller,
        context,
        visible: granted.visible,
        decided: granted.version,
        form: known.form.fields,
        window,
        mount,
        base_url,
        payload: known.payload,
    })
}

/// Step 6 for Python rows. The place in the queue is taken before the body is read: a full queue costs nobody memory.
async fn control(
    shared: &Shared,
    facts: &Facts,
    matched: Matched<'_>,
    mut known: Known,
    head: http::request::Parts,
    decided: Option<Ordinal>,
) -> OpResult {
    let metrics = &shared.books.metrics;
    let place = shared.control.place(metrics)?;
    let body = match (known.document.take(), matched.row.body_cap) {
        (Some(document), _) => document,
        (None, 0) => Bytes::new(),
        (None, cap) => payload::collect(&mut *known.payload, cap).await?,
    };
    drop(known.payload);
    let mut headers = head.headers;
    headers.remove(header::AUTHORIZATION);
    let build = |answer| ControlCall {
        op: matched.row.name.clone(),
        request_id: facts.request_id().to_owned(),
        method: head.method,
        bucket: matched.address.bucket,
        key: matched.address.key,
        query: matched.query,
        headers,
        body,
        caller: known.identity.caller,
        source_ip: matched.client.ip,
        secure: matched.client.secure,
        now: matched.now,
        decided,
        bucket_record: known.bucket.map(|(_, raw)| raw),
        answer,
    };
    let ControlReply { status, headers, body } = shared.control.run(place, metrics, build).await?;
    Ok(Reply { status, headers, body: ReplyBody::Bytes(body) })
}

/// What is left of the request's body: a small rest is read away, a large one costs the connection.
async fn settle(
    rest: Option<Arc<Rest<Incoming>>>,
    connection: &Connection,
    receipt: &mut Receipt,
    response: &mut Response<Body>,
) {
    let Some(rest) = rest else { return };
    receipt.received = rest.received();
    if rest.settle().await == Settled::Close {
        connection.linger();
        // HTTP/2 resets the stream instead; hyper drops this header there.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Errors that are ours go to the log, under the id the client reads.
fn complain(shared: &Shared, facts: &Facts, error: Option<&S3Error>) {
    if let Some(error) = error.filter(|error| error.status() >= 500 && error.code() != ErrorCode::NotImplemented) {
        let resource = token::without_token(facts.resource());
        (shared.complain)(&format!("request {} {} {resource}: {error}", facts.request_id(), facts.method));
    }
}

/// The answer to a request hyper could not parse.
pub(crate) fn unparsed(shared: &Shared, status: u16) -> Vec<u8> {
    render::unparsed(status, shared.arrival().1, &shared.host_id)
}

fn note_request(
    receipt: &mut Receipt,
    facts: &Facts,
    head: &http::request::Parts,
    peer: &Peer,
    client: &Client,
    now: Timestamp,
) {
    let Some(line) = &mut receipt.line else { return };
    let text = |name| head.headers.get(name).map(|v: &HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned());
    let version = match head.version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    };
    let target = head.uri.path_and_query().map_or("/", |pq| pq.as_str());
    line.time = now;
    line.remote = Some(client.ip);
    line.request_id = facts.request_id().to_owned();
    line.operation = format!("REST.{}.UNKNOWN", head.method);
    line.request_uri = format!("{} {} {version}", head.method, token::without_token(target));
    line.referer = text(header::REFERER).map(|url| token::url_without_token(&url));
    line.user_agent = text(header::USER_AGENT);
    line.host_id = facts.host_id.to_str().unwrap_or_default().to_owned();
    line.host = client.host.clone();
    line.cipher = peer.cipher.clone();
    line.tls_version = peer.tls_version;
}

fn note_address(receipt: &mut Receipt, address: &Address, query: &Query) {
    if let Some(line) = &mut receipt.line {
        line.bucket = address.bucket.clone();
        line.key = address.key.clone();
        line.version_id = query.get("versionId").map(str::to_owned);
    }
}

fn note_row(receipt: &mut Receipt, row: &Operation) {
    receipt.operation = row.index;
    if let Some(line) = &mut receipt.line {
        line.operation = row.log_name.clone();
    }
}

fn note_caller(receipt: &mut Receipt, known: &Known) {
    let Some(line) = &mut receipt.line else { return };
    line.requester = known.identity.caller.canonical_id.clone();
    line.owner = known.bucket.as_ref().map(|(bucket, _)| bucket.owner.0);
    if let Some((version, place)) = known.identity.how {
        line.auth_type = Some(place);
        line.signature_version = Some(match version {
            SignatureVersion::V2 => "SigV2",
            SignatureVersion::V4 => "SigV4",
        });
    }
}
