//! The other process: serde_json with its default features, which this build cannot have.

use std::{
    cell::RefCell,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    rc::Rc,
    time::Duration,
};

use crate::{
    guests::{root, target_folder},
    json::Messages,
};

/// What serde_json took to read a record of the bench into a `Value` and drop it on the machine that the targets come
/// from, in ns.
const THERE: f64 = 689.0;

/// How much slower this machine is at the moment than the one that the targets come from, by what the peer takes for a
/// record, in ns. Says so.
pub fn scale(nanos: f64) -> f64 {
    let scale = nanos / THERE;
    println!(
        "serde_json reads a record into a Value in {nanos:.0} ns here, in the same rounds, and in {THERE} ns where the"
    );
    println!("targets come from: \"scaled\" is a target times {scale:.2}, which is what the verdict is about.\n");
    scale
}

/// The process, which has the messages and waits for questions. It ends with the last owner.
pub struct Peer {
    process: Child,
    /// Taken when the process is to end.
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Builds the program and starts it over these messages.
    pub fn start(messages: &Messages) -> Rc<RefCell<Self>> {
        let (folder, target) = (root().join("tests/bench/peer"), target_folder().join("bench-peer"));
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--release", "--locked", "--quiet", "--target-dir"]).arg(&target).current_dir(folder);
        let built = cargo.status().expect("cargo can be started");
        assert!(built.success(), "the peer is built");
        let mut program = Command::new(target.join("release/bench-peer"));
        let mut process = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the peer was built");
        let mut questions = process.stdin.take().expect("it is piped");
        let answers = BufReader::new(process.stdout.take().expect("it is piped"));
        writeln!(questions, "{}", messages.texts().count()).expect("the peer listens");
        for message in messages.texts() {
            questions.write_all(message).and_then(|()| questions.write_all(b"\n")).expect("the peer listens");
        }
        Rc::new(RefCell::new(Self { process, questions: Some(questions), answers }))
    }

    fn ask(&mut self, question: &str) -> Duration {
        let questions = self.questions.as_mut().expect("the process has not been ended");
        writeln!(questions, "{question}").expect("the peer listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the peer answers");
        Duration::from_nanos(answer.trim().parse().expect("the answer is a number"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The end of its input is the end of its work.
        self.questions = None;
        if let Err(error) = self.process.wait() {
            eprintln!("wait for the peer: {error}");
        }
    }
}

/// One of the things that the process can do to its messages.
pub struct PeerWork {
    peer: Rc<RefCell<Peer>>,
    what: &'static str,
}

impl PeerWork {
    /// Reads each message into a `Value`.
    pub fn decode(peer: &Rc<RefCell<Peer>>) -> Self {
        Self { peer: Rc::clone(peer), what: "decode" }
    }

    /// Writes the `Value` of each message, into memory that is kept.
    pub fn encode(peer: &Rc<RefCell<Peer>>) -> Self {
        Self { peer: Rc::clone(peer), what: "encode" }
    }

    /// Does it so many times, and returns the processor time of that.
    pub fn run(&mut self, times: u32) -> Duration {
        self.peer.borrow_mut().ask(&format!("{} {times}", self.what))
    }
}
