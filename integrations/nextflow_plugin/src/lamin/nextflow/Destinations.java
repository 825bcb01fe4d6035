package lamin.nextflow;

import java.io.IOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Where the events of this pipeline go: the address in {@code OPENLINEAGE_URL}, and the transports of {@code openlineage.yml} and
 * {@code OPENLINEAGE__TRANSPORT__...}; where there are none, the registry here, which takes them out of the spool.
 */
final class Destinations {
    private static final String ENDPOINT = "api/v1/lineage";

    private Destinations() {}

    static List<Destination> of(Map<String, String> settings, SpoolFolder spool) {
        List<Destination> found = remote(settings);
        if (found.isEmpty()) found.add(Destination.registry(spool));
        return found;
    }

    /** What nextflow.config alone names: all else is known to whoever reads {@code LAMIN_NEXTFLOW_EVENTS}. */
    static List<Destination> ofScope(Map<?, ?> scope, Map<String, String> environment) {
        Map<String, String> settings = Settings.of(scope, environment);
        settings.keySet().removeIf(name -> name.startsWith(Transports.VARIABLES) && environment.containsKey(name));
        if (!environment.getOrDefault("OPENLINEAGE_URL", "").isEmpty()) settings.remove("OPENLINEAGE_URL");
        settings.put("OPENLINEAGE_CONFIG", Transports.NO_FILE);
        return remote(settings);
    }

    private static List<Destination> remote(Map<String, String> settings) {
        List<Destination> found = new ArrayList<>();
        if (isDisabled(settings)) return found;
        String url = settings.getOrDefault("OPENLINEAGE_URL", "").trim();
        if (!url.isEmpty()) found.add(endpoint(url, settings));
        found.addAll(Transports.of(settings));
        return found;
    }

    /** As openlineage-python reads it: then nothing leaves this machine. */
    static boolean isDisabled(Map<String, String> settings) {
        return settings.getOrDefault("OPENLINEAGE_DISABLED", "").trim().equalsIgnoreCase("true");
    }

    private static Destination endpoint(String url, Map<String, String> settings) {
        String address = address(url, settings.getOrDefault("OPENLINEAGE_ENDPOINT", ENDPOINT));
        return Destination.endpoint(address, http(address, settings.get("OPENLINEAGE_API_KEY"), Map.of(), true));
    }

    static String address(String url, String endpoint) {
        return url.replaceFirst("/+$", "") + "/" + (endpoint == null ? ENDPOINT : endpoint).replaceFirst("^/+", "");
    }

    /** Several events at once, as openlineage/lamin/emit sends them, only where the transport is ours. */
    static Sink http(String address, String apiKey, Map<String, String> headers, boolean takesBatches) {
        try {
            URL parsed = new URL(address);
            if (!parsed.getProtocol().startsWith("http")) throw new MalformedURLException(address);
            return new HttpSink(parsed, apiKey, headers, takesBatches);
        } catch (MalformedURLException wrong) {
            return event -> {
                throw new IOException("'" + Redaction.text(address) + "' is no HTTP address");
            };
        }
    }

    static Sink file(String path) {
        return new FileSink(Paths.get(path));
    }
}
