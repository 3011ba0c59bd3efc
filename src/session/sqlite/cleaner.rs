//! One step of removing what nobody needs any more.

use super::{Inner, trace};
use crate::session::StoreError;
use crate::session::sql::Clean;

impl Clean for Inner {
    /// Steps of SQLite begin where there is something to remove.
    type Progress = ();

    fn begin() {}

    async fn step(&self, rows: i32, _: &mut ()) -> Result<u64, StoreError> {
        self.clean(rows.into()).await
    }

    fn report(outcome: Result<u64, &StoreError>) {
        match outcome {
            Ok(rows) => trace::cleaned(rows),
            Err(fault) => trace::not_cleaned(fault),
        }
    }
}
