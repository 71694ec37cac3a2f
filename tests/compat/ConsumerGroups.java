// Consumers of both protocols in one group: it is balanced whoever comes and goes, changes its protocol with its members,
// and loses and repeats nothing. Ends with an exception where one waits in vain. Prints what was waited for.
//
//     java -cp "$(tests/compat/kafka.sh libs)/*" tests/compat/ConsumerGroups.java HOST:PORT

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class ConsumerGroups {
    static String server;
    static final List<Member> ALL = new ArrayList<>();
    static final Map<String, AtomicInteger> READ = new ConcurrentHashMap<>();

    static class Member implements Runnable {
        final String name;
        final Map<String, Object> settings;
        final Object topics;
        final Thread thread = new Thread(this);
        volatile Set<TopicPartition> has = Set.of();
        volatile boolean stop;
        volatile Throwable failed;

        Member(String name, String group, String protocol, Object topics, String... more) {
            this.name = name;
            this.topics = topics;
            settings = new HashMap<>(Map.of("bootstrap.servers", server, "group.id", group, "group.protocol", protocol,
                "auto.offset.reset", "earliest", "client.id", name, "enable.auto.commit", "false",
                "key.deserializer", StringDeserializer.class.getName(),
                "value.deserializer", StringDeserializer.class.getName()));
            for (int at = 0; at < more.length; at += 2) settings.put(more[at], more[at + 1]);
            thread.setDaemon(true);
            thread.start();
            ALL.add(this);
        }

        public void run() {
            try (var consumer = new KafkaConsumer<String, String>(settings)) {
                if (topics instanceof SubscriptionPattern pattern) consumer.subscribe(pattern);
                else consumer.subscribe(List.of((String) topics));
                while (!stop) {
                    var records = consumer.poll(Duration.ofMillis(100));
                    has = Set.copyOf(consumer.assignment());
                    for (var record : records) {
                        var place = record.topic() + "-" + record.partition() + "@" + record.offset();
                        READ.computeIfAbsent(place, __ -> new AtomicInteger()).incrementAndGet();
                    }
                    if (records.isEmpty()) continue;
                    try {
                        consumer.commitSync();
                    } catch (CommitFailedException | RebalanceInProgressException moved) {
                        System.out.println(name + ": " + moved.getClass().getSimpleName());
                    }
                }
                has = Set.of();
            } catch (Throwable error) {
                failed = error;
            }
        }

        void close() throws Exception {
            stop = true;
            thread.join(20000);
            ALL.remove(this);
        }
    }

    static void await(String what, Callable<Boolean> reached) throws Exception {
        long begin = System.currentTimeMillis();
        while (!reached.call()) {
            for (var member : ALL) if (member.failed != null) throw new Exception(what + ": " + member.name, member.failed);
            if (System.currentTimeMillis() - begin > 60000) {
                var have = new StringBuilder();
                for (var member : ALL) have.append(' ').append(member.name).append(member.has);
                throw new Exception("waited in vain: " + what + have);
            }
            Thread.sleep(20);
        }
        System.out.println(what);
    }

    /** Whether these have all partitions, each as many as the others. */
    static boolean share(int partitions, Member... members) {
        var all = new HashSet<TopicPartition>();
        int count = 0;
        for (var member : members) {
            var has = member.has;
            count += has.size();
            all.addAll(has);
            int share = partitions / members.length;
            if (has.size() < share || share + (partitions % members.length == 0 ? 0 : 1) < has.size()) return false;
        }
        return count == partitions && all.size() == partitions;
    }

    static void produce(String topic, int records) throws Exception {
        try (var producer = new KafkaProducer<>(Map.of("bootstrap.servers", server), new StringSerializer(), new StringSerializer())) {
            for (int n = 0; n < records; n++) producer.send(new ProducerRecord<>(topic, n % 6, null, "v" + n));
        }
    }

    static GroupType type(Admin admin, String group) throws Exception {
        return admin.describeConsumerGroups(List.of(group)).all().get().get(group).type();
    }

    static void expect(boolean holds, String what) throws Exception {
        if (!holds) throw new Exception(what);
    }

    public static void main(String[] arguments) throws Exception {
        server = arguments[0];
        String topic = "orders", group = "g", patterned = "p";
        try (var admin = Admin.create(Map.of("bootstrap.servers", server))) {
            admin.createTopics(List.of(new NewTopic(topic, 6, (short) 1))).all().get();
            var a = new Member("a", group, "consumer", topic);
            await("alone", () -> share(6, a));
            produce(topic, 600);
            var b = new Member("b", group, "consumer", topic);
            await("two", () -> share(6, a, b));
            var classic = new Member("classic", group, "classic", topic);
            await("two and a classic one", () -> share(6, a, b, classic));
            produce(topic, 600);
            await("all read", () -> READ.size() == 1200);
            expect(type(admin, group) == GroupType.CONSUMER, "a consumer group");
            a.close();
            b.close();
            await("the classic one alone", () -> share(6, classic));
            expect(type(admin, group) == GroupType.CLASSIC, "a classic group again");
            var ranged = new Member("ranged", group, "consumer", topic, "group.remote.assignor", "range");
            await("another joins the classic one", () -> share(6, classic, ranged));
            expect(type(admin, group) == GroupType.CONSUMER, "a consumer group again");
            var first = new Member("first", group, "consumer", topic, "group.instance.id", "fixed");
            await("a static one joins", () -> share(6, classic, ranged, first));
            var had = first.has;
            first.close();
            var second = new Member("second", group, "consumer", topic, "group.instance.id", "fixed");
            await("the static one is back", () -> second.has.equals(had));
            produce(topic, 600);
            await("all read", () -> READ.size() == 1800);
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(9))).all().get();
            await("more partitions", () -> share(9, classic, ranged, second));
            long committed = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().values().stream()
                .mapToLong(offset -> offset.offset()).sum();
            expect(committed == 1800, "all is committed, and not " + committed);
            for (var member : List.of(classic, ranged, second)) member.close();
            var pattern = new Member("pattern", patterned, "consumer", new SubscriptionPattern("orders.*"));
            await("by a pattern", () -> share(9, pattern));
            admin.createTopics(List.of(new NewTopic("orders-new", 2, (short) 1), new NewTopic("others", 1, (short) 1))).all().get();
            await("a new topic by the pattern", () -> share(11, pattern));
            pattern.close();
            admin.deleteConsumerGroups(List.of(patterned)).all().get();
        }
        System.out.println("done");
    }
}
