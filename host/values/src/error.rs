//! The one error of computations that Connect defines: an exception class and its message.

/// A failure as Connect reports it. The class is part of the interface: dead-letter headers and
/// status messages show it, and callers tell configuration errors from data errors by it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct JavaError {
    class: &'static str,
    message: String,
    source: Option<Box<JavaError>>,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident = $class:literal;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(message: impl Into<String>) -> Self {
                Self { class: $class, message: message.into(), source: None }
            }
        )*
    };
}

impl JavaError {
    /// Any exception class by its full Java name.
    pub fn new(class: &'static str, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), source: None }
    }

    constructors! {
        /// `DataException`: a value that does not fit.
        data = "org.apache.kafka.connect.errors.DataException";
        /// `ConnectException`, the parent of Connect's own exceptions.
        connect = "org.apache.kafka.connect.errors.ConnectException";
        /// `SchemaBuilderException`, a DataException.
        schema_builder = "org.apache.kafka.connect.errors.SchemaBuilderException";
        /// `SchemaProjectorException`, a DataException.
        schema_projector = "org.apache.kafka.connect.errors.SchemaProjectorException";
        /// `ConfigException`: a setting that is refused.
        config = "org.apache.kafka.common.config.ConfigException";
        /// `IllegalArgumentException`: a replacement or a name that its method does not take.
        illegal_argument = "java.lang.IllegalArgumentException";
        /// `IndexOutOfBoundsException`: a group that its pattern does not have.
        index_out_of_bounds = "java.lang.IndexOutOfBoundsException";
        /// `NumberFormatException`: a text that is no number.
        number_format = "java.lang.NumberFormatException";
        /// `NullPointerException`: a null where Java would have followed it.
        null_pointer = "java.lang.NullPointerException";
        /// `ClassCastException`: a value of another class than its place asks for.
        class_cast = "java.lang.ClassCastException";
        /// `StackOverflowError`: nesting or backtracking beyond our limits, which Java would not survive either.
        stack_overflow = "java.lang.StackOverflowError";
    }

    /// Full name of the Java exception class.
    pub fn class(&self) -> &'static str {
        self.class
    }

    /// The exception's message, without its class.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the class is `DataException` or one of its subclasses.
    pub fn is_data(&self) -> bool {
        ["DataException", "SchemaBuilderException", "SchemaProjectorException"]
            .iter()
            .any(|name| self.class.rsplit('.').next() == Some(name))
    }

    /// The same class with another message; for wrapping with context.
    pub fn with_message(self, message: impl Into<String>) -> Self {
        Self { class: self.class, message: message.into(), source: self.source }
    }

    /// The same error, caused by another.
    pub fn caused_by(mut self, cause: Self) -> Self {
        self.source = Some(Box::new(cause));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subclasses_of_data_exception_count_as_data_errors() {
        assert!(JavaError::data("x").is_data());
        assert!(JavaError::schema_builder("x").is_data());
        assert!(!JavaError::config("x").is_data());
    }
}
