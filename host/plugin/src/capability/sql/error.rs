//! Why something at a database failed, and what may be done about it.

use millstream_connector::ErrorKind;
use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::postgres::PgDatabaseError;

use super::url::Product;

/// What Connect's users know database errors by.
const SQL_EXCEPTION: &str = "java.sql.SQLException";

/// A failure, for a guest and through it for people.
#[derive(Clone, Debug)]
pub(crate) struct SqlError {
    pub(super) kind: ErrorKind,
    pub(super) class: &'static str,
    /// What was attempted, what the database says to it, and its SQLSTATE.
    pub(super) message: String,
    pub(super) causes: Vec<String>,
    /// The database has refused values: another row may be written.
    pub(super) of_data: bool,
    /// The column at fault, if the database says which.
    pub(super) column: Option<String>,
    /// The connection cannot be used any more.
    pub(super) lost: bool,
    /// The database's own code, in SQLSTATE's form if it has one.
    pub(super) state: Option<String>,
}

impl SqlError {
    fn of(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            class: SQL_EXCEPTION,
            message: message.into(),
            causes: Vec::new(),
            of_data: false,
            column: None,
            lost: false,
            state: None,
        }
    }

    /// Something that no second try mends.
    pub(super) fn fatal(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Fatal, message)
    }

    /// The configuration is at fault.
    pub(super) fn config(message: impl Into<String>) -> Self {
        Self { class: ErrorKind::Config.java_class(), ..Self::of(ErrorKind::Config, message) }
    }

    /// A value is at fault.
    pub(super) fn data(message: impl Into<String>) -> Self {
        Self { class: ErrorKind::Data.java_class(), of_data: true, ..Self::of(ErrorKind::Data, message) }
    }

    /// A later try may succeed.
    pub(super) fn retriable(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Retriable, message)
    }

    /// The same, of a connection that is no more.
    pub(super) fn lost(message: impl Into<String>) -> Self {
        Self { lost: true, ..Self::retriable(message) }
    }

    /// The task is asked to stop.
    pub(crate) fn stopping() -> Self {
        Self::lost("the task is asked to stop: what was under way at the database is given up")
    }

    /// What a driver reports about something that was attempted.
    pub(super) fn driver(product: Product, attempted: &str, error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => Self::database(product, attempted, &*error),
            sqlx::Error::Io(error) if is_certificate(&error) => Self {
                lost: true,
                ..Self::config(format!(
                    "{attempted}: no encrypted connection to {product}: {error}; check the server's certificate and the \
                     parameters of the URL that name certificates"
                ))
            },
            sqlx::Error::Io(error) => Self::lost(format!("{attempted}: the connection to {product} broke: {error}")),
            sqlx::Error::Tls(error) => Self {
                lost: true,
                ..Self::config(format!(
                    "{attempted}: no encrypted connection to {product}: {error}; check the server's certificate and the \
                     parameters of the URL that name certificates"
                ))
            },
            // A driver that misunderstood its peer has lost its place.
            sqlx::Error::Protocol(text) => Self::lost(format!("{attempted}: {text}")),
            sqlx::Error::WorkerCrashed => Self::lost(format!("{attempted}: the thread of the database broke")),
            sqlx::Error::Configuration(error) => Self::config(format!("{attempted}: {error}")),
            sqlx::Error::Encode(error) => Self::data(format!("{attempted}: {error}")),
            other => Self::fatal(format!("{attempted}: {other}")),
        }
    }

    fn database(product: Product, attempted: &str, error: &dyn DatabaseError) -> Self {
        let code = error.code().map(|code| code.into_owned());
        let number = error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number);
        let text = error.message().trim();
        let mut message = format!("{attempted}: {text}");
        let mut column = None;
        if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
            for more in [error.detail(), error.hint()].into_iter().flatten() {
                message.push_str(&format!("; {more}"));
            }
            column = error.column().map(str::to_owned);
            if let Some(constraint) = error.constraint().filter(|name| !text.contains(*name)) {
                message.push_str(&format!("; constraint {constraint}"));
            }
        } else if number.is_some() {
            column = quoted_after(text, "column '").or_else(|| quoted_after(text, "Column '"));
        } else if let Some(names) = text.split_once("constraint failed: ").map(|(_, names)| names) {
            // `UNIQUE constraint failed: t.a, t.b`
            column = names.split(',').next().and_then(|name| name.rsplit('.').next()).map(str::to_owned);
        }
        let shown = match (&code, number) {
            (Some(code), Some(number)) => format!(" (SQLSTATE {code}, error {number})"),
            (Some(code), None) if product == Product::Sqlite => format!(" (SQLite error {code})"),
            (Some(code), None) => format!(" (SQLSTATE {code})"),
            (None, Some(number)) => format!(" (error {number})"),
            (None, None) => String::new(),
        };
        message.push_str(&shown);
        let verdict = Verdict::of(product, code.as_deref().unwrap_or_default(), number);
        // A table was changed since the statement was prepared, which is prepared anew the next time.
        let verdict = if text.starts_with("cached plan") { Verdict::Retriable } else { verdict };
        let mut failure = match verdict {
            Verdict::Data => Self::data(message),
            Verdict::Retriable | Verdict::Lost => Self::retriable(message),
            Verdict::Login => Self::config(message),
            Verdict::Fatal => Self::fatal(message),
        };
        failure.lost = verdict == Verdict::Lost;
        failure.column = column;
        failure.state = code;
        failure
    }

    /// The same failure with what to do about it.
    pub(super) fn with(mut self, advice: &str) -> Self {
        self.message.push_str("; ");
        self.message.push_str(advice);
        self
    }

    /// Whether the database has this code.
    pub(super) fn is(&self, state: &str) -> bool {
        self.state.as_deref() == Some(state)
    }
}

