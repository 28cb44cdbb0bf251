//! Stored records: any bytes are a record or an error, and a record survives being written.

use std::fmt::Debug;

use panthera_meta::records::{
    BucketRecord, CredentialRecord, FenceRecord, Manifest, ObjectRecord, ObjectView, PartRecord, PartView, RecordError,
    TenantRecord, UploadRecord, UserRecord, decode_document, decode_format, decode_id, decode_ordinal, encode_document,
    encode_format, encode_id, encode_ordinal, tag,
};

fn round<T: PartialEq + Debug>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, RecordError>,
    encode: impl Fn(&T) -> Vec<u8>,
) {
    match decode(bytes) {
        Ok(record) => {
            let written = encode(&record);
            assert_eq!(decode(&written).as_ref(), Ok(&record), "a record changes when it is written");
            assert_eq!(encode(&record), written);
        }
        Err(error) => assert!(error.offset <= bytes.len().max(48) && !error.to_string().is_empty(), "{error}"),
    }
}

fn object(bytes: &[u8]) {
    round(bytes, ObjectRecord::decode, ObjectRecord::encode);
    let (view, whole) = (ObjectView::new(bytes), ObjectRecord::decode(bytes));
    let Ok(view) = view else { return assert!(whole.is_err()) };
    let Ok(record) = whole else { return };
    assert_eq!(view.to_record().as_ref(), Ok(&record));
    assert_eq!((view.size(), view.ordinal(), view.parts()), (record.size, record.ordinal, record.parts));
    assert_eq!(view.chunks().collect::<Vec<_>>(), record.manifest.chunks);
    assert_eq!(view.content_type(), Ok(&*record.content_type));
    assert_eq!(view.section(tag::CACHE_CONTROL), Ok(record.cache_control.as_deref()));
}

/// Which kind, then the bytes.
pub fn run(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind % 11 {
        0 => object(bytes),
        1 => round(bytes, BucketRecord::decode, BucketRecord::encode),
        2 => round(bytes, CredentialRecord::decode, CredentialRecord::encode),
        3 => round(bytes, FenceRecord::decode, FenceRecord::encode),
        4 => {
            round(bytes, PartRecord::decode, PartRecord::encode);
            let agree = PartView::new(bytes).map(|view| view.chunks().collect::<Vec<_>>());
            if let Ok(record) = PartRecord::decode(bytes) {
                assert_eq!(agree, Ok(record.manifest.chunks));
            }
        }
        5 => round(bytes, TenantRecord::decode, TenantRecord::encode),
        6 => round(bytes, UploadRecord::decode, UploadRecord::encode),
        7 => round(bytes, UserRecord::decode, UserRecord::encode),
        8 => round(bytes, Manifest::decode_entries, |chunks| {
            let mut out = Vec::new();
            Manifest::encode_entries(chunks, &mut out);
            out
        }),
        9 => round(bytes, |b| decode_document(b).map(<[u8]>::to_vec), |document| encode_document(document)),
        _ => {
            round(bytes, decode_id, |id| encode_id(*id));
            round(bytes, decode_ordinal, |ordinal| encode_ordinal(*ordinal));
            round(bytes, decode_format, |format| encode_format(*format));
        }
    }
}
