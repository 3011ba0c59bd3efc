//! `[sign_in]`.

use tower_didt::page::{PageError, Script, SignInPage, Texts};
use tower_didt::{DidAuth, Verifier};

use crate::serve::config::invalid::Invalid;
use crate::serve::config::settings::Settings;

/// A page to sign in, for people who come without a session.
#[derive(Debug, Default)]
pub(crate) struct SignIn {
    /// Of the application at Magic.
    pub(crate) key: String,
    /// Links in place of codes.
    pub(crate) links: bool,
    pub(crate) providers: Vec<String>,
    pub(crate) home: String,
    pub(crate) after_sign_out: Option<String>,
    pub(crate) return_origins: Vec<String>,
    pub(crate) title: Option<String>,
    pub(crate) intro: Option<String>,
    pub(crate) logo: Option<String>,
    pub(crate) accent: Option<String>,
    /// Rules that are added to the style sheet.
    pub(crate) css: Option<String>,
    pub(crate) privacy_link: Option<String>,
    pub(crate) help_link: Option<String>,
    pub(crate) texts: Option<Texts>,
    /// The origin of Magic's frame. Defaults to Magic's own.
    pub(crate) endpoint: Option<String>,
    /// Magic's script, if this server hands it out.
    pub(crate) magic: Option<Vec<u8>>,
    /// The same for the script that providers need.
    pub(crate) oauth: Option<Vec<u8>>,
}

const KEY: &str = "sign_in.publishable_key";

/// Of a style sheet or a language file, in bytes: ten times the English one.
const MAX_TEXT_FILE_LEN: usize = 64 * 1024;

/// Of Magic's script, in bytes; that of version 33 has a tenth of it.
const MAX_SCRIPT_LEN: usize = 1024 * 1024;

/// Keys that mean nothing without a page.
const OF_THE_PAGE: [&str; 15] = [
    "sign_in.method",
    "sign_in.providers",
    "sign_in.home",
    "sign_in.after_sign_out",
    "sign_in.return_origins",
    "sign_in.title",
    "sign_in.intro",
    "sign_in.logo",
    "sign_in.accent",
    "sign_in.css_file",
    "sign_in.privacy_link",
    "sign_in.help_link",
    "sign_in.texts_file",
    "sign_in.endpoint",
    "sign_in.magic_file",
];

pub(in crate::serve::config) fn sign_in(
    settings: &mut Settings<'_>,
    prefix: &str,
) -> Result<Option<SignIn>, Invalid> {
    // Not even shown: somebody may have put the other key there.
    if settings.bare_text(KEY)?.is_some_and(|key| key.trim_start().starts_with("sk_")) {
        let problem = "holds a secret API key, which would go to every visitor; expected the \
                       publishable one, pk_live_…. Replace the secret key in Magic's dashboard if \
                       anybody could read it here";
        return Err(settings.invalid(KEY, problem));
    }
    let key = settings.parsed(KEY, publishable_key)?;
    let mut text = |key| settings.parsed(key, |text| Ok::<_, &str>(text.to_owned()));
    let [after_sign_out, title, intro, logo, accent, privacy_link, help_link, endpoint] = [
        text("sign_in.after_sign_out")?,
        text("sign_in.title")?,
        text("sign_in.intro")?,
        text("sign_in.logo")?,
        text("sign_in.accent")?,
        text("sign_in.privacy_link")?,
        text("sign_in.help_link")?,
        text("sign_in.endpoint")?,
    ];
    let sign_in = SignIn {
        key: key.clone().unwrap_or_default(),
        links: settings.choice("sign_in.method", &[("code", false), ("link", true)])?,
        providers: settings.list("sign_in.providers")?,
        home: settings.parsed_or("sign_in.home", "/", |text| Ok::<_, &str>(text.to_owned()))?,
        after_sign_out,
        return_origins: settings.list("sign_in.return_origins")?,
        title,
        intro,
        logo,
        accent,
        css: words(settings, "sign_in.css_file")?,
        privacy_link,
        help_link,
        texts: texts(settings)?,
        endpoint,
        magic: script(settings, "sign_in.magic_file")?,
        oauth: script(settings, "sign_in.oauth_file")?,
    };
    if key.is_none() {
        let given = OF_THE_PAGE.iter().chain(&["sign_in.oauth_file"]);
        return match given.copied().find(|key| settings.is_given(key)) {
            Some(given) => {
                Err(settings.invalid(given, format_args!("a sign-in page needs {KEY} too")))
            }
            None => Ok(None),
        };
    }
    if sign_in.oauth.is_some() && sign_in.providers.is_empty() {
        let problem = "is for providers alone; expected sign_in.providers beside it";
        return Err(settings.invalid("sign_in.oauth_file", problem));
    }
    check(settings, &sign_in, prefix)?;
    Ok(Some(sign_in))
}

