//! One schedule: machines, the network between them, clients, and a plan of faults, in virtual time.

use super::check::{Truth, Violation};
use super::city::{self, FOUNDED, MEMBERS};
use super::{Dice, Disk, Plan};
use crate::body::Request;
use crate::medium::StoreError;
use crate::node::{Answer, Config, Input, Job, Node, Outbox, Output};
use crate::record::Entry;
use crate::store::Store;
use crate::tree::Hash;
use std::collections::{BTreeMap, BTreeSet};
use xsd::time::Timestamp;

/// Milliseconds between two ticks of a node.
const TICK_MS: u64 = 100;
/// Before this no fault happens.
const QUIET_MS: u64 = 5_000;
/// What clients must have been answered by then, or the schedule tests nothing.
const TRAFFIC_MIN: u64 = 5;
/// After the healing: five elections of the longest kind, and the time to catch up.
const HEAL_MS: u64 = 30_000;
/// So many leaves end a segment: less than in a product, so that there are seals, and nodes that are behind the log.
const SEGMENT_LEAVES: u64 = 4096;
/// Who write at once.
const CLIENTS: usize = 4;
/// A client gives up waiting and asks again, elsewhere.
const PATIENCE_MS: u64 = 2_000;

/// What a schedule came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its virtual time.
    pub ms: u64,
    /// Records that were acknowledged.
    pub acknowledged: u64,
    /// Faults.
    pub faults: u64,
    /// Too little was acknowledged between the faults: what held was hardly tried.
    pub thin: bool,
    /// Leaves at the end.
    pub leaves: u64,
    /// Of everything that happened, in order.
    pub trace: Hash,
    /// What was broken.
    pub violation: Option<Violation>,
}

#[derive(Debug)]
pub(super) enum Event {
    Tick(u64, u64),
    Deliver {
        from: u64,
        to: u64,
        octets: Vec<u8>,
    },
    /// The machine's disk is done with the last step.
    Free(u64, u64),
    Client(usize),
    Patience(usize, u64),
    Fault,
    Start(u64, u64),
    Mend(Mend),
    /// A machine's thread gets to a job.
    Job(u64, u64, Box<Job<Disk>>),
}

#[derive(Debug)]
pub(super) enum Mend {
    Link(u64, u64),
    Wake(u64),
    Clock(u64),
    Disk(u64),
}

#[derive(Debug)]
pub(super) struct Machine {
    pub(super) node: Option<Node<Disk>>,
    pub(super) disk: Disk,
    /// Counts its starts: what was meant for an earlier process does not reach a later one.
    pub(super) life: u64,
    pub(super) inbox: Vec<Input>,
    pub(super) busy: bool,
    pub(super) asleep: bool,
    pub(super) clock_ms: i64,
    /// Leaves that were compared with the history.
    pub(super) checked: u64,
}

#[derive(Debug, Default)]
pub(super) struct Client {
    /// What it asks for first, the last one next.
    first: Vec<Entry>,
    ticket: u64,
    node: u64,
    entry: Option<Entry>,
    /// The name of its record; none for what founds the city.
    name: String,
    /// Client ids and hashes of its bodies.
    records: Vec<(String, Hash)>,
    fresh: bool,
    before: u64,
    expects_conflict: bool,
    forged: bool,
}

impl Client {
    fn set(&mut self, entry: Entry, before: u64, fresh: bool) {
        let request = Request::read(entry.clone()).expect("the clients write what can be read");
        self.records = request.records().iter().map(|record| (record.id().to_owned(), record.hash())).collect();
        (self.entry, self.before, self.fresh) = (Some(entry), before, fresh);
        (self.expects_conflict, self.forged) = (false, false);
    }
}

impl Machine {
    fn new(disk: Disk) -> Self {
        Self { node: None, disk, life: 0, inbox: Vec::new(), busy: false, asleep: false, clock_ms: 0, checked: 0 }
    }
}

pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) now: u64,
    pub(super) sequence: u64,
    pub(super) events: BTreeMap<(u64, u64), Event>,
    pub(super) machines: BTreeMap<u64, Machine>,
    pub(super) blocked: BTreeSet<(u64, u64)>,
    pub(super) clients: Vec<Client>,
    pub(super) reads: BTreeMap<u64, (u64, u64)>,
    pub(super) tickets: u64,
    pub(super) records: u64,
    thin: bool,
    /// Names whose record was acknowledged.
    pub(super) used: Vec<String>,
    pub(super) old: Vec<(u64, u64, Vec<u8>)>,
    pub(super) truth: Truth,
    pub(super) dice: Dice,
    pub(super) net: Dice,
    pub(super) faults: u64,
    pub(super) acknowledged: u64,
    pub(super) healing: bool,
    pub(super) trace: Hash,
}

