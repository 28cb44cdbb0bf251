//! Range programs: which keys of a bucket a subject has a permission on, as sorted ranges, computed from grants and
//! never from keys. A listing asks where it may read on and where to seek to.
//!
//! The program is compiled in windows of a bounded number of places, on one root: a subject with a million grants
//! pays for the page it looks at.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use panthera_base::{BucketId, TenantId};

use crate::bucket::{Bucket, PathKey};
use crate::engine::{Engine, Moment, Pinned};
use crate::error::AuthzError;
use crate::eval::{Eval, State};
use crate::model::Grantee;
use crate::node::View;
use crate::paths::PathReader;
use crate::permission::{Permission, Rule};
use crate::resolve::{Depends, Principal};

/// Places with grants that one window looks at: enough for a page of a thousand keys that are granted one by one.
const WINDOW: usize = 1024;

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
        /// Where to seek to: the next allowed key is not before it.
        to: &'a [u8],
    },
    /// This key is not allowed, nor is any after it below the asked prefix.
    End,
}

/// The keys below a prefix that a subject has a permission on, at one revision.
pub struct Visible {
    pinned: Pinned,
    permission: Permission,
    low: Vec<u8>,
    high: Option<Vec<u8>>,
    window: Window,
}

#[derive(Default)]
struct Window {
    from: Vec<u8>,
    /// Where it ends; `None` is the end of the asked prefix.
    until: Option<Vec<u8>>,
    /// Where a verdict begins to hold; ascending, alternating.
    segments: Vec<(Vec<u8>, bool)>,
    depends: Depends,
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
        let mut all =
            Self { pinned, permission, low: prefix.to_vec(), high: successor(prefix), window: Window::default() };
        all.compile(prefix);
        Ok(all)
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
        let from = if from < &*self.low { self.low.clone() } else { from.to_vec() };
        if self.high.as_ref().is_some_and(|high| from >= *high) {
            return Next::End;
        }
        if from < self.window.from || self.window.until.as_ref().is_some_and(|until| from >= *until) {
            self.compile(&from);
        }
        let mut at = self.window.segments.partition_point(|(start, _)| *start <= from).saturating_sub(1);
        loop {
            if self.window.segments.get(at).is_some_and(|(start, allowed)| *allowed && *start <= from) {
                let until = self.window.segments.get(at + 1).map(|(start, _)| start).or(self.window.until.as_ref());
                return Next::Allowed { until: within(until, self.high.as_ref()) };
            }
            let next = (at..self.window.segments.len()).find(|&i| self.window.segments[i].1);
            match (next, self.window.until.take()) {
                (Some(i), until) => {
                    self.window.until = until;
                    let to = within(Some(&self.window.segments[i].0), self.high.as_ref());
                    return to.map_or(Next::End, |to| Next::Skip { to });
                }
                (None, None) => return Next::End,
                // Nothing more in this window: the next one begins where this ends.
                (None, Some(until)) => {
                    self.compile(&until);
                    at = 0;
                }
            }
        }
    }

    /// Whether exactly this key is among them.
    pub fn contains(&mut self, key: &[u8]) -> bool {
        matches!(self.visible(key), Next::Allowed { .. })
    }

    /// Whether any key that begins with `prefix` could be among them: for common prefixes. That such a key is there
    /// is for the scan to find, which may begin at the bound that [`Self::visible`] gives.
    pub fn may_contain(&mut self, prefix: &[u8]) -> bool {
        match self.visible(prefix) {
            Next::Allowed { .. } => true,
            Next::Skip { to } => to.starts_with(prefix),
            Next::End => false,
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
        let low = self.low.clone();
        self.visible(&low) == Next::End
    }

    fn compile(&mut self, from: &[u8]) {
        let mut window = Window { from: from.to_vec(), depends: self.window.depends, ..Window::default() };
        let eval = self.pinned.eval();
        Compiler::new(eval, self.pinned.rule(self.permission), from, &mut window).run(self.high.as_deref());
        self.window = window;
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
    from: &'a [u8],
    window: &'a mut Window,
    /// The bucket, then prefixes that lie in one another.
    frames: Vec<Frame>,
}

impl<'a> Compiler<'a> {
    fn new(eval: Eval<'a>, rule: Rule<'a>, from: &'a [u8], window: &'a mut Window) -> Self {
        let mut frames = vec![Frame { prefix: Vec::new(), state: eval.bucket() }];
        eval.folder(from, |prefix, state| frames.push(Frame { prefix: prefix.to_vec(), state }));
        Self { eval, rule, from, window, frames }
    }

    fn run(mut self, high: Option<&[u8]>) {
        let state = self.top();
        self.emit(self.from.to_vec(), state);
        if let Some(bucket) = self.eval.bucket {
            let mut places = Places::new(bucket, &self.eval, self.from, high);
            let mut seen = 0;
            while let Some(place) = places.next() {
                if seen == WINDOW {
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

    fn emit(&mut self, start: Vec<u8>, state: State) {
        self.window.depends.and(state.depends);
        let allowed = state.gives(self.rule);
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
    fn new(bucket: &'a Bucket, eval: &Eval<'a>, from: &[u8], high: Option<&[u8]>) -> Self {
        let base = &bucket.base;
        let begin = base.paths.lower_bound(from, false);
        let end = high.map_or(base.len(), |high| base.paths.lower_bound(high, false));
        let mut rows = BinaryHeap::new();
        let mut layered = Vec::new();
        for &(grantee, _) in &eval.resolved.grantees {
            push_row(&mut rows, base_row(bucket, grantee, begin), end);
            for layer in bucket.layers() {
                let row = layer.row(grantee, from).take_while(|k| high.is_none_or(|high| &*k.path < high));
                // One more than a window takes, so that the window knows that it is not the last.
                layered.extend(row.take(WINDOW + 1).cloned());
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
    let mut places = Places::new(bucket, eval, folder, high.as_deref());
    while let Some(place) = places.next() {
        if place.object || place.path != folder {
            return true;
        }
    }
    false
}
