//! Saved states on a disk that lies: crashes before and after each call under every loss, an error at each call, damage.
//!
//! `TWINSET_DISK_DAYS` (default 1) says how many scripted days are run, `TWINSET_DISK_DAMAGES` (default 2,000) how many files
//! are damaged. A failing case prints the seed that repeats it.

use crate::saved::{self, Head, Kind};
use crate::{IndexError, Metric, Shape};
use std::io::ErrorKind;
use std::path::Path;
use twinset_disk::{Crash, Fault, Loss, LyingDisk, State};

const DIR: &str = "/index";
/// Saves of a day: more than 2,000 calls of the disk.
const SAVES: u64 = 180;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// splitmix64, as everywhere where a seed must repeat a case.
fn random(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn head(seq: u64) -> Head {
    Head {
        kind: Kind::Exact,
        shape: Shape { dim: 4, metric: Metric::InnerProduct, stamp: [7; 32] },
        seq,
        items: seq,
        efforts: [seq as u32; 4],
    }
}

/// What state `seq` holds: of several blocks now and then.
fn payload(seq: u64) -> Vec<u8> {
    let bytes = [100, 3_000, 66_000, 140_000][(seq % 4) as usize] + (seq % 513) as usize;
    (0..bytes as u64).map(|n| random((seq << 20) | (n / 8)).to_le_bytes()[(n % 8) as usize]).collect()
}

fn save(disk: &LyingDisk, seq: u64) -> Result<(), IndexError> {
    saved::save(disk, Path::new(DIR), head(seq), |writer| writer.put(&payload(seq)))
}

/// The number of the state that is found, after every byte of it was compared, and whether it is the one before a
/// damaged one.
fn found_in(disk: &LyingDisk) -> Result<(u64, bool), IndexError> {
    let read = |found: Head, mut reader: saved::Reader| {
        let mut bytes = vec![0; usize::try_from(reader.payload()).unwrap()];
        reader.take(&mut bytes)?;
        assert!(bytes == payload(found.seq), "state {} holds something that was never saved", found.seq);
        assert_eq!(found, head(found.seq));
        Ok(found.seq)
    };
    saved::load(disk, Path::new(DIR), &[Kind::Exact], read).map(|(seq, torn)| (seq, torn.is_some()))
}

fn found(disk: &LyingDisk) -> Result<u64, IndexError> {
    found_in(disk).map(|(seq, _)| seq)
}

#[test]
fn a_crash_at_any_call_leaves_the_old_state_or_the_new_one() {
    let mut points = 0_u64;
    for day in 0..number("TWINSET_DISK_DAYS", 1) {
        let disk = LyingDisk::default();
        save(&disk, 1).unwrap();
        for seq in 2..2 + SAVES {
            disk.record();
            save(&disk, seq).unwrap();
            // Before each call is after the one before; and after the last.
            let states: Vec<State> = disk.history().into_iter().chain([disk.state()]).collect();
            let last = states.len() - 1;
            for (call, state) in states.into_iter().enumerate() {
                for loss in Loss::ALL {
                    let seed = random(day << 40 | seq << 20 | (call as u64) << 4 | loss as u64);
                    let after = LyingDisk::of(state.after(Crash { loss, seed }));
                    let told = format!("day {day}, save {seq}, call {call}, {loss:?}, seed {seed:#x}");
                    let now = found(&after).unwrap_or_else(|error| panic!("{told}: {error}"));
                    // What a save has returned for is kept.
                    assert!(now == seq || (call < last && now == seq - 1), "{told}: found {now}");
                    points += 1;
                    // And the next save works on what is left.
                    if points.is_multiple_of(37) {
                        save(&after, seq + 1).unwrap_or_else(|error| panic!("{told}: {error}"));
                        assert_eq!(found(&after).unwrap(), seq + 1, "{told}");
                    }
                }
            }
        }
        assert!(disk.calls() >= 2_000, "a day has {} calls", disk.calls());
    }
    println!("{points} crash points");
}

#[test]
fn an_error_at_any_call_loses_nothing() {
    let mut failures = 0;
    for seq in [2, 3, 4, 5] {
        let disk = LyingDisk::default();
        save(&disk, seq - 1).unwrap();
        let before = disk.state();
        let calls = {
            let trial = LyingDisk::of(before.clone());
            save(&trial, seq).unwrap();
            trial.calls()
        };
        for call in 0..calls {
            for (kind, short) in [(ErrorKind::Other, false), (ErrorKind::StorageFull, true)] {
                let disk = LyingDisk::of(before.clone());
                disk.fail(Fault { call, kind, short });
                let outcome = save(&disk, seq);
                for loss in Loss::ALL {
                    let after = LyingDisk::of(disk.state().after(Crash { loss, seed: random(call) }));
                    let now = found(&after).unwrap();
                    assert!(
                        now == seq || now == seq - 1 && outcome.is_err(),
                        "save {seq}, call {call}, {kind:?}: {now}"
                    );
                }
                let now = found(&disk).unwrap();
                assert!(now == seq || now == seq - 1);
                // When the disk works again, so does saving.
                save(&disk, seq + 1).unwrap();
                assert_eq!(found(&disk).unwrap(), seq + 1);
                failures += 1;
            }
        }
    }
    assert!(failures >= 80, "{failures}");
}

#[test]
fn damage_is_noticed_or_harmless() {
    let disk = LyingDisk::default();
    save(&disk, 6).unwrap();
    let state = disk.state();
    let files: Vec<_> = state.files().into_iter().collect();
    let mut noticed = 0_u64;
    let cases = number("TWINSET_DISK_DAMAGES", 2_000);
    for case in 0..cases {
        let mut seed = random(case);
        let mut below = |n: usize| {
            seed = random(seed);
            (seed % n.max(1) as u64) as usize
        };
        let (path, bytes) = &files[below(files.len())];
        let mut damaged = bytes.clone();
        let at = below(damaged.len());
        match below(5) {
            0 => damaged[at] ^= 1 << below(8),
            1 => damaged.truncate(at),
            2 => damaged[at..].fill(0),
            3 => damaged.extend(std::iter::repeat_n(0xA5, 1 + below(9_000))),
            _ => {
                // Two pages change places.
                let page = 4096.min(damaged.len() / 2);
                let (a, b) = (below(damaged.len() / page) * page, below(damaged.len() / page) * page);
                (0..page).for_each(|n| damaged.swap(a + n, b + n));
            }
        }
        if damaged == *bytes {
            continue;
        }
        match found(&LyingDisk::of(state.with(path, damaged))) {
            Err(
                IndexError::Damaged { .. } | IndexError::NewerVersion { .. } | IndexError::Missing { .. },
            ) => noticed += 1,
            Ok(seq) => panic!("case {case}: {} is damaged and read as state {seq}", path.display()),
            Err(error) => panic!("case {case}: {error:?}"),
        }
    }
    assert!(noticed > cases * 9 / 10);
}

#[test]
fn a_torn_newest_state_gives_way_to_the_one_before_and_the_next_save_keeps_a_whole_one() {
    let disk = LyingDisk::default();
    [4, 5, 6].into_iter().for_each(|seq| save(&disk, seq).unwrap());
    let state = disk.state();
    let files = state.files();
    assert_eq!(files.len(), 4, "two manifests and two data files");
    let (mut before, mut newest) = (0, 0);
    for case in 0..400 {
        for (path, bytes) in &files {
            let at = (random(case) % bytes.len() as u64) as usize;
            let torn = LyingDisk::of(state.with(path, bytes[..at].to_vec()));
            let (seq, fell_back) = found_in(&torn).unwrap();
            assert_eq!(
                (seq, fell_back),
                if fell_back { (5, true) } else { (6, false) },
                "{}",
                path.display()
            );
            before += u64::from(fell_back);
            newest += u64::from(!fell_back);
            // Whatever was torn, after one more save there are two whole states again.
            save(&torn, 7).unwrap();
            let again = torn.state();
            let manifest = again.files().into_keys().find(|path| path.ends_with("manifest")).unwrap();
            let fallback = found_in(&LyingDisk::of(again.with(&manifest, Vec::new()))).unwrap();
            assert!(found_in(&torn).unwrap() == (7, false) && fallback.1 && fallback.0 >= 5, "{fallback:?}");
        }
    }
    assert_eq!((before, newest), (800, 800));
}
