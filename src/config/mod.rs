//! The plugin configuration.
