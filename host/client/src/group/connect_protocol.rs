//! What the bytes of a group of type `connect` mean: how a worker presents itself, and what its leader gives it to do.
//!
//! The layouts are those of Kafka Connect's `ConnectProtocol` (version 0) and `IncrementalCooperativeConnectProtocol`
//! (versions 1 and 2, KIP-415 and KIP-507). Whoever assigns work is not here.

use bytes::{BufMut, Bytes};

/// A version of the protocol, which says what members may rely on.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ConnectVersion {
    /// Every rebalance stops and gives anew all work.
    Eager,
    /// Work that stays goes on (KIP-415).
    Compatible,
    /// As before, and requests between workers are signed (KIP-507).
    Sessioned,
}

impl ConnectVersion {
    /// All, oldest first.
    pub const ALL: [Self; 3] = [Self::Eager, Self::Compatible, Self::Sessioned];

    /// The name under which members offer it to the group.
    pub fn name(self) -> &'static str {
        match self {
            Self::Eager => "default",
            Self::Compatible => "compatible",
            Self::Sessioned => "sessioned",
        }
    }

    /// By the name in the group.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.name() == name)
    }

    fn number(self) -> i16 {
        self as i16
    }
}

/// Why bytes of a group mean nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a message of a group of Connect workers: {expected} expected at byte {at}")]
pub struct MalformedMessage {
    /// What should have been there.
    expected: &'static str,
    at: usize,
}

/// A connector and numbers of its tasks; -1 stands for the connector itself.
pub type Share = (String, Vec<i32>);

/// The number that stands for a connector itself among its tasks.
pub const CONNECTOR: i32 = -1;

/// What a worker says of itself when it joins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WorkerState {
    /// Where others reach its REST API, with a slash at its end.
    pub url: String,
    /// How far it has read the config topic.
    pub offset: i64,
    /// What it was given and still holds; `None` for nothing, and always for [`ConnectVersion::Eager`].
    pub holds: Option<WorkAssignment>,
    /// What a worker of ours says besides, in bytes behind Connect's own that Connect does not look at. Nothing for
    /// [`ConnectVersion::Eager`].
    pub own: Option<OwnState>,
}

/// What workers of ours tell each other when they join.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OwnState {
    /// It is about to leave, perhaps only to be started again, and is to be given nothing.
    pub leaving: bool,
    /// How busy tasks keep it, in the leader's unit; those that it has no measure of are left out.
    pub loads: Vec<(String, Vec<(i32, u32)>)>,
}

/// What a leader of ours tells its members besides, if all are ours.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OwnDecision {
    /// Work that waits for members that have said that they leave. Whoever leads next has to know of it.
    pub away: Vec<Away>,
}

/// What a member that has gone has left, and what it waits for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Away {
    /// Where that member was reached.
    pub url: String,
    /// How many members there were with it.
    pub members: i32,
    /// Milliseconds that are left of the wait.
    pub left_ms: i32,
    /// The work.
    pub work: Vec<Share>,
}

/// Before what only workers of ours read. Behind it stands a version; a later one may say more at the end.
const OURS: &[u8] = b"millstream";

/// The first version with something behind it.
const TELLING: u8 = 2;

/// What the leader tells one member.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WorkAssignment {
    /// 0, or 1 where members disagree about the config topic: nothing is assigned then.
    pub error: i16,
    /// The leader's member id.
    pub leader: String,
    /// Where the leader's REST API is reached.
    pub leader_url: String,
    /// How far the config topic was read when work was assigned.
    pub offset: i64,
    /// What is to be done: everything for [`ConnectVersion::Eager`], else what is new.
    pub assigned: Vec<Share>,
    /// What the member has to stop before it joins again; always empty for [`ConnectVersion::Eager`].
    pub revoked: Vec<Share>,
    /// After so many milliseconds the member is to join again; 0 for no need.
    pub delay_ms: i32,
    /// What only workers of ours read; never for [`ConnectVersion::Eager`].
    pub own: Option<OwnDecision>,
}

impl WorkerState {
    /// The bytes for the group.
    pub fn encode(&self, version: ConnectVersion) -> Bytes {
        let mut out = Vec::with_capacity(32 + self.url.len());
        out.put_i16(version.number());
        put_text(&mut out, &self.url);
        out.put_i64(self.offset);
        if version != ConnectVersion::Eager {
            match &self.holds {
                None => out.put_i32(-1),
                Some(holds) => {
                    let bytes = holds.encode(version);
                    out.put_i32(bytes.len() as i32);
                    out.extend_from_slice(&bytes);
                }
            }
            if let Some(own) = &self.own {
                own.put(&mut out);
            }
        }
        out.into()
    }

