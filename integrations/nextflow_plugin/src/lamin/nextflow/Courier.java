package lamin.nextflow;

import java.io.IOException;
import java.net.ConnectException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Carries events to one destination: into its spool at once, and on from there by a thread of its own, which begins with what
 * earlier pipelines left. A receiver that is slow or away is tried again for as long as the pipeline runs; {@code Retry-After} is
 * heeded. What it does not take until the end stays in the spool, at the cost of one warning, and the next run delivers it.
 */
final class Courier {
    private static final long[] PAUSES = {500, 1_000, 2_000, 5_000, 10_000, 30_000}; // milliseconds
    private static final long LONGEST_PAUSE = TimeUnit.MINUTES.toMillis(5);
    /** At the end: how long no event may be taken, before the rest is left to the next run. */
    private static final long STANDSTILL = 5_000;
    /** Events in one request, and milliseconds in which they gather: a request for each would cost receiver and tasks more than all else. */
    private static final int TOGETHER = 100;
    private static final long GATHER = 1_000;
    /** Events in memory, where the disk takes none. */
    private static final int CAPACITY = 10_000;

    private final Destination destination;
    private final Spool spool;
    private final Deque<String> unspooled = new ArrayDeque<>();
    private String reason;
    private boolean warned;
    private long accepted;
    private long taken;
    /** Events that this thread has seen taken, ours and earlier ones: does the receiver take any? */
    private long progress;
    private long attempts;
    /** Attempts to which nobody answered at all. */
    private long refusals;
    private long dropped;
    private boolean hurried;
    private boolean closing;
    private boolean closed;

    Courier(Destination destination, Spool spool) {
        this.destination = destination;
        this.spool = spool;
        if (destination.sink == null) return;
        Thread thread = new Thread(this::carry, "lamin-courier");
        thread.setDaemon(true);
        thread.start();
    }

    /** Keep this event, and have it carried on. */
    void accept(String event) {
        try {
            spool.append(event);
        } catch (IOException | RuntimeException full) {
            hold(event, full);
        }
        synchronized (this) {
            accepted++;
            notifyAll();
        }
    }

    private synchronized void hold(String event, Exception full) {
        if (unspooled.size() < CAPACITY) unspooled.add(event);
        else dropped++;
        if (reason == null) reason = String.valueOf(full.getMessage());
    }

    private void carry() {
        spool.adopt();
        int failures = 0;
        while (awaitWork()) {
            try {
                deliver();
                failures = 0;
            } catch (Throwable problem) {
                failures++;
                fail(problem);
                pause(failures, problem);
            }
        }
    }

    /** Until there is something to send, and then until more has gathered, or until the end. */
    private synchronized boolean awaitWork() {
        while (!closed && taken >= accepted && attempts > 0) waitFor(0);
        long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(GATHER);
        for (long left; !closed && !closing && attempts > 0 && (left = until - System.nanoTime()) > 0; ) waitFor(1 + left / 1_000_000);
        hurried = false;
        return !closed;
    }

    private void waitFor(long milliseconds) {
        try {
            wait(milliseconds);
        } catch (InterruptedException nobody) {
            closed = true; // our own thread: nobody else interrupts it
        }
    }

    /** All that waits. */
    private void deliver() throws IOException {
        long target;
        synchronized (this) {
            target = accepted;
        }
        spool.release();
        try {
            for (List<String> events; !(events = spool.next(TOGETHER)).isEmpty(); ) {
                if (isClosed()) return;
                send(events);
            }
            sendUnspooled();
            synchronized (this) {
                taken = target;
            }
        } finally {
            synchronized (this) {
                attempts++;
                notifyAll();
            }
        }
    }

    private void send(List<String> events) throws IOException {
        if (events.size() > 1 && destination.sink.emitTogether(events)) {
            spool.advance(events.size());
            progress();
            return;
        }
        for (String event : events) {
            if (isClosed()) return;
            send(event);
        }
    }

    private void send(String event) throws IOException {
        try {
            destination.sink.emit(event);
            spool.advance(1);
        } catch (HttpSink.Refused refused) {
            spool.putAside(event, refused.getMessage());
            warn(refused.getMessage(), "events were refused and put aside in ");
        }
        progress();
    }

    private synchronized void progress() {
        progress++;
        notifyAll();
    }

    private void sendUnspooled() throws IOException {
        while (true) {
            String event;
            synchronized (this) {
                event = unspooled.peek();
            }
            if (event == null) return;
            destination.sink.emit(event);
            synchronized (this) {
                unspooled.poll();
            }
        }
    }

    private synchronized boolean isClosed() {
        return closed;
    }

    private void fail(Throwable problem) {
        synchronized (this) {
            if (closed) return;
            reason = String.valueOf(problem.getMessage());
            if (problem.getCause() instanceof ConnectException) refusals++;
            notifyAll();
        }
        warn(reason, "lineage is kept in ");
    }

    private void warn(String why, String what) {
        if (warned) return;
        warned = true;
        Warnings.say(what + spool.folder + " (" + why + "); the next run delivers it, or: lamin events replay");
    }

    private synchronized void pause(int failures, Throwable problem) {
        long asked = problem instanceof Passing ? Math.min(LONGEST_PAUSE, ((Passing) problem).retryAfter) : 0;
        long now = System.nanoTime();
        long least = now + TimeUnit.MILLISECONDS.toNanos(asked);
        long most = Math.max(least, now + TimeUnit.MILLISECONDS.toNanos(PAUSES[Math.min(failures, PAUSES.length) - 1]));
        for (long left; !closed && (left = (hurried ? least : most) - System.nanoTime()) > 0; ) waitFor(1 + left / 1_000_000);
    }

    /** Wait until all is taken, at most these milliseconds, and no longer than the receiver takes some; let go of the rest. */
    void close(long milliseconds) {
        if (destination.sink != null) awaitTaken(milliseconds);
        synchronized (this) {
            closed = true;
            notifyAll();
        }
        try {
            for (String event; (event = unspooled.poll()) != null; ) spool.append(event);
        } catch (IOException | RuntimeException full) {
            dropped += 1 + unspooled.size();
        }
        try {
            spool.close();
        } catch (IOException | RuntimeException gone) {
            reason = gone.getMessage();
        }
        if (dropped > 0) Warnings.say("lineage is being lost: " + dropped + " events (" + reason + ")");
        else if (destination.sink == null) told();
    }

    /** Where nobody is sent anything. */
    private void told() {
        if (accepted > 0) Warnings.say("lineage waits in " + spool.folder + "; the next lamin command here brings it in, or: lamin events replay");
    }

    private synchronized void awaitTaken(long milliseconds) {
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(milliseconds);
        long last = progress;
        long standstill = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(STANDSTILL);
        long enough = refusals + 2; // one that begins after this call is enough where nobody listens
        hurried = closing = true;
        notifyAll();
        boolean interrupted = false;
        while (taken < accepted || !unspooled.isEmpty()) {
            if (progress > last) {
                last = progress;
                enough = refusals + 2;
                standstill = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(STANDSTILL);
            }
            long left = Math.min(end, standstill) - System.nanoTime();
            if (left <= 0 || refusals >= enough) break;
            try {
                wait(1 + left / 1_000_000);
            } catch (InterruptedException again) { // a session that is torn down interrupts its threads: that must not cost events
                interrupted = true;
            }
        }
        if (interrupted) Thread.currentThread().interrupt();
        if (taken < accepted) warn(reason == null ? "not delivered in time" : reason, "lineage is kept in ");
    }
}
