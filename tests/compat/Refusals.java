// Sends requests that a broker has to refuse, or has little to answer to, and prints the answers: name|version|answer.
// The answers of 4.3.0 stand in host/broker/tests/recorded/refusals-4.3.txt; again, with a broker that kafka.sh started
// anew, by
//
//     java -cp "$(tests/compat/kafka.sh libs)/*" tests/compat/Refusals.java HOST PORT
//
// With `table` behind it: what administrators ask for and change, refused or not (table-4.3.txt).

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.List;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.requests.RequestHeader;

public class Refusals {
    static String host;
    static int port;

    public static void main(String[] arguments) throws Exception {
        host = arguments[0];
        port = Integer.parseInt(arguments[1]);
        call("make a topic", ApiKeys.CREATE_TOPICS, 5, new CreateTopicsRequestData().setTimeoutMs(30000).setTopics(
            new CreateTopicsRequestData.CreatableTopicCollection(List.of(new CreateTopicsRequestData.CreatableTopic()
                .setName("known").setNumPartitions(2).setReplicationFactor((short) 1)).iterator())), false);
        for (byte type : new byte[] {0, 1}) {
            for (int ready = 0; ready < 100; ready++) {
                var found = call("", ApiKeys.FIND_COORDINATOR, 3,
                    new FindCoordinatorRequestData().setKey("ready").setKeyType(type), false);
                if (found.contains("\"errorCode\":0")) break;
                Thread.sleep(100);
            }
        }
        if (2 < arguments.length) {
            table();
            return;
        }
        leaders();
        acls();
        coordinators();
        producers();
        groups();
        consumerGroups();
    }

    // What administrators ask for and change: `table` as the third argument. Everything is named so that it can be asked
    // of a broker that was started anew and has a topic `known` of two partitions and nothing else.
    static void table() throws Exception {
        topicPartitions();
        fetchSessions();
        configResources();
        brokerSettings();
        clientMetrics();
        transactions();
        cluster();
        quotas();
        moves();
        records();
        partitions();
        tokens();
        features();
        scramUsers();
    }

    static void topicPartitions() throws Exception {
        for (var name : List.of("b", "c")) {
            call("make a topic", ApiKeys.CREATE_TOPICS, 5, new CreateTopicsRequestData().setTimeoutMs(30000).setTopics(
                new CreateTopicsRequestData.CreatableTopicCollection(List.of(new CreateTopicsRequestData.CreatableTopic()
                    .setName(name).setNumPartitions(3).setReplicationFactor((short) 1)).iterator())), false);
        }
        describeTopics("all topics", 100, null);
        describeTopics("four partitions", 4, null);
        describeTopics("no partitions", 0, null);
        describeTopics("two topics", 100, null, "c", "b");
        describeTopics("a topic twice", 100, null, "b", "b");
        describeTopics("three partitions of two topics", 3, null, "b", "c");
        describeTopics("four partitions of two topics", 4, null, "b", "c");
        describeTopics("missing topics", 100, null, "missing", "b", "a b");
        describeTopics("from a cursor", 100, cursor("b", 1), "b", "c");
        describeTopics("from a cursor, limited", 1, cursor("b", 1), "b", "c");
        describeTopics("from a cursor to a topic that is not asked for", 100, cursor("b", 1), "c");
        describeTopics("from a cursor to a topic that is missing", 100, cursor("bb", 1), "b", "c");
        describeTopics("from a cursor beyond the last partition", 100, cursor("b", 7), "b", "c");
        describeTopics("from a cursor below the first partition", 100, cursor("b", -1), "b", "c");
        describeTopics("all from a cursor", 100, cursor("c", 2));
        describeTopics("all from a cursor below the first partition", 100, cursor("c", -1));
    }

    static DescribeTopicPartitionsRequestData.Cursor cursor(String topic, int partition) {
        return new DescribeTopicPartitionsRequestData.Cursor().setTopicName(topic).setPartitionIndex(partition);
    }

    static void describeTopics(String what, int limit, DescribeTopicPartitionsRequestData.Cursor from, String... topics)
        throws Exception {
        call("describe topic partitions: " + what, ApiKeys.DESCRIBE_TOPIC_PARTITIONS, 0,
            new DescribeTopicPartitionsRequestData().setResponsePartitionLimit(limit).setCursor(from)
                .setTopics(java.util.Arrays.stream(topics)
                    .map(name -> new DescribeTopicPartitionsRequestData.TopicRequest().setName(name)).toList()), true);
    }

    static void fetchSessions() throws Exception {
        var topic = new FetchRequestData.FetchTopic().setTopic("b").setPartitions(List.of(
            new FetchRequestData.FetchPartition().setPartition(0).setPartitionMaxBytes(1000),
            new FetchRequestData.FetchPartition().setPartition(9).setPartitionMaxBytes(1000)));
        fetch("without a session", 12, 0, -1, topic);
        fetch("ends a session that is not there", 12, 77, -1, topic);
        fetch("goes on with a session that is not there", 12, 77, 1, topic);
        fetch("begins without partitions", 12, 0, 0);
        fetch("goes on with no session", 12, 0, 5, topic);
        fetch("goes on with a negative epoch", 12, 77, -5, topic);
        int session = fetch("begins", 12, 0, 0, topic);
        fetch("goes on", 12, session, 1);
        fetch("goes on with the same epoch", 12, session, 1);
        fetch("goes on with a later epoch", 12, session, 9);
        fetch("goes on by ids", 13, session, 2);
        fetch("goes on again", 12, session, 2);
        fetch("begins anew", 12, session, 0, topic);
        fetch("goes on with one that was replaced", 12, session, 3);
    }

