//! Runs parsed patterns: a small backtracking machine with a bound on its work.
//!
//! The machine keeps no state on the call stack but for atomic groups and lookaround, whose depth the
//! parser has limited. Registers hold groups, loop counters and loop starts; what a step changes is
//! written to the backtrack stack, so that giving up an alternative undoes it.

use std::sync::LazyLock;

use crate::{
    JavaError,
    regex_class::{CharSet, Fold, same_letter},
    regex_parse::{Mode, Node, Place, UNBOUNDED},
    regex_work::did,
};

/// Byte ranges of a match: the whole at 0, then its groups; `None` for a group that took no part.
pub type Groups = Vec<Option<(usize, usize)>>;

/// Most steps of one search or match, unless the program has its own bound.
const MAX_STEPS: u64 = 5_000_000;
/// Most entries of the backtrack stack.
const MAX_STACK: usize = 500_000;
/// A register that holds nothing.
const UNSET: usize = usize::MAX;

#[derive(Debug)]
enum Inst {
    /// One character of a set; asking the set counts as that many steps.
    Set(CharSet, u32),
    /// A run of one set: taken greedily, given back one character at a time.
    Run {
        set: CharSet,
        cost: u32,
        min: u32,
        max: u32,
        mode: Mode,
    },
    /// Goes on at the first, and at the second if that fails.
    Split(usize, usize),
    Jump(usize),
    /// Remembers the place.
    Mark(usize),
    /// Ends a group whose start is in the register.
    Close {
        group: usize,
        mark: usize,
    },
    /// Sets a loop's counter to zero.
    Zero(usize),
    /// Decides on the next round of a loop.
    Round {
        count: usize,
        start: usize,
        min: u32,
        max: u32,
        lazy: bool,
        out: usize,
    },
    /// Ends a round: back to `top`, or out of the loop if the round matched nothing.
    Again {
        start: usize,
        top: usize,
        out: usize,
    },
    /// Runs what follows until its end as a match of its own, then goes on at `next`.
    Atomic {
        next: usize,
    },
    Ahead {
        negated: bool,
        next: usize,
    },
    Behind {
        negated: bool,
        shortest: u32,
        longest: u32,
        next: usize,
    },
    Back {
        group: usize,
        fold: Fold,
    },
    At(Place),
    /// The end of the pattern, or of an atomic part.
    End,
}

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Program {
    code: Vec<Inst>,
    groups: usize,
    registers: usize,
    max_steps: u64,
}

impl Program {
    pub(crate) fn new(root: &Node, groups: usize) -> Self {
        let mut program = Self { code: Vec::new(), groups, registers: groups * 2, max_steps: MAX_STEPS };
        program.emit(root);
        program.code.push(Inst::End);
        program
    }

    /// Sets the most steps of one search or match.
    pub(crate) fn limit(&mut self, max_steps: u64) {
        self.max_steps = max_steps;
    }

    /// Number of groups, the whole match included.
    pub(crate) fn groups(&self) -> usize {
        self.groups
    }

    fn register(&mut self) -> usize {
        self.registers += 1;
        self.registers - 1
    }

    fn emit(&mut self, node: &Node) {
        match node {
            Node::Empty => {}
            Node::Set(set) => self.code.push(Inst::Set(set.clone(), set.cost())),
            Node::Concat(nodes) => nodes.iter().for_each(|node| self.emit(node)),
            Node::Alternatives(nodes) => self.emit_alternatives(nodes),
            Node::Group(None, node) => self.emit(node),
            Node::Group(Some(group), node) => {
                let mark = self.register();
                self.code.push(Inst::Mark(mark));
                self.emit(node);
                self.code.push(Inst::Close { group: *group, mark });
            }
            Node::Repeat { node, min, max, mode } => self.emit_repeat(node, *min, *max, *mode),
            Node::Ahead { node, negated } => {
                let at = self.begin_part(node);
                self.code[at] = Inst::Ahead { negated: *negated, next: self.code.len() };
            }
            Node::Behind { node, negated, shortest, longest } => {
                let at = self.begin_part(node);
                let next = self.code.len();
                self.code[at] = Inst::Behind { negated: *negated, shortest: *shortest, longest: *longest, next };
            }
            Node::Atomic(node) => self.emit_atomic(|program| program.emit(node)),
            Node::Back { group, fold } => self.code.push(Inst::Back { group: *group, fold: *fold }),
            Node::At(place) => self.code.push(Inst::At(*place)),
            Node::LineBreak => self.emit_alternatives(&line_break()),
        }
    }

