//! Range programs: which keys of a bucket a subject has a permission on, as sorted ranges, computed from grants and
//! never from keys. A listing asks where it may read on and where to seek to.
//!
//! The program is compiled in windows of a bounded number of places, on one root: a subject with a million grants
//! pays for the page it looks at, and no answer costs more than one window.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use panthera_base::{BucketId, TenantId};

use crate::error::AuthzError;
use crate::model::permission::Rule;
use crate::model::{Grantee, Permission, Relation};
use crate::relations::bucket::{Bucket, PathKey};
use crate::relations::engine::{Engine, Moment, Pinned};
use crate::relations::eval::{Eval, State};
use crate::relations::node::View;
use crate::relations::paths::PathReader;
use crate::relations::resolve::{Depends, Principal};

/// Places with grants that one window looks at: enough for a page of a thousand keys that are granted one by one.
const WINDOW: usize = 1024;
/// Places of the first window, and how much larger each next one is: to find out that something can be seen at all takes
/// a few, and a page may begin far from there.
const FIRST_WINDOW: usize = 64;
const GROWTH: usize = 4;

/// What a scan that stands at a key may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next<'a> {
    /// This key and those after it are allowed, up to the bound; `None` means to the end of the asked prefix.
    /// What begins at the bound may be allowed too: ask again there.
    Allowed {
        /// The first key that is not meant.
        until: Option<&'a [u8]>,
    },
    /// This key is not allowed, nor is any before `to`.
    Skip {
        /// Where to seek to: the next allowed key is not before it, and need not be there.
        to: &'a [u8],
    },
    /// This key is not allowed, nor is any after it below the asked prefix.
    End,
}

/// The keys below a prefix that a subject has a permission on, at one revision.
pub struct Visible {
    pinned: Pinned,
    permission: Permission,
    /// What something other than relations grants on the whole bucket: no place takes it away, denies do.
    given: u32,
    /// Whether the keys are meant that no deny is on, whatever allows them.
    undenied: bool,
    low: Vec<u8>,
    high: Option<Vec<u8>>,
    window: Window,
    windows: usize,
    also: Option<Box<Visible>>,
    /// What was answered last, of both.
    reach: Reach,
}

/// A [`Next`] that is kept.
enum Reach {
    Allowed(Option<Vec<u8>>),
    Skip(Vec<u8>),
    End,
}

impl Reach {
    fn of(next: Next<'_>) -> Self {
        match next {
            Next::Allowed { until } => Self::Allowed(until.map(<[u8]>::to_vec)),
            Next::Skip { to } => Self::Skip(to.to_vec()),
            Next::End => Self::End,
        }
    }
}

/// The ranges between two keys.
#[derive(Default)]
pub(crate) struct Window {
    from: Vec<u8>,
    /// Where it ends; `None` is the end of the asked prefix.
    until: Option<Vec<u8>>,
    /// Where a verdict begins to hold; ascending, alternating.
    segments: Vec<(Vec<u8>, bool)>,
    /// The segment asked for last.
    last: usize,
    depends: Depends,
}

impl Window {
    /// Everything in a bucket, if the subject's grantees stand at no more than so many places there, or stood since the
    /// last merge.
    pub(crate) fn whole(eval: Eval<'_>, rule: Rule<'_>, most: usize) -> Option<Self> {
        let grantees = &eval.resolved.grantees;
        // To count the places of a grantee costs what some of them do.
        let mut places = grantees.len();
        for &(grantee, _) in grantees {
            if places > most {
                break;
            }
            places += eval.bucket.map_or(0, |bucket| bucket.places_of(grantee, most));
        }
        if places > most {
            return None;
        }
        let mut window = Self::default();
        Compiler::new(eval, rule, (0, false), b"", &mut window).run(None, places);
        Some(window)
    }

    /// Whether the permission is on this key, which lies between the window's ends.
    pub(crate) fn allows(&mut self, key: &[u8]) -> bool {
        self.last = self.find(key);
        self.segments.get(self.last).is_some_and(|(_, allowed)| *allowed)
    }

    /// The segment a key lies in. Scans ask in order: mostly the last one or one of the next two.
    fn find(&self, key: &[u8]) -> usize {
        let holds = |at: usize| self.segments.get(at).is_some_and(|(start, _)| start.as_slice() <= key);
        let near = (self.last..self.last + 3).find(|&at| holds(at) && !holds(at + 1));
        near.unwrap_or_else(|| self.segments.partition_point(|(start, _)| start.as_slice() <= key).saturating_sub(1))
    }
}

/// The first key above all keys that begin with a prefix.
pub(crate) fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let keep = prefix.iter().rposition(|&b| b != u8::MAX)?;
    let mut next = prefix[..=keep].to_vec();
    next[keep] += 1;
    Some(next)
}

