//! Data is changed while the file cannot be written.

use std::time::Duration;

use tower_didt_test_support::change::Change;

use crate::holder::Holder;
use crate::store;

/// The store's time-out, and what a busy machine adds.
const LIMIT: Duration = Duration::from_millis(1_500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_another_process_holds_the_file_a_change_fails_in_time_and_is_made_once() {
    let (directory, store) = store().await;
    let change = Change::begin(&store).await;
    let holder = Holder::start(&directory);
    change.fails(&store, LIMIT).await;
    holder.let_go();
    change.is_made_once(&store).await;
}
