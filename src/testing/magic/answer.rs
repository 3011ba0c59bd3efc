//! Bodies as Magic's API has them, in either generation.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use super::Generation;

/// A success: the bare object, or in the old generation's wrapper.
pub(super) fn success(generation: Generation, object: Value) -> Response<String> {
    let body = match generation {
        Generation::New => object,
        Generation::Old => json!({
            "data": object, "error_code": "", "message": "", "status": "ok",
        }),
    };
    json_response(StatusCode::OK, &body)
}

/// A failure.
pub(super) fn failure(generation: Generation, status: StatusCode, code: &str) -> Response<String> {
    let message = status.canonical_reason().unwrap_or("failed");
    let body = match generation {
        Generation::New => json!({ "error_code": code, "message": message }),
        Generation::Old => json!({
            "data": {}, "error_code": code, "message": message, "status": "failed",
        }),
    };
    json_response(status, &body)
}

/// What the new generation says of a request with a field missing, in FastAPI's form.
pub(super) fn invalid(place: &str, field: &str) -> Response<String> {
    let body = json!({
        "detail": [{ "loc": [place, field], "msg": "Field required", "type": "missing" }],
    });
    json_response(StatusCode::UNPROCESSABLE_ENTITY, &body)
}

pub(super) fn json_response(status: StatusCode, body: &Value) -> Response<String> {
    let mut answer = Response::new(body.to_string());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
