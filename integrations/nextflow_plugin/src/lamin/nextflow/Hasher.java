package lamin.nextflow;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Arrays;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Content identity, as lamin_core/hashing.py has it: BLAKE3 over every byte of a file, or over the sorted entries of a folder.
 * A file is read once as long as its identity, size and modification time stay, by whatever links it is reached.
 */
final class Hasher {
    static final String FILE = "blake3";
    static final String FOLDER = "blake3-dir";
    private static final int BUFFER = 1 << 16;

    private final Map<List<Object>, Digest> known = new ConcurrentHashMap<>();
    private final long limit;
    private volatile boolean hurried;

    Hasher() {
        this(Long.MAX_VALUE);
    }

    /** Files and folders above this size in bytes are not read. */
    Hasher(long limit) {
        this.limit = limit;
    }

    /** With the limit in {@code LAMIN_NEXTFLOW_HASH_LIMIT}: 0 reads nothing. */
    static Hasher fromEnvironment(Map<String, String> environment) {
        try {
            return new Hasher(Long.parseLong(environment.getOrDefault("LAMIN_NEXTFLOW_HASH_LIMIT", "").trim()));
        } catch (NumberFormatException unset) {
            return new Hasher();
        }
    }

    /** From now on only sizes are told: there is no time left to read files. */
    void hurry() {
        hurried = true;
    }

    void relax() {
        hurried = false;
    }

    /** The content at this path; null if there is none to be read, or no local one. */
    Digest digest(Path path) {
        if (!DatasetName.isLocal(path)) return hurried ? null : remote(path);
        try {
            BasicFileAttributes attributes = Files.readAttributes(path, BasicFileAttributes.class);
            if (attributes.isDirectory()) return hurried ? null : folder(path);
            if (!attributes.isRegularFile()) return null; // a pipe or a device
            return file(path, attributes);
        } catch (IOException | RuntimeException unreadable) {
            return null;
        }
    }

    private static Digest remote(Path path) {
        try {
            return Files.isDirectory(path) ? null : Digest.ofSize(Files.size(path));
        } catch (IOException | RuntimeException unknown) {
            return null;
        }
    }

    private Digest file(Path path, BasicFileAttributes attributes) throws IOException {
        Object identity = attributes.fileKey() == null ? path : attributes.fileKey();
        List<Object> key = List.of(identity, attributes.size(), attributes.lastModifiedTime());
        Digest found = known.get(key);
        if (found != null) return found;
        String hash = hurried || attributes.size() > limit ? null : read(path);
        if (hash == null) return Digest.ofSize(attributes.size());
        found = new Digest(FILE, hash, attributes.size(), null);
        known.put(key, found);
        return found;
    }

    private String read(Path path) throws IOException {
        Blake3 hash = new Blake3();
        byte[] buffer = new byte[BUFFER];
        try (InputStream bytes = Files.newInputStream(path)) {
            for (int count; (count = bytes.read(buffer)) >= 0; ) {
                if (hurried) return null;
                hash.update(buffer, 0, count);
            }
        }
        return hash.hex();
    }

    private Digest folder(Path root) throws IOException {
        List<Path> files = new ArrayList<>();
        collect(root, files, new HashSet<>());
        long total = 0;
        for (Path file : files) total += Files.size(file);
        if (total > limit) return null;
        List<byte[]> names = new ArrayList<>();
        List<Digest> digests = new ArrayList<>();
        List<Integer> order = new ArrayList<>();
        for (Path file : files) {
            Digest digest = file(file, Files.readAttributes(file, BasicFileAttributes.class));
            if (digest.hash == null) return null;
            order.add(order.size());
            names.add(root.relativize(file).toString().getBytes(StandardCharsets.UTF_8));
            digests.add(digest);
        }
        order.sort((a, b) -> Arrays.compareUnsigned(names.get(a), names.get(b)));
        Blake3 hash = new Blake3();
        long size = 0;
        for (int i : order) {
            Digest digest = digests.get(i);
            hash.update(names.get(i)).update(("\0" + digest.size + "\0" + digest.hash + "\n").getBytes(StandardCharsets.UTF_8));
            size += digest.size;
        }
        return new Digest(FOLDER, hash.hex(), size, files.size());
    }

    private static void collect(Path folder, List<Path> files, Set<Object> seen) throws IOException {
        Object identity = Files.readAttributes(folder, BasicFileAttributes.class).fileKey();
        if (!seen.add(identity == null ? folder.toRealPath() : identity)) return; // a link back up: known already
        List<Path> entries;
        try (Stream<Path> listing = Files.list(folder)) {
            entries = listing.collect(Collectors.toList());
        }
        for (Path entry : entries) {
            if (Files.isDirectory(entry)) collect(entry, files, seen);
            else if (Files.isRegularFile(entry)) files.add(entry);
        }
    }
}
