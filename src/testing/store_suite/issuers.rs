//! Lists of the issuers that have sessions.

use std::collections::HashSet;

use super::fixture::{Fixture, MAX_PAGES, Outcome, Violation, ensure};
use crate::did::Issuer;
use crate::session::StoreError;

pub(super) async fn issuers_with_sessions_are_listed_and_no_others(f: Fixture) -> Outcome {
    let names = ["alice", "bob", "carol"];
    for name in names {
        f.sign_in(name).await?;
        f.sign_in(name).await?;
    }
    let Some(listed) = walk(&f).await? else { return Ok(()) };
    for name in names {
        ensure(listed.contains(&f.issuer(name)), format!("{name} has sessions and is not listed"))?;
    }
    f.store.revoke_all(f.issuer("bob"), f.now).await?;
    let listed = walk(&f).await?.unwrap_or_default();
    ensure(!listed.contains(&f.issuer("bob")), "an issuer without sessions is listed")?;
    ensure(listed.contains(&f.issuer("carol")), "an issuer with sessions is not listed any more")
}

/// All pages; `None` if the store does not know.
async fn walk(f: &Fixture) -> Outcome<Option<HashSet<Issuer>>> {
    let (mut listed, mut next) = (HashSet::new(), None);
    for _ in 0..MAX_PAGES {
        let page = match f.store.issuers(next.take()).await {
            Err(StoreError::Unsupported) => return Ok(None),
            page => page?,
        };
        listed.extend(page.issuers);
        let Some(cursor) = page.next else { return Ok(Some(listed)) };
        next = Some(cursor);
    }
    Err(Violation::new("the list of issuers has no end"))
}
