//! `[sign_in]`.

use tower_didt::page::{Script, SignInPage, Texts};
use tower_didt::{DidAuth, Verifier};

use crate::serve::config::SignIn;
use crate::serve::config::invalid::Invalid;
use crate::serve::config::settings::Settings;

const KEY: &str = "sign_in.publishable_key";

/// Of Magic's script, in bytes; that of version 33 has a tenth of it.
const MAX_SCRIPT_LEN: usize = 1024 * 1024;

pub(in crate::serve::config) fn sign_in(
    settings: &mut Settings<'_>,
) -> Result<Option<SignIn>, Invalid> {
    let key = settings.parsed(KEY, publishable_key)?;
    let title = settings.parsed("sign_in.title", |text| Ok::<_, &str>(text.to_owned()))?;
    let method = settings.choice("sign_in.method", &[("code", false), ("link", true)])?;
    let providers = settings.list("sign_in.providers")?;
    let home = settings.parsed_or("sign_in.home", "/", |text| Ok::<_, &str>(text.to_owned()))?;
    let return_origins = settings.list("sign_in.return_origins")?;
    let magic = settings.file("sign_in.magic_file")?.map(|(_, contents)| contents);
    let texts = settings.file("sign_in.texts_file")?.map(|(_, contents)| contents);
    let given = [
        "sign_in.title",
        "sign_in.method",
        "sign_in.providers",
        "sign_in.home",
        "sign_in.return_origins",
        "sign_in.magic_file",
        "sign_in.texts_file",
    ];
    let Some(key) = key else {
        return match given.iter().find(|key| settings.is_given(key)) {
            Some(given) => {
                Err(settings.invalid(given, format_args!("a sign-in page needs {KEY} too")))
            }
            None => Ok(None),
        };
    };
    let texts = texts.map(|bytes| {
        let json = std::str::from_utf8(&bytes).unwrap_or_default();
        Texts::from_json(json).map_err(|error| settings.invalid("sign_in.texts_file", error))
    });
    if magic.as_ref().is_some_and(|script| script.is_empty() || script.len() > MAX_SCRIPT_LEN) {
        return Err(settings.invalid(
            "sign_in.magic_file",
            "must be dist/magic.js of the npm package magic-sdk: neither empty nor over 1 MiB",
        ));
    }
    let sign_in = SignIn {
        key,
        title,
        links: method,
        providers,
        home,
        return_origins,
        magic: magic.map(|bytes| bytes.to_vec()),
        texts: texts.transpose()?,
    };
    check(settings, &sign_in)?;
    Ok(Some(sign_in))
}

fn publishable_key(text: &str) -> Result<String, &'static str> {
    // The one mistake that must not happen: a secret key is for servers, and this goes to everybody.
    match text.strip_prefix("pk_") {
        Some(rest) if !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(text.to_owned())
        }
        _ => Err(
            "is not a publishable key; expected one such as \"pk_live_…\" from Magic's dashboard",
        ),
    }
}

/// The page's own judgement, so that the server cannot fail on these settings later.
fn check(settings: &Settings<'_>, sign_in: &SignIn) -> Result<(), Invalid> {
    let auth = DidAuth::new(Verifier::new(""));
    let page = || SignInPage::new(&auth, "pk");
    page()
        .with_providers(sign_in.providers.iter().map(String::as_str))
        .map_err(|error| settings.invalid("sign_in.providers", error))?;
    page().with_home(&sign_in.home).map_err(|error| settings.invalid("sign_in.home", error))?;
    page()
        .with_return_origins(&sign_in.return_origins)
        .map_err(|error| settings.invalid("sign_in.return_origins", error))?;
    Ok(())
}

impl SignIn {
    /// The page, for this application's sessions.
    pub(crate) fn page(&self, auth: &DidAuth) -> Result<SignInPage, Box<dyn std::error::Error>> {
        let mut page = SignInPage::new(auth, &self.key)
            .with_magic_links(self.links)
            .with_providers(self.providers.iter().map(String::as_str))?
            .with_home(&self.home)?
            .with_return_origins(&self.return_origins)?;
        if let Some(texts) = &self.texts {
            page = page.with_texts(texts.clone());
        }
        if let Some(title) = &self.title {
            page = page.with_title(title);
        }
        if let Some(magic) = &self.magic {
            page = page.with_magic_script(Script::file(magic.clone()));
        }
        Ok(page)
    }
}
