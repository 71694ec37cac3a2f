//! Stands between clients and broker, and is told to cut, to stall, to cut after some bytes, or to keep the end of a
//! transaction back until its producer has begun the next one.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{oneshot, watch},
    task::JoinHandle,
};

const PRODUCE: i16 = 0;
const ADD_PARTITIONS_TO_TXN: i16 = 24;
const END_TXN: i16 = 26;
/// From this version on EndTxn is of the second generation.
const SECOND_GENERATION: i16 = 5;

/// Longest frame that is passed on.
const MAX_FRAME: usize = 1 << 24;
/// How long an end is kept back, if its producer begins nothing else.
const KEPT: Duration = Duration::from_secs(8);
/// How long after the beginning of the next transaction it arrives: in its middle.
const AFTER_BEGIN: Duration = Duration::from_millis(8);

/// What happens to connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Disturbance {
    /// Nothing.
    None,
    /// They are closed.
    Cut,
    /// They are closed after so many more bytes to the broker, or from it.
    CutAfter {
        /// How many.
        bytes: usize,
        /// Whether those from the broker count.
        from_broker: bool,
    },
    /// Nothing passes for so long.
    Stall(Duration),
}

/// A disturbance, and whom it hits.
#[derive(Clone, Copy, Debug)]
struct Order {
    number: u64,
    what: Disturbance,
    /// Of a hundred connections, how many are hit.
    percent: u64,
}

/// An EndTxn that is kept back.
struct Kept {
    id: Vec<u8>,
    /// Its producer, who believes the connection broken, has sent it again.
    repeated: bool,
    go: Option<oneshot::Sender<()>>,
}

struct Shared {
    upstream: String,
    orders: watch::Sender<Order>,
    /// How many ends of each generation are still to be kept back.
    wanted: [AtomicU64; 2],
    kept: Mutex<VecDeque<Kept>>,
    /// Ends that arrived late, in the middle of the next transaction.
    late: [AtomicU64; 2],
    cuts: AtomicU64,
}

/// Listens for as long as it is held.
pub struct Proxy {
    /// Where it listens.
    pub port: u16,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Proxy {
    /// Passes everything on to this address.
    ///
    /// # Panics
    ///
    /// The port is taken.
    pub async fn start(port: u16, upstream: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
        let (orders, _) = watch::channel(Order { number: 0, what: Disturbance::None, percent: 0 });
        let shared = Arc::new(Shared {
            upstream,
            orders,
            wanted: Default::default(),
            kept: Mutex::default(),
            late: Default::default(),
            cuts: AtomicU64::new(0),
        });
        let of_listener = Arc::clone(&shared);
        let listening = tokio::spawn(async move {
            let mut number = 0;
            while let Ok((client, _)) = listener.accept().await {
                number += 1;
                // Ends with the connection, or with the broker.
                tokio::spawn(connection(Arc::clone(&of_listener), client, number));
            }
        });
        Self { port, shared, listening }
    }

    /// Disturbs so many of a hundred connections, those that are there now.
    pub fn disturb(&self, what: Disturbance, percent: u64) {
        self.shared.orders.send_modify(|order| *order = Order { number: order.number + 1, what, percent });
    }

    /// Keeps so many more ends of transactions back, of each generation of the protocol.
    pub fn keep_ends(&self, counts: [u64; 2]) {
        self.shared.wanted.iter().zip(counts).for_each(|(wanted, count)| wanted.store(count, Ordering::Relaxed));
    }

    /// How many ends of each generation arrived while the next transaction was open.
    pub fn late_ends(&self) -> [u64; 2] {
        self.shared.late.each_ref().map(|late| late.load(Ordering::Relaxed))
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::Relaxed)
    }
}

async fn connection(shared: Arc<Shared>, client: TcpStream, number: u64) {
    let Ok(broker) = TcpStream::connect(&shared.upstream).await else { return };
    // Small frames must not wait for one another.
    let _ = (client.set_nodelay(true), broker.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_broker, to_broker) = broker.into_split();
    let down = Pump { shared: Arc::clone(&shared), number, from_broker: true, budget: None };
    let mut down = tokio::spawn(down.bytes(from_broker, to_client));
    let up = Pump { shared: Arc::clone(&shared), number, from_broker: false, budget: None };
    let up = up.frames(from_client, to_broker);
    tokio::pin!(up);
    let ended = tokio::select! {
        ended = &mut up => Some(ended),
        _ = &mut down => None,
    };
    match ended {
        Some(Ended::Keep(kept)) => keep(&shared, kept, &mut down).await,
        Some(Ended::Closed) => down.abort(),
        None => {}
    }
}

