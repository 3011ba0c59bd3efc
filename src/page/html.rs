//! Fills the templates. Whatever comes from settings is escaped; nothing comes from visitors.

use super::texts::Texts;

/// Replaces `{{key}}` by the text of that key, and `{{&name}}` by a snippet.
pub(super) fn fill(template: &str, texts: &Texts, snippets: &[(&str, &str)]) -> String {
    let mut html = String::with_capacity(template.len() * 2);
    let mut parts = template.split("{{");
    html.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (key, rest) = part.split_once("}}").unwrap_or((part, ""));
        match key.strip_prefix('&') {
            Some(name) => {
                let found = snippets.iter().find(|(known, _)| *known == name);
                html.push_str(found.map_or("", |(_, snippet)| snippet));
            }
            None => html.push_str(&escape(texts.get(key))),
        }
        html.push_str(rest);
    }
    html
}

/// For text and for attributes in double quotes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// `<a href="…">…</a>`, if there is such a link.
pub(super) fn link(url: Option<&str>, text: &str) -> String {
    url.map_or_else(String::new, |url| format!("<a href=\"{}\">{}</a>", escape(url), escape(text)))
}