impl Visible {
    /// Below `prefix`, which is any beginning of keys; empty for the whole bucket.
    pub fn open(
        engine: &Engine,
        principal: Principal,
        permission: Permission,
        tenant: TenantId,
        bucket: BucketId,
        prefix: &[u8],
        moment: &Moment,
    ) -> Result<Self, AuthzError> {
        let pinned = engine.pin(principal, tenant, Some(bucket), moment)?;
        let (low, high) = (prefix.to_vec(), successor(prefix));
        // A window that ends where it begins: the first question compiles the first one.
        let window = Window { from: low.clone(), until: Some(low.clone()), ..Window::default() };
        let (also, reach) = (None, Reach::End);
        Ok(Self { pinned, permission, given: 0, undenied: false, low, high, window, windows: 0, also, reach })
    }

    /// The same with an allow on every key that something other than relations gives, a bucket policy say: `isolated`
    /// does not stop it, and deny relations apply to it. To be said before the first question.
    #[must_use]
    pub fn given(self, relation: Relation) -> Self {
        Self { given: relation.bit(), ..self }
    }

    /// Instead the keys on which no deny takes the permission away, whether something allows it or not. To be said before
    /// the first question.
    #[must_use]
    pub fn undenied(self) -> Self {
        Self { undenied: true, ..self }
    }

    /// Those of them that the other shows, too.
    #[must_use]
    pub fn also(self, other: Visible) -> Self {
        let rest = match self.also {
            Some(before) => other.also(*before),
            None => other,
        };
        Self { also: Some(Box::new(rest)), ..self }
    }

    /// The revision all answers are of.
    pub fn revision(&self) -> u64 {
        self.pinned.root.revision
    }

    /// The first moment at which an expiry may change what was asked so far; 0 for never.
    pub fn valid_until(&self) -> u64 {
        self.window.depends.valid_until
    }

    /// What a scan at `from` may do. `from` is a key or a bound this has given; what lies before the asked prefix is
    /// taken as its beginning.
    pub fn visible(&mut self, from: &[u8]) -> Next<'_> {
        let Some(mut also) = self.also.take() else { return self.alone(from) };
        let both = match Reach::of(self.alone(from)) {
            Reach::Allowed(own) => match Reach::of(also.visible(from)) {
                Reach::Allowed(other) => Reach::Allowed(match (own, other) {
                    (Some(own), Some(other)) => Some(own.min(other)),
                    (own, other) => own.or(other),
                }),
                refused => refused,
            },
            refused => refused,
        };
        self.also = Some(also);
        self.reach = both;
        match &self.reach {
            Reach::Allowed(until) => Next::Allowed { until: until.as_deref() },
            Reach::Skip(to) => Next::Skip { to },
            Reach::End => Next::End,
        }
    }

    /// The same without the other.
    fn alone(&mut self, from: &[u8]) -> Next<'_> {
        if self.high.as_ref().is_some_and(|high| from >= high.as_slice()) {
            return Next::End;
        }
        if from < &*self.low {
            let low = self.low.clone();
            self.reach(&low);
        } else {
            self.reach(from);
        }
        let from = from.max(&*self.low);
        let at = self.window.find(from);
        self.window.last = at;
        let window = &self.window;
        let behind = window.segments.get(at + 1..).unwrap_or_default();
        if window.segments.get(at).is_some_and(|(_, allowed)| *allowed) {
            let until = behind.first().map(|(start, _)| start).or(window.until.as_ref());
            return Next::Allowed { until: within(until, self.high.as_ref()) };
        }
        // Nothing more in this window: the next one begins where this ends.
        let next = behind.iter().find(|(_, allowed)| *allowed).map(|(start, _)| start).or(window.until.as_ref());
        within(next, self.high.as_ref()).map_or(Next::End, |to| Next::Skip { to })
    }

    /// Whether exactly this key is among them.
    pub fn contains(&mut self, key: &[u8]) -> bool {
        matches!(self.visible(key), Next::Allowed { .. })
    }

    /// Whether any key that begins with `prefix` could be among them: for common prefixes. That such a key is there
    /// is for the scan to find, which may begin at the bound that [`Self::visible`] gives.
    pub fn may_contain(&mut self, prefix: &[u8]) -> bool {
        let mut from = prefix.to_vec();
        loop {
            match self.visible(&from) {
                Next::Allowed { .. } => return true,
                Next::Skip { to } if to.starts_with(prefix) => from = to.to_vec(),
                Next::Skip { .. } | Next::End => return false,
            }
        }
    }

    /// Whether every key below the asked prefix is among them.
    pub fn is_blanket(&mut self) -> bool {
        let mut from = self.low.clone();
        loop {
            match self.visible(&from) {
                Next::Allowed { until: None } => return true,
                Next::Allowed { until: Some(until) } => from = until.to_vec(),
                Next::Skip { .. } | Next::End => return false,
            }
        }
    }

    /// Whether there is nothing to see at all.
    pub fn is_empty(&mut self) -> bool {
        self.is_empty_within(usize::MAX).unwrap_or(true)
    }

    /// The same, unless it takes more than so many windows to tell: then `None`.
    pub fn is_empty_within(&mut self, windows: usize) -> Option<bool> {
        let mut from = self.low.clone();
        let most = self.windows().saturating_add(windows);
        loop {
            match self.visible(&from) {
                Next::Allowed { .. } => return Some(false),
                Next::End => return Some(true),
                Next::Skip { to } => from = to.to_vec(),
            }
            if self.windows() > most {
                return None;
            }
        }
    }

    /// How many windows have been compiled: what has been spent on answers.
    pub fn windows(&self) -> usize {
        self.windows + self.also.as_ref().map_or(0, |also| also.windows())
    }

    /// Has the window around a key.
    fn reach(&mut self, from: &[u8]) {
        let behind = self.window.until.as_ref().is_some_and(|until| from >= until.as_slice());
        if behind || from < self.window.from.as_slice() {
            self.compile(from);
        }
    }

    fn compile(&mut self, from: &[u8]) {
        let mut window = Window { from: from.to_vec(), depends: self.window.depends, ..Window::default() };
        let eval = self.pinned.eval();
        let most = FIRST_WINDOW.saturating_mul(GROWTH.saturating_pow(self.windows.min(8) as u32)).min(WINDOW);
        Compiler::new(eval, self.pinned.rule(self.permission), (self.given, self.undenied), from, &mut window)
            .run(self.high.as_deref(), most);
        self.window = window;
        self.windows += 1;
    }
}

