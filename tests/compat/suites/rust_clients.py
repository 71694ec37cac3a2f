"""Clients written in Rust alone: the tests that krafka and rskafka publish, and scenarios with confluent-kafka 1.0, whose
own tests want Docker."""

import json
import pathlib
import re
import shutil
import subprocess

from . import HERE, call, environment, need, once

KRAFKA, RSKAFKA = "0.28.1", "0.6.0"
VERSION = f"confluent-kafka 1.0.0, krafka {KRAFKA}, rskafka {RSKAFKA}"
PROJECT = HERE / "programs" / "rust"
SHORT = ["confluent_kafka::"]

folder = None


def prepare(home):
    global folder
    need("cargo", "gcc", "make")
    folder = home / "rust-clients"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(PROJECT, folder, dirs_exist_ok=True)
    once(folder, add_published)
    (folder / "programs").write_text(json.dumps(build()))


def build():
    """The test programs by their names."""
    said = call("cargo", "test", "--no-run", "--message-format=json", cwd=folder, stderr_too=False)
    found = {}
    for line in said.splitlines():
        message = json.loads(line) if line.startswith("{") else {}
        if message.get("executable") and "test" in message["target"]["kind"]:
            found[message["target"]["name"]] = message["executable"]
    return found


def add_published(folder):
    shown = json.loads(call("cargo", "metadata", "-q", "--format-version", "1", cwd=folder, stderr_too=False))
    of = {package["name"]: pathlib.Path(package["manifest_path"]).parent / "tests" for package in shown["packages"]}
    # krafka's start their broker in a container; here it runs already.
    text = (of["krafka"] / "integration_tests.rs").read_text()
    text = re.sub(r"use std::borrow::Cow;\n|use std::collections::HashMap;\n(?=use std::sync::OnceLock)|"
                  r"use std::sync::OnceLock;\n|use testcontainers::[^;]*;\n", "", text)
    begin = text.index("const KAFKA_PORT")
    end = re.search(r"^fn kafka\(\) -> String \{\n.*?^\}\n", text, re.M | re.S).end()
    own = 'fn kafka() -> String {\n    std::env::var("BROKER").expect("BROKER is set")\n}\n'
    (folder / "tests/krafka.rs").write_text(text[:begin] + own + text[end:])
    for name in ("client", "consumer", "produce_consume", "producer"):
        text = (of["rskafka"] / f"{name}.rs").read_text()
        (folder / f"tests/rskafka_{name}.rs").write_text(text)
    for name in ("test_helpers", "rdkafka_helper"):
        (folder / "tests" / name).mkdir(exist_ok=True)
        shutil.copy(of["rskafka"] / f"{name}.rs", folder / "tests" / name / "mod.rs")
    # The Java client is asked elsewhere; these tests ask it only where TEST_JAVA_INTEROPT is set.
    java = (of["rskafka"] / "java_helper.rs").read_text()
    (folder / "tests/java_helper").mkdir(exist_ok=True)
    (folder / "tests/java_helper/mod.rs").write_text(without_java(java))


def without_java(text):
    """The helper's two functions, which are never called, without the library that starts a JVM."""
    heads = re.findall(r"^pub async fn [^{]*\{", text, re.M)
    macro = text[text.index("#[macro_export]"):text.index("pub async fn")] if "#[macro_export]" in text else ""
    macro = re.sub(r"^///.*\n(?=\Z)", "", macro, flags=re.M)
    return ("use rskafka::{client::partition::Compression, record::{Record, RecordAndOffset}};\n" + macro
            + "\n".join(f'#[allow(unused)]\n{head}\n    panic!("no JVM is started here")\n}}' for head in heads))


def programs():
    return json.loads((folder / "programs").read_text())


def tests(short):
    found = []
    for name, program in programs().items():
        listed = call(program, "--list", "--format", "terse", "--include-ignored", stderr_too=False)
        found += [f"{name}::{line.removesuffix(': test')}" for line in listed.splitlines() if line.endswith(": test")]
    return [test for test in found if not short or test.startswith(tuple(SHORT))]


def brokers(tests, short):
    settings = {"num.partitions": 1, "allow.everyone.if.no.acl.found": "true",
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer"}
    # As in the file that rskafka's authors give their broker.
    theirs = [test for test in tests if test.startswith("rskafka")]
    if theirs:
        yield {**settings, "auto.create.topics.enable": "false"}, theirs
    if others := [test for test in tests if test not in theirs]:
        yield settings, others


def run(address, tests, short):
    own = environment(BROKER=address, KAFKA_CONNECT=address, TEST_INTEGRATION=1, TEST_BROKER_IMPL="kafka")
    results = {}
    for name, program in programs().items():
        chosen = [test.removeprefix(f"{name}::") for test in tests if test.startswith(f"{name}::")]
        if not chosen:
            continue
        done = subprocess.run([program, "--include-ignored", "--test-threads=4", "--exact", *chosen], cwd=folder, env=own,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=1800)
        for test, ending in re.findall(r"^test (\S+)(?: - should panic)? \.\.\. (\w+)", done.stdout, re.M):
            words = re.search(rf"---- {re.escape(test)} stdout ----\n(.*?)(?=\n---- |\nfailures:)", done.stdout, re.S)
            said = re.findall(r"panicked at.*?\n.*", words[1]) if words else []
            results[f"{name}::{test}"] = ("passed", "") if ending == "ok" else ("failed", " ".join(" ".join(said).split())[:400])
    return results
