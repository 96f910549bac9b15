//! The state as octets: one encoding for one state, so that its digest can stand in a leaf and a snapshot can be checked against it.

mod agreed;

use super::{Account, Assigned, Granted, Listed, State};
use crate::body::{Grant, Listing, Period, Permission, Principal};
use crate::record::StreamKind;
use crate::streams::{Heads, Reach, Rooted};
use crate::tree::Hash;
use std::collections::BTreeMap;
use xsd::time::Timestamp;

const MAGIC: &[u8] = b"waybill state 2\n";

impl State {
    /// The encoding that `ledger/FORMAT.md` describes. The genesis is not in it: it is leaf 0.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer(MAGIC.to_vec());
        out.text(&self.ledger);
        out.number(self.size);
        out.number(self.time.0);
        let (index, time, streams) = self.rooted.parts();
        out.number(index);
        out.number(time.0);
        out.list(streams, Writer::reach);
        out.list(self.heads.iter(), |out, reach| out.reach(&reach));
        out.list(&self.users, |out, (user, account)| {
            out.principal(user);
            out.text(&account.class);
            out.list(&account.certificates, |out, certificate| out.hash(certificate));
            out.number(account.index);
        });
        out.list(&self.roles, |out, (role, index)| {
            out.principal(role);
            out.number(*index);
        });
        out.list(&self.assignments, |out, ((user, role), assigned)| {
            out.principal(user);
            out.principal(role);
            out.period(&assigned.period);
            out.number(assigned.index);
        });
        out.list(&self.grants, |out, (id, granted)| {
            out.text(id);
            out.grant(&granted.grant);
            out.number(granted.index);
            out.option(granted.ended.as_ref(), |out, ended| out.number(*ended));
        });
        out.list(self.directory.values(), Writer::listed);
        out.list(&self.history, |out, (resource, leaves)| {
            out.text(resource);
            out.list(leaves, |out, index| out.number(*index));
        });
        out.constitution(&self.constitution);
        out.list(&self.motions, |out, (id, motion)| out.motion(id, motion));
        out.0
    }

    /// The state after the genesis of `founded` and the leaves that `octets` sum up; `None` if they are no encoding of a state
    /// of this ledger.
    #[must_use]
    pub fn decode(founded: &Self, octets: &[u8]) -> Option<Self> {
        let mut from = Reader(octets.strip_prefix(MAGIC)?);
        let mut state = founded.clone();
        if from.text()? != state.ledger {
            return None;
        }
        state.size = from.number()?;
        state.time = Timestamp(from.number()?);
        let (index, time) = (from.number()?, Timestamp(from.number()?));
        state.rooted = Rooted::again(index, time, from.list(Reader::reach)?);
        state.heads = Heads::default();
        for reach in from.list(Reader::reach)? {
            state.heads.set(reach.kind, reach.id, reach.count, reach.last);
        }
        state.users = from.map(|from| {
            let user = from.principal()?;
            Some((user, Account { class: from.text()?, certificates: from.list(Reader::hash)?, index: from.number()? }))
        })?;
        state.certificates = BTreeMap::new();
        for (user, account) in &state.users {
            state.certificates.extend(account.certificates.iter().map(|certificate| (*certificate, user.clone())));
        }
        state.roles = from.map(|from| Some((from.principal()?, from.number()?)))?;
        state.assignments = from.map(|from| {
            let key = (from.principal()?, from.principal()?);
            Some((key, Assigned { period: from.period()?, index: from.number()? }))
        })?;
        state.grants = from.map(|from| {
            let id = from.text()?;
            Some((id, Granted { grant: from.grant()?, index: from.number()?, ended: from.option(Reader::number)? }))
        })?;
        state.grants_by_object = BTreeMap::new();
        for (id, granted) in &state.grants {
            state.grants_by_object.entry(granted.grant.object.clone()).or_default().insert(id.clone());
        }
        state.directory = from.map(|from| from.listed().map(|listed| (listed.listing.resource.clone(), listed)))?;
        state.history = from.map(|from| Some((from.text()?, from.list(Reader::number)?)))?;
        state.constitution = from.constitution()?;
        state.motions = from.map(Reader::motion)?;
        (from.0.is_empty() && state.encode() == octets).then_some(state)
    }
}

