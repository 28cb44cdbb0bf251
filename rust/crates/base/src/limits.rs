//! Every limit a client can meet, with its reason. Tested at n and n+1 where it is enforced.

/// Longest key in UTF-8 bytes (AWS: object key names).
pub const KEY_BYTES: usize = 1024;
/// Shortest and longest bucket name (AWS: bucket naming rules).
pub const BUCKET_NAME_MIN: usize = 3;
/// See [`BUCKET_NAME_MIN`].
pub const BUCKET_NAME_MAX: usize = 63;
/// Sum of user metadata names and values in bytes (AWS: 2 KB of user-defined metadata).
pub const USER_METADATA_BYTES: usize = 2048;
/// Largest body of one PutObject or UploadPart (AWS: 5 GiB in a single operation).
pub const SINGLE_PUT_BYTES: u64 = 5 << 30;
/// Largest object (AWS: 50 TB since 2025; 5 TiB is the figure clients still assume and the one we test).
pub const OBJECT_BYTES: u64 = 5 << 40;
/// Smallest part that is not the last (AWS: 5 MiB).
pub const PART_MIN_BYTES: u64 = 5 << 20;
/// Highest part number and most parts of an upload (AWS).
pub const PARTS: u32 = 10_000;
/// Most keys in one DeleteObjects (AWS).
pub const DELETE_KEYS: usize = 1_000;
/// Most entries on a page of any listing (AWS).
pub const PAGE_KEYS: usize = 1_000;
/// Tags of an object (AWS).
pub const OBJECT_TAGS: usize = 10;
/// Tags of a bucket (AWS).
pub const BUCKET_TAGS: usize = 50;
/// Longest tag key and value in characters (AWS).
pub const TAG_KEY_CHARS: usize = 128;
/// See [`TAG_KEY_CHARS`].
pub const TAG_VALUE_CHARS: usize = 256;
/// Grants of an access control list (AWS).
pub const ACL_GRANTS: usize = 100;
/// Users of one e-mail address, of all tenants, that are looked at for the caller's own: each costs a read.
pub const ADDRESS_USERS: usize = 100;
/// Body of DeleteObjects: 1000 keys of 1024 bytes, every byte escaped, with version ids, stays below (AWS: 2 MB).
pub const DELETE_BODY_BYTES: usize = 2 << 20;
/// Body of CompleteMultipartUpload: 10 000 parts with all checksums.
pub const COMPLETE_BODY_BYTES: usize = 4 << 20;
/// Body of any configuration document (the largest AWS allows is 1 MiB, for metrics of replication).
pub const CONFIG_BODY_BYTES: usize = 1 << 20;
/// Form fields of PostObject before the file (AWS: 20 KB).
pub const FORM_FIELDS_BYTES: usize = 20 << 10;
/// Longest boundary of a multipart form (RFC 2046).
pub const FORM_BOUNDARY_BYTES: usize = 70;
/// Nesting of any XML body; S3's deepest document has 8 levels.
pub const XML_DEPTH: usize = 16;
/// Presigned URLs live at most seven days (AWS).
pub const PRESIGN_SECS: u64 = 7 * 24 * 3600;
/// Clock skew a signature may have (AWS: 15 minutes).
pub const SKEW_SECS: u64 = 15 * 60;
/// Request line and headers together; AWS refuses above 8 KiB of headers, presigned STS URLs need more.
pub const HEAD_BYTES: usize = 64 << 10;
/// Most header lines of a request.
pub const HEADERS: usize = 256;
/// One line of aws-chunked framing: size, signature and extensions.
pub const CHUNK_LINE_BYTES: usize = 1024;
/// Trailing headers of an aws-chunked body; clients send one checksum, and each is searched for among the announced.
pub const TRAILERS: usize = 16;
/// Largest chunk an aws-chunked client may announce; chunks are streamed, so this only bounds arithmetic.
pub const CHUNK_BYTES: u64 = 5 << 30;
/// Objects up to this size are one chunk; larger ones are cut by content.
pub const WHOLE_CHUNK_BYTES: usize = 1 << 20;
/// Content-defined chunking: smallest, average and largest chunk.
pub const CDC_MIN_BYTES: usize = 256 << 10;
/// See [`CDC_MIN_BYTES`].
pub const CDC_AVG_BYTES: usize = 1 << 20;
/// See [`CDC_MIN_BYTES`]. Also the largest payload of a needle.
pub const CDC_MAX_BYTES: usize = 4 << 20;
/// A manifest with more entries than this is itself stored as chunks.
pub const INLINE_MANIFEST_CHUNKS: usize = 10_000;
