//! Which master owns which slot, as the masters themselves see it.
//!
//! Redis reports a change of a key to its readers, but a key that does not exist has
//! nothing to report when its slot moves, and keys can vanish with their slot unreported. So
//! every master is asked at each ping how it sees the cluster (`CLUSTER NODES`), and a copy is
//! kept only of what the undisputed owner of a slot said. Once any master sees another owner,
//! another epoch of the owner, or a slot on its way, all copies of that slot are dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::endpoint::Endpoint;
use super::keys::SLOTS;
use crate::session::copies::Invalidations;

/// The name of a node, which it keeps for life.
type NodeId = Arc<str>;

/// How one master sees the cluster.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct View {
    me: NodeId,
    claims: Vec<Claim>,
    /// Slots that this master is giving away or taking over.
    moving: Vec<u16>,
}

/// A range of slots, its owner, and the owner's configuration epoch: of two claims to a slot
/// the one of the higher epoch is right (cluster specification, "hash slots configuration
/// propagation").
#[derive(Clone, Debug, PartialEq)]
struct Claim {
    first: u16,
    last: u16,
    node: NodeId,
    epoch: u64,
}

/// Who owns a slot.
#[derive(Clone, Debug, Default, PartialEq)]
struct Owner {
    node: Option<NodeId>,
    epoch: u64,
    /// Moving to another master, or claimed by two: no master is believed about it.
    disputed: bool,
}

impl View {
    /// Reads the answer to `CLUSTER NODES`: id, address, flags, master, ping, pong, epoch,
    /// link state and slots of every node.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (mut me, mut claims, mut moving) = (None, Vec::new(), Vec::new());
        for line in text.lines() {
            let mut fields = line.split(' ');
            let node: NodeId = fields.next()?.into();
            let (_address, flags) = (fields.next()?, fields.next()?);
            let (_master, _ping, _pong) = (fields.next()?, fields.next()?, fields.next()?);
            let epoch = fields.next()?.parse().ok()?;
            let _link = fields.next()?;
            if flags.split(',').any(|flag| flag == "myself") {
                me = Some(Arc::clone(&node));
            }
            for slots in fields.filter(|slots| !slots.is_empty()) {
                if let Some(way) = slots.strip_prefix('[') {
                    moving.push(slot(way.split_once('-')?.0)?);
                } else {
                    let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
                    let (first, last) = (slot(first)?, slot(last)?);
                    claims.push(Claim { first, last, node: Arc::clone(&node), epoch });
                }
            }
        }
        Some(Self { me: me?, claims, moving })
    }

    fn owns(&self, slot: u16) -> bool {
        let covers = |claim: &Claim| (claim.first..=claim.last).contains(&slot);
        self.claims.iter().any(|claim| claim.node == self.me && covers(claim))
    }
}

fn slot(digits: &str) -> Option<u16> {
    digits.parse().ok().filter(|slot| *slot < SLOTS)
}

/// The owner of every slot, from any number of views.
fn owners<'a>(views: impl IntoIterator<Item = &'a View>) -> Vec<Owner> {
    let mut owners = vec![Owner::default(); usize::from(SLOTS)];
    for view in views {
        for claim in &view.claims {
            let range = usize::from(claim.first)..=usize::from(claim.last);
            for owner in owners.get_mut(range).unwrap_or_default() {
                owner.hear(claim);
            }
        }
        for slot in &view.moving {
            if let Some(owner) = owners.get_mut(usize::from(*slot)) {
                owner.disputed = true;
            }
        }
    }
    owners
}

impl Owner {
    fn hear(&mut self, claim: &Claim) {
        match &self.node {
            Some(node) if *node == claim.node => self.epoch = self.epoch.max(claim.epoch),
            Some(_) if claim.epoch < self.epoch => {}
            Some(_) if claim.epoch == self.epoch => self.disputed = true,
            _ => (self.node, self.epoch) = (Some(Arc::clone(&claim.node)), claim.epoch),
        }
    }
}

/// What all masters say together.
#[derive(Debug)]
pub(super) struct Ownership {
    invalidations: Arc<Invalidations>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    views: HashMap<Endpoint, View>,
    owners: Vec<Owner>,
}

