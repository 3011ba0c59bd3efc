//! Used tokens: whether they are good for anything.

/// What becomes of a token that was used before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Replay {
    /// It authenticates its own request until it expires, and makes no further session.
    #[default]
    Authenticate,
    /// It is refused: every token is good for one request.
    SingleUse,
    /// As [`Authenticate`](Self::Authenticate), but a token that was issued before the
    /// newest one accepted of its issuer is refused: signing in again puts an end
    /// to all tokens made earlier.
    NewestOnly,
}