    static int fetch(String what, int version, int session, int epoch, FetchRequestData.FetchTopic... topics) throws Exception {
        var said = call("fetch: " + what, ApiKeys.FETCH, version, new FetchRequestData().setMaxBytes(1000).setMinBytes(0)
            .setSessionId(session).setSessionEpoch(epoch).setTopics(List.of(topics)), false);
        var drawn = java.util.regex.Pattern.compile("\"sessionId\":(\\d+)").matcher(said);
        int id = drawn.find() ? Integer.parseInt(drawn.group(1)) : 0;
        var shown = id == 0 ? said : said.replace("\"sessionId\":" + id, "\"sessionId\":" + (id == session ? "SAME" : "DRAWN"));
        System.out.println("fetch: " + what + "|" + version + "|" + shown);
        return id;
    }

    static void configResources() throws Exception {
        for (int version : new int[] {0, 1}) {
            call("list config resources", ApiKeys.LIST_CONFIG_RESOURCES, version, new ListConfigResourcesRequestData(), true);
        }
        for (var types : List.of(List.of(2), List.of(4), List.of(8), List.of(16), List.of(32), List.of(2, 4), List.of(2, 2),
            List.of(0), List.of(1), List.of(99), List.of(4, 99))) {
            call("list config resources of " + types, ApiKeys.LIST_CONFIG_RESOURCES, 1, new ListConfigResourcesRequestData()
                .setResourceTypes(types.stream().map(Integer::byteValue).toList()), true);
        }
    }

    static void set(String what, int type, String name, String... changes) throws Exception {
        var resource = new IncrementalAlterConfigsRequestData.AlterConfigsResource().setResourceType((byte) type).setResourceName(name);
        var configs = new IncrementalAlterConfigsRequestData.AlterableConfigCollection();
        for (var change : changes) {
            var parts = change.substring(1).split("=", 2);
            configs.add(new IncrementalAlterConfigsRequestData.AlterableConfig().setName(parts[0])
                .setConfigOperation((byte) "=-+/".indexOf(change.charAt(0))).setValue(parts.length == 1 ? null : parts[1]));
        }
        resource.setConfigs(configs);
        var resources = new IncrementalAlterConfigsRequestData.AlterConfigsResourceCollection();
        resources.mustAdd(resource);
        call("set " + what + ": " + String.join(" ", changes), ApiKeys.INCREMENTAL_ALTER_CONFIGS, 1,
            new IncrementalAlterConfigsRequestData().setResources(resources), true);
    }

    static void show(String what, int type, String name, String... keys) throws Exception {
        Thread.sleep(300);
        var resource = new DescribeConfigsRequestData.DescribeConfigsResource().setResourceType((byte) type).setResourceName(name)
            .setConfigurationKeys(keys.length == 0 ? null : List.of(keys));
        call("show " + what + " " + List.of(keys), ApiKeys.DESCRIBE_CONFIGS, 4,
            new DescribeConfigsRequestData().setResources(List.of(resource)).setIncludeSynonyms(true), true);
    }

    static void brokerSettings() throws Exception {
        for (var name : List.of("1", "", "2", "x")) {
            set("broker '" + name + "'", 4, name, "=log.retention.ms=86400000");
            set("broker '" + name + "'", 4, name, "=broker.id=7");
            set("broker '" + name + "'", 4, name, "=no.such.key=7");
            set("broker '" + name + "'", 4, name, "=log.cleaner.threads=x");
            set("broker '" + name + "'", 4, name, "=log.cleaner.backoff.ms=-5");
            set("broker '" + name + "'", 4, name, "=log.cleanup.policy=wrong");
            set("broker '" + name + "'", 4, name, "=ssl.keystore.type=JKS");
            set("broker '" + name + "'", 4, name, "+log.retention.ms=5");
            set("broker '" + name + "'", 4, name, "=log.retention.ms");
            set("broker '" + name + "'", 4, name, "-log.retention.bytes");
        }
        show("broker '1'", 4, "1", "log.retention.ms", "log.retention.bytes", "broker.id");
        show("broker ''", 4, "", "log.retention.ms", "log.retention.bytes", "broker.id");
        show("broker '2'", 4, "2", "log.retention.ms");
        show("broker 'x'", 4, "x", "log.retention.ms");
        show("topic 'b'", 2, "b", "retention.ms");
        set("broker '1'", 4, "1", "=log.retention.ms=3600000");
        show("broker '1'", 4, "1", "log.retention.ms");
        show("topic 'b'", 2, "b", "retention.ms");
        set("topic 'b'", 2, "b", "=retention.ms=5000");
        show("topic 'b'", 2, "b", "retention.ms");
        set("topic 'b'", 2, "b", "-retention.ms");
        set("broker '1'", 4, "1", "-log.retention.ms");
        set("broker '1'", 4, "1", "-log.retention.ms");
        set("broker ''", 4, "", "-log.retention.ms");
        show("broker '1'", 4, "1", "log.retention.ms");
        set("broker '1'", 4, "1", "=log.cleanup.policy=compact", "=log.cleanup.policy=delete");
        set("topic 'b'", 2, "b", "=cleanup.policy=compact", "=cleanup.policy=delete");
        set("topic 'b'", 2, "b", "=retention.ms");
        set("broker '1'", 4, "1", "=log.cleanup.policy=compact");
        set("broker '1'", 4, "1", "+log.cleanup.policy=delete");
        show("broker '1'", 4, "1", "log.cleanup.policy");
        set("broker '1'", 4, "1", "/log.cleanup.policy=delete,compact");
        set("broker '1'", 4, "1", "-log.cleanup.policy");
        set("something", 99, "x", "=a=b");
        set("a group", 32, "g", "=no.such.key=1");
        set("a logger", 8, "1", "=no.such.key=INFO");
        for (var name : List.of("1")) {
            call("replace broker '" + name + "'", ApiKeys.ALTER_CONFIGS, 2, replace(4, name, "log.retention.ms", "7200000"), true);
            call("replace broker '" + name + "'", ApiKeys.ALTER_CONFIGS, 2, replace(4, name, "log.retention.bytes", "1000000"), true);
            show("broker '" + name + "'", 4, name, "log.retention.ms", "log.retention.bytes");
            call("replace broker '" + name + "'", ApiKeys.ALTER_CONFIGS, 2, replace(4, name, null, null), true);
            show("broker '" + name + "'", 4, name, "log.retention.ms", "log.retention.bytes");
        }
    }

