//! A verb, drawn by chance, what it says it did, and what may stand afterwards.

use std::time::Duration;

use arrowredis::catalog::{NewLife, copy, info, remove, touch};
use arrowredis::error::{DataError, Error};
use arrowredis::progress::Unwatched;
use arrowredis::publish::{PublishError, PublishOptions, Replace};
use arrowredis::read::{ReadOptions, read_table, read_to_file};
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::RedisStore;
use arrowredis::verify::{verify_dataset, verify_dataset_with_file, verify_files};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;

use crate::world::{Contents, Stands, dataset, told};

/// How long what is mortal lives: longer than any test.
pub(crate) const LIFE: Duration = Duration::from_secs(3_600);

/// How a dataset is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    IfThereIsNone,
    Replace,
    KeepOld,
    Mortal,
    DropFirst,
}

/// A verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Split(Way, usize),
    Read,
    ReadToFile,
    Verify,
    VerifyWithFile,
    Info,
    Touch(Option<Duration>),
    Remove,
    Copy,
}

/// What a verb said it did.
pub(crate) struct Said {
    /// Why it failed, unless that was the right answer.
    pub(crate) failure: Option<Error>,
    /// What cannot be true.
    pub(crate) wrong: Option<String>,
}

impl Verb {
    /// Each of them. Those that write, write this content.
    pub(crate) fn all(content: usize) -> Vec<Self> {
        let ways = [Way::IfThereIsNone, Way::Replace, Way::KeepOld, Way::Mortal, Way::DropFirst];
        let splits = ways.into_iter().map(|way| Self::Split(way, content));
        let others = [
            Self::Read,
            Self::ReadToFile,
            Self::Verify,
            Self::VerifyWithFile,
            Self::Info,
            Self::Touch(Some(LIFE)),
            Self::Touch(None),
            Self::Remove,
            Self::Copy,
        ];
        splits.chain(others).collect()
    }

    /// One by chance: as often one that writes as one that reads.
    pub(crate) fn draw(draw: &mut Xoshiro256PlusPlus, contents: &Contents) -> Self {
        let content = usize::try_from(draw.next_u64() % contents.all.len() as u64).unwrap_or(0);
        match draw.next_u64() % 18 {
            0 => Self::Split(Way::IfThereIsNone, content),
            1..=4 => Self::Split(Way::Replace, content),
            5 | 6 => Self::Split(Way::KeepOld, content),
            7 | 8 => Self::Split(Way::Mortal, content),
            9 => Self::Split(Way::DropFirst, content),
            10 | 11 => Self::Read,
            12 => Self::ReadToFile,
            13 => Self::Verify,
            14 => Self::VerifyWithFile,
            15 => match draw.next_u64() % 3 {
                0 => Self::Info,
                1 => Self::Touch(Some(LIFE)),
                _ => Self::Touch(None),
            },
            16 => Self::Remove,
            _ => Self::Copy,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Split(Way::IfThereIsNone, _) => "split",
            Self::Split(Way::Replace, _) => "split --replace",
            Self::Split(Way::KeepOld, _) => "split --replace --keep-old",
            Self::Split(Way::Mortal, _) => "split --replace --ttl",
            Self::Split(Way::DropFirst, _) => "split --replace --drop-first",
            Self::Read => "read",
            Self::ReadToFile => "read --out",
            Self::Verify => "verify",
            Self::VerifyWithFile => "verify with a file",
            Self::Info => "info",
            Self::Touch(_) => "touch",
            Self::Remove => "rm",
            Self::Copy => "cp",
        }
    }

    /// The name that it writes, if it is not the one it is about.
    pub(crate) fn target(self, name: &str) -> String {
        if self == Self::Copy { format!("{name}-copy") } else { name.to_owned() }
    }

    /// What stands under its target after it succeeded, if it changes that, and for how long.
    pub(crate) fn effect(self, before: Stands) -> Option<(Stands, Option<Duration>)> {
        match self {
            Self::Split(Way::IfThereIsNone, _) if before.is_some() => None,
            Self::Split(Way::Mortal, content) => Some((Some(content), Some(LIFE))),
            Self::Split(_, content) => Some((Some(content), None)),
            Self::Touch(life) => before.map(|content| (Some(content), life)),
            Self::Remove => Some((None, None)),
            _ => None,
        }
    }

    /// Whether this may stand after it failed.
    pub(crate) fn may_leave(self, before: Stands, failure: &Error, after: Stands) -> bool {
        let drops = matches!(self, Self::Split(Way::DropFirst, _) | Self::Remove);
        let unknown = matches!(failure, Error::Unknown { .. });
        let done = self.effect(before).is_some_and(|(stands, _)| stands == after);
        after == before || (drops && after.is_none()) || (unknown && done)
    }

