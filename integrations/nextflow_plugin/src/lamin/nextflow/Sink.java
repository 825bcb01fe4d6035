package lamin.nextflow;

import java.io.IOException;
import java.util.List;

/** Takes events, each as one line of JSON. */
interface Sink {
    void emit(String event) throws IOException;

    /** Several at once. False where they must be sent one by one: no such address, or some of them refused. */
    default boolean emitTogether(List<String> events) throws IOException {
        return false;
    }
}
