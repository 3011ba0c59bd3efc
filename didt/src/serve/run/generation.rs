//! One generation: all that one reading of the settings makes, complete before any of it is served.

use std::sync::Arc;

use tower_didt::magic::{Magic, MagicError};
use tower_didt::{Audiences, BoundLogin, DidAuth, MagicSignIn, SystemClock};
use tracing::Instrument;

use super::start_error::StartError;
use super::tls_of;
use crate::serve::audit::Audit;
use crate::serve::config::{Change, Changes, Config, Given, Limits, Loaded, PrivateListener};
use crate::serve::did_auth::{self, Client, Opened};
use crate::serve::measures::Measures;
use crate::serve::preview::Rereading;
use crate::serve::rates::Counted;
use crate::serve::server::{Serving, Stop, Tls};
use crate::serve::sites::{SiteName, Sites};
use crate::serve::{people, private, public, trace};

/// Connections at a time to the private listener: probes and a few people. They come out of no
/// other limit, so that a crowd at the public one keeps no probe waiting.
pub(super) const PRIVATE_CONNECTIONS: usize = 128;

/// What changes when anything about Magic's client does; other settings of `[magic]` are about people
/// who sign in.
const MAGIC: [&str; 5] = [
    "magic.secret_key_file",
    "magic.api_url",
    "magic.timeout",
    "magic.fresh_for",
    "magic.stale_until",
];

/// What outlives generations.
#[derive(Clone, Debug)]
pub(super) struct Around {
    pub(super) measures: Measures,
    /// What the public listener hears.
    pub(super) stop: Stop,
    pub(super) counted: Arc<Counted>,
    pub(super) rereading: Rereading,
}

/// What the listeners serve of a generation.
pub(super) struct Served {
    pub(super) public: Serving,
    pub(super) private: Option<Serving>,
}

/// One reading of the settings, and what was opened for it. Requests that began with one end with it.
#[derive(Debug)]
pub(super) struct Generation {
    /// Counted from 1.
    pub(super) number: u64,
    given: Given,
    loaded: Sites<Loaded>,
    tls: Option<Tls>,
    sites: Sites<Site>,
}

/// What was opened for one site, and what guards it.
#[derive(Debug)]
struct Site {
    parts: Parts,
    auth: DidAuth,
}

/// What a site is assembled of.
#[derive(Clone, Debug)]
struct Parts {
    config: Arc<Config>,
    opened: Opened,
    magic: Option<Magic>,
    audiences: Audiences,
    bound_login: Option<BoundLogin>,
}

/// Settings that were read after those of a generation, files included, and what they change.
#[derive(Debug)]
pub(super) struct Later {
    given: Given,
    loaded: Sites<Loaded>,
    tls: Option<Tls>,
    /// What differs from what is served now.
    pub(super) changes: Changes,
    /// Settings that differ and take effect after a restart.
    pub(super) needs_restart: Vec<String>,
}

impl Generation {
    /// Waits for Magic where it has to name the audience.
    pub(super) async fn first(
        given: Given,
        loaded: Sites<Loaded>,
        tls: Option<Tls>,
        around: &Around,
    ) -> Result<(Self, Served), StartError> {
        let mut parts = Vec::new();
        for (named, Loaded { config, .. }) in loaded.iter() {
            let span = trace::site(named.map(|named| &named.name));
            parts.push(Parts::first(config, true).instrument(span).await?);
        }
        Self::assemble(1, given, loaded, tls, parts, None, around)
    }

    /// The next one. Whatever is asked for has to be there, or all stays as it is: Magic and the store where
    /// what is said about them changed.
    pub(super) async fn next(
        &self,
        later: Later,
        around: &Around,
    ) -> Result<(Self, Served), StartError> {
        let Later { given, loaded, tls, changes, .. } = later;
        let mut parts = Vec::new();
        for (named, Loaded { config, .. }) in loaded.iter() {
            let name = named.map(|named| &named.name);
            let next = async {
                match self.sites.named(name) {
                    Some(Site { parts, .. }) => parts.next(config, &changes.of(name)).await,
                    None => {
                        let parts = Parts::first(config, false).await?;
                        parts.opened.answers().await.map_err(StartError::Store)?;
                        Ok(parts)
                    }
                }
            };
            parts.push(next.instrument(trace::site(name)).await?);
        }
        let number = self.number.saturating_add(1);
        Self::assemble(number, given, loaded, tls, parts, Some(&self.sites), around)
    }

