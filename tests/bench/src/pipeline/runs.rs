//! The runs: each in a folder of its own.

use std::{
    fs::{self, File},
    io::{BufWriter, Read, Write},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{count::Counter, process::Worker};

/// Converters for lines.
const STRINGS: &str = "key.converter=org.apache.kafka.connect.storage.StringConverter\n\
    value.converter=org.apache.kafka.connect.storage.StringConverter\n";

/// How often counts are looked at.
const LOOK: Duration = Duration::from_millis(5);

/// A way of records through the worker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Lines into a topic.
    FileToTopic,
    /// Lines wrapped, labelled and routed, as JSON into a topic.
    Transformed {
        /// Whether each message carries its schema.
        schemas: bool,
    },
    /// A topic into a file.
    TopicToFile,
}

impl Kind {
    /// Name for `--only`.
    pub fn name(self) -> &'static str {
        match self {
            Self::FileToTopic => "file",
            Self::Transformed { .. } => "smt",
            Self::TopicToFile => "topic",
        }
    }
}

/// What one run took.
pub struct Throughput {
    /// Of the whole process, from its start to the last record.
    pub cpu: Duration,
    /// From the start of the process to the last record.
    pub wall: Duration,
    /// The most memory.
    pub peak_rss_mb: f64,
}

/// How long a start took.
pub struct Start {
    /// From the start of the process to the first `GET /health` with 200.
    pub wall: Duration,
    /// Of the process until then.
    pub cpu: Duration,
}

/// A worker with nothing to do.
pub struct Idle {
    /// Memory at the end.
    pub rss_mb: f64,
    /// Processor seconds per second.
    pub cpu_per_second: f64,
}

/// The binary and its input.
pub struct Bench {
    binary: PathBuf,
    records: u64,
    line_bytes: usize,
    input: PathBuf,
    _folder: TempDir,
    counter: Counter,
}