    /// Reads another member's bytes.
    ///
    /// # Errors
    ///
    /// They are no such message.
    pub fn decode(bytes: &[u8]) -> Result<Self, MalformedMessage> {
        let mut reader = Reader { bytes, at: 0 };
        let version = reader.i16("a version")?;
        let url = reader.text("a URL")?;
        let offset = reader.i64("an offset")?;
        let (mut holds, mut own) = (None, None);
        if ConnectVersion::Eager.number() < version {
            let len = reader.i32("the length of an assignment")?;
            if 0 < len {
                let begin = reader.at;
                let inner = reader.take(len as usize, "an assignment")?;
                let placed = |error: MalformedMessage| MalformedMessage { at: begin + error.at, ..error };
                holds = Some(WorkAssignment::decode(inner).map_err(placed)?);
            }
            own = OwnState::read(&mut reader);
        }
        Ok(Self { url, offset, holds, own })
    }
}

impl WorkAssignment {
    /// The bytes for the member.
    pub fn encode(&self, version: ConnectVersion) -> Bytes {
        let mut out = Vec::with_capacity(64);
        out.put_i16(version.number());
        out.put_i16(self.error);
        put_text(&mut out, &self.leader);
        put_text(&mut out, &self.leader_url);
        out.put_i64(self.offset);
        put_shares(&mut out, &self.assigned);
        if version != ConnectVersion::Eager {
            put_shares(&mut out, &self.revoked);
            out.put_i32(self.delay_ms);
            if let Some(own) = &self.own {
                own.put(&mut out);
            }
        }
        out.into()
    }

    /// Reads the leader's bytes.
    ///
    /// # Errors
    ///
    /// They are no such message.
    pub fn decode(bytes: &[u8]) -> Result<Self, MalformedMessage> {
        let mut reader = Reader { bytes, at: 0 };
        let version = reader.i16("a version")?;
        let mut read = Self {
            error: reader.i16("an error code")?,
            leader: reader.text("the leader's id")?,
            leader_url: reader.text("the leader's URL")?,
            offset: reader.i64("an offset")?,
            assigned: reader.shares()?,
            ..Self::default()
        };
        if ConnectVersion::Eager.number() < version {
            read.revoked = reader.shares()?;
            read.delay_ms = reader.i32("a delay")?;
            read.own = OwnDecision::read(&mut reader);
        }
        Ok(read)
    }
}

impl OwnState {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(OURS);
        out.put_u8(TELLING);
        out.put_u8(u8::from(self.leaving));
        out.put_i32(self.loads.len() as i32);
        for (connector, loads) in &self.loads {
            put_text(out, connector);
            out.put_i32(loads.len() as i32);
            for (task, load) in loads {
                out.put_i32(*task);
                out.put_u32(*load);
            }
        }
    }

    /// `None` for a worker that is none of ours. What is said and cannot be read is as good as not said.
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let version = reader.own_version()?;
        if version < TELLING {
            return Some(Self::default());
        }
        let read = |reader: &mut Reader<'_>| {
            let mut own = Self { leaving: reader.array("whether the worker leaves")? == [1], loads: Vec::new() };
            for _ in 0..reader.i32("a number of connectors")? {
                let connector = reader.text("a connector")?;
                let mut loads = Vec::new();
                for _ in 0..reader.i32("a number of tasks")? {
                    let task = reader.i32("a task")?;
                    loads.push((task, u32::from_be_bytes(reader.array("a load")?)));
                }
                own.loads.push((connector, loads));
            }
            Ok::<_, MalformedMessage>(own)
        };
        Some(read(reader).unwrap_or_default())
    }
}

impl OwnDecision {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(OURS);
        out.put_u8(TELLING);
        out.put_i32(self.away.len() as i32);
        for Away { url, members, left_ms, work } in &self.away {
            put_text(out, url);
            out.put_i32(*members);
            out.put_i32(*left_ms);
            put_shares(out, work);
        }
    }

    /// `None` of a leader that is none of ours, or has members that are not. What is said and cannot be read is as good as
    /// not said.
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.own_version()?;
        let read = |reader: &mut Reader<'_>| {
            let mut own = Self::default();
            for _ in 0..reader.i32("a number of members")? {
                own.away.push(Away {
                    url: reader.text("a URL")?,
                    members: reader.i32("a number of members")?,
                    left_ms: reader.i32("a wait")?,
                    work: reader.shares()?,
                });
            }
            Ok::<_, MalformedMessage>(own)
        };
        Some(read(reader).unwrap_or_default())
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    // URLs and names of connectors are far shorter; what is not cannot be sent and is cut where it can be.
    let mut len = text.len().min(i16::MAX as usize);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    out.put_i16(len as i16);
    out.extend_from_slice(&text.as_bytes()[..len]);
}

