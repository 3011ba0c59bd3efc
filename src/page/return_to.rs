//! The way back: the one return address that a visitor may be sent to, or none.
//!
//! A page that redirects to what its URL says is what every sign-in page has been attacked by.
//! An address is therefore read by a strict grammar, compared in its canonical form, and written
//! from what was read, never from the text.

use std::fmt;

use http::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::ReturnFault;
use super::path;
use super::site::Site;
use crate::middleware::{ConfigError, DidAuth, Origin, TrustedOrigins};

/// The most bytes of a return address. Escaped once more into the query of the sign-in page it
/// still fits into the 4 KiB in which gateways buffer the head of an answer (nginx,
/// `proxy_buffer_size`).
pub const MAX_RETURN_LEN: usize = 2048;

/// What a value in a query must not have as it is (the URL standard,
/// *application/x-www-form-urlencoded*).
const VALUE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'#')
    .add(b'"')
    .add(b'\'')
    .add(b'<')
    .add(b'>');

/// A return address that was checked: a path of the own host, or a whole URL of a host that is
/// allowed.
///
/// ```
/// use tower_didt::page::ReturnHosts;
///
/// let hosts = ReturnHosts::own().with_origins(["https://wiki.example.com"])?;
/// let to = |text| hosts.check(text, Some("app.example.com")).map(|to| to.to_string());
///
/// assert_eq!(to("/reports?year=2026"), Ok("/reports?year=2026".to_owned()));
/// assert_eq!(to("https://app.example.com/reports"), Ok("/reports".to_owned()));
/// assert_eq!(to("https://wiki.example.com/"), Ok("https://wiki.example.com/".to_owned()));
/// assert!(to("https://evil.example/").is_err());
/// assert!(to("//evil.example/").is_err());
/// # Ok::<(), tower_didt::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// The value of a `Location`.
    #[must_use]
    pub fn location(&self) -> HeaderValue {
        // Visible ASCII by its grammar, which every header can carry.
        HeaderValue::try_from(&self.0).unwrap_or(HeaderValue::from_static("/"))
    }
}

impl ReturnTo {
    /// `rd=…`, for the query of a sign-in page.
    ///
    /// ```
    /// use tower_didt::page::ReturnHosts;
    ///
    /// let to = ReturnHosts::own().check("/orders?page=2&all", None)?;
    /// assert_eq!(to.to_query(), "rd=/orders?page=2%26all");
    /// # Ok::<(), tower_didt::page::ReturnFault>(())
    /// ```
    #[must_use]
    pub fn to_query(&self) -> String {
        format!("rd={}", utf8_percent_encode(&self.0, VALUE))
    }
}

impl ReturnTo {
    /// A path of the own host as a whole URL, for a page on another one.
    pub(super) fn on(self, own: &Origin) -> Self {
        Self(own.to_string() + &self.0)
    }
}

impl fmt::Display for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The hosts that visitors may be sent back to: the one that they are on, hosts at or below a
/// domain, and origins by name.
#[derive(Clone, Debug, Default)]
pub struct ReturnHosts {
    domain: Option<String>,
    origins: Vec<TrustedOrigins>,
    /// People are not sent back to the pages that sent them away.
    prefix: Option<String>,
}

impl ReturnHosts {
    /// Only the host that the visitor is on.
    #[must_use]
    pub fn own() -> Self {
        Self::default()
    }

    /// All hosts that trust each other with a session of this [`DidAuth`]: the one that the visitor
    /// is on, those that its [cookie](crate::SessionCookie::for_sub_domains) reaches, and its
    /// [trusted origins](DidAuth::with_trusted_origins).
    ///
    /// ```
    /// use tower_didt::page::ReturnHosts;
    /// use tower_didt::{DidAuth, Verifier};
    ///
    /// let auth = DidAuth::new(Verifier::new("did:magic:my-app"))
    ///     .with_trusted_origins(["https://wiki.example.com"])?;
    /// assert!(ReturnHosts::of(&auth).check("https://wiki.example.com/", None).is_ok());
    /// # Ok::<(), tower_didt::ConfigError>(())
    /// ```
    #[must_use]
    pub fn of(auth: &DidAuth) -> Self {
        let hosts = Self::own().with_trusted(auth.trusted_origins().clone());
        match auth.cookie_domain() {
            Some(domain) => hosts.with_domain(domain),
            None => hosts,
        }
    }

