// A word count of Kafka Streams with exactly_once_v2, and a look at what it wrote.
//
//     java … StreamsWordCount run HOST:PORT STATE-FOLDER [SETTING=VALUE…]   counts the words of topic `words` into topic
//                                                                           `counts` until standard input ends; prints
//                                                                           each state that it enters
//     java … StreamsWordCount look HOST:PORT TOPIC…                         reads the topics as read_committed to their
//                                                                           ends, once for each line of standard input
//
// `look` prints a line `TOPIC WORD COUNT` for the newest count of each word, and `ended` after them. Each count of a word has
// to be one more than the one before: where it is not, a line `BROKEN TOPIC WORD BEFORE AFTER` tells. With `+` before its name a
// topic may have gaps, as a compacted one has, but no step back.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.KeyValueStore;

public class StreamsWordCount {
    public static void main(String[] arguments) throws Exception {
        var rest = Arrays.asList(arguments).subList(2, arguments.length);
        switch (arguments[0]) {
            case "run" -> run(arguments[1], rest.get(0), rest.subList(1, rest.size()));
            case "look" -> look(arguments[1], rest);
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }

    static void run(String server, String folder, List<String> settings) throws Exception {
        var builder = new StreamsBuilder();
        builder.stream("words", Consumed.with(Serdes.String(), Serdes.String()))
            .flatMapValues(line -> Arrays.asList(line.split(" ")))
            .groupBy((key, word) -> word, Grouped.with("by-word", Serdes.String(), Serdes.String()))
            .count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("store")
                .withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()))
            .toStream()
            .to("counts", Produced.with(Serdes.String(), Serdes.Long()));
        var properties = new Properties();
        properties.putAll(Map.of(
            "bootstrap.servers", server,
            "application.id", "wordcount",
            "state.dir", folder,
            "processing.guarantee", "exactly_once_v2",
            "commit.interval.ms", "300",
            // Each word's every count is written, so that a reader can tell a lost one.
            "statestore.cache.max.bytes", "0",
            "consumer.auto.offset.reset", "earliest",
            "consumer.session.timeout.ms", "6000",
            "consumer.heartbeat.interval.ms", "1000",
            "producer.transaction.timeout.ms", "10000"));
        properties.put("repartition.purge.interval.ms", "1000");
        for (var setting : settings) {
            var at = setting.indexOf('=');
            properties.put(setting.substring(0, at), setting.substring(at + 1));
        }
        var streams = new KafkaStreams(builder.build(), properties);
        streams.setStateListener((entered, left) -> System.out.println("state " + entered));
        streams.setUncaughtExceptionHandler(error -> {
            for (Throwable cause = error; cause != null; cause = cause.getCause()) System.out.println("failed " + cause);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        while (System.in.read() != -1) {}
        System.out.println("closed " + streams.close(Duration.ofSeconds(60)));
    }

    static void look(String server, List<String> topics) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in));
        while (lines.readLine() != null) {
            for (var topic : topics) look(server, topic.replace("+", ""), topic.startsWith("+"));
            System.out.println("ended");
        }
    }

    static void look(String server, String topic, boolean gaps) {
        Map<String, Object> settings = Map.of("bootstrap.servers", server, "isolation.level", "read_committed",
            "enable.auto.commit", "false", "auto.offset.reset", "earliest");
        var counts = new TreeMap<String, Long>();
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer())) {
            var partitions = consumer.partitionsFor(topic).stream()
                .map(it -> new TopicPartition(topic, it.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            var ends = new HashMap<>(consumer.endOffsets(partitions));
            while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
                for (var record : consumer.poll(Duration.ofMillis(200))) {
                    var count = new java.math.BigInteger(record.value()).longValueExact();
                    var before = counts.put(record.key(), count);
                    var last = before == null ? 0 : before;
                    if (gaps ? count <= last : count != last + 1) {
                        System.out.println("BROKEN " + topic + " " + record.key() + " " + last + " " + count);
                    }
                }
            }
        }
        counts.forEach((word, count) -> System.out.println(topic + " " + word + " " + count));
    }
}
