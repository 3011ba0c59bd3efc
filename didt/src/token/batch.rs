//! `didt verify --batch`: a stream of questions, a stream of verdicts.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::process::ExitCode;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use tower_didt::{Audiences, Timestamp};

use super::rules::Rules;
use super::verdict::{Named, Verdict};
use crate::arguments::{self, MAX_INPUT};
use crate::output::write_line;

const BUFFER: usize = 64 * 1024;

/// Answers every line of standard input, in order.
pub(crate) fn run(rules: &Rules) -> io::Result<ExitCode> {
    let mut input = BufReader::with_capacity(BUFFER, io::stdin().lock());
    let mut out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
    let mut line = Vec::new();
    loop {
        // The next read may wait for a reader of these verdicts.
        if !input.buffer().contains(&b'\n') {
            out.flush()?;
        }
        line.clear();
        if input.by_ref().take(MAX_INPUT + 1).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.len() as u64 > MAX_INPUT && !line.ends_with(b"\n") {
            line = Vec::new();
            input.skip_until(b'\n')?;
            let verdict = Verdict::input("the line is longer than 64 MiB");
            write_line(&mut out, &Named { name: None, verdict })?;
        } else if !line.trim_ascii().is_empty() {
            write_line(&mut out, &answer(&line, rules))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// The verdict on one line.
fn answer<'a>(line: &'a [u8], rules: &Rules) -> Named<'a> {
    let question = match std::str::from_utf8(line) {
        Ok(text) => serde_json::from_str::<Question<'_>>(text).map_err(|error| describe(&error)),
        Err(_) => Err("not UTF-8".to_owned()),
    };
    match question {
        Ok(question) => {
            let verdict = verdict(&question, rules);
            Named { name: question.name, verdict: verdict.unwrap_or_else(Verdict::input) }
        }
        Err(message) => Named { name: None, verdict: Verdict::input(message) },
    }
}

/// What is wrong with a line, without its content: there may be a token in it.
fn describe(error: &serde_json::Error) -> String {
    match error.classify() {
        Category::Data => "not a JSON object".to_owned(),
        _ => format!("not JSON (column {})", error.column()),
    }
}

/// Verifies what the line asks for, or says what it lacks.
fn verdict(question: &Question<'_>, rules: &Rules) -> Result<Verdict, &'static str> {
    if question.has_duplicate {
        return Err("the object has a duplicate key");
    }
    let token = match question.token.map(RawValue::get) {
        None => return Err("token is missing"),
        Some(text) if !text.starts_with('"') => return Err("token is not a string"),
        // What is not text (a lone surrogate) is not a token either. The verifier reports it:
        // the quotes of the JSON text are not in the base64 alphabet.
        Some(text) => serde_json::from_str(text).map_or(Cow::Borrowed(text), Cow::<str>::Owned),
    };
    let audiences = match value(question.audience, "audience is not a string or an array of them")?
    {
        Some(OneOrMany::One(audience)) => Audiences::from(audience),
        Some(OneOrMany::Many(audiences)) => Audiences::from(audiences),
        None if rules.audiences.is_empty() => {
            return Err("audience is missing, and there is no --audience");
        }
        None => rules.audiences(),
    };
    let attachment: Option<String> = value(question.attachment, "attachment is not a string")?;
    let attachment = attachment.as_deref().or(rules.attachment.as_deref());
    let now = time(question.now)?.unwrap_or_else(|| rules.at.now());
    Ok(rules.verifier(audiences, attachment).verify(token.as_ref(), now).into())
}

/// The value of a key, where it is there and not `null`.
fn value<T: DeserializeOwned>(
    raw: Option<&RawValue>,
    wrong: &'static str,
) -> Result<Option<T>, &'static str> {
    raw.map_or(Ok(None), |raw| serde_json::from_str(raw.get()).map_err(|_| wrong))
}

/// `now`: read from its text, because Rust rounds decimals correctly and `serde_json` only nearly.
fn time(raw: Option<&RawValue>) -> Result<Option<Timestamp>, &'static str> {
    match raw.map(RawValue::get) {
        None | Some("null") => Ok(None),
        // As valid JSON the text is a number, `true`, `false`, or begins with a quote or bracket.
        Some(text) => arguments::time(text).map(Some).map_err(|_| "now is not a finite number"),
    }
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// A line, with its values as written, so that none of them is copied or interpreted early.
#[derive(Default)]
struct Question<'a> {
    name: Option<&'a RawValue>,
    token: Option<&'a RawValue>,
    now: Option<&'a RawValue>,
    audience: Option<&'a RawValue>,
    attachment: Option<&'a RawValue>,
    has_duplicate: bool,
}

impl<'de> Deserialize<'de> for Question<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Question<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut question = Question::default();
                let mut seen = BTreeSet::new();
                while let Some((key, value)) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
                    match key.as_ref() {
                        "name" => question.name = Some(value),
                        "token" => question.token = Some(value),
                        "now" => question.now = Some(value),
                        "audience" => question.audience = Some(value),
                        "attachment" => question.attachment = Some(value),
                        _ => {}
                    }
                    question.has_duplicate |= !seen.insert(key);
                }
                Ok(question)
            }
        }

        deserializer.deserialize_map(Object)
    }
}
