//! The functions that PostgreSQL runs for the store, one statement each.

use sqlx::SqlStr;

use super::schema::Schema;

/// The statements of one schema, made once.
#[derive(Debug)]
pub(super) struct Calls {
    pub(super) mint: SqlStr,
    pub(super) claim: SqlStr,
    pub(super) state_of: SqlStr,
    pub(super) advance: SqlStr,
    pub(super) load: SqlStr,
    pub(super) load_together: SqlStr,
    pub(super) list: SqlStr,
    pub(super) issuers: SqlStr,
    pub(super) touch: SqlStr,
    pub(super) update_data: SqlStr,
    pub(super) revoke: SqlStr,
    pub(super) revoke_all: SqlStr,
    pub(super) clean: SqlStr,
    pub(super) ready: SqlStr,
}

impl Calls {
    pub(super) fn new(schema: &Schema) -> Self {
        Self {
            mint: schema.call("mint", 17),
            claim: schema.call("claim", 6),
            state_of: schema.call("state_of", 6),
            advance: schema.call("advance", 6),
            load: schema.call("load", 3),
            load_together: schema.call("load_together", 3),
            list: schema.call("list", 4),
            issuers: schema.call("issuers", 3),
            touch: schema.call("touch", 4),
            update_data: schema.call("update_data", 5),
            revoke: schema.call("revoke", 3),
            revoke_all: schema.call("revoke_all", 6),
            clean: schema.call("clean", 8),
            ready: schema.call("ready", 1),
        }
    }
}
