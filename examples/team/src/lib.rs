//! A team's own application: members with roles, a page for everybody, one for administrators.
//!
//! ```text
//! main      reads the settings and serves
//! settings  what the environment says
//! members   the table: who is a member, with which name and role
//! sign_in   who may sign in, and what goes into their session
//! home      the page of a member, and what they change on it
//! admin     the page of administrators: roles, and everybody's sessions
//! page      what all pages look like
//! stand_in  in place of Magic, for trying it out
//! ```

pub mod admin;
pub mod home;
pub mod members;
pub mod page;
pub mod settings;
pub mod sign_in;
pub mod stand_in;

use std::error::Error;

use axum::Router;
use axum::routing::{get, post};
use tower_didt::layer::Sessions;
use tower_didt::{AnyStore, DidAuth, Guard};

use crate::members::{Members, Role};
use crate::settings::Settings;

/// What every handler can ask for.
#[derive(Clone)]
pub struct App {
    pub members: Members,
    pub sessions: Sessions,
}

/// Opens the database, and makes the tables in it that are missing.
pub async fn open(settings: &Settings) -> Result<(DidAuth, Router), Box<dyn Error>> {
    let store = AnyStore::from_url(&settings.database_url)?;
    store.migrate().await?;
    let members = Members::open(&settings.database_url, settings.administrator).await?;
    let auth = sign_in::auth(settings, store, members.clone());
    let app = App { members, sessions: auth.sessions() };
    Ok((auth.clone(), router(settings, &auth, app)?))
}

fn router(settings: &Settings, auth: &DidAuth, app: App) -> Result<Router, Box<dyn Error>> {
    // Whoever is not signed in goes to the sign-in page; whoever is no administrator gets a 403.
    let signed_in = auth.layer().redirecting_to("/auth/sign-in")?;
    let admin = Router::new()
        .route("/admin", get(admin::show))
        .route("/admin/role", post(admin::change_role))
        .route("/admin/end", post(admin::end_session))
        .route_layer(Guard::from(Role::Admin).layer());
    Ok(Router::new()
        .route("/", get(home::show))
        .route("/name", post(home::rename))
        .route("/end", post(home::end_session))
        .merge(admin)
        .route_layer(signed_in)
        .nest_service("/auth", sign_in::page(settings, auth)?)
        .route("/style.css", get(page::style))
        .with_state(app)
        .merge(stand_in::router(settings)))
}
