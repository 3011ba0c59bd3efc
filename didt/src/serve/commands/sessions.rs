//! `didt sessions`: who is signed in, at a running server.

use std::collections::BTreeSet;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tower_didt::magic::Email;
use tower_didt::{Issuer, SessionHandle, Timestamp};

use super::arguments::ConfigArgs;
use super::private_listener::PrivateListener;
use crate::output::{invalid, say, write_line};
use crate::serve::sites::SiteName;

/// For one request to the server; a list is made of several.
const LIMIT: Duration = Duration::from_secs(15);

/// See who is signed in at a running `didt serve`, and sign people out
///
/// Asks the private listener that the settings name (`listen.private`), with the administrators'
/// secret (`admin.secret_file`). Sealed sessions can be ended; the server does not
/// know who has one, and lists none.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Sessions {
    #[command(subcommand)]
    call: Call,

    /// At this site; without it, at all of them
    #[arg(long, value_name = "NAME", global = true)]
    site: Option<SiteName>,

    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Subcommand)]
enum Call {
    /// Print everybody who has a session, one JSON object per line; or the sessions of one person
    List(Whose),
    /// Print how many people have sessions, and how many sessions they have
    Count,
    /// End a session, or all of a person's; those of all issuers that have the e-mail address
    End {
        #[command(flatten)]
        whose: Whose,

        /// This session only, by its handle
        #[arg(long, value_name = "HANDLE", requires = "issuer")]
        session: Option<SessionHandle>,
    },
}

#[derive(Args)]
#[group(multiple = false)]
struct Whose {
    /// did:ethr:0x…
    #[arg(long)]
    issuer: Option<Issuer>,

    /// An e-mail address by Magic's word, with `[magic]` configured
    #[arg(long, value_parser = email)]
    email: Option<Email>,
}

const HELP: &str = "\
Examples:
  didt sessions list --config /etc/didt/didt.toml
  didt sessions list --config /etc/didt/didt.toml --email ada@example.com
  didt sessions count --config /etc/didt/didt.toml
  didt sessions end --config /etc/didt/didt.toml --email ada@example.com

