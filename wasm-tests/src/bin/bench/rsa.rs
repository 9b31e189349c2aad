//! RSA in wasm: signatures and verifications (`PS256`) in Envoy and in wasmtime, by both builds, against native OpenSSL and
//! against the crate `rsa` in the same engine. All take turns, so that a busy machine is busy for everybody.

use std::hint::black_box;
use std::time::{Duration, Instant};

use wasm_tests::probe::keys::TestKey;
use wasm_tests::probe::{Answer, Build, By, Bytes, Engine, Probe, Question, SignedMessage, Time, Work, repeat};

use crate::extent::Extent;
use crate::openssl::{OpenSsl, Pair};

const SIZES: [usize; 3] = [2048, 3072, 4096];
/// No round begins later than this.
const LIMIT: Duration = Duration::from_secs(90);
/// How long one measurement takes, in nanoseconds, if what is measured is shorter. The fastest millisecond of it counts.
const BUDGET: u64 = 8_000_000;
/// As long as a token of the Hub.
const MESSAGE: [u8; 619] = [b'x'; 619];

/// What is measured with one key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Verify,
    Sign,
}

/// One engine with one build in it.
struct Contender {
    name: &'static str,
    probe: Probe,
}

/// The measurements of one operation with one size of keys, one of each round.
struct Group {
    operation: Operation,
    bits: usize,
    openssl: Vec<f64>,
    contenders: Vec<Measured>,
}

/// The same of one contender.
#[derive(Default)]
struct Measured {
    filter: Vec<f64>,
    reference: Vec<f64>,
    older: Vec<f64>,
}