    static AlterConfigsRequestData replace(int type, String name, String key, String value) {
        var resource = new AlterConfigsRequestData.AlterConfigsResource().setResourceType((byte) type).setResourceName(name);
        if (key != null) {
            resource.configs().mustAdd(new AlterConfigsRequestData.AlterableConfig().setName(key).setValue(value));
        }
        var resources = new AlterConfigsRequestData.AlterConfigsResourceCollection();
        resources.mustAdd(resource);
        return new AlterConfigsRequestData().setResources(resources);
    }

    static void clientMetrics() throws Exception {
        set("client metrics 'm'", 16, "m", "=interval.ms=1000");
        set("client metrics 'm'", 16, "m", "=interval.ms=5");
        set("client metrics 'm'", 16, "m", "=interval.ms=x");
        set("client metrics 'm'", 16, "m", "=interval.ms=3600001");
        set("client metrics 'm'", 16, "m", "=no.such.key=1");
        set("client metrics 'm'", 16, "m", "=match=client_id=x.*,client_software_name=y");
        set("client metrics 'm'", 16, "m", "=match=nonsense");
        set("client metrics 'm'", 16, "m", "=match=no_such_name=x");
        set("client metrics 'm'", 16, "m", "=match=client_id=(");
        set("client metrics 'm'", 16, "m", "=metrics=org.apache.kafka.producer.,org.apache.kafka.consumer.");
        set("client metrics 'm'", 16, "m", "+metrics=more");
        set("client metrics ''", 16, "", "=interval.ms=1000");
        show("client metrics 'm'", 16, "m");
        show("client metrics 'missing'", 16, "missing");
        show("client metrics ''", 16, "");
        for (int version : new int[] {0, 1}) {
            call("list config resources with client metrics", ApiKeys.LIST_CONFIG_RESOURCES, version,
                new ListConfigResourcesRequestData(), true);
        }
        set("client metrics 'm'", 16, "m", "-metrics", "-match", "-interval.ms");
        show("client metrics 'm'", 16, "m");
        call("list config resources without client metrics", ApiKeys.LIST_CONFIG_RESOURCES, 0,
            new ListConfigResourcesRequestData(), true);
    }

    static void transactions() throws Exception {
        for (int ready = 0; ready < 100; ready++) {
            var said = call("begin to be a producer", ApiKeys.INIT_PRODUCER_ID, 4,
                new InitProducerIdRequestData().setTransactionalId("txn-a").setTransactionTimeoutMs(60000), false);
            if (said.contains("\"errorCode\":0")) break;
            Thread.sleep(100);
        }
        for (var pattern : List.of("", "txn-.*", "txn", "txn-a", "other.*")) {
            listTransactions("like '" + pattern + "'", new ListTransactionsRequestData().setTransactionalIdPattern(pattern));
        }
        listTransactions("like '('", new ListTransactionsRequestData().setTransactionalIdPattern("("));
        listTransactions("like null", new ListTransactionsRequestData().setTransactionalIdPattern(null));
        listTransactions("in states", new ListTransactionsRequestData().setStateFilters(List.of("Ongoing", "Nonsense")));
        listTransactions("for a while", new ListTransactionsRequestData().setDurationFilter(1000000));
        call("describe no transactions", ApiKeys.DESCRIBE_TRANSACTIONS, 0,
            new DescribeTransactionsRequestData().setTransactionalIds(List.of("missing", "")), true);
    }

