//! Faults that no promise survives, built into the simulated server and network: to show that the
//! simulation finds them.

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Broken {
    /// A token is looked at and marked in two steps, 20 ms apart.
    MarksInTwoSteps,
    /// The mark of a token goes when the token expires by the clock that made the mark.
    MarksWithoutMargin,
    /// Sign-out everywhere ends sessions and no tokens.
    EverywhereSparesTokens,
    /// Of 20 reports of a change one is lost, and the connection lives on.
    ReportsLost,
    /// Of 20 reports one comes up to 3 seconds late, while answers come in time.
    AnswersOvertakeReports,
    /// A master that was replaced goes on to say that it is one.
    ReplicaSaysMaster,
    /// A connection that is lost means "no such session" to those who wait for an answer.
    LostMeansNone,
    /// Of 100 loads one finds somebody else's session.
    MixesSessionsUp,
    /// A revocation is answered at once, and made two seconds later.
    RevokesLater,
    /// A node is never told that its connection was lost, and a new one is made behind its back.
    SilentReconnect,
}