impl Ownership {
    pub(super) fn new(invalidations: Arc<Invalidations>) -> Self {
        Self { invalidations, state: Mutex::default() }
    }

    /// Notes how a master sees the cluster now, and drops the copies of every slot about which
    /// it changed its mind. Returns whether it did.
    pub(super) fn report(&self, by: &Endpoint, view: View) -> bool {
        let mut state = self.state();
        if state.views.get(by) == Some(&view) {
            return false;
        }
        let own = owners([&view]);
        let before = state.views.insert(by.clone(), view);
        self.change(&mut state, &owners(&before), &own);
        true
    }

    /// Forgets the view of a master that cannot be asked any more.
    pub(super) fn forget(&self, by: &Endpoint) {
        let mut state = self.state();
        if state.views.remove(by).is_some() {
            self.change(&mut state, &[], &[]);
        }
    }

    /// Whether this master is the undisputed owner of a slot, in its own view as well.
    pub(super) fn is_owner(&self, master: &Endpoint, slot: u16) -> bool {
        let state = self.state();
        let (Some(view), Some(owner)) =
            (state.views.get(master), state.owners.get(usize::from(slot)))
        else {
            return false;
        };
        !owner.disputed && owner.node.as_ref() == Some(&view.me) && view.owns(slot)
    }

