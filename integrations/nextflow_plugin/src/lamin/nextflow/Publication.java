package lamin.nextflow;

import static lamin.nextflow.WorkflowReader.ask;

import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * A file or folder that Nextflow says it has published, as it stood at that moment. Nextflow says so also where it left in place
 * what was there: on {@code -resume}, and with {@code overwrite: false}. So the bytes decide.
 */
final class Publication {
    final Path target;
    /** The task's file; null where Nextflow does not tell it, and the target is no link. */
    final Path source;
    /** Whether Nextflow told the source. */
    final boolean isSourceTold;
    final Instant at;
    final List<String> labels;
    private final List<Object> state;
    private final boolean isSource;

    Publication(Path target, Path source, Instant at) {
        this(target, source, at, List.of());
    }

    Publication(Path target, Path source, Instant at, List<String> labels) {
        this.target = target;
        this.labels = labels;
        this.source = source != null ? source : linked(target);
        this.isSourceTold = source != null;
        this.at = at;
        this.state = state(target);
        this.isSource = this.source != null && isOneFile(this.source, target);
    }

    private static Path linked(Path target) {
        return Files.isSymbolicLink(target) ? ask(() -> target.toRealPath()) : null;
    }

    /** A link to the source, or the source itself where {@code mode: 'move'} has put it there. */
    private static boolean isOneFile(Path source, Path target) {
        return !Files.exists(source) || Boolean.TRUE.equals(ask(() -> Files.isSameFile(source, target)));
    }

    /** Identity, size and modification time of a local file; null of anything else. */
    private static List<Object> state(Path path) {
        return ask(() -> {
            if (!DatasetName.isLocal(path)) return null;
            BasicFileAttributes attributes = Files.readAttributes(path, BasicFileAttributes.class);
            if (!attributes.isRegularFile()) return null;
            return Arrays.asList(attributes.fileKey(), attributes.size(), attributes.lastModifiedTime());
        });
    }

    /** Whether {@code mode: 'move'} has taken the task's file away. */
    boolean isMoved() {
        return isSourceTold && !Files.exists(source);
    }

    /** Whether the target has been written again since, by a later task that publishes the same name. */
    boolean isReplaced() {
        return state != null && !state.equals(state(target));
    }

    /** What was published; null where the target holds, or held, other bytes than the task's file. */
    Dataset dataset(Hasher hasher, Instant begin) {
        Digest own = source == null ? null : hasher.digest(source);
        Digest content = isReplaced() ? replaced(own) : hasher.digest(target);
        if (!isOwn(own, content, begin)) return null;
        Map<String, Object> details = source == null ? Map.of() : Map.of("copyOf", Values.plain(source));
        return new Dataset(DatasetName.of(target), content, "published", details, labels);
    }

    /** Of bytes that are gone the size is known, and what the task's file holds if they were those. */
    private Digest replaced(Digest own) {
        Long size = (Long) state.get(1);
        return own != null && size.equals(own.size) ? own : Digest.ofSize(size);
    }

    private boolean isOwn(Digest own, Digest content, Instant begin) {
        if (source == null || isSource) return true;
        if (own != null && content != null) {
            if (own.hash != null && content.hash != null) return own.hash.equals(content.hash);
            if (own.size != null && content.size != null && !own.size.equals(content.size)) return false;
        }
        return isWrittenSince(begin);
    }

    /** Whether it can have been put there since this moment: all there is to go by where no digests can be compared. */
    boolean isWrittenSince(Instant begin) {
        Instant written = ask(() -> Files.getLastModifiedTime(target, LinkOption.NOFOLLOW_LINKS).toInstant());
        return written == null || !written.isBefore(begin);
    }
}
