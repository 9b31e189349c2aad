//! The private operation by the Chinese remainder theorem: two powers of half the size (RFC 8017 §5.2.1, step 2b).
//!
//! It raises to −d instead of d. That costs the same, as −d ≡ p − 1 − dP modulo p − 1, and it lets the caller take the
//! blinding off without ever inverting a number modulo n: an inversion in constant time is slow, and one in variable time
//! tells what it inverts.

use zeroize::ZeroizeOnDrop;

use crate::Kernel;
use crate::exponentiation::SecretExponent;
#[cfg(fused_kernel)]
use crate::fused;
use crate::limbs::Number;
use crate::montgomery::Modulus;

/// The secret numbers of a key, in the form that they are calculated with. They are overwritten when they go.
///
/// Both prime factors are treated as if they had as many bits as the longer may have. Where time depends on a length, it
/// depends on that of the modulus.
pub struct Crt {
    p: Factor,
    q: Factor,
    /// 1/q mod p, in Montgomery form.
    coefficient: Number,
    /// The blocks of numbers modulo p·q.
    blocks: usize,
    #[cfg(fused_kernel)]
    fused: Option<fused::PrimePair>,
}

/// One prime factor, and the exponent that belongs to it.
struct Factor {
    modulus: Modulus,
    /// −d modulo the factor less one.
    exponent: SecretExponent,
}

// All its numbers are.
impl ZeroizeOnDrop for Crt {}

impl Crt {
    /// From p, q, d mod (p − 1), d mod (q − 1) and 1/q mod p, all big-endian, of a modulus p·q of so many bits.
    ///
    /// Both factors are odd and have at most half of the bits, rounded up, so that the other has more than a quarter of
    /// what that allows: with h = ⌈bits/2⌉, it is above 2^(bits − 1)/2^h ≥ 2^(h − 2). The exponents are below p − 1 and
    /// q − 1, and the coefficient below p.
    #[must_use]
    #[cfg_attr(not(fused_kernel), expect(unused_variables, reason = "there is one kernel only"))]
    pub fn new(numbers: [&[u8]; 5], modulus_bits: usize, kernel: Kernel) -> Self {
        let [p, q, exponent_p, exponent_q, coefficient] = numbers;
        let bits = modulus_bits.div_ceil(2);
        let p = Factor::new(p, exponent_p, bits);
        let q = Factor::new(q, exponent_q, bits);
        let mut workspace = p.modulus.workspace();
        let mut coefficient = Number::from_be_bytes(coefficient, p.modulus.blocks());
        p.modulus.enter(&mut coefficient, &mut workspace);
        p.modulus.reduce(&mut coefficient);
        Self {
            #[cfg(fused_kernel)]
            fused: kernel.is_fused().then(|| fused::PrimePair::new([&p.modulus, &q.modulus], bits)),
            p,
            q,
            coefficient,
            blocks: Modulus::blocks_for(modulus_bits),
        }
    }

    /// base^(−d) mod n, for a base below n; zero modulo a factor that divides the base.
    #[must_use]
    pub fn inverse_power(&self, base: &Number) -> Number {
        let [from_p, mut from_q] = self.powers(base);
        self.q.modulus.reduce(&mut from_q);
        self.recombine(from_p, &from_q)
    }

    /// base^(−d) modulo p and modulo q, each below twice the factor.
    fn powers(&self, base: &Number) -> [Number; 2] {
        let factors = [&self.p, &self.q];
        #[cfg(fused_kernel)]
        if let Some(fused) = &self.fused {
            let [p, q] = factors.map(|factor| factor.modulus.remainder(base, &mut factor.modulus.workspace()));
            let (moduli, exponents) = ([&self.p.modulus, &self.q.modulus], [&self.p.exponent, &self.q.exponent]);
            return fused.powers(moduli, [&p, &q], exponents);
        }
        factors.map(|factor| factor.power(base))
    }

    /// The number below p·q with these remainders (Garner's formula): x_q + q·((x_p − x_q)/q mod p), for x_p < 2·p and
    /// x_q < q.
    fn recombine(&self, from_p: Number, from_q: &Number) -> Number {
        let mut workspace = self.p.modulus.workspace();
        // q is below 4·p: both have at most h bits, and more than h − 2. So this is positive, and below 6·p.
        let mut quotient = from_p;
        (0..4).for_each(|_| quotient.add(self.p.modulus.number()));
        quotient.subtract(from_q);
        // 6·p times a number below p: within the bounds of the multiplication.
        self.p.modulus.multiply(&mut quotient, &self.coefficient, &mut workspace);
        self.p.modulus.reduce(&mut quotient);
        let mut number = quotient.product(self.q.modulus.number());
        number.add(&from_q.resized(number.blocks().len()));
        number.resized(self.blocks)
    }
}