    /// Emits a placeholder, the node and an end; returns where the placeholder is.
    fn begin_part(&mut self, node: &Node) -> usize {
        let at = self.code.len();
        self.code.push(Inst::End);
        self.emit(node);
        self.code.push(Inst::End);
        at
    }

    fn emit_atomic(&mut self, inner: impl FnOnce(&mut Self)) {
        let at = self.code.len();
        self.code.push(Inst::End);
        inner(self);
        self.code.push(Inst::End);
        self.code[at] = Inst::Atomic { next: self.code.len() };
    }

    fn emit_alternatives(&mut self, nodes: &[Node]) {
        let mut jumps = Vec::with_capacity(nodes.len());
        for (number, node) in nodes.iter().enumerate() {
            if number + 1 == nodes.len() {
                self.emit(node);
                break;
            }
            let split = self.code.len();
            self.code.push(Inst::End);
            self.emit(node);
            jumps.push(self.code.len());
            self.code.push(Inst::End);
            self.code[split] = Inst::Split(split + 1, self.code.len());
        }
        let out = self.code.len();
        for jump in jumps {
            self.code[jump] = Inst::Jump(out);
        }
    }

    fn emit_repeat(&mut self, node: &Node, min: u32, max: u32, mode: Mode) {
        if let Node::Set(set) = node {
            self.code.push(Inst::Run { set: set.clone(), cost: set.cost(), min, max, mode });
            return;
        }
        if matches!(node, Node::LineBreak) {
            // A repeated line break never takes a pair apart.
            let pair = Node::Atomic(Box::new(Node::LineBreak));
            self.emit_repeat(&pair, min, max, mode);
            return;
        }
        if mode == Mode::Possessive {
            // Every round is final by itself, not only the whole of them.
            let round = Node::Atomic(Box::new(node.clone()));
            self.emit_atomic(|program| program.emit_loop(&round, min, max, false));
            return;
        }
        let lazy = mode == Mode::Lazy;
        if (min, max) == (0, 1) {
            let split = self.code.len();
            self.code.push(Inst::End);
            self.emit(node);
            let out = self.code.len();
            self.code[split] = if lazy { Inst::Split(out, split + 1) } else { Inst::Split(split + 1, out) };
            return;
        }
        self.emit_loop(node, min, max, lazy);
    }

    fn emit_loop(&mut self, node: &Node, min: u32, max: u32, lazy: bool) {
        let (count, start) = (self.register(), self.register());
        self.code.push(Inst::Zero(count));
        let top = self.code.len();
        self.code.push(Inst::End);
        self.emit(node);
        let out = self.code.len() + 1;
        self.code.push(Inst::Again { start, top, out });
        self.code[top] = Inst::Round { count, start, min, max, lazy, out };
    }
}

/// `\R`: the pair, or one line terminator.
fn line_break() -> [Node; 2] {
    let pair = ['\r', '\n'].map(|c| Node::Set(CharSet::Range(c, c)));
    [Node::Concat(pair.to_vec()), Node::Set(CharSet::vertical_space())]
}

enum Undo {
    /// Try again from here.
    Branch { pc: usize, at: usize },
    /// A greedy run that can still give back characters down to `least`.
    Shrink { pc: usize, least: usize, at: usize },
    /// A lazy run that can still take characters.
    Grow { run: usize, at: usize, left: u32 },
    /// A register's earlier content.
    Register { number: usize, old: usize },
}

/// One search over one text.
pub(crate) struct Matcher<'a> {
    program: &'a Program,
    text: &'a str,
    registers: Vec<usize>,
    stack: Vec<Undo>,
    steps: u64,
}

impl<'a> Matcher<'a> {
    pub(crate) fn new(program: &'a Program, text: &'a str) -> Self {
        Self { program, text, registers: vec![UNSET; program.registers], stack: Vec::new(), steps: 0 }
    }

    /// The groups of a match of the whole text.
    pub(crate) fn matches(&mut self) -> Result<Option<Groups>, JavaError> {
        let end = self.run(0, 0, Some(self.text.len()))?;
        Ok(end.map(|end| self.groups(0, end)))
    }

