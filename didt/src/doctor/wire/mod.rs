//! Requests as bytes on a socket, since what is to be found out is lost in any library that
//! writes proper ones; answers are read by httparse.

mod answer;
mod body;
mod connect;
mod error;
mod request;
mod url;

pub(super) use self::answer::Answer;
pub(super) use self::connect::{Connector, Roots};
pub(super) use self::error::Error;
pub(super) use self::request::Request;
pub(super) use self::url::Url;
