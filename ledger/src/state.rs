//! The state machine: `decide` only reads, `evolve` only writes, and the same entries give the same leaves on every replica.

mod constitution;
mod encoding;
mod governance;
mod judging;
mod rules;

pub use constitution::{Held, MEMBERS_MAX};
pub use governance::{Ending, Motion, OPEN_MAX};
pub use judging::{Checked, Judged};

use crate::body::{Ballot, Content, Genesis, Grant, Listing, Member, Period, Permission, Principal, Proposal, Record, Request, Rule};
use crate::clients::Tag;
use crate::record::{Kind, LEAF_BYTES_MAX, Leaf, Outcome, Parts, Place, Refusal, StreamKind, Verdict};
use crate::streams::{self, Heads, Rooted};
use crate::tree::{Hash, leaf_hash};
use constitution::{Constitution, split};
use data_encoding::BASE64;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use xsd::time::Timestamp;

/// Leaves from one state root to the next, at most.
pub const ROOT_EVERY: u64 = 4096;
/// Milliseconds of ledger time after which the next leaf follows a state root.
pub const ROOT_MS: u64 = 60_000;

/// How far a body's own time may be ahead of ledger time.
pub const BODY_AHEAD_MS: u64 = 5 * 60_000;
/// How far it may be behind: records wait for a leader, and ledger time that a wrong clock pushed forward stays there.
pub const BODY_BEHIND_MS: u64 = 2 * 3_600_000;

/// A leaf that `apply` has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its place in the ledger.
    pub index: u64,
    /// Ledger time.
    pub time: Timestamp,
    /// Its kind.
    pub kind: Kind,
    /// What it did.
    pub outcome: Outcome,
    /// The client id.
    pub client: String,
    pub(crate) tag: Tag,
    /// [`Record::hash`] of its body.
    pub body: Hash,
    /// Its octets.
    pub octets: Vec<u8>,
    /// Its hash.
    pub hash: Hash,
    /// Of a state root: [`State::encode`] before it, which a snapshot keeps.
    pub state: Option<Arc<[u8]>>,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its class, as `official` or `administrator`.
    pub class: String,
    /// The certificates by which it speaks.
    pub certificates: Vec<Hash>,
    /// The leaf that made it what it is.
    pub index: u64,
}

/// A grant, standing or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The 4-tuple.
    pub grant: Grant,
    /// The leaf that granted it.
    pub index: u64,
    /// The leaf that revoked or superseded it.
    pub ended: Option<u64>,
}

/// A standing assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// From when to when.
    pub period: Period,
    /// The leaf that assigned it.
    pub index: u64,
}

/// The latest entry of a resource in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The entry's id.
    pub id: String,
    /// What it says.
    pub listing: Listing,
    /// Its leaf: the whole entry is the body there.
    pub index: u64,
}

/// Why access is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    /// The grant.
    pub grant: String,
    /// Its effective period.
    pub period: Period,
    /// Its leaf.
    pub index: u64,
}

/// Everything the leaves say. Made by [`State::found`], changed by [`State::apply`] alone.
#[derive(Clone, Debug)]
pub struct State {
    ledger: String,
    size: u64,
    time: Timestamp,
    genesis: Genesis,
    constitution: Constitution,
    motions: BTreeMap<String, Motion>,
    heads: Heads,
    rooted: Rooted,
    /// The time as leaves write it, for the next one of the same millisecond.
    written: (Timestamp, String),
    users: BTreeMap<Principal, Account>,
    certificates: BTreeMap<Hash, Principal>,
    roles: BTreeMap<Principal, u64>,
    assignments: BTreeMap<(Principal, Principal), Assigned>,
    grants: BTreeMap<String, Granted>,
    grants_by_object: BTreeMap<String, BTreeSet<String>>,
    directory: BTreeMap<String, Listed>,
    history: BTreeMap<String, Vec<u64>>,
}

