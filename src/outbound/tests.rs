//! Tests of the outbound machine.
