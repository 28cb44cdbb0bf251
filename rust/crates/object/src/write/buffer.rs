//! Buffers for chunks, reused: a fresh 4 MiB costs the kernel a thousand page faults.
//!
//! Belongs here: lending buffers and getting them back. Does not belong here: what is in them.

use std::sync::Arc;

use bytes::Bytes;
use panthera_base::limits::CDC_MAX_BYTES;
use parking_lot::Mutex;

/// Idle buffers kept: what a few concurrent streams need, 64 MiB of address space at most.
const IDLE: usize = 16;

/// Lends buffers of `CDC_MAX_BYTES`.
#[derive(Clone, Default)]
pub(crate) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// An empty buffer with room for the largest chunk.
    pub(crate) fn take(&self) -> Buffer {
        let idle = self.0.lock().pop();
        let bytes = idle.unwrap_or_else(|| Vec::with_capacity(CDC_MAX_BYTES));
        Buffer { bytes, home: self.clone() }
    }
}

/// A buffer on loan. It goes home when the last `Bytes` of it is dropped.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    home: Buffers,
}

impl Buffer {
    /// Appends.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes in it.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What is in it, to be shared.
    pub(crate) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        let mut idle = self.home.0.lock();
        if idle.len() < IDLE && bytes.capacity() >= CDC_MAX_BYTES {
            idle.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_home_empty_when_its_last_user_is_done() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take();
        buffer.extend(b"abc");
        assert_eq!(buffer.len(), 3);
        let bytes = buffer.freeze();
        let part = bytes.slice(1..);
        drop(bytes);
        assert_eq!(buffers.0.lock().len(), 0);
        assert_eq!(part, "bc");
        drop(part);
        assert_eq!(buffers.0.lock().len(), 1);
        assert_eq!(buffers.take().len(), 0);
        let many: Vec<Buffer> = (0..IDLE + 3).map(|_| buffers.take()).collect();
        drop(many);
        assert_eq!(buffers.0.lock().len(), IDLE);
    }
}
