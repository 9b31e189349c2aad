//! Any bytes, read as numbers: both kernels have to calculate what `num-bigint` does. libFuzzer runs this in `fuzz/`, and
//! `main.rs` on a bounded number of inputs.

use num_bigint::BigUint;
use rsa_arithmetic::{Crt, Kernel, PublicRing};

/// The most bits of a modulus here. More would only be slower: the lengths that have code of their own are below it, or
/// are the differential tests' to reach.
const MAX_BITS: usize = 2100;

/// The bytes that are left. There are always enough, as zeros follow.
struct Source<'a>(&'a [u8]);

impl Source<'_> {
    fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or_default()
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(u16::from_be_bytes([self.byte(), self.byte()])) % bound
    }

    fn number(&mut self, bits: usize) -> BigUint {
        let bytes: Vec<u8> = (0..bits.div_ceil(8)).map(|_| self.byte()).collect();
        BigUint::from_bytes_be(&bytes) % (BigUint::from(1_u32) << bits)
    }

    /// An odd number of exactly so many bits.
    fn odd(&mut self, bits: usize) -> BigUint {
        (self.number(bits) | BigUint::from(1_u32) << (bits - 1)) | BigUint::from(1_u32)
    }
}

/// Compares all operations for the numbers in these bytes, and panics if one differs.
pub(crate) fn check(data: &[u8]) {
    let mut source = Source(data);
    let operation = source.byte();
    for kernel in [Some(Kernel::scalar()), Kernel::fused()].into_iter().flatten() {
        let mut source = Source(source.0);
        if operation % 2 == 0 { check_public(&mut source, kernel) } else { check_private(&mut source, kernel) }
    }
}

fn check_public(source: &mut Source<'_>, kernel: Kernel) {
    let bits = 8 + source.below(MAX_BITS - 8);
    let modulus = source.odd(bits);
    let [a, b] = [0, 1].map(|_| source.number(bits) % &modulus);
    // Small exponents are as good as others, and up to 2^33 they may be any.
    let exponent = 2 + u64::from(source.byte()) + (source.below(1 << 16) as u64) * (source.below(2) as u64) * 0xffff;
    let ring = PublicRing::new(&modulus.to_bytes_be(), bits, kernel);
    let [x, y] = [&a, &b].map(|number| ring.number(&number.to_bytes_be()));
    let bytes = |number: &BigUint| {
        let bytes = number.to_bytes_be();
        [vec![0; bits.div_ceil(8).saturating_sub(bytes.len())], bytes].concat()
    };
    assert_eq!(*x.to_be_bytes(bits.div_ceil(8)), bytes(&a), "bytes");
    assert_eq!(x.is_below(&y), a < b, "order");
    assert_eq!(*ring.multiply(&x, &y).to_be_bytes(bits.div_ceil(8)), bytes(&(&a * &b % &modulus)), "product");
    let power = a.modpow(&BigUint::from(exponent - 1), &modulus) * &b % &modulus;
    assert_eq!(*ring.power_times(&x, exponent, &y).to_be_bytes(bits.div_ceil(8)), bytes(&power), "power");
}

fn check_private(source: &mut Source<'_>, kernel: Kernel) {
    let bits = 16 + source.below(MAX_BITS / 4);
    let half = bits.div_ceil(2);
    let [p, q] = [0, 1].map(|_| source.odd(half));
    let modulus = &p * &q;
    let Some(coefficient) = q.modinv(&p) else { return };
    if modulus.bits() != bits as u64 {
        return;
    }
    let exponents = [&p, &q].map(|factor| source.number(half) % (factor - 1_u32));
    let base = source.number(bits) % &modulus;
    let [exponent_p, exponent_q] = &exponents;
    let numbers = [&p, &q, exponent_p, exponent_q, &coefficient].map(BigUint::to_bytes_be);
    let crt = Crt::new(numbers.each_ref().map(Vec::as_slice), bits, kernel);
    let ring = PublicRing::new(&modulus.to_bytes_be(), bits, kernel);
    let power = crt.inverse_power(&ring.number(&base.to_bytes_be())).to_be_bytes(bits.div_ceil(8));
    let power = BigUint::from_bytes_be(&power);
    assert!(power < modulus, "not reduced");
    for (factor, exponent) in [&p, &q].into_iter().zip(&exponents) {
        let expected = base.modpow(&(factor - 1_u32 - exponent), factor);
        assert_eq!(&power % factor, expected, "private power");
    }
}
