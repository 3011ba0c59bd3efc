//! `[[rules]]` and `default_access`.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::document::Source;
use super::invalid::Invalid;
use super::parties;
use super::readers::read_span;
use super::settings::Settings;
use crate::serve::policy::{
    Access, Admit, HostPattern, Network, Parties, PathPattern, Policy, Requests, Rule, Said,
    registered,
};
use crate::serve::sites::Named;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

/// So many that comparing each with all before it takes no time.
const MAX_RULES: usize = 1_000;

const MAX_NAME_LEN: usize = 64;

/// Sessions are as old as whole seconds, and live for 400 days at most.
const SHORTEST_FRESH: Duration = Duration::from_secs(1);
const LONGEST_FRESH: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// A rule as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    name: Spanned<String>,
    hosts: Option<Spanned<Vec<Spanned<String>>>>,
    methods: Option<Spanned<Vec<Spanned<String>>>>,
    paths: Spanned<Vec<Spanned<String>>>,
    networks: Option<Spanned<Vec<Spanned<String>>>>,
    access: Option<Spanned<String>>,
    fresh: Option<Spanned<String>>,
    admit: Option<Spanned<String>>,
    issuers: Option<Spanned<Vec<Spanned<String>>>>,
    addresses: Option<Spanned<Vec<Spanned<String>>>>,
    emails: Option<Spanned<Vec<Spanned<String>>>>,
    foreign_credentials: Option<Spanned<String>>,
    encoded_slashes: Option<Spanned<String>>,
}

/// The rules of a file or of a site in it, if it has any.
pub(super) type Given<'a> = (&'a Source<'a>, Option<Spanned<DeValue<'a>>>);

pub(super) fn policy(
    settings: &mut Settings<'_>,
    given: Option<Given<'_>>,
    site: Option<&Named>,
    lifetime: Duration,
    magic: bool,
) -> Result<Policy, Invalid> {
    let access = settings.choice(
        "default_access",
        &[
            ("required", Access::Required),
            ("optional", Access::Optional),
            ("public", Access::Public),
        ],
    )?;
    let top = parties::admitted(settings, magic)?;
    let rules = match given {
        Some((source, Some(value))) => rules(source, value, site, lifetime, &top)?,
        Some((_, None)) | None => Vec::new(),
    };
    let reached = !rules.iter().any(|rule| rule.requests.are_all());
    let admit = if access.asks_for_somebody() && reached {
        Admit::new(Said::default(), &top).map_err(|fault| settings.invalid("admit", fault))?
    } else {
        Admit::nobody()
    };
    Ok(Policy::new(rules, Rule::otherwise(access, admit)))
}

fn rules(
    document: &Source<'_>,
    value: Spanned<DeValue<'_>>,
    site: Option<&Named>,
    lifetime: Duration,
    top: &Said,
) -> Result<Vec<Rule>, Invalid> {
    let start = value.span().start;
    if value.get_ref().is_table() {
        let problem = "is one table; expected a list of them: each rule begins with [[rules]], in double \
                       brackets";
        return Err(Invalid::new(document.origin(start), "rules", problem));
    }
    let texts = Vec::<Spanned<RuleText>>::deserialize(ValueDeserializer::from(value))
        .map_err(|error| document.invalid(&error, "rules"))?;
    if texts.len() > MAX_RULES {
        let problem = format!("more than {MAX_RULES}");
        return Err(Invalid::new(document.origin(start), "rules", problem));
    }
    let mut rules: Vec<Rule> = Vec::with_capacity(texts.len());
    for text in texts {
        let text = text.into_inner();
        let faults = Faults { document, rule: text.name.get_ref().clone() };
        let (name_at, paths_at) = (text.name.span().start, text.paths.span().start);
        let hosts_at = text.hosts.as_ref().map_or(name_at, |hosts| hosts.span().start);
        let rule = rule(text, &faults, lifetime, top)?;
        if let Some(problem) = site.and_then(|site| out_of_reach(&rule, site)) {
            return Err(faults.at(hosts_at, problem));
        }
        if rules.iter().any(|earlier| earlier.name == rule.name) {
            return Err(faults.at(name_at, "another rule has this name"));
        }
        if let Some(earlier) = rules.iter().find(|earlier| earlier.requests.cover(&rule.requests)) {
            let problem = format_args!(
                "never applies: the rule {:?} before it matches all of its requests",
                earlier.name
            );
            return Err(faults.at(paths_at, problem));
        }
        rules.push(rule);
    }
    Ok(rules)
}

/// What is wrong with a rule for a host of which its site is never asked.
fn out_of_reach(rule: &Rule, site: &Named) -> Option<String> {
    let reached = |host: &&HostPattern| site.hosts.iter().any(|own| own.meet(host).is_some());
    let hosts = rule.requests.hosts.as_deref().unwrap_or_default();
    let stray = hosts.iter().find(|host| !reached(host))?;
    Some(format!("hosts: \"{stray}\" is no host of the site {}", site.name))
}

/// Reports the fault of one rule.
struct Faults<'a> {
    document: &'a Source<'a>,
    rule: String,
}

impl Faults<'_> {
    fn at(&self, byte: usize, problem: impl fmt::Display) -> Invalid {
        Invalid::new(self.document.origin(byte), format!("rule {:?}", self.rule), problem)
    }

    /// Reads a list that must have something in it, and nothing twice.
    fn list<T, E: fmt::Display>(
        &self,
        key: &str,
        list: Spanned<Vec<Spanned<String>>>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Vec<T>, Invalid> {
        let start = list.span().start;
        let list = list.into_inner();
        if list.is_empty() {
            return Err(self.at(
                start,
                format_args!("{key} must not be empty; omit it if it should not restrict the rule"),
            ));
        }
        let mut seen = HashSet::new();
        list.iter()
            .map(|item| {
                let (byte, text) = (item.span().start, item.get_ref());
                if !seen.insert(text) {
                    return Err(self.at(byte, format_args!("{key}: {text:?} is listed twice")));
                }
                parse(text).map_err(|fault| self.at(byte, format_args!("{key}: {text:?} {fault}")))
            })
            .collect()
    }
}