impl Factor {
    fn new(factor: &[u8], exponent: &[u8], bits: usize) -> Self {
        let modulus = Modulus::new(factor, bits);
        // A factor is odd: without its lowest bit, it is less by one.
        let mut inverse = modulus.number().clone();
        inverse.limbs_mut().iter_mut().take(1).for_each(|limb| *limb &= !1);
        inverse.subtract(&Number::from_be_bytes(exponent, modulus.blocks()));
        Self { exponent: SecretExponent::new(&inverse, bits), modulus }
    }

    /// base^(−d) modulo this factor, below twice the factor.
    fn power(&self, base: &Number) -> Number {
        let mut workspace = self.modulus.workspace();
        let mut base = self.modulus.remainder(base, &mut workspace);
        self.modulus.enter(&mut base, &mut workspace);
        let mut power = self.exponent.power(&self.modulus, &base, &mut workspace);
        self.modulus.leave(&mut power, &mut workspace);
        power
    }
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;

    use super::*;
    use crate::differential::{Random, big, cases, number};

    #[test]
    fn differential_private_powers() {
        private_powers(Kernel::scalar(), cases());
    }

    #[test]
    fn differential_fused_private_powers() {
        // Fewer, because most machines run this kernel slowly natively.
        private_powers(Kernel::fused().unwrap(), cases() / 5);
    }

    /// Any two odd numbers without a common factor do: what they are raised to is what was given.
    fn private_powers(kernel: Kernel, cases: usize) {
        let mut random = Random::new(11);
        let mut tried = 0;
        while tried < cases {
            // The time grows with the cube of the size.
            let modulus_bits = if tried % 200 == 0 { random.bits() } else { 192 + random.below(250) };
            let bits = modulus_bits.div_ceil(2);
            let [p, q] = [0, 0].map(|_| {
                let less = random.below(2);
                random.modulus(bits - less)
            });
            let Some(coefficient) = q.modinv(&p) else { continue };
            let n = &p * &q;
            if n.bits() != modulus_bits as u64 {
                continue;
            }
            tried += 1;
            let [exponent_p, exponent_q] = [&p, &q].map(|factor| random.at_most(&(factor - 2_u32)));
            let numbers = [&p, &q, &exponent_p, &exponent_q, &coefficient].map(BigUint::to_bytes_be);
            let crt = Crt::new(numbers.each_ref().map(Vec::as_slice), modulus_bits, kernel);
            let base = random.at_most(&(&n - 1_u32));
            let power = big(&crt.inverse_power(&number(&base, Modulus::blocks_for(modulus_bits))));
            let context = || format!("p = {p:x}\nq = {q:x}\nbase = {base:x}\n{exponent_p:x}\n{exponent_q:x}");
            assert!(power < n, "{}", context());
            assert_eq!(&power % &p, base.modpow(&(&p - 1_u32 - &exponent_p), &p), "{}", context());
            assert_eq!(&power % &q, base.modpow(&(&q - 1_u32 - &exponent_q), &q), "{}", context());
        }
    }

    #[test]
    fn differential_recombination() {
        let mut random = Random::new(12);
        for _ in 0..cases() {
            let modulus_bits = random.bits();
            let bits = modulus_bits.div_ceil(2);
            let [p, q] = [0, 0].map(|_| random.modulus(bits));
            let Some(coefficient) = q.modinv(&p) else { continue };
            let one = [1];
            let numbers = [&p, &q, &coefficient].map(BigUint::to_bytes_be);
            let [p_bytes, q_bytes, coefficient] = numbers.each_ref().map(Vec::as_slice);
            let crt = Crt::new([p_bytes, q_bytes, &one, &one, coefficient], 2 * bits, Kernel::scalar());
            let blocks = crt.p.modulus.blocks();
            let from_p = random.at_most(&(&p * 2_u32 - 1_u32));
            let from_q = random.at_most(&(&q - 1_u32));
            let result = big(&crt.recombine(number(&from_p, blocks), &number(&from_q, blocks)));
            assert!(result < &p * &q);
            assert_eq!((&result % &p, &result % &q), (from_p % &p, from_q), "p = {p:x}\nq = {q:x}");
        }
    }
}
