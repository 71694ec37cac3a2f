//! Foreign programs: Apache Kafka's broker, Connect worker and tools through `tests/compat/kafka.sh`, Python's clients
//! through `tests/compat/python.sh`, and kcat.
//!
//! One that cannot be had skips its test aloud, or fails it where `MILLSTREAM_REQUIRE_PEERS=1` is set.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use crate::{eventually, free_port, get, skip, within};

/// A file of `tests/compat`.
fn compat(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../compat").join(name)
}

/// Says that a peer cannot be had, `MILLSTREAM_REQUIRE_PEERS=1` apart.
///
/// # Panics
///
/// It is required.
pub fn miss(reason: &str) {
    assert!(std::env::var("MILLSTREAM_REQUIRE_PEERS").as_deref() != Ok("1"), "a peer is required: {reason}");
    skip(reason);
}

/// What a script answers when it has fetched what it needs.
fn fetch(name: &str, argument: &str) -> Result<String, String> {
    let output = Command::new(compat(name)).arg(argument).stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Whether Apache Kafka's programs can be had here. If not, the reason is printed, and where
/// `MILLSTREAM_REQUIRE_PEERS=1` is set the test fails.
///
/// # Panics
///
/// A peer is required and cannot be had.
pub fn have_kafka() -> bool {
    kafka_libs().is_some()
}

/// The folder of Apache Kafka's jars, under the same terms as [`have_kafka`].
///
/// # Panics
///
/// As there.
pub fn kafka_libs() -> Option<PathBuf> {
    static LIBS: OnceLock<Result<String, String>> = OnceLock::new();
    match LIBS.get_or_init(|| fetch("kafka.sh", "libs")) {
        Ok(folder) => Some(folder.into()),
        Err(reason) => {
            miss(&format!("no Apache Kafka: {reason}"));
            None
        }
    }
}

/// A folder for `plugin.path` of Kafka Connect with Debezium's JDBC sink and PostgreSQL's driver, under the same terms as
/// [`have_kafka`].
///
/// # Panics
///
/// As there.
pub fn jdbc_plugins() -> Option<PathBuf> {
    static PLUGINS: OnceLock<Result<String, String>> = OnceLock::new();
    match PLUGINS.get_or_init(|| fetch("kafka.sh", "jdbc")) {
        Ok(folder) => Some(folder.into()),
        Err(reason) => {
            miss(&format!("no JDBC connector of Debezium: {reason}"));
            None
        }
    }
}

/// Whether Python's clients can be had, under the same terms as [`have_kafka`].
///
/// # Panics
///
/// As there.
pub fn have_python() -> bool {
    static READY: OnceLock<Result<String, String>> = OnceLock::new();
    let ready = READY.get_or_init(|| fetch("python.sh", "ready"));
    if let Err(reason) = ready {
        miss(&format!("no Python clients: {reason}"));
    }
    ready.is_ok()
}

/// Whether kcat is there, under the same terms as [`have_kafka`].
///
/// # Panics
///
/// As there.
pub fn have_kcat() -> bool {
    let there = Command::new("kcat").arg("-V").output().is_ok();
    if !there {
        miss("kcat is not installed");
    }
    there
}

/// One of Apache Kafka's programs by its class. Only after [`have_kafka`].
pub fn java(class: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(compat("kafka.sh"));
    command.arg("run").arg(class).args(arguments);
    command
}

/// A Java program of `tests/compat` over Apache Kafka's jars. Only after [`have_kafka`].
pub fn java_program(file: &str, arguments: &[&str]) -> Command {
    java(&compat(file).display().to_string(), arguments)
}

/// `kcat` with these arguments.
pub fn kcat(arguments: &[&str]) -> Command {
    let mut command = Command::new("kcat");
    command.args(arguments);
    command
}

/// `tests/compat/answers.py` with these arguments, which needs nothing but Python.
pub fn answers(arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.arg(compat("answers.py")).args(arguments);
    command
}

/// `tests/compat/clients.py` with these arguments. Only after [`have_python`].
pub fn python(arguments: &[&str]) -> Command {
    let mut command = Command::new(compat("python.sh"));
    command.arg("run").args(arguments);
    command
}

/// `tests/compat/peer.py` at a broker: one client that does what it is told over standard input. Only after
/// [`have_python`].
pub fn peer(address: &str) -> Command {
    let mut command = Command::new(compat("python.sh"));
    command.args(["peer", address]);
    command
}

/// Another program in Python that uses those clients, with these arguments. Only after [`have_python`].
pub fn python_file(file: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(compat("python.sh"));
    command.arg("file").arg(file).args(arguments);
    command
}

/// One Apache Kafka broker. It ends when this is dropped or the process ends, whose end closes its standard input.
pub struct Kafka {
    child: Child,
    /// Where it listens, as `host:port`.
    pub address: String,
}

impl Kafka {
    /// Starts it; it may take a few seconds until it answers. Only after [`have_kafka`].
    ///
    /// # Panics
    ///
    /// If the script cannot be started.
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    /// The same with more variables for the script.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn start_with(folder: &Path, environment: &[(&str, &str)]) -> Self {
        Self::start_at(folder, (free_port(), free_port()), environment)
    }

    /// The same on the ports of an earlier one, for listener and controller.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn start_at(folder: &Path, (port, controller): (u16, u16), environment: &[(&str, &str)]) -> Self {
        let child = Command::new(compat("kafka.sh"))
            .arg("broker")
            .arg(folder.join("kafka"))
            .args([port.to_string(), controller.to_string()])
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the script can be started");
        Self { child, address: format!("127.0.0.1:{port}") }
    }

    /// Stops the broker's process in the middle of whatever it does, or lets it go on.
    ///
    /// # Panics
    ///
    /// It has none.
    pub fn freeze(&self, stop: bool) {
        let script = self.child.id().to_string();
        let found = Command::new("pgrep").args(["-P", &script, "java"]).output().expect("pgrep runs");
        let id = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        let signal = if stop { "-STOP" } else { "-CONT" };
        let sent = Command::new("kill").args([signal, &id]).status().expect("kill runs");
        assert!(sent.success(), "the signal could not be sent to {id:?}");
    }

    /// The process of its Java machine; `None` before there is one.
    pub fn java(&self) -> Option<u32> {
        let script = self.child.id();
        let children = fs::read_to_string(format!("/proc/{script}/task/{script}/children")).ok()?;
        let named_java = |process: &&str| {
            fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name.trim() == "java")
        };
        children.split_whitespace().find(named_java)?.parse().ok()
    }

    /// Waits until it listens.
    ///
    /// # Panics
    ///
    /// It does not within four minutes.
    pub fn await_listening(&self) {
        within(Duration::from_secs(240), "Kafka listens", || TcpStream::connect(&self.address).ok());
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        // The script stops the broker when its input ends.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Settings with which a standalone worker, Connect's or ours, keeps its offsets in the same file of a folder and writes texts
/// as they are.
pub fn standalone_settings(folder: &Path, broker: &str) -> String {
    format!(
        "bootstrap.servers={broker}\noffset.storage.file.filename={}/offsets\noffset.flush.interval.ms=100\n\
         key.converter=org.apache.kafka.connect.storage.StringConverter\n\
         value.converter=org.apache.kafka.connect.storage.StringConverter\n",
        folder.display()
    )
}

/// Kafka Connect's own standalone worker.
pub struct Connect {
    child: Child,
    /// Where its REST API listens.
    pub rest: String,
}

impl Connect {
    /// Starts it in a folder with these settings and one connector file, and waits until it answers. Only after
    /// [`have_kafka`].
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start(folder: &Path, settings: &str, connector: &str) -> Self {
        let port = free_port();
        let plugins = folder.join("no-plugins");
        fs::create_dir_all(&plugins).expect("the folder can be written");
        let worker = format!(
            "listeners=http://127.0.0.1:{port}\nplugin.path={}\nplugin.discovery=hybrid_warn\n{settings}\n",
            plugins.display()
        );
        fs::write(folder.join("connect.properties"), worker).expect("the folder can be written");
        fs::write(folder.join("connect-connector.properties"), connector).expect("the folder can be written");
        let log = fs::File::create(folder.join("connect.log")).expect("the folder can be written");
        let child = Command::new(compat("kafka.sh"))
            .args(["run", "org.apache.kafka.connect.cli.ConnectStandalone"])
            .args(["connect.properties", "connect-connector.properties"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn()
            .expect("the script can be started");
        let mut connect = Self { child, rest: format!("127.0.0.1:{port}") };
        within(Duration::from_secs(240), "Connect answers", || {
            let ended = connect.child.try_wait().expect("the process can be waited for");
            assert!(ended.is_none(), "{}", fs::read_to_string(folder.join("connect.log")).unwrap_or_default());
            get(&connect.rest, "/connectors").filter(|answer| answer.status == 200 && answer.body != "[]")
        });
        connect
    }

    /// Starts a worker of a group in a folder with these settings, and waits until it answers. Only after
    /// [`have_kafka`].
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start_distributed(folder: &Path, settings: &str) -> Self {
        Self::start_distributed_with(folder, settings, &[])
    }

    /// The same with more variables for the script.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn start_distributed_with(folder: &Path, settings: &str, environment: &[(&str, &str)]) -> Self {
        let port = free_port();
        let plugins = folder.join("no-plugins");
        fs::create_dir_all(&plugins).expect("the folder can be written");
        let worker = format!(
            "listeners=http://127.0.0.1:{port}\nplugin.path={}\nplugin.discovery=hybrid_warn\n{settings}\n",
            plugins.display()
        );
        fs::write(folder.join("connect-distributed.properties"), worker).expect("the folder can be written");
        let log = fs::File::create(folder.join("connect.log")).expect("the folder can be written");
        let child = Command::new(compat("kafka.sh"))
            .args(["run", "org.apache.kafka.connect.cli.ConnectDistributed", "connect-distributed.properties"])
            .current_dir(folder)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn()
            .expect("the script can be started");
        let mut connect = Self { child, rest: format!("127.0.0.1:{port}") };
        within(Duration::from_secs(240), "Connect belongs to its group", || {
            let ended = connect.child.try_wait().expect("the process can be waited for");
            assert!(ended.is_none(), "{}", fs::read_to_string(folder.join("connect.log")).unwrap_or_default());
            get(&connect.rest, "/connectors").filter(|answer| answer.status == 200)
        });
        connect
    }

    /// Stops the process in the middle of whatever it does, or lets it go on.
    ///
    /// # Panics
    ///
    /// If the signal cannot be sent.
    pub fn freeze(&self, stop: bool) {
        let signal = if stop { "-STOP" } else { "-CONT" };
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success(), "the signal could not be sent");
    }

    /// Process id: the script gives way to the Java machine.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end and waits for it.
    ///
    /// # Panics
    ///
    /// If the signal cannot be sent.
    pub fn terminate(mut self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(sent.success(), "SIGTERM could not be sent");
        eventually("Connect ends after SIGTERM", || self.child.try_wait().expect("it can be waited for"));
    }
}

impl Drop for Connect {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
