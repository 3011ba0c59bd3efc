//! What keeps several sites apart: they share no host, application, cookie or audience of assertions.

use super::invalid::Invalid;
use super::parts::{Part, origin_of};
use crate::serve::policy::HostPattern;
use crate::serve::sites::{Named, Sites};

const AUDIENCES: &str = "audiences";
const ASSERTION: &str = "assertion.audience";
const DOMAIN: &str = "cookie.domain";

/// Checks each site against those before it, and its cookie against the hosts of all. One that is the
/// only one shares nothing.
pub(super) fn check(sites: &Sites<Part<'_>>) -> Result<(), Invalid> {
    let named = |(named, part): (Option<&'_ Named>, _)| named.cloned().map(|named| (named, part));
    let sites: Vec<_> = sites.iter().filter_map(named).collect();
    for (place, site) in sites.iter().enumerate() {
        let earlier = sites.get(..place).unwrap_or_default();
        earlier.iter().try_for_each(|other| two(site, other))?;
        cookie(site, &sites)?;
    }
    Ok(())
}

/// A site and what it is read from.
type Site<'a, 'b> = (Named, &'a Part<'b>);

fn two((named, part): &Site<'_, '_>, (other_named, other): &Site<'_, '_>) -> Result<(), Invalid> {
    let (name, other_name) = (&named.name, &other_named.name);
    if name == other_name {
        let problem = "another site has this name, under which sessions are kept";
        return Err(Invalid::new(origin_of(part), format!("site {name}: name"), problem));
    }
    let meeting = |host: &HostPattern| {
        let with = other_named.hosts.iter().find(|other| host.meet(other).is_some())?;
        Some((host.to_string(), with.to_string()))
    };
    if let Some((host, with)) = named.hosts.iter().find_map(meeting) {
        let problem = format!(
            "\"{host}\" and \"{with}\" of the site {other_name} have hosts in common; every host \
             belongs to one site"
        );
        return Err(Invalid::new(origin_of(part), format!("site {name}: hosts"), problem));
    }
    let theirs = other.settings.bare_list(AUDIENCES)?.unwrap_or_default();
    let own = part.settings.bare_list(AUDIENCES)?.unwrap_or_default();
    if let Some(shared) = own.iter().find(|own| theirs.contains(own)) {
        let problem = format!(
            "{shared:?} is accepted by the site {other_name} too, so that its tokens would sign in at \
             both; every application belongs to one site"
        );
        return Err(part.settings.invalid(AUDIENCES, problem));
    }
    let assertion = |part: &Part<'_>| part.settings.bare_text(ASSERTION);
    let own = assertion(part)?;
    if own.is_some() && own == assertion(other)? {
        let problem = format!(
            "is the one of the site {other_name} too, so that the upstreams of each would accept \
             assertions for the other; expected a different one"
        );
        return Err(part.settings.invalid(ASSERTION, problem));
    }
    Ok(())
}

/// A browser keeps a cookie for a domain from hosts within it only, and sends it to all of them.
fn cookie((named, part): &Site<'_, '_>, sites: &[Site<'_, '_>]) -> Result<(), Invalid> {
    let Some(domain) = part.settings.bare_text(DOMAIN)? else { return Ok(()) };
    let domain = domain.trim_start_matches('.').to_ascii_lowercase();
    // What is no domain is refused where the cookie is read.
    let Ok(apex) = HostPattern::parse(&domain) else { return Ok(()) };
    let Ok(below) = HostPattern::parse(&format!("*.{domain}")) else { return Ok(()) };
    let within = |host: &HostPattern| apex.covers(host) || below.covers(host);
    if let Some(outside) = named.hosts.iter().find(|host| !within(host)) {
        let problem = format!(
            "{domain:?} is not above the site's host \"{outside}\", from which browsers would not \
             take the cookie"
        );
        return Err(part.settings.invalid(DOMAIN, problem));
    }
    let touches = |host: &&HostPattern| apex.meet(host).is_some() || below.meet(host).is_some();
    let others = sites.iter().filter(|(other, _)| other.name != named.name);
    for (other, _) in others {
        if let Some(host) = other.hosts.iter().find(touches) {
            let problem = format!(
                "browsers would send the cookie to \"{host}\" too, a host of the site {}, whose \
                 application could use it; expected a domain of this site's own, or none",
                other.name
            );
            return Err(part.settings.invalid(DOMAIN, problem));
        }
    }
    Ok(())
}
