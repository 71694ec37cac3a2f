//! The exports.

use std::cell::{Cell, RefCell};

use millstream_record::Value;
use millstream_record::batch::{Batch, HeadersBuilder, Role, Side, Table, Union, bits};

use crate::batches::{huge, lines, origins, overlapping, placed, received};

wit_bindgen::generate!({ path: "../../../wit/millstream-connect@0.1.0", world: "bundle" });
export!(Odd);

use exports::millstream::connect::{converter_api, plugin, predicate_api, sink_api, source_api, transform_api};
use millstream::connect::host_files::File;
use millstream::connect::host_log::{Level, log};
use millstream::connect::host_transaction::{Boundary, Ending};
use millstream::connect::types::{Config, Error, ErrorKind, Outcome, RowError, TopicOffset, TopicPartition, Wide};
use millstream::connect::{host_connector, host_report, host_sink, host_source, host_transaction, host_wait};

struct Odd;

impl plugin::Guest for Odd {
    fn describe() -> String {
        let behaviour = r#"{"name":"behaviour","type":"STRING","required":true,"importance":"HIGH"}"#;
        let file = r#"{"name":"file","type":"STRING","opens":{"file":"read"}}"#;
        let out = r#"{"name":"out","type":"STRING","opens":{"file":"append"}}"#;
        let secret = r#"{"name":"secret","type":"PASSWORD"}"#;
        let url = r#"{"name":"url","type":"STRING","opens":{"http":"url","with":{"auth":"auth","user":"user",
            "password":"password","bearer":"bearer","api-key":"password","api-key-in":"api.key.in",
            "oauth2-token-url":"token.url","oauth2-client-id":"user","oauth2-client-secret":"password","headers":"headers",
            "tls":"https.","trust-all":"trust.all","proxy-host":"proxy.host","proxy-port":"proxy.port",
            "proxy-user":"proxy.user","proxy-password":"proxy.password","connect-timeout-ms":"connect.ms",
            "request-timeout-ms":"request.ms","redirects":"redirects","response-max-bytes":"response.max",
            "connections":"connections","disallow-local":"no.local"}}}"#;
        let why = r#"{"name":"why","type":"STRING","opens":{"topic":"write","default":"${connector}-why"}}"#;
        let server = r#"{"name":"server","type":"STRING","opens":{"socket":"address"}}"#;
        let database = r#"{"name":"db","type":"STRING","opens":{"sql":{"password":"db.password","properties":"db."}}},
            {"name":"db.password","type":"PASSWORD"}"#;
        let plugin = |kind: &str, class: &str, keys: &str| {
            format!(r#"{{"kind":"{kind}","class":"org.millstream.odd.{class}","version":"1.0","config":[{keys}]}}"#)
        };
        let plugins = [
            plugin(
                "source",
                "OddSourceConnector",
                &format!("{behaviour},{file},{out},{secret},{url},{server},{database}"),
            ),
            plugin("sink", "OddSinkConnector", &format!("{behaviour},{file},{out},{why}")),
            plugin("transform", "OddTransform", &format!("{behaviour},{secret}")),
            plugin("transform", "Suffix", r#"{"name":"suffix","type":"STRING","required":true}"#),
            plugin("transform", "OddColumns", behaviour).replace(r#""version""#, r#""batches":"columns","version""#),
            plugin("predicate", "OddPredicate", behaviour),
            plugin("converter", "OddConverter", behaviour),
            plugin("header_converter", "OddHeaderConverter", behaviour),
        ];
        format!(r#"{{"batch_formats":[1],"plugins":[{}]}}"#, plugins.join(","))
    }
}

fn behaviour(config: &Config) -> String {
    value(config, "behaviour").unwrap_or_default()
}

fn value(config: &Config, name: &str) -> Option<String> {
    config.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.clone())
}

fn failure(kind: ErrorKind, message: &str) -> Error {
    Error { kind, class: String::new(), message: message.into(), causes: vec!["java.lang.Exception: deeper".into()] }
}

fn set_boundaries(boundaries: &[(Option<u32>, Ending)]) {
    let boundaries: Vec<_> = boundaries.iter().map(|&(behind, ending)| Boundary { behind, ending }).collect();
    host_transaction::set_boundaries(&boundaries);
}

fn said_of(value: &[u8]) -> host_report::Report {
    host_report::Report { key: None, value: Some(value.to_vec()), headers: vec![("row".into(), b"1".to_vec())] }
}

/// The number in an offset that [`placed`] has given a row.
fn position_in(offset: &str) -> Option<u64> {
    offset.trim_start_matches(r#"{"position":"#).trim_end_matches('}').parse().ok()
}

/// What every call may be asked to do. False if the behaviour is another one.
fn misbehave(behaviour: &str) -> bool {
    match behaviour {
        "panic" => panic!("odd on purpose"),
        "loop" => {
            let mut number = 0_u64;
            loop {
                number = std::hint::black_box(number.wrapping_add(1));
            }
        }
        "memory" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(vec![std::hint::black_box(1_u8); 1 << 20]);
            }
        }
        "deep" => {
            #[expect(unconditional_recursion, reason = "it is to overflow the stack")]
            fn deeper(level: u64) -> u64 {
                let room = std::hint::black_box([level; 64]);
                deeper(level + 1) + room[3]
            }
            log(Level::Info, &deeper(0).to_string());
        }
        "log flood" => {
            for number in 0..100_000 {
                log(Level::Warn, &format!("line {number} of a flood"));
            }
        }
        "endless log" => loop {
            log(Level::Warn, "and on it goes");
        },
        "stderr flood" => {
            for number in 0..10_000 {
                eprintln!("line {number} of a flood");
            }
        }
        "exit" => std::process::exit(3),
        // Long enough to be interrupted several times.
        "think" => {
            let begin = std::time::Instant::now();
            while begin.elapsed() < std::time::Duration::from_millis(25) {}
        }
        _ => return false,
    }
    true
}

