// Runs Kafka's shell tools one after another in one JVM, which starts faster than one for each, and prints what each says
// and how it ends.
//
//     java … ShellTools HOST:PORT FOLDER <SCRIPT
//
// A line of the script is a name, the tool's class, its arguments, and at last what it reads, with tabs between. In it
// @SERVER@ stands for the broker, @DIR@ for the folder. Printed are `== NAME`, the output, and `== exit CODE`.

import java.io.*;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.*;

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
        catchEnds();
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

    // The class through which tools end has another package from 4.4 on.
    static void catchEnds() throws ReflectiveOperationException {
        for (var place : List.of("utils", "utils.internals", "internals")) {
            try {
                var exit = Class.forName("org.apache.kafka.common." + place + ".Exit");
                var procedure = Class.forName(exit.getName() + "$Procedure");
                var end = Proxy.newProxyInstance(exit.getClassLoader(), new Class<?>[] {procedure},
                    (proxy, method, arguments) -> { throw new Ended((Integer) arguments[0]); });
                for (var name : List.of("setExitProcedure", "setHaltProcedure")) {
                    exit.getMethod(name, procedure).invoke(null, end);
                }
                return;
            } catch (ClassNotFoundException elsewhere) {
                continue;
            }
        }
        throw new IllegalStateException("no class Exit");
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
            // Longer than they wait for a topic that does not exist.
            thread.join(90_000);
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
