"""Codecs of stored rows, one module per record kind; the layout is `rust/crates/meta/FORMAT.md`.

Belongs here: bytes to values and back. Does not belong here: I/O, rules about when a record may change. Rust has the
same codecs; `tests/vectors/records` holds the bytes both must read and write.
"""
