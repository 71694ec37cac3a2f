import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Predicate;

import org.sourcelab.kafka.connect.apiclient.Configuration;
import org.sourcelab.kafka.connect.apiclient.KafkaConnectClient;
import org.sourcelab.kafka.connect.apiclient.request.dto.ConnectorPluginConfigDefinition;
import org.sourcelab.kafka.connect.apiclient.request.dto.ConnectorStatus;
import org.sourcelab.kafka.connect.apiclient.request.dto.NewConnectorDefinition;
import org.sourcelab.kafka.connect.apiclient.request.post.PostConnectorRestart;
import org.sourcelab.kafka.connect.apiclient.rest.exceptions.InvalidRequestException;
import org.sourcelab.kafka.connect.apiclient.rest.exceptions.ResourceNotFoundException;

/** Every verb of kafka-connect-client against the worker at the first argument; prints [verb, ending, words] for each. */
public class ConnectClient {
    private static KafkaConnectClient client;

    public static void main(String[] arguments) throws Exception {
        client = new KafkaConnectClient(new Configuration(arguments[0]));
        Path file = Path.of(arguments[1], "in.txt");
        Files.writeString(file, "one\ntwo\n");
        String type = "org.apache.kafka.connect.file.FileStreamSourceConnector";
        Map<String, String> config = new HashMap<>(
            Map.of("connector.class", type, "tasks.max", "1", "file", file.toString(), "topic", "lines"));
        NewConnectorDefinition made = new NewConnectorDefinition("c", config);
        Map<String, String> named = with(config, "name", "c");

        check("version", client::getConnectServerVersion, found -> found.getVersion() != null && found.getKafkaClusterId() != null);
        check("create", () -> client.addConnector(made), found -> found.getName().equals("c") && found.getConfig().equals(named));
        check("create-again", () -> refused(409, () -> client.addConnector(made)), found -> found);
        check("create-wrong", () -> refused(400, () -> client.addConnector(new NewConnectorDefinition("d", Map.of("connector.class", type)))), found -> found);
        until("RUNNING", () -> true);
        check("list", client::getConnectors, found -> List.copyOf(found).equals(List.of("c")));
        check("list-status", client::getConnectorsWithExpandedStatus,
            found -> found.getStatusForConnector("c").getConnector().get("state").equals("RUNNING"));
        check("list-info", client::getConnectorsWithExpandedInfo, found -> found.getDefinitionForConnector("c").getType().equals("source"));
        check("list-all", client::getConnectorsWithAllExpandedMetadata,
            found -> found.getDefinitionForConnector("c").getConfig().equals(named) && found.getStatusForConnector("c").getTasks().size() == 1);
        check("get", () -> client.getConnector("c"), found -> found.getTasks().get(0).getTask() == 0);
        check("config", () -> client.getConnectorConfig("c"), found -> found.equals(named));
        check("status", () -> client.getConnectorStatus("c"), found -> found.getTasks().get(0).getState().equals("RUNNING"));
        check("update", () -> client.updateConnectorConfig("c", with(config, "batch.size", "7")), found -> found.getConfig().get("batch.size").equals("7"));
        check("pause", () -> until("PAUSED", () -> client.pauseConnector("c")), found -> found);
        check("resume", () -> until("RUNNING", () -> client.resumeConnector("c")), found -> found);
        check("restart", () -> until("RUNNING", () -> client.restartConnector("c")), found -> found);
        check("restart-with-tasks", () -> until("RUNNING", () -> client.restartConnector(new PostConnectorRestart("c").withIncludeTasks(true))), found -> found);
        check("restart-failed",
            () -> until("RUNNING", () -> client.restartConnector(new PostConnectorRestart("c").withIncludeTasks(true).withOnlyFailed(true))), found -> found);
        check("tasks", () -> client.getConnectorTasks("c"), found -> found.iterator().next().getId().getTask() == 0);
        check("task-status", () -> client.getConnectorTaskStatus("c", 0), found -> found.getState().equals("RUNNING"));
        check("restart-task", () -> until("RUNNING", () -> client.restartConnectorTask("c", 0)), found -> found);
        check("topics", () -> client.getConnectorTopics("c"), found -> found.getName().equals("c"));
        check("reset-topics", () -> client.resetConnectorTopics("c"), found -> found);
        check("plugins", client::getConnectorPlugins, found -> found.stream().anyMatch(plugin -> plugin.getClassName().equals(type)));
        check("validate", () -> client.validateConnectorPluginConfig(new ConnectorPluginConfigDefinition(type, with(config, "name", "d"))),
            found -> found.getErrorCount() == 0);
        check("validate-wrong", () -> client.validateConnectorPluginConfig(new ConnectorPluginConfigDefinition(type, Map.of("connector.class", type, "name", "d"))),
            found -> found.getErrorCount() == 1);
        check("stop", () -> until("STOPPED", () -> client.stopConnector("c")), found -> found);
        check("delete", () -> client.deleteConnector("c"), found -> found && client.getConnectors().isEmpty());
        check("get-of-none", () -> {
            try {
                client.getConnector("c");
                return false;
            } catch (ResourceNotFoundException expected) {
                return true;
            }
        }, found -> found);
    }

    private static Map<String, String> with(Map<String, String> config, String key, String value) {
        Map<String, String> more = new HashMap<>(config);
        more.put(key, value);
        return more;
    }

    private static boolean refused(int status, Callable<?> act) throws Exception {
        try {
            act.call();
            return false;
        } catch (InvalidRequestException refusal) {
            return refusal.getErrorCode() == status;
        }
    }

    /** Does something and waits until the connector and its tasks have a state; gives what the first gave. */
    private static <T> T until(String state, Callable<T> act) throws Exception {
        T found = act.call();
        long end = System.nanoTime() + 60_000_000_000L;
        while (true) {
            ConnectorStatus status = client.getConnectorStatus("c");
            List<String> states = new ArrayList<>(List.of(status.getConnector().get("state")));
            status.getTasks().forEach(task -> states.add(task.getState()));
            if (states.stream().allMatch(state::equals)) {
                return found;
            }
            if (end < System.nanoTime()) {
                throw new IOException("the connector is not " + state + ": " + states);
            }
            Thread.sleep(100);
        }
    }

    /** Runs a verb, and says whether what it gives is right. */
    private static <T> void check(String verb, Callable<T> act, Predicate<T> right) {
        String ending = "passed", words = "";
        try {
            T found = act.call();
            if (!right.test(found)) {
                ending = "failed";
                words = "gave " + found;
            }
        } catch (Exception error) { // The client's own errors are findings.
            ending = "failed";
            words = error.toString();
        }
        words = words.substring(0, Math.min(300, words.length())).replaceAll("[^ -~]", " ").replace("\\", "/").replace("\"", "'");
        System.out.println("[\"" + verb + "\", \"" + ending + "\", \"" + words + "\"]");
    }
}
