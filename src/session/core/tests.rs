//! The rules in tables, with a clock of the test's own.

use std::time::Duration;

use jiff::Timestamp;

use super::{Effect, Input, Look, Notice, Now, Outcome, Reason, State, Switch, update};
use crate::model::{Activity, KeepAwake, Link, Remote};
use crate::sdk::{Sign, Trouble};

/// One session, its clock, and the word on disk.
struct World {
    state: State,
    at: u64,
    word: Option<Remote>,
    until: Option<Timestamp>,
    turn_is_free: bool,
}

fn world(remote: Remote) -> World {
    let now = Now { at: Duration::from_secs(1), wall: Timestamp::UNIX_EPOCH + Duration::from_secs(1) };
    let state = State::new(remote, None, true, now);
    World { state, at: 1, word: Some(remote), until: None, turn_is_free: true }
}

fn sign(trouble: Trouble) -> Sign {
    Sign { trouble, why: "HTTP 500".to_owned(), control_id: None, events: None }
}

impl World {
    fn now(&self) -> Now {
        Now { at: Duration::from_secs(self.at), wall: Timestamp::UNIX_EPOCH + Duration::from_secs(self.at) }
    }

    /// What is done about an input, but for pings and names, which are asked for all the time.
    fn input(&mut self, input: Input<'_>) -> Vec<Effect> {
        let now = self.now();
        let mut effects = update(&mut self.state, input, now);
        effects.retain(|effect| !matches!(effect, Effect::Ping | Effect::AskName));
        effects
    }

    /// A second passes, in which the log says this.
    fn second(&mut self, signs: &[Sign]) -> Vec<Effect> {
        self.at += 1;
        let (desired, until, turn_is_free) = (self.word, self.until, self.turn_is_free);
        let look = Look { desired, turn_is_free, until, signs, has_log: true, is_published: true, jitter: Duration::ZERO };
        let mut effects = self.input(Input::Looked(look));
        effects.extend(self.input(Input::Answered));
        effects
    }

    /// So many quiet seconds.
    fn seconds(&mut self, count: u64) -> Vec<Effect> {
        (0..count).flat_map(|_| self.second(&[])).collect()
    }

    fn switched(&mut self, outcome: Outcome) -> Vec<Effect> {
        self.input(Input::Switched(outcome))
    }

    fn shows(&self) -> (Remote, Link) {
        (self.state.remote(), self.state.link())
    }
}

#[test]
fn off_is_made_so_whoever_wrote_it() {
    let mut world = world(Remote::On);
    assert_eq!(world.second(&[]), []);
    world.word = Some(Remote::Off);
    assert_eq!(world.second(&[]), [Effect::Switch(Switch::Off)]);
    assert_eq!(world.shows().0, Remote::On, "it is not off before the runtime says so");
    // The runtime hangs: what is under way is waited for, and nothing is asked twice.
    assert_eq!(world.seconds(20), []);
    assert_eq!(world.switched(Outcome::Done(Remote::Off)), []);
    assert_eq!(world.shows().0, Remote::Off);
    assert_eq!(world.seconds(60), []);
}

#[test]
fn whoever_has_the_turn_is_left_alone_for_a_moment() {
    let mut world = world(Remote::On);
    (world.word, world.turn_is_free) = (Some(Remote::Off), false);
    assert_eq!(world.seconds(2), []);
    assert_eq!(world.second(&[]), [Effect::Switch(Switch::Off)], "off waits for nobody who was stopped");
    world.switched(Outcome::Done(Remote::Off));
    world.word = Some(Remote::On);
    assert_eq!(world.seconds(30), [], "on waits for whoever has the turn");
    world.turn_is_free = true;
    assert_eq!(world.second(&[]), [Effect::Tell(Notice::TakingOver(Remote::On)), Effect::Switch(Switch::AsDesired)]);
}