    /// The groups of the first match at or after `from`, which must be a character boundary.
    pub(crate) fn find(&mut self, from: usize) -> Result<Option<Groups>, JavaError> {
        let mut start = from;
        loop {
            self.registers.fill(UNSET);
            did(self.registers.len());
            self.steps += (self.registers.len() / 16) as u64;
            self.stack.clear();
            if let Some(end) = self.run(0, start, None)? {
                return Ok(Some(self.groups(start, end)));
            }
            match self.text[start..].chars().next() {
                Some(c) => start += c.len_utf8(),
                None => return Ok(None),
            }
        }
    }

    fn groups(&self, start: usize, end: usize) -> Groups {
        let mut groups = vec![Some((start, end))];
        for pair in self.registers[2..self.program.groups * 2].chunks(2) {
            groups.push((pair[0] != UNSET).then(|| (pair[0], pair[1])));
        }
        groups
    }

    fn too_much(&self) -> JavaError {
        JavaError::stack_overflow(format!(
            "regular expression took too many steps on a text of {} bytes",
            self.text.len()
        ))
    }

    fn push(&mut self, entry: Undo) -> Result<(), JavaError> {
        if MAX_STACK <= self.stack.len() {
            return Err(self.too_much());
        }
        self.stack.push(entry);
        Ok(())
    }

    fn set(&mut self, number: usize, value: usize) -> Result<(), JavaError> {
        let old = std::mem::replace(&mut self.registers[number], value);
        self.push(Undo::Register { number, old })
    }

    fn char_at(&self, at: usize) -> Option<char> {
        self.text[at..].chars().next()
    }

    fn char_before(&self, at: usize) -> Option<char> {
        self.text[..at].chars().next_back()
    }

    /// Runs from an instruction until the next [`Inst::End`]; the place reached there. With `must_end`
    /// only an end at that place counts. Leaves the stack as it was but for entries that undo registers.
    fn run(&mut self, mut pc: usize, mut at: usize, must_end: Option<usize>) -> Result<Option<usize>, JavaError> {
        let base = self.stack.len();
        let program = self.program;
        loop {
            self.steps += 1;
            if program.max_steps < self.steps {
                return Err(self.too_much());
            }
            let ok = match &program.code[pc] {
                Inst::Set(set, cost) => {
                    self.steps += u64::from(*cost);
                    match self.char_at(at) {
                        Some(c) if set.contains(c) => {
                            at += c.len_utf8();
                            pc += 1;
                            true
                        }
                        _ => false,
                    }
                }
                Inst::Run { set, cost, min, max, mode } => {
                    match self.take_run((set, *cost), *min, *max, *mode, pc, at)? {
                        Some(end) => {
                            at = end;
                            pc += 1;
                            true
                        }
                        None => false,
                    }
                }
                Inst::Split(first, second) => {
                    self.push(Undo::Branch { pc: *second, at })?;
                    pc = *first;
                    true
                }
                Inst::Jump(target) => {
                    pc = *target;
                    true
                }
                Inst::Mark(number) => {
                    self.set(*number, at)?;
                    pc += 1;
                    true
                }
                Inst::Close { group, mark } => {
                    let start = self.registers[*mark];
                    self.set(group * 2, start)?;
                    self.set(group * 2 + 1, at)?;
                    pc += 1;
                    true
                }
                Inst::Zero(number) => {
                    self.set(*number, 0)?;
                    pc += 1;
                    true
                }
                Inst::Round { count, start, min, max, lazy, out } => {
                    let rounds = self.registers[*count];
                    if rounds < *min as usize {
                        self.set(*count, rounds + 1)?;
                        self.set(*start, at)?;
                        pc += 1;
                    } else if *max != UNBOUNDED && *max as usize <= rounds {
                        pc = *out;
                    } else if *lazy {
                        // The round itself begins when this branch is taken up again.
                        self.push(Undo::Grow { run: pc, at, left: 0 })?;
                        pc = *out;
                    } else {
                        self.push(Undo::Branch { pc: *out, at })?;
                        self.set(*count, rounds + 1)?;
                        self.set(*start, at)?;
                        pc += 1;
                    }
                    true
                }
                Inst::Again { start, top, out } => {
                    pc = if self.registers[*start] < at { *top } else { *out };
                    true
                }
                Inst::Atomic { next } => match self.run(pc + 1, at, None)? {
                    Some(end) => {
                        at = end;
                        pc = *next;
                        true
                    }
                    None => false,
                },
                Inst::Ahead { negated, next } => {
                    let found = self.look(pc + 1, at, None, *negated)?;
                    pc = *next;
                    found != *negated
                }
                Inst::Behind { negated, shortest, longest, next } => {
                    let found = self.look_behind(pc + 1, at, *shortest, *longest, *negated)?;
                    pc = *next;
                    found != *negated
                }
                Inst::Back { group, fold } => match self.back_reference(*group, *fold, at) {
                    Some(end) => {
                        at = end;
                        pc += 1;
                        true
                    }
                    None => false,
                },
                Inst::At(place) => {
                    pc += 1;
                    self.is_at(*place, at)
                }
                Inst::End => {
                    if must_end.is_none_or(|end| end == at) {
                        self.keep_only_registers(base);
                        return Ok(Some(at));
                    }
                    false
                }
            };
            if ok {
                continue;
            }
            match self.backtrack(base)? {
                Some(next) => (pc, at) = next,
                None => return Ok(None),
            }
        }
    }

