//! From 401 to the sign-in page, with the way back.

use bytes::Bytes;
use http::header::{HOST, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use http_body_util::Full;

use super::site::Site;
use super::{ReturnHosts, ReturnTo, path};
use crate::middleware::{Answer, ConfigError, DidLayer, Instead, Rejection, Scheme, is_navigation};

impl DidLayer {
    /// Sends people who are not signed in to a sign-in page, with `302` and the way back
    /// in the query as `rd`. All other requests get the usual 401.
    ///
    /// "People" are [navigations](crate::layer::is_navigation): a browser that opens a page.
    /// Scripts, programs, WebSockets and requests with a token are never redirected. A cookie whose
    /// session has ended is taken away by the same answer. The body of a `POST` would be lost on
    /// the way, so it is not redirected either.
    ///
    /// `sign_in` is a path, or a whole `https` URL for a page on another host. Such a page is given
    /// a whole URL as `rd`, and has to have this host in its list. The way back is the request's
    /// URI as this layer sees it: under axum put the layer around the outermost router, because
    /// `nest` takes its own prefix off. An address that is [not canonical](super::ReturnFault), or
    /// longer than [2 KiB](super::MAX_RETURN_LEN), is left out.
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// use axum::{Router, routing::get};
    /// use tower_didt::page::SignInPage;
    /// use tower_didt::{DidAuth, Session, Verifier};
    ///
    /// let auth = DidAuth::new(Verifier::new("did:magic:f54168e9-9ce9-47f2-81c8-7cb2a96b26ba"));
    /// let app: Router = Router::new()
    ///     .route("/me", get(async |session: Session| session.issuer().to_string()))
    ///     .layer(auth.layer().redirecting_to("/auth/sign-in")?)
    ///     .nest_service("/auth", SignInPage::new(&auth, "pk_live_…"));
    /// # }
    /// # Ok::<(), tower_didt::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::InvalidSignInPage`] if `sign_in` is neither a path nor an `https` URL in
    /// canonical form, or has a query.
    pub fn redirecting_to(self, sign_in: &str) -> Result<Self, ConfigError> {
        let target = Target::parse(sign_in).ok_or(ConfigError::InvalidSignInPage)?;
        Ok(self.answering(Instead::new(move |rejection, head, scheme| {
            target.answer(rejection, head, scheme)
        })))
    }
}

/// Where people are sent to sign in.
struct Target {
    /// The path, or the whole URL.
    url: String,
    /// It is on the host that they are on.
    own: bool,
}

impl Target {
    fn parse(text: &str) -> Option<Self> {
        if text.contains('?') {
            return None;
        }
        let own = text.starts_with('/');
        let checked = if own {
            ReturnHosts::own().check(text, None).ok()?.to_string()
        } else {
            let end = text.find("://")? + 3;
            let host = text.get(end..)?.split('/').next()?;
            let path = text.get(end + host.len()..)?;
            let https = text.starts_with("https://");
            let site = Site::parse(host, https).ok()?;
            let plain = text.starts_with("http://") && site.is_loopback();
            if !https && !plain {
                return None;
            }
            site.origin().to_string() + &path::canonical(path).ok()?
        };
        (checked == text).then_some(Self { url: checked, own })
    }

    fn answer(&self, rejection: &Rejection, head: &Parts, scheme: Scheme) -> Option<Answer> {
        // Were the page itself behind the layer, it would be sent to itself for ever.
        let itself = self.own && head.uri.path() == self.url;
        if itself || !rejection.lacks_session() || !is_navigation(&head.method, &head.headers) {
            return None;
        }
        let mut location = self.url.clone();
        if let Some(back) = self.way_back(head, scheme) {
            location.push('?');
            location.push_str(&back.to_query());
        }
        let mut response = Response::new(Full::<Bytes>::default());
        *response.status_mut() = StatusCode::FOUND;
        response.headers_mut().insert(LOCATION, HeaderValue::try_from(location).ok()?);
        Some(response.into())
    }

    fn way_back(&self, head: &Parts, scheme: Scheme) -> Option<ReturnTo> {
        let target = head.uri.path_and_query()?.as_str();
        let path = ReturnHosts::own().check(target, None).ok()?;
        if self.own {
            return Some(path);
        }
        let https = match head.uri.scheme_str() {
            Some(scheme) => scheme == "https",
            None => scheme == Scheme::Https,
        };
        let site = Site::parse(authority(&head.uri, &head.headers)?, https).ok()?;
        Some(path.on(site.origin()))
    }
}

/// The host that a request is for: in its target, as in HTTP/2, or else in `Host`.
pub(super) fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    if let Some(authority) = uri.authority() {
        return Some(authority.as_str());
    }
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    hosts.next().is_none().then_some(host)
}
