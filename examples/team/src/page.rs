//! What all pages look like, and what is answered where one cannot be made.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use tower_didt::layer::DataError;
use tower_didt::{StoreError, Timestamp};

pub fn page(title: &str, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Team" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/style.css";
            }
            body { main { (body) } }
        }
    }
}

pub async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css"))
}

/// To the minute, in UTC.
pub fn time(time: Timestamp) -> String {
    let text = time.to_string().replace('T', " ");
    format!("{} UTC", text.get(..16).unwrap_or(&text))
}

/// Why there is no page.
#[derive(Debug)]
pub enum Failure {
    /// What the form says cannot be: 400.
    Invalid,
    /// The table cannot be asked: 503.
    Members(sqlx::Error),
    /// The sessions cannot be asked, or changed: as the layer answers.
    Sessions(DataError),
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST.into_response(),
            Self::Members(error) => {
                eprintln!("the members cannot be asked: {error}");
                StatusCode::SERVICE_UNAVAILABLE.into_response()
            }
            Self::Sessions(error) => error.into_response(),
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Members(error)
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        Self::Sessions(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Sessions(error.into())
    }
}
