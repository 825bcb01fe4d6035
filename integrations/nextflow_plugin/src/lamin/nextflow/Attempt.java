package lamin.nextflow;

/** A task as we follow it: its run with what is known by now, and whether its start was told. */
final class Attempt {
    volatile Run run;
    volatile boolean started;

    Attempt(Run run) {
        this.run = run;
    }
}
