//! The longest age of tokens, under every order in which threads can get to it.

use std::sync::Arc;
use std::time::Duration;

use loom::thread;

use super::longest_age::LongestAge;
use crate::interleavings::all_orders;

/// Clones are configured while others are in use: the longest age is never forgotten, or a
/// mark might be dropped while its token is still good somewhere.
#[test]
fn the_longest_age_only_grows() {
    all_orders(|| {
        let longest = Arc::new(LongestAge::new(Duration::from_secs(5)));
        let threads = [10, 20].map(|seconds| {
            let longest = Arc::clone(&longest);
            thread::spawn(move || {
                longest.allow(Duration::from_secs(seconds));
                assert!(longest.get() >= Duration::from_secs(seconds));
            })
        });
        let (one, two) = (longest.get(), longest.get());
        assert!(one <= two);
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert_eq!(longest.get(), Duration::from_secs(20));
    })
}