fn put_shares(out: &mut Vec<u8>, shares: &[Share]) {
    out.put_i32(shares.len() as i32);
    for (connector, tasks) in shares {
        put_text(out, connector);
        out.put_i32(tasks.len() as i32);
        tasks.iter().for_each(|task| out.put_i32(*task));
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize, expected: &'static str) -> Result<&'a [u8], MalformedMessage> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(MalformedMessage { expected, at: self.at })?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const LEN: usize>(&mut self, expected: &'static str) -> Result<[u8; LEN], MalformedMessage> {
        let mut array = [0; LEN];
        array.copy_from_slice(self.take(LEN, expected)?);
        Ok(array)
    }

    /// The version of what only workers of ours say, where that begins here.
    fn own_version(&mut self) -> Option<u8> {
        let (version, _) = self.bytes[self.at..].strip_prefix(OURS)?.split_first()?;
        self.at += OURS.len() + 1;
        Some(*version)
    }

    fn i16(&mut self, expected: &'static str) -> Result<i16, MalformedMessage> {
        self.array(expected).map(i16::from_be_bytes)
    }

    fn i32(&mut self, expected: &'static str) -> Result<i32, MalformedMessage> {
        self.array(expected).map(i32::from_be_bytes)
    }

    fn i64(&mut self, expected: &'static str) -> Result<i64, MalformedMessage> {
        self.array(expected).map(i64::from_be_bytes)
    }

    fn text(&mut self, expected: &'static str) -> Result<String, MalformedMessage> {
        let at = self.at;
        let malformed = MalformedMessage { expected, at };
        let len = usize::try_from(self.i16(expected)?).map_err(|_| malformed)?;
        let bytes = self.take(len, expected)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| malformed)
    }

    fn shares(&mut self) -> Result<Vec<Share>, MalformedMessage> {
        // Java may write null for none. Nothing is set aside for what is only announced.
        let mut shares = Vec::new();
        for _ in 0..self.i32("a number of connectors")?.max(0) {
            let connector = self.text("a connector")?;
            let mut tasks = Vec::new();
            for _ in 0..self.i32("a number of tasks")?.max(0) {
                tasks.push(self.i32("a task")?);
            }
            shares.push((connector, tasks));
        }
        Ok(shares)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let hex: String = hex.split_whitespace().collect();
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
    }

    fn state() -> WorkerState {
        WorkerState { url: "http://h:1/".to_owned(), offset: 5, holds: None, own: None }
    }

    fn assignment() -> WorkAssignment {
        WorkAssignment {
            error: 0,
            leader: "m1".to_owned(),
            leader_url: "http://h:1/".to_owned(),
            offset: 5,
            assigned: vec![("c".to_owned(), vec![CONNECTOR, 0]), ("d".to_owned(), vec![1])],
            revoked: vec![("e".to_owned(), vec![CONNECTOR])],
            delay_ms: 300_000,
            own: None,
        }
    }

    const ASSIGNMENT: &str = "0002 0000 0002 6d31 000b 687474703a2f2f683a312f 0000000000000005 00000002 0001 63 00000002 ffffffff 00000000 0001 64 00000001 00000001 00000001 0001 65 00000001 ffffffff 000493e0";

    #[test]
    fn workers_present_themselves_in_connects_bytes() {
        let eager = bytes("0000 000b 687474703a2f2f683a312f 0000000000000005");
        assert_eq!(state().encode(ConnectVersion::Eager), eager);
        assert_eq!(WorkerState::decode(&eager), Ok(state()));
        let compatible = bytes("0001 000b 687474703a2f2f683a312f 0000000000000005 ffffffff");
        assert_eq!(state().encode(ConnectVersion::Compatible), compatible);
        assert_eq!(WorkerState::decode(&compatible), Ok(state()));
        let holding = WorkerState { holds: Some(assignment()), ..state() };
        let encoded = holding.encode(ConnectVersion::Sessioned);
        assert_eq!(encoded[2 + 13 + 8..][..4], (bytes(ASSIGNMENT).len() as i32).to_be_bytes());
        assert_eq!(encoded[2 + 13 + 8 + 4..], bytes(ASSIGNMENT));
        assert_eq!(WorkerState::decode(&encoded), Ok(holding));
    }

    #[test]
    fn a_worker_of_ours_says_so_behind_what_connect_reads() {
        let own = OwnState { leaving: true, loads: vec![("c".to_owned(), vec![(0, 7), (3, 1)])] };
        let ours = WorkerState { holds: Some(assignment()), own: Some(own), ..state() };
        let theirs = WorkerState { own: None, ..ours.clone() };
        for version in [ConnectVersion::Compatible, ConnectVersion::Sessioned] {
            let (bytes, plain) = (ours.encode(version), theirs.encode(version));
            assert_eq!(bytes[..plain.len()], plain);
            assert!(bytes[plain.len()..].starts_with(b"millstream\x02"));
            assert_eq!(WorkerState::decode(&bytes), Ok(ours.clone()));
            // Of the first version, which said no more, and of one that nobody has written yet.
            let first = [&plain[..], b"millstream\x01"].concat();
            assert_eq!(WorkerState::decode(&first).unwrap().own, Some(OwnState::default()));
            let later = [&plain[..], b"millstream\x03\x01\0\0\0\0more"].concat();
            assert_eq!(WorkerState::decode(&later).unwrap().own.map(|own| own.leaving), Some(true));
            // What cannot be read is not said.
            assert_eq!(WorkerState::decode(&bytes[..bytes.len() - 1]).unwrap().own, Some(OwnState::default()));
        }
        assert_eq!(ours.encode(ConnectVersion::Eager), theirs.encode(ConnectVersion::Eager));
    }

    #[test]
    fn assignments_have_connects_bytes() {
        assert_eq!(assignment().encode(ConnectVersion::Sessioned), bytes(ASSIGNMENT));
        assert_eq!(WorkAssignment::decode(&bytes(ASSIGNMENT)), Ok(assignment()));
        // As Connect 4.3 wrote it into the group of a worker that held everything already.
        let nothing_new = WorkAssignment {
            leader: "connect-127.0.0.1:24083-fbf46a84-740e-49a9-9aed-28ad9b06a786".to_owned(),
            leader_url: "http://127.0.0.1:24083/".to_owned(),
            offset: 12,
            ..WorkAssignment::default()
        };
        let recorded = bytes(
            "0002 0000 003c 636f6e6e6563742d3132372e302e302e313a32343038332d66626634366138342d373430652d343961392d396165642d323861643962303661373836 0017 687474703a2f2f3132372e302e302e313a32343038332f 000000000000000c 00000000 00000000 00000000",
        );
        assert_eq!(nothing_new.encode(ConnectVersion::Sessioned), recorded);
        assert_eq!(WorkAssignment::decode(&recorded), Ok(nothing_new));
        let eager = WorkAssignment { revoked: Vec::new(), delay_ms: 0, ..assignment() };
        assert_eq!(WorkAssignment::decode(&eager.encode(ConnectVersion::Eager)), Ok(eager));
    }

    #[test]
    fn a_leader_of_ours_tells_of_work_that_waits_behind_what_connect_reads() {
        let work = vec![("c".to_owned(), vec![CONNECTOR, 2])];
        let away = Away { url: "http://gone:1/".to_owned(), members: 3, left_ms: 9_500, work };
        let told = WorkAssignment { own: Some(OwnDecision { away: vec![away] }), ..assignment() };
        let (bytes, plain) = (told.encode(ConnectVersion::Sessioned), assignment().encode(ConnectVersion::Sessioned));
        assert_eq!(bytes[..plain.len()], plain);
        assert_eq!(WorkAssignment::decode(&bytes), Ok(told.clone()));
        for end in plain.len() + OURS.len() + 1..bytes.len() {
            assert_eq!(WorkAssignment::decode(&bytes[..end]).unwrap().own, Some(OwnDecision::default()));
        }
        assert_eq!(told.encode(ConnectVersion::Eager), assignment().encode(ConnectVersion::Eager));
    }

    #[test]
    fn no_byte_of_a_message_can_do_harm() {
        let state = WorkerState { holds: Some(assignment()), ..state() }.encode(ConnectVersion::Sessioned);
        for end in 0..state.len() {
            assert!(WorkerState::decode(&state[..end]).is_err(), "{end}");
        }
        for at in 0..state.len() {
            for bit in 0..8 {
                let mut damaged = state.to_vec();
                damaged[at] ^= 1 << bit;
                // Refused or read; never a panic, and never memory for what is only announced.
                let _ = WorkerState::decode(&damaged);
            }
        }
        let announced = bytes("0002 0000 0000 0000 0000000000000005 7fffffff");
        let error = WorkAssignment::decode(&announced).unwrap_err();
        assert_eq!(error.to_string(), "not a message of a group of Connect workers: a connector expected at byte 20");
    }
}
