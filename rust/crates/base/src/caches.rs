//! How often a cache knew and did not know.
//!
//! Belongs here: counting without a line that all threads write. Does not belong here: caches.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Lines of counters of one cache. Threads beyond it share a line and may lose a count to each other: these are
/// statistics, and a decision takes less time than two locked instructions are worth.
const LINES: usize = 64;

#[derive(Debug, Default)]
#[repr(align(64))]
struct Line {
    hits: AtomicU64,
    misses: AtomicU64,
}

/// The counts of one cache.
#[derive(Debug)]
pub struct CacheCounts(Box<[Line]>);

impl Default for CacheCounts {
    fn default() -> Self {
        Self((0..LINES).map(|_| Line::default()).collect())
    }
}

impl CacheCounts {
    /// It knew.
    #[inline]
    pub fn hit(&self) {
        more(&self.own().hits);
    }

    /// It did not know.
    #[inline]
    pub fn miss(&self) {
        more(&self.own().misses);
    }

    /// Hits and misses since the start.
    pub fn totals(&self) -> (u64, u64) {
        let sum = |part: fn(&Line) -> &AtomicU64| self.0.iter().map(|line| part(line).load(Ordering::Relaxed)).sum();
        (sum(|line| &line.hits), sum(|line| &line.misses))
    }

    #[inline]
    fn own(&self) -> &Line {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed));
        &self.0[OWN.with(|own| *own) % LINES]
    }
}

#[inline]
fn more(count: &AtomicU64) {
    count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_count_apart_and_are_summed() {
        let counts = CacheCounts::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| counts.hit()));
            }
            counts.miss();
        });
        assert_eq!(counts.totals(), (4000, 1));
    }
}
