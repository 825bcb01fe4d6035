package lamin.nextflow;

import static lamin.nextflow.WorkflowReader.ask;

import java.util.LinkedHashMap;
import java.util.Map;
import nextflow.Session;

/**
 * What the user has set: the variables of the environment, and under the same names what the scope {@code openlineage} of
 * nextflow.config says. A variable that is set is stronger.
 */
final class Settings {
    private static final Map<String, String> VARIABLES = Map.ofEntries(
        Map.entry("url", "OPENLINEAGE_URL"),
        Map.entry("endpoint", "OPENLINEAGE_ENDPOINT"),
        Map.entry("apiKey", "OPENLINEAGE_API_KEY"),
        Map.entry("disabled", "OPENLINEAGE_DISABLED"),
        Map.entry("transport", "OPENLINEAGE__TRANSPORT"),
        Map.entry("instance", "LAMIN_INSTANCE"),
        Map.entry("spool", "LAMIN_SPOOL"),
        Map.entry("hashLimit", "LAMIN_NEXTFLOW_HASH_LIMIT"),
        Map.entry("metrics", "LAMIN_NEXTFLOW_METRICS"),
        Map.entry("hashThreads", "LAMIN_NEXTFLOW_HASH_THREADS"),
        Map.entry("patience", "LAMIN_NEXTFLOW_PATIENCE"));

    private Settings() {}

    /** The scope of this session's configuration; empty without one. */
    static Map<?, ?> scope(Session session) {
        Object scope = config(session).get("openlineage");
        return scope instanceof Map ? (Map<?, ?>) scope : Map.of();
    }

    /** All of its configuration. */
    static Map<?, ?> config(Session session) {
        Map<?, ?> config = ask(() -> (Map<?, ?>) session.getConfig());
        return config == null ? Map.of() : config;
    }

    static Map<String, String> of(Map<?, ?> scope, Map<String, String> environment) {
        Map<String, String> settings = new LinkedHashMap<>(environment);
        VARIABLES.forEach((name, variable) -> {
            Object value = scope.get(name);
            if (value == null || !environment.getOrDefault(variable, "").isEmpty()) return;
            settings.put(variable, value instanceof Map ? Json.write(value) : size(value));
        });
        return settings;
    }

    /** {@code 10.GB} is a MemoryUnit, {@code 30.s} a Duration: as plain numbers of bytes and seconds. */
    private static String size(Object value) {
        Object bytes = ask(() -> value.getClass().getMethod("toBytes").invoke(value));
        Object seconds = bytes != null ? bytes : ask(() -> value.getClass().getMethod("toSeconds").invoke(value));
        return String.valueOf(seconds != null ? seconds : value);
    }

    static boolean isEnabled(Map<?, ?> scope) {
        return !Boolean.FALSE.equals(scope.get("enabled"));
    }

    static long number(Map<String, String> settings, String variable, long otherwise) {
        try {
            return Long.parseLong(settings.getOrDefault(variable, "").trim());
        } catch (NumberFormatException unset) {
            return otherwise;
        }
    }
}
