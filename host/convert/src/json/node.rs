//! JSON as a tree: for schemas, for defaults, and for values whose shape no column has.

use millstream_record::Value;

use super::scan::{Malformed, Scanner};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// `null`; a member that is not there reads the same.
    Null,
    /// `true`, `false`.
    Boolean(bool),
    /// A number as it was written.
    Number {
        /// As they stand, so that no digit is lost.
        text: String,
        /// Without fraction and exponent.
        integral: bool,
    },
    /// Without quotes, escapes resolved.
    Text(String),
    /// Elements in their order; they may be of different kinds.
    Array(Vec<Node>),
    /// An object; names are unique, the last of two equal ones wins.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Reads the value that comes next.
    pub fn read(scanner: &mut Scanner<'_>, depth: usize) -> Result<Self, Malformed> {
        Ok(match scanner.peek() {
            b'{' => {
                scanner.check_depth(depth)?;
                scanner.accept(b'{');
                Self::Object(read_members(scanner, depth)?)
            }
            b'[' => {
                scanner.check_depth(depth)?;
                scanner.accept(b'[');
                let mut elements = Vec::new();
                if !scanner.accept(b']') {
                    loop {
                        elements.push(Self::read(scanner, depth + 1)?);
                        if !scanner.more(b']')? {
                            break;
                        }
                    }
                }
                Self::Array(elements)
            }
            b'"' => Self::Text(scanner.string()?.into_owned()),
            b't' => scanner.word("true").map(|()| Self::Boolean(true))?,
            b'f' => scanner.word("false").map(|()| Self::Boolean(false))?,
            b'n' => scanner.word("null").map(|()| Self::Null)?,
            b'-' | b'0'..=b'9' => {
                let number = scanner.number()?;
                Self::Number { text: number.text.to_owned(), integral: number.integral }
            }
            0 => return scanner.fail("the text ends where a value was expected"),
            _ => return scanner.fail("a value was expected"),
        })
    }

    /// A member of an object.
    pub fn get(&self, name: &str) -> Option<&Node> {
        match self {
            Self::Object(members) => members.iter().find(|(other, _)| other == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// What the Java parser calls the kind of node, as messages show it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Boolean(_) => "BOOLEAN",
            Self::Number { .. } => "NUMBER",
            Self::Text(_) => "STRING",
            Self::Array(_) => "ARRAY",
            Self::Object(_) => "OBJECT",
        }
    }

    /// The value without a schema.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(value) => Value::Boolean(*value),
            Self::Number { text, integral } => {
                let number = super::scan::Number::of(text, *integral);
                if *integral { Value::Int64(number.low_bits()) } else { Value::Float64(number.to_f64()) }
            }
            Self::Text(text) => Value::String(text.clone()),
            Self::Array(elements) => Value::List(elements.iter().map(Self::to_value).collect()),
            Self::Object(members) => {
                Value::Map(members.iter().map(|(name, node)| (Value::String(name.clone()), node.to_value())).collect())
            }
        }
    }
}

fn read_members(scanner: &mut Scanner<'_>, depth: usize) -> Result<Vec<(String, Node)>, Malformed> {
    let mut members: Vec<(String, Node)> = Vec::new();
    let mut index = std::collections::HashMap::new();
    if scanner.accept(b'}') {
        return Ok(members);
    }
    loop {
        let name = scanner.name()?.into_owned();
        let node = Node::read(scanner, depth + 1)?;
        match index.get(&name) {
            Some(&at) => members[at] = (name, node),
            None => {
                index.insert(name.clone(), members.len());
                members.push((name, node));
            }
        }
        if !scanner.more(b'}')? {
            return Ok(members);
        }
    }
}
