#!/usr/bin/env bash
# Fetches Apache Kafka and runs it, for tests against the real thing.
#
#   kafka.sh libs                      prints the folder of Kafka's jars, fetching them first if need be
#   kafka.sh broker DIR PORT CPORT     runs one broker with its data in DIR until standard input ends, and then
#                                      removes DIR unless KEEP is set; FORMAT has more arguments for the formatting of
#                                      its storage, such as "--feature transaction.version=1"; SETTINGS has more lines
#                                      for its properties, in which @ADDRESSES@ stands for the listeners that are there
#                                      anyway; STOP has the signal that stops it, such as -TERM, if not -9
#   kafka.sh run CLASS ARGUMENT...     runs one of Kafka's programs, or FILE.java of a program over its jars, which is
#                                      compiled when first needed; JVM has more arguments for the JVM, JARS more jars
#   kafka.sh jdbc                      prints a folder for plugin.path with Debezium's JDBC sink, fetching it if need be
# MACHINE has arguments for the JVM of either in place of those that make it start fast and take little.
#
# The jars are kept below target/peers of the repository, or in the folders that MILLSTREAM_KAFKA_LIBS and
# MILLSTREAM_JDBC_PLUGINS name.
# With KAFKA=4.4, `libs` and `run` are about clients and tools of that version.
# Needs a JDK 17 or newer, and Maven for the first run.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
pom=$here/pom.xml
libs=${MILLSTREAM_KAFKA_LIBS:-$here/../../target/peers/kafka-4.3.0}
if [ "${KAFKA:-}" = 4.4 ]; then
    pom=$here/pom-4.4.xml
    libs=$here/../../target/peers/kafka-4.4.0
fi
jdbc=${MILLSTREAM_JDBC_PLUGINS:-$here/../../target/peers/jdbc-3.4.0}

fail() {
    echo "$1" >&2
    exit 1
}

# Fetches what a file for Maven names into a folder, once.
fetch() {
    local what=$1 from=$2 into=$3
    [ -e "$into/.complete" ] && return
    command -v mvn >/dev/null || fail "the jars of $what are not there and Maven is not installed"
    mkdir -p "$into"
    # Tests that start together must not fetch into the same folder at once.
    exec 9>"$into/.lock"
    flock 9
    if ! [ -e "$into/.complete" ]; then
        mvn -q -B -f "$from" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$into" >&2 \
            || fail "Maven could not fetch $what"
        touch "$into/.complete"
    fi
    exec 9>&-
}

fetch_kafka() {
    fetch "Apache Kafka" "$pom" "$libs"
}

java_with_libs() {
    command -v java >/dev/null || fail "Java is not installed"
    local classes=$libs/*${JARS:+:$JARS}
    if [[ $1 = *.java ]]; then
        local source=$1
        shift
        compile "$source"
        classes=$compiled:$classes
        set -- "$(basename "$source" .java)" "$@"
    fi
    # shellcheck disable=SC2086
    exec java ${MACHINE:--Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1} -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        ${JVM:-} -cp "$classes" "$@"
}

# Sets compiled to the folder of a program's classes.
compile() {
    compiled=$libs/classes-$(cksum <"$1" | cut -d' ' -f1)
    [ -e "$compiled/.complete" ] && return
    command -v javac >/dev/null || fail "a JDK is not installed"
    mkdir -p "$compiled"
    exec 8>"$compiled/.lock"
    flock 8
    if ! [ -e "$compiled/.complete" ]; then
        javac -nowarn -d "$compiled" -cp "$libs/*" "$1" >&2 || fail "$1 could not be compiled"
        touch "$compiled/.complete"
    fi
    exec 8>&-
}

stop() {
    kill "${STOP:--9}" "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    [ -n "${KEEP:-}" ] || rm -rf "$data"
}

broker() {
    local dir=$1 port=$2 controller=$3
    local addresses=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller settings=${SETTINGS:-}
    mkdir -p "$dir"
    cat >"$dir/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=$addresses
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$dir/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=3
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
${settings//@ADDRESSES@/$addresses}
PROPERTIES
    if ! [ -e "$dir/data/meta.properties" ]; then
        (java_with_libs kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qg -c "$dir/server.properties" ${FORMAT:-}) >"$dir/format.log" 2>&1
    fi
    (java_with_libs kafka.Kafka "$dir/server.properties") >"$dir/broker.log" 2>&1 &
    pid=$!
    data=$dir
    trap stop EXIT
    # Ends when whoever started this has ended, however it did.
    cat >/dev/null || true
}

case ${1:-} in
    libs)
        fetch_kafka
        echo "$libs"
        ;;
    jdbc)
        fetch "Debezium's JDBC sink" "$here/pom-jdbc.xml" "$jdbc/debezium-connector-jdbc"
        echo "$jdbc"
        ;;
    broker)
        fetch_kafka
        broker "$2" "$3" "$4"
        ;;
    run)
        fetch_kafka
        shift
        java_with_libs "$@"
        ;;
    *) fail "usage: $0 libs | jdbc | broker DIR PORT CONTROLLER-PORT | run CLASS ARGUMENT..." ;;
esac