/// Whether a connection was given up because its peer cannot prove who it is.
fn is_certificate(error: &std::io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_)))
}

/// `Data truncated for column 'a' at row 1`: what stands in quotes behind a word.
fn quoted_after(text: &str, lead: &str) -> Option<String> {
    let (_, rest) = text.split_once(lead)?;
    rest.split_once('\'').map(|(name, _)| name.to_owned())
}

/// What an error's code means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    Data,
    Retriable,
    Lost,
    Login,
    Fatal,
}

impl Verdict {
    fn of(product: Product, state: &str, number: Option<u16>) -> Self {
        if product == Product::Sqlite {
            // Extended result codes: the primary one is the lowest byte.
            return match state.parse::<u32>().unwrap_or_default() & 0xff {
                // SQLITE_BUSY, SQLITE_LOCKED
                5 | 6 => Self::Retriable,
                // SQLITE_INTERRUPT, SQLITE_FULL, SQLITE_IOERR
                9 | 10 | 13 => Self::Retriable,
                // SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH
                18..=20 => Self::Data,
                _ => Self::Fatal,
            };
        }
        match number {
            // ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK, ER_QUERY_INTERRUPTED, ER_QUERY_TIMEOUT, ER_STATEMENT_TIMEOUT (MariaDB),
            // ER_CON_COUNT_ERROR, ER_TOO_MANY_USER_CONNECTIONS, ER_USER_LIMIT_REACHED, ER_DISK_FULL, ER_RECORD_FILE_FULL,
            // ER_OPTION_PREVENTS_STATEMENT: a server that is read-only just now
            Some(1205 | 1213 | 1317 | 3024 | 1969 | 1040 | 1203 | 1226 | 1021 | 1114 | 1290 | 1836) => {
                return Self::Retriable;
            }
            // ER_SERVER_SHUTDOWN, ER_CONNECTION_KILLED, ER_NET_*, and what clients report of lost servers
            Some(1053 | 1927 | 1152..=1161 | 1184 | 2006 | 2013) => return Self::Lost,
            // ER_BAD_NULL_ERROR, ER_DUP_ENTRY, ER_NO_DEFAULT_FOR_FIELD, ER_WARN_DATA_OUT_OF_RANGE, WARN_DATA_TRUNCATED,
            // ER_TRUNCATED_WRONG_VALUE, ER_TRUNCATED_WRONG_VALUE_FOR_FIELD, ER_DATA_TOO_LONG, ER_NO_REFERENCED_ROW_2,
            // ER_ROW_IS_REFERENCED_2, ER_CONSTRAINT_FAILED (MariaDB), ER_CHECK_CONSTRAINT_VIOLATED, ER_INVALID_JSON_TEXT,
            // ER_INVALID_CHARACTER_STRING, ER_CANNOT_CONVERT_CHARACTER, ER_NO_PARTITION_FOR_GIVEN_VALUE
            Some(
                1048 | 1062 | 1364 | 1264 | 1265 | 1292 | 1366 | 1406 | 1452 | 1451 | 4025 | 3819 | 3140 | 1300 | 3854
                | 1526,
            ) => {
                return Self::Data;
            }
            _ => {}
        }
        match state.as_bytes() {
            // A statement that was cancelled by its own timeout may have met a lock.
            b"57014" => Self::Retriable,
            // The server is going away, or is not there yet.
            [b'5', b'7', b'P', ..] | [b'0', b'8', ..] => Self::Lost,
            [b'4', b'0', ..] | [b'5', b'3', ..] | b"55P03" | b"25006" => Self::Retriable,
            [b'2', b'2' | b'3', ..] => Self::Data,
            [b'2', b'8', ..] | b"3D000" => Self::Login,
            _ => Self::Fatal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_whether_a_value_the_connection_or_the_moment_is_at_fault() {
        let of = |state| Verdict::of(Product::Postgres, state, None);
        assert_eq!(["22001", "23505", "22P02"].map(of), [Verdict::Data; 3]);
        assert_eq!(["40001", "40P01", "53300", "57014", "55P03"].map(of), [Verdict::Retriable; 5]);
        assert_eq!(["08006", "57P01", "57P03"].map(of), [Verdict::Lost; 3]);
        assert_eq!(["28P01", "3D000"].map(of), [Verdict::Login; 2]);
        assert_eq!(["42P01", "25P02", "0A000", "21000"].map(of), [Verdict::Fatal; 4]);
        let of = |number| Verdict::of(Product::MariaDb, "HY000", Some(number));
        assert_eq!([1205, 1213].map(of), [Verdict::Retriable; 2]);
        assert_eq!([1062, 1264, 1366, 4025].map(of), [Verdict::Data; 4]);
        assert_eq!(of(1146), Verdict::Fatal);
        let of = |state| Verdict::of(Product::Sqlite, state, None);
        assert_eq!(["5", "261", "6", "517"].map(of), [Verdict::Retriable; 4]);
        assert_eq!(["2067", "1299", "20"].map(of), [Verdict::Data; 3]);
        assert_eq!(of("1"), Verdict::Fatal);
    }
}
