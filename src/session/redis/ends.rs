//! An issuer's ended sealed sessions, as Redis keeps them.
//!
//! A hash: its field `#` says `1 <birth>`, all sessions born until then have ended;
//! every other field is the handle of one that was ended by itself, and says
//! `1 <birth> <forget>`, forget being when its end no longer matters. The 1 is
//! the version of this form; anything after another space is ignored.
//!
//! Births are 20 digits. Lua's numbers are floats, which births exceed; texts of
//! one length are in the order of their numbers.

use std::sync::LazyLock;

use redis::Value;

use super::fault::Fault;
use super::script::{Lua, with_tokens};
use crate::did::Issuer;
use crate::session::copies::Copied;
use crate::session::{Birth, SealedSession, SessionHandle};

const VERSION: &str = "1";

/// The field of the sessions that ended together.
const ALL: &[u8] = b"#";

/// Digits of a birth.
const DIGITS: usize = 20;

/// The ended sessions of an issuer.
#[derive(Debug)]
pub(super) struct Ends {
    issuer: Issuer,
    /// All sessions born until then.
    until: Option<Birth>,
    /// Single ones, in order. Redis keeps few.
    sessions: Box<[SessionHandle]>,
}

impl Ends {
    /// Reads the fields of an issuer's hash.
    pub(super) fn read(issuer: Issuer, fields: &[(Value, Value)]) -> Result<Self, Fault> {
        let (mut until, mut sessions) = (None, Vec::with_capacity(fields.len()));
        for (name, text) in fields {
            let (Value::BulkString(name), Value::BulkString(text)) = (name, text) else {
                return Err(Fault::unexpected());
            };
            if name == ALL {
                until = Some(read_birth(text).ok_or_else(unreadable)?);
            } else if let Some(handle) =
                std::str::from_utf8(name).ok().and_then(|name| name.parse().ok())
            {
                // It has ended, whatever else a later version says about it.
                sessions.push(handle);
            }
        }
        sessions.sort_unstable_by_key(|handle: &SessionHandle| *handle.as_bytes());
        Ok(Self { issuer, until, sessions: sessions.into() })
    }

    /// Whether this session of the issuer's is among them.
    pub(super) fn include(&self, session: &SealedSession) -> bool {
        let handle = session.handle.as_bytes();
        self.until >= Some(session.birth)
            || self.sessions.binary_search_by(|ended| ended.as_bytes().cmp(handle)).is_ok()
    }
}

impl Copied for Ends {
    type Name = Issuer;

    fn name(&self) -> Issuer {
        self.issuer
    }

    fn issuer(&self) -> Issuer {
        self.issuer
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.sessions)
    }
}

/// A birth as the scripts compare them.
pub(super) fn digits(birth: Birth) -> String {
    format!("{:0DIGITS$}", birth.as_u64())
}

/// Reads what [`digits`] wrote.
pub(super) fn read_digits(digits: &[u8]) -> Option<Birth> {
    let plain = digits.len() == DIGITS && digits.iter().all(u8::is_ascii_digit);
    let number = plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()?;
    Some(Birth::from_u64(number))
}

fn read_birth(text: &[u8]) -> Option<Birth> {
    let mut parts = text.split(|byte| *byte == b' ');
    let version = parts.next()?;
    (version == VERSION.as_bytes()).then_some(())?;
    read_digits(parts.next()?)
}

fn unreadable() -> Fault {
    Fault::corrupt("what was ended has a format in Redis that this version cannot read")
}

/// A script that begins with how births are read, in the form of this version.
///
/// What cannot be read is taken for the worst: the sessions that it may be about have ended.
/// Signing in then draws a line above every birth so far, so that nobody is locked out.
macro_rules! lua {
    ($code:literal) => {
        Lua::new(with_tokens!(
            r"
local function typed(...)
  local value = redis.pcall(...)
  if type(value) == 'table' and value.err then
    if string.find(value.err, 'WRONGTYPE', 1, true) then
      return nil, true
    end
    return redis.call(...)
  end
  return value
end
local function read(text)
  local birth, rest = string.match(text .. ' ', '^1 (%d+) (.*)$')
  if birth and #birth == 20 then
    return birth, rest
  end
end
",
            $code
        ))
    };
}

