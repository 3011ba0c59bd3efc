//! The session cookie: set and cleared from one description, so that both always match.

use std::time::Duration;

use cookie::{Cookie, time};
use http::HeaderValue;

use super::ConfigError;
use super::domain::{is_ipv4, is_public_suffix};
use crate::did::Timestamp;
use crate::session::{SessionRecord, Ticket};

/// Browsers keep no cookie longer than 400 days (RFC 6265bis).
pub(super) const MAX_MAX_AGE: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// When a browser sends the cookie along with requests that another site caused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SameSite {
    /// With top-level navigations only, such as following a link. The default.
    #[default]
    Lax,
    /// Never. A user who follows a link to the site arrives signed out.
    Strict,
    /// Always. For pages embedded in other sites. Only the layer's own
    /// cross-origin check then protects the cookie from foreign pages.
    None,
}

/// The session cookie: `__Host-` name, `Path=/; Secure; HttpOnly; SameSite=Lax`.
///
/// The prefix makes browsers refuse the cookie without `Secure`, with a
/// `Domain`, or from another host (RFC 6265bis section 4.1.3.2; ASVS 5.0, 3.3).
///
/// ```
/// use tower_didt::{SameSite, SessionCookie};
///
/// let cookie = SessionCookie::named("shop")?.with_same_site(SameSite::Strict);
/// assert_eq!(cookie.name(), "__Host-shop");
/// // One sign-in for shop.example.com and blog.example.com: read what that costs first.
/// let cookie = SessionCookie::for_sub_domains("example", "example.com")?;
/// assert_eq!(cookie.name(), "__Secure-example");
/// # Ok::<(), tower_didt::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCookie {
    /// The whole name, prefix included.
    name: String,
    domain: Option<String>,
    same_site: SameSite,
    secure: bool,
    http_only: bool,
}

impl SessionCookie {
    /// The default name.
    pub const DEFAULT_NAME: &str = "__Host-didt";

    /// A cookie named `__Host-` and `name`.
    ///
    /// Services that share a host must use different names.
    ///
    /// # Errors
    ///
    /// [`InvalidCookieName`](ConfigError::InvalidCookieName) if `name` is empty
    /// or has a character that a cookie's name must not have (RFC 6265 section 4.1.1).
    pub fn named(name: &str) -> Result<Self, ConfigError> {
        check_name(name)?;
        Ok(Self { name: format!("__Host-{name}"), ..Self::default() })
    }

    /// A cookie named `__Secure-` and `name` that all hosts under `domain` get.
    ///
    /// One sign-in then serves all of them. Without the `__Host-` prefix, every
    /// host under `domain`, even a forgotten blog, receives the cookie and can
    /// set one of its own in its place. Where the hosts do not trust each other
    /// fully, let each have its own session.
    ///
    /// # Errors
    ///
    /// As [`named`](Self::named); and [`InvalidCookieDomain`](ConfigError::InvalidCookieDomain)
    /// if `domain` is not a host name of two or more labels, in lower case and
    /// without a dot in front; or, with the feature `public-suffix`, if it is a public suffix.
    pub fn for_sub_domains(name: &str, domain: &str) -> Result<Self, ConfigError> {
        check_name(name)?;
        check_domain(domain)?;
        let (name, domain) = (format!("__Secure-{name}"), Some(domain.to_owned()));
        Ok(Self { name, domain, ..Self::default() })
    }

    /// Sets `SameSite`. Defaults to [`SameSite::Lax`].
    #[must_use]
    pub fn with_same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// **Insecure.** Leaves `Secure` and the name's prefix away, so that browsers send the
    /// cookie over plain HTTP, where anyone on the network path can read and use it.
    #[must_use]
    pub fn insecure_over_http(mut self) -> Self {
        let bare = |prefix| self.name.strip_prefix(prefix).map(str::to_owned);
        if let Some(name) = bare("__Host-").or_else(|| bare("__Secure-")) {
            self.name = name;
        }
        self.secure = false;
        self
    }

    /// **Insecure.** Leaves `HttpOnly` away, so that any script in a page, an injected
    /// one too, can read the session out and carry it elsewhere.
    #[must_use]
    pub fn insecure_readable_by_scripts(mut self) -> Self {
        self.http_only = false;
        self
    }

    /// The whole name, prefix included.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Browsers send it over HTTPS only.
    pub(super) const fn is_secure(&self) -> bool {
        self.secure
    }

    #[cfg(feature = "sign-in-page")]
    pub(super) fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// The cookie of a bound login's challenge, beside this one: never for other hosts,
    /// never for scripts.
    pub(super) fn for_challenges(&self) -> Self {
        let bare =
            ["__Host-", "__Secure-"].iter().find_map(|prefix| self.name.strip_prefix(prefix));
        let prefix = if self.secure { "__Host-" } else { "" };
        Self {
            name: format!("{prefix}{}-challenge", bare.unwrap_or(&self.name)),
            domain: None,
            http_only: true,
            ..self.clone()
        }
    }

