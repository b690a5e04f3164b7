//! The pool against workers that crash, hang, lie and eat.
//!
//! This binary has its own `main` because the pool starts it again as a worker, which Rust's test
//! harness would not let it become. As a worker it decodes as the product does, except that it obeys
//! words hidden in a picture's text: the poison is in this file and nowhere in the product.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use twinset_photo::worker::{DecodePool, PoolSettings, WORKER_ARG, this_exe, worker_main_with};
use twinset_photo::{
    Decoded, Fault, Limits, Photo, PhotoError, decode, decode_reduced, encode_jpeg, encode_png,
};

fn main() {
    if std::env::args().nth(1).as_deref() == Some(WORKER_ARG) {
        worker_main_with(|bytes, limits, longer_side_px| {
            obey(bytes)?;
            match longer_side_px {
                Some(side) => decode_reduced(bytes, limits, side),
                None => decode(bytes, limits).map(|photo| Decoded {
                    full_width: photo.width(),
                    full_height: photo.height(),
                    photo,
                }),
            }
        });
    }
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let tests: [(&str, fn()); 9] = [
        ("answers_equal_the_plain_functions", answers_equal_the_plain_functions),
        ("headers_are_judged_without_a_worker", headers_are_judged_without_a_worker),
        ("every_poison_costs_one_worker_only", every_poison_costs_one_worker_only),
        ("a_busy_machine_makes_no_picture_too_large", a_busy_machine_makes_no_picture_too_large),
        ("workers_have_no_rights", workers_have_no_rights),
        ("wrong_binaries_are_told", wrong_binaries_are_told),
        ("too_many_callers_are_sent_away", too_many_callers_are_sent_away),
        ("a_worker_killed_while_idle_is_replaced", a_worker_killed_while_idle_is_replaced),
        ("nothing_outlives_the_pool", nothing_outlives_the_pool),
    ];
    // A panic ends the process with status 101, which is how `cargo test` learns of it.
    for (name, test) in tests.into_iter().filter(|(name, _)| name.contains(&wanted)) {
        println!("test {name} ...");
        test();
        println!("test {name} ... ok");
    }
}

/// A picture of one pixel with a word in its text.
fn poison(word: &str) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 1, 1);
    encoder.add_text_chunk("poison".into(), format!("<{word}>")).unwrap();
    encoder.write_header().unwrap().write_image_data(&[7]).unwrap();
    file
}

