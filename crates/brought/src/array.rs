//! What goes into a graph and comes out of it.

/// A dense array, slowest axis first.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Sizes.
    pub shape: Vec<usize>,
    /// As many as the product of the sizes.
    pub numbers: Numbers,
}

/// The numbers of an [`Array`].
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// Pixels, features, certainties.
    Float(Vec<f32>),
    /// Ids, masks, sizes.
    Int(Vec<i64>),
}

impl Array {
    /// An array of floats.
    ///
    /// # Panics
    /// If there are not as many as the shape says.
    #[must_use]
    pub fn float(shape: &[usize], numbers: Vec<f32>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), numbers.len());
        Self { shape: shape.into(), numbers: Numbers::Float(numbers) }
    }

    /// An array of integers.
    ///
    /// # Panics
    /// If there are not as many as the shape says.
    #[must_use]
    pub fn int(shape: &[usize], numbers: Vec<i64>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), numbers.len());
        Self { shape: shape.into(), numbers: Numbers::Int(numbers) }
    }

    /// The numbers as floats, whatever they came as; what is not finite becomes 0, so that it spoils nothing it is
    /// added to.
    #[must_use]
    pub fn into_floats(self) -> Vec<f32> {
        match self.numbers {
            Numbers::Float(mut numbers) => {
                numbers.iter_mut().filter(|x| !x.is_finite()).for_each(|x| *x = 0.0);
                numbers
            }
            Numbers::Int(numbers) => numbers.into_iter().map(|x| x as f32).collect(),
        }
    }
}