    /// The `Set-Cookie` that hands a session to the browser, until the session ends.
    pub(super) fn set(
        &self,
        ticket: &Ticket,
        record: &SessionRecord,
        now: Timestamp,
    ) -> Option<HeaderValue> {
        let max_age = record.expires_at.since(now).min(MAX_MAX_AGE);
        self.header(ticket.expose_secret(), max_age)
    }

    /// The same until the browser is closed, or the session ends on the server.
    pub(super) fn set_until_closed(&self, ticket: &Ticket) -> Option<HeaderValue> {
        self.write(ticket.expose_secret(), None)
    }

    /// The `Set-Cookie` that takes it away again.
    pub(super) fn clear(&self) -> Option<HeaderValue> {
        self.header("", Duration::ZERO)
    }

    /// The `Set-Cookie` that takes away one of the same name that this host alone gets, where this
    /// one is for a whole domain: left behind by an older configuration, or planted.
    pub(super) fn clear_host_only(&self) -> Option<HeaderValue> {
        self.domain.as_ref()?;
        Self { domain: None, ..self.clone() }.clear()
    }

    /// Whether a `Set-Cookie` sets or clears this cookie, or its challenge.
    pub(super) fn is_set_by(&self, set_cookie: &HeaderValue) -> bool {
        let name = set_cookie.as_bytes().split(|byte| *byte == b'=').next().unwrap_or_default();
        name == self.name.as_bytes() || name == self.for_challenges().name.as_bytes()
    }

    /// `None` only for a ticket that no header can carry.
    pub(super) fn header(&self, value: &str, max_age: Duration) -> Option<HeaderValue> {
        self.write(value, Some(max_age))
    }

    /// Without a `Max-Age`, a cookie goes when the browser is closed (RFC 6265 section 5.3).
    fn write(&self, value: &str, max_age: Option<Duration>) -> Option<HeaderValue> {
        let mut cookie = Cookie::build((self.name.as_str(), value))
            .path("/")
            .secure(self.secure)
            .http_only(self.http_only)
            .same_site(match self.same_site {
                SameSite::Lax => cookie::SameSite::Lax,
                SameSite::Strict => cookie::SameSite::Strict,
                SameSite::None => cookie::SameSite::None,
            });
        if let Some(max_age) = max_age {
            let seconds = i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX);
            cookie = cookie.max_age(time::Duration::seconds(seconds));
        }
        if let Some(domain) = &self.domain {
            cookie = cookie.domain(domain);
        }
        let mut header = HeaderValue::try_from(cookie.build().to_string()).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

impl Default for SessionCookie {
    fn default() -> Self {
        Self {
            name: Self::DEFAULT_NAME.to_owned(),
            domain: None,
            same_site: SameSite::default(),
            secure: true,
            http_only: true,
        }
    }
}

fn check_name(name: &str) -> Result<(), ConfigError> {
    let valid = !name.is_empty() && name.bytes().all(is_token_char);
    valid.then_some(()).ok_or(ConfigError::InvalidCookieName)
}

/// Two labels or more: browsers accept no cookie for a whole top-level domain, nor for an address or
/// any public suffix (RFC 6265bis section 5.7).
fn check_domain(domain: &str) -> Result<(), ConfigError> {
    let is_label = |label: &str| {
        let inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        !label.is_empty()
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let valid = domain.contains('.')
        && domain.split('.').all(is_label)
        && !is_ipv4(domain)
        && !is_public_suffix(domain);
    valid.then_some(()).ok_or(ConfigError::InvalidCookieDomain)
}

/// RFC 9110 section 5.6.2, `tchar`.
fn is_token_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{SessionData, SessionHandle};

    fn attributes(header: &HeaderValue) -> Vec<String> {
        let text = header.to_str().expect("ASCII");
        let mut attributes: Vec<_> = text.split("; ").skip(1).map(str::to_owned).collect();
        attributes.sort();
        attributes
    }

    #[test]
    fn setting_and_clearing_differ_in_value_and_max_age_alone() {
        let cookie = SessionCookie::default();
        let ticket = Ticket::from_secret("secret".to_owned());
        let record = SessionRecord::new(
            SessionHandle::from_bytes([0; 32]),
            "did:ethr:0x52908400098527886E0F7030069857D2E4169EE7".parse().expect("an issuer"),
            Timestamp::from_secs(0),
            Timestamp::from_secs(604_800),
            SessionData::NONE,
        );
        let set = cookie.set(&ticket, &record, Timestamp::from_secs(0)).expect("a header");
        let clear = cookie.clear().expect("a header");
        assert!(set.to_str().expect("ASCII").starts_with("__Host-didt=secret; "));
        assert!(clear.to_str().expect("ASCII").starts_with("__Host-didt=; "));
        let expected =
            |age| ["HttpOnly", age, "Path=/", "SameSite=Lax", "Secure"].map(String::from);
        assert_eq!(attributes(&set), expected("Max-Age=604800"));
        assert_eq!(attributes(&clear), expected("Max-Age=0"));
        assert!(set.is_sensitive());
    }

    #[test]
    fn a_cookie_until_the_browser_is_closed_differs_in_max_age_alone() {
        let cookie = SessionCookie::default();
        let ticket = Ticket::from_secret("secret".to_owned());
        let set = cookie.set_until_closed(&ticket).expect("a header");
        assert!(set.to_str().expect("ASCII").starts_with("__Host-didt=secret; "));
        assert_eq!(attributes(&set), ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]);
        assert!(set.is_sensitive());
    }