#[test]
fn a_failed_switch_is_tried_again_or_taken_back() {
    for (outcome, tried_again) in
        [(Outcome::Passing { off: false }, true), (Outcome::Unknown, true), (Outcome::Refused { off: false }, false)]
    {
        let mut world = world(Remote::Off);
        world.word = Some(Remote::On);
        assert!(world.seconds(4).contains(&Effect::Switch(Switch::AsDesired)));
        let effects = world.switched(outcome);
        assert_eq!(effects.contains(&Effect::TakeBack { from: Remote::On, to: Remote::Off }), !tried_again, "{outcome:?}");
        if !tried_again {
            world.word = Some(Remote::Off);
        }
        assert_eq!(world.seconds(5).contains(&Effect::Switch(Switch::AsDesired)), tried_again, "{outcome:?}");
    }
    // Off is never given up.
    let mut world = world(Remote::On);
    world.word = Some(Remote::Off);
    world.second(&[]);
    assert_eq!(world.switched(Outcome::Refused { off: false }), []);
    assert_eq!(world.seconds(5), [Effect::Switch(Switch::Off)]);
}

/// What is wished counts also where it cannot be written down: what stands on the disk is of before.
#[test]
fn a_wish_that_cannot_be_written_counts() {
    let mut world = world(Remote::On);
    assert_eq!(world.input(Input::Wished(Remote::Off)), [Effect::WriteDesired(Remote::Off), Effect::Switch(Switch::Off)]);
    world.switched(Outcome::Done(Remote::Off));
    for _ in 0..10 {
        assert_eq!(world.second(&[]), [Effect::WriteDesired(Remote::Off)], "it is not taken for a wish to share");
    }
    world.word = Some(Remote::Off);
    world.input(Input::Written);
    assert_eq!(world.seconds(10), []);
    world.word = Some(Remote::On);
    assert!(world.seconds(5).contains(&Effect::Switch(Switch::AsDesired)));
}

/// The answer to the host's call is read after an event that came later.
#[test]
fn what_came_on_behind_an_off_is_switched_off() {
    let mut world = world(Remote::On);
    world.word = Some(Remote::Off);
    world.second(&[]);
    world.input(Input::Steerable(true));
    world.switched(Outcome::Done(Remote::Off));
    assert_eq!(world.shows().0, Remote::On);
    assert_eq!(world.second(&[]), [Effect::Switch(Switch::Off)]);
}

/// A log that is removed under a runtime tells of no trouble any more.
#[test]
fn without_its_log_a_link_is_not_said_to_be_well() {
    let mut world = world(Remote::On);
    let look = |has_log| Look {
        desired: Some(Remote::On),
        turn_is_free: true,
        until: None,
        has_log,
        signs: &[],
        is_published: true,
        jitter: Duration::ZERO,
    };
    for (has_log, link) in [(true, Link::Connected), (false, Link::Unverified), (true, Link::Connected)] {
        world.input(Input::Looked(look(has_log)));
        assert_eq!(world.shows().1, link);
    }
}

#[test]
fn only_a_link_tells_of_a_session_that_is_shown() {
    for (word, shown) in [(Remote::Export, Remote::Export), (Remote::On, Remote::Off), (Remote::Off, Remote::Export)] {
        let mut world = world(Remote::Off);
        world.word = Some(word);
        world.input(Input::LinkTold { desired: Some(word) });
        assert_eq!(world.shows().0, shown, "{word:?}");
        let off = world.second(&[]).contains(&Effect::Switch(Switch::Off));
        assert_eq!(off, word == Remote::Off, "what nobody wants any more is switched off: {word:?}");
    }
}

#[test]
fn a_missing_word_is_no_wish() {
    let mut world = world(Remote::On);
    world.until = Some(Timestamp::UNIX_EPOCH + Duration::from_secs(100));
    world.second(&[]);
    let until = world.until.take();
    world.word = None;
    assert_eq!(world.second(&[]), [Effect::WriteDesired(Remote::On), Effect::WriteLimit(until)]);
    assert_eq!(world.shows().0, Remote::On);
}

