//! Every kernel against the scalar oracle.

use proptest::prelude::*;
use twinset_nets::parts::{Conv, ConvShape, Method, Plane, Scratch};
use twinset_nets::{DetectorNet, EmbedderNet, FeatureMap, Kernel};
use twinset_photo::Photo;

/// Largest difference, as a share of the largest number.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(1e-3f32, |m, x| m.max(x.abs()));
    a.iter().zip(b).fold(0f32, |m, (x, y)| m.max((x - y).abs())) / scale
}

fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn every_way_of_a_convolution_equals_the_plain_loops(
        from in 1usize..70, to in 1usize..70, height in 1usize..14, width in 1usize..14,
        (size, stride) in prop_oneof![Just((1usize, 1usize)), Just((3, 1)), Just((3, 2))],
        quads in any::<bool>(), relu in any::<bool>(), seed in any::<u64>(),
    ) {
        // Half of the cases at sizes where Winograd applies.
        let (height, width) = if quads { (height.next_multiple_of(4), width.next_multiple_of(4)) } else { (height, width) };
        let shape = ConvShape { from, to, size, stride, height, width, relu };
        let from_plane = if from == 3 { 3 } else { from.next_multiple_of(16) };
        let mut input = Plane::new(height * stride, width * stride, from_plane);
        let values = numbers(height * width * stride * stride * from, seed);
        for (i, values) in values.chunks(from).enumerate() {
            input.pixel_mut(i / (width * stride), i % (width * stride))[..from].copy_from_slice(values);
        }
        let (weights, bias) = (numbers(to * from * size * size, seed ^ 1), numbers(to, seed ^ 2));
        let run = |kernel, method| -> FeatureMap {
            let conv = Conv::new(kernel, method, shape, from_plane, &weights, &bias);
            let (mut out, mut scratch) = (conv.output(), Scratch::default());
            conv.run(&input, &mut out, &mut scratch);
            // A second run into the same memory must not see the first.
            conv.run(&input, &mut out, &mut scratch);
            out.to_map(to)
        };
        let oracle = run(Kernel::Scalar, Method::Direct);
        for kernel in Kernel::available() {
            for method in [Method::Auto, Method::Direct, Method::Winograd(2), Method::Winograd(4)] {
                let found = run(kernel, method);
                let apart = difference(&found.data, &oracle.data);
                prop_assert!(apart < 1e-4, "{kernel:?} {method:?} {shape:?}: {apart}");
            }
        }
    }
}

fn photo(side: usize) -> Photo {
    let rgb = numbers(side * side * 3, 99).iter().map(|x| (x * 127.0 + 128.0) as u8).collect();
    Photo::new(side as u32, side as u32, rgb)
}

#[test]
fn whole_networks_agree_on_every_kernel() {
    let (embedder, detector) =
        (super::package(&super::embedder_card()), super::package(&super::detector_card()));
    let e = EmbedderNet::with_kernel(&embedder, Kernel::Scalar).unwrap().run(&photo(32));
    let d = DetectorNet::with_kernel(&detector, Kernel::Scalar).unwrap().run(&photo(96));
    assert_eq!((e.embedding.len(), e.category.len(), e.pattern.len()), (24, 3, 2));
    assert_eq!((e.local.channels, e.local.height, e.local.width), (65, 8, 8));
    assert_eq!(
        d.iter().map(|l| (l.stride, l.classes.channels, l.distances.width)).collect::<Vec<_>>(),
        [(8, 3, 12), (16, 3, 6)]
    );
    for kernel in Kernel::available() {
        let found = EmbedderNet::with_kernel(&embedder, kernel).unwrap().run(&photo(32));
        for (a, b) in [
            (&found.embedding, &e.embedding),
            (&found.category, &e.category),
            (&found.pattern, &e.pattern),
            (&found.local.data, &e.local.data),
        ] {
            assert!(difference(a, b) < 1e-4, "{kernel:?}");
        }
        let found = DetectorNet::with_kernel(&detector, kernel).unwrap().run(&photo(96));
        for (a, b) in found.iter().zip(&d) {
            assert!(difference(&a.classes.data, &b.classes.data) < 1e-4, "{kernel:?}");
            assert!(difference(&a.distances.data, &b.distances.data) < 1e-4, "{kernel:?}");
        }
    }
}

#[test]
fn one_network_serves_many_threads() {
    let net = EmbedderNet::new(&super::package(&super::embedder_card())).unwrap();
    let alone = net.run(&photo(32)).embedding;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..20).for_each(|_| assert_eq!(net.run(&photo(32)).embedding, alone)));
        }
    });
}

/// The network written down once more, plainly, in the textbook's order `[channel, row, column]`:
/// it catches what the kernels cannot, a layer wired wrongly.
#[test]
fn the_embedder_is_the_agreed_graph() {
    let package = super::package(&super::embedder_card());
    let found = EmbedderNet::new(&package).unwrap().run(&photo(32));
    let input = photo(32);
    let mut x = FeatureMap { channels: 3, height: 32, width: 32, data: vec![0.0; 3 * 32 * 32] };
    for (i, &byte) in input.rgb().iter().enumerate() {
        x.data[(i % 3) * 1024 + i / 3] = (f32::from(byte) / 255.0 - 0.5) / 0.25;
    }
    let conv = |x: &FeatureMap, name: &str, stride: usize, relu: bool| -> FeatureMap {
        let (w, b) = (
            package.tensor(&format!("{name}.weight")).unwrap(),
            package.tensor(&format!("{name}.bias")).unwrap(),
        );
        let (to, from, k) = (w.shape[0], w.shape[1], w.shape.get(2).copied().unwrap_or(1));
        let (height, width) = (x.height / stride, x.width / stride);
        let mut out = FeatureMap { channels: to, height, width, data: vec![0.0; to * height * width] };
        for (i, value) in out.data.iter_mut().enumerate() {
            let (o, py, px) = (i / (height * width), i / width % height, i % width);
            *value = b.data[o];
            for (j, weight) in w.data[o * from * k * k..(o + 1) * from * k * k].iter().enumerate() {
                let (c, dy, dx) = (j / (k * k), j / k % k, j % k);
                let (y, x_) =
                    ((py * stride + dy).wrapping_sub(k / 2), (px * stride + dx).wrapping_sub(k / 2));
                if y < x.height && x_ < x.width {
                    *value += weight * x.at(c, y, x_);
                }
            }
            if relu {
                *value = value.max(0.0);
            }
        }
        out
    };
    let stem = conv(&x, "stem", 2, true);
    let s1 = conv(&stem, "s1.0", 2, true);
    let s2 = conv(&conv(&s1, "s2.0", 2, true), "s2.1", 1, true);
    let pooled =
        s2.data.chunks(16).map(|c| (c.iter().map(|v| v.max(1e-6).powi(3)).sum::<f32>() / 16.0).cbrt());
    let pooled = FeatureMap { channels: 33, height: 1, width: 1, data: pooled.collect() };
    assert!(difference(&found.local.data, &conv(&s1, "local", 1, false).data) < 1e-4);
    for (a, name) in [(&found.embedding, "head"), (&found.category, "category"), (&found.pattern, "pattern")]
    {
        assert!(difference(a, &conv(&pooled, name, 1, false).data) < 1e-4, "{name}");
    }
}
