//! Numbers of the storage classes. A number is never given to another class.

/// STANDARD.
pub const STANDARD: u8 = 0;

/// Names by number, as Amazon spells them.
pub const NAMES: [&str; 11] = [
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
    "REDUCED_REDUNDANCY",
    "OUTPOSTS",
    "SNOW",
    "EXPRESS_ONEZONE",
];

/// The class with this number.
pub fn name(number: u8) -> Option<&'static str> {
    NAMES.get(usize::from(number)).copied()
}

/// The number of a class.
pub fn number(name: &[u8]) -> Option<u8> {
    NAMES.iter().position(|n| n.as_bytes() == name).map(|i| i as u8)
}
