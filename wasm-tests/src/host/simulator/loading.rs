//! Loading a module into a worker, configuring it, and loading it again. The order of calls follows the proxy-wasm ABI;
//! loading again after a trap follows `maybeReloadHandleIfNeeded` in Envoy's `wasm.cc`, configuring on first use follows
//! `apisix/wasm.lua`.

use super::{Filter, Simulator, Worker, size};
use crate::host::profile::{AfterTrap, RootContexts, Unusable};
use crate::host::status::Ending;
use crate::host::vm::Vm;
use crate::host::vm_state::Context;
use std::time::Duration;

/// Why a gateway does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The module is not one that this gateway can load.
    CannotLoad(String),
    /// `proxy_on_vm_start` returned false.
    VmStartRefused,
    /// `proxy_on_configure` returned false.
    ConfigurationRefused,
    /// The module trapped.
    Trapped(String),
    /// The worker died.
    Crashed(String),
}

impl Simulator {
    /// Adds a worker whose VM has been started and configured, as far as the gateway does that at its start.
    pub(crate) fn add_worker(&mut self) -> Result<(), Reason> {
        let worker = self.add_place(self.workers.len());
        let consequence = match self.load(worker) {
            Ok(()) => return Ok(()),
            Err(reason) => {
                let profile = &self.gateway.borrow().profile;
                match reason {
                    Reason::CannotLoad(_) => (profile.unloadable, reason),
                    Reason::VmStartRefused | Reason::ConfigurationRefused => (profile.refused, reason),
                    Reason::Trapped(_) | Reason::Crashed(_) => (Unusable::NoStart, reason),
                }
            }
        };
        self.workers[worker].filter = match consequence {
            (Unusable::NoStart, reason) => return Err(reason),
            (Unusable::Unfiltered, _) => Filter::Absent,
            (Unusable::Refuses(status), _) => Filter::Refuses(status),
        };
        Ok(())
    }

    /// A place for a VM of the worker with this number.
    pub(super) fn add_place(&mut self, number: usize) -> usize {
        self.workers.push(Worker {
            vm: None,
            called: false,
            root: 0,
            loaded: Duration::ZERO,
            number,
            filter: Filter::Runs,
            died: false,
            next_context: 1,
        });
        self.workers.len() - 1
    }

    /// Gives a worker a fresh VM.
    pub(super) fn load(&mut self, worker: usize) -> Result<(), Reason> {
        for required in ["proxy_abi_version_0_2_1", "memory"] {
            if !self.module.exports().iter().any(|export| export == required) {
                return Err(Reason::CannotLoad(format!("the module does not export {required}")));
            }
        }
        self.vms += 1;
        let number = self.workers[worker].number;
        let mut vm = Vm::new(&self.module, &self.gateway, number, self.vms).map_err(Reason::CannotLoad)?;
        let initialized = vm.initialize();
        let (at_start, vanishes) = {
            let profile = &self.gateway.borrow().profile;
            (profile.root_contexts == RootContexts::AtStart, profile.unloadable == Unusable::Unfiltered)
        };
        let place = &mut self.workers[worker];
        if at_start {
            place.root = vm.state_mut().new_context(Context::default());
            vm.state_mut().configuring = true;
        }
        // The first numbers are the roots'; those of requests are given out once.
        vm.state_mut().next_context = vm.state().next_context.max(place.next_context);
        place.vm = Some(vm);
        place.died = false;
        place.loaded = self.gateway.borrow().clock.monotonic;
        match initialized {
            Ok(()) => {}
            Err(Ending::Crash(why)) => {
                self.crashed(worker, &why);
                return Err(self.last_failure());
            }
            Err(Ending::Trap(trap)) => {
                self.trapped(worker, "_initialize", 0, &trap);
                self.workers[worker].vm = None;
                return Err(if vanishes { Reason::CannotLoad(trap) } else { self.last_failure() });
            }
        }
        if at_start { self.start_root(worker) } else { Ok(()) }
    }

