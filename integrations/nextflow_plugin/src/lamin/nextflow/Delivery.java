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
 * them on. A receiver that is slow or away is tried again; what it does not take goes into the spool file, at the cost of one
 * warning, and later events are offered to it again. The pipeline waits only at its end, and only so long: what is not hashed by
 * then is told without a hash.
 */
final class Delivery {
    private static final int CAPACITY = 20_000;
    private static final long PATIENCE_SECONDS = 60;
    private static final long GRACE_SECONDS = 5;
    /** Of a pipeline that a person stops, seconds for both. */
    private static final long STOPPED_SECONDS = 2;
    /** Tries of an event that the receiver does not take; while they last, the next events wait in the queue. */
    private static final int TRIES = 4;
    private static final long FIRST_PAUSE = 500; // milliseconds, then twice as many
    private static final long LONGEST_PAUSE = 10_000;
    /** Nanoseconds for which a receiver that was given up is left alone. */
    private static final long REST = TimeUnit.SECONDS.toNanos(10);

    /** Makes one event, or null for none; runs in the delivery thread, in the order it was handed over. */
    interface Work {
        Map<String, Object> event(Hasher hasher) throws Exception;
    }

    private final BlockingQueue<Work> queue = new LinkedBlockingQueue<>(CAPACITY);
    private final Hasher hasher;
    private final Sink sink;
    private final FileSink spool;
    private final long patience;
    private volatile Work current;
    private volatile boolean failed;
    private volatile boolean warned;
    private volatile boolean lost;
    private long restsUntil;
    private volatile boolean closing;

    Delivery(Sink sink, FileSink spool, long patience, Hasher hasher) {
        this.hasher = hasher;
        this.sink = sink;
        this.spool = spool;
        this.patience = patience;
        this.restsUntil = System.nanoTime();
        Thread thread = new Thread(this::deliver, "lamin-lineage");
        thread.setDaemon(true);
        thread.start();
    }

    /** The file that our launcher reads, or an endpoint ({@code OPENLINEAGE_URL}), or the spool. */
    static Delivery fromEnvironment(Map<String, String> environment) {
        FileSink spool = Spool.file(environment);
        return new Delivery(sink(environment, spool), spool, patience(environment), Hasher.fromEnvironment(environment));
    }

    private static Sink sink(Map<String, String> environment, FileSink spool) {
        String url = environment.getOrDefault("OPENLINEAGE_URL", "");
        String file = environment.getOrDefault("LAMIN_NEXTFLOW_EVENTS", "");
        if (!file.isEmpty()) return new FileSink(Paths.get(file)); // whoever reads it knows where to
        if (!url.isEmpty() && !isDisabled(environment)) return http(url, environment);
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

    /** Queue it; nobody waits. When the queue is full, it is kept without hashes until it has room again. */
    void submit(Work work) {
        if (queue.offer(work)) return;
        hasher.hurry();
        keep(work);
    }

    /** Wait until all is handed on; past the patience, without hashes; past the grace, into the spool by this thread. */
    void finish(boolean isStopped) {
        CountDownLatch done = new CountDownLatch(1);
        submit(ignored -> {
            done.countDown();
            return null;
        });
        long seconds = isStopped ? Math.min(patience, STOPPED_SECONDS) : patience;
        if (await(done, seconds)) return;
        Warnings.say("lineage is still being told after " + seconds + " s (LAMIN_NEXTFLOW_PATIENCE); the rest goes without hashes");
        closing = true;
        hasher.hurry();
        if (await(done, isStopped ? STOPPED_SECONDS : GRACE_SECONDS)) return;
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

    private void emit(Work work) throws InterruptedException {
        String event = event(work);
        if (event != null && !isTaken(event)) keep(event);
    }

    private boolean isTaken(String event) throws InterruptedException {
        for (int tries = 1; !failed && System.nanoTime() - restsUntil >= 0; tries++) {
            try {
                sink.emit(event);
                return true;
            } catch (Throwable problem) {
                if (tries < TRIES && !closing && problem instanceof Passing) {
                    Thread.sleep(pause(tries, (Passing) problem));
                } else {
                    giveUp(problem);
                }
            }
        }
        return false;
    }

    private static long pause(int tries, Passing problem) {
        return Math.min(LONGEST_PAUSE, Math.max(FIRST_PAUSE << tries - 1, problem.retryAfter));
    }

    private void giveUp(Throwable problem) {
        if (!failed && sink != spool) warn(String.valueOf(problem.getMessage()));
        if (problem instanceof Passing) restsUntil = System.nanoTime() + REST;
        else failed = true;
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
        if (warned) return;
        warned = true;
        Warnings.say("lineage is kept in " + spool.path + " (" + reason + "); bring it in later with: lamin events replay " + spool.path);
    }
}
