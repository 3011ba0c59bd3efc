//! What has to happen in one piece, as scripts that Redis runs.
//!
//! Each touches keys of one issuer only, that is of one slot. None reads the
//! server's clock. They are sent by their hash first (`EVALSHA`), in full when
//! the server does not know them (again).

use std::borrow::Cow;
use std::sync::LazyLock;

use redis::{Cmd, RedisError, Script};

/// A script and the hash that Redis knows it by.
pub(super) struct Lua {
    code: &'static str,
    hash: String,
}

impl Lua {
    pub(super) fn new(code: &'static str) -> Self {
        Self { code, hash: Script::new(code).get_hash().to_owned() }
    }
}

/// What is known of tokens and of revocations, for the scripts that begin with this. See `tokens`.
macro_rules! with_tokens {
    ($($code:tt)*) => {
        concat!(
            r"
local unreadable_revocation = redis.error_reply('UNREADABLE a revocation in no known form')
local function revocation(key)
  local text = redis.call('GET', key)
  if not text then
    return 0
  end
  local count, till = string.match(text, '^1 (%d+) (%S+)')
  if not tonumber(till) then
    return nil
  end
  return tonumber(count), till
end
local function token_state(mark_key, issued_at, count, till)
  if till and tonumber(issued_at) <= tonumber(till) then
    return 2
  end
  local mark = redis.call('GET', mark_key)
  if not mark then
    return 0
  end
  local kind, at = string.match(mark, '^([us])(%d+)$')
  if (tonumber(at) or 0) < count then
    return 2
  end
  return kind == 's' and 0 or 1
end
local function mark_token(mark_key, kind, count, life, ...)
  redis.call('SET', mark_key, string.format('%s%.0f', kind, count), 'PX', life, ...)
end
local function revoke_tokens(key, now, life)
  local count, till = revocation(key)
  if not count then
    -- Nobody can read it any more. Every mark is older than this count.
    count = 1e15
  end
  if not till or tonumber(till) < tonumber(now) then
    till = now
  end
  redis.call('SET', key, string.format('1 %.0f ', count + 1) .. till, 'PX', life)
end
",
            $($code)*
        )
    };
}
#[cfg(feature = "sealed")]
pub(super) use with_tokens;

/// Claims a token: 0 if it was new, 1 if it was used before, 2 if it is revoked.
///
/// `KEYS`: the token's mark, what was revoked of its issuer's. `ARGV`: the mark's life in ms; when the
/// token was issued.
pub(super) static CLAIM: LazyLock<Lua> = LazyLock::new(|| {
    Lua::new(with_tokens!(
        r"
local count, till = revocation(KEYS[2])
if not count then
  return unreadable_revocation
end
local state = token_state(KEYS[1], ARGV[2], count, till)
if state == 0 then
  mark_token(KEYS[1], 'u', count, ARGV[1])
end
return state
"
    ))
});

/// Says what a token is, as [`CLAIM`] does, and marks one that is new as seen if it is given a life.
///
/// `KEYS`: as there. `ARGV`: the mark's life in ms, or nothing; when the token was issued.
pub(super) static STATE: LazyLock<Lua> = LazyLock::new(|| {
    Lua::new(with_tokens!(
        r"
local count, till = revocation(KEYS[2])
if not count then
  return unreadable_revocation
end
local state = token_state(KEYS[1], ARGV[2], count, till)
if state == 0 and ARGV[1] ~= '' then
  mark_token(KEYS[1], 's', count, ARGV[1], 'NX')
end
return state
"
    ))
});

/// Ends all sessions of an issuer, and its tokens. In this order: a script that has removed something
/// may write even if Redis is out of memory.
///
/// `KEYS`: the issuer's sessions, what was revoked of its tokens. `ARGV`: now; for how long
/// the latter matters, in ms.
pub(super) static REVOKE_ALL: LazyLock<Lua> = LazyLock::new(|| {
    Lua::new(with_tokens!(
        r"
redis.call('UNLINK', KEYS[1])
revoke_tokens(KEYS[2], ARGV[1], ARGV[2])
return 1
"
    ))
});

