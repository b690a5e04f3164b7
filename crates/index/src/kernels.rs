//! Distances, in the widest instructions that the processor has.
//!
//! In: slices. Out: numbers. The kernels are chosen once, at run time; [`Kernels::scalar`] is the oracle that
//! the others are tested against. All unsafe code of the arithmetic lives here, for two reasons: a function
//! compiled for AVX2 or NEON may only be called where the processor has it (the tables below are the only way
//! to them, and are handed out after detection), and wide loads take raw pointers (each is taken from a
//! `chunks_exact` slice of just that width).
#![allow(unsafe_code)]

use std::sync::OnceLock;

/// One set of kernels. Slices of one call must have equal lengths, which the callers check.
#[derive(Clone, Copy)]
pub(crate) struct Kernels {
    pub(crate) name: &'static str,
    /// Inner product.
    pub(crate) dot: fn(&[f32], &[f32]) -> f32,
    /// Squared Euclidean distance.
    pub(crate) l2: fn(&[f32], &[f32]) -> f32,
    /// Inner product; |query| at most 8,191 and at most 4,096 numbers, so that i32 holds it. The length is a
    /// multiple of 16.
    pub(crate) dot_mixed: fn(&[i16], &[i8]) -> i32,
    /// Inner product of codes; the length is a multiple of 16.
    pub(crate) dot_codes: fn(&[i8], &[i8]) -> i32,
}

/// Asks the memory for the first `lines` cache lines at `block`; only a hint.
#[inline]
pub(crate) fn prefetch(block: &[u8], lines: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in block.chunks(64).take(lines) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: SSE is part of x86-64; a prefetch reads nothing that the program can see.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (block, lines);
}

impl Kernels {
    /// Plain loops, the oracle.
    pub(crate) const fn scalar() -> Self {
        Self {
            name: "scalar",
            dot: scalar::dot,
            l2: scalar::l2,
            dot_mixed: scalar::dot_mixed,
            dot_codes: scalar::dot_codes,
        }
    }

    /// The best that this processor has.
    pub(crate) fn detected() -> &'static Self {
        static CHOSEN: OnceLock<Kernels> = OnceLock::new();
        CHOSEN.get_or_init(|| {
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return avx2::KERNELS;
            }
            #[cfg(target_arch = "aarch64")]
            if std::arch::is_aarch64_feature_detected!("neon") {
                return neon::KERNELS;
            }
            Self::scalar()
        })
    }
}

/// Name of the kernels that this processor gets: `avx2`, `neon` or `scalar`.
#[must_use]
pub fn kernels_in_use() -> &'static str {
    Kernels::detected().name
}