    static void listTransactions(String what, ListTransactionsRequestData request) throws Exception {
        var said = call("", ApiKeys.LIST_TRANSACTIONS, 2, request, false);
        System.out.println("list transactions " + what + "|2|" + said.replaceAll("\"producerId\":\\d+", "\"producerId\":DRAWN"));
    }

    static void cluster() throws Exception {
        for (int version : new int[] {0, 1, 2}) {
            for (int type : new int[] {1, 2, 3, 0}) {
                if (version == 0 && type != 1) continue;
                call("describe cluster of type " + type, ApiKeys.DESCRIBE_CLUSTER, version, new DescribeClusterRequestData()
                    .setEndpointType((byte) type).setIncludeClusterAuthorizedOperations(true), true);
            }
        }
        call("describe cluster with fenced brokers", ApiKeys.DESCRIBE_CLUSTER, 2,
            new DescribeClusterRequestData().setIncludeFencedBrokers(true), true);
    }

    static void quota(String what, String key, Double value, String... entity) throws Exception {
        var parts = new java.util.ArrayList<AlterClientQuotasRequestData.EntityData>();
        for (int n = 0; n < entity.length; n += 2) {
            parts.add(new AlterClientQuotasRequestData.EntityData().setEntityType(entity[n]).setEntityName(entity[n + 1]));
        }
        var op = new AlterClientQuotasRequestData.OpData().setKey(key).setRemove(value == null).setValue(value == null ? 0 : value);
        call("quota " + what, ApiKeys.ALTER_CLIENT_QUOTAS, 1, new AlterClientQuotasRequestData().setEntries(List.of(
            new AlterClientQuotasRequestData.EntryData().setEntity(parts).setOps(List.of(op)))), true);
    }

    static void quotas() throws Exception {
        quota("of an ip", "connection_creation_rate", 5.0, "ip", "127.0.0.9");
        quota("of a default ip", "connection_creation_rate", 500.0, "ip", null);
        quota("of an ip that is half", "connection_creation_rate", 5.5, "ip", "127.0.0.9");
        quota("of an ip that is none", "connection_creation_rate", 0.0, "ip", "127.0.0.9");
        quota("of an ip that is negative", "connection_creation_rate", -1.0, "ip", "127.0.0.9");
        quota("of an ip in bytes", "producer_byte_rate", 5.0, "ip", "127.0.0.9");
        quota("of an ip without one", "connection_creation_rate", 5.0, "ip", "not an address");
        quota("of an empty ip", "connection_creation_rate", 5.0, "ip", "");
        quota("of an ip and a user", "connection_creation_rate", 5.0, "ip", "127.0.0.9", "user", "u");
        quota("of a user in connections", "connection_creation_rate", 5.0, "user", "u");
        quota("of a user in mutations", "controller_mutation_rate", 5.5, "user", "u");
        quota("of a user that is none", "controller_mutation_rate", 0.0, "user", "u");
        Thread.sleep(300);
        call("show quotas of ips", ApiKeys.DESCRIBE_CLIENT_QUOTAS, 1, new DescribeClientQuotasRequestData().setComponents(List.of(
            new DescribeClientQuotasRequestData.ComponentData().setEntityType("ip").setMatchType((byte) 2).setMatch(null))), true);
        call("show the quota of an ip", ApiKeys.DESCRIBE_CLIENT_QUOTAS, 1, new DescribeClientQuotasRequestData().setComponents(
            List.of(new DescribeClientQuotasRequestData.ComponentData().setEntityType("ip").setMatchType((byte) 0)
                .setMatch("127.0.0.9"))), true);
        call("show quotas of ips and users", ApiKeys.DESCRIBE_CLIENT_QUOTAS, 1, new DescribeClientQuotasRequestData()
            .setComponents(List.of(
                new DescribeClientQuotasRequestData.ComponentData().setEntityType("ip").setMatchType((byte) 2).setMatch(null),
                new DescribeClientQuotasRequestData.ComponentData().setEntityType("user").setMatchType((byte) 2).setMatch(null))), true);
        quota("of an ip no more", "connection_creation_rate", null, "ip", "127.0.0.9");
        quota("of a default ip no more", "connection_creation_rate", null, "ip", null);
        quota("of a user no more", "controller_mutation_rate", null, "user", "u");
    }

    static void moves() throws Exception {
        for (var replicas : java.util.Arrays.asList(null, List.of(1), List.of(1, 1), List.of(2), List.of(-1), List.<Integer>of())) {
            for (int version : new int[] {0, 1}) {
                move(version, "b", 0, replicas);
            }
        }
        move(0, "b", 9, List.of(1));
        move(0, "missing", 0, List.of(1));
        call("list moves", ApiKeys.LIST_PARTITION_REASSIGNMENTS, 0, new ListPartitionReassignmentsRequestData(), true);
        for (var dir : List.of("/nowhere", "relative")) {
            for (var topic : List.of("b", "missing")) {
                var topics = new AlterReplicaLogDirsRequestData.AlterReplicaLogDirTopicCollection();
                topics.mustAdd(new AlterReplicaLogDirsRequestData.AlterReplicaLogDirTopic().setName(topic).setPartitions(List.of(0, 9)));
                var dirs = new AlterReplicaLogDirsRequestData.AlterReplicaLogDirCollection();
                dirs.mustAdd(new AlterReplicaLogDirsRequestData.AlterReplicaLogDir().setPath(dir).setTopics(topics));
                call("move '" + topic + "' to " + dir, ApiKeys.ALTER_REPLICA_LOG_DIRS, 2,
                    new AlterReplicaLogDirsRequestData().setDirs(dirs), true);
            }
        }
    }