    /// Undoes steps down to the latest alternative above `base`.
    fn backtrack(&mut self, base: usize) -> Result<Option<(usize, usize)>, JavaError> {
        while base < self.stack.len() {
            match self.stack.pop().expect("the stack is longer than its base") {
                Undo::Register { number, old } => self.registers[number] = old,
                Undo::Branch { pc, at } => return Ok(Some((pc, at))),
                Undo::Shrink { pc, least, at } => {
                    let shorter = at - self.char_before(at).map_or(0, char::len_utf8);
                    if least < shorter {
                        self.stack.push(Undo::Shrink { pc, least, at: shorter });
                    }
                    return Ok(Some((pc, shorter)));
                }
                Undo::Grow { run, at, left } => match &self.program.code[run] {
                    Inst::Run { set, cost, .. } => {
                        self.steps += u64::from(*cost);
                        let Some(c) = self.char_at(at).filter(|&c| set.contains(c)) else {
                            continue;
                        };
                        let at = at + c.len_utf8();
                        if 1 < left {
                            self.stack.push(Undo::Grow { run, at, left: left - 1 });
                        }
                        return Ok(Some((run + 1, at)));
                    }
                    Inst::Round { count, start, .. } => {
                        let (count, start) = (*count, *start);
                        self.set(count, self.registers[count] + 1)?;
                        self.set(start, at)?;
                        return Ok(Some((run + 1, at)));
                    }
                    _ => continue,
                },
            }
        }
        Ok(None)
    }

    /// Forgets the alternatives above `base`, but not what later undoing must restore.
    fn keep_only_registers(&mut self, base: usize) {
        let mut kept = base;
        for place in base..self.stack.len() {
            if matches!(self.stack[place], Undo::Register { .. }) {
                self.stack.swap(kept, place);
                kept += 1;
            }
        }
        self.stack.truncate(kept);
    }

    fn undo_all(&mut self, base: usize) {
        while base < self.stack.len() {
            if let Some(Undo::Register { number, old }) = self.stack.pop() {
                self.registers[number] = old;
            }
        }
    }

    fn take_run(
        &mut self,
        (set, cost): (&CharSet, u32),
        min: u32,
        max: u32,
        mode: Mode,
        pc: usize,
        from: usize,
    ) -> Result<Option<usize>, JavaError> {
        let most = if mode == Mode::Lazy { min } else { max };
        let (mut at, mut taken, mut least) = (from, 0u32, from);
        let affordable = self.program.max_steps.saturating_sub(self.steps) / u64::from(1 + cost);
        for c in self.text[from..].chars() {
            if taken == most || !set.contains(c) {
                break;
            }
            if affordable < u64::from(taken) {
                return Err(self.too_much());
            }
            at += c.len_utf8();
            taken += 1;
            if taken == min {
                least = at;
            }
        }
        self.steps += u64::from(taken) * u64::from(1 + cost);
        if taken < min {
            return Ok(None);
        }
        match mode {
            Mode::Greedy if least < at => self.push(Undo::Shrink { pc: pc + 1, least, at })?,
            Mode::Lazy if min < max => {
                let left = if max == UNBOUNDED { u32::MAX } else { max - min };
                self.push(Undo::Grow { run: pc, at, left })?;
            }
            _ => {}
        }
        Ok(Some(at))
    }

