package lamin.nextflow;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Content identity, as lamin_core/storage/hashing.py has it: BLAKE3 over every byte of a file, or over the sorted entries of a
 * folder. A file is read once as long as its identity, size and times stay, by whatever links it is reached; large ones also
 * not again by the next run ({@link DigestCache}). Several files are read at once.
 */
final class Hasher {
    static final String FILE = "blake3";
    static final String FOLDER = "blake3-dir";
    private static final int BUFFER = 1 << 16;
    /** Bytes from which on a look into the cache costs less than to read the file. */
    private static final long CACHED_FROM = 1 << 17;
    /** Milliseconds in which a file may change twice without a change of its times (lamin_core/storage/digest_cache.py). */
    private static final long FINE_TICK = 50;
    private static final long COARSE_TICK = 2_000;
    private static final int REMEMBERED = 10_000;
    private static final int THREADS = 4;
    private static final int AHEAD = 2_000;

    private final Map<String, Digest> known = Collections.synchronizedMap(new LinkedHashMap<>() {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Digest> eldest) {
            return size() > REMEMBERED;
        }
    });
    private final Map<String, CompletableFuture<String>> reading = new ConcurrentHashMap<>();
    private final long limit;
    private final DigestCache cache;
    private final ThreadPoolExecutor threads;
    private volatile boolean hurried;

    /** Files and folders above {@code limit} bytes are not read. */
    private Hasher(long limit, int threads, DigestCache cache) {
        this.limit = limit;
        this.cache = cache;
        this.threads = new ThreadPoolExecutor(threads, threads, 10, TimeUnit.SECONDS, new LinkedBlockingQueue<>(AHEAD), work -> {
            Thread thread = new Thread(work, "lamin-hash");
            thread.setDaemon(true);
            return thread;
        }, new ThreadPoolExecutor.DiscardPolicy());
        this.threads.allowCoreThreadTimeOut(true);
    }

    /** With {@code LAMIN_NEXTFLOW_HASH_LIMIT} (bytes; 0 reads nothing) and {@code LAMIN_NEXTFLOW_HASH_THREADS}. */
    static Hasher of(Map<String, String> settings) {
        long limit = Settings.number(settings, "LAMIN_NEXTFLOW_HASH_LIMIT", Long.MAX_VALUE);
        int processors = Runtime.getRuntime().availableProcessors();
        long threads = Settings.number(settings, "LAMIN_NEXTFLOW_HASH_THREADS", Math.max(1, Math.min(THREADS, processors / 2)));
        Path folder = SpoolFolder.base(settings, "XDG_CACHE_HOME", ".cache");
        DigestCache cache = limit <= 0 ? DigestCache.none() : DigestCache.in(folder.resolve("nextflow").resolve("digests"));
        return new Hasher(limit, (int) Math.max(1, Math.min(64, threads)), cache);
    }

    /** Begin to read what is soon asked for; nobody waits. */
    void prefetch(Path path) {
        if (!hurried && limit > 0 && DatasetName.isLocal(path)) threads.execute(() -> digest(path));
    }

    void close() {
        threads.shutdown();
        cache.close();
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
        String state = state(path, attributes);
        Digest found = known.get(state);
        if (found != null) return found;
        long size = attributes.size();
        String hash = size > limit ? null : size >= CACHED_FROM ? cache.get(state) : null;
        if (hash == null && !hurried && size <= limit) hash = readOnce(path, state, size);
        if (hash == null) return Digest.ofSize(size);
        found = new Digest(FILE, hash, size, null);
        known.put(state, found);
        return found;
    }

    /** What tells whether a file is still the same: device, inode, size, modified, changed. */
    private static String state(Path path, BasicFileAttributes attributes) {
        Object identity = attributes.fileKey() == null ? path : attributes.fileKey();
        return identity + " " + attributes.size() + " " + attributes.lastModifiedTime().to(TimeUnit.NANOSECONDS) + " " + changed(path);
    }

    private static Object changed(Path path) {
        try {
            return ((FileTime) Files.getAttribute(path, "unix:ctime")).to(TimeUnit.NANOSECONDS);
        } catch (IOException | RuntimeException unknown) {
            return "";
        }
    }

    /** Read by one thread, whoever else asks for it meanwhile; null where there was no time. */
    private String readOnce(Path path, String state, long size) throws IOException {
        CompletableFuture<String> mine = new CompletableFuture<>();
        CompletableFuture<String> other = reading.putIfAbsent(state, mine);
        if (other != null) {
            String theirs = other.join();
            return theirs != null || hurried ? theirs : read(path, state, size); // by their name it may be gone
        }
        String hash = null;
        try {
            hash = read(path, state, size);
        } finally {
            mine.complete(hash);
            reading.remove(state);
        }
        return hash;
    }

    private String read(Path path, String state, long size) throws IOException {
        boolean isSettled = size >= CACHED_FROM && isSettled(path);
        Blake3 hash = new Blake3();
        byte[] buffer = new byte[BUFFER];
        try (InputStream bytes = Files.newInputStream(path)) {
            for (int count; (count = bytes.read(buffer)) >= 0; ) {
                if (hurried) return null;
                hash.update(buffer, 0, count);
            }
        }
        byte[] digest = hash.digest();
        if (isSettled && state.equals(state(path, Files.readAttributes(path, BasicFileAttributes.class)))) cache.put(state, digest, size);
        return Blake3.hex(digest);
    }

    /** Whether any later change would show in its times. */
    private static boolean isSettled(Path path) throws IOException {
        Object ctime = changed(path);
        long modified = Files.getLastModifiedTime(path).to(TimeUnit.NANOSECONDS);
        long last = ctime instanceof Long ? Math.max(modified, (Long) ctime) : modified;
        boolean isFine = last % 1_000_000_000 != 0;
        return System.currentTimeMillis() - last / 1_000_000 > (isFine ? FINE_TICK : COARSE_TICK);
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
