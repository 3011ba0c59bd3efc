//! `[store]`.

use tower_didt::SealingKeys;

use super::redis::{OPTIONS, PLACES, redis};
use crate::serve::config::Store;
use crate::serve::config::invalid::Invalid;
use crate::serve::config::settings::Settings;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Memory,
    Sealed,
    Redis,
}

pub(in crate::serve::config) fn store(settings: &mut Settings<'_>) -> Result<Store, Invalid> {
    let kind = settings.choice(
        "store.kind",
        &[("memory", Kind::Memory), ("sealed", Kind::Sealed), ("redis", Kind::Redis)],
    )?;
    let keys = keys(settings)?;
    let redis = redis(settings)?;
    let needless = |settings: &Settings<'_>, keys: &[&str], why: &str| {
        let given = keys.iter().find(|key| settings.is_given(key));
        given.map_or(Ok(()), |key| Err(settings.invalid(key, why)))
    };
    if kind != Kind::Sealed {
        needless(settings, &["store.keys_file"], "is for store.kind \"sealed\" alone")?;
    }
    if kind == Kind::Memory {
        let why = "is for store.kind \"redis\", or \"sealed\" with Redis, alone";
        needless(settings, &PLACES, why)?;
        needless(settings, &OPTIONS, why)?;
    }
    if redis.is_none() {
        needless(settings, &OPTIONS, "needs store.url or another key that says where Redis is")?;
    }
    match (kind, keys, redis) {
        (Kind::Memory, ..) => Ok(Store::Memory),
        (Kind::Redis, _, Some(redis)) => Ok(Store::Redis(redis)),
        (Kind::Redis, _, None) => Err(settings.invalid(
            "store.kind",
            format_args!(
                "\"redis\" needs to know where it is; expected one of {}",
                PLACES.join(", ")
            ),
        )),
        (Kind::Sealed, Some(keys), ledger) => Ok(Store::Sealed { keys, ledger }),
        (Kind::Sealed, None, _) => Err(settings.invalid(
            "store.kind",
            "\"sealed\" needs keys; expected store.keys_file, a file that `didt keygen` makes",
        )),
    }
}

fn keys(settings: &mut Settings<'_>) -> Result<Option<SealingKeys>, Invalid> {
    const KEY: &str = "store.keys_file";
    let Some(text) = settings.secret(KEY)? else { return Ok(None) };
    SealingKeys::from_text(text.expose()).map(Some).map_err(|error| settings.invalid(KEY, error))
}