/// Founding, checking and applying.
impl State {
    /// The state after leaf 0. Every member must have signed; each has one node, one id, and as first account `administrator`.
    ///
    /// # Errors
    /// The request is no genesis, its members contradict each other, or a signature is missing or wrong.
    pub fn found(request: Request) -> Result<(Self, Applied), Verdict> {
        let Content::Genesis(genesis) = request.content().clone() else {
            return Err(Verdict::UnknownKind);
        };
        let members: BTreeSet<&str> = genesis.members.iter().map(|member| member.id.as_str()).collect();
        let nodes: BTreeSet<u64> = genesis.members.iter().map(|member| member.node).collect();
        let keys: BTreeSet<_> = genesis.members.iter().flat_map(|member| [member.record_key, member.node_key]).collect();
        let count = genesis.members.len();
        if count == 0 || members.len() != count || nodes.len() != count || nodes.contains(&0) || keys.len() != 2 * count {
            return Err(Verdict::Invalid("members share an id, a node number or a key".to_owned()));
        }
        if genesis.quorum == 0 || genesis.quorum > count as u64 {
            return Err(Verdict::Invalid("the quorum is not between one and the number of members".to_owned()));
        }
        if count > MEMBERS_MAX {
            return Err(Verdict::Invalid("too many members".to_owned()));
        }
        let constitution = Constitution::of_genesis(request.ledger(), &genesis);
        let undecidable = |_| Verdict::Invalid("no node votes, or the members cannot fulfil the rules".to_owned());
        constitution.able().map_err(undecidable)?;
        let mut state = Self {
            ledger: request.ledger().to_owned(),
            size: 0,
            time: genesis.founded,
            constitution,
            motions: BTreeMap::new(),
            heads: Heads::default(),
            rooted: Rooted::new(genesis.founded),
            written: (Timestamp(0), String::new()),
            users: BTreeMap::new(),
            certificates: BTreeMap::new(),
            roles: BTreeMap::new(),
            assignments: BTreeMap::new(),
            grants: BTreeMap::new(),
            grants_by_object: BTreeMap::new(),
            directory: BTreeMap::new(),
            history: BTreeMap::new(),
            genesis,
        };
        let checked = state.check_one(request)?;
        let applied = state.apply(&checked, state.time, 0).pop().ok_or(Verdict::UnknownKind)?;
        Ok((state, applied))
    }

    /// Takes the next committed request, whose ids the caller knows to be new, and gives its leaves; before one that is due, a
    /// state root. `stamp` is the leader's clock; the first `skip` bodies of a batch have their leaves already.
    ///
    /// # Panics
    /// Members or keys have changed since the request was judged: see [`State::settle`].
    pub fn apply(&mut self, checked: &Checked, stamp: Timestamp, skip: usize) -> Vec<Applied> {
        assert_eq!(checked.keys(), self.keys_version(), "a request is applied under the keys it was judged by");
        let request = checked.request();
        let time = if crate::mutant::is("time-goes-back") { stamp } else { self.time.max(stamp) };
        let values: Vec<String> = request.entry().signatures().iter().map(|signature| BASE64.encode(&signature.value)).collect();
        let accounts = request.entry().signatures().iter().map(|signature| signature.account.as_str());
        let signatures: Vec<(&str, &str)> = accounts.zip(values.iter().map(String::as_str)).collect();
        let mut leaves = Vec::with_capacity(request.records().len() + 1);
        for (position, (record, body)) in request.records().iter().zip(request.entry().bodies()).enumerate().skip(skip) {
            if self.root_is_due(time) {
                leaves.push(self.root(time));
            }
            let decided = checked.refusal().map_or_else(|| self.decide(record, time), Err);
            let outcome = decided.map_or_else(Outcome::Refused, |()| Outcome::Done);
            let leaf = self.put(record, body, &signatures, request.place(position), (time, outcome));
            if outcome == Outcome::Done {
                self.evolve(record, leaf.index);
            }
            leaves.push(leaf);
        }
        leaves
    }

