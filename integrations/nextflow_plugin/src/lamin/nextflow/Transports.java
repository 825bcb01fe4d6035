package lamin.nextflow;

import static lamin.nextflow.WorkflowReader.ask;

import java.lang.reflect.Constructor;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * The transports that a user configures for openlineage-python: {@code OPENLINEAGE__TRANSPORT__...}, else {@code openlineage.yml}.
 * {@code http}, {@code file}, {@code noop} and {@code composite} are followed; for any other there is {@code lamin nextflow}.
 */
final class Transports {
    static final String VARIABLES = "OPENLINEAGE__TRANSPORT";
    /** As the name of the configuration: no file is read. */
    static final String NO_FILE = "-";
    private static final String ALIAS = "default_http";

    private Transports() {}

    static List<Destination> of(Map<String, String> settings) {
        List<Destination> found = new ArrayList<>();
        try {
            add(configured(settings), settings, found);
        } catch (Exception | LinkageError broken) {
            Warnings.say("openlineage.yml is not followed: " + broken);
        }
        return found;
    }

    private static void add(Map<?, ?> config, Map<String, String> settings, List<Destination> found) {
        String type = text(config, "type");
        if (type == null || type.equals("noop")) return;
        if (type.equals("composite")) {
            named(config.get("transports")).forEach((name, transport) -> {
                boolean isAlias = ALIAS.equals(name) && !settings.getOrDefault("OPENLINEAGE_URL", "").isEmpty();
                if (!isAlias) add(transport, settings, found);
            });
        } else if (type.equals("http") && text(config, "url") != null) {
            found.add(http(config));
        } else if (type.equals("file") && text(config, "log_file_path") != null) {
            found.add(Destination.transport(description(config), Destinations.file(text(config, "log_file_path"))));
        } else {
            Warnings.say("the transport '" + type + "' of openlineage.yml is not followed by the plugin alone: run lamin nextflow");
        }
    }

    private static Destination http(Map<?, ?> config) {
        String address = Destinations.address(text(config, "url"), text(config, "endpoint"));
        Map<String, String> headers = new LinkedHashMap<>();
        map(get(config, "custom_headers")).forEach((name, value) -> headers.put(String.valueOf(name), String.valueOf(value)));
        String key = text(map(get(config, "auth")), "api_key");
        return Destination.transport(description(config), Destinations.http(address, key, headers, false));
    }

    /** The configuration without its keys, which may change from one day to the next. */
    private static String description(Map<?, ?> config) {
        Map<String, Object> sorted = new TreeMap<>();
        config.forEach((name, value) -> sorted.put(String.valueOf(name), value));
        sorted.remove("auth");
        return Json.write(sorted);
    }

    private static Map<String, Map<?, ?>> named(Object transports) {
        Map<String, Map<?, ?>> found = new LinkedHashMap<>();
        if (transports instanceof Map) ((Map<?, ?>) transports).forEach((name, config) -> found.put(String.valueOf(name), map(config)));
        if (transports instanceof List) {
            for (Object config : (List<?>) transports) found.put(found.size() + " " + text(map(config), "name"), map(config));
        }
        return found;
    }

    private static Map<?, ?> configured(Map<String, String> settings) throws Exception {
        Map<String, Object> byVariable = new TreeMap<>();
        for (Map.Entry<String, String> entry : new TreeMap<>(settings).entrySet()) {
            if (entry.getKey().equals(VARIABLES)) byVariable.putAll(strings(map(yaml(entry.getValue()))));
            else if (entry.getKey().startsWith(VARIABLES + "__")) put(byVariable, entry.getKey().substring(VARIABLES.length() + 2), entry.getValue());
        }
        if (!byVariable.isEmpty()) return byVariable;
        Path file = file(settings);
        if (file == null) return Map.of();
        return map(map(yaml(new String(Files.readAllBytes(file), StandardCharsets.UTF_8))).get("transport"));
    }

    @SuppressWarnings("unchecked")
    private static void put(Map<String, Object> target, String variable, String value) throws Exception {
        String[] names = variable.toLowerCase(Locale.ROOT).split("__");
        for (int i = 0; i < names.length - 1; i++) {
            target = (Map<String, Object>) target.computeIfAbsent(names[i], name -> new TreeMap<String, Object>());
        }
        target.put(names[names.length - 1], value.trim().startsWith("{") ? yaml(value) : value);
    }

    private static Map<String, Object> strings(Map<?, ?> map) {
        Map<String, Object> found = new LinkedHashMap<>();
        map.forEach((name, value) -> found.put(String.valueOf(name), value));
        return found;
    }

    private static Path file(Map<String, String> settings) {
        String named = settings.getOrDefault("OPENLINEAGE_CONFIG", "");
        if (named.equals(NO_FILE)) return null;
        for (Path path : new Path[] {named.isEmpty() ? null : Paths.get(named), Paths.get("openlineage.yml"),
                Paths.get(System.getProperty("user.home"), ".openlineage", "openlineage.yml")}) {
            if (path != null && Files.isRegularFile(path)) return path;
        }
        return null;
    }

    /** By Nextflow's own YAML reader, which builds plain values only; its constructor changed with release 2. */
    private static Object yaml(String text) throws Exception {
        Class<?> safe = Class.forName("org.yaml.snakeyaml.constructor.SafeConstructor");
        Object constructor = ask(() -> safe.getConstructor().newInstance());
        if (constructor == null) {
            Class<?> options = Class.forName("org.yaml.snakeyaml.LoaderOptions");
            constructor = safe.getConstructor(options).newInstance(options.getConstructor().newInstance());
        }
        Class<?> yaml = Class.forName("org.yaml.snakeyaml.Yaml");
        Constructor<?> reader = yaml.getConstructor(Class.forName("org.yaml.snakeyaml.constructor.BaseConstructor"));
        return yaml.getMethod("load", String.class).invoke(reader.newInstance(constructor), text);
    }

    private static Map<?, ?> map(Object value) {
        return value instanceof Map ? (Map<?, ?>) value : Map.of();
    }

    private static String text(Map<?, ?> config, String name) {
        Object value = get(config, name);
        return value == null ? null : String.valueOf(value);
    }

    /** {@code apiKey}, {@code api_key} and {@code apikey} are one name. */
    private static Object get(Map<?, ?> config, String name) {
        for (Map.Entry<?, ?> entry : config.entrySet()) {
            if (plain(String.valueOf(entry.getKey())).equals(plain(name))) return entry.getValue();
        }
        return null;
    }

    private static String plain(String name) {
        return name.replace("_", "").toLowerCase(Locale.ROOT);
    }
}
