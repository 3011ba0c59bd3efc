//! What threads share, under every order in which threads can get to it: tokens to make marks of,
//! and the model checker, [loom](https://docs.rs/loom). The models are in the files of this name.
//!
//! ```text
//! tests/interleavings
//! ```
//!
//! compiles the library with loom's locks and atomics in place of the standard library's
//! (`sync.rs`). What moka does inside is not tried: for its cache of what is in Redis a value behind
//! a lock stands in, which does one thing at a time, as moka promises for one key.

use std::time::Duration;

use crate::did::{Timestamp, Verifier};
use crate::session::TokenMark;
use crate::testing::Wallet;

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

/// The mark of a token issued so many seconds before or after now.
pub(crate) fn issued(user: &str, at: i64) -> TokenMark {
    let issued_at = Timestamp::from_secs(NOW.as_secs() + at);
    let token = Wallet::from_seed(user).token("app").issued_at(issued_at).mint();
    let claim = Verifier::new("app").verify(token, NOW).expect("a good token");
    TokenMark::new(&claim, issued_at.plus(Duration::from_secs(900)))
}

/// Runs `model` under every order of its threads, and prints how many there were. A panic in one
/// of them fails the test; `LOOM_LOG=trace` shows which one it was.
pub(crate) fn all_orders(model: impl Fn() + Send + Sync + 'static) {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let orders = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&orders);
    loom::model(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let orders = orders.load(Ordering::Relaxed);
    println!("{}: {orders} orders", std::thread::current().name().unwrap_or_default());
    assert!(orders > 1, "the threads never met");
}
