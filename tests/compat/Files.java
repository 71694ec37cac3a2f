// Fills a broker with all that its files can hold, and prints what clients see of it: after its files have moved to another
// broker, that has to see the same.
//
//     java … Files fill HOST:PORT      every codec, transactions that were committed, aborted and left open, a compacted
//                                      topic, deleted records, offsets of groups of both protocols; waits until the
//                                      broker has compacted. The process dies without closing its producers.
//     java … Files print HOST:PORT     topics, records as both isolation levels see them, offsets by time, producers,
//                                      groups, transactions; an answer that may differ from broker to broker is left out
//     java … Files go-on HOST:PORT     clients go on where they stood: ends with an exception where one cannot

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.*;

public class Files {
    static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};
    // Not so old that a broker forgets producers.
    static final long TIME = System.currentTimeMillis() - 1_000_000;
    static String server;
    static Admin admin;

    public static void main(String[] arguments) throws Exception {
        server = arguments[1];
        admin = Admin.create(Map.of("bootstrap.servers", server));
        switch (arguments[0]) {
            case "fill" -> fill();
            case "print" -> print();
            case "go-on" -> goOn();
            default -> throw new IllegalArgumentException(arguments[0]);
        }
        System.out.println("done");
        System.out.flush();
        // Without the ends of what is left open.
        Runtime.getRuntime().halt(0);
    }

    static KafkaProducer<String, String> producer(String... settings) {
        var all = new HashMap<String, Object>(Map.of("bootstrap.servers", server, "linger.ms", "5", "batch.size", "4000"));
        for (int at = 0; at < settings.length; at += 2) all.put(settings[at], settings[at + 1]);
        return new KafkaProducer<>(all, new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<byte[], byte[]> consumer(String... settings) {
        var all = new HashMap<String, Object>(Map.of("bootstrap.servers", server, "auto.offset.reset", "earliest",
            "enable.auto.commit", "false", "allow.auto.create.topics", "false"));
        for (int at = 0; at < settings.length; at += 2) all.put(settings[at], settings[at + 1]);
        return new KafkaConsumer<>(all, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static ProducerRecord<String, String> record(String topic, int partition, int number, String key, String value) {
        var headers = new ArrayList<Header>();
        for (int header = 0; header < number % 3; header++) {
            headers.add(new RecordHeader("h", header == 0 ? null : ("of " + number).getBytes(StandardCharsets.UTF_8)));
        }
        return new ProducerRecord<>(topic, partition, TIME + number, key, value, headers);
    }

    static Map<String, String> with(Map<String, String> some, String... more) {
        var all = new HashMap<>(some);
        for (int at = 0; at < more.length; at += 2) all.put(more[at], more[at + 1]);
        return all;
    }

    static void send(KafkaProducer<String, String> producer, ProducerRecord<String, String> record) {
        producer.send(record, (sent, error) -> {
            if (error == null) return;
            System.err.println(record + ": " + error);
            Runtime.getRuntime().halt(1);
        });
    }

    static void fill() throws Exception {
        // What is written is old, and shall stay.
        Map<String, String> kept = Map.of("retention.ms", "-1");
        var small = "internal.segment.bytes";
        admin.createTopics(List.of(
            new NewTopic("codecs", 5, (short) 1).configs(with(kept, small, "20000")),
            new NewTopic("transactional", 2, (short) 1).configs(with(kept, small, "5000")),
            new NewTopic("open", 1, (short) 1).configs(kept),
            new NewTopic("stamped", 1, (short) 1).configs(with(kept, "message.timestamp.type", "LogAppendTime")),
            new NewTopic("shortened", 1, (short) 1).configs(with(kept, small, "5000")),
            new NewTopic("empty", 1, (short) 1),
            new NewTopic("compacted", 1, (short) 1).configs(with(kept, small, "10000", "cleanup.policy", "compact",
                "min.cleanable.dirty.ratio", "0.01")))).all().get();
        for (int partition = 0; partition < CODECS.length; partition++) {
            try (var producer = producer("compression.type", CODECS[partition])) {
                for (int number = 0; number < 1000; number++) {
                    var key = number % 7 == 0 ? null : "key " + number;
                    var value = number % 11 == 0 ? null : "value ".repeat(number % 40) + number;
                    send(producer, record("codecs", partition, number, key, value));
                }
            }
        }
        try (var producer = producer("enable.idempotence", "false", "acks", "all")) {
            for (int number = 0; number < 300; number++) {
                send(producer, record("stamped", 0, number, null, "stamped " + number));
                send(producer, record("shortened", 0, number, null, "shortened ".repeat(20) + number));
            }
        }
        var from = new TopicPartition("shortened", 0);
        admin.deleteRecords(Map.of(from, RecordsToDelete.beforeOffset(137))).all().get();
        transactions();
        compacted();
        groups();
        // Left open for as long as a broker allows.
        var left = producer("transactional.id", "left open", "transaction.timeout.ms", "900000");
        left.initTransactions();
        left.beginTransaction();
        for (int number = 0; number < 20; number++) send(left, record("open", 0, number, "k", "never " + number));
        left.flush();
        try (var producer = producer()) {
            for (int number = 0; number < 20; number++) send(producer, record("open", 0, number, "k", "behind " + number));
        }
    }

    // Transactions that overlap, some committed and some aborted, with offsets of a group.
    @SuppressWarnings("removal")
    static void transactions() throws Exception {
        var producers = new ArrayList<KafkaProducer<String, String>>();
        for (int which = 0; which < 3; which++) {
            var producer = producer("transactional.id", "transactional " + which, "compression.type", CODECS[which]);
            producer.initTransactions();
            producers.add(producer);
        }
        var open = new boolean[3];
        for (int round = 0; round < 12; round++) {
            for (int which = 0; which < 3; which++) {
                var producer = producers.get(which);
                if (!open[which]) producer.beginTransaction();
                for (int number = 0; number < 10; number++) {
                    var value = "round " + round + " of " + which + " number " + number;
                    send(producer, record("transactional", number % 2, number, "k" + number % 3, value));
                    send(producer, record("compacted", 0, number, "t" + number, value));
                }
                producer.flush();
                open[which] = (round + which) % 2 == 0;
                if (open[which]) continue;
                if (round % 4 < 2) {
                    var offset = new OffsetAndMetadata(10 * round, Optional.of(0), "of " + which);
                    producer.sendOffsetsToTransaction(
                        Map.of(new TopicPartition("codecs", which), offset), new ConsumerGroupMetadata("of transactions"));
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
            }
        }
        for (int which = 0; which < 3; which++) {
            if (open[which]) producers.get(which).abortTransaction();
            producers.get(which).close();
        }
    }

    static void compacted() throws Exception {
        int written = 0;
        try (var producer = producer("compression.type", "zstd")) {
            for (int number = 0; number < 2000; number++, written++) {
                var value = number % 13 == 0 ? null : "value ".repeat(10) + number;
                send(producer, record("compacted", 0, number, "key " + number % 50, value));
            }
        }
        for (int look = 0; look < 600; look++) {
            int left = 0;
            try (var consumer = consumer()) {
                for (var ignored : read(consumer, new TopicPartition("compacted", 0))) left++;
            }
            if (left < written / 2) return;
            Thread.sleep(200);
        }
        throw new IllegalStateException("the broker does not compact");
    }

    static void groups() throws Exception {
        for (var protocol : List.of("classic", "consumer")) {
            try (var consumer = consumer("group.id", "of " + protocol, "group.protocol", protocol)) {
                consumer.subscribe(List.of("codecs"));
                int read = 0;
                while (read < 2000) read += consumer.poll(Duration.ofMillis(500)).count();
                consumer.commitSync();
            }
        }
        try (var consumer = consumer("group.id", "of nobody")) {
            consumer.commitSync(Map.of(new TopicPartition("stamped", 0), new OffsetAndMetadata(17, Optional.of(0), "ümlaut")));
        }
    }

    static List<ConsumerRecord<byte[], byte[]>> read(KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition) {
        var found = new ArrayList<ConsumerRecord<byte[], byte[]>>();
        consumer.assign(List.of(partition));
        consumer.seekToBeginning(List.of(partition));
        var end = consumer.endOffsets(List.of(partition)).get(partition);
        while (consumer.position(partition) < end) consumer.poll(Duration.ofMillis(100)).forEach(found::add);
        return found;
    }

    static String text(byte[] bytes) {
        return bytes == null ? "null" : "'" + new String(bytes, StandardCharsets.UTF_8) + "'";
    }

    static void print() throws Exception {
        var names = new TreeSet<>(admin.listTopics().names().get());
        for (var topic : admin.describeTopics(names).allTopicNames().get().values().stream()
                .sorted(Comparator.comparing(TopicDescription::name)).toList()) {
            System.out.println("topic " + topic.name() + " " + topic.topicId() + " " + topic.partitions().size());
            for (var info : topic.partitions()) print(new TopicPartition(topic.name(), info.partition()));
        }
        for (var group : admin.listGroups().all().get().stream().sorted(Comparator.comparing(GroupListing::groupId)).toList()) {
            System.out.println("group " + group.groupId() + " " + group.type() + " " + group.groupState());
            var offsets = admin.listConsumerGroupOffsets(group.groupId()).partitionsToOffsetAndMetadata().get();
            offsets.entrySet().stream().map(it -> "offset " + group.groupId() + " " + it.getKey() + " " + it.getValue())
                .sorted().forEach(System.out::println);
        }
        for (var transaction : admin.listTransactions().all().get().stream()
                .sorted(Comparator.comparing(TransactionListing::transactionalId)).toList()) {
            var id = transaction.transactionalId();
            var found = admin.describeTransactions(List.of(id)).description(id).get();
            System.out.println("transaction " + id + " " + found.state() + " " + found.producerId() + " " + found.producerEpoch()
                + " " + found.transactionTimeoutMs() + " " + found.transactionStartTimeMs() + " " + found.topicPartitions());
        }
    }

    static void print(TopicPartition partition) throws Exception {
        for (var isolation : List.of("read_uncommitted", "read_committed")) {
            try (var consumer = consumer("isolation.level", isolation, "exclude.internal.topics", "false")) {
                var all = List.of(partition);
                System.out.println("ends " + partition + " " + isolation + " " + consumer.beginningOffsets(all) + " " + consumer.endOffsets(all));
                var records = read(consumer, partition);
                // Elsewhere Kafka finds markers, which are no records, or nothing where a segment has become empty.
                for (int after : List.of("codecs", "stamped").contains(partition.topic()) ? List.of(0, 1, 500, 999) : List.<Integer>of()) {
                    var time = records.get(0).timestamp() + after;
                    System.out.println("time " + partition + " " + time + " " + consumer.offsetsForTimes(Map.of(partition, time)).get(partition));
                }
                for (var record : records) {
                    var headers = new StringJoiner(",");
                    for (var header : record.headers()) headers.add(header.key() + "=" + text(header.value()));
                    System.out.println("record " + partition + " " + isolation + " " + record.offset() + " " + record.timestampType()
                        + " " + record.timestamp() + " " + text(record.key()) + " " + text(record.value()) + " " + headers);
                }
            }
        }
        admin.describeProducers(List.of(partition)).partitionResult(partition).get().activeProducers().stream()
            .sorted(Comparator.comparing(ProducerState::producerId)).forEach(it ->
                System.out.println("producer " + partition + " " + it.producerId() + " " + it.producerEpoch() + " "
                    + it.lastSequence() + " " + it.lastTimestamp() + " " + it.currentTransactionStartOffset()));
    }

    static void goOn() throws Exception {
        // Who comes again under its id ends what it left open.
        for (var id : List.of("left open", "transactional 0", "transactional 2")) {
            try (var producer = producer("transactional.id", id)) {
                producer.initTransactions();
                for (var commit : List.of(true, false)) {
                    producer.beginTransaction();
                    // One that is aborted may never be sent.
                    producer.send(record("open", 0, 0, "k", (commit ? "committed " : "never ") + id));
                    if (commit) producer.commitTransaction();
                    else producer.abortTransaction();
                }
            }
        }
        try (var consumer = consumer("isolation.level", "read_committed")) {
            var found = read(consumer, new TopicPartition("open", 0)).stream().map(it -> text(it.value())).toList();
            if ((found.size() - 20) % 3 != 0 || found.stream().anyMatch(value -> value.contains("never"))) {
                throw new IllegalStateException(found.toString());
            }
        }
        try (var producer = producer("compression.type", "gzip")) {
            for (int partition = 0; partition < CODECS.length; partition++) {
                producer.send(record("codecs", partition, 1, "more", "more")).get();
            }
        }
        for (var protocol : List.of("classic", "consumer")) {
            try (var consumer = consumer("group.id", "of " + protocol, "group.protocol", protocol)) {
                consumer.subscribe(List.of("codecs"));
                int read = 0;
                for (int polls = 0; polls < 60 && read < 1; polls++) {
                    for (var record : consumer.poll(Duration.ofMillis(500))) {
                        if (text(record.value()).equals("'more'")) read++;
                    }
                }
                if (read == 0) throw new IllegalStateException("the group of " + protocol + " does not go on");
                consumer.commitSync();
            }
        }
    }
}
