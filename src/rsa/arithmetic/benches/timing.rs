//! Whether the time of private operations shows secrets: two classes of inputs, drawn in random order, and Welch's t-test
//! of their times (O. Reparaz, J. Balasch, I. Verbauwhede, "Dude, is my code constant time?", 2017).
//!
//! `make timing` runs it with the feature `fma` of the processor. Without that, the fused
//! kernel calls a function for each multiplication, which may be in software, whose time shows its operands. What is
//! measured is the native code, not what an engine makes of WebAssembly. `TIMING_BITS` is the size of the modulus (1024),
//! and `TIMING_MEASUREMENTS` how often each comparison measures (20000).
//!
//! |t| below 4.5 is no evidence, and from 10 on there is a leak. Some exponentiations here leak on purpose: that the test
//! finds them shows that it can. It fails if it does not, or if it finds another.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "this measures on a host, and a failure ends it"
)]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use num_bigint::BigUint;
use rsa_arithmetic::{Crt, Kernel, Number, PublicRing};

/// So many inputs has each class. The class with one input has it as often, each in a place of its own, so that caches
/// treat both alike.
const INPUTS: usize = 32;

/// From here on there is a leak.
const LEAK: f64 = 10.0;

/// From here on a comparison is worth another look.
const SUSPICION: f64 = 4.5;

/// The bits of a window of the exponentiation that leaks: it skips a quarter of the multiplications of random exponents, a
/// twelfth of its steps.
const WINDOW_BITS: u64 = 2;

/// xorshift64* (G. Marsaglia and S. Vigna).
struct Random(u64);

/// What all comparisons share.
struct Setting {
    bits: usize,
    measurements: usize,
}

fn main() -> ExitCode {
    let from_environment = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let setting = Setting {
        bits: from_environment("TIMING_BITS").unwrap_or(1024),
        measurements: from_environment("TIMING_MEASUREMENTS").unwrap_or(20_000),
    };
    println!("{} bits, {} measurements a comparison, largest |t| of all crops", setting.bits, setting.measurements);
    let mut is_fine = true;
    for (name, kernel) in [("scalar", Some(Kernel::scalar())), ("fused", Kernel::fused())] {
        let Some(kernel) = kernel else {
            println!("{name}: not usable here");
            continue;
        };
        if name == "fused" && !cfg!(target_feature = "fma") {
            println!("fused: built without the feature fma, so that this measures a function of the C library as well");
        }
        for (comparison, t) in setting.comparisons(kernel) {
            is_fine &= t < LEAK;
            println!("{name}: {comparison}: {t:.1}{}", verdict(t));
        }
        let t = setting.leak(kernel);
        is_fine &= t >= LEAK;
        println!(
            "{name}: an exponentiation that leaks: {t:.1}{}",
            if t < LEAK { " NOT FOUND: too few measurements to find anything" } else { ", found" }
        );
    }
    if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn verdict(t: f64) -> &'static str {
    match t {
        _ if t >= LEAK => " LEAK",
        _ if t >= SUSPICION => " (run it again)",
        _ => "",
    }
}

