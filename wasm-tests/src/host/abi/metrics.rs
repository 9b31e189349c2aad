//! Counters, gauges and histograms. Follows `defineMetric` and the functions beside it in Envoy's `context.cc`: the lowest two bits of an
//! id are the metric's type, and defining the same name twice gives another id for the same metric.

use super::Import;
use crate::host::engine::Args;
use crate::host::gateway_state::Metric;
use crate::host::guest::Guest;
use crate::host::status::{Answered, Refused, Status};

pub(super) const CALLS: &[Import] = &[
    Import::new("proxy_define_metric", "iiii", define).about(1),
    Import::new("proxy_increment_metric", "il", increment),
    Import::new("proxy_record_metric", "il", record),
    Import::new("proxy_get_metric", "ii", get),
];

fn define(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let kind = args.int(0);
    let longest = guest.gateway().profile.metrics.longest_name;
    let name = String::from_utf8_lossy(&guest.bytes(args, 1)?).into_owned();
    if longest.is_some_and(|longest| name.len() > longest) {
        return Err(Refused::Trap(format!("the metric's name is longer than {longest:?}")).into());
    }
    let fresh = match kind {
        0 => Metric::Counter(0),
        1 => Metric::Gauge(0),
        2 => Metric::Histogram(Vec::new()),
        _ => return Err(Status::BadArgument.into()),
    };
    guest.gateway_mut().metrics.entry(name.clone()).or_insert(fresh);
    let state = guest.state_mut();
    let id = state.metrics.keys().filter(|id| *id & 3 == kind).max().map_or(kind + 4, |last| last + 4);
    state.metrics.insert(id, name);
    guest.write_u32(args.int(3), id)
}

fn increment(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let offset = args.long(1).cast_signed();
    with_metric(guest, args.int(0), |metric| {
        match metric {
            Metric::Counter(count) if offset > 0 => *count += offset.unsigned_abs(),
            Metric::Gauge(level) => *level = level.wrapping_add_signed(offset),
            Metric::Counter(_) | Metric::Histogram(_) => return Err(Status::BadArgument),
        }
        Ok(())
    })
}

fn record(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let value = args.long(1);
    with_metric(guest, args.int(0), |metric| {
        match metric {
            Metric::Counter(count) => *count += value,
            Metric::Gauge(level) => *level = value,
            Metric::Histogram(values) => values.push(value),
        }
        Ok(())
    })
}

fn get(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let mut value = 0;
    with_metric(guest, args.int(0), |metric| {
        match metric {
            Metric::Counter(count) => value = *count,
            Metric::Gauge(level) => value = *level,
            Metric::Histogram(_) => return Err(Status::BadArgument),
        }
        Ok(())
    })?;
    guest.write_u64(args.int(1), value)
}

fn with_metric(guest: &Guest<'_>, id: u32, act: impl FnOnce(&mut Metric) -> Result<(), Status>) -> Answered {
    let faults_trap = guest.gateway().profile.metrics.faults_trap;
    let done = change(guest, id, act);
    if faults_trap && done.is_err() {
        return Err(Refused::Trap(format!("metric {id} is unknown or of another kind")).into());
    }
    Ok(done?)
}

fn change(guest: &Guest<'_>, id: u32, act: impl FnOnce(&mut Metric) -> Result<(), Status>) -> Result<(), Status> {
    if id & 3 == 3 {
        return Err(Status::BadArgument);
    }
    let name = guest.state().metrics.get(&id).ok_or(Status::NotFound)?;
    let mut gateway = guest.gateway_mut();
    act(gateway.metrics.get_mut(name).ok_or(Status::NotFound)?)
}