    /// Writes the leaf of a record and moves its streams on.
    fn put(
        &mut self,
        record: &Record,
        body: &[u8],
        signatures: &[(&str, &str)],
        place: Option<Place>,
        (time, outcome): (Timestamp, Outcome),
    ) -> Applied {
        let streams = self.streams_of(record);
        let heads: Vec<_> = streams
            .iter()
            .map(|(kind, id)| {
                let (count, last) = self.heads.get(*kind, id).unwrap_or_default();
                (*kind, id.as_ref(), count, last)
            })
            .collect();
        if self.written.0 != time || self.written.1.is_empty() {
            self.written = (time, time.to_string());
        }
        let parts = Parts {
            index: self.size,
            time: &self.written.1,
            client: record.id(),
            kind: record.kind(),
            heads: &heads,
            outcome,
            place,
            body,
            signatures,
        };
        let octets = parts.octets();
        assert!(octets.len() <= LEAF_BYTES_MAX, "the limits of entries keep leaves below the limit of bundles");
        let hash = leaf_hash(&octets);
        for (kind, id) in &streams {
            self.heads.push(*kind, id, hash);
        }
        let (index, client) = (self.size, record.id().to_owned());
        self.size += 1;
        self.time = time;
        Applied { index, time, kind: record.kind(), outcome, client, tag: record.tag(), body: record.hash(), octets, hash, state: None }
    }

    /// Takes a mark: gives a state root, unless the last leaf is one.
    pub fn mark(&mut self, stamp: Timestamp) -> Option<Applied> {
        (self.rooted.index() + 1 != self.size).then(|| self.root(self.time.max(stamp)))
    }

    /// Takes a leaf that was applied before: gives what the state makes of its body now. Signatures are only looked at where
    /// the leaf says that a key was revoked; whoever doubts the others asks [`State::check`] first.
    ///
    /// # Errors
    /// Its body cannot be read, or it does not show the former key that it says it is signed with.
    pub fn replay(&mut self, leaf: Leaf) -> Result<Applied, Verdict> {
        if leaf.kind == Kind::StateRoot {
            return Ok(self.root(leaf.time));
        }
        let request = Request::read(leaf.entry)?;
        let revoked = leaf.outcome == Outcome::Refused(Refusal::KeyRevoked);
        let checked = if revoked { self.check_one(request)? } else { self.believe(request) };
        self.apply(&checked, leaf.time, 0).pop().ok_or(Verdict::UnknownKind)
    }

    /// Each [`ROOT_EVERY`]th leaf is a state root, and there is one before a leaf that comes [`ROOT_MS`] after the last.
    fn root_is_due(&self, time: Timestamp) -> bool {
        self.size % ROOT_EVERY == ROOT_EVERY - 1
            || (time >= self.rooted.time().plus_ms(ROOT_MS) && self.rooted.index() + 1 != self.size && self.size > 0)
    }

    /// The state root at this place: how many streams there are, the root over them, and the digest of the state.
    fn root(&mut self, time: Timestamp) -> Applied {
        let encoded = self.encode();
        let state = Hash::of(&encoded);
        self.rooted = Rooted::of(&self.heads, self.size, time);
        let name = Hash::of(["urn:waybill:state-root:1", &self.ledger, &self.size.to_string()].join("\n").as_bytes());
        let body = streams::body(&uuid(&name), &self.ledger, &self.rooted, &state);
        let record = Record::read(&body).expect("a state root is a body of the schema");
        Applied { state: Some(encoded.into()), ..self.put(&record, &body, &[], None, (time, Outcome::Done)) }
    }