/// Notes the version of a sealed session's data that follows on another: 1, or 0 if that one was followed
/// before. What cannot be read counts as a version that nothing follows.
///
/// `KEYS`: the session's version. `ARGV`: the version to be followed; the session's life in ms.
pub(super) static SUPERSEDE: LazyLock<Lua> = LazyLock::new(|| {
    Lua::new(
        r"
local newest = tonumber(redis.call('GET', KEYS[1]) or '0')
if not newest or newest > tonumber(ARGV[1]) then
  return 0
end
redis.call('SET', KEYS[1], string.format('%.0f', tonumber(ARGV[1]) + 1), 'PX', ARGV[2])
return 1
",
    )
});

/// Claims a token and returns a birth that lies after all ends, or what the token is if it is not
/// new: see `script::CLAIM`.
///
/// `KEYS`: the token's mark, the issuer's latest birth, its ends, what was revoked of its tokens.
/// `ARGV`: the mark's life in ms, the birth that the clock suggests, the life of the latest
/// birth in ms, when the token was issued, the latest birth that a clock may have suggested.
///
/// Where the line below which all have ended cannot be read, a new one is drawn at the latest
/// birth; where that cannot be read either, at what a clock may have suggested.
pub(super) static CLAIM: LazyLock<Lua> = LazyLock::new(|| {
    lua!(
        r"
local all, spoilt = typed('HGET', KEYS[3], '#')
local latest, lost = typed('GET', KEYS[2])
local ended = all and read(all)
spoilt = spoilt or (all and not ended)
if latest then
  latest = read(latest)
  lost = not latest
end
local revoked, till = revocation(KEYS[4])
if not revoked then
  return unreadable_revocation
end
local state = token_state(KEYS[1], ARGV[4], revoked, till)
if state ~= 0 then
  return state
end
mark_token(KEYS[1], 'u', revoked, ARGV[1])
local birth = ARGV[2]
if lost then
  latest = ARGV[5]
end
if spoilt then
  ended = birth
  if latest and latest > ended then
    ended = latest
  end
  redis.call('DEL', KEYS[3])
  redis.call('HSET', KEYS[3], '#', '1 ' .. ended)
  redis.call('PEXPIRE', KEYS[3], ARGV[3])
end
if ended and birth <= ended then
  local high, low = tonumber(string.sub(ended, 1, 10)), tonumber(string.sub(ended, 11)) + 1
  if low == 1e10 then
    high, low = high + 1, 0
  end
  birth = string.format('%010.0f%010.0f', high, low)
end
if not latest or latest < birth then
  latest = birth
end
redis.call('SET', KEYS[2], '1 ' .. latest, 'PX', ARGV[3])
return birth
"
    )
});

/// Ends a session: 1 if it had not ended.
///
/// `KEYS`: the issuer's ends. `ARGV`: handle, birth and when to forget it; its life
/// in ms; now; how many are remembered one by one; the latest birth that a clock may have
/// suggested, and the life of a line drawn there. Of more than are remembered, the
/// oldest raise the line below which all have ended.
pub(super) static END: LazyLock<Lua> = LazyLock::new(|| {
    lua!(
        r"
local now, alive, forgotten, line = tonumber(ARGV[5]), {{ARGV[2], ARGV[1]}}, {}, ''
local all, spoilt = typed('HGETALL', KEYS[1])
if spoilt then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], '#', '1 ' .. ARGV[7])
  redis.call('PEXPIRE', KEYS[1], ARGV[8])
  return 1
end
for i = 1, #all, 2 do
  local birth, rest = read(all[i + 1])
  if all[i] == '#' then
    line = birth or ''
  elseif all[i] == ARGV[1] then
    return 0
  elseif birth then
    local forget = tonumber(string.match(rest, '^(%S+)'))
    if forget and forget <= now then
      table.insert(forgotten, all[i])
    else
      table.insert(alive, {birth, all[i]})
    end
  end
end
if ARGV[2] <= line then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], '1 ' .. ARGV[2] .. ' ' .. ARGV[3])
local excess = #alive - tonumber(ARGV[6])
if excess > 0 then
  table.sort(alive, function(a, b) return a[1] < b[1] end)
  local raised = alive[excess][1]
  if raised > line and not (redis.call('HEXISTS', KEYS[1], '#') == 1 and line == '') then
    redis.call('HSET', KEYS[1], '#', '1 ' .. raised)
  end
  for i = 1, excess do
    table.insert(forgotten, alive[i][2])
  end