/// How the way to the broker ended.
enum Ended {
    Closed,
    Keep(KeptFrame),
}

struct KeptFrame {
    frame: Vec<u8>,
    id: Vec<u8>,
    /// 0 for the first.
    generation: usize,
    to_broker: OwnedWriteHalf,
}

/// The client sees its connection broken, the broker does not. Its request comes late.
async fn keep(shared: &Shared, mut kept: KeptFrame, down: &mut JoinHandle<OwnedReadHalf>) {
    // Ends the other direction, whose write half closes the connection to the client.
    let (go, wait) = oneshot::channel();
    shared.lock().push_back(Kept { id: kept.id, repeated: false, go: Some(go) });
    down.abort();
    // Aborted or ended: either way it has let go of the connection.
    let _ = (&mut *down).await;
    let in_time = tokio::time::timeout(KEPT, wait).await.is_ok_and(|told| told.is_ok());
    tokio::time::sleep(AFTER_BEGIN).await;
    if kept.to_broker.write_all(&kept.frame).await.is_ok() && in_time {
        shared.late[kept.generation].fetch_add(1, Ordering::Relaxed);
        // Open until it has been read: closing at once might take it back.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at a request. Its transactional id and generation if it is to be kept back.
    fn look(&self, frame: &[u8]) -> Option<(Vec<u8>, usize)> {
        let (api, id) = transactional_id(frame)?;
        let generation = usize::from(SECOND_GENERATION <= i16::from_be_bytes([frame[6], frame[7]]));
        let mut kept = self.lock();
        kept.retain(|kept| kept.go.as_ref().is_some_and(|go| !go.is_closed()));
        for kept in kept.iter_mut().filter(|kept| kept.id == id) {
            if api == END_TXN {
                kept.repeated = true;
            } else if kept.repeated
                && let Some(go) = kept.go.take()
            {
                // Whoever waits may have given up.
                let _ = go.send(());
            }
        }
        let known = kept.iter().any(|kept| kept.id == id);
        let want = |wanted: u64| wanted.checked_sub(1);
        let wanted = api == END_TXN && !known;
        (wanted && self.wanted[generation].fetch_update(Ordering::Relaxed, Ordering::Relaxed, want).is_ok())
            .then_some((id, generation))
    }
}

/// API and transactional id of a request of a transactional producer. All of them begin with it.
fn transactional_id(frame: &[u8]) -> Option<(i16, Vec<u8>)> {
    let short = |at: usize| Some(i16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?));
    let (api, version) = (short(4)?, short(6)?);
    let flexible = match api {
        PRODUCE => 9 <= version,
        ADD_PARTITIONS_TO_TXN | END_TXN => 3 <= version,
        _ => return None,
    };
    let client_id = usize::try_from(short(12)?).unwrap_or(0);
    let mut at = 14 + client_id;
    let length = if flexible {
        // No tags of the header are in use; ids of this test are short.
        let length = usize::from(*frame.get(at + 1)?).checked_sub(1)?;
        at += 2;
        length
    } else {
        at += 2;
        usize::try_from(short(at - 2)?).ok()?
    };
    Some((api, frame.get(at..at + length)?.to_vec()))
}

/// One direction of a connection.
struct Pump {
    shared: Arc<Shared>,
    number: u64,
    from_broker: bool,
    /// How many bytes may still pass.
    budget: Option<usize>,
}

