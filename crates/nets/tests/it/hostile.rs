//! Hostile weight files: each refused with a reason, none with more memory than a few times its size.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use twinset_nets::Package;

/// Notes the largest single allocation of each thread.
struct Watched;

thread_local! { static LARGEST: Cell<usize> = const { Cell::new(0) }; }

// SAFETY: all work is the system allocator's; the note is a plain thread-local number.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = LARGEST.try_with(|l| l.set(l.get().max(layout.size())));
        // SAFETY: handed through.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: handed through.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// A file whose header is `text` and whose data are `data` zero bytes.
fn file(text: &str, data: usize) -> Vec<u8> {
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[test]
fn hostile_weights_are_refused_within_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    super::package(&super::embedder_card()).save(dir.path()).unwrap();
    let card = std::fs::read(dir.path().join("card.json")).unwrap();
    let good = std::fs::read(dir.path().join("weights.safetensors")).unwrap();
    let header_len = u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&good[8..8 + header_len]).unwrap();
    let body = &good[8 + header_len..];

    let mut files: Vec<Vec<u8>> = Vec::new();
    // Lengths that lie, and files cut off anywhere.
    for length in
        [0, 1, 7, 8, 9, 255, 1 << 18, (1 << 18) + 1, 99_999_999, 1 << 32, 1 << 60, u64::MAX - 7, u64::MAX]
    {
        let mut bytes = good.clone();
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        files.push(bytes);
    }
    files.extend((0..100).map(|i| good[..good.len() * i / 100].to_vec()));
    // Headers that are valid JSON and wrong in meaning.
    for (from, to) in [
        ("\"F16\"", "\"F8_E5M2\""),
        ("\"F16\"", "\"I64\""),
        ("\"F16\"", "\"PICKLE\""),
        ("\"F16\"", "\"F32\""),
        ("\"shape\":[", "\"shape\":[18446744073709551615,"),
        ("\"shape\":[", "\"shape\":[4294967296,4294967296,"),
        ("\"shape\":[", "\"shape\":[-1,"),
        ("\"shape\":[", "\"shape\":[0,"),
        ("\"data_offsets\":[", "\"data_offsets\":[18446744073709551615,"),
        ("\"data_offsets\":[0,", "\"data_offsets\":[2,"),
        ("\"data_offsets\"", "\"offsets\""),
        ("s1.0.weight", "../../etc/passwd"),
        ("s1.0.weight", "s2.0.weight"),
        ("s1.0.weight", ""),
    ] {
        for text in [header.replacen(from, to, 1), header.replace(from, to)] {
            assert_ne!(text, header, "{from} is in the header");
            let mut bytes = file(&text, 0);
            bytes.extend_from_slice(body);
            files.push(bytes);
        }
    }
    // Deep nesting, long names, many tensors, numbers without end.
    for depth in [100, 10_000, 200_000] {
        files.push(file(&"[".repeat(depth), 0));
        files.push(file(&format!("{{\"a\":{}", "{\"a\":".repeat(depth / 5)), 0));
        files.push(file(&format!("{{\"{}\":1}}", "x".repeat(depth)), 0));
        files.push(file(
            &format!(
                "{{\"a\":{{\"dtype\":\"F16\",\"shape\":[{}1],\"data_offsets\":[0,2]}}}}",
                "1,".repeat(depth / 2)
            ),
            2,
        ));
        files.push(file(&format!("{{\"a\":{}}}", "9".repeat(depth)), 0));
        let many: Vec<String> = (0..depth / 60)
            .map(|i| format!("\"{i}\":{{\"dtype\":\"F16\",\"shape\":[0],\"data_offsets\":[0,0]}}"))
            .collect();
        files.push(file(&format!("{{{}}}", many.join(",")), 0));
    }
    // The good file with a byte of its header changed: never a crash, and if it opens at all
    // (a changed blank, say), then as a whole package.
    let mut state = 5u64;
    let mut changed: Vec<Vec<u8>> = Vec::new();
    for _ in 0..300 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut bytes = good.clone();
        bytes[(state >> 33) as usize % (header_len + 8)] ^= 1 << (state & 7);
        changed.push(bytes);
    }

    assert!(Package::from_parts(&card, &good).is_ok());
    let open = |bytes: &[u8]| {
        LARGEST.set(0);
        let result = Package::from_parts(&card, bytes);
        let allowed = 4 * bytes.len() + (4 << 20);
        assert!(LARGEST.get() <= allowed, "{} bytes at once for a file of {}", LARGEST.get(), bytes.len());
        result
    };
    assert!(files.len() > 150);
    for (i, bytes) in files.iter().enumerate() {
        let error = open(bytes).expect_err(&format!("file {i} of {} bytes was taken", bytes.len()));
        assert!(error.to_string().len() > 10);
    }
    let taken = changed.iter().filter(|bytes| open(bytes).is_ok()).count();
    assert!(taken < 30, "{taken} of 300 damaged headers were taken");
}
