package lamin.nextflow;

import java.util.ArrayList;
import java.util.List;

/** A task as we follow it: its run with what is known by now, and whether its start was told. */
final class Attempt {
    volatile Run run;
    volatile boolean started;
    /** What cannot be right of what Nextflow says of it; touched by the thread of {@link Delivery} alone. */
    final List<String> doubts = new ArrayList<>();

    Attempt(Run run) {
        this.run = run;
    }
}
