//! What a person sees and types while a session or a task is followed.

pub(crate) mod cloud;
pub(crate) mod dialogue;
pub(crate) mod journal;
pub(crate) mod keys;
pub(crate) mod link;
pub(crate) mod notices;
pub(crate) mod question;
