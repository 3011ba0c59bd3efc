//! `didt explain`: which rule applies to a request, and why.

use std::collections::HashSet;
use std::io::{self, Write};
use std::net::IpAddr;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::arguments::ConfigArgs;
use crate::output::{invalid, write_line};
use crate::serve::auth::UNKNOWN_HOST;
use crate::serve::policy::{
    Access, Hit, Miss, NotCanonical, Parties, Policy, Rule, Target, Undecided, Way,
};
use crate::serve::sites::SiteName;

/// Show which rule applies to a request, and why
///
/// Matches the request as `didt serve` does, without asking for a session. It reads only the
/// rules and needs no secrets.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Explain {
    /// Print one JSON object
    #[arg(long)]
    json: bool,

    /// Where the client is, for rules about networks; without it, its address is unknown
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,

    /// The method of the request, such as GET
    method: String,

    /// The whole URL, such as `https://app.example.com/api/me`
    url: String,

    #[command(flatten)]
    config: ConfigArgs,
}

const HELP: &str = r#"JSON:
  {"canonical":true,"method":"GET","scheme":"https","host":"app.example.com","path":"/api/me",
   "rule":"api","number":1,"access":"fresh","fresh_seconds":600,"admit":"listed",
   "issuers":["did:ethr:0x…"],"emails":["*@example.com"]}
  {"canonical":true,"method":"GET","scheme":"https","host":"app.example.com","path":"/api/me",
   "rule":null,"message":"…"}   (the client's address decides, and --from does not say it)
  {"canonical":true,"site":"shop","method":"GET",…}   (one of several sites)
  {"canonical":false,"part":"host","error":"unknown_host","message":"…"}   (no site has this host)
  {"canonical":false,"part":"path","error":"encoded_slash","message":"…"}   (refused)
  number counts the rules from 1 and is null for the default; access is one of public, optional,
  required, fresh; fresh_seconds is null but for fresh. admit is any_key, known or listed, and null where
  nobody is asked for; issuers and emails are null unless people are listed; "foreign_credentials":"pass"
  is there where the rule says so. A path without a canonical form that may pass has "canonical":false with a rule,
  the "error" that it has, and "passes": any_path, every_reading or kept_slashes.

Examples:
  didt explain --config gateway.toml GET https://app.example.com/api/me
  didt explain --config gateway.toml --from 10.1.2.3 GET https://app.example.com/admin
  didt explain --config gateway.toml --json POST 'https://app.example.com/a?b=c'

Exit codes:
  0  a rule applies, or the default
  1  the request would be refused: it has no canonical form, no site has its host, or the client's address decides and is unknown;
     or writing failed
  2  a setting is invalid, or the command line is wrong"#;

impl Explain {
    pub(crate) fn run(&self) -> io::Result<ExitCode> {
        let policies = match self.config.policy() {
            Ok(policies) => policies,
            Err(error) => return Ok(invalid(error)),
        };
        let Some((scheme, host, uri)) = split(&self.url) else {
            return Ok(invalid("expected a whole URL, such as https://app.example.com/api/me"));
        };
        let target = Target::read(
            self.method.as_bytes(),
            scheme.as_bytes(),
            host.as_bytes(),
            uri.as_bytes(),
        );
        let mut out = io::stdout().lock();
        let policies = policies.map(|site, policy| (site, policy));
        let found = policies.of_host(host.as_bytes()).ok().flatten();
        let (site, policy) = *match (&target, found) {
            (Ok(_), None) => {
                self.write_unknown_host(&mut out, host)?;
                return Ok(ExitCode::FAILURE);
            }
            (_, found) => found.unwrap_or(policies.first()),
        };
        let decided = target.as_ref().map_err(|fault| Some(*fault)).and_then(|target| {
            policy.decide(target, self.from).map_err(|undecided| match undecided {
                Undecided::ClientUnknown => None,
                Undecided::Path(fault) => Some(NotCanonical::Path(fault)),
            })
        });
        match (&target, decided, self.json) {
            (_, Err(Some(fault)), true) => write_line(&mut out, &Refused::new(fault))?,
            (_, Err(Some(fault)), false) => {
                writeln!(out, "refused    {fault}\npart       {}", fault.part())?;
            }
            (Ok(target), Ok(decided), true) => {
                let explained = Explained::new(site, policy, target, decided.rule, decided.way);
                write_line(&mut out, &explained)?;
            }
            (Ok(target), Err(None), true) => write_line(&mut out, &Unknown::new(site, target))?,
            (Ok(target), decided, false) => {
                if let Some(lines) = decided.ok().and_then(|decided| taken_for(decided.way)) {
                    write_odd(&mut out, target, lines)?;
                }
                let rule = decided.ok().map(|decided| decided.rule);
                write_explained(&mut out, (site, policy), target, self.from, rule)?;
            }
            (Err(_), _, _) => {}
        }
        out.flush()?;
        Ok(if decided.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn write_unknown_host(&self, out: &mut impl Write, host: &str) -> io::Result<()> {
        let message = format!("no site has the host {host:?}");
        if self.json {
            return write_line(
                out,
                &Refused { canonical: false, part: "host", error: UNKNOWN_HOST, message },
            );
        }
        writeln!(out, "refused    {message}\npart       host")?;
        out.flush()
    }
}

/// Scheme, host and request target, as a browser would send them but for the fragment, which it
/// would not.
fn split(url: &str) -> Option<(&str, &str, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (host, uri) = rest.split_at_checked(end)?;
    // No browser sends an empty path.
    let slash = if uri.starts_with('/') { "" } else { "/" };
    Some((scheme, host, format!("{slash}{uri}")))
}

/// What makes it safe to decide on a path without a canonical form.
const fn taken_for(way: Way) -> Option<&'static str> {
    match way {
        Way::Canonical => None,
        Way::AnyPath => Some("for this host and method, all paths are decided on alike"),
        Way::EveryReading => Some("whoever decodes, merges or cuts it, it is decided on alike"),
        Way::KeptSlashes => Some(
            "the rule says that everybody keeps encoded slashes: a gateway or service that decodes \
             them acts on another path than the one decided on",
        ),
    }
}

fn write_odd(out: &mut impl Write, target: &Target, why: &str) -> io::Result<()> {
    let Some(odd) = &target.odd else { return Ok(()) };
    writeln!(
        out,
        "sent       {}\nalthough   {}\npasses     {why}",
        odd.sent,
        NotCanonical::Path(odd.fault)
    )
}

fn write_explained(
    out: &mut impl Write,
    (site, policy): (Option<&SiteName>, &Policy),
    target: &Target,
    from: Option<IpAddr>,
    decided: Option<&Rule>,
) -> io::Result<()> {
    let Target { method, host, path, .. } = target;
    writeln!(out, "request    {method} {}://{host}{path}", scheme(target))?;
    site.map_or(Ok(()), |site| writeln!(out, "site       {site}"))?;
    let mut found = policy.otherwise();
    let mut reason = format!("{}: no rule matches", found.name);
    for (number, rule) in policy.rules().iter().enumerate() {
        let number = number + 1;
        match rule.requests.hit(target, from) {
            Err(miss) => writeln!(out, "not        {number} {}: {}", rule.name, other(miss))?,
            Ok(hit) => {
                found = rule;
                reason = format!("{number} {}: {}", rule.name, why(hit));
                break;
            }
        }
    }
    match decided {
        None => writeln!(out, "refused    {UNKNOWN}"),
        Some(rule) if std::ptr::eq(rule, found) => {
            writeln!(out, "rule       {reason}")?;
            write_answer(out, rule)
        }
        Some(rule) => {
            writeln!(out, "not        {reason}")?;
            let why = "stricter, where nobody knows the client's address";
            writeln!(out, "rule       {}: {why}", rule.name)?;
            write_answer(out, rule)
        }
    }
}

/// Why no rule applies.
const UNKNOWN: &str =
    "the rules depend on the client's address, which is unknown; give it with --from";

fn write_answer(out: &mut impl Write, rule: &Rule) -> io::Result<()> {
    writeln!(out, "asks for   {}", rule.asks_for())?;
    if rule.passes_foreign {
        writeln!(out, "leaves     Authorization to the application, unless it is a DID token")?;
    }
    issuers(rule).iter().flatten().try_for_each(|issuer| writeln!(out, "issuer     {issuer}"))?;
    emails(rule).iter().flatten().try_for_each(|email| writeln!(out, "e-mail     {email}"))
}

const fn other(miss: Miss) -> &'static str {
    match miss {
        Miss::Host => "another host",
        Miss::Method => "another method",
        Miss::Path => "another path",
        Miss::Network => "another network",
        Miss::Unknown => "the client's address is unknown",
    }
}

fn why(hit: Hit<'_>) -> String {
    let part = |name: &str, pattern: Option<String>| match pattern {
        Some(pattern) => format!("{name} {pattern}"),
        None => format!("any {name}"),
    };
    let mut parts = vec![
        part("host", hit.host.map(ToString::to_string)),
        part("method", hit.method.map(ToString::to_string)),
        part("path", hit.path.map(ToString::to_string)),
    ];
    parts.extend(hit.network.map(|network| format!("network {network}")));
    parts.join(", ")
}

const fn scheme(target: &Target) -> &'static str {
    if target.https { "https" } else { "http" }
}

