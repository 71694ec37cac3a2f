//! Whether a worker lets a plugin connect to what its configuration names.

use super::pattern::{Server, SocketPattern};

/// The servers of a value: `host:port` items.
///
/// # Errors
///
/// Why one is not allowed and what to do: the end of a sentence about the value.
pub(super) fn check(value: &str, allowed: &[SocketPattern]) -> Result<Vec<Server>, String> {
    let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
    let server = |item: &str| {
        let server = Server::parse(item).ok_or_else(|| format!("{item} is not host:port"))?;
        if allowed.iter().any(|pattern| pattern.matches(&server)) {
            return Ok(server);
        }
        Err(format!(
            "plugins of this worker open no connections to {item} (plugin.allow.sockets): add it to that key, which allows \
             nothing by itself"
        ))
    };
    items.map(server).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_allowed_that_the_worker_does_not_name() {
        assert!(check("a:1", &[]).is_err_and(|error| error.contains("plugin.allow.sockets")));
        let allowed = [SocketPattern::parse("a:*").unwrap()];
        assert_eq!(check("a:1, a:2", &allowed).map(|servers| servers.len()), Ok(2));
        assert!(check("a:1,b:1", &allowed).is_err());
        assert_eq!(check("a", &allowed), Err("a is not host:port".to_owned()));
    }
}