/// Runs a plan.
pub(super) fn schedule(plan: &Plan) -> Outcome {
    crate::remembered::remember();
    let mut world = World::new(plan.clone());
    let violation = world.run().err();
    let (ms, acknowledged, faults, thin) = (world.now, world.acknowledged, world.faults, world.thin);
    Outcome { ms, acknowledged, faults, thin, leaves: world.truth.size(), trace: world.trace, violation }
}

/// What a node put out before its step ended, well or not.
#[derive(Default)]
struct Said(Vec<Output>);

impl Outbox for Said {
    fn put(&mut self, output: Output) {
        self.0.push(output);
    }
}

impl World {
    fn new(plan: Plan) -> Self {
        let seed = plan.seed;
        let machines = (1..=MEMBERS.len() as u64).map(|name| (name, Machine::new(Disk::new(Dice::new(seed, &format!("disk {name}"))))));
        let mut truth = Truth::default();
        truth.granted_until = FOUNDED.plus_ms(plan.grant_ms);
        let mut world = Self {
            thin: false,
            now: 0,
            sequence: 0,
            events: BTreeMap::new(),
            machines: machines.collect(),
            blocked: BTreeSet::new(),
            clients: Vec::new(),
            reads: BTreeMap::new(),
            tickets: 0,
            records: 0,
            used: Vec::new(),
            old: Vec::new(),
            truth,
            dice: Dice::new(seed, "world"),
            net: Dice::new(seed, "net"),
            faults: 0,
            acknowledged: 0,
            healing: false,
            trace: Hash::default(),
            plan,
        };
        for name in world.names() {
            world.start(name);
        }
        let mut founding = city::founding(world.plan.grant_ms);
        founding.reverse();
        world.clients.push(Client { first: founding, ..Client::default() });
        for at in 0..CLIENTS {
            world.clients.extend((at > 0).then(Client::default));
            world.at(1_000 + 500 * at as u64, Event::Client(at));
        }
        if world.plan.fault_ms > 0 {
            world.at(QUIET_MS, Event::Fault);
        }
        world
    }

    pub(super) fn names(&self) -> Vec<u64> {
        self.machines.keys().copied().collect()
    }

    fn at(&mut self, ms: u64, event: Event) {
        self.sequence += 1;
        self.events.insert((ms, self.sequence), event);
    }

    pub(super) fn later(&mut self, ms: u64, event: Event) {
        self.at(self.now + ms, event);
    }

    fn run(&mut self) -> Result<(), Violation> {
        let end = self.plan.ms;
        self.until(end)?;
        self.thin = self.acknowledged < TRAFFIC_MIN;
        self.heal();
        self.until(end + HEAL_MS)?;
        // The last leaf, a state root of the idle ledger, may be on its way.
        for more in 1..=10 {
            let running = self.machines.values().filter_map(|machine| machine.node.as_ref());
            let quiet = running.map(Node::status).all(|status| {
                status.size == self.truth.size() && status.covered == status.size && status.damaged == 0 && status.taking.is_none()
            });
            if quiet {
                break;
            }
            self.until(end + HEAL_MS + more * 1_000)?;
        }
        let nodes: Vec<(u64, &Node<Disk>)> =
            self.machines.iter().filter_map(|(name, machine)| machine.node.as_ref().map(|node| (*name, node))).collect();
        if nodes.len() < self.machines.len() {
            return Err(Violation { rule: "converged", what: "a healed machine does not run".to_owned() });
        }
        if self.clients.iter().any(|client| client.entry.is_some()) {
            return Err(Violation { rule: "progress", what: "a client has no answer after the healing".to_owned() });
        }
        self.truth.settled(&nodes)
    }

