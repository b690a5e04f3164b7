//! Things that belong together because a chain of pairs connects them (union by size, path halving).

/// A partition of `0..n`.
#[derive(Clone, Debug)]
pub struct Families {
    parent: Vec<usize>,
    size: Vec<u32>,
}

impl Families {
    /// Everyone alone.
    #[must_use]
    pub fn new(n: usize) -> Self {
        Self { parent: (0..n).collect(), size: vec![1; n] }
    }

    /// These two belong together, with all that belong to either.
    pub fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.head(a), self.head(b));
        if a != b {
            let (large, small) = if self.size[a] >= self.size[b] { (a, b) } else { (b, a) };
            self.parent[small] = large;
            self.size[large] += self.size[small];
        }
    }

    /// One of the family, the same for all of it.
    pub fn head(&mut self, mut a: usize) -> usize {
        while self.parent[a] != a {
            self.parent[a] = self.parent[self.parent[a]];
            a = self.parent[a];
        }
        a
    }

    /// Families of two and more, each in ascending order, by their first.
    pub fn all(&mut self) -> Vec<Vec<usize>> {
        let mut of = std::collections::BTreeMap::<usize, Vec<usize>>::new();
        for i in 0..self.parent.len() {
            let head = self.head(i);
            if self.size[head] > 1 {
                of.entry(head).or_default().push(i);
            }
        }
        let mut all: Vec<_> = of.into_values().collect();
        all.sort();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_families() {
        let mut families = Families::new(7);
        for (a, b) in [(1, 4), (6, 2), (4, 5), (5, 1)] {
            families.join(a, b);
        }
        assert_eq!(families.all(), [vec![1, 4, 5], vec![2, 6]]);
    }
}
