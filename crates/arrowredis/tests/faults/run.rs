//! One verb after the other over a connection with faults, each looked at over one without.

use std::time::Instant;

use arrowredis::store::RedisStore;
use arrowredis_faults::Injected;
use tokio::time::timeout;

use crate::account::Account;
use crate::verb::{Said, Verb};
use crate::world::{Contents, HANGS, Stands, clear, told};

/// A name, and what stands under it.
pub(crate) struct Run<'a> {
    pub(crate) contents: &'a Contents,
    /// A connection without faults.
    pub(crate) direct: &'a RedisStore,
    pub(crate) name: String,
    pub(crate) stands: Stands,
    pub(crate) account: Account,
}

impl Run<'_> {
    /// Does a verb over a connection with faults, and looks at what stands then. Whether that could be
    /// told.
    pub(crate) async fn verb(
        &mut self,
        store: &RedisStore,
        verb: Verb,
        injected: impl Fn() -> Injected,
    ) -> bool {
        match self.say(store, verb, injected).await {
            Some(said) => Box::pin(self.look(verb, said)).await,
            None => false,
        }
    }

    /// Does a verb over a connection with faults. What it says, if it does not hang.
    pub(crate) async fn say(
        &mut self,
        store: &RedisStore,
        verb: Verb,
        injected: impl Fn() -> Injected,
    ) -> Option<Said> {
        let (before, started) = (injected(), Instant::now());
        let ran = verb.run(store, &self.name, self.contents, self.stands);
        let ran = timeout(HANGS, Box::pin(ran)).await;
        let (met, took) = (injected().since(before), started.elapsed());
        let Ok(said) = ran else {
            self.account.verb(verb.name(), met, took, Some("it hangs".to_owned()));
            self.wrong(verb, "it hangs");
            return None;
        };
        let failure = said.failure.as_ref();
        let text = failure.map(|error| format!("{} {}: {}", self.name, verb.name(), told(error)));
        self.account.verb(verb.name(), met, took, text);
        Some(said)
    }

    /// Compares what a verb said with what stands.
    pub(crate) async fn look(&mut self, verb: Verb, said: Said) -> bool {
        if let Some(wrong) = &said.wrong {
            self.wrong(verb, wrong);
        }
        let before = self.stands;
        let after = match self.contents.look(self.direct, &self.name).await {
            Ok(after) => after,
            Err(what) => {
                self.wrong(verb, &what);
                return false;
            }
        };
        match said.failure {
            None => {
                let (expected, life) = match verb.effect(before) {
                    Some((stands, life)) => (stands, Some(life)),
                    None => (before, None),
                };
                if after != expected {
                    self.wrong(verb, &format!("{after:?} stands there, expected {expected:?}"));
                } else if let Some(life) = life {
                    let checked = self.contents.check_keys(self.direct, &self.name, after, life);
                    if let Err(what) = checked.await {
                        self.wrong(verb, &what);
                    }
                }
                if verb == Verb::Copy && before.is_some() {
                    self.look_at_copy(verb, before, |copy| copy == before).await;
                }
            }
            Some(failure) => {
                if !verb.may_leave(before, &failure, after) {
                    let failure = told(&failure);
                    self.wrong(verb, &format!("{after:?} after {before:?}, and {failure}"));
                }
                if verb == Verb::Copy {
                    self.look_at_copy(verb, before, |copy| copy.is_none() || copy == before).await;
                }
            }
        }
        self.stands = after;
        true
    }

    async fn look_at_copy(&mut self, verb: Verb, before: Stands, right: impl Fn(Stands) -> bool) {
        let target = verb.target(&self.name);
        match self.contents.look(self.direct, &target).await {
            Ok(copy) if right(copy) => {}
            Ok(copy) => self.wrong(verb, &format!("a copy {copy:?} of {before:?}")),
            Err(what) => self.wrong(verb, &format!("its copy: {what}")),
        }
        clear(self.direct, &target).await;
    }

    fn wrong(&mut self, verb: Verb, what: &str) {
        self.account.wrong(format!("{} {verb:?}: {what}", self.name));
    }
}
