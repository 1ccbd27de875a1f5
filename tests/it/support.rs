//! What the tests stand on.

pub mod github;
pub mod picture;
pub mod pty;
pub mod rpc;
pub mod sandbox;
pub mod schema;
pub mod stand_in;
pub mod together;
