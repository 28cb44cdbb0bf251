//! Header rules. To be filled by its owner.
