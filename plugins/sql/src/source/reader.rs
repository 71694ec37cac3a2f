//! The task: asks each of its tables in turn for what is new, and hands the rows on as they come.

use std::time::{Duration, Instant};

use millstream_sdk::{
    Error, ErrorKind, PollLimits, Result, SourceContext, Value,
    batch::{Batch, Side, Table},
    rest,
    sql::{self, Parameter, Rows},
    warn,
};
use serde_json::json;

use super::{
    connector::no_tables,
    criteria::{self, Bounds},
    envelope::{self, dress},
    horizon::{self, Bound},
    offset::{Moment, Origin},
    places::Place,
    schedule,
    settings::{Begin, Mode, Settings},
};
use crate::{
    dialect::{Dialect, Spelling},
    session::{Session, whole_number},
};

/// Rest of a task whose tables have no interval.
const LEAST_REST: Duration = Duration::from_millis(10);
/// Longest rest, so that a task says now and then that it is there.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// The task.
#[derive(Debug)]
pub struct Reader {
    settings: Settings,
    spelling: Spelling,
    session: Option<Session>,
    places: Vec<Place>,
    reading: Option<Reading>,
    /// The batch that was handed on last.
    current: Option<Batch>,
    clock: Instant,
    initial_time: Option<Moment>,
    horizon: bool,
}

/// A result that is being read.
#[derive(Debug)]
struct Reading {
    place: usize,
    rows: Rows,
    /// What follows, as far as it was looked at.
    ahead: Option<Batch>,
    is_over: bool,
}

/// What came of a look at a table.
enum Look {
    Rows,
    Nothing,
    /// Transactions are waited for.
    Held,
}

impl Reader {
    /// The task, connected, with its tables looked at.
    ///
    /// # Errors
    ///
    /// The database cannot be reached, or something there is not as the configuration needs it.
    pub fn start(settings: Settings, context: SourceContext) -> Result<Self> {
        let session = Session::open_patiently(&settings.connection, &settings.isolation)?;
        let spelling = Spelling { dialect: session.dialect, quoting: settings.quoting };
        let mut places = Vec::new();
        match &settings.query {
            Some(query) => places.push(Place::query(&settings, &session, query)?),
            None => {
                for table in settings.task_tables(session.dialect)? {
                    places.push(Place::table(&settings, spelling, &session, table)?);
                }
            }
        }
        if places.is_empty() {
            return Err(no_tables());
        }
        for place in &mut places {
            place.resume(&settings, session.catalog.as_deref(), &context)?;
        }
        let initial_time = match settings.timestamp_initial {
            None => None,
            Some(Begin::At(ms)) => Some(Moment::of_millis(ms)),
            Some(Begin::Now) => Some(moment(session.database.now()?)),
        };
        let horizon = settings.horizon && settings.mode != Mode::Bulk && session.dialect == Dialect::PostgreSql;
        let mut reader = Self {
            settings,
            spelling,
            session: None,
            places,
            reading: None,
            current: None,
            clock: Instant::now(),
            initial_time,
            horizon,
        };
        reader.listen(&session)?;
        reader.session = Some(session);
        Ok(reader)
    }

    /// Ends what it has open.
    pub fn stop(&mut self) {
        self.reading = None;
        self.session = None;
    }