impl Bench {
    /// Writes the input file.
    pub fn new(binary: &Path, records: u64, line_bytes: usize) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let input = folder.path().join("input.txt");
        let mut file = BufWriter::new(File::create(&input).expect("a file"));
        for number in 0..records {
            let mut line = format!("{number:010} ");
            while line.len() < line_bytes {
                line.push(char::from(b'a' + (line.len() as u64 * 7 + number) as u8 % 26));
            }
            line.truncate(line_bytes);
            line.push('\n');
            file.write_all(line.as_bytes()).expect("room on the disk");
        }
        file.flush().expect("room on the disk");
        let binary = fs::canonicalize(binary).expect("the binary is there");
        Self { binary, records, line_bytes, input, _folder: folder, counter: Counter::default() }
    }

    fn source(&self, topic: &str, more: &str) -> String {
        let input = self.input.display();
        format!("name=source\nconnector.class=FileStreamSource\ntasks.max=1\nfile={input}\ntopic={topic}\n{more}")
    }

    fn sink(file: &Path) -> String {
        let file = file.display();
        format!("name=sink\nconnector.class=FileStreamSink\ntasks.max=1\nfile={file}\ntopics=lines\n")
    }

    /// Measures one way.
    pub fn throughput(&self, kind: Kind) -> Throughput {
        match kind {
            Kind::FileToTopic => self.file_to_topic(STRINGS, "").1,
            Kind::Transformed { schemas } => {
                let converters = format!(
                    "key.converter=org.apache.kafka.connect.json.JsonConverter\n\
                     value.converter=org.apache.kafka.connect.json.JsonConverter\n\
                     key.converter.schemas.enable={schemas}\nvalue.converter.schemas.enable={schemas}\n"
                );
                let transforms = "transforms=wrap,label,route\n\
                    transforms.wrap.type=org.apache.kafka.connect.transforms.HoistField$Value\n\
                    transforms.wrap.field=line\n\
                    transforms.label.type=org.apache.kafka.connect.transforms.InsertField$Value\n\
                    transforms.label.static.field=read_from\n\
                    transforms.label.static.value=input.txt\n\
                    transforms.route.type=org.apache.kafka.connect.transforms.RegexRouter\n\
                    transforms.route.regex=raw-(.*)\n\
                    transforms.route.replacement=$1\n";
                self.file_to_topic(&converters, transforms).1
            }
            Kind::TopicToFile => {
                let (folder, _) = self.file_to_topic(STRINGS, "");
                self.topic_to_file(&folder)
            }
        }
    }

    /// Lines into the topic `lines`; the folder has the topic afterwards.
    fn file_to_topic(&self, converters: &str, transforms: &str) -> (TempDir, Throughput) {
        self.file_to_topic_while(converters, transforms, &mut |_| ())
    }

    /// Lines into a topic while the metrics are read at this interval, or not; how often they were.
    pub fn scraped(&self, interval: Option<Duration>) -> (Throughput, u32) {
        let (mut scrapes, mut last) = (0, Instant::now());
        let mut scrape = |worker: &Worker| {
            if interval.is_some_and(|interval| interval <= last.elapsed())
                && worker.get("/metrics").is_some_and(|page| page.starts_with("HTTP/1.1 200"))
            {
                scrapes += 1;
                last = Instant::now();
            }
        };
        let (_, throughput) = self.file_to_topic_while(STRINGS, "", &mut scrape);
        (throughput, scrapes)
    }

    fn file_to_topic_while(
        &self,
        converters: &str,
        transforms: &str,
        meanwhile: &mut dyn FnMut(&Worker),
    ) -> (TempDir, Throughput) {
        let folder = TempDir::new().expect("a temporary folder");
        let first_topic = if transforms.is_empty() { "lines" } else { "raw-lines" };
        let connectors = [self.source(first_topic, transforms)];
        let mut worker = Worker::start(&self.binary, folder.path(), converters, &connectors);
        let records = self.records;
        let broker = worker.broker.clone();
        // The broker shows what is durable: what is counted has been acknowledged, or is about to be.
        worker.until("all records are in the topic", LOOK, |worker| {
            meanwhile(worker);
            self.counter.count(&broker, "lines").filter(|&count| records <= count)
        });
        let (usage, wall) = (worker.usage(), worker.begun.elapsed());
        worker.terminate();
        let throughput = Throughput { cpu: usage.cpu, wall, peak_rss_mb: usage.peak_rss_mb };
        (folder, throughput)
    }

    /// The topic `lines` of a folder into a file, by a new process.
    fn topic_to_file(&self, folder: &TempDir) -> Throughput {
        let output = folder.path().join("output.txt");
        let mut worker = Worker::start(&self.binary, folder.path(), STRINGS, &[Self::sink(&output)]);
        let bytes = self.records * (self.line_bytes as u64 + 1);
        worker.until("all lines are in the file", LOOK, |_| {
            output.metadata().ok().filter(|metadata| bytes <= metadata.len())
        });
        let (usage, wall) = (worker.usage(), worker.begun.elapsed());
        worker.terminate();
        let (given, written) = (read(&self.input), read(&output));
        assert!(
            given == written,
            "the file has other lines than the input: {} bytes for {}",
            written.len(),
            given.len()
        );
        Throughput { cpu: usage.cpu, wall, peak_rss_mb: usage.peak_rss_mb }
    }

    /// Both samples over a short file.
    fn samples(&self, folder: &Path) -> [String; 2] {
        let input = folder.join("sample.txt");
        if !input.exists() {
            fs::write(&input, "one\ntwo\nthree\n").expect("the folder can be written");
        }
        let source = format!(
            "name=source\nconnector.class=FileStreamSource\ntasks.max=1\nfile={}\ntopic=lines\n",
            input.display()
        );
        [source, Self::sink(&folder.join("output.txt"))]
    }

    /// Starts a worker over data and a cache that are there already.
    pub fn second_starts(&self, times: usize) -> Vec<Start> {
        let folder = TempDir::new().expect("a temporary folder");
        let connectors = self.samples(folder.path());
        let mut starts = Vec::new();
        for _ in 0..=times {
            let mut worker = Worker::start(&self.binary, folder.path(), STRINGS, &connectors);
            worker.until("it is healthy", Duration::from_micros(500), |worker| worker.is_healthy().then_some(()));
            starts.push(Start { wall: worker.begun.elapsed(), cpu: worker.usage().cpu });
            let output = folder.path().join("output.txt");
            worker.until("the sample is through", LOOK, |_| {
                output.metadata().ok().filter(|metadata| 14 <= metadata.len())
            });
            worker.terminate();
        }
        starts.remove(0);
        starts
    }

    /// Watches a worker with both samples and nothing to do.
    pub fn idle(&self, watched: Duration) -> Idle {
        let folder = TempDir::new().expect("a temporary folder");
        let connectors = self.samples(folder.path());
        let mut worker = Worker::start(&self.binary, folder.path(), STRINGS, &connectors);
        let output = folder.path().join("output.txt");
        worker.until("the sample is through", LOOK, |_| output.metadata().ok().filter(|metadata| 14 <= metadata.len()));
        std::thread::sleep(watched);
        let before = worker.usage();
        std::thread::sleep(watched);
        let after = worker.usage();
        worker.terminate();
        Idle { rss_mb: after.rss_mb, cpu_per_second: (after.cpu - before.cpu).as_secs_f64() / watched.as_secs_f64() }
    }

    /// The most memory, in MB, of a worker whose sink writes to a pipe that nobody reads, while its source goes on.
    pub fn blocked_sink(&self, blocked: Duration) -> f64 {
        let (folder, _) = self.file_to_topic(STRINGS, "");
        let pipe = folder.path().join("pipe");
        let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
        assert!(made.success(), "a named pipe can be made");
        // Held open, so that the sink can open it, and read by nobody.
        let mut held = fs::OpenOptions::new().read(true).write(true).open(&pipe).expect("the pipe opens");
        let source =
            "name=busy\nconnector.class=Datagen\ntasks.max=1\ntopic=lines\nrecords.per.second=2000\n".to_owned();
        let settings = format!("{STRINGS}plugin.host.call.timeout.ms=86400000\n");
        let mut worker = Worker::start(&self.binary, folder.path(), &settings, &[source, Self::sink(&pipe)]);
        worker.until("the worker is healthy", LOOK, |worker| worker.is_healthy().then_some(()));
        std::thread::sleep(blocked);
        let peak = worker.usage().peak_rss_mb;
        let status = worker.get("/connectors/sink/status").unwrap_or_default();
        assert!(
            status.contains("\"RUNNING\"") && !status.contains("FAILED"),
            "the sink should wait, not fail: {status}"
        );
        let mut some = [0; 1000];
        held.read_exact(&mut some).expect("the sink has written as much as the pipe takes");
        drop(worker);
        peak
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).expect("the file is there")
}
