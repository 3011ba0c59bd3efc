//! The pages and their files, made once: nothing in them depends on who asks.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::HeaderValue;

use super::asset::Asset;
use super::html::{escape, fill, link};
use super::sdk::{Script, Source};
use super::settings::Settings;

const JS: &str = "text/javascript; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// The texts that are said while the page is used: the rest is in the templates.
const SAID: &str = "say_";

#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) sign_in: View,
    pub(super) callback: View,
    pub(super) sign_out: View,
    pub(super) refused: View,
    files: BTreeMap<String, Asset>,
    weight: usize,
}

/// A page with its policy.
#[derive(Debug)]
pub(super) struct View {
    pub(super) html: Asset,
    pub(super) policy: Option<HeaderValue>,
    /// What other pages learn about this one's address.
    pub(super) referrer: &'static str,
}

impl Rendered {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut files = BTreeMap::new();
        let mut add = |stem: &str, extension: &str, asset: Asset| {
            let name = asset.name(stem, extension);
            files.insert(name.clone(), asset);
            name
        };
        let css = [include_str!("files/page.css"), &settings.accent.css(), &settings.css].concat();
        let css = add("page", "css", Asset::new("text/css; charset=utf-8", css));
        let js = add("page", "js", Asset::new(JS, include_str!("files/page.js")));
        let icon = add("icon", "svg", Asset::new("image/svg+xml", include_str!("files/icon.svg")));
        let own: usize = files.values().map(Asset::len_compressed).sum();
        let magic = script("magic", &settings.magic, &mut files);
        let oauth = match settings.providers.is_empty() {
            true => None,
            false => Some(script("oauth", &settings.oauth, &mut files)),
        };

        let head = head(&css, &js, &icon);
        let status = fill(include_str!("files/status.html"), &settings.texts, &[]);
        let data = data(settings, &magic, oauth.as_ref());
        let snippets = |view: &str| {
            let data = format!("data-view=\"{view}\" {data}");
            (
                data,
                said(settings),
                logo(settings),
                email(settings),
                providers(settings),
                links(settings),
            )
        };
        let view = |name: &str, template: &str| {
            let (data, said, logo, email, providers, links) = snippets(name);
            let html = fill(
                template,
                &settings.texts,
                &[
                    ("head", &head),
                    ("data", &data),
                    ("said", &said),
                    ("logo", &logo),
                    ("email", &email),
                    ("providers", &providers),
                    ("links", &links),
                    ("status", &status),
                ],
            );
            Asset::new(HTML, html)
        };
        let sign_in = view("sign-in", include_str!("files/sign-in.html"));
        let weight = own + sign_in.len_compressed();
        let callback = view("callback", include_str!("files/callback.html"));
        let sign_out = view("sign-out", include_str!("files/sign-out.html"));
        let refused = view("refused", include_str!("files/refused.html"));
        let policy = |forms: &str| policy(settings, &magic, oauth.as_ref(), forms);
        // Forms sign out only, and their answer redirects. Signing in takes the script: without it
        // the e-mail address would go into a URL.
        let forms: Vec<_> = settings.hosts.sources().collect();
        let forms = ["'self'".to_owned()].into_iter().chain(forms).collect::<Vec<_>>().join(" ");
        Self {
            sign_in: View { html: sign_in, policy: policy("'none'"), referrer: "no-referrer" },
            callback: View { html: callback, policy: policy("'none'"), referrer: "no-referrer" },
            // Without a referrer a form says `Origin: null`, which is nobody's.
            sign_out: View { html: sign_out, policy: policy(&forms), referrer: "same-origin" },
            refused: View { html: refused, policy: policy(&forms), referrer: "same-origin" },
            files,
            weight,
        }
    }

    pub(super) fn file(&self, name: &str) -> Option<&Asset> {
        self.files.get(name)
    }

    pub(super) const fn weight(&self) -> usize {
        self.weight
    }
}

/// Where a script is loaded from, and what it has to be.
struct Loaded {
    url: String,
    integrity: String,
    source: String,
}

fn script(stem: &str, script: &Script, files: &mut BTreeMap<String, Asset>) -> Loaded {
    match &script.0 {
        Source::Pinned { url, integrity } => {
            Loaded { url: url.clone(), integrity: integrity.clone(), source: url.clone() }
        }
        Source::File(contents) => {
            let asset = Asset::new(JS, Bytes::clone(contents));
            let name = asset.name(stem, "js");
            files.insert(name.clone(), asset);
            Loaded { url: name, integrity: String::new(), source: "'self'".to_owned() }
        }
    }
}

