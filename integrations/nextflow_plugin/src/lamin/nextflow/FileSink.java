package lamin.nextflow;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;

/** Appends to an NDJSON file, which is made with the first event; a line is one write, so that processes can share the file. */
final class FileSink implements Sink {
    final Path path;

    FileSink(Path path) {
        this.path = path;
    }

    @Override
    public void emit(String event) throws IOException {
        if (path.getParent() != null) Files.createDirectories(path.getParent());
        ByteBuffer line = ByteBuffer.wrap((event + "\n").getBytes(StandardCharsets.US_ASCII));
        // Opened for each line: whoever takes the file away meanwhile gets whole lines, and the next goes to a new file.
        try (FileChannel file = FileChannel.open(path,
                Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.APPEND),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")))) {
            while (line.hasRemaining()) file.write(line);
        }
    }
}
