package lamin.nextflow;

/** One line on standard error: the only voice of this plugin. */
final class Warnings {
    private Warnings() {}

    static void say(String text) {
        System.err.println("lamin: " + text);
    }
}
