//! Every order of threads, for each part that threads share.
//!
//! ```text
//! cd fuzz && cargo test --release -p interleavings -- --nocapture
//! ```

use interleavings::{middleware, session};

macro_rules! models {
    ($($module:path: $($model:ident)*;)*) => {$($(
        #[test]
        fn $model() {
            use $module as module;
            let orders = module::$model();
            println!("{}: {orders} orders", stringify!($model));
            assert!(orders > 1, "the threads never met");
        }
    )*)*};
}

models! {
    middleware: the_longest_age_only_grows;
    session::memory:
        a_token_is_new_to_one_thread_at_most
        a_token_that_was_here_is_revoked_with_the_others
        the_newest_token_wins
        list_and_sessions_agree_and_the_ended_stay_away
        a_session_that_is_pushed_out_is_whole_or_absent
        pruning_forgets_the_dead_alone;
    session::redis:
        no_copy_outlives_the_message_about_a_change
        two_messages_at_once_never_cancel_out;
    session::sealed:
        a_token_is_claimed_once
        sessions_made_before_the_end_of_all_have_ended_after_it
        an_ended_session_stays_ended_when_there_is_no_room;
}
