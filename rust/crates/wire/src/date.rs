//! Dates on the wire. To be filled by its owner.