/// A file of text.
fn words(settings: &mut Settings<'_>, key: &'static str) -> Result<Option<String>, Invalid> {
    let Some((_, contents)) = settings.file(key)? else { return Ok(None) };
    match std::str::from_utf8(&contents) {
        Ok(text) if text.len() <= MAX_TEXT_FILE_LEN => Ok(Some(text.to_owned())),
        _ => Err(settings.invalid(key, "the file that it names is not UTF-8, or over 64 KiB")),
    }
}

fn texts(settings: &mut Settings<'_>) -> Result<Option<Texts>, Invalid> {
    const KEY: &str = "sign_in.texts_file";
    let json = words(settings, KEY)?;
    let texts = json.map(|json| Texts::from_json(&json));
    texts.transpose().map_err(|error| settings.invalid(KEY, error))
}

fn script(settings: &mut Settings<'_>, key: &'static str) -> Result<Option<Vec<u8>>, Invalid> {
    let Some((_, contents)) = settings.file(key)? else { return Ok(None) };
    if contents.is_empty() || contents.len() > MAX_SCRIPT_LEN {
        return Err(settings.invalid(
            key,
            "must be the script of an npm package: dist/magic.js of magic-sdk, or \
             dist/extension.js of @magic-ext/oauth2; neither empty nor over 1 MiB",
        ));
    }
    Ok(Some(contents.to_vec()))
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

/// The page's own judgement, setting by setting, so that the server cannot fail on these later.
fn check(settings: &Settings<'_>, sign_in: &SignIn, prefix: &str) -> Result<(), Invalid> {
    let auth = DidAuth::new(Verifier::new("unused"));
    sign_in.build(&auth, prefix).map(drop).map_err(|(key, error)| settings.invalid(key, error))
}

/// The setting that the page refuses, and why.
type Refused = (&'static str, Box<dyn std::error::Error>);

impl SignIn {
    /// The page, for this application's sessions.
    pub(crate) fn page(
        &self,
        auth: &DidAuth,
        prefix: &str,
    ) -> Result<SignInPage, Box<dyn std::error::Error>> {
        self.build(auth, prefix).map_err(|(_, error)| error)
    }

    fn build(&self, auth: &DidAuth, prefix: &str) -> Result<SignInPage, Refused> {
        type With = fn(SignInPage, &str) -> Result<SignInPage, PageError>;
        let with = |page, key, value: &Option<String>, with: With| match value {
            Some(value) => with(page, value).map_err(|error| (key, error.into())),
            None => Ok::<_, Refused>(page),
        };
        let mut page = SignInPage::new(auth, &self.key).with_magic_links(self.links);
        if let Some(texts) = &self.texts {
            page = page.with_texts(texts.clone());
        }
        if let Some(title) = &self.title {
            page = page.with_title(title);
        }
        if let Some(intro) = &self.intro {
            page = page.with_intro(intro);
        }
        if let Some(css) = &self.css {
            page = page.with_css(css);
        }
        if let Some(magic) = &self.magic {
            page = page.with_magic_script(Script::file(magic.clone()));
        }
        if let Some(oauth) = &self.oauth {
            page = page.with_oauth_script(Script::file(oauth.clone()));
        }
        page = page
            .with_providers(self.providers.iter().map(String::as_str))
            .map_err(|error| ("sign_in.providers", error.into()))?;
        page = page
            .with_return_origins(&self.return_origins)
            .map_err(|error| ("sign_in.return_origins", error.into()))?;
        page = page.with_prefix(prefix).map_err(|error| ("listen.prefix", error.into()))?;
        page = page.with_home(&self.home).map_err(|error| ("sign_in.home", error.into()))?;
        page = with(
            page,
            "sign_in.after_sign_out",
            &self.after_sign_out,
            SignInPage::with_after_sign_out,
        )?;
        page = with(page, "sign_in.logo", &self.logo, SignInPage::with_logo)?;
        page = with(page, "sign_in.accent", &self.accent, SignInPage::with_accent)?;
        page =
            with(page, "sign_in.privacy_link", &self.privacy_link, SignInPage::with_privacy_link)?;
        page = with(page, "sign_in.help_link", &self.help_link, SignInPage::with_help_link)?;
        with(page, "sign_in.endpoint", &self.endpoint, SignInPage::with_endpoint)
    }
}
