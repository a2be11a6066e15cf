//! Normally distributed numbers that are the same on every platform.
//!
//! The ziggurat method of Marsaglia and Tsang (2000) with 256 layers, in Doornik's form (2005,
//! "An Improved Ziggurat Method to Generate Normal Random Samples"), which takes the layer and the
//! position from different bits. Only IEEE basic operations and the `libm` crate's functions are
//! used: the system's own `exp` and `ln` differ in their last bits from one platform to another.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;

const LAYERS: usize = 256;

/// Where the tail begins, for 256 layers.
const TAIL_START: f64 = 3.654_152_885_361_009;

/// The area of each layer, for 256 layers.
const LAYER_AREA: f64 = 0.004_928_673_233_974_655;

/// The layers' edges and the density at them.
#[derive(Debug)]
pub(crate) struct Normal {
    edges: [f64; LAYERS + 1],
    densities: [f64; LAYERS + 1],
}

impl Normal {
    pub(crate) fn new() -> Self {
        let mut edges = [0.0; LAYERS + 1];
        edges[0] = LAYER_AREA / density(TAIL_START);
        edges[1] = TAIL_START;
        for layer in 2..LAYERS {
            let below = edges[layer - 1];
            edges[layer] = libm::sqrt(-2.0 * libm::log(LAYER_AREA / below + density(below)));
        }
        let densities = edges.map(density);
        Self { edges, densities }
    }

    /// One number with mean 0 and standard deviation 1.
    #[inline]
    pub(crate) fn sample(&self, random: &mut Xoshiro256PlusPlus) -> f64 {
        loop {
            let bits = random.next_u64();
            // The low 8 bits choose the layer, the high 53 the position within it.
            let layer = (bits & 0xff) as usize;
            let position = 2.0 * unit(bits) - 1.0;
            let x = position * self.edges[layer];
            if x.abs() < self.edges[layer + 1] {
                return x;
            }
            if layer == 0 {
                return tail(random).copysign(position);
            }
            let (low, high) = (self.densities[layer], self.densities[layer + 1]);
            if low + (high - low) * unit(random.next_u64()) < density(x) {
                return x;
            }
        }
    }
}

/// The high 53 bits as a number in [0, 1).
#[inline]
pub(crate) fn unit(bits: u64) -> f64 {
    const SCALE: f64 = 1.0 / (1u64 << 53) as f64;
    (bits >> 11) as f64 * SCALE
}

/// The normal density, without its constant factor.
fn density(x: f64) -> f64 {
    libm::exp(-0.5 * x * x)
}

/// A number beyond [`TAIL_START`], by Marsaglia's exponential rejection.
#[cold]
fn tail(random: &mut Xoshiro256PlusPlus) -> f64 {
    loop {
        // 1 - u lies in (0, 1], where the logarithm is finite.
        let x = -libm::log(1.0 - unit(random.next_u64())) / TAIL_START;
        let y = -libm::log(1.0 - unit(random.next_u64()));
        if y + y > x * x {
            return TAIL_START + x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_xoshiro::rand_core::SeedableRng;

    /// Goal: the numbers are normal. Method: the shares below several bounds, of two million
    /// numbers, against the distribution function; the tolerance is five standard errors.
    #[test]
    fn shares_below_bounds_are_those_of_the_normal_distribution() {
        const COUNT: usize = 2_000_000;
        let normal = Normal::new();
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        let samples: Vec<f64> = (0..COUNT).map(|_| normal.sample(&mut random)).collect();
        for bound in [-4.0, -3.7, -2.0, -1.0, -0.2, 0.0, 0.5, 1.5, 3.0, 3.654, 4.0] {
            let expected = 0.5 * libm::erfc(-bound / std::f64::consts::SQRT_2);
            let below = samples.iter().filter(|x| **x < bound).count() as f64 / COUNT as f64;
            let tolerance = 5.0 * (expected * (1.0 - expected) / COUNT as f64).sqrt();
            assert!((below - expected).abs() < tolerance, "{bound}: {below} for {expected}");
        }
    }

    #[test]
    fn the_last_layer_closes_at_zero() {
        let normal = Normal::new();
        assert!(normal.edges.windows(2).all(|pair| pair[0] > pair[1]));
        let last = normal.edges[LAYERS - 1];
        let area = last * (1.0 - density(last));
        assert!((area - LAYER_AREA).abs() < 1e-12, "{area}");
    }
}
