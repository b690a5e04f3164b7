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
    /// Inner product of a query's and each record's bytes, all of a multiple of 64 bytes.
    pub(crate) near: fn(&[i8], &[&[u8]], &mut [i32]),
    /// Inner product of two records' codes: their bytes from [`FACTORS`] on, each less 128.
    pub(crate) between: fn(&[u8], &[u8]) -> i32,
    /// Inner products of the first slice with the lower half-bytes, of the second with the upper ones, summed;
    /// a multiple of 32 bytes.
    pub(crate) nibbles: fn(&[i8], &[i8], &[u8]) -> i32,
    /// Takes from the last slice the rows, one after another in the second, times the weights in the first.
    pub(crate) take_off: fn(&[f32], &[f32], &mut [f32]),
}

/// Bytes of a record before its codes.
pub(crate) const FACTORS: usize = 12;

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
            near: scalar::near,
            between: scalar::between,
            nibbles: scalar::nibbles,
            take_off: scalar::take_off,
        }
    }

    /// The best that this processor has.
    pub(crate) fn detected() -> &'static Self {
        static CHOSEN: OnceLock<Kernels> = OnceLock::new();
        CHOSEN.get_or_init(|| {
            #[cfg(target_arch = "x86_64")]
            {
                let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
                if avx2
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
                {
                    return avx512::KERNELS;
                }
                if avx2 {
                    return avx2::KERNELS;
                }
            }
            #[cfg(target_arch = "aarch64")]
            if std::arch::is_aarch64_feature_detected!("neon") {
                return neon::KERNELS;
            }
            Self::scalar()
        })
    }
}

/// Name of the kernels that this processor gets: `avx512`, `avx2`, `neon` or `scalar`.
#[must_use]
pub fn kernels_in_use() -> &'static str {
    Kernels::detected().name
}

/// The table of the module that it stands in.
// SAFETY of its calls: `Kernels::detected` hands a table out only where the processor has all that its functions are
// compiled for.
macro_rules! table {
    ($name:literal) => {
        pub(super) const KERNELS: Kernels = Kernels {
            name: $name,
            dot: |a, b| unsafe { dot(a, b) },
            l2: |a, b| unsafe { l2(a, b) },
            near: |query, records, dots| unsafe { near(query, records, dots) },
            between: |a, b| unsafe { between(a, b) },
            nibbles: |lower, upper, packed| unsafe { nibbles(lower, upper, packed) },
            take_off: |weights, rows, from| unsafe { take_off(weights, rows, from) },
        };
    };
}

/// Sums over two slices of floats: `$lanes` at a time by the step given for each name, in four sums side by side, since
/// one multiply-add takes four cycles and two start in each; then one sum; then the plain loop of that name.
macro_rules! reduce {
    ($features:tt, $lanes:tt, $zero:path, $load:path, $add:path, $sum:path,
     |$a:ident, $b:ident, $s:ident| { $($name:ident: $step:expr,)+ }) => {$(
        #[target_feature(enable = $features)]
        fn $name(a: &[f32], b: &[f32]) -> f32 {
            let mut sums = [$zero(); 4];
            let (wide_a, wide_b) = (a.chunks_exact(4 * $lanes), b.chunks_exact(4 * $lanes));
            let (rest_a, rest_b) =
                (wide_a.remainder().chunks_exact($lanes), wide_b.remainder().chunks_exact($lanes));
            let tail = super::scalar::$name(rest_a.remainder(), rest_b.remainder());
            for (a, b) in wide_a.zip(wide_b) {
                for (i, sum) in sums.iter_mut().enumerate() {
                    let part = i * $lanes..(i + 1) * $lanes;
                    let ($a, $b, $s) = ($load(&a[part.clone()]), $load(&b[part]), *sum);
                    *sum = $step;
                }
            }
            for (a, b) in rest_a.zip(rest_b) {
                let ($a, $b, $s) = ($load(a), $load(b), sums[0]);
                sums[0] = $step;
            }
            let [s0, s1, s2, s3] = sums;
            tail + $sum($add($add(s0, s1), $add(s2, s3)))
        }
    )+};
}