/// As a worker: does what a poisoned picture says. What it has to say itself, it says as an error.
fn obey(bytes: &[u8]) -> Result<(), PhotoError> {
    let text = String::from_utf8_lossy(bytes);
    let Some(word) = text.split("poison\0<").nth(1).and_then(|rest| rest.split('>').next()) else {
        return Ok(());
    };
    let say = |what: String| Err(PhotoError::NoWorker { what });
    match word {
        "panic" => panic!("poisoned"),
        "exit" => std::process::exit(0),
        "abort" => std::process::abort(),
        "hang" => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        "spin" => loop {
            std::hint::black_box(1);
        },
        "eat" => {
            let mut eaten = Vec::new();
            loop {
                eaten.push(vec![1_u8; 16 << 20]);
            }
        }
        "recurse" => {
            std::hint::black_box(recurse(0));
            Ok(())
        }
        "lie" => raw(b"\x02\0\0\0\0\0\0\0\0\0\0\0{}"),
        "huge" => raw(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        "chatter" => raw(&[b'?'; 1 << 20]),
        "half" => {
            raw(b"\x20\0\0\0")?;
            obey(&poison("hang"))
        }
        "open" => say(format!("{:?}", std::fs::File::open("/dev/null").map(|_| ()))),
        "write" => say(format!("{:?}", std::fs::write(std::env::temp_dir().join("twinset-worker"), b"x"))),
        "connect" => say(format!("{:?}", std::net::UdpSocket::bind("127.0.0.1:0").map(|_| ()))),
        "environment" => say(format!("{:?}", std::env::vars_os().collect::<Vec<_>>())),
        word => panic!("unknown poison {word}"),
    }
}

#[allow(unconditional_recursion)]
fn recurse(depth: u64) -> u64 {
    let pad = [depth; 64];
    std::hint::black_box(&pad);
    recurse(depth + 1) + pad[(depth % 64) as usize]
}

/// Speaks past the protocol.
fn raw(bytes: &[u8]) -> Result<(), PhotoError> {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
    Ok(())
}

fn pool(workers: usize) -> DecodePool {
    let limits = Limits { max_memory_bytes: 64 << 20, ..Limits::default() };
    let settings =
        PoolSettings { workers, limits, time_limit: Duration::from_millis(1500), ..PoolSettings::default() };
    DecodePool::start_with(&this_exe().unwrap(), settings).unwrap()
}

fn photo(width: u32, height: u32) -> Photo {
    let rgb = (0..width * height).flat_map(|i| [i as u8, (i / 7) as u8, (i / 91) as u8]).collect();
    Photo::new(width, height, rgb)
}

/// What a poisoned worker had to say.
fn words(pool: &DecodePool, word: &str) -> String {
    match pool.decode(&poison(word)) {
        Err(PhotoError::NoWorker { what }) => what,
        other => panic!("{word}: {other:?}"),
    }
}

fn answers_equal_the_plain_functions() {
    let pool = pool(2);
    let files: Vec<_> = [(1, 1), (640, 480), (1500, 200)]
        .into_iter()
        .flat_map(|(w, h)| [encode_jpeg(&photo(w, h), 80), encode_png(&photo(w, h))])
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for file in &files {
                    let plain = decode(file, pool.limits()).unwrap();
                    assert_eq!(pool.decode(file).unwrap().photo, plain);
                    assert_eq!(pool.decode_reduced(file, 100), decode_reduced(file, pool.limits(), 100));
                    // Damage that only decoding finds.
                    let mut broken = file.clone();
                    let middle = broken.len() - 20;
                    broken[middle] ^= 0x55;
                    assert_eq!(pool.decode(&broken).map(|d| d.photo), decode(&broken, pool.limits()));
                }
            });
        }
    });
    assert_eq!(pool.lost_workers(), 0);
}

fn headers_are_judged_without_a_worker() {
    let pool = pool(1);
    assert_eq!(pool.decode(b"hello"), Err(PhotoError::NotAPicture));
    let mut file = encode_png(&photo(2, 2));
    file[16..20].fill(0x7f);
    assert!(matches!(pool.decode(&file), Err(PhotoError::TooManyPixels { .. })));
    let long = vec![0; 21 << 20];
    assert!(matches!(pool.decode(&long), Err(PhotoError::TooManyBytes { .. })));
}

fn every_poison_costs_one_worker_only() {
    let pool = pool(1);
    let good = encode_jpeg(&photo(300, 200), 80);
    let wanted = decode(&good, pool.limits()).unwrap();
    let mut lost = 0;
    for word in ["panic", "exit", "abort", "eat", "recurse", "hang", "spin", "lie", "huge", "chatter", "half"]
    {
        let error = pool.decode(&poison(word)).unwrap_err();
        match (word, &error) {
            ("hang" | "spin" | "half", PhotoError::TimedOut { limit_ms: 1500 }) => {
                assert_eq!(error.fault(), Fault::Limit);
            }
            (_, PhotoError::WorkerDied { .. }) => assert_eq!(error.fault(), Fault::Picture),
            _ => panic!("{word}: {error:?}"),
        }
        println!("  {word}: {error}");
        lost += 1;
        assert_eq!(pool.lost_workers(), lost, "{word}");
        assert_eq!(pool.decode(&good).unwrap().photo, wanted, "after {word}");
    }
    // All at once, good ones between them.
    let pool = self::pool(2);
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for i in 0..6 {
            let (pool, good, wanted, done) = (&pool, &good, &wanted, &done);
            scope.spawn(move || {
                for word in ["exit", "abort", "chatter"] {
                    if i % 2 == 0 {
                        assert!(matches!(pool.decode(&poison(word)), Err(PhotoError::WorkerDied { .. })));
                    } else {
                        assert_eq!(pool.decode(good).unwrap().photo, *wanted);
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(done.into_inner(), 18);
}

/// On a loaded machine decoding passed its limit of two seconds and was told as a picture that is too large.
fn a_busy_machine_makes_no_picture_too_large() {
    if !Path::new("/proc/self/schedstat").exists() {
        println!("  skipped: this system does not tell who waits for a core");
        return;
    }
    let settings = PoolSettings { time_limit: Duration::from_millis(300), ..PoolSettings::default() };
    let pool = DecodePool::start_with(&this_exe().unwrap(), settings).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // So many want a core that a fifth of one is more than the worker gets.
        for _ in 0..16 * std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::black_box(1);
                }
            });
        }
        let error = pool.decode(&poison("spin")).unwrap_err();
        over.store(true, Ordering::Relaxed);
        println!("  {error}");
        assert!(matches!(error, PhotoError::Starved { waited_ms: 1500.., limit_ms: 300 }), "{error:?}");
        assert_eq!(error.fault(), Fault::Machine);
    });
    assert_eq!(pool.lost_workers(), 1);
}

