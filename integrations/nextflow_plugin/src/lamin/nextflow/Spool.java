package lamin.nextflow;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Map;
import java.util.UUID;

/** Where events wait while nobody takes them: the places of lamin_core/location.py. */
final class Spool {
    private static final String INSTANCE = ".lamin";

    private Spool() {}

    /** A file of this process alone, not made yet. */
    static FileSink file(Map<String, String> environment) {
        String name = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss").format(LocalDateTime.now()) + "-"
            + ProcessHandle.current().pid() + "-" + UUID.randomUUID().toString().substring(0, 8) + ".ndjson";
        return new FileSink(folder(environment).resolve(name));
    }

    private static Path folder(Map<String, String> environment) {
        String named = environment.getOrDefault("LAMIN_SPOOL", "");
        if (!named.isEmpty()) return expand(named);
        Path instance = instance(environment);
        if (instance != null && Files.isDirectory(instance)) return instance.resolve("spool");
        String state = environment.getOrDefault("XDG_STATE_HOME", "");
        return expand(state.isEmpty() ? "~/.local/state" : state).resolve("lamin").resolve("spool");
    }

    private static Path instance(Map<String, String> environment) {
        String named = environment.getOrDefault("LAMIN_INSTANCE", "");
        if (!named.isEmpty()) {
            Path folder = expand(named);
            return folder.endsWith(INSTANCE) ? folder : folder.resolve(INSTANCE);
        }
        for (Path here = Paths.get("").toAbsolutePath(); here != null; here = here.getParent()) {
            Path folder = here.resolve(INSTANCE);
            if (Files.isDirectory(folder)) return isOwn(folder) ? folder : null;
        }
        return null;
    }

    /** Whether a folder that was found is this user's: events would be read by whoever owns it (lamin_core/trust.py). */
    private static boolean isOwn(Path folder) {
        try {
            Path home = Paths.get(System.getProperty("user.home"));
            Object user = Files.isDirectory(Paths.get("/proc/self")) ? owner(Paths.get("/proc/self")) : owner(home);
            Path spool = folder.resolve("spool");
            return user.equals(owner(folder)) && (!Files.exists(spool) || user.equals(owner(spool)));
        } catch (IOException | UnsupportedOperationException | IllegalArgumentException unknown) {
            return false;
        }
    }

    private static Object owner(Path path) throws IOException {
        return Files.getAttribute(path, "unix:uid");
    }

    private static Path expand(String path) {
        return Paths.get(path.replaceFirst("^~(?=/|$)", System.getProperty("user.home"))).toAbsolutePath();
    }
}