fn rule(
    text: RuleText,
    faults: &Faults<'_>,
    lifetime: Duration,
    top: &Said,
) -> Result<Rule, Invalid> {
    let name_at = text.name.span().start;
    let name = text.name.into_inner();
    check_name(&name).map_err(|problem| faults.at(name_at, problem))?;

    let requests = Requests {
        hosts: text.hosts.map(|list| faults.list("hosts", list, HostPattern::parse)).transpose()?,
        methods: text
            .methods
            .map(|list| {
                faults.list("methods", list, |text| {
                    registered(text)
                        .ok_or("is not a method; expected one in upper case, such as GET")
                })
            })
            .transpose()?,
        paths: Some(faults.list("paths", text.paths, PathPattern::parse)?),
        networks: text
            .networks
            .map(|list| faults.list("networks", list, Network::parse))
            .transpose()?,
    };

    let issuers =
        text.issuers.map(|list| faults.list("issuers", list, parties::issuer)).transpose()?;
    let addresses =
        text.addresses.map(|list| faults.list("addresses", list, parties::address)).transpose()?;
    if let Some(emails) = &text.emails
        && !top.magic
    {
        return Err(
            faults.at(emails.span().start, format_args!("emails: {}", parties::NEEDS_MAGIC))
        );
    }
    let emails = text.emails.map(|list| faults.list("emails", list, parties::email)).transpose()?;
    let listed = issuers.is_some() || addresses.is_some() || emails.is_some();
    let admit_at = text.admit.as_ref().map_or(name_at, |admit| admit.span().start);
    let word = text.admit.map(|admit| {
        let text = admit.into_inner();
        parties::word(&text)
            .map_err(|problem| faults.at(admit_at, format_args!("admit: {text:?} {problem}")))
    });
    let own = Said {
        word: word.transpose()?,
        listed: listed.then(|| {
            let issuers = issuers.into_iter().chain(addresses).flatten().collect();
            Arc::new(Parties { issuers, emails: emails.into_iter().flatten().collect() })
        }),
        magic: top.magic,
    };
    let says_whom = !own.is_empty();

    let fresh = text.fresh.map(|span| (span.span().start, span.into_inner()));
    let fresh = fresh
        .map(|(byte, span)| match read_span(&span, &(SHORTEST_FRESH..=LONGEST_FRESH)) {
            Ok(span) if span > lifetime => Err(faults.at(
                byte,
                "fresh is longer than sessions.lifetime, or than sessions.remembered_lifetime where \
                 it is set, so every session would be fresh",
            )),
            Ok(span) => Ok((byte, span)),
            Err(problem) => Err(faults.at(byte, format_args!("fresh: {problem}"))),
        })
        .transpose()?;

    let (access_at, word) = match &text.access {
        Some(access) => (access.span().start, access.get_ref().as_str()),
        None => (name_at, "required"),
    };
    let access = match (word, fresh) {
        ("public" | "optional", Some((byte, _))) => {
            return Err(faults.at(
                byte,
                format_args!("fresh requires a session, but access = {word:?} does not"),
            ));
        }
        ("public" | "optional", None) if says_whom => {
            return Err(faults.at(
                access_at,
                format_args!(
                    "admit, issuers, addresses and emails require sign-in, but access = {word:?} does not"
                ),
            ));
        }
        ("public", None) => Access::Public,
        ("optional", None) => Access::Optional,
        ("required", None) => Access::Required,
        ("required", Some((_, span))) => Access::Fresh(span),
        _ => {
            let problem = format_args!(
                "access: {word:?} is not one of \"public\", \"optional\", \"required\""
            );
            return Err(faults.at(access_at, problem));
        }
    };
    let admit = if access.asks_for_somebody() {
        Admit::new(own, top).map_err(|fault| faults.at(admit_at, format_args!("admit: {fault}")))?
    } else {
        Admit::nobody()
    };
    let passes_foreign = match text.foreign_credentials {
        None => false,
        Some(word) => passes_foreign(word.get_ref(), access)
            .map_err(|fault| faults.at(word.span().start, fault))?,
    };
    let keeps_slashes = match text.encoded_slashes {
        None => false,
        Some(word) if word.get_ref() == "keep" => true,
        Some(word) => {
            let problem = format_args!("encoded_slashes: {:?} is not \"keep\"", word.get_ref());
            return Err(faults.at(word.span().start, problem));
        }
    };
    Ok(Rule { name, access, admit, passes_foreign, keeps_slashes, requests })
}

/// What becomes of an `Authorization` that is no DID token.
fn passes_foreign(word: &str, access: Access) -> Result<bool, String> {
    match word {
        "stop" | "pass" if access == Access::Public => {
            Err("foreign_credentials: public rules always leave them to the application".to_owned())
        }
        "stop" => Ok(false),
        "pass" => Ok(true),
        _ => Err(format!("foreign_credentials: {word:?} is none of \"stop\", \"pass\"")),
    }
}

/// Names appear in logs, metrics and headers.
fn check_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > MAX_NAME_LEN || !name.bytes().all(plain) {
        return Err(format!(
            "expected a name of 1 to {MAX_NAME_LEN} letters, digits, hyphens, dots and underscores"
        ));
    }
    if name == Rule::OTHERWISE {
        return Err("\"default\" is reserved for what applies when no rule matches".to_owned());
    }
    Ok(())
}
