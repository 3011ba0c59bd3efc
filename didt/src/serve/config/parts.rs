//! `[[sites]]`: the settings of each site, put together from its table and what is for all sites.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{Body, Document, RULES, SITES, Source};
use super::invalid::Invalid;
use super::keys::{self, Scope};
use super::origin::Origin;
use super::settings::{OfSite, Settings};
use super::value::{Raw, strings};
use crate::serve::policy::HostPattern;
use crate::serve::sites::{Named, SiteName, Sites};

/// So many that each can have a connection to the store of its own.
const MAX_SITES: usize = 64;

/// The most hosts of one site; `*.example.com` is one.
const MAX_HOSTS_PER_SITE: usize = 256;

/// What one site is read from.
pub(super) struct Part<'a> {
    pub(super) settings: Settings<'a>,
    pub(super) source: Option<Source<'a>>,
    pub(super) rules: Option<Spanned<DeValue<'a>>>,
}

/// Splits what was given into what is of each site. Whether they are apart is yet to be checked.
pub(super) fn split<'a>(
    settings: Settings<'a>,
    document: Option<Document<'a>>,
) -> Result<Sites<Part<'a>>, Invalid> {
    let Some(Document { source, body, sites }) = document else {
        return Ok(Sites::one(Part { settings, source: None, rules: None }));
    };
    let Some(sites) = sites else {
        return Ok(Sites::one(Part { settings, source: Some(source), rules: body.rules }));
    };
    let at = source.origin(sites.span().start);
    if let Some(rules) = body.rules {
        let problem =
            "belong to a site; expected [[sites.rules]] below the [[sites]] that they are for";
        return Err(Invalid::new(source.origin(rules.span().start), RULES, problem));
    }
    settings.refuse_what_is_of_sites()?;
    let mut parts = Vec::new();
    for (at, table) in tables(sites, &source)? {
        let (named, body) = read(at, table, &source)?;
        let site = OfSite { name: named.name.clone(), origin: source.origin(at) };
        let Body { leaves, tables, rules } = body;
        let own = settings.of_site(site, &source, leaves, &tables)?;
        parts.push((named, Part { settings: own, source: Some(source.clone()), rules }));
    }
    let sites = Sites::several(parts);
    let sites = sites.ok_or_else(|| Invalid::new(at, SITES, "is an empty list"))?;
    settings.refuse_what_no_site_takes(&sites)?;
    Ok(sites)
}

/// The tables of sites, and where each begins.
fn tables<'a>(
    sites: Spanned<DeValue<'a>>,
    source: &Source<'a>,
) -> Result<Vec<(usize, DeTable<'a>)>, Invalid> {
    let at = sites.span().start;
    let invalid = |at, problem: String| Invalid::new(source.origin(at), SITES, problem);
    let expected = || "expected a list of tables: each site begins with [[sites]]".to_owned();
    let DeValue::Array(list) = sites.into_inner() else { return Err(invalid(at, expected())) };
    if list.len() > MAX_SITES {
        return Err(invalid(at, format!("more than {MAX_SITES}")));
    }
    let tables = list.into_iter().map(|site| {
        let at = site.span().start;
        match site.into_inner() {
            DeValue::Table(table) => Ok((at, table)),
            _ => Err(invalid(at, expected())),
        }
    });
    tables.collect()
}

