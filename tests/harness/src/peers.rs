//! Apache Kafka itself: its broker and its Connect worker, fetched by `tests/compat/kafka.sh`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{eventually, free_port, get, skip};

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../compat/kafka.sh")
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
    let fetched = Command::new(script()).arg("libs").stdin(Stdio::null()).output();
    let reason = match fetched {
        Ok(output) if output.status.success() => {
            return Some(String::from_utf8_lossy(&output.stdout).trim_end().into());
        }
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    assert!(std::env::var("MILLSTREAM_REQUIRE_PEERS").as_deref() != Ok("1"), "a peer is required: {reason}");
    skip(&format!("no Apache Kafka: {reason}"));
    None
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
        let (port, controller) = (free_port(), free_port());
        let child = Command::new(script())
            .arg("broker")
            .arg(folder.join("kafka"))
            .args([port.to_string(), controller.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the script can be started");
        Self { child, address: format!("127.0.0.1:{port}") }
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        // The script stops the broker when its input ends.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
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
        let child = Command::new(script())
            .args(["run", "org.apache.kafka.connect.cli.ConnectStandalone"])
            .args(["connect.properties", "connect-connector.properties"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn()
            .expect("the script can be started");
        let mut connect = Self { child, rest: format!("127.0.0.1:{port}") };
        eventually("Connect answers", || {
            let ended = connect.child.try_wait().expect("the process can be waited for");
            assert!(ended.is_none(), "{}", fs::read_to_string(folder.join("connect.log")).unwrap_or_default());
            get(&connect.rest, "/connectors").filter(|answer| answer.status == 200 && answer.body != "[]")
        });
        connect
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
