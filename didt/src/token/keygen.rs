//! `didt keygen`: keys and secrets.

use std::io::{self, Write};
use std::process::ExitCode;

use tower_didt::SealingKeys;

/// Print a new key or secret
///
/// A secret is 32 random bytes of the operating system, as text: for sealed sessions, for bound login, and for
/// administration. The other keys sign assertions, as PEM; put the new one in front of those that are in the file, with
/// the time from which it signs.
#[derive(clap::Args)]
#[cfg_attr(feature = "serve", command(after_help = HELP))]
pub(crate) struct Keygen {
    /// What to make
    #[arg(value_enum, default_value_t = Kind::Secret)]
    kind: Kind,

    /// When the key begins to sign, such as 2026-07-01T00:00:00Z; at once if nothing is said
    #[cfg(feature = "serve")]
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<String>,

    /// When the key ends; never if nothing is said
    #[cfg(feature = "serve")]
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// For store.keys_file, sessions.bound_login_key_file and admin.secret_file
    Secret,
    /// For assertion.key_file: signs with `EdDSA`
    #[cfg(feature = "serve")]
    Ed25519,
    /// For assertion.key_file: signs with ES256
    #[cfg(feature = "serve")]
    P256,
}

#[cfg(feature = "serve")]
const HELP: &str = "\
Examples:
  didt keygen > session.key
  didt keygen ed25519 > assertion.key
  didt keygen p256 --from 2026-07-01T00:00:00Z --until 2027-01-15T00:00:00Z

For RS256, which older libraries need, OpenSSL makes the key:
  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072";

impl Keygen {
    pub(crate) fn run(&self) -> io::Result<ExitCode> {
        match self.kind {
            Kind::Secret => self.secret(),
            #[cfg(feature = "serve")]
            Kind::Ed25519 | Kind::P256 => self.signing_key(),
        }
    }

    #[cfg_attr(not(feature = "serve"), expect(clippy::unused_self, reason = "has no times then"))]
    fn secret(&self) -> io::Result<ExitCode> {
        #[cfg(feature = "serve")]
        if self.from.is_some() || self.until.is_some() {
            return Ok(crate::output::invalid("--from and --until are for keys of assertions"));
        }
        let key = SealingKeys::generate_text().map_err(io::Error::other)?;
        writeln!(io::stdout().lock(), "{}", key.trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(feature = "serve")]
impl Keygen {
    fn signing_key(&self) -> io::Result<ExitCode> {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;
        use ring::rand::SystemRandom;
        use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
        use zeroize::Zeroizing;

        /// RFC 7468 section 2.
        const LINE: usize = 64;

        let random = SystemRandom::new();
        let der = match self.kind {
            Kind::Ed25519 => Ed25519KeyPair::generate_pkcs8(&random),
            _ => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random),
        };
        let der = der.map_err(|_| io::Error::other("the system has no randomness"))?;
        let text = Zeroizing::new(STANDARD.encode(der.as_ref()));
        let mut out = io::stdout().lock();
        if let Some(from) = &self.from {
            writeln!(out, "from {from}")?;
        }
        if let Some(until) = &self.until {
            writeln!(out, "until {until}")?;
        }
        writeln!(out, "-----BEGIN PRIVATE KEY-----")?;
        for line in text.as_bytes().chunks(LINE) {
            out.write_all(line)?;
            writeln!(out)?;
        }
        writeln!(out, "-----END PRIVATE KEY-----")?;
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A time as the file of keys has it.
#[cfg(feature = "serve")]
fn time(text: &str) -> Result<String, String> {
    match humantime::parse_rfc3339(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("expected a time in UTC, such as 2026-07-01T00:00:00Z".to_owned()),
    }
}
