//! A seeded simulation: the rules of several sessions that share a runtime, against a model of the disk, the runtime, Mission Control, two
//! clocks, and other terminals whose commands are killed half-way. Sessions are on or off here; `export`, of whose end no event tells, has
//! its rows among the tables. Whatever happened, once it is quiet, what is said is so.
//!
//! A seed that fails prints itself; `COPILOT_REMOTE_SIMULATION_SEED=N cargo test --lib simulation` replays it, and
//! `COPILOT_REMOTE_SIMULATION_SEEDS=1000000 cargo test --release --lib simulation` goes through a million.

use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use super::{Effect, Input, Look, Now, Outcome, State, Switch, update};
use crate::model::{Link, Remote};
use crate::sdk::{Sign, Trouble};

const STEP: u64 = 500;
/// For so long things go wrong …
const WILD: u64 = 90_000;
/// … and for so long it is quiet, until everything has to be as it is said to be.
const QUIET: u64 = 150_000;
/// An `off` is so, where the runtime answers, after this time.
const OFF_WITHIN: u64 = 12_000;
/// In an outage, nothing is said to be connected after this time: where the runtime tries to upload again after 30 s only, that fails late.
const NOT_CONNECTED_AFTER: u64 = 65_000;

/// What the runtime is asked for, until it answers.
#[derive(Debug, Clone, Copy)]
struct Call {
    to: Remote,
    /// Who hears the answer: the host, another terminal, or (killed, or given up) nobody.
    answers: Caller,
    due: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    Host(Switch),
    Other,
    Nobody,
}

/// What the runtime tells the host.
#[derive(Debug, Clone, Copy)]
enum Told {
    Steerable(bool),
    Link,
}

/// One session: its files, what the runtime does with it, and its host.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Session {
    word: Option<Remote>,
    state: State,
    enabled: Remote,
    /// Mission Control does not know it any more: its events are refused until it is shared anew.
    unknown: bool,
    refusal_logged: bool,
    calls: Vec<Call>,
    /// Events on their way to the host.
    told: Vec<(u64, Told)>,
    /// Another terminal holds the turn until then.
    turn_until: u64,
    relaunch_at: Option<u64>,
    ended: bool,
    published: bool,
    /// The hooks that ran: lost, restored, …
    hooks: Vec<bool>,
    word_off_since: Option<u64>,
    enabled_at: u64,
    failing_since: Option<u64>,
}