/// Numbers are 64 bits, big-endian; texts and lists come after their length.
struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn hash(&mut self, hash: &Hash) {
        self.0.extend_from_slice(&hash.0);
    }

    fn list<T>(&mut self, items: impl IntoIterator<Item = T>, put: impl Fn(&mut Self, T)) {
        let at = self.0.len();
        self.number(0);
        let mut count = 0_u64;
        for item in items {
            put(self, item);
            count += 1;
        }
        if let Some(place) = self.0.get_mut(at..at + 8) {
            place.copy_from_slice(&count.to_be_bytes());
        }
    }

    fn option<T>(&mut self, item: Option<T>, put: impl Fn(&mut Self, T)) {
        self.list(item, put);
    }

    fn principal(&mut self, principal: &Principal) {
        self.text(&principal.authority);
        self.text(&principal.name);
    }

    fn period(&mut self, period: &Period) {
        self.number(period.start.0);
        self.number(period.end.0);
    }

    fn reach(&mut self, reach: &Reach) {
        self.text(reach.kind.code());
        self.text(&reach.id);
        self.number(reach.count);
        self.hash(&reach.last);
    }

    fn grant(&mut self, grant: &Grant) {
        self.text(&grant.issuer);
        self.principal(&grant.role);
        self.text(&grant.object);
        self.list(&grant.permissions, |out, permission| out.text(permission.code()));
        self.period(&grant.period);
        self.list(&grant.purposes, |out, purpose| out.text(purpose));
        self.option(grant.supersedes.as_ref(), |out, supersedes| out.text(supersedes));
    }

    fn listed(&mut self, listed: &Listed) {
        let listing = &listed.listing;
        self.text(&listed.id);
        self.text(&listing.resource);
        self.text(&listing.producer);
        self.hash(&listing.metadata);
        self.list(&listing.servers, |out, server| out.text(server));
        self.text(&listing.status);
        self.option(listing.supersedes.as_ref(), |out, supersedes| out.text(supersedes));
        self.number(listed.index);
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*number))
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok().map(str::to_owned)
    }

    fn hash(&mut self) -> Option<Hash> {
        let (hash, rest) = self.0.split_first_chunk::<32>()?;
        self.0 = rest;
        Some(Hash(*hash))
    }

    fn list<T>(&mut self, take: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(take(self)?);
        }
        Some(items)
    }

    fn map<K: Ord, V>(&mut self, take: impl Fn(&mut Self) -> Option<(K, V)>) -> Option<BTreeMap<K, V>> {
        Some(self.list(take)?.into_iter().collect())
    }

    fn option<T>(&mut self, take: impl Fn(&mut Self) -> Option<T>) -> Option<Option<T>> {
        Some(self.list(take)?.pop())
    }

    fn principal(&mut self) -> Option<Principal> {
        Some(Principal { authority: self.text()?, name: self.text()? })
    }

    fn period(&mut self) -> Option<Period> {
        Some(Period { start: Timestamp(self.number()?), end: Timestamp(self.number()?) })
    }

    fn reach(&mut self) -> Option<Reach> {
        Some(Reach { kind: StreamKind::from_code(&self.text()?)?, id: self.text()?, count: self.number()?, last: self.hash()? })
    }

    fn grant(&mut self) -> Option<Grant> {
        Some(Grant {
            issuer: self.text()?,
            role: self.principal()?,
            object: self.text()?,
            permissions: self.list(|from| Permission::from_code(&from.text()?))?.into_iter().collect(),
            period: self.period()?,
            purposes: self.list(Self::text)?.into_iter().collect(),
            supersedes: self.option(Self::text)?,
        })
    }

    fn listed(&mut self) -> Option<Listed> {
        let id = self.text()?;
        let listing = Listing {
            resource: self.text()?,
            producer: self.text()?,
            metadata: self.hash()?,
            servers: self.list(Self::text)?,
            status: self.text()?,
            supersedes: self.option(Self::text)?,
        };
        Some(Listed { id, listing, index: self.number()? })
    }
}