fn issuers(rule: &Rule) -> Option<Vec<String>> {
    listed(rule).map(|listed| sorted(&listed.issuers))
}

fn emails(rule: &Rule) -> Option<Vec<String>> {
    listed(rule).map(|listed| sorted(&listed.emails))
}

fn listed(rule: &Rule) -> Option<&Parties> {
    rule.access.asks_for_somebody().then(|| rule.admit.listed())?
}

/// In one order, whatever the order of the file.
fn sorted<T: ToString>(items: &HashSet<T>) -> Vec<String> {
    let mut items: Vec<_> = items.iter().map(ToString::to_string).collect();
    items.sort();
    items
}

#[derive(Serialize)]
struct Explained<'a> {
    canonical: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<&'a SiteName>,
    method: &'a str,
    scheme: &'a str,
    host: &'a str,
    path: &'a str,
    rule: &'a str,
    number: Option<usize>,
    access: &'static str,
    fresh_seconds: Option<u64>,
    admit: Option<&'static str>,
    issuers: Option<Vec<String>>,
    emails: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    foreign_credentials: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    passes: Option<&'static str>,
}

impl<'a> Explained<'a> {
    fn new(
        site: Option<&'a SiteName>,
        policy: &'a Policy,
        target: &'a Target,
        rule: &'a Rule,
        way: Way,
    ) -> Self {
        let number = policy.rules().iter().position(|other| std::ptr::eq(other, rule));
        Self {
            canonical: target.odd.is_none(),
            site,
            method: target.method.as_str(),
            scheme: scheme(target),
            host: &target.host,
            path: target.path_sent(),
            rule: &rule.name,
            number: number.map(|number| number + 1),
            access: rule.access.name(),
            fresh_seconds: match rule.access {
                Access::Fresh(age) => Some(age.as_secs()),
                _ => None,
            },
            admit: rule.access.asks_for_somebody().then(|| rule.admit.name()),
            issuers: issuers(rule),
            emails: emails(rule),
            foreign_credentials: rule.passes_foreign.then_some("pass"),
            error: target.odd.as_ref().map(|odd| NotCanonical::Path(odd.fault).name()),
            passes: match way {
                Way::Canonical => None,
                Way::AnyPath => Some("any_path"),
                Way::EveryReading => Some("every_reading"),
                Way::KeptSlashes => Some("kept_slashes"),
            },
        }
    }
}

/// A request that is refused for want of the client's address.
#[derive(Serialize)]
struct Unknown<'a> {
    canonical: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<&'a SiteName>,
    method: &'a str,
    scheme: &'a str,
    host: &'a str,
    path: &'a str,
    rule: Option<&'a str>,
    message: &'static str,
}

impl<'a> Unknown<'a> {
    fn new(site: Option<&'a SiteName>, target: &'a Target) -> Self {
        Self {
            canonical: true,
            site,
            method: target.method.as_str(),
            scheme: scheme(target),
            host: &target.host,
            path: &target.path,
            rule: None,
            message: UNKNOWN,
        }
    }
}

#[derive(Serialize)]
struct Refused {
    canonical: bool,
    part: &'static str,
    error: &'static str,
    message: String,
}

impl Refused {
    fn new(fault: NotCanonical) -> Self {
        Self {
            canonical: false,
            part: fault.part(),
            error: fault.name(),
            message: fault.to_string(),
        }
    }
}
