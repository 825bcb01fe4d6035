package lamin.nextflow;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.UUID;

/**
 * Events on disk until one destination has them: segments, the oldest first, those that earlier pipelines left before ours. Named
 * as openlineage/lamin/emit/spool.py names them, so that any later run, in Java or Python, delivers what waits here.
 */
final class Spool {
    private static final long SEGMENT_BYTES = 4 << 20;
    /** In the names of segments that Java writes, the only ones whose locks it can see. */
    private static final String OURS = "-nf";

    final Path folder;
    private final String key;
    private final String origin;
    private final long limit;
    private final List<Segment> segments = new ArrayList<>();
    private Segment current;

    /** {@code origin} is the folder of a run that has no destination, else null; {@code limit} is bytes of the whole folder. */
    Spool(Path folder, String key, String origin, long limit) {
        this.folder = folder;
        this.key = key;
        this.origin = origin;
        this.limit = limit;
    }

    /** Keep this event; it survives the end of this process. */
    synchronized void append(String event) throws IOException {
        if (current != null && (current.size() > SEGMENT_BYTES || !Files.exists(current.path))) current = null;
        if (current == null) {
            current = open();
            segments.add(current);
        }
        current.append(event);
    }

    private Segment open() throws IOException {
        makeFolder();
        if (size() > limit) throw new IOException(folder + " is full; run lamin events replay, or raise LAMIN_SPOOL_LIMIT");
        if (origin != null) note();
        long nanoseconds = System.currentTimeMillis() * 1_000_000 + System.nanoTime() % 1_000_000;
        return Segment.create(folder.resolve(String.format("%020d-%d%s%s.%s.ndjson", nanoseconds, ProcessHandle.current().pid(), OURS,
            UUID.randomUUID().toString().substring(0, 6), key)));
    }

    private void makeFolder() throws IOException {
        if (Files.isDirectory(folder)) return;
        if (folder.getParent() != null) Files.createDirectories(folder.getParent());
        try {
            Files.createDirectory(folder, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        } catch (FileAlreadyExistsException meanwhile) {
            if (!Files.isDirectory(folder)) throw meanwhile;
        }
    }

    private long size() throws IOException {
        long total = 0;
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
            for (Path file : files) total += file.toFile().length();
        }
        return total;
    }

    /** For which folder these events wait: lamin_core/runtime/waiting_folders.py reads it. */
    private void note() throws IOException {
        try {
            Files.write(folder.resolve(key + ".folder"), origin.getBytes(StandardCharsets.UTF_8), StandardOpenOption.CREATE_NEW,
                StandardOpenOption.WRITE);
        } catch (FileAlreadyExistsException noted) {
            return;
        }
    }

    /** Take over what earlier pipelines left for the same destination. */
    synchronized void adopt() {
        List<Path> paths = new ArrayList<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "*" + OURS + "*." + key + ".ndjson")) {
            files.forEach(paths::add);
        } catch (IOException none) {
            return;
        }
        Collections.sort(paths);
        for (Path path : paths) {
            boolean isOurs = segments.stream().anyMatch(segment -> segment.path.equals(path));
            Segment left = isOurs ? null : Segment.claim(path); // to open one of ours again would unlock it
            if (left != null) segments.add(0, left);
        }
        segments.sort((a, b) -> a.path.compareTo(b.path));
    }

    /** What is here by now may go; what comes while it goes gathers, for else it would go singly. */
    synchronized void release() {
        segments.forEach(Segment::release);
    }

    /** The first events that are not sent, at most so many of those that were released. */
    synchronized List<String> next(int most) throws IOException {
        while (!segments.isEmpty()) {
            Segment oldest = segments.get(0);
            List<String> events = oldest.isSent() ? List.of() : oldest.next(most);
            if (!events.isEmpty()) return events;
            if (oldest == current || !oldest.isSent()) return events;
            segments.remove(0);
            oldest.remove();
        }
        return List.of();
    }

    /** So many of the events of {@link #next} are at their destination. */
    synchronized void advance(int events) throws IOException {
        segments.get(0).advance(events);
    }

    /** The first event of {@link #next} will never be taken: beside the segment it waits for lamin events requeue. */
    synchronized void putAside(String event, String reason) throws IOException {
        String name = segments.get(0).path.getFileName().toString().replaceFirst("\\.ndjson$", ".aside");
        new FileSink(folder.resolve(name)).emit(event);
        new FileSink(folder.resolve(name + ".reasons")).emit(Json.write(java.util.Map.of(
            "at", java.time.Instant.now().toString(), "reason", reason.substring(0, Math.min(500, reason.length())))));
        advance(1);
    }

    /** Let go of everything; what is sent is removed, what is not waits. */
    synchronized void close() throws IOException {
        for (Segment segment : segments) {
            if (segment.isSent()) segment.remove();
            else segment.close();
        }
        segments.clear();
        current = null;
        folder.toFile().delete(); // if nothing is in it
    }
}
