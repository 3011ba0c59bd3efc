//! Which rule decides on a request, also on one whose path may be read in several ways.

use std::net::IpAddr;

use super::readings::{self, Slashes};
use super::{Miss, Odd, PathFault, Policy, Rule, Target};

/// The rule, and how it was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decided<'a> {
    pub(crate) rule: &'a Rule,
    pub(crate) way: Way,
}

/// What makes it safe to decide on a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It has one form.
    Canonical,
    /// For this host and method, all paths are decided on alike.
    AnyPath,
    /// It may be read in several ways, and all of them are decided on alike.
    EveryReading,
    /// The rule says that everybody keeps its encoded slashes.
    KeptSlashes,
}

/// Why no rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undecided {
    /// The client's address would decide.
    ClientUnknown,
    /// Readings of the path are decided on differently.
    Path(PathFault),
}

impl Policy {
    /// The rule for a request of a client at this address. A path without a canonical form is decided on
    /// only where nobody can read it in a way for which the answer would be another.
    pub(crate) fn decide(
        &self,
        target: &Target,
        client: Option<IpAddr>,
    ) -> Result<Decided<'_>, Undecided> {
        let Some(odd) = &target.odd else {
            let rule = self.rule_for(target, client).ok_or(Undecided::ClientUnknown)?;
            return Ok(Decided { rule, way: Way::Canonical });
        };
        // The cheapest first: the others read the path in every way.
        let found = by(Way::AnyPath, self.whatever_the_path(target, client))
            .or_else(|| {
                let rule = self.on_every_reading(target, odd, Slashes::Read, client);
                by(Way::EveryReading, rule)
            })
            .or_else(|| by(Way::KeptSlashes, self.with_kept_slashes(target, odd, client)));
        found.ok_or(Undecided::Path(odd.fault))
    }

    /// The rule, if the answer is the same for all paths of this host and method.
    fn whatever_the_path(&self, target: &Target, client: Option<IpAddr>) -> Option<&Rule> {
        let mut possible = Vec::new();
        for rule in self.all() {
            let hit = rule.requests.hit_with_some_path(target, client);
            if matches!(hit, Ok(()) | Err(Miss::Unknown)) {
                possible.push(rule);
            }
            if hit.is_ok() && rule.requests.are_about_all_paths() {
                break;
            }
        }
        alike(possible.into_iter())?;
        self.rule_for(target, client)
    }

    /// The rule, if the answer is the same for whatever the path may mean.
    fn on_every_reading(
        &self,
        target: &Target,
        odd: &Odd,
        slashes: Slashes,
        client: Option<IpAddr>,
    ) -> Option<&Rule> {
        let readings = readings::all(odd.sent.as_bytes(), slashes)?;
        let mut read = Target { odd: None, ..target.clone() };
        let mut first = None;
        for reading in readings {
            read.path = reading;
            let rule = self.rule_for(&read, client)?;
            alike([*first.get_or_insert(rule), rule].into_iter())?;
        }
        first
    }

    /// The rule, if it says that encoded slashes are kept and the answer is the same for all other readings.
    fn with_kept_slashes(
        &self,
        target: &Target,
        odd: &Odd,
        client: Option<IpAddr>,
    ) -> Option<&Rule> {
        let keeps = self.rule_for(target, client)?.keeps_slashes;
        if !keeps || readings::hides_dots(odd.sent.as_bytes()) {
            return None;
        }
        self.on_every_reading(target, odd, Slashes::Kept, client)
    }
}

fn by(way: Way, rule: Option<&Rule>) -> Option<Decided<'_>> {
    rule.map(|rule| Decided { rule, way })
}

/// The first of them, if all decide alike.
fn alike<'a>(mut rules: impl Iterator<Item = &'a Rule>) -> Option<&'a Rule> {
    let first = rules.next()?;
    rules.all(|rule| first.decides_like(rule)).then_some(first)
}
