//! Byte ranges. To be filled by its owner.
