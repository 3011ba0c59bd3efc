//! `didt explain`: which rule applies to a request, and why.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::arguments::ConfigArgs;
use crate::output::{invalid, write_line};
use crate::serve::policy::{Access, Hit, Miss, NotCanonical, Policy, Rule, Target};

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
   "issuers":["did:ethr:0x…"]}
  {"canonical":false,"part":"path","error":"dot_segment","message":"…"}
  number counts the rules from 1 and is null for the default; access is one of public, optional,
  required, fresh; fresh_seconds is null but for fresh. admit is any_key, known or listed, and null where
  nobody is asked for; issuers is null unless they are listed.

Examples:
  didt explain --config gateway.toml GET https://app.example.com/api/me
  didt explain --config gateway.toml --json POST 'https://app.example.com/a?b=c'

Exit codes:
  0  a rule applies, or the default
  1  the request has no canonical form and would be refused; or writing failed
  2  a setting is invalid, or the command line is wrong"#;

impl Explain {
    pub(crate) fn run(&self) -> io::Result<ExitCode> {
        let policy = &match self.config.policy() {
            Ok(policy) => policy,
            Err(error) => return Ok(invalid(error)),
        };
        let Some((scheme, host, uri)) = split(&self.url) else {
            return Ok(invalid("expected a whole URL, such as https://app.example.com/api/me"));
        };
        let target =
            Target::new(self.method.as_bytes(), scheme.as_bytes(), host.as_bytes(), uri.as_bytes());
        let mut out = io::stdout().lock();
        match (&target, self.json) {
            (Ok(target), true) => write_line(&mut out, &Explained::new(policy, target))?,
            (Ok(target), false) => write_explained(&mut out, policy, target)?,
            (Err(fault), true) => write_line(&mut out, &Refused::new(*fault))?,
            (Err(fault), false) => {
                writeln!(out, "refused    {fault}\npart       {}", fault.part())?;
            }
        }
        out.flush()?;
        Ok(if target.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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

fn write_explained(out: &mut impl Write, policy: &Policy, target: &Target) -> io::Result<()> {
    let Target { method, host, path, .. } = target;
    writeln!(out, "request    {method} {}://{host}{path}", scheme(target))?;
    for (number, rule) in policy.rules().iter().enumerate() {
        let number = number + 1;
        match rule.requests.hit(target) {
            Err(miss) => writeln!(out, "not        {number} {}: {}", rule.name, other(miss))?,
            Ok(hit) => {
                writeln!(out, "rule       {number} {}: {}", rule.name, why(hit))?;
                return write_answer(out, rule);
            }
        }
    }
    writeln!(out, "rule       {}: no rule matches", policy.otherwise().name)?;
    write_answer(out, policy.otherwise())
}

fn write_answer(out: &mut impl Write, rule: &Rule) -> io::Result<()> {
    writeln!(out, "asks for   {}", rule.asks_for())?;
    issuers(rule).iter().flatten().try_for_each(|issuer| writeln!(out, "issuer     {issuer}"))
}

const fn other(miss: Miss) -> &'static str {
    match miss {
        Miss::Host => "another host",
        Miss::Method => "another method",
        Miss::Path => "another path",
    }
}

fn why(hit: Hit<'_>) -> String {
    let part = |name: &str, pattern: Option<String>| match pattern {
        Some(pattern) => format!("{name} {pattern}"),
        None => format!("any {name}"),
    };
    [
        part("host", hit.host.map(ToString::to_string)),
        part("method", hit.method.map(ToString::to_string)),
        part("path", hit.path.map(ToString::to_string)),
    ]
    .join(", ")
}

const fn scheme(target: &Target) -> &'static str {
    if target.https { "https" } else { "http" }
}

/// In one order, whatever the order of the file.
fn issuers(rule: &Rule) -> Option<Vec<String>> {
    let listed = rule.access.asks_for_somebody().then(|| rule.admit.listed())?;
    let mut issuers: Vec<_> = listed?.iter().map(ToString::to_string).collect();
    issuers.sort();
    Some(issuers)
}

#[derive(Serialize)]
struct Explained<'a> {
    canonical: bool,
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
}

impl<'a> Explained<'a> {
    fn new(policy: &'a Policy, target: &'a Target) -> Self {
        let rule = policy.rule_for(target);
        let number = policy.rules().iter().position(|other| std::ptr::eq(other, rule));
        Self {
            canonical: true,
            method: target.method.as_str(),
            scheme: scheme(target),
            host: &target.host,
            path: &target.path,
            rule: &rule.name,
            number: number.map(|number| number + 1),
            access: rule.access.name(),
            fresh_seconds: match rule.access {
                Access::Fresh(age) => Some(age.as_secs()),
                _ => None,
            },
            admit: rule.access.asks_for_somebody().then(|| rule.admit.name()),
            issuers: issuers(rule),
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
