//! A plugin of each kind, in the contract 0.1.0, with most of what the host offers.

wit_bindgen::generate!({ path: "../connect.wit", world: "bundle" });
export!(Frozen);

use exports::millstream::connect::{converter_api, plugin, predicate_api, sink_api, source_api, transform_api};
use millstream::connect::host_columns as columns;
use millstream::connect::host_metrics::{self, MetricKind, Progress};
use millstream::connect::types::{Config, Error, ErrorKind, Outcome, RowError, TopicOffset, TopicPartition};
use millstream::connect::{
    host_connector, host_files, host_lease, host_log, host_report, host_sink, host_source, host_sql, host_transaction,
    host_wait,
};

struct Frozen;

fn failure(kind: ErrorKind, message: &str) -> Error {
    Error { kind, class: String::new(), message: message.to_owned(), causes: vec!["deeper".to_owned()] }
}

fn value(config: &Config, name: &str) -> Option<String> {
    config.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.clone())
}

fn path(steps: &[&str]) -> Vec<String> {
    steps.iter().map(|&step| step.to_owned()).collect()
}

impl plugin::Guest for Frozen {
    fn describe() -> String {
        let key =
            r#"{"name":"text","type":"STRING","default":"x","importance":"HIGH","documentation":"What is done."}"#;
        let file = r#"{"name":"file","type":"STRING","opens":{"file":"read"}}"#;
        let database = r#"{"name":"db","type":"STRING","opens":{"sql":{"password":"db.password","properties":"db."}}},
            {"name":"db.password","type":"PASSWORD"}"#;
        let topic = r#"{"name":"why","type":"STRING","opens":{"topic":"write","default":"${connector}-why"}}"#;
        let plugin = |kind: &str, class: &str, more: &str, keys: &str| {
            format!(r#"{{"kind":"{kind}","class":"org.frozen.{class}","version":"0.1.0"{more},"config":[{keys}]}}"#)
        };
        let columns = r#","batches":"columns""#;
        let plugins = [
            plugin(
                "source",
                "FrozenSourceConnector",
                r#","commit_records":true,"wants":["lease"]"#,
                &[key, file, database].join(","),
            ),
            plugin("sink", "FrozenSinkConnector", columns, &[key, topic].join(",")),
            plugin("transform", "Upper", columns, key),
            plugin("predicate", "Is", columns, key),
            plugin("converter", "Texts", columns, key),
            plugin("header_converter", "HeaderTexts", "", key),
        ];
        format!(r#"{{"batch_formats":[1],"plugins":[{}]}}"#, plugins.join(","))
    }
}

struct Connector {
    text: std::cell::RefCell<String>,
}

impl Connector {
    fn new() -> Self {
        Self { text: Default::default() }
    }

    fn check(config: &Config) -> String {
        match value(config, "text").as_deref() {
            Some("bad") => r#"[{"name":"text","errors":["is bad"]}]"#.to_owned(),
            _ => "[]".to_owned(),
        }
    }

    fn begin(&self, config: &Config) {
        self.text.replace(value(config, "text").unwrap_or_default());
        if *self.text.borrow() == "reconfigure" {
            host_connector::request_task_reconfiguration();
            host_connector::raise_error(&failure(ErrorKind::Fatal, "raised"));
        }
        host_wait::rest(60_000);
    }

    fn tasks(&self, max_tasks: u32) -> Vec<Config> {
        let text = self.text.borrow().clone();
        (0..max_tasks.min(2)).map(|_| vec![("text".to_owned(), Some(text.clone()))]).collect()
    }
}

struct SourceTask {
    text: std::cell::RefCell<String>,
    polls: std::cell::Cell<u32>,
    heard: std::cell::Cell<u32>,
}

impl source_api::Guest for Frozen {
    type SourceConnector = Connector;
    type SourceTask = SourceTask;
}

impl source_api::GuestSourceConnector for Connector {
    fn create(_: String) -> Result<source_api::SourceConnector, Error> {
        Ok(source_api::SourceConnector::new(Self::new()))
    }
    fn validate(&self, config: Config) -> Result<String, Error> {
        Ok(Self::check(&config))
    }
    fn start(&self, config: Config) -> Result<(), Error> {
        self.begin(&config);
        Ok(())
    }
    fn task_configs(&self, max_tasks: u32) -> Result<Vec<Config>, Error> {
        Ok(self.tasks(max_tasks))
    }
    fn stop(&self) -> Result<(), Error> {
        Ok(())
    }
    fn exactly_once_support(&self, _: Config) -> Result<source_api::Support, Error> {
        Ok(source_api::Support::Supported)
    }
    fn can_define_transaction_boundaries(&self, _: Config) -> Result<source_api::Support, Error> {
        Ok(source_api::Support::Unsupported)
    }
    fn alter_offsets(&self, _: Config, _: Vec<(String, Option<String>)>) -> Result<bool, Error> {
        Ok(true)
    }
}

impl source_api::GuestSourceTask for SourceTask {
    fn create(_: String) -> Result<source_api::SourceTask, Error> {
        Ok(source_api::SourceTask::new(Self {
            text: Default::default(),
            polls: Default::default(),
            heard: Default::default(),
        }))
    }

    fn start(&self, config: Config) -> Result<(), Error> {
        self.text.replace(value(&config, "text").unwrap_or_default());
        host_metrics::declare("polls", MetricKind::Counter, "Polls")?;
        Ok(())
    }

    fn poll(&self, limits: source_api::PollLimits) -> Result<Option<Vec<u8>>, Error> {
        let text = self.text.borrow().clone();
        match text.as_str() {
            "file" => {
                let Some(file) = host_files::File::open("file")? else { return Ok(None) };
                let size = file.size()?.map(|size| size.low);
                return Err(failure(ErrorKind::Fatal, &format!("{size:?} {:?}", file.read(3)?)));
            }
            "lease" => {
                let epoch = host_lease::obtain()?;
                let changes = [host_lease::KeyChange { key: "k".to_owned(), value: Some(b"v".to_vec()) }];
                host_lease::write(epoch, &changes)?;
            }
            "sql" => {
                let database = host_sql::Database::open("db", "{}")?;
                let rows = database.query("SELECT 1 AS n", &[], "{}")?;
                rows.next(10, 1000)?;
                let table = columns::queried()?;
                let read = columns::get(table, &path(&["value", "n"]))?.map(columns::texts).transpose()?;
                return Err(failure(ErrorKind::Fatal, &format!("{read:?}")));
            }
            _ => {}
        }
        let poll = self.polls.replace(self.polls.get() + 1);
        host_metrics::count("polls", 1.0)?;
        host_metrics::gauge("limit", limits.max_records.into())?;
        let done = Progress { done: poll.into(), total: Some(2.0), unit: "polls".to_owned() };
        host_metrics::report_progress("polls", Some(&done).filter(|_| poll < 2))?;
        if 2 <= poll || host_transaction::available() {
            host_wait::rest(1000);
            return Ok(None);
        }
        let stored = host_source::read_offsets(&[r#"{"of":"a"}"#.to_owned()])?;
        if host_log::enabled(host_log::Level::Info) {
            host_log::log(host_log::Level::Info, &format!("poll {poll} behind {stored:?}, {} heard", self.heard.get()));
        }
        let table = columns::make(2)?;
        columns::set(table, &path(&["topic"]), columns::constant_text("frozen")?)?;
        let schema = r#"{"type":"struct","optional":false,"name":"F","fields":[
            {"field":"poll","type":"int32","optional":false},{"field":"text","type":"string","optional":true}]}"#;
        let rows = format!(r#"[{{"poll":{poll},"text":"{text}"}},{{"poll":{poll},"text":null}}]"#);
        columns::set(table, &path(&["value"]), columns::from_json(&rows, Some(schema))?.column)?;
        columns::set(table, &path(&["source-partition"]), columns::constant(r#"{"of":"a"}"#)?)?;
        let offsets = columns::from_json(&format!(r#"[{{"at":{}}},{{"at":{}}}]"#, 2 * poll, 2 * poll + 1), None)?;
        columns::set(table, &path(&["source-offset"]), offsets.column)?;
        columns::answer(table)?;
        Ok(None)
    }

    fn committed(&self, rows: Vec<u8>) -> Result<(), Error> {
        self.heard.set(self.heard.get() + columns::rows(columns::read(&rows)?)?);
        Ok(())
    }

    fn commit(&self) -> Result<(), Error> {
        Ok(())
    }

    fn stop(&self) -> Result<(), Error> {
        Ok(())
    }
}

struct SinkTask {
    taken: std::cell::RefCell<Vec<String>>,
}

impl sink_api::Guest for Frozen {
    type SinkConnector = Connector;
    type SinkTask = SinkTask;
}

impl sink_api::GuestSinkConnector for Connector {
    fn create(_: String) -> Result<sink_api::SinkConnector, Error> {
        Ok(sink_api::SinkConnector::new(Self::new()))
    }
    fn validate(&self, config: Config) -> Result<String, Error> {
        Ok(Self::check(&config))
    }
    fn start(&self, config: Config) -> Result<(), Error> {
        self.begin(&config);
        Ok(())
    }
    fn task_configs(&self, max_tasks: u32) -> Result<Vec<Config>, Error> {
        Ok(self.tasks(max_tasks))
    }
    fn stop(&self) -> Result<(), Error> {
        Ok(())
    }
    fn alter_offsets(&self, _: Config, _: Vec<(TopicPartition, Option<TopicOffset>)>) -> Result<bool, Error> {
        Ok(true)
    }
}

impl sink_api::GuestSinkTask for SinkTask {
    fn create(_: String) -> Result<sink_api::SinkTask, Error> {
        Ok(sink_api::SinkTask::new(Self { taken: Default::default() }))
    }
    fn start(&self, _: Config) -> Result<(), Error> {
        Ok(())
    }
    fn open(&self, partitions: Vec<TopicPartition>) -> Result<(), Error> {
        if partitions.len() == host_sink::assignment().len() { Ok(()) } else { Err(failure(ErrorKind::Fatal, "odd")) }
    }
    fn put(&self, _: Vec<u8>) -> Result<(), Error> {
        let table = columns::input()?;
        let Some(column) = columns::get(table, &path(&["value"]))? else { return Ok(()) };
        let mut bad = Vec::new();
        for (row, text) in columns::texts(column)?.into_iter().enumerate() {
            match text.as_deref() {
                Some("bad") => bad.push(RowError {
                    row: row as u32,
                    link: 0,
                    kind: ErrorKind::Data,
                    class: String::new(),
                    message: "is bad".to_owned(),
                    field: None,
                }),
                Some("why") => {
                    let report = host_report::Report { key: None, value: Some(b"why".to_vec()), headers: Vec::new() };
                    host_report::write("why", &[report])?;
                }
                Some("all") => return Err(failure(ErrorKind::Fatal, &self.taken.borrow().join(","))),
                Some(text) => self.taken.borrow_mut().push(text.to_owned()),
                None => {}
            }
        }
        if bad.is_empty() { Ok(()) } else { host_sink::report(&bad) }
    }
    fn pre_commit(&self, offsets: Vec<TopicOffset>) -> Result<Option<Vec<TopicOffset>>, Error> {
        Ok(Some(offsets))
    }
    fn close(&self, _: Vec<TopicPartition>) -> Result<(), Error> {
        Ok(())
    }
    fn stop(&self) -> Result<(), Error> {
        Ok(())
    }
}

struct Chain(Vec<transform_api::Link>);

impl transform_api::Guest for Frozen {
    type Chain = Chain;
}

impl transform_api::GuestChain for Chain {
    fn create(links: Vec<transform_api::Link>) -> Result<transform_api::Chain, transform_api::LinkError> {
        if let Some(link) = links.iter().position(|link| value(&link.config, "text").as_deref() == Some("bad")) {
            let error = failure(ErrorKind::Config, "refused");
            return Err(transform_api::LinkError { link: link as u32, error });
        }
        Ok(transform_api::Chain::new(Self(links)))
    }

    fn apply(&self, _: Vec<u8>, _: Option<Vec<u8>>) -> Result<Outcome, Error> {
        let table = columns::input()?;
        let of_value = path(&["value"]);
        for (number, link) in self.0.iter().enumerate() {
            let Some(column) = columns::get(table, &of_value)? else { continue };
            if let Some(condition) = &link.condition {
                let is = is(column, &condition.config)?;
                let is = if condition.negate { columns::inverse(is)? } else { is };
                columns::focus(table, Some(is))?;
            }
            let column = columns::get(table, &of_value)?.expect("it was there");
            // A text "fail" fails, all others are in upper case.
            let fails = columns::equal(column, columns::constant_text("fail")?)?;
            let message = columns::choose(fails, columns::constant_text("failed")?, columns::absent()?)?;
            columns::set(table, &of_value, columns::upper(column)?)?;
            columns::fail(table, message, number as u32, ErrorKind::Data, "")?;
            columns::focus(table, None)?;
        }
        columns::answer(table)?;
        Ok(Outcome { changed: None, errors: Vec::new() })
    }
}

fn is(column: u32, config: &Config) -> Result<u32, Error> {
    columns::equal(column, columns::constant_text(&value(config, "text").unwrap_or_default())?)
}

struct Predicate(Config);

impl predicate_api::Guest for Frozen {
    type Predicate = Predicate;
}

impl predicate_api::GuestPredicate for Predicate {
    fn create(_: String, config: Config) -> Result<predicate_api::Predicate, Error> {
        Ok(predicate_api::Predicate::new(Self(config)))
    }
    fn test(&self, _: Vec<u8>) -> Result<predicate_api::Verdict, Error> {
        let table = columns::input()?;
        let holds = match columns::get(table, &path(&["value"]))? {
            Some(column) => is(column, &self.0)?,
            None => columns::constant("false")?,
        };
        columns::answer_verdict(holds, None)?;
        Ok(predicate_api::Verdict { holds: Vec::new(), errors: Vec::new() })
    }
}

struct Converter(Vec<String>);

impl converter_api::Guest for Frozen {
    type Converter = Converter;
}

impl converter_api::GuestConverter for Converter {
    fn create(_: String, _: Config, role: converter_api::Role) -> Result<converter_api::Converter, Error> {
        let side = match role {
            converter_api::Role::Key => path(&["key"]),
            converter_api::Role::Value => path(&["value"]),
            converter_api::Role::Header => Vec::new(),
        };
        Ok(converter_api::Converter::new(Self(side)))
    }

    fn to_connect(&self, _: Vec<u8>) -> Result<Outcome, Error> {
        let table = columns::input()?;
        if self.0.is_empty() {
            // Headers: each name is a column.
            for name in columns::names(table, &path(&["header"]))? {
                let at = path(&["header", &name]);
                if let Some(column) = columns::get(table, &at)? {
                    columns::set(table, &at, columns::to_text(column, "utf-8")?.column)?;
                }
            }
        } else if let Some(column) = columns::get(table, &self.0)? {
            let made = columns::to_text(column, "utf-8")?;
            columns::set(table, &self.0, made.column)?;
            if let Some(failed) = made.failed {
                columns::fail(table, failed, 0, ErrorKind::Data, "")?;
            }
        }
        columns::answer(table)?;
        Ok(Outcome { changed: None, errors: Vec::new() })
    }

    fn from_connect(&self, _: Vec<u8>) -> Result<Outcome, Error> {
        let table = columns::input()?;
        if let Some(column) = columns::get(table, &self.0)? {
            columns::set(table, &self.0, columns::schemaless(columns::to_bytes(column, "utf-8")?.column)?)?;
        }
        columns::answer(table)?;
        Ok(Outcome { changed: None, errors: Vec::new() })
    }
}
