//! The walled place of unsafe code: dot products of int8 tokens, all against all.
//!
//! In: two lists of tokens. Out: exact integers, the same on every machine: [`scalar`] is the oracle.
#![allow(unsafe_code)]

use crate::features::DIM;

/// `out[q * hits + h]`: the dot product of query token `q` and hit token `h`.
///
/// # Panics
/// If the lengths do not fit.
pub(crate) fn similarities(query: &[i8], hit: &[i8], out: &mut [i32]) {
    let (queries, hits) = (query.len() / DIM, hit.len() / DIM);
    assert!(query.len() == queries * DIM && hit.len() == hits * DIM && out.len() == queries * hits);
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
        // SAFETY: the processor has both; the lengths were checked above.
        return unsafe { vnni(query, hit, hits, out) };
    }
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2; the lengths were checked above.
        return unsafe { avx2(query, hit, hits, out) };
    }
    scalar(query, hit, out);
}

/// The oracle, and the path of other machines (the compiler makes vector code of it).
pub(crate) fn scalar(query: &[i8], hit: &[i8], out: &mut [i32]) {
    let hits = hit.len() / DIM;
    for (i, q) in query.chunks_exact(DIM).enumerate() {
        for (j, h) in hit.chunks_exact(DIM).enumerate() {
            out[i * hits + j] = q.iter().zip(h).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
        }
    }
}

/// Hit tokens are rearranged so that a register holds four numbers of eight tokens; a query's four
/// numbers are broadcast. Sums then need no shuffling: lane `i` is token `i`.
///
/// The product instruction wants one side unsigned: the query's sign is moved to the hit. A pair of
/// products is at most 2 * 127 * 127 < 2^15, so nothing saturates as long as -128 does not occur.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2(query: &[i8], hit: &[i8], hits: usize, out: &mut [i32]) {
    use std::arch::x86_64::*;
    /// Registers of eight tokens that share one broadcast.
    const WIDE: usize = 4;
    const GROUPS: usize = DIM / 4;
    let blocks = hits.div_ceil(8).next_multiple_of(WIDE);
    // [block][group][token of 8][4 numbers]; what is missing at the end stays zero.
    let mut packed = vec![0i8; blocks * GROUPS * 32];
    for (token, numbers) in hit.chunks_exact(DIM).enumerate() {
        for (group, four) in numbers.chunks_exact(4).enumerate() {
            let at = ((token / 8 * GROUPS) + group) * 32 + token % 8 * 4;
            packed[at..at + 4].copy_from_slice(four);
        }
    }
    let ones = _mm256_set1_epi16(1);
    for (i, numbers) in query.chunks_exact(DIM).enumerate() {
        for wide in (0..blocks).step_by(WIDE) {
            let mut sums = [_mm256_setzero_si256(); WIDE];
            for (group, four) in numbers.chunks_exact(4).enumerate() {
                let q = _mm256_set1_epi32(i32::from_le_bytes(
                    [four[0], four[1], four[2], four[3]].map(|x| x as u8),
                ));
                let size = _mm256_abs_epi8(q);
                for (block, sum) in sums.iter_mut().enumerate() {
                    let at = ((wide + block) * GROUPS + group) * 32;
                    // SAFETY: `at + 32` is within `packed`, which has `blocks` of `GROUPS` groups.
                    let h = unsafe { _mm256_loadu_si256(packed.as_ptr().add(at).cast()) };
                    let pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(h, q));
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
                }
            }
            for (block, sum) in sums.into_iter().enumerate() {
                let first = (wide + block) * 8;
                let row = &mut out[i * hits..(i + 1) * hits];
                if first < hits {
                    let mut eight = [0i32; 8];
                    // SAFETY: `eight` has room for the register.
                    unsafe { _mm256_storeu_si256(eight.as_mut_ptr().cast(), sum) };
                    let count = (hits - first).min(8);
                    row[first..first + count].copy_from_slice(&eight[..count]);
                }
            }
        }
    }
}

