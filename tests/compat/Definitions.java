// Prints how Apache Kafka itself defines its settings: table|name|type|default|limits.
// The answers of 4.3.0 stand in host/broker/tests/recorded/definitions-4.3.txt; again with
//
//     java -cp "$(tests/compat/kafka.sh libs)/*" tests/compat/Definitions.java

import java.util.Arrays;
import java.util.TreeMap;
import org.apache.kafka.common.config.ConfigDef;

public class Definitions {
    public static void main(String[] arguments) {
        show("topic", org.apache.kafka.storage.internals.log.LogConfig.configDefCopy());
        show("broker", kafka.server.KafkaConfig.configDef());
    }

    static void show(String table, ConfigDef definitions) {
        for (var key : new TreeMap<>(definitions.configKeys()).values()) {
            var initial = key.hasDefault() ? String.valueOf(key.defaultValue) : "required";
            System.out.println(String.join("|", table, key.name, key.type.toString(), initial, limits(key.validator)));
        }
    }

    // Alternatives in the order of the alphabet, which Kafka leaves to chance.
    static String limits(ConfigDef.Validator validator) {
        var text = validator == null ? "" : validator.toString();
        if (text.isEmpty()) return "-";
        if (text.contains("...") || !text.startsWith("[")) return text;
        var words = text.substring(1, text.length() - 1).split(", ");
        Arrays.sort(words);
        return "[" + String.join(", ", words) + "]";
    }
}
