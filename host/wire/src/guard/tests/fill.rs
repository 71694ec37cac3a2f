//! Bodies of any message, with the values that one chooses.

use super::{
    super::schema::{Field, Kind},
    subject::Subject,
};

/// What a message is filled with.
pub trait Choose {
    /// How many elements a list has, or bytes a text or byte field; none is null.
    fn len(&mut self, kind: &Kind) -> Option<usize>;
    /// Whether a tagged field or a struct that may be null is there.
    fn is_there(&mut self) -> bool;
    /// Numbers of tagged fields that nobody knows, in ascending order.
    fn unknown_tags(&mut self) -> Vec<u32>;
}

/// Lists of so many elements, and the same unknown tag in every struct.
pub struct Regular(pub usize, pub Option<u32>);

impl Choose for Regular {
    fn len(&mut self, kind: &Kind) -> Option<usize> {
        Some(if matches!(kind, Kind::Text | Kind::Bytes) { 2 } else { self.0 })
    }

    fn is_there(&mut self) -> bool {
        true
    }

    fn unknown_tags(&mut self) -> Vec<u32> {
        self.1.into_iter().collect()
    }
}

/// Numbers that look like chance and are the same in every run.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

impl Choose for Dice {
    fn len(&mut self, kind: &Kind) -> Option<usize> {
        match (self.below(24), kind) {
            (0, _) => None,
            // Two bytes of length where it is compact.
            (1, Kind::Text | Kind::Bytes | Kind::FixedList(_)) => Some(127 + self.below(40)),
            _ => Some(self.below(4)),
        }
    }

    fn is_there(&mut self) -> bool {
        self.below(2) == 0
    }

    fn unknown_tags(&mut self) -> Vec<u32> {
        [[].as_slice(), &[101], &[101, 20_000, i32::MAX as u32]][self.below(3)].to_vec()
    }
}

/// A body and where in it lengths and counts stand.
pub struct Fill<'a, C> {
    choose: &'a mut C,
    version: i16,
    flexible: bool,
    pub out: Vec<u8>,
    pub counts: Vec<Count>,
}

pub struct Count {
    pub field: &'static str,
    pub at: usize,
    /// Of the number itself.
    pub len: usize,
    pub compact: bool,
}

pub fn fill<C: Choose>(subject: Subject, choose: &mut C) -> Fill<'_, C> {
    let (version, flexible) = (subject.version, subject.flexible());
    let mut fill = Fill { choose, version, flexible, out: Vec::new(), counts: Vec::new() };
    fill.fields(subject.message.fields);
    fill
}

impl<C: Choose> Fill<'_, C> {
    fn fields(&mut self, fields: &'static [Field]) {
        let version = self.version;
        for field in fields.iter().filter(|field| field.tag.is_none() && field.is_in(version)) {
            self.value(field);
        }
        if !self.flexible {
            return;
        }
        let known: Vec<_> = fields.iter().filter(|field| field.is_in(version)).collect();
        let mut tags: Vec<(u32, Option<&Field>)> = Vec::new();
        tags.extend(known.iter().filter_map(|field| Some((field.tag?.into(), Some(*field)))));
        tags.retain(|_| self.choose.is_there());
        for unknown in self.choose.unknown_tags() {
            if known.iter().all(|field| field.tag.map(u32::from) != Some(unknown)) {
                tags.push((unknown, None));
            }
        }
        tags.sort_by_key(|(tag, _)| *tag);
        self.varint(tags.len() as u32);
        for (tag, field) in tags {
            self.varint(tag);
            let Some(field) = field else {
                // As a count this would be of billions.
                self.out.extend([5, 0xff, 0xff, 0xff, 0xff, 0x0f]);
                continue;
            };
            let rest = std::mem::take(&mut self.out);
            let counts = self.counts.len();
            self.value(field);
            let value = std::mem::replace(&mut self.out, rest);
            self.varint(value.len() as u32);
            for count in &mut self.counts[counts..] {
                count.at += self.out.len();
            }
            self.out.extend(value);
        }
    }

    fn value(&mut self, field: &'static Field) {
        match field.kind {
            Kind::Fixed(size) => self.out.extend(std::iter::repeat_n(0, size.into())),
            Kind::Text => self.text(field.name),
            Kind::Bytes => {
                let len = self.choose.len(&field.kind);
                self.count(field.name, len, 4);
                self.out.extend(std::iter::repeat_n(0xee, len.unwrap_or(0)));
            }
            Kind::Struct(fields) => self.fields(fields),
            Kind::Optional(fields) => {
                let there = self.choose.is_there();
                self.out.push(if there { 1 } else { 0xff });
                if there {
                    self.fields(fields);
                }
            }
            Kind::FixedList(size) => {
                let size = usize::from(size);
                (0..self.elements(field)).for_each(|_| self.out.extend(std::iter::repeat_n(0, size)));
            }
            Kind::TextList => (0..self.elements(field)).for_each(|_| self.text(field.name)),
            Kind::StructList(fields) => (0..self.elements(field)).for_each(|_| self.fields(fields)),
        }
    }

    fn elements(&mut self, field: &'static Field) -> usize {
        let count = self.choose.len(&field.kind);
        self.count(field.name, count, 4);
        count.unwrap_or(0)
    }

    fn text(&mut self, field: &'static str) {
        let len = self.choose.len(&Kind::Text);
        self.count(field, len, 2);
        self.out.extend(std::iter::repeat_n(b'a', len.unwrap_or(0)));
    }

    fn count(&mut self, field: &'static str, count: Option<usize>, width: usize) {
        let at = self.out.len();
        match (self.flexible, width) {
            (true, _) => self.varint(count.map_or(0, |count| count as u32 + 1)),
            (false, 2) => self.out.extend(count.map_or(-1, |count| count as i16).to_be_bytes()),
            (false, _) => self.out.extend(count.map_or(-1, |count| count as i32).to_be_bytes()),
        }
        self.counts.push(Count { field, at, len: self.out.len() - at, compact: self.flexible });
    }

    fn varint(&mut self, value: u32) {
        self.out.extend(varint(value));
    }
}

pub fn varint(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while 0x80 <= value {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
