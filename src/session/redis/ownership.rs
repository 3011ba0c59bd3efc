//! Which master owns which slot, as the masters themselves see it.
//!
//! Redis reports a change of a key to whoever read it, but a key that does not exist has
//! nothing to report when its slot moves, and keys can vanish with their slot unreported. So
//! every master is asked at each ping how it sees the cluster (`CLUSTER NODES`), and a copy is
//! kept only of what the undisputed owner of a slot said. Once any master sees another owner,
//! another epoch of the owner, or a slot on its way, all copies of that slot are dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::endpoint::Endpoint;
use super::invalidations::Invalidations;
use super::keys::SLOTS;

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
    /// On its way to another master, or claimed by two: nobody is believed about it.
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
