//! `[listen]` and `[admin]`.

use std::net::SocketAddr;
use std::path::Path;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::serve::config::Secret;
use crate::serve::config::invalid::Invalid;
use crate::serve::config::settings::Settings;
use std::path::PathBuf;

/// Where browsers and gateways connect.
#[derive(Debug)]
pub(crate) struct PublicListener {
    pub(crate) listen: Listen,
    /// What the paths for browsers and clients begin with. Defaults to `/auth`.
    pub(crate) prefix: String,
    /// HTTPS with these files, read again on SIGHUP; without them plain HTTP.
    pub(crate) tls: Option<TlsFiles>,
}

/// Where operators connect: health, metrics, administration. Plain HTTP.
#[derive(Debug)]
pub(crate) struct PrivateListener {
    pub(crate) listen: Listen,
    /// The bearer token for administration. Without it, there is no administration.
    pub(crate) admin_secret: Option<Secret>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Only this machine, by default.
const DEFAULT_PUBLIC: &str = "127.0.0.1:8080";

/// The paths for browsers and clients are below it.
pub(in crate::serve) const DEFAULT_PREFIX: &str = "/auth";

/// Longer than anybody writes, and short enough for every path below it to fit into a log line.
const MAX_PREFIX_LEN: usize = 128;

/// The first segments of the paths where gateways ask.
const TAKEN: [&str; 2] = ["check", "envoy.service.auth.v3.Authorization"];

/// 32 characters of base64 are 192 bits.
const MIN_SECRET_LEN: usize = 32;

pub(in crate::serve::config) fn listen(
    settings: &mut Settings<'_>,
) -> Result<(PublicListener, Option<PrivateListener>), Invalid> {
    let public = settings.parsed_or("listen.public", DEFAULT_PUBLIC, parse)?;
    let private = private_listener(settings)?;
    if private.as_ref().is_some_and(|private| overlap(&public, private)) {
        return Err(settings.invalid(
            "listen.private",
            "is the address of listen.public; expected a different one, which clients cannot reach",
        ));
    }
    let prefix = settings.parsed_or("listen.prefix", DEFAULT_PREFIX, prefix)?;
    let tls = tls(settings)?;
    let secret = admin_secret(settings)?;
    let private = match (private, secret) {
        (Some(listen), admin_secret) => Some(PrivateListener { listen, admin_secret }),
        (None, Some(_)) => {
            return Err(settings.invalid(
                "admin.secret_file",
                "administration needs a private listener; expected listen.private too",
            ));
        }
        (None, None) => None,
    };
    Ok((PublicListener { listen: public, prefix, tls }, private))
}

/// Where operators connect.
pub(in crate::serve::config) fn private_listener(
    settings: &mut Settings<'_>,
) -> Result<Option<Listen>, Invalid> {
    settings.parsed("listen.private", parse)
}

fn parse(text: &str) -> Result<Listen, &'static str> {
    if let Some(path) = text.strip_prefix("unix:") {
        return match Path::new(path).is_absolute() {
            true => Ok(Listen::Unix(path.into())),
            false => {
                Err("is not an absolute path; expected one such as unix:/run/didt/public.sock")
            }
        };
    }
    text.parse().map(Listen::Tcp).map_err(|_| {
        "is not an address; expected an IP address and a port such as 127.0.0.1:8080 or [::1]:8080, or unix:/path"
    })
}

/// A path that every gateway, browser and router reads alike: an escape, an empty segment, a dot
/// segment or a `;` would make two paths of it, and a `/` would guard nothing.
fn prefix(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let segment =
        |text: &str| !text.is_empty() && !matches!(text, "." | "..") && text.bytes().all(plain);
    let segments = text.strip_prefix('/').map(|rest| rest.split('/'));
    match segments {
        Some(mut segments) if text.len() <= MAX_PREFIX_LEN && segments.clone().all(segment) => {
            match segments.next().filter(|first| TAKEN.contains(first)) {
                Some(first) => Err(format!("is not free: gateways ask below /{first}")),
                None => Ok(text.to_owned()),
            }
        }
        _ => Err(format!(
            "is no prefix; expected a path such as /auth: letters, digits and -._~ between single \
             slashes, none at the end, {MAX_PREFIX_LEN} bytes at most"
        )),
    }
}

/// Whether both would be bound to the same place. Port 0 is any that is free.
fn overlap(one: &Listen, other: &Listen) -> bool {
    match (one, other) {
        (Listen::Tcp(one), Listen::Tcp(other)) => {
            let all = |address: &SocketAddr| address.ip().is_unspecified();
            let same_ip = one.ip() == other.ip() || all(one) || all(other);
            one.port() == other.port() && one.port() != 0 && same_ip
        }
        _ => one == other,
    }
}

fn tls(settings: &mut Settings<'_>) -> Result<Option<TlsFiles>, Invalid> {
    const CERTIFICATE: &str = "listen.tls.certificate";
    const KEY: &str = "listen.tls.key";
    match (settings.file(CERTIFICATE)?, settings.file(KEY)?) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(settings.invalid(KEY, "a key needs listen.tls.certificate too")),
        (Some(_), None) => {
            Err(settings.invalid(CERTIFICATE, "a certificate needs listen.tls.key too"))
        }
        (Some((certificate, chain)), Some((key, text))) => {
            let mut chain = CertificateDer::pem_slice_iter(&chain).peekable();
            if chain.peek().is_none() || chain.any(|certificate| certificate.is_err()) {
                return Err(settings.invalid(CERTIFICATE, "has no certificates in PEM"));
            }
            PrivateKeyDer::from_pem_slice(&text)
                .map_err(|_| settings.invalid(KEY, "has no private key in PEM"))?;
            Ok(Some(TlsFiles { certificate, key }))
        }
    }
}

/// What administration asks for.
pub(in crate::serve::config) fn admin_secret(
    settings: &mut Settings<'_>,
) -> Result<Option<Secret>, Invalid> {
    const KEY: &str = "admin.secret_file";
    let Some(secret) = settings.secret(KEY)? else { return Ok(None) };
    // It comes back in a header, behind a blank.
    if !secret.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(settings.invalid(
            KEY,
            "the secret must be one line of visible ASCII characters without blanks",
        ));
    }
    if secret.expose().len() < MIN_SECRET_LEN {
        return Err(settings.invalid(
            KEY,
            format_args!("the secret is shorter than {MIN_SECRET_LEN} characters; `didt keygen` makes one of 43"),
        ));
    }
    Ok(Some(secret))
}
