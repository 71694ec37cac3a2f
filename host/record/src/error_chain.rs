//! Printing an error together with what caused it.

use std::{error::Error, fmt};

/// Shows an error and its causes on one line, outermost first, separated by `: `.
///
/// Messages in this code base leave their cause to `source`, so whoever reports an error prints it
/// through this.
pub struct ErrorChain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer {
        source: Inner,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("inner")]
    struct Inner;

    #[test]
    fn every_cause_is_printed_once() {
        assert_eq!(ErrorChain(&Outer { source: Inner }).to_string(), "outer: inner");
    }
}
