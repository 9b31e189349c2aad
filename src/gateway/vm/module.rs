//! Everything that lives in one VM: plugins (root contexts) and which request belongs to which.

use std::cell::RefCell;

use litemap::LiteMap;

use crate::evidence::Evidence;
use crate::reply::{RejectReason, Rejection};

use super::plugin::{self, Plugin};
use crate::gateway::abi;

use super::{facts, gate};

thread_local! {
    static MODULE: RefCell<Module> = RefCell::default();
}

/// The contexts of this VM.
#[derive(Default)]
pub(super) struct Module {
    plugins: LiteMap<u32, Plugin>,
    requests: LiteMap<u32, u32>,
}

/// Hands the module to `act`. `otherwise` answers where it is in use, as it is if a host calls back into the VM
/// from within a host call.
pub(super) fn with_module<T>(otherwise: impl FnOnce() -> T, act: impl FnOnce(&mut Module) -> T) -> T {
    MODULE.with(|module| match module.try_borrow_mut() {
        Ok(mut module) => act(&mut module),
        Err(_) => otherwise(),
    })
}

impl Module {
    pub(super) fn create(&mut self, context: u32, parent: u32) {
        // Some gateways use a number again, and may not have said that its last bearer is gone.
        self.delete(context);
        if parent == 0 {
            self.plugins.insert(context, Plugin::new(context));
        } else {
            self.requests.insert(context, parent);
        }
    }

    pub(super) fn configure(&mut self, context: u32, size: usize) -> bool {
        self.plugins.get_mut(&context).is_some_and(|plugin| plugin.configure(size))
    }

    pub(super) fn tick(&mut self, context: u32) {
        if let Some(plugin) = self.plugins.get_mut(&context) {
            plugin.tick();
        }
    }

    pub(super) fn request_headers(&mut self, context: u32, announced: usize) -> i32 {
        match self.plugin_of(context) {
            Some(plugin) => plugin.request_headers(context, announced),
            None => {
                gate::send(Rejection::new(RejectReason::NotConfigured, Evidence::default(), facts::interaction_ids()));
                abi::PAUSE
            }
        }
    }

    pub(super) fn response_headers(&mut self, context: u32, announced: usize) -> i32 {
        match self.plugin_of(context) {
            Some(plugin) => plugin.response_headers(context, announced),
            None => plugin::response_without_decision(RejectReason::NotConfigured, announced),
        }
    }

    pub(super) fn call_response(&mut self, context: u32, token: u32, body_size: usize) {
        match self.plugins.get_mut(&context) {
            Some(plugin) => plugin.call_response(token, body_size),
            None => gate::refuse_unknown_after_callout(body_size),
        }
    }

    pub(super) fn delete(&mut self, context: u32) {
        if let Some(plugin) = self.plugin_of(context) {
            plugin.request_end(context);
        }
        self.requests.remove(&context);
        self.plugins.remove(&context);
    }

    fn plugin_of(&mut self, request: u32) -> Option<&mut Plugin> {
        self.plugins.get_mut(self.requests.get(&request)?)
    }
}
