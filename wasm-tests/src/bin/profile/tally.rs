//! Which function has used how much fuel: itself, and with those that it called.

use std::collections::BTreeMap;

use wasm_tests::host::{Step, VmCall};

use crate::wrapped::{self, Arities};

/// What functions have used, by the way on which they were called.
#[derive(Default)]
pub(crate) struct Tally {
    /// The first is none: what the host called is below it.
    nodes: Vec<Node>,
}

/// A function, as it was called on one way.
#[derive(Default)]
pub(crate) struct Node {
    pub(crate) function: u32,
    pub(crate) calls: u64,
    /// What it used itself.
    own: i64,
    /// The functions that it called, each with its place.
    called: BTreeMap<u32, usize>,
}

/// What a function has used on all ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Used {
    pub(crate) calls: u64,
    pub(crate) own: u64,
    /// With those that it called.
    pub(crate) inclusive: u64,
}

impl Tally {
    /// What these calls have used.
    pub(crate) fn of(calls: &[VmCall], arities: &Arities) -> Self {
        let mut tally = Self { nodes: vec![Node::default()] };
        for call in calls {
            tally.add(&call.steps, arities);
        }
        tally
    }

    /// What all have used.
    pub(crate) fn fuel(&self) -> u64 {
        self.inclusive(0)
    }

    /// The function at a place.
    pub(crate) fn node(&self, place: usize) -> &Node {
        &self.nodes[place]
    }

    /// What the function at a place has used with those that it called.
    pub(crate) fn inclusive(&self, place: usize) -> u64 {
        let node = &self.nodes[place];
        fuel(node.own) + node.called.values().map(|place| self.inclusive(*place)).sum::<u64>()
    }

    /// Where those are that the function at a place called, the most expensive first.
    pub(crate) fn called(&self, place: usize) -> Vec<usize> {
        let mut called: Vec<_> = self.nodes[place].called.values().copied().collect();
        called.sort_by_key(|place| std::cmp::Reverse(self.inclusive(*place)));
        called
    }

    /// What each function has used.
    pub(crate) fn by_function(&self) -> BTreeMap<u32, Used> {
        let mut used = BTreeMap::new();
        for place in self.called(0) {
            self.sum(place, &mut Vec::new(), &mut used);
        }
        used
    }

    fn sum(&self, place: usize, callers: &mut Vec<u32>, used: &mut BTreeMap<u32, Used>) {
        let node = &self.nodes[place];
        let sum = used.entry(node.function).or_default();
        sum.calls += node.calls;
        sum.own += fuel(node.own);
        if !callers.contains(&node.function) {
            sum.inclusive += self.inclusive(place);
        }
        callers.push(node.function);
        node.called.values().for_each(|place| self.sum(*place, callers, used));
        callers.pop();
    }

    fn add(&mut self, steps: &[Step], arities: &Arities) {
        let mut way = vec![0];
        let mut before = 0;
        for step in steps {
            let here = *way.last().expect("a function is left after it was entered");
            let since = i64::try_from(step.fuel - before).expect("less than the limit");
            before = step.fuel;
            match step.entered {
                Some(function) => {
                    self.nodes[here].own += since - wrapped::BEFORE;
                    let place = self.place(here, function);
                    self.nodes[place].calls += 1;
                    self.nodes[place].own -= wrapped::within(arities.parameters(function));
                    way.push(place);
                }
                None => {
                    self.nodes[here].own += since;
                    way.pop();
                }
            }
        }
    }

    fn place(&mut self, caller: usize, function: u32) -> usize {
        let next = self.nodes.len();
        let place = *self.nodes[caller].called.entry(function).or_insert(next);
        if place == next {
            self.nodes.push(Node { function, ..Node::default() });
        }
        place
    }
}

fn fuel(own: i64) -> u64 {
    u64::try_from(own).expect("what a wrapper uses is what is taken out")
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_tests::host::{Gateway, Module, Profile, Request};

    /// For each request the last function calls the first twice.
    const MODULE: &str = r#"(module
        (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
        (func $add (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
        (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (call $add (call $add (i32.const 1) (i32.const 2)) (i32.const -3))))"#;

    #[test]
    fn each_function_has_used_what_it_uses_in_a_module_that_tells_nothing() {
        let plain = wat::parse_str(MODULE).unwrap();
        let [of_plain, of_wrapped] = [plain.clone(), wrapped::module(&plain)].map(|module| {
            let gateway = Gateway::new(Profile::envoy()).start(&Module::from_bytes(&module).unwrap()).unwrap();
            gateway.send(Request::get("/")).vm_calls()
        });
        let tally = Tally::of(&of_wrapped, &Arities::of(&plain));
        // To begin, two parameters and an addition; to begin, three numbers and two calls.
        let expected = [(1, Used { calls: 2, own: 8, inclusive: 8 }), (3, Used { calls: 1, own: 6, inclusive: 14 })];
        assert_eq!(tally.by_function(), BTreeMap::from(expected));
        assert_eq!(tally.fuel(), of_plain.iter().map(|call| call.fuel).sum::<u64>());
    }
}
