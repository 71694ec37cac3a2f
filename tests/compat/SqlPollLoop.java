// The least that a source connector over JDBC can do on the JVM: PostgreSQL's driver, Connect's own JSON converter with
// schemas, and Kafka's producer, without the framework around them.
//
//     java … SqlPollLoop HOST:PORT JDBC-URL USER PASSWORD
//
// Each line of standard input is `read TABLE TOPIC`: all rows of the table, in the order of their ids, are written to the topic.
// When every record is acknowledged, it answers `done COUNT`. Ends with its input.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.sql.*;
import java.util.*;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.connect.data.*;
import org.apache.kafka.connect.data.Date;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Timestamp;
import org.apache.kafka.connect.json.JsonConverter;

public class SqlPollLoop {
    // What Confluent's connector fetches at a time, and ours.
    static final int FETCH = 1000;

    // Takes one column of the row at which a result stands.
    interface Getter {
        Object get(ResultSet rows) throws SQLException;
    }

    final Connection database;
    final JsonConverter converter = new JsonConverter();
    final KafkaProducer<byte[], byte[]> producer;
    final Calendar utc = Calendar.getInstance(TimeZone.getTimeZone("UTC"));

    SqlPollLoop(String broker, String url, String user, String password) throws SQLException {
        database = DriverManager.getConnection(url, user, password);
        // The driver fetches in steps within a transaction only.
        database.setAutoCommit(false);
        converter.configure(Map.of("schemas.enable", "true"), false);
        producer = new KafkaProducer<>(Map.of("bootstrap.servers", broker, "acks", "all", "batch.size", 262144,
            "linger.ms", 5), new ByteArraySerializer(), new ByteArraySerializer());
    }

    public static void main(String[] arguments) throws Exception {
        var loop = new SqlPollLoop(arguments[0], arguments[1], arguments[2], arguments[3]);
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = lines.readLine()) != null;) {
            var words = line.split(" ");
            System.out.println("done " + loop.read(words[1], words[2]));
            System.out.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    // Polls until a query has no more rows.
    long read(String table, String topic) throws SQLException {
        var failure = new AtomicReference<Exception>();
        long total = 0, last = -1;
        while (true) {
            long count = 0;
            var sql = "SELECT * FROM \"" + table + "\" WHERE \"id\" > ? ORDER BY \"id\" ASC";
            try (var statement = database.prepareStatement(sql)) {
                statement.setFetchSize(FETCH);
                statement.setLong(1, last);
                try (var rows = statement.executeQuery()) {
                    var about = rows.getMetaData();
                    var schema = schema(table, about);
                    var getters = getters(about);
                    var fields = schema.fields();
                    while (rows.next()) {
                        var value = new Struct(schema);
                        for (int at = 0; at < getters.length; at++) {
                            var cell = getters[at].get(rows);
                            value.put(fields.get(at), rows.wasNull() ? null : cell);
                        }
                        last = value.getInt64("id");
                        var bytes = converter.fromConnectData(topic, schema, value);
                        producer.send(new ProducerRecord<>(topic, bytes), (where, error) -> {
                            if (error != null) failure.compareAndSet(null, error);
                        });
                        count++;
                    }
                }
            }
            database.commit();
            producer.flush();
            if (failure.get() != null) throw new IllegalStateException("a record was not written", failure.get());
            if (count == 0) return total;
            total += count;
        }
    }

    static Schema schema(String table, ResultSetMetaData about) throws SQLException {
        var schema = SchemaBuilder.struct().name(table);
        for (int at = 1; at <= about.getColumnCount(); at++) {
            var column = switch (about.getColumnType(at)) {
                case Types.BIGINT -> SchemaBuilder.int64();
                case Types.INTEGER -> SchemaBuilder.int32();
                case Types.DOUBLE -> SchemaBuilder.float64();
                case Types.BOOLEAN, Types.BIT -> SchemaBuilder.bool();
                case Types.NUMERIC -> Decimal.builder(about.getScale(at))
                    .parameter("connect.decimal.precision", Integer.toString(about.getPrecision(at)));
                case Types.TIMESTAMP -> Timestamp.builder();
                case Types.DATE -> Date.builder();
                default -> SchemaBuilder.string();
            };
            var optional = about.isNullable(at) != ResultSetMetaData.columnNoNulls;
            schema.field(about.getColumnLabel(at), (optional ? column.optional() : column).build());
        }
        return schema.build();
    }

    Getter[] getters(ResultSetMetaData about) throws SQLException {
        var getters = new Getter[about.getColumnCount()];
        for (int at = 1; at <= getters.length; at++) {
            int column = at, scale = about.getScale(at);
            getters[at - 1] = switch (about.getColumnType(at)) {
                case Types.BIGINT -> rows -> rows.getLong(column);
                case Types.INTEGER -> rows -> rows.getInt(column);
                case Types.DOUBLE -> rows -> rows.getDouble(column);
                case Types.BOOLEAN, Types.BIT -> rows -> rows.getBoolean(column);
                case Types.NUMERIC -> rows -> {
                    var number = rows.getBigDecimal(column);
                    return number == null ? null : number.setScale(scale);
                };
                case Types.TIMESTAMP -> rows -> {
                    var moment = rows.getTimestamp(column, utc);
                    return moment == null ? null : new java.util.Date(moment.getTime());
                };
                case Types.DATE -> rows -> rows.getDate(column, utc);
                default -> rows -> rows.getString(column);
            };
        }
        return getters;
    }
}