impl Pump {
    /// Carries out an order that hits this connection. False if it is to end.
    async fn obey(&mut self, order: Order) -> bool {
        // Both directions decide alike.
        let draw = (self.number ^ order.number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        if order.percent <= (draw >> 33) % 100 {
            return true;
        }
        match order.what {
            Disturbance::None => true,
            Disturbance::Cut => {
                self.shared.cuts.fetch_add(u64::from(self.from_broker), Ordering::Relaxed);
                false
            }
            Disturbance::CutAfter { bytes, from_broker } => {
                if from_broker == self.from_broker {
                    self.budget = Some(bytes);
                }
                true
            }
            Disturbance::Stall(time) => {
                tokio::time::sleep(time).await;
                true
            }
        }
    }

    /// Passes bytes on, as far as the budget allows. False if the connection is to end.
    async fn pass(&mut self, bytes: &[u8], to: &mut OwnedWriteHalf) -> bool {
        let allowed = self.budget.map_or(bytes.len(), |budget| budget.min(bytes.len()));
        if to.write_all(&bytes[..allowed]).await.is_err() {
            return false;
        }
        match &mut self.budget {
            Some(budget) => {
                *budget -= allowed;
                if *budget == 0 {
                    self.shared.cuts.fetch_add(1, Ordering::Relaxed);
                }
                *budget > 0
            }
            None => true,
        }
    }

    /// From broker to client, as it comes.
    async fn bytes(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> OwnedReadHalf {
        let mut orders = self.shared.orders.subscribe();
        orders.mark_unchanged();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let order = tokio::select! {
                biased;
                changed = orders.changed() => {
                    if changed.is_err() {
                        return from;
                    }
                    Some(*orders.borrow_and_update())
                }
                read = from.read(&mut buffer) => {
                    let passes = match read {
                        Ok(count) if 0 < count => self.pass(&buffer[..count], &mut to).await,
                        _ => false,
                    };
                    if !passes {
                        return from;
                    }
                    None
                }
            };
            if let Some(order) = order
                && !self.obey(order).await
            {
                return from;
            }
        }
    }

    /// From client to broker, frame by frame.
    async fn frames(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> Ended {
        let mut orders = self.shared.orders.subscribe();
        orders.mark_unchanged();
        let mut unread = Vec::new();
        loop {
            // What was read stays in `unread` where an order comes first.
            let order = tokio::select! {
                biased;
                changed = orders.changed() => {
                    if changed.is_err() {
                        return Ended::Closed;
                    }
                    Some(*orders.borrow_and_update())
                }
                read = from.read_buf(&mut unread) => {
                    if !matches!(read, Ok(count) if 0 < count) {
                        return Ended::Closed;
                    }
                    None
                }
            };
            if let Some(order) = order
                && !self.obey(order).await
            {
                return Ended::Closed;
            }
            loop {
                let frame = match take_frame(&mut unread) {
                    Ok(Some(frame)) => frame,
                    Ok(None) => break,
                    Err(_) => return Ended::Closed,
                };
                if let Some((id, generation)) = self.shared.look(&frame) {
                    return Ended::Keep(KeptFrame { frame, id, generation, to_broker: to });
                }
                if !self.pass(&frame, &mut to).await {
                    return Ended::Closed;
                }
            }
        }
    }
}

fn take_frame(unread: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let Some(head) = unread.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*head) as usize;
    if MAX_FRAME < length {
        return Err(io::ErrorKind::InvalidData.into());
    }
    if unread.len() < 4 + length {
        return Ok(None);
    }
    let rest = unread.split_off(4 + length);
    Ok(Some(std::mem::replace(unread, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(api: i16, version: i16, body: &[u8]) -> Vec<u8> {
        let mut frame = vec![0, 0, 0, 0];
        frame.extend(api.to_be_bytes());
        frame.extend(version.to_be_bytes());
        frame.extend([0, 0, 0, 7, 0, 2, b'm', b'e']);
        frame.extend(body);
        frame
    }

    #[test]
    fn the_transactional_id_is_found_in_every_version() {
        let found = |api, version, body: &[u8]| transactional_id(&request(api, version, body));
        assert_eq!(found(END_TXN, 2, b"\0\x01x rest"), Some((END_TXN, b"x".to_vec())));
        assert_eq!(found(END_TXN, 5, b"\0\x02x rest"), Some((END_TXN, b"x".to_vec())));
        assert_eq!(found(PRODUCE, 8, b"\0\x02xy"), Some((PRODUCE, b"xy".to_vec())));
        assert_eq!(found(PRODUCE, 12, b"\0\x03xy"), Some((PRODUCE, b"xy".to_vec())));
        // No id: null.
        assert_eq!(found(PRODUCE, 12, b"\0\0rest"), None);
        assert_eq!(found(PRODUCE, 8, b"\xff\xff rest"), None);
        assert_eq!(found(3, 12, b"\0\x02x"), None);
        assert_eq!(found(END_TXN, 5, b"\0\x09x"), None);
    }

    #[test]
    fn frames_are_taken_whole() {
        let mut unread = vec![0, 0, 0, 2, 1];
        assert!(take_frame(&mut unread).unwrap().is_none());
        unread.extend([2, 0, 0, 0]);
        assert_eq!(take_frame(&mut unread).unwrap(), Some(vec![0, 0, 0, 2, 1, 2]));
        assert_eq!(unread, [0, 0, 0]);
        unread.splice(.., [255, 255, 255, 255]);
        assert!(take_frame(&mut unread).is_err());
    }
}
