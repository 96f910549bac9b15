//! The index against a scan of everything: any filter, both directions, any page, after crashes, damage and merges.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "a test may fail")]

mod crowd;

use crowd::{Asked, Dice, Record};
use ledger::index::{Direction, Filter, Index, IndexError, Terms};
use ledger::record::Leaf;
use std::fs;
use std::path::{Path, PathBuf};

/// Leaves of a run as it is first written.
const CHUNK: u64 = 65_536;
const PER_SECOND: u64 = 200;

fn fresh(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("index").join(name);
    if dir.exists() {
        fs::remove_dir_all(&dir).unwrap();
    }
    fs::create_dir_all(dir.parent().unwrap()).unwrap();
    dir
}

fn records(leaves: std::ops::Range<u64>) -> Vec<Record> {
    leaves.map(|index| Record::of(index, PER_SECOND)).collect()
}

/// Gives the index what it does not know of the first `count` leaves, some hundreds at a time.
fn feed(index: &Index, count: u64) {
    let mut known = index.known().0;
    while known < count {
        let end = count.min(known + 700);
        let leaves: Vec<Terms> = (known..end).map(|index| Record::of(index, PER_SECOND).terms()).collect();
        known = index.take(&leaves).unwrap();
        assert_eq!(known, end);
    }
}

/// All pages, one after the other; going back from the last one gives the same leaves.
fn pages(index: &Index, filter: &Filter, limit: usize, direction: Direction) -> Result<Vec<u64>, IndexError> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = index.query(filter, cursor, limit, direction)?;
        assert!(page.indexes.len() <= limit);
        assert_eq!(page.previous, cursor);
        if let Some(cursor) = cursor {
            let other = if direction == Direction::Ascending { Direction::Descending } else { Direction::Ascending };
            let mut back = index.query(filter, Some(cursor), limit, other)?.indexes;
            back.reverse();
            assert!(found.ends_with(&back) && back.len() == limit.min(found.len()), "the page before {cursor} of {filter:?}");
        }
        found.extend(page.indexes);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(found),
        }
    }
}

fn try_check(index: &Index, records: &[Record], asked: &Asked, limit: usize) -> Result<usize, IndexError> {
    let scan: Vec<u64> = records.iter().filter(|record| asked.fits(record)).map(|record| record.index).collect();
    // Walking through a hundred thousand leaves by twos proves no more than through the first ones.
    let limit = limit.max(scan.len() / 50).min(ledger::index::PAGE_MAX);
    if scan.len() <= 60 * limit {
        assert_eq!(pages(index, &asked.filter(), limit, Direction::Ascending)?, scan, "{asked:?} by {limit}");
        let mut backwards = pages(index, &asked.filter(), limit, Direction::Descending)?;
        backwards.reverse();
        assert_eq!(backwards, scan, "{asked:?} by {limit} from the end");
    } else {
        let at = scan[scan.len() / 3];
        let page = index.query(&asked.filter(), Some(at), limit, Direction::Ascending)?;
        assert_eq!(page.indexes, scan[scan.len() / 3..][..limit], "{asked:?} from {at}");
        assert_eq!(page.next, Some(scan[scan.len() / 3 + limit]));
        let page = index.query(&asked.filter(), None, limit, Direction::Descending)?;
        let last: Vec<u64> = scan.iter().rev().take(limit).copied().collect();
        assert_eq!(page.indexes, last, "{asked:?} from the end");
    }
    Ok(scan.len())
}

fn check_many(index: &Index, records: &[Record], dice: &mut Dice, times: u64) {
    let (mut empty, mut some) = (0, 0);
    for _ in 0..times {
        let asked = Asked::random(dice, records.len() as u64, PER_SECOND);
        let limit = [1, 2, 7, 100, 1000][dice.below(5) as usize];
        let found = try_check(index, records, &asked, limit).unwrap();
        if found == 0 { empty += 1 } else { some += 1 }
    }
    assert!(empty >= times / 20 && some >= times / 4, "{empty} without and {some} with an answer: the filters are no test");
}

