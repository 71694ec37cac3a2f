//! How far a source has come, and where the next page is. Sends nothing.

use millstream_sdk::{Error, Result, Value, get, http::Response, map};
use serde_json::Value as Json;

use super::record::{at, scalar};

/// How an API is walked through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// The offset is a number: that of the records so far.
    Incrementing,
    /// The offset is something of the last record.
    Chaining,
    /// Each page says where the next one is.
    Cursor,
    /// Each page has the next one's URL in its `Link` header (RFC 8288).
    Link,
    /// Pages are numbered, and so many records make one full.
    Page(usize),
}

/// Where a request begins, and how many records of its page were read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Position {
    pub offset: String,
    pub read: usize,
}

impl Position {
    /// As it is stored.
    pub fn to_value(&self) -> Value {
        let offset = ("offset", Value::String(self.offset.clone()));
        match self.read {
            0 => map([offset]),
            read => map([offset, ("read", Value::Int64(read as i64))]),
        }
    }

    /// From what is stored, by this connector or by hand.
    ///
    /// # Errors
    ///
    /// It has no offset.
    pub fn of_value(stored: &Value) -> Result<Self> {
        let offset = match get(stored, "offset") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Int64(number)) => number.to_string(),
            _ => return Err(Error::fatal("the stored offset has no member \"offset\" with a text or number")),
        };
        let read = match get(stored, "read") {
            Some(Value::Int64(read)) => usize::try_from(*read).unwrap_or(0),
            _ => 0,
        };
        Ok(Self { offset, read })
    }
}

/// Where the pointers lead.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pointers {
    /// To the records, from the document.
    pub data: String,
    /// To the offset, from a record.
    pub offset: String,
    /// To the next page, from the document.
    pub next: String,
}

/// The records of a page that are new, each with the position behind it.
#[derive(Debug, Default, PartialEq)]
pub struct Page {
    pub records: Vec<(Json, Position)>,
    /// Where to go on.
    pub next: Position,
    /// Whether there may be more at once.
    pub more: bool,
}

/// Where the next page is, as an answer says; none if it is the last.
pub fn next_page(mode: Mode, document: &Json, response: &Response, pointers: &Pointers) -> Option<String> {
    match mode {
        Mode::Cursor => at(document, &pointers.next).and_then(scalar).filter(|next| !next.is_empty()),
        Mode::Link => response.headers_named("link").find_map(next_link),
        _ => None,
    }
}

