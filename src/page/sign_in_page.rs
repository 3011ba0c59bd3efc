//! The service: settings in, answers out.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower_service::Service;

use super::looks::Accent;
use super::rendered::Rendered;
use super::routes;
use super::sdk::Script;
use super::settings::{PROVIDERS, Settings};
use super::texts::Texts;
use super::{PageError, ReturnHosts};
use crate::middleware::{AuthBody, ConfigError, DidAuth, TrustedOrigins};

/// A page to sign in with Magic, and one to sign out: a tower service for any path.
///
/// | below its path | |
/// |---|---|
/// | `GET sign-in` | the page. Visitors who are signed in go straight on. `?rd=` is the return address, `?again` asks even those who are signed in |
/// | `GET callback` | where magic links and OAuth come back to |
/// | `GET refused` | a 403 for people who are signed in and may not open a page: send them there with `?rd=`, and they can use another account |
/// | `GET sign-out` | a page with one button; `POST` ends the session |
/// | `POST sign-in`, `POST challenge`, `GET signed-in` | what the page itself asks for |
/// | `GET page.….js` and others | its files, named by their contents |
///
/// The answer to a `POST` that began or ended a session has the [`Session`](crate::Session) among its
/// extensions, so that what is around the page can log it.
///
/// Mount it at `/auth`, or set another path with [`with_prefix`](Self::with_prefix). It guards
/// itself with the [`DidAuth`] it is made of, whose hook, cookie, store and bound login apply here
/// as anywhere; put no other layer around it.
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use axum::Router;
/// use tower_didt::page::SignInPage;
/// use tower_didt::{BoundLogin, DidAuth, Verifier};
///
/// let auth = DidAuth::new(Verifier::new("did:magic:f54168e9-9ce9-47f2-81c8-7cb2a96b26ba"))
///     .with_bound_login(BoundLogin::required());
/// let page = SignInPage::new(&auth, "pk_live_…")
///     .with_title("Sign in to the shop")
///     .with_accent("#0a7a50")?
///     .with_providers(["google", "github"])?;
/// let app: Router = Router::new().nest_service("/auth", page);
/// # }
/// # Ok::<(), tower_didt::page::PageError>(())
/// ```
#[derive(Clone)]
pub struct SignInPage {
    settings: Arc<Settings>,
    /// Made at the first request.
    rendered: Arc<OnceLock<Rendered>>,
}

impl SignInPage {
    /// A page for the Magic application that this publishable key belongs to: e-mail with a code.
    #[must_use]
    pub fn new(auth: &DidAuth, publishable_key: &str) -> Self {
        let settings = Arc::new(Settings::new(auth, publishable_key));
        Self { settings, rendered: Arc::default() }
    }

    /// The path that the page is mounted at. Defaults to `/auth`. People are never sent back to a
    /// path below it.
    ///
    /// # Errors
    ///
    /// [`PageError::Path`] if it is not a canonical path such as `/account`, or the
    /// [home](Self::with_home) is below it.
    pub fn with_prefix(self, prefix: &str) -> Result<Self, PageError> {
        let trimmed = prefix.trim_end_matches('/');
        if !trimmed.is_empty() {
            own_path(trimmed)?;
        }
        self.change(|settings| {
            settings.prefix = trimmed.to_owned();
            let hosts = settings.hosts.clone();
            settings.hosts = match trimmed {
                "" => hosts.with_all_paths(),
                _ => hosts.without_prefix(trimmed),
            };
        })
        .without_loop()
    }

    /// Where people go who come with no way back, or with one that is not allowed: a path of the
    /// own host. Defaults to `/`.
    ///
    /// # Errors
    ///
    /// [`PageError::Path`] if it is not a path in canonical form, or is below the prefix.
    pub fn with_home(self, path: &str) -> Result<Self, PageError> {
        let path = own_path(path)?;
        self.change(|settings| settings.home = path).without_loop()
    }