    /// Whether a part matches here. What it captured is kept if it did and is not negated.
    fn look(&mut self, pc: usize, at: usize, end: Option<usize>, negated: bool) -> Result<bool, JavaError> {
        let base = self.stack.len();
        let found = self.run(pc, at, end)?.is_some();
        if negated {
            self.undo_all(base);
        }
        Ok(found)
    }

    fn look_behind(
        &mut self,
        pc: usize,
        at: usize,
        shortest: u32,
        longest: u32,
        negated: bool,
    ) -> Result<bool, JavaError> {
        let mut start = at;
        for covered in 0..=longest {
            if shortest <= covered && self.look(pc, start, Some(at), negated)? {
                return Ok(true);
            }
            match self.char_before(start) {
                Some(c) => start -= c.len_utf8(),
                None => break,
            }
        }
        Ok(false)
    }

    fn back_reference(&mut self, group: usize, fold: Fold, at: usize) -> Option<usize> {
        if self.program.groups <= group {
            return None;
        }
        let (start, end) = (self.registers[group * 2], self.registers[group * 2 + 1]);
        if start == UNSET || end == UNSET {
            return None;
        }
        let referred = &self.text[start..end];
        self.steps += referred.len() as u64;
        if fold == Fold::None {
            return self.text[at..].starts_with(referred).then_some(at + referred.len());
        }
        let mut here = self.text[at..].chars();
        for expected in referred.chars() {
            if !same_letter(here.next()?, expected, fold) {
                return None;
            }
        }
        Some(self.text.len() - here.as_str().len())
    }

    fn is_at(&mut self, place: Place, at: usize) -> bool {
        let text = self.text;
        let rest = &text[at..];
        let before = || text[..at].chars().next_back();
        let is_terminator = |c: char| matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
        match place {
            Place::Start => at == 0,
            Place::End => rest.is_empty(),
            Place::LastLine { unix: true } => rest.is_empty() || rest == "\n",
            Place::LastLine { unix: false } => {
                let mut chars = rest.chars();
                match (chars.next(), chars.next(), chars.next()) {
                    (None, ..) => true,
                    (Some('\n'), None, _) => before() != Some('\r'),
                    (Some(c), None, _) => is_terminator(c),
                    (Some('\r'), Some('\n'), None) => true,
                    _ => false,
                }
            }
            // Like Perl, Java sees no line start at the very end of the text.
            Place::LineStart { .. } if rest.is_empty() => false,
            Place::LineStart { unix: true } => before().is_none_or(|c| c == '\n'),
            Place::LineStart { unix: false } => {
                before().is_none_or(|c| is_terminator(c) && !(c == '\r' && rest.starts_with('\n')))
            }
            Place::LineEnd { unix: true } => rest.is_empty() || rest.starts_with('\n'),
            Place::LineEnd { unix: false } => match rest.chars().next() {
                None => true,
                Some('\n') => before() != Some('\r'),
                Some(c) => is_terminator(c),
            },
            Place::WordBoundary { unicode } => self.is_word_boundary(at, unicode),
            Place::NotWordBoundary { unicode } => !self.is_word_boundary(at, unicode),
        }
    }

    fn is_word_boundary(&mut self, at: usize, unicode: bool) -> bool {
        let before = self.text[..at].chars().next_back().is_some_and(|c| self.is_word(c, at, true, unicode));
        let after = self.text[at..].chars().next().is_some_and(|c| self.is_word(c, at, false, unicode));
        before != after
    }

    /// A combining mark belongs to the word of the letter it stands on.
    fn is_word(&mut self, c: char, at: usize, before: bool, unicode: bool) -> bool {
        if c.is_ascii() {
            return c.is_ascii_alphanumeric() || c == '_';
        }
        static WORD: LazyLock<CharSet> = LazyLock::new(|| CharSet::word(true));
        static MARK: LazyLock<CharSet> = LazyLock::new(|| CharSet::property("Mn"));
        static BASE: LazyLock<CharSet> =
            LazyLock::new(|| CharSet::AnyOf(vec![CharSet::property("L"), CharSet::property("Nd")]));
        if unicode && WORD.contains(c) {
            return true;
        }
        if !MARK.contains(c) {
            return false;
        }
        let end = if before { at } else { at + c.len_utf8() };
        for c in self.text[..end].chars().rev() {
            self.steps += 1;
            if BASE.contains(c) {
                return true;
            }
            if !MARK.contains(c) {
                return false;
            }
        }
        false
    }
}
