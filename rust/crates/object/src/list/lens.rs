//! Keys under the names their client knows them by. A listing places, rolls up and shows the client's names; rows, and
//! what may be seen of them, have the names under which they are stored.
//!
//! Belongs here: from one name to the other, in order. Does not belong here: where a window is (`api::Window`), rows.

use std::borrow::Cow;

use crate::api::Window;

/// One place's two names.
#[derive(Clone, Copy)]
pub(super) struct Lens<'w>(Option<&'w Window>);

impl<'w> Lens<'w> {
    /// Of a window; without one both names are the same.
    pub fn new(window: Option<&'w Window>) -> Self {
        Self(window)
    }

    /// The client's name of a key of the place.
    pub fn shown<'k>(&self, stored: &'k [u8]) -> Cow<'k, [u8]> {
        match self.0 {
            None => Cow::Borrowed(stored),
            // A link's names begin with nothing: the rest of the key is the name.
            Some(window) if window.shown.is_empty() => {
                Cow::Borrowed(stored.get(window.stored.len()..).unwrap_or_default())
            }
            Some(window) => Cow::Owned(window.shown(stored)),
        }
    }

    /// The first stored name that can be shown at or behind a client's name; `None` when the place ends before it.
    pub fn stored<'k>(&self, shown: &'k [u8]) -> Option<Cow<'k, [u8]>> {
        let Some(Window { stored, shown: begin, .. }) = self.0 else { return Some(Cow::Borrowed(shown)) };
        match shown.strip_prefix(begin.as_slice()) {
            Some(rest) => Some(Cow::Owned([stored.as_slice(), rest].concat())),
            None if shown < begin.as_slice() => Some(Cow::Owned(stored.clone())),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_each_other_and_keep_their_order() {
        let window = Window { stored: b"deep/down/".to_vec(), shown: b"mnt/".to_vec(), ..Window::default() };
        let lens = Lens::new(Some(&window));
        assert_eq!(&*lens.shown(b"deep/down/a"), b"mnt/a");
        for (shown, stored) in [
            (&b"mnt/a"[..], Some(&b"deep/down/a"[..])),
            (b"mnt/", Some(b"deep/down/")),
            (b"", Some(b"deep/down/")),
            (b"a", Some(b"deep/down/")),
            (b"mnt", Some(b"deep/down/")),
            (b"mnt0", None),
            (b"z", None),
        ] {
            assert_eq!(lens.stored(shown).as_deref(), stored, "{}", shown.escape_ascii());
        }
        let link = Window { stored: b"deep/".to_vec(), ..Window::default() };
        assert_eq!(&*Lens::new(Some(&link)).shown(b"deep/a"), b"a");
        assert_eq!(Lens::new(Some(&link)).stored(b"a").as_deref(), Some(&b"deep/a"[..]));
        assert_eq!(
            (&*Lens::new(None).shown(b"a"), Lens::new(None).stored(b"a").as_deref()),
            (&b"a"[..], Some(&b"a"[..]))
        );
    }
}
