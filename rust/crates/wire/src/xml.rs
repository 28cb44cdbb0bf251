//! XML in and out. To be filled by its owner.