/// Name and hosts, and the rest.
fn read<'a>(
    at: usize,
    mut table: DeTable<'a>,
    source: &Source<'a>,
) -> Result<(Named, Body<'a>), Invalid> {
    const NAME: &str = "name";
    const HOSTS: &str = "hosts";
    let missing = |key: &str, example: &str| {
        let problem = format!("missing; expected one such as {example}");
        Invalid::new(source.origin(at), format!("{SITES}: {key}"), problem)
    };
    let name = table.remove(NAME).ok_or_else(|| missing(NAME, "\"shop\""))?;
    let hosts = table.remove(HOSTS).ok_or_else(|| missing(HOSTS, "[\"shop.example.com\"]"))?;

    let name_at = source.origin(name.span().start);
    let name = name.get_ref().as_str().and_then(SiteName::parse).ok_or_else(|| {
        let shown = Raw::Toml(name).shown();
        let problem = format!(
            "{shown} is not a site's name; expected 1 to 32 lower-case letters, digits and hyphens, \
             beginning with a letter, such as \"shop\""
        );
        Invalid::new(name_at, format!("{SITES}: {NAME}"), problem)
    })?;

    let hosts_at = hosts.span().start;
    let what = format!("site {name}: {HOSTS}");
    let invalid = |problem: String| Invalid::new(source.origin(hosts_at), &*what, problem);
    let texts = hosts.get_ref().as_array().and_then(strings);
    let texts = texts.filter(|texts| (1..=MAX_HOSTS_PER_SITE).contains(&texts.len()));
    let texts = texts.ok_or_else(|| {
        invalid(format!(
            "expected a list of 1 to {MAX_HOSTS_PER_SITE} hosts, such as [\"shop.example.com\"]"
        ))
    })?;
    let mut hosts = Vec::with_capacity(texts.len());
    for text in texts {
        let host =
            HostPattern::parse(&text).map_err(|fault| invalid(format!("{text:?} {fault}")))?;
        if hosts.contains(&host) {
            return Err(invalid(format!("{text:?} is listed twice")));
        }
        hosts.push(host);
    }
    Ok((Named { name, hosts }, Body::new(table)))
}

impl<'a> Settings<'a> {
    /// The settings of a site: what is for all, and over it what the site says.
    fn of_site(
        &self,
        site: OfSite,
        source: &Source<'a>,
        leaves: Vec<(String, Spanned<DeValue<'a>>)>,
        tables: &[(String, usize)],
    ) -> Result<Self, Invalid> {
        let what = |key: &str| format!("site {}: {key}", site.name);
        for (table, start) in tables {
            if !keys::is_section(table) {
                return Err(Invalid::new(source.origin(*start), what(table), keys::unknown(table)));
            }
        }
        let mut own = BTreeMap::new();
        for (key, value) in leaves {
            let origin = source.origin(value.span().start);
            match keys::scope(&key) {
                None => return Err(Invalid::new(origin, what(&key), keys::unknown(&key))),
                Some(Scope::All) => {
                    let problem =
                        "is the same for all sites; expected it at the top, outside of [[sites]]";
                    return Err(Invalid::new(origin, what(&key), problem));
                }
                Some(Scope::Site | Scope::Either) => {
                    own.insert(key, (Raw::Toml(value), origin));
                }
            }
        }
        let takes = |key: &str| keys::needed_for(key).is_none_or(|needed| own.contains_key(needed));
        let inherits = |key: &str| !own.contains_key(key) && takes(key);
        let inherited = self.given().iter().filter(|(key, _)| inherits(key));
        let inherited: Vec<_> =
            inherited.map(|(key, value)| (key.clone(), value.clone())).collect();
        own.extend(inherited);
        Ok(self.with_given(own, site))
    }

    /// Refuses at the top what each of several sites says for itself.
    fn refuse_what_is_of_sites(&self) -> Result<(), Invalid> {
        let of_a_site = |key: &&String| keys::scope(key) == Some(Scope::Site);
        match self.given().keys().find(of_a_site) {
            Some(key) => Err(self
                .invalid(key, "each of several sites says its own; expected it below [[sites]]")),
            None => Ok(()),
        }
    }

    /// Refuses at the top what means nothing to any site.
    fn refuse_what_no_site_takes(&self, sites: &Sites<Part<'_>>) -> Result<(), Invalid> {
        let taken = |needed| sites.iter().any(|(_, part)| part.settings.is_given(needed));
        let needless = self.given().keys().find_map(|key| {
            let needed = keys::needed_for(key)?;
            (!taken(needed)).then_some((key, needed))
        });
        match needless {
            Some((key, needed)) => {
                Err(self.invalid(key, format_args!("has no effect: no site has {needed}")))
            }
            None => Ok(()),
        }
    }
}

/// Where a site is said, for messages.
pub(super) fn origin_of(part: &Part<'_>) -> Origin {
    part.settings.site().map_or(Origin::Default, |site| site.origin.clone())
}