    /// Does it, and looks at what it says.
    pub(crate) async fn run(
        self,
        store: &RedisStore,
        name: &str,
        contents: &Contents,
        before: Stands,
    ) -> Said {
        let target = self.target(name);
        match self.does(store, name, &target, contents, before).await {
            Ok(None) => Said { failure: None, wrong: None },
            Ok(Some(wrong)) => Said { failure: None, wrong: Some(wrong) },
            Err(error) if self.is_right(before, &error) => Said { failure: None, wrong: None },
            Err(failure) => {
                // Nothing is damaged, whatever happens on the way.
                let damaged = matches!(
                    failure,
                    Error::Data(_) | Error::Publish(PublishError::LostAfterAll(_))
                );
                let wrong = damaged.then(|| format!("said {}", told(&failure)));
                Said { failure: Some(failure), wrong }
            }
        }
    }

    /// Whether an error is the right answer to what was asked.
    fn is_right(self, before: Stands, error: &Error) -> bool {
        let absent = matches!(
            error,
            Error::Data(DataError::NoDataset { .. } | DataError::NoManifest { .. })
        );
        match self {
            Self::Split(..) => {
                before.is_some() && matches!(error, Error::Publish(PublishError::Exists { .. }))
            }
            _ => before.is_none() && absent,
        }
    }

    /// Does it. What it says that cannot be true comes back as text.
    async fn does(
        self,
        store: &RedisStore,
        name: &str,
        target: &str,
        contents: &Contents,
        before: Stands,
    ) -> Result<Option<String>, Error> {
        let (id, stood) = (dataset(name), before.map(|content| &contents.all[content]));
        let expect = |right: bool, what: &str| Ok((!right).then(|| what.to_owned()));
        match self {
            Self::Split(way, content) => {
                let refuses = way == Way::IfThereIsNone;
                let report =
                    split(store, &contents.all[content].file, &id, &options(way), &Unwatched)
                        .await?;
                expect(!refuses || before.is_none(), "wrote over what stood there")?;
                expect(report.replaced == before.is_some(), "replaced what it did not")
            }
            Self::Read => {
                let (table, _) =
                    read_table(store, &id, &ReadOptions::default(), &Unwatched).await?;
                expect(contents.which(&table).ok() == before, "rows of something else")
            }
            Self::ReadToFile => {
                let out = contents.folder.path().join(format!("{name}.out"));
                let read = ReadOptions::default();
                read_to_file(store, &id, &out, None, &read, &Unwatched).await?;
                let Some(stood) = stood else { return expect(false, "a file of nothing") };
                let same = verify_files(&stood.file, &out, &Unwatched).await?;
                expect(same.equal, "a file of something else")
            }
            Self::Verify => {
                let report = verify_dataset(store, &id, &Unwatched).await?;
                expect(report.whole && stood.is_some(), "what is whole is not")
            }
            Self::VerifyWithFile => {
                let file = &stood.unwrap_or(&contents.all[0]).file;
                let report = verify_dataset_with_file(store, &id, file, None, &Unwatched).await?;
                expect(report.equal && stood.is_some(), "what is equal is not")
            }
            Self::Info => {
                let chunks = info(store, &id).await?.chunks;
                let right = stood.is_some_and(|stood| stood.chunks.len() as u64 == chunks);
                expect(right, "other chunks")
            }
            Self::Touch(life) => {
                let life = life.map_or(NewLife::Forever, NewLife::For);
                let absent = touch(store, &id, life).await?.absent;
                expect(stood.is_some() && absent == 0, "chunks that are there are not")
            }
            // Where nothing stands there may still be leftovers.
            Self::Remove => remove(store, &id).await.map(|_| None),
            Self::Copy => {
                let options = PublishOptions::default();
                copy(store, &id, store, &dataset(target), &options, &Unwatched).await?;
                expect(stood.is_some(), "a copy of nothing")
            }
        }
    }
}

fn options(way: Way) -> SplitOptions {
    let publish = PublishOptions {
        replace: match way {
            Way::IfThereIsNone => Replace::Refuse,
            Way::DropFirst => Replace::DropFirst,
            Way::Replace | Way::KeepOld | Way::Mortal => Replace::WhenStored,
        },
        time_to_live: (way == Way::Mortal).then_some(LIFE),
        keep_replaced: if way == Way::KeepOld { LIFE } else { Duration::ZERO },
    };
    SplitOptions { publish, ..SplitOptions::default() }
}
