package lamin.nextflow;

/**
 * There so that {@code -javaagent:lamin-nextflow.jar} puts the jar on the class path, where Nextflow finds its observer.
 * Mentions no Nextflow type: any JVM may load it.
 */
public final class Agent {
    private Agent() {}

    /** Nothing to do. */
    public static void premain(String arguments) {}
}
