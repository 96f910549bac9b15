//! The state machine: `decide` only reads, `evolve` only writes, and the same entries give the same leaves on every replica.

mod rules;

use crate::body::{Content, Genesis, Grant, Listing, Member, Period, Permission, Principal, Request};
use crate::keys::{Check, verify};
use crate::record::{Head, Leaf, Outcome, StreamKind, Verdict};
use crate::tree::{Hash, leaf_hash};
use std::collections::{BTreeMap, BTreeSet};
use xsd::time::Timestamp;

/// A request whose signatures were verified against the members' keys. Only [`State::check`] makes one.
#[derive(Clone, Debug)]
pub struct Checked(Request);

impl Checked {
    /// The request.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.0
    }
}

/// A leaf that `apply` has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The leaf.
    pub leaf: Leaf,
    /// Its octets.
    pub octets: Vec<u8>,
    /// Its hash.
    pub hash: Hash,
}

/// Where a client id was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The leaf.
    pub index: u64,
    /// SHA-256 of the body.
    pub body: Hash,
    /// What it did.
    pub outcome: Outcome,
    /// Ledger time.
    pub time: Timestamp,
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
    members: BTreeMap<String, Member>,
    clients: BTreeMap<String, Seen>,
    heads: BTreeMap<(StreamKind, String), (u64, Hash)>,
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
        let members: BTreeMap<String, Member> = genesis.members.iter().map(|member| (member.id.clone(), member.clone())).collect();
        let nodes: BTreeSet<u64> = genesis.members.iter().map(|member| member.node).collect();
        let keys: BTreeSet<_> = genesis.members.iter().flat_map(|member| [member.record_key, member.node_key]).collect();
        let count = genesis.members.len();
        if count == 0 || members.len() != count || nodes.len() != count || nodes.contains(&0) || keys.len() != 2 * count {
            return Err(Verdict::Invalid("members share an id, a node number or a key".to_owned()));
        }
        if genesis.quorum == 0 || genesis.quorum > count as u64 {
            return Err(Verdict::Invalid("the quorum is not between one and the number of members".to_owned()));
        }
        let mut state = Self {
            ledger: request.ledger().to_owned(),
            size: 0,
            time: genesis.founded,
            members,
            clients: BTreeMap::new(),
            heads: BTreeMap::new(),
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
        let applied = state.apply(&checked, state.time)?;
        Ok((state, applied))
    }

    /// Verifies that the requests are for this ledger and signed by exactly their parties; one answer each, in order.
    /// The signatures of all are verified as one batch.
    #[must_use]
    pub fn check(&self, requests: Vec<Request>) -> Vec<Result<Checked, Verdict>> {
        let planned: Vec<_> = requests.iter().map(|request| self.plan(request)).collect();
        let all: Vec<Check<'_>> = planned.iter().flatten().flatten().map(|(check, _)| *check).collect();
        let mut answers = verify(&all).into_iter();
        let mut verdicts = Vec::with_capacity(planned.len());
        for plan in planned {
            verdicts.push(plan.and_then(|checks| {
                let wrong =
                    checks.into_iter().zip(answers.by_ref()).filter(|(_, right)| !right).map(|((_, account), _)| account.to_owned());
                wrong.last().map_or(Ok(()), |account| Err(Verdict::BadSignature(account)))
            }));
        }
        verdicts.into_iter().zip(requests).map(|(verdict, request)| verdict.map(|()| Checked(request))).collect()
    }

    /// [`State::check`] for one request.
    ///
    /// # Errors
    /// The verdict on it.
    pub fn check_one(&self, request: Request) -> Result<Checked, Verdict> {
        self.check(vec![request]).pop().unwrap_or(Err(Verdict::UnknownKind))
    }

    /// Takes the next committed request. `stamp` is the leader's clock. A verdict leaves the state as it was.
    ///
    /// # Errors
    /// [`Verdict::Duplicate`] or [`Verdict::Conflict`]: the client id has a leaf.
    pub fn apply(&mut self, checked: &Checked, stamp: Timestamp) -> Result<Applied, Verdict> {
        let request = checked.request();
        let body = Hash::of(request.entry().body());
        if let Some(seen) = self.clients.get(request.id()) {
            let index = seen.index;
            return Err(if seen.body == body { Verdict::Duplicate { index } } else { Verdict::Conflict { index } });
        }
        let time = self.time.max(stamp);
        let outcome = self.decide(request, time).map_or_else(Outcome::Refused, |()| Outcome::Done);
        let leaf = Leaf {
            index: self.size,
            time,
            client: request.id().to_owned(),
            kind: request.kind(),
            heads: self.next_heads(request),
            outcome,
            entry: request.entry().clone(),
        };
        let octets = leaf.octets(request.element());
        let hash = leaf_hash(&octets);
        if outcome == Outcome::Done {
            self.evolve(request, leaf.index);
        }
        for head in &leaf.heads {
            self.heads.insert((head.kind, head.id.clone()), (head.sequence + 1, hash));
        }
        self.clients.insert(leaf.client.clone(), Seen { index: leaf.index, body, outcome, time });
        self.size += 1;
        self.time = time;
        Ok(Applied { leaf, octets, hash })
    }

    fn plan<'a>(&self, request: &'a Request) -> Result<Vec<(Check<'a>, &'a str)>, Verdict> {
        if request.ledger() != self.ledger {
            return Err(Verdict::WrongLedger);
        }
        let mut signers = request.signers();
        let mut checks = Vec::new();
        for signature in request.entry().signatures() {
            let account = signature.account.as_str();
            if !signers.remove(account) {
                return Err(Verdict::StraySignature(account.to_owned()));
            }
            let key = self.members.get(account).ok_or_else(|| Verdict::UnknownAccount(account.to_owned()))?.record_key;
            checks.push((Check { key, octets: request.entry().body(), signature: &signature.value }, account));
        }
        if let Some(missing) = signers.first() {
            let known = self.members.contains_key(*missing);
            let verdict = if known { Verdict::MissingSignature } else { Verdict::UnknownAccount };
            return Err(verdict((*missing).to_owned()));
        }
        if let Content::Trade(trade) = request.content()
            && let Some(evidence) = &trade.evidence
        {
            let account = evidence.signature.account.as_str();
            let key = self.members.get(account).ok_or_else(|| Verdict::UnknownAccount(account.to_owned()))?.record_key;
            checks.push((Check { key, octets: &evidence.octets, signature: &evidence.signature.value }, account));
        }
        Ok(checks)
    }

    fn next_heads(&self, request: &Request) -> Vec<Head> {
        let mut streams = BTreeSet::new();
        let mut join = |kind, id: &str| streams.insert((kind, id.to_owned()));
        match request.content() {
            Content::Genesis(_) => {}
            Content::User(user) => _ = join(StreamKind::Sender, &user.user.authority),
            Content::Role(role) => _ = join(StreamKind::Sender, &role.role.authority),
            Content::Assignment(assignment) => _ = join(StreamKind::Sender, &assignment.user.authority),
            Content::Grant(grant) => {
                join(StreamKind::Grant, request.id());
                join(StreamKind::Object, &grant.object);
            }
            Content::Revocation(revocation) => {
                join(StreamKind::Grant, &revocation.grant);
                if let Some(granted) = self.grants.get(&revocation.grant) {
                    join(StreamKind::Object, &granted.grant.object);
                }
            }
            Content::Directory(listing) => {
                join(StreamKind::Object, &listing.resource);
                join(StreamKind::Sender, &listing.producer);
            }
            Content::Inquiry(inquiry) => _ = join(StreamKind::Receiver, &inquiry.sector),
            Content::Trade(trade) => {
                join(StreamKind::Sender, &trade.terms.sender);
                join(StreamKind::Receiver, &trade.terms.receiver);
                join(StreamKind::Object, &trade.terms.resource);
                if let Some(grant) = &trade.grant {
                    join(StreamKind::Grant, grant);
                }
            }
        }
        let head = |stream: (StreamKind, String)| {
            let (sequence, previous) = self.heads.get(&stream).copied().unwrap_or_default();
            Head { kind: stream.0, id: stream.1, sequence, previous }
        };
        streams.into_iter().map(head).collect()
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

    /// All members, by id.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// A member by its id.
    #[must_use]
    pub fn member(&self, id: &str) -> Option<&Member> {
        self.members.get(id)
    }

    /// Where a client id was used.
    #[must_use]
    pub fn client(&self, id: &str) -> Option<&Seen> {
        self.clients.get(id)
    }

    /// Why `user` may do `permission` with `object` for `purpose` at `time`, if it may: the grant that ends last.
    /// Steps 9 to 12 of Zeng and Liu 2021, figure 4.
    #[must_use]
    pub fn permits(&self, user: &Principal, object: &str, permission: Permission, purpose: &str, time: Timestamp) -> Option<Permit> {
        let ids = self.grants_by_object.get(object)?;
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
        self.heads.get(&(kind, id.to_owned())).copied()
    }
}

/// The sector that owns a resource: what stands before the first slash.
#[must_use]
pub fn owner(resource: &str) -> &str {
    resource.split_once('/').map_or(resource, |(owner, _)| owner)
}