    static void move(int version, String topic, int partition, List<Integer> replicas) throws Exception {
        call("move " + topic + "-" + partition + " to " + replicas, ApiKeys.ALTER_PARTITION_REASSIGNMENTS, version,
            new AlterPartitionReassignmentsRequestData().setTopics(List.of(
                new AlterPartitionReassignmentsRequestData.ReassignableTopic().setName(topic).setPartitions(List.of(
                    new AlterPartitionReassignmentsRequestData.ReassignablePartition().setPartitionIndex(partition)
                        .setReplicas(replicas))))), true);
    }

    static void records() throws Exception {
        for (var topic : List.of("b", "missing", "__consumer_offsets")) {
            for (long offset : new long[] {-1, 0, 5, -2}) {
                call("delete records of " + topic + " before " + offset, ApiKeys.DELETE_RECORDS, 2,
                    new DeleteRecordsRequestData().setTimeoutMs(30000).setTopics(List.of(
                        new DeleteRecordsRequestData.DeleteRecordsTopic().setName(topic).setPartitions(List.of(
                            new DeleteRecordsRequestData.DeleteRecordsPartition().setPartitionIndex(0).setOffset(offset))))), true);
            }
        }
    }

    static void partitions() throws Exception {
        for (int count : new int[] {3, 2, 0, -1}) {
            morePartitions("b", count, null);
        }
        morePartitions("missing", 5, null);
        morePartitions("a b", 5, null);
        morePartitions("b", 4, List.of(List.of(2)));
        morePartitions("b", 4, List.of(List.of(1), List.of(1)));
        morePartitions("b", 4, List.of());
        morePartitions("b", 4, List.of(List.of()));
        morePartitions("b", 4, List.of(List.of(1)));
    }

    static void morePartitions(String topic, int count, List<List<Integer>> assignments) throws Exception {
        var wanted = new CreatePartitionsRequestData.CreatePartitionsTopic().setName(topic).setCount(count);
        if (assignments != null) {
            wanted.setAssignments(assignments.stream()
                .map(ids -> new CreatePartitionsRequestData.CreatePartitionsAssignment().setBrokerIds(ids)).toList());
        } else {
            wanted.setAssignments(null);
        }
        var topics = new CreatePartitionsRequestData.CreatePartitionsTopicCollection();
        topics.mustAdd(wanted);
        call("partitions of " + topic + " become " + count + " " + assignments, ApiKeys.CREATE_PARTITIONS, 3,
            new CreatePartitionsRequestData().setTimeoutMs(30000).setTopics(topics), true);
    }

    static void tokens() throws Exception {
        call("create a token", ApiKeys.CREATE_DELEGATION_TOKEN, 3, new CreateDelegationTokenRequestData(), true);
        call("renew a token", ApiKeys.RENEW_DELEGATION_TOKEN, 2, new RenewDelegationTokenRequestData().setHmac(new byte[3]), true);
        call("expire a token", ApiKeys.EXPIRE_DELEGATION_TOKEN, 2, new ExpireDelegationTokenRequestData().setHmac(new byte[3]), true);
        call("describe tokens", ApiKeys.DESCRIBE_DELEGATION_TOKEN, 3, new DescribeDelegationTokenRequestData(), true);
    }

    static void features() throws Exception {
        for (int version : new int[] {0, 1, 2}) {
            feature(version, "no.such.feature", 1, 1);
            feature(version, "group.version", 9, 1);
            feature(version, "group.version", -1, 1);
            feature(version, "group.version", 0, 1);
            if (version != 0) feature(version, "group.version", 1, 7);
        }
    }

    static void feature(int version, String name, int level, int kind) throws Exception {
        var update = new UpdateFeaturesRequestData.FeatureUpdateKey().setFeature(name).setMaxVersionLevel((short) level);
        if (version != 0) update.setUpgradeType((byte) kind);
        var updates = new UpdateFeaturesRequestData.FeatureUpdateKeyCollection();
        updates.mustAdd(update);
        call("feature " + name + " becomes " + level + " by " + kind, ApiKeys.UPDATE_FEATURES, version,
            new UpdateFeaturesRequestData().setTimeoutMs(30000).setFeatureUpdates(updates), true);
    }

    static void scramUsers() throws Exception {
        call("describe all users of scram", ApiKeys.DESCRIBE_USER_SCRAM_CREDENTIALS, 0,
            new DescribeUserScramCredentialsRequestData().setUsers(null), true);
        call("describe no users of scram", ApiKeys.DESCRIBE_USER_SCRAM_CREDENTIALS, 0,
            new DescribeUserScramCredentialsRequestData().setUsers(List.of()), true);
        for (var users : List.of(List.of("nobody"), List.of("nobody", "nobody"), List.of(""))) {
            call("describe users of scram " + users, ApiKeys.DESCRIBE_USER_SCRAM_CREDENTIALS, 0,
                new DescribeUserScramCredentialsRequestData().setUsers(users.stream()
                    .map(name -> new DescribeUserScramCredentialsRequestData.UserName().setName(name)).toList()), true);
        }
    }

