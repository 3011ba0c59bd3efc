//! Every store passes the one suite of behaviour, and the suite tells a good store from a bad one.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that panics is a test that fails"
)]

mod naive;
mod sealed;

use tower_didt::MemoryStore;
use tower_didt::testing::store_suite::{self, StoreSuite};

use crate::naive::{Fault, NaiveStore};

#[tokio::test]
async fn the_memory_store_passes() {
    store_suite::run(|| async { MemoryStore::new() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_store_passes_on_a_runtime() {
    StoreSuite::new(|| async { MemoryStore::new() })
        .with_spawner(|task| drop(tokio::spawn(task)))
        .run()
        .await;
}

#[tokio::test]
async fn the_plainest_store_passes() {
    store_suite::run(|| async { NaiveStore::with(None) }).await;
}

#[tokio::test]
async fn clients_of_one_server_pass() {
    let server = NaiveStore::with(None);
    store_suite::run(move || std::future::ready(server.clone())).await;
}

/// The case that has to find each mistake. Others may find it too.
const FAULTS: [(Fault, &str); 65] = [
    (Fault::ForgetsTokens, "a_token_makes_one_session"),
    (Fault::ForgetsClaims, "a_claimed_token_makes_no_session"),
    (Fault::ForgetsTokensEarly, "a_used_token_stays_used_until_it_is_refused_anyway"),
    (Fault::ChecksTokensThenMarksThem, "of_many_mints_at_once_one_makes_a_session"),
    (Fault::AcceptsOlderTokens, "a_newer_token_supersedes_older_ones"),
    (Fault::BelievesTheFuture, "a_token_from_the_future_locks_nobody_out"),
    (Fault::UsesNewestTokens, "the_newest_token_is_not_used_by_being_the_newest"),
    (Fault::ForgetsTheNewestAtSignOut, "signing_out_does_not_bring_older_tokens_back"),
    (Fault::ReplacesBeforeItClaims, "a_mint_with_a_used_token_changes_nothing"),
    (Fault::FreesTokensOfEndedSessions, "the_end_of_a_session_does_not_free_its_token"),
    (Fault::OpensByHandle, "a_handle_is_no_ticket"),
    (Fault::TrimsTickets, "a_ticket_that_was_changed_opens_nothing"),
    (Fault::PanicsOnLongTickets, "strange_tickets_open_nothing"),
    (Fault::DropsData, "data_comes_back_as_it_was_attached"),
    (Fault::IsNeverReady, "a_store_that_answers_is_ready"),
    (Fault::ListsExpired, "expired_sessions_are_not_listed"),
    (Fault::ListsNewestFirst, "sessions_are_listed_oldest_first"),
    (Fault::LastSeenGoesBack, "touching_moves_last_seen_forward_and_never_back"),
    (Fault::TouchChangesTheEnd, "touching_changes_nothing_else"),
    (Fault::TouchesAllOfAnIssuer, "touching_changes_nothing_else"),
    (Fault::TouchBringsBack, "touching_brings_no_session_back"),
    (Fault::TouchReadsThenWrites, "a_touch_does_not_outrun_a_revocation"),
    (Fault::AnybodyRevokes, "nobody_ends_the_session_of_another_issuer"),
    (Fault::RevokesWhatIsNotThere, "unknown_handles_end_nothing"),
    (Fault::RevokesAllByTime, "revoking_all_ends_every_older_session_and_no_younger_one"),
    (Fault::RevokesYoungerToo, "revoking_all_ends_every_older_session_and_no_younger_one"),
    (Fault::RevokesEverybody, "revoking_all_leaves_other_issuers_alone"),
    (Fault::RevokesAllThenForgets, "a_mint_beside_a_revocation_of_all_is_ended_or_can_be"),
    (Fault::RevokesNoTokens, "revoking_all_ends_older_tokens_used_or_not"),
    (Fault::RevokesUsedTokensOnly, "revoking_all_ends_older_tokens_used_or_not"),
    (Fault::RevokesTokensByTimeAlone, "revoking_all_ends_tokens_dated_ahead_that_were_presented"),
    (Fault::RevokesTokensByTheFirstSignOut, "revoking_all_ends_older_tokens_used_or_not"),
    (Fault::RevokesNoTokensBesideTheNewest, "signing_out_does_not_bring_older_tokens_back"),
    (Fault::ForgetsSeenTokens, "revoking_all_ends_tokens_dated_ahead_that_were_presented"),
    (Fault::RevokesFreshTokens, "after_revoking_all_a_fresh_token_signs_in"),
    (Fault::RevokesTokensOfOthers, "revoking_all_leaves_tokens_of_others_alone"),
    (Fault::RevokesTokensWithOneSession, "revoking_one_session_leaves_tokens_alone"),
    (Fault::RevokesByTheLastClock, "revoked_tokens_stay_revoked_when_clocks_differ"),
    (
        Fault::ChecksRevocationThenMints,
        "a_mint_beside_a_revocation_of_all_leaves_no_session_of_an_older_token",
    ),
    (Fault::ReplacesOwnOnly, "a_replaced_session_of_another_issuer_ends"),
    (Fault::ReplacesNothing, "a_replaced_session_ends"),
    (Fault::HasNoLimit, "the_oldest_session_makes_room"),
    (Fault::NewestMakesRoom, "the_oldest_session_makes_room"),
    (Fault::HasNoDefaultLimit, "an_issuer_has_256_sessions_unless_it_is_said_otherwise"),
    (Fault::EndsAnyNumberAtOnce, "a_limit_that_was_lowered_holds_in_bounded_steps"),
    (Fault::ListsAllOnOnePage, "no_page_is_longer_than_the_longest"),
    (Fault::RepeatsTheLastOfAPage, "a_list_comes_in_pages_oldest_first"),
    (Fault::PagesByPosition, "a_cursor_survives_the_sessions_around_it"),
    (Fault::PagesByHandle, "a_list_comes_in_pages_oldest_first"),
    (Fault::NumbersAnew, "a_cursor_survives_the_sessions_around_it"),
    (Fault::ShortPagesAreTheLast, "expired_sessions_do_not_stop_a_list"),
    (Fault::ChangesNothing, "changed_data_is_found_by_the_next_load"),
    (Fault::ChangesAllOfAnIssuer, "changing_data_changes_nothing_else"),
    (Fault::ForgetsTheVersion, "changed_data_is_found_by_the_next_load"),
    (Fault::ChangesOverOthers, "of_two_changes_of_the_same_data_one_is_refused"),
    (Fault::ComparesValuesOnly, "of_two_changes_of_the_same_data_one_is_refused"),
    (Fault::ComparesThenChanges, "of_many_changes_at_once_one_is_stored"),
    (Fault::ChangeBringsBack, "changing_data_brings_no_session_back"),
    (Fault::ChangeIsAUse, "changing_data_changes_nothing_else"),
    (Fault::AnybodyChanges, "nobody_changes_the_data_of_another_issuer"),
    (Fault::TouchTakesDataBack, "changing_data_changes_nothing_else"),
    (Fault::DropsData, "a_remembered_session_stays_remembered"),
    (Fault::TouchTakesDataBack, "a_remembered_session_stays_remembered"),
    (Fault::ForgetsTheVersion, "a_remembered_session_stays_remembered"),
    (Fault::ForgetsTheVersion, "data_can_be_attached_and_taken_away"),
];

#[tokio::test]
async fn every_mistake_is_found_by_the_case_that_names_it() {
    for (fault, case) in FAULTS {
        let suite = StoreSuite::new(move || async move { NaiveStore::with(fault) }).only(case);
        let failures: Vec<_> = suite.failures().await;
        assert_eq!(failures.len(), 1, "{case} does not find {fault:?}");
        assert!(failures[0].to_string().starts_with(case), "{}", failures[0]);
    }
}

#[tokio::test]
#[should_panic(expected = "there is no case of that name")]
async fn a_case_that_does_not_exist_is_no_success() {
    StoreSuite::new(|| async { MemoryStore::new() }).only("a_typo").run().await;
}

#[tokio::test]
#[should_panic(expected = "unknown_handles_end_nothing: revoking a handle that no session has")]
async fn the_panic_names_the_case_and_the_behaviour() {
    store_suite::run(|| async { NaiveStore::with(Fault::RevokesWhatIsNotThere) }).await;
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let mut names: Vec<_> = store_suite::case_names().collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}
