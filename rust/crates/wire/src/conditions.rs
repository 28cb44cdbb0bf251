//! Conditional requests. To be filled by its owner.