/// A bound, unless it is not below the end of what was asked.
fn within<'a>(bound: Option<&'a Vec<u8>>, high: Option<&Vec<u8>>) -> Option<&'a [u8]> {
    bound.filter(|b| high.is_none_or(|high| *b < high)).map(Vec::as_slice)
}

/// A prefix that is being walked through and what holds directly below it.
struct Frame {
    prefix: Vec<u8>,
    state: State,
}

struct Compiler<'a> {
    eval: Eval<'a>,
    rule: Rule<'a>,
    given: u32,
    undenied: bool,
    from: &'a [u8],
    window: &'a mut Window,
    /// The bucket, then prefixes that lie in one another.
    frames: Vec<Frame>,
}

impl<'a> Compiler<'a> {
    fn new(
        eval: Eval<'a>,
        rule: Rule<'a>,
        (given, undenied): (u32, bool),
        from: &'a [u8],
        window: &'a mut Window,
    ) -> Self {
        let mut frames = vec![Frame { prefix: Vec::new(), state: eval.bucket() }];
        eval.folder(from, |prefix, state| frames.push(Frame { prefix: prefix.to_vec(), state }));
        Self { eval, rule, given, undenied, from, window, frames }
    }

    fn run(mut self, high: Option<&[u8]>, most: usize) {
        let state = self.top();
        self.emit(self.from.to_vec(), state);
        if let Some(bucket) = self.eval.bucket {
            let mut places = Places::new(bucket, &self.eval, (self.from, high), most);
            let mut seen = 0;
            while let Some(place) = places.next() {
                if seen == most {
                    self.window.until = Some(place.path.to_vec());
                    return;
                }
                seen += 1;
                self.place(place.path, place.object, place.view);
            }
        }
        while self.frames.len() > 1 {
            self.leave();
        }
    }

    fn top(&self) -> State {
        self.frames.last().map(|f| f.state).unwrap_or_default()
    }

    fn place(&mut self, path: &[u8], object: bool, view: Option<View<'_>>) {
        while self.frames.len() > 1 && self.frames.last().is_some_and(|f| !path.starts_with(&f.prefix)) {
            self.leave();
        }
        let Some(view) = view else { return };
        let above = self.top();
        let state = above.down(self.eval.gather(view));
        self.emit(path.to_vec(), state);
        if object {
            let mut after = path.to_vec();
            after.push(0);
            self.emit(after, above);
        } else if !path.is_empty() && self.frames.last().is_none_or(|f| f.prefix != path) {
            // The bucket and a prefix on the way to the window are frames already; to add their grants again changed
            // nothing.
            self.frames.push(Frame { prefix: path.to_vec(), state });
        }
    }

