//! The machine's time zone, as a JVM on it would have it: what `TZ` says, else what the system is set to.

use std::{
    env, fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use millstream_record::ErrorChain;
use millstream_values::local_zone::{self, LocalZone};
use tracing::warn;

/// Where the system keeps compiled zones.
const ZONES: &str = "/usr/share/zoneinfo";

/// The system's own zone, where `TZ` names none.
const SYSTEM: &str = "/etc/localtime";

/// What Java takes for a name that it does not know.
const UNKNOWN: &str = "GMT";

/// Several times the longest zone there is; `TZ` may name any file.
const MAX_BYTES: u64 = 64 << 10;

/// Makes the machine's zone the one of this process. What plugins are to be told of it; nothing if it is UTC.
pub fn adopt() -> Option<String> {
    let variable = env::var_os("TZ").map(|zone| zone.to_string_lossy().into_owned());
    let (zone, problem) = find(variable.as_deref(), &read);
    if let Some(problem) = problem {
        warn!("{problem}");
    }
    let Found { description, zone } = zone?;
    local_zone::set(zone);
    Some(description)
}

/// A file's content, as far as a zone's may be long.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A zone other than UTC.
struct Found {
    description: String,
    zone: LocalZone,
}

/// The zone, none for UTC, and what was wrong with the one that was asked for.
fn find(variable: Option<&str>, read: &dyn Fn(&Path) -> io::Result<Vec<u8>>) -> (Option<Found>, Option<String>) {
    let wanted = variable.map(|zone| zone.strip_prefix(':').unwrap_or(zone)).filter(|zone| !zone.is_empty());
    let path = wanted.map_or(PathBuf::from(SYSTEM), |zone| Path::new(ZONES).join(zone));
    let description = match (read(&path), wanted) {
        (Ok(bytes), _) => local_zone::describe_compiled(&bytes),
        (Err(_), Some(zone)) => zone.to_owned(),
        // A system that says nothing is in UTC.
        (Err(error), None) if error.kind() == io::ErrorKind::NotFound => return (None, None),
        (Err(error), None) => return (None, Some(refused(SYSTEM, "UTC", &error.to_string()))),
    };
    match LocalZone::described(&description) {
        Ok(zone) => (zone.map(|zone| Found { description, zone }), None),
        Err(error) => {
            let Some(zone) = wanted else {
                return (None, Some(refused(SYSTEM, "UTC", &ErrorChain(&error).to_string())));
            };
            let cause = match read(&path) {
                Ok(_) => format!("{}: {}", path.display(), ErrorChain(&error)),
                Err(missing) => format!("{}: {missing}, and {error}", path.display()),
            };
            let gmt = LocalZone::described(UNKNOWN).ok().flatten();
            let gmt = gmt.map(|zone| Found { description: UNKNOWN.to_owned(), zone });
            (gmt, Some(refused(&format!("TZ={zone}"), UNKNOWN, &cause)))
        }
    }
}

fn refused(wanted: &str, instead: &str, cause: &str) -> String {
    format!(
        "the time zone {wanted} cannot be used, so dates are written as text in {instead}: {cause}; set TZ to a zone that \
         is below {ZONES}, or install the system's time zone data there (package tzdata)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Data of a zone that is an hour ahead of UTC.
    fn an_hour_ahead() -> Vec<u8> {
        let block = |version: u8| {
            let mut bytes = vec![b'T', b'Z', b'i', b'f', version];
            bytes.extend([0; 15]);
            for count in [0, 0, 0, 0, 1, 4u32] {
                bytes.extend(count.to_be_bytes());
            }
            bytes.extend(3600i32.to_be_bytes());
            bytes.extend([0, 0]);
            bytes.extend(b"CET\0");
            bytes
        };
        [block(b'2'), block(b'2'), b"\nCET-1\n".to_vec()].concat()
    }

    fn found(variable: Option<&str>, path: &str) -> (Option<String>, Option<String>) {
        let read = |asked: &Path| match asked == Path::new(path) {
            true => Ok(an_hour_ahead()),
            false => Err(io::ErrorKind::NotFound.into()),
        };
        let (zone, problem) = find(variable, &read);
        (zone.map(|zone| zone.description), problem)
    }

    #[test]
    fn the_zone_is_what_tz_names_else_the_systems() {
        let compiled = Some(local_zone::describe_compiled(&an_hour_ahead()));
        for variable in ["Europe/Berlin", ":Europe/Berlin", "/usr/share/zoneinfo/Europe/Berlin"] {
            assert_eq!(found(Some(variable), "/usr/share/zoneinfo/Europe/Berlin"), (compiled.clone(), None));
        }
        for variable in [None, Some("")] {
            assert_eq!(found(variable, SYSTEM), (compiled.clone(), None));
        }
        assert_eq!(found(Some("GMT+5:30"), SYSTEM), (Some("GMT+5:30".into()), None));
        assert_eq!(found(Some("CET-1CEST,M3.5.0,M10.5.0/3"), "").0.as_deref(), Some("CET-1CEST,M3.5.0,M10.5.0/3"));
        assert_eq!(found(None, ""), (None, None), "a system without a zone is in UTC");
    }

    #[test]
    fn a_zone_that_nobody_knows_is_gmt_as_in_java_and_the_log_says_so() {
        let (zone, problem) = found(Some("Nowhere/Land"), SYSTEM);
        assert_eq!(zone.as_deref(), Some("GMT"));
        let problem = problem.expect("it is told");
        for part in ["TZ=Nowhere/Land", "written as text in GMT", "/usr/share/zoneinfo/Nowhere/Land", "package tzdata"]
        {
            assert!(problem.contains(part), "{problem}");
        }
    }

    #[test]
    fn damaged_data_are_told_with_their_file() {
        let (zone, problem) = find(Some("Europe/Berlin"), &|_| Ok(b"TZif".to_vec()));
        assert_eq!(zone.map(|zone| zone.description).as_deref(), Some("GMT"));
        assert!(
            problem.is_some_and(|problem| problem.contains("/usr/share/zoneinfo/Europe/Berlin: its data are damaged"))
        );
        let (zone, problem) = find(None, &|_| Ok(vec![]));
        assert!(zone.is_none());
        assert!(problem.is_some_and(|problem| problem.contains("/etc/localtime cannot be used")));
    }
}
