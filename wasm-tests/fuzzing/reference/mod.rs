//! What the filter's reading is compared with.

pub(crate) mod aws_lc;
pub(crate) mod claims;
pub(crate) mod json;
