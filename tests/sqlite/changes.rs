//! Data is changed while the file cannot be written.

use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tower_didt_test_support::change::Change;

use crate::store;

/// The store's time-out, and what a busy machine adds.
const LIMIT: Duration = Duration::from_millis(1_500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_another_holds_the_file_a_change_fails_in_time_and_is_made_once() {
    let (directory, store) = store().await;
    let change = Change::begin(&store).await;
    let options = SqliteConnectOptions::new().filename(directory.0.join("sessions.db"));
    let mut other = options.connect().await.expect("the file");
    let stuck = other.begin_with("BEGIN IMMEDIATE").await.expect("the lock");
    change.fails(&store, LIMIT).await;
    stuck.rollback().await.expect("the end");
    change.is_made_once(&store).await;
}
