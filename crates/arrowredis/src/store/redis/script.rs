//! The scripts that run on a server, as commands.

use std::time::Duration;

use ::redis::{Cmd, RedisWrite, ToRedisArgs, cmd};

use crate::chunk::Payload;
use crate::clock::Timestamp;
use crate::store::{Change, Condition, Guard};

/// Makes changes as one. `KEYS` and `ARGV` are two lists that are walked from their beginnings:
/// conditions, keys that must have lengths, and then changes: a word, how many keys it is about, and
/// what it needs for all of them. All times to live are set by the same command, so that keys with the
/// same time vanish together even when it has come already. New values come first (see [`apply`]),
/// since a full server may refuse them, but only while the script has changed nothing yet. Values that
/// are replaced are freed on another thread.
const APPLY: &str = r"
local key, arg = 0, 0
local function next_key() key = key + 1; return KEYS[key] end
local function next_arg() arg = arg + 1; return ARGV[arg] end
local function expire(name, at)
    if at == '' then redis.call('PERSIST', name)
    else redis.call('PEXPIREAT', name, at) end
end
for _ = 1, tonumber(next_arg()) do
    local condition, name, text = next_arg(), next_key(), next_arg()
    if condition == 'ends' then
        if redis.call('GETRANGE', name, -math.max(#text, 8), -1) ~= text then return 0 end
    elseif condition == 'until' then
        if redis.call('GETRANGE', name, 0, -1) > text then return 0 end
    end
end
for _ = 1, tonumber(next_arg()) do
    if redis.call('STRLEN', next_key()) ~= tonumber(next_arg()) then return 0 end
end
while arg < #ARGV do
    local change, count = next_arg(), tonumber(next_arg())
    if change == 'put' then
        local name, value, at = next_key(), next_arg(), next_arg()
        if at == '' then redis.call('SET', name, value)
        else
            redis.call('SET', name, value, 'PXAT', at)
            redis.call('PEXPIREAT', name, at)
        end
    elseif change == 'rename' then
        for _ = 1, count do
            local from, to = next_key(), next_key()
            if redis.call('EXISTS', from) == 1 then
                redis.call('UNLINK', to)
                redis.call('RENAME', from, to)
            end
        end
    elseif change == 'settle' then
        local at = next_arg()
        for _ = 1, count do
            local from, to = next_key(), next_key()
            if redis.call('EXISTS', from) == 1 then
                redis.call('UNLINK', to)
                redis.call('RENAME', from, to)
                expire(to, at)
            end
        end
    elseif change == 'swap' then
        local at, aside_at = next_arg(), next_arg()
        for _ = 1, count do
            local from, to, aside = next_key(), next_key(), next_key()
            if redis.call('EXISTS', from) == 1 then
                if redis.call('EXISTS', to) == 1 then
                    redis.call('UNLINK', aside)
                    redis.call('RENAME', to, aside)
                    redis.call('PEXPIREAT', aside, aside_at)
                end
                redis.call('RENAME', from, to)
                expire(to, at)
            end
        end
    elseif change == 'remove' then
        for _ = 1, count do redis.call('UNLINK', next_key()) end
    elseif change == 'expire' then
        local at = next_arg()
        for _ = 1, count do expire(next_key(), at) end
    end
end
return 1
";

/// Claims `KEYS[1]` as `ARGV[1]` for `ARGV[3]` ms if it is free, still says `ARGV[4]`, or ends with
/// `ARGV[2]`: it was claimed before by the same owner, whose answer was lost or whose connection is
/// another one now.
const CLAIM: &str = r"
local found = redis.call('GET', KEYS[1])
if found and found ~= ARGV[4] and string.sub(found, -#ARGV[2]) ~= ARGV[2] then return found end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return false
";

/// Gives the claim of `KEYS[1]` back that ends with `ARGV[1]`.
const RELEASE: &str = r"
if redis.call('GETRANGE', KEYS[1], -#ARGV[1], -1) ~= ARGV[1] then return 0 end
return redis.call('UNLINK', KEYS[1])
";

/// The command that makes changes if a guard holds.
pub(super) fn apply(guard: &Guard, changes: &[Change]) -> Cmd {
    // New values first: see [`APPLY`].
    let (puts, others): (Vec<_>, Vec<_>) =
        changes.iter().partition(|change| matches!(change, Change::Put { .. }));
    let groups = || puts.chunks(1).chain(others.chunk_by(|one, two| are_alike(one, two)));

    let keys = changes.iter().map(|change| keys_of(change).count()).sum::<usize>();
    let mut command = cmd("EVAL");
    command.arg(APPLY).arg(guard.conditions.len() + guard.present.len() + keys);
    let guarding = guard.conditions.iter().map(Condition::key);
    let guarding = guarding.chain(guard.present.iter().map(|(key, _)| key.as_str()));
    for key in guarding.chain(groups().flatten().flat_map(|change| keys_of(change))) {
        command.arg(key);
    }

    command.arg(guard.conditions.len());
    for condition in &guard.conditions {
        match condition {
            Condition::EndsWith { tail, .. } => command.arg("ends").arg(tail.as_slice()),
            Condition::NotAfter { text, .. } => command.arg("until").arg(text),
        };
    }
    command.arg(guard.present.len());
    for (_, length) in &guard.present {
        command.arg(length);
    }
    for group in groups() {
        match group[0] {
            Change::Put { value, until: at, .. } => {
                command.arg("put").arg(1).arg(Argument(value)).arg(until(*at))
            }
            Change::Rename { .. } => command.arg("rename").arg(group.len()),
            Change::Settle { until: at, aside: None, .. } => {
                command.arg("settle").arg(group.len()).arg(until(*at))
            }
            Change::Settle { until: at, aside: Some((_, aside)), .. } => {
                command.arg("swap").arg(group.len()).arg(until(*at)).arg(aside.0)
            }
            Change::Remove { .. } => command.arg("remove").arg(group.len()),
            Change::Expire { until: at, .. } => {
                command.arg("expire").arg(group.len()).arg(until(*at))
            }
        };
    }
    command
}

fn until(at: Option<Timestamp>) -> String {
    at.map_or(String::new(), |at| at.0.to_string())
}

fn keys_of(change: &Change) -> impl Iterator<Item = &str> {
    let (second, third) = match change {
        Change::Rename { to, .. } => (Some(to), None),
        Change::Settle { to, aside, .. } => (Some(to), aside.as_ref().map(|(name, _)| name)),
        _ => (None, None),
    };
    [change.key()].into_iter().chain(second.into_iter().chain(third).map(String::as_str))
}

/// Whether two changes differ in their keys only.
fn are_alike(one: &Change, two: &Change) -> bool {
    match (one, two) {
        (Change::Rename { .. }, Change::Rename { .. })
        | (Change::Remove { .. }, Change::Remove { .. }) => true,
        (Change::Expire { until: one, .. }, Change::Expire { until: two, .. }) => one == two,
        (
            Change::Settle { until: one, aside: one_aside, .. },
            Change::Settle { until: two, aside: two_aside, .. },
        ) => {
            let at = |aside: &Option<(String, Timestamp)>| aside.as_ref().map(|(_, at)| *at);
            one == two && at(one_aside) == at(two_aside)
        }
        _ => false,
    }
}

/// The command that claims a key: `claim` ends with `proof`.
pub(super) fn claim(key: &str, claim: &str, proof: &str, life: Duration, instead_of: &str) -> Cmd {
    let mut command = cmd("EVAL");
    command.arg(CLAIM).arg(1).arg(key).arg(claim).arg(proof).arg(millis(life)).arg(instead_of);
    command
}

/// The command that gives a claim back.
pub(super) fn release(key: &str, proof: &str) -> Cmd {
    let mut command = cmd("EVAL");
    command.arg(RELEASE).arg(1).arg(key).arg(proof);
    command
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A payload as one argument, written piece by piece without a copy of the whole in between.
struct Argument<'a>(&'a Payload);

impl ToRedisArgs for Argument<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        use std::io::Write;
        let mut argument = out.writer_for_next_arg();
        for piece in self.0.pieces() {
            // The writer is a vector.
            let _ = argument.write_all(piece);
        }
    }
}
