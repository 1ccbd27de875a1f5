//! What the tests stand on.

pub mod github;
pub mod pty;
pub mod rpc;
pub mod sandbox;
pub mod stand_in;
