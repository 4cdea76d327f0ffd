//! Redis, version 7 or later: a stream for each channel, delivery by its pub/sub.
//!
//! | key | |
//! |---|---|
//! | `live:{CHANNEL}:at` | hash: epoch, last offset, bytes in the stream; where the epoch forked |
//! | `live:{CHANNEL}:log` | stream: entry `OFFSET-0` with the time and the payload |
//! | `live:{CHANNEL}:id:ID` | offset of the message with this id, for 5 minutes |
//! | `live:claim:KEY` | a claim |
//! | `live:{CHANNEL}` | channel of pub/sub: `m` epoch offset payload, or `s` signal |
//!
//! All of them expire; a channel without messages after 2 minutes. One connection (RESP3) carries commands and pub/sub, so it is away or not.
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, PushInfo,
    PushKind, RedisResult, Script, Value,
};

use super::log::{Entry, Failure, Log, Push, Pushed, Pushes, Tail};
use super::memory::REPEAT;
use super::types::{Epoch, HistoryLimits, Position};

/// KEYS: at, log. ARGV: a new epoch, the known epoch and offset, time to live in ms.
/// Finds the epoch. It is a new one if there was none, or if the log is behind what a node has seen.
const FIND_EPOCH: &str = r"
local epoch, offset = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'offset'))
if not epoch then
  epoch, offset = ARGV[1], 0
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'offset', 0, 'bytes', 0)
elseif epoch == ARGV[2] and tonumber(offset) < tonumber(ARGV[3]) then
  redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'before', epoch, 'fork', offset)
  epoch = ARGV[1]
end
-- Without messages, nothing is lost if it expires. Nodes that follow it come again every 30 s.
redis.call('PEXPIRE', KEYS[1], tonumber(offset) == 0 and 120000 or ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
";

/// KEYS[3]: id. ARGV[5..]: payload, time to live of the id in ms, maximum count, bytes and age in ms,
/// channel of pub/sub.
const APPEND: &str = r"
local first = redis.call('GET', KEYS[3])
if first and tonumber(first) <= tonumber(offset) then
  return {epoch, tonumber(first), 1}
end
offset = redis.call('HINCRBY', KEYS[1], 'offset', 1)
local text = string.format('%.0f', offset)
redis.call('SET', KEYS[3], text, 'PX', ARGV[6])
redis.call('XADD', KEYS[2], text .. '-0', 't', string.format('%.0f', now), 'p', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
local count = redis.call('XLEN', KEYS[2])
local bytes = #ARGV[5]
if count > 1 then
  bytes = bytes + redis.call('HGET', KEYS[1], 'bytes')
end
while count > 1 do
  local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
  local time, payload = oldest[2][2], oldest[2][4]
  if count <= tonumber(ARGV[7]) and bytes <= tonumber(ARGV[8]) and now - time <= tonumber(ARGV[9]) then
    break
  end
  redis.call('XDEL', KEYS[2], oldest[1])
  count, bytes = count - 1, bytes - #payload
end
redis.call('HSET', KEYS[1], 'bytes', string.format('%.0f', bytes))
redis.call('PUBLISH', ARGV[10], 'm' .. epoch .. text .. ' ' .. ARGV[5])
return {epoch, offset, 0}
";

/// Returns the position, where the epoch forked, and the entries as three lists.
const READ: &str = r"
local from = '-'
if epoch == ARGV[2] then
  from = '(' .. ARGV[3] .. '-0'
end
local offsets, ages, payloads = {}, {}, {}
for n, entry in ipairs(redis.call('XRANGE', KEYS[2], from, '+')) do
  offsets[n] = tonumber(string.match(entry[1], '%d+'))
  ages[n] = math.max(0, now - entry[2][2])
  payloads[n] = entry[2][4]
end
local before, fork = unpack(redis.call('HMGET', KEYS[1], 'before', 'fork'))
return {epoch, tonumber(offset), before or '', tonumber(fork or 0), offsets, ages, payloads}
";

static APPEND_SCRIPT: LazyLock<Script> =
    LazyLock::new(|| Script::new(&format!("{FIND_EPOCH}{APPEND}")));
static READ_SCRIPT: LazyLock<Script> =
    LazyLock::new(|| Script::new(&format!("{FIND_EPOCH}{READ}")));

/// Keys outlive the history by this: its nodes look at each channel more often.
const MARGIN: Duration = Duration::from_secs(300);

pub(super) struct RedisLog {
    connection: MultiplexedConnection,
    limits: HistoryLimits,
}

impl RedisLog {
    /// The script with what `FIND_EPOCH` needs.
    fn prepare<'a>(
        &self,
        script: &'a Script,
        channel: &str,
        known: Option<Position>,
    ) -> redis::ScriptInvocation<'a> {
        let known = known.unwrap_or(Position::UNKNOWN);
        let mut script = script.prepare_invoke();
        script
            .key(format!("live:{{{channel}}}:at"))
            .key(format!("live:{{{channel}}}:log"))
            .arg(Epoch::random().to_string())
            .arg(known.epoch.to_string())
            .arg(known.offset)
            .arg(millis(self.limits.age.max(REPEAT) + MARGIN));
        script
    }
}

impl Log for RedisLog {
    const NAME: &str = "Redis";

