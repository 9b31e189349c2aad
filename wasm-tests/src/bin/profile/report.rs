//! What is printed of a request: what crosses the border of the module, and the tally of what it executed.

use std::collections::BTreeMap;

use crate::names::Names;
use crate::tally::Tally;

/// How many of the dearest functions are named.
const ROWS: usize = 40;

/// What of the whole, in thousandths, a part of the tree must have used to be shown.
const SHOWN: u64 = 5;

/// Which functions were called across the module's border, and how often each.
pub(crate) fn calls(what: &str, names: impl Iterator<Item = &'static str>) {
    let mut counts = BTreeMap::<_, usize>::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    let list: Vec<_> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    println!("{} {what}: {}", counts.values().sum::<usize>(), list.join(", "));
}

/// The dearest functions, each with what it used itself.
pub(crate) fn table(tally: &Tally, names: &Names) {
    let mut used: Vec<_> = tally.by_function().into_iter().collect();
    used.sort_by_key(|(_, used)| std::cmp::Reverse(used.own));
    println!("{:>9}  {:>6}  {:>10}  {:>6}  function", "itself", "share", "with those", "calls");
    for (function, used) in used.iter().take(ROWS) {
        let share = percent(used.own, tally.fuel());
        println!("{:>9}  {share:>6}  {:>10}  {:>6}  {}", used.own, used.inclusive, used.calls, names.name(*function));
    }
    let rest: u64 = used.iter().skip(ROWS).map(|(_, used)| used.own).sum();
    println!(
        "{rest:>9}  {:>6}  {:>10}  {:>6}  {} others",
        percent(rest, tally.fuel()),
        "",
        "",
        used.len().saturating_sub(ROWS)
    );
}

/// Who called whom, each with what it used with those that it called.
pub(crate) fn tree(tally: &Tally, names: &Names) {
    println!("{:>10}  {:>6}  {:>6}  function", "with those", "share", "calls");
    branch(tally, names, 0, 0);
}

fn branch(tally: &Tally, names: &Names, place: usize, depth: usize) {
    for place in tally.called(place) {
        let (node, used) = (tally.node(place), tally.inclusive(place));
        if used * 1000 >= tally.fuel() * SHOWN {
            let (share, name) = (percent(used, tally.fuel()), names.name(node.function));
            println!("{used:>10}  {share:>6}  {:>6}  {:indent$}{name}", node.calls, "", indent = 2 * depth);
            branch(tally, names, place, depth + 1);
        }
    }
}

fn percent(part: u64, whole: u64) -> String {
    let tenths = (part * 1000 + whole / 2) / whole.max(1);
    format!("{}.{} %", tenths / 10, tenths % 10)
}