    fn start_root(&mut self, worker: usize) -> Result<(), Reason> {
        let root = self.workers[worker].root;
        let (vm_configuration, configuration) = {
            let settings = &self.gateway.borrow().settings;
            (size(settings.vm_configuration.len()), settings.configuration.clone())
        };
        let length = size(configuration.len());
        self.with_vm(worker, |vm| {
            if let Some(context) = vm.state_mut().contexts.get_mut(&root) {
                context.configuration = configuration;
            }
        });
        self.call(worker, "proxy_on_context_create", root, &[root, 0], |simulator, _| {
            simulator.with_vm(worker, |vm| vm.state_mut().configuring = false);
        });
        let mut started = true;
        self.call(worker, "proxy_on_vm_start", root, &[root, vm_configuration], |simulator, returned| {
            started = returned.is_none_or(|returned| returned.value != 0);
            simulator.with_vm(worker, |vm| vm.state_mut().configuring = true);
        });
        if !started {
            self.workers[worker].vm = None;
            return Err(Reason::VmStartRefused);
        }
        let mut configured = true;
        self.call(worker, "proxy_on_configure", root, &[root, length], |simulator, returned| {
            configured = returned.is_none_or(|returned| returned.value != 0);
            simulator.with_vm(worker, |vm| vm.state_mut().configuring = false);
        });
        if !configured {
            self.workers[worker].vm = None;
            return Err(Reason::ConfigurationRefused);
        }
        if self.workers[worker].vm.is_none() {
            return Err(self.last_failure());
        }
        Ok(())
    }

    /// The root context for a configuration, made and configured if this is the first use; `None` if the module refuses.
    pub(super) fn root_for(&mut self, worker: usize, configuration: &[u8]) -> Option<u32> {
        if self.gateway.borrow().profile.root_contexts == RootContexts::AtStart {
            return Some(self.workers[worker].root);
        }
        let known = self.with_vm(worker, |vm| vm.state().roots.get(configuration).copied())?;
        if known.is_some() {
            return known;
        }
        let context = Context { configuration: configuration.to_vec(), ..Context::default() };
        let root = self.with_vm(worker, |vm| vm.state_mut().new_context(context))?;
        let mut configured = false;
        self.call(worker, "proxy_on_context_create", root, &[root, 0], |_, _| ());
        self.call(worker, "proxy_on_configure", root, &[root, size(configuration.len())], |_, returned| {
            configured = returned.is_none_or(|returned| returned.value != 0);
        });
        if configured {
            self.with_vm(worker, |vm| vm.state_mut().roots.insert(configuration.to_vec(), root));
            return Some(root);
        }
        self.call(worker, "proxy_on_done", root, &[root], |_, _| ());
        self.call(worker, "proxy_on_delete", root, &[root], |_, _| ());
        self.with_vm(worker, |vm| vm.state_mut().contexts.remove(&root));
        None
    }

    /// The gateway's configuration changes: where root contexts are made on first use, they are made anew, and the module is
    /// not told that the old ones have gone.
    pub(crate) fn rebuild_roots(&mut self) {
        for worker in 0..self.workers.len() {
            self.with_vm(worker, |vm| vm.state_mut().roots.clear());
        }
    }

    /// Gives a worker a fresh VM if its VM is gone and this gateway makes a new one now.
    pub(super) fn reload_if_failed(&mut self, worker: usize) {
        let (after_trap, now) = {
            let gateway = self.gateway.borrow();
            (gateway.profile.after_trap, gateway.clock.monotonic)
        };
        let Worker { vm, loaded, died, filter, .. } = &mut self.workers[worker];
        let again = *died
            || match after_trap {
                AfterTrap::Reload(interval) => now.saturating_sub(*loaded) >= interval,
                AfterTrap::FailOpen => true,
                AfterTrap::Dead | AfterTrap::Bricked | AfterTrap::Crash => false,
            };
        if vm.is_none() && again && *filter == Filter::Runs {
            *loaded = now;
            // A VM that cannot be loaded stays failed, and its requests with it.
            let _ = self.load(worker);
        }
    }

    /// The trap or crash that has just happened.
    fn last_failure(&self) -> Reason {
        match (self.traps.last(), self.crashes.last()) {
            (Some(trap), None) => Reason::Trapped(trap.clone()),
            (_, Some(crash)) => Reason::Crashed(crash.clone()),
            (None, None) => Reason::Trapped(String::new()),
        }
    }
}