    /// The streams that a record belongs to, sorted.
    fn streams_of<'r>(&self, record: &'r Record) -> Vec<(StreamKind, Cow<'r, str>)> {
        let mut streams = Vec::with_capacity(4);
        let mut join = |kind, id: &'r str| streams.push((kind, Cow::Borrowed(id)));
        match record.content() {
            Content::Genesis(_) | Content::StateRoot(_) => {}
            Content::User(user) => join(StreamKind::Sender, &user.user.authority),
            Content::Role(role) => join(StreamKind::Sender, &role.role.authority),
            Content::Assignment(assignment) => join(StreamKind::Sender, &assignment.user.authority),
            Content::Grant(grant) => {
                join(StreamKind::Grant, record.id());
                join(StreamKind::Object, &grant.object);
            }
            Content::Revocation(revocation) => {
                join(StreamKind::Grant, &revocation.grant);
                if let Some(granted) = self.grants.get(&revocation.grant) {
                    streams.push((StreamKind::Object, Cow::Owned(granted.grant.object.clone())));
                }
            }
            Content::Directory(listing) => {
                join(StreamKind::Object, &listing.resource);
                join(StreamKind::Sender, &listing.producer);
            }
            Content::Inquiry(inquiry) => join(StreamKind::Receiver, &inquiry.sector),
            Content::Proposal(Proposal { proposer: by, .. }) | Content::Ballot(Ballot { voter: by, .. }) => {
                join(StreamKind::Governance, record.ledger());
                join(StreamKind::Sender, by);
            }
            Content::Key(rekey) => {
                join(StreamKind::Governance, record.ledger());
                join(StreamKind::Sender, &rekey.member);
            }
            Content::Refusal(refused) => {
                join(StreamKind::Receiver, &refused.account);
                join(StreamKind::Sender, &refused.sector);
            }
            Content::Log(log) => {
                if let Some(peer) = &log.peer {
                    join(StreamKind::Receiver, peer);
                }
                join(StreamKind::Sender, &log.sector);
            }
            Content::Trade(trade) => {
                if let Some(grant) = &trade.grant {
                    join(StreamKind::Grant, grant);
                }
                join(StreamKind::Object, &trade.terms.resource);
                join(StreamKind::Receiver, &trade.terms.receiver);
                join(StreamKind::Sender, &trade.terms.sender);
            }
        }
        streams
    }
}

/// Questions. None changes anything.
impl State {
    /// The ledger's id, the origin of its checkpoints.
    #[must_use]
    pub fn ledger(&self) -> &str {
        &self.ledger
    }

