//! The stub's own endpoints, for tests in other processes: users, faults, what was asked. Only
//! behind a port ([`Magic::serve`]), beside Magic's.
//!
//! ```text
//! GET    /stub                 {"calls": 3, "calls_about": {"did:ethr:0x…": 2}, "signed_out": []}
//! PUT    /stub/users           a user as Magic's API has it, or a list of users
//! DELETE /stub/users?issuer=…  takes a user away
//! POST   /stub/faults          a fault, or a list of faults, for the next requests
//! PUT    /stub/fault           the fault of all other requests; null for none
//! PUT    /stub/settings        {"generation": "old", "unknown_user": "nulls", "content_type": "json"}
//! ```

use std::time::Duration;

use http::{Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::answer::json_response;
use super::state::parameter;
use super::{ContentType, Fault, Generation, Magic, TestUser, UnknownUser};

/// A fault as JSON, such as `{"kind": "status", "status": 503}`.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Order {
    Delay { milliseconds: u64 },
    Hang,
    Reset,
    Status { status: u16 },
    RateLimited { retry_after: Option<u64> },
    Html { status: u16 },
    Body { body: String },
    Huge,
    Redirect { to: String },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    generation: Option<Generation>,
    unknown_user: Option<UnknownUser>,
    content_type: Option<ContentType>,
}

impl Magic {
    /// The answer to a request to the stub itself; `None` for Magic's own paths.
    pub(super) fn control(
        &self,
        head: &http::request::Parts,
        body: &[u8],
    ) -> Option<Response<String>> {
        let path = head.uri.path().strip_prefix("/stub")?;
        let done = match (head.method.as_str(), path) {
            ("GET", "") => return Some(json_response(StatusCode::OK, &self.report())),
            ("PUT", "/users") => self.put_users(body),
            ("DELETE", "/users") => parameter(&head.uri, "issuer")
                .and_then(|text| text.parse().ok())
                .map(|issuer| self.remove_user(issuer)),
            ("POST", "/faults") => self.order(body),
            ("PUT", "/fault") => read::<Option<Order>>(body)
                .and_then(|order| {
                    order.map(Order::into_fault).map_or(Some(None), |fault| fault.map(Some))
                })
                .map(|fault| self.fail_always(fault)),
            ("PUT", "/settings") => read(body).map(|settings| self.apply(&settings)),
            _ => {
                let error = json!({ "error": "the stub has no such endpoint" });
                return Some(json_response(StatusCode::NOT_FOUND, &error));
            }
        };
        Some(match done {
            Some(()) => json_response(StatusCode::OK, &json!({})),
            None => json_response(StatusCode::BAD_REQUEST, &json!({ "error": "not understood" })),
        })
    }

    fn report(&self) -> Value {
        let state = self.lock();
        let about =
            state.calls_about.iter().map(|(issuer, calls)| (issuer.to_string(), json!(calls)));
        json!({
            "calls": state.calls,
            "calls_about": about.collect::<Map<_, _>>(),
            "signed_out": state.signed_out,
        })
    }

    fn put_users(&self, body: &[u8]) -> Option<()> {
        let users = many(read(body)?);
        let users: Option<Vec<_>> = users.into_iter().map(TestUser::from_json).collect();
        users?.into_iter().for_each(|user| self.add_user(user));
        Some(())
    }

    fn order(&self, body: &[u8]) -> Option<()> {
        let faults: Option<Vec<_>> = many(read(body)?).into_iter().map(Order::into_fault).collect();
        faults?.into_iter().for_each(|fault| self.fail_next(fault));
        Some(())
    }

    fn apply(&self, settings: &Settings) {
        if let Some(generation) = settings.generation {
            self.set_generation(generation);
        }
        if let Some(answer) = settings.unknown_user {
            self.set_unknown_user(answer);
        }
        if let Some(accepted) = settings.content_type {
            self.set_content_type(accepted);
        }
    }
}

impl Order {
    fn into_fault(self) -> Option<Fault> {
        let status = |code| StatusCode::from_u16(code).ok();
        Some(match self {
            Self::Delay { milliseconds } => Fault::Delay(Duration::from_millis(milliseconds)),
            Self::Hang => Fault::Hang,
            Self::Reset => Fault::Reset,
            Self::Status { status: code } => Fault::Status(status(code)?),
            Self::RateLimited { retry_after } => Fault::RateLimited(retry_after),
            Self::Html { status: code } => Fault::Html(status(code)?),
            Self::Body { body } => Fault::Body(body),
            Self::Huge => Fault::Huge,
            Self::Redirect { to } => Fault::Redirect(to),
        })
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

fn many<T>(items: OneOrMany<T>) -> Vec<T> {
    match items {
        OneOrMany::Many(items) => items,
        OneOrMany::One(item) => vec![item],
    }
}
