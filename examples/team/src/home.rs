//! The page of a member: their name, and the devices that they are signed in on.

use axum::Form;
use axum::extract::State;
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;
use tower_didt::store::PageRequest;
use tower_didt::{Data, Session, SessionHandle};

use crate::App;
use crate::members::{Member, Role};
use crate::page::{self, Failure};

/// The longest name, in characters.
const MAX_NAME: usize = 60;

pub async fn show(session: Session, Data(member): Data<Member>) -> Result<Markup, Failure> {
    let devices = session.sessions(PageRequest::first()).await?.sessions;
    Ok(page::page(
        "Home",
        html! {
            h1 { "Hello, " (member.name) }
            p.soft { code { (session.issuer()) } }
            form method="post" action="/name" {
                label { "Your name" input name="name" value=(member.name) maxlength=(MAX_NAME) required; }
                button { "Save" }
            }
            h2 { "Signed in on" }
            ul { @for device in &devices { li {
                span {
                    "since " (page::time(device.created_at))
                    @if Some(device.handle) == session.handle() { strong { " this device" } }
                }
                form method="post" action="/end" {
                    input type="hidden" name="session" value=(device.handle);
                    button.quiet { "End" }
                }
            } } }
            nav {
                @if member.role == Role::Admin { a href="/admin" { "Administration" } }
                a href="/auth/sign-out" { "Sign out" }
            }
        },
    ))
}

#[derive(Deserialize)]
pub struct Rename {
    pub name: String,
}

/// In the table, and in the session, where the next request reads it.
pub async fn rename(
    State(app): State<App>,
    session: Session,
    Form(form): Form<Rename>,
) -> Result<Redirect, Failure> {
    let name: String = form.name.trim().chars().take(MAX_NAME).collect();
    if name.is_empty() {
        return Err(Failure::Invalid);
    }
    app.members.rename(session.issuer(), &name).await?;
    let newest = app.members.find(session.issuer()).await?.ok_or(Failure::Invalid)?;
    session.modify_data(|_: Option<Member>| newest.clone()).await?;
    Ok(Redirect::to("/"))
}

#[derive(Deserialize)]
pub struct EndSession {
    pub session: SessionHandle,
}

/// Only of their own: a session of somebody else's is not found.
pub async fn end_session(
    session: Session,
    Form(form): Form<EndSession>,
) -> Result<Redirect, Failure> {
    session.revoke(form.session).await?;
    Ok(Redirect::to("/"))
}

#[cfg(test)]
mod tests {
    use tower_didt::testing::{TestSession, Wallet};

    use super::*;

    fn ada(role: Role) -> (Session, Data<Member>) {
        let member = Member { name: "<Ada>".to_owned(), role };
        let session = TestSession::new(Wallet::from_seed("ada").issuer()).data(&member).make();
        (session, Data(member))
    }

    #[tokio::test]
    async fn the_page_shows_the_member_and_this_device_and_escapes_the_name() {
        let (session, member) = ada(Role::Member);
        let page = show(session.clone(), member).await.expect("a page").into_string();
        assert!(page.contains("Hello, &lt;Ada&gt;") && page.contains("this device"));
        assert!(page.contains(&session.handle().expect("a session").to_string()));
        assert!(!page.contains("/admin"), "not for members");
    }

    #[tokio::test]
    async fn administrators_see_where_their_page_is() {
        let (session, member) = ada(Role::Admin);
        let page = show(session, member).await.expect("a page").into_string();
        assert!(page.contains(r#"href="/admin""#));
    }

    #[tokio::test]
    async fn a_member_ends_a_session_of_their_own_and_no_other() {
        let (session, _) = ada(Role::Member);
        let (other, _) = ada(Role::Member);
        let handle = session.handle().expect("a session");
        let listed =
            async || session.sessions(PageRequest::first()).await.expect("a list").sessions.len();
        let end =
            |session: &Session| end_session(session.clone(), Form(EndSession { session: handle }));
        let _ = end(&other).await.expect("an answer");
        assert_eq!(listed().await, 1);
        let _ = end(&session).await.expect("an answer");
        assert_eq!(listed().await, 0);
    }
}
