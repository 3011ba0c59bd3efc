//! Tokens to make marks of, and the model checker.

use std::time::Duration;

use tower_didt::Verifier;
use tower_didt::testing::Wallet;

use crate::{Timestamp, TokenMark};

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

/// The mark of a token issued so many seconds before or after now.
pub(crate) fn issued(user: &str, at: i64) -> TokenMark {
    let issued_at = Timestamp::from_secs(NOW.as_secs() + at);
    let token = Wallet::from_seed(user).token("app").issued_at(issued_at).mint();
    let claim = Verifier::new("app").verify(token, NOW).expect("a good token");
    TokenMark::new(&claim, issued_at.plus(Duration::from_secs(900)))
}

/// Runs `model` under every order of its threads, and tells how many there were.
///
/// # Panics
///
/// Where the model does in one of them. `LOOM_LOG=trace` tells in which.
pub(crate) fn all_orders(model: impl Fn() + Send + Sync + 'static) -> usize {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let orders = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&orders);
    loom::model(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    orders.load(Ordering::Relaxed)
}
