//! Every fault row once, with real processes, and sabotages of the judge: it finds what it is there to find.

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "a test says what it measured, and fails by panicking"
)]

use conformance::faults::history::{self, Event, Phase};
use conformance::faults::rows::{ROWS, Row};
use conformance::faults::table;
use conformance::faults::town::{Ground, Town};
use conformance::faults::traffic::Traffic;
use conformance::faults::trial::{FLOW, TRAFFIC, lying, possible, trials};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// One city at a time: more would starve each other, and be slow for no fault of theirs.
static TURN: Mutex<()> = Mutex::new(());

fn once(ground: Ground) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let rows: Vec<&Row> = ROWS.iter().filter(|row| row.ground == ground).collect();
    if let Err(why) = possible(ground) {
        println!("skipped: {} fault rows on {ground:?}: {why}", rows.len());
        return;
    }
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut wrong = Vec::new();
    trials(
        &rows,
        |_| 1,
        seed,
        |row, sum| {
            print!("{}", table::line(row.name, sum));
            wrong.extend(sum.wrong.iter().map(|why| format!("{}: {why}", row.name)));
        },
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn processes_are_killed_and_paused_and_files_damaged() {
    once(Ground::Plain);
}

#[test]
fn disks_lose_power_and_fail() {
    once(Ground::Disks);
}

#[test]
fn networks_part() {
    once(Ground::Spaces);
}

#[test]
fn clocks_jump() {
    once(Ground::Clocks);
}

#[test]
fn what_lying_disks_lost_is_found() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(why) = possible(Ground::Disks) {
        println!("skipped: the control with lying disks: {why}");
        return;
    }
    let mut town = Town::found("faults-lying", Ground::Disks).unwrap();
    let verdict = lying(&mut town, 1).unwrap();
    println!("measured: {verdict}");
    assert!(verdict.lost.len() >= TRAFFIC, "what was acknowledged after the lie began is lost, and found so: {verdict}");
}

/// An honest history with its ledger; every sabotage of either is found, each under its own name.
#[test]
fn the_judge_finds_every_sabotage() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut town = Town::found("faults-judge", Ground::Plain).unwrap();
    let path = town.dir.join("honest.jsonl");
    let traffic = Traffic::start(&town, &path, "honest").unwrap();
    traffic.wait(0, TRAFFIC, FLOW).unwrap();
    let prefix = traffic.prefix.clone();
    traffic.stop(&town);
    town.settle().unwrap();
    town.stop(0).unwrap();
    let leaves = town.leaves(0).unwrap();
    let events = history::read(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let judge = |events: &[Event], leaves: &[Vec<u8>]| history::judge(events, leaves, &town.policies, &prefix);
    let honest = judge(&events, &leaves);
    assert!(honest.holds() && honest.acknowledged >= TRAFFIC, "{honest}");
    let oks: Vec<usize> = (0..events.len()).filter(|at| matches!(events[*at].phase, Phase::Ok { .. })).collect();
    let index = |at: usize| match &events[at].phase {
        Phase::Ok { index, .. } => *index,
        _ => unreachable!("an acknowledgement"),
    };
    let last = *oks.iter().max_by_key(|at| index(**at)).unwrap();
    let cut = judge(&events, &leaves[..usize::try_from(index(last)).unwrap()]);
    assert_eq!(cut.lost.len(), 1, "an acknowledged record is removed: {cut}");

    let sabotage = |change: &dyn Fn(&mut Vec<Event>)| {
        let mut events = events.clone();
        change(&mut events);
        judge(&events, &leaves)
    };
    let moved = sabotage(&|events| {
        if let Phase::Ok { index, .. } = &mut events[oks[3]].phase {
            *index += 1;
        }
    });
    assert!(!moved.lost.is_empty(), "a record is elsewhere: {moved}");
    let denied = sabotage(&|events| events[oks[3]].phase = Phase::Fail);
    assert_eq!(denied.uncalled.len(), 1, "a record that was said to have failed is there: {denied}");
    let called = events[oks[3]].key.clone();
    let uncalled = sabotage(&|events| events.retain(|event| event.key != called));
    assert_eq!(uncalled.uncalled.len(), 1, "a record nobody asked for is there: {uncalled}");
    let late = sabotage(&|events| {
        // The first acknowledged call claims to have begun after the last was answered.
        let key = events[oks[0]].key.clone();
        let end = events.iter().map(|event| event.at).max().unwrap();
        for event in events.iter_mut().filter(|event| event.key == key) {
            event.at = end + if event.phase == Phase::Invoke { 1 } else { 2 };
        }
    });
    assert_eq!(late.disordered.len(), 1, "{late}");
    let forged = sabotage(&|events| {
        for at in &oks {
            if let Phase::Ok { receipt: Some(receipt), .. } = &mut events[*at].phase {
                *receipt = receipt.replacen("city.example", "city.exemple", 1);
            }
        }
    });
    assert!(!forged.unproven.is_empty(), "receipts that nobody signed: {forged}");
    let mut altered = leaves.clone();
    let text = String::from_utf8(altered[2].clone()).unwrap();
    altered[2] = text.replacen("honest", "honesd", 1).replacen("transport", "transpord", 1).into_bytes();
    let altered = judge(&events, &altered);
    assert!(!altered.unproven.is_empty(), "history is rewritten under the receipts: {altered}");
    let mut doubled = leaves.clone();
    doubled.push(leaves[usize::try_from(index(last)).unwrap()].clone());
    let doubled = judge(&events, &doubled);
    assert_eq!(doubled.uncalled.len(), 1, "a record is there twice: {doubled}");
}
