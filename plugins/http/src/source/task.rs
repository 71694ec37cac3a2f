//! Asking a server page by page.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use millstream_sdk::{
    Collector, Error, PollLimits, Record, Result, SourceContext, SourceTask, Timestamp, Value,
    batch::Table,
    http::{Cause, HttpError, Request, Response, encode, parts},
    map, rest, warn,
};
use serde_json::Value as Json;

use super::confluent::HttpSourceConfig;
use super::position::{Mode, Page, Pointers, Position, next_page, walk};
use super::record::{data, items, parse, take, text};
use crate::retry::{Policy, Statuses, chance, retry_after};

/// Longest part of an answer in messages, in characters.
const MAX_SHOWN: usize = 500;

/// Everything that a task has to know.
#[derive(Debug)]
pub struct Settings {
    pub topic: String,
    pub url: String,
    pub entities: Vec<String>,
    pub method: String,
    pub body: Option<String>,
    /// `name=value`, with placeholders.
    pub parameters: Vec<String>,
    pub initial: Position,
    pub mode: Mode,
    pub pointers: Pointers,
    pub retried: Statuses,
    pub retries: Policy,
    pub interval: Duration,
    pub idle: Duration,
    pub etag: bool,
    /// JSON as a text rather than data.
    pub as_text: bool,
}

/// The task: one request at a time.
#[derive(Debug)]
pub struct HttpSourceTask {
    settings: Settings,
    entities: Vec<Entity>,
    /// Whose turn it is.
    turn: usize,
}

/// One of the things that are read.
#[derive(Debug)]
struct Entity {
    name: String,
    partition: Value,
    position: Position,
    /// What was read and not handed over yet.
    ready: VecDeque<(Json, Position)>,
    due: Instant,
    repeats: u32,
    /// Of the last answer, with the URL that it came from.
    etag: Option<(String, String)>,
    told_missing: bool,
}

impl SourceTask for HttpSourceTask {
    type Config = HttpSourceConfig;

    fn start(config: HttpSourceConfig, context: SourceContext) -> Result<Self> {
        let settings = config.settings;
        let names = if settings.entities.is_empty() { vec![String::new()] } else { settings.entities.clone() };
        let mut entities = Vec::with_capacity(names.len());
        for name in names {
            let partition = map([("entityName", Value::String(name.clone()))]);
            let stored = context.offset(&partition)?;
            let position = stored.as_ref().map(Position::of_value).transpose()?;
            entities.push(Entity {
                position: position.unwrap_or_else(|| settings.initial.clone()),
                name,
                partition,
                ready: VecDeque::new(),
                due: Instant::now(),
                repeats: 0,
                etag: None,
                told_missing: false,
            });
        }
        Ok(Self { settings, entities, turn: 0 })
    }

    fn poll(&mut self, limits: &PollLimits) -> Result<Option<Table<'_>>> {
        for _ in 0..self.entities.len() {
            let at = self.turn % self.entities.len();
            self.turn = at + 1;
            let entity = &mut self.entities[at];
            if entity.ready.is_empty() && entity.due <= Instant::now() {
                entity.ask(&self.settings)?;
            }
            if !entity.ready.is_empty() {
                // The rest of a page comes before anybody else's.
                self.turn = if limits.max_records as usize <= entity.ready.len() { at } else { at + 1 };
                return self.entities[at].hand_over(&self.settings, limits.max_records as usize);
            }
        }
        let now = Instant::now();
        let wait = self.entities.iter().map(|entity| entity.due.saturating_duration_since(now)).min();
        rest(wait.unwrap_or_default().max(Duration::from_millis(1)));
        Ok(None)
    }
}