/// Measures and prints.
pub async fn run(extent: Extent) {
    let openssl = OpenSsl::load();
    let keys = SIZES.map(TestKey::generate);
    let signed = keys.each_ref().map(|key| key.sign(&MESSAGE));
    let native: Option<[Pair<'_>; 3]> =
        openssl.as_ref().map(|library| keys.each_ref().map(|key| library.pair(&key.der())));
    let mut contenders = contenders().await;
    let mut groups: Vec<_> = [Operation::Verify, Operation::Sign]
        .into_iter()
        .flat_map(|operation| SIZES.map(|bits| Group::new(operation, bits, contenders.len())))
        .collect();
    let mut set_up: Vec<Vec<f64>> = contenders.iter().map(|_| Vec::new()).collect();

    let started = Instant::now();
    let mut rounds = 0;
    // Engines compile what is used often once more, so the first round does not count.
    for round in 0..=extent.rsa_rounds {
        if started.elapsed() > LIMIT {
            break;
        }
        for group in &mut groups {
            let size = SIZES.iter().position(|bits| *bits == group.bits).expect("one of the sizes");
            if let Some(native) = &native {
                group.openssl.push(group.operation.time_openssl(&native[size], &signed[size]));
            }
            for (contender, measured) in contenders.iter_mut().zip(&mut group.contenders) {
                for (by, times) in [
                    (By::Filter, &mut measured.filter),
                    (By::Reference, &mut measured.reference),
                    (By::Older, &mut measured.older),
                ] {
                    times.push(contender.time(group.operation.work(by, &keys[size], &signed[size])).await);
                }
            }
        }
        for (contender, times) in contenders.iter_mut().zip(&mut set_up) {
            times.push(contender.time(Work::SetUp(keys[0].public())).await);
        }
        if round == 0 {
            groups.iter_mut().for_each(Group::forget);
            set_up.iter_mut().for_each(Vec::clear);
        }
        rounds = round;
    }

    let version = openssl.as_ref().map_or("no OpenSSL 3 on this system".to_owned(), OpenSsl::version);
    println!("RSA (PS256, {} bytes) in {rounds} rounds; against OpenSSL: {version}, native, EVP with a", MESSAGE.len());
    println!(
        "context that is made once; against rsa 0.10 and 0.9: the crate's verification and blinded signing in the same engine."
    );
    println!(
        "Each round has the fastest millisecond of {} of each. Minimum and median over the rounds; of ratios: that",
        BUDGET / 1_000_000
    );
    println!("of the minima, and the median of those within each round.");
    groups.iter().for_each(|group| group.print(&contenders));
    println!("\n{:<34} {:>19}", "set-up of a 2048-bit public key", "µs");
    for (contender, times) in contenders.iter().zip(&set_up) {
        println!("  {:<32} {}", contender.name, Figures::of(times).show(1));
    }
}

async fn contenders() -> Vec<Contender> {
    let mut contenders = Vec::new();
    for (name, engine, build) in [
        ("Envoy, baseline", Engine::Envoy, Build::Baseline),
        ("Envoy, relaxed SIMD", Engine::Envoy, Build::RelaxedSimd),
        ("wasmtime, baseline", Engine::Wasmtime, Build::Baseline),
        ("wasmtime, relaxed SIMD", Engine::Wasmtime, Build::RelaxedSimd),
    ] {
        contenders.push(Contender { name, probe: Probe::start(engine, &build.probe()).await });
    }
    contenders
}

impl Operation {
    fn work(self, by: By, key: &TestKey, signed: &SignedMessage) -> Work {
        match self {
            Self::Verify => Work::Verify(by, signed.clone()),
            Self::Sign => Work::Sign(by, key.pem(), Bytes(MESSAGE.to_vec())),
        }
    }

    /// Microseconds.
    fn time_openssl(self, pair: &Pair<'_>, signed: &SignedMessage) -> f64 {
        let started = Instant::now();
        let clock = || u64::try_from(started.elapsed().as_nanos()).expect("a short time");
        let time = repeat(BUDGET, clock, || match self {
            Self::Verify => pair.verify(black_box(&MESSAGE), &signed.signature.0),
            Self::Sign => !black_box(pair.sign(black_box(&MESSAGE))).is_empty(),
        });
        microseconds(time.expect("a valid signature"))
    }
}

impl Contender {
    /// Microseconds.
    async fn time(&mut self, work: Work) -> f64 {
        match self.probe.ask(&Question::Time(work, BUDGET)).await {
            Answer::Time(time) => microseconds(time),
            other => panic!("{}: {other:?}", self.name),
        }
    }
}

fn microseconds(time: Time) -> f64 {
    time.nanoseconds as f64 / 1e3 / time.repetitions as f64
}

impl Group {
    fn new(operation: Operation, bits: usize, contenders: usize) -> Self {
        let contenders = (0..contenders).map(|_| Measured::default()).collect();
        Self { operation, bits, openssl: Vec::new(), contenders }
    }

    fn forget(&mut self) {
        *self = Self::new(self.operation, self.bits, self.contenders.len());
    }

    fn print(&self, contenders: &[Contender]) {
        let digits = if self.operation == Operation::Verify { 1 } else { 0 };
        let name = if self.operation == Operation::Verify { "verify" } else { "sign" };
        let title = format!("{name}, {} bits", self.bits);
        println!("\n{title:<34} {:>19} {:>19} {:>19} {:>19}", "µs", "/ OpenSSL", "/ rsa 0.10", "/ rsa 0.9");
        if !self.openssl.is_empty() {
            println!("  {:<32} {}", "OpenSSL", Figures::of(&self.openssl).show(digits));
        }
        for (contender, Measured { filter, reference, older }) in contenders.iter().zip(&self.contenders) {
            let ratio = |to: &[f64], digits| match to {
                [] => format!("{:>19}", "-"),
                to => Figures::of_ratios(filter, to).show(digits),
            };
            let (openssl, reference, older) = (ratio(&self.openssl, 2), ratio(reference, 3), ratio(older, 3));
            println!("  {:<32} {} {openssl} {reference} {older}", contender.name, Figures::of(filter).show(digits));
        }
    }
}

/// The minimum and the median of some numbers.
struct Figures {
    minimum: f64,
    median: f64,
}

impl Figures {
    fn of(numbers: &[f64]) -> Self {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self { minimum: sorted[0], median: sorted[sorted.len() / 2] }
    }

    /// The ratio of the minima, which says most on a busy machine, and the median of the ratios.
    fn of_ratios(numbers: &[f64], to: &[f64]) -> Self {
        let ratios: Vec<_> = numbers.iter().zip(to).map(|(number, to)| number / to).collect();
        Self { minimum: Self::of(numbers).minimum / Self::of(to).minimum, ..Self::of(&ratios) }
    }

    fn show(&self, digits: usize) -> String {
        format!("{:>9.digits$} {:>9.digits$}", self.minimum, self.median)
    }
}
