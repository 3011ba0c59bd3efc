//! The mistakes that are looked for, in the order in which they are.

mod ambiguous;
mod cache;
mod connection;
mod credentials;
mod cross_site;
mod denial;
mod forwarded;
mod guarded;
mod hosts;
mod identity;
mod paths;
mod private;
pub(super) mod secret_key;
mod sign_in;
mod sign_in_page;
mod sign_out;
mod spoofing;
mod stored_cookie;
mod tricks;
mod upgrade;
mod upstream;

use super::probe::Probe;

/// The last two end the session that the others use.
pub(super) const PROBES: &[Probe] = &[
    upstream::PROBE,
    guarded::PROBE,
    denial::PROBE,
    spoofing::STRANGER,
    spoofing::SIGNED_IN,
    spoofing::PUBLIC,
    connection::PROBE,
    upgrade::PROBE,
    paths::THROUGH_PUBLIC,
    paths::AROUND_GUARDED,
    paths::CASE,
    forwarded::PROBE,
    hosts::PROBE,
    identity::PROBE,
    credentials::PROBE,
    ambiguous::PROBE,
    cross_site::UNSAFE_METHOD,
    cross_site::WEBSOCKET,
    cache::ANSWERS,
    cache::REFUSALS,
    stored_cookie::PROBE,
    private::PROBE,
    sign_in_page::PROBE,
    sign_in::PROBE,
    sign_out::PROBE,
    sign_out::COOKIE,
];