impl Entity {
    fn hand_over(&mut self, settings: &Settings, max: usize) -> Result<Option<Table<'static>>> {
        let topic = settings.topic.replace("${entityName}", &self.name);
        let mut collector = Collector::new();
        let count = self.ready.len().min(max.max(1));
        for (item, position) in self.ready.drain(..count) {
            let value = if settings.as_text { Value::String(text(item)) } else { data(item) };
            collector.push(&Record::new(&topic, value).from(self.partition.clone(), position.to_value()))?;
        }
        collector.into_table()
    }

    /// Sends a request and takes what comes. When to come again is in `due`.
    fn ask(&mut self, settings: &Settings) -> Result<()> {
        let request = self.request(settings);
        let url = request.url().to_owned();
        let known = self.etag.as_ref().filter(|(known, _)| settings.etag && settings.method == "GET" && *known == url);
        let request = match known {
            Some((_, etag)) => request.header("if-none-match", etag),
            None => request,
        };
        let outcome = request.send();
        let now = Instant::now();
        let response = match outcome {
            Ok(response) if response.status == 304 && known.is_some() => {
                (self.repeats, self.due) = (0, now + settings.interval.max(settings.idle));
                return Ok(());
            }
            Ok(response) if response.is_success() => response,
            outcome => return self.try_again(settings, &url, outcome, now),
        };
        self.repeats = 0;
        self.etag = response.header("etag").map(|etag| (url.clone(), etag.to_owned()));
        let page = self.page(settings, &url, &response)?;
        self.position = page.next;
        self.ready.extend(page.records);
        self.due = now + if page.more { settings.interval } else { settings.interval.max(settings.idle) };
        Ok(())
    }

    fn page(&mut self, settings: &Settings, url: &str, response: &Response) -> Result<Page> {
        let is_empty = response.body.iter().all(u8::is_ascii_whitespace);
        let document = if is_empty {
            Json::Null
        } else {
            parse(&response.body)
                .map_err(|error| Error::fatal(format!("the answer of {url} is no JSON")).because(&error))?
        };
        let mut next = next_page(settings.mode, &document, response, &settings.pointers);
        if let (Mode::Link, Some(link)) = (settings.mode, &next) {
            next = Some(resolved(url, link));
        }
        let found = take(document, &settings.pointers.data);
        if found.is_none() && !is_empty && !std::mem::replace(&mut self.told_missing, true) {
            let pointer = &settings.pointers.data;
            warn!(
                "the answer of {url} has nothing at {pointer} (http.response.data.json.pointer), which counts as no record"
            );
        }
        walk(settings.mode, &self.position, items(found), next, &settings.pointers)
    }

    fn request(&self, settings: &Settings) -> Request {
        let offset = &self.position.offset;
        let expanded = |text: &str, in_url: bool| {
            let part = |part: &str| if in_url { encode(part) } else { part.to_owned() };
            text.replace("${entityName}", &part(&self.name)).replace("${offset}", &part(offset))
        };
        let base = expanded(&settings.url, true);
        // A page that is named by a URL, or the end of one, is asked for there.
        let is_place = matches!(settings.mode, Mode::Cursor | Mode::Link)
            && (offset.contains("://") || offset.starts_with(['/', '?']));
        if is_place {
            return Request::new(&settings.method, resolved(&base, offset));
        }
        let mut url = base;
        if settings.method == "GET" {
            for parameter in &settings.parameters {
                url.push(if url.contains('?') { '&' } else { '?' });
                match parameter.split_once('=') {
                    Some((name, value)) => {
                        url.push_str(&format!("{}={}", encode(name), encode(&expanded(value, false))));
                    }
                    None => url.push_str(&encode(&expanded(parameter, false))),
                }
            }
        }
        let request = Request::new(&settings.method, url);
        match &settings.body {
            Some(body) => request.header("content-type", "application/json").body(expanded(body, false)),
            None => request,
        }
    }

    fn try_again(
        &mut self,
        settings: &Settings,
        url: &str,
        outcome: Result<Response, HttpError>,
        now: Instant,
    ) -> Result<()> {
        let may_retry = match &outcome {
            Ok(response) => settings.retried.contains(response.status),
            // The host asks for an end; nothing is lost.
            Err(error) if error.cause == Cause::Stopping => return Ok(()),
            Err(error) => error.cause.may_pass(),
        };
        let asked = outcome.as_ref().ok().and_then(|response| retry_after(response, Timestamp::now().as_millis()));
        let what = match &outcome {
            Ok(response) => {
                let content: String = response.text().chars().take(MAX_SHOWN).collect();
                format!("{} {url} was answered with {}: {content}", settings.method, response.status)
            }
            Err(error) => format!("{} {url} was not answered: {error}", settings.method),
        };
        match settings.retries.wait(self.repeats, chance(), asked).filter(|_| may_retry) {
            Some(wait) => {
                warn!("{what}; it is sent again in {} ms", wait.as_millis());
                self.repeats += 1;
                self.due = now + wait;
                Ok(())
            }
            None => Err(Error::fatal(what)),
        }
    }
}

