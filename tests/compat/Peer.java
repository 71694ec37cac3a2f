// One Kafka client of Java's, driven over standard input as peer.py is, which says what may be asked and answered.
//
//     java … Peer HOST:PORT
//
// Each line is a JSON object that says what to do, each answer another one; nothing is done at once with something else.
// Ends with its input.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.*;

public class Peer implements ConsumerRebalanceListener {
    // What a client gives up without an answer.
    static final Duration LIMIT = Duration.ofSeconds(20);
    static final ObjectMapper JSON = new ObjectMapper();

    final String address;
    KafkaProducer<String, String> producer;
    KafkaConsumer<String, String> consumer;
    boolean moved;

    Peer(String address) {
        this.address = address;
    }

    public static void main(String[] arguments) throws Exception {
        var peer = new Peer(arguments[0]);
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = lines.readLine()) != null;) {
            var answer = JSON.createObjectNode();
            try {
                peer.perform(JSON.readTree(line), answer);
                answer.put("ok", true);
            } catch (TransactionAbortableException aborts) {
                // It was not committed, and can only be aborted.
                answer.put("failed", aborts.toString());
            } catch (KafkaException | IllegalStateException failure) {
                answer.put("unknown", failure.toString());
            }
            System.out.println(answer);
            System.out.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    void perform(JsonNode request, ObjectNode answer) {
        switch (request.get("do").asText()) {
            case "open" -> open(request);
            case "assign" -> {
                consumer.assign(partitions(request));
                consumer.seekToBeginning(consumer.assignment());
            }
            case "subscribe" -> subscribe(request);
            case "begin" -> producer.beginTransaction();
            case "send" -> send(request, answer);
            case "poll" -> poll(request, answer);
            case "offsets" -> offsets(request);
            case "commit" -> repeat(() -> producer.commitTransaction());
            case "abort" -> repeat(() -> producer.abortTransaction());
            case "close" -> consumer.close(CloseOptions.timeout(LIMIT));
            default -> throw new IllegalArgumentException(request.toString());
        }
    }

    void open(JsonNode request) {
        var group = request.path("group").asText(null);
        var transactionalId = request.path("transactional_id").asText(null);
        var common = Map.<String, Object>of("bootstrap.servers", address, "reconnect.backoff.ms", 20,
            "reconnect.backoff.max.ms", 200, "socket.connection.setup.timeout.ms", 2000, "metadata.max.age.ms", 5000,
            "request.timeout.ms", 3000, "default.api.timeout.ms", (int) LIMIT.toMillis());
        var delivery = request.get("delivery_timeout_ms").asInt();
        var own = new HashMap<String, Object>(common);
        own.remove("default.api.timeout.ms");
        own.putAll(Map.of("linger.ms", 1, "retry.backoff.ms", 50, "max.block.ms", 5000));
        if (transactionalId != null) {
            var timeout = request.get("transaction_timeout_ms").asInt();
            own.putAll(Map.of("transactional.id", transactionalId, "transaction.timeout.ms", timeout));
            delivery = Math.min(delivery, timeout);
        }
        own.put("delivery.timeout.ms", Math.max(delivery, 3001));
        producer = new KafkaProducer<>(own, new StringSerializer(), new StringSerializer());
        own = new HashMap<>(common);
        own.putAll(Map.of("group.id", group == null ? "nobody" : group, "isolation.level", request.get("isolation").asText(),
            "auto.offset.reset", "earliest", "enable.auto.commit", group != null && transactionalId == null,
            "auto.commit.interval.ms", 200, "max.poll.interval.ms", 20000, "fetch.max.wait.ms", 100, "max.poll.records", 50));
        if (request.get("consumer_protocol").asBoolean()) {
            // Its times are the broker's to choose.
            own.put("group.protocol", "consumer");
        } else {
            own.putAll(Map.of("session.timeout.ms", 2000, "heartbeat.interval.ms", 300));
        }
        consumer = new KafkaConsumer<>(own, new StringDeserializer(), new StringDeserializer());
        if (transactionalId != null) {
            repeat(() -> producer.initTransactions());
        }
    }

    // Again for as long as the client says that it is worth it.
    static void repeat(Runnable work) {
        var end = System.nanoTime() + LIMIT.toNanos();
        while (true) {
            try {
                work.run();
                return;
            } catch (TimeoutException | InterruptException again) {
                if (end < System.nanoTime()) throw again;
            }
        }
    }

    static List<TopicPartition> partitions(JsonNode request) {
        var found = new ArrayList<TopicPartition>();
        request.get("partitions").forEach(it -> found.add(new TopicPartition(it.get(0).asText(), it.get(1).asInt())));
        return found;
    }

    // To topics as a member, or to partitions from where the group is.
    void subscribe(JsonNode request) {
        var partitions = partitions(request);
        if (partitions.isEmpty()) {
            var topics = new ArrayList<String>();
            request.get("topics").forEach(it -> topics.add(it.asText()));
            consumer.subscribe(topics, this);
        } else {
            consumer.assign(partitions);
        }
    }

    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        moved = true;
    }

    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        moved = true;
    }

    void send(JsonNode request, ObjectNode answer) {
        var records = request.get("records");
        var fates = new Object[records.size()];
        for (int number = 0; number < fates.length; number++) {
            var at = number;
            var it = records.get(at);
            var record = new ProducerRecord<String, String>(it.get(0).asText(), it.get(1).asInt(), null, it.get(2).asText());
            fates[at] = "unknown";
            try {
                producer.send(record, (where, error) -> {
                    if (error == null) fates[at] = where.hasOffset() ? (Object) where.offset() : "written";
                    // It was not sent: the transaction was aborted before.
                    else if (error instanceof TransactionAbortedException) fates[at] = "refused";
                });
            } catch (KafkaException | IllegalStateException refused) {
                // It was not even put into the queue.
                fates[at] = "refused";
            }
        }
        producer.flush();
        answer.set("fates", JSON.valueToTree(fates));
    }

    void poll(JsonNode request, ObjectNode answer) {
        moved = false;
        var records = answer.putArray("records");
        try {
            for (var record : consumer.poll(Duration.ofMillis(request.get("wait_ms").asInt()))) {
                records.addArray().add(record.topic()).add(record.partition()).add(record.offset()).add(record.value());
            }
        } catch (RetriableException | CommitFailedException again) {
            // Nothing was returned, and the next poll goes on.
        }
        answer.put("moved", moved);
    }

    void offsets(JsonNode request) {
        var offsets = new HashMap<TopicPartition, OffsetAndMetadata>();
        request.get("offsets").forEach(it ->
            offsets.put(new TopicPartition(it.get(0).asText(), it.get(1).asInt()), new OffsetAndMetadata(it.get(2).asLong())));
        var membership = consumer.groupMetadata();
        repeat(() -> producer.sendOffsetsToTransaction(offsets, membership));
    }
}