    /// Drops the copies of slots that changed, in one master's view or in all together.
    fn change(&self, state: &mut State, before: &[Owner], after: &[Owner]) {
        let together = owners(state.views.values());
        // The new owners first: what is read from now on is judged by them.
        let old = std::mem::replace(&mut state.owners, together);
        for (number, owner) in (0..SLOTS).zip(&state.owners) {
            let at = usize::from(number);
            if old.get(at) != Some(owner) || before.get(at) != after.get(at) {
                self.invalidations.of_slot(number);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::copies::Seen;

    const SLOT: u16 = 7;

    fn endpoint(port: u16) -> Endpoint {
        Endpoint::Tcp { host: "localhost".to_owned(), port }
    }

    fn issuer() -> crate::did::Issuer {
        crate::did::Address::from_bytes([3; 20]).into()
    }

    /// A view of masters `a` and `b`: epochs and slots.
    fn view(me: &str, a: (u64, &str), b: (u64, &str)) -> View {
        let line = |name: &str, (epoch, slots): (u64, &str)| {
            let flags = if name == me { "myself,master" } else { "master" };
            format!("{name} 127.0.0.1:1@2,host {flags} - 0 1700000000000 {epoch} connected {slots}")
        };
        View::read(&format!("{}\n{}\n", line("a", a), line("b", b))).expect("a view")
    }

    struct Watched {
        ownership: Ownership,
        seen: Seen,
    }

    impl Watched {
        /// A owns everything, in the views of A (port 1) and B (port 2).
        fn new() -> Self {
            let ownership = Ownership::new(Arc::new(Invalidations::new(512, SLOTS)));
            ownership.report(&endpoint(1), view("a", (1, "0-16383"), (2, "")));
            ownership.report(&endpoint(2), view("b", (1, "0-16383"), (2, "")));
            let seen = ownership.invalidations.seen(issuer(), SLOT);
            Self { ownership, seen }
        }

        fn report(&self, port: u16, view: View) -> bool {
            self.ownership.report(&endpoint(port), view)
        }

        fn owner(&self) -> [bool; 2] {
            [1, 2].map(|port| self.ownership.is_owner(&endpoint(port), SLOT))
        }

        /// Whether copies of the slot were dropped since the last time.
        fn dropped(&mut self) -> bool {
            let seen = self.ownership.invalidations.seen(issuer(), SLOT);
            std::mem::replace(&mut self.seen, seen) != seen
        }
    }

    #[test]
    fn the_same_view_again_drops_nothing() {
        let mut watched = Watched::new();
        assert_eq!(watched.owner(), [true, false]);
        assert!(!watched.report(1, view("a", (1, "0-16383"), (2, ""))));
        assert!(!watched.dropped());
        // Another slot is another matter.
        assert!(watched.report(1, view("a", (1, "0-16000"), (2, "16001-16383"))));
        assert!(!watched.dropped());
    }

    #[test]
    fn a_new_owner_is_believed_as_soon_as_one_master_knows_though_the_old_one_does_not() {
        let mut watched = Watched::new();
        watched.report(2, view("b", (1, "0-6 8-16383"), (3, "7")));
        assert!(watched.dropped());
        assert_eq!(watched.owner(), [false, true], "the old one still claims it");
        watched.report(1, view("a", (1, "0-6 8-16383"), (3, "7")));
        assert!(watched.dropped());
        assert_eq!(watched.owner(), [false, true]);
    }

    #[test]
    fn of_two_claims_the_higher_epoch_is_right_and_of_equal_ones_neither() {
        let watched = Watched::new();
        watched.report(2, view("b", (9, ""), (0, "0-16383")));
        assert_eq!(watched.owner(), [true, false]);
        watched.report(2, view("b", (9, ""), (1, "0-16383")));
        assert_eq!(watched.owner(), [false, false]);
    }

    /// Views are merged in no particular order.
    #[test]
    fn the_order_in_which_claims_are_heard_does_not_matter() {
        let claim = |node: &str, epoch| Claim { first: 0, last: 0, node: node.into(), epoch };
        let heard = |claims: [Claim; 2]| {
            let mut owner = Owner::default();
            claims.iter().for_each(|claim| owner.hear(claim));
            owner
        };
        for claims in [[claim("a", 1), claim("b", 0)], [claim("b", 0), claim("a", 1)]] {
            let owner = heard(claims);
            assert_eq!(owner.node.as_deref(), Some("a"), "the higher epoch is right");
            assert!(!owner.disputed);
        }
        for claims in [[claim("a", 1), claim("b", 1)], [claim("b", 1), claim("a", 1)]] {
            assert!(heard(claims).disputed, "of equal epochs neither is right");
        }
        for claims in [[claim("a", 1), claim("a", 5)], [claim("a", 5), claim("a", 1)]] {
            assert_eq!(heard(claims).epoch, 5, "the newest word of one owner counts");
        }
    }

    #[test]
    fn a_slot_on_its_way_is_nobodys_and_every_step_drops_copies() {
        let mut watched = Watched::new();
        for slots in ["0-16383 [7->-b]", "0-16383", "0-16383 [7->-b]"] {
            watched.report(1, view("a", (1, slots), (2, "")));
            assert!(watched.dropped(), "{slots}");
            assert_eq!(watched.owner(), [!slots.contains('['), false], "{slots}");
        }
        let mut watched = Watched::new();
        watched.report(2, view("b", (1, "0-16383"), (2, "[7-<-a]")));
        assert!(watched.dropped());
        assert_eq!(watched.owner(), [false, false]);
    }

    #[test]
    fn a_new_epoch_of_the_owner_and_a_master_that_gives_a_slot_up_drop_copies() {
        let mut watched = Watched::new();
        watched.report(1, view("a", (5, "0-16383"), (2, "")));
        assert!(watched.dropped(), "it may have lost the slot and got it back");
        watched.report(1, view("a", (5, "0-6"), (2, "")));
        assert!(watched.dropped(), "the other one does not know yet");
        assert_eq!(watched.owner(), [false, false]);
    }

    #[test]
    fn a_master_that_cannot_be_asked_owns_nothing() {
        let watched = Watched::new();
        watched.ownership.forget(&endpoint(1));
        assert_eq!(watched.owner(), [false, false]);
    }

    #[test]
    fn what_is_no_view_is_refused() {
        for bad in ["", "a", "a b myself - 0 0 x connected", "a b master - 0 0 1 connected 0-5"] {
            assert!(View::read(bad).is_none(), "{bad:?}");
        }
        for slots in ["16384", "1-99999", "x", "[7", "1-2-3"] {
            let bad = format!("a b myself - 0 0 1 connected {slots}");
            assert!(View::read(&bad).is_none(), "{bad:?}");
        }
    }
}
