package lamin.nextflow;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Set;

/**
 * Digests of files that outlive the run, so that {@code -resume} reads no large file again: a file of fixed size, 2<sup>15</sup>
 * buckets of 8 entries, at most 16 MiB, which takes no heap and can be thrown away at any time. Several processes may use it:
 * an entry is one write, and a torn one is no entry.
 *
 * <p>An entry of 64 bytes: 16 of the state's BLAKE3, 32 of the content's, 8 of size, 8 of the BLAKE3 of all these.
 */
final class DigestCache {
    private static final int BUCKETS = 1 << 15;
    private static final int WAYS = 8;
    private static final int STATE = 16;
    private static final int HASH = 32;
    private static final int ENTRY = 64;

    private final FileChannel file;

    private DigestCache(FileChannel file) {
        this.file = file;
    }

    /** The cache in this file; one that has nothing where the file cannot be used. */
    static DigestCache in(Path path) {
        try {
            Files.createDirectories(path.getParent());
            return new DigestCache(FileChannel.open(path,
                Set.of(StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))));
        } catch (IOException | RuntimeException unusable) {
            return none();
        }
    }

    static DigestCache none() {
        return new DigestCache(null);
    }

    /** The content's hash of the file that stood so, in hex; or null. */
    String get(String state) {
        try {
            byte[] key = key(state);
            byte[] bucket = file == null ? new byte[0] : bucket(key);
            for (int at = 0; at + ENTRY <= bucket.length; at += ENTRY) {
                byte[] entry = Arrays.copyOfRange(bucket, at, at + ENTRY);
                if (Arrays.equals(entry, 0, STATE, key, 0, STATE) && Arrays.equals(check(entry), Arrays.copyOfRange(entry, ENTRY - 8, ENTRY))) {
                    return Blake3.hex(Arrays.copyOfRange(entry, STATE, STATE + HASH));
                }
            }
            return null;
        } catch (IOException | RuntimeException unreadable) {
            return null;
        }
    }

    /** Into an empty place of its bucket, else in place of another. */
    void put(String state, byte[] hash, long size) {
        if (file == null) return;
        try {
            byte[] key = key(state);
            byte[] bucket = bucket(key);
            int way = Math.floorMod(key[STATE - 1], WAYS);
            for (int i = WAYS - 1; i >= 0; i--) {
                if (isEmpty(bucket, i * ENTRY)) way = i;
            }
            ByteBuffer entry = ByteBuffer.allocate(ENTRY).put(key, 0, STATE).put(hash, 0, HASH).putLong(size);
            entry.put(check(entry.array())).flip();
            file.write(entry, position(key) + (long) way * ENTRY);
        } catch (IOException | RuntimeException unwritable) {
            return; // the file is read again
        }
    }

    void close() {
        try {
            if (file != null) file.close();
        } catch (IOException gone) {
            return;
        }
    }

    private static byte[] key(String state) {
        return Arrays.copyOf(new Blake3().update(state.getBytes(StandardCharsets.UTF_8)).digest(), STATE);
    }

    private static byte[] check(byte[] entry) {
        return Arrays.copyOf(new Blake3().update(entry, 0, ENTRY - 8).digest(), 8);
    }

    private static long position(byte[] key) {
        return (long) Math.floorMod(ByteBuffer.wrap(key).getInt(), BUCKETS) * WAYS * ENTRY;
    }

    /** Its bytes, fewer at the end of the file. */
    private byte[] bucket(byte[] key) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(WAYS * ENTRY);
        file.read(bytes, position(key));
        return Arrays.copyOf(bytes.array(), bytes.position());
    }

    private static boolean isEmpty(byte[] bucket, int at) {
        for (int i = at; i < Math.min(bucket.length, at + STATE); i++) {
            if (bucket[i] != 0) return false;
        }
        return true;
    }
}
