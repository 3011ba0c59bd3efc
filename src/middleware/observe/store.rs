//! A store whose calls are counted, timed and logged.

use std::sync::Arc;

use crate::did::{Issuer, Timestamp};
use crate::session::{
    DataUpdate, IssuerCursor, IssuerPage, Minted, NewSession, PageRequest, SessionData,
    SessionHandle, SessionPage, SessionRecord, SessionStore, StoreError, StoreFuture, TokenMark,
    TokenState, Touched,
};
use crate::stopwatch::Stopwatch;

#[derive(Debug)]
pub(super) struct Observed(pub(super) Arc<dyn SessionStore>);

impl SessionStore for Observed {
    fn mint(&self, session: NewSession, now: Timestamp) -> StoreFuture<Minted> {
        let issuer = session.token.issuer;
        observe("mint", Some(issuer), self.0.mint(session, now), |minted| match minted {
            Minted::Session { .. } => "minted",
            Minted::AlreadyUsed => "already_used",
            Minted::Revoked => "revoked",
            Minted::TooEarly => "too_early",
            Minted::NotKept => "not_kept",
        })
    }

    fn claim(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
        observe("claim", token.owner(), self.0.claim(token, now), |state| match state {
            TokenState::New => "claimed",
            TokenState::Used => "already_used",
            TokenState::Revoked => "revoked",
            TokenState::TooEarly => "too_early",
        })
    }

    fn state_of(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
        observe("state_of", None, self.0.state_of(token, now), |_| "answered")
    }

    fn advance(&self, token: TokenMark, now: Timestamp) -> StoreFuture<bool> {
        observe("advance", None, self.0.advance(token, now), |_| "answered")
    }

    fn load(&self, ticket: &str, now: Timestamp) -> StoreFuture<Option<Arc<SessionRecord>>> {
        observe("load", None, self.0.load(ticket, now), |found| match found {
            Some(_) => "found",
            None => "not_found",
        })
    }

    fn touch(&self, record: &SessionRecord, now: Timestamp) -> StoreFuture<Touched> {
        observe("touch", None, self.0.touch(record, now), |_| "done")
    }

    fn update_data(
        &self,
        record: &SessionRecord,
        data: SessionData,
        now: Timestamp,
    ) -> StoreFuture<DataUpdate> {
        let updating = self.0.update_data(record, data, now);
        observe("update_data", Some(record.issuer), updating, |update| match update {
            DataUpdate::Stored { .. } => "stored",
            DataUpdate::Conflict { .. } => "conflict",
            DataUpdate::Ended => "not_found",
        })
    }

    fn revoke(&self, issuer: Issuer, handle: SessionHandle, now: Timestamp) -> StoreFuture<bool> {
        observe("revoke", Some(issuer), self.0.revoke(issuer, handle, now), |found| match found {
            true => "revoked",
            false => "not_found",
        })
    }

    fn revoke_all(&self, issuer: Issuer, now: Timestamp) -> StoreFuture<()> {
        observe("revoke_all", Some(issuer), self.0.revoke_all(issuer, now), |()| "revoked")
    }

    fn sessions_of(
        &self,
        issuer: Issuer,
        page: PageRequest,
        now: Timestamp,
    ) -> StoreFuture<SessionPage> {
        observe("sessions_of", None, self.0.sessions_of(issuer, page, now), |_| "answered")
    }

    fn issuers(&self, after: Option<IssuerCursor>) -> StoreFuture<IssuerPage> {
        observe("issuers", None, self.0.issuers(after), |_| "answered")
    }

    fn remembers(&self) -> bool {
        self.0.remembers()
    }

    fn keeps_sessions(&self) -> bool {
        self.0.keeps_sessions()
    }

    fn lists_sessions(&self) -> bool {
        self.0.lists_sessions()
    }

    fn ready(&self) -> StoreFuture<()> {
        observe("ready", None, self.0.ready(), |()| "answered")
    }
}

/// Passes an answer on, and reports its outcome. `changed` names the issuer
/// where a call changes something; such calls are logged at level info.
fn observe<T: Send + Unpin + 'static>(
    operation: &'static str,
    changed: Option<Issuer>,
    answer: StoreFuture<T>,
    outcome: fn(&T) -> &'static str,
) -> StoreFuture<T> {
    let started = Stopwatch::start();
    match answer.try_now() {
        Ok(answer) => {
            tell(operation, changed, started, answer.as_ref().map(outcome));
            StoreFuture::ready(answer)
        }
        Err(waiting) => {
            let answer = async move {
                let answer = waiting.await;
                tell(operation, changed, started, answer.as_ref().map(outcome));
                answer
            };
            #[cfg(feature = "tracing")]
            let answer =
                tracing::Instrument::instrument(answer, tracing::debug_span!("store", operation));
            StoreFuture::boxed(answer)
        }
    }
}

fn tell(
    operation: &'static str,
    changed: Option<Issuer>,
    started: Stopwatch,
    outcome: Result<&'static str, &StoreError>,
) {
    #[cfg(feature = "metrics")]
    metrics::histogram!(
        "didt_store_seconds",
        "operation" => operation,
        "outcome" => outcome.unwrap_or_else(|error| match error {
            StoreError::Corrupt(_) => "unreadable",
            _ => "error",
        }),
    )
    .record(started.elapsed());

    #[cfg(feature = "tracing")]
    match (outcome, changed) {
        (Ok(outcome), Some(issuer)) => tracing::info!(operation, outcome, %issuer, "store"),
        (Ok(outcome), None) => tracing::trace!(operation, outcome, "store"),
        (Err(error), _) => {
            let cause = std::error::Error::source(error).map(tracing::field::display);
            tracing::error!(operation, %error, cause, "store failed");
        }
    }
    let _ = (operation, changed, started, outcome);
}
