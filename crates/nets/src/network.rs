//! What the two networks share: planned layers of a package, the backbone, and borrowed memory.

use std::sync::{Mutex, PoisonError};

use twinset_photo::Photo;

use crate::conv::{Conv, ConvShape, Method, Scratch};
use crate::plane::{FeatureMap, Plane, padded};
use crate::{Kernel, Package};

/// Plans the layers of one package, by name.
pub(crate) struct Planner<'a> {
    pub(crate) package: &'a Package,
    pub(crate) kernel: Kernel,
}

impl Planner<'_> {
    /// A convolution whose result is `side` x `side`; its channels and window are those of the
    /// tensor, which the package has checked.
    pub(crate) fn conv(&self, name: &str, side: usize, stride: usize, relu: bool) -> Conv {
        let weight = self.package.tensor(&format!("{name}.weight"));
        let weight = weight.unwrap_or_else(|| unreachable!("{name} is in the inventory"));
        let bias = self.package.numbers(&format!("{name}.bias"));
        let (to, from) = (weight.shape[0], weight.shape[1]);
        let size = weight.shape.get(2).copied().unwrap_or(1);
        let shape = ConvShape { from, to, size, stride, height: side, width: side, relu };
        // The picture has three numbers a pixel; every plane of ours has a multiple of 16.
        let from_plane = if from == 3 { 3 } else { padded(from) };
        Conv::new(self.kernel, Method::Auto, shape, from_plane, &weight.data, &bias)
    }

    /// Stem and stages; also returns the side after each stage.
    pub(crate) fn backbone(&self, side: usize, stages: &[(usize, usize)]) -> Backbone {
        let mut side = side / 2;
        let mut layers = vec![self.conv("stem", side, 2, true)];
        let mut ends = Vec::new();
        for (&(_, convolutions), stage) in stages.iter().zip(1..) {
            side /= 2;
            for i in 0..convolutions {
                layers.push(self.conv(&format!("s{stage}.{i}"), side, if i == 0 { 2 } else { 1 }, true));
            }
            ends.push((layers.len(), side));
        }
        Backbone { layers, ends }
    }
}

/// A chain of convolutions.
pub(crate) struct Backbone {
    pub(crate) layers: Vec<Conv>,
    /// For each stage: index of its output among the chain's planes (0 is the picture), and side.
    pub(crate) ends: Vec<(usize, usize)>,
}

impl Backbone {
    /// One plane for the picture and one for each layer's result.
    pub(crate) fn planes(&self, side: usize) -> Vec<Plane> {
        std::iter::once(Plane::new(side, side, 3)).chain(self.layers.iter().map(Conv::output)).collect()
    }

    /// Runs the chain over `planes[0]`.
    pub(crate) fn run(&self, planes: &mut [Plane], scratch: &mut Scratch) {
        for (i, layer) in self.layers.iter().enumerate() {
            let (before, after) = planes.split_at_mut(i + 1);
            layer.run(&before[i], &mut after[0], scratch);
        }
    }
}

/// Writes a photo of the network's side into its first plane: `(x / 255 - 0.5) / 0.25`.
pub(crate) fn load(photo: &Photo, plane: &mut Plane) {
    assert!(
        (photo.width() as usize, photo.height() as usize) == (plane.width, plane.height),
        "a photo of {} x {} was given to a network of side {}; cut it with `window` first",
        photo.width(),
        photo.height(),
        plane.width
    );
    let row = plane.width * 3;
    for (y, pixels) in photo.rgb().chunks_exact(row).enumerate() {
        let at = plane.offset(y, 0);
        for (number, &byte) in plane.data[at..at + row].iter_mut().zip(pixels) {
            *number = f32::from(byte) * (4.0 / 255.0) - 2.0;
        }
    }
}

/// Puts a map of normalised pixels (`[3, side, side]`) into the first plane.
pub(crate) fn load_map(map: &FeatureMap, plane: &mut Plane) {
    assert!((map.channels, map.height, map.width) == (plane.channels, plane.height, plane.width));
    for y in 0..map.height {
        for x in 0..map.width {
            for c in 0..map.channels {
                plane.pixel_mut(y, x)[c] = map.at(c, y, x);
            }
        }
    }
}

/// Memory of past runs, so that a run allocates nothing once every thread has had its turn.
pub(crate) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Lends memory to `work`, made by `make` if all is in use. What panics is not given back.
    pub(crate) fn lend<R>(&self, make: impl FnOnce() -> T, work: impl FnOnce(&mut T) -> R) -> R {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut memory = idle.unwrap_or_else(make);
        let result = work(&mut memory);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
        result
    }
}
