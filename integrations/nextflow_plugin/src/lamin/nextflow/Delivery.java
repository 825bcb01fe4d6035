package lamin.nextflow;

import java.io.IOException;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;

/**
 * Takes what the hooks saw off their threads: one daemon thread turns it into events, in order, which means reading files, and
 * hands them to a {@link Courier} for each destination. The pipeline waits only at its end, and only so long: what is not hashed
 * by then goes without a hash.
 */
final class Delivery {
    private static final int CAPACITY = 50_000;
    private static final long PATIENCE_SECONDS = 60;
    private static final long GRACE_SECONDS = 5;
    /** Of a pipeline that a person stops, milliseconds: for hashing, for events without hashes, for the couriers. */
    private static final long STOPPED = 1_200;
    private static final long SPOOL_MEGABYTES = 512;

    /** Makes one event, or null for none; runs in the delivery thread, in the order it was handed over. */
    interface Work {
        Map<String, Object> event(Hasher hasher) throws Exception;
    }

    private final BlockingQueue<Work> queue = new LinkedBlockingQueue<>(CAPACITY);
    private final AtomicLong dropped = new AtomicLong();
    private final Hasher hasher;
    private final List<Courier> couriers;
    private final FileSink events;
    private final long patience;
    private volatile Work current;
    private volatile boolean closing;
    private Courier fallback;
    private final SpoolFolder folder;
    private final long limit;

    private Delivery(Map<?, ?> scope, Map<String, String> environment) {
        Map<String, String> settings = Settings.of(scope, environment);
        this.hasher = Hasher.of(settings);
        this.folder = SpoolFolder.of(settings);
        this.limit = Settings.number(settings, "LAMIN_SPOOL_LIMIT", SPOOL_MEGABYTES) << 20;
        this.patience = Settings.number(settings, "LAMIN_NEXTFLOW_PATIENCE", PATIENCE_SECONDS);
        String file = settings.getOrDefault("LAMIN_NEXTFLOW_EVENTS", "");
        this.events = file.isEmpty() ? null : new FileSink(Paths.get(file)); // whoever reads it knows where to
        List<Destination> destinations = events == null ? Destinations.of(settings, folder) : Destinations.ofScope(scope, environment);
        this.couriers = destinations.stream().map(this::courier).collect(Collectors.toCollection(ArrayList::new));
        Thread thread = new Thread(this::deliver, "lamin-lineage");
        thread.setDaemon(true);
        thread.start();
    }

    /** By the scope {@code openlineage} of nextflow.config, and by the environment, which is stronger. */
    static Delivery of(Map<?, ?> scope, Map<String, String> environment) {
        return new Delivery(scope, environment);
    }

    private Courier courier(Destination destination) {
        return new Courier(destination, new Spool(folder.path, destination.key, destination.origin, limit));
    }

    /** Queue it, and have these files hashed meanwhile; nobody waits. Past half of the queue, events go without hashes. */
    void submit(Collection<Path> files, Work work) {
        if (queue.remainingCapacity() < CAPACITY / 2) hasher.hurry();
        if (queue.offer(work)) files.forEach(hasher::prefetch);
        else dropped.incrementAndGet();
    }

    void submit(Work work) {
        submit(List.of(), work);
    }

    /** Wait until all is handed on; past the patience, without hashes; past the grace, events are made by this thread. */
    void finish(boolean isStopped) {
        CountDownLatch done = new CountDownLatch(1);
        Work last = ignored -> {
            done.countDown();
            return null;
        };
        if (!queue.offer(last)) hasher.hurry();
        long milliseconds = TimeUnit.SECONDS.toMillis(patience);
        if (!await(done, isStopped ? Math.min(milliseconds, STOPPED) : milliseconds)) hurry(done, isStopped);
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(isStopped ? STOPPED : Math.max(milliseconds, 1_000));
        if (fallback != null) couriers.add(fallback);
        for (Courier courier : couriers) courier.close(Math.max(0, (end - System.nanoTime()) / 1_000_000));
        if (dropped.get() > 0) Warnings.say("lineage is being lost: " + dropped + " events, the queue was full");
        hasher.close();
    }

    private void hurry(CountDownLatch done, boolean isStopped) {
        if (!isStopped) Warnings.say("lineage is still being recorded after " + patience + " s (LAMIN_NEXTFLOW_PATIENCE); the rest goes without hashes");
        closing = true;
        hasher.hurry();
        if (await(done, isStopped ? STOPPED : TimeUnit.SECONDS.toMillis(GRACE_SECONDS))) return;
        Work stuck = current; // its file does not answer
        if (stuck != null) emit(stuck);
        for (Work work; (work = queue.poll()) != null; ) emit(work);
    }

    private static boolean await(CountDownLatch latch, long milliseconds) {
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(milliseconds);
        boolean interrupted = false; // a session that is torn down interrupts its threads: that must not cost events
        try {
            while (true) {
                try {
                    return latch.await(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
                } catch (InterruptedException again) {
                    interrupted = true;
                }
            }
        } finally {
            if (interrupted) Thread.currentThread().interrupt();
        }
    }

    private void deliver() {
        while (true) {
            try {
                current = queue.take();
                if (!closing && queue.remainingCapacity() > CAPACITY / 2) hasher.relax();
                emit(current);
            } catch (InterruptedException stop) {
                return;
            } finally {
                current = null;
            }
        }
    }

    private void emit(Work work) {
        String event = event(work);
        if (event == null) return;
        if (events != null) write(event);
        for (Courier courier : couriers) courier.accept(event);
    }

    /** Into the file that our launcher reads; where it cannot be written, into the spool. */
    private synchronized void write(String event) {
        try {
            if (fallback == null) {
                events.emit(event);
                return;
            }
        } catch (IOException | RuntimeException unwritable) {
            fallback = courier(Destination.registry(folder));
        }
        fallback.accept(event);
    }

    private String event(Work work) {
        try {
            Map<String, Object> event = work.event(hasher);
            return event == null ? null : Json.write(event);
        } catch (Throwable problem) {
            Warnings.say("an event could not be made: " + problem);
            return null;
        }
    }
}
