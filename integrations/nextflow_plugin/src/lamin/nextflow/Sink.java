package lamin.nextflow;

import java.io.IOException;

/** Takes events, each as one line of JSON. */
interface Sink {
    void emit(String event) throws IOException;
}
