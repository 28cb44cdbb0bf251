//! What a listing may show its caller: the range program beside the scan.
//!
//! Belongs here: for a key at which a scan stands, whether it is shown or where the scan goes on, and when a page has
//! worked enough. Does not belong here: who may see what (crate `authz`), rows, rendering.
//!
//! A page asks the gate before it places a key. So what is hidden takes no room on a page, rolls up into no common
//! prefix and makes no page truncated; and each run of hidden keys costs one seek, however long it is.

use panthera_authz::{Next, Visible};

/// Seeks past what is hidden that one page makes. A page that has made them ends short, with a position to go on from:
/// tens of milliseconds of work, whatever was granted and denied where.
pub(super) const SEEKS: usize = 10_000;
/// What a window of the range program counts for: it looks at a thousand grants.
const WINDOW_SEEKS: usize = 64;

/// What to do with the key at hand.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Look {
    /// The caller may see it.
    Shown,
    /// It may not, nor any key before this one.
    Skip(Vec<u8>),
    /// It may see no more on this page.
    End,
}

/// The gate of one page. Keys are asked in order.
pub(super) struct Gate {
    /// `None` shows everything.
    visible: Option<Box<Visible>>,
    /// A run of keys that are shown: its first, and the first behind it.
    run: Option<(Vec<u8>, Option<Vec<u8>>)>,
    left: usize,
    windows: usize,
    stopped: Option<Vec<u8>>,
}

impl Gate {
    /// A gate for a page; `None` shows everything.
    pub fn new(visible: Option<Box<Visible>>) -> Self {
        let windows = visible.as_ref().map_or(0, |visible| visible.windows());
        Self { visible, run: None, left: SEEKS, windows, stopped: None }
    }

    /// Whether the key is shown.
    pub fn look(&mut self, key: &[u8]) -> Look {
        let Some(visible) = &mut self.visible else { return Look::Shown };
        let inside = |(from, until): &(Vec<u8>, Option<Vec<u8>>)| {
            key >= from.as_slice() && until.as_ref().is_none_or(|until| key < until.as_slice())
        };
        if self.run.as_ref().is_some_and(inside) {
            return Look::Shown;
        }
        let look = match visible.visible(key) {
            Next::Allowed { until } => {
                self.run = Some((key.to_vec(), until.map(<[u8]>::to_vec)));
                return Look::Shown;
            }
            Next::Skip { to } => Look::Skip(to.to_vec()),
            Next::End => Look::End,
        };
        let windows = visible.windows();
        let cost = 1 + (windows - self.windows) * WINDOW_SEEKS;
        self.windows = windows;
        match look {
            Look::Skip(to) if self.left == 0 => {
                self.stopped = Some(to);
                Look::End
            }
            look => {
                self.left = self.left.saturating_sub(cost);
                look
            }
        }
    }

    /// Whether the caller may see anything that begins with the prefix, from a key on. Keys before it are not asked again.
    pub fn sees(&mut self, prefix: &[u8], from: &[u8]) -> bool {
        match self.look(from.max(prefix)) {
            Look::Shown => true,
            Look::Skip(to) => to.starts_with(prefix),
            Look::End => false,
        }
    }

    /// Goes on behind a key that is hidden for another reason than the caller's rights. It costs a seek all the same.
    pub fn pass(&mut self, to: Vec<u8>) -> Look {
        if self.left == 0 {
            self.stopped = Some(to);
            return Look::End;
        }
        self.left -= 1;
        Look::Skip(to)
    }

    /// Where the listing goes on when it worked enough before it had seen everything. It comes out of the caller's
    /// allows and denies, so it may tell the name of something denied.
    pub fn stopped(&self) -> Option<&[u8]> {
        self.stopped.as_deref()
    }
}