    static void leaders() throws Exception {
        for (int version : new int[] {0, 1, 2}) {
            var topics = new ElectLeadersRequestData.TopicPartitionsCollection();
            topics.add(new ElectLeadersRequestData.TopicPartitions().setTopic("known").setPartitions(List.of(0, 7)));
            topics.add(new ElectLeadersRequestData.TopicPartitions().setTopic("missing").setPartitions(List.of(0)));
            var request = new ElectLeadersRequestData().setTopicPartitions(topics).setTimeoutMs(10000);
            call("elect leaders", ApiKeys.ELECT_LEADERS, version, request, true);
        }
    }

    static void acls() throws Exception {
        call("describe acls", ApiKeys.DESCRIBE_ACLS, 3, new DescribeAclsRequestData().setResourceTypeFilter((byte) 1)
            .setPatternTypeFilter((byte) 1).setOperation((byte) 1).setPermissionType((byte) 1), true);
        call("create acls", ApiKeys.CREATE_ACLS, 3, new CreateAclsRequestData().setCreations(List.of(
            new CreateAclsRequestData.AclCreation().setResourceType((byte) 2).setResourceName("known")
                .setPrincipal("User:a").setHost("*").setOperation((byte) 3).setPermissionType((byte) 3))), true);
        call("delete acls", ApiKeys.DELETE_ACLS, 3, new DeleteAclsRequestData().setFilters(List.of(
            new DeleteAclsRequestData.DeleteAclsFilter().setResourceTypeFilter((byte) 1).setPatternTypeFilter((byte) 1)
                .setOperation((byte) 1).setPermissionType((byte) 1))), true);
    }

    static void coordinators() throws Exception {
        for (int type : new int[] {0, 1, 2, 3, 5, -1}) {
            for (int version : new int[] {1, 3, 4, 5, 6}) {
                var request = new FindCoordinatorRequestData().setKeyType((byte) type);
                if (version < 4) request.setKey("some"); else request.setCoordinatorKeys(List.of("some", ""));
                call("find coordinator of type " + type, ApiKeys.FIND_COORDINATOR, version, request, true);
            }
        }
        call("find coordinator of nobody", ApiKeys.FIND_COORDINATOR, 3, new FindCoordinatorRequestData().setKey(""), true);
        call("find no coordinator", ApiKeys.FIND_COORDINATOR, 4, new FindCoordinatorRequestData(), true);
    }

    static void producers() throws Exception {
        call("producer id of an empty transactional id", ApiKeys.INIT_PRODUCER_ID, 5,
            new InitProducerIdRequestData().setTransactionalId("").setTransactionTimeoutMs(60000), true);
        for (int timeout : new int[] {0, -1, 900001}) {
            call("producer id with the timeout " + timeout, ApiKeys.INIT_PRODUCER_ID, 5,
                new InitProducerIdRequestData().setTransactionalId("x").setTransactionTimeoutMs(timeout), true);
        }
        call("producer id that has an id and no epoch", ApiKeys.INIT_PRODUCER_ID, 5, new InitProducerIdRequestData()
            .setTransactionalId("x").setTransactionTimeoutMs(60000).setProducerId(5), true);
        call("producer id that has an epoch and no id", ApiKeys.INIT_PRODUCER_ID, 5, new InitProducerIdRequestData()
            .setTransactionalId("x").setTransactionTimeoutMs(60000).setProducerEpoch((short) 5), true);
    }

