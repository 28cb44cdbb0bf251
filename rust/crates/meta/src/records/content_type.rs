//! Common content types by number, so that a row does not spell them out. The table is in `content_type_table`.

use std::borrow::Cow;

use super::content_type_table::NAMES;

/// The type of an object stored without one (number 0).
pub const DEFAULT: &str = "binary/octet-stream";

/// The number that says: the literal is in section 1.
pub const LITERAL: u8 = 255;

/// The type with this number.
pub fn name(number: u8) -> Option<&'static str> {
    NAMES.get(usize::from(number)).copied()
}

/// The number of a type spelt exactly like this.
pub fn number(name: &[u8]) -> Option<u8> {
    NAMES.iter().position(|n| n.as_bytes() == name).map(|i| i as u8)
}

/// The type for an [`super::ObjectRecord`]: borrowed when it is in the table.
pub fn intern(name: &[u8]) -> Cow<'static, [u8]> {
    match number(name).and_then(self::name) {
        Some(known) => Cow::Borrowed(known.as_bytes()),
        None => Cow::Owned(name.to_vec()),
    }
}

/// Every type with a number, in number order.
pub fn names() -> &'static [&'static str] {
    NAMES
}