/// A reference seen from a URL (RFC 3986, as far as pages need it).
fn resolved(base: &str, reference: &str) -> String {
    if reference.contains("://") {
        return reference.to_owned();
    }
    let Some((is_secure, authority, path)) = parts(base) else { return reference.to_owned() };
    let scheme = if is_secure { "https" } else { "http" };
    if let Some(rest) = reference.strip_prefix("//") {
        return format!("{scheme}://{rest}");
    }
    let path = path.split('?').next().unwrap_or_default();
    let path = match reference.chars().next() {
        Some('/') => reference.to_owned(),
        Some('?') => format!("{path}{reference}"),
        _ => format!("{}/{reference}", path.rsplit_once('/').map_or("", |(folder, _)| folder)),
    };
    format!("{scheme}://{authority}{path}")
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use millstream_sdk::{ErrorKind, config::ConfigMap, harness::Harness, records_of};
    use serde_json::json;

    use super::*;

    const LIMITS: PollLimits = PollLimits { max_records: 3, max_bytes: 1 << 20, max_wait_ms: 5000 };

    type Seen = Rc<RefCell<Vec<String>>>;

    fn serve(harness: &Harness, answer: impl Fn(&str) -> Response + 'static) -> Seen {
        let seen = Seen::default();
        let theirs = Rc::clone(&seen);
        harness.serve(move |request| {
            let path = request.url().strip_prefix("http://h").unwrap_or(request.url()).to_owned();
            theirs.borrow_mut().push(path.clone());
            Ok(answer(&path))
        });
        seen
    }

    fn start(harness: &Harness, pairs: &[(&str, &str)]) -> Result<HttpSourceTask> {
        let base = ConfigMap::from([("topic.name.pattern", "t-${entityName}"), ("http.idle.interval.ms", "0")]);
        let config = pairs.iter().fold(base, |map, (key, value)| map.with(*key, *value));
        harness.source_task(&config)
    }

    /// The ids of so many polls, and the last offset.
    fn polled(task: &mut HttpSourceTask, polls: usize) -> (Vec<i64>, Value) {
        let (mut ids, mut last) = (Vec::new(), Value::Null);
        for _ in 0..polls {
            let Some(table) = task.poll(&LIMITS).expect("polled") else { continue };
            for record in records_of(table.write()).expect("records") {
                let Some(Value::Int64(id)) = millstream_sdk::get(&record.value, "id").cloned() else {
                    panic!("{record:?}")
                };
                ids.push(id);
                last = record.source_offset;
            }
        }
        (ids, last)
    }

    fn list(range: std::ops::Range<i64>) -> Json {
        range.map(|id| json!({"id": id})).collect()
    }

    #[test]
    fn a_number_is_counted_up_and_a_large_page_is_handed_over_in_parts() {
        let harness = Harness::enter();
        let seen = serve(&harness, |path| {
            let from: i64 = path.rsplit('=').next().unwrap().parse().unwrap();
            Response::new(200, json!({"items": list(from..(from + 5).min(7))}).to_string())
        });
        let pairs = [("url", "http://h/a?from=${offset}"), ("http.response.data.json.pointer", "/items")];
        let mut task = start(&harness, &pairs).expect("started");
        let (ids, last) = polled(&mut task, 6);
        assert_eq!(ids, (0..7).collect::<Vec<_>>());
        assert_eq!(*seen.borrow(), ["/a?from=0", "/a?from=5", "/a?from=7", "/a?from=7", "/a?from=7"]);
        harness.store_offset(&map([("entityName", "".into())]), &last);
        let mut task = start(&harness, &pairs).expect("started");
        assert_eq!(polled(&mut task, 1).0, Vec::<i64>::new());
        assert_eq!(seen.borrow().last().map(String::as_str), Some("/a?from=7"));
    }

    #[test]
    fn cursors_and_links_lead_from_page_to_page_and_a_restart_goes_on_within_one() {
        let harness = Harness::enter();
        let seen = serve(&harness, |path| {
            let (items, next) = match path {
                "/a?c=" => (list(0..2), "x y"),
                "/a?c=x%20y" => (list(2..4), "?page=3"),
                "/a?page=3" => (list(4..6), ""),
                other => panic!("{other}"),
            };
            Response::new(200, json!({"items": items, "next": next}).to_string())
        });
        let pairs = [
            ("url", "http://h/a?c=${offset}"),
            ("http.response.data.json.pointer", "/items"),
            ("http.offset.mode", "cursor_pagination"),
            ("http.next.page.json.pointer", "/next"),
        ];
        let mut task = start(&harness, &pairs).expect("started");
        let (ids, last) = polled(&mut task, 5);
        assert_eq!((ids, last), ((0..6).collect(), map([("offset", "?page=3".into()), ("read", Value::Int64(2))])));
        harness.store_offset(
            &map([("entityName", "".into())]),
            &map([("offset", "?page=3".into()), ("read", Value::Int64(1))]),
        );
        assert_eq!(polled(&mut start(&harness, &pairs).expect("started"), 2).0, [5]);
        assert_eq!(seen.borrow().last().map(String::as_str), Some("/a?page=3"));

        let harness = {
            drop(harness);
            Harness::enter()
        };
        serve(&harness, |path| match path {
            "/l" => Response::new(200, list(0..1).to_string()).with("Link", "</l/2>; rel=\"next\""),
            _ => Response::new(200, list(1..2).to_string()),
        });
        let mut task = start(&harness, &[("url", "http://h/l"), ("http.offset.mode", "LINK_HEADER")]).expect("started");
        assert_eq!(polled(&mut task, 4).0, [0, 1]);
    }

    #[test]
    fn entities_have_topics_parameters_and_offsets_of_their_own() {
        let harness = Harness::enter();
        let seen = serve(&harness, |_| Response::new(200, r#"{"id":9}"#));
        let pairs = [
            ("url", "http://h/${entityName}"),
            ("entity.names", "a,b c"),
            ("http.request.parameters", "since=${offset}&q=x y"),
            ("http.offset.mode", "CHAINING"),
            ("http.offset.json.pointer", "/id"),
            ("http.initial.offset", "1/2"),
            ("http.idle.interval.ms", "60000"),
        ];
        let mut task = start(&harness, &pairs).expect("started");
        let table = task.poll(&LIMITS).expect("polled").expect("records").write();
        let record = records_of(table).expect("records").remove(0);
        assert_eq!((record.topic.as_str(), record.source_partition), ("t-a", map([("entityName", "a".into())])));
        assert_eq!(record.source_offset, map([("offset", "9".into())]));
        assert_eq!(polled(&mut task, 2).0, [9, 9]);
        assert_eq!(*seen.borrow(), ["/a?since=1%2F2&q=x%20y", "/b%20c?since=1%2F2&q=x%20y", "/a?since=9&q=x%20y"]);
    }

    #[test]
    fn what_has_not_changed_is_not_read_again() {
        let harness = Harness::enter();
        let conditions = Rc::new(RefCell::new(Vec::new()));
        let theirs = Rc::clone(&conditions);
        harness.serve(move |request| {
            let condition =
                request.headers().iter().find(|(name, _)| name == "if-none-match").map(|(_, tag)| tag.clone());
            theirs.borrow_mut().push(condition.clone());
            Ok(match condition {
                Some(_) => Response::new(304, ""),
                None => Response::new(200, list(0..2).to_string()).with("ETag", "\"v1\""),
            })
        });
        let mut task = start(&harness, &[("url", "http://h/"), ("http.offset.mode", "LINK_HEADER")]).expect("started");
        assert_eq!(polled(&mut task, 3).0, [0, 1]);
        assert_eq!(*conditions.borrow(), [None, Some("\"v1\"".to_owned()), Some("\"v1\"".to_owned())]);
    }

    #[test]
    fn a_server_in_trouble_is_asked_again_and_one_that_refuses_fails_the_task() {
        let harness = Harness::enter();
        serve(&harness, |_| Response::new(503, "").with("Retry-After", "7"));
        let pairs = [("url", "http://h/"), ("max.retries", "1"), ("retry.on.status.codes", "500-")];
        let mut task = start(&harness, &pairs).expect("started");
        assert!(task.poll(&LIMITS).expect("nothing yet").is_none());
        let rest = harness.take_rests()[0];
        assert!((Duration::from_secs(6)..=Duration::from_secs(7)).contains(&rest), "{rest:?}");
        task.entities[0].due = Instant::now();
        let error = task.poll(&LIMITS).expect_err("the last try");
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Fatal, "GET http://h/ was answered with 503: "));
        serve(&harness, |_| Response::new(404, "no such thing"));
        let error = start(&harness, &pairs).expect("started").poll(&LIMITS).expect_err("refused");
        assert_eq!(error.message, "GET http://h/ was answered with 404: no such thing");
        serve(&harness, |_| Response::new(200, "<html>"));
        let error = start(&harness, &pairs).expect("started").poll(&LIMITS).expect_err("no JSON");
        assert!(error.message.starts_with("the answer of http://h/ is no JSON"), "{error}");
    }

    #[test]
    fn keys_that_a_mode_needs_are_asked_for() {
        let harness = Harness::enter();
        let refused = |mode: &str| {
            start(&harness, &[("url", "http://h/"), ("http.offset.mode", mode)]).expect_err("refused").message
        };
        assert!(refused("CHAINING").contains("http.offset.json.pointer: it must be set"));
        assert!(refused("CURSOR_PAGINATION").contains("http.next.page.json.pointer: it must be set"));
        assert!(refused("PAGE_NUMBER").contains("http.page.size: it must be set"));
    }

    #[test]
    fn references_are_resolved() {
        for (reference, expected) in [
            ("https://x/y", "https://x/y"),
            ("//x/y", "http://x/y"),
            ("/y", "http://h/y"),
            ("?p=2", "http://h/a/b?p=2"),
            ("c", "http://h/a/c"),
        ] {
            assert_eq!(resolved("http://h/a/b?q", reference), expected);
        }
    }
}
