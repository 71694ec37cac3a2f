// Runs Kafka's shell tools one after another in one JVM, which starts faster than one for each, and prints what each says
// and how it ends.
//
//     java … ShellTools HOST:PORT FOLDER <SCRIPT
//
// A line of the script is a name, the tool's class, its arguments, and at last what it reads, with tabs between. In it
// @SERVER@ stands for the broker, @DIR@ for the folder. Printed are `== NAME`, the output, and `== exit CODE`.

import java.io.*;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.kafka.common.utils.Exit;

public class ShellTools {
    static class Ended extends Error {
        final int code;

        Ended(int code) {
            super(null, null, false, false);
            this.code = code;
        }
    }

    public static void main(String[] arguments) throws Exception {
        var out = System.out;
        Exit.setExitProcedure((code, message) -> { throw new Ended(code); });
        Exit.setHaltProcedure((code, message) -> { throw new Ended(code); });
        var script = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)).lines().toList();
        for (var line : script) {
            var fields = line.split("\t", -1);
            for (int at = 1; at < fields.length; at++) {
                fields[at] = fields[at].replace("@SERVER@", arguments[0]).replace("@DIR@", arguments[1]);
            }
            var input = fields[fields.length - 1].replace("\\n", "\n");
            var own = Arrays.copyOfRange(fields, 2, fields.length - 1);
            var said = new ByteArrayOutputStream();
            var printed = new PrintStream(said, true, StandardCharsets.UTF_8);
            System.setOut(printed);
            System.setErr(printed);
            System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
            int code = run(fields[1], own);
            out.println("== " + fields[0]);
            out.println(said.toString(StandardCharsets.UTF_8).stripTrailing());
            out.println("== exit " + code);
            out.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    static int run(String tool, String[] arguments) {
        var ended = new int[] {0};
        var thread = new Thread(() -> {
            try {
                Class.forName(tool).getMethod("main", String[].class).invoke(null, (Object) arguments);
            } catch (InvocationTargetException wrapped) {
                var error = wrapped.getCause();
                if (error instanceof Ended exit) {
                    ended[0] = exit.code;
                } else {
                    System.out.println("Exception in thread \"main\" " + error);
                    ended[0] = 1;
                }
            } catch (ReflectiveOperationException error) {
                System.out.println(error);
                ended[0] = 127;
            }
        });
        thread.start();
        try {
            thread.join(60_000);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
        if (thread.isAlive()) {
            thread.interrupt();
            return -1;
        }
        return ended[0];
    }
}
