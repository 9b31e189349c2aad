//! What a gateway can do for the filter, found out once and held as a value: the rest of the filter degrades by it and never
//! asks which gateway it is.

use std::rc::Rc;

use crate::shared_data::{NoSharedData, SharedData};

/// What a gateway can do.
#[derive(Debug, Clone)]
pub struct Capabilities {
    /// What its workers share.
    pub data: Rc<dyn SharedData>,
    /// Whether time is told to the filter regularly.
    pub has_timer: bool,
    /// Whether a response can be held until a callout has ended.
    pub holds_responses: bool,
}

impl Capabilities {
    /// Of a gateway that can do nothing beyond the necessary.
    #[must_use]
    pub fn none() -> Self {
        Self { data: Rc::new(NoSharedData), has_timer: false, holds_responses: false }
    }

    /// The data for those that wait for what another worker does: without a timer they would never notice its end, and
    /// get none.
    #[must_use]
    pub fn data_for_waiting(&self) -> Rc<dyn SharedData> {
        if self.has_timer { Rc::clone(&self.data) } else { Rc::new(NoSharedData) }
    }
}
