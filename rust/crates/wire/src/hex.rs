//! Lower-case hexadecimal, as signatures and digests are written. Base64 does not belong here.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The value of one hex digit of either case.
pub fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// 32 bytes as 64 digits, on the stack.
pub fn encode_32(bytes: &[u8; 32]) -> [u8; 64] {
    let mut out = [0; 64];
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    out
}

/// Any bytes as text.
pub fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

/// Bytes as pairs of digits separated by blanks: how AWS shows `StringToSignBytes`.
pub fn encode_spaced(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 3);
    for byte in bytes {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

/// Exactly 64 digits of either case as 32 bytes.
pub fn decode_32(text: &[u8]) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        let bytes: [u8; 32] = std::array::from_fn(|i| (i * 37) as u8);
        assert_eq!(decode_32(&encode_32(&bytes)), Some(bytes));
        assert_eq!(encode(&bytes).as_bytes(), encode_32(&bytes));
        assert_eq!(decode_32(encode(&bytes).to_uppercase().as_bytes()), Some(bytes));
        assert_eq!(encode_spaced(&[0, 0xab]), "00 ab");
    }

    #[test]
    fn what_is_not_64_digits_is_refused() {
        for bad in ["".to_owned(), "0".repeat(63), "0".repeat(65), "g".repeat(64), format!("{}+", "0".repeat(63))] {
            assert_eq!(decode_32(bad.as_bytes()), None, "{bad}");
        }
    }
}
