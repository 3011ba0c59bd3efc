//! An issuer's sessions in their order, as scripts that Redis runs.
//!
//! Next to the hash of an issuer's sessions is an index, a sorted set of their handles by their
//! numbers. Only the hash opens and ends a session; the index says which are the oldest, so that no
//! script has to read all of them.
//!
//! Programs older than the index write only the hash. Wherever the two differ in number, what
//! lacks is read into the index, a bounded number of sessions with each call; an index that has
//! more than the hash is rebuilt. An index that is not complete yet is good enough to end
//! sessions by: one that is beyond the limit within a part of them is so within all. It is not good
//! enough to list them by, so that a list has to wait for the rest.

use std::sync::LazyLock;

use super::script::{Lua, with_tokens};

/// How many sessions one call reads into the index.
pub(super) const INDEXED_PER_CALL: usize = 128;

/// How many of an issuer's oldest sessions a mint looks at for expired ones.
pub(super) const LOOKED_AT_FOR_EXPIRED: usize = 8;

/// Lua that the scripts on lists begin with. `make_room` removes keys of another type than they
/// should be: they hold nothing that could ever be read. `KEYS[s]`, `KEYS[s + 1]` and `KEYS[s + 2]`
/// are the issuer's sessions, their index, and how far reading into the index has come.
const INDEXING: &str = r"
local function is_another_type(answer)
  return type(answer) == 'table' and answer.err and string.find(answer.err, 'WRONGTYPE', 1, true)
end
local function make_room(s)
  if is_another_type(redis.pcall('HLEN', KEYS[s])) then
    redis.call('DEL', KEYS[s])
  end
  if is_another_type(redis.pcall('ZCARD', KEYS[s + 1])) then
    redis.call('DEL', KEYS[s + 1])
  end
  if is_another_type(redis.pcall('GET', KEYS[s + 2])) then
    redis.call('DEL', KEYS[s + 2])
  end
  redis.call('HLEN', KEYS[s])
end
local function unindexed(s)
  local sessions = redis.call('HLEN', KEYS[s]) - redis.call('HEXISTS', KEYS[s], '#')
  return sessions - redis.call('ZCARD', KEYS[s + 1])
end
local function read_into_index(s, count, now)
  local lacking = unindexed(s)
  if lacking == 0 then
    return true
  end
  if lacking < 0 then
    redis.call('UNLINK', KEYS[s + 1], KEYS[s + 2])
  end
  local from = string.match(redis.call('GET', KEYS[s + 2]) or '0', '^%d+$') or '0'
  local step = redis.call('HSCAN', KEYS[s], from, 'COUNT', count)
  local found = step[2]
  for i = 1, #found, 2 do
    if found[i] ~= '#' then
      local number, ends = string.match(found[i + 1], '^%d+ (%d+) (%S+)')
      if ends and (tonumber(ends) or now + 1) <= now then
        redis.call('HDEL', KEYS[s], found[i])
        redis.call('ZREM', KEYS[s + 1], found[i])
      else
        redis.call('ZADD', KEYS[s + 1], number or '0', found[i])
      end
    end
  end
  local life = redis.call('PTTL', KEYS[s])
  if life > 0 then
    redis.call('PEXPIRE', KEYS[s + 1], life)
  end
  local complete = unindexed(s) == 0
  if complete or step[1] == '0' or life <= 0 then
    redis.call('DEL', KEYS[s + 2])
  else
    redis.call('SET', KEYS[s + 2], step[1], 'PX', life)
  end
  return complete
end
";

fn lua(code: &str) -> Lua {
    Lua::new(format!("{INDEXING}{code}"))
}

