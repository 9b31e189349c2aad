//! The part of WASI preview 1 that proxy-wasm hosts have: output goes to the log, there is a clock, randomness and an
//! environment, and there are no files and sockets. Follows `exports.cc` of proxy-wasm-cpp-host.

use super::Import;
use super::control::{nanoseconds, write_log};
use crate::host::engine::Args;
use crate::host::guest::Guest;
use crate::host::record::Level;
use crate::host::status::{Answered, Errno, Refusal};

pub(super) const CALLS: &[Import] = &[
    Import::new("fd_write", "iiii", fd_write).always(),
    Import::new("fd_pwrite", "iiili", |_, _| Err(Errno::BadDescriptor.into())).early(),
    Import::new("fd_read", "iiii", not_implemented),
    Import::new("fd_pread", "iiili", not_implemented).early(),
    Import::new("fd_seek", "ilii", |_, _| Ok(())),
    Import::new("fd_tell", "ii", |guest, args| output(args).and_then(|()| write_u64(guest, args.int(1), 0))).early(),
    Import::new("fd_close", "i", |_, _| Ok(())),
    Import::new("fd_fdstat_get", "ii", fd_fdstat_get).early(),
    Import::new("fd_fdstat_set_flags", "ii", not_implemented).early(),
    Import::new("fd_fdstat_set_rights", "ill", |_, args| output(args)).early(),
    Import::new("fd_filestat_get", "ii", |_, _| Err(Errno::BadDescriptor.into())).early(),
    Import::new("fd_filestat_set_size", "il", |_, args| output(args)).early(),
    Import::new("fd_filestat_set_times", "illi", |_, args| output(args)).early(),
    Import::new("fd_advise", "illi", |_, _| Ok(())).early(),
    Import::new("fd_allocate", "ill", |_, args| output(args)).early(),
    Import::new("fd_datasync", "i", |_, args| output(args)).early(),
    Import::new("fd_sync", "i", |_, args| output(args)).early(),
    Import::new("fd_readdir", "iiili", |_, _| Err(Errno::NotDirectory.into())).early(),
    Import::new("fd_renumber", "ii", not_supported).early(),
    Import::new("fd_prestat_get", "ii", |_, _| Err(Errno::BadDescriptor.into())).early(),
    Import::new("fd_prestat_dir_name", "iii", not_implemented).early(),
    Import::new("path_open", "iiiiillii", |_, _| Err(Errno::NoEntry.into())),
    Import::new("path_filestat_get", "iiiii", not_supported),
    Import::new("path_filestat_set_times", "iiiilli", not_supported).early(),
    Import::new("path_create_directory", "iii", not_supported).early(),
    Import::new("path_link", "iiiiiii", not_supported).early(),
    Import::new("path_readlink", "iiiiii", not_supported).early(),
    Import::new("path_remove_directory", "iii", not_supported).early(),
    Import::new("path_rename", "iiiiii", not_supported).early(),
    Import::new("path_symlink", "iiiii", not_supported).early(),
    Import::new("path_unlink_file", "iii", not_supported).early(),
    Import::new("sock_accept", "iii", not_supported).early(),
    Import::new("sock_recv", "iiiiii", not_supported).early(),
    Import::new("sock_send", "iiiii", not_supported).early(),
    Import::new("sock_shutdown", "ii", not_supported).early(),
    Import::new("environ_get", "ii", environ_get).early(),
    Import::new("environ_sizes_get", "ii", environ_sizes_get).early(),
    Import::new("args_get", "ii", |_, _| Ok(())).early(),
    Import::new("args_sizes_get", "ii", args_sizes_get).early(),
    Import::new("clock_time_get", "ili", clock_time_get).always().about_one_of(CLOCKS),
    Import::new("clock_res_get", "ii", clock_res_get).early(),
    Import::new("random_get", "ii", random_get).early(),
    Import::new("sched_yield", "", |_, _| Ok(())),
    Import::new("poll_oneoff", "iiii", |guest, args| write_u32(guest, args.int(3), 0)).always(),
    // It returns to the module, which does not expect that.
    Import::new("proc_exit", "i", |_, _| Ok(())),
];

/// The clocks by their numbers: those that hosts have.
const CLOCKS: &[&str] = &["realtime", "monotonic"];

/// The most random bytes in one call.
const RANDOM_LIMIT: u32 = 64 * 1024;

/// Whether the call returns a number at all.
pub(super) fn returns(name: &str) -> bool {
    !matches!(name, "proc_exit" | "emscripten_notify_memory_growth")
}

