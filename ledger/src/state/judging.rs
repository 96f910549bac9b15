//! Whether a request is signed by exactly its parties, with which of their keys, and under which state of the keys that was found.

use super::State;
use crate::body::{Content, Record, Rekey, Request};
use crate::keys::{Check, PublicKey, verify};
use crate::record::{Refusal, Verdict};

/// A request whose signatures were verified against the members' keys. Only [`State::check`] and [`State::settle`] make one, and
/// a replay inside the state.
#[derive(Clone, Debug)]
pub struct Checked {
    request: Request,
    refusal: Option<Refusal>,
    keys: u64,
}

impl Checked {
    /// The request.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// [`Refusal::KeyRevoked`] if a party signed with a key that it held before: that goes on record, without effect.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    pub(super) fn keys(&self) -> u64 {
        self.keys
    }
}

/// A request that was judged under the keys of one moment.
#[derive(Clone, Debug)]
pub struct Judged {
    request: Request,
    verdict: Result<Option<Refusal>, Verdict>,
    keys: u64,
}

impl Judged {
    /// The request.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }
}

impl From<Checked> for Judged {
    fn from(checked: Checked) -> Self {
        Self { request: checked.request, verdict: Ok(checked.refusal), keys: checked.keys }
    }
}

/// A signature to verify.
struct Planned<'a> {
    check: Check<'a>,
    account: &'a str,
    /// The key is the account's present one.
    present: bool,
}

impl State {
    /// Judges whether the requests are for this ledger and signed by exactly their parties; one answer each, in order.
    /// The signatures of all are verified as one batch.
    #[must_use]
    pub fn judge(&self, requests: Vec<Request>) -> Vec<Judged> {
        let planned: Vec<_> = requests.iter().map(|request| self.plan(request)).collect();
        let all: Vec<Check<'_>> = planned.iter().flatten().flatten().map(|planned| planned.check).collect();
        let mut answers = verify(&all).into_iter();
        let mut verdicts = Vec::with_capacity(planned.len());
        for plan in planned {
            verdicts.push(plan.and_then(|planned| {
                let answered: Vec<_> = planned.into_iter().zip(answers.by_ref()).collect();
                self.weigh(&answered)
            }));
        }
        let keys = self.keys_version();
        verdicts.into_iter().zip(requests).map(|(verdict, request)| Judged { request, verdict, keys }).collect()
    }

    /// What a judgement means now: it is made again if members or keys have changed since.
    ///
    /// # Errors
    /// The verdict on the request.
    pub fn settle(&self, judged: Judged) -> Result<Checked, Verdict> {
        let Judged { request, verdict, keys } = judged;
        if keys == self.keys_version() {
            return verdict.map(|refusal| Checked { request, refusal, keys });
        }
        self.check_one(request)
    }

    /// [`State::judge`], with the judgements as they are now.
    #[must_use]
    pub fn check(&self, requests: Vec<Request>) -> Vec<Result<Checked, Verdict>> {
        self.judge(requests).into_iter().map(|judged| self.settle(judged)).collect()
    }

    /// [`State::check`] for one request.
    ///
    /// # Errors
    /// The verdict on it.
    pub fn check_one(&self, request: Request) -> Result<Checked, Verdict> {
        self.check(vec![request]).pop().unwrap_or(Err(Verdict::UnknownKind))
    }

    /// A request whose signatures are not looked at.
    pub(super) fn believe(&self, request: Request) -> Checked {
        Checked { request, refusal: None, keys: self.keys_version() }
    }

    fn weigh(&self, answered: &[(Planned<'_>, bool)]) -> Result<Option<Refusal>, Verdict> {
        let (mut refusal, mut bad) = (None, None);
        for (planned, right) in answered {
            let Check { octets, signature, .. } = planned.check;
            if *right && planned.present {
                continue;
            }
            if *right || self.constitution.former(planned.account).any(|key| key.verifies(octets, signature)) {
                refusal = Some(Refusal::KeyRevoked);
            } else {
                bad = Some(planned.account);
            }
        }
        bad.map_or(Ok(refusal), |account| Err(Verdict::BadSignature(account.to_owned())))
    }

    fn plan<'a>(&self, request: &'a Request) -> Result<Vec<Planned<'a>>, Verdict> {
        if request.ledger() != self.ledger {
            return Err(Verdict::WrongLedger);
        }
        if matches!(request.content(), Content::StateRoot(_)) {
            return Err(Verdict::UnknownKind);
        }
        let mut signers = request.records().first().map(Record::signers).unwrap_or_default();
        let mut planned = Vec::new();
        for signature in request.entry().signatures() {
            let account = signature.account.as_str();
            if !signers.remove(account) {
                return Err(Verdict::StraySignature(account.to_owned()));
            }
            planned.push(self.planned(account, request.signed(), &signature.value)?);
        }
        if let Some(missing) = signers.first() {
            let verdict = if self.member(missing).is_some() { Verdict::MissingSignature } else { Verdict::UnknownAccount };
            return Err(verdict((*missing).to_owned()));
        }
        for record in request.records() {
            match record.content() {
                Content::Trade(trade) => {
                    let Some(evidence) = &trade.evidence else { continue };
                    planned.push(self.planned(&evidence.signature.account, &evidence.octets, &evidence.signature.value)?);
                }
                Content::Key(rekey) => prove(record, rekey)?,
                _ => {}
            }
        }
        Ok(planned)
    }

    fn planned<'a>(&self, account: &'a str, octets: &'a [u8], signature: &'a [u8; 64]) -> Result<Planned<'a>, Verdict> {
        let unknown = || Verdict::UnknownAccount(account.to_owned());
        let held = self.constitution.current(account).ok_or_else(unknown)?;
        let former = || self.constitution.former(account).next();
        let key: PublicKey = held.record_key.or_else(former).ok_or_else(unknown)?;
        Ok(Planned { check: Check { key, octets, signature }, account, present: held.record_key.is_some() })
    }
}

/// The member has the private half of each new key.
fn prove(record: &Record, rekey: &Rekey) -> Result<(), Verdict> {
    for proven in [rekey.record_key, rekey.node_key].into_iter().flatten() {
        let statement = Rekey::statement(record.ledger(), record.id(), &rekey.member, &proven.key);
        if !proven.key.verifies(&statement, &proven.proof) {
            return Err(Verdict::BadSignature(rekey.member.clone()));
        }
    }
    Ok(())
}
