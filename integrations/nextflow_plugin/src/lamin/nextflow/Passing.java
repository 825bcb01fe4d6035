package lamin.nextflow;

import java.io.IOException;

/** What may go well the next time: no answer, none in time, 429, 5xx. */
final class Passing extends IOException {
    private static final long serialVersionUID = 1;

    /** Milliseconds that the receiver asks to be left alone, in {@code Retry-After}; 0 where it says nothing. */
    final long retryAfter;

    Passing(String message, Throwable cause, long retryAfter) {
        super(message, cause);
        this.retryAfter = retryAfter;
    }
}
