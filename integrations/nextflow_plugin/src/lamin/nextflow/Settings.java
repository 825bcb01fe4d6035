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
    private static final Map<String, String> VARIABLES = Map.of(
        "url", "OPENLINEAGE_URL",
        "endpoint", "OPENLINEAGE_ENDPOINT",
        "apiKey", "OPENLINEAGE_API_KEY",
        "disabled", "OPENLINEAGE_DISABLED",
        "transport", "OPENLINEAGE__TRANSPORT",
        "instance", "LAMIN_INSTANCE",
        "spool", "LAMIN_SPOOL",
        "hashLimit", "LAMIN_NEXTFLOW_HASH_LIMIT",
        "hashThreads", "LAMIN_NEXTFLOW_HASH_THREADS",
        "patience", "LAMIN_NEXTFLOW_PATIENCE");

    private Settings() {}

    /** The scope of this session's configuration; empty without one. */
    static Map<?, ?> scope(Session session) {
        Object scope = ask(() -> session.getConfig().get("openlineage"));
        return scope instanceof Map ? (Map<?, ?>) scope : Map.of();
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