#[test]
fn answers_are_those_of_a_scan_before_and_after_merges() {
    let dir = fresh("scan");
    let count = 5 * CHUNK + 20_000;
    let records = records(0..count);
    let mut dice = Dice(1);
    let index = Index::open(&dir).unwrap();
    feed(&index, CHUNK - 1);
    check_many(&index, &records[..CHUNK as usize - 1], &mut dice, 25);
    feed(&index, CHUNK);
    check_many(&index, &records[..CHUNK as usize], &mut dice, 25);
    feed(&index, count);
    check_many(&index, &records, &mut dice, 60);
    assert!(index.merge().unwrap());
    check_many(&index, &records, &mut dice, 60);
    assert!(!index.merge().unwrap(), "one of four and one of one: nothing to merge");
    // Two terms of every tenth leaf, and no leaf with both.
    let disjoint = Asked { sender: vec![0], status: vec![0, 2], ..Asked::default() };
    assert_eq!(try_check(&index, &records, &disjoint, 100).unwrap(), 0);
    drop(index);
    let files = fs::read_dir(&dir).unwrap().filter(|file| file.as_ref().unwrap().file_name().to_str().unwrap().starts_with("run_")).count();
    assert_eq!(files, 2, "what was merged is gone");
    let index = Index::open(&dir).unwrap();
    assert_eq!(index.known(), (count, Some(Leaf::hash(&records[count as usize - 1].leaf()))), "everything is there after a restart");
    check_many(&index, &records, &mut dice, 60);
    index.clear().unwrap();
    assert_eq!(index.known(), (0, None));
    assert_eq!(index.query(&Filter::default(), None, 10, Direction::Descending).unwrap().indexes, []);
}

#[test]
fn leaves_are_taken_in_order_and_once() {
    let index = Index::open(&fresh("order")).unwrap();
    let terms = |leaves: std::ops::Range<u64>| records(leaves).iter().map(Record::terms).collect::<Vec<_>>();
    assert!(matches!(index.take(&terms(1..3)), Err(IndexError::Gap { known: 0 })));
    assert_eq!(index.take(&terms(0..10)).unwrap(), 10);
    assert_eq!(index.take(&terms(4..8)).unwrap(), 10, "known ones change nothing");
    assert_eq!(index.take(&terms(8..12)).unwrap(), 12);
    let mut hole = terms(12..16);
    hole.remove(2);
    assert!(matches!(index.take(&hole), Err(IndexError::Gap { known: 12 })));
    let all = index.query(&Filter::default(), None, 100, Direction::Ascending).unwrap();
    assert_eq!(all.indexes, (0..12).collect::<Vec<_>>());
    let many = Filter { user: vec![String::from("a/b"); ledger::index::VALUES_MAX + 1], ..Filter::default() };
    assert!(matches!(index.query(&many, None, 10, Direction::Ascending), Err(IndexError::TooMany)));
    let octets = records(0..1)[0].leaf();
    for end in [0, 1, 100, octets.len() - 1] {
        assert!(matches!(Terms::read(&octets[..end], Leaf::hash(&octets)), Err(IndexError::NotALeaf(_))), "cut at {end}");
    }
}

#[test]
fn queries_run_beside_leaves_and_merges() {
    let dir = fresh("beside");
    let index = Index::open(&dir).unwrap();
    feed(&index, CHUNK * 4 - 500);
    let (writer, merger) = (index.clone(), index.clone());
    let writing = std::thread::spawn(move || feed(&writer, CHUNK * 4 + 2000));
    let merging = std::thread::spawn(move || while !merger.merge().unwrap() {});
    let (mut rounds, mut done) = (0, false);
    while !done || rounds < 20 {
        done = writing.is_finished() && merging.is_finished();
        let known = index.known().0;
        let page = index.query(&Filter::default(), Some(known - 900), 1000, Direction::Ascending).unwrap();
        assert!(page.indexes.iter().copied().eq(known - 900..known - 900 + page.indexes.len() as u64) && page.indexes.len() >= 900);
        let latest = index.query(&Filter::default(), None, 1, Direction::Descending).unwrap();
        assert!(latest.indexes[0] >= known - 1);
        rounds += 1;
    }
    writing.join().unwrap();
    merging.join().unwrap();
    check_many(&index, &records(0..CHUNK * 4 + 2000), &mut Dice(2), 20);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(file.file_name());
        if file.path().is_dir() {
            copy(&file.path(), &target);
        } else {
            // Whoever works there may remove it just now: then it is gone at this moment, too.
            let copied = fs::copy(file.path(), target);
            assert!(copied.is_ok() || copied.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound));
        }
    }
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for file in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if file.path().is_dir() {
            files(&file.path(), found);
        } else {
            found.push(file.path());
        }
    }
    found.sort();
}

#[test]
fn a_crash_at_any_moment_loses_only_what_is_taken_in_again() {
    let (dir, image) = (fresh("crash"), fresh("crash-image"));
    let index = Index::open(&dir).unwrap();
    let all = records(0..CHUNK + 3000);
    let mut dice = Dice(3);
    for count in [1, 600, 30_000, CHUNK - 1, CHUNK, CHUNK + 1, CHUNK + 3000] {
        feed(&index, count);
        if image.exists() {
            fs::remove_dir_all(&image).unwrap();
        }
        copy(&dir, &image);
        let after = Index::open(&image).unwrap();
        assert!(after.known().0 <= count);
        feed(&after, count);
        check_many(&after, &all[..count as usize], &mut dice, if count > 600 { 20 } else { 0 });
    }
    drop(index);
    fs::write(dir.join("run_000000000000-000000262144"), b"half of a merge").unwrap();
    let index = Index::open(&dir).unwrap();
    assert_eq!(index.known().0, CHUNK + 3000, "an unfinished file is removed");
    fs::remove_dir_all(&dir).unwrap();
    drop(index);
    assert_eq!(Index::open(&dir).unwrap().known().0, 0, "a directory that is gone is a new one");
}