    /// Reads what is given now. Waits for disks: not to be called where others wait.
    pub(super) fn read_again(&self, given: Given) -> Result<Later, String> {
        let read = given.load_after(&self.given, &self.loaded);
        let (loaded, wanted) = read.map_err(|invalid| invalid.to_string())?;
        let changes = Changes::between(&self.loaded, &loaded);
        let tls = match changes.touch(&["listen.tls."]) {
            true => tls_of(&loaded.first().config).map_err(|error| error.to_string())?,
            false => self.tls.clone(),
        };
        let needs_restart = wanted.iter().filter(|change| change.needs_restart);
        let needs_restart = needs_restart.map(Change::name).collect();
        Ok(Later { given, loaded, tls, changes, needs_restart })
    }

    /// The settings that are the same for all sites.
    pub(super) fn config(&self) -> &Config {
        &self.loaded.first().config
    }

    /// Whether a store of this one is none of the generation's before.
    pub(super) fn has_new_store(&self, before: &Self) -> bool {
        let store = |site: &Site| Arc::clone(&site.parts.opened.store);
        let before: Vec<_> = before.sites.iter().map(|(_, site)| store(site)).collect();
        let is_new = |site| !before.iter().any(|before| Arc::ptr_eq(before, &store(site)));
        self.sites.iter().any(|(_, site)| is_new(site))
    }

    /// The clients of its stores, and their sites.
    pub(super) fn clients(&self) -> impl Iterator<Item = (Option<&SiteName>, Client)> {
        self.sites.iter().filter_map(|(named, site)| {
            let client = site.parts.opened.client.clone()?;
            Some((named.map(|named| &named.name), client))
        })
    }

    /// With the caches of what guarded the sites `before`.
    fn assemble(
        number: u64,
        given: Given,
        loaded: Sites<Loaded>,
        tls: Option<Tls>,
        parts: Vec<Parts>,
        before: Option<&Sites<Site>>,
        around: &Around,
    ) -> Result<(Self, Served), StartError> {
        let mut parts = parts.into_iter();
        let parts = loaded.clone().try_map(|_, _| parts.next().ok_or(StartError::NoAudience))?;
        apart(
            &parts.iter().filter_map(|(site, it)| Some((&site?.name, &it.audiences))).collect(),
            &before
                .into_iter()
                .flat_map(Sites::iter)
                .filter_map(|(site, it)| Some((&site?.name, &it.parts.audiences)))
                .collect(),
        )?;
        let sites = parts.try_map(|named, parts| {
            let name = named.map(|named| &named.name);
            let auth = parts.auth(before.and_then(|before| before.named(name)))?;
            Ok::<_, StartError>(Site { parts, auth })
        })?;
        let shown = sites.map(|_, Site { parts, auth }| (parts.clone(), auth.clone()));
        let shown = shown.try_map(|_, (parts, auth)| parts.shown(auth))?;
        let auths = sites.map(|_, site| site.auth.clone());
        let clock = Arc::new(SystemClock);
        let router =
            public::router(shown, &around.counted, clock).map_err(StartError::Assertion)?;
        let config = &loaded.first().config;
        let served = Served {
            public: Serving::new(router, tls.clone(), config.limits.clone()),
            private: config.private.as_ref().map(|PrivateListener { admin_secret, .. }| {
                let (measures, stop) = (around.measures.clone(), around.stop.clone());
                let audit = Audit::new(&config.log);
                let secret = admin_secret.as_ref();
                let preview = around.rereading.against(&given, &loaded);
                let router =
                    private::router(&auths, measures, stop, number, secret, audit, Some(preview));
                let connections = PRIVATE_CONNECTIONS;
                Serving::new(router, None, Limits { connections, ..config.limits.clone() })
            }),
        };
        Ok((Self { number, given, loaded, tls, sites }, served))
    }
}

/// Sites and the applications whose tokens they accept.
type Accepted<'a> = Vec<(&'a SiteName, &'a Audiences)>;

/// Refuses sites that accept tokens of the same application, and an application that went from one site
/// to another since `before`: what its tokens were used for is remembered there.
fn apart(sites: &Accepted<'_>, before: &Accepted<'_>) -> Result<(), StartError> {
    for (place, (name, audiences)) in sites.iter().enumerate() {
        for audience in audiences.iter() {
            let accepts = |(other, audiences): &&(&SiteName, &Audiences)| {
                other != name && audiences.accept(audience)
            };
            let name = (*name).clone();
            if let Some((other, _)) = sites.iter().take(place).find(accepts) {
                let (audience, sites) = (audience.to_owned(), [(*other).clone(), name]);
                return Err(StartError::SharedAudience { audience, sites });
            }
            if let Some((from, _)) = before.iter().find(accepts) {
                let (audience, from) = (audience.to_owned(), (*from).clone());
                return Err(StartError::MovedAudience { audience, from, to: name });
            }
        }
    }
    Ok(())
}

/// The client for Magic's Admin API, if there is one.
fn client(config: &Config) -> Result<Option<Magic>, StartError> {
    config.magic.as_ref().map(people::client).transpose().map_err(StartError::Magic)
}