end
for i = 1, #forgotten do
  redis.call('HDEL', KEYS[1], forgotten[i])
end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return 1
"
    )
});

/// Ends all sessions of an issuer that were born so far, and its tokens.
///
/// `KEYS`: the issuer's latest birth, its ends, what was revoked of its tokens. `ARGV`: the latest
/// birth that a clock may have suggested; for how long this matters, in ms; now; for how long the
/// tokens matter, in ms.
pub(super) static END_ALL: LazyLock<Lua> = LazyLock::new(|| {
    lua!(
        r"
local line, latest = ARGV[1], typed('GET', KEYS[1])
latest = latest and read(latest)
if latest and latest > line then
  line = latest
end
local all, spoilt = typed('HGETALL', KEYS[2])
if spoilt then
  redis.call('DEL', KEYS[2])
  all = {}
end
for i = 1, #all, 2 do
  local birth = read(all[i + 1])
  if birth and birth > line then
    line = birth
  end
end
revoke_tokens(KEYS[3], ARGV[3], ARGV[4])
redis.call('HSET', KEYS[2], '#', '1 ' .. line)
for i = 1, #all, 2 do
  if all[i] ~= '#' then
    redis.call('HDEL', KEYS[2], all[i])
  end
end
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
return 1
"
    )
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::did::Timestamp;

    fn issuer() -> Issuer {
        crate::did::Address::from_bytes([3; 20]).into()
    }

    fn field(name: &str, text: &str) -> (Value, Value) {
        let value = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        (value(name), value(text))
    }

    fn session(birth: u64, byte: u8) -> SealedSession {
        let handle = SessionHandle::from_bytes([byte; 32]);
        let birth = Birth::from_u64(birth);
        SealedSession { issuer: issuer(), handle, birth, expires_at: Timestamp::MAX }
    }

    #[test]
    fn births_read_back_and_their_texts_are_in_order() {
        let births = [0, 1, 1_800_000_000_000_000, 1 << 53, (1 << 62) + 1, u64::MAX];
        let texts: Vec<_> = births.map(|birth| digits(Birth::from_u64(birth))).into();
        assert!(texts.is_sorted());
        for (birth, text) in births.iter().zip(&texts) {
            assert_eq!(read_digits(text.as_bytes()), Some(Birth::from_u64(*birth)));
        }
    }

    #[test]
    fn ends_include_what_is_listed_and_what_is_as_old_as_the_line() {
        let handle = SessionHandle::from_bytes([7; 32]).to_string();
        let fields = [
            field("#", "1 00000000000000000100"),
            field(&handle, "1 00000000000000000200 9.5 and more of a later version"),
        ];
        let ends = Ends::read(issuer(), &fields).expect("readable");
        for (birth, byte, ended) in [(100, 1, true), (101, 1, false), (200, 7, true)] {
            assert_eq!(ends.include(&session(birth, byte)), ended, "{birth}");
        }
        assert!(!Ends::read(issuer(), &[]).expect("readable").include(&session(0, 1)));
    }

    #[test]
    fn a_line_that_cannot_be_read_is_corrupt_and_a_session_beside_it_has_ended_all_the_same() {
        let handle = SessionHandle::from_bytes([7; 32]).to_string();
        let fields = [field(&handle, "2 of a later version"), field("no handle", "x")];
        let ends = Ends::read(issuer(), &fields).expect("readable");
        assert!(ends.include(&session(1, 7)) && !ends.include(&session(1, 8)));
        for (name, text) in [
            ("#", ""),
            ("#", "1"),
            ("#", "1 100"),
            ("#", "2 00000000000000000100"),
            ("#", "1 +0000000000000000100"),
            ("#", "1 99999999999999999999"),
        ] {
            let read = Ends::read(issuer(), &[field(name, text)]);
            assert!(matches!(read, Err(Fault::Corrupt(_))), "{name} {text:?}");
        }
    }
}
