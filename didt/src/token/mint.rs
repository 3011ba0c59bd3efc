//! `didt mint`: test tokens.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::Args;
use serde_json::value::RawValue;
use tower_didt::Timestamp;
use tower_didt::testing::{TokenBuilder, Wallet};

use crate::arguments;
use crate::output::say;

/// Mint TEST tokens, one per line, signed with a key derived from a seed
///
/// They look like tokens of Magic's wallet, and every field can be changed. Anyone who knows
/// the seed can sign as the same issuer.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Mint {
    /// The user: the same seed always makes the same issuer
    #[arg(long)]
    seed: String,

    /// The audience of the tokens: a Magic client id
    #[arg(long, value_name = "AUD", value_parser = arguments::audience)]
    audience: String,

    /// How many tokens; each has its own `tid`
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,

    /// `iat` and `nbf`, in seconds since 1970-01-01 UTC [default: now]
    #[arg(
        long,
        value_name = "UNIX",
        value_parser = arguments::time,
        allow_hyphen_values = true,
        help_heading = "Claim"
    )]
    issued_at: Option<Timestamp>,

    /// How long after `iat` the tokens expire
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "900",
        value_parser = arguments::seconds,
        help_heading = "Claim"
    )]
    lifespan: Duration,

    /// The text that `add` signs
    #[arg(long, value_name = "TEXT", default_value = "none", help_heading = "Claim")]
    attachment: String,

    /// Set a field of the claim to this JSON text, inserted unchanged; can be repeated
    #[arg(long, value_name = "KEY=JSON", value_parser = field, help_heading = "Claim")]
    set: Vec<(String, Box<RawValue>)>,

    /// Omit a field of the claim, even if it is set; can be repeated
    #[arg(long, value_name = "KEY", help_heading = "Claim")]
    without: Vec<String>,
}

const HELP: &str = r#"Examples:
  didt mint --seed alice --audience did:magic:my-app
  didt mint --seed alice --audience did:magic:my-app --set 'sub="x"' --set ext=1e21
  didt mint --seed alice --audience did:magic:my-app --issued-at 1700000000 --without add

Exit codes:
  0  done
  1  writing failed
  2  the command line is wrong"#;

impl Mint {
    pub(crate) fn run(self) -> io::Result<ExitCode> {
        let wallet = Wallet::from_seed(&self.seed);
        let mut token =
            wallet.token(self.audience).lifespan(self.lifespan).attachment(self.attachment);
        if let Some(time) = self.issued_at {
            token = token.issued_at(time);
        }
        for (key, json) in self.set {
            token = token.set(key, json);
        }
        for key in self.without {
            token = token.without(key);
        }
        say(format_args!(
            "these are TEST tokens of {}: anyone who knows the seed has the key that signed them",
            wallet.issuer()
        ));

        write(&token, self.count)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes `count` tokens as they are minted. Signing takes all of the time, so every core signs;
/// as the tokens differ in random values only, it does not matter which comes first.
fn write(token: &TokenBuilder<'_>, count: u64) -> io::Result<()> {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64).min(count);
    let (minted, tokens) = mpsc::sync_channel(1024);
    thread::scope(|scope| {
        for core in 0..cores {
            let minted = minted.clone();
            let share = count / cores + u64::from(core < count % cores);
            // Nobody takes the tokens any more once writing has failed.
            scope.spawn(move || (0..share).try_for_each(|_| minted.send(token.mint())));
        }
        drop(minted);
        let mut out = BufWriter::new(io::stdout().lock());
        for token in tokens {
            writeln!(out, "{token}")?;
        }
        out.flush()
    })
}

/// Reads `KEY=JSON`.
fn field(text: &str) -> Result<(String, Box<RawValue>), String> {
    let (key, json) = text.split_once('=').ok_or("expected KEY=JSON")?;
    let json = serde_json::from_str(json).map_err(|error| {
        format!("not JSON: {error}; text needs its quotes past the shell: --set '{key}=\"text\"'")
    })?;
    Ok((key.to_owned(), json))
}