    #[test]
    fn max_age_counts_from_now_and_stays_within_what_browsers_keep() {
        let cookie = SessionCookie::default();
        let ticket = Ticket::from_secret("secret".to_owned());
        let mut record = SessionRecord::new(
            SessionHandle::from_bytes([0; 32]),
            "did:ethr:0x52908400098527886E0F7030069857D2E4169EE7".parse().expect("an issuer"),
            Timestamp::from_secs(0),
            Timestamp::from_secs(100),
            SessionData::NONE,
        );
        let set = |record: &_| cookie.set(&ticket, record, Timestamp::from_secs(40)).expect("set");
        assert!(attributes(&set(&record)).contains(&"Max-Age=60".to_owned()));
        record.expires_at = Timestamp::MAX;
        assert!(attributes(&set(&record)).contains(&"Max-Age=34560000".to_owned()));
    }

    #[test]
    fn names_that_would_break_the_header_are_refused() {
        for bad in ["", "a b", "a;b", "a=b", "a,b", "ä", "a\r\nb"] {
            assert!(SessionCookie::named(bad).is_err(), "{bad:?}");
        }
        assert_eq!(SessionCookie::named("app").expect("a name").name(), "__Host-app");
    }

    #[test]
    fn a_cookie_for_sub_domains_says_so_in_its_name_and_keeps_the_rest() {
        let cookie = SessionCookie::for_sub_domains("app", "example.com").expect("a cookie");
        let clear = cookie.clear().expect("a header");
        assert!(clear.to_str().expect("ASCII").starts_with("__Secure-app=; "));
        let expected = ["Domain=example.com", "HttpOnly", "Max-Age=0", "Path=/"];
        assert_eq!(attributes(&clear)[..4], expected);
        for bad in ["", "com", ".example.com", "example.com.", "EXAMPLE.com", "a_b.com", "a b.com"]
        {
            assert!(SessionCookie::for_sub_domains("app", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_cookie_is_for_no_address_and_for_no_domain_that_anybody_can_have_a_host_under() {
        for address in ["127.0.0.1", "10.1", "app.0x7f"] {
            assert!(SessionCookie::for_sub_domains("app", address).is_err(), "{address}");
        }
        for suffix in ["co.uk", "github.io", "vercel.app"] {
            let refused = SessionCookie::for_sub_domains("app", suffix).is_err();
            // Nobody knows without the list.
            assert_eq!(refused, cfg!(feature = "public-suffix"), "{suffix}");
        }
    }

    #[test]
    fn only_methods_that_say_insecure_weaken_the_cookie() {
        let cookie = SessionCookie::default().with_same_site(SameSite::None);
        let strong = attributes(&cookie.clear().expect("a header"));
        assert_eq!(strong, ["HttpOnly", "Max-Age=0", "Path=/", "SameSite=None", "Secure"]);

        let over_http = SessionCookie::default().insecure_over_http();
        assert_eq!(over_http.name(), "didt");
        let weak = attributes(&over_http.clear().expect("a header"));
        assert_eq!(weak, ["HttpOnly", "Max-Age=0", "Path=/", "SameSite=Lax"]);

        let readable = SessionCookie::default().insecure_readable_by_scripts();
        let weak = attributes(&readable.clear().expect("a header"));
        assert_eq!(weak, ["Max-Age=0", "Path=/", "SameSite=Lax", "Secure"]);
    }

    #[test]
    fn the_challenge_cookie_stays_on_this_host_and_away_from_scripts() {
        let rows = [
            (SessionCookie::default(), "__Host-didt-challenge"),
            (SessionCookie::named("app").expect("a name"), "__Host-app-challenge"),
            (
                SessionCookie::for_sub_domains("app", "example.com").expect("a cookie"),
                "__Host-app-challenge",
            ),
            (SessionCookie::default().insecure_readable_by_scripts(), "__Host-didt-challenge"),
        ];
        for (cookie, name) in rows {
            let challenge = cookie.for_challenges();
            assert_eq!(challenge.name(), name);
            let clear = attributes(&challenge.clear().expect("a header"));
            assert_eq!(clear, ["HttpOnly", "Max-Age=0", "Path=/", "SameSite=Lax", "Secure"]);
        }
        let over_http = SessionCookie::default().insecure_over_http().for_challenges();
        assert_eq!(over_http.name(), "didt-challenge");
    }
}
