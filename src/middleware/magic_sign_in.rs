//! What a sign-in asks Magic, and what follows where Magic cannot be asked.

use std::time::Duration;

use crate::magic::Magic;

/// How old the profile of a session in use may become before it is renewed, by default.
const DEFAULT_RENEW_AFTER: Duration = Duration::from_secs(3600);

/// Whom [`DidAuth::with_magic`](super::DidAuth::with_magic) admits, and when.
///
/// Made from a [`Magic`], it admits only the users of the application, and nobody while
/// Magic cannot be asked.
#[derive(Clone, Debug)]
pub struct MagicSignIn {
    pub(super) magic: Magic,
    pub(super) admits_unknown: bool,
    pub(super) admits_while_unavailable: bool,
    pub(super) renew_after: Duration,
}

impl MagicSignIn {
    /// Admits the users of the application whose secret key `magic` has.
    #[must_use]
    pub const fn new(magic: Magic) -> Self {
        Self {
            magic,
            admits_unknown: false,
            admits_while_unavailable: false,
            renew_after: DEFAULT_RENEW_AFTER,
        }
    }

    /// Also admits issuers that Magic does not know: **anyone**, since anyone can make a key. They
    /// have no [`MagicUser`](crate::magic::MagicUser). Off by default: they are refused with 403.
    #[must_use]
    pub const fn admitting_unknown_users(mut self) -> Self {
        self.admits_unknown = true;
        self
    }

    /// Admits people without a [`MagicUser`](crate::magic::MagicUser) while Magic cannot be asked,
    /// made-up keys included: for applications that look their users up themselves. The
    /// profile follows in the background. Off by default: sign-ins are answered with 503 then.
    #[must_use]
    pub const fn admitting_while_unavailable(mut self) -> Self {
        self.admits_while_unavailable = true;
        self
    }

    /// How old the profile of a session may become before a request of that session makes it be
    /// renewed, in the background. Defaults to an hour.
    #[must_use]
    pub const fn with_renewal_after(mut self, age: Duration) -> Self {
        self.renew_after = age;
        self
    }
}

impl From<Magic> for MagicSignIn {
    fn from(magic: Magic) -> Self {
        Self::new(magic)
    }
}