mod scalar {
    pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(x, y)| x * y).sum()
    }
    pub(super) fn l2(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
    }
    pub(super) fn dot_mixed(a: &[i16], b: &[i8]) -> i32 {
        a.iter().zip(b).map(|(&x, &y)| i32::from(x) * i32::from(y)).sum()
    }
    pub(super) fn dot_codes(a: &[i8], b: &[i8]) -> i32 {
        a.iter().zip(b).map(|(&x, &y)| i32::from(x) * i32::from(y)).sum()
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::Kernels;
    use std::arch::x86_64::*;

    // SAFETY (all closures): this table is only handed out after AVX2 and FMA were detected.
    pub(super) const KERNELS: Kernels = Kernels {
        name: "avx2",
        dot: |a, b| unsafe { dot(a, b) },
        l2: |a, b| unsafe { l2(a, b) },
        dot_mixed: |a, b| unsafe { dot_mixed(a, b) },
        dot_codes: |a, b| unsafe { dot_codes(a, b) },
    };

    #[target_feature(enable = "avx2,fma")]
    fn sum_i32(v: __m256i) -> i32 {
        let v = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
        let v = _mm_add_epi32(v, _mm_shuffle_epi32::<0b01_00_11_10>(v));
        _mm_cvtsi128_si32(_mm_add_epi32(v, _mm_shuffle_epi32::<0b10_11_00_01>(v)))
    }

    #[target_feature(enable = "avx2,fma")]
    fn widen(x: &[i8]) -> __m256i {
        debug_assert_eq!(x.len(), 16);
        // SAFETY: the slice has sixteen bytes.
        _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(x.as_ptr().cast()) })
    }

    #[target_feature(enable = "avx2,fma")]
    fn dot_mixed(a: &[i16], b: &[i8]) -> i32 {
        let mut sums = [_mm256_setzero_si256(); 2];
        for (i, (a, b)) in a.chunks_exact(16).zip(b.chunks_exact(16)).enumerate() {
            // SAFETY: the slice has sixteen numbers of two bytes.
            let a = unsafe { _mm256_loadu_si256(a.as_ptr().cast()) };
            sums[i % 2] = _mm256_add_epi32(sums[i % 2], _mm256_madd_epi16(a, widen(b)));
        }
        sum_i32(_mm256_add_epi32(sums[0], sums[1]))
    }

    #[target_feature(enable = "avx2,fma")]
    fn dot_codes(a: &[i8], b: &[i8]) -> i32 {
        let mut sums = [_mm256_setzero_si256(); 2];
        for (i, (a, b)) in a.chunks_exact(16).zip(b.chunks_exact(16)).enumerate() {
            sums[i % 2] = _mm256_add_epi32(sums[i % 2], _mm256_madd_epi16(widen(a), widen(b)));
        }
        sum_i32(_mm256_add_epi32(sums[0], sums[1]))
    }

    #[target_feature(enable = "avx2,fma")]
    fn sum(v: __m256) -> f32 {
        let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
        let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
        _mm_cvtss_f32(_mm_add_ss(v, _mm_shuffle_ps::<1>(v, v)))
    }

    #[target_feature(enable = "avx2,fma")]
    fn load(x: &[f32]) -> __m256 {
        debug_assert_eq!(x.len(), 8);
        // SAFETY: the slice has eight floats.
        unsafe { _mm256_loadu_ps(x.as_ptr()) }
    }

    /// Four sums run side by side, since one multiply-add takes four cycles and two start in each.
    macro_rules! reduce {
        ($name:ident, $step:expr, $tail:path) => {
            #[target_feature(enable = "avx2,fma")]
            fn $name(a: &[f32], b: &[f32]) -> f32 {
                let mut sums = [_mm256_setzero_ps(); 4];
                let (wide_a, wide_b) = (a.chunks_exact(32), b.chunks_exact(32));
                let (rest_a, rest_b) =
                    (wide_a.remainder().chunks_exact(8), wide_b.remainder().chunks_exact(8));
                let tail = $tail(rest_a.remainder(), rest_b.remainder());
                for (a, b) in wide_a.zip(wide_b) {
                    for (i, sum) in sums.iter_mut().enumerate() {
                        *sum = $step(load(&a[i * 8..i * 8 + 8]), load(&b[i * 8..i * 8 + 8]), *sum);
                    }
                }
                for (a, b) in rest_a.zip(rest_b) {
                    sums[0] = $step(load(a), load(b), sums[0]);
                }
                let [s0, s1, s2, s3] = sums;
                tail + sum(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)))
            }
        };
    }
    reduce!(dot, |a, b, s| _mm256_fmadd_ps(a, b, s), super::scalar::dot);
    reduce!(
        l2,
        |a, b, s| {
            let d = _mm256_sub_ps(a, b);
            _mm256_fmadd_ps(d, d, s)
        },
        super::scalar::l2
    );
}

#[cfg(target_arch = "aarch64")]
#[allow(unused_unsafe)] // where NEON is part of the target, calling these is safe anyway
mod neon {
    use super::Kernels;
    use std::arch::aarch64::*;

    // SAFETY (both closures): this table is only handed out after NEON was detected.
    pub(super) const KERNELS: Kernels = Kernels {
        name: "neon",
        dot: |a, b| unsafe { dot(a, b) },
        l2: |a, b| unsafe { l2(a, b) },
        dot_mixed: |a, b| unsafe { dot_mixed(a, b) },
        dot_codes: |a, b| unsafe { dot_codes(a, b) },
    };

    #[target_feature(enable = "neon")]
    fn load_8(x: &[i8]) -> int16x8_t {
        debug_assert_eq!(x.len(), 8);
        // SAFETY: the slice has eight bytes.
        vmovl_s8(unsafe { vld1_s8(x.as_ptr()) })
    }

    #[target_feature(enable = "neon")]
    fn multiply_add(sum: int32x4_t, a: int16x8_t, b: int16x8_t) -> int32x4_t {
        vmlal_high_s16(vmlal_s16(sum, vget_low_s16(a), vget_low_s16(b)), a, b)
    }

