//! Actions: what a configuration says is to go wrong, and when.

use std::{collections::BTreeMap, time::Duration};

use millstream_sdk::{
    Error, File, Lease, Result, Value,
    config::{Importance, Key},
    debug, error,
    http::Request,
    info,
    sql::Database,
    trace, wait, warn,
};

use crate::show::{show, show_text};

/// The key that has them.
pub fn key() -> Key {
    Key::string("do").default("").importance(Importance::Low).doc("What goes wrong, and when.")
}

/// The actions of one object.
#[derive(Debug, Default)]
pub struct Actions {
    entries: Vec<Entry>,
    calls: BTreeMap<String, u32>,
    pub lease: Option<Lease>,
}

#[derive(Debug)]
struct Entry {
    place: String,
    /// In which call, from 1; in every one if it does not say.
    call: Option<u32>,
    action: String,
}

impl Actions {
    pub fn parse(text: &str) -> Result<Self> {
        let unreadable = |entry: &str| Error::config(format!("cannot read the action {entry}"));
        let entry = |entry: &str| {
            let (place, action) = entry.split_once(':').ok_or_else(|| unreadable(entry))?;
            let (place, call) = match place.trim().split_once('#') {
                None => (place.trim(), None),
                Some((place, call)) => (place, Some(call.parse().map_err(|_| unreadable(entry))?)),
            };
            Ok(Entry { place: place.to_owned(), call, action: action.trim().to_owned() })
        };
        let entries = text.split(';').map(str::trim).filter(|entry| !entry.is_empty()).map(entry);
        Ok(Self { entries: entries.collect::<Result<_>>()?, ..Self::default() })
    }

    /// Does what is to be done in a call of a place; returns what only its caller can do.
    pub fn run(&mut self, place: &str) -> Result<Vec<Vec<String>>> {
        let call = self.calls.entry(place.to_owned()).or_default();
        *call += 1;
        let call = *call;
        let meant = |entry: &&Entry| entry.place == place && entry.call.is_none_or(|number| number == call);
        let actions: Vec<String> = self.entries.iter().filter(meant).map(|entry| entry.action.clone()).collect();
        let mut rest = Vec::new();
        for action in actions {
            let words: Vec<&str> = action.split(' ').collect();
            if !self.act(place, &words)? {
                rest.push(words.into_iter().map(str::to_owned).collect());
            }
        }
        Ok(rest)
    }

    /// False if the action is not one that every place has.
    fn act(&mut self, place: &str, words: &[&str]) -> Result<bool> {
        match *words {
            ["fail", kind] => return Err(failure(kind, place)),
            ["own"] => return Err(own()),
            ["panic"] => panic_on_purpose(),
            ["loop"] => compute_for_ever(),
            ["recurse"] => info!("{}", call_myself(0)),
            ["hoard"] => hoard(),
            ["log", level, ref text @ ..] => say(level, &text.join(" ")),
            ["flood", lines] => (0..number(lines)?).for_each(|line| info!("line {line}")),
            ["wait", ms] => info!("waited {}", wait(Duration::from_millis(number(ms)?))),
            ["read", key] => match File::open(key)? {
                None => info!("read null"),
                Some(mut file) => info!("read {}", show_text(&String::from_utf8_lossy(&read_all(&mut file)?))),
            },
            ["append", key, ref text @ ..] => {
                let mut file = File::open(key)?.ok_or_else(|| Error::fatal("the file was not created"))?;
                file.write(format!("{}\n", text.join(" ")).as_bytes())?;
                file.sync()?;
            }
            ["lease", ref what @ ..] => self.lease(what)?,
            ["sql"] => {
                let database = Database::open("db", "{}")?;
                let mut rows = database.query("select 1 + 1 as n, 'x' as s", &[], "{}")?;
                while let Some(batch) = rows.next(100, 1 << 20)? {
                    let table = batch.open();
                    (0..table.rows as usize).for_each(|row| info!("sql {}", show(&table.datum(side(), row).1)));
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn lease(&mut self, what: &[&str]) -> Result<()> {
        if let ["obtain"] = what {
            let lease = Lease::obtain()?;
            info!("lease {}", lease.epoch());
            self.lease = Some(lease);
            return Ok(());
        }
        let lease = self.lease.as_ref().ok_or_else(|| Error::fatal("there is no lease"))?;
        match *what {
            ["confirm"] => {
                lease.confirm()?;
                info!("lease confirmed");
            }
            ["keys"] => info!("lease keys {}", lease.keys()?.join(", ")),
            ["read", key] => {
                let value = lease.get(key)?.map(|value| String::from_utf8_lossy(&value).into_owned());
                info!("lease {key}={}", value.as_deref().unwrap_or("null"));
            }
            ["write", key, value] => lease.write([(key, (value != "-").then_some(value.as_bytes()))])?,
            _ => return Err(Error::config(format!("cannot read the action lease {}", what.join(" ")))),
        }
        Ok(())
    }
}

fn side() -> millstream_sdk::batch::Side {
    millstream_sdk::batch::Side::Value
}

/// A request to the server that a configuration names.
pub fn get(url: &str) -> Result<()> {
    let answer = Request::get(url).send().map_err(|error| Error::fatal(format!("GET {url}")).because(&error))?;
    info!("http {} {}", answer.status, show_text(&answer.text()));
    Ok(())
}

pub fn number<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| Error::config(format!("{text} is no number that an action takes")))
}

/// The failure that the action `fail` is.
pub fn failure(kind: &str, place: &str) -> Error {
    let message = format!("failed on purpose in {place}");
    match kind {
        "retriable" => Error::retriable(message),
        "data" => Error::data(message),
        "config" => Error::config(message),
        _ => Error::fatal(message),
    }
}

/// A failure under a class of one's own, with causes.
pub fn own() -> Error {
    let mut error = Error::fatal("my own words").class("org.millstream.kit.OwnException");
    error.causes = vec!["java.io.IOException: outer".to_owned(), "inner".to_owned()];
    error
}

pub fn panic_on_purpose() {
    #[inline(never)]
    fn deeper() {
        panic!("panicked on purpose")
    }
    deeper();
}

fn compute_for_ever() {
    let mut number = 0_u64;
    loop {
        number = std::hint::black_box(number.wrapping_add(1));
    }
}

#[expect(unconditional_recursion, reason = "it is to use up the stack")]
fn call_myself(level: u64) -> u64 {
    let room = std::hint::black_box([level; 64]);
    call_myself(level + 1) + room[3]
}

fn hoard() {
    let mut hoard = Vec::new();
    loop {
        hoard.push(vec![std::hint::black_box(1_u8); 1 << 20]);
    }
}

fn say(level: &str, text: &str) {
    match level {
        "trace" => trace!("{text}"),
        "debug" => debug!("{text}"),
        "info" => info!("{text}"),
        "warn" => warn!("{text}"),
        _ => error!("{text}"),
    }
}

fn read_all(file: &mut File) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let piece = file.read(1 << 16)?;
        if piece.is_empty() {
            return Ok(content);
        }
        content.extend_from_slice(&piece);
    }
}

/// What a value is when it is text.
pub fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}
