//! Why it does not serve.

use std::fmt;
use std::io;

use tower_didt::magic::{MagicConfigError, MagicError};
use tower_didt::{ConfigError, StoreError};

use crate::serve::assertion::InvalidKey;
use crate::serve::did_auth::OpenError;
use crate::serve::server::{BindError, TlsError};
use crate::serve::sites::SiteName;

/// Why it does not serve: one line.
#[derive(Debug)]
pub(crate) enum StartError {
    Logging,
    Measuring,
    Signals(io::Error),
    Open(OpenError),
    /// What is new about the store, and does not answer.
    Store(StoreError),
    Auth(ConfigError),
    SignIn(String),
    /// Neither an audience nor a secret key, which has one, was given.
    NoAudience,
    /// Magic says that the secret keys of two sites are of one application.
    SharedAudience {
        audience: String,
        sites: [SiteName; 2],
    },
    /// An application went from one site to another. A token that the former has used would sign in at
    /// the latter.
    MovedAudience {
        audience: String,
        from: SiteName,
        to: SiteName,
    },
    Magic(MagicConfigError),
    /// The secret key is refused, or Magic's answer is not understood.
    ClientId(MagicError),
    Assertion(InvalidKey),
    Tls(TlsError),
    Bind(BindError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Logging => {
                f.write_str("a global log subscriber is already set, or no thread could be started")
            }
            Self::Measuring => f.write_str("a global metrics recorder is already set"),
            Self::Signals(error) => write!(f, "cannot install signal handlers: {error}"),
            Self::Open(error) => error.fmt(f),
            Self::Store(error) => write!(f, "store: {error}"),
            Self::Auth(error) => error.fmt(f),
            Self::SignIn(error) => write!(f, "sign_in: {error}"),
            Self::NoAudience => f.write_str("audiences: missing"),
            Self::SharedAudience { audience, sites: [one, other] } => write!(
                f,
                "audiences: the sites {one} and {other} both accept {audience:?}, so that its tokens \
                 would sign in at both; every application belongs to one site"
            ),
            Self::MovedAudience { audience, from, to } => write!(
                f,
                "audiences: {audience:?} went from the site {from} to the site {to}, which takes a restart"
            ),
            Self::Magic(error) => write!(f, "magic: {error}"),
            Self::ClientId(error) => {
                write!(f, "magic.secret_key_file: the client id cannot be learnt: {error}")
            }
            Self::Assertion(error) => write!(f, "assertion.key_file: {error}"),
            Self::Tls(error) => write!(f, "listen.tls: {error}"),
            Self::Bind(error) => error.fmt(f),
        }
    }
}