    #[target_feature(enable = "neon")]
    fn dot_mixed(a: &[i16], b: &[i8]) -> i32 {
        let mut sum = vdupq_n_s32(0);
        for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
            // SAFETY: the slice has eight numbers of two bytes.
            let a = unsafe { vld1q_s16(a.as_ptr()) };
            sum = multiply_add(sum, a, load_8(b));
        }
        vaddvq_s32(sum)
    }

    #[target_feature(enable = "neon")]
    fn dot_codes(a: &[i8], b: &[i8]) -> i32 {
        let mut sum = vdupq_n_s32(0);
        for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
            sum = multiply_add(sum, load_8(a), load_8(b));
        }
        vaddvq_s32(sum)
    }

    #[target_feature(enable = "neon")]
    fn load(x: &[f32]) -> float32x4_t {
        debug_assert_eq!(x.len(), 4);
        // SAFETY: the slice has four floats.
        unsafe { vld1q_f32(x.as_ptr()) }
    }

    macro_rules! reduce {
        ($name:ident, $step:expr, $tail:path) => {
            #[target_feature(enable = "neon")]
            fn $name(a: &[f32], b: &[f32]) -> f32 {
                let mut sums = [vdupq_n_f32(0.0); 4];
                let (wide_a, wide_b) = (a.chunks_exact(16), b.chunks_exact(16));
                let tail = $tail(wide_a.remainder(), wide_b.remainder());
                for (a, b) in wide_a.zip(wide_b) {
                    for (i, sum) in sums.iter_mut().enumerate() {
                        *sum = $step(load(&a[i * 4..i * 4 + 4]), load(&b[i * 4..i * 4 + 4]), *sum);
                    }
                }
                let [s0, s1, s2, s3] = sums;
                tail + vaddvq_f32(vaddq_f32(vaddq_f32(s0, s1), vaddq_f32(s2, s3)))
            }
        };
    }
    reduce!(dot, |a, b, s| vfmaq_f32(s, a, b), super::scalar::dot);
    reduce!(
        l2,
        |a, b, s| {
            let d = vsubq_f32(a, b);
            vfmaq_f32(s, d, d)
        },
        super::scalar::l2
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deterministic values in -1..1 without a random crate.
    fn values(seed: u32, n: usize) -> Vec<f32> {
        (0..n as u32)
            .map(|i| ((i ^ seed).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0)
            .collect()
    }

    #[test]
    fn wide_kernels_of_codes_equal_plain_loops_exactly() {
        let (wide, plain) = (Kernels::detected(), Kernels::scalar());
        for n in [16, 32, 48, 128, 784, 1024, 4096] {
            let codes = |seed| values(seed, n).iter().map(|x| (x * 128.0) as i8).collect::<Vec<_>>();
            let (a, b) = (codes(1), codes(2));
            let query: Vec<i16> = values(3, n).iter().map(|x| (x * 8191.0) as i16).collect();
            assert_eq!((wide.dot_codes)(&a, &b), (plain.dot_codes)(&a, &b));
            assert_eq!((wide.dot_mixed)(&query, &b), (plain.dot_mixed)(&query, &b));
            let extreme = (vec![8191; n], vec![-128; n]);
            assert_eq!((wide.dot_mixed)(&extreme.0, &extreme.1), -8191 * 128 * n as i32);
        }
    }

    #[test]
    fn wide_kernels_equal_plain_loops_at_every_length() {
        let (wide, plain) = (Kernels::detected(), Kernels::scalar());
        println!("{} against {}", wide.name, plain.name);
        for n in (1..=130).chain([784, 1024, 4096]) {
            let (a, b) = (values(7, n), values(99, n));
            // Any order of summing n terms errs by at most n ulps of the sum of their magnitudes.
            let within = |terms: f32| n as f32 * f32::EPSILON * terms;
            let (dot, l2): (f32, f32) = a
                .iter()
                .zip(&b)
                .map(|(x, y)| ((x * y).abs(), (x - y) * (x - y)))
                .fold((0.0, 0.0), |s, t| (s.0 + t.0, s.1 + t.1));
            assert!(((wide.dot)(&a, &b) - (plain.dot)(&a, &b)).abs() <= within(dot), "dot, {n}");
            assert!(((wide.l2)(&a, &b) - (plain.l2)(&a, &b)).abs() <= within(l2), "l2, {n}");
        }
    }
}