/// What a call at some place of the life cycle may be asked to do by a behaviour `PLACE: loop`, `: wait` or `: fail`.
fn at(place: &str, behaviour: &str) -> Result<(), Error> {
    match behaviour.strip_prefix(place).and_then(|rest| rest.strip_prefix(": ")) {
        Some("fail") => Err(failure(ErrorKind::Fatal, "failed on purpose")),
        Some("wait") => loop {
            host_wait::wait(1000);
            std::thread::sleep(std::time::Duration::from_millis(1000));
        },
        Some(other) => {
            misbehave(other);
            Ok(())
        }
        None => Ok(()),
    }
}

/// What a sink may be asked to do with its files. False if the behaviour is another one.
fn use_files(behaviour: &str) -> Result<bool, Error> {
    match behaviour {
        "read file" => {
            let file = File::open("file")?.expect("the test has made it");
            file.read(1000)?;
        }
        "write file" => {
            let file = File::open("out")?.expect("a file opened to append is made");
            file.write(b"one\ntwo\n")?;
            file.sync()?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

struct Connector {
    behaviour: RefCell<String>,
    secret: RefCell<Option<String>>,
}

impl Connector {
    fn make(class: &str) -> Result<Self, Error> {
        if !class.starts_with("org.millstream.odd.") {
            return Err(failure(ErrorKind::Fatal, "no such class"));
        }
        Ok(Self { behaviour: RefCell::default(), secret: RefCell::default() })
    }

    fn begin(&self, config: &Config) -> Result<(), Error> {
        at("connector start", &behaviour(config))?;
        self.behaviour.replace(behaviour(config));
        self.secret.replace(value(config, "secret"));
        match self.behaviour.borrow().as_str() {
            "refuse" => Err(failure(ErrorKind::Config, "refused on purpose")),
            "leak" => {
                log(Level::Info, &format!("the connector has {}", self.secret.borrow().as_deref().unwrap_or_default()));
                Ok(())
            }
            "reconfigure" => {
                host_connector::request_task_reconfiguration();
                host_connector::raise_error(&failure(ErrorKind::Fatal, "raised on purpose"));
                Ok(())
            }
            other => {
                misbehave(other.strip_prefix("start ").unwrap_or_default());
                Ok(())
            }
        }
    }

    fn check(config: &Config) -> Result<String, Error> {
        at("validate", &behaviour(config))?;
        Ok(match behaviour(config).as_str() {
            "no json" => "not JSON".into(),
            "bad" => r#"[{"name":"behaviour","errors":["is bad"]}]"#.into(),
            _ => "[]".into(),
        })
    }

    fn end(&self) -> Result<(), Error> {
        at("connector stop", &self.behaviour.borrow())
    }

    fn configs(&self, count: u32) -> Result<Vec<Config>, Error> {
        at("task configs", &self.behaviour.borrow())?;
        if *self.behaviour.borrow() == "again" {
            host_wait::rest(1);
        }
        let behaviour = self.behaviour.borrow();
        let secret = self.secret.borrow();
        Ok((0..count)
            .map(|task| {
                let mut config =
                    vec![("behaviour".into(), Some(behaviour.clone())), ("task".into(), Some(task.to_string()))];
                config.extend(secret.clone().map(|secret| ("secret".into(), Some(secret))));
                config
            })
            .collect())
    }
}

impl source_api::Guest for Odd {
    type SourceConnector = Connector;
    type SourceTask = SourceTask;
}

impl source_api::GuestSourceConnector for Connector {
    fn create(class: String) -> Result<source_api::SourceConnector, Error> {
        Ok(source_api::SourceConnector::new(Self::make(&class)?))
    }
    fn validate(&self, config: Config) -> Result<String, Error> {
        Self::check(&config)
    }
    fn start(&self, config: Config) -> Result<(), Error> {
        self.begin(&config)
    }
    fn task_configs(&self, max_tasks: u32) -> Result<Vec<Config>, Error> {
        self.configs(max_tasks)
    }
    fn stop(&self) -> Result<(), Error> {
        self.end()
    }
    fn exactly_once_support(&self, _config: Config) -> Result<source_api::Support, Error> {
        Ok(source_api::Support::Supported)
    }
    fn can_define_transaction_boundaries(&self, _config: Config) -> Result<source_api::Support, Error> {
        Ok(source_api::Support::Supported)
    }
    fn alter_offsets(&self, _config: Config, _offsets: Vec<(String, Option<String>)>) -> Result<bool, Error> {
        Ok(true)
    }
}

#[derive(Default)]
struct SourceTask {
    config: RefCell<Config>,
    next: Cell<u64>,
    heard: RefCell<Vec<String>>,
}

impl source_api::GuestSourceTask for SourceTask {
    fn create(_class: String) -> Result<source_api::SourceTask, Error> {
        Ok(source_api::SourceTask::new(Self::default()))
    }

    fn start(&self, config: Config) -> Result<(), Error> {
        at("task start", &behaviour(&config))?;
        self.config.replace(config);
        Ok(())
    }

    fn poll(&self, limits: source_api::PollLimits) -> Result<Option<Vec<u8>>, Error> {
        let behaviour = behaviour(&self.config.borrow());
        at("poll", &behaviour)?;
        if misbehave(&behaviour) {
            return Ok(None);
        }
        if crate::columns::poll(&behaviour)? {
            return Ok(None);
        }
        let said = |text: String| Ok(Some(lines([text]).write()));
        if crate::columns::counts(&behaviour)? {
            let first = self.next.replace(self.next.get() + 1);
            return Ok(Some(placed([(format!("call {first}"), first)], "a").write()));
        }
        if let Some(text) = crate::http::act(&behaviour) {
            return said(text);
        }
        if let Some(text) = crate::sql::act(&behaviour) {
            return said(text);
        }
        if let Some(keys) = behaviour.strip_prefix("scan ") {
            let found = crate::http::finds(value(&self.config.borrow(), "needle").unwrap_or_default().as_bytes());
            return said(format!("{:?} {found}", value(&self.config.borrow(), keys)));
        }
        match behaviour.as_str() {
            "lines" => {
                let first = self.next.replace(self.next.get() + u64::from(limits.max_records));
                let numbers = first..first + u64::from(limits.max_records);
                Ok(Some(lines(numbers.map(|number| format!("line {number}"))).write()))
            }
            "garbage" => Ok(Some(vec![1, 2, 3])),
            "overlap" => Ok(Some(overlapping())),
            "huge" => Ok(Some(huge())),
            "too much" => Ok(Some(vec![0; 80 << 20])),
            "origins" => {
                let mut table = lines(["a".into(), "b".into()]);
                table.set(Role::ORIGIN, origins(&[7, 7]));
                Ok(Some(table.write()))
            }
            "report" => Err(failure(ErrorKind::Retriable, "not yet")),
            "wait" => {
                let stopped = host_wait::wait(limits.max_wait_ms);
                said(format!("stopped {stopped}"))
            }
            "loop after a wait" => {
                // Long enough for the host's clock to come to rest.
                host_wait::wait(limits.max_wait_ms);
                said(misbehave("loop").to_string())
            }
            "short waits" => {
                for _ in 0..100 {
                    host_wait::wait(2);
                }
                said("waited".into())
            }
            "sleep" => {
                std::thread::sleep(std::time::Duration::from_millis(limits.max_wait_ms.into()));
                said("slept".into())
            }
            "offsets" => {
                let stored = host_source::read_offsets(&[r#"{"file":"a"}"#.into(), r#"{"file":"b"}"#.into()])?;
                said(format!("{stored:?}"))
            }
            // Each poll is three rows: the first is committed, the second aborted, the third committed with the whole.
            "transactions" => {
                let stored = host_source::read_offsets(&[r#"{"file":"a"}"#.into()])?;
                let begin = stored.into_iter().flatten().next().and_then(|offset| position_in(&offset)).unwrap_or(0);
                let poll = self.next.replace(self.next.get().max(begin / 3) + 1).max(begin / 3);
                if 20 <= poll {
                    return Ok(None);
                }
                set_boundaries(&[(Some(0), Ending::Commit), (Some(1), Ending::Abort), (None, Ending::Commit)]);
                let names = [("kept", 1), ("aborted", 2), ("kept too", 3)];
                Ok(Some(placed(names.map(|(name, row)| (format!("{name} {poll}"), 3 * poll + row)), "a").write()))
            }
            // Both endings at one place.
            "both endings" => {
                set_boundaries(&[(None, Ending::Commit), (None, Ending::Abort)]);
                said("neither".into())
            }
            "boundary behind nothing" => {
                set_boundaries(&[(Some(7), Ending::Commit)]);
                said("one row".into())
            }
            // What was asked for last counts, and a guest cannot make the host keep more than that.
            "many boundaries" => {
                (0..100).for_each(|row| set_boundaries(&[(Some(row), Ending::Abort); 10]));
                set_boundaries(&[(Some(0), Ending::Commit)]);
                said(format!("{}", host_transaction::available()))
            }
            "look around" => said(format!(
                "env {}, file {}, write {}, socket {}",
                std::env::vars().count(),
                std::fs::read("/etc/passwd").is_ok(),
                std::fs::write("/tmp/odd", "x").is_ok(),
                std::net::TcpStream::connect("127.0.0.1:9092").is_ok(),
            )),
            "read file" => {
                let opened = File::open("file")?;
                let Some(file) = opened else { return said("missing".into()) };
                let bytes = file.read(1000)?;
                let other = File::open("behaviour").err().map(|error| error.message);
                said(format!("{} {other:?}", String::from_utf8_lossy(&bytes).trim_end()))
            }
            "rest" => {
                let Some(file) = File::open("file")? else { return said("missing".into()) };
                let bytes = file.read(1000)?;
                // However often it is said, and whatever was said before: the last word counts.
                (0..5000).for_each(|ms| host_wait::rest(ms));
                let told: Vec<bool> = (0..5000).map(|_| file.ends_rest()).collect();
                host_wait::rest(600_000);
                if bytes.is_empty() && told.contains(&true) { Ok(None) } else { said(format!("{}", bytes.len())) }
            }
            "write file" => {
                let file = File::open("out")?.expect("a file opened to append is made");
                file.write(b"one\ntwo\nthr")?;
                file.truncate(Wide { high: 0, low: 8 })?;
                file.sync()?;
                said(format!("{:?}", file.size()?.map(|size| size.low)))
            }
            "many files" => {
                let files: Result<Vec<_>, _> = (0..100_000).map(|_| File::open("file")).collect();
                said(format!("{}", files?.len()))
            }
            // A password, wherever there is a place for it.
            "leak" | "leak and panic" => {
                let secret = value(&self.config.borrow(), "secret").unwrap_or_default();
                log(Level::Info, &format!("logged: {secret}"));
                println!("printed: {secret}");
                eprintln!("{}{secret}", "long ".repeat(1625));
                if behaviour == "leak" {
                    return Err(failure(ErrorKind::Fatal, &format!("failed: {secret}")));
                }
                panic!("panicked: {secret}")
            }
            "heard" => said(self.heard.borrow().join("; ")),
            _ => Ok(None),
        }
    }

    fn committed(&self, rows: Vec<u8>) -> Result<(), Error> {
        let batch = received(rows);
        let table = batch.open();
        for row in 0..table.rows as usize {
            let line = format!(
                "{:?} {:?} {:?}",
                table.topic(row),
                table.integer(Role::PARTITION, row),
                table.integer(Role::OFFSET, row)
            );
            self.heard.borrow_mut().push(line);
        }
        self.config.borrow_mut().iter_mut().for_each(|(_, value)| *value = Some("heard".into()));
        Ok(())
    }

    fn commit(&self) -> Result<(), Error> {
        at("commit", &behaviour(&self.config.borrow()))
    }

    fn stop(&self) -> Result<(), Error> {
        at("task stop", &behaviour(&self.config.borrow()))
    }
}

impl sink_api::Guest for Odd {
    type SinkConnector = Connector;
    type SinkTask = SinkTask;
}

impl sink_api::GuestSinkConnector for Connector {
    fn create(class: String) -> Result<sink_api::SinkConnector, Error> {
        Ok(sink_api::SinkConnector::new(Self::make(&class)?))
    }
    fn validate(&self, config: Config) -> Result<String, Error> {
        Self::check(&config)
    }
    fn start(&self, config: Config) -> Result<(), Error> {
        self.begin(&config)
    }
    fn task_configs(&self, max_tasks: u32) -> Result<Vec<Config>, Error> {
        self.configs(max_tasks)
    }
    fn stop(&self) -> Result<(), Error> {
        self.end()
    }
    fn alter_offsets(&self, _: Config, _: Vec<(TopicPartition, Option<TopicOffset>)>) -> Result<bool, Error> {
        Ok(true)
    }
}

#[derive(Default)]
struct SinkTask {
    behaviour: RefCell<String>,
}

impl sink_api::GuestSinkTask for SinkTask {
    fn create(_class: String) -> Result<sink_api::SinkTask, Error> {
        Ok(sink_api::SinkTask::new(Self::default()))
    }

    fn start(&self, config: Config) -> Result<(), Error> {
        at("task start", &behaviour(&config))?;
        self.behaviour.replace(behaviour(&config));
        Ok(())
    }

    fn open(&self, partitions: Vec<TopicPartition>) -> Result<(), Error> {
        at("open", &self.behaviour.borrow())?;
        if partitions.len() == host_sink::assignment().len() {
            return Ok(());
        }
        Err(failure(ErrorKind::Fatal, "opened something else than what is assigned"))
    }

    fn put(&self, records: Vec<u8>) -> Result<(), Error> {
        at("put", &self.behaviour.borrow())?;
        if misbehave(&self.behaviour.borrow()) || use_files(&self.behaviour.borrow())? {
            return Ok(());
        }
        if crate::columns::counts(&self.behaviour.borrow())? {
            return Ok(());
        }
        let batch = received(records);
        match self.behaviour.borrow().as_str() {
            poison @ ("poison" | "poison for now") => {
                let kind = if poison == "poison" { ErrorKind::Fatal } else { ErrorKind::Retriable };
                let values = batch.open().data(Side::Value);
                match values.iter().any(|(_, value)| *value == Value::from("poison")) {
                    true => Err(failure(kind, "poisoned on purpose")),
                    false => Ok(()),
                }
            }
            "write why" => host_report::write("why", &[said_of(b"odd")]),
            "write elsewhere" => host_report::write("behaviour", &[said_of(b"odd")]),
            "write without end" => host_report::write("why", &vec![said_of(b""); 10_001]),
            "report" => host_sink::report(&[row_error(1, "odd row")]),
            "report twice" => host_sink::report(&[row_error(1, "odd row"), row_error(1, "odd row")]),
            "report beyond" => host_sink::report(&[row_error(batch.rows(), "odd row")]),
            "seek" => {
                host_sink::seek(&[TopicOffset {
                    topic: "lines".into(),
                    partition: 0,
                    offset: Wide { high: 1, low: 2 },
                }]);
                host_sink::pause(&[TopicPartition { topic: "lines".into(), partition: 0 }])?;
                host_sink::timeout(250);
                host_sink::request_commit();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn pre_commit(&self, mut offsets: Vec<TopicOffset>) -> Result<Option<Vec<TopicOffset>>, Error> {
        at("pre-commit", &self.behaviour.borrow())?;
        if let Some(told) = self.behaviour.borrow().strip_prefix("commit ")
            && (misbehave(told) || use_files(told)?)
        {
            return Ok(None);
        }
        match self.behaviour.borrow().as_str() {
            "commit ahead" => {
                offsets.iter_mut().for_each(|offset| offset.offset.low += 1);
                Ok(Some(offsets))
            }
            "commit some" => {
                offsets.truncate(1);
                Ok(Some(offsets))
            }
            _ => Ok(None),
        }
    }

    fn close(&self, _partitions: Vec<TopicPartition>) -> Result<(), Error> {
        at("close", &self.behaviour.borrow())
    }

    fn stop(&self) -> Result<(), Error> {
        at("task stop", &self.behaviour.borrow())
    }
}

fn row_error(row: u32, message: &str) -> RowError {
    RowError { row, link: 0, kind: ErrorKind::Data, class: String::new(), message: message.into(), field: None }
}

impl transform_api::Guest for Odd {
    type Chain = Chain;
}

struct Chain {
    links: Vec<transform_api::Link>,
}

impl transform_api::GuestChain for Chain {
    fn create(links: Vec<transform_api::Link>) -> Result<transform_api::Chain, transform_api::LinkError> {
        let refused = links.iter().position(|link| behaviour(&link.config) == "refuse");
        if let Some(link) = refused {
            let error = failure(ErrorKind::Config, "refused on purpose");
            return Err(transform_api::LinkError { link: link as u32, error });
        }
        Ok(transform_api::Chain::new(Self { links }))
    }

    fn apply(&self, records: Vec<u8>, only: Option<Vec<u8>>) -> Result<Outcome, Error> {
        let first = self.links.first().map(|link| behaviour(&link.config)).unwrap_or_default();
        if crate::columns::counts(&first)? || crate::columns::change(&first)? {
            return Ok(Outcome { changed: None, errors: Vec::new() });
        }
        if first == "columns and bytes" {
            crate::columns::change("columns upper")?;
            return Ok(Outcome { changed: Some(records), errors: Vec::new() });
        }
        if first == "how many bytes" {
            let message = records.len().to_string();
            return Err(failure(ErrorKind::Fatal, &message));
        }
        let batch = received(records);
        let rows = batch.rows() as usize;
        let mut current: Option<Batch> = None;
        let mut errors: Vec<RowError> = Vec::new();
        for (number, link) in self.links.iter().enumerate() {
            let batch = current.clone().unwrap_or_else(|| batch.clone());
            let mut table = batch.open();
            let mut chosen: Vec<bool> = (0..rows)
                .map(|row| table.is_selected(row) && only.as_ref().is_none_or(|only| bits::get(only, row)))
                .collect();
            if let Some(condition) = &link.condition {
                for (row, chosen) in chosen.iter_mut().enumerate() {
                    *chosen &= holds(&behaviour(&condition.config), row) != condition.negate;
                }
            }
            if let Some(suffix) = value(&link.config, "suffix") {
                let with_suffix = |(row, (_, value)): (usize, (_, Value))| match value {
                    Value::String(text) if chosen[row] => format!("{text}{suffix}"),
                    Value::String(text) => text,
                    other => format!("{other:?}"),
                };
                let texts: Vec<String> = table.data(Side::Value).into_iter().enumerate().map(with_suffix).collect();
                table.values = lines(texts).values;
                current = Some(table.into_batch());
                continue;
            }
            let behaviour = behaviour(&link.config);
            if misbehave(&behaviour) {
                continue;
            }
            match behaviour.as_str() {
                "filter odd" => table.deselect((0..rows).filter(|&row| chosen[row] && row % 2 == 1)),
                "fail third" if chosen[2] => {
                    table.deselect([2]);
                    errors.push(RowError { link: number as u32, ..row_error(2, "third row") });
                }
                "fail unchanged" => {
                    return Ok(Outcome { changed: None, errors: vec![row_error(0, "first row")] });
                }
                "leak" => {
                    let secret = value(&link.config, "secret").unwrap_or_default();
                    let rows: Vec<usize> = (0..rows).filter(|&row| chosen[row]).collect();
                    table.deselect(rows.iter().copied());
                    errors.extend(rows.iter().map(|&row| {
                        let message = format!("not encrypted: {secret}");
                        RowError { link: number as u32, ..row_error(row as u32, &message) }
                    }));
                }
                "double" => {
                    let twice: Vec<u32> = (0..rows as u32).flat_map(|row| [row, row]).collect();
                    table = doubled(&table, &twice);
                }
                "forge" => table.set(Role::ORIGIN, origins(&vec![77; rows])),
                "revive" => drop(table.remove(Role::SELECTION)),
                "vanish" => {
                    let kept: Vec<u32> = (1..rows as u32).collect();
                    table = table.take(&kept);
                }
                "both" => errors.push(row_error(0, "and yet it is there")),
                "beyond" => errors.push(row_error(rows as u32, "no such row")),
                "other link" => {
                    table.deselect([0]);
                    errors.push(RowError { link: 9, ..row_error(0, "no such link") });
                }
                "overlap" => return Ok(Outcome { changed: Some(overlapping()), errors }),
                "huge" => return Ok(Outcome { changed: Some(huge()), errors }),
                "report" => return Err(failure(ErrorKind::Fatal, "the whole batch")),
                _ => {}
            }
            current = Some(table.into_batch());
        }
        let changed = current.map(|batch| batch.as_bytes().to_vec());
        Ok(Outcome { changed, errors })
    }
}

/// Each row as often as it is listed.
fn doubled(table: &Table<'_>, rows: &[u32]) -> Table<'static> {
    let texts = table.data(Side::Value).into_iter().map(|(_, value)| match value {
        Value::String(text) => text,
        other => format!("{other:?}"),
    });
    let texts: Vec<String> = texts.collect();
    let mut doubled = lines(rows.iter().map(|&row| texts[row as usize].clone()));
    let numbers: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
    let children: Vec<i32> = (0..rows.len() as i32).map(|row| row % 2).collect();
    doubled.set(Role::ORIGIN, origins(&numbers));
    doubled.set(Role::CHILD, origins(&children));
    doubled
}

impl predicate_api::Guest for Odd {
    type Predicate = Predicate;
}

struct Predicate {
    behaviour: String,
}

fn holds(behaviour: &str, row: usize) -> bool {
    match behaviour {
        "even" => row % 2 == 0,
        _ => true,
    }
}

impl predicate_api::GuestPredicate for Predicate {
    fn create(_class: String, config: Config) -> Result<predicate_api::Predicate, Error> {
        Ok(predicate_api::Predicate::new(Self { behaviour: behaviour(&config) }))
    }

    fn test(&self, records: Vec<u8>) -> Result<predicate_api::Verdict, Error> {
        if crate::columns::test(&self.behaviour)? {
            return Ok(predicate_api::Verdict { holds: Vec::new(), errors: Vec::new() });
        }
        let rows = received(records).rows() as usize;
        misbehave(&self.behaviour);
        crate::columns::counts(&self.behaviour)?;
        let mut verdict = bits::filled(rows, false);
        for row in (0..rows).filter(|&row| holds(&self.behaviour, row)) {
            bits::set(&mut verdict, row, true);
        }
        let mut errors = Vec::new();
        match self.behaviour.as_str() {
            "short" => drop(verdict.pop()),
            "fail first" => errors.push(row_error(0, "cannot tell")),
            _ => {}
        }
        Ok(predicate_api::Verdict { holds: verdict, errors })
    }
}

impl converter_api::Guest for Odd {
    type Converter = Converter;
}

struct Converter {
    behaviour: String,
    /// None for headers.
    side: Option<Side>,
}

impl Converter {
    /// Headers: puts `<` and `>` around texts where they become bytes and takes both away where bytes become texts. What
    /// has no such marks fails.
    fn headers(&self, records: Vec<u8>, to_bytes: bool) -> Outcome {
        let batch = received(records);
        let mut table = batch.open();
        let mut errors = Vec::new();
        let mut headers = HeadersBuilder::default();
        let mut schemas = table.schemas.clone();
        for row in 0..table.rows as usize {
            for header in table.get(Role::HEADERS).into_iter().flat_map(|column| column.headers(row)) {
                let marked = |text: &str| Some(text.strip_prefix('<')?.strip_suffix('>')?.to_owned());
                let value = match header.datum(&table.schemas).1 {
                    Value::String(text) if to_bytes => Some(Value::Bytes(format!("<{text}>").into_bytes())),
                    Value::Bytes(bytes) if !to_bytes => {
                        String::from_utf8(bytes).ok().and_then(|text| marked(&text)).map(Value::String)
                    }
                    Value::Null => Some(Value::Null),
                    _ => None,
                };
                let (key, value) = match (self.behaviour.as_str(), value) {
                    ("rename", Some(value)) => ("renamed", value),
                    ("text", Some(_)) => (header.key, Value::from("no bytes")),
                    (_, Some(value)) => (header.key, value),
                    (_, None) => {
                        errors.push(row_error(row as u32, "no marked text"));
                        break;
                    }
                };
                headers.push(key, None, &value, &mut schemas).expect("a text can be carried");
            }
            headers.end_row();
        }
        table.remove(Role::HEADERS);
        if let Some(headers) = headers.finish() {
            table.set(Role::HEADERS, headers);
        }
        table.deselect(errors.iter().map(|error| error.row as usize).collect::<Vec<_>>());
        Outcome { changed: Some(table.write()), errors }
    }
}

impl converter_api::GuestConverter for Converter {
    fn create(_class: String, config: Config, role: converter_api::Role) -> Result<converter_api::Converter, Error> {
        let side = match role {
            converter_api::Role::Key => Some(Side::Key),
            converter_api::Role::Value => Some(Side::Value),
            converter_api::Role::Header => None,
        };
        Ok(converter_api::Converter::new(Self { behaviour: behaviour(&config), side }))
    }

    fn to_connect(&self, records: Vec<u8>) -> Result<Outcome, Error> {
        misbehave(&self.behaviour);
        crate::columns::counts(&self.behaviour)?;
        let Some(side) = self.side else { return Ok(self.headers(records, false)) };
        let batch = received(records);
        let mut table = batch.open();
        let mut errors = Vec::new();
        let mut texts = millstream_record::batch::ColumnBuilder::new();
        for (row, (_, value)) in table.data(side).into_iter().enumerate() {
            match value {
                Value::Bytes(bytes) => match String::from_utf8(bytes) {
                    Ok(text) => texts.push_str(&text),
                    Err(_) => {
                        texts.push_null();
                        errors.push(row_error(row as u32, "no text"));
                    }
                },
                _ => texts.push_null(),
            }
        }
        *table.side_mut(side) = Union::single(None, texts.finish());
        table.deselect(errors.iter().map(|error| error.row as usize).collect::<Vec<_>>());
        if self.behaviour == "filter" {
            table.deselect([0]);
        }
        Ok(Outcome { changed: Some(table.write()), errors })
    }

    fn from_connect(&self, records: Vec<u8>) -> Result<Outcome, Error> {
        misbehave(&self.behaviour);
        let Some(side) = self.side else { return Ok(self.headers(records, true)) };
        let batch = received(records);
        let mut table = batch.open();
        let mut bytes = millstream_record::batch::ColumnBuilder::new();
        for (_, value) in table.data(side) {
            match value {
                Value::String(text) => bytes.push_bytes(text.as_bytes()),
                _ => bytes.push_null(),
            }
        }
        *table.side_mut(side) = Union::single(None, bytes.finish());
        if self.behaviour == "filter" {
            table.deselect([0]);
        }
        Ok(Outcome { changed: Some(table.write()), errors: Vec::new() })
    }
}
