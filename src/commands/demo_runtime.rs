//! The stand-in runtime as a process, behind `--demo`.

use crate::error::Exit;

pub(crate) async fn run() -> anyhow::Result<Exit> {
    std::future::pending::<()>().await;
    Ok(Exit::Done)
}