    /// The next rows of the table that is being read, or of the next that has any.
    ///
    /// # Errors
    ///
    /// What no further try mends.
    pub fn poll(&mut self, limits: &PollLimits) -> Result<Option<Table<'_>>> {
        self.current = None;
        if self.reading.is_none() {
            self.hear();
            if !self.find_rows(limits)? {
                return Ok(None);
            }
        }
        match self.next_batch(limits)? {
            Some((number, batch, next)) => self.table(number, batch, next),
            None => Ok(None),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn listen(&self, session: &Session) -> Result<()> {
        match &self.settings.channel {
            None => Ok(()),
            Some(_) if session.dialect != Dialect::PostgreSql => {
                Err(Error::config("notify.channel is for PostgreSQL only: leave it out"))
            }
            Some(channel) => session.database.listen(channel),
        }
    }

    /// Has all tables looked at if there was a notification.
    fn hear(&mut self) {
        if self.settings.channel.is_none() {
            return;
        }
        let Some(session) = &self.session else { return };
        match session.database.notifications() {
            Ok(heard) if heard.is_empty() => {}
            Ok(_) => self.places.iter_mut().for_each(|place| place.turn.wake()),
            Err(error) => {
                warn!("notifications cannot be heard, and the session is opened anew: {error}");
                self.session = None;
            }
        }
    }

    /// Looks at the tables that are due until one has rows. False, and a rest, if none has.
    fn find_rows(&mut self, limits: &PollLimits) -> Result<bool> {
        for _ in 0..=self.places.len() {
            let now = self.now_ms();
            let place = match schedule::next(self.places.iter().map(|place| place.turn), now) {
                Ok(place) => place,
                Err(wait_ms) => {
                    self.rest(Duration::from_millis(wait_ms));
                    return Ok(false);
                }
            };
            match self.look(place, limits) {
                Ok(Look::Rows) => return Ok(true),
                Ok(Look::Nothing) => self.ended(place),
                Ok(Look::Held) => {
                    let interval = self.settings.poll_interval_ms;
                    let now = self.now_ms();
                    self.places[place].turn.held(now, interval);
                }
                Err(error) => self.failed(place, error)?,
            }
        }
        // Tables that are always due must not keep the processor busy with nothing.
        self.rest(LEAST_REST);
        Ok(false)
    }

    fn rest(&self, time: Duration) {
        if let Some(session) = self.session.as_ref().filter(|_| self.settings.channel.is_some()) {
            session.database.ends_rest();
        }
        rest(time.min(LONGEST_REST));
    }

    /// A failure that may go away is waited out; what was read stays read.
    fn failed(&mut self, place: usize, error: Error) -> Result<()> {
        let (now, interval) = (self.now_ms(), self.settings.poll_interval_ms);
        let at = &mut self.places[place];
        if error.kind != ErrorKind::Retriable {
            let kind = if error.kind == ErrorKind::Config { ErrorKind::Config } else { ErrorKind::Fatal };
            let message = format!("read {}", at.origin);
            return Err(Error { kind, ..Error::fatal(message).because(&error) });
        }
        self.session = None;
        if at.turn.failed(now, interval, self.settings.retries) {
            return Err(Error::fatal(format!("Failed to query {} after retries", at.origin)).because(&error));
        }
        warn!("{} could not be read, and is asked again in {interval} ms: {error}", at.origin);
        Ok(())
    }

    /// Begins to read what is new in a table.
    fn look(&mut self, number: usize, limits: &PollLimits) -> Result<Look> {
        if self.session.is_none() {
            let session = Session::open(&self.settings.connection, &self.settings.isolation)?;
            self.listen(&session)?;
            self.session = Some(session);
        }
        let from = {
            let place = &self.places[number];
            criteria::begin(place.tracker.safe(), self.initial_time, self.settings.incrementing_initial)
        };
        let bounds = match self.bounds(number, from)? {
            Ok(bounds) => bounds,
            Err(look) => return Ok(look),
        };
        let Some(session) = &self.session else { return Ok(Look::Nothing) };
        let (settings, place) = (&self.settings, &self.places[number]);
        let (sql, parameters) =
            place.base.query(settings.mode, &place.cursor, self.spelling, &settings.suffix, from, &bounds)?;
        let parameter = |parameter: &criteria::Parameter| match *parameter {
            criteria::Parameter::Number(number) => Parameter::from(number),
            criteria::Parameter::Time(at) => {
                let text = sql::Instant { seconds: at.seconds, nanos: at.nanos }.to_string();
                Parameter::new(if place.instant { "instant" } else { "timestamp" }, Some(text))
            }
        };
        let parameters: Vec<Parameter> = parameters.iter().map(parameter).collect();
        let mut rows = session.database.query(&sql, &parameters, &self.options(place))?;
        let max_rows = limits.max_records.min(settings.batch_rows);
        let Some(first) = rows.next(max_rows, limits.max_bytes)? else { return Ok(Look::Nothing) };
        self.reading = Some(Reading { place: number, rows, ahead: Some(first), is_over: false });
        Ok(Look::Rows)
    }

    fn options(&self, place: &Place) -> String {
        let settings = &self.settings;
        let name = match &place.origin {
            Origin::Table(table) => Some(table.table()),
            Origin::Query => None,
        };
        let mut options = json!({
            "numeric.mapping": settings.numeric_mapping,
            "timestamp.granularity": settings.granularity,
            "db.timezone": settings.connection.zone,
            "date.calendar.system": settings.connection.calendar,
        });
        if let Some(name) = name {
            options["name"] = name.into();
        }
        if settings.mode != Mode::Bulk {
            options["cursor"] = place.cursor_columns().into();
        }
        options.to_string()
    }

    /// Up to where to read; or what the look has come to without reading.
    fn bounds(&mut self, number: usize, from: (Moment, i64)) -> Result<Result<Bounds, Look>> {
        let mode = self.settings.mode;
        let Some(session) = &self.session else { return Ok(Err(Look::Nothing)) };
        if !self.horizon {
            let timestamp = match mode.has_timestamp() {
                true => moment(session.database.now()?).minus_millis(self.settings.delay_ms).whole_millis(),
                false => Moment::default(),
            };
            return Ok(Ok(Bounds { incrementing: None, timestamp }));
        }
        // The highest id comes first: what is open behind this may have drawn a lower one.
        let place = &mut self.places[number];
        let mut highest = None;
        if let Some(column) = place.cursor.incrementing.as_deref().filter(|_| mode == Mode::Incrementing) {
            let row = session.row(&place.base.highest(column, self.spelling)?, &[])?;
            highest = row.and_then(|row| row.first().and_then(whole_number));
            if highest.is_none_or(|highest| highest <= from.1) {
                place.is_beyond = false;
                return Ok(Err(Look::Nothing));
            }
        }
        let seen = session.row(horizon::POSTGRESQL, &[])?.unwrap_or_default();
        let text = |at: usize| match seen.get(at) {
            Some(Value::String(text)) => text.as_str(),
            _ => "",
        };
        let (Some(clock), Some(open)) = (horizon::read_epoch(text(0)), horizon::read_open(text(1), text(2))) else {
            return Err(Error::fatal(format!("what the database says of its transactions has another form: {seen:?}")));
        };
        let Some(safe) = place.horizon.observe(Bound { incrementing: highest, clock }, &open) else {
            return Ok(Err(Look::Held));
        };
        place.is_beyond = safe.incrementing < highest;
        let timestamp = clock.minus_millis(self.settings.delay_ms).min(safe.clock).whole_millis();
        let nothing_yet = match mode {
            Mode::Incrementing => safe.incrementing.is_none_or(|safe| safe <= from.1),
            _ => timestamp <= from.0,
        };
        if nothing_yet {
            return Ok(Err(if place.horizon.is_waiting() { Look::Held } else { Look::Nothing }));
        }
        Ok(Ok(Bounds { incrementing: safe.incrementing, timestamp }))
    }

    /// The next batch of the result with its table, and the time of the row behind it; none if the result has ended.
    fn next_batch(&mut self, limits: &PollLimits) -> Result<Option<(usize, Batch, Option<Moment>)>> {
        let (max_rows, max_bytes) = (limits.max_records.min(self.settings.batch_rows), limits.max_bytes);
        let Some(mut reading) = self.reading.take() else { return Ok(None) };
        let number = reading.place;
        let mode = self.settings.mode;
        let batch = match reading.ahead.take() {
            None if reading.is_over => None,
            None => match reading.rows.next(max_rows, max_bytes) {
                Ok(batch) => batch,
                Err(error) => {
                    self.failed(number, error)?;
                    return Ok(None);
                }
            },
            ahead => ahead,
        };
        let Some(batch) = batch else {
            drop(reading);
            self.places[number].tracker.end();
            self.ended(number);
            return Ok(None);
        };
        if mode != Mode::Timestamp {
            self.reading = Some(reading);
            return Ok(Some((number, batch, None)));
        }
        let next = match reading.rows.next(max_rows, max_bytes) {
            Ok(Some(ahead)) => {
                let next = moment_at(mode, &ahead, 0, &self.places[number])?;
                reading.ahead = Some(ahead);
                self.reading = Some(reading);
                next
            }
            Ok(None) => {
                reading.is_over = true;
                self.reading = Some(reading);
                None
            }
            Err(error) => {
                // Whether more rows have the last one's time is not known: those with it come again.
                drop(reading);
                self.failed(number, error)?;
                moment_at(mode, &batch, batch.rows().saturating_sub(1), &self.places[number])?
            }
        };
        Ok(Some((number, batch, next)))
    }

    /// A batch with all that records need beside their values.
    fn table(&mut self, number: usize, batch: Batch, next: Option<Moment>) -> Result<Option<Table<'_>>> {
        let mode = self.settings.mode;
        let place = &mut self.places[number];
        let mut table = self.current.insert(batch).open();
        let offsets = match table.side(Side::Key).blocks.first() {
            Some(cursor) if mode != Mode::Bulk => {
                place.tracker.offsets(&cursor.column, table.rows, next, &place.origin)?
            }
            _ => None,
        };
        let name = match &place.origin {
            Origin::Table(name) => name.table(),
            Origin::Query => "query",
        };
        let key = (!place.key.is_empty()).then_some((name, place.key.as_slice()));
        dress(&mut table, &place.topic, &place.partition, offsets, key)?;
        place.saw(envelope::schema_of(&table), table.rows);
        Ok(Some(table))
    }

    fn ended(&mut self, number: usize) {
        let (now, interval) = (self.now_ms(), self.settings.poll_interval_ms);
        let place = &mut self.places[number];
        match place.is_beyond {
            true => place.turn.held(now, interval),
            false => place.turn.read(now, interval),
        }
        place.caught_up();
    }
}

fn moment(at: sql::Instant) -> Moment {
    Moment { seconds: at.seconds, nanos: at.nanos }
}

/// The time in a row of a batch as the database gave it.
fn moment_at(mode: Mode, batch: &Batch, row: u32, place: &Place) -> Result<Option<Moment>> {
    let table = batch.open();
    match table.side(Side::Key).blocks.first() {
        Some(cursor) => envelope::moment_of(mode, &cursor.column, row as usize, &place.origin),
        None => Ok(None),
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
