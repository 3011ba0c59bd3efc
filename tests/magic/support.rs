//! A stub with one user, Ada, and a client for it.

use tower_didt::magic::AdminApi;
use tower_didt::testing::{self, TestUser, Wallet};
use tower_didt::{Issuer, Timestamp};

pub(crate) const KEY: &str = "sk_test_NEVER_SEEN";
pub(crate) const APP: &str = "did:magic:my-app";
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

pub(crate) fn issuer(name: &str) -> Issuer {
    Wallet::from_seed(name).issuer()
}

pub(crate) fn ada() -> Issuer {
    issuer("ada")
}

/// A stub that knows Ada.
pub(crate) fn stub() -> testing::Magic {
    let stub = testing::Magic::new(KEY, APP);
    stub.add_user(TestUser::new(ada()).email("Ada@Example.com"));
    stub
}

pub(crate) fn api(stub: &testing::Magic) -> AdminApi {
    stub.api().expect("a key")
}
