//! What Redis says about changes (`CLIENT TRACKING`), and which copies are out of date by it.
//!
//! A key that does not exist, and one that is lost with its slot, is reported by nobody. In a
//! cluster a copy is therefore good only while the server that it came from owns the slot, see
//! [`ownership`](super::ownership).

use redis::{PushInfo, PushKind, Value};

use super::keys::{Keys, Named};
use crate::session::copies::Invalidations;

impl Invalidations {
    /// Applies a message from Redis. One that is not understood makes every copy invalid.
    pub(super) fn apply(&self, keys: &Keys, message: &PushInfo) {
        match (&message.kind, message.data.as_slice()) {
            (PushKind::Invalidate, [Value::Array(changed)]) => {
                for key in changed {
                    self.apply_key(keys, key);
                }
            }
            (PushKind::Invalidate | PushKind::Disconnection, _) => self.all(),
            _ => {}
        }
    }

    fn apply_key(&self, keys: &Keys, key: &Value) {
        let named = match key {
            Value::BulkString(key) => keys.read(key),
            Value::SimpleString(key) => keys.read(key.as_bytes()),
            _ => None,
        };
        match named {
            Some(Named::CopiedOf(address)) => self.of_issuer(address),
            Some(Named::Other) => {}
            None => self.all(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::did::Timestamp;
    use crate::session::copies::Copies;
    use crate::session::redis::link::Line;
    use crate::session::{SessionData, SessionHandle, SessionRecord};

    fn record() -> Arc<SessionRecord> {
        let issuer = "did:ethr:0x52908400098527886E0F7030069857D2E4169EE7".parse();
        Arc::new(SessionRecord::new(
            SessionHandle::from_bytes([7; 32]),
            issuer.expect("an issuer"),
            Timestamp::from_secs(1),
            Timestamp::from_secs(2),
            SessionData::NONE,
        ))
    }

    fn message(kind: PushKind, data: Vec<Value>) -> PushInfo {
        PushInfo { kind, data }
    }

    #[test]
    fn a_copy_is_good_until_a_message_about_its_key_or_about_anything_unknown() {
        let keys = Keys::new("didt").expect("a prefix");
        let record = record();
        let key = Value::BulkString(keys.sessions_of(record.issuer).into_bytes());
        let foreign = Value::BulkString(b"other:{x}".to_vec());
        let messages = [
            ("change", message(PushKind::Invalidate, vec![Value::Array(vec![key])])),
            ("flush", message(PushKind::Invalidate, vec![Value::Nil])),
            ("foreign", message(PushKind::Invalidate, vec![Value::Array(vec![foreign])])),
            ("lost", message(PushKind::Disconnection, vec![])),
        ];
        for (name, message) in messages {
            let invalidations = Arc::new(Invalidations::new(1 << 20, 0));
            let copies = Copies::new(Arc::clone(&invalidations), 1 << 20);
            let line = Arc::new(Line::answering());
            copies.put(&record, copies.asking(record.issuer, 0), Some(Arc::clone(&line)));
            assert!(copies.get(record.issuer, record.handle).is_some(), "{name}");
            invalidations.apply(&keys, &message);
            assert!(copies.get(record.issuer, record.handle).is_none(), "{name}");
        }
    }
}