struct World {
    rng: Rng,
    at: u64,
    slept: u64,
    hung_until: u64,
    alive: bool,
    /// Uploads and enabling fail until then.
    outage_until: u64,
    policy_refuses_until: u64,
    cli_away_until: u64,
    /// Nothing can be written until then.
    full_until: u64,
    next_upload: u64,
    sessions: Vec<Session>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let sessions = (0..rng.usize(1..=3)).map(|_| Session::new(if rng.bool() { Remote::On } else { Remote::Off })).collect();
        Self {
            rng,
            at: 1000,
            slept: 0,
            hung_until: 0,
            alive: true,
            outage_until: 0,
            policy_refuses_until: 0,
            cli_away_until: 0,
            full_until: 0,
            next_upload: 0,
            sessions,
        }
    }

    fn now(&self) -> Now {
        let wall = Timestamp::UNIX_EPOCH + Duration::from_millis(self.at + self.slept);
        Now { at: Duration::from_millis(self.at), wall }
    }

    fn run(mut self) -> Result<(), String> {
        let quiet_from = WILD;
        while self.at < WILD + QUIET {
            if self.at < quiet_from && self.rng.u8(..) < 40 {
                self.misfortune();
            }
            if self.at >= quiet_from {
                (self.hung_until, self.outage_until, self.policy_refuses_until) = (0, 0, 0);
                (self.cli_away_until, self.full_until) = (0, 0);
            }
            for index in 0..self.sessions.len() {
                self.step(index)?;
            }
            self.at += STEP;
        }
        self.sessions.iter().try_for_each(Session::is_as_said)
    }

    /// Something goes wrong, or somebody wants something.
    fn misfortune(&mut self) {
        let index = self.rng.usize(..self.sessions.len());
        let long = self.at + self.rng.u64(1..60_000);
        match self.rng.u8(..15) {
            0..=3 => self.other_terminal(index),
            4 => self.hung_until = self.at + self.rng.u64(1..30_000),
            5 => self.outage_until = long,
            6 => self.policy_refuses_until = self.at + self.rng.u64(1..10_000),
            7 => self.die(),
            8 => {
                let session = &mut self.sessions[index];
                session.unknown = session.enabled != Remote::Off && session.state.actual() != Remote::Off;
            }
            9 => self.sessions[index].word = None,
            10 => self.sessions[index].published = false,
            11 => self.slept += self.rng.u64(10_000..3_600_000),
            // While a runtime is started again, no keys are read.
            12 if self.sessions[index].relaunch_at.is_none() => {
                let wish = self.wish();
                self.decide(index, Input::Wished(wish));
            }
            13 => self.full_until = self.at + self.rng.u64(1..20_000),
            _ => self.hand_over(index),
        }
    }

    fn wish(&mut self) -> Remote {
        if self.rng.bool() { Remote::Off } else { Remote::On }
    }

    /// `on` or `off` from another terminal, which may be killed at each step.
    fn other_terminal(&mut self, index: usize) {
        let (to, steps, takes) = (self.wish(), self.rng.u8(..4), self.rng.u64(1..5000));
        let at = self.at;
        let session = &mut self.sessions[index];
        if session.ended || at < self.full_until {
            return;
        }
        session.word = Some(to);
        // Killed after the word, while it had the turn, after it asked, or not at all.
        if steps > 0 {
            session.turn_until = at + if steps == 1 { 1 } else { takes };
        }
        if steps > 1 {
            let answers = if steps == 2 { Caller::Nobody } else { Caller::Other };
            session.calls.push(Call { to, answers, due: at + takes });
        }
    }

    /// The runtime dies, and takes all that is in it along.
    fn die(&mut self) {
        self.hung_until = 0;
        self.cli_away_until = self.at + self.rng.u64(..20_000);
        for index in 0..self.sessions.len() {
            let session = &mut self.sessions[index];
            (session.enabled, session.unknown, session.refusal_logged) = (Remote::Off, false, false);
            session.calls.clear();
            session.told.clear();
            if session.relaunch_at.is_none() {
                self.decide(index, Input::Disconnected);
            }
        }
        self.alive = true;
    }

    /// The next host goes on with what is written of the state.
    fn hand_over(&mut self, index: usize) {
        let session = &mut self.sessions[index];
        if session.relaunch_at.is_some() || !session.state.may_switch() {
            return;
        }
        let written = serde_json::to_string(&session.state.clone().handed_over()).unwrap();
        session.state = serde_json::from_str(&written).unwrap();
    }

    fn step(&mut self, index: usize) -> Result<(), String> {
        if self.sessions[index].ended {
            return Ok(());
        }
        if let Some(at) = self.sessions[index].relaunch_at {
            // Nothing is shared meanwhile.
            (self.sessions[index].word_off_since, self.sessions[index].failing_since) = (None, None);
            if self.at >= at {
                self.sessions[index].relaunch_at = None;
                let input = if self.at < self.cli_away_until {
                    Input::RelaunchFailed { may_pass: true }
                } else {
                    Input::Relaunched { has_log: true }
                };
                self.decide(index, input);
            }
            return Ok(());
        }
        if self.at >= self.hung_until {
            self.answer_calls(index);
        }
        self.tell_events(index, self.at);
        if self.at.is_multiple_of(1000) {
            self.look(index);
        }
        self.check(index)
    }

    /// The host gets the events that are due, in their order.
    fn tell_events(&mut self, index: usize, until: u64) {
        let told = std::mem::take(&mut self.sessions[index].told);
        for (due, what) in told {
            match what {
                _ if due > until => self.sessions[index].told.push((due, what)),
                Told::Steerable(steerable) => self.decide(index, Input::Steerable(steerable)),
                Told::Link => {
                    let desired = self.sessions[index].word;
                    self.decide(index, Input::LinkTold { desired });
                }
            }
        }
    }

    fn answer_calls(&mut self, index: usize) {
        let at = self.at;
        let (due, left) = std::mem::take(&mut self.sessions[index].calls).into_iter().partition(|call| call.due <= at);
        self.sessions[index].calls = left;
        let due: Vec<Call> = due;
        // An answer comes behind the events before it, and may be read behind some that came later.
        let late = self.rng.bool();
        let mut answers = Vec::new();
        for call in due {
            let outcome = self.obey(index, call.to);
            if let Caller::Host(_) = call.answers {
                self.tell_events(index, u64::MAX);
            }
            if late {
                answers.push((call, outcome));
            } else {
                self.answer(index, call, outcome);
            }
        }
        if late {
            self.tell_events(index, u64::MAX);
        }
        for (call, outcome) in answers {
            self.answer(index, call, outcome);
        }
    }

    /// Whoever asked hears what came of it.
    fn answer(&mut self, index: usize, call: Call, outcome: Outcome) {
        let at = self.at;
        match (call.answers, outcome) {
            (Caller::Host(Switch::Anew), outcome) => {
                let outcome = match outcome {
                    Outcome::Passing { .. } => Outcome::Passing { off: true },
                    Outcome::Refused { .. } => Outcome::Refused { off: true },
                    done => done,
                };
                self.decide(index, Input::Switched(outcome));
            }
            (Caller::Host(_), outcome) => self.decide(index, Input::Switched(outcome)),
            // A refused command takes its word back.
            (Caller::Other, Outcome::Refused { .. } | Outcome::Passing { .. }) => {
                let session = &mut self.sessions[index];
                if session.word == Some(call.to) && call.to != Remote::Off {
                    session.word = Some(session.state.remote());
                }
            }
            // Before it lets go, it looks at the word again.
            (Caller::Other, _) => {
                let session = &mut self.sessions[index];
                if let Some(word) = session.word.filter(|word| *word != call.to) {
                    session.turn_until = at + 1000;
                    session.calls.push(Call { to: word, due: at + 500, ..call });
                }
            }
            (Caller::Nobody, _) => {}
        }
    }

    /// What the runtime does when it is asked.
    fn obey(&mut self, index: usize, to: Remote) -> Outcome {
        let last = self.sessions[index].told.last().map_or(0, |(due, _)| *due);
        let due = last.max(self.at + self.rng.u64(..1500));
        if to != Remote::Off && self.at < self.outage_until {
            return Outcome::Passing { off: false };
        }
        if to != Remote::Off && self.at < self.policy_refuses_until {
            return Outcome::Refused { off: false };
        }
        let session = &mut self.sessions[index];
        if to == Remote::Off {
            (session.unknown, session.refusal_logged) = (false, false);
        }
        let before = session.enabled;
        if before != to {
            (session.enabled, session.enabled_at) = (to, self.at);
            if before == Remote::On || to == Remote::On {
                session.told.push((due, Told::Steerable(to == Remote::On)));
            }
            if to != Remote::Off {
                session.told.push((due, Told::Link));
            }
        }
        Outcome::Done(to)
    }

    fn look(&mut self, index: usize) {
        let uploads = self.at >= self.next_upload && self.at >= self.hung_until;
        let outage = self.at < self.outage_until;
        let mut signs = Vec::new();
        let session = &mut self.sessions[index];
        if uploads && session.enabled != Remote::Off {
            let sign = |trouble| Sign { trouble, why: "HTTP 500".to_owned(), control_id: None, events: None };
            // The rare refusal of a session that its host takes for off at that moment is left out.
            let heard = session.state.actual() != Remote::Off;
            if session.unknown && heard && !std::mem::replace(&mut session.refusal_logged, true) {
                signs.push(Sign { trouble: Trouble::Refused, control_id: None, ..sign(Trouble::Refused) });
            } else if outage {
                signs.extend([sign(Trouble::UploadFailed), sign(Trouble::UploadsStopped)]);
            }
        }
        let failing = session.enabled != Remote::Off && outage && self.at >= self.hung_until;
        session.failing_since = failing.then(|| session.failing_since.unwrap_or(self.at));
        if uploads && index + 1 == self.sessions.len() {
            // The circuit: after a failure nothing is tried for 30 s.
            self.next_upload = self.at + if outage { 30_000 } else { 2000 };
        }
        let session = &self.sessions[index];
        let look = Look {
            desired: session.word,
            turn_is_free: self.at >= session.turn_until,
            until: None,
            has_log: true,
            signs: &signs,
            is_published: session.published,
            jitter: Duration::from_millis(self.rng.u64(..1000)),
        };
        self.decide(index, Input::Looked(look));
        if self.at >= self.hung_until {
            self.decide(index, Input::Answered);
        }
    }

    fn decide(&mut self, index: usize, input: Input<'_>) {
        let now = self.now();
        if self.sessions[index].ended {
            return;
        }
        let effects = update(&mut self.sessions[index].state, input, now);
        for effect in effects {
            self.carry_out(index, &effect);
        }
    }

    fn carry_out(&mut self, index: usize, effect: &Effect) {
        let (at, takes) = (self.at, self.rng.u64(1..3000));
        let session = &mut self.sessions[index];
        match effect {
            Effect::WriteDesired(remote) => {
                // A disk that is full takes nothing.
                if at >= self.full_until {
                    self.sessions[index].word = Some(*remote);
                    self.decide(index, Input::Written);
                }
            }
            Effect::TakeBack { from, to } => {
                if session.word == Some(*from) && at >= self.full_until {
                    session.word = Some(*to);
                }
            }
            Effect::Switch(switch) => {
                let to = if *switch == Switch::Off { Remote::Off } else { session.word.unwrap_or(Remote::Off) };
                if *switch == Switch::Anew {
                    session.calls.push(Call { to: Remote::Off, answers: Caller::Nobody, due: at });
                }
                session.calls.push(Call { to, answers: Caller::Host(*switch), due: at + takes });
            }
            Effect::DropSwitch => {
                // What was asked for is done all the same; nobody hears of it.
                for call in session.calls.iter_mut().filter(|call| matches!(call.answers, Caller::Host(_))) {
                    call.answers = Caller::Nobody;
                }
            }
            Effect::Publish => session.published = true,
            Effect::LinkLost(_) => session.hooks.push(false),
            Effect::LinkRestored(_) => session.hooks.push(true),
            Effect::Relaunch(pause) => session.relaunch_at = Some(at + u64::try_from(pause.as_millis()).unwrap() + 1000),
            Effect::GiveUp(_) => session.ended = true,
            Effect::ReplaceRuntime => self.die(),
            Effect::WriteLimit(_) | Effect::Nudge | Effect::AskName | Effect::Ping | Effect::Tell(_) => {}
        }
    }

    /// What has to hold at any moment.
    fn check(&mut self, index: usize) -> Result<(), String> {
        let at = self.at;
        let session = &mut self.sessions[index];
        let off = session.word == Some(Remote::Off);
        session.word_off_since = off.then(|| session.word_off_since.unwrap_or(at));
        // Counted from when the runtime answers again; what was asked for before may come on late.
        let since = session.word_off_since.map(|since| since.max(self.hung_until).max(session.enabled_at));
        if session.enabled != Remote::Off && since.is_some_and(|since| at > since + OFF_WITHIN) {
            return Err(format!("off was asked for at {since:?}, and it is {:?} at {at}: {:?}", session.enabled, session.state));
        }
        let failing = session.failing_since.is_some_and(|since| at > since + NOT_CONNECTED_AFTER);
        if failing && session.state.remote() != Remote::Off && session.state.link() == Link::Connected {
            return Err(format!("connected in an outage since {:?} at {at}: {:?}", session.failing_since, session.state));
        }
        let mut expected = false;
        for restored in &session.hooks {
            if *restored != expected {
                return Err(format!("the hooks of the link do not alternate: {:?}", session.hooks));
            }
            expected = !expected;
        }
        Ok(())
    }
}

