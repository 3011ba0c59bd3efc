//! Stand-ins for the contents of files that are not read: something of the right form, so that all
//! else can be checked. Nothing is ever served with it.

use zeroize::Zeroizing;

const KEY: &str = "gw2qY-IjNaVs4dXsnbrRAc7x5GNDkoN_T8cOQ0MEqOc";
const URL: &str = "redis://localhost";
const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

pub(super) fn contents(key: &str) -> Zeroizing<Vec<u8>> {
    let text = match key {
        "store.url_file" | "store.cluster_urls_file" | "store.sentinel_urls_file" => URL,
        "listen.tls.key" | "assertion.key_file" | "store.client_key" => PRIVATE_KEY,
        "listen.tls.certificate" | "store.root_certificates" | "store.client_certificate" => {
            CERTIFICATE
        }
        "sign_in.texts_file" => "{}",
        "magic.secret_key_file" => "sk_live_0123456789ABCDEF",
        "emails_file" => "ada@example.com",
        _ => KEY,
    };
    Zeroizing::new(text.as_bytes().to_vec())
}
