//! What filtering costs a page: `cargo run --release -p panthera-authz --example bench_listing`.
//!
//! A bucket of a million keys in ten thousand folders of which the caller may see one in a hundred, by grants on objects,
//! by grants on folders, or as what denies leave. Pages of a thousand keys begin at random places. What is timed is the
//! authorization of a page and nothing else: the authorizer's answer, then the range program's answer for every key at
//! which the scan would ask, recorded beforehand. Times are of the thread's CPU.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use panthera_authz::{
    Action, Authorizer, CHANGES, Change, Context, Engine, Grantee, Listing, Next, NoRequest, Place, Question, Relation,
    Resource, Settings, Subject, Target, Tuple, Visible, WriteTuples,
};
use panthera_base::{BucketId, TenantId, Timestamp, UserId};
use panthera_meta::memory::Memory;
use panthera_meta::records::BucketRecord;

const TENANT: TenantId = TenantId(1);
const BUCKET: BucketId = BucketId(7);
const FOLDERS: usize = 10_000;
const IN_FOLDER: usize = 100;
const PAGE: usize = 1_000;
const PAGES: usize = 400;

fn folder(number: usize) -> String {
    format!("projects/{number:05}/")
}

fn keys() -> Vec<String> {
    let files = (0..IN_FOLDER).map(|file| format!("file-{file:03}.dat"));
    let files: Vec<String> = files.collect();
    (0..FOLDERS).flat_map(|at| files.iter().map(move |file| folder(at) + file)).collect()
}

fn tuple(place: Place, relation: Relation) -> Tuple {
    let grantee = Grantee::user(TENANT, UserId(1)).expect("a user");
    Tuple::new(Target::new(TENANT, place), relation, grantee)
}

/// The worlds: one key in a hundred is visible in each.
fn worlds(keys: &[String]) -> Vec<(&'static str, Vec<Tuple>)> {
    let object = |key: &String| tuple(Place::Object(BUCKET, key.clone().into_bytes()), Relation::Reader);
    let prefix = |number: usize, relation| tuple(Place::Prefix(BUCKET, folder(number).into_bytes()), relation);
    let objects = keys.iter().skip(50).step_by(100).map(object).collect();
    let folders = (0..FOLDERS).step_by(100).map(|at| prefix(at, Relation::Reader)).collect();
    let mut denies = vec![tuple(Place::Bucket(BUCKET), Relation::Reader)];
    denies.extend((0..FOLDERS).filter(|at| at % 100 != 0).map(|at| prefix(at, Relation::DenyRead)));
    vec![("10 000 objects granted", objects), ("100 folders granted", folders), ("9 900 folders denied", denies)]
}

/// Reads a page as a listing does: what is shown, and at which keys it asked.
fn page<'k>(visible: &mut Visible, keys: &'k [String], mut at: usize) -> (usize, Vec<&'k [u8]>) {
    let (mut shown, mut asked) = (0, Vec::new());
    while let Some(key) = keys.get(at).filter(|_| shown <= PAGE) {
        asked.push(key.as_bytes());
        match visible.visible(key.as_bytes()) {
            Next::Allowed { until } => {
                let end = until.map_or(keys.len(), |until| keys.partition_point(|key| key.as_bytes() < until));
                shown += end - at;
                at = end;
            }
            Next::Skip { to } => at = keys.partition_point(|key| key.as_bytes() < to),
            Next::End => break,
        }
    }
    (shown.min(PAGE), asked)
}

fn listing(authorizer: &Authorizer, context: &Context, bucket: &BucketRecord) -> Box<Visible> {
    let subject = Subject::User { tenant: TENANT, user: UserId(1), admin: false };
    let resource = Resource { tenant: TENANT, bucket: Some(bucket), name: "bench", key: None, object: None };
    let action = Action::LIST_BUCKET;
    let question = Question { subject: &subject, action, resource, context, request: &NoRequest };
    match authorizer.listing(&question, b"") {
        Listing::Filtered(visible) => visible,
        _ => panic!("the caller sees a part"),
    }
}

fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn main() {
    let keys = keys();
    let context = Context::at(Timestamp(1), [127, 0, 0, 1].into(), true);
    let bucket = BucketRecord { id: BUCKET, tenant: TENANT, ..BucketRecord::default() };
    println!("page of {PAGE}, 1 % visible of {} keys, {PAGES} pages; must: 1 ms", keys.len());
    for (name, tuples) in worlds(&keys) {
        let engine = Engine::open(Arc::new(Memory::new()), Settings::default()).expect("an engine");
        for some in tuples.chunks(CHANGES) {
            let changes = some.iter().cloned().map(Change::Touch).collect();
            engine.write(WriteTuples::new(TENANT, changes, Timestamp(1))).expect("tuples");
        }
        engine.settle();
        let authorizer = Authorizer::with(engine);
        let (mut times, mut questions, mut shown) = (Vec::new(), 0, 0);
        for number in 0..PAGES {
            let start = number * 7_919_777 % (keys.len() * 9 / 10);
            let (on_page, asked) = page(&mut listing(&authorizer, &context, &bucket), &keys, start);
            let begun = cpu();
            let mut visible = listing(&authorizer, &context, &bucket);
            for key in &asked {
                black_box(visible.visible(key));
            }
            times.push(cpu() - begun);
            questions += asked.len();
            shown += on_page;
        }
        times.sort_unstable();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
        println!(
            "{name}: p50 {:.0} µs, p99 {:.0} µs, most {:.0} µs; {} keys and {} questions a page",
            at(0.5),
            at(0.99),
            at(1.0),
            shown / PAGES,
            questions / PAGES
        );
    }
}
