//! When the machine is kept awake, and what of that is told.

use tokio::task::JoinHandle;

use super::Host;
use crate::context::{Context, Deadline};
use crate::model::KeepAwake;
use crate::os::inhibit_sleep::{self, Awake};
use crate::output::Update;

#[derive(Debug)]
pub(super) struct Sleep {
    wanted: KeepAwake,
    lock: Option<Awake>,
    taking: Option<JoinHandle<Result<Awake, String>>>,
    /// It is not granted here; asking again would not help.
    refused: bool,
    /// That it is kept awake was said.
    told: bool,
}

impl Sleep {
    pub(super) fn new(wanted: KeepAwake) -> Self {
        Self { wanted, lock: None, taking: None, refused: false, told: false }
    }

    pub(super) fn wanted(&self) -> KeepAwake {
        self.wanted
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(taking) = &self.taking {
            taking.abort();
        }
    }
}

impl Host {
    /// Asks for the lock before it is said that the session is ready: where it is not granted, that is told by then.
    pub(crate) async fn stay_awake(&mut self, context: &mut Context<'_>) -> anyhow::Result<()> {
        if self.sleep.wanted == KeepAwake::Never {
            return Ok(());
        }
        let keeping = async { anyhow::Ok(inhibit_sleep::keep().await) };
        match context.within("keeping the machine awake", Deadline::new(inhibit_sleep::DEADLINE * 2), keeping).await? {
            Ok(lock) => self.sleep.lock = Some(lock),
            Err(why) => self.say_refused(context, &why)?,
        }
        self.keep_awake(context).await
    }

    fn say_refused(&mut self, context: &mut Context<'_>, why: &str) -> anyhow::Result<()> {
        self.sleep.refused = true;
        Ok(context.tell(&Update::Caution(format!("this machine cannot be kept awake: {why}")))?)
    }

    /// Takes the lock when it is needed, and lets it go; says what came of it.
    pub(super) async fn keep_awake(&mut self, context: &mut Context<'_>) -> anyhow::Result<()> {
        let needed = self.core.keeps_awake(self.sleep.wanted, self.progress.activity());
        let sleep = &mut self.sleep;
        if let Some(taking) = sleep.taking.take_if(|taking| taking.is_finished()) {
            match taking.await {
                Ok(Ok(lock)) => sleep.lock = Some(lock),
                Ok(Err(why)) => self.say_refused(context, &why)?,
                // It panicked, which the panic's own message tells.
                Err(_) => sleep.refused = true,
            }
        }
        let sleep = &mut self.sleep;
        if !needed || sleep.lock.as_mut().is_some_and(|lock| !lock.is_held()) {
            sleep.lock = None;
        }
        if needed && sleep.lock.is_none() && sleep.taking.is_none() && !sleep.refused {
            sleep.taking = Some(tokio::spawn(inhibit_sleep::keep()));
        }
        let held = match sleep.wanted {
            KeepAwake::Never => None,
            _ => Some(sleep.lock.is_some()),
        };
        if self.entry.kept_awake != held {
            if held == Some(true) && !std::mem::replace(&mut self.sleep.told, true) {
                context.tell(&Update::Awake)?;
            }
            self.entry.kept_awake = held;
            self.publish(context);
        }
        Ok(())
    }
}