#[test]
fn remote_ends_when_its_time_is_up() {
    let mut world = world(Remote::On);
    world.until = Some(Timestamp::UNIX_EPOCH + Duration::from_secs(10));
    assert_eq!(world.seconds(8), []);
    assert_eq!(world.state.until(), world.until);
    let expected = [Effect::WriteDesired(Remote::Off), Effect::Tell(Notice::LimitOver), Effect::Switch(Switch::Off)];
    assert_eq!(world.second(&[]), expected);
    world.word = Some(Remote::Off);
    assert_eq!(world.switched(Outcome::Done(Remote::Off)), [Effect::WriteLimit(None)], "the next one meets no old limit");
}

/// Uploads fail for 240 s; the runtime tries after 30 s each: never connected from the loss on, one loss, one restoration.
#[test]
fn silence_proves_no_health() {
    let mut world = world(Remote::On);
    let mut told = Vec::new();
    for second in 0..240 {
        let signs = if second % 31 == 0 { vec![sign(Trouble::UploadFailed), sign(Trouble::UploadsStopped)] } else { Vec::new() };
        told.extend(world.second(&signs));
        assert_eq!(world.shows(), (Remote::On, Link::Lost), "after {second} s");
    }
    assert!(told.contains(&Effect::Nudge), "without something new the runtime tries nothing");
    told.extend(world.seconds(45));
    told.retain(|effect| *effect != Effect::Nudge);
    let lost = Effect::LinkLost("it did not take events, and the Copilot CLI gave up".to_owned());
    assert_eq!(told, [lost, Effect::LinkRestored(Link::Connected)]);
}

#[test]
fn a_refused_session_is_shared_anew_and_is_not_off_meanwhile() {
    let mut world = world(Remote::On);
    let effects = world.second(&[sign(Trouble::Refused)]);
    let lost = Effect::LinkLost("it refused the session's events: HTTP 500".to_owned());
    assert_eq!(effects, [lost, Effect::Switch(Switch::Anew)]);
    // GitHub goes away in the middle: it is off by now, and still what it is to be.
    world.switched(Outcome::Passing { off: true });
    assert_eq!(world.shows(), (Remote::On, Link::Lost));
    assert!(world.seconds(4).contains(&Effect::Switch(Switch::AsDesired)));
    assert_eq!(world.switched(Outcome::Done(Remote::On)), [Effect::LinkRestored(Link::Connected)]);
    assert_eq!(world.shows(), (Remote::On, Link::Connected));
}

#[test]
fn a_hiccup_is_no_loss() {
    for trouble in [Trouble::UploadFailed, Trouble::PollFailed] {
        let mut world = world(Remote::On);
        assert_eq!(world.second(&[sign(trouble), sign(trouble), sign(trouble)]), []);
        assert_eq!(world.shows().1, Link::Connected);
        assert_eq!(world.seconds(60), []);
    }
}

#[test]
fn a_runtime_that_does_not_answer_is_not_said_to_be_well() {
    let mut world = world(Remote::On);
    let silent = |world: &mut World, seconds: u64| -> Vec<Effect> {
        let look = |world: &World| Look {
            desired: world.word,
            turn_is_free: true,
            until: None,
            signs: &[],
            has_log: true,
            is_published: true,
            jitter: Duration::ZERO,
        };
        (0..seconds)
            .flat_map(|_| {
                world.at += 1;
                let look = look(world);
                world.input(Input::Looked(look))
            })
            .collect()
    };
    silent(&mut world, 24);
    assert_eq!(world.shows().1, Link::Connected);
    silent(&mut world, 2);
    assert_eq!(world.shows().1, Link::Unverified);
    assert_eq!(silent(&mut world, 50), [Effect::Tell(Notice::Hangs), Effect::ReplaceRuntime]);
    world.input(Input::Answered);
    assert_eq!(world.shows().1, Link::Connected);
}

