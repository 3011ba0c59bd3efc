//! One node: the real layer over a store whose questions the simulation carries.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use http::{Request, Response, StatusCode};
use tower_didt::internals::node::{Copies, Pauses};
use tower_didt::layer::DidService;
use tower_didt::{DidAuth, Lifetimes, Session, SessionHandle, Verifier};
use tower_layer::Layer;
use tower_service::Service;

use crate::call::Call;
use crate::people::AUDIENCE;
use crate::promises::Answer;
use crate::scenario::Scenario;
use crate::store::NodeStore;
use crate::time::{Micros, Time, WallClock, micros};

/// Room for copies in each node, in bytes.
const COPIES: u64 = 4 * 1024 * 1024;

pub(crate) type Answering = Pin<Box<dyn Future<Output = Answer>>>;

/// What the handler behind the layer does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Task {
    Answer,
    SignOut,
    Everywhere,
    End(SessionHandle),
}

pub(crate) struct Node {
    pub(crate) store: NodeStore,
    auth: DidAuth,
    service: DidService<Handler>,
    clock: WallClock,
    /// How far its wall clock is ahead, in microseconds.
    pub(crate) ahead: i64,
    /// Which of the settings it has.
    pub(crate) generation: usize,
    /// How often it was started.
    pub(crate) boot: u64,
    pub(crate) link: Link,
    /// Nothing gets through before this time.
    pub(crate) cut_until: Micros,
    /// Nothing is done before this time.
    pub(crate) frozen_until: Micros,
}

/// The connection to the server, as the node knows it.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// Counts the connections.
    pub(crate) number: u64,
    pub(crate) server: usize,
    /// The server has answered on it.
    pub(crate) is_up: bool,
    /// The question that was not answered yet.
    pub(crate) awaiting: Option<Micros>,
    pub(crate) pauses: Pauses,
    /// When the latest message in each direction arrives.
    pub(crate) to_server: Micros,
    pub(crate) to_node: Micros,
    /// Questions that wait for a connection, and those that wait for an answer.
    pub(crate) waiting: Vec<Call>,
    pub(crate) sent: Vec<Call>,
}

impl Node {
    pub(crate) fn new(
        scenario: &Scenario,
        time: &Time,
        ahead: i64,
        caches: Option<&DidAuth>,
    ) -> Self {
        let clock = WallClock::new(time, ahead);
        let store = Self::store(scenario, time);
        let auth = Self::auth(scenario, &store, &clock, 0, caches);
        Self {
            service: auth.layer().layer(Handler),
            auth,
            store,
            clock,
            ahead,
            generation: 0,
            boot: 0,
            link: Link::default(),
            cut_until: 0,
            frozen_until: 0,
        }
    }

    fn store(scenario: &Scenario, time: &Time) -> NodeStore {
        let copies = Copies::new(COPIES);
        let monotonic = time.clone();
        let connection = copies
            .connection(scenario.ping_interval, scenario.timeout, move || monotonic.elapsed());
        NodeStore::new(time.clone(), micros(scenario.timeout), copies, connection)
    }

    fn auth(
        scenario: &Scenario,
        store: &NodeStore,
        clock: &WallClock,
        generation: usize,
        caches: Option<&DidAuth>,
    ) -> DidAuth {
        let lifetime = Self::lifetime_of(scenario, generation);
        let auth = DidAuth::new(Verifier::new(AUDIENCE))
            .with_store(store.clone())
            .with_clock(clock.clone())
            .with_lifetimes(Lifetimes::new(lifetime));
        // That a signature was checked is true on all nodes: it is checked once here.
        match caches {
            Some(other) => auth.with_caches_of(other),
            None => auth,
        }
    }

    fn lifetime_of(scenario: &Scenario, generation: usize) -> Duration {
        let number = generation.checked_rem(scenario.lifetimes.len()).unwrap_or(0);
        scenario.lifetimes.get(number).copied().unwrap_or_default()
    }

    pub(crate) fn lifetime(&self, scenario: &Scenario) -> Micros {
        micros(Self::lifetime_of(scenario, self.generation))
    }

    pub(crate) const fn caches(&self) -> &DidAuth {
        &self.auth
    }

    /// A new process takes its place: without copies, and with the next settings.
    pub(crate) fn restart(&mut self, scenario: &Scenario, time: &Time) {
        self.boot += 1;
        self.store = Self::store(scenario, time);
        let number = self.link.number + 1;
        self.link = Link { number, ..Link::default() };
        self.reload(scenario);
    }

    /// Reads the next settings, with the same store.
    pub(crate) fn reload(&mut self, scenario: &Scenario) {
        self.generation += 1;
        let Self { store, clock, generation, auth, .. } = self;
        self.auth = Self::auth(scenario, store, clock, *generation, Some(auth));
        self.service = self.auth.layer().layer(Handler);
    }

    pub(crate) fn call(
        &mut self,
        token: Option<&str>,
        cookie: Option<&str>,
        task: Task,
    ) -> Answering {
        let mut request = Request::builder();
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(cookie) = cookie {
            request = request.header(COOKIE, format!("__Host-didt={cookie}"));
        }
        let request = request.extension(task).body(()).unwrap_or_default();
        let _ = self.service.poll_ready(&mut Context::from_waker(Waker::noop()));
        let answering = self.service.call(request);
        Box::pin(async move {
            let Ok(response) = answering.await;
            read(&response)
        })
    }
}

fn read<B>(response: &Response<B>) -> Answer {
    let cookie = response.headers().get(SET_COOKIE).and_then(|value| value.to_str().ok());
    let value = cookie.and_then(|cookie| cookie.split(';').next()?.strip_prefix("__Host-didt="));
    Answer {
        status: response.status().as_u16(),
        caller: response.extensions().get().copied(),
        cookie: value.map(str::to_owned),
    }
}

/// The service behind the layer.
#[derive(Clone, Debug)]
struct Handler;

impl Service<Request<()>> for Handler {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<()>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        Box::pin(async move {
            let mut response = Response::new(());
            let (Some(session), Some(task)) =
                (request.extensions().get::<Session>(), request.extensions().get::<Task>())
            else {
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                return Ok(response);
            };
            let done = match task {
                Task::Answer => Ok(()),
                Task::SignOut => session.sign_out().await,
                Task::Everywhere => session.sign_out_everywhere().await,
                Task::End(handle) => session.revoke(*handle).await.map(|_| ()),
            };
            if done.is_err() {
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            }
            response.extensions_mut().insert((session.issuer(), session.handle()));
            Ok(response)
        })
    }
}
