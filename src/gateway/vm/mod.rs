//! What runs in one VM of a gateway: the functions that the host calls ([`exports`]), the plugins of the VM ([`module`]), each
//! from its configuration on ([`plugin`]), at work ([`running`]), how verdicts are carried out ([`gate`]), and how callouts are
//! made, by whom they belong to ([`plugin_callouts`], [`request_callouts`]).

mod callouts;
mod clock;
mod direction;
mod driver;
mod events;
mod exports;
mod facts;
mod gate;
mod logger;
mod metrics;
mod module;
mod plugin;
mod plugin_callouts;
mod request_callouts;
mod running;
mod shared_data;