    /// Refuses a home among the pages that lead there: people would go round for ever.
    fn without_loop(self) -> Result<Self, PageError> {
        let Settings { prefix, home, hosts, .. } = &*self.settings;
        // Mounted at the root of a host, the page has other paths beside it.
        let own = prefix.is_empty() && routes::is_page(home);
        match hosts.check(home, None) {
            Ok(_) if !own => Ok(self),
            _ => Err(PageError::Path),
        }
    }

    /// Where people go who have signed out. Defaults to the [home](Self::with_home); a page that
    /// does not send them to the sign-in page again is better.
    ///
    /// # Errors
    ///
    /// [`PageError::Path`] if it is not a path in canonical form.
    pub fn with_after_sign_out(self, path: &str) -> Result<Self, PageError> {
        let path = own_path(path)?;
        Ok(self.change(|settings| settings.after_sign_out = Some(path)))
    }

    /// Origins that people may be sent back to, besides the own host, the hosts below the
    /// cookie's domain and the [trusted origins](DidAuth::with_trusted_origins).
    ///
    /// # Errors
    ///
    /// [`ConfigError::InvalidOrigin`] if one of them is neither an origin nor a pattern of origins.
    pub fn with_return_origins(
        self,
        origins: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, ConfigError> {
        let origins = TrustedOrigins::new(origins)?;
        Ok(self.change(|settings| {
            settings.hosts = settings.hosts.clone().with_trusted(origins);
        }))
    }

    /// Magic's script. Defaults to [`Script::magic`].
    #[must_use]
    pub fn with_magic_script(self, script: Script) -> Self {
        self.change(|settings| settings.magic = script)
    }

    /// Magic's script for OAuth, which is loaded where there are
    /// [providers](Self::with_providers). Defaults to [`Script::oauth`].
    #[must_use]
    pub fn with_oauth_script(self, script: Script) -> Self {
        self.change(|settings| settings.oauth = script)
    }

    /// The origin of Magic's frame. Defaults to `https://auth.magic.link`; another one is for
    /// those who have a custom domain at Magic.
    ///
    /// # Errors
    ///
    /// [`PageError::Endpoint`] if it is not an `https` origin (`http` on loopback).
    pub fn with_endpoint(self, origin: &str) -> Result<Self, PageError> {
        // Whatever may be returned to may be framed: the grammar is the same.
        let hosts = ReturnHosts::own().with_origins([origin]).map_err(|_| PageError::Endpoint)?;
        hosts.check(origin, None).map_err(|_| PageError::Endpoint)?;
        Ok(self.change(|settings| settings.endpoint = origin.to_owned()))
    }

    /// Providers that people can sign in with, such as `google` and `github`, in the
    /// order of their buttons. They must be enabled in Magic's dashboard.
    ///
    /// # Errors
    ///
    /// [`PageError::Provider`] if Magic's extension does not know one of them.
    pub fn with_providers<'a>(
        self,
        providers: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, PageError> {
        let known = |name: &str| PROVIDERS.iter().copied().find(|(known, _)| *known == name);
        let providers: Option<Vec<_>> = providers.into_iter().map(known).collect();
        let providers = providers.ok_or(PageError::Provider)?;
        Ok(self.change(|settings| settings.providers = providers))
    }

    /// Sends a link by e-mail in place of a code. A link has to be opened in the browser that asked
    /// for it; mail scanners that open links use it up. Defaults to no.
    #[must_use]
    pub fn with_magic_links(self, links: bool) -> Self {
        self.change(|settings| settings.links = links)
    }

    /// Whether people can sign in by e-mail. Defaults to yes; without it there should be
    /// [providers](Self::with_providers).
    #[must_use]
    pub fn with_email(self, email: bool) -> Self {
        self.change(|settings| settings.email = email)
    }

    /// The heading and the title of the page. Defaults to "Sign in". Replaces the text `title`.
    #[must_use]
    pub fn with_title(self, title: &str) -> Self {
        self.change(|settings| settings.texts.set("title", title))
    }

    /// The sentence below the heading. Replaces the text `intro`.
    #[must_use]
    pub fn with_intro(self, intro: &str) -> Self {
        self.change(|settings| settings.texts.set("intro", intro))
    }

    /// All words of the page. Defaults to English. Set it before
    /// [`with_title`](Self::with_title) and [`with_intro`](Self::with_intro).
    #[must_use]
    pub fn with_texts(self, texts: Texts) -> Self {
        self.change(|settings| settings.texts = texts)
    }

    /// The colour of the button, as `#rrggbb`. The text on it is black or white, whichever is
    /// read more easily.
    ///
    /// # Errors
    ///
    /// [`PageError::Colour`] if it is not six hexadecimal digits behind a `#`.
    pub fn with_accent(self, colour: &str) -> Result<Self, PageError> {
        let accent = Accent::parse(colour)?;
        Ok(self.change(|settings| settings.accent = accent))
    }

    /// Rules that are added to the page's style sheet.
    #[must_use]
    pub fn with_css(self, css: &str) -> Self {
        self.change(|settings| settings.css = css.to_owned())
    }

    /// An image above the heading: a path of the own host, or an `https` URL.
    ///
    /// # Errors
    ///
    /// [`PageError::Link`] if it is neither.
    pub fn with_logo(self, url: &str) -> Result<Self, PageError> {
        let url = link(url)?;
        Ok(self.change(|settings| settings.logo = Some(url)))
    }

    /// A link to a privacy statement: a path of the own host, or an `https` URL.
    ///
    /// # Errors
    ///
    /// [`PageError::Link`] if it is neither.
    pub fn with_privacy_link(self, url: &str) -> Result<Self, PageError> {
        let url = link(url)?;
        Ok(self.change(|settings| settings.privacy = Some(url)))
    }

    /// A link for people who cannot sign in: a path of the own host, or an `https` URL.
    ///
    /// # Errors
    ///
    /// [`PageError::Link`] if it is neither.
    pub fn with_help_link(self, url: &str) -> Result<Self, PageError> {
        let url = link(url)?;
        Ok(self.change(|settings| settings.help = Some(url)))
    }

    /// The bytes that a browser loads for the page, compressed, Magic's own scripts not counted.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.rendered().weight()
    }

