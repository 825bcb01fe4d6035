package lamin.nextflow;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Map;

/** Where events wait, and for which registry: the rules of lamin_core/runtime/paths.py. */
final class SpoolFolder {
    private static final String INSTANCE = ".lamin";
    private static final String USER = System.getProperty("user.home");

    /** The folder of the spool. */
    final Path path;
    /** The `.lamin` folder of the instance that the events are for; null where there is none that may be used. */
    final Path instance;

    private SpoolFolder(Path path, Path instance) {
        this.path = path;
        this.instance = instance;
    }

    static SpoolFolder of(Map<String, String> environment) {
        Path instance = instance(environment);
        String named = environment.getOrDefault("LAMIN_SPOOL", "");
        if (!named.isEmpty()) return new SpoolFolder(expand(named), instance);
        if (instance != null && Files.isWritable(instance)) return new SpoolFolder(instance.resolve("spool"), instance);
        return new SpoolFolder(base(environment, "XDG_STATE_HOME", ".local/state").resolve("spool"), instance);
    }

    private static Path instance(Map<String, String> environment) {
        String named = environment.getOrDefault("LAMIN_INSTANCE", "");
        if (named.contains("://")) return ofDatabase(named, environment);
        if (!named.isEmpty()) {
            Path folder = expand(named);
            return folder.endsWith(INSTANCE) ? folder : folder.resolve(INSTANCE);
        }
        for (Path here = Paths.get("").toAbsolutePath(); here != null; here = here.getParent()) {
            Path folder = here.resolve(INSTANCE);
            if (Files.isDirectory(folder)) return isOwn(folder) && !Files.exists(folder.resolve("connected")) ? folder : null;
        }
        return null;
    }

    /** What this user keeps about an instance that is known by its database alone. */
    private static Path ofDatabase(String url, Map<String, String> environment) {
        String name = Blake2b.hex(url.getBytes(StandardCharsets.UTF_8), 8);
        return base(environment, "XDG_DATA_HOME", ".local/share").resolve("databases").resolve(name).resolve(INSTANCE);
    }

    /** Whether a folder that was found is this user's: events would be read by whoever owns it (lamin_core/runtime/trust.py). */
    private static boolean isOwn(Path folder) {
        try {
            Object user = Files.isDirectory(Paths.get("/proc/self")) ? owner(Paths.get("/proc/self")) : owner(Paths.get(USER));
            Path spool = folder.resolve("spool");
            return user.equals(owner(folder)) && (!Files.exists(spool) || user.equals(owner(spool)));
        } catch (IOException | UnsupportedOperationException | IllegalArgumentException unknown) {
            return false;
        }
    }

    private static Object owner(Path path) throws IOException {
        return Files.getAttribute(path, "unix:uid");
    }

    /** The folder of this project in one of the user's folders. */
    static Path base(Map<String, String> environment, String variable, String otherwise) {
        String named = environment.getOrDefault(variable, "");
        return (named.isEmpty() ? Paths.get(USER, otherwise) : Paths.get(named)).resolve("lamin");
    }

    private static Path expand(String path) {
        return Paths.get(path.replaceFirst("^~(?=/|$)", USER)).toAbsolutePath().normalize();
    }
}
