//! A sign-in page, and redirects to it.
//!
//! ```
//! # #[cfg(feature = "axum")] {
//! use axum::{Router, routing::get};
//! use tower_didt::page::SignInPage;
//! use tower_didt::{DidAuth, Session, Verifier};
//!
//! let auth = DidAuth::new(Verifier::new("did:magic:f54168e9-9ce9-47f2-81c8-7cb2a96b26ba"));
//! let app: Router = Router::new()
//!     .route("/me", get(async |session: Session| session.issuer().to_string()))
//!     .layer(auth.layer().redirecting_to("/auth/sign-in")?)
//!     .nest_service("/auth", SignInPage::new(&auth, "pk_live_…"));
//! # }
//! # Ok::<(), tower_didt::ConfigError>(())
//! ```
//!
//! ```text
//! redirect     401 → 302 for those who navigate, with the way back
//! return_to ─┬─ site   scheme, host, port         where people may be sent back to
//!            └─ path   the one spelling of a path
//! sign_in_page ─► routes ─┬─ rendered ◄─ html ◄─ texts, looks, sdk     the pages and files
//!                         ├─ reason      what a rejection is called in the page
//!                         └─ asset       one file: hash, compression, headers
//! ```

mod asset;
mod html;
mod looks;
mod page_error;
mod path;
mod reason;
mod redirect;
mod rendered;
mod return_fault;
mod return_to;
mod routes;
mod sdk;
mod settings;
mod sign_in_page;
mod site;
mod texts;

pub use self::page_error::PageError;
pub use self::return_fault::ReturnFault;
pub use self::return_to::{MAX_RETURN_LEN, ReturnHosts, ReturnTo};
pub use self::sdk::Script;
pub use self::sign_in_page::{PageFuture, SignInPage};
pub use self::texts::Texts;
