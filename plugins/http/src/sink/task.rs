//! Sending what was planned: one request after the other or several at a time, again where that may help, and with a named
//! ending for each record.

use std::collections::{HashSet, VecDeque};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_sdk::{
    Error, ErrorKind, Result, RowError, SinkContext, SinkTask, Timestamp, TopicReport,
    batch::{Role, Table},
    config::PluginConfig,
    http::{Cause, HttpError, Pending, Response},
    wait, warn,
};

use super::confluent::{ERRORS, RESULTS};
use super::reports::{About, of_error, of_result};
use super::requests::{Plan, Refused, Work, build, text_of};
use super::settings::{Dialect, OnError, Settings};
use crate::retry::{chance, retry_after};

/// How long one `put` sends and waits before it asks for the rest of its records again. What has ended by then stays so.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reports that are kept before they are written.
const MAX_REPORTS: usize = 1000;

/// When reports are written again that could not be.
const REPORT_AGAIN: Duration = Duration::from_secs(1);

/// Longest part of an answer in messages, in characters.
const MAX_SHOWN: usize = 1000;

/// A configuration that says what a task does.
pub trait TaskConfig: PluginConfig + 'static {
    fn into_settings(self) -> Settings;
}

/// The task. What `put` has returned from was taken by the server, or has ended in another way.
#[derive(Debug)]
pub struct HttpSinkTask<C> {
    settings: Settings,
    context: SinkContext,
    /// Of the batch that is to come again.
    progress: Option<Progress>,
    /// When the last request began.
    last: Option<Instant>,
    config: PhantomData<C>,
}

/// How far a batch has come.
#[derive(Debug)]
struct Progress {
    batch: Identity,
    queue: VecDeque<Try>,
    refused: Vec<Refused>,
    /// What is still to be written to topics, with the key of each.
    results: Vec<TopicReport>,
    errors: Vec<TopicReport>,
}

/// A request that is still to be sent.
#[derive(Debug)]
struct Try {
    work: Work,
    repeats: u32,
    not_before: Option<Instant>,
}

type Place = (String, Option<i64>, Option<i64>);

/// What tells one batch from another.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Identity {
    rows: u32,
    selected: usize,
    /// Topic, partition and offset of the first row and the last.
    ends: [Option<Place>; 2],
}

impl Identity {
    fn of(table: &Table<'_>) -> Self {
        let place = |row: usize| {
            let topic = table.topic(row)?.to_owned();
            Some((topic, table.integer(Role::PARTITION, row), table.integer(Role::OFFSET, row)))
        };
        let last = (table.rows as usize).checked_sub(1);
        Self { rows: table.rows, selected: table.selected(), ends: [last.and_then(|_| place(0)), last.and_then(place)] }
    }
}

/// Why sending has to pause.
enum Pause {
    /// The batch is to come again after so long.
    Later(Duration),
    Stopping,
}

impl<C: TaskConfig> SinkTask for HttpSinkTask<C> {
    type Config = C;

    fn start(config: C, context: SinkContext) -> Result<Self> {
        let settings = config.into_settings();
        Ok(Self { settings, context, progress: None, last: None, config: PhantomData })
    }

