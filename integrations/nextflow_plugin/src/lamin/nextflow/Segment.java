package lamin.nextflow;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * A file of events, a line of JSON each, that wait for one destination. Whoever writes or sends it has it locked (POSIX, which
 * openlineage/lamin/emit/spool.py looks at, too): the lock ends with the process, and then the file is free for the next one.
 */
final class Segment implements Closeable {
    private static final int READ = 1 << 16;
    /** Bytes of lines that go out together, more or less. */
    private static final int TOGETHER = 1 << 20;

    final Path path;
    private final FileChannel channel;
    private long size;
    private long sent;
    /** Bytes that are handed out; those behind them wait for the next {@link #release}. */
    private long released;
    private ByteBuffer ahead = ByteBuffer.allocate(0);

    private Segment(Path path, FileChannel channel) throws IOException {
        this.path = path;
        this.channel = channel;
        this.size = this.released = channel.size();
    }

    /** A new one; locked, where the file system knows locks. Elsewhere it waits for a replay that names it. */
    static Segment create(Path path) throws IOException {
        FileChannel channel = FileChannel.open(path,
            Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE),
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        isLocked(channel);
        return new Segment(path, channel);
    }

    /** One that another process has left; null while somebody has it. */
    static Segment claim(Path path) {
        FileChannel channel = null;
        try {
            channel = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
            if (isLocked(channel) && Files.exists(path)) return new Segment(path, channel);
            channel.close();
        } catch (IOException gone) {
            return null;
        }
        return null;
    }

    private static boolean isLocked(FileChannel channel) {
        try {
            return channel.tryLock() != null;
        } catch (IOException | OverlappingFileLockException unknown) {
            return false;
        }
    }

    void release() {
        released = size;
    }

    long size() {
        return size;
    }

    boolean isSent() {
        return sent >= size;
    }

    /** Add a line, whole or not at all. */
    void append(String event) throws IOException {
        ByteBuffer line = ByteBuffer.wrap((event + "\n").getBytes(StandardCharsets.UTF_8));
        long end = size + line.remaining();
        try {
            for (long at = size; line.hasRemaining(); ) at += channel.write(line, at);
        } catch (IOException full) {
            channel.truncate(size);
            throw full;
        }
        size = end;
    }

    /** The first lines that are not sent, at most so many, without their ends; of long ones fewer. A last line without an end is torn. */
    List<String> next(int most) throws IOException {
        List<String> lines = linesAhead(most);
        while ((lines.isEmpty() || lines.size() < most && ahead.limit() < TOGETHER) && sent + ahead.limit() < released) {
            readMore();
            lines = linesAhead(most);
        }
        if (lines.isEmpty() && sent < released) sent = released;
        return lines;
    }

    private List<String> linesAhead(int most) {
        List<String> lines = new ArrayList<>();
        for (int start = 0, end; lines.size() < most && (end = indexOfNewline(start)) >= 0; start = end + 1) {
            lines.add(new String(ahead.array(), start, end - start, StandardCharsets.UTF_8));
        }
        return lines;
    }

    private int indexOfNewline(int start) {
        for (int i = start; i < ahead.limit(); i++) {
            if (ahead.get(i) == '\n') return i;
        }
        return -1;
    }

    private void readMore() throws IOException {
        ByteBuffer longer = ByteBuffer.allocate(ahead.limit() + READ);
        longer.put(ahead.array(), 0, ahead.limit());
        channel.read(longer, sent + ahead.limit());
        longer.flip();
        ahead = ByteBuffer.wrap(java.util.Arrays.copyOf(longer.array(), longer.limit()));
    }

    /** So many lines of {@link #next} are where they belong. What is all sent takes no room on the disk. */
    void advance(int lines) throws IOException {
        int length = 0;
        for (int i = 0; i < lines; i++) length = indexOfNewline(length) + 1;
        sent += length;
        ahead = ByteBuffer.wrap(java.util.Arrays.copyOfRange(ahead.array(), length, ahead.limit()));
        if (sent < size) return;
        channel.truncate(0);
        sent = size = released = 0;
        ahead = ByteBuffer.allocate(0);
    }

    void remove() throws IOException {
        Files.deleteIfExists(path);
        close();
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
