package lamin.nextflow;

import java.io.IOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.nio.file.Paths;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * Takes what the hooks saw off their threads: one daemon thread turns it into events, which means reading the files, and hands
 * them on. A failure costs one warning, and from then on the spool file has everything. The pipeline waits only at its end,
 * and only so long: what is not hashed by then is told without a hash.
 */
final class Delivery {
    private static final int CAPACITY = 20_000;
    private static final long PATIENCE_SECONDS = 60;
    private static final long GRACE_SECONDS = 5;

    /** Makes one event, or null for none; runs in the delivery thread, in the order it was handed over. */
    interface Work {
        Map<String, Object> event(Hasher hasher) throws Exception;
    }

    private final BlockingQueue<Work> queue = new LinkedBlockingQueue<>(CAPACITY);
    private final Hasher hasher = new Hasher();
    private final Sink sink;
    private final FileSink spool;
    private final long patience;
    private volatile Work current;
    private volatile boolean failed;
    private volatile boolean lost;
    private volatile boolean closing;

    Delivery(Sink sink, FileSink spool, long patience) {
        this.sink = sink;
        this.spool = spool;
        this.patience = patience;
        Thread thread = new Thread(this::deliver, "lamin-lineage");
        thread.setDaemon(true);
        thread.start();
    }

    /** An endpoint ({@code OPENLINEAGE_URL}), or the file that our launcher reads, or the spool. */
    static Delivery fromEnvironment(Map<String, String> environment) {
        FileSink spool = Spool.file(environment);
        return new Delivery(sink(environment, spool), spool, patience(environment));
    }

    private static Sink sink(Map<String, String> environment, FileSink spool) {
        String url = environment.getOrDefault("OPENLINEAGE_URL", "");
        String file = environment.getOrDefault("LAMIN_NEXTFLOW_EVENTS", "");
        if (!url.isEmpty() && !isDisabled(environment)) return http(url, environment);
        if (!file.isEmpty()) return new FileSink(Paths.get(file));
        Warnings.say("lineage is kept in " + spool.path + "; bring it in with: lamin events replay " + spool.path);
        return spool;
    }

    /** As openlineage-python reads it: then nothing leaves this machine. */
    private static boolean isDisabled(Map<String, String> environment) {
        return environment.getOrDefault("OPENLINEAGE_DISABLED", "").trim().equalsIgnoreCase("true");
    }

    private static Sink http(String url, Map<String, String> environment) {
        String endpoint = environment.getOrDefault("OPENLINEAGE_ENDPOINT", "api/v1/lineage");
        String address = url.replaceFirst("/+$", "") + "/" + endpoint.replaceFirst("^/+", "");
        try {
            URL parsed = new URL(address);
            if (!parsed.getProtocol().startsWith("http")) throw new MalformedURLException(address);
            return new HttpSink(parsed, environment.get("OPENLINEAGE_API_KEY"));
        } catch (MalformedURLException wrong) {
            return event -> {
                throw new IOException("'" + address + "' is no HTTP address");
            };
        }
    }

    private static long patience(Map<String, String> environment) {
        try {
            return Long.parseLong(environment.getOrDefault("LAMIN_NEXTFLOW_PATIENCE", ""));
        } catch (NumberFormatException unset) {
            return PATIENCE_SECONDS;
        }
    }

    /** Queue it. When the queue is full, files are no longer read until it has room again. */
    void submit(Work work) {
        if (queue.offer(work)) return;
        hasher.hurry();
        try {
            if (!queue.offer(work, GRACE_SECONDS, TimeUnit.SECONDS)) keep(work);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            keep(work);
        }
    }

    /** Wait until all is handed on; past the patience, without hashes; past the grace, into the spool by this thread. */
    void finish() {
        CountDownLatch done = new CountDownLatch(1);
        Work last = ignored -> {
            done.countDown();
            return null;
        };
        submit(last);
        if (await(done, patience)) return;
        Warnings.say("lineage is still being told after " + patience + " s (LAMIN_NEXTFLOW_PATIENCE); the rest goes without hashes");
        closing = true;
        hasher.hurry();
        if (await(done, GRACE_SECONDS)) return;
        Work stuck = current;
        failed = true;
        if (stuck != null) keep(stuck);
        for (Work work; (work = queue.poll()) != null; ) keep(work);
        warn("no answer");
    }

    private static boolean await(CountDownLatch latch, long seconds) {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
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
        if (!failed) {
            try {
                sink.emit(event);
                return;
            } catch (Throwable problem) {
                if (!failed && sink != spool) warn(String.valueOf(problem.getMessage()));
                failed = true;
            }
        }
        keep(event);
    }

    private String event(Work work) {
        try {
            Map<String, Object> event = work.event(hasher);
            return event == null ? null : Json.write(event);
        } catch (Throwable problem) {
            Warnings.say("an event could not be told: " + problem);
            return null;
        }
    }

    private void keep(Work work) {
        String event = event(work);
        if (event != null) keep(event);
    }

    private void keep(String event) {
        try {
            spool.emit(event);
        } catch (Throwable problem) {
            if (!lost) Warnings.say("lineage is being lost: " + problem);
            lost = true;
        }
    }

    private void warn(String reason) {
        Warnings.say("lineage is kept in " + spool.path + " (" + reason + "); bring it in later with: lamin events replay " + spool.path);
    }
}