#[test]
fn a_runtime_is_started_again_within_a_budget() {
    let mut world = world(Remote::On);
    for number in 0..3 {
        let effects = world.input(Input::Disconnected);
        assert_eq!(effects.last(), Some(&Effect::Relaunch(Duration::ZERO)), "{number}");
        assert_eq!(world.shows(), (Remote::On, Link::Lost), "it is to be shared again");
        world.input(Input::Relaunched { has_log: true });
        assert!(world.second(&[]).contains(&Effect::Switch(Switch::AsDesired)), "at once");
        world.switched(Outcome::Done(Remote::On));
    }
    assert_eq!(world.input(Input::Disconnected), [Effect::GiveUp(Reason::TooOften)]);
    world.at += 300;
    assert!(world.input(Input::Disconnected).contains(&Effect::Relaunch(Duration::ZERO)), "that is long ago");
}

#[test]
fn a_cause_that_may_pass_is_waited_for() {
    let mut world = world(Remote::Off);
    world.input(Input::Disconnected);
    let mut waited = 0;
    let mut told = 0;
    loop {
        let effects = world.input(Input::RelaunchFailed { may_pass: true });
        told += effects.iter().filter(|effect| **effect == Effect::Tell(Notice::RelaunchAgain)).count();
        match effects.last() {
            Some(Effect::Relaunch(pause)) => {
                assert!(*pause >= Duration::from_secs(1) && *pause <= Duration::from_secs(15), "{pause:?}");
                world.at += pause.as_secs() + 1;
                waited += pause.as_secs() + 1;
            }
            last => {
                assert_eq!(last, Some(&Effect::GiveUp(Reason::RelaunchFailed)));
                break;
            }
        }
    }
    assert_eq!(told, 1);
    assert!((120..150).contains(&waited), "{waited} s");
    assert_eq!(world.input(Input::RelaunchFailed { may_pass: false }), [Effect::GiveUp(Reason::RelaunchFailed)]);
}

#[test]
fn a_machine_that_slept_is_looked_at() {
    let mut world = world(Remote::On);
    world.second(&[]);
    let look = Look {
        desired: world.word,
        turn_is_free: true,
        until: None,
        signs: &[],
        has_log: true,
        is_published: true,
        jitter: Duration::ZERO,
    };
    let now = Now { at: Duration::from_secs(3), wall: Timestamp::UNIX_EPOCH + Duration::from_secs(603) };
    let effects = update(&mut world.state, Input::Looked(look), now);
    assert_eq!(effects[0], Effect::Tell(Notice::Slept(Duration::from_mins(10))));
    assert!(effects.contains(&Effect::Nudge) && effects.contains(&Effect::Ping), "{effects:?}");
}

#[test]
fn what_is_not_on_disk_is_written_again() {
    let mut world = world(Remote::Off);
    let look = Look {
        desired: world.word,
        turn_is_free: true,
        until: None,
        signs: &[],
        has_log: true,
        is_published: false,
        jitter: Duration::ZERO,
    };
    assert_eq!(world.input(Input::Looked(look)), [Effect::Publish]);
}

#[test]
fn the_machine_is_kept_awake_as_wished() {
    for (wish, activity, remote, awake) in [
        (KeepAwake::Never, Activity::Working, Remote::On, false),
        (KeepAwake::Busy, Activity::Working, Remote::Off, true),
        (KeepAwake::Busy, Activity::Input(1), Remote::On, false),
        (KeepAwake::Remote, Activity::Idle, Remote::Export, true),
        (KeepAwake::Remote, Activity::Working, Remote::Off, false),
    ] {
        assert_eq!(world(remote).state.keeps_awake(wish, activity), awake, "{wish:?} {activity:?} {remote:?}");
    }
}

/// What one host knows the next one knows, too.
#[test]
fn a_hand_over_forgets_nothing() {
    let mut world = world(Remote::On);
    world.input(Input::Disconnected);
    world.second(&[]);
    let written = serde_json::to_value(world.state.clone().handed_over()).unwrap();
    let next: State = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(&next).unwrap(), written);
    assert_eq!(next.relaunches.len(), 1);
    assert_eq!((next.remote(), next.link()), world.shows());
}
