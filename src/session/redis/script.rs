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
    code: Cow<'static, str>,
    hash: String,
}

impl Lua {
    pub(super) fn new(code: impl Into<Cow<'static, str>>) -> Self {
        let code = code.into();
        Self { hash: Script::new(&code).get_hash().to_owned(), code }
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
pub(super) use with_tokens;

/// Claims a token: 0 if it was new, 1 if it was used before, 2 if it is revoked.
///
/// `KEYS`: the token's mark, what was revoked of its issuer's. `ARGV`: the mark's life in ms; when
/// the token was issued.
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

/// Says what a token is, as [`CLAIM`] does, and marks one that is new as seen if it is given a
/// life.
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

/// Ends all sessions of an issuer, and its tokens. In this order: a script that has removed
/// something may write even if Redis is out of memory.
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

/// Ends the tokens of an issuer, as `REVOKE_ALL` does, on one key.
///
/// `KEYS`: what was revoked of the issuer's tokens. `ARGV`: as of `REVOKE_ALL`.
pub(super) static REVOKE_TOKENS: LazyLock<Lua> = LazyLock::new(|| {
    Lua::new(with_tokens!(
        r"
revoke_tokens(KEYS[1], ARGV[1], ARGV[2])
return 1
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

/// Replaces a session's JSON, if the data in it is what the caller has read: 1 if it did, 0 if there is
/// no such session, or the session as it is.
///
/// `KEYS`: the issuer's sessions. `ARGV`: handle; the data that was read, empty for none; the new JSON.
pub(super) static UPDATE_DATA: LazyLock<Lua> = LazyLock::new(|| {
    Lua::new(
        r"
local text = redis.call('HGET', KEYS[1], ARGV[1])
if not text then
  return 0
end
local head, json = string.match(text, '^(1 %d+ %S+ %S+) (.*)$')
local readable, session = pcall(cjson.decode, json or '')
if not head or not readable or type(session) ~= 'table' then
  return redis.error_reply('UNREADABLE a session in no known form')
end
local data = session.data
if type(data) ~= 'string' then
  data = ''
end
if data ~= ARGV[2] then
  return text
end
redis.call('HSET', KEYS[1], ARGV[1], head .. ' ' .. ARGV[3])
return 1
",
    )
});

/// Records when a token was issued, unless a newer one of its issuer is recorded.
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
    /// again when the connection was lost and the outcome is unknown.
    pub(super) repeatable: bool,
    /// Whether the caller has another way while a slot moves: a request of several keys that Redis
    /// cannot decide then (TRYAGAIN) fails with `Fault::SlotMoves` instead of waiting for the end.
    pub(super) can_go_in_steps: bool,
    /// Whether it changes nothing, and comes in numbers when copies are lost: no more than
    /// `MAX_LOOKUPS` are sent at a time.
    pub(super) is_lookup: bool,
}

enum What {
    Command(Cmd),
    Script { script: &'static Lua, keys: Vec<String>, args: Vec<String> },
}

impl Request {
    /// A plain command that may be repeated.
    pub(super) const fn repeatable(command: Cmd) -> Self {
        let what = What::Command(command);
        Self { what, repeatable: true, can_go_in_steps: false, is_lookup: false }
    }

    /// A plain command that changes nothing.
    pub(super) const fn lookup(command: Cmd) -> Self {
        let mut request = Self::repeatable(command);
        request.is_lookup = true;
        request
    }

    /// A script, to be sent once.
    pub(super) const fn script(script: &'static Lua, keys: Vec<String>, args: Vec<String>) -> Self {
        Self {
            what: What::Script { script, keys, args },
            repeatable: false,
            can_go_in_steps: false,
            is_lookup: false,
        }
    }

    /// The same, but it may be repeated.
    pub(super) const fn and_repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// The same, but the caller makes it in steps where a slot is on its way.
    pub(super) const fn in_steps_while_a_slot_moves(mut self) -> Self {
        self.can_go_in_steps = true;
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
                let called = line.and_then(|number| called_on(&script.code, number));
                called.map_or("EVALSHA".into(), |name| format!("{name} in a script").into())
            }
        }
    }

    /// What to send first.
    pub(super) fn command(&self) -> Cow<'_, Cmd> {
        match &self.what {
            What::Command(command) => Cow::Borrowed(command),
            What::Script { script, keys, args } => {
                Cow::Owned(call("EVALSHA", &script.hash, keys, args))
            }
        }
    }

    /// What to send when the server does not know the script.
    pub(super) fn in_full(&self) -> Cow<'_, Cmd> {
        match &self.what {
            What::Command(command) => Cow::Borrowed(command),
            What::Script { script, keys, args } => {
                Cow::Owned(call("EVAL", &script.code, keys, args))
            }
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
