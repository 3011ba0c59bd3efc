//! What the stub knows, expects and has seen.

use std::collections::{HashMap, VecDeque};

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{failure, invalid, success};
use super::{Fault, Generation, TestUser};
use crate::did::Issuer;

/// How many requests are remembered.
const MAX_SEEN: usize = 1000;

/// How many sign-outs are remembered.
const MAX_SIGNED_OUT: usize = 1000;

/// How the stub reports an unknown user. Magic's documentation does not say what Magic does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownUser {
    /// 404 with an `error_code`.
    #[default]
    NotFound,
    /// 200 with an empty object.
    Empty,
    /// 200 with an object whose fields are all `null`.
    Nulls,
}

/// Which `Content-Type` the stub accepts of a `POST`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentType {
    /// Any, or none.
    #[default]
    Any,
    /// `application/json` only: all else is 422.
    Json,
    /// Anything but `application/json`.
    Text,
}

/// A request that the stub has seen.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SeenRequest {
    /// Its method.
    pub method: Method,
    /// Its target.
    pub uri: Uri,
    /// Its headers, the secret key included.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
}

pub(super) struct State {
    pub(super) secret_key: String,
    client_id: String,
    users: HashMap<Issuer, TestUser>,
    pub(super) generation: Generation,
    pub(super) unknown_user: UnknownUser,
    pub(super) content_type: ContentType,
    queue: VecDeque<Fault>,
    pub(super) standing: Option<Fault>,
    pub(super) calls: usize,
    pub(super) calls_about: HashMap<Issuer, usize>,
    pub(super) signed_out: Vec<Issuer>,
    seen: VecDeque<SeenRequest>,
}

impl State {
    pub(super) fn new(secret_key: &str, client_id: &str) -> Self {
        Self {
            secret_key: secret_key.to_owned(),
            client_id: client_id.to_owned(),
            users: HashMap::new(),
            generation: Generation::default(),
            unknown_user: UnknownUser::default(),
            content_type: ContentType::default(),
            queue: VecDeque::new(),
            standing: None,
            calls: 0,
            calls_about: HashMap::new(),
            signed_out: Vec::new(),
            seen: VecDeque::new(),
        }
    }

    pub(super) fn add_user(&mut self, user: TestUser) {
        self.users.insert(user.issuer(), user);
    }

    pub(super) fn remove_user(&mut self, issuer: Issuer) {
        self.users.remove(&issuer);
    }

    pub(super) fn queue(&mut self, fault: Fault) {
        self.queue.push_back(fault);
    }

    pub(super) fn calls_about(&self, issuer: Issuer) -> usize {
        self.calls_about.get(&issuer).copied().unwrap_or_default()
    }

    pub(super) fn seen(&self) -> Vec<SeenRequest> {
        self.seen.iter().cloned().collect()
    }

    /// Writes a request down, and says which fault it meets.
    pub(super) fn take(&mut self, head: &Parts, body: &[u8]) -> Option<Fault> {
        self.calls += 1;
        if let Some(issuer) = parameter(&head.uri, "issuer").and_then(|text| text.parse().ok()) {
            *self.calls_about.entry(issuer).or_default() += 1;
        }
        if self.seen.len() == MAX_SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back(SeenRequest {
            method: head.method.clone(),
            uri: head.uri.clone(),
            headers: head.headers.clone(),
            body: String::from_utf8_lossy(body).into_owned(),
        });
        self.queue.pop_front().or_else(|| self.standing.clone())
    }

    pub(super) fn answer(&mut self, head: &Parts, body: &[u8]) -> Response<String> {
        let key = head.headers.get("x-magic-secret-key").map(http::HeaderValue::as_bytes);
        if key != Some(self.secret_key.as_bytes()) {
            return failure(self.generation, StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
        }
        match (head.method.as_str(), head.uri.path()) {
            ("GET", "/v1/admin/client" | "/v1/admin/client/get") => success(
                self.generation,
                json!({ "client_id": self.client_id, "app_scope": "GLOBAL" }),
            ),
            ("GET", "/v1/admin/user" | "/v1/admin/auth/user/get") => self.user(&head.uri),
            ("POST", "/v1/admin/user/logout" | "/v2/admin/auth/user/logout") => {
                self.sign_out(&head.headers, body)
            }
            _ => failure(self.generation, StatusCode::NOT_FOUND, ""),
        }
    }

    fn user(&self, uri: &Uri) -> Response<String> {
        let Some(issuer) = parameter(uri, "issuer") else {
            return self.missing("query");
        };
        let user = issuer.parse().ok().and_then(|issuer: Issuer| self.users.get(&issuer));
        if let Some(user) = user {
            let wallets = parameter(uri, "wallet_type");
            return success(self.generation, user.to_json(wallets.as_deref()));
        }
        match self.unknown_user {
            UnknownUser::NotFound => {
                failure(self.generation, StatusCode::NOT_FOUND, "USER_NOT_FOUND")
            }
            UnknownUser::Empty => success(self.generation, json!({})),
            UnknownUser::Nulls => success(
                self.generation,
                json!({
                    "issuer": null, "public_address": null, "email": null, "oauth_provider": null,
                    "phone_number": null, "username": null, "wallets": null,
                }),
            ),
        }
    }

    fn sign_out(&mut self, headers: &HeaderMap, body: &[u8]) -> Response<String> {
        let json = headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        let accepted = match self.content_type {
            ContentType::Any => true,
            ContentType::Json => json,
            ContentType::Text => !json,
        };
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let issuer = body.get("issuer").and_then(Value::as_str).and_then(|text| text.parse().ok());
        let Some(issuer) = issuer.filter(|_| accepted) else {
            return self.missing("body");
        };
        if self.signed_out.len() < MAX_SIGNED_OUT {
            self.signed_out.push(issuer);
        }
        success(self.generation, json!({}))
    }

    fn missing(&self, place: &str) -> Response<String> {
        match self.generation {
            Generation::New => invalid(place, "issuer"),
            Generation::Old => {
                failure(self.generation, StatusCode::BAD_REQUEST, "MISSING_REQUIRED_FIELDS")
            }
        }
    }
}

/// A parameter of the query, percent-encoded or not.
pub(super) fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let value = uri
        .query()?
        .split('&')
        .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))?;
    percent_decode_str(value.1).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
