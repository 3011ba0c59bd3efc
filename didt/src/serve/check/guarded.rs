//! One site: who is calling, and what its upstream is told.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Collected, Empty};
use tower::{Layer, ServiceExt, service_fn};
use tower_didt::layer::is_navigation;
use tower_didt::page::ReturnHosts;
use tower_didt::{Clock, DidAuth, Session};

use super::denial::Denial;
use super::{admit, identity};
use crate::serve::assertion::Signer;
use crate::serve::config::Config;
use crate::serve::cors::Cors;
use crate::serve::policy::{Access, Rule};
use crate::serve::sites::SiteName;

/// One site, which its own policy guards, for its own sessions.
#[derive(Clone, Debug)]
pub(crate) struct Guarded {
    /// Its name, where there are several.
    pub(crate) name: Option<SiteName>,
    pub(crate) config: Arc<Config>,
    pub(crate) auth: DidAuth,
    /// The same, for rules that leave foreign bearer tokens to the application.
    pub(crate) auth_with_foreign: DidAuth,
    pub(crate) signer: Option<Arc<Signer>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cors: Cors,
}

impl Guarded {
    /// Who is calling, and does the rule admit them?
    pub(super) async fn ask_layer(
        &self,
        request: Request<()>,
        rule: &Rule,
        caller: &mut Option<Session>,
    ) -> Result<Response<Bytes>, Denial> {
        // No check signs anybody in: a gateway may drop the cookie, and the token would be used up.
        let auth = if rule.passes_foreign { &self.auth_with_foreign } else { &self.auth };
        let layer = auth.layer().without_sign_in();
        let layer = if rule.access == Access::Optional { layer.optional() } else { layer };
        // A path that was checked; were it refused, people would get their 401.
        let layer = match &self.config.sign_in {
            Some(_) => layer.clone().redirecting_to(&self.sign_in_path()).unwrap_or(layer),
            None => layer,
        };
        let navigates = is_navigation(request.method(), request.headers());
        let target = request.uri().path_and_query().map(ToString::to_string);
        let target = target.filter(|_| self.config.sign_in.is_some() && navigates);
        let Ok(answer) = layer.layer(service_fn(introduce)).oneshot(request).await;
        let (head, body) = answer.into_parts();
        let Some(Caller(session)) = head.extensions.get::<Caller>() else {
            // What the layer makes itself is there at once.
            let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
            return Ok(Response::from_parts(head, body));
        };
        caller.clone_from(session);
        let cookie = head.headers.get(SET_COOKIE);
        if let Err(denial) = admit::admit(rule, session.as_ref(), self.clock.now()) {
            let page = match denial {
                Denial::Stale { .. } => "sign-in?again&",
                denial if denial.is_of_account() => "refused?",
                _ => return Err(denial),
            };
            let target = target.ok_or(denial)?;
            return sent_to(denial, &format!("{}/{page}", self.config.public.prefix), &target);
        }
        let mut response = self.pass(session.as_ref())?;
        if let Some(cookie) = cookie {
            response.headers_mut().insert(SET_COOKIE, cookie.clone());
        }
        Ok(response)
    }

    /// Where people sign in: on the host that they came to.
    fn sign_in_path(&self) -> String {
        format!("{}/sign-in", self.config.public.prefix)
    }

    /// 200, with the identity headers for the upstream.
    pub(super) fn pass(&self, session: Option<&Session>) -> Result<Response<Bytes>, Denial> {
        let mut response = Response::new(Bytes::new());
        let signer = self.signer.as_deref();
        identity::write(
            response.headers_mut(),
            &self.config.identity,
            session,
            signer,
            self.clock.now(),
        )?;
        Ok(response)
    }
}

/// The denial, as a redirect of a person to one of the pages, with the way back.
fn sent_to(denial: Denial, page: &str, target: &str) -> Result<Response<Bytes>, Denial> {
    let back = ReturnHosts::own().check(target, None).map(|to| to.to_query());
    let location = format!("{page}{}", back.unwrap_or_default());
    let location = location.trim_end_matches(['?', '&']);
    let location = HeaderValue::try_from(location).map_err(|_| denial)?;
    let mut response = denial.response();
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// The caller that the layer let pass.
#[derive(Clone)]
struct Caller(Option<Session>);

/// The service behind the layer: hands back who is calling.
async fn introduce(request: Request<()>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let mut response = Response::new(Empty::new());
    let session = request.extensions().get::<Session>().cloned();
    response.extensions_mut().insert(Caller(session));
    Ok(response)
}