/// Names of files are relative: the page works below any path.
fn head(css: &str, js: &str, icon: &str) -> String {
    format!(
        "<link rel=\"icon\" href=\"{icon}\" type=\"image/svg+xml\">\n\
         <link rel=\"stylesheet\" href=\"{css}\">\n\
         <script defer src=\"{js}\"></script>"
    )
}

/// The settings that the script reads.
fn data(settings: &Settings, magic: &Loaded, oauth: Option<&Loaded>) -> String {
    let mut data = String::new();
    let mut add = |name: &str, value: &str| {
        data.push_str(&format!("data-{name}=\"{}\" ", escape(value)));
    };
    add("key", &settings.key);
    add("endpoint", &settings.endpoint);
    add("locale", settings.texts.get("magic_locale"));
    add("magic", &magic.url);
    add("magic-integrity", &magic.integrity);
    if let Some(oauth) = oauth {
        add("oauth", &oauth.url);
        add("oauth-integrity", &oauth.integrity);
    }
    if settings.auth.binds_logins() {
        add("bound", "");
    }
    if settings.links {
        add("links", "");
    }
    if settings.auth.offers_to_remember() {
        add("remember", "");
    }
    data
}

/// The script's texts, kept in the page so that the script itself has none.
fn said(settings: &Settings) -> String {
    let said =
        settings.texts.iter().filter_map(|(key, text)| Some((key.strip_prefix(SAID)?, text)));
    said.map(|(key, text)| format!("<p data-key=\"{key}\">{}</p>", escape(text))).collect()
}

fn logo(settings: &Settings) -> String {
    let logo = settings.logo.as_ref();
    logo.map_or_else(String::new, |url| {
        format!("<img class=\"logo\" src=\"{}\" alt=\"\" height=\"48\">", escape(url))
    })
}

fn email(settings: &Settings) -> String {
    let remember = remember(settings);
    match settings.email {
        true => fill(include_str!("files/email.html"), &settings.texts, &[("remember", &remember)]),
        // With the buttons of the providers.
        false => remember,
    }
}

/// A box that nobody has ticked yet, where people choose.
fn remember(settings: &Settings) -> String {
    if !settings.auth.offers_to_remember() {
        return String::new();
    }
    let text = escape(settings.texts.get("remember"));
    format!("<label class=\"remember\"><input id=\"remember\" type=\"checkbox\">{text}</label>")
}

fn providers(settings: &Settings) -> String {
    if settings.providers.is_empty() {
        return String::new();
    }
    let text = settings.texts.get("with_provider");
    let button = |(name, spelt): &(&str, &str)| {
        let text = escape(&text.replace("{provider}", spelt));
        format!("<li><button type=\"button\" data-provider=\"{name}\">{text}</button></li>")
    };
    let buttons: String = settings.providers.iter().map(button).collect();
    let or = match settings.email {
        true => format!("<p class=\"or\">{}</p>", escape(settings.texts.get("or"))),
        false => String::new(),
    };
    format!("{or}<ul class=\"providers\">{buttons}</ul>")
}

fn links(settings: &Settings) -> String {
    let privacy = link(settings.privacy.as_deref(), settings.texts.get("privacy"));
    let help = link(settings.help.as_deref(), settings.texts.get("help"));
    match (privacy.as_str(), help.as_str()) {
        ("", "") => String::new(),
        _ => format!("<footer>{privacy} {help}</footer>"),
    }
}

/// Nothing but this server's files, Magic's scripts as they are pinned, and Magic's frame.
fn policy(
    settings: &Settings,
    magic: &Loaded,
    oauth: Option<&Loaded>,
    forms: &str,
) -> Option<HeaderValue> {
    let mut scripts = vec!["'self'"];
    for loaded in [Some(magic), oauth].into_iter().flatten() {
        if loaded.source != "'self'" {
            scripts.push(&loaded.source);
        }
    }
    let logo = settings.logo.as_deref().filter(|logo| logo.starts_with("https://"));
    let logo = logo.map(|logo| format!(" {}", origin_of(logo))).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src {}; style-src 'self'; img-src 'self'{logo}; frame-src {}; \
         connect-src 'self'; base-uri 'none'; form-action {forms}; frame-ancestors 'none'",
        scripts.join(" "),
        settings.endpoint,
    );
    HeaderValue::try_from(policy).ok()
}

/// Of a URL that was checked.
fn origin_of(url: &str) -> &str {
    let end = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
    url.get(..end).unwrap_or(url)
}