    fn until(&mut self, end: u64) -> Result<(), Violation> {
        while let Some(((ms, _), event)) = self.events.pop_first() {
            if ms > end {
                self.at(ms, event);
                break;
            }
            self.now = ms;
            self.happen(event)?;
        }
        self.now = end;
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Tick(name, life) => {
                if self.machines.get(&name).is_some_and(|machine| machine.life == life) {
                    self.later(TICK_MS, Event::Tick(name, life));
                    return self.input(name, Input::Tick);
                }
                Ok(())
            }
            Event::Deliver { from, to, octets } => {
                if self.blocked.contains(&(from, to)) {
                    return Ok(());
                }
                self.input(to, Input::Message { from, octets })
            }
            Event::Free(name, life) => {
                if let Some(machine) = self.machines.get_mut(&name).filter(|machine| machine.life == life) {
                    machine.busy = false;
                }
                self.step(name)
            }
            Event::Client(at) => self.ask(at),
            Event::Patience(at, ticket) => self.ask_again(at, ticket),
            Event::Fault => {
                self.fault();
                Ok(())
            }
            Event::Start(name, life) => {
                if self.machines.get(&name).is_some_and(|machine| machine.life == life && machine.node.is_none()) {
                    self.start(name);
                }
                Ok(())
            }
            Event::Mend(mend) => self.mend(&mend),
            Event::Job(name, life, job) => self.job(name, life, *job),
        }
    }

    fn mend(&mut self, mend: &Mend) -> Result<(), Violation> {
        match mend {
            Mend::Link(from, to) => {
                self.blocked.remove(&(*from, *to));
            }
            Mend::Wake(name) => {
                if let Some(machine) = self.machines.get_mut(name) {
                    machine.asleep = false;
                }
                return self.step(*name);
            }
            Mend::Clock(name) => {
                if let Some(machine) = self.machines.get_mut(name) {
                    machine.clock_ms = 0;
                }
            }
            Mend::Disk(name) => {
                if let Some(machine) = self.machines.get(name) {
                    machine.disk.set(self.plan.disk);
                }
            }
        }
        Ok(())
    }

    fn clock(&self, name: u64) -> Timestamp {
        let skew = self.machines.get(&name).map_or(0, |machine| machine.clock_ms);
        Timestamp((FOUNDED.0 + self.now).saturating_add_signed(skew))
    }

    /// Starts a machine's process on what its disk holds. A disk that fails meanwhile is tried again later.
    pub(super) fn start(&mut self, name: u64) {
        let Some(machine) = self.machines.get_mut(&name) else { return };
        machine.life += 1;
        let life = machine.life;
        machine.disk.revive();
        machine.inbox.clear();
        (machine.busy, machine.checked) = (false, 0);
        let member = usize::try_from(name - 1).ok().and_then(|at| MEMBERS.get(at)).copied().unwrap_or_default();
        match open(member, life, machine.disk.clone()) {
            Ok(node) => {
                machine.node = Some(node);
                self.later(TICK_MS, Event::Tick(name, life));
            }
            Err(_) => self.later(1_000, Event::Start(name, life)),
        }
    }

    fn input(&mut self, name: u64, input: Input) -> Result<(), Violation> {
        let Some(machine) = self.machines.get_mut(&name).filter(|machine| machine.node.is_some()) else { return Ok(()) };
        // A process that was stopped finds one tick, not all that it missed.
        let ticks = matches!(input, Input::Tick) && machine.inbox.iter().any(|waiting| matches!(waiting, Input::Tick));
        if !ticks && machine.inbox.len() < 4096 {
            machine.inbox.push(input);
        }
        self.step(name)
    }

    /// Lets a node work on what has gathered, unless its disk is busy or the process is stopped.
    fn step(&mut self, name: u64) -> Result<(), Violation> {
        let now = self.clock(name);
        let Some(machine) = self.machines.get_mut(&name).filter(|machine| !machine.busy && !machine.asleep && !machine.inbox.is_empty())
        else {
            return Ok(());
        };
        let Some(node) = machine.node.as_mut() else { return Ok(()) };
        let inputs = std::mem::take(&mut machine.inbox);
        let mut said = Said::default();
        let mut done = node.steps(inputs, now, &mut said);
        // Now and then it has nothing else to do.
        if done.is_ok() && self.now.is_multiple_of(2) {
            done = node.tell(now, &mut said);
            node.prepare();
        }
        let life = machine.life;
        if done.is_ok() {
            machine.checked = self.truth.compare(name, node, machine.checked)?;
            let jobs: Vec<Job<Disk>> = std::iter::from_fn(|| node.job()).collect();
            let (low, high) = self.plan.disk_ms;
            let took = self.dice.between(low, high);
            if took > 0 {
                machine.busy = true;
                self.later(took, Event::Free(name, life));
            }
            for job in jobs {
                let wait = self.dice.between(0, if job.is_long() { 3_000 } else { 100 });
                self.later(wait, Event::Job(name, life, Box::new(job)));
            }
        }
        for output in said.0 {
            self.output(name, output)?;
        }
        if let Err(error) = done {
            self.died(name, &error)?;
        }
        Ok(())
    }

    /// A job runs on the machine's disk, if the process that wanted it still lives.
    fn job(&mut self, name: u64, life: u64, job: Job<Disk>) -> Result<(), Violation> {
        let Some(machine) = self.machines.get_mut(&name).filter(|machine| machine.life == life) else { return Ok(()) };
        let Some(node) = machine.node.as_mut() else { return Ok(()) };
        let done = node.done(job.run());
        let next: Vec<Job<Disk>> = std::iter::from_fn(|| node.job()).collect();
        for job in next {
            self.later(1, Event::Job(name, life, Box::new(job)));
        }
        done.or_else(|error| self.died(name, &error))
    }

    /// The process ended: by a fault of its disk, or because it disagrees with itself, which it may not.
    fn died(&mut self, name: u64, error: &StoreError) -> Result<(), Violation> {
        let rotten = self.machines.get(&name).is_some_and(|machine| machine.disk.is_rotten());
        let expected =
            matches!(error, StoreError::Io { .. } | StoreError::Stopped) || matches!(error, StoreError::Corrupt { .. } if rotten);
        if !expected {
            return Err(Violation { rule: "sound", what: format!("node {name} stopped: {error}") });
        }
        self.kill(name);
        Ok(())
    }

    pub(super) fn kill(&mut self, name: u64) {
        let ms = self.dice.between(100, 8_000);
        let Some(machine) = self.machines.get_mut(&name) else { return };
        machine.node = None;
        machine.life += 1;
        machine.inbox.clear();
        machine.disk.revive();
        let life = machine.life;
        self.later(ms, Event::Start(name, life));
    }

    fn output(&mut self, name: u64, output: Output) -> Result<(), Violation> {
        match output {
            Output::Send { to, octets } => self.send(name, to, octets),
            Output::Answer { ticket, answer } => self.answer(ticket, &answer)?,
            Output::Checkpoint { note, .. } => {
                if let Some(node) = self.machines.get(&name).and_then(|machine| machine.node.as_ref()) {
                    self.truth.checkpoint(name, node, &note)?;
                }
            }
            Output::ReadAt { ticket, .. } => {
                if let (Some((_, before)), Some(node)) =
                    (self.reads.remove(&ticket), self.machines.get(&name).and_then(|machine| machine.node.as_ref()))
                {
                    self.truth.read(name, node.status().size, before)?;
                }
            }
            Output::Fork { evidence } => {
                return Err(Violation { rule: "no-fork", what: format!("node {name} accuses: {}", evidence.text()) });
            }
            Output::Leader { .. } | Output::Clock { .. } | Output::Members { .. } | Output::Refused { .. } => {}
            Output::Damaged { .. } | Output::Mended { .. } => {}
        }
        Ok(())
    }

    fn send(&mut self, from: u64, to: u64, octets: Vec<u8>) {
        let note = [self.trace.0.as_slice(), &self.now.to_be_bytes(), &from.to_be_bytes(), &to.to_be_bytes(), &octets].concat();
        self.trace = Hash::of(&note);
        let (loss, duplicate, replay) = if self.healing { (0, 0, 0) } else { (self.plan.loss, self.plan.duplicate, self.plan.replay) };
        if self.blocked.contains(&(from, to)) || self.net.chance(loss) {
            return;
        }
        let (low, high) = self.plan.delay_ms;
        let times = if self.net.chance(duplicate) { 2 } else { 1 };
        for _ in 0..times {
            let delay = self.net.between(low, high);
            self.later(delay, Event::Deliver { from, to, octets: octets.clone() });
        }
        if replay == 0 {
            return;
        }
        if self.net.chance(replay)
            && let Some((from, to, octets)) = self.net.pick(&self.old).cloned()
        {
            self.later(high, Event::Deliver { from, to, octets });
        }
        if self.old.len() < 64 {
            self.old.push((from, to, octets));
        } else {
            let at = usize::try_from(self.net.below(64)).unwrap_or_default();
            if let Some(old) = self.old.get_mut(at) {
                *old = (from, to, octets);
            }
        }
    }

    /// A client's next request: a record, a batch, a used id, a forged signature; and often a read besides.
    fn ask(&mut self, at: usize) -> Result<(), Violation> {
        let before = self.truth.acknowledged;
        if self.now > self.plan.ms + HEAL_MS / 2 {
            return Ok(());
        }
        if self.dice.chance(300) {
            self.read(before)?;
        }
        self.records += 1;
        let name = format!("record {}", self.records);
        let Some(client) = self.clients.get_mut(at) else { return Ok(()) };
        client.name.clone_from(&name);
        if let Some(first) = client.first.pop() {
            client.set(first, before, true);
            client.name.clear();
        } else {
            match self.dice.below(if self.plan.batches { 14 } else { 10 }) {
                0..4 => client.set(city::signed(&city::log(&name, false, &name), &["transport"], false), before, true),
                4..6 => client.set(city::signed(&city::log(&name, true, &name), &["transport", "civil"], false), before, true),
                6 | 7 => client.set(city::trade(&name), before, true),
                8 => {
                    let Some(used) = self.dice.pick(&self.used).cloned() else { return self.ask(at) };
                    client.set(city::signed(&city::log(&used, false, "another"), &["transport"], false), before, false);
                    client.expects_conflict = true;
                }
                9 => {
                    client.set(city::signed(&city::log(&name, false, &name), &["transport"], true), before, false);
                    client.forged = true;
                    self.truth.forbidden.extend(client.records.iter().map(|(_, body)| *body));
                }
                other => {
                    let large = other == 13 && self.dice.chance(100) || self.plan.seals;
                    let size = if large { 256 } else { self.dice.between(2, 12) };
                    let one = |n| city::log(&format!("{name} of {n}"), true, &name);
                    client.set(city::batch(&(0..size).map(one).collect::<Vec<_>>(), &["transport", "civil"]), before, true);
                }
            }
        }
        self.propose(at)
    }

    fn propose(&mut self, at: usize) -> Result<(), Violation> {
        self.tickets += 1;
        let (ticket, node) = (self.tickets, self.dice.between(1, MEMBERS.len() as u64));
        let Some(client) = self.clients.get_mut(at) else { return Ok(()) };
        let Some(entry) = client.entry.clone() else { return Ok(()) };
        (client.ticket, client.node) = (ticket, node);
        self.later(PATIENCE_MS, Event::Patience(at, ticket));
        self.input(node, Input::Propose { ticket, entry })
    }

    fn ask_again(&mut self, at: usize, ticket: u64) -> Result<(), Violation> {
        let Some(client) = self.clients.get(at).filter(|client| client.ticket == ticket && client.entry.is_some()) else { return Ok(()) };
        let node = client.node;
        self.input(node, Input::Withdraw { ticket })?;
        self.propose(at)
    }

    fn read(&mut self, before: u64) -> Result<(), Violation> {
        self.tickets += 1;
        let (ticket, node) = (self.tickets, self.dice.between(1, MEMBERS.len() as u64));
        self.reads.insert(ticket, (node, before));
        self.input(node, Input::Read { ticket })
    }

    fn answer(&mut self, ticket: u64, answer: &Answer) -> Result<(), Violation> {
        let Some(at) = self.clients.iter().position(|client| client.ticket == ticket && client.entry.is_some()) else { return Ok(()) };
        let (low, high) = self.plan.think_ms;
        let think = self.dice.between(low, high);
        let Some(client) = self.clients.get_mut(at) else { return Ok(()) };
        let id = client.records.first().map(|(id, _)| id.clone()).unwrap_or_default();
        match answer {
            Answer::Busy => return Ok(()),
            Answer::Invalid(verdict) => {
                let known = client.forged || client.expects_conflict;
                if !known {
                    return Err(Violation { rule: "answers", what: format!("{id} was refused: {verdict}") });
                }
            }
            Answer::Committed { .. } if client.forged => {
                return Err(Violation { rule: "signatures", what: format!("{id} was committed with a forged signature") });
            }
            Answer::Committed { .. } if client.expects_conflict => {
                return Err(Violation { rule: "exactly-once", what: format!("{id} was committed with another body") });
            }
            Answer::Committed { .. } => {
                self.truth.answered(&id, answer, client.fresh, client.before)?;
                if let Some((id, _)) = client.records.iter().find(|(id, body)| !self.truth.has(id, body)) {
                    return Err(Violation {
                        rule: "acknowledged",
                        what: format!("{id} was answered as committed; its leaf is none or another's"),
                    });
                }
                self.acknowledged += client.records.len() as u64;
                if client.records.len() == 1 && !client.name.is_empty() {
                    self.used.push(client.name.clone());
                }
            }
        }
        client.entry = None;
        self.later(think, Event::Client(at));
        Ok(())
    }
}

fn open(member: &str, life: u64, disk: Disk) -> Result<Node<Disk>, StoreError> {
    let genesis = city::genesis();
    let store = Store::open(disk, &Hash::of(genesis.body()), None)?.with_segments_of(SEGMENT_LEAVES);
    Node::start(Config { life, ..Config::new(member, genesis, city::node_key(member)) }, store)
}
