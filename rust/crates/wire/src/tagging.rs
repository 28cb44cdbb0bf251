//! Tag sets. To be filled by its owner.
