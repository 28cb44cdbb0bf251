//! Checksums of objects: algorithms, headers, trailers. To be filled by its owner.
