// Prints Apache Kafka's own table of error codes: number|name|exception|retriable, refreshes metadata or neither.
// The answer of 4.3.0 stands in host/wire/tests/recorded/error-codes-4.3.txt; again with
//
//     java -cp "$(tests/compat/kafka.sh libs)/*" tests/compat/ErrorCodes.java

import java.util.Arrays;
import java.util.Comparator;
import org.apache.kafka.common.errors.InvalidMetadataException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.protocol.Errors;

public class ErrorCodes {
    public static void main(String[] arguments) {
        var codes = Errors.values();
        Arrays.sort(codes, Comparator.comparing(Errors::code));
        for (var code : codes) {
            var exception = code.exception();
            var kind = exception instanceof InvalidMetadataException ? "refreshes metadata"
                : exception instanceof RetriableException ? "retriable" : "-";
            var name = exception == null ? "-" : exception.getClass().getName();
            System.out.println(String.join("|", String.valueOf(code.code()), code.name(), name, kind));
        }
    }
}