    /// How many leaves were applied.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Ledger time: that of the last leaf.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// What the founders agreed on.
    #[must_use]
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// All members of now, by id.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.constitution.members.values()
    }

    /// A member of now by its id.
    #[must_use]
    pub fn member(&self, id: &str) -> Option<&Member> {
        self.constitution.members.get(id)
    }

    /// How many members' nodes must sign a checkpoint now.
    #[must_use]
    pub fn quorum(&self) -> u64 {
        self.constitution.quorum
    }

    /// What proposals need now.
    #[must_use]
    pub fn rules(&self) -> Vec<Rule> {
        self.constitution.rules()
    }

    /// Whether the emergency brake is pulled.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.constitution.stopped
    }

    /// The origin of checkpoints: the ledger's id with the epoch of now, which a restore counts up.
    #[must_use]
    pub fn origin(&self) -> String {
        [split(&self.ledger).0, &self.constitution.epoch.to_string()].join("/")
    }

    /// The highest node number that ever was: a new node's is above it.
    #[must_use]
    pub fn node_max(&self) -> u64 {
        self.constitution.node_max
    }

    /// The leaf that last changed members, their keys, or what they agreed on.
    #[must_use]
    pub fn keys_version(&self) -> u64 {
        self.constitution.version
    }

    /// Everything a member has held, in the ledger's order, whether it is still a member or not.
    #[must_use]
    pub fn held(&self, member: &str) -> &[Held] {
        self.constitution.held.get(member).map_or(&[], Vec::as_slice)
    }

    /// Everybody who is or was a member.
    pub fn holders(&self) -> impl Iterator<Item = &str> {
        self.constitution.held.keys().map(String::as_str)
    }

    /// What a member held for the leaf at `index`: an old leaf verifies with its keys of then.
    #[must_use]
    pub fn key_at(&self, member: &str, index: u64) -> Option<&Held> {
        self.held(member).iter().rev().find(|held| held.from <= index).filter(|held| held.until.is_none_or(|until| index < until))
    }

    /// All proposals, by id.
    pub fn motions(&self) -> impl Iterator<Item = (&str, &Motion)> {
        self.motions.iter().map(|(id, motion)| (id.as_str(), motion))
    }

    /// One proposal.
    #[must_use]
    pub fn motion(&self, id: &str) -> Option<&Motion> {
        self.motions.get(id)
    }

    /// Why `user` may do `permission` with `object` for `purpose` at `time`, if it may: the grant that ends last.
    /// Steps 9 to 12 of Zeng and Liu 2021, figure 4.
    #[must_use]
    pub fn permits(&self, user: &Principal, object: &str, permission: Permission, purpose: &str, time: Timestamp) -> Option<Permit> {
        let ids = self.grants_by_object.get(object).filter(|_| !self.constitution.stopped)?;
        let granted = ids.iter().filter_map(|id| self.grants.get(id).map(|granted| (id, granted)));
        let allowed = granted.filter(|(_, granted)| self.allows(granted, user, object, permission, Some(purpose), time));
        let (id, granted) = allowed.max_by_key(|(_, granted)| (granted.grant.period.end, granted.index))?;
        self.published(object).then(|| Permit { grant: id.clone(), period: granted.grant.period, index: granted.index })
    }

    /// The standing entry of a resource, unless it is withdrawn.
    #[must_use]
    pub fn locate(&self, resource: &str) -> Option<&Listed> {
        self.directory.get(resource).filter(|listed| listed.listing.status != "withdrawn")
    }

    /// The standing entries of all resources, withdrawn ones included.
    pub fn directory(&self) -> impl Iterator<Item = &Listed> {
        self.directory.values()
    }

    /// The leaves of all entries of a resource, oldest first.
    #[must_use]
    pub fn directory_history(&self, resource: &str) -> &[u64] {
        self.history.get(resource).map_or(&[], Vec::as_slice)
    }

    /// All grants, ended ones included, by id.
    pub fn grants(&self) -> impl Iterator<Item = (&str, &Granted)> {
        self.grants.iter().map(|(id, granted)| (id.as_str(), granted))
    }

    /// One grant.
    #[must_use]
    pub fn grant(&self, id: &str) -> Option<&Granted> {
        self.grants.get(id)
    }

    /// All accounts.
    pub fn users(&self) -> impl Iterator<Item = (&Principal, &Account)> {
        self.users.iter()
    }

    /// One account.
    #[must_use]
    pub fn user(&self, user: &Principal) -> Option<&Account> {
        self.users.get(user)
    }

    /// Who speaks by the certificate of this fingerprint.
    #[must_use]
    pub fn user_by_certificate(&self, fingerprint: &Hash) -> Option<(&Principal, &Account)> {
        self.users.get_key_value(self.certificates.get(fingerprint)?)
    }

    /// All roles, with the leaves that defined them.
    pub fn roles(&self) -> impl Iterator<Item = (&Principal, u64)> {
        self.roles.iter().map(|(role, index)| (role, *index))
    }

    /// Relationships: which user holds which role, and when (E-U5 of the English paper).
    pub fn assignments(&self) -> impl Iterator<Item = (&Principal, &Principal, &Assigned)> {
        self.assignments.iter().map(|((user, role), assigned)| (user, role, assigned))
    }

    /// Count of leaves and hash of the last one in a stream.
    #[must_use]
    pub fn stream(&self, kind: StreamKind, id: &str) -> Option<(u64, Hash)> {
        self.heads.get(kind, id)
    }

    /// The streams as the last state root has them: proofs of what is in a stream, or that it is none, are made from it.
    #[must_use]
    pub fn rooted(&self) -> &Rooted {
        &self.rooted
    }

    /// SHA-256 of [`State::encode`].
    #[must_use]
    pub fn digest(&self) -> Hash {
        Hash::of(&self.encode())
    }
}

fn uuid(name: &Hash) -> String {
    let hex = name.to_string();
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// The sector that owns a resource: what stands before the first slash.
#[must_use]
pub fn owner(resource: &str) -> &str {
    resource.split_once('/').map_or(resource, |(owner, _)| owner)
}
