package lamin.nextflow;

import java.nio.file.Path;
import java.util.Map;

/** A file that a task reads: as its producer or the user named it, where its bytes are, and what its link in the work folder is called. */
final class Input {
    final Path name;
    final Path bytes;
    /** Null where it is the name of the file. */
    final String stageName;

    Input(Path name, Path bytes, String stageName) {
        this.name = name;
        this.bytes = bytes;
        this.stageName = stageName;
    }

    /** One that is called as it is. */
    Input(Path file) {
        this(file, file, null);
    }

    Map<String, Object> details() {
        return stageName == null ? Map.of() : Map.of("stageName", stageName);
    }
}