JSON of list, one object per line:
  {\"issuer\":\"did:ethr:0x…\",\"email\":null,\"sessions\":2}
of several sites with \"site\" as the first member; and with --issuer or --email, times as RFC 3339:
  {\"issuer\":\"did:ethr:0x…\",\"session\":\"<handle>\",\"email\":null,\"created_at\":…,\"last_seen\":…,\"expires_at\":…}

Exit codes:
  0  done
  1  the server refuses or does not answer; standard error says which
  2  a setting is invalid or missing, or the command line is wrong";

fn email(text: &str) -> Result<Email, String> {
    text.parse().map_err(|_| "expected an address such as ada@example.com".to_owned())
}

impl Sessions {
    pub(crate) fn run(self) -> io::Result<ExitCode> {
        let (listen, secret) = match self.config.administration() {
            Ok((Some(listen), Some(secret))) => (listen, secret),
            Ok((None, _)) => {
                return Ok(invalid("listen.private is missing: the server is asked there"));
            }
            Ok((_, None)) => {
                return Ok(invalid(
                    "admin.secret_file is missing: without it there is no administration",
                ));
            }
            Err(error) => return Ok(invalid(error)),
        };
        let server = PrivateListener { listen, secret: Some(secret), limit: LIMIT };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match runtime.block_on(call(&server, self.call, self.site)) {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(Failed::Writing(error)) => Err(error),
            Err(Failed::Asking(reason)) => {
                say(reason);
                Ok(ExitCode::FAILURE)
            }
        }
    }
}

enum Failed {
    Writing(io::Error),
    Asking(String),
}

async fn call(server: &PrivateListener, call: Call, site: Option<SiteName>) -> Result<(), Failed> {
    match call {
        Call::List(Whose { issuer: None, email: None }) => each_issuer(server, site, print).await,
        Call::List(whose) => each_session(server, site, &whose, print).await,
        Call::Count => {
            let mut counted = Counted { people: 0, sessions: 0 };
            each_issuer(server, site, |somebody| {
                counted.people += 1;
                counted.sessions += somebody.sessions;
                Ok(())
            })
            .await?;
            print(&counted)
        }
        Call::End { whose: Whose { issuer: None, email: None }, .. } => Err(Failed::Asking(
            "expected --issuer or --email: whose sessions are to end".to_owned(),
        )),
        Call::End { whose: Whose { issuer: Some(issuer), .. }, session } => {
            let session = session.map_or(String::new(), |handle| format!("&session={handle}"));
            let target = format!("/admin/revoke?issuer={issuer}{session}{}", at(site.as_ref()));
            print(&ask::<serde_json::Value>(server, Method::POST, &target).await?)
        }
        Call::End { whose, .. } => {
            let mut found = BTreeSet::new();
            each_session(server, site, &whose, |session| {
                found.insert((session.site.clone(), session.issuer));
                Ok(())
            })
            .await?;
            for (site, issuer) in found {
                let target = format!("/admin/revoke?issuer={issuer}{}", at(site.as_ref()));
                print(&ask::<serde_json::Value>(server, Method::POST, &target).await?)?;
            }
            Ok(())
        }
    }
}

/// The end of a query that says which site is meant.
fn at(site: Option<&SiteName>) -> String {
    site.map_or_else(String::new, |site| format!("&site={site}"))
}

/// The site that was asked for, or all that the server has: where it has one, `None`.
async fn sites(
    server: &PrivateListener,
    wanted: Option<SiteName>,
) -> Result<Vec<Option<SiteName>>, Failed> {
    if wanted.is_some() {
        return Ok(vec![wanted]);
    }
    let Names { sites } = ask(server, Method::GET, "/admin/sites").await?;
    Ok(if sites.is_empty() { vec![None] } else { sites.into_iter().map(Some).collect() })
}

/// Everybody who has a session, site after site and page after page.
async fn each_issuer(
    server: &PrivateListener,
    site: Option<SiteName>,
    mut with: impl FnMut(&Somebody) -> Result<(), Failed>,
) -> Result<(), Failed> {
    for site in sites(server, site).await? {
        let first = format!("/admin/issuers?{}", at(site.as_ref()));
        let mut target = first.clone();
        loop {
            let page: Issuers = ask(server, Method::GET, &target).await?;
            page.issuers.iter().try_for_each(&mut with)?;
            match page.next {
                Some(cursor) => target = format!("{first}&cursor={cursor}"),
                None => break,
            }
        }
    }
    Ok(())
}

/// Every session of a person, site after site and page after page.
async fn each_session(
    server: &PrivateListener,
    site: Option<SiteName>,
    whose: &Whose,
    mut with: impl FnMut(&Session) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let whose = match (&whose.issuer, &whose.email) {
        (Some(issuer), _) => format!("issuer={issuer}"),
        (None, Some(email)) => {
            format!("email={}", utf8_percent_encode(email.as_str(), NON_ALPHANUMERIC))
        }
        (None, None) => return Ok(()),
    };
    for site in sites(server, site).await? {
        let first = format!("/admin/sessions?{whose}{}", at(site.as_ref()));
        let mut target = first.clone();
        loop {
            let page: Page = ask(server, Method::GET, &target).await?;
            page.sessions.iter().try_for_each(&mut with)?;
            match page.next {
                Some(cursor) => target = format!("{first}&cursor={cursor}"),
                None => break,
            }
        }
    }
    Ok(())
}

fn print(value: &impl Serialize) -> Result<(), Failed> {
    write_line(io::stdout().lock(), value).map_err(Failed::Writing)
}

#[derive(Deserialize)]
struct Names {
    sites: Vec<SiteName>,
}

#[derive(Deserialize)]
struct Issuers {
    issuers: Vec<Somebody>,
    next: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Somebody {
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<SiteName>,
    issuer: Issuer,
    email: Option<String>,
    sessions: u64,
}

#[derive(Deserialize)]
struct Page {
    sessions: Vec<Session>,
    next: Option<String>,
}

/// As the server shows it.
#[derive(Deserialize, Serialize)]
struct Session {
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<SiteName>,
    issuer: Issuer,
    session: SessionHandle,
    email: Option<String>,
    created_at: Timestamp,
    last_seen: Timestamp,
    expires_at: Timestamp,
}

#[derive(Serialize)]
struct Counted {
    people: u64,
    sessions: u64,
}

async fn ask<T: DeserializeOwned>(
    server: &PrivateListener,
    method: Method,
    target: &str,
) -> Result<T, Failed> {
    let answer = server.ask(method, target).await;
    let answer = answer.map_err(|error| Failed::Asking(format!("cannot be asked: {error}")))?;
    match answer.status {
        StatusCode::OK => serde_json::from_slice(&answer.body).map_err(|_| {
            Failed::Asking("the answer is not understood: is it a newer server?".to_owned())
        }),
        StatusCode::UNAUTHORIZED => {
            Err(Failed::Asking("the server refuses the administrators' secret".to_owned()))
        }
        StatusCode::BAD_REQUEST => Err(Failed::Asking(
            "the server does not understand that: has it a site of this name?".to_owned(),
        )),
        StatusCode::NOT_FOUND => {
            Err(Failed::Asking("the server has no administration, or is an older one".to_owned()))
        }
        StatusCode::NOT_IMPLEMENTED => Err(Failed::Asking(
            "who is signed in is unknown: sealed sessions are in their cookies".to_owned(),
        )),
        StatusCode::SERVICE_UNAVAILABLE => {
            Err(Failed::Asking("the store does not answer".to_owned()))
        }
        status => Err(Failed::Asking(format!("the server answers {}", status.as_u16()))),
    }
}
