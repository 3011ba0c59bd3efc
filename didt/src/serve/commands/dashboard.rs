//! What has to be entered in Magic's dashboard, so that its SDK works on the sign-in page.

use std::collections::BTreeSet;
use std::io::{self, Write};

use crate::serve::config::{Config, SignIn};
use crate::serve::policy::{HostPattern, Policy};
use crate::serve::sites::Named;

/// Stands for a host that no rule names.
const ANY_HOST: &str = "HOST";

/// The table, where there is a sign-in page.
pub(super) fn write(out: &mut impl Write, config: &Config, site: Option<&Named>) -> io::Result<()> {
    let Some(sign_in) = &config.sign_in else { return Ok(()) };
    let hosts = match site {
        Some(site) => site.hosts.iter().map(shown).collect(),
        None => hosts(&config.policy),
    };
    writeln!(out, "\nIN MAGIC'S DASHBOARD")?;
    let mut row = |setting: &str, value: &str| writeln!(out, "{setting:<18}  {value}");
    for host in &hosts {
        row("Domain allowlist", &format!("https://{host}"))?;
    }
    if comes_back(sign_in) {
        for host in &hosts {
            let prefix = &config.public.prefix;
            row("Redirect allowlist", &format!("https://{host}{prefix}/callback"))?;
        }
    }
    if !sign_in.providers.is_empty() {
        row("Social login", &sign_in.providers.join(", "))?;
    }
    if hosts.iter().any(|host| host.contains(ANY_HOST)) {
        writeln!(
            out,
            "{ANY_HOST} is every host on which people sign in, with its port if it has one"
        )?;
    }
    Ok(())
}

/// Whether people leave the page and come back to it: from their mail, or from a provider.
fn comes_back(sign_in: &SignIn) -> bool {
    sign_in.links || !sign_in.providers.is_empty()
}

fn shown(host: &HostPattern) -> String {
    host.to_string().replace('*', ANY_HOST)
}

/// The hosts that rules name; where some are for any host, that is among them.
fn hosts(policy: &Policy) -> BTreeSet<String> {
    let named = policy.rules().iter().filter_map(|rule| rule.requests.hosts.as_ref());
    let mut hosts: BTreeSet<_> = named.flatten().map(shown).collect();
    if hosts.is_empty() {
        hosts.insert(ANY_HOST.to_owned());
    }
    hosts
}
