//! The command line: `--name value` pairs into values, and nothing else. Every mistake is named.

use crate::config::{Check, Config, Op, Payload, Until, Wait};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// Options that were given and not yet asked for.
#[derive(Debug)]
pub struct Options(BTreeMap<String, String>);

impl Options {
    /// Reads `--name value` pairs.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut given = BTreeMap::new();
        let mut words = words;
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or_else(|| format!("{word}: expected --option value"))?;
            let value = words.next().ok_or_else(|| format!("--{name}: the value is missing"))?;
            if given.insert(name.to_owned(), value).is_some() {
                return Err(format!("--{name}: given twice"));
            }
        }
        Ok(Self(given))
    }

    /// Takes an option, or its default.
    pub fn take<T: FromStr>(&mut self, name: &str, default: T) -> Result<T, String> {
        match self.0.remove(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| format!("--{name} {text}: not understood")),
        }
    }

    fn take_with<T>(&mut self, name: &str, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, String> {
        let Some(text) = self.0.remove(name) else { return Ok(None) };
        read(&text).map(Some).ok_or_else(|| format!("--{name} {text}: not understood"))
    }

    /// Takes a number of bytes: `4096`, `4KiB`, `64MiB`, `1GiB`.
    pub fn take_bytes(&mut self, name: &str, default: u64) -> Result<u64, String> {
        Ok(self.take_with(name, bytes)?.unwrap_or(default))
    }

    fn take_seconds(&mut self, name: &str) -> Result<Option<Duration>, String> {
        self.take_with(name, |text| Duration::try_from_secs_f64(text.parse().ok()?).ok())
    }

    /// Complains about what nobody asked for.
    pub fn finish(self) -> Result<(), String> {
        self.0.keys().next().map_or(Ok(()), |name| Err(format!("--{name}: no such option")))
    }
}

fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

fn op(text: &str) -> Option<Op> {
    Op::ALL.into_iter().find(|op| op.name() == text)
}

/// `get=70,put=20,head=10`.
fn mix(text: &str) -> Option<Vec<(Op, u32)>> {
    let parts = text.split(',').map(|part| {
        let (name, weight) = part.split_once('=')?;
        Some((op(name)?, weight.parse().ok().filter(|&weight| weight > 0)?))
    });
    parts.collect()
}

/// What `mixed` sends unless told otherwise: reads dominate, as in every published trace of object stores.
const DEFAULT_MIX: &str = "get=70,put=15,head=10,list=5";
/// Size of the objects of `put-large` and `get-large`.
const LARGE_BYTES: u64 = 64 << 20;

fn operation(name: &str, options: &mut Options, config: &mut Config) -> Result<(), String> {
    config.size_bytes = if name.ends_with("-large") { LARGE_BYTES } else { 4096 };
    config.mix = match name {
        "mixed" => {
            let text = options.take("mix", DEFAULT_MIX.to_owned())?;
            mix(&text).ok_or_else(|| format!("--mix {text}: expected like {DEFAULT_MIX}"))?
        }
        "put-large" | "fill" => vec![(Op::Put, 1)],
        "get-large" => vec![(Op::Get, 1)],
        _ => vec![(op(name).ok_or_else(|| format!("--op {name}: no such operation"))?, 1)],
    };
    Ok(())
}

/// The options of `panthera-load run`. Keys not given come from `secrets`, a look into the environment.
pub fn config(mut options: Options, secrets: impl Fn(&str) -> Option<String>) -> Result<Config, String> {
    let mut config = Config::default();
    let name = options.take("op", "get".to_owned())?;
    operation(&name, &mut options, &mut config)?;
    let key = |variable| secrets(variable).unwrap_or_default();
    config.access_key = options.take("access-key", key("PANTHERA_ROOT_ACCESS_KEY"))?;
    config.secret_key = options.take("secret-key", key("PANTHERA_ROOT_SECRET_KEY"))?;
    config.target = options.take("target", config.target)?;
    config.region = options.take("region", config.region)?;
    config.bucket = options.take("bucket", config.bucket)?;
    config.connections = options.take("connections", 1usize)?.max(1);
    let count = options.take_with("count", |text| text.parse::<u64>().ok().filter(|&count| count > 0))?;
    config.until = match (options.take_seconds("duration")?, count) {
        (Some(_), Some(_)) => return Err("--duration and --count: only one of them".into()),
        (Some(duration), None) => Until::Elapsed(duration),
        (None, count) => Until::Count(count.unwrap_or(1)),
    };
    config.warmup = options.take_seconds("warmup")?.unwrap_or(Duration::ZERO);
    config.rate = options.take_with("rate", |text| text.parse().ok().filter(|&rate| rate > 0.0))?;
    config.names.seed = options.take("seed", 1)?;
    config.names.prefix = options.take("prefix", String::new())?;
    config.names.dirs = options.take("dirs", 0)?;
    config.first = options.take("first", 0)?;
    config.objects = options.take("objects", 1u64)?.max(1);
    config.distinct = options.take("distinct", config.distinct)?.max(1);
    config.size_bytes = options.take_bytes("size", config.size_bytes)?;
    let payload = |text: &str| match text {
        "unsigned" => Some(Payload::Unsigned),
        "signed" => Some(Payload::Signed),
        "sdk" => Some(Payload::Sdk),
        "trailer" => Some(Payload::Trailer),
        _ => None,
    };
    config.payload = options.take_with("payload", payload)?.unwrap_or(config.payload);
    let check = |text: &str| match text {
        "length" => Some(Check::Length),
        "content" => Some(Check::Content),
        _ => None,
    };
    config.check = options.take_with("check", check)?.unwrap_or(config.check);
    let wait = |text: &str| match text {
        "sleep" => Some(Wait::Sleep),
        "spin" => Some(Wait::Spin),
        _ => None,
    };
    config.wait = options.take_with("wait", wait)?.unwrap_or(config.wait);
    config.watch_pid = options.take_with("watch-pid", |text| text.parse().ok())?;
    options.finish()?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Config, String> {
        config(Options::parse(line.split_whitespace().map(str::to_owned))?, |_| Some("secret".into()))
    }

    #[test]
    fn a_whole_line() {
        let config = read("--op put-large --connections 4 --count 8 --payload trailer --size 1MiB --watch-pid 7");
        let config = config.unwrap();
        assert_eq!((config.size_bytes, config.until, config.connections), (1 << 20, Until::Count(8), 4));
        assert_eq!((config.payload, config.watch_pid, &*config.secret_key), (Payload::Trailer, Some(7), "secret"));
        assert_eq!(read("--op get-large").unwrap().size_bytes, LARGE_BYTES);
        assert_eq!(read("--op mixed --mix get=3,put=1").unwrap().mix, [(Op::Get, 3), (Op::Put, 1)]);
        assert_eq!(read("--op mixed").unwrap().mix.iter().map(|part| part.1).sum::<u32>(), 100);
    }

    #[test]
    fn every_mistake_is_named() {
        for (line, word) in [
            ("--op fly", "fly"),
            ("--size 4kb", "4kb"),
            ("--size 99999999999GiB", "--size"),
            ("--connections", "missing"),
            ("--colour red", "--colour"),
            ("get", "get"),
            ("--seed 1 --seed 2", "twice"),
            ("--op mixed --mix get=0", "--mix"),
            ("--rate -1", "--rate"),
            ("--count 0", "--count"),
            ("--duration -1", "--duration"),
            ("--duration 1 --count 1", "only one"),
        ] {
            let message = read(line).unwrap_err();
            assert!(message.contains(word), "{line}: {message}");
        }
    }
}