    fn rendered(&self) -> &Rendered {
        self.rendered.get_or_init(|| Rendered::new(&self.settings))
    }

    fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self.rendered = Arc::default();
        self
    }
}

fn own_path(path: &str) -> Result<String, PageError> {
    let checked = ReturnHosts::own().check(path, None).map_err(|_| PageError::Path)?.to_string();
    (checked == path && path.starts_with('/')).then_some(checked).ok_or(PageError::Path)
}

/// A path, or an `https` URL of any host.
fn link(url: &str) -> Result<String, PageError> {
    if url.starts_with('/') {
        return own_path(url).map_err(|_| PageError::Link);
    }
    let rest = url.strip_prefix("https://").ok_or(PageError::Link)?;
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let checked = ReturnHosts::own().check(url, Some(host)).map_err(|_| PageError::Link)?;
    Ok(format!("https://{}{checked}", host.to_ascii_lowercase()))
}

impl<B> Service<Request<B>> for SignInPage {
    type Response = Response<AuthBody<Full<Bytes>>>;
    type Error = Infallible;
    type Future = PageFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> PageFuture {
        let page = self.clone();
        // No answer depends on a body, and a stranger's is not waited for.
        let request = request.map(drop);
        PageFuture(Box::pin(async move {
            let rendered = page.rendered();
            Ok(routes::answer(&page.settings, rendered, request).await)
        }))
    }
}

impl fmt::Debug for SignInPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInPage").field("prefix", &self.settings.prefix).finish_non_exhaustive()
    }
}

type Answer = Result<Response<AuthBody<Full<Bytes>>>, Infallible>;

/// The future of a [`SignInPage`].
pub struct PageFuture(Pin<Box<dyn Future<Output = Answer> + Send>>);

impl Future for PageFuture {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for PageFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageFuture")
    }
}