fn workers_have_no_rights() {
    if !cfg!(unix) {
        println!("  skipped: this system has no such limits");
        return;
    }
    let pool = pool(1);
    for word in ["open", "write", "connect"] {
        let said = words(&pool, word);
        assert!(said.starts_with("Err"), "{word}: {said}");
    }
    assert_eq!(words(&pool, "environment"), "[]");
}

fn wrong_binaries_are_told() {
    for exe in ["/nonexistent/twinset", "/bin/true", "/bin/echo"] {
        let error = DecodePool::start(Path::new(exe), 1, Limits::default()).err();
        assert!(matches!(error, Some(PhotoError::NoWorker { .. })), "{exe}: {error:?}");
        assert_eq!(error.map(|e| e.fault()), Some(Fault::Machine));
    }
}

fn too_many_callers_are_sent_away() {
    let settings = PoolSettings { max_waiting: 0, ..PoolSettings::default() };
    let pool = DecodePool::start_with(&this_exe().unwrap(), settings).unwrap();
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| pool.decode(&poison("hang")));
        let mut sent_away = false;
        while !slow.is_finished() {
            match pool.decode(&encode_png(&photo(1, 1))) {
                Err(PhotoError::Busy { waiting: 0 }) => sent_away = true,
                Err(PhotoError::Busy { .. }) => panic!("nobody may wait"),
                // The hanging one has not begun yet, or has just ended; or found us there.
                _ => {}
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let slow = slow.join().unwrap().unwrap_err();
        assert!(sent_away || matches!(slow, PhotoError::Busy { .. }), "{slow:?}");
    });
    assert!(pool.decode(&encode_png(&photo(1, 1))).is_ok());
}

#[cfg(unix)]
fn is_gone(pid: &str) -> bool {
    !Command::new("kill").args(["-0", pid]).output().unwrap().status.success()
}

#[cfg(unix)]
fn a_worker_killed_while_idle_is_replaced() {
    let pool = pool(1);
    // The pool's only worker, found as this process's only child.
    let children = format!("/proc/self/task/{}/children", std::process::id());
    let Ok(children) = std::fs::read_to_string(children) else {
        println!("  skipped: this system does not list children");
        return;
    };
    let pid = children.trim();
    assert!(Command::new("kill").args(["-9", pid]).status().unwrap().success(), "{pid}");
    let began = Instant::now();
    while pool.decode(&encode_png(&photo(1, 1))).is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "no worker came back");
    }
}

#[cfg(unix)]
fn nothing_outlives_the_pool() {
    let pool = pool(1);
    let good = encode_png(&photo(1, 1));
    assert!(pool.decode(&good).is_ok());
    let pid = std::fs::read_to_string(format!("/proc/self/task/{}/children", std::process::id()));
    drop(pool);
    match pid {
        Ok(pid) => assert!(is_gone(pid.trim()), "{pid} lives on"),
        Err(_) => println!("  skipped: this system does not list children"),
    }
}

#[cfg(not(unix))]
fn a_worker_killed_while_idle_is_replaced() {}

#[cfg(not(unix))]
fn nothing_outlives_the_pool() {}