/// The audience of the secret key's application: asked for once, since the one before still serves.
async fn client_id(magic: &Magic) -> Result<Audiences, MagicError> {
    Ok(Audiences::from(magic.client_id().await?))
}

impl Parts {
    /// Those of a site that nobody served before. With patience, Magic may be away for long, where it has
    /// to name the audience.
    async fn first(config: &Arc<Config>, patient: bool) -> Result<Self, StartError> {
        let opened = did_auth::open(config).map_err(StartError::Open)?;
        let magic = client(config)?;
        let audiences = match (&config.audiences, &magic) {
            (Some(audiences), _) => audiences.clone(),
            (None, Some(magic)) if patient => {
                people::audience(magic).await.map_err(StartError::ClientId)?
            }
            (None, Some(magic)) => client_id(magic).await.map_err(StartError::ClientId)?,
            (None, None) => return Err(StartError::NoAudience),
        };
        let bound_login = config.sessions.bound_login.clone();
        Ok(Self { config: Arc::clone(config), opened, magic, audiences, bound_login })
    }

    /// Those that come after these, for settings that changed so.
    async fn next(&self, config: &Arc<Config>, changes: &Changes) -> Result<Self, StartError> {
        let opened = did_auth::open_again(config, &self.opened, changes);
        let opened = opened.map_err(StartError::Open)?;
        if !Arc::ptr_eq(&opened.store, &self.opened.store) {
            opened.answers().await.map_err(StartError::Store)?;
        }
        let same_magic = !changes.touch(&MAGIC);
        let magic = if same_magic { self.magic.clone() } else { client(config)? };
        let audiences = match (&config.audiences, &magic) {
            (Some(audiences), _) => audiences.clone(),
            (None, Some(_)) if same_magic && self.config.audiences.is_none() => {
                self.audiences.clone()
            }
            (None, Some(magic)) => client_id(magic).await.map_err(StartError::ClientId)?,
            (None, None) => return Err(StartError::NoAudience),
        };
        // Without a key of its own it has made one, which challenges on their way need.
        let bound_login =
            match changes.touch(&["sessions.bound_login", "sessions.bound_login_key_file"]) {
                true => config.sessions.bound_login.clone(),
                false => self.bound_login.clone(),
            };
        Ok(Self { config: Arc::clone(config), opened, magic, audiences, bound_login })
    }

    /// What guards the site, with the caches of what guarded it `before`.
    fn auth(&self, before: Option<&Site>) -> Result<DidAuth, StartError> {
        let Self { config, opened, magic, audiences, bound_login } = self;
        let sign_in: Option<MagicSignIn> = people::sign_in(config, magic.as_ref());
        let (audiences, store) = (audiences.clone(), Arc::clone(&opened.store));
        let auth = did_auth::did_auth(config, audiences, sign_in, bound_login.as_ref(), store);
        let auth = auth.map_err(StartError::Auth)?;
        Ok(match before {
            Some(before) => auth.with_caches_of(&before.auth),
            None => auth,
        })
    }

    /// What the public listener serves of it.
    fn shown(self, auth: DidAuth) -> Result<public::Site, StartError> {
        let Self { config, magic, .. } = self;
        let prefix = &config.public.prefix;
        let page = config.sign_in.as_ref().map(|sign_in| sign_in.page(&auth, prefix)).transpose();
        let page = page.map_err(|error| StartError::SignIn(error.to_string()))?;
        Ok(public::Site { config, auth, page, magic })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SiteName {
        text.parse().expect("a name")
    }

    /// Also where Magic says, at start-up, whose the secret keys are.
    #[test]
    fn two_sites_do_not_accept_one_application_and_none_goes_to_another_site() {
        let (shop, blog) = (name("shop"), name("blog"));
        let (one, two) = (Audiences::from("one"), Audiences::from("two"));
        let both = Audiences::from_iter(["two", "one"]);
        let apart = |sites: &Accepted<'_>, before: &Accepted<'_>| {
            apart(sites, before).map_err(|error| error.to_string())
        };
        let served = vec![(&shop, &one), (&blog, &two)];
        assert_eq!(apart(&served, &vec![]), Ok(()));
        assert_eq!(apart(&served, &served), Ok(()));
        let shared = apart(&vec![(&shop, &one), (&blog, &both)], &vec![]).expect_err("shared");
        assert!(shared.contains("the sites shop and blog both accept \"one\""), "{shared}");
        let moved = apart(&vec![(&blog, &one)], &served).expect_err("moved");
        assert!(moved.contains("\"one\" went from the site shop to the site blog"), "{moved}");
        assert_eq!(apart(&vec![(&blog, &two)], &served), Ok(()), "a site may go");
    }
}
