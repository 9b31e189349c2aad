//! Whether a request costs more where more is configured, known or sent: in fuel, which counts what the module does and not what the
//! machine does beside it.

use wasm_tests::growth::{Growth, Size};
use wasm_tests::host::Module;

use super::extent::Extent;
use super::table::Table;

/// Prints the table of each module.
pub(crate) fn run(extent: Extent) {
    println!(
        "What an admitted request costs by how much is configured, known and sent, in wasmtime's fuel: with a token that is new, and"
    );
    println!(
        "with one whose signature is remembered. Before each comes somebody else, so that the certificate is looked at anew:"
    );
    for artifact in extent.artifacts() {
        let module = Module::artifact(&artifact.path(), None).unwrap_or_else(|why| panic!("{why}"));
        let mut table = Table::new(&[
            &format!("hub_auth_filter, {}", artifact.name()),
            "how many",
            "fuel\nnew",
            "/ the\nsmallest",
            "fuel\nremembered",
            "/ the\nsmallest",
            "fuel for each\nmore byte",
        ]);
        for growth in Growth::measure(&module) {
            for (number, size) in growth.sizes.iter().enumerate() {
                let is_last = number + 1 == growth.sizes.len();
                let per_byte = (growth.reads_bytes && is_last).then(|| format!("{:.0}", growth.fuel_per_byte()));
                table.row(row(&growth, size).into_iter().chain(per_byte));
            }
        }
        table.print();
    }
}

fn row(growth: &Growth, size: &Size) -> Vec<String> {
    let mut row = vec![growth.what.to_owned(), size.count.to_string()];
    for (fuel, ratio) in [Some(size.admitted), size.remembered].into_iter().flatten().zip(growth.ratios(size)) {
        row.extend([fuel.to_string(), format!("{ratio:.2}")]);
    }
    row
}