/// As [`avx2`], sixteen hit tokens in a register. The processor multiplies unsigned by signed bytes, so the query's
/// numbers are taken 128 too large and 128 times the sum of the hit's is taken off again.
///
/// # Safety
/// The processor must have AVX-512F and AVX-512 VNNI.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn vnni(query: &[i8], hit: &[i8], hits: usize, out: &mut [i32]) {
    use std::arch::x86_64::*;
    /// Registers of sixteen tokens that share one broadcast.
    const WIDE: usize = 2;
    const GROUPS: usize = DIM / 4;
    let blocks = hits.div_ceil(16).next_multiple_of(WIDE);
    // [block][group][token of 16][4 numbers]; what is missing at the end stays zero.
    let mut packed = vec![0i8; blocks * GROUPS * 64];
    let mut too_large = vec![0i32; blocks * 16];
    for (token, numbers) in hit.chunks_exact(DIM).enumerate() {
        too_large[token] = 128 * numbers.iter().map(|&x| i32::from(x)).sum::<i32>();
        for (group, four) in numbers.chunks_exact(4).enumerate() {
            let at = ((token / 16 * GROUPS) + group) * 64 + token % 16 * 4;
            packed[at..at + 4].copy_from_slice(four);
        }
    }
    for (i, numbers) in query.chunks_exact(DIM).enumerate() {
        for wide in (0..blocks).step_by(WIDE) {
            let mut sums = [_mm512_setzero_si512(); WIDE];
            for (group, four) in numbers.chunks_exact(4).enumerate() {
                let raised = [four[0], four[1], four[2], four[3]].map(|x| x as u8 ^ 0x80);
                let q = _mm512_set1_epi32(i32::from_le_bytes(raised));
                for (block, sum) in sums.iter_mut().enumerate() {
                    let at = ((wide + block) * GROUPS + group) * 64;
                    // SAFETY: `at + 64` is within `packed`, which has `blocks` of `GROUPS` groups.
                    let h = unsafe { _mm512_loadu_si512(packed.as_ptr().add(at).cast()) };
                    *sum = _mm512_dpbusd_epi32(*sum, q, h);
                }
            }
            for (block, sum) in sums.into_iter().enumerate() {
                let first = (wide + block) * 16;
                let row = &mut out[i * hits..(i + 1) * hits];
                if first < hits {
                    let mut sixteen = [0i32; 16];
                    // SAFETY: `sixteen` has room for the register.
                    unsafe { _mm512_storeu_si512(sixteen.as_mut_ptr().cast(), sum) };
                    let rest = row[first..].iter_mut().zip(sixteen).zip(&too_large[first..]);
                    rest.for_each(|((out, sum), too_large)| *out = sum - too_large);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn the_fast_kernel_is_exactly_the_slow_one(queries in 0usize..40, hits in 0usize..70, seed in any::<u64>(), extreme in any::<bool>()) {
            let mut state = seed | 1;
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let byte = (state >> 32) as i8;
                if extreme { if byte < 0 { -127 } else { 127 } } else { byte.max(-127) }
            };
            let query: Vec<i8> = (0..queries * DIM).map(|_| next()).collect();
            let hit: Vec<i8> = (0..hits * DIM).map(|_| next()).collect();
            let (mut fast, mut slow) = (vec![1; queries * hits], vec![2; queries * hits]);
            similarities(&query, &hit, &mut fast);
            scalar(&query, &hit, &mut slow);
            prop_assert_eq!(&fast, &slow);
            // Also the kernel that a better one hides on this machine.
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") {
                fast.fill(3);
                // SAFETY: the processor has AVX2, and the lengths fit.
                unsafe { avx2(&query, &hit, hits, &mut fast) };
                prop_assert_eq!(fast, slow);
            }
        }
    }
}
