//! aws-chunked bodies.
use crate::auth::HmacSha256;
/// How the chunks are protected.
#[derive(Clone, Debug)]
pub struct ChunkedAuth {
    pub(crate) trailer: bool,
    pub(crate) chain: Option<Chain>,
}
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) key: HmacSha256,
    pub(crate) date: [u8; 16],
    pub(crate) scope: String,
    pub(crate) previous: String,
}
impl ChunkedAuth {
    /// STREAMING-UNSIGNED-PAYLOAD-TRAILER
    pub fn unsigned_trailer() -> Self {
        Self { trailer: true, chain: None }
    }
    pub(crate) fn signed(key: HmacSha256, date: [u8; 16], scope: String, seed: String, trailer: bool) -> Self {
        Self { trailer, chain: Some(Chain { key, date, scope, previous: seed }) }
    }
}