fn not_implemented(_: &mut Guest<'_>, _: &Args) -> Answered {
    Err(Errno::NotImplemented.into())
}

fn not_supported(_: &mut Guest<'_>, _: &Args) -> Answered {
    Err(Errno::NotSupported.into())
}

/// Only stdout and stderr exist.
fn output(args: &Args) -> Answered {
    if matches!(args.int(0), 1 | 2) { Ok(()) } else { Err(Errno::BadDescriptor.into()) }
}

fn fd_write(guest: &mut Guest<'_>, args: &Args) -> Answered {
    output(args)?;
    let level = if args.int(0) == 1 { Level::Info } else { Level::Error };
    let mut text = Vec::new();
    for place in 0..args.int(2) {
        let slot = place.checked_mul(8).and_then(|offset| offset.checked_add(args.int(1))).ok_or(Errno::Fault)?;
        let slice = read(guest, slot, 8)?;
        let (pointer, length) = slice.split_at(4);
        let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
        if number(length) > 0 {
            text.extend(read(guest, number(pointer), number(length))?);
        }
    }
    let written = u32::try_from(text.len()).map_err(|_| Errno::Fault)?;
    if !text.is_empty() {
        write_log(guest, level, text.strip_suffix(b"\n").unwrap_or(&text));
    }
    write_u32(guest, args.int(3), written)
}

fn fd_fdstat_get(guest: &mut Guest<'_>, args: &Args) -> Answered {
    const RIGHT_TO_WRITE: u64 = 64;
    output(args)?;
    write(guest, args.int(1), &[0, RIGHT_TO_WRITE, 0].map(u64::to_le_bytes).concat())
}

fn environ_get(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let environment = guest.gateway().settings.environment.clone();
    let (mut slot, mut pointer) = (args.int(0), args.int(1));
    for (name, value) in environment {
        let text = format!("{name}={value}\0");
        write_u32(guest, slot, pointer)?;
        write(guest, pointer, text.as_bytes())?;
        slot = slot.wrapping_add(4);
        pointer = pointer.wrapping_add(u32::try_from(text.len()).map_err(|_| Errno::Fault)?);
    }
    Ok(())
}

fn environ_sizes_get(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let gateway = guest.gateway();
    let environment = &gateway.settings.environment;
    let count = u32::try_from(environment.len()).map_err(|_| Errno::Fault)?;
    let size: usize = environment.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    drop(gateway);
    write_u32(guest, args.int(0), count)?;
    write_u32(guest, args.int(1), u32::try_from(size).map_err(|_| Errno::Fault)?)
}

fn args_sizes_get(guest: &mut Guest<'_>, args: &Args) -> Answered {
    write_u32(guest, args.int(0), 0)?;
    write_u32(guest, args.int(1), 0)
}

fn clock_time_get(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let time = match args.int(0) {
        0 => guest.gateway().clock.wall,
        1 => guest.steady_clock(),
        _ => return Err(Errno::NotSupported.into()),
    };
    write_u64(guest, args.int(2), nanoseconds(time))
}

fn clock_res_get(guest: &mut Guest<'_>, args: &Args) -> Answered {
    if args.int(0) > 1 {
        return Err(Errno::NotSupported.into());
    }
    write_u64(guest, args.int(1), 1)
}

fn random_get(guest: &mut Guest<'_>, args: &Args) -> Answered {
    if args.int(1) > RANDOM_LIMIT {
        return Err(Errno::Invalid.into());
    }
    let bytes = guest.gateway_mut().random(args.int(1) as usize);
    write(guest, args.int(0), &bytes)
}

fn read(guest: &mut Guest<'_>, pointer: u32, length: u32) -> Answered<Vec<u8>> {
    guest.read(pointer, length).map_err(as_errno)
}

fn write(guest: &mut Guest<'_>, pointer: u32, bytes: &[u8]) -> Answered {
    guest.write(pointer, bytes).map_err(as_errno)
}

fn write_u32(guest: &mut Guest<'_>, pointer: u32, number: u32) -> Answered {
    write(guest, pointer, &number.to_le_bytes())
}

fn write_u64(guest: &mut Guest<'_>, pointer: u32, number: u64) -> Answered {
    write(guest, pointer, &number.to_le_bytes())
}

/// The memory of the guest speaks in statuses; WASI has its own number for a bad pointer.
fn as_errno(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::Code(_) => Errno::Fault.into(),
        fatal => fatal,
    }
}