mod scalar {
    pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(x, y)| x * y).sum()
    }
    pub(super) fn l2(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
    }
    pub(super) fn near(query: &[i8], records: &[&[u8]], dots: &mut [i32]) {
        for (record, dot) in records.iter().zip(dots) {
            *dot = query.iter().zip(*record).map(|(&x, &y)| i32::from(x) * i32::from(y)).sum();
        }
    }
    pub(super) fn between(a: &[u8], b: &[u8]) -> i32 {
        let pairs = a.iter().zip(b).skip(super::FACTORS);
        pairs.map(|(&x, &y)| (i32::from(x) - 128) * (i32::from(y) - 128)).sum()
    }
    pub(super) fn nibbles(lower: &[i8], upper: &[i8], packed: &[u8]) -> i32 {
        let pairs = lower.iter().zip(upper).zip(packed);
        pairs.map(|((&l, &u), &p)| i32::from(l) * i32::from(p & 15) + i32::from(u) * i32::from(p >> 4)).sum()
    }
    pub(super) fn take_off(weights: &[f32], rows: &[f32], from: &mut [f32]) {
        for (weight, row) in weights.iter().zip(rows.chunks_exact(from.len())) {
            from.iter_mut().zip(row).for_each(|(x, r)| *x -= weight * r);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::Kernels;
    use std::arch::x86_64::*;

    table!("avx2");

    #[target_feature(enable = "avx2,fma")]
    fn sum_i32(v: __m256i) -> i32 {
        let v = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
        let v = _mm_add_epi32(v, _mm_shuffle_epi32::<0b01_00_11_10>(v));
        _mm_cvtsi128_si32(_mm_add_epi32(v, _mm_shuffle_epi32::<0b10_11_00_01>(v)))
    }

    #[target_feature(enable = "avx2,fma")]
    fn load_16(x: &[u8]) -> __m128i {
        debug_assert_eq!(x.len(), 16);
        // SAFETY: the slice has sixteen bytes.
        unsafe { _mm_loadu_si128(x.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx2,fma")]
    fn load_32(x: &[u8]) -> __m256i {
        debug_assert_eq!(x.len(), 32);
        // SAFETY: the slice has thirty-two bytes.
        unsafe { _mm256_loadu_si256(x.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx2,fma")]
    fn near(query: &[i8], records: &[&[u8]], dots: &mut [i32]) {
        let query: &[u8] = bytemuck::cast_slice(query);
        for (record, dot) in records.iter().zip(dots) {
            let mut sums = [_mm256_setzero_si256(); 2];
            for (i, (q, r)) in query.chunks_exact(16).zip(record.chunks_exact(16)).enumerate() {
                let (q, r) = (_mm256_cvtepi8_epi16(load_16(q)), _mm256_cvtepu8_epi16(load_16(r)));
                sums[i % 2] = _mm256_add_epi32(sums[i % 2], _mm256_madd_epi16(q, r));
            }
            *dot = sum_i32(_mm256_add_epi32(sums[0], sums[1]));
        }
    }

    #[target_feature(enable = "avx2,fma")]
    fn between(a: &[u8], b: &[u8]) -> i32 {
        let middle = _mm256_set1_epi16(128);
        // The first twelve bytes are no codes.
        let mut mask = _mm256_setr_epi16(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1);
        let mut sums = [_mm256_setzero_si256(); 2];
        for (i, (a, b)) in a.chunks_exact(16).zip(b.chunks_exact(16)).enumerate() {
            let a = _mm256_and_si256(mask, _mm256_sub_epi16(_mm256_cvtepu8_epi16(load_16(a)), middle));
            let b = _mm256_sub_epi16(_mm256_cvtepu8_epi16(load_16(b)), middle);
            sums[i % 2] = _mm256_add_epi32(sums[i % 2], _mm256_madd_epi16(a, b));
            mask = _mm256_set1_epi16(-1);
        }
        sum_i32(_mm256_add_epi32(sums[0], sums[1]))
    }

    #[target_feature(enable = "avx2,fma")]
    fn nibbles(lower: &[i8], upper: &[i8], packed: &[u8]) -> i32 {
        let (fifteen, one) = (_mm256_set1_epi8(15), _mm256_set1_epi16(1));
        let (lower, upper) = (bytemuck::cast_slice(lower), bytemuck::cast_slice(upper));
        let mut sums = [_mm256_setzero_si256(); 2];
        let queries = <[u8]>::chunks_exact(lower, 32).zip(<[u8]>::chunks_exact(upper, 32));
        for ((l, u), p) in queries.zip(packed.chunks_exact(32)) {
            let p = load_32(p);
            let halves = [_mm256_and_si256(p, fifteen), _mm256_and_si256(_mm256_srli_epi16::<4>(p), fifteen)];
            for ((half, q), sum) in halves.into_iter().zip([l, u]).zip(&mut sums) {
                // 15 times 127 twice is far from what 16 bits hold.
                let pairs = _mm256_maddubs_epi16(half, load_32(q));
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, one));
            }
        }
        sum_i32(_mm256_add_epi32(sums[0], sums[1]))
    }

    #[target_feature(enable = "avx2,fma")]
    fn take_off(weights: &[f32], rows: &[f32], from: &mut [f32]) {
        super::scalar::take_off(weights, rows, from);
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

    reduce!("avx2,fma", 8, _mm256_setzero_ps, load, _mm256_add_ps, sum, |a, b, s| {
        dot: _mm256_fmadd_ps(a, b, s),
        l2: { let d = _mm256_sub_ps(a, b); _mm256_fmadd_ps(d, d, s) },
    });
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::Kernels;
    use std::arch::x86_64::*;

    table!("avx512");

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn load(x: &[u8]) -> __m512i {
        debug_assert_eq!(x.len(), 64);
        // SAFETY: the slice has sixty-four bytes.
        unsafe { _mm512_loadu_si512(x.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn load_32(x: &[u8]) -> __m256i {
        debug_assert_eq!(x.len(), 32);
        // SAFETY: the slice has thirty-two bytes.
        unsafe { _mm256_loadu_si256(x.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn near(query: &[i8], records: &[&[u8]], dots: &mut [i32]) {
        let query: &[u8] = bytemuck::cast_slice(query);
        if query.len() == 128 {
            // The common length: the query stays in two registers.
            let (q0, q1) = (load(&query[..64]), load(&query[64..]));
            for (record, dot) in records.iter().zip(dots) {
                let sum = _mm512_dpbusd_epi32(_mm512_setzero_si512(), load(&record[..64]), q0);
                *dot = _mm512_reduce_add_epi32(_mm512_dpbusd_epi32(sum, load(&record[64..128]), q1));
            }
            return;
        }
        for (record, dot) in records.iter().zip(dots) {
            let mut sum = _mm512_setzero_si512();
            for (q, r) in query.chunks_exact(64).zip(record.chunks_exact(64)) {
                sum = _mm512_dpbusd_epi32(sum, load(r), load(q));
            }
            *dot = _mm512_reduce_add_epi32(sum);
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn between(a: &[u8], b: &[u8]) -> i32 {
        let middle = _mm512_set1_epi8(-128);
        let mut mask = !0u64 << super::FACTORS;
        let (mut dot, mut bias) = (_mm512_setzero_si512(), _mm512_setzero_si512());
        for (a, b) in a.chunks_exact(64).zip(b.chunks_exact(64)) {
            // Less 128, as signed bytes.
            let b = _mm512_maskz_mov_epi8(mask, _mm512_xor_si512(load(b), middle));
            dot = _mm512_dpbusd_epi32(dot, load(a), b);
            bias = _mm512_dpbusd_epi32(bias, middle, b);
            mask = !0;
        }
        _mm512_reduce_add_epi32(_mm512_sub_epi32(dot, bias))
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn nibbles(lower: &[i8], upper: &[i8], packed: &[u8]) -> i32 {
        let fifteen = _mm256_set1_epi8(15);
        let (lower, upper) = (bytemuck::cast_slice(lower), bytemuck::cast_slice(upper));
        let mut sums = [_mm256_setzero_si256(); 2];
        let queries = <[u8]>::chunks_exact(lower, 32).zip(<[u8]>::chunks_exact(upper, 32));
        for ((l, u), p) in queries.zip(packed.chunks_exact(32)) {
            let p = load_32(p);
            let high = _mm256_and_si256(_mm256_srli_epi16::<4>(p), fifteen);
            sums[0] = _mm256_dpbusd_epi32(sums[0], _mm256_and_si256(p, fifteen), load_32(l));
            sums[1] = _mm256_dpbusd_epi32(sums[1], high, load_32(u));
        }
        let sum = _mm256_add_epi32(sums[0], sums[1]);
        let sum = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
        let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b01_00_11_10>(sum));
        _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32::<0b10_11_00_01>(sum)))
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn floats(x: &[f32]) -> __m512 {
        debug_assert_eq!(x.len(), 16);
        // SAFETY: the slice has sixteen floats.
        unsafe { _mm512_loadu_ps(x.as_ptr()) }
    }

    reduce!(
        "avx512f,avx512bw,avx512vl,avx512vnni", 16, _mm512_setzero_ps, floats, _mm512_add_ps,
        _mm512_reduce_add_ps, |a, b, s| {
        dot: _mm512_fmadd_ps(a, b, s),
        l2: { let d = _mm512_sub_ps(a, b); _mm512_fmadd_ps(d, d, s) },
    });

    /// 64 numbers at a time stay in registers while all rows pass.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn take_off(weights: &[f32], rows: &[f32], from: &mut [f32]) {
        let length = from.len();
        let mut wide = from.chunks_exact_mut(64);
        for (at, part) in wide.by_ref().enumerate() {
            let mut sums = [_mm512_setzero_ps(); 4];
            for (&weight, row) in weights.iter().zip(rows.chunks_exact(length)) {
                let (weight, row) = (_mm512_set1_ps(weight), &row[at * 64..at * 64 + 64]);
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = _mm512_fmadd_ps(weight, floats(&row[i * 16..i * 16 + 16]), *sum);
                }
            }
            for (part, sum) in part.chunks_exact_mut(16).zip(sums) {
                let left = _mm512_sub_ps(floats(part), sum);
                // SAFETY: the slice has sixteen floats.
                unsafe { _mm512_storeu_ps(part.as_mut_ptr(), left) };
            }
        }
        let rest = wide.into_remainder();
        let start = length - rest.len();
        for (weight, row) in weights.iter().zip(rows.chunks_exact(length)) {
            rest.iter_mut().zip(&row[start..]).for_each(|(x, r)| *x -= weight * r);
        }
    }
}

#[cfg(target_arch = "aarch64")]
#[allow(unused_unsafe)] // where NEON is part of the target, calling these is safe anyway
mod neon {
    use super::Kernels;
    use std::arch::aarch64::*;

    table!("neon");

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
    fn load_u8(x: &[u8]) -> int16x8_t {
        debug_assert_eq!(x.len(), 8);
        // SAFETY: the slice has eight bytes.
        vreinterpretq_s16_u16(vmovl_u8(unsafe { vld1_u8(x.as_ptr()) }))
    }

    #[target_feature(enable = "neon")]
    fn near(query: &[i8], records: &[&[u8]], dots: &mut [i32]) {
        for (record, dot) in records.iter().zip(dots) {
            let mut sum = vdupq_n_s32(0);
            for (q, r) in query.chunks_exact(8).zip(record.chunks_exact(8)) {
                sum = multiply_add(sum, load_8(q), load_u8(r));
            }
            *dot = vaddvq_s32(sum);
        }
    }

    #[target_feature(enable = "neon")]
    fn between(a: &[u8], b: &[u8]) -> i32 {
        let less = |x: &[u8]| vsubq_s16(load_u8(x), vdupq_n_s16(128));
        // Eight codes at a time from the fourth byte of the second eight on; the four before them by hand.
        let (front, wide) = (super::FACTORS..16, 16..a.len().min(b.len()));
        let pairs = a[front.clone()].iter().zip(&b[front]);
        let first: i32 = pairs.map(|(&x, &y)| (i32::from(x) - 128) * (i32::from(y) - 128)).sum();
        let mut sum = vdupq_n_s32(0);
        for (a, b) in a[wide.clone()].chunks_exact(8).zip(b[wide].chunks_exact(8)) {
            sum = multiply_add(sum, less(a), less(b));
        }
        first + vaddvq_s32(sum)
    }

    #[target_feature(enable = "neon")]
    fn nibbles(lower: &[i8], upper: &[i8], packed: &[u8]) -> i32 {
        let mut sum = vdupq_n_s32(0);
        for ((l, u), p) in lower.chunks_exact(8).zip(upper.chunks_exact(8)).zip(packed.chunks_exact(8)) {
            let p = load_u8(p);
            sum = multiply_add(sum, load_8(l), vandq_s16(p, vdupq_n_s16(15)));
            sum = multiply_add(sum, load_8(u), vshrq_n_s16::<4>(p));
        }
        vaddvq_s32(sum)
    }

    #[target_feature(enable = "neon")]
    fn take_off(weights: &[f32], rows: &[f32], from: &mut [f32]) {
        super::scalar::take_off(weights, rows, from);
    }

    #[target_feature(enable = "neon")]
    fn zero() -> float32x4_t {
        vdupq_n_f32(0.0)
    }

    #[target_feature(enable = "neon")]
    fn load(x: &[f32]) -> float32x4_t {
        debug_assert_eq!(x.len(), 4);
        // SAFETY: the slice has four floats.
        unsafe { vld1q_f32(x.as_ptr()) }
    }

    reduce!("neon", 4, zero, load, vaddq_f32, vaddvq_f32, |a, b, s| {
        dot: vfmaq_f32(s, a, b),
        l2: { let d = vsubq_f32(a, b); vfmaq_f32(s, d, d) },
    });
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

    /// All that this processor has, not only the best.
    fn tables() -> Vec<Kernels> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return vec![avx2::KERNELS, *Kernels::detected()];
        }
        vec![*Kernels::detected()]
    }

    #[test]
    fn wide_kernels_of_codes_equal_plain_loops_exactly() {
        let plain = Kernels::scalar();
        for (wide, n) in tables().iter().flat_map(|wide| [64, 128, 192, 832, 4160].map(|n| (wide, n))) {
            let codes = |seed| values(seed, n).iter().map(|x| (x * 128.0) as i8).collect::<Vec<_>>();
            let bytes = |seed| codes(seed).iter().map(|&x| x as u8).collect::<Vec<_>>();
            let (query, upper, a, b) = (codes(1), codes(2), bytes(3), bytes(4));
            let extreme = (vec![-128; n], vec![255; n]);
            for query in [&query, &extreme.0] {
                let records: [&[u8]; 3] = [&a, &b, &extreme.1];
                let (mut found, mut wanted) = ([0; 3], [0; 3]);
                (wide.near)(query, &records, &mut found);
                (plain.near)(query, &records, &mut wanted);
                assert_eq!(found, wanted, "{}, {n}", wide.name);
                assert_eq!((wide.nibbles)(query, &upper, &a), (plain.nibbles)(query, &upper, &a));
                assert_eq!(
                    (wide.nibbles)(query, query, records[2]),
                    (plain.nibbles)(query, query, records[2])
                );
            }
            for (a, b) in [(&a, &b), (&a, &extreme.1), (&extreme.1, &extreme.1), (&vec![0; n], &vec![0; n])] {
                assert_eq!((wide.between)(a, b), (plain.between)(a, b), "{}, {n}", wide.name);
            }
        }
    }

    #[test]
    fn rows_are_taken_off_alike() {
        let plain = Kernels::scalar();
        for (wide, n) in tables().iter().flat_map(|wide| [1, 16, 63, 64, 200, 784].map(|n| (wide, n))) {
            let (rows, weights) = (values(5, 9 * n), values(6, 9));
            let (mut found, mut wanted) = (values(7, n), values(7, n));
            (wide.take_off)(&weights, &rows, &mut found);
            (plain.take_off)(&weights, &rows, &mut wanted);
            let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
            assert!(found.iter().zip(&wanted).all(close), "{}, {n}", wide.name);
        }
    }

    #[test]
    fn wide_kernels_equal_plain_loops_at_every_length() {
        let plain = Kernels::scalar();
        let lengths = (1..=130).chain([784, 1024, 4096]);
        for (wide, n) in tables().iter().flat_map(|wide| lengths.clone().map(move |n| (wide, n))) {
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
