//! Measures the inference kernels: `cargo run --release -p twinset-nets --example net_speed`.
//!
//! First every kind of layer in the shipped networks, each way of computing it beside im2col and
//! the `gemm` crate, in GFLOP/s of the plain algorithm (Winograd can exceed the machine's peak);
//! then whole networks in milliseconds (only these if called with `networks`). One thread, best of several runs: the machine may be busy.

use std::time::Instant;

use gemm::Parallelism;
use twinset_nets::parts::{Conv, ConvShape, Method, Plane, Scratch};
use twinset_nets::{DetectorNet, EmbedderNet, Kernel, NetError, Package};
use twinset_photo::Photo;

fn main() -> Result<(), NetError> {
    if std::env::args().nth(1).is_none_or(|what| what != "networks") {
        layers();
    }
    networks()
}

/// Milliseconds of the fastest of some runs.
fn best(mut run: impl FnMut()) -> f64 {
    let started = Instant::now();
    let mut best = f64::INFINITY;
    let mut runs = 0;
    while runs < 5 || started.elapsed().as_millis() < 250 {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
        runs += 1;
    }
    best
}

fn layers() {
    // [from, to, window, stride, side of the result]
    let shapes = [
        [3, 32, 3, 2, 64],
        [32, 64, 3, 2, 32],
        [64, 64, 3, 1, 32],
        [64, 128, 3, 2, 16],
        [128, 128, 3, 1, 16],
        [128, 256, 3, 2, 8],
        [256, 256, 3, 1, 8],
        [3, 16, 3, 2, 128],
        [16, 32, 3, 2, 64],
        [32, 32, 3, 1, 64],
        [64, 64, 3, 1, 16],
        [64, 64, 3, 1, 8],
        [192, 192, 3, 1, 8],
        [64, 64, 1, 1, 32],
        [128, 65, 1, 1, 16],
    ];
    let kernels: Vec<Kernel> = Kernel::available().into_iter().filter(|k| *k != Kernel::Scalar).collect();
    print!("{:<28}", "layer, GFLOP/s");
    for kernel in &kernels {
        print!("{:>10}{:>8}{:>8}", format!("{kernel:?}"), "F(2)", "F(4)");
    }
    println!("{:>10}", "gemm");
    for [from, to, size, stride, side] in shapes {
        let shape = ConvShape { from, to, size, stride, height: side, width: side, relu: true };
        let from_plane = if from == 3 { 3 } else { from.next_multiple_of(16) };
        let numbers =
            |count: usize| (0..count).map(|i| ((i * 37 % 101) as f32 - 50.0) / 700.0).collect::<Vec<f32>>();
        let (weights, bias) = (numbers(to * from * size * size), numbers(to));
        let mut input = Plane::new(side * stride, side * stride, from_plane);
        for y in 0..side * stride {
            for x in 0..side * stride {
                input.pixel_mut(y, x)[..from]
                    .iter_mut()
                    .enumerate()
                    .for_each(|(c, v)| *v = ((x + y + c) % 7) as f32);
            }
        }
        print!("{:<28}", format!("{from}->{to} {size}x{size}/{stride} @{side}"));
        for &kernel in &kernels {
            for (i, method) in
                [Method::Direct, Method::Winograd(2), Method::Winograd(4)].into_iter().enumerate()
            {
                let width = if i == 0 { 10 } else { 8 };
                if i > 0 && (size != 3 || stride != 1) {
                    print!("{:>width$}", "-");
                    continue;
                }
                let conv = Conv::new(kernel, method, shape, from_plane, &weights, &bias);
                let (mut out, mut scratch) = (conv.output(), Scratch::default());
                let ms = best(|| conv.run(&input, &mut out, &mut scratch));
                print!("{:>width$.1}", conv.flops() / ms / 1e6);
            }
        }
        println!("{:>10.1}", im2col(&shape, &input, &weights));
    }
}

/// GFLOP/s of the textbook way, bias and ReLU left out.
fn im2col(s: &ConvShape, input: &Plane, weights: &[f32]) -> f64 {
    let depth = s.from * s.size * s.size;
    let points = s.height * s.width;
    let mut columns = vec![0f32; points * depth];
    let mut out = vec![0f32; points * s.to];
    let reach = (s.size / 2) as isize;
    let ms = best(|| {
        for (point, column) in columns.chunks_exact_mut(depth).enumerate() {
            let (y, x) = (
                (point / s.width * s.stride) as isize - reach,
                (point % s.width * s.stride) as isize - reach,
            );
            for (window, part) in column.chunks_exact_mut(s.from).enumerate() {
                let (y, x) = (y + (window / s.size) as isize, x + (window % s.size) as isize);
                let inside = y >= 0 && x >= 0 && (y as usize) < input.height && (x as usize) < input.width;
                if inside {
                    part.copy_from_slice(&input.pixel(y as usize, x as usize)[..s.from])
                } else {
                    part.fill(0.0)
                }
            }
        }
        gemm_f32(s.to, points, depth, weights, &columns, &mut out);
    });
    2.0 * (points * depth * s.to) as f64 / ms / 1e6
}

/// `out[point][channel]`, from `weights[channel][depth]` and `columns[point][depth]`.
#[allow(unsafe_code)]
fn gemm_f32(to: usize, points: usize, depth: usize, weights: &[f32], columns: &[f32], out: &mut [f32]) {
    assert!(weights.len() == to * depth && columns.len() == points * depth && out.len() == points * to);
    // SAFETY: the three slices have the lengths that these sizes and strides reach.
    unsafe {
        gemm::gemm(
            to,
            points,
            depth,
            out.as_mut_ptr(),
            to as isize,
            1,
            false,
            weights.as_ptr(),
            1,
            depth as isize,
            columns.as_ptr(),
            depth as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

fn networks() -> Result<(), NetError> {
    println!("\nwhole network, one thread");
    for kernel in Kernel::available().into_iter().filter(|k| *k != Kernel::Scalar) {
        let embedder = EmbedderNet::with_kernel(&Package::default_embedder(), kernel)?;
        let detector = DetectorNet::with_kernel(&Package::default_detector(), kernel)?;
        let photo = |side: usize| {
            let rgb = (0..side * side * 3).map(|i| (i * 31 % 251) as u8).collect();
            Photo::new(side as u32, side as u32, rgb)
        };
        let (crop, scene) = (photo(embedder.architecture().side), photo(detector.architecture().side));
        for (name, flops, ms) in [
            ("embedder", embedder.flops(), best(|| drop(embedder.run(&crop)))),
            ("detector", detector.flops(), best(|| drop(detector.run(&scene)))),
        ] {
            let kernel = format!("{kernel:?}");
            println!(
                "{kernel:<10} {name}  {:.3} GFLOP  {ms:6.2} ms  {:6.1} GFLOP/s",
                flops / 1e9,
                flops / ms / 1e6
            );
        }
    }
    Ok(())
}