    fn check_url(url: &str) -> Result<(), String> {
        let info = info(url).map_err(|error| error.to_string())?;
        Client::open(info).map_err(|error| error.to_string())?;
        Ok(())
    }

    async fn connect(url: &str, limits: HistoryLimits, pushes: Pushes) -> Result<Self, Failure> {
        // The caller has deadlines of its own.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_push_sender(move |info: PushInfo| {
                match info.kind {
                    PushKind::Disconnection => pushes.lost(),
                    PushKind::Message => {
                        if let Some(push) = parse(info) {
                            pushes.push(push);
                        }
                    }
                    _ => {}
                }
                Ok::<_, redis::aio::SendError>(())
            });
        let client = Client::open(info(url)?)?;
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        Ok(Self {
            connection: connection.await?,
            limits,
        })
    }

    async fn check(&self) -> Result<(), Failure> {
        let mut connection = self.connection.clone();
        Ok(redis::cmd("PING").exec_async(&mut connection).await?)
    }

    async fn listen(&self, channel: &str) -> Result<(), Failure> {
        Ok(self.connection.clone().subscribe(topic(channel)).await?)
    }

    async fn unlisten(&self, channel: &str) -> Result<(), Failure> {
        Ok(self.connection.clone().unsubscribe(topic(channel)).await?)
    }

    async fn read(&self, channel: &str, known: Option<Position>) -> Result<Tail, Failure> {
        type Lists = (Vec<u64>, Vec<u64>, Vec<Bytes>);
        type Answer = (String, u64, String, u64, Vec<u64>, Vec<u64>, Vec<Bytes>);
        let script = self.prepare(&READ_SCRIPT, channel, known);
        let answer: Answer = script.invoke_async(&mut self.connection.clone()).await?;
        let (epoch, offset, before, fork, ..) = &answer;
        let position = Position {
            epoch: epoch.parse()?,
            offset: *offset,
        };
        let forked = match before.is_empty() {
            true => None,
            false => Some(Position {
                epoch: before.parse()?,
                offset: *fork,
            }),
        };
        let (offsets, ages, payloads): Lists = (answer.4, answer.5, answer.6);
        let entries = offsets.into_iter().zip(ages).zip(payloads);
        let entries = entries.map(|((offset, age), payload)| Entry {
            offset,
            age: Duration::from_millis(age),
            payload,
        });
        Ok(Tail {
            position,
            forked,
            entries: entries.collect(),
        })
    }

    async fn append(
        &self,
        channel: &str,
        id: &str,
        payload: &Bytes,
        known: Option<Position>,
    ) -> Result<(Position, bool), Failure> {
        let mut script = self.prepare(&APPEND_SCRIPT, channel, known);
        script
            .key(format!("live:{{{channel}}}:id:{id}"))
            .arg(&payload[..])
            .arg(millis(REPEAT))
            .arg(self.limits.count)
            .arg(self.limits.bytes)
            .arg(millis(self.limits.age))
            .arg(topic(channel));
        let (epoch, offset, duplicate): (String, u64, bool) =
            script.invoke_async(&mut self.connection.clone()).await?;
        let epoch = epoch.parse()?;
        Ok((Position { epoch, offset }, duplicate))
    }

    async fn send(&self, channel: &str, signal: &[u8]) -> Result<(), Failure> {
        let mut command = redis::cmd("PUBLISH");
        command.arg(topic(channel)).arg([b"s", signal].concat());
        Ok(command.exec_async(&mut self.connection.clone()).await?)
    }

    async fn claim(&self, key: &str, ttl: Duration) -> Result<bool, Failure> {
        let mut command = redis::cmd("SET");
        command.arg(format!("live:claim:{key}")).arg(1).arg("NX");
        command.arg("PX").arg(millis(ttl));
        let set: Option<String> = command.query_async(&mut self.connection.clone()).await?;
        Ok(set.is_some())
    }
}

fn info(url: &str) -> RedisResult<ConnectionInfo> {
    let info = url.into_connection_info()?;
    let settings = info.redis_settings().clone();
    Ok(info.set_redis_settings(settings.set_protocol(ProtocolVersion::RESP3)))
}

fn topic(channel: &str) -> String {
    format!("live:{{{channel}}}")
}

/// At least 1, as Redis wants.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis())
        .unwrap_or(u64::MAX)
        .clamp(1, 1 << 50)
}

/// `None`: somebody else publishes on our channels.
fn parse(info: PushInfo) -> Option<Push> {
    let [Value::BulkString(topic), Value::BulkString(text)] =
        <[Value; 2]>::try_from(info.data).ok()?
    else {
        return None;
    };
    let topic = String::from_utf8(topic).ok()?;
    let channel = topic.strip_prefix("live:{")?.strip_suffix('}')?;
    let text = Bytes::from(text);
    let what = match text.first()? {
        b'm' => {
            let epoch = str::from_utf8(text.get(1..17)?).ok()?.parse().ok()?;
            let digits = text[17..].iter().position(|b| *b == b' ')?;
            let offset = str::from_utf8(&text[17..17 + digits]).ok()?.parse().ok()?;
            Pushed::Message(Position { epoch, offset }, text.slice(17 + digits + 1..))
        }
        b's' => Pushed::Signal(text.slice(1..)),
        _ => return None,
    };
    Some(Push {
        channel: channel.into(),
        what,
    })
}