impl Session {
    fn new(remote: Remote) -> Self {
        Self {
            word: Some(remote),
            state: State::new(
                remote,
                None,
                true,
                Now { at: Duration::from_secs(1), wall: Timestamp::UNIX_EPOCH + Duration::from_secs(1) },
            ),
            enabled: remote,
            unknown: false,
            refusal_logged: false,
            calls: Vec::new(),
            told: Vec::new(),
            turn_until: 0,
            relaunch_at: None,
            ended: false,
            published: true,
            hooks: Vec::new(),
            word_off_since: None,
            enabled_at: 0,
            failing_since: None,
        }
    }

    /// What has to hold once it is quiet.
    fn is_as_said(&self) -> Result<(), String> {
        if self.ended {
            return Ok(());
        }
        let said = (self.state.remote(), self.state.link());
        let fault = match self.word {
            None => "there is no word",
            Some(word) if word != self.enabled => "what is wanted is not so",
            Some(word) if word != said.0 => "what is said is not so",
            Some(word) if word != Remote::Off && said.1 != Link::Connected => "it is shared and not said to be connected",
            _ if self.unknown => "Mission Control does not know the session",
            _ if !self.published => "others do not see it",
            _ if self.enabled != Remote::Off && self.hooks.last() == Some(&false) => "the last hook says that the link is lost",
            _ => return Ok(()),
        };
        Err(format!(
            "{fault}: word {:?}, enabled {:?}, said {said:?}, hooks {:?}, {:?}",
            self.word, self.enabled, self.hooks, self.state
        ))
    }
}

#[test]
fn what_is_said_is_so_once_it_is_quiet() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seeds = match number("COPILOT_REMOTE_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("COPILOT_REMOTE_SIMULATION_SEEDS").unwrap_or(10_000),
    };
    let failed: Vec<String> =
        seeds.filter_map(|seed| World::new(seed).run().err().map(|fault| format!("seed {seed}: {fault}"))).take(3).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
