//! Who was rejected, for those who watch from outside.

use crate::did::Issuer;

/// The issuer of a request that does not pass, where a good token or a session proved who it is.
///
/// The layer puts it into the response's extensions, beside the [`Rejection`](super::Rejection),
/// for audit logs. The client is not told.
///
/// ```
/// use http::Response;
/// use tower_didt::Rejection;
/// use tower_didt::layer::RejectedIssuer;
///
/// fn note<B>(response: &Response<B>) {
///     let extensions = response.extensions();
///     if let (Some(rejection), Some(RejectedIssuer(issuer))) =
///         (extensions.get::<Rejection>(), extensions.get())
///     {
///         eprintln!("{issuer} was rejected: {}", rejection.name());
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectedIssuer(pub Issuer);