fn is_run(name: &Path) -> bool {
    name.file_name().unwrap().to_str().unwrap().starts_with("run_")
}

#[test]
fn damage_is_found_and_made_good_and_never_answers() {
    let (dir, broken) = (fresh("damage"), fresh("damage-copy"));
    let count = CHUNK + 2000;
    let all = records(0..count);
    let index = Index::open(&dir).unwrap();
    feed(&index, count);
    drop(index);
    let mut names = Vec::new();
    files(&dir, &mut names);
    let mut dice = Dice(4);
    let (mut flips, mut noticed) = (0, 0);
    let (runs, others): (Vec<_>, Vec<_>) = names.iter().filter(|name| !name.ends_with("lock")).partition(|name| is_run(name));
    for group in [runs, others] {
        for _ in 0..24 {
            let name = group[dice.below(group.len() as u64) as usize];
            let length = fs::metadata(name).unwrap().len();
            if broken.exists() {
                fs::remove_dir_all(&broken).unwrap();
            }
            copy(&dir, &broken);
            let target = broken.join(name.strip_prefix(&dir).unwrap());
            let mut octets = fs::read(&target).unwrap();
            match dice.below(8) {
                0 => octets.truncate(dice.below(length.max(1)) as usize),
                _ if octets.is_empty() => continue,
                _ => octets[dice.below(length) as usize] ^= 1 << dice.below(8),
            }
            fs::write(&target, octets).unwrap();
            flips += 1;
            if dice.below(2) == 0 && broken.join("closed").exists() {
                // As after a crash: only the rows' own checksums say what is right.
                fs::remove_file(broken.join("closed")).unwrap();
            }
            let index = Index::open(&broken).unwrap();
            let mut seen = index.known().0 < count;
            feed(&index, count);
            for _ in 0..12 {
                let asked = Asked::random(&mut dice, count, PER_SECOND);
                // Damage that a query meets is said once, and then it is gone.
                if let Err(error) = try_check(&index, &all, &asked, 100) {
                    assert!(matches!(error, IndexError::Damaged(_)), "{error}");
                    seen = true;
                    feed(&index, count);
                    try_check(&index, &all, &asked, 100).unwrap();
                }
            }
            noticed += u32::from(seen);
        }
    }
    assert!(flips >= 24 && noticed >= 5, "{noticed} of {flips} noticed");
}

#[test]
fn an_inspection_finds_every_flipped_bit_of_a_closed_index() {
    let (dir, broken) = (fresh("inspect"), fresh("inspect-copy"));
    let index = Index::open(&dir).unwrap();
    feed(&index, CHUNK + 1500);
    drop(index);
    assert_eq!(Index::inspect(&dir).unwrap(), [], "nothing to say of a good one");
    let index = Index::open(&dir).unwrap();
    assert_eq!(index.known().0, CHUNK + 1500);
    assert!(matches!(Index::inspect(&dir), Err(IndexError::Store(_))), "another has it open");
    drop(index);
    assert_eq!(Index::inspect(&dir).unwrap(), [], "closed as it was");
    copy(&dir, &broken);
    let mut names = Vec::new();
    files(&broken, &mut names);
    let mut dice = Dice(5);
    let mut flips = 0;
    for name in names.iter().filter(|name| !name.ends_with("lock")) {
        let octets = fs::read(name).unwrap();
        let length = octets.len() as u64;
        let places: Vec<u64> = if length < 100 {
            (0..length).collect()
        } else {
            (0..if is_run(name) { 100 } else { 10 }).map(|_| dice.below(length)).chain([0, length - 1]).collect()
        };
        for place in places {
            let mut flipped = octets.clone();
            flipped[place as usize] ^= 1 << dice.below(8);
            fs::write(name, flipped).unwrap();
            assert_ne!(Index::inspect(&broken).unwrap(), [], "octet {place} of {}", name.display());
            flips += 1;
        }
        fs::write(name, &octets[..octets.len() - octets.len().min(1)]).unwrap();
        assert!(octets.is_empty() || !Index::inspect(&broken).unwrap().is_empty(), "{} cut", name.display());
        fs::remove_file(name).unwrap();
        assert_ne!(Index::inspect(&broken).unwrap(), [], "{} removed", name.display());
        fs::write(name, octets).unwrap();
        assert_eq!(Index::inspect(&broken).unwrap(), []);
    }
    assert!(flips > 200, "{flips}");
}
