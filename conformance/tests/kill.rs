//! kill -9 of any node, the leader included, in the middle of 200 trades: nothing acknowledged is lost, nothing is there twice.

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::too_many_lines,
    reason = "a test says what it measured and skipped, and fails by panicking"
)]

use adapter::cli::session::{Failure, Session};
use adapter::unified::trading::{Fetch, FetchResponse, History, HistoryResponse, Item};
use adapter::unified::{Criterion, Status};
use conformance::city::{City, SECTORS};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const TRADES: usize = 200;
const CLIENTS: usize = 4;
/// The node is killed when this many trades are acknowledged, and comes back when that many more are or after two seconds.
const KILL_AT: usize = 60;

/// Acknowledged trades: id to leaf index.
type Acknowledged = BTreeMap<String, u64>;

async fn client(session: Session, left: &AtomicUsize, done: &AtomicUsize, field: &str, value: &str) -> Acknowledged {
    let mut acknowledged = Acknowledged::new();
    while left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let criteria = vec![Criterion { field: field.to_owned(), value: value.to_owned() }];
            let items = vec![Item { resource: String::from("transport/vehicle"), criteria }];
            let request = Fetch { conversation_id: None, purpose: String::from("medical-aid"), items };
            let answer: Result<FetchResponse, Failure> = session.call("trading", &request).await;
            if let Ok(answer) = answer
                && let Some(result) = answer.results.into_iter().find(|result| result.status == Status::Delivered)
                && let (Some(id), Some(receipt)) = (result.trade_id, result.receipt)
            {
                acknowledged.insert(id, receipt.leaf_index);
                done.fetch_add(1, Ordering::SeqCst);
                break;
            }
            assert!(Instant::now() < until, "no trade for a minute");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    acknowledged
}

/// 200 trades while `victim` is killed and restarted; `before_restart` may touch its files while it is down.
async fn round(city: &mut City, victim: &str, before_restart: impl Fn(&City)) -> Acknowledged {
    let (left, done) = (AtomicUsize::new(TRADES), AtomicUsize::new(0));
    let example = adapter::city::example().expect("an example");
    let (_, field, value) = example.iter().find(|(resource, _, _)| *resource == "transport/vehicle").expect("an example").clone();
    let sessions: Vec<Session> = (0..CLIENTS).map(|_| city.session("civil", "clerk")).collect();
    let trading = async {
        let clients = sessions.into_iter().map(|session| client(session, &left, &done, field, &value));
        let mut all = Acknowledged::new();
        for acknowledged in futures(clients.collect()).await {
            all.extend(acknowledged);
        }
        all
    };
    let killing = async {
        while done.load(Ordering::SeqCst) < KILL_AT {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        city.kill(victim);
        let at_kill = done.load(Ordering::SeqCst);
        assert!(at_kill < TRADES, "the kill came in the middle");
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until && done.load(Ordering::SeqCst) < at_kill + 60 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        before_restart(city);
        city.restart(victim);
    };
    let (all, ()) = tokio::join!(trading, killing);
    assert_eq!(all.len(), TRADES, "every trade was acknowledged under an id of its own");
    all
}

/// Polls futures of one kind together.
async fn futures<F: Future>(pending: Vec<F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = pending.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in &mut pending {
            if output.is_none()
                && let std::task::Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *output = Some(ready);
            }
        }
        if pending.iter().all(|(_, output)| output.is_some()) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    pending.into_iter().filter_map(|(_, output)| output).collect()
}

async fn history(city: &City, sector: &str) -> Vec<(String, u64)> {
    let session = city.session(sector, "admin");
    let mut trades = Vec::new();
    let mut cursor = None;
    loop {
        let request = History {
            sender: vec![String::from("transport")],
            status: vec![Status::Delivered],
            cursor,
            limit: Some(500),
            ..History::default()
        };
        let page: HistoryResponse = session.call("trading", &request).await.expect("a history");
        trades.extend(page.entries.into_iter().map(|entry| (entry.trade.id, entry.index)));
        cursor = page.next;
        if cursor.is_none() {
            return trades;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_loses_nothing_and_repeats_nothing() {
    let mut city = City::start("kill");
    let leader = usize::try_from(city.settled().await.leader.expect("a leader")).expect("small") - 1;
    let mut acknowledged = Acknowledged::new();
    // The leader first, then every other; then the leader of that time again, with its index deleted.
    let mut victims: Vec<&str> = vec![SECTORS[leader]];
    victims.extend(SECTORS.iter().filter(|sector| **sector != SECTORS[leader]));
    for victim in victims {
        acknowledged.extend(round(&mut city, victim, |_| ()).await);
        let standing = city.settled().await;
        println!("killed {victim}: {} trades acknowledged in all, {} leaves, root {}", acknowledged.len(), standing.leaves, standing.root);
    }
    let leader = usize::try_from(city.settled().await.leader.expect("a leader")).expect("small") - 1;
    let victim = SECTORS[leader];
    let deleted = |city: &City| {
        let index = city.dir().join(victim).join("ledger").join("index");
        assert!(index.is_dir(), "the sled folder is where this test looks: {}", index.display());
        std::fs::remove_dir_all(index).expect("the index can be deleted");
    };
    acknowledged.extend(round(&mut city, victim, deleted).await);
    let standing = city.settled().await;
    println!("killed {victim} and deleted its index: {} leaves, root {}", standing.leaves, standing.root);

    let leader = usize::try_from(standing.leader.expect("a leader")).expect("small") - 1;
    let (stopped, other) = (SECTORS[leader], SECTORS[(leader + 1) % 3]);
    city.stop(stopped);
    let next = city.standing(other).await.and_then(|standing| standing.leader);
    assert!(next.is_some() && next != standing.leader, "a leader that is told to stop hands over before it goes: {next:?}");
    city.restart(stopped);
    city.settled().await;

    for sector in ["transport", "civil"] {
        let trades = history(&city, sector).await;
        let ids: BTreeSet<&String> = trades.iter().map(|(id, _)| id).collect();
        assert_eq!(ids.len(), trades.len(), "{sector}: no trade is there twice");
        let held: BTreeMap<String, u64> = trades.iter().cloned().collect();
        for (id, index) in &acknowledged {
            assert_eq!(held.get(id), Some(index), "{sector}: acknowledged trade {id} is at its leaf");
        }
    }
}
