//! Where people go who signed out by a form.

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Uri};
use tower_didt::DidAuth;
use tower_didt::page::ReturnHosts;

use super::super::config::SignIn;

/// The return addresses that are followed, and the one for everybody else.
#[derive(Clone, Debug)]
pub(crate) struct Leads {
    hosts: ReturnHosts,
    home: String,
}

impl Leads {
    /// The same places as from the page to sign out, where there is one.
    pub(crate) fn new(auth: &DidAuth, prefix: &str, page: Option<&SignIn>) -> Self {
        let hosts = ReturnHosts::of(auth).without_prefix(prefix);
        let Some(page) = page else { return Self { hosts, home: "/".to_owned() } };
        let home = page.after_sign_out.as_ref().unwrap_or(&page.home).clone();
        // The page was made of the same list; if not, fewer hosts are followed.
        let hosts = hosts.clone().with_origins(&page.return_origins).unwrap_or(hosts);
        Self { hosts, home }
    }

    /// The `Location` for this return address: of one that is missing or not allowed, the home.
    pub(super) fn to(&self, rd: Option<&str>, uri: &Uri, headers: &HeaderMap) -> HeaderValue {
        let own = match uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => {
                let mut hosts = headers.get_all(HOST).iter();
                hosts.next().filter(|_| hosts.next().is_none()).and_then(|host| host.to_str().ok())
            }
        };
        let checked = rd.and_then(|rd| self.hosts.check(rd, own).ok());
        let home = || HeaderValue::try_from(&self.home).ok();
        let to = checked.map(|to| to.location()).or_else(home);
        to.unwrap_or(HeaderValue::from_static("/"))
    }
}