/// Claims a token and makes a session of it: 0 if it did, else what [`CLAIM`] says of the token.
///
/// `KEYS`: the token's mark, the issuer's sessions, what was revoked of its tokens. `ARGV`: the mark's
/// life in ms, or nothing if the token was claimed already; handle, end, last use and
/// JSON of the session; its life in ms; how many sessions the issuer may have, 0
/// for any number; now; the handle of the session to replace, or nothing; when the token was issued.
///
/// A key that is not a hash holds no session that could ever be read: it makes room.
///
/// The field `#` counts the sessions ever made and says at how many fields those
/// that have ended are looked for: at twice of what was left the last time, so
/// that the work stays in proportion to the sessions made.
pub(super) static MINT: LazyLock<Lua> = LazyLock::new(|| {
    Lua::new(with_tokens!(
        r"
local revoked, till = revocation(KEYS[3])
if not revoked then
  return unreadable_revocation
end
local state = token_state(KEYS[1], ARGV[10], revoked, till)
if state == 2 or (state == 1 and ARGV[1] ~= '') then
  return state
end
local kind = redis.pcall('HLEN', KEYS[2])
if type(kind) == 'table' then
  if not string.find(kind.err, 'WRONGTYPE', 1, true) then
    return redis.call('HLEN', KEYS[2])
  end
  redis.call('DEL', KEYS[2])
end
if ARGV[1] ~= '' then
  mark_token(KEYS[1], 'u', revoked, ARGV[1])
end
local count, look_at = 0, 32
local meta = redis.call('HGET', KEYS[2], '#')
if meta then
  local c, l = string.match(meta, '^(%d+) (%d+)$')
  count, look_at = tonumber(c) or count, tonumber(l) or look_at
end
if ARGV[9] ~= '' then
  redis.call('HDEL', KEYS[2], ARGV[9])
end
local max, fields = tonumber(ARGV[7]), redis.call('HLEN', KEYS[2])
if fields >= look_at or (max > 0 and fields >= max) then
  local now, alive, all = tonumber(ARGV[8]), {}, redis.call('HGETALL', KEYS[2])
  for i = 1, #all, 2 do
    if all[i] ~= '#' then
      local number, ends = string.match(all[i + 1], '^%d+ (%d+) (%S+)')
      if ends and (tonumber(ends) or now + 1) <= now then
        redis.call('HDEL', KEYS[2], all[i])
      else
        table.insert(alive, {tonumber(number) or 0, all[i]})
      end
    end
  end
  local left = #alive
  if max > 0 and left >= max then
    table.sort(alive, function(a, b) return a[1] < b[1] end)
    for i = 1, left + 1 - max do
      redis.call('HDEL', KEYS[2], alive[i][2])
    end
    left = max - 1
  end
  look_at = math.max(32, 2 * left)
end
count = count + 1
redis.call('HSET', KEYS[2], '#', string.format('%.0f %.0f', count, look_at), ARGV[2],
  string.format('1 %.0f ', count) .. ARGV[3] .. ' ' .. ARGV[4] .. ' ' .. ARGV[5])
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[6]) then
  redis.call('PEXPIRE', KEYS[2], ARGV[6])
end
return 0
"
    ))
});

/// Moves a session's last use forward, if the session is still there.
///
/// `KEYS`: the issuer's sessions. `ARGV`: handle, last use.
pub(super) static TOUCH: LazyLock<Lua> = LazyLock::new(|| {
    Lua::new(
        r"
local text = redis.call('HGET', KEYS[1], ARGV[1])
if not text then
  return 0
end
local head, seen, json = string.match(text, '^(1 %d+ %S+) (%S+) (.*)$')
if not head then
  return redis.error_reply('UNREADABLE a session in no known form')
end
if tonumber(ARGV[2]) > (tonumber(seen) or 0) then
  redis.call('HSET', KEYS[1], ARGV[1], head .. ' ' .. ARGV[2] .. ' ' .. json)
end
return 1
",
    )
});

