//! Who may sign in, what goes into their session, and the page for it.

use std::time::Duration;

use tower_didt::page::{PageError, Script, SignInPage};
use tower_didt::{AnyStore, BoundLogin, DidAuth, Lifetimes, Login, Refusal, RememberMe, Verifier};

use crate::members::{Member, Members};
use crate::settings::Settings;
use crate::stand_in;

const HOUR: Duration = Duration::from_secs(3600);

pub fn auth(settings: &Settings, store: AnyStore, members: Members) -> DidAuth {
    DidAuth::new(Verifier::new(settings.client_id()))
        .with_store(store)
        .with_bound_login(BoundLogin::required())
        // Until the browser is closed; or thirty days, for those who tick the box.
        .with_lifetimes(Lifetimes::new(12 * HOUR).with_idle_timeout(HOUR))
        .with_remember_me(RememberMe::new(Lifetimes::new(30 * 24 * HOUR)).chosen_by_people())
        .with_on_sign_in(move |login: Login| admit(members.clone(), login))
}

/// Once per sign-in. What it returns is attached to the session: `Data<Member>` in handlers.
///
/// Everybody becomes a member here. To let in only those whom you know, look the issuer up and
/// return `Refusal::forbidden()` for the others.
async fn admit(members: Members, login: Login) -> Result<Member, Refusal> {
    // 503, and the token is not used up.
    members.sign_in(login.issuer()).await.map_err(|_| Refusal::unavailable())
}

pub fn page(settings: &Settings, auth: &DidAuth) -> Result<SignInPage, PageError> {
    let page = match &settings.magic {
        Some(magic) => SignInPage::new(auth, &magic.publishable_key),
        None => SignInPage::new(auth, "pk_none").with_magic_script(Script::file(stand_in::SCRIPT)),
    };
    page.with_title("Sign in to the team").with_accent("#3d5afe")
}
