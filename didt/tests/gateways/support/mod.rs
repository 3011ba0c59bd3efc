//! What the tests have in common.

mod client;
mod gateway;
mod ports;
mod process;
mod site;

pub(crate) use self::client::{Received, Reply};
pub(crate) use self::gateway::{Gateway, available, needs};
pub(crate) use self::process::Process;
pub(crate) use self::site::{Change, Site, Store, bearer};