/// Claims a token and makes a session of it: 0 if it did, else what [`CLAIM`](super::script::CLAIM)
/// says of the token.
///
/// `KEYS`: the token's mark, the issuer's sessions, their index, its progress, what was revoked of
/// its tokens. `ARGV`: the mark's life in ms, or nothing if the token was claimed already; handle,
/// end, last use and JSON of the session; its life in ms; how many sessions the issuer may have, 0
/// for any number; now; the handle of the session to replace, or nothing; when the token was
/// issued; the number that the clock suggests; how many to read into the index, to look at for
/// expired ones, to end at most.
///
/// The field `#` has the number of the latest session. What follows it was of use to programs older
/// than the index, and stays as it is.
pub(super) static MINT: LazyLock<Lua> = LazyLock::new(|| {
    lua(with_tokens!(
        r"
local revoked, till = revocation(KEYS[5])
if not revoked then
  return unreadable_revocation
end
local state = token_state(KEYS[1], ARGV[10], revoked, till)
if state == 2 or (state == 1 and ARGV[1] ~= '') then
  return state
end
make_room(2)
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
  redis.call('ZREM', KEYS[3], ARGV[9])
end
local now, max = tonumber(ARGV[8]), tonumber(ARGV[7])
read_into_index(2, ARGV[12], now)
local function forget(handles)
  if #handles > 0 then
    redis.call('HDEL', KEYS[2], unpack(handles))
    redis.call('ZREM', KEYS[3], unpack(handles))
  end
end
local oldest = redis.call('ZRANGE', KEYS[3], 0, tonumber(ARGV[13]) - 1)
if #oldest > 0 then
  local texts, expired = redis.call('HMGET', KEYS[2], unpack(oldest)), {}
  for i = 1, #oldest do
    local ends = texts[i] and string.match(texts[i], '^%d+ %d+ (%S+)')
    if not texts[i] or (ends and (tonumber(ends) or now + 1) <= now) then
      table.insert(expired, oldest[i])
    end
  end
  forget(expired)
end
if max > 0 then
  local surplus = redis.call('ZCARD', KEYS[3]) + 1 - max
  if surplus > 0 then
    forget(redis.call('ZRANGE', KEYS[3], 0, math.min(surplus, tonumber(ARGV[14])) - 1))
  end
end
count = math.max(count + 1, tonumber(ARGV[11]))
local number = string.format('%.0f', count)
redis.call('HSET', KEYS[2], '#', number .. string.format(' %.0f', look_at), ARGV[2],
  '1 ' .. number .. ' ' .. ARGV[3] .. ' ' .. ARGV[4] .. ' ' .. ARGV[5])
redis.call('ZADD', KEYS[3], number, ARGV[2])
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[6]) then
  redis.call('PEXPIRE', KEYS[2], ARGV[6])
end
redis.call('PEXPIRE', KEYS[3], redis.call('PTTL', KEYS[2]))
return 0
"
    ))
});

/// Ends a session; with the last of an issuer the key goes. So does a key that is not a hash,
/// which holds no session that could ever be read.
///
/// Uses only one key, so that sessions can be ended while a cluster moves their slot: of several
/// keys some may have moved and others not. The index is updated afterwards.
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

/// A page of an issuer's sessions: first whether the index is complete (and nothing else if it is
/// not: ask again), then handle, number and text of each.
///
/// `KEYS`: the issuer's sessions, their index, its progress. `ARGV`: the number behind which the
/// page begins, or `-inf`; how many sessions; now; how many to read into the index.
pub(super) static LIST: LazyLock<Lua> = LazyLock::new(|| {
    lua(r"
make_room(1)
if not read_into_index(1, ARGV[4], tonumber(ARGV[3])) then
  return {'incomplete'}
end
local page = {'complete'}
local handles = redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[1], '+inf', 'LIMIT', 0, ARGV[2])
local numbers = redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
if #handles > 0 then
  local texts = redis.call('HMGET', KEYS[1], unpack(handles))
  for i = 1, #handles do
    if not texts[i] then
      redis.call('UNLINK', KEYS[2], KEYS[3])
      return {'incomplete'}
    end
    table.insert(page, handles[i])
    table.insert(page, numbers[2 * i])
    table.insert(page, texts[i])
  end
end
return page
")
});