    /// Hosts at and below this domain too, over `https` and on its own port. For a cookie
    /// that [all of them get](crate::SessionCookie::for_sub_domains).
    #[must_use]
    pub fn with_domain(mut self, domain: &str) -> Self {
        self.domain = Some(domain.to_ascii_lowercase());
        self
    }

    /// These origins too, such as `https://wiki.example.com`. Plain `http` only on
    /// loopback.
    ///
    /// # Errors
    ///
    /// [`ConfigError::InvalidOrigin`] if one of them is neither an origin nor a pattern of origins.
    pub fn with_origins(
        mut self,
        origins: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, ConfigError> {
        self.origins.push(TrustedOrigins::new(origins)?);
        Ok(self)
    }

    /// Refuses paths of the own host at and below this one: the pages that visitors
    /// come from.
    #[must_use]
    pub fn without_prefix(mut self, prefix: &str) -> Self {
        self.prefix = Some(prefix.trim_end_matches('/').to_owned());
        self
    }

    /// For a page at the root of its host, where all paths are below it.
    pub(super) fn with_all_paths(mut self) -> Self {
        self.prefix = None;
        self
    }

    pub(super) fn with_trusted(mut self, origins: TrustedOrigins) -> Self {
        self.origins.push(origins);
        self
    }

    /// Checks a return address: a path with an optional query, or a whole URL. `own` is the
    /// authority that the visitor is on, as `Host` or `:authority` has it; without it only
    /// paths and listed hosts are accepted.
    ///
    /// # Errors
    ///
    /// [`ReturnFault`] for whatever is not allowed, or not in the canonical form of a URL.
    pub fn check(&self, text: &str, own: Option<&str>) -> Result<ReturnTo, ReturnFault> {
        if text.len() > MAX_RETURN_LEN {
            return Err(ReturnFault::TooLong);
        }
        // Browsers drop tabs and newlines from URLs, take `\` for `/`, and decode what is
        // beyond ASCII in their own ways.
        if !text.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b'\\' && byte != b'#') {
            return Err(ReturnFault::Character);
        }
        if text.starts_with('/') {
            return self.own_path(text);
        }
        let (https, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err(ReturnFault::NotAbsolute),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let site = Site::parse(authority, https)?;
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        if !https && !site.is_loopback() {
            return Err(ReturnFault::Scheme);
        }
        if own.is_some_and(|own| Site::parse(own, https).as_ref() == Ok(&site)) {
            return self.own_path(&target);
        }
        let below = https && self.domain.as_ref().is_some_and(|domain| site.is_below(domain));
        if !below && !self.origins.iter().any(|list| list.contains(site.origin())) {
            return Err(ReturnFault::Foreign);
        }
        path::canonical(&target).map(|target| ReturnTo(site.origin().to_string() + &target))
    }

    fn own_path(&self, text: &str) -> Result<ReturnTo, ReturnFault> {
        let target = path::canonical(text)?;
        let path = target.split('?').next().unwrap_or_default();
        let within = |prefix: &String| {
            path.strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match self.prefix.as_ref().is_some_and(within) {
            true => Err(ReturnFault::Loop),
            false => Ok(ReturnTo(target)),
        }
    }

    /// The list as a content security policy names it, for forms that are answered with a
    /// redirect.
    pub(super) fn sources(&self) -> impl Iterator<Item = String> {
        let below = self
            .domain
            .iter()
            .flat_map(|domain| [format!("https://{domain}"), format!("https://*.{domain}")]);
        below.chain(self.origins.iter().flat_map(TrustedOrigins::texts))
    }
}
