//! What the tests have in common.

mod client;
mod gateway;
mod ports;
mod process;
mod site;

pub(crate) use self::client::{Echoed, Received};
pub(crate) use self::gateway::{Gateway, available, needs};
pub(crate) use self::process::Process;
pub(crate) use self::site::{Change, Site, Store, bearer};
pub(crate) use tower_didt_test_support::http::Reply;