    static void groups() throws Exception {
        for (int version : new int[] {0, 5, 6}) {
            for (var group : List.of("missing", "")) {
                call("describe group '" + group + "'", ApiKeys.DESCRIBE_GROUPS, version,
                    new DescribeGroupsRequestData().setGroups(List.of(group)), true);
            }
        }
        for (var states : List.of(List.of("Nonsense"), List.of("empty"), List.of("Stable", "stable"))) {
            call("list groups of state " + states, ApiKeys.LIST_GROUPS, 4,
                new ListGroupsRequestData().setStatesFilter(states), true);
        }
        for (var types : List.of(List.of("nonsense"), List.of("Classic"), List.of("consumer"), List.of("share"))) {
            call("list groups of type " + types, ApiKeys.LIST_GROUPS, 5,
                new ListGroupsRequestData().setTypesFilter(types), true);
        }
        for (var group : List.of("missing", "")) {
            call("delete group '" + group + "'", ApiKeys.DELETE_GROUPS, 2,
                new DeleteGroupsRequestData().setGroupsNames(List.of(group)), true);
        }
        for (var group : List.of("missing", "")) {
            var topics = new OffsetDeleteRequestData.OffsetDeleteRequestTopicCollection();
            topics.add(new OffsetDeleteRequestData.OffsetDeleteRequestTopic().setName("known").setPartitions(List.of(
                new OffsetDeleteRequestData.OffsetDeleteRequestPartition().setPartitionIndex(0))));
            topics.add(new OffsetDeleteRequestData.OffsetDeleteRequestTopic().setName("missing").setPartitions(List.of(
                new OffsetDeleteRequestData.OffsetDeleteRequestPartition().setPartitionIndex(0))));
            call("delete offsets of '" + group + "'", ApiKeys.OFFSET_DELETE, 0,
                new OffsetDeleteRequestData().setGroupId(group).setTopics(topics), true);
            for (int version : new int[] {0, 1, 4}) {
                call("heartbeat in '" + group + "'", ApiKeys.HEARTBEAT, version,
                    new HeartbeatRequestData().setGroupId(group).setGenerationId(1).setMemberId("m"), true);
            }
            call("sync '" + group + "'", ApiKeys.SYNC_GROUP, 5, new SyncGroupRequestData().setGroupId(group)
                .setGenerationId(1).setMemberId("m").setProtocolType("consumer").setProtocolName("range"), true);
            call("leave '" + group + "'", ApiKeys.LEAVE_GROUP, 5, new LeaveGroupRequestData().setGroupId(group)
                .setMembers(List.of(new LeaveGroupRequestData.MemberIdentity().setMemberId("m"))), true);
            for (var member : List.of("", "m")) {
                for (int generation : new int[] {-1, 0, 3}) {
                    commit(group, member, generation, 9);
                }
            }
            call("fetch offsets of '" + group + "'", ApiKeys.OFFSET_FETCH, 9, new OffsetFetchRequestData().setGroups(List.of(
                new OffsetFetchRequestData.OffsetFetchRequestGroup().setGroupId(group).setMemberId("m").setMemberEpoch(1)
                    .setTopics(null))), true);
        }
        join("session too short", "g", "", 10, "consumer", "range");
        join("session too long", "g", "", 1800001, "consumer", "range");
        join("no group", "", "", 30000, "consumer", "range");
        join("no type", "g", "", 30000, "", "range");
        join("no protocol", "g", "", 30000, "consumer");
        join("unknown member", "g", "m", 30000, "consumer", "range");
    }

    static void commit(String group, String member, int generation, int version) throws Exception {
        var partition = new OffsetCommitRequestData.OffsetCommitRequestPartition().setPartitionIndex(0).setCommittedOffset(1);
        var topic = new OffsetCommitRequestData.OffsetCommitRequestTopic().setName("known").setPartitions(List.of(partition));
        call("commit as '" + member + "' in generation " + generation + " of '" + group + "'", ApiKeys.OFFSET_COMMIT, version,
            new OffsetCommitRequestData().setGroupId(group).setMemberId(member).setGenerationIdOrMemberEpoch(generation)
                .setTopics(List.of(topic)), true);
    }

    static void join(String what, String group, String member, int session, String type, String... protocols) throws Exception {
        var offered = new JoinGroupRequestData.JoinGroupRequestProtocolCollection();
        for (var name : protocols) {
            offered.add(new JoinGroupRequestData.JoinGroupRequestProtocol().setName(name).setMetadata(new byte[0]));
        }
        call("join: " + what, ApiKeys.JOIN_GROUP, 9, new JoinGroupRequestData().setGroupId(group).setMemberId(member)
            .setSessionTimeoutMs(session).setRebalanceTimeoutMs(30000).setProtocolType(type).setProtocols(offered), true);
    }

    static ConsumerGroupHeartbeatRequestData beat(String group, String member, int epoch) {
        return new ConsumerGroupHeartbeatRequestData().setGroupId(group).setMemberId(member).setMemberEpoch(epoch)
            .setRebalanceTimeoutMs(30000).setSubscribedTopicNames(List.of("known")).setTopicPartitions(List.of());
    }

