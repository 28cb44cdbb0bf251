//! What the fuzz targets check: one function per target, from bytes to a panic when something is wrong.
//!
//! Belongs here: reading a fuzz input as a request, a body, a record or a disk, and the oracle that judges what the code
//! made of it (a naive second implementation, or a property). Does not belong here: libFuzzer (`rust/fuzz`, a workspace
//! of its own), the seeds (`rust/fuzz/corpus`), which `tests/replay.rs` runs through these functions in every test run.

pub mod checksums;
pub mod chunked;
pub mod dates;
pub mod form;
pub mod headers;
pub mod keys;
pub mod listing;
pub mod port;
pub mod ranges;
pub mod records;
pub mod rights;
pub mod service;
mod signer;
pub mod signing;
mod tape;
pub mod uri;
pub mod volume;
pub mod xml;

/// A target: its name, which is also its folder of seeds, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("acl", rights::grants),
    ("checksums", checksums::run),
    ("chunked", chunked::raw),
    ("chunked_signed", chunked::signed),
    ("claim", signing::claim),
    ("compiled_policy", rights::compiled_policy),
    ("conditions", headers::conditions),
    ("dates", dates::run),
    ("form", form::raw),
    ("form_made", form::made),
    ("headers", headers::run),
    ("keys", keys::run),
    ("listing", listing::run),
    ("operations", service::operations),
    ("policy", form::policy),
    ("port", port::raw),
    ("ranges", ranges::run),
    ("records", records::run),
    ("routing", port::routing),
    ("schema", rights::schema),
    ("signature", signing::signature),
    ("tagging", headers::tagging),
    ("uri", uri::run),
    ("volume", volume::run),
    ("volume_format", volume::format),
    ("xml", xml::run),
];
