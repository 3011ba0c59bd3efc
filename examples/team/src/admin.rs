//! The page of administrators. The guard around its routes lets nobody else in.

use axum::Form;
use axum::extract::{Query, State};
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;
use tower_didt::store::{IssuerCursor, PageRequest};
use tower_didt::{Issuer, Session, SessionHandle};

use crate::App;
use crate::members::Role;
use crate::page::{self, Failure};

/// How many sessions of a member are shown. The count says whether there are more.
const SHOWN: usize = 10;

#[derive(Default, Deserialize)]
pub struct Place {
    pub after: Option<String>,
}

/// Who is signed in, a hundred members a page, with their sessions.
pub async fn show(
    State(app): State<App>,
    session: Session,
    Query(place): Query<Place>,
) -> Result<Markup, Failure> {
    let after = place.after.map(|after| after.parse::<IssuerCursor>());
    let page = app.sessions.issuers(after.transpose().map_err(|_| Failure::Invalid)?).await?;
    let mut rows = Vec::new();
    for issuer in page.issuers {
        rows.push(row(&app, issuer, session.issuer()).await?);
    }
    Ok(page::page(
        "Administration",
        html! {
            h1 { "Who is signed in" }
            @for row in rows { (row) }
            nav {
                @if let Some(next) = page.next { a href={ "/admin?after=" (next) } { "More" } }
                a href="/" { "Home" }
            }
        },
    ))
}

async fn row(app: &App, issuer: Issuer, own: Issuer) -> Result<Markup, Failure> {
    let member = app.members.find(issuer).await?;
    let count = app.sessions.count(issuer).await?;
    let first = PageRequest::first().with_size(SHOWN);
    let sessions = app.sessions.of(issuer, first).await?.sessions;
    Ok(html! {
        section {
            h2 { (member.as_ref().map_or("no member", |member| &member.name)) }
            p.soft { code { (issuer) } }
            // Nobody changes their own role.
            @if let Some(member) = member.as_ref().filter(|_| issuer != own) {
                form method="post" action="/admin/role" {
                    input type="hidden" name="issuer" value=(issuer);
                    label { "Role" select name="role" {
                        @for role in [Role::Member, Role::Admin] {
                            option value=(role.as_str()) selected[member.role == role] { (role.as_str()) }
                        }
                    } }
                    button { "Change" }
                }
            }
            p { "Sessions: " (count) }
            ul { @for session in &sessions { li {
                span {
                    "since " (page::time(session.created_at))
                    @if session.is_remembered() { " (remembered)" }
                }
                form method="post" action="/admin/end" {
                    input type="hidden" name="issuer" value=(issuer);
                    input type="hidden" name="session" value=(session.handle);
                    button.quiet { "End" }
                }
            } } }
        }
    })
}

#[derive(Deserialize)]
pub struct ChangeRole {
    pub issuer: Issuer,
    pub role: Role,
}

/// A session has the role of its sign-in, so the member's sessions end: the next one has the new
/// role. An administrator cannot change their own, so that there is always one.
pub async fn change_role(
    State(app): State<App>,
    session: Session,
    Form(form): Form<ChangeRole>,
) -> Result<Redirect, Failure> {
    if form.issuer == session.issuer() {
        return Err(Failure::Invalid);
    }
    if !app.members.change_role(form.issuer, form.role).await? {
        return Err(Failure::Invalid);
    }
    app.sessions.end_all(form.issuer).await?;
    Ok(Redirect::to("/admin"))
}

#[derive(Deserialize)]
pub struct EndSession {
    pub issuer: Issuer,
    pub session: SessionHandle,
}

pub async fn end_session(
    State(app): State<App>,
    Form(form): Form<EndSession>,
) -> Result<Redirect, Failure> {
    app.sessions.end(form.issuer, form.session).await?;
    Ok(Redirect::to("/admin"))
}