    static void consumerGroups() throws Exception {
        var owned = List.of(new ConsumerGroupHeartbeatRequestData.TopicPartitions().setTopicId(Uuid.ONE_UUID)
            .setPartitions(List.of(0)));
        heartbeat("without a group", 1, beat("", "m", 0));
        heartbeat("without a member", 1, beat("new", "", 0));
        heartbeat("later without a member", 0, beat("new", "", 1));
        heartbeat("leaving without a member", 0, beat("new", "", -1));
        heartbeat("empty instance", 1, beat("new", "m", 0).setInstanceId(""));
        heartbeat("empty rack", 1, beat("new", "m", 0).setRackId(""));
        heartbeat("no rebalance timeout", 1, beat("new", "m", 0).setRebalanceTimeoutMs(-1));
        heartbeat("owns already", 1, beat("new", "m", 0).setTopicPartitions(owned));
        heartbeat("owns null", 1, beat("new", "m", 0).setTopicPartitions(null));
        heartbeat("no subscription", 1, beat("new", "m", 0).setSubscribedTopicNames(null));
        heartbeat("static leave without instance", 1, beat("new", "m", -2));
        heartbeat("epoch -3", 1, beat("new", "m", -3));
        heartbeat("unknown assignor", 1, beat("new", "m", 0).setServerAssignor("sticky"));
        heartbeat("bad expression", 1, beat("new", "m", 0).setSubscribedTopicRegex("a(").setSubscribedTopicNames(null));
        heartbeat("unknown group", 1, beat("new", "m", 1));
        heartbeat("leaving an unknown group", 1, beat("new", "m", -1));
        heartbeat("join", 1, beat("new", "m", 0).setSubscribedTopicNames(List.of("missing")));
        heartbeat("again", 1, beat("new", "m", 1));
        heartbeat("unknown member", 1, beat("new", "n", 1));
        heartbeat("unknown member leaves", 1, beat("new", "n", -1));
        heartbeat("epoch too high", 1, beat("new", "m", 9));
        heartbeat("unknown instance", 1, beat("new", "m", 1).setInstanceId("i"));
        heartbeat("unknown instance leaves", 1, beat("new", "m", -2).setInstanceId("i"));
        heartbeat("static join", 1, beat("new", "s", 0).setInstanceId("i").setSubscribedTopicNames(List.of("missing")));
        heartbeat("static join of another", 1, beat("new", "t", 0).setInstanceId("i"));
        heartbeat("fenced instance", 1, beat("new", "t", 3).setInstanceId("i"));
        heartbeat("static leave", 1, beat("new", "s", -2).setInstanceId("i"));
        heartbeat("static return", 1, beat("new", "t", 0).setInstanceId("i").setSubscribedTopicNames(List.of("missing")));
        commit("new", "m", 9, 9);
        commit("new", "m", 1, 9);
        commit("new", "n", 1, 9);
        commit("new", "", -1, 9);
        commit("new", "m", 9, 8);
        join("a consumer group without its protocols", "new", "", 30000, "consumer", "range");
        join("a consumer group with another type", "new", "", 30000, "connect", "range");
        call("heartbeat of a classic member", ApiKeys.HEARTBEAT, 4,
            new HeartbeatRequestData().setGroupId("new").setGenerationId(1).setMemberId("m"), true);
        for (int version : new int[] {0, 1}) {
            // No earlier request has named it: Kafka keeps a group for whoever was refused to join.
            for (var group : List.of("absent", "")) {
                call("describe consumer group '" + group + "'", ApiKeys.CONSUMER_GROUP_DESCRIBE, version,
                    new ConsumerGroupDescribeRequestData().setGroupIds(List.of(group)), true);
            }
        }
        call("describe a consumer group as classic", ApiKeys.DESCRIBE_GROUPS, 6,
            new DescribeGroupsRequestData().setGroups(List.of("new")), true);
        call("delete a consumer group with members", ApiKeys.DELETE_GROUPS, 2,
            new DeleteGroupsRequestData().setGroupsNames(List.of("new")), true);
        heartbeat("leave", 1, beat("new", "m", -1));
        heartbeat("leave", 1, beat("new", "t", -1).setInstanceId("i"));
        call("delete a consumer group", ApiKeys.DELETE_GROUPS, 2,
            new DeleteGroupsRequestData().setGroupsNames(List.of("new")), true);
    }

    static void heartbeat(String what, int version, ConsumerGroupHeartbeatRequestData request) throws Exception {
        call("consumer group heartbeat: " + what, ApiKeys.CONSUMER_GROUP_HEARTBEAT, version, request, true);
    }

    static String call(String what, ApiKeys api, int version, ApiMessage request, boolean print) throws Exception {
        String said;
        try {
            said = answer(api, (short) version, request);
        } catch (EOFException | java.net.SocketException closed) {
            said = "closed";
        }
        if (print) System.out.println(what + "|" + version + "|" + said);
        return said;
    }

    static String answer(ApiKeys api, short version, ApiMessage request) throws Exception {
        var header = new RequestHeader(api, version, "refusals", 7);
        var cache = new ObjectSerializationCache();
        int size = header.data().size(cache, header.headerVersion()) + request.size(cache, version);
        var buffer = ByteBuffer.allocate(size);
        var writable = new ByteBufferAccessor(buffer);
        header.data().write(writable, cache, header.headerVersion());
        request.write(writable, cache, version);
        try (var socket = new Socket(host, port)) {
            socket.setSoTimeout(30000);
            var out = new DataOutputStream(socket.getOutputStream());
            out.writeInt(size);
            out.write(buffer.array());
            out.flush();
            var in = new DataInputStream(socket.getInputStream());
            var bytes = new byte[in.readInt()];
            in.readFully(bytes);
            var readable = new ByteBufferAccessor(ByteBuffer.wrap(bytes));
            var data = ApiMessageType.fromApiKey(api.id).newResponse();
            new ResponseHeaderData().read(readable, api.responseHeaderVersion(version));
            data.read(readable, version);
            var converter = Class.forName(data.getClass().getName() + "JsonConverter");
            var json = converter.getMethod("write", data.getClass(), short.class).invoke(null, data, version).toString();
            // What is drawn, and what a library says of a pattern.
            if (json.contains("\"errorCode\":79")) json = json.replaceFirst("\"memberId\":\"[^\"]*\"", "\"memberId\":\"DRAWN\"");
            json = json.replaceFirst("(is not a valid regular expression: )[^\"]*", "$1REASON");
            json = json.replaceAll("\"(topicId|clusterId|clientInstanceId)\":\"[^\"]*\"", "\"$1\":\"DRAWN\"");
            return json.replace("\"port\":" + port, "\"port\":PORT").replace("\"host\":\"" + host, "\"host\":\"HOST");
        }
    }
}