/// Ends a session; with the last of an issuer the key goes. So does a key that is not a hash,
/// which holds no session that could ever be read.
///
/// `KEYS`: the issuer's sessions. `ARGV`: handle.
pub(super) static REVOKE: LazyLock<Lua> = LazyLock::new(|| {
    Lua::new(
        r"
local found = redis.pcall('HDEL', KEYS[1], ARGV[1])
if type(found) == 'table' then
  if not string.find(found.err, 'WRONGTYPE', 1, true) then
    return redis.call('HDEL', KEYS[1], ARGV[1])
  end
  redis.call('DEL', KEYS[1])
  return 0
end
if redis.call('HLEN', KEYS[1]) == 1 and redis.call('HEXISTS', KEYS[1], '#') == 1 then
  redis.call('DEL', KEYS[1])
end
return found
",
    )
});

/// Notes when a token was issued, unless a newer one of its issuer is noted.
///
/// `KEYS`: when the newest was issued. `ARGV`: when this one was; what to note, which
/// is no later; the note's life in ms.
pub(super) static ADVANCE: LazyLock<Lua> = LazyLock::new(|| {
    Lua::new(
        r"
local text = redis.call('GET', KEYS[1])
local newest = text and tonumber(text)
if text and not newest then
  return redis.error_reply('UNREADABLE a time in no known form')
end
if newest and tonumber(ARGV[1]) < newest then
  return 0
end
if not newest or newest < tonumber(ARGV[2]) then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
",
    )
});

/// Something to ask of Redis.
pub(super) struct Request {
    what: What,
    /// Whether doing it twice is the same as doing it once, so that it may be sent
    /// again when the connection was lost and nobody knows whether it was done.
    pub(super) repeatable: bool,
}

enum What {
    Command(Cmd),
    Script { script: &'static Lua, keys: Vec<String>, args: Vec<String> },
}

impl Request {
    /// A plain command that may be repeated.
    pub(super) const fn repeatable(command: Cmd) -> Self {
        Self { what: What::Command(command), repeatable: true }
    }

    /// A script, to be sent once.
    pub(super) const fn script(script: &'static Lua, keys: Vec<String>, args: Vec<String>) -> Self {
        Self { what: What::Script { script, keys, args }, repeatable: false }
    }

    /// The same, but it may be repeated.
    pub(super) const fn and_repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// The command that an error is about: of a script the one on the line that the server names.
    pub(super) fn refused_command(&self, error: &RedisError) -> Cow<'_, str> {
        match &self.what {
            What::Command(command) => match command.args_iter().next() {
                Some(redis::Arg::Simple(name)) => String::from_utf8_lossy(name),
                _ => "a command".into(),
            },
            What::Script { script, .. } => {
                let line = error.detail().and_then(line_of_script);
                let called = line.and_then(|number| called_on(script.code, number));
                called.map_or("EVALSHA".into(), |name| format!("{name} in a script").into())
            }
        }
    }

    /// What to send first.
    pub(super) fn command(&self) -> Cmd {
        match &self.what {
            What::Command(command) => command.clone(),
            What::Script { script, keys, args } => call("EVALSHA", &script.hash, keys, args),
        }
    }

    /// What to send when the server does not know the script.
    pub(super) fn in_full(&self) -> Cmd {
        match &self.what {
            What::Command(command) => command.clone(),
            What::Script { script, keys, args } => call("EVAL", script.code, keys, args),
        }
    }
}

/// The number of the line in `… on @user_script:<line>.`
fn line_of_script(detail: &str) -> Option<usize> {
    let (_, rest) = detail.split_once("@user_script:")?;
    let rest = rest.trim_start();
    let end = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

/// The command that a line of a script calls.
fn called_on(code: &str, number: usize) -> Option<&str> {
    let line = code.lines().nth(number.checked_sub(1)?)?;
    let (_, call) = line.split_once("call('")?;
    call.split('\'').next()
}

fn call(verb: &str, script: &str, keys: &[String], args: &[String]) -> Cmd {
    let mut command = redis::cmd(verb);
    command.arg(script).arg(keys.len()).arg(keys).arg(args);
    command
}