impl Setting {
    /// One input against random ones, for each of the secrets of a private operation.
    fn comparisons(&self, kernel: Kernel) -> [(&'static str, f64); 4] {
        let mut random = Random(1);
        let fixed_key = random.key(self.bits);
        let one_key = || fixed_key.crt(self.bits, kernel);
        let fixed_keys: Vec<Crt> = (0..INPUTS).map(|_| one_key()).collect();
        let random_keys: Vec<Crt> = (0..INPUTS).map(|_| random.key(self.bits).crt(self.bits, kernel)).collect();
        let ring = PublicRing::new(&fixed_key.modulus().to_bytes_be(), self.bits, kernel);
        let mut number = || ring.number(&(random.number(self.bits) % fixed_key.modulus()).to_bytes_be());
        let fixed = number();
        let fixed_numbers: Vec<Number> = (0..INPUTS).map(|_| fixed.clone()).collect();
        let small_numbers: Vec<Number> = (0..INPUTS).map(|_| ring.number(&[1])).collect();
        let random_numbers: Vec<Number> = (0..INPUTS).map(|_| number()).collect();
        let keys = [&fixed_keys, &random_keys];
        let key = one_key();
        let private = |base: &Number| drop(black_box(key.inverse_power(black_box(base))));
        let public = |base: &Number| drop(black_box(ring.power_times(black_box(base), 65537, base)));
        let numbers = [&fixed_numbers, &random_numbers];
        [
            (
                "one private key against random ones",
                // All keys have moduli of the same length, and a base is below each if it is short.
                self.compare(|class, index| drop(black_box(keys[class][index].inverse_power(&small_numbers[index])))),
            ),
            ("one base of a private power against random ones", self.compare(|class, i| private(&numbers[class][i]))),
            (
                "base 1 of a private power against random ones",
                self.compare(|class, i| private(&[&small_numbers, &random_numbers][class][i])),
            ),
            ("one blinding factor against random ones", self.compare(|class, i| public(&numbers[class][i]))),
        ]
    }

    /// An exponentiation that skips windows of zeros: an exponent that has none against random ones.
    fn leak(&self, kernel: Kernel) -> f64 {
        let mut random = Random(2);
        let modulus = random.key(self.bits).modulus();
        let ring = PublicRing::new(&modulus.to_bytes_be(), self.bits, kernel);
        let base = ring.number(&(random.number(self.bits) % &modulus).to_bytes_be());
        let bits = self.bits as u64 / 8;
        let full = (0..bits / WINDOW_BITS).fold(BigUint::ZERO, |sum, _| (sum << WINDOW_BITS) + 1_u32);
        let random_exponents: Vec<BigUint> = (0..INPUTS).map(|_| random.number(self.bits / 8)).collect();
        let full_exponents = vec![full; INPUTS];
        let exponents = [&full_exponents, &random_exponents];
        self.compare(|class, index| drop(black_box(leaky_power(&ring, &base, &exponents[class][index], bits))))
    }

    /// The largest |t| between the times of both classes.
    fn compare(&self, mut operation: impl FnMut(usize, usize)) -> f64 {
        let mut random = Random(3);
        let mut times: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
        for measurement in 0..self.measurements + self.measurements / 10 {
            let (class, index) = (random.below(2), random.below(INPUTS));
            let start = Instant::now();
            operation(class, index);
            let time = start.elapsed().as_secs_f64();
            // The first tenth warms up.
            if measurement >= self.measurements / 10 {
                times[class].push(time);
            }
        }
        // What takes long was interrupted. Where to cut is not known, so that all cuts are tried, at the same time for both.
        let mut all = times.concat();
        all.sort_by(f64::total_cmp);
        let cuts = (1..=100).map(|step| all[(all.len() - 1) * step / 100]);
        cuts.map(|cut| t(&times.each_ref().map(|times| moments(times.iter().filter(|time| **time <= cut)))))
            .fold(0.0, f64::max)
    }
}

/// base^exponent in a time that shows the exponent.
fn leaky_power(ring: &PublicRing, base: &Number, exponent: &BigUint, bits: u64) -> Number {
    let mut power = ring.number(&[1]);
    for window in (0..bits / WINDOW_BITS).rev() {
        for _ in 0..WINDOW_BITS {
            power = ring.multiply(&power, &power);
        }
        let digit = (exponent >> (window * WINDOW_BITS)) & BigUint::from((1_u32 << WINDOW_BITS) - 1);
        if digit != BigUint::ZERO {
            power = ring.multiply(&power, base);
        }
    }
    power
}

/// How many there are, their mean and their variance.
fn moments<'a>(times: impl Iterator<Item = &'a f64>) -> [f64; 3] {
    // B. P. Welford's method.
    let [count, mean, squares] = times.fold([0.0, 0.0, 0.0], |[count, mean, squares]: [f64; 3], time| {
        let (count, distance) = (count + 1.0, time - mean);
        let mean = mean + distance / count;
        [count, mean, squares + distance * (time - mean)]
    });
    [count, mean, squares / (count - 1.0)]
}

/// Welch's t, without its sign; zero for classes that are too small to say anything.
fn t([[count_a, mean_a, variance_a], [count_b, mean_b, variance_b]]: &[[f64; 3]; 2]) -> f64 {
    let error = (variance_a / count_a + variance_b / count_b).sqrt();
    if count_a.min(*count_b) < 500.0 || error == 0.0 { 0.0 } else { ((mean_a - mean_b) / error).abs() }
}

/// The numbers of a private key. The factors are not prime, which no step asks for.
struct Key {
    factors: [BigUint; 2],
    exponents: [BigUint; 2],
    coefficient: BigUint,
}

impl Key {
    fn modulus(&self) -> BigUint {
        let [p, q] = &self.factors;
        p * q
    }

    fn crt(&self, bits: usize, kernel: Kernel) -> Crt {
        let ([p, q], [exponent_p, exponent_q]) = (&self.factors, &self.exponents);
        let numbers = [p, q, exponent_p, exponent_q, &self.coefficient].map(BigUint::to_bytes_be);
        Crt::new(numbers.each_ref().map(Vec::as_slice), bits, kernel)
    }
}

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from((self.next() >> 16) % bound as u64).unwrap()
    }

    /// A number of at most so many bits, a multiple of 64.
    fn number(&mut self, bits: usize) -> BigUint {
        (0..bits / 64).fold(BigUint::ZERO, |sum, _| (sum << 64) + self.next())
    }

    /// A key with a modulus of exactly so many bits.
    fn key(&mut self, bits: usize) -> Key {
        let top = BigUint::from(3_u32) << (bits / 2 - 2);
        loop {
            let factors = [0, 0].map(|_| self.number(bits / 2) | &top | BigUint::from(1_u32));
            let [p, q] = &factors;
            let Some(coefficient) = q.modinv(p) else { continue };
            let exponents = [p, q].map(|factor| self.number(bits / 2) % (factor - 1_u32));
            return Key { exponents, coefficient, factors };
        }
    }
}