    fn put(&mut self, records: &Table<'_>) -> Result<()> {
        let batch = Identity::of(records);
        let known = self.progress.take().filter(|progress| progress.batch == batch);
        let mut progress = known.unwrap_or_else(|| {
            let plan = Plan::of(records, &self.settings);
            let queue = plan.works.into_iter().map(|work| Try { work, repeats: 0, not_before: None }).collect();
            Progress { batch, queue, refused: plan.refused, results: Vec::new(), errors: Vec::new() }
        });
        match self.send(records, &mut progress)? {
            None => Ok(()),
            Some(pause) => {
                self.progress = Some(progress);
                Err(match pause {
                    Pause::Later(time) => {
                        self.context.timeout(time);
                        Error::retriable("the records are to be sent again, since the server did not take all of them")
                    }
                    Pause::Stopping => Error::retriable("the task is asked to stop"),
                })
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl<C> HttpSinkTask<C> {
    /// Sends everything in the queue, unless it has to pause.
    fn send(&mut self, table: &Table<'_>, progress: &mut Progress) -> Result<Option<Pause>> {
        let began = Instant::now();
        let mut under_way: VecDeque<(Try, String, Pending)> = VecDeque::new();
        let mut pause = None;
        loop {
            while pause.is_none() && under_way.len() < self.settings.in_flight {
                let Some(mut next) = progress.queue.pop_front() else { break };
                pause = self.pause_before(&next, began, under_way.is_empty());
                if pause.is_some() {
                    progress.queue.push_front(next);
                    break;
                }
                if let Some(request) = build(table, &self.settings, &mut next.work, &mut progress.refused) {
                    self.last = Some(Instant::now());
                    let pending = request.start();
                    under_way.push_back((next, request.url().to_owned(), pending));
                }
            }
            // Before a refusal may fail the task, it stands in its topic.
            let is_due = under_way.is_empty() || !progress.refused.is_empty();
            if is_due || MAX_REPORTS < progress.results.len() + progress.errors.len() {
                let written = self.write_reports(table, progress)?;
                pause = pause.or(written);
            }
            self.end_refused(&mut progress.refused)?;
            let Some((tried, url, pending)) = under_way.pop_front() else { return Ok(pause) };
            if let Some(stop) = self.judge(table, tried, &url, pending.wait(), progress)? {
                pause = Some(stop);
            }
        }
    }

    /// Waits until a request may begin. A pause if the wait is too long for one `put`, or the task is asked to stop.
    fn pause_before(&self, next: &Try, began: Instant, alone: bool) -> Option<Pause> {
        let now = Instant::now();
        let paced = self.last.map(|last| last + self.settings.interval);
        let due = [next.not_before, paced].into_iter().flatten().max().unwrap_or(now);
        let time = due.saturating_duration_since(now);
        // The first request of a call is always sent, so that each call gets further.
        if PATIENCE < now.duration_since(began) + time && (!time.is_zero() || !alone) {
            return Some(Pause::Later(time));
        }
        if PATIENCE < now.duration_since(began) {
            return Some(Pause::Later(Duration::ZERO));
        }
        (!time.is_zero() && wait(time)).then_some(Pause::Stopping)
    }

    /// What becomes of the records of a request.
    fn judge(
        &self,
        table: &Table<'_>,
        mut tried: Try,
        url: &str,
        outcome: Result<Response, HttpError>,
        progress: &mut Progress,
    ) -> Result<Option<Pause>> {
        let may_retry = match &outcome {
            Ok(response) if self.settings.good.contains(response.status) => {
                if let Some(format) = self.settings.reports.results {
                    let reports = tried.work.rows.iter().map(|&row| of_result(table, row, response, format));
                    progress.results.extend(reports);
                }
                return Ok(None);
            }
            Ok(response) => self.settings.retried.contains(response.status),
            Err(error) if error.cause == Cause::Stopping => {
                progress.queue.push_front(tried);
                return Ok(Some(Pause::Stopping));
            }
            // It concerns the connector as a whole, whatever the records are.
            Err(error) if matches!(error.cause, Cause::Denied | Cause::Config | Cause::Auth) => {
                return Err(Error::fatal(format!("send records to {url}")).because(error));
            }
            Err(error) => error.cause.may_pass(),
        };
        let asked = outcome.as_ref().ok().and_then(|response| retry_after(response, Timestamp::now().as_millis()));
        if may_retry && let Some(time) = self.settings.retries.wait(tried.repeats, chance(), asked) {
            tried.repeats += 1;
            tried.not_before = Some(Instant::now() + time);
            progress.queue.push_front(tried);
            return Ok(None);
        }
        let what = self.message(url, &outcome);
        let rows = &tried.work.rows;
        let about = Some(Arc::new(About::of(url, &outcome, rows.len())));
        if let (Some(pointer), Ok(response)) = (&self.settings.faults, &outcome)
            && let Some(faults) = faults(response, pointer, rows.len())
        {
            let named = faults.into_iter().map(|at| Refused {
                row: rows[at],
                error: Error::data(what.clone()),
                about: about.clone(),
            });
            progress.refused.extend(named);
            return Ok(None);
        }
        if 1 < rows.len() && self.settings.splits && is_about_records(&outcome) {
            let mut first = tried.work.rows;
            let second = first.split_off(first.len() / 2);
            for rows in [second, first] {
                let work = Work { rows, deletes: false };
                progress.queue.push_front(Try { work, repeats: 0, not_before: None });
            }
            return Ok(None);
        }
        progress.refused.extend(rows.iter().map(|&row| Refused {
            row,
            error: Error::data(what.clone()),
            about: about.clone(),
        }));
        Ok(None)
    }

    /// Writes what there is to say to its topics. A pause if that is to be tried again.
    fn write_reports(&self, table: &Table<'_>, progress: &mut Progress) -> Result<Option<Pause>> {
        if let Some(format) = self.settings.reports.errors {
            for refused in &mut progress.refused {
                // Said once, whatever is tried again.
                let Some(about) = refused.about.take() else { continue };
                let payload = text_of(table, &self.settings, refused.row).unwrap_or_default();
                let report = of_error(table, refused.row, &about, &payload, &self.settings.reports, format);
                progress.errors.push(report);
            }
        }
        for (key, reports) in [(RESULTS, &mut progress.results), (ERRORS, &mut progress.errors)] {
            if reports.is_empty() {
                continue;
            }
            match self.context.write(key, reports.clone()) {
                Ok(()) => reports.clear(),
                Err(error) if error.kind == ErrorKind::Retriable => {
                    warn!("reports are not written yet ({key}): {error}");
                    return Ok(Some(Pause::Later(REPORT_AGAIN)));
                }
                Err(error) => return Err(Error::fatal(format!("write reports ({key})")).because(&error)),
            }
        }
        Ok(None)
    }

    /// The ending of records that were refused for good.
    fn end_refused(&self, refused: &mut Vec<Refused>) -> Result<()> {
        if refused.is_empty() {
            return Ok(());
        }
        let refused = std::mem::take(refused);
        match self.settings.errors {
            OnError::Ignore => Ok(()),
            OnError::Log => {
                let first = &refused[0].error;
                warn!("{} records were refused and are left out, the first of them: {first}", refused.len());
                Ok(())
            }
            OnError::Fail => {
                let first = refused[0].error.clone();
                let errors: Vec<RowError> =
                    refused.into_iter().map(|Refused { row, error, .. }| RowError::new(row as usize, error)).collect();
                self.context.report(&errors).map_err(|_| {
                    let text = match self.settings.dialect {
                        Dialect::Confluent => return Error::fatal(first.message),
                        Dialect::Aiven => "Sending failed and no retries remain, stopping",
                    };
                    Error::fatal(text).because(&first)
                })
            }
        }
    }

    fn message(&self, url: &str, outcome: &Result<Response, HttpError>) -> String {
        match outcome {
            Ok(response) => {
                let content: String = response.text().chars().take(MAX_SHOWN).collect();
                format!(
                    "Error while processing HTTP request with Url : {url}, Status code : {}, Reason Phrase : {}, Response Content : {content},",
                    response.status,
                    reason_phrase(response.status)
                )
            }
            Err(error) => format!("Error while processing HTTP request with Url : {url}, Error Message : {error}"),
        }
    }
}

/// Whether smaller requests could fare better.
fn is_about_records(outcome: &Result<Response, HttpError>) -> bool {
    match outcome {
        Ok(response) => {
            (400..500).contains(&response.status) && !matches!(response.status, 401 | 403 | 404 | 405 | 407 | 408 | 429)
        }
        Err(error) => error.cause == Cause::TooLarge,
    }
}

/// Places of the records at fault, as a refusal lists them; none if it does not.
fn faults(response: &Response, pointer: &str, rows: usize) -> Option<Vec<usize>> {
    let body: serde_json::Value = serde_json::from_slice(&response.body).ok()?;
    let index = |item: &serde_json::Value| {
        let number = if item.is_object() { item.get("index")?.as_u64() } else { item.as_u64() };
        usize::try_from(number?).ok().filter(|&at| at < rows)
    };
    let items = body.pointer(pointer)?.as_array()?;
    let found: Option<HashSet<usize>> = items.iter().map(index).collect();
    let mut found: Vec<usize> = found.filter(|found| !found.is_empty())?.into_iter().collect();
    found.sort_unstable();
    Some(found)
}

pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use millstream_sdk::{
        Collector, Record, Value,
        batch::{Column, Kind},
        config::ConfigMap,
        harness::Harness,
        http::Request,
        map,
    };

    use super::*;
    use crate::sink::{AivenSinkConfig, HttpSinkConfig};

    type Seen = Rc<RefCell<Vec<(String, String, String)>>>;

    /// A server that answers each request with the next of these statuses, and 200 when there is none any more.
    fn serve(harness: &Harness, statuses: &[u16]) -> Seen {
        let seen = Seen::default();
        let (theirs, statuses) = (Rc::clone(&seen), RefCell::new(VecDeque::from(statuses.to_vec())));
        harness.serve(move |request: &Request| {
            let body = String::from_utf8(request.body_bytes().to_vec()).unwrap();
            theirs.borrow_mut().push((request.method().to_owned(), request.url().to_owned(), body));
            Ok(Response::new(statuses.borrow_mut().pop_front().unwrap_or(200), "said"))
        });
        seen
    }

    fn records(values: &[Value]) -> Vec<Record> {
        let record =
            |(at, value): (usize, &Value)| Record::new("t", value.clone()).key(["k0", "k1"][at % 2]).partition(0);
        values.iter().enumerate().map(record).collect()
    }

    fn put<C: TaskConfig>(task: &mut HttpSinkTask<C>, values: &[Value]) -> Result<()> {
        let mut collector = Collector::new();
        records(values).iter().for_each(|record| collector.push(record).expect("fits into a batch"));
        let mut table = collector.into_table().expect("a batch").unwrap_or_default();
        table.set(Role::OFFSET, Column::int64s(Kind::Int64, 0..values.len() as i64));
        task.put(&table)
    }

    fn config(pairs: &[(&str, &str)]) -> ConfigMap {
        pairs
            .iter()
            .fold(ConfigMap::from([("http.api.url", "http://h/${topic}")]), |map, (key, value)| map.with(*key, *value))
    }

    fn confluent(harness: &Harness, pairs: &[(&str, &str)]) -> HttpSinkTask<HttpSinkConfig> {
        harness.sink_task(&config(pairs)).expect("started")
    }

    fn texts(texts: &[&str]) -> Vec<Value> {
        texts.iter().map(|&text| text.into()).collect()
    }

    #[track_caller]
    fn check_sent(pairs: &[(&str, &str)], values: &[Value], expected: &[(&str, &str, &str)]) {
        let harness = Harness::enter();
        let seen = serve(&harness, &[]);
        put(&mut confluent(&harness, pairs), values).expect("sent");
        let seen = seen.borrow();
        let seen: Vec<_> =
            seen.iter().map(|(method, url, body)| (method.as_str(), url.as_str(), body.as_str())).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn records_become_requests_as_the_configuration_says() {
        let three = texts(&["a", "b", "c"]);
        let url = "http://h/t";
        check_sent(&[], &three, &[("POST", url, "a"), ("POST", url, "b"), ("POST", url, "c")]);
        check_sent(
            &[("batch.max.size", "2"), ("request.method", "put")],
            &three,
            &[("PUT", url, "a,b"), ("PUT", url, "c")],
        );
        let framed =
            [("batch.max.size", "9"), ("batch.prefix", "<"), ("batch.suffix", ">\n"), ("batch.separator", " ; ")];
        check_sent(&framed, &three, &[("POST", url, "<a ; b ; c>\n")]);
        let json = [("batch.max.size", "2"), ("request.body.format", "json")];
        check_sent(&json, &three, &[("POST", url, r#"["a","b"]"#), ("POST", url, r#"["c"]"#)]);
        let keyed = [("batch.max.size", "9"), ("batch.key.pattern", "${key}"), ("http.api.url", "http://h/${key}")];
        check_sent(&keyed, &three, &[("POST", "http://h/k0", "a,c"), ("POST", "http://h/k1", "b")]);
        let regexes =
            [("regex.patterns", "a~(b)"), ("regex.replacements", "${key}$~<${topic}>"), ("batch.max.size", "9")];
        check_sent(&regexes, &three, &[("POST", url, "k0$,<t>,c")]);
        let shaped = [("request.body.template", "{\"k\":\"${key}\",\"v\":\"${value}\"}")];
        check_sent(&shaped, &texts(&["x"]), &[("POST", url, r#"{"k":"k0","v":"x"}"#)]);
        let object = map([("f", Value::Int64(1))]);
        check_sent(&[], std::slice::from_ref(&object), &[("POST", url, "{f=1}")]);
        check_sent(&[("request.body.format", "json")], &[object], &[("POST", url, r#"[{"f":1}]"#)]);
    }

    #[test]
    fn a_record_without_a_value_is_left_out_deleted_or_refused() {
        let values = vec!["a".into(), Value::Null, "b".into()];
        let url = "http://h/t";
        check_sent(&[("batch.max.size", "9")], &values, &[("POST", url, "a,b")]);
        let delete = ("behavior.on.null.values", "delete");
        check_sent(&[("batch.max.size", "9"), delete], &values, &[("DELETE", url, ""), ("POST", url, "a,b")]);
        let ordered = [("batch.max.size", "9"), delete, ("deletes.send.in.order", "true")];
        check_sent(&ordered, &values, &[("POST", url, "a"), ("DELETE", url, ""), ("POST", url, "b")]);
        let harness = Harness::enter();
        serve(&harness, &[]);
        put(&mut confluent(&harness, &[("behavior.on.null.values", "fail")]), &values)
            .expect("the policy tolerates it");
        let reported = harness.take_sink_requests().reported;
        assert_eq!(reported.iter().map(|error| error.row).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn what_a_server_does_not_take_is_sent_again_and_then_the_error_policy_decides() {
        let harness = Harness::enter();
        let seen = serve(&harness, &[503, 429, 200]);
        let constant = [("retry.backoff.policy", "CONSTANT_VALUE"), ("retry.backoff.ms", "100"), ("max.retries", "2")];
        put(&mut confluent(&harness, &constant), &texts(&["a"])).expect("sent at last");
        assert_eq!(seen.borrow().len(), 3);
        assert_eq!(harness.take_waits().len(), 2);

        let seen = serve(&harness, &[500, 500, 500]);
        put(&mut confluent(&harness, &constant), &texts(&["a", "b"])).expect("tolerated");
        assert_eq!(seen.borrow().len(), 4, "three for the first, one for the second");
        let reported = harness.take_sink_requests().reported;
        let expected = "Error while processing HTTP request with Url : http://h/t, Status code : 500, Reason Phrase : \
                        Internal Server Error, Response Content : said,";
        assert_eq!((reported.len(), reported[0].row, reported[0].error.message.as_str()), (1, 0, expected));

        harness.refuse_reports(Error::fatal("tolerates none"));
        serve(&harness, &[500; 3]);
        let error = put(&mut confluent(&harness, &constant), &texts(&["a"])).expect_err("the task fails");
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Fatal, expected));
        for behaviour in ["ignore", "log"] {
            let seen = serve(&harness, &[500; 3]);
            let pairs = [&constant[..], &[("behavior.on.error", behaviour)]].concat();
            put(&mut confluent(&harness, &pairs), &texts(&["a", "b"])).expect("skipped");
            assert_eq!(seen.borrow().len(), 4);
        }
    }

    #[test]
    fn a_long_wait_is_the_workers_and_what_was_sent_is_not_sent_again() {
        let harness = Harness::enter();
        let seen = Seen::default();
        let theirs = Rc::clone(&seen);
        harness.serve(move |request| {
            let body = String::from_utf8(request.body_bytes().to_vec()).unwrap();
            theirs.borrow_mut().push((String::new(), String::new(), body.clone()));
            let tries = theirs.borrow().iter().filter(|(.., other)| *other == body).count();
            let busy = Response::new(503, "").with("Retry-After", "120");
            Ok(if body == "b" && tries == 1 { busy } else { Response::new(200, "") })
        });
        let mut task = confluent(&harness, &[]);
        let error = put(&mut task, &texts(&["a", "b", "c"])).expect_err("later");
        assert_eq!(error.kind, ErrorKind::Retriable);
        let asked = harness.take_sink_requests().timeout.expect("a time");
        assert!((Duration::from_secs(100)..=Duration::from_secs(120)).contains(&asked), "{asked:?}");
        // As if that time had passed.
        for tried in &mut task.progress.as_mut().expect("kept").queue {
            tried.not_before = None;
        }
        put(&mut task, &texts(&["a", "b", "c"])).expect("sent");
        let bodies: Vec<String> = seen.borrow().iter().map(|(.., body)| body.clone()).collect();
        assert_eq!(bodies, ["a", "b", "b", "c"]);
        // Other records begin anew.
        put(&mut task, &texts(&["a"])).expect("sent");
        assert_eq!(seen.borrow().len(), 5);
    }

    #[test]
    fn the_records_at_fault_are_found_in_a_batch_that_is_refused() {
        let harness = Harness::enter();
        harness.serve(|request| {
            let body = String::from_utf8(request.body_bytes().to_vec()).unwrap();
            Ok(Response::new(if body.contains("bad") { 422 } else { 200 }, ""))
        });
        let split = [("batch.max.size", "100"), ("retry.on.status.codes", "500-"), ("errors.tolerance", "all")];
        let mut values = texts(&["ok"; 20]);
        (values[3], values[17]) = ("bad".into(), "bad".into());
        put(&mut confluent(&harness, &split), &values).expect("tolerated");
        let rows = |harness: &Harness| -> Vec<u32> {
            let mut rows: Vec<u32> = harness.take_sink_requests().reported.iter().map(|error| error.row).collect();
            rows.sort_unstable();
            rows
        };
        assert_eq!(rows(&harness), [3, 17]);

        harness.serve(|_| Ok(Response::new(400, r#"{"failed":[{"index":1},{"index":4}]}"#)));
        let told = [&split[..], &[("batch.errors.json.pointer", "/failed")]].concat();
        put(&mut confluent(&harness, &told), &values).expect("tolerated");
        assert_eq!(rows(&harness), [1, 4]);
        let whole = [&split[..], &[("batch.split.on.error", "false")]].concat();
        put(&mut confluent(&harness, &whole), &values).expect("tolerated");
        assert_eq!(rows(&harness).len(), 20);
    }

    #[test]
    fn answers_and_refusals_are_written_to_topics_if_they_are_wanted() {
        let harness = Harness::enter();
        serve(&harness, &[200, 404]);
        let on = [
            ("reporter.bootstrap.servers", "b:9092"),
            ("retry.on.status.codes", "500-"),
            ("reporter.error.topic.value.format", "string"),
        ];
        put(&mut confluent(&harness, &on), &texts(&["a", "b"])).expect("tolerated");
        let written = harness.take_sink_requests().written;
        let [(results, taken), (errors, refused)] = &written[..] else { panic!("{written:?}") };
        assert_eq!((results.as_str(), errors.as_str()), (RESULTS, ERRORS));
        assert_eq!(taken.value.as_deref(), Some(&b"\"said\""[..]));
        let headers = |report: &TopicReport| -> Vec<(String, String)> {
            let text = |(name, value): &(String, Vec<u8>)| (name.clone(), String::from_utf8(value.clone()).unwrap());
            report.headers.iter().map(text).collect()
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(headers(taken)[0], pair("input_record_offset", "0"));
        assert_eq!(headers(taken)[3], pair("input_record_topic", "t"));
        let expected = "Retry time lapsed, unable to process HTTP request. HTTP Response code: 404, Reason phrase: Not Found, \
                        Url: http://h/t, Response content: said, Exception: null, Error message: Exception while processing HTTP \
                        request for a batch of 1 records.";
        assert_eq!(String::from_utf8_lossy(refused.value.as_deref().unwrap()), expected);
        for (name, value) in
            [("input_record_offset", "1"), ("status_code", "404"), ("payload", "b"), ("url", "http://h/t")]
        {
            assert!(headers(refused).contains(&pair(name, value)), "{name}: {refused:?}");
        }
        serve(&harness, &[200, 404]);
        let blank = [
            ("reporter.bootstrap.servers", "b:9092"),
            ("reporter.result.topic.name", ""),
            ("reporter.error.topic.name", ""),
        ];
        put(&mut confluent(&harness, &blank), &texts(&["a"])).expect("sent");
        put(&mut confluent(&harness, &[]), &texts(&["a"])).expect("sent");
        assert!(harness.take_sink_requests().written.is_empty());
    }

    #[test]
    fn a_request_that_nobody_allows_fails_the_task_at_once() {
        let harness = Harness::enter();
        harness.serve(|_| Err(HttpError::new(Cause::Denied, "no key opens it")));
        let error = put(&mut confluent(&harness, &[]), &texts(&["a"])).expect_err("denied");
        assert_eq!(error.kind, ErrorKind::Fatal);
        assert_eq!(error.to_string(), "send records to http://h/t: no key opens it");
        harness.serve(|_| Err(HttpError::new(Cause::Stopping, "stop")));
        let error = put(&mut confluent(&harness, &[]), &texts(&["a"])).expect_err("stopping");
        assert_eq!(error.kind, ErrorKind::Retriable);
    }

    #[test]
    fn aivens_keys_post_texts_and_json_to_one_url() {
        let harness = Harness::enter();
        let seen = serve(&harness, &[]);
        let base = ConfigMap::from([("http.url", "http://h/${topic}"), ("http.authorization.type", "none")]);
        let start = |config: &ConfigMap| harness.sink_task::<HttpSinkTask<AivenSinkConfig>>(config);
        let mut task = start(&base).expect("started");
        put(&mut task, &["a".into(), map([("f", Value::Int64(1))])]).expect("sent");
        let batching = base.clone().with("batching.enabled", "true");
        put(&mut start(&batching).expect("started"), &texts(&["a", "b"])).expect("sent");
        let bodies: Vec<_> = seen.borrow().iter().map(|(_, url, body)| (url.clone(), body.clone())).collect();
        let url = "http://h/${topic}".to_owned();
        let expected = ["a", r#"{"f":1}"#, "a\nb\n"].map(|body| (url.clone(), body.to_owned()));
        assert_eq!(bodies, expected);
        harness.refuse_reports(Error::fatal("tolerates none"));
        let error = put(&mut task, &[Value::Int64(7)]).expect_err("no text");
        assert!(error.to_string().ends_with("but java.lang.Long is given"), "{error}");
        let error = put(&mut task, &[Value::Null]).expect_err("no value");
        assert!(error.to_string().contains("Record value must not be null"), "{error}");
        serve(&harness, &[404, 404]);
        let error = put(&mut task, &texts(&["a"])).expect_err("refused");
        assert_eq!(error.message, "Sending failed and no retries remain, stopping");
        let text = |config: ConfigMap| start(&config).expect_err("refused").message;
        assert_eq!(text(base.clone().with("http.proxy.host", "p")), "Proxy host and port must be defined together");
        let tolerant = batching.with("errors.tolerance", "all");
        assert_eq!(text(tolerant), "Cannot use errors.tolerance when batching is enabled");
    }
}
