//! What Redis might hold where a session is looked for: whatever anybody wrote there.

use tower_didt::internals;
use tower_didt::{Issuer, SessionHandle};

const ISSUER: &str = "did:ethr:0x52908400098527886E0F7030069857D2E4169EE7";

/// Read as a session of one issuer and handle: never a panic, never another's session, no more
/// memory than the text has, and what is read is written and read back as the same session.
pub fn redis_record(data: &[u8]) {
    let issuer: Issuer = ISSUER.parse().expect("an issuer");
    let handle = SessionHandle::from_bytes([7; 32]);
    let Some(record) = internals::redis_record(data, issuer, handle) else { return };
    assert_eq!((record.issuer, record.handle), (issuer, handle));
    // JSON text of the data: no longer than the text that it was read from.
    assert!(record.data.size() <= data.len());
    let _ = record.data.read::<serde_json::Value>();

    // Another issuer's session is not opened by it, nor another session of this one.
    let other = "did:ethr:0x0000000000000000000000000000000000000001".parse().expect("one");
    assert!(internals::redis_record(data, other, handle).is_none());
    let another = SessionHandle::from_bytes([8; 32]);
    assert!(internals::redis_record(data, issuer, another).is_none());

    // As the store's scripts write it.
    let json = serde_json::to_string(&record).expect("JSON");
    let text = format!(
        "1 0 {} {} {json}",
        record.expires_at.as_secs_f64(),
        record.last_seen.as_secs_f64()
    );
    let again = internals::redis_record(text.as_bytes(), issuer, handle);
    assert_eq!(again.expect("readable"), record, "{text}");
}
