//! What a request costs does not grow with what is configured and known, and with what is sent only by the byte: else whoever has many
//! organisations pays for each with every request, and whoever sends much makes the gateway work.

use wasm_tests::growth::Growth;
use wasm_tests::host::Module;

/// The most that a request may cost anywhere, as a multiple of what it costs where there is least.
const MOST: f64 = 1.5;

/// The most fuel for each byte of headers that mean nothing, and for each byte of a token, which is decoded, hashed and read.
const PER_BYTE: [(&str, f64); 2] = [("headers", 25.0), ("bytes of the token", 135.0)];

#[test]
fn only_bytes_that_are_read_make_a_request_dearer() {
    let all = Growth::measure(Module::release());
    assert_eq!(all.len(), 6, "one for each thing that could grow");
    for growth in &all {
        let counts: Vec<_> = growth.sizes.iter().map(|size| (size.count, size.admitted, size.remembered)).collect();
        println!("{}: {counts:?}", growth.what);
    }
    for growth in all {
        if growth.reads_bytes {
            let bound = PER_BYTE.iter().find(|(what, _)| *what == growth.what).expect("a bound").1;
            assert!(growth.fuel_per_byte() <= bound, "{}: {:.1} fuel per byte", growth.what, growth.fuel_per_byte());
        } else {
            assert!(growth.ratio() <= MOST, "{}: {:.2}", growth.what, growth.ratio());
        }
    }
}