/// The target of the link whose relation is `next`.
fn next_link(header: &str) -> Option<String> {
    let mut rest = header;
    loop {
        let (_, behind) = rest.split_once('<')?;
        let (target, behind) = behind.split_once('>')?;
        // Parameters reach up to the comma before the next link; one within quotes is none.
        let mut quoted = false;
        let end = behind.find(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        let parameters = &behind[..end.unwrap_or(behind.len())];
        let is_next = parameters.split(';').filter_map(|parameter| parameter.split_once('=')).any(|(name, value)| {
            let relations = value.trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel") && relations.split(' ').any(|one| one.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target.to_owned());
        }
        rest = &behind[end?..];
    }
}

/// What a page means to one who stands at a position.
///
/// # Errors
///
/// The position, or a record, has no offset that the mode can use.
pub fn walk(
    mode: Mode,
    at_position: &Position,
    items: Vec<Json>,
    next: Option<String>,
    pointers: &Pointers,
) -> Result<Page> {
    let count = items.len();
    let Position { offset, read } = at_position;
    match mode {
        Mode::Incrementing => {
            let base: i64 = offset.trim().parse().map_err(|_| {
                Error::fatal(format!("the offset {offset:?} is no whole number, as http.offset.mode=SIMPLE_INCREMENTING needs it (http.initial.offset)"))
            })?;
            let behind = |number: usize| Position { offset: (base + number as i64).to_string(), read: 0 };
            let records = items.into_iter().enumerate().map(|(number, item)| (item, behind(number + 1))).collect();
            Ok(Page { records, next: behind(count), more: count != 0 })
        }
        Mode::Chaining => {
            let mut records = Vec::with_capacity(count);
            for (number, item) in items.into_iter().enumerate() {
                let found = at(&item, &pointers.offset).and_then(scalar).ok_or_else(|| {
                    Error::fatal(format!(
                        "record {number} of the answer has no text or number at {} (http.offset.json.pointer)",
                        pointers.offset
                    ))
                })?;
                records.push((item, Position { offset: found, read: 0 }));
            }
            let next = records.last().map_or_else(|| at_position.clone(), |(_, position)| position.clone());
            let more = next != *at_position;
            Ok(Page { records, next, more })
        }
        Mode::Cursor | Mode::Link | Mode::Page(_) => {
            let next = match mode {
                Mode::Page(size) => {
                    let page: i64 = offset.trim().parse().map_err(|_| {
                        Error::fatal(format!("the offset {offset:?} is no number of a page (http.initial.offset)"))
                    })?;
                    (size <= count).then(|| (page + 1).to_string())
                }
                _ => next.filter(|next| next != offset),
            };
            let within = |read: usize| Position { offset: offset.clone(), read };
            let skipped = (*read).min(count);
            let behind = |number: usize| match &next {
                Some(next) if number == count => Position { offset: next.clone(), read: 0 },
                _ => within(number),
            };
            let records = items.into_iter().enumerate().skip(skipped);
            let records = records.map(|(number, item)| (item, behind(number + 1))).collect();
            let more = next.is_some();
            Ok(Page { records, next: behind(count), more })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn items(range: std::ops::Range<i32>) -> Vec<Json> {
        range.map(|id| json!({"id": id})).collect()
    }

    fn position(offset: &str, read: usize) -> Position {
        Position { offset: offset.to_owned(), read }
    }

    #[track_caller]
    fn check(
        mode: Mode,
        from: Position,
        items: Vec<Json>,
        next: Option<&str>,
        expected: (&[(i64, Position)], Position, bool),
    ) {
        let pointers = Pointers { offset: "/id".into(), ..Pointers::default() };
        let page = walk(mode, &from, items, next.map(str::to_owned), &pointers).expect("a page");
        let records: Vec<(i64, Position)> =
            page.records.iter().map(|(item, position)| (item["id"].as_i64().unwrap(), position.clone())).collect();
        assert_eq!((records.as_slice(), page.next, page.more), expected);
    }

    #[test]
    fn numbers_count_the_records_so_far() {
        let records = [(0, position("6", 0)), (1, position("7", 0))];
        check(Mode::Incrementing, position("5", 0), items(0..2), None, (&records, position("7", 0), true));
        check(Mode::Incrementing, position("7", 0), items(0..0), None, (&[], position("7", 0), false));
        let error = walk(Mode::Incrementing, &position("x", 0), Vec::new(), None, &Pointers::default());
        assert!(error.is_err_and(|error| error.message.contains("http.initial.offset")));
    }

    #[test]
    fn a_chain_goes_on_behind_its_last_record() {
        let records = [(3, position("3", 0)), (4, position("4", 0))];
        check(Mode::Chaining, position("2", 0), items(3..5), None, (&records, position("4", 0), true));
        check(Mode::Chaining, position("4", 0), items(4..5), None, (&[(4, position("4", 0))], position("4", 0), false));
        check(Mode::Chaining, position("4", 0), Vec::new(), None, (&[], position("4", 0), false));
    }

    #[test]
    fn the_last_record_of_a_page_leads_to_the_next_and_what_was_read_is_not_read_again() {
        let (first, second) = ((1, position("a", 1)), (2, position("b", 0)));
        check(
            Mode::Cursor,
            position("a", 0),
            items(1..3),
            Some("b"),
            (&[first, second.clone()], position("b", 0), true),
        );
        check(Mode::Cursor, position("a", 1), items(1..3), Some("b"), (&[second], position("b", 0), true));
        // The last page grows.
        check(Mode::Link, position("b", 0), items(3..4), None, (&[(3, position("b", 1))], position("b", 1), false));
        check(Mode::Link, position("b", 1), items(3..5), None, (&[(4, position("b", 2))], position("b", 2), false));
        check(Mode::Cursor, position("b", 2), items(3..5), Some("b"), (&[], position("b", 2), false));
        check(Mode::Page(2), position("1", 1), items(0..2), None, (&[(1, position("2", 0))], position("2", 0), true));
        check(Mode::Page(2), position("2", 0), items(2..3), None, (&[(2, position("2", 1))], position("2", 1), false));
    }

    #[test]
    fn links_are_found_by_their_relation() {
        let response = Response::new(200, "")
            .with("Link", r#"<https://h/?page=1>; rel="prev"; title="a, <b>", </?page=3>; rel="last next""#);
        let next = |response: &Response| next_page(Mode::Link, &Json::Null, response, &Pointers::default());
        assert_eq!(next(&response).as_deref(), Some("/?page=3"));
        assert_eq!(next(&Response::new(200, "").with("link", "<x>; rel=last")), None);
        assert_eq!(next(&Response::new(200, "").with("link", "odd")), None);
        let cursor = |json: Json| {
            let pointers = Pointers { next: "/meta/next".into(), ..Pointers::default() };
            next_page(Mode::Cursor, &json, &Response::default(), &pointers)
        };
        assert_eq!(cursor(json!({"meta": {"next": 7}})).as_deref(), Some("7"));
        assert_eq!((cursor(json!({"meta": {"next": null}})), cursor(json!({"meta": {"next": ""}}))), (None, None));
    }

    #[test]
    fn positions_are_stored_and_read_back() {
        for position in [position("a", 0), position("b", 3)] {
            assert_eq!(Position::of_value(&position.to_value()), Ok(position));
        }
        assert!(Position::of_value(&map([("x", Value::Null)])).is_err());
    }
}