    /// Out of the innermost prefix: from its end on, what holds around it.
    fn leave(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        if let Some(end) = successor(&frame.prefix) {
            let state = self.top();
            self.emit(end, state);
        }
    }

    fn emit(&mut self, start: Vec<u8>, mut state: State) {
        self.window.depends.and(state.depends);
        state.allow |= self.given;
        let allowed = if self.undenied { state.deny & self.rule.denies() == 0 } else { state.gives(self.rule) };
        let segments = &mut self.window.segments;
        // What begins where the last began replaces it.
        segments.pop_if(|(last, _)| *last == start);
        if segments.last().is_none_or(|(_, last)| *last != allowed) {
            segments.push((start, allowed));
        }
    }
}

struct Place<'p> {
    path: &'p [u8],
    object: bool,
    view: Option<View<'p>>,
}

/// The places at which a subject's grantees stand, in order, out of base and layers.
struct Places<'a> {
    bucket: &'a Bucket,
    name: crate::hash::HashKey,
    /// Next node of each grantee's row of the base, and the rest of the row.
    rows: BinaryHeap<Reverse<(u32, &'a [u32])>>,
    end: u32,
    reader: PathReader<'a>,
    layered: std::iter::Peekable<std::vec::IntoIter<PathKey>>,
    at: Vec<u8>,
}

impl<'a> Places<'a> {
    /// From one path to another. Out of layers there come at least `most` and one more, if there are: enough to tell that
    /// these were not all.
    fn new(bucket: &'a Bucket, eval: &Eval<'a>, (from, high): (&[u8], Option<&[u8]>), most: usize) -> Self {
        let base = &bucket.base;
        let begin = base.paths.lower_bound(from, false);
        let end = high.map_or(base.len(), |high| base.paths.lower_bound(high, false));
        let mut rows = BinaryHeap::new();
        let mut layered = Vec::new();
        for &(grantee, _) in &eval.resolved.grantees {
            push_row(&mut rows, base_row(bucket, grantee, begin), end);
            for layer in bucket.layers() {
                let row = layer.row(grantee, from).take_while(|k| high.is_none_or(|high| &*k.path < high));
                layered.extend(row.take(most + 1).cloned());
            }
        }
        layered.sort_unstable();
        layered.dedup();
        let layered = layered.into_iter().peekable();
        Self { bucket, name: eval.name, rows, end, reader: base.reader(), layered, at: Vec::new() }
    }

    fn next(&mut self) -> Option<Place<'_>> {
        let node = self.rows.peek().map(|Reverse((node, _))| *node);
        let base = &self.bucket.base;
        let from_base = match (node, self.layered.peek()) {
            (None, None) => return None,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(node), Some(key)) => (self.reader.get(node), base.paths.is_object(node)) <= (&*key.path, key.object),
        };
        if !from_base {
            let key = self.layered.next()?;
            self.at.clear();
            self.at.extend_from_slice(&key.path);
            let view = self.bucket.find(self.name.place(&key.path, key.object));
            return Some(Place { path: &self.at, object: key.object, view });
        }
        let node = node?;
        while let Some(Reverse((_, rest))) = self.rows.peek().filter(|r| r.0.0 == node).copied() {
            self.rows.pop();
            push_row(&mut self.rows, rest, self.end);
        }
        let object = base.paths.is_object(node);
        let path = self.reader.get(node);
        self.layered.next_if(|key| (&*key.path, key.object) == (path, object));
        let fresh = if self.bucket.is_settled() { None } else { self.bucket.find_fresh(self.name.place(path, object)) };
        Some(Place { path, object, view: fresh.or_else(|| Some(base.view(node))) })
    }
}

fn base_row(bucket: &Bucket, grantee: Grantee, begin: u32) -> &[u32] {
    let row = bucket.base.row(grantee);
    row.get(row.partition_point(|&node| node < begin)..).unwrap_or_default()
}

fn push_row<'a>(rows: &mut BinaryHeap<Reverse<(u32, &'a [u32])>>, row: &'a [u32], end: u32) {
    if let Some((&first, rest)) = row.split_first().filter(|(first, _)| **first < end) {
        rows.push(Reverse((first, rest)));
    }
}

/// Whether any of the subject's grantees stands at a place below a folder (the folder itself aside).
pub(crate) fn anything_below(eval: &Eval<'_>, folder: &[u8]) -> bool {
    let Some(bucket) = eval.bucket else { return false };
    let high = if folder.is_empty() { None } else { successor(folder) };
    let mut places = Places::new(bucket, eval, (folder, high.as_deref()), 1);
    while let Some(place) = places.next() {
        if place.object || place.path != folder {
            return true;
        }
    }
    false
}
